"""axe-core finds nothing to say of the viewer page: online, offline, with each menu and dialog, in both themes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from axe import assert_clean
from fake_chat import FakeChat, said
from playwright.async_api import Browser, Page, expect
from show import INSTANCE, Show, serve
from viewer_browser import open_page, until, watch

from owncast_py.setting_groups import ExternalAction, ScheduleSettings, SocialHandle

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONTENT = """# What you will see

One pot, [three infusions](https://tea.example/), `1.5 l`.

| Day | Tea |
|---|---|
| Tuesday | green |

> A good cup asks for nothing but time.

#### Gear

- a kettle
"""
SIZES = {
    "wide": {"width": 1280, "height": 800},
    "tall": {"width": 360, "height": 740},
    "flat": {"width": 740, "height": 360},
}


@pytest_asyncio.fixture(loop_scope="session")
async def address(show: Show) -> AsyncIterator[str]:
    """Where a page is served that has something of everything."""
    chat = FakeChat()
    chat.history = [said(1, "<p>Hello</p>"), said(2, "<p>More tea?</p>", "Ben")]
    show.groups = [
        ScheduleSettings(enabled=True),
        INSTANCE.model_copy(
            update={
                "page_content": CONTENT,
                "offline_message": "Back *soon*",
                "social_handles": (SocialHandle(platform="mastodon", url="https://social.example/@tea"),),
                "external_actions": (
                    ExternalAction(title="Tip", url="https://tea.example/", open_externally=True, color="#777777"),
                    ExternalAction(title="Frame", url="/favicon.svg"),
                    ExternalAction(title="Words", html="<h1>Oolong</h1><p>5 g", description="Today's tea"),
                ),
            }
        ),
    ]
    async with serve(show, chat) as server:
        yield str(server.make_url("/"))
        await chat.cut()


async def awaken(page: Page) -> None:
    """The player's controls are there, and stay for the two seconds that they do."""
    await page.mouse.move(90, 90)
    await page.mouse.move(100, 100)
    await expect(page.get_by_role("group", name="Player controls")).to_be_visible()


@pytest.mark.parametrize("layout", SIZES)
async def test_online(browser: Browser, address: str, show: Show, layout: str) -> None:
    show.begin()
    async with open_page(browser, address, viewport=SIZES[layout]) as page:
        await watch(page, 0.2)
        await awaken(page)
        await assert_clean(page)
        for name in ("Delay and more", "Menu"):
            await awaken(page)
            await page.get_by_role("button", name=name, exact=True).click()
            await expect(page.get_by_role("menu")).to_be_visible()
            await assert_clean(page)
            await page.keyboard.press("Escape")
        if layout == "tall":
            await page.get_by_role("tab", name="About").click()
            await assert_clean(page)
        if layout == "flat":
            await page.keyboard.press("c")
            await expect(page.get_by_role("region", name="Chat")).to_be_visible()
            await assert_clean(page)


async def test_each_menu_and_dialog(browser: Browser, address: str, show: Show) -> None:
    show.begin()
    async with open_page(browser, address) as page:
        await watch(page, 0.2)
        await page.keyboard.press("d")
        await expect(page.get_by_role("complementary", name="Statistics")).to_be_visible()
        await awaken(page)
        await page.get_by_role("button", name="Quality", exact=True).click()
        await expect(page.get_by_role("menu")).to_be_visible()
        await assert_clean(page)
        await page.keyboard.press("Escape")
        for name in ("Share", "Frame", "Words"):
            await page.get_by_role("button", name=name, exact=True).click()
            await expect(page.get_by_role("dialog")).to_be_visible()
            await assert_clean(page)
            await page.keyboard.press("Escape")
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog")).to_be_visible()
        await assert_clean(page)
        await page.keyboard.press("Escape")
        await page.keyboard.press("t")
        await expect(page.locator(".header")).to_have_count(0)
        await assert_clean(page)


@pytest.mark.parametrize("layout", SIZES)
async def test_offline(browser: Browser, address: str, show: Show, layout: str) -> None:
    start = (show.now() + timedelta(hours=2)).isoformat()
    show.status_says = {"scheduledEvent": {"name": "Oolong", "startTime": start, "durationMinutes": 60}}
    async with open_page(browser, address, viewport=SIZES[layout]) as page:
        await expect(page.get_by_role("link", name="Add to calendar")).to_be_visible()
        await assert_clean(page)


async def test_a_page_that_has_nothing_yet(browser: Browser, address: str, show: Show) -> None:
    show.ever, show.groups, show.config_says = False, [], {"chatDisabled": True}
    async with open_page(browser, address) as page:
        await expect(page.get_by_text("Leave this page open")).to_be_visible()
        await assert_clean(page)


async def test_the_notice_failures_and_embeds(browser: Browser, address: str, show: Show) -> None:
    show.begin()
    show.config_says = {"nsfw": True}
    async with open_page(browser, address) as page:
        await expect(page.get_by_text("Not safe for work")).to_be_visible()
        await assert_clean(page)
        await page.get_by_role("button", name="Show the stream").click()
        await watch(page, 0.2)
        show.broken = True
        await until(page, "owncast.player.state() === 'retrying'")
        await assert_clean(page)
        show.broken = False
        await page.goto(address + "embed/video")
        await watch(page, 0.2)
        await assert_clean(page)
