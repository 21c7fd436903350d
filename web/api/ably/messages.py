"""Messages and members on the wire ↔ those of the service.

Owns the names of their fields, who may state which client id, and how large they may be; `encodings` has their data.
Fields that are not known are ignored. Follows TM2, TP3 and TM6 (size) of the features specification, RSL1k (ids).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import IntEnum
from typing import NotRequired

import orjson
from typing_extensions import TypedDict

from owncast_py.realtime.messages import EPOCH, Draft, Member, Message, Presence, milliseconds_of
from web.api.ably.encodings import shown, stored
from web.api.ably.errors import AblyError

MAX_SIZE = 65_536
"""Octets of what is published at once: names, client ids, data and extras."""
MAX_MESSAGES = 1_000
"""Published at once."""
MAX_NAME = 200
MAX_CLIENT_ID = 200
MAX_ID = 200
MAX_PRESENCE = 200
"""Changes of presence in one frame."""
ANYBODY = "*"
"""As the client id of a grant: whoever one says."""
_MILLISECOND = timedelta(milliseconds=1)
_NOT_KEPT = re.compile("[\x00\ud800-\udfff]")


class MessageAction(IntEnum):
    """TM5."""

    CREATE = 0
    UPDATE = 1
    DELETE = 2
    META = 3
    SUMMARY = 4
    APPEND = 5


class PresenceAction(IntEnum):
    """TP2."""

    ABSENT = 0
    PRESENT = 1
    ENTER = 2
    LEAVE = 3
    UPDATE = 4

    @classmethod
    def of(cls, change: Presence) -> PresenceAction:
        """How the wire says what became of a member."""
        return {Presence.ENTER: cls.ENTER, Presence.UPDATE: cls.UPDATE, Presence.LEAVE: cls.LEAVE}[change]


class VersionView(TypedDict):
    """Which version of a message this is, and who made it why. Times are milliseconds since 1970."""

    serial: str
    timestamp: int
    clientId: NotRequired[str]
    description: NotRequired[str]
    metadata: NotRequired[Mapping[str, str]]


class MessageView(TypedDict):
    """A message. Data is a text, in JSON in base64 where the encoding says so; in MessagePack it may be octets."""

    id: str
    name: NotRequired[str]
    data: NotRequired[str | bytes]
    encoding: NotRequired[str]
    clientId: NotRequired[str]
    connectionId: NotRequired[str]
    timestamp: int
    serial: str
    action: int
    version: VersionView
    extras: NotRequired[Mapping[str, object]]


class PresenceView(TypedDict):
    """A member, or what became of one: absent 0, present 1, enter 2, leave 3, update 4. Data is as in a message."""

    id: NotRequired[str]
    action: int
    clientId: str
    connectionId: str
    data: NotRequired[str | bytes]
    encoding: NotRequired[str]
    timestamp: int


def is_shown(message: Message) -> bool:
    """Whether its data may be seen: also that of a message which was deleted here, where the deletion has data."""
    return message.visible or bool(message.operation)


def milliseconds(at: datetime) -> int:
    """Since 1970."""
    return (at - EPOCH) // _MILLISECOND


def message_view(message: Message, *, binary: bool) -> MessageView:
    """A message for a reader of MessagePack if `binary`, else of JSON.

    What moderators removed from view has no data.
    """
    version: VersionView = {"serial": message.version, "timestamp": milliseconds(message.at)}
    if message.operation:
        version.update(orjson.loads(message.operation))
    view: MessageView = {
        "id": message.id,
        "timestamp": milliseconds_of(message.serial),
        "serial": message.serial,
        "action": message.action.value,
        "version": version,
    }
    if message.name:
        view["name"] = message.name
    if message.client_id:
        view["clientId"] = message.client_id
    if message.connection_id:
        view["connectionId"] = message.connection_id
    if not is_shown(message):
        return view
    if message.extras:
        view["extras"] = orjson.loads(message.extras)
    data, encoding = shown(message.data, message.encoding, binary=binary)
    if data is not None:
        view["data"] = data
    if encoding is not None:
        view["encoding"] = encoding
    return view


def member_view(member: Member, action: PresenceAction, *, binary: bool) -> PresenceView:
    """A member, or what became of one, for a reader of MessagePack if `binary`, else of JSON."""
    view: PresenceView = {
        "action": action.value,
        "clientId": member.client_id,
        "connectionId": member.connection_id,
        "timestamp": milliseconds(member.at),
    }
    if member.id:
        view["id"] = member.id
    data, encoding = shown(member.data, member.encoding, binary=binary)
    if data is not None:
        view["data"] = data
    if encoding is not None:
        view["encoding"] = encoding
    return view


def identity(stated: object, granted: str) -> str:
    """The client id of what somebody sends: what they state, else what they are. Raises AblyError (40012).

    `granted` is that of their grant; one of nobody's, or of anybody's, may state any.
    """
    if stated is None or stated == "":
        return "" if granted == ANYBODY else granted
    client_id = text(stated, "clientId", MAX_CLIENT_ID, 40012)
    if client_id == ANYBODY:
        raise AblyError(40012, 400, "The client id '*' stands for anybody, so nobody can have it.")
    if granted not in ("", ANYBODY, client_id):
        raise AblyError(40012, 400, f"The client id {client_id!r} is not {granted!r}, that of the credentials.")
    return client_id


def drafts(value: object, granted: str, *, connection_id: str = "", base_id: str = "") -> list[Draft]:
    """What a publisher sends, one message or a list of them, in order. Raises AblyError.

    `granted` is the client id of the publisher's grant. With a `base_id`, a message without an id of its own gets
    `base_id:index`. Ids that come with several messages have to be of that form (40031), so that all of them are known
    again together.
    """
    items = value if isinstance(value, list) else [value]
    if not items:
        raise AblyError(40030, 400, "There is no message to publish.")
    if len(items) > MAX_MESSAGES:
        raise AblyError(
            40009, 400, f"These are {len(items)} messages; at most {MAX_MESSAGES} can be published at once."
        )
    found = [_draft(item, granted, connection_id) for item in items]
    if len(found) > 1 and any(draft.id for draft in found):
        _check_ids([draft.id for draft in found])
    check_size(sum(_size(draft) for draft in found))
    if base_id:
        found = [_with_id(draft, f"{base_id}:{index}") for index, draft in enumerate(found)]
    return found


def members(value: object, granted: str, *, connection_id: str, base_id: str) -> list[tuple[PresenceAction, Member]]:
    """The changes of presence that a frame brings, in order. Raises AblyError.

    Ids are `base_id:index`: they order the changes of one connection.
    """
    if not isinstance(value, list) or not value:
        raise AblyError(40000, 400, "A change of presence needs a list of members in `presence`.")
    if len(value) > MAX_PRESENCE:
        raise AblyError(40009, 400, f"These are {len(value)} changes of presence; at most {MAX_PRESENCE} are taken.")
    found = [_member(item, granted, connection_id, f"{base_id}:{index}") for index, item in enumerate(value)]
    check_size(sum(len(member.client_id) + len(member.data) for _, member in found))
    return found


def check_size(size: int) -> None:
    """Raises AblyError (40009) where it is too much."""
    if size > MAX_SIZE:
        raise AblyError(40009, 400, f"This has {size} octets; at most {MAX_SIZE} can be published at once.")


def fields(item: object, kind: str = "message") -> Mapping[str, object]:
    """The fields of a message. Raises AblyError (40001)."""
    if not isinstance(item, dict):
        raise AblyError(40001, 400, f"A {kind} must be an object with fields, not {type(item).__name__}.")
    return item


def text(value: object, name: str, longest: int, code: int = 40000) -> str:
    """A text that is a field; nothing is an empty one. Raises AblyError of that code."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise AblyError(code, 400, f"The field {name} must be a text, not {type(value).__name__}.")
    if len(value) > longest:
        raise AblyError(code, 400, f"The field {name} has {len(value)} characters; at most {longest} are taken.")
    if _NOT_KEPT.search(value):
        raise AblyError(code, 400, f"The field {name} has a character that cannot be kept.")
    return value


