"""Frames of the realtime protocol ↔ values: numbers, flags, and which fields there are.

Owns what a frame may look like, whoever sends it; the state of a connection is for others, and so is what stands in
`messages` and `presence`. Follows TR2 (actions), TR3 (flags), TR4 (fields) and CD2 (details of a connection) of Ably's
features specification, protocol versions 2 to 6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import NotRequired

from typing_extensions import TypedDict

from owncast_py.realtime.occupancy import Mode
from web.api.ably.errors import AblyError, ErrorInfo
from web.api.ably.messages import text

MAX_FRAME = 262_144
"""Octets of a frame that is taken."""
MAX_SERIAL = 2**53 - 1
"""Of what a client counts: JavaScript has no greater whole numbers."""
MAX_CHANNEL_TEXT = 2_000
"""Characters that a frame may have for a channel; `names` says which of these there can be."""
MAX_ID = 200
MAX_CHANNEL_SERIAL = 200
MAX_TOKEN = 131_072
MAX_PARAMS = 32
MAX_PARAM = 1_000
MAX_ITEMS = 1_000
"""Messages, or members, of one frame."""


class ProtocolAction(IntEnum):
    """TR2."""

    HEARTBEAT = 0
    ACK = 1
    NACK = 2
    CONNECT = 3
    CONNECTED = 4
    DISCONNECT = 5
    DISCONNECTED = 6
    CLOSE = 7
    CLOSED = 8
    ERROR = 9
    ATTACH = 10
    ATTACHED = 11
    DETACH = 12
    DETACHED = 13
    PRESENCE = 14
    MESSAGE = 15
    SYNC = 16
    AUTH = 17
    ACTIVATE = 18
    OBJECT = 19
    OBJECT_SYNC = 20
    ANNOTATION = 21


class Flag(IntFlag):
    """TR3."""

    HAS_PRESENCE = 1 << 0
    HAS_BACKLOG = 1 << 1
    RESUMED = 1 << 2
    TRANSIENT = 1 << 4
    ATTACH_RESUME = 1 << 5
    HAS_OBJECTS = 1 << 7
    PRESENCE = 1 << 16
    PUBLISH = 1 << 17
    SUBSCRIBE = 1 << 18
    PRESENCE_SUBSCRIBE = 1 << 19
    ANNOTATION_PUBLISH = 1 << 21
    ANNOTATION_SUBSCRIBE = 1 << 22
    OBJECT_SUBSCRIBE = 1 << 24
    OBJECT_PUBLISH = 1 << 25


MODES: Mapping[Mode, Flag] = {
    Mode.PRESENCE: Flag.PRESENCE,
    Mode.PUBLISH: Flag.PUBLISH,
    Mode.SUBSCRIBE: Flag.SUBSCRIBE,
    Mode.PRESENCE_SUBSCRIBE: Flag.PRESENCE_SUBSCRIBE,
}
_OTHER_MODES = frozenset(
    {"annotation_publish", "annotation_subscribe", "object_publish", "object_subscribe", "annotations", "objects"}
)
"""What may be asked for by name, but is not had here."""


class ConnectionDetails(TypedDict):
    """CD2. Times are milliseconds, sizes octets."""

    connectionKey: str
    clientId: NotRequired[str]
    maxMessageSize: int
    maxFrameSize: int
    maxInboundRate: int
    connectionStateTtl: int
    maxIdleInterval: int
    serverId: str


class PublishResult(TypedDict):
    """TR4s: the serials of what one frame published."""

    serials: Sequence[str | None]


@dataclass(frozen=True, slots=True)
class ProtocolMessage:
    """One frame. What is None is not in it."""

    action: ProtocolAction
    id: str | None = None
    channel: str | None = None
    channel_serial: str | None = None
    connection_id: str | None = None
    msg_serial: int | None = None
    count: int | None = None
    flags: Flag | None = None
    timestamp: int | None = None
    messages: Sequence[object] | None = None
    presence: Sequence[object] | None = None
    params: Mapping[str, str] | None = None
    access_token: str | None = None
    error: ErrorInfo | None = None
    connection_details: ConnectionDetails | None = None
    res: Sequence[PublishResult] | None = None


def parse(value: object) -> ProtocolMessage:
    """What a client sends. Fields that are not a client's to say are ignored. Raises AblyError (40000)."""
    if not isinstance(value, dict):
        raise AblyError(40000, 400, f"A frame must be an object with fields, not {type(value).__name__}.")
    number = _number(value, "action", max(ProtocolAction))
    if number is None or number not in ProtocolAction.__members__.values():
        raise AblyError(40000, 400, f"A frame cannot have the action {str(value.get('action'))[:20]!r}.")
    flags = _number(value, "flags", 2**32 - 1)
    return ProtocolMessage(
        action=ProtocolAction(number),
        id=_text(value, "id", MAX_ID),
        channel=_text(value, "channel", MAX_CHANNEL_TEXT),
        channel_serial=_text(value, "channelSerial", MAX_CHANNEL_SERIAL),
        msg_serial=_number(value, "msgSerial", MAX_SERIAL),
        flags=None if flags is None else Flag(flags),
        messages=_items(value, "messages"),
        presence=_items(value, "presence"),
        params=_params(value),
        access_token=_access_token(value),
    )


