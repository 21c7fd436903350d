"""New versions of messages: updating them, deleting them and appending to them (RSL15, RTL32).

Owns who may do so and what becomes of the message; messages of the chat are its moderators' alone to change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

import orjson

from owncast_py.realtime.channels import Channels
from owncast_py.realtime.messages import CHAT, STREAM, Action, Address, Message
from owncast_py.realtime.revocations import Grant
from web.api.ably.encodings import Payload, stored
from web.api.ably.errors import AblyError
from web.api.ably.gate import demand
from web.api.ably.messages import (
    MAX_ID,
    MAX_NAME,
    MessageAction,
    check_size,
    extras_of,
    fields,
    identity,
    is_shown,
    text,
)

MAX_DESCRIPTION = 1_000
"""Characters of why a version was made."""
MAX_METADATA = 50
"""Texts that come with it."""
MAX_METADATA_TEXT = 500

ACTIONS: Mapping[int, Action] = {
    MessageAction.UPDATE: Action.UPDATE,
    MessageAction.DELETE: Action.DELETE,
    MessageAction.APPEND: Action.UPDATE,
}


@dataclass(frozen=True, slots=True)
class Revision:
    """A new version that somebody wants a message to have. What is None stays as it was."""

    serial: str
    action: Action
    append: bool
    name: str | None
    payload: Payload | None
    extras: bytes | None
    operation: Mapping[str, object]
    """`description` and `metadata`, and the `clientId` of who makes it."""

    @property
    def actor(self) -> str:
        """The client id of who makes it."""
        return str(self.operation.get("clientId", ""))

    def apply(self, message: Message) -> Message:
        """The message as it is then. Raises AblyError where that is too large, or data of two kinds."""
        name = message.name if self.name is None else self.name
        extras = message.extras if self.extras is None else self.extras
        octets, chain = (message.data, message.encoding) if self.payload is None else self.payload
        if self.append and self.payload is not None:
            if chain != message.encoding:
                raise AblyError(
                    40013, 400, f"Data with the encoding {chain!r} cannot be appended to {message.encoding!r}."
                )
            octets = message.data + octets
        check_size(len(name.encode()) + len(message.client_id.encode()) + len(octets) + len(extras))
        operation = orjson.dumps(self.operation)
        return replace(message, name=name, data=octets, encoding=chain, extras=extras, operation=operation)


def is_revision(item: object) -> bool:
    """Whether a message on the wire is a new version of another."""
    action = item.get("action") if isinstance(item, dict) else None
    return isinstance(action, int) and not isinstance(action, bool) and action in ACTIONS


def parse_revision(value: object, granted: str, serial: str = "") -> Revision:
    """What somebody wants, as RSL15 and RTL32 have it. Raises AblyError.

    `granted` is the client id of their grant; `serial` that of the message where the address says it. Without an action
    it is an update.
    """
    message = fields(value)
    action = message.get("action")
    if action is None:
        action = MessageAction.UPDATE
    if not isinstance(action, int) or isinstance(action, bool) or action not in ACTIONS:
        raise AblyError(
            40003, 400, f"A message is updated (1), deleted (2) or appended to (5), not {str(action)[:20]!r}."
        )
    stated = text(message.get("serial"), "serial", MAX_ID, 40003)
    if serial and stated not in ("", serial):
        raise AblyError(40003, 400, f"The message has the serial {stated!r}, but the address {serial!r}.")
    if not (serial or stated):
        raise AblyError(40003, 400, "Only a message with a serial can be changed.")
    given = message.get("data")
    return Revision(
        serial=serial or stated,
        action=ACTIONS[action],
        append=action == MessageAction.APPEND,
        name=None if message.get("name") is None else text(message["name"], "name", MAX_NAME, 40016),
        payload=None if given is None else stored(given, message.get("encoding")),
        extras=None if message.get("extras") is None else extras_of(message["extras"]),
        operation=_operation(message.get("version"), granted),
    )


class Revising:
    """Changes messages, for requests and sockets alike."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._locks: WeakValueDictionary[tuple[Address, str], asyncio.Lock] = WeakValueDictionary()

    async def revise(self, grant: Grant, channel: str, revision: Revision) -> Message:
        """Gives a message a new version, unless it is like that already. Raises AblyError or StorageError."""
        address = Address(grant.app, channel)
        if address in (CHAT, STREAM):
            raise AblyError(40300, 403, f"Messages of {channel!r} are not changed by clients.")
        # What is appended depends on what was there, which is known only once it is kept.
        lock = self._locks.setdefault((address, revision.serial), asyncio.Lock())
        async with lock:
            found = await self._channels.find(address, [revision.serial])
            _demand(grant, channel, revision, found[0] if found else None)
            if not found or not is_shown(found[0]):
                raise AblyError(40400, 404, f"The channel {channel!r} has no message {revision.serial!r}.")
            revised = await self._channels.revise(address, [revision.serial], revision.action, revision.apply)
            return revised[0] if revised else found[0]


def _demand(grant: Grant, channel: str, revision: Revision, message: Message | None) -> None:
    verb = "delete" if revision.action is Action.DELETE else "update"
    if grant.capability.allows(channel, f"message-{verb}-any"):
        return
    demand(grant, f"message-{verb}-own", channel)
    if message is not None and (not revision.actor or message.client_id != revision.actor):
        raise AblyError(40160, 401, f"The capability is to {verb} one's own messages, and this is another's.")


def _operation(value: object, granted: str) -> dict[str, object]:
    given = {} if value is None else fields(value, "version")
    found: dict[str, object] = {}
    if actor := identity(given.get("clientId"), granted):
        found["clientId"] = actor
    if description := text(given.get("description"), "version.description", MAX_DESCRIPTION):
        found["description"] = description
    metadata = given.get("metadata")
    if metadata is None:
        return found
    if not isinstance(metadata, dict) or len(metadata) > MAX_METADATA:
        raise AblyError(40000, 400, f"The field version.metadata must be an object of at most {MAX_METADATA} texts.")
    found["metadata"] = {
        text(name, "version.metadata", MAX_METADATA_TEXT): text(
            each, f"version.metadata.{name[:40]}", MAX_METADATA_TEXT
        )
        for name, each in metadata.items()
    }
    return found
