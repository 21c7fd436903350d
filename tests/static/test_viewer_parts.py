"""What is around the player: the owner's buttons, sharing, the schedule, the notice, the chat's place, embeds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from fake_chat import FakeChat
from playwright.async_api import Browser, Page, expect
from show import INSTANCE, Show, serve
from viewer_browser import keep_controls, open_page, until, watch

from owncast_py.setting_groups import ExternalAction, ScheduleSettings

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def with_chat(show: Show) -> AsyncIterator[str]:
    """Where the page is served with a chat, while a show is on."""
    show.begin()
    async with serve(show, FakeChat()) as server:
        yield str(server.make_url("/"))


@pytest_asyncio.fixture(loop_scope="session")
async def elsewhere() -> AsyncIterator[str]:
    """A page of another site, which says where it was opened from."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=f"<!doctype html><p>From {request.query['instance']}", content_type="text/html")

    application = web.Application()
    application.router.add_get("/", answer)
    async with TestServer(application) as server:
        # Another name than the page's, so that it is another site to the browser, too.
        yield str(server.make_url("/")).replace("127.0.0.1", "localhost")


# The owner's buttons.


async def test_buttons_open_a_tab_a_page_in_a_frame_or_words(
    browser: Browser, address: str, show: Show, elsewhere: str
) -> None:
    show.groups = [
        INSTANCE.model_copy(
            update={
                "external_actions": (
                    ExternalAction(title="Tab", url=elsewhere, open_externally=True),
                    ExternalAction(title="Frame", url=elsewhere, color="#e0a030"),
                    ExternalAction(title="Words", html="<h1>Oolong</h1><p>5 g", description="Today's tea"),
                )
            }
        )
    ]
    async with open_page(browser, address) as page:
        async with page.context.expect_page() as opened:
            await page.get_by_role("link", name="Tab").click()
        tab = await opened.value
        await expect(tab.get_by_text(f"From {address}")).to_be_visible()
        assert await tab.evaluate("window.opener") is None
        await tab.close()

        await page.get_by_role("button", name="Frame").click()
        frame = page.frame_locator(".action-frame")
        await expect(frame.get_by_text(f"From {address}")).to_be_visible()
        sandbox = await page.locator(".action-frame").get_attribute("sandbox")
        assert sandbox == "allow-scripts allow-forms allow-popups allow-popups-to-escape-sandbox allow-same-origin"
        await expect(page.get_by_role("link", name="Open in a new tab")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)

        await page.get_by_role("button", name="Words").click()
        dialog = page.get_by_role("dialog", name="Words")
        await expect(dialog).to_contain_text("Today's tea")
        await expect(dialog.get_by_role("heading", name="Oolong")).to_be_visible()
        await dialog.get_by_role("button", name="Close").click()
        await expect(page.get_by_role("button", name="Words")).to_be_focused()


async def test_a_page_of_this_server_gets_none_of_its_storage(browser: Browser, address: str, show: Show) -> None:
    show.groups = [INSTANCE.model_copy(update={"external_actions": (ExternalAction(title="Own", url="/favicon.svg"),)})]
    async with open_page(browser, address) as page:
        await page.get_by_role("button", name="Own").click()
        assert "allow-same-origin" not in str(await page.locator(".action-frame").get_attribute("sandbox"))


async def test_sharing_copies_the_link_and_the_lines_for_other_pages(browser: Browser, with_chat: str) -> None:
    async with open_page(browser, with_chat, permissions=["clipboard-read", "clipboard-write"]) as page:
        await page.get_by_role("button", name="Share").first.click()
        dialog = page.get_by_role("dialog", name="Share this stream")
        await dialog.get_by_role("button", name="Copy: Link").click()
        assert await page.evaluate("navigator.clipboard.readText()") == with_chat
        await dialog.get_by_role("button", name="Copy: Video").click()
        code = await page.evaluate("navigator.clipboard.readText()")
        await expect(dialog.get_by_role("textbox", name="Chat for your page")).to_have_value(
            f'<iframe src="{with_chat}embed/chat/readwrite" width="400" height="600"></iframe>'
        )
        await page.set_content(f"<!doctype html><title>Blog</title>{code}")
        await until(page, "document.querySelector('iframe').allowFullscreen")
        player = page.frame_locator("iframe")
        await expect(player.get_by_role("region", name="Video player")).to_be_visible()


