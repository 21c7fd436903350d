"""The web server as a whole: probes, errors in their envelope, limits, and an end that leaves nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import cast

import pytest
from aiohttp import ClientSession, web

from web import server as server_module
from web.addresses import TRUSTED_PROXIES, TrustedProxies
from web.hls import Hls
from web.server import MAX_BODY_BYTES, StallWatch, WebServer

Connect = Callable[..., Awaitable[ClientSession]]


async def test_probes(connect: Connect, world: object) -> None:
    client = await connect()
    async with client.get("/healthz") as response:
        assert await response.text() == "ok\n"
    async with client.get("/readyz") as response:
        assert response.status == 200
        assert await response.json() == {"ready": True, "reasons": [], "warnings": []}
    vars(world)["obstacles"] = ["The RTMP port is not open."]
    async with client.get("/readyz") as response:
        assert response.status == 503
        assert await response.json() == {"ready": False, "reasons": ["The RTMP port is not open."], "warnings": []}
        assert "Access-Control-Allow-Origin" not in response.headers


async def test_ping_keeps_a_player_counted(connect: Connect, world: object) -> None:
    client = await connect()
    for cookie in ("viewer=a", "viewer=a", "viewer=b"):
        async with client.get("/api/ping", headers={"Cookie": cookie}) as response:
            assert response.status == 204
    first, again, other = vars(world)["touched"]
    assert first == again != other


async def test_errors_speak_in_the_envelope_of_their_api(connect: Connect) -> None:
    async def broken(_request: web.Request) -> web.Response:
        raise RuntimeError("inside knowledge")

    async def refused(_request: web.Request) -> web.Response:
        raise web.HTTPBadRequest(text="The number is odd; send an even one.")

    client = await connect(web.get("/api/broken", broken), web.get("/api/refused", refused), web.get("/x", broken))
    for method, path, status, message in (
        ("GET", "/api/nothing", 404, "There is nothing at this address."),
        ("DELETE", "/api/status", 405, "This address does not answer that method."),
        ("GET", "/api/broken", 500, "The server made a mistake; its log says which."),
        ("GET", "/api/refused", 400, "The number is odd; send an even one."),
    ):
        async with client.request(method, path) as response:
            assert response.status == status
            assert await response.json() == {"success": False, "message": message}
            assert response.headers["Cache-Control"] == "no-store"
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            if status == 405:
                assert response.headers["Allow"] == "GET,HEAD"
    async with client.get("/x") as response:
        assert await response.text() == "The server made a mistake; its log says which.\n"


async def test_preflight_is_answered_for_what_is_public(connect: Connect) -> None:
    client = await connect()
    asking = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "GET"}
    for path in ("/api/status", "/hls/0/stream.m3u8"):
        async with client.options(path, headers=asking) as response:
            assert response.status == 204
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            assert "CMCD-Session" in response.headers["Access-Control-Allow-Headers"]
    async with client.options("/healthz", headers=asking) as response:
        assert response.status == 405


async def test_head_answers_the_headers_of_get(connect: Connect) -> None:
    client = await connect()
    async with client.get("/api/config") as response:
        length = len(await response.read())
    async with client.head("/api/config") as response:
        assert response.headers["Content-Length"] == str(length)
        assert await response.read() == b""


async def test_oversized_requests_are_refused(connect: Connect) -> None:
    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    client = await connect(web.post("/api/echo", echo))
    async with client.post("/api/echo", data=b"x" * MAX_BODY_BYTES) as response:
        assert len(await response.read()) == MAX_BODY_BYTES
    async with client.post("/api/echo", data=b"x" * (MAX_BODY_BYTES + 1)) as response:
        assert response.status == 413
        assert (await response.json())["success"] is False
    async with client.get("/api/status", headers={"X-Long": "x" * 20_000}) as response:
        assert response.status == 400
    async with client.get("/api/status", headers={f"X-{number}": "1" for number in range(200)}) as response:
        assert response.status == 400
    async with client.get("/" + "x" * 20_000) as response:
        assert response.status == 400


async def test_a_request_head_that_never_ends_is_cut_off(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "IDLE_SECONDS", 0.05)
    monkeypatch.setattr(server_module, "SWEEP_SECONDS", 0.02)
    client = await connect()
    base = client._base_url
    assert base is not None
    for opening in (b"", b"GET /hls/", b"GET /api/status HTTP/1.1\r\nHost: x\r\nX-Slow: "):
        reader, writer = await asyncio.open_connection(base.host, base.port)
        writer.write(opening)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_a_reader_that_takes_nothing_is_dropped(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "SWEEP_SECONDS", 0.02)
    monkeypatch.setattr(server_module, "STALL_SECONDS", 0.1)

    size = 32 << 20
    given_up = asyncio.Event()

    class Plenty(web.Response):
        async def write_eof(self, data: bytes = b"") -> None:
            try:
                await super().write_eof(data)
            finally:
                given_up.set()

    async def plenty(_request: web.Request) -> web.Response:
        return Plenty(body=bytes(size))

    client = await connect(web.get("/plenty", plenty))
    base = client._base_url
    assert base is not None
    loop = asyncio.get_running_loop()
    with socket.socket() as reader:
        reader.setblocking(False)
        await loop.sock_connect(reader, (base.host, base.port))
        await loop.sock_sendall(reader, b"GET /plenty HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(5):
            await given_up.wait()
            received = 0
            with contextlib.suppress(ConnectionError):
                while chunk := await loop.sock_recv(reader, 1 << 20):
                    received += len(chunk)
    assert 0 < received < size
    async with client.get("/healthz") as response:
        assert await response.text() == "ok\n"


class FakeTransport:
    """A transport of which only the write buffer's size matters."""

    def __init__(self, size: int) -> None:
        self.size = size

    def get_write_buffer_size(self) -> int:
        return self.size


