"""The viewer page does its work by itself: waits, starts, survives breaks, ends, starts again; and by keyboard."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect
from show import Show
from viewer_browser import until, watch

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_while_offline_it_says_since_when(page: Page, show: Show) -> None:
    await expect(page.locator(".overlay")).to_contain_text("Offline · last live 2 hours ago")
    await expect(page.get_by_role("heading", name=show.title)).to_be_visible()
    await expect(page.locator(".header")).to_contain_text("Tea")
    await expect(page.get_by_role("list", name="Tags")).to_have_text("teawater")
    await expect(page.get_by_role("group", name="Player controls")).to_have_count(0)


async def test_a_show_starts_ends_and_the_next_one_starts_without_a_reload(page: Page, show: Show) -> None:
    await page.evaluate("window.sameDocument = true")
    show.begin()
    await watch(page)
    await expect(page.locator(".now")).to_contain_text(re.compile(r"Live3 viewers1:04:2\d"))
    assert await page.title() == "Kettles of the world · Tea"
    assert await page.evaluate("document.querySelector('video').videoWidth") in (160, 320)

    show.end()
    await expect(page.locator(".overlay")).to_contain_text("Offline · last live")

    show.begin()
    await watch(page)
    assert await page.evaluate("window.sameDocument === true")


@pytest.mark.usefixtures("on_air")
async def test_it_returns_after_the_server_lost_the_stream(page: Page, show: Show) -> None:
    await watch(page)
    show.broken = True
    await expect(page.get_by_role("alert")).to_contain_text("starts again by itself")
    show.broken = False
    await page.get_by_role("button", name="Try now").click()
    await watch(page)
    await expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.usefixtures("on_air")
async def test_the_quality_menu_lists_and_switches_variants(page: Page) -> None:
    await watch(page, 0.2)
    await page.get_by_role("button", name="Quality").focus()
    await page.keyboard.press("Enter")
    items = page.get_by_role("menuitemradio")
    await expect(items).to_contain_text(["Auto", "180p", "90p"])
    await expect(items.nth(0)).to_be_focused()

    await page.keyboard.press("ArrowUp")
    await expect(items.nth(2)).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(items).to_have_count(0)
    await expect(page.get_by_role("button", name="Quality")).to_be_focused()
    await until(page, "owncast.player.level().height === 90 && !owncast.player.level().automatic")
    await until(page, "document.querySelector('video').videoHeight === 90")

    await page.keyboard.press("Enter")
    await page.keyboard.press("Escape")
    await expect(items).to_have_count(0)


@pytest.mark.usefixtures("on_air")
async def test_keys_play_pause_mute_seek_and_return_to_live(page: Page) -> None:
    await watch(page)
    await page.keyboard.press("k")
    await until(page, "owncast.player.state() === 'paused'")
    await page.keyboard.press("Space")
    await until(page, "owncast.player.state() === 'playing'")

    await page.keyboard.press("m")
    assert await page.evaluate("document.querySelector('video').muted")
    await expect(page.get_by_role("button", name="Unmute")).to_be_visible()
    await page.keyboard.press("m")
    await expect(page.get_by_role("button", name="Mute", exact=True)).to_be_visible()

    slider = page.get_by_role("slider", name="Volume")
    await slider.focus()
    await page.keyboard.press("ArrowLeft")
    await until(page, "Math.abs(document.querySelector('video').volume - 0.95) < 0.01")
    await page.get_by_role("region", name="Video player").focus()
    await page.keyboard.press("ArrowDown")
    await until(page, "Math.abs(document.querySelector('video').volume - 0.9) < 0.01")

    before = await page.evaluate("owncast.player.latency()")
    await page.keyboard.press("ArrowLeft")
    await until(page, f"owncast.player.latency() > {before} + 1")
    await page.keyboard.press("l")
    await until(page, f"owncast.player.latency() < {before} + 0.9")

    await page.reload()
    await until(page, "Math.abs(document.querySelector('video').volume - 0.9) < 0.01")


@pytest.mark.usefixtures("on_air")
async def test_full_screen_by_key_and_double_click(page: Page) -> None:
    await watch(page, 0.2)
    await page.keyboard.press("f")
    await until(page, "document.fullscreenElement?.classList.contains('player') === true")
    await page.keyboard.press("f")
    await until(page, "document.fullscreenElement === null")
    await page.locator("video").dblclick()
    await until(page, "document.fullscreenElement !== null")


@pytest.mark.usefixtures("on_air")
async def test_the_controls_leave_and_come_back(page: Page) -> None:
    await watch(page, 0.2)
    controls = page.get_by_role("group", name="Player controls")
    await page.mouse.move(600, 300)
    await expect(controls).to_be_visible()
    await expect(controls).to_be_hidden()
    await page.keyboard.press("Tab")
    await page.mouse.move(620, 300)
    await expect(controls).to_be_visible()


@pytest.mark.usefixtures("on_air")
async def test_each_player_is_one_viewer(page: Page, show: Show) -> None:
    await watch(page, 0.2)
    media = {session for path, session in show.asked if path.startswith("/hls/")}
    assert len(media) == 1
    assert re.fullmatch(r'sid="[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"', media.pop())
    await until(page, "performance.getEntriesByName(new URL('/api/ping', location).href).length > 0")
    assert len({viewer for path, viewer in show.asked if path == "/api/ping"}) == 1

    other = await page.context.new_page()
    await other.goto(page.url)
    await watch(other, 0.2)
    assert len({session for path, session in show.asked if path.startswith("/hls/")}) == 2
    assert len({viewer for path, viewer in show.asked if path == "/api/ping"}) == 2


async def test_where_sound_needs_a_click_it_starts_muted(page: Page, show: Show) -> None:
    # Whatever the driver evaluates counts as a click, so the browser's own refusal cannot be had; this is its form.
    await page.add_init_script("""
        const play = HTMLMediaElement.prototype.play;
        HTMLMediaElement.prototype.play = function () {
            return this.muted ? play.call(this) : Promise.reject(new DOMException("Click first.", "NotAllowedError"));
        };
    """)
    await page.reload()
    show.begin()
    await watch(page, 0.2)
    assert await page.evaluate("document.querySelector('video').muted")
    await page.locator(".unmute").click()
    await until(page, "!document.querySelector('video').muted && owncast.player.state() === 'playing'")
    await expect(page.locator(".unmute")).to_have_count(0)


async def test_nothing_is_wider_than_the_window(page: Page, show: Show) -> None:
    show.title = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft " * 3
    show.begin()
    await until(page, "document.querySelector('h1').textContent.startsWith('Donau')")
    await watch(page, 0.2)
    for width in (320, 390, 1100, 1920):
        await page.set_viewport_size({"width": width, "height": 700})
        assert await page.evaluate("document.documentElement.scrollWidth") == width