# What is said while nothing is on.


async def test_the_next_show_counts_down_and_goes_into_a_calendar(browser: Browser, address: str, show: Show) -> None:
    show.groups = [ScheduleSettings(enabled=True, show_countdown=True)]
    start = show.now() + timedelta(hours=2, seconds=5)
    show.status_says = {
        "scheduledEvent": {"name": "Oolong", "startTime": start.isoformat(), "durationMinutes": 60},
        "lastDisconnectTime": None,
    }
    async with open_page(browser, address) as page:
        overlay = page.locator(".overlay")
        await expect(overlay).to_contain_text("Offline")
        await expect(overlay).to_contain_text("Next: Oolong")
        await expect(overlay).to_contain_text("in 2:00:0")
        link = page.get_by_role("link", name="Add to calendar")
        assert await link.get_attribute("href") == "/api/schedule.ics"
        show.status_says["scheduledEvent"] = {"name": "", "startTime": show.now().isoformat(), "durationMinutes": 60}
        await expect(overlay).to_contain_text("any moment now")


async def test_the_offline_message_is_there_only_while_nothing_is_on(
    browser: Browser, address: str, show: Show
) -> None:
    show.groups = [INSTANCE.model_copy(update={"offline_message": "Back *soon*", "page_content": "# Menu\n\ntea"})]
    async with open_page(browser, address) as page:
        await expect(page.locator(".offline-message em")).to_have_text("soon")
        await expect(page.get_by_role("heading", name="Menu", level=3)).to_be_visible()
        show.begin()
        await watch(page, 0.2)
        await expect(page.locator(".offline-message")).to_have_count(0)


@pytest.mark.usefixtures("on_air")
async def test_not_safe_for_work_is_asked_once_before_anything_plays(
    browser: Browser, address: str, show: Show
) -> None:
    show.groups = [INSTANCE.model_copy(update={"nsfw": True})]
    for path in ("", "embed/video"):
        async with open_page(browser, address + path) as page:
            await expect(page.get_by_text("Not safe for work")).to_be_visible()
            assert await page.locator("video, .poster").count() == 0
            assert [path for path, _ in show.asked if path.startswith("/hls/")] == []
            await page.get_by_role("button", name="Show the stream").click()
            await watch(page, 0.2)
            await page.reload()
            await watch(page, 0.2)
        show.asked.clear()


# The chat's place.


async def test_wide_the_chat_folds_away_and_that_is_remembered(browser: Browser, with_chat: str) -> None:
    async with open_page(browser, with_chat) as page:
        chat = page.get_by_role("region", name="Chat")
        await expect(chat).to_be_visible()
        beside = await page.evaluate("document.querySelector('.player').clientWidth")
        await page.keyboard.press("c")
        await expect(chat).to_be_hidden()
        assert await page.evaluate("document.querySelector('.player').clientWidth") > beside
        await page.reload()
        await expect(page.locator(".header").get_by_role("button", name="Chat")).to_have_attribute(
            "aria-pressed", "false"
        )
        assert await page.locator(".chat").count() == 0
        await page.locator(".header").get_by_role("button", name="Chat").click()
        await expect(chat).to_be_visible()