def render(message: ProtocolMessage) -> dict[str, object]:
    """A frame as it is sent."""
    found = {
        "action": message.action.value,
        "id": message.id,
        "channel": message.channel,
        "channelSerial": message.channel_serial,
        "connectionId": message.connection_id,
        "msgSerial": message.msg_serial,
        "count": message.count,
        "flags": None if message.flags is None else int(message.flags),
        "timestamp": message.timestamp,
        "messages": message.messages,
        "presence": message.presence,
        "params": message.params,
        "auth": None if message.access_token is None else {"accessToken": message.access_token},
        "error": message.error,
        "connectionDetails": message.connection_details,
        "res": message.res,
    }
    return {name: value for name, value in found.items() if value is not None}


def modes_of(message: ProtocolMessage) -> Mode:
    """What a client wants to attach for: the parameter `modes` where there is one, else the flags; empty for neither.

    Raises AblyError (40000) for a mode that there is not.
    """
    named = (message.params or {}).get("modes")
    wanted = Mode(0)
    if named is not None:
        known = {(mode.name or "").lower(): mode for mode in MODES}
        for name in filter(None, (each.strip().lower() for each in named.split(","))):
            if name not in known and name not in _OTHER_MODES:
                raise AblyError(40000, 400, f"The mode {name[:40]!r} is not one of {', '.join(known)}.")
            wanted |= known.get(name, Mode(0))
        return wanted
    for mode, flag in MODES.items():
        if message.flags is not None and flag in message.flags:
            wanted |= mode
    return wanted


def flags_of(modes: Mode) -> Flag:
    """What a client is attached for, as flags."""
    found = Flag(0)
    for mode in modes:
        found |= MODES[mode]
    return found


def _number(value: Mapping[str, object], name: str, greatest: int) -> int | None:
    found = value.get(name)
    if found is None:
        return None
    if isinstance(found, float) and found.is_integer():
        # JavaScript has one type of numbers, and not every writer of MessagePack turns whole ones into integers.
        found = int(found)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= greatest:
        raise AblyError(
            40000, 400, f"The field {name} must be a whole number up to {greatest}, not {str(found)[:20]!r}."
        )
    return found


def _text(value: Mapping[str, object], name: str, longest: int) -> str | None:
    found = value.get(name)
    return None if found is None else text(found, name, longest)


def _items(value: Mapping[str, object], name: str) -> list[object] | None:
    found = value.get(name)
    if found is None:
        return None
    if not isinstance(found, list) or len(found) > MAX_ITEMS:
        raise AblyError(40000, 400, f"The field {name} must be a list of at most {MAX_ITEMS} items.")
    return found


def _params(value: Mapping[str, object]) -> dict[str, str] | None:
    found = value.get("params")
    if found is None:
        return None
    if not isinstance(found, dict) or len(found) > MAX_PARAMS:
        raise AblyError(40000, 400, f"The field params must be an object of at most {MAX_PARAMS} texts.")
    return {
        text(name, "params", MAX_PARAM): text(given, f"params.{name[:40]}", MAX_PARAM) for name, given in found.items()
    }


def _access_token(value: Mapping[str, object]) -> str | None:
    found = value.get("auth")
    if found is None:
        return None
    if not isinstance(found, dict):
        raise AblyError(40000, 400, "The field auth must be an object with an accessToken.")
    return _text(found, "accessToken", MAX_TOKEN)
