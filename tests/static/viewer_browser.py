"""Headless Chromium with the viewer page, for tests and benchmarks.

Owns how the browser is found and started, and how to wait for the page. What the page shows is up to the caller.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, Page, async_playwright, expect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
WAIT_SECONDS = 45.0
"""How long a page may take to get where it is expected; it is mostly there within a second or two."""
POLL_MS = 50


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser of its own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@asynccontextmanager
async def open_page(browser: Browser, address: str, **options: object) -> AsyncIterator[Page]:
    """`address` in a fresh context. `AssertionError` at the end if the page threw or broke its security policy.

    `options` are Playwright's for the context: its size, its theme and so on.
    """
    context = await browser.new_context(**({"viewport": {"width": 1280, "height": 800}} | options))  # type: ignore[arg-type]
    context.set_default_timeout(WAIT_SECONDS * 1000)
    page = await context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if "Content Security" in message.text else None)
    try:
        await page.goto(address)
        yield page
    finally:
        # Also after a failure: the server waits for its open sockets before it ends.
        await context.close()
    assert not faults, faults


async def until(page: Page, condition: str, seconds: float = WAIT_SECONDS) -> None:
    """Returns when the JavaScript expression `condition` is true on the page; `AssertionError` when it does not get so.

    Playwright's own `wait_for_function` evaluates strings inside the page, which the page's security policy forbids.
    """
    # What cannot be asked yet, such as a player that is not there, does not hold yet.
    look = f"(() => {{ try {{ return {condition} }} catch {{ return false }} }})()"
    ticking = f"const timer = setInterval(() => {{ if ({look}) {{ clearInterval(timer); done(true) }} }}, {POLL_MS})"
    waiting = f"new Promise(done => {{ {ticking} }})"
    try:
        async with asyncio.timeout(seconds):
            await page.evaluate(waiting)
    except TimeoutError:
        state = await page.evaluate("window.owncast?.player.state() ?? 'no player'")
        raise AssertionError(f"After {seconds:g} s still not: {condition}. The player's state: {state}.") from None


async def keep_controls(page: Page) -> None:
    """The mouse rests on the controls, so they stay however long a test takes."""
    player = await page.locator(".player").bounding_box()
    assert player is not None
    await page.mouse.move(player["x"] + player["width"] / 2, player["y"] + player["height"] - 30)
    await expect(page.get_by_role("group", name="Player controls")).to_be_visible()


async def send_words(page: Page) -> None:
    """Sends what stands in the chat's field by the keyboard, as soon as the chat can send it."""
    await expect(page.locator(".chat-send")).to_be_enabled(timeout=WAIT_SECONDS * 1000)
    await page.get_by_role("textbox", name="Message").press("Enter")


async def watch(page: Page, seconds: float = 1.0) -> None:
    """Returns when the player has played on for `seconds` of video from where it is now."""
    await until(page, "window.owncast?.player.state() === 'playing'")
    start = await page.evaluate("owncast.player.currentTime()")
    await until(page, f"owncast.player.currentTime() >= {start + seconds}")
