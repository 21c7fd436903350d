"""Rooms: what happens in a channel, to every connection that is attached to it.

Owns who hears what: a change is rendered once for each format and handed to the group of sockets that want it. Whoever
attaches late catches up from the log, then joins the group in the same moment, so nothing is missed or comes twice.
What a connection may do is `connection`'s.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import msgpack  # type: ignore[import-untyped]
import orjson

from owncast_py.realtime.channels import Channels
from owncast_py.realtime.messages import CHAT, Address, Delivery, Message, PresenceChange
from owncast_py.realtime.occupancy import Mode
from web.api.ably.counting import Counter
from web.api.ably.feeds import without_hidden
from web.api.ably.messages import PresenceAction, member_view, message_view, milliseconds
from web.api.ably.protocol import ProtocolAction
from web.fanout import BINARY, TEXT, TRY_AGAIN_LATER, Fanout, Group, Outlet, frame

MAX_IN_FRAME = 200
"""Messages in one frame, at most 64 KiB each but mostly small; with more they are several frames."""
MAX_FRAME = 256 * 1024
"""Octets of data in one frame that holds several messages."""
PAGE = 500
"""Messages that are read from the log at once."""
RING = 1_000
"""Messages of a room in memory."""
MAX_RING = 256 * 1024
"""Octets of their data."""
MAX_TOLD = 10_000
"""What one that catches up may be told meanwhile; with more it is closed."""

Document = dict[str, object]


def pack(document: Document, *, binary: bool) -> bytes:
    """A protocol message as a WebSocket frame."""
    if binary:
        return frame(bytes(msgpack.packb(document, use_bin_type=True)), BINARY)
    return frame(orjson.dumps(document), TEXT)


@dataclass(frozen=True, slots=True, eq=False)
class Seat:
    """A connection's place in a room."""

    connection_id: str
    shown: str
    """The name that its client has for the channel."""
    outlet: Outlet
    binary: bool
    echo: bool
    """Whether it hears its own messages."""
    modes: Mode


class Room:
    """One channel, as long as anybody is attached."""

    def __init__(
        self, address: Address, fanout: Fanout, channels: Channels, count: Counter, gone: Callable[[Address], None]
    ) -> None:
        """`gone` is called with the address once the last seat is empty; `count` is told what goes out."""
        self.address = address
        self._fanout = fanout
        self._channels = channels
        self._count = count
        self._gone = gone
        self._seats: dict[Seat, None] = {}
        self._groups: dict[tuple[bool, Mode], Group] = {}
        self._apart: dict[Seat, None] = {}
        """Those who do not hear themselves, or have another name for the channel: each is written to by itself."""
        self._unaware: dict[str, Seat] = {}
        """Those who hear of no member but their own, by connection."""
        self._last = channels.position
        """Everything up to this version is in the log, and has been handed to those who were here."""
        self._joining: dict[Seat, list[_Told]] = {}
        """What is told while they catch up, to be heard after that."""
        self._ring = _Ring(self._last)
        self._unsubscribe = channels.broker.subscribe(address, self._on_deliveries)

    async def join(self, seat: Seat, after: str) -> None:
        """Sends what came after that version, and from then on whatever comes."""
        told = self._joining[seat] = []
        try:
            async for missed in self._missed(after, self._last):
                for document in self._message_documents(missed):
                    self._tell_one(seat, document)
            # No await from here on: what is told now is told to the seat.
            for each in told:
                if each.mode in seat.modes and (seat.echo or seat.connection_id != each.author):
                    self._tell_one(seat, each.document)
            if not seat.outlet.closing:
                self._sit(seat)
        finally:
            self._joining.pop(seat, None)
            self._forget()

    def _sit(self, seat: Seat) -> None:
        self._seats[seat] = None
        if seat.echo and seat.shown == self.address.channel:
            self._group(seat).add(seat.outlet)
        else:
            self._apart[seat] = None
        if Mode.PRESENCE_SUBSCRIBE not in seat.modes:
            self._unaware[seat.connection_id] = seat

    def leave(self, seat: Seat) -> None:
        """Gives a seat up."""
        if seat not in self._seats:
            return
        del self._seats[seat]
        if seat in self._apart:
            del self._apart[seat]
        else:
            self._group(seat).remove(seat.outlet)
        if self._unaware.get(seat.connection_id) is seat:
            del self._unaware[seat.connection_id]
        self._forget()

    def _forget(self) -> None:
        if not self._seats and not self._joining:
            self._unsubscribe()
            self._gone(self.address)

    async def _missed(self, after: str, upto: str) -> AsyncIterator[list[Message]]:
        """What was delivered after one version and up to another: from memory if that suffices, else from the log."""
        if after >= upto:
            return
        remembered = self._ring.since(after) if self.address != CHAT else None
        if remembered is not None:
            yield remembered
            return
        while after < upto:
            page = await self._channels.log(self.address, after, PAGE)
            # What is in the log but was not delivered then is told meanwhile.
            found = [message for message in page if message.version <= upto]
            if shown := await without_hidden(self._channels, self.address, found):
                yield shown
            after = found[-1].version if len(found) == PAGE else upto

    def _group(self, seat: Seat) -> Group:
        key = (seat.binary, seat.modes & (Mode.SUBSCRIBE | Mode.PRESENCE_SUBSCRIBE))
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = self._fanout.group()
        return group

    def _on_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        for _, run in groupby(deliveries, key=type):
            together = list(run)
            messages = [each for each in together if isinstance(each, Message)]
            if messages:
                self._last = messages[-1].version
                self._ring.add(messages)
                for document in self._message_documents(messages):
                    hearers = self._tell(document, Mode.SUBSCRIBE, document.connection_id)
                    self._count_out("messages", hearers, [each.data for each in document.messages])
            for change in together:
                if isinstance(change, PresenceChange):
                    self._tell_presence(change)

    def _tell_presence(self, change: PresenceChange) -> None:
        document = _Presence(self.address.channel, change)
        hearers = self._tell(document, Mode.PRESENCE_SUBSCRIBE, "")
        self._count_out("presence", hearers, [change.member.data])
        # "The server will always send presence messages of the connection itself": RTP17a of the features spec.
        if (seat := self._unaware.get(change.member.connection_id)) is not None:
            self._tell_one(seat, document)

    def _count_out(self, what: str, hearers: int, data: Sequence[bytes]) -> None:
        if hearers:
            name = f"messages.outbound.realtime.{what}"
            octets = sum(map(len, data))
            self._count(self.address.app, {f"{name}.count": hearers * len(data), f"{name}.data": hearers * octets})

    def _tell(self, document: Callable[[bool], Document], mode: Mode, author: str) -> int:
        """Sends it to everybody who wants such. Returns how many that are."""
        hearers = 0
        for seat, told in self._joining.items():
            if len(told) == MAX_TOLD:
                seat.outlet.close(TRY_AGAIN_LATER, "Too much came while you caught up; connect again.")
            elif len(told) < MAX_TOLD:
                told.append(_Told(document, mode, author))
        frames: dict[bool, bytes] = {}

        def rendered(binary: bool) -> bytes:
            if binary not in frames:
                frames[binary] = pack(document(binary), binary=binary)
            return frames[binary]

        for (binary, modes), group in self._groups.items():
            if mode in modes and len(group):
                group.broadcast(rendered(binary))
                hearers += len(group)
        for seat in self._apart:
            if mode in seat.modes and (seat.echo or seat.connection_id != author):
                self._tell_one(seat, document)
                hearers += 1
        return hearers

    def _tell_one(self, seat: Seat, document: Callable[[bool], Document]) -> None:
        seat.outlet.send(pack({**document(seat.binary), "channel": seat.shown}, binary=seat.binary))

    def _message_documents(self, messages: Sequence[Message]) -> Iterator[_Messages]:
        for _, run in groupby(messages, key=lambda message: message.connection_id):
            several, octets = list[Message](), 0
            for message in run:
                if several and (len(several) == MAX_IN_FRAME or octets + len(message.data) > MAX_FRAME):
                    yield _Messages(self.address.channel, several)
                    several, octets = [], 0
                several.append(message)
                octets += len(message.data) + len(message.extras)
            yield _Messages(self.address.channel, several)


