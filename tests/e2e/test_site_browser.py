"""The built page in a real browser, as its owner has made it: its policy, its additions, its embeds, its changes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from owner import ADMIN, Json, Owner, public
from playwright.async_api import Browser, ConsoleMessage, Frame, Page, expect
from rig import PASSTHROUGH, PATIENCE, Server, ServerFactory, publishing, segments, settles
from viewer_browser import chromium, until

Samples = Callable[[str], Path]

pytestmark = pytest.mark.e2e

HOSTILE = "# Menu\n\n<script>window.broken = 1</script><img src=x onerror='window.broken = 2'>"
SCRIPT = "document.documentElement.dataset.tea = 'ready'"
STYLES = ".header { outline: rgb(1, 2, 3) solid 3px }"
NAME = "<img src=x onerror='window.broken = 3'> Tea"
MS = PATIENCE * 1000
UNBROKEN = "window.broken === undefined"


@dataclass
class Console:
    """What a page complains of."""

    faults: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._hear)

    def _hear(self, line: ConsoleMessage) -> None:
        if line.type in ("error", "warning"):
            self.faults.append(f"{line.location['url']}: {line.text}")


@asynccontextmanager
async def opened(browser: Browser, address: str) -> AsyncIterator[tuple[Page, Console]]:
    """A page in a context of its own, and what it complains of."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(MS)
    page, console = await context.new_page(), Console()
    console.listen(page)
    await page.goto(address)
    yield page, console
    await context.close()


@asynccontextmanager
async def elsewhere(body: str) -> AsyncIterator[str]:
    """The address of a page of another site, with that body."""

    async def answer(_request: web.Request) -> web.Response:
        head = "<!doctype html><title>Blog</title><link rel=icon href=data:,>"
        return web.Response(text=head + body, content_type="text/html")

    application = web.Application()
    application.router.add_get("/", answer)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        # Another host than the server's, so that it is another site to the browser, too.
        yield f"http://localhost:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def frame_at(page: Page, path: str) -> Frame:
    """The frame of a page that shows that path."""

    async def look() -> Frame | None:
        return next((frame for frame in page.frames if frame.url.endswith(path)), None)

    found = await settles(look, lambda frame: frame is not None, f"a frame shows {path}")
    assert found is not None
    return found


async def violations(page: Page, code: str) -> set[str]:
    """Runs code of ours on the page; the directives of its policy that this broke."""
    await page.evaluate(
        """() => {
            window.violated = [];
            addEventListener("securitypolicyviolation", (event) => window.violated.push(event.effectiveDirective));
        }"""
    )
    await page.evaluate(code)
    await until(page, "window.violated.length > 0", PATIENCE)
    return set(await page.evaluate("window.violated"))


async def on_air(server: Server) -> None:
    """Returns when the show can be watched and has a still, which pages ask for."""
    await server.playlist(0, lambda text: len(segments(text)) >= 2)
    await settles(lambda: server.get("/thumbnail.jpg"), lambda found: found[0] == 200, "there is a thumbnail")


async def test_the_page_is_its_owners_and_nobody_elses(start: ServerFactory) -> None:
    """What the owner adds runs and applies; what is smuggled in with content or a name does not; changes are seen."""
    async with start(config=PASSTHROUGH) as server, chromium() as browser:
        owner = Owner(server, ADMIN)
        for name, value in {
            "name": "Tea house",
            "pagecontent": HOSTILE,
            "offlinemessage": HOSTILE,
            "customjavascript": SCRIPT,
            "customstyles": STYLES,
            "appearance": {"theme-tea": "#abc"},
        }.items():
            await owner.set(name, value)
        async with opened(browser, server.http) as (page, console):
            await expect(page.locator(".brand .name")).to_have_text("Tea house", timeout=MS)
            await until(page, "document.documentElement.dataset.tea === 'ready'")
            style = "getComputedStyle(document.querySelector('.header')).outlineColor"
            assert await page.evaluate(style) == "rgb(1, 2, 3)"
            variable = "getComputedStyle(document.documentElement).getPropertyValue('--theme-tea')"
            assert await page.evaluate(variable) == "#abc"
            await page.evaluate("window.sameDocument = true")
            await owner.set("name", NAME)
            await owner.set("streamtitle", f"Oolong {NAME}")
            await stays_whole(server, browser)
            await expect(page.locator("h1")).to_have_text(f"Oolong {NAME}", timeout=MS)
            await expect(page.locator(".brand .name")).to_have_text(NAME, timeout=MS)
            assert await page.evaluate("window.sameDocument") is True
            assert await page.evaluate(UNBROKEN)
            assert console.faults == []


