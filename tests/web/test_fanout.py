"""The fan-out: whole frames, in order, to everybody, whatever single sockets do."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from web.fanout import (
    BINARY,
    CLOSE,
    PING,
    PING_SECONDS,
    PONG_SECONDS,
    TRY_AGAIN_LATER,
    Fanout,
    Outlet,
    close_frame,
    frame,
    rest_after,
)

PATIENCE = 20.0


@dataclass
class Pipe:
    """A transport that remembers what was written to it."""

    writes: list[bytes] = field(default_factory=list)
    waiting: int = 0
    closed: bool = False
    aborted: bool = False

    def write(self, data: bytes) -> None:
        if self.closed:
            raise RuntimeError("unable to perform operation on a closed transport")
        self.writes.append(data)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def abort(self) -> None:
        self.aborted = True

    @property
    def frames(self) -> list[bytes]:
        return unframed(b"".join(self.writes))


def unframed(data: bytes) -> list[bytes]:
    """The payloads of short frames."""
    found = []
    while data:
        length = data[1]
        assert length < 126
        found.append(data[2 : 2 + length])
        data = data[2 + length :]
    return found


def outlet(pipe: Pipe, now: float = 0.0) -> Outlet:
    return Outlet(pipe, now)  # type: ignore[arg-type]


@asynccontextmanager
async def running(fanout: Fanout) -> AsyncIterator[Fanout]:
    await fanout.start()
    yield fanout
    await fanout.aclose()


async def flushed(fanout: Fanout) -> None:
    """Returns when nothing waits to be sent."""
    async with asyncio.timeout(PATIENCE):
        while fanout._queue:
            await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_everybody_gets_everything_in_order_and_nothing_from_before() -> None:
    early, late = Pipe(), Pipe()
    async with running(Fanout()) as fanout:
        fanout.add(outlet(early))
        for number in range(3):
            fanout.broadcast(frame(b"%d" % number))
        newcomer = outlet(late)
        fanout.add(newcomer)
        newcomer.send(frame(b"you"))
        for number in range(3, 6):
            fanout.broadcast(frame(b"%d" % number))
        await flushed(fanout)
        assert early.frames == [b"0", b"1", b"2", b"3", b"4", b"5"]
        assert late.frames == [b"you", b"3", b"4", b"5"]
        assert len(early.writes) == 1, "what is due together is one write"
        fanout.remove(newcomer)
        fanout.broadcast(frame(b"6"))
        await flushed(fanout)
        assert early.frames[-1] == b"6"
        assert late.frames[-1] == b"5"


def test_what_comes_now_and_then_waits_for_nobody_and_a_flood_shares_writes() -> None:
    # Ten messages a second to 2,000 sockets: each flush takes 8 ms, and nothing is due for 92.
    assert rest_after(0.008, quiet=0.092) == 0.008
    # A hundred a second: something is due at once, and from then on several messages share a write.
    assert rest_after(0.008, quiet=0.01) == pytest.approx(0.056)
    assert rest_after(0.030, quiet=0.01) == 0.1
    assert rest_after(0.0001, quiet=0.0) < 0.001


async def test_more_sockets_than_a_slice_are_all_written_to() -> None:
    pipes = [Pipe() for _ in range(1_700)]
    async with running(Fanout()) as fanout:
        for pipe in pipes:
            fanout.add(outlet(pipe))
        for number in range(10):
            fanout.broadcast(frame(b"%d" % number))
            await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE):
            while len(pipes[-1].frames) < 10:
                await asyncio.sleep(0)
    expected = [b"%d" % number for number in range(10)]
    assert all(pipe.frames[:10] == expected for pipe in pipes)


async def test_a_socket_that_is_gone_or_slow_harms_nobody() -> None:
    gone, slow, well = Pipe(closed=True), Pipe(waiting=1_000), Pipe()
    async with running(Fanout(max_buffer=999)) as fanout:
        for pipe in (gone, slow, well):
            fanout.add(outlet(pipe))
        fanout.broadcast(frame(b"1"))
        await flushed(fanout)
        fanout.broadcast(frame(b"2"))
        await flushed(fanout)
        assert well.frames == [b"1", b"2"]
        assert fanout.dropped == 1
    first, *rest = slow.writes
    assert first == frame(b"1")
    assert rest == [close_frame(TRY_AGAIN_LATER, "You read too slowly; connect again.")]


async def test_silent_sockets_are_pinged_and_cut_when_they_do_not_answer() -> None:
    a, d, w = Pipe(), Pipe(), Pipe()
    answering, dead, lively = (outlet(pipe, 1000.0) for pipe in (a, d, w))
    fanout = Fanout()
    for each in (answering, dead, lively):
        fanout.add(each)
    ping = frame(b"", PING)
    lively.heard = 1000.0 + PING_SECONDS - 1
    fanout.sweep(1000.0 + PING_SECONDS, ping)
    assert (a.writes, d.writes, w.writes) == ([ping], [ping], [])
    fanout.sweep(1000.0 + PING_SECONDS + 6, ping)
    assert a.writes == [ping], "one ping at a time"
    answering.heard = 1000.0 + PING_SECONDS + 1
    fanout.sweep(1000.0 + PING_SECONDS + PONG_SECONDS, ping)
    assert (a.aborted, d.aborted, w.aborted) == (False, True, False)


async def test_the_end_sends_what_waits_and_says_goodbye() -> None:
    pipe = Pipe()
    fanout = Fanout()
    await fanout.start()
    fanout.add(outlet(pipe))
    fanout.broadcast(frame(b"last words"))
    await fanout.aclose()
    assert pipe.writes == [frame(b"last words"), close_frame(1001, "The server is stopping.")]
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("fan-out")] == []


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
async def test_frames_of_every_size_are_read_by_a_client_that_is_not_ours(size: int) -> None:
    async with running(Fanout()) as fanout, serving(fanout) as server, listening(server) as client:
        async with asyncio.timeout(PATIENCE):
            while len(fanout) < 1:
                await asyncio.sleep(0)
            fanout.broadcast(frame(b"x" * size))
            fanout.broadcast(frame(b"y" * size, BINARY))
            assert await client.recv() == "x" * size
            assert await client.recv() == b"y" * size


async def test_a_reason_is_cut_to_what_a_close_frame_holds() -> None:
    cut = close_frame(1008, "ä" * 100)
    assert cut[0] == 0x80 | CLOSE
    assert len(cut) <= 2 + 125
    assert cut[4:].decode() == "ä" * 60
    assert struct.unpack(">H", cut[2:4]) == (1008,)


async def test_who_never_reads_is_closed_while_others_hear_on() -> None:
    async with running(Fanout(max_buffer=64 * 1024)) as fanout, serving(fanout) as server:
        sleeping = socket.create_connection(("127.0.0.1", server.port))
        sleeping.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sleeping.sendall(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        async with listening(server) as client, asyncio.timeout(PATIENCE):
            while len(fanout) < 2:
                await asyncio.sleep(0)
            sent = 0
            while fanout.dropped == 0:
                fanout.broadcast(frame(b"%08d" % sent + b"x" * 60_000))
                assert str(await client.recv()).startswith(f"{sent:08}")
                sent += 1
            fanout.broadcast(frame(b"after"))
            assert await client.recv() == "after"
        sleeping.close()


def listening(server: TestServer) -> connect:
    """A client of that server."""
    return connect(str(server.make_url("/")).replace("http", "ws"), max_size=None)


@asynccontextmanager
async def serving(fanout: Fanout) -> AsyncIterator[TestServer]:
    """A server whose sockets listen to `fanout`."""

    async def handle(request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse(autoping=False, compress=False)
        await websocket.prepare(request)
        assert request.transport is not None
        mine = Outlet(request.transport, asyncio.get_running_loop().time())
        fanout.add(mine)
        try:
            while (await websocket.receive()).type in (web.WSMsgType.TEXT, web.WSMsgType.PONG):
                pass
        finally:
            fanout.remove(mine)
        return websocket

    application = web.Application()
    application.router.add_get("/", handle)
    async with TestServer(application) as server:
        yield server


async def test_a_socket_that_is_closed_hears_why() -> None:
    async with running(Fanout()) as fanout, serving(fanout) as server, listening(server) as client:
        async with asyncio.timeout(PATIENCE):
            while len(fanout) < 1:
                await asyncio.sleep(0)
            next(iter(fanout._outlets)).close(1008, "Because.")
            with pytest.raises(ConnectionClosedError) as caught:
                await client.recv()
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1008, "Because.")