class _Told(NamedTuple):
    """Something that everybody in a room was told, those who want such; not whom it comes from, if that is quiet."""

    document: Callable[[bool], Document]
    mode: Mode
    author: str


class _Ring:
    """The newest messages of a room, for those who come back."""

    def __init__(self, begin: str) -> None:
        """It has what is delivered after the version `begin`."""
        self._begin = begin
        self._messages: deque[Message] = deque()
        self._octets = 0

    def add(self, messages: Sequence[Message]) -> None:
        """The older ones make room."""
        for message in messages:
            self._messages.append(message)
            self._octets += len(message.data) + len(message.extras)
        while len(self._messages) > RING or self._octets > MAX_RING:
            oldest = self._messages.popleft()
            self._octets -= len(oldest.data) + len(oldest.extras)
            self._begin = oldest.version

    def since(self, after: str) -> list[Message] | None:
        """Those after that version; None where some of them are gone."""
        if after < self._begin:
            return None
        return [message for message in self._messages if message.version > after]


@dataclass(frozen=True, slots=True)
class _Messages:
    """A protocol message with messages of one connection, to be rendered in either format."""

    channel: str
    messages: list[Message]

    @property
    def connection_id(self) -> str:
        return self.messages[0].connection_id

    def __call__(self, binary: bool) -> Document:
        last = self.messages[-1]
        return {
            "action": ProtocolAction.MESSAGE.value,
            "channel": self.channel,
            "channelSerial": last.version,
            "timestamp": milliseconds(last.at),
            "messages": [message_view(message, binary=binary) for message in self.messages],
        }


@dataclass(frozen=True, slots=True)
class _Presence:
    """A protocol message with a change of presence, to be rendered in either format."""

    channel: str
    change: PresenceChange

    def __call__(self, binary: bool) -> Document:
        member = self.change.member
        return {
            "action": ProtocolAction.PRESENCE.value,
            "channel": self.channel,
            "timestamp": milliseconds(member.at),
            "presence": [member_view(member, PresenceAction.of(self.change.change), binary=binary)],
        }


class Rooms:
    """Every channel to which anybody is attached."""

    def __init__(self, fanout: Fanout, channels: Channels, count: Counter) -> None:
        self._fanout = fanout
        self._channels = channels
        self._count = count
        self._rooms: dict[Address, Room] = {}

    def leave(self, address: Address, seat: Seat) -> None:
        """Gives up a seat in that channel's room."""
        if (room := self._rooms.get(address)) is not None:
            room.leave(seat)

    def at(self, address: Address) -> Room:
        """That channel's room."""
        room = self._rooms.get(address)
        if room is None:
            room = self._rooms[address] = Room(address, self._fanout, self._channels, self._count, self._gone)
            self._count(address.app, {"channels.opened": 1})
        return room

    def _gone(self, address: Address) -> None:
        self._rooms.pop(address, None)
