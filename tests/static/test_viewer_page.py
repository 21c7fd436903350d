"""The viewer page does its work by itself: draws itself, waits, starts, survives breaks, ends, starts again."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser, Page, expect
from show import Show
from viewer_browser import open_page, until, watch

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_while_offline_it_says_since_when(page: Page, show: Show) -> None:
    await expect(page.locator(".overlay")).to_contain_text("Offline · last live 2 hours ago")
    await expect(page.get_by_role("heading", name=show.title)).to_be_visible()
    await expect(page.locator(".header")).to_contain_text("Tea")
    await expect(page.get_by_role("list", name="Tags")).to_have_text("teawater")
    await expect(page.get_by_role("group", name="Player controls")).to_have_count(0)


@pytest.mark.usefixtures("on_air")
async def test_it_is_drawn_without_asking_for_anything(browser: Browser, address: str, show: Show) -> None:
    """What the server put into the page is enough, though the server answers nothing else afterwards."""
    async with open_page(browser, "about:blank") as page:
        await page.route("**/api/**", lambda route: route.abort())
        await page.route("**/hls/**", lambda route: route.abort())
        await page.goto(address)
        await expect(page.get_by_role("heading", name=show.title)).to_be_visible()
        await expect(page.locator(".now")).to_contain_text(re.compile(r"Live3 viewers1:04:2\d"))
        await expect(page.get_by_role("list", name="Tags")).to_have_text("teawater")


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
    await expect(page.get_by_text("The stream will be back.")).to_be_visible()
    await expect(page.get_by_role("alert")).to_contain_text("starts again by itself")
    show.broken = False
    await page.get_by_role("button", name="Try now").click()
    await watch(page)
    await expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.usefixtures("on_air")
async def test_it_returns_when_the_network_does(page: Page, show: Show) -> None:
    await page.evaluate("window.sameDocument = true")
    await watch(page)
    await page.context.set_offline(True)
    await until(page, "['buffering', 'retrying'].includes(owncast.player.state())")
    await page.context.set_offline(False)
    await watch(page)
    assert await page.evaluate("window.sameDocument === true")


@pytest.mark.usefixtures("on_air")
async def test_a_computer_that_has_slept_is_live_again(page: Page, show: Show) -> None:
    await watch(page)
    before = await page.evaluate("owncast.player.currentTime()")
    # Half a minute passes between two looks at the clock, as in a sleep; the show has gone on meanwhile.
    show.go_on(60)
    await page.evaluate("(now => { Date.now = () => now() + 30_000 })(Date.now)")
    await until(page, f"owncast.player.currentTime() > {before} + 25 || owncast.player.state() === 'starting'")
    await watch(page)
    await until(page, "owncast.player.latency() < 6")


@pytest.mark.usefixtures("on_air")
async def test_without_media_source_the_browser_plays_by_itself(browser: Browser, address: str) -> None:
    async with open_page(browser, "about:blank") as page:
        await page.add_init_script("delete window.MediaSource; delete window.ManagedMediaSource")
        await page.goto(address)
        if not await page.evaluate("document.createElement('video').canPlayType('application/vnd.apple.mpegurl')"):
            await expect(page.get_by_role("alert")).to_contain_text("cannot play live video")
            return
        await watch(page)
        assert await page.evaluate("owncast.player.lowLatency() || owncast.player.level()") is None


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


@pytest.mark.usefixtures("on_air")
async def test_the_list_of_variants_is_asked_for_once(page: Page, show: Show) -> None:
    """What was asked for while the player was on its way is what the player takes."""
    await watch(page, 0.2)
    assert [path for path, _ in show.asked].count("/hls/stream.m3u8") == 1


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
    for direction in ("ltr", "rtl"):
        await page.evaluate(f"document.documentElement.dir = '{direction}'")
        for width in (320, 390, 800, 1100, 1920):
            await page.set_viewport_size({"width": width, "height": 700})
            assert await page.evaluate("document.documentElement.scrollWidth") == width
