"""The page in a real browser, from a real server: it plays in low latency, and plays on whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import Page
from rig import MIXED, PASSTHROUGH, PATIENCE, ServerFactory, publishing, segments
from viewer_browser import chromium, open_page, until

Samples = Callable[[str], Path]

pytestmark = pytest.mark.e2e


async def position(page: Page) -> float:
    await until(page, "window.owncast.player")
    found: float = await page.evaluate("window.owncast.player.currentTime()")
    return found


async def plays_on(page: Page, seconds: float = 2.0) -> None:
    """The picture advances by so much media, however long that takes."""
    start = await position(page)
    await until(page, f"window.owncast.player.currentTime() >= {start + seconds}")
    await until(page, "window.owncast.player.state() === 'playing'")


async def test_the_page_plays_in_low_latency(start: ServerFactory, samples: Samples) -> None:
    async with (
        start(config=MIXED) as server,
        publishing(server, samples("b-frames.flv")),
        chromium() as browser,
        open_page(browser, server.http) as page,
    ):
        await plays_on(page, 6)
        assert await page.evaluate("window.owncast.player.lowLatency()") is True
        assert await page.evaluate("document.querySelector('video').videoWidth") in (320, 160)
        requests = await page.evaluate("performance.getEntriesByType('resource').map(e => e.name)")
        assert any("_HLS_msn=" in name and "_HLS_part=" in name for name in requests), "blocking reloads"
        assert any(name.endswith(".m4s") and name.rsplit("-", 1)[1].count(".") == 2 for name in requests), "parts"
        async with server.session.get(server.http + "/api/status") as response:
            assert (await response.json())["viewerCount"] == 1


async def test_the_page_outlives_its_encoder(start: ServerFactory, samples: Samples) -> None:
    async with (
        start(config=PASSTHROUGH) as server,
        chromium() as browser,
        open_page(browser, server.http) as page,
    ):
        await page.evaluate("window.sameDocument = true")
        async with publishing(server, samples("plain.flv")) as encoder:
            await plays_on(page)
            encoder.kill()
            await encoder.wait()
        await server.playlist(0, lambda text: text.count("#EXT-X-DISCONTINUITY\n") == 1)
        await plays_on(page, 5)  # on the slate
        async with publishing(server, samples("b-frames.flv")):
            await server.playlist(0, lambda text: text.count("#EXT-X-DISCONTINUITY\n") == 2)
            edge = max(number for number, _ in segments(await server.text("/hls/0/stream.m3u8")))
            await server.playlist(0, lambda text: max(number for number, _ in segments(text)) > edge + 2)
            await plays_on(page, 5)
        assert await page.evaluate("window.sameDocument") is True


async def test_a_page_that_waits_starts_with_the_show_and_ends_with_it(start: ServerFactory, samples: Samples) -> None:
    async with (
        start(config=PASSTHROUGH + "  reconnect_grace: 0\n") as server,
        chromium() as browser,
        open_page(browser, server.http) as page,
    ):
        await until(page, "document.body.innerText.toLowerCase().includes('offline')")
        async with publishing(server, samples("plain.flv")):
            await plays_on(page)
        await until(page, "document.body.innerText.toLowerCase().includes('offline')")
        # What is buffered of the end is still played; only then is the player's state that of the next show.
        await until(page, "['idle', 'ended'].includes(window.owncast.player.state())")
        async with publishing(server, samples("plain.flv")), asyncio.timeout(PATIENCE):
            await until(page, "window.owncast.player.state() === 'playing'")
            await plays_on(page)


async def test_a_source_of_another_kind_needs_no_reload(start: ServerFactory, samples: Samples) -> None:
    """What comes back without sound cannot go on in the same playlists: the page changes over to the new ones."""
    async with (
        start(config=PASSTHROUGH) as server,
        chromium() as browser,
        open_page(browser, server.http) as page,
    ):
        await page.evaluate("window.sameDocument = true")
        async with publishing(server, samples("plain.flv")) as encoder:
            await plays_on(page)
            encoder.kill()
            await encoder.wait()
        async with publishing(server, samples("video-only.flv")):
            await server.playlist(0, lambda text: "#EXT-X-ENDLIST" not in text and bool(segments(text)))
            first = (await server.text("/hls/0/stream.m3u8")).split("#EXT-X-MAP:URI=")[1].split("-")[0].strip('"')
            seen = f"performance.getEntriesByType('resource').some(e => e.name.includes('/{first}-'))"
            await until(page, seen)
            await plays_on(page, 4)
        assert await page.evaluate("window.sameDocument") is True
