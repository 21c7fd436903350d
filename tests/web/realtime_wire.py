"""A realtime client that we did not write: `websockets`, in JSON or MessagePack, without a library's memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import msgpack  # type: ignore[import-untyped]
from house import House, Web, house, webbed
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from web.api.ably.protocol import ProtocolAction

PATIENCE = 20.0
"""Seconds that anything may take on a busy machine."""

Frame = dict[str, object]


@dataclass
class Client:
    """One socket."""

    socket: ClientConnection
    binary: bool
    frames: list[Frame] = field(default_factory=list)
    """All that came."""
    serial: int = 0

    async def send(self, **frame: object) -> None:
        """A frame; None stands for a field that is left out."""
        found = {name: value for name, value in frame.items() if value is not None}
        await self.socket.send(msgpack.packb(found) if self.binary else json.dumps(found))

    async def next(self, action: ProtocolAction) -> Frame:
        """The next frame of that kind; others on the way to it are kept in `frames`."""
        async with asyncio.timeout(PATIENCE):
            while True:
                data = await self.socket.recv()
                frame = msgpack.unpackb(data) if isinstance(data, bytes) else json.loads(data)
                assert isinstance(data, bytes) is self.binary
                self.frames.append(frame)
                if frame["action"] == action:
                    return dict(frame)

    async def until(self, holds: Callable[[Frame], bool]) -> Frame:
        """The next frame for which that is true."""
        async with asyncio.timeout(PATIENCE):
            while True:
                data = await self.socket.recv()
                frame = msgpack.unpackb(data) if isinstance(data, bytes) else json.loads(data)
                self.frames.append(frame)
                if holds(frame):
                    return dict(frame)

    async def attach(self, channel: str, **more: object) -> Frame:
        """Attaches; what the server answers."""
        await self.send(action=ProtocolAction.ATTACH, channel=channel, **more)
        return await self.until(
            lambda frame: (
                frame["action"] in (ProtocolAction.ATTACHED, ProtocolAction.ERROR) and frame.get("channel") == channel
            )
        )

    async def publish(self, channel: str, *messages: Frame, serial: int | None = None) -> Frame:
        """Publishes; the acknowledgement."""
        number = self.serial if serial is None else serial
        self.serial = max(self.serial, number + 1)
        await self.send(action=ProtocolAction.MESSAGE, channel=channel, msgSerial=number, messages=list(messages))
        return await self.acknowledged(number)

    async def present(self, channel: str, *changes: Frame) -> Frame:
        """Changes presence; the acknowledgement."""
        number, self.serial = self.serial, self.serial + 1
        await self.send(action=ProtocolAction.PRESENCE, channel=channel, msgSerial=number, presence=list(changes))
        return await self.acknowledged(number)

    async def acknowledged(self, serial: int) -> Frame:
        """The ACK or NACK of that serial."""
        return await self.until(
            lambda frame: frame["action"] in (ProtocolAction.ACK, ProtocolAction.NACK) and frame["msgSerial"] == serial
        )

    async def ended(self) -> int:
        """The code with which the socket ends."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    await self.socket.recv()
        except ConnectionClosed:
            return self.socket.close_code or 0

    async def hears(self, channel: str, number: int) -> list[object]:
        """The data of that many messages, once so many have come."""
        while len(self.heard(channel)) < number:
            await self.until(lambda _: True)
        return self.heard(channel)

    def heard(self, channel: str) -> list[object]:
        """The data of messages that came so far."""
        return [
            message.get("data")
            for frame in self.frames
            if frame["action"] == ProtocolAction.MESSAGE and frame["channel"] == channel
            for message in frame["messages"]  # type: ignore[attr-defined]
        ]


@dataclass
class Channels:
    """A server with channels."""

    home: House
    web: Web
    key: str

    @asynccontextmanager
    async def client(
        self, *, binary: bool = False, key: str | None = None, greeted: bool = True, **query: str
    ) -> AsyncIterator[Client]:
        """A socket; once CONNECTED, unless it is not to be `greeted`."""
        given = {"v": "6", "heartbeats": "false", "format": "msgpack" if binary else "json", **query}
        if key is not None or "access_token" not in query:
            given["key"] = self.key if key is None else key
        address = str(self.web.server.make_url("/")).replace("http", "ws", 1)
        async with connect(f"{address}?{urlencode(given)}", max_size=None) as socket:
            client = Client(socket, binary)
            if greeted:
                await client.next(ProtocolAction.CONNECTED)
            yield client

    async def beat(self, seconds: float = 0) -> None:
        """So much time passes, and the server looks at its clock."""
        self.home.clock.turn(seconds)
        await self.web.ably.realtime.beat()


@asynccontextmanager
async def channelled(directory: Path) -> AsyncIterator[Channels]:
    """A server with a key that may do everything."""
    async with house(directory) as home, webbed(home) as web:
        key = await home.services.foundations.keyring.create_key("owncast")
        yield Channels(home, web, key.text)


def details(frame: Frame) -> Frame:
    """Those of a connection."""
    found = frame["connectionDetails"]
    assert isinstance(found, dict)
    return found


def code(frame: Frame) -> int:
    """What a frame refuses with."""
    error = frame["error"]
    assert isinstance(error, dict)
    return int(error["code"])
