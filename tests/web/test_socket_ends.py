"""How sockets end, to the octet: one close frame from each side, and nothing is heard of who was signed out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from chat_wire import PATIENCE, Client, Wire
from house import ADMIN, house, serving
from websockets.asyncio.client import connect

from web import fanout
from web.api.owncast import chat_socket


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    async with house(tmp_path) as home, serving(home) as server, aiohttp.ClientSession() as session:
        yield Wire(server, session, home)


@pytest.mark.parametrize("why", ["signed out", "flooding", "by itself"])
async def test_every_end_is_one_close_frame_of_each_side(wire: Wire, why: str) -> None:
    ana = await wire.register("Ana")
    async with raw_socket(wire, f"/ws?accessToken={ana['accessToken']}") as (reader, writer):
        if why == "signed out":
            [device] = await wire.get(f"/api/admin/devices?userId={ana['id']}", ADMIN)
            await wire.post("/api/admin/devices/signout", {"userId": ana["id"], "ids": [device["id"]]}, ADMIN)
        elif why == "flooding":
            writer.write(masked(fanout.TEXT, b'{"type":"PING"}') * (chat_socket.EVENTS_AT_ONCE + 1))
        else:
            writer.write(masked(fanout.CLOSE, b"\x03\xe8"))
        opcodes = await to_the_end(reader, writer, answers=why != "by itself")
    assert opcodes.count(fanout.CLOSE) == 1
    assert opcodes[-1] == fanout.CLOSE


async def test_nothing_is_heard_of_a_device_that_was_signed_out(wire: Wire) -> None:
    ana = await wire.register("Ana")
    async with raw_socket(wire, f"/ws?accessToken={ana['accessToken']}") as (reader, writer):
        [device] = await wire.get(f"/api/admin/devices?userId={ana['id']}", ADMIN)
        await wire.post("/api/admin/devices/signout", {"userId": ana["id"], "ids": [device["id"]]}, ADMIN)
        writer.write(masked(fanout.TEXT, b'{"type":"CHAT","body":"too late"}') + masked(fanout.CLOSE, b"\x03\xf0"))
        await reader.read()
    async with connect(wire.socket(str((await wire.register("Ben"))["accessToken"]))) as connection:
        ben = Client(connection)
        await ben.say("after all")
        await ben.message("after all")
    assert [each["body"] for each in await wire.get("/api/admin/chat/messages", ADMIN)] == ["<p>after all</p>"]


async def test_a_channel_that_refuses_somebody_closes_once_as_well(wire: Wire) -> None:
    async with raw_socket(wire, "/?v=6&key=nobodys.key:secret") as (reader, writer):
        opcodes = await to_the_end(reader, writer, answers=True)
    assert opcodes == [fanout.TEXT, fanout.CLOSE]


@asynccontextmanager
async def raw_socket(wire: Wire, path: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A socket as octets, after its handshake: libraries hide what comes after the first close."""
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.server.port)
    async with asyncio.timeout(PATIENCE):
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        yield reader, writer
        writer.close()
        await writer.wait_closed()


def masked(opcode: int, payload: bytes) -> bytes:
    """A frame of a client, of at most 125 octets; its mask is nothing."""
    return bytes((0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0)) + payload


async def frame_from(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Opcode and payload of the next frame of the server. Raises IncompleteReadError at the end."""
    first, length = await reader.readexactly(2)
    if length == 126:
        length = int.from_bytes(await reader.readexactly(2))
    return first & 0x0F, await reader.readexactly(length)


async def to_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> list[int]:
    """The opcodes of all that the server says until it is gone; a close is answered, if it is not an answer itself."""
    opcodes = []
    with suppress(asyncio.IncompleteReadError):
        while True:
            opcode, payload = await frame_from(reader)
            opcodes.append(opcode)
            if opcode == fanout.CLOSE and answers:
                writer.write(masked(fanout.CLOSE, payload[:2]))
    return opcodes
