"""Feeds: the messages of channels as Server-Sent Events, for everybody who reads them.

Owns the frames (HTML Standard, 9.2), that each is rendered once, and what waits for a reader. The id of an event is the
version of its message: versions of all channels are in one order, so that an id is a position in every channel. Who may
read, and how long, is `sse`'s.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Sequence

import orjson

from owncast_py.realtime.channels import Channels
from owncast_py.realtime.messages import CHAT, Action, Address, Delivery, Message
from web.api.ably.counting import Counter
from web.api.ably.errors import AblyError
from web.api.ably.messages import is_shown, message_view

MAX_WAITING = 512 * 1024
"""Octets that may wait for one reader; with more it is dropped."""

_LINE_BREAK = re.compile(rb"\r\n|\r|\n")


def event(name: str, data: bytes, event_id: str = "") -> bytes:
    """One frame."""
    lines = b"".join(b"data: %b\n" % line for line in _LINE_BREAK.split(data))
    return (b"id: %b\n" % event_id.encode() if event_id else b"") + b"event: %b\n%b\n" % (name.encode(), lines)


def message_event(message: Message, *, enveloped: bool) -> bytes:
    """A message as a frame: all of it, or its data alone. Without an envelope, a deletion is nothing."""
    view = message_view(message, binary=False)
    if enveloped:
        return event("message", orjson.dumps({**view, "channel": message.address.channel}), message.version)
    if message.action is Action.DELETE:
        return b""
    data = view.get("data", "")
    assert isinstance(data, str)  # noqa: S101 - octets are for readers of MessagePack
    return event("message", data.encode(), message.version)


async def without_hidden(channels: Channels, address: Address, messages: Sequence[Message]) -> list[Message]:
    """What of the log may be shown: of a message that was removed from view, not the versions before."""
    if address != CHAT:
        # Elsewhere there are no moderators; who deletes a message says so in its data.
        return list(messages)
    latest = {each.serial: each for each in await channels.find(address, [each.serial for each in messages])}
    return [
        each
        for each in messages
        if (last := latest.get(each.serial)) is not None and (is_shown(last) or last.version == each.version)
    ]


class Reader:
    """One stream's end: what waits for it, and why it is over."""

    def __init__(self, position: str, *, enveloped: bool) -> None:
        """Hears nothing up to the version `position`."""
        self.enveloped = enveloped
        self.last = position
        """The version of what was put last."""
        self.over: AblyError | None = None
        self._waiting: deque[bytes] = deque()
        self._octets = 0
        self._woken = asyncio.Event()

    def put(self, version: str, frame: bytes) -> None:
        """Something happened. A reader that has too much of that waiting is over."""
        if self.over is not None or version <= self.last:
            return
        self.last = version
        self._waiting.append(frame)
        self._octets += len(frame)
        if self._octets > MAX_WAITING:
            self.end(AblyError(80020, 400, f"This reader is too slow: {self._octets} octets wait for it."))
        self._woken.set()

    def end(self, reason: AblyError) -> None:
        """Nothing more comes; what waits is dropped."""
        if self.over is None:
            self.over = reason
            self._waiting.clear()
            self._woken.set()

    def take(self) -> bytes:
        """All that waits."""
        frames = b"".join(self._waiting)
        self._waiting.clear()
        self._octets = 0
        self._woken.clear()
        return frames

    async def wait(self, seconds: float) -> bool:
        """Returns at once when there is something, else after that time. Returns whether there is."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return False
        return True


class Feeds:
    """The readers of every channel."""

    def __init__(self, channels: Channels, count: Counter) -> None:
        self._channels = channels
        self._count = count
        self._feeds: dict[Address, _Feed] = {}

    def join(self, address: Address, reader: Reader) -> Callable[[], None]:
        """The reader hears of a channel until the function that is returned is called."""
        feed = self._feeds.get(address)
        if feed is None:
            feed = self._feeds[address] = _Feed(address, self._channels, self._count)
        feed.readers[reader] = None

        def leave() -> None:
            del feed.readers[reader]
            if not feed.readers and self._feeds.get(address) is feed:
                feed.stop()
                del self._feeds[address]

        return leave


class _Feed:
    """One channel, as long as anybody reads it."""

    def __init__(self, address: Address, channels: Channels, count: Counter) -> None:
        self.readers: dict[Reader, None] = {}
        self._count = count
        self.stop = channels.broker.subscribe(address, self._on_deliveries)

    def _on_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        for message in deliveries:
            if not isinstance(message, Message):
                continue
            hearers, name = len(self.readers), "messages.outbound.realtime.messages"
            octets = hearers * len(message.data)
            self._count(message.address.app, {f"{name}.count": hearers, f"{name}.data": octets})
            frames: dict[bool, bytes] = {}
            for reader in tuple(self.readers):
                if reader.enveloped not in frames:
                    frames[reader.enveloped] = message_event(message, enveloped=reader.enveloped)
                reader.put(message.version, frames[reader.enveloped])
