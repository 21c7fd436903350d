"""Chat in Owncast's words: events of the channel → the JSON objects of its socket and of its history.

Owns the wire format, which serves both generations of clients at once: 0.0.7 reads `author`, `newName` and `username`,
later ones `user`. Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NotRequired

import orjson
from typing_extensions import TypedDict

from owncast_py.chat import content
from owncast_py.chat.content import Content, Name
from owncast_py.chat.errors import ConnectionRefused
from owncast_py.realtime.messages import Action, Delivery, Message

TYPES = {Name.MESSAGE: "CHAT", Name.SYSTEM: "SYSTEM", Name.ACTION: "CHAT_ACTION"}
PRIVATE = {"connected": "CONNECTED_USER_INFO", "system": "SYSTEM", "pinned": "MESSAGE_PINNED", "pong": "PONG"}
REFUSALS = {
    ConnectionRefused.DISABLED: "CHAT_DISABLED",
    ConnectionRefused.NEEDS_REGISTRATION: "ERROR_NEEDS_REGISTRATION",
    ConnectionRefused.USER_DISABLED: "ERROR_USER_DISABLED",
    ConnectionRefused.TOO_MANY: "ERROR_MAX_CONNECTIONS_EXCEEDED",
}
MAX_IDS = 500
"""Messages in one VISIBILITY-UPDATE."""


class ChatObject(TypedDict):
    """A message. A system message's `user` has a `displayName` alone."""

    type: str
    id: str
    timestamp: str
    visible: bool
    body: NotRequired[str]
    author: NotRequired[str]
    user: NotRequired[dict[str, object]]
    inReplyTo: NotRequired[dict[str, object]]
    rawBody: NotRequired[str]


def chat_object(message: Message, *, unfiltered: bool = False) -> ChatObject:
    """A message of the history; `unfiltered` adds what was typed, for those who moderate."""
    document = content.load(message)
    found = _object(message.name, message.serial, content.timestamp(message.began), document, message.visible)
    if unfiltered:
        found["rawBody"] = str(document.get("rawBody", ""))
    return found


def events(deliveries: Sequence[Delivery]) -> Iterator[bytes]:
    """What everybody in chat is told of those deliveries, each as one JSON object."""
    changed: list[Message] = []
    for delivery in deliveries:
        if not isinstance(delivery, Message):
            continue
        if changed and (
            delivery.action is Action.CREATE or delivery.visible != changed[0].visible or len(changed) >= MAX_IDS
        ):
            yield _visibility(changed)
            changed = []
        if delivery.action is not Action.CREATE:
            changed.append(delivery)
        elif (found := _event(delivery)) is not None:
            yield orjson.dumps(found)
    if changed:
        yield _visibility(changed)


def private(kind: str, document: Content, event_id: str, now: datetime) -> bytes:
    """What one connection alone is told."""
    if kind == "pinned":
        return orjson.dumps(_pinned(document, event_id, content.timestamp(now)))
    head: dict[str, object] = {"type": PRIVATE[kind], "id": event_id, "timestamp": content.timestamp(now)}
    return orjson.dumps(head | {key: value for key, value in document.items() if key != "rawBody"})


def refusal(kind: str, sentence: str, event_id: str, now: datetime) -> bytes:
    """Why a connection may not be."""
    head = {"type": REFUSALS[kind], "id": event_id, "timestamp": content.timestamp(now)}
    return orjson.dumps(head | {"body": sentence})


def _event(message: Message) -> Mapping[str, object] | None:
    document, at = content.load(message), content.timestamp(message.at)
    head: dict[str, object] = {"id": message.serial, "timestamp": at}
    match message.name:
        case Name.MESSAGE | Name.SYSTEM | Name.ACTION:
            return _object(message.name, message.serial, at, document, visible=True)
        case Name.JOINED | Name.PARTED:
            kind = "USER_JOINED" if message.name == Name.JOINED else "USER_PARTED"
            if "count" in document:
                aggregated = {"event": kind, "count": document["count"]}
                return {"type": "CHAT_ACTION", **head, "body": document["body"], "aggregated": aggregated}
            if "users" in document:
                return None  # who the line before is about
            user = document.get("user")
            username = user.get("displayName", "") if isinstance(user, dict) else ""
            return {"type": kind, **head, "username": username, "user": user}
        case Name.RENAMED:
            return {"type": "NAME_CHANGE", **head, **document}
        case Name.PINNED:
            return _pinned(document, message.serial, at)
        case Name.UNPINNED:
            return {"type": "MESSAGE_UNPINNED", **head}
    return None


def _object(name: str, serial: str, at: str, document: Content, visible: bool) -> ChatObject:
    found: ChatObject = {"type": TYPES.get(Name(name), name), "id": serial, "timestamp": at, "visible": visible}
    user, reply = document.get("user"), document.get("inReplyTo")
    author = document.get("author", user.get("displayName", "") if isinstance(user, dict) else None)
    if author is not None:
        found["author"] = str(author)
    if "body" in document:
        found["body"] = str(document["body"])
    if isinstance(user, dict):
        found["user"] = user
    if isinstance(reply, dict):
        found["inReplyTo"] = reply
    return found


def _pinned(document: Content, event_id: str, at: str) -> dict[str, object]:
    inner = document.get("message")
    message = inner if isinstance(inner, dict) else {}
    shown = _object(Name.MESSAGE, str(document["id"]), str(document["at"]), message, visible=True)
    return {"type": "MESSAGE_PINNED", "id": event_id, "timestamp": at, "message": shown}


def _visibility(messages: Sequence[Message]) -> bytes:
    ids = [message.serial for message in messages]
    # 0.0.7 names the message itself by `id`; later ones read `ids`.
    event_id = ids[0] if len(ids) == 1 else messages[-1].version
    at = content.timestamp(messages[-1].at)
    found = {"type": "VISIBILITY-UPDATE", "id": event_id, "timestamp": at, "ids": ids, "visible": messages[0].visible}
    return orjson.dumps(found)
