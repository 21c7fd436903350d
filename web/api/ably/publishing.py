"""From what a client sends to the service: messages that are published, and new versions of those that were.

Owns who may do so, for requests and sockets alike, and what becomes of a message that is updated, deleted or appended
to (RSL15). Channels of the server itself have rules of their own, which are handed in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from weakref import WeakValueDictionary

import orjson

from owncast_py.realtime.channels import Channels
from owncast_py.realtime.messages import Action, Address, Draft, Message
from web.api.ably.access import Gate, Grant
from web.api.ably.encodings import Payload, stored
from web.api.ably.errors import AblyError
from web.api.ably.messages import (
    MAX_ID,
    MAX_NAME,
    MessageAction,
    check_size,
    drafts,
    extras_of,
    fields,
    identity,
    is_shown,
    text,
)
from web.api.ably.names import META

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


class Rule(Protocol):
    """How messages get into a channel of the server itself. Raises AblyError for those that do not."""

    async def __call__(self, grant: Grant, drafts: Sequence[Draft]) -> list[Message]: ...


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
    return isinstance(item, dict) and item.get("action") in ACTIONS and not isinstance(item["action"], bool)


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


class Publishing:
    """Every way into a channel."""

    def __init__(self, channels: Channels, gate: Gate, rules: Mapping[Address, Rule]) -> None:
        """`rules` are of channels into which not everybody with the capability may publish anything."""
        self._channels = channels
        self._gate = gate
        self._rules = rules
        self._revising: WeakValueDictionary[tuple[Address, str], asyncio.Lock] = WeakValueDictionary()

    async def publish(
        self, grant: Grant, channel: str, value: object, *, connection_id: str = "", base_id: str = ""
    ) -> list[Message]:
        """Publishes what somebody sends; one message for each, in order. Raises AblyError or StorageError.

        `base_id` is what messages without an id get theirs from.
        """
        self._gate.demand(grant, "publish", channel)
        address = self._address(grant, channel)
        found = drafts(value, grant.client_id, connection_id=connection_id, base_id=base_id)
        rule = self._rules.get(address)
        return await (rule(grant, found) if rule is not None else self._channels.publish(address, *found))

    async def revise(self, grant: Grant, channel: str, revision: Revision) -> Message:
        """Gives a message a new version, unless it is like that already. Raises AblyError or StorageError."""
        address = self._address(grant, channel)
        if address in self._rules:
            raise AblyError(40300, 403, f"Messages of {channel!r} are changed by its moderators alone.")
        # What is appended depends on what was there, which is known only once it is kept.
        lock = self._revising.setdefault((address, revision.serial), asyncio.Lock())
        async with lock:
            found = await self._channels.find(address, [revision.serial])
            self._demand(grant, channel, revision, found[0] if found else None)
            if not found or not is_shown(found[0]):
                raise AblyError(40400, 404, f"The channel {channel!r} has no message {revision.serial!r}.")
            revised = await self._channels.revise(address, [revision.serial], revision.action, revision.apply)
            return revised[0] if revised else found[0]

    def _demand(self, grant: Grant, channel: str, revision: Revision, message: Message | None) -> None:
        verb = "delete" if revision.action is Action.DELETE else "update"
        if grant.capability.allows(channel, f"message-{verb}-any"):
            return
        self._gate.demand(grant, f"message-{verb}-own", channel)
        if message is not None and (not revision.actor or message.client_id != revision.actor):
            raise AblyError(40160, 401, f"The capability is to {verb} one's own messages, and this is another's.")

    def _address(self, grant: Grant, channel: str) -> Address:
        if channel.startswith(f"[{META}]"):
            raise AblyError(40300, 403, f"Into {channel!r} only the server publishes.")
        return Address(grant.app, channel)


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
