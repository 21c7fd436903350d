"""People who watch and talk: two browsers on one show of a real server, on a desk and on a phone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from owner import ADMIN, Owner
from playwright.async_api import Locator, Page, expect
from playwright.async_api import TimeoutError as PlaywrightTimeout
from rig import LADDER, PATIENCE, Server, ServerFactory, publishing, segments
from viewer_browser import chromium, open_page, send_words, until, watch

Samples = Callable[[str], Path]

pytestmark = pytest.mark.e2e

MS = PATIENCE * 1000
TOOL_MS = 2_000
"""How long a tool of a message may take to be pressed, once it is pointed at."""
VIDEO = "document.querySelector('video')"
PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "reduced_motion": "reduce"}
PHONE |= {"has_touch": True, "is_mobile": True}


async def named(page: Page) -> str:
    """The name under which the page is in chat."""
    return await page.locator(".chat-me .chat-name").inner_text(timeout=MS)


async def say(page: Page, words: str) -> Locator:
    """Writes that in chat by the keyboard; the message as this page shows it."""
    field = page.get_by_role("textbox", name="Message")
    await field.fill(words)
    await send_words(page)
    await expect(field).to_have_value("", timeout=MS)
    return said(page, words)


def said(page: Page, words: str) -> Locator:
    return page.get_by_role("log").get_by_text(words, exact=True)


async def chatter(owner: Owner, name: str) -> str:
    """The id of whoever has that name."""
    found = await owner.get("/api/admin/users?limit=100")
    users = found["results"]
    assert isinstance(users, list)
    return next(str(user["id"]) for user in users if user["displayName"] == name)


async def on_air(server: Server) -> None:
    await server.playlist(0, lambda text: len(segments(text)) >= 2)


async def test_a_desk_and_a_phone_watch_talk_and_one_of_them_moderates(start: ServerFactory, samples: Samples) -> None:
    async with (
        start(config=LADDER + "chat:\n  rate_limit: false\n") as server,
        publishing(server, samples("plain.flv")),
        chromium() as browser,
    ):
        await on_air(server)
        owner = Owner(server, ADMIN)
        async with open_page(browser, server.http) as desk, open_page(browser, server.http, **PHONE) as phone:
            await watch(desk)
            await watch(phone)
            await desk.locator(".player").hover()
            await desk.get_by_role("button", name="Quality").click()
            await desk.get_by_role("menuitemradio", name="Small").click()
            await until(desk, f"{VIDEO}.videoHeight === 90")
            await watch(desk)

            ana, ben = await named(desk), await named(phone)
            await expect(await say(desk, "Good evening")).to_be_visible(timeout=MS)
            await expect(said(phone, "Good evening")).to_be_visible(timeout=MS)
            await expect(await say(phone, "Something rude")).to_be_visible(timeout=MS)
            rude = said(desk, "Something rude")
            await expect(rude).to_be_visible(timeout=MS)

            await owner.post(
                "/api/admin/chat/users/setmoderator", {"userId": await chatter(owner, ana), "isModerator": True}
            )
            await use_tool(desk, rude, f"Hide this message of {ben}")
            await expect(said(phone, "Something rude")).to_have_count(0, timeout=MS)
            await expect(said(phone, "Good evening")).to_be_visible()

            await use_tool(desk, desk.get_by_role("log").get_by_text("Something rude"), f"Ban {ben}")
            await desk.get_by_role("dialog").get_by_role("button", name=f"Ban {ben}").click()
            await expect(phone.get_by_text("A moderator has removed you from this chat.")).to_be_visible(timeout=MS)
            banned = await owner.listing("/api/admin/chat/users/disabled")
            assert [user["displayName"] for user in banned] == [ben]
            # Whoever may not chat may watch.
            await watch(phone)


async def test_a_keyboard_is_enough_and_a_lost_network_comes_back(start: ServerFactory, samples: Samples) -> None:
    async with (
        start(config=LADDER) as server,
        publishing(server, samples("plain.flv")),
        chromium() as browser,
        open_page(browser, server.http, color_scheme="dark", reduced_motion="reduce") as page,
    ):
        await on_air(server)
        await watch(page)
        await page.keyboard.press("m")
        await until(page, f"{VIDEO}.muted")
        await page.keyboard.press("m")
        await tab_to(page, "Quality")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("menuitemradio", name="Auto")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("button", name="Quality")).to_be_focused()
        await tab_to(page, "Message")
        await page.keyboard.type("mf k?")
        await send_words(page)
        await expect(said(page, "mf k?")).to_be_visible(timeout=MS)
        assert not await page.evaluate(f"{VIDEO}.muted"), "what is typed in chat is no command to the player"

        await page.context.set_offline(True)
        await until(page, f"{VIDEO}.readyState < 3 || document.querySelector('.player').dataset.state !== 'playing'")
        await page.context.set_offline(False)
        await watch(page, 2)


async def use_tool(page: Page, message: Locator, name: str) -> None:
    """Points at a message and presses one of its tools. They go when the list moves under the mouse: then once more."""
    async with asyncio.timeout(PATIENCE):
        while True:
            await message.hover()
            try:
                await page.get_by_role("button", name=name).click(timeout=TOOL_MS)
            except PlaywrightTimeout:
                continue
            return


async def tab_to(page: Page, name: str) -> None:
    """Presses Tab until the focus is on what has that accessible name, and is seen to be."""
    for _ in range(60):
        await page.keyboard.press("Tab")
        found = await page.evaluate(
            "(({ariaLabel, textContent}) => ariaLabel ?? textContent)(document.activeElement ?? document.body)"
        )
        if str(found).startswith(name):
            outlined = "getComputedStyle(document.activeElement).outlineStyle !== 'none'"
            seen = f"{outlined} || document.activeElement.matches('textarea')"
            assert await page.evaluate(seen), f"nothing shows that {name} has the focus"
            return
    raise AssertionError(f"Sixty times Tab do not lead to {name}.")
