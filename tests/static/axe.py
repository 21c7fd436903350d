"""axe-core in a page: what of it cannot be used by everybody."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from playwright.async_api import Page

SOURCE = Path(__file__).parents[2] / "static" / "node_modules" / "axe-core" / "axe.min.js"


@cache
def _source() -> str:
    return SOURCE.read_text()


async def violations(page: Page, within: str = "body") -> list[str]:
    """One line for each rule that an element in `within` breaks, with the first of those elements."""
    # By the protocol, which no policy of the page stops.
    protocol = await page.context.new_cdp_session(page)
    await protocol.send("Runtime.evaluate", {"expression": f"window.axe ?? {_source()};0"})
    await protocol.detach()
    found = await page.evaluate("within => axe.run(within, { resultTypes: ['violations'] })", within)
    return [
        f"{rule['id']}: {rule['help']} ({len(rule['nodes'])}×, {rule['nodes'][0]['html'][:200]}, "
        f"{rule['nodes'][0].get('failureSummary', '')[:300]})"
        for rule in found["violations"]
    ]


async def assert_clean(page: Page, within: str = "body") -> None:
    """`AssertionError` when something in `within` breaks a rule, in the dark or in the light."""
    for scheme in ("dark", "light"):
        # Without motion, for half-way between two themes nothing can be read.
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        # What the page does about a theme, it does with its next frame at the latest.
        await page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        found = await violations(page, within)
        assert not found, f"{scheme}: {found}"
