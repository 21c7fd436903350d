"""The admin's group "Now" in headless Chromium, against the real application: what it measured, said and heard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from axe import violations
from house import ADMIN_PASSWORD, Clock, House, Web, house, webbed
from PIL import Image
from playwright.async_api import Browser, Page, Route, expect
from show import DIST
from viewer_browser import open_page, until

from owncast_py.broadcast.session import State, Status
from owncast_py.broadcast.studio import Inbound, OutputVariant
from owncast_py.metrics.geo import Geo
from owncast_py.metrics.playback import PlaybackReport
from owncast_py.setting_groups import InstanceSettings
from web.pages import load_pages

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(not (DIST / "admin.html").is_file(), reason="The pages have not been built."),
]

HOSTILE = "<img src=x onerror='window.broken=1'><script>window.broken=2</script>"
UNBROKEN = "window.broken === undefined && !document.querySelector('main script, main img[src=x]')"
CHROME = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Mobile Safari/537.36"
BEGAN = datetime.now(UTC) - timedelta(hours=1)
SENDER = Inbound("192.0.2.7", BEGAN, "OBS", "rtmp", 1920, 1080, 60.0, "avc1", 4500, "mp4a", 160, 2.0)
OFFERED = [
    OutputVariant("Source", 1920, 1080, 60.0, 4500, 160, True),
    OutputVariant("Small", 640, 360, 30.0, 700, 96, False),
]
MINUTES = 90


@dataclass
class Owner:
    """A house and its web, for an owner who looks at it."""

    home: House
    web: Web

    @property
    def address(self) -> str:
        return str(self.web.server.make_url("/admin"))

    def go_live(self, viewers: int = 3) -> None:
        self.home.status = Status(State.LIVE, viewers, viewers + 2, 420, BEGAN, None, "")
        self.web.studio.sender, self.web.studio.offered = SENDER, OFFERED

    def measure(self, *, cpu: float = 40, disk: float = 30) -> None:
        """An hour and a half of a show, minute by minute up to now, with a break; as the recorder keeps it."""
        samples, playback, clock = self.home.services.samples, self.home.services.playback, self.home.clock
        clock.turn(-60 * MINUTES)
        for minute in range(MINUTES):
            clock.turn(60)
            if 60 <= minute < 70:
                continue
            samples.add({"viewers": minute % 17, "cpu": cpu, "memory": 50 + minute % 5, "disk": disk})
            for name in ("one", "two"):
                slow = name == "two"
                report = PlaybackReport(
                    bandwidth_kbps=300 if slow else 9_000,
                    latency_seconds=2.5 + slow,
                    errors=float(slow and minute % 10 == 0),
                    download_seconds=0.4,
                    quality_changes=float(slow),
                )
                playback.report(name, report)
            playback.tick()

    def watch(self, name: str, address: str, user_agent: str) -> None:
        """Somebody watches."""
        self.web.viewers.touch(name)
        self.web.viewers.describe(name, address, user_agent)

    def log(self, level: str, text: str) -> None:
        self.web.logs(None, level, {"event": text, "level": level})

    async def settle_in(self) -> None:
        """There is nothing left that an owner would be asked to do."""
        await self.home.settings.change(InstanceSettings, name="Tea house", server_url="https://tea.example")
        logo = self.home.directory / "public" / "logo.png"
        logo.parent.mkdir(exist_ok=True)
        Image.new("RGB", (16, 16), "teal").save(logo)
        await self.home.services.branding.set_logo("/public/logo.png")


@asynccontextmanager
async def owning(directory: Path) -> AsyncIterator[Owner]:
    """A house whose clock is that of the browser, and its real pages."""
    async with AsyncExitStack() as stack:
        home = await stack.enter_async_context(house(directory, clock=Clock(datetime.now(UTC))))
        web = await stack.enter_async_context(webbed(home, pages=load_pages(DIST)))
        yield Owner(home, web)


@pytest_asyncio.fixture(loop_scope="session")
async def owner(tmp_path: Path) -> AsyncIterator[Owner]:
    async with owning(tmp_path) as opened:
        yield opened


@asynccontextmanager
async def signed_in(browser: Browser, owner: Owner, path: str = "", **options: object) -> AsyncIterator[Page]:
    """A page of the admin, for whoever knows the password."""
    async with open_page(browser, owner.address + path, **options) as page:
        await page.get_by_label("Admin password").fill(ADMIN_PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.locator("main#content h1")).to_be_visible()
        yield page


async def width(page: Page) -> int:
    """Pixels that the page is wide."""
    return int(await page.evaluate("document.documentElement.scrollWidth"))


# The dashboard.


async def test_the_first_show_is_three_steps_that_tick_themselves(browser: Browser, owner: Owner) -> None:
    await owner.home.settings.change(InstanceSettings, name="owncast-py")
    async with signed_in(browser, owner) as page:
        guide = page.locator(".guide")
        await expect(guide.get_by_role("heading", name="Three steps to your first show")).to_be_visible()
        steps = guide.get_by_role("listitem")
        await expect(guide.locator("[data-done=true]")).to_have_count(0)
        await expect(guide.get_by_role("textbox", name="Server", exact=True)).to_have_value("rtmp://127.0.0.1/live")
        key = guide.get_by_label("Stream key", exact=True)
        await expect(key).to_have_attribute("type", "password")
        await guide.get_by_role("button", name="Show").click()
        await expect(key).to_have_attribute("type", "text")
        await expect(key).to_have_value("key-of-the-house")
        assert await violations(page) == []
        await guide.get_by_label("What your server is called").fill(HOSTILE[:60])
        await guide.get_by_role("button", name="Save").click()
        await expect(page.locator(".nav-name")).to_have_text(HOSTILE[:60])
        picture = owner.home.directory / "logo.png"
        picture.write_text("no picture")
        await guide.get_by_label("Your logo", exact=True).set_input_files(picture)
        await expect(guide.get_by_role("alert")).to_be_visible()
        Image.new("RGB", (16, 16), "teal").save(picture)
        await guide.get_by_label("Your logo", exact=True).set_input_files(picture)
        await expect(steps.nth(1)).to_have_attribute("data-done", "true")
        owner.web.studio.sender = SENDER
        await expect(steps.nth(0)).to_have_attribute("data-done", "true")
        await expect(steps.nth(2)).to_have_attribute("data-done", "false")
        owner.go_live()
        await expect(steps.nth(2)).to_have_attribute("data-done", "true")
        done = page.get_by_role("region", name="You are set up")
        await expect(done).to_be_visible()
        assert await page.evaluate(UNBROKEN)
        await done.get_by_role("button", name="Close").click()
        await expect(page.locator(".guide")).to_have_count(0)
        await page.reload()
        await expect(page.get_by_role("heading", name="What needs you")).to_be_visible()
        await expect(page.locator(".guide")).to_have_count(0)


async def test_all_is_well(browser: Browser, owner: Owner) -> None:
    await owner.settle_in()
    await owner.web.backups.backup_now()
    owner.go_live()
    async with signed_in(browser, owner) as page:
        await expect(page.get_by_text("All is well.")).to_be_visible()
        tiles = page.locator(".tile")
        await expect(tiles.nth(0)).to_contain_text("3Peak 5, record 420")
        await expect(tiles.nth(1)).to_contain_text("No player tells yet")
        await expect(tiles.nth(2)).to_contain_text("4.7 Mb/s1920 × 1080 · 60 fps · H.264 + AAC · OBS")
        await expect(page.locator(".guide")).to_have_count(0)


async def test_what_is_not_as_it_should_be_is_said_with_a_way_to_it(browser: Browser, owner: Owner) -> None:
    owner.measure(disk=96)
    owner.go_live()
    owner.web.studio.sender = replace(SENDER, keyframe_interval=8.3)
    owner.web.studio.advised = [f"The source is passed through. {HOSTILE}"]
    owner.log("warning", HOSTILE)
    async with signed_in(browser, owner) as page:
        needs = page.get_by_role("region", name="What needs you").get_by_role("listitem")
        said = [
            "1 of 2 players has too little bandwidth for the smallest variant (400 kb/s).Add a smaller variant",
            "The disk is 96 % full. When it is full, nothing more can be kept.Look at the hardware",
            "Your encoder sends a keyframe every 8 s. With one every 2 s viewers are less far behind",
            "There is no backup yet.",
            f"“{HOSTILE}”",
            "The public address is not set.",
        ]
        for place, sentence in enumerate(said):
            await expect(needs.nth(place)).to_contain_text(sentence)
        await expect(needs).to_have_count(len(said))
        await page.get_by_text("Why it is sent out as it is").click()
        await expect(page.get_by_text(owner.web.studio.advised[0])).to_be_visible()
        await page.get_by_role("button", name="Show me the setting in OBS").click()
        dialog = page.get_by_role("dialog", name="Keyframe interval in OBS")
        await expect(dialog).to_contain_text("Enter 2 s")
        await dialog.get_by_role("button", name="Got it").click()
        await page.get_by_role("button", name="Not for me").click()
        await expect(needs).to_have_count(len(said) - 1)
        await page.get_by_role("button", name="Read the log").click()
        await expect(page.get_by_role("log")).to_contain_text(HOSTILE)
        await page.get_by_role("link", name="Dashboard").click()
        # What was read needs nobody any more.
        await expect(needs).to_have_count(len(said) - 2)
        assert await page.evaluate(UNBROKEN)


async def test_the_show_is_named_and_ended(browser: Browser, owner: Owner) -> None:
    owner.go_live()
    async with signed_in(browser, owner) as page:
        await page.get_by_label("Title of the stream").fill(HOSTILE)
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("status").get_by_text("Saved")).to_be_visible()
        assert owner.home.settings.get(InstanceSettings).title == HOSTILE
        assert await page.evaluate(UNBROKEN)
        await page.get_by_role("button", name="End the show").click()
        dialog = page.get_by_role("dialog", name="End the show now?")
        await expect(dialog).to_contain_text("The picture stops for 3 viewers")
        await dialog.get_by_role("button", name="Cancel").click()
        assert owner.web.studio.disconnected == 0
        await page.get_by_role("button", name="End the show").click()
        await dialog.get_by_role("button", name="End the show").click()
        await expect(page.get_by_text("The show has ended")).to_be_visible()
        assert owner.web.studio.disconnected == 1


async def test_the_preview_plays_without_sound_and_only_when_asked(browser: Browser, owner: Owner, media: Path) -> None:
    owner.go_live()
    asked: list[str] = []

    async def serve(route: Route) -> None:
        path = urlsplit(route.request.url).path.removeprefix("/hls/")
        asked.append(path)
        kind = "application/vnd.apple.mpegurl" if path.endswith(".m3u8") else "video/mp4"
        await route.fulfill(body=(media / path).read_bytes(), content_type=kind)

    async with signed_in(browser, owner) as page:
        await page.route("**/hls/**", serve)
        scripts = "performance.getEntriesByType('resource').some(({ name }) => name.includes('hlsjs'))"
        await expect(page.get_by_role("button", name="Play the preview")).to_be_visible()
        assert (asked, await page.evaluate(scripts)) == ([], False)
        await page.get_by_role("button", name="Play the preview").click()
        await until(page, "document.querySelector('video.preview-picture')?.currentTime > 0.5")
        assert await page.evaluate("document.querySelector('video').muted") is True
        assert await page.evaluate("localStorage.getItem('owncast.volume')") is None
        assert await violations(page) == []
        await page.get_by_role("button", name="Stop the preview").click()
        await expect(page.locator("video")).to_have_count(0)


# What was measured.


async def test_a_chart_is_read_by_mouse_by_keyboard_and_as_a_table(browser: Browser, owner: Owner) -> None:
    owner.measure()
    async with signed_in(browser, owner, "/viewers") as page:
        chart = page.get_by_role("img", name="Viewers over time, 24 hours: at most 16.")
        readout = page.locator(".chart-readout")
        await expect(readout).to_contain_text(f"Viewers {(MINUTES - 1) % 17}")
        await page.get_by_text("1 hour", exact=True).click()
        await expect(page.get_by_role("img", name="Viewers over time, 1 hour: at most 16.")).to_be_visible()
        async with page.expect_response(lambda answer: "/viewersOverTime" in answer.url):
            await page.get_by_text("24 hours", exact=True).click()
        await expect(chart.locator("canvas")).to_be_visible()
        await chart.focus()
        await page.keyboard.press("Home")
        await expect(readout).to_contain_text("Viewers 0")
        await page.keyboard.press("ArrowRight")
        await expect(readout).to_contain_text("Viewers 1")
        await page.keyboard.press("End")
        await page.keyboard.press("ArrowLeft")
        await expect(readout).to_contain_text(f"Viewers {(MINUTES - 2) % 17}")
        await page.keyboard.press("Escape")
        await expect(readout).to_contain_text(f"Viewers {(MINUTES - 1) % 17}")
        await page.get_by_text("Show as a table").click()
        table = page.get_by_role("table", name="Viewers over time, 24 hours: at most 16.")
        # 80 minutes were measured; of so many every second has a row.
        await expect(table.get_by_role("row")).to_have_count(1 + 40)
        await expect(table.get_by_role("row").nth(1)).to_contain_text(str((MINUTES - 1) % 17))


INK = """(wanted) => {
  const canvas = document.querySelector(".chart-plot canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const columns = new Set();
  for (let at = 0; at < data.length; at += 4) {
    const inked = data[at + 3] > 200 && wanted.every((value, part) => Math.abs(data[at + part] - value) < 12);
    if (inked) columns.add((at / 4) % canvas.width);
  }
  return [...columns].sort((one, other) => one - other);
}"""


async def test_a_chart_has_the_themes_colours_and_shows_a_break_as_a_gap(browser: Browser, owner: Owner) -> None:
    owner.measure()
    async with signed_in(browser, owner, "/hardware", color_scheme="light") as page:
        await expect(page.locator(".chart-plot canvas")).to_have_count(3)
        light, dark = [0x55, 0x52, 0xCF], [0xA5, 0xA3, 0xFF]
        plot = await page.locator(".chart-plot .u-over").first.bounding_box()
        canvas = await page.locator(".chart-plot canvas").first.bounding_box()
        assert plot is not None
        assert canvas is not None
        columns = await page.evaluate(INK, light)
        begin = int(plot["x"] - canvas["x"])
        drawn = [column for column in columns if begin <= column <= begin + plot["width"]]
        gaps = [later - earlier for earlier, later in pairwise(drawn) if later - earlier > 20]
        # Eleven minutes of the hour.
        assert len(gaps) == 1
        assert abs(gaps[0] - plot["width"] * 11 / 60) < plot["width"] * 2 / 60
        await page.get_by_role("button", name="Appearance, language, sign out").click()
        await page.get_by_role("menuitemradio", name="Appearance: Dark").click()
        await until(page, f"({INK})({dark}).length > 50 && ({INK})({light}).length === 0")
        await page.set_viewport_size({"width": 600, "height": 800})
        await until(page, "document.querySelector('.chart-plot canvas').width < 560")
        await page.evaluate("document.documentElement.dir = 'rtl'")
        assert await width(page) == 600


async def test_who_watches_is_listed_as_text(browser: Browser, owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    owner.go_live()
    owner.watch("one", "203.0.113.1", CHROME)
    owner.watch("two", "203.0.113.2", HOSTILE)
    owner.watch("three", "198.51.100.3", "VLC/3.0.20 LibVLC/3.0.20")
    owner.home.services.playback.report("one", PlaybackReport(bandwidth_kbps=9_000, latency_seconds=2.5))
    async with signed_in(browser, owner, "/viewers") as page:
        rows = page.get_by_role("table", name="Watching now").get_by_role("row")
        await expect(rows.nth(1)).to_contain_text("VLC")
        await expect(rows.nth(2)).to_contain_text(HOSTILE[:60])
        await expect(rows.nth(2).locator("span[title]")).to_have_attribute("title", HOSTILE)
        await expect(rows.nth(3)).to_contain_text("Chrome on Android")
        await expect(rows.nth(3)).to_contain_text("203.0.113.12.5 s9 Mb/s")
        await expect(page.get_by_text("Countries are not known")).to_be_visible()
        assert await page.evaluate(UNBROKEN)
        places = {
            "203.0.113.1": Geo("PT", "Lisbon", ""),
            "203.0.113.2": Geo(HOSTILE, HOSTILE, ""),
            "198.51.100.3": Geo("PT", "", ""),
        }
        monkeypatch.setattr(owner.home.services.geo, "lookup", places.get)
        await page.reload()
        bars = page.get_by_role("region", name="By country").get_by_role("listitem")
        await expect(bars.nth(0)).to_contain_text("Portugal2")
        await expect(bars.nth(1)).to_contain_text(HOSTILE)
        await expect(rows.nth(3)).to_contain_text("Portugal, Lisbon")
        assert await page.evaluate(UNBROKEN)


async def test_health_is_said_in_words(browser: Browser, owner: Owner) -> None:
    async with signed_in(browser, owner, "/health") as page:
        await expect(page.get_by_text("Nothing is on. How players play is shown here while they do.")).to_be_visible()
        await expect(page.get_by_text("No minute measured yet")).to_be_visible()
        owner.go_live()
        await page.reload()
        await expect(page.get_by_text("Nobody watches, or their players tell nothing yet.")).to_be_visible()
        owner.measure()
        await page.reload()
        await expect(page.get_by_text("1 of 2 players play without trouble.")).to_be_visible()
        smallest = page.get_by_role("img", name="Network of viewers over time. Now: Middle 4.7 Mb/s, Slowest 300 kb/s.")
        await expect(smallest).to_be_visible()
        await expect(page.get_by_role("img")).to_have_count(4)
        await page.get_by_role("button", name="Add a smaller variant").click()
        await expect(page.locator("main h1")).to_have_text("Video")


# The log.


async def test_the_log_is_followed_filtered_and_does_not_jump(browser: Browser, owner: Owner) -> None:
    for number in range(100):
        owner.log(("info", "warning", "error")[number % 3], f"line {number}")
    owner.log("error", f"{HOSTILE} {'x' * 1_500}")
    async with signed_in(browser, owner, "/logs") as page:
        log = page.get_by_role("log")
        await expect(log.get_by_text(HOSTILE)).to_be_in_viewport()
        assert await width(page) == 1280
        owner.log("info", "one more")
        await expect(log.get_by_text("one more")).to_be_in_viewport()
        place = "document.querySelector('.log')?.scrollTop"
        await log.hover()
        await page.mouse.wheel(0, -2_000)
        await until(page, f"{place} < 200")
        before = await page.evaluate(place)
        owner.log("warning", "behind your back")
        await expect(page.get_by_role("button", name="1 new line")).to_be_visible()
        assert await page.evaluate(place) == before
        await page.get_by_role("button", name="1 new line").click()
        await expect(log.get_by_text("behind your back")).to_be_in_viewport()
        await page.get_by_label("Show", exact=True).select_option("Errors")
        await expect(log.locator(".log-line").first).to_contain_text("line 2")
        await expect(log.locator("[data-level=info], [data-level=warning]")).to_have_count(0)
        await page.get_by_label("With the words").fill("LINE 5")
        await expect(log.locator(".log-line")).to_contain_text(["line 5", "line 50", "line 53", "line 56", "line 59"])
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await page.get_by_role("button", name="Copy these lines").click()
        await expect(page.get_by_text("5 lines copied")).to_be_visible()
        copied = await page.evaluate("navigator.clipboard.readText()")
        assert [line.split(" ", 1)[1] for line in copied.splitlines()][:2] == ["error line 5", "error line 50"]
        await page.get_by_label("With the words").fill("no such words")
        await expect(page.get_by_text("No line has these words")).to_be_visible()
        assert await page.evaluate(UNBROKEN)


# Everybody, everywhere.

PATHS = ("", "/viewers", "/health", "/hardware", "/logs")


@pytest.mark.parametrize("filled", [False, True], ids=["empty", "full"])
async def test_axe_has_nothing_to_say_and_nothing_is_too_wide(browser: Browser, owner: Owner, filled: bool) -> None:
    if filled:
        owner.measure(cpu=92, disk=95)
        owner.go_live(14)
        owner.watch("one", "203.0.113.1", CHROME)
        owner.watch("two", "2001:db8:85a3:8d3:1319:8a2e:370:7348", "x" * 200)
        owner.log("warning", "x" * 300)
        owner.web.studio.sender = replace(SENDER, encoder="x" * 100)
    async with signed_in(browser, owner, viewport={"width": 320, "height": 800}, color_scheme="dark") as page:
        for path in PATHS:
            await page.goto(owner.address + path)
            await expect(page.locator("main .loading")).to_have_count(0)
            if filled and path != "/logs":
                await expect(page.locator(".chart-plot canvas").first).to_be_attached()
                await page.locator("main details.chart-data summary").first.click()
                await expect(page.get_by_role("table").first).to_be_attached()
            for theme in ("dark", "light"):
                await page.emulate_media(color_scheme=theme)
                assert await violations(page) == [], (path, theme)
            assert await width(page) == 320, path


async def test_when_the_server_does_not_answer_a_page_says_so_and_goes_on(browser: Browser, owner: Owner) -> None:
    owner.measure()
    owner.log("info", "tea is ready")
    async with signed_in(browser, owner, "/logs") as page:
        for path, api in (
            ("hardware", "hardwarestats*"),
            ("viewers", "viewers*"),
            ("logs", "logs*"),
            ("health", "metrics/**"),
        ):
            pattern = f"**/api/admin/{api}"
            await page.route(pattern, lambda route: route.abort())
            await page.goto(f"{owner.address}/{path}")
            alert = page.get_by_role("alert").first
            await expect(alert).to_contain_text("The server does not answer.")
            assert await violations(page) == []
            await page.unroute(pattern)
            await alert.get_by_role("button", name="Try again").click()
            await expect(page.locator(".chart, .log").first).to_be_visible()