async def test_upright_there_is_one_thing_at_a_time_below_the_video(browser: Browser, with_chat: str) -> None:
    async with open_page(browser, with_chat, viewport={"width": 360, "height": 740}) as page:
        await expect(page.get_by_role("tabpanel", name="Chat")).to_be_visible()
        await expect(page.get_by_role("tabpanel", name="About")).to_be_hidden()
        await page.get_by_role("tab", name="Chat").focus()
        await page.keyboard.press("ArrowRight")
        await expect(page.get_by_role("tab", name="About")).to_be_focused()
        await expect(page.get_by_role("tabpanel", name="About")).to_contain_text("Kettles, leaves and water")
        await expect(page.get_by_role("tabpanel", name="Chat")).to_be_hidden()
        assert await page.evaluate("document.documentElement.scrollHeight <= innerHeight")
        await expect(page.locator("video")).to_be_in_viewport()


async def test_on_its_side_the_video_fills_the_screen_and_the_chat_lies_over_it(
    browser: Browser, with_chat: str
) -> None:
    async with open_page(browser, with_chat, viewport={"width": 740, "height": 360}) as page:
        await watch(page, 0.2)
        assert await page.evaluate("document.querySelector('.player').clientHeight === innerHeight")
        chat = page.get_by_role("region", name="Chat")
        await expect(chat).to_have_count(0)
        await page.mouse.move(200, 100)
        await page.get_by_role("button", name="Show the chat").click()
        await expect(chat).to_be_in_viewport()
        assert await page.evaluate("document.querySelector('.player').clientWidth === innerWidth")
        await page.get_by_role("button", name="Hide the chat").click()
        await expect(chat).to_be_hidden()


async def test_turning_the_phone_stops_nothing(browser: Browser, with_chat: str) -> None:
    async with open_page(browser, with_chat, viewport={"width": 360, "height": 740}) as page:
        await watch(page, 0.2)
        await page.evaluate("window.sameVideo = document.querySelector('video')")
        for width, height in ((740, 360), (1280, 800), (360, 740)):
            await page.set_viewport_size({"width": width, "height": height})
            await watch(page, 0.2)
        assert await page.evaluate("window.sameVideo === document.querySelector('video')")


# Appearance, and parts of the page on their own.


async def test_the_theme_is_chosen_and_there_before_the_next_page_is_drawn(page: Page) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    await page.emulate_media(color_scheme="light")
    light = await page.evaluate(background)
    await page.get_by_role("button", name="Menu").click()
    await page.get_by_role("menuitemradio", name="Appearance: Dark").click()
    dark = await page.evaluate(background)
    assert dark != light
    await page.reload()
    assert await page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert await page.evaluate(background) == dark


async def test_the_player_alone_fills_its_frame(browser: Browser, with_chat: str) -> None:
    async with open_page(browser, with_chat + "embed/video", viewport={"width": 320, "height": 180}) as page:
        await watch(page, 0.2)
        size = "['clientWidth', 'clientHeight'].map(side => document.querySelector('.player')[side]).join()"
        assert await page.evaluate(size) == "320,180"
        await keep_controls(page)
        await page.get_by_role("button", name="Delay and more").click()
        menu = await page.get_by_role("menu").bounding_box()
        assert menu is not None
        assert menu["x"] >= 0
        assert menu["y"] >= 0
        assert await page.locator(".header, .chat").count() == 0


async def test_chats_alone_play_nothing(browser: Browser, with_chat: str, show: Show) -> None:
    for path in ("readwrite", "readonly"):
        async with open_page(browser, f"{with_chat}embed/chat/{path}") as page:
            await expect(page.get_by_role("region", name="Chat")).to_be_visible()
            assert await page.locator("video").count() == 0
    assert show.asked == []


async def test_a_picture_that_is_not_there_leaves_no_gap(browser: Browser, address: str, show: Show) -> None:
    show.config_says = {
        "logo": "/nowhere/logo.png",
        "socialHandles": [{"platform": "x", "url": "https://tea.example/", "icon": "/nowhere/icon.svg"}],
        "externalActions": [{"title": "Tip", "url": "/tip", "icon": "/nowhere/tip.png"}],
    }
    async with open_page(browser, address) as page:
        await expect(page.get_by_role("button", name="Tip")).to_be_visible()
        await expect(page.locator("img:not(.poster)")).to_have_count(0)
