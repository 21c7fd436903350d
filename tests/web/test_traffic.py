"""What is counted of requests, by which names, and how each is called in the log."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
import structlog
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from shown import add, live
from structlog.testing import LogCapture

from owncast_py.app.numbers_service import http
from owncast_py.metrics.prometheus import Exposition, Numbers
from owncast_py.request_ids import add_request_id
from transcoder.window import LiveWindow
from web.hls import Hls
from web.server import Host, WebServer, build_application
from web.traffic import ABORTED, INIT, PART, PLAYLIST, REFUSED, SEGMENT, Traffic

DEADLINE = 10.0


class Nobody:
    """Viewers that are not counted, and media that are not there unless a test shows some."""

    def __init__(self) -> None:
        self.on_air: LiveWindow | None = None

    def touch(self, viewer_id: str) -> bool:
        return False

    def describe(self, viewer_id: str, address: str, user_agent: str) -> None:
        raise AssertionError(viewer_id)

    def window(self) -> LiveWindow | None:
        return self.on_air

    async def still(self, name: str) -> None:
        return None

    async def stored(self, key: str) -> None:
        return None


@asynccontextmanager
async def served(
    traffic: Traffic, *routes: web.AbstractRouteDef, trusted: str = "127.0.0.0/8", log_requests: bool = False
) -> AsyncIterator[ClientSession]:
    host = Host(Nobody(), tuple, [ip_network(trusted)], tuple, log_requests)
    application = build_application(host, {}, routes, traffic)
    async with TestServer(application) as server, ClientSession(server.make_url("/")) as client:
        yield client


async def ask(client: ClientSession, method: str, path: str, **headers: str) -> tuple[int, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.request(method, path, headers=named) as response:
        await response.read()
        return response.status, response.headers.get("X-Request-Id", "")


@pytest.fixture
def lines() -> Iterator[list[dict[str, object]]]:
    """What is logged, with the ids that a line gets."""
    capture = LogCapture()
    structlog.configure(processors=[add_request_id, structlog.processors.add_log_level, capture])
    yield capture.entries  # type: ignore[misc]
    structlog.reset_defaults()


async def greet(request: web.Request) -> web.Response:
    structlog.get_logger(__name__).info("greeting", who=request.match_info["name"])
    return web.Response(text="hello")


async def broken(_request: web.Request) -> web.Response:
    raise RuntimeError("inside knowledge")


async def moved(_request: web.Request) -> web.Response:
    raise web.HTTPFound("/elsewhere")


async def test_nobody_outside_decides_how_many_labels_there_are() -> None:
    traffic = Traffic()
    async with served(traffic, web.get("/api/greet/{name}", greet)) as client:
        for number in range(50):
            await ask(client, "GET", f"/api/greet/user-{number}?token={number}")
            await ask(client, "GET", f"/nothing/{number}")
            await ask(client, ("PROPFIND", "LOCK", "MKCOL", "SEARCH", "TRACE")[number % 5], f"/api/greet/{number}")
            await ask(client, "GET", f"/api/greet/%00%0a{number}")
    assert traffic.requests == {
        ("/api/greet/{name}", "GET", "2xx"): 100,
        ("none", "GET", "4xx"): 50,
        ("none", "other", "4xx"): 50,
    }
    assert {root: sum(each.counts) for root, each in traffic.seconds.items()} == {"/api": 100, "/none": 100}


async def test_what_becomes_of_a_request_is_its_status(lines: list[dict[str, object]]) -> None:
    traffic, entered = Traffic(), asyncio.Event()

    async def waits(_request: web.Request) -> web.Response:
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def socket(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        await response.receive()
        return response

    routes = (
        web.get("/api/greet/{name}", greet),
        web.get("/api/broken", broken),
        web.get("/api/moved", moved),
        web.get("/waits", waits),
        web.get("/socket", socket),
    )
    async with served(traffic, *routes) as client:
        assert (await ask(client, "HEAD", "/api/greet/ana"))[0] == 200
        assert (await ask(client, "OPTIONS", "/api/greet/ana"))[0] == 204
        status, request_id = await ask(client, "GET", "/api/broken")
        assert status == 500
        async with client.get("/api/moved", allow_redirects=False) as response:
            assert response.status == 302
            assert re.fullmatch(r"[0-9a-f]{16}", response.headers["X-Request-Id"])
        async with client.ws_connect("/socket") as connected:
            await connected.close()
        giving_up = asyncio.create_task(ask(client, "GET", "/waits"))
        await entered.wait()
        giving_up.cancel()
        await asyncio.gather(giving_up, return_exceptions=True)
    assert traffic.requests == {
        ("/api/greet/{name}", "HEAD", "2xx"): 1,
        ("none", "OPTIONS", "2xx"): 1,
        ("/api/broken", "GET", "5xx"): 1,
        ("/api/moved", "GET", "3xx"): 1,
        ("/socket", "GET", "1xx"): 1,
        ("/waits", "GET", ABORTED): 1,
    }
    assert "/socket" not in traffic.seconds, "a socket lasts as long as somebody watches"
    assert "/waits" not in traffic.seconds
    (failure,) = [line for line in lines if line["event"] == "request failed"]
    assert failure["request_id"] == request_id


async def test_an_id_from_outside_is_kept_only_where_it_can_be_trusted(lines: list[dict[str, object]]) -> None:
    async with served(Traffic(), web.get("/api/greet/{name}", greet)) as client:
        assert await ask(client, "GET", "/api/greet/ana", X_Request_Id="edge-1.a_b") == (200, "edge-1.a_b")
        assert [line["request_id"] for line in lines] == ["edge-1.a_b"]
        made = set()
        for given in ("", "a b", 'x"y', "a" * 65, "{}", "-x", "ünï"):
            _, found = await ask(client, "GET", "/api/greet/ana", X_Request_Id=given)
            assert re.fullmatch(r"[0-9a-f]{16}", found), given
            made.add(found)
        async with client.get("/api/greet/ana", headers=[("X-Request-Id", "one"), ("X-Request-Id", "two")]) as response:
            made.add(response.headers["X-Request-Id"])
        made.add((await ask(client, "GET", "/nothing"))[1])
        assert len(made) == 9
        assert not made & {"one", "two"}
    async with served(Traffic(), web.get("/api/greet/{name}", greet), trusted="192.0.2.0/24") as client:
        _, found = await ask(client, "GET", "/api/greet/ana", X_Request_Id="edge-1")
        assert found != "edge-1"


async def test_requests_are_logged_when_the_owner_wants_it_and_without_what_is_secret(
    lines: list[dict[str, object]],
) -> None:
    async with served(Traffic(), web.get("/api/greet/{name}", greet)) as client:
        await ask(client, "GET", "/api/greet/ana?accessToken=sesame")
    assert [line["event"] for line in lines] == ["greeting"]
    lines.clear()
    async with served(Traffic(), web.get("/api/greet/{name}", greet), log_requests=True) as client:
        _, request_id = await ask(client, "GET", "/api/greet/ana?accessToken=sesame", X_Forwarded_For="192.0.2.9")
        await ask(client, "GET", "/" + "x" * 500)
    greeting, first, second = lines
    assert greeting["request_id"] == first["request_id"] == request_id
    seconds = first.pop("seconds")
    assert isinstance(seconds, float)
    assert first == {
        "event": "request",
        "level": "info",
        "log_level": "info",
        "method": "GET",
        "path": "/api/greet/ana",
        "route": "/api/greet/{name}",
        "status": 200,
        "address": "192.0.2.9",
        "request_id": request_id,
    }
    assert (second["route"], len(str(second["path"]))) == ("none", 200)


@asynccontextmanager
async def streaming(traffic: Traffic) -> AsyncIterator[tuple[WebServer, LiveWindow]]:
    """Six segments and two parts of the seventh, over the server with its short way."""
    media, window = Nobody(), live(target_duration=2)
    media.on_air = window
    media.touch = lambda viewer_id: False  # type: ignore[method-assign]
    for rendition in window.renditions:
        for position in range(6 * 4 + 2):
            add(rendition, position // 4, position % 4)
    hls = Hls(media, media, traffic)
    application = build_application(Host(media, tuple, [], tuple), {}, (), traffic)
    server = WebServer(application, "127.0.0.1", 0, hls)
    await server.start()
    try:
        yield server, window
    finally:
        await server.aclose()


async def test_media_are_counted_by_kind_with_the_octets_that_went_out() -> None:
    traffic = Traffic()
    async with streaming(traffic) as (server, window):
        host, port = server.address
        segment, part = window.renditions[0].find(5), window.renditions[1].find(6)
        assert segment is not None
        assert part is not None
        assert part.parts[1].data is not None
        async with ClientSession(f"http://{host}:{port}", auto_decompress=False) as client:
            playlist = await (await client.get("/hls/0/stream.m3u8")).read()
            await (await client.get("/hls/stream.m3u8")).read()
            for method in ("GET", "HEAD"):
                assert (await ask(client, method, "/hls/0/abcd-5.m4s"))[0] == 200
            assert (await ask(client, "GET", "/hls/0/abcd-5.m4s", Range="bytes=0-9"))[0] == 206
            assert (await ask(client, "GET", "/hls/0/abcd-5.m4s", If_None_Match='"abcd-5.m4s"'))[0] == 304
            assert (await ask(client, "GET", "/hls/1/abcd-6.1.m4s"))[0] == 200
            assert (await ask(client, "GET", "/hls/1/abcd-99.1.m4s"))[0] == 404
            assert (await ask(client, "GET", "/hls/0/stream.m3u8?_HLS_part=1"))[0] == 400
            assert server.connections == (1, 0)
    counted = {kind: traffic.media_requests[kind] for kind in (PLAYLIST, INIT, SEGMENT, PART, REFUSED)}
    assert counted == {PLAYLIST: 2, INIT: 0, SEGMENT: 4, PART: 1, REFUSED: 2}
    assert traffic.media_octets[SEGMENT] == segment.size + 10
    assert traffic.media_octets[PART] == len(part.parts[1].data)
    assert traffic.media_octets[PLAYLIST] > len(playlist)
    assert not traffic.requests, "nothing of it was aiohttp's"


async def test_a_thousand_waiting_players_cost_a_scrape_nothing() -> None:
    """Counted in samples and in calls of Python functions, which are the same on every machine."""
    traffic = Traffic()
    async with streaming(traffic) as (server, window):
        exposition = Exposition(_numbers(window))
        exposition.add(http(traffic, server))

        async def cost() -> tuple[int, int]:
            calls = 0

            def count(_frame: object, event: str, _argument: object) -> None:
                nonlocal calls
                calls += event == "call"

            sys.setprofile(count)
            try:
                body = (await exposition.render()).body
            finally:
                sys.setprofile(None)
            return calls, len(re.findall(rb"^owncast", body, re.MULTILINE))

        await cost()
        quiet = await cost()
        host, port = server.address
        writers = []
        for _ in range(1000):
            _, writer = await asyncio.open_connection(host, port)
            writer.write(b"GET /hls/0/stream.m3u8?_HLS_msn=6&_HLS_part=2 HTTP/1.1\r\nHost: x\r\n\r\n")
            writers.append(writer)
        async with asyncio.timeout(DEADLINE * 6):
            while window.waiting < 1000:
                await asyncio.sleep(0.01)
        assert server.connections == (1000, 0)
        crowded = await cost()
        for writer in writers:
            writer.close()
    assert crowded[1] == quiet[1]
    assert crowded[0] <= quiet[0] + 50


def _numbers(window: LiveWindow) -> Numbers:
    return Numbers(
        online=lambda: True,
        viewers=lambda: window.waiting,
        chatters=lambda: 0,
        users=lambda: 0,
        messages=lambda: 0,
        playback_errors=lambda: 0,
        cpu=lambda: None,
        memory=lambda: None,
        disk=lambda: None,
    )