async def stays_whole(server: Server, browser: Browser) -> None:
    """What the owner wrote brings no script along, and even one that got onto the page would not run."""
    content = (await public(server, "/api/config"))["extraPageContent"]
    async with opened(browser, server.http) as (page, console):
        await expect(page.locator("h1")).to_contain_text("Oolong", timeout=MS)
        put = "(html) => document.body.insertAdjacentHTML('beforeend', html)"
        await page.evaluate(put, content)
        assert await page.locator("body script, body [onerror]").count() == 0
        assert [fault for fault in console.faults if "Content Security" in fault] == []
        smuggled = "<img src='data:,' onerror='window.broken = 4'>"
        assert await violations(page, f'({put})("{smuggled}")') == {"script-src-attr"}
        script = "Object.assign(document.createElement('script'), {text: 'window.broken = 5'})"
        assert "script-src-elem" in await violations(page, f"document.body.append({script})")
        assert await page.evaluate(UNBROKEN)


async def test_player_and_chat_are_put_into_pages_of_other_sites(start: ServerFactory, samples: Samples) -> None:
    async with start(config=PASSTHROUGH) as server, chromium() as browser, publishing(server, samples("plain.flv")):
        owner = Owner(server, ADMIN)
        await owner.set("streamtitle", "Oolong")
        await on_air(server)
        embed: Json = await public(server, f"/api/oembed?url={server.http}&maxwidth=640&maxheight=640")
        assert (embed["version"], embed["type"], embed["title"]) == ("1.0", "video", "Oolong")
        assert (embed["width"], embed["height"]) == (640, 360)
        async with opened(browser, server.http) as (page, console):
            link = "document.querySelector('link[type=\"application/json+oembed\"]').href"
            assert await page.evaluate(f"fetch({link}).then(answer => answer.json())") == embed | {
                "html": str(embed["html"]).replace('"640"', '"1280"').replace('"360"', '"720"'),
                "width": 1280,
                "height": 720,
            }
            await until(page, "window.owncast.player.currentTime() > 1")
            assert console.faults == []
        chat = f'<iframe src="{server.http}/embed/chat/readonly" width="400" height="600"></iframe>'
        async with (
            elsewhere(f"{embed['html']}{chat}") as blog,
            opened(browser, blog) as (page, console),
        ):
            player, talk = await frame_at(page, "/embed/video"), await frame_at(page, "/embed/chat/readonly")
            await expect(player.locator("main.embedded video")).to_be_visible(timeout=MS)
            await settles(
                lambda: player.evaluate("window.owncast?.player.currentTime() ?? 0"), lambda at: at > 1, "it plays"
            )
            made = await owner.post("/api/admin/accesstokens/create", {"name": "B", "scopes": ["CAN_SEND_MESSAGES"]})
            bot = Owner(server, {"Authorization": f"Bearer {made['token']}"})
            await bot.post("/api/integrations/chat/send", {"body": "Hello, other site"})
            await expect(talk.get_by_role("log").get_by_text("Hello, other site")).to_be_visible(timeout=MS)
            assert await talk.get_by_role("textbox").count() == 0
            assert await player.locator(".chat, .header").count() == 0
            assert console.faults == []
        whole = f'<iframe src="{server.http}/"></iframe>'
        async with elsewhere(whole) as blog, opened(browser, blog) as (page, console):
            await settles(_complaints(console), lambda faults: faults, "the page with its chat is not framed")
            assert "frame-ancestors" in console.faults[0]


def _complaints(console: Console) -> Callable[[], object]:
    async def ask() -> list[str]:
        return console.faults

    return ask