def test_who_takes_bytes_however_slowly_is_not_stalled() -> None:
    slow, stuck, idle = FakeTransport(1000), FakeTransport(1000), FakeTransport(0)
    everybody = cast(list[asyncio.Transport], [slow, stuck, idle])
    watch = StallWatch(30)
    dropped = []
    for now in range(0, 35, 5):
        slow.size -= 1
        dropped.append(watch.stalled(everybody, now))
    assert dropped == [[]] * 6 + [[stuck]]
    assert watch.stalled([], 40) == []
    assert watch.stalled(everybody, 45) == []


def bare_application() -> web.Application:
    application = web.Application()
    application[TRUSTED_PROXIES] = TrustedProxies([])
    return application


class NothingOnAir:
    def window(self) -> None:
        return None

    async def still(self, name: str) -> None:
        return None

    async def stored(self, key: str) -> None:
        return None

    def touch(self, viewer_id: str) -> bool:
        return False

    def describe(self, viewer_id: str, address: str, user_agent: str) -> None:
        raise AssertionError(viewer_id)


def nothing_on_air() -> Hls:
    nothing = NothingOnAir()
    return Hls(nothing, nothing)


async def test_a_taken_port_raises_and_leaves_nothing() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        server = WebServer(bare_application(), "127.0.0.1", holder.getsockname()[1], nothing_on_air())
        before = asyncio.all_tasks()
        with pytest.raises(OSError, match="address already in use"):
            await server.start()
        assert asyncio.all_tasks() == before


async def test_the_end_closes_connections_and_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "SHUTDOWN_SECONDS", 0.05)
    entered = asyncio.Event()

    async def waits(_request: web.Request) -> web.Response:
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError

    application = bare_application()
    application.router.add_get("/waits", waits)
    before = asyncio.all_tasks()
    server = WebServer(application, "127.0.0.1", 0, nothing_on_air())
    await server.start()
    idle_reader, idle_writer = await asyncio.open_connection(*server.address)
    busy_reader, busy_writer = await asyncio.open_connection(*server.address)
    busy_writer.write(b"GET /waits HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(5):
        await entered.wait()
        await server.aclose()
        assert await idle_reader.read() == b""
        assert await busy_reader.read() == b""
    for writer in (idle_writer, busy_writer):
        writer.close()
        await writer.wait_closed()
    assert asyncio.all_tasks() == before
