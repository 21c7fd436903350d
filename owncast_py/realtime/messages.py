"""What flows through channels, as values: messages with their order, and who is present.

Owns the shapes and the serial. No dialect's names or formats are here. A message is written once; a later edit or
removal is a new version of it, with a place of its own in the order of the channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, IntEnum, auto
from typing import NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DEFAULT_APP = "owncast"
"""The app of the server itself."""


class Address(NamedTuple):
    """Which channel, of which app."""

    app: str
    channel: str


CHAT = Address(DEFAULT_APP, "chat")
STREAM = Address(DEFAULT_APP, "stream")


class Action(IntEnum):
    """What a version does to its message."""

    CREATE = 0
    UPDATE = 1
    DELETE = 2
    """Removed from view. The data stays, so that a later version can bring it back."""


ABSENT = "absent"
"""The encoding of data that is not there at all."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that has no place in the order yet.

    `data` is octets; `encoding` is the chain of steps that made them, the last one last: `json`, `json/utf-8`, `utf-8`,
    ciphers, nothing for plain octets, ABSENT. A chain that ends with `utf-8` or `json` makes a text. `extras` is a JSON
    object, or nothing. `text` is what a person would search for. A `transient` message is ordered and delivered, but
    not kept. Where an `id` is given, what has the same id and was published within REMEMBERED is not published again.
    """

    name: str
    data: bytes
    encoding: str = "json"
    client_id: str = ""
    id: str = ""
    connection_id: str = ""
    extras: bytes = b""
    text: str | None = None
    transient: bool = False

    def message(self, address: Address, serial: str, at: datetime) -> Message:
        """The first version of a message, at its place in a channel; without an id of its own the serial is it."""
        return Message(
            address=address,
            version=serial,
            serial=serial,
            action=Action.CREATE,
            id=self.id or serial,
            name=self.name,
            data=self.data,
            encoding=self.encoding,
            client_id=self.client_id,
            at=at,
            connection_id=self.connection_id,
            extras=self.extras,
            text=self.text.casefold() if self.text is not None else None,
            transient=self.transient,
        )


@dataclass(frozen=True, slots=True)
class Message:
    """One version of a message. `version` orders everything in its channel; `serial` is the version it began with."""

    address: Address
    version: str
    serial: str
    action: Action
    id: str
    name: str
    data: bytes
    encoding: str
    client_id: str
    at: datetime
    """When this version was made; aware, in UTC."""
    connection_id: str = ""
    extras: bytes = b""
    text: str | None = None
    transient: bool = False
    operation: bytes = b""
    """Who made a later version, and why, as a JSON object; nothing of the first."""

    @property
    def visible(self) -> bool:
        """Whether it is there for everybody."""
        return self.action is not Action.DELETE

    @property
    def began(self) -> datetime:
        """When its first version was made, to the millisecond."""
        return EPOCH + timedelta(milliseconds=milliseconds_of(self.serial))


class Member(NamedTuple):
    """Somebody present in a channel. One connection may present several clients, each once.

    `data` and `encoding` are as in a message. `id` tells changes of the same member apart, and orders them.
    """

    connection_id: str
    client_id: str
    device_id: str = ""
    data: bytes = b""
    encoding: str = ABSENT
    id: str = ""
    at: datetime = EPOCH


class Presence(Enum):
    """What became of a member."""

    ENTER = auto()
    UPDATE = auto()
    LEAVE = auto()


class PresenceChange(NamedTuple):
    """A member came, changed or went."""

    address: Address
    change: Presence
    member: Member


Delivery = Message | PresenceChange


def serial_at(milliseconds: int, count: int = 0) -> str:
    """The serial of the `count`th message of that millisecond since 1970. Later ones are greater, as text too."""
    return f"{milliseconds:013d}-{count:06d}"


def milliseconds_of(serial: str) -> int:
    """When a serial was handed out, in milliseconds since 1970."""
    return int(serial.partition("-")[0])


class SerialClock:
    """Hands out serials, each greater than all before, even when the clock of the machine goes backwards."""

    def __init__(self, last: str = "") -> None:
        """`last` is the greatest serial that was ever handed out."""
        milliseconds, _, count = last.partition("-")
        self._milliseconds = int(milliseconds or 0)
        self._count = int(count or 0)

    def next(self, milliseconds: int) -> str:
        """A serial at, or as soon as possible after, that time since 1970."""
        if milliseconds > self._milliseconds:
            self._milliseconds, self._count = milliseconds, 0
        elif self._count < 999_999:
            self._count += 1
        else:
            self._milliseconds, self._count = self._milliseconds + 1, 0
        return serial_at(self._milliseconds, self._count)
