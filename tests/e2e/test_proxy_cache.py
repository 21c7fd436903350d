"""nginx with its cache before a real show: what it costs the server, what viewers get, and what is never kept."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from multidict import CIMultiDictProxy
from owner import ADMIN, Owner
from playwright.async_api import expect
from proxy_rig import COUNTED, UNCOUNTED, Line, Nginx, Viewer, crowd, listed, nginx
from rig import PASSTHROUGH, PATIENCE, Server, ServerFactory, publishing, serving, settles
from viewer_browser import chromium, open_page, send_words, until, watch

Samples = Callable[[str], Path]

pytestmark = pytest.mark.e2e

MANY, FEW, PARTS = 500, 5, 12
MS = PATIENCE * 1000
SKIP = "#EXT-X-SKIP:SKIPPED-SEGMENTS="
GZIP = {"Accept-Encoding": "gzip"}


@asynccontextmanager
async def on_air(
    start: ServerFactory, samples: Samples, folder: Path, *changes: tuple[str, str], config: str = PASSTHROUGH
) -> AsyncIterator[tuple[Server, Nginx]]:
    """A show, and nginx before it."""
    async with (
        start(config=config) as server,
        publishing(server, samples("plain.flv"), repeats=100),
        nginx(folder / "nginx", server.http, *changes) as proxy,
    ):
        await server.playlist(0, lambda text: "PRELOAD-HINT" in text)
        yield server, proxy


async def answered(server: Server) -> dict[str, int]:
    """How many answers the server has given to requests for media, by their kind."""
    text = await Owner(server, ADMIN).ask("GET", "/api/admin/prometheus")
    found = re.findall(r'^owncast_media_requests_total\{kind="(\w+)"\} ([\d.]+)$', str(text[1]), re.MULTILINE)
    assert found, text
    return {kind: int(float(count)) for kind, count in found}


async def cost(server: Server, address: str, viewers: int) -> tuple[int, list[Viewer]]:
    """The answers that so many viewers at that address cost the server, and the viewers."""
    before = await answered(server)
    found = await crowd(address, viewers, PARTS)
    after = await answered(server)
    assert after["refused"] == before["refused"]
    return sum(after.values()) - sum(before.values()), found


async def ask(
    session: aiohttp.ClientSession, address: str, method: str = "GET", **headers: str
) -> tuple[int, CIMultiDictProxy[str], bytes]:
    given = {"Accept-Encoding": "identity"} | headers
    async with session.request(method, address, headers=given, auto_decompress=False) as answer:
        return answer.status, answer.headers, await answer.read()


async def test_five_hundred_viewers_cost_the_server_what_five_do(
    start: ServerFactory, samples: Samples, tmp_path: Path
) -> None:
    async with on_air(start, samples, tmp_path) as (server, proxy):
        few, _ = await cost(server, proxy.plain, FEW)
        many, viewers = await cost(server, proxy.plain, MANY)
        direct, (witness, *_) = await cost(server, server.http, FEW)
        assert few >= 2 * PARTS, "every part and its playlist was fetched once"
        assert many <= 1.3 * few, f"{MANY} viewers cost {many} requests, {FEW} cost {few}"
        assert direct > 1.3 * few, "without the cache every viewer costs the same"
        assert len(viewers) == MANY
        assert witness.parts


async def test_every_viewer_gets_every_part_as_it_is_and_none_is_told_something_old(
    start: ServerFactory, samples: Samples, tmp_path: Path
) -> None:
    async with on_air(start, samples, tmp_path) as (server, proxy):
        async with asyncio.timeout(2 * PATIENCE):
            viewers, (witness,) = await asyncio.gather(
                crowd(proxy.plain, MANY, PARTS), crowd(server.http, 1, PARTS + 4)
            )
        shared = 0
        for viewer in viewers:
            numbers = list(viewer.parts)
            assert len(numbers) >= PARTS
            assert numbers == sorted(numbers), "one after the other"
            shared += len(viewer.parts.keys() & witness.parts.keys())
            for position in viewer.parts.keys() & witness.parts.keys():
                assert viewer.parts[position] == witness.parts[position], position
            for wanted, newest in viewer.edges:
                assert newest >= wanted, "an answer has what was waited for"
        assert shared >= MANY * (PARTS - 4), "and it was compared"
        # Nothing is left out: what follows a part in one viewer's list follows it in everybody's.
        after = dict(zip(list(witness.parts), list(witness.parts)[1:], strict=False))
        for viewer in viewers:
            for one, next_one in zip(list(viewer.parts), list(viewer.parts)[1:], strict=False):
                assert after.get(one, next_one) == next_one


async def test_a_playlist_without_a_position_is_never_older_than_a_second(
    start: ServerFactory, samples: Samples, tmp_path: Path
) -> None:
    async with on_air(start, samples, tmp_path) as (server, proxy):
        here, there = await Line.to(server.http), await Line.to(proxy.plain)
        try:
            for _ in range(6):
                _, wanted = listed(await here.get("/hls/0/stream.m3u8"))
                # Two parts later, which is a second, the cache has to know the first of them.
                await here.get(f"/hls/0/stream.m3u8?_HLS_msn={wanted[0] + 1}&_HLS_part={wanted[1]}")
                found, _ = listed(await there.get("/hls/0/stream.m3u8"))
                assert found[-1][0] >= wanted
        finally:
            here.close()
            there.close()


async def test_the_form_the_range_and_the_query_of_a_request_are_the_viewers_own(
    start: ServerFactory, samples: Samples, tmp_path: Path
) -> None:
    async with on_air(start, samples, tmp_path) as (server, proxy), aiohttp.ClientSession() as session:
        line = await Line.to(server.http)
        parts, _ = listed(await line.get("/hls/0/stream.m3u8"))
        (msn, part), name = parts[-1]
        whole = await line.get(f"/hls/0/{name.decode()}")
        media, address = f"{proxy.plain}/hls/0/{name.decode()}", f"{proxy.plain}/hls/0/stream.m3u8"
        line.close()

        before = await answered(server)
        assert (await ask(session, f"{media}?CMCD=sid%3D%22a%22"))[2] == whole
        assert (await ask(session, f"{media}?CMCD=sid%3D%22b%22", **GZIP))[2] == whole
        status, headers, piece = await ask(session, media, Range="bytes=100-199")
        assert (status, piece, headers["Content-Range"]) == (206, whole[100:200], f"bytes 100-199/{len(whole)}")
        status, headers, nothing = await ask(session, media, "HEAD")
        assert (status, nothing, int(headers["Content-Length"])) == (200, b"", len(whole))
        status, headers, _ = await ask(session, media)
        assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert (await ask(session, media, **{"If-None-Match": headers["ETag"]}))[0] == 304
        after = await answered(server)
        assert after["part"] - before["part"] == 1, "all of that was one request"

        position = f"_HLS_msn={msn}&_HLS_part={part}"
        _, packed, small = await ask(session, f"{address}?{position}", **GZIP)
        for accepted in ("gzip, deflate, br, zstd", "br, gzip;q=0.5"):
            assert (await ask(session, f"{address}?{position}&CMCD=x", **{"Accept-Encoding": accepted}))[2] == small
        _, plain, text = await ask(
            session, f"{address}?_HLS_part={part}&x=y&_HLS_msn={msn}", **{"Accept-Encoding": "br"}
        )
        assert (packed["Content-Encoding"], packed["Vary"]) == ("gzip", "Accept-Encoding")
        assert "Content-Encoding" not in plain
        assert text.startswith(b"#EXTM3U")
        _, _, delta = await ask(session, f"{address}?{position}&_HLS_skip=YES", **{"Accept-Encoding": "gzip;q=0"})
        assert delta.startswith(b"#EXTM3U")
        asked = await answered(server)
        assert asked["playlist"] - after["playlist"] == 3, "compressed, not, and the delta"

        for nonsense in ("_HLS_msn=x", "_HLS_msn=-1", "_HLS_part=1", "_HLS_msn=9999999", f"{position}%0a"):
            status, _, said = await ask(session, f"{address}?{nonsense}")
            assert status == 400, (nonsense, said)
        allowed, headers, _ = await ask(
            session, media, "OPTIONS", Origin="https://elsewhere.example", **{"Access-Control-Request-Method": "GET"}
        )
        assert (allowed, headers["Access-Control-Allow-Origin"]) == (204, "*")


async def test_a_delta_update_and_the_whole_playlist_are_kept_apart(
    start: ServerFactory, samples: Samples, tmp_path: Path
) -> None:
    async with on_air(start, samples, tmp_path) as (server, proxy), aiohttp.ClientSession() as session:
        # A young show's playlist has nothing to skip yet.
        await settles(lambda: server.text("/hls/0/stream.m3u8?_HLS_skip=YES"), lambda text: SKIP in text, "a delta")
        long = await server.playlist(0, lambda _: True)
        newest = int(long.split("MEDIA-SEQUENCE:")[1].split()[0]) + long.count("#EXTINF") - 1
        address = f"{proxy.plain}/hls/0/stream.m3u8?_HLS_msn={newest}"
        for _ in range(2):
            _, _, whole = await ask(session, address)
            _, _, delta = await ask(session, f"{address}&_HLS_skip=YES")
            assert SKIP in delta.decode()
            assert SKIP not in whole.decode()


async def test_what_was_not_there_is_there_a_moment_later(
    start: ServerFactory, samples: Samples, tmp_path: Path
) -> None:
    async with (
        start(config=PASSTHROUGH) as server,
        nginx(tmp_path / "nginx", server.http) as proxy,
        aiohttp.ClientSession() as session,
    ):
        multivariant, media = (
            f"{proxy.plain}/hls/stream.m3u8",
            f"{proxy.plain}/hls/0/stream.m3u8?_HLS_msn=0&_HLS_part=0",
        )
        for address in (multivariant, media):
            status, headers, _ = await ask(session, address)
            assert (status, headers["Cache-Control"]) == (404, "no-store")

        async def again() -> list[int]:
            return [(await ask(session, address))[0] for address in (multivariant, media)]

        async with publishing(server, samples("plain.flv"), repeats=100):
            await settles(again, lambda found: found == [200, 200], "the show is there")


async def test_a_restart_of_the_server_heals_behind_the_cache(
    start: ServerFactory, samples: Samples, tmp_path: Path, encoders: Path
) -> None:
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        first = await stack.enter_async_context(AsyncExitStack())
        server = await first.enter_async_context(start(config=PASSTHROUGH))
        proxy = await stack.enter_async_context(nginx(tmp_path / "nginx", server.http))
        playlist = f"{proxy.plain}/hls/0/stream.m3u8"
        async with publishing(server, samples("plain.flv"), repeats=100):
            await server.playlist(0, lambda text: "PRELOAD-HINT" in text)
            await crowd(proxy.plain, FEW, PARTS)
            old = listed((await ask(session, playlist))[2])[0][-1][1].split(b"-")[0]
        port = server.http.rpartition(":")[2]
        await first.aclose()

        async def status() -> int:
            return (await ask(session, playlist))[0]

        await settles(status, lambda found: found == 502, "nobody is behind it")
        # Gone and back at the same address, with another show.
        again = await stack.enter_async_context(
            serving(tmp_path / "data", "--http-port", port, config=PASSTHROUGH, encoders=encoders)
        )
        async with publishing(again, samples("plain.flv"), repeats=100):
            await again.playlist(0, lambda text: "PRELOAD-HINT" in text)
            await settles(status, lambda found: found == 200, "the new show is there")
            viewers = await crowd(proxy.plain, FEW, PARTS)
            assert all(len(viewer.parts) >= PARTS for viewer in viewers)
            assert listed((await ask(session, playlist))[2])[0][-1][1].split(b"-")[0] != old


async def test_a_viewer_who_leaves_while_all_wait_takes_nothing_from_the_others(
    start: ServerFactory, samples: Samples, tmp_path: Path
) -> None:
    async with on_air(start, samples, tmp_path) as (_, proxy):
        first, *others = [await Line.to(proxy.plain) for _ in range(FEW)]
        _, (msn, _) = listed(await first.get("/hls/0/stream.m3u8"))
        target = f"/hls/0/stream.m3u8?_HLS_msn={msn + 1}&_HLS_part=0"
        leaving = asyncio.ensure_future(first.get(target))
        waiting = [asyncio.ensure_future(other.get(target)) for other in others]
        await asyncio.sleep(0)
        first.close()
        with pytest.raises(ConnectionError):
            await leaving
        answers = await asyncio.gather(*waiting)
        assert all(listed(answer)[0][-1][0] >= (msn + 1, 0) for answer in answers)
        for other in others:
            other.close()


async def counted(server: Server) -> int:
    status = await Owner(server, ADMIN).get("/api/admin/status")
    found = status["viewerCount"]
    assert isinstance(found, int)
    return found


async def players(server: Server) -> list[str]:
    """What those that are counted call themselves."""
    return [str(viewer["userAgent"]) for viewer in await Owner(server, ADMIN).listing("/api/admin/viewers")]


async def test_players_are_counted_when_the_recipe_is_told_to(
    start: ServerFactory, samples: Samples, tmp_path: Path
) -> None:
    async with on_air(start, samples, tmp_path, (UNCOUNTED, COUNTED)) as (server, proxy):
        before = await answered(server)
        await crowd(proxy.plain, 40, PARTS, name="player")
        after = await answered(server)
        assert len([name for name in await players(server) if name.startswith("player ")]) == 40
        assert after["playlist"] - before["playlist"] <= 2 * PARTS, "and the video is still fetched once"


async def test_who_asks_is_known_through_the_cache(start: ServerFactory, samples: Samples, tmp_path: Path) -> None:
    async with on_air(start, samples, tmp_path) as (server, proxy), aiohttp.ClientSession() as session:
        who = {"X-Forwarded-For": "203.0.113.7", "User-Agent": "a player far away"}
        status, _, _ = await ask(session, f"{proxy.plain}/hls/0/stream.m3u8", **who)
        assert status == 200
        listing = await Owner(server, ADMIN).listing("/api/admin/viewers")
        assert [viewer["ipAddress"] for viewer in listing if viewer["userAgent"] == who["User-Agent"]] == [
            "203.0.113.7"
        ]


async def test_a_page_plays_in_low_latency_and_chats_through_the_cache(
    start: ServerFactory, samples: Samples, tmp_path: Path
) -> None:
    async with (
        on_air(start, samples, tmp_path) as (server, proxy),
        chromium() as browser,
        open_page(browser, proxy.tls, ignore_https_errors=True) as page,
        open_page(browser, proxy.tls, ignore_https_errors=True) as other,
    ):
        asked: list[str] = []
        page.on("requestfinished", lambda request: asked.append(request.url))
        await watch(page, 4)
        await watch(other)
        assert any("_HLS_part=" in url for url in asked), "it waits for parts"
        assert [url for url in asked if re.search(r"-\d+\.\d+\.m4s$", url)], "and fetches them"
        await until(page, "owncast.player.latency() < 4")
        protocol = "performance.getEntriesByType('resource').find(entry => entry.name.includes('.m4s')).nextHopProtocol"
        assert await page.evaluate(protocol) == "h2"
        await page.get_by_role("textbox", name="Message").fill("Good evening")
        await send_words(page)
        said = other.get_by_role("log").get_by_text("Good evening", exact=True)
        await expect(said).to_be_visible(timeout=MS)

        async def watching() -> int:
            return await counted(server)

        await settles(watching, lambda found: found == 2, "both pages are counted, each once")
