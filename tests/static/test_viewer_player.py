"""The player's controls: by mouse, by finger, by keyboard; what they remember, and when they are there."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect
from show import Show
from viewer_browser import keep_controls, open_page, until, watch

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("on_air")]

VIDEO = "document.querySelector('video')"


async def test_the_quality_menu_lists_and_switches_variants(page: Page) -> None:
    await watch(page, 0.2)
    await keep_controls(page)
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
    await until(page, f"{VIDEO}.videoHeight === 90")

    await page.keyboard.press("Enter")
    await page.keyboard.press("Escape")
    await expect(items).to_have_count(0)


async def test_keys_play_pause_mute_seek_and_return_to_live(page: Page) -> None:
    await watch(page)
    await page.keyboard.press("k")
    await until(page, "owncast.player.state() === 'paused'")
    await page.keyboard.press("Space")
    await until(page, "owncast.player.state() === 'playing'")

    await page.keyboard.press("m")
    assert await page.evaluate(f"{VIDEO}.muted")
    await expect(page.get_by_role("button", name="Unmute")).to_be_visible()
    await page.keyboard.press("m")
    await expect(page.get_by_role("button", name="Mute", exact=True)).to_be_visible()

    slider = page.get_by_role("slider", name="Volume")
    await slider.focus()
    await page.keyboard.press("ArrowLeft")
    await until(page, f"Math.abs({VIDEO}.volume - 0.95) < 0.01")
    await page.get_by_role("region", name="Video player").focus()
    await page.keyboard.press("ArrowDown")
    await until(page, f"Math.abs({VIDEO}.volume - 0.9) < 0.01")

    before = await page.evaluate("owncast.player.latency()")
    await page.keyboard.press("ArrowLeft")
    await until(page, f"owncast.player.latency() > {before} + 1")
    await page.keyboard.press("l")
    await until(page, f"owncast.player.latency() < {before} + 0.9")

    await page.reload()
    await until(page, f"Math.abs({VIDEO}.volume - 0.9) < 0.01")


async def test_who_goes_back_stays_behind_until_they_go_live(page: Page) -> None:
    await watch(page)
    await keep_controls(page)
    for _ in range(2):
        await page.keyboard.press("ArrowLeft")
    pill = page.get_by_role("button", name="behind. Go live")
    await expect(pill).to_be_visible()
    await watch(page, 2)
    await expect(pill).to_be_visible()
    assert await page.evaluate(f"{VIDEO}.playbackRate") == 1
    await pill.click()
    await expect(page.get_by_role("button", name="behind the newest video")).to_be_visible()


async def test_the_latency_mode_is_chosen_in_words_and_remembered(page: Page) -> None:
    await watch(page, 0.2)
    await keep_controls(page)
    button = page.get_by_role("button", name="Delay and more")
    await button.click()
    await expect(page.get_by_role("menuitemradio", name="Balanced")).to_have_attribute("aria-checked", "true")
    await page.get_by_role("menuitemradio", name="Smooth Some seconds behind").click()
    await watch(page, 0.5)
    await page.reload()
    await watch(page, 0.2)
    await keep_controls(page)
    await button.click()
    await expect(page.get_by_role("menuitemradio", name="Smooth")).to_have_attribute("aria-checked", "true")


async def test_statistics_are_shown_on_a_key(page: Page) -> None:
    await watch(page, 0.2)
    await keep_controls(page)
    await page.keyboard.press("d")
    stats = page.get_by_role("complementary", name="Statistics")
    for row in ("Delay", "Loaded ahead", "Dropped frames", "Quality", "Connection", "Stalls", "Speed"):
        await expect(stats.get_by_text(row, exact=True)).to_be_visible()
    await expect(stats).to_contain_text("hls.js 1.")
    await expect(stats).to_contain_text("320 × 180")
    await page.keyboard.press("d")
    await expect(stats).to_have_count(0)
    await page.get_by_role("button", name="Delay and more").click()
    await page.get_by_role("menuitem", name="Show statistics").click()
    await stats.get_by_role("button", name="Close").click()
    await expect(stats).to_have_count(0)


async def test_the_keys_are_listed_on_a_key(page: Page) -> None:
    await watch(page, 0.2)
    await page.keyboard.press("?")
    listed = page.get_by_role("dialog", name="Keyboard shortcuts")
    await expect(listed).to_contain_text("Play or pause")
    await page.keyboard.press("m")  # Says nothing to the player while the dialog is open.
    assert not await page.evaluate(f"{VIDEO}.muted")
    await page.keyboard.press("Escape")
    await expect(listed).to_have_count(0)


async def test_the_keys_can_be_kept_to_the_player(page: Page) -> None:
    await watch(page, 0.2)
    await page.keyboard.press("?")
    await page.get_by_role("switch", name="On the whole page").uncheck()
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Share").focus()
    await page.keyboard.press("m")
    await page.keyboard.press("ArrowLeft")
    assert not await page.evaluate(f"{VIDEO}.muted")
    await page.get_by_role("region", name="Video player").focus()
    await page.keyboard.press("m")
    assert await page.evaluate(f"{VIDEO}.muted")
    await page.keyboard.press("?")
    await expect(page.get_by_role("switch", name="On the whole page")).not_to_be_checked()


async def test_full_screen_by_key_and_double_click(page: Page) -> None:
    await watch(page, 0.2)
    await page.keyboard.press("f")
    await until(page, "document.fullscreenElement?.classList.contains('player') === true")
    await page.keyboard.press("f")
    await until(page, "document.fullscreenElement === null")
    await page.locator("video").dblclick()
    await until(page, "document.fullscreenElement !== null")


async def test_two_taps_are_full_screen_and_one_shows_the_controls(browser: Browser, address: str) -> None:
    async with open_page(browser, address, has_touch=True, viewport={"width": 360, "height": 740}) as page:
        await watch(page, 0.2)
        controls = page.get_by_role("group", name="Player controls")
        await expect(controls).to_be_hidden()
        await page.touchscreen.tap(180, 60)
        await expect(controls).to_be_visible()
        await expect(controls).to_be_hidden()
        await page.touchscreen.tap(180, 60)
        await page.touchscreen.tap(180, 60)
        await until(page, "document.fullscreenElement !== null")


async def test_the_theatre_gives_the_picture_the_window(page: Page) -> None:
    await watch(page, 0.2)
    await page.keyboard.press("t")
    await until(page, "document.querySelector('.player').clientHeight === innerHeight")
    await expect(page.locator(".header")).to_have_count(0)
    await page.get_by_role("button", name="Leave theatre").click()
    await expect(page.locator(".header")).to_be_visible()


async def test_the_controls_leave_and_come_back(page: Page) -> None:
    await watch(page, 0.2)
    controls = page.get_by_role("group", name="Player controls")
    await page.mouse.move(600, 300)
    await expect(controls).to_be_visible()
    await expect(controls).to_be_hidden()
    await page.keyboard.press("Tab")
    await page.mouse.move(620, 300)
    await expect(controls).to_be_visible()


async def test_the_controls_stay_while_a_menu_is_open(page: Page) -> None:
    await watch(page, 0.2)
    await page.mouse.move(600, 300)
    await page.get_by_role("button", name="Quality").click()
    await page.mouse.move(600, 300)
    await watch(page, 4)  # Longer than the controls stay of themselves.
    await expect(page.get_by_role("menu", name="Quality")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.mouse.click(600, 700)  # The focus goes elsewhere.
    await expect(page.get_by_role("group", name="Player controls")).to_be_hidden()


async def test_all_of_it_is_reached_by_tab(page: Page) -> None:
    await watch(page, 0.2)
    await keep_controls(page)
    reached: list[str] = []
    for _ in range(20):
        await page.keyboard.press("Tab")
        label = "document.activeElement.ariaLabel ?? document.activeElement.textContent.trim()"
        reached.append(str(await page.evaluate(label)))
    wanted = ["Menu", "Pause", "Mute", "Volume", "Quality", "Delay and more", "Theatre", "Full screen", "Share"]
    places = [reached.index(each) for each in wanted]
    assert places == sorted(places)


async def test_airplay_plays_with_the_browsers_own_player(browser: Browser, address: str) -> None:
    async with open_page(browser, "about:blank") as page:
        await page.add_init_script("""
            HTMLVideoElement.prototype.webkitShowPlaybackTargetPicker = function () {
                this.webkitCurrentPlaybackTargetIsWireless = true;
                this.dispatchEvent(new Event("webkitcurrentplaybacktargetiswirelesschanged"));
            };
        """)
        await page.goto(address)
        await watch(page, 0.2)
        await expect(page.get_by_role("button", name="AirPlay")).to_have_count(0)
        found = 'Object.assign(new Event("webkitplaybacktargetavailabilitychanged"), { availability: "available" })'
        await page.evaluate(f"{VIDEO}.dispatchEvent({found})")
        await page.get_by_role("button", name="AirPlay").click()
        await until(page, f"{VIDEO}.src.endsWith('/hls/stream.m3u8')")


async def test_under_reduced_motion_nothing_moves(browser: Browser, address: str) -> None:
    async with open_page(browser, address, reduced_motion="reduce") as page:
        await watch(page, 0.2)
        durations = await page.evaluate("""[...document.querySelectorAll("*")].flatMap((each) => {
            const style = getComputedStyle(each);
            return [style.transitionDuration, style.animationDuration];
        })""")
        assert set(durations) == {"0s"}


async def test_the_diagnostics_cannot_be_changed(page: Page, show: Show) -> None:
    await watch(page, 0.2)
    assert await page.evaluate("Object.isFrozen(window.owncast) && Object.isFrozen(window.owncast.player)")
    assert await page.evaluate("owncast.player.level()") in (
        {"height": 180, "label": "180p", "automatic": True},
        {"height": 90, "label": "90p", "automatic": True},
    )
    assert await page.evaluate("owncast.player.latency() > 0 && owncast.player.buffered() >= 0")