def extras_of(value: object) -> bytes:
    """Extras as they are kept. Raises AblyError (40032)."""
    if value is None or value == {}:
        return b""
    if not isinstance(value, dict):
        raise AblyError(40032, 400, f"Extras must be an object, not {type(value).__name__}.")
    try:
        return orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError):
        raise AblyError(40032, 400, "Extras hold something that JSON does not know, such as octets.") from None


def _draft(item: object, granted: str, connection_id: str) -> Draft:
    message = fields(item)
    action = message.get("action")
    if action not in (None, MessageAction.CREATE) or isinstance(action, bool):
        raise AblyError(40003, 400, f"What is published has the action 0, not {str(action)[:20]!r}.")
    octets, chain = stored(message.get("data"), message.get("encoding"))
    extras = message.get("extras")
    return Draft(
        name=text(message.get("name"), "name", MAX_NAME, 40016),
        data=octets,
        encoding=chain,
        client_id=identity(message.get("clientId"), granted),
        id=text(message.get("id"), "id", MAX_ID, 40007),
        connection_id=connection_id,
        extras=extras_of(extras),
        transient=isinstance(extras, dict) and extras.get("ephemeral") is True,
    )


def _member(item: object, granted: str, connection_id: str, member_id: str) -> tuple[PresenceAction, Member]:
    change = fields(item, "change of presence")
    number = change.get("action")
    allowed = (PresenceAction.ENTER, PresenceAction.LEAVE, PresenceAction.UPDATE, PresenceAction.PRESENT)
    if not isinstance(number, int) or isinstance(number, bool) or number not in allowed:
        shown_number = str(number)[:20]
        raise AblyError(40000, 400, f"A member enters (2), leaves (3) or updates (4); the action is {shown_number!r}.")
    client_id = identity(change.get("clientId"), granted)
    if not client_id:
        raise AblyError(91000, 400, "Nobody can be present without a client id.")
    octets, chain = stored(change.get("data"), change.get("encoding"))
    return PresenceAction(number), Member(
        connection_id=connection_id, client_id=client_id, data=octets, encoding=chain, id=member_id
    )


def _with_id(draft: Draft, message_id: str) -> Draft:
    return draft if draft.id else replace(draft, id=message_id)


def _check_ids(ids: list[str]) -> None:
    base, _, _ = ids[0].rpartition(":")
    if not base or any(each != f"{base}:{index}" for index, each in enumerate(ids)):
        raise AblyError(40031, 400, "Ids of several messages must be base:0, base:1 and so on, of one base.")


def _size(draft: Draft) -> int:
    return len(draft.name.encode()) + len(draft.client_id.encode()) + len(draft.data) + len(draft.extras)
