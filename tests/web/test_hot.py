"""The short way over real sockets: split, pipelined, waiting, hostile, handed over, and equal to aiohttp's answers."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession
from shown import add, live

from transcoder.window import LiveWindow
from web import hls as hls_module
from web import server as server_module
from web.hot import MAX_HEAD, MAX_PIPELINED, SMALL_BODY, Clock

DEADLINE = 10.0
"""Seconds after which a test that waits for the network has failed."""

Connect = Callable[..., Awaitable[ClientSession]]
Response = tuple[int, dict[str, str], bytes]


def filled(target_duration: int = 2) -> LiveWindow:
    """Six segments and two parts of the seventh."""
    window = live(target_duration=target_duration)
    for rendition in window.renditions:
        for position in range(6 * 4 + 2):
            add(rendition, position // 4, position % 4)
    return window


class Client:
    """One connection, spoken to byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, *targets: str, method: str = "GET", headers: str = "", version: str = "HTTP/1.1") -> None:
        for target in targets:
            self.writer.write(f"{method} {target} {version}\r\nHost: x\r\n{headers}\r\n".encode("latin-1"))

    async def response(self, *, body: bool = True) -> Response:
        async with asyncio.timeout(DEADLINE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, *fields = head[:-4].split("\r\n")
            headers = dict(field.split(": ", 1) for field in fields)
            assert len(headers) == len(fields)
            status = int(line.split()[1])
            length = int(headers.get("Content-Length", 0)) if body and status != 304 else 0
            return status, headers, await self.reader.readexactly(length)

    async def get(self, target: str, headers: str = "", method: str = "GET") -> Response:
        self.send(target, headers=headers, method=method)
        return await self.response(body=method != "HEAD")

    async def ended(self) -> bytes:
        """What still comes until the server closes."""
        async with asyncio.timeout(DEADLINE):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""


@pytest.fixture
async def server(connect: Connect) -> tuple[str, int]:
    base = (await connect())._base_url
    assert base is not None
    assert base.host is not None
    assert base.port is not None
    return base.host, base.port


@asynccontextmanager
async def client(server: tuple[str, int]) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection(*server)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        try:
            await writer.wait_closed()
        except ConnectionError:
            pass


@pytest.fixture
def window(world: object) -> LiveWindow:
    made = filled()
    vars(world)["on_air"] = made
    return made


async def turns(count: int = 20) -> None:
    """Lets the loop pass what lies in the sockets on to both ends."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0)


TARGETS = [
    "/hls/stream.m3u8",
    "/hls/stream.mpd",
    "/hls/0/stream.m3u8",
    "/hls/1/stream.m3u8?_HLS_msn=6&_HLS_part=1",
    "/hls/0/stream.m3u8?_HLS_skip=YES",
    "/hls/0/stream.m3u8?_HLS_msn=abc",
    "/hls/0/stream.m3u8?_HLS_msn=99",
    "/hls/0/abcd-init0.mp4",
    "/hls/0/abcd-5.m4s",
    "/hls/1/abcd-6.1.m4s",
    "/hls/0/abcd-77.0.m4s",
    "/hls/nothing",
    "/hls/../../etc/passwd",
    "/hls/0/..%2f..%2fetc%2fpasswd",
]
HEADERS = ["", "Accept-Encoding: gzip\r\n", "Range: bytes=2-4\r\n", "Range: bytes=900-\r\n", "If-None-Match: *\r\n"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("target", TARGETS)
async def test_both_ways_give_the_same_answer(
    server: tuple[str, int], window: LiveWindow, target: str, method: str
) -> None:
    async with client(server) as hot, client(server) as handed_over:
        assert (await handed_over.get("/healthz"))[2] == b"ok\n"
        for headers in HEADERS:
            short = await hot.get(target, headers, method)
            long = await handed_over.get(target, headers, method)
            for fields in (short[1], long[1]):
                fields.pop("Date")
                fields.pop("Server", None)
            assert short == long
            assert "Server" not in short[1]


async def test_answers_have_a_date_and_one_length(server: tuple[str, int], window: LiveWindow) -> None:
    async with client(server) as hot:
        status, headers, body = await hot.get("/hls/0/stream.m3u8")
        assert status == 200
        assert headers["Date"].endswith(" GMT")
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert body == window.renditions[0].playlist().plain
        _, headers, body = await hot.get("/hls/0/stream.m3u8", "Accept-Encoding: gzip\r\n")
        assert gzip.decompress(body) == window.renditions[0].playlist().plain


def test_the_date_is_rendered_once_a_second() -> None:
    now = 1_767_225_600.2
    clock = Clock(lambda: now)
    ending = clock.ending(closing=False)
    assert ending == b"Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n"
    now += 0.7
    assert clock.ending(closing=False) is ending
    assert clock.ending(closing=True) == b"Connection: close\r\n" + ending
    now += 0.2
    assert clock.ending(closing=False) == b"Date: Thu, 01 Jan 2026 00:00:01 GMT\r\n\r\n"


async def test_a_blocked_player_gets_the_next_part(server: tuple[str, int], window: LiveWindow) -> None:
    async with client(server) as hot, client(server) as handed_over:
        await handed_over.get("/healthz")
        for player in (hot, handed_over):
            player.send("/hls/0/stream.m3u8?_HLS_msn=6&_HLS_part=2", "/hls/0/abcd-6.3.m4s")
        video = window.renditions[0]
        await until(lambda: len(video._waiters) == 2)
        add(video, 6, 2)
        for player in (hot, handed_over):
            status, headers, body = await player.response()
            assert (status, headers["Cache-Control"]) == (200, "public, max-age=12")
            assert b"abcd-6.2.m4s" in body
        # The second request was the hint of the playlist that has just come.
        await until(lambda: len(video._waiters) == 2)
        add(video, 6, 3)
        for player in (hot, handed_over):
            assert (await player.response())[2] == b"part 6.3"


async def test_many_blocked_players_get_one_rendering(server: tuple[str, int], window: LiveWindow) -> None:
    video = window.renditions[0]
    players = [await asyncio.open_connection(*server) for _ in range(100)]
    clients = [Client(*player) for player in players]
    for player in clients:
        player.send("/hls/0/stream.m3u8?_HLS_msn=6&_HLS_part=2")
    await until(lambda: len(video._waiters) == 100)
    add(video, 6, 2)
    bodies = {(await player.response())[2] for player in clients}
    assert bodies == {video.playlist().plain}
    for player in clients:
        player.writer.close()
        await player.writer.wait_closed()


async def test_the_end_answers_everybody(server: tuple[str, int], window: LiveWindow) -> None:
    async with client(server) as first, client(server) as second:
        first.send("/hls/0/stream.m3u8?_HLS_msn=6&_HLS_part=2")
        second.send("/hls/1/abcd-6.2.m4s")
        await until(lambda: all(rendition._waiters for rendition in window.renditions))
        window.end()
        assert (await first.response())[2].endswith(b"#EXT-X-ENDLIST\n")
        assert (await second.response())[0] == 404


async def test_a_wait_has_a_deadline(
    server: tuple[str, int], window: LiveWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hls_module, "WAIT_TARGETS", 0.01)
    async with client(server) as hot, client(server) as handed_over:
        await handed_over.get("/healthz")
        for player in (hot, handed_over):
            status, headers, body = await player.get("/hls/0/stream.m3u8?_HLS_msn=6&_HLS_part=2")
            assert (status, headers["Cache-Control"]) == (503, "no-store")
            assert body == b"The stream stands still; ask again.\n"
            # The connection lives on, and nobody waits any more.
            assert (await player.get("/hls/0/abcd-init0.mp4"))[2] == b"init of 0"
    assert window.renditions[0]._waiters == {}


async def test_a_show_that_never_starts_is_not_waited_for(
    server: tuple[str, int], world: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hls_module, "MULTIVARIANT_SECONDS", 0.01)
    vars(world)["on_air"] = live()
    async with client(server) as hot:
        assert (await hot.get("/hls/stream.m3u8"))[0] == 503
    vars(world)["on_air"] = None
    async with client(server) as hot:
        assert (await hot.get("/hls/stream.m3u8"))[2] == b"Nothing is on air.\n"


async def test_who_hangs_up_is_forgotten(server: tuple[str, int], window: LiveWindow) -> None:
    video = window.renditions[0]
    async with client(server) as rude, client(server) as polite:
        for player in (rude, polite):
            player.send("/hls/0/stream.m3u8?_HLS_msn=6&_HLS_part=2")
        await until(lambda: len(video._waiters) == 2)
        rude.writer.transport.abort()
        await until(lambda: len(video._waiters) == 1)
    await until(lambda: not video._waiters)
    add(video, 6, 2)


async def test_requests_may_come_all_at_once(server: tuple[str, int], window: LiveWindow) -> None:
    async with client(server) as hot:
        hot.send("/hls/0/abcd-init0.mp4", "/hls/1/abcd-init0.mp4", "/hls/nothing", "/hls/0/abcd-5.0.m4s")
        assert [(await hot.response())[0::2] for _ in range(4)] == [
            (200, b"init of 0"),
            (200, b"init of 1"),
            (404, b"There is no such file, or it has left the playlist.\n"),
            (200, b"part 5.0"),
        ]


async def test_answers_keep_the_order_of_the_requests(server: tuple[str, int], window: LiveWindow) -> None:
    async with client(server) as hot:
        hot.send("/hls/0/abcd-6.2.m4s", "/hls/0/abcd-init0.mp4")
        await until(lambda: bool(window.renditions[0]._waiters))
        add(window.renditions[0], 6, 2)
        assert (await hot.response())[2] == b"part 6.2"
        assert (await hot.response())[2] == b"init of 0"


@pytest.mark.parametrize("step", [1, 2, 7, 40])
async def test_any_split_of_the_bytes_gives_the_same(server: tuple[str, int], window: LiveWindow, step: int) -> None:
    requests = b"".join(
        b"GET %s HTTP/1.1\r\nHost: x\r\nUser-Agent: y\r\n\r\n" % target
        for target in (b"/hls/0/abcd-init0.mp4", b"/hls/1/abcd-5.0.m4s", b"/api/status", b"/hls/0/abcd-5.1.m4s")
    )
    async with client(server) as hot:
        hot.writer.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(requests), step):
            hot.writer.write(requests[start : start + step])
            await asyncio.sleep(0)
        bodies = [(await hot.response())[2] for _ in range(4)]
    assert bodies[0::3] == [b"init of 0", b"part 5.1"]
    assert bodies[1] == b"part 5.0"
    assert b'"online":false' in bodies[2]


async def test_a_connection_that_wants_more_is_handed_over_for_good(
    server: tuple[str, int], window: LiveWindow
) -> None:
    async with client(server) as hot:
        assert "Server" not in (await hot.get("/hls/0/abcd-init0.mp4"))[1]
        assert b'"online":false' in (await hot.get("/api/status"))[2]
        status, _, body = await hot.get("/hls/0/abcd-init0.mp4")
        assert (status, body) == (200, b"init of 0")
        assert (await hot.get("/healthz"))[2] == b"ok\n"


async def test_requests_sent_ahead_are_handed_over_too(server: tuple[str, int], window: LiveWindow) -> None:
    async with client(server) as hot:
        hot.send("/hls/0/abcd-6.2.m4s", "/api/status", "/hls/0/abcd-init0.mp4")
        await until(lambda: bool(window.renditions[0]._waiters))
        add(window.renditions[0], 6, 2)
        assert (await hot.response())[2] == b"part 6.2"
        assert b'"online":false' in (await hot.response())[2]
        assert (await hot.response())[2] == b"init of 0"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /hls/0/abcd-init0.mp4 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        b"GET /hls/0/abcd-init0.mp4 HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nX-A: 2\r\n\r\n",
        b"GET http://x/hls/0/abcd-init0.mp4 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /hls/0/abcd-init0.mp4 HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
    ],
)
async def test_unusual_requests_are_aiohttp_s(
    server: tuple[str, int], window: LiveWindow, request_bytes: bytes
) -> None:
    async with client(server) as hot:
        hot.writer.write(request_bytes)
        status, _, body = await hot.response()
        assert (status, body) == (200, b"init of 0")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_media_can_only_be_fetched(server: tuple[str, int], window: LiveWindow, method: str) -> None:
    async with client(server) as hot:
        status, headers, _ = await hot.get("/hls/0/stream.m3u8", method=method)
        assert (status, headers["Allow"]) == (405, "GET,HEAD")
        # aiohttp has the connection now, and says the same.
        status, headers, _ = await hot.get("/hls/0/stream.m3u8", method=method)
        assert (status, headers["Allow"]) == (405, "GET,HEAD")
        assert (await hot.get("/hls/0/abcd-init0.mp4"))[2] == b"init of 0"


async def test_files_in_the_store_come_from_there(server: tuple[str, int], window: LiveWindow, world: object) -> None:
    vars(world)["store"]["gone/1/gone-7.m4s"] = b"kept on disk"
    async with client(server) as hot:
        status, headers, body = await hot.get("/hls/1/gone-7.m4s")
        assert (status, headers["Content-Type"], body) == (200, "audio/mp4", b"kept on disk")
        assert (await hot.get("/hls/1/gone-7.m4s", "Range: bytes=0-3\r\n"))[2] == b"kept"
        assert (await hot.get("/hls/1/gone-8.m4s"))[0] == 404


async def test_the_old_protocol_gets_one_answer(server: tuple[str, int], window: LiveWindow) -> None:
    async with client(server) as hot:
        hot.send("/hls/0/abcd-init0.mp4", version="HTTP/1.0")
        assert (await hot.response())[2] == b"init of 0"
        assert await hot.ended() == b""


async def test_who_says_close_is_closed(server: tuple[str, int], window: LiveWindow) -> None:
    async with client(server) as hot:
        hot.send("/hls/0/abcd-init0.mp4", headers="Connection: close\r\n")
        hot.send("/hls/1/abcd-init0.mp4")
        status, headers, body = await hot.response()
        assert body == b"init of 0"
        assert await hot.ended() == b""
        assert status == 200
        assert headers["Connection"] == "close"


async def test_who_has_finished_sending_still_gets_the_answer(server: tuple[str, int], window: LiveWindow) -> None:
    async with client(server) as hot:
        hot.send("/hls/0/abcd-init0.mp4")
        hot.writer.write_eof()
        assert (await hot.response())[2] == b"init of 0"
        assert await hot.ended() == b""


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /hls/0/stream.m3u8\r\n\r\n",
        b"GET /hls/0/stream.m3u8 HTTP/1.1\r\n\r\n",
        b"GET /hls/0/stream.m3u8 HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET  /hls/0/stream.m3u8 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /hls/\x00\xff HTTP/1.1\r\nHost: x\r\nBad Name: 1\r\n\r\n",
        b"GET /hls/" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /hls/0/stream.m3u8 HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 20_000 + b"\r\n\r\n",
    ],
)
async def test_garbage_gets_an_error_and_harms_nobody(
    server: tuple[str, int], window: LiveWindow, garbage: bytes
) -> None:
    async with client(server) as hostile, client(server) as player:
        player.send("/hls/0/stream.m3u8?_HLS_msn=6&_HLS_part=2")
        await until(lambda: bool(window.renditions[0]._waiters))
        hostile.writer.write(garbage)
        hostile.writer.write_eof()
        answer = await hostile.ended()
        assert answer == b"" or answer.split(b" ")[1] in (b"400", b"404", b"414", b"431"), answer[:200]
        add(window.renditions[0], 6, 2)
        assert (await player.response())[0] == 200


async def test_a_head_is_read_up_to_its_limit_here(server: tuple[str, int], window: LiveWindow) -> None:
    async with client(server) as hot:
        hot.writer.write(b"GET /hls/0/abcd-init0.mp4 HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * (MAX_HEAD - 200))
        hot.writer.write(b"\r\n\r\n")
        assert (await hot.response())[2] == b"init of 0"


async def test_who_sends_too_much_ahead_is_closed(server: tuple[str, int], window: LiveWindow) -> None:
    async with client(server) as hot:
        hot.send("/hls/0/stream.m3u8?_HLS_msn=6&_HLS_part=2")
        hot.writer.write(b"GET /hls/0/abcd-init0.mp4 HTTP/1.1\r\nHost: x\r\n\r\n" * (MAX_PIPELINED // 40))
        assert await hot.ended() == b""
    await until(lambda: not window.renditions[0]._waiters)


async def test_a_slow_reader_is_not_written_ahead_for(server: tuple[str, int], window: LiveWindow) -> None:
    """Answers to requests sent ahead stop as long as the reader takes nothing, and come when it does."""
    video = window.renditions[0]
    large = bytes(range(256)) * 4096  # 1 MiB
    assert len(large) > SMALL_BODY
    add(video, 6, 2, large)
    count = 40
    async with client(server) as hot:
        hot.writer.transport.pause_reading()
        hot.send(*["/hls/0/abcd-6.2.m4s"] * count)
        await hot.writer.drain()
        await turns(200)
        async with client(server) as other:
            assert (await other.get("/hls/0/abcd-init0.mp4"))[2] == b"init of 0"
        hot.writer.transport.resume_reading()
        for _ in range(count):
            assert (await hot.response())[2] == large


async def test_who_trickles_a_request_is_dropped(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(server_module, "SWEEP_SECONDS", 0.02)
    base = (await connect())._base_url
    assert base is not None
    assert base.host is not None
    assert base.port is not None
    async with client((base.host, base.port)) as hot, asyncio.timeout(DEADLINE):
        hot.writer.write(b"GET /hls/stream.m3u8 HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        gone = asyncio.create_task(hot.ended())
        while not gone.done():
            hot.writer.write(b"x")
            await asyncio.wait([gone], timeout=0.02)
        assert gone.result() == b""


async def test_who_waits_for_the_next_part_is_not_idle(
    connect: Connect, world: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "IDLE_SECONDS", 0.05)
    monkeypatch.setattr(server_module, "SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(hls_module, "WAIT_TARGETS", 0.1)
    vars(world)["on_air"] = filled()
    base = (await connect())._base_url
    assert base is not None
    assert base.host is not None
    assert base.port is not None
    async with client((base.host, base.port)) as hot:
        assert (await hot.get("/hls/0/stream.m3u8?_HLS_msn=6&_HLS_part=2"))[0] == 503


async def test_players_behind_a_proxy_are_told_apart(
    server: tuple[str, int], window: LiveWindow, world: object
) -> None:
    async with client(server) as hot, client(server) as handed_over:
        await handed_over.get("/healthz")
        for player in (hot, handed_over):
            for forwarded in ("192.0.2.1", "192.0.2.2"):
                await player.get("/hls/0/stream.m3u8", f"X-Forwarded-For: {forwarded}\r\n")
        # Two headers are one list: what the proxy wrote is at the end, and the client's invention is not believed.
        for invented in ("203.0.113.1", "203.0.113.2"):
            await hot.get("/hls/0/stream.m3u8", f"X-Forwarded-For: {invented}\r\nX-Forwarded-For: 192.0.2.1\r\n")
    first, second, *others = vars(world)["touched"]
    assert first != second
    assert others == [first, second, first, first]


async def test_the_end_of_the_server_ends_waiting_connections(
    connect: Connect, world: object, server: tuple[str, int], window: LiveWindow
) -> None:
    before = asyncio.all_tasks()
    async with client(server) as hot:
        hot.send("/hls/0/stream.m3u8?_HLS_msn=6&_HLS_part=2")
        await until(lambda: bool(window.renditions[0]._waiters))
    await until(lambda: not window.renditions[0]._waiters)
    await until(lambda: asyncio.all_tasks() == before)
