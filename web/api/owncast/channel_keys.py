"""Keys of channels: what the owner gives to overlays, games and second screens.

Owns the routes under `/api/admin/channels/keys`. A key is shown once, when it is made; what it may do is Ably's
capability, for those who use such keys know no other.
"""

from __future__ import annotations

from typing import NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from owncast_py.chat.content import timestamp
from owncast_py.chat.moderation import Moderation
from owncast_py.realtime.capability import EVERYTHING
from owncast_py.realtime.keyring import Keyring
from owncast_py.realtime.keys import Key
from owncast_py.realtime.messages import DEFAULT_APP
from web.api.owncast import answers
from web.api.owncast.answers import Done, done
from web.authentication import Authentication
from web.body import Input
from web.operations import Call, Operation


class NewKey(Input):
    """What a key is called, and what it may do: everything, unless that is told."""

    name: str = Field(min_length=1, max_length=200)
    app: str = Field(DEFAULT_APP, max_length=40)
    capability: str | dict[str, list[str]] | None = Field(None, description='As {"chat": ["subscribe", "publish"]}.')
    revocable: bool = Field(False, description="Whether its tokens can be revoked before they expire.")


class KeyName(Input):
    """A key, by the name that the list says."""

    key: str = Field(max_length=300)


class ChannelKeyView(TypedDict):
    """A key. `value`, all of it, is told once, by what made it."""

    key: str
    app: str
    name: str
    capability: str
    revocable: bool
    createdAt: str
    revokedAt: str | None
    value: NotRequired[str]


class ChannelKeysApi:
    """The routes of keys."""

    def __init__(self, keyring: Keyring, moderation: Moderation, authentication: Authentication) -> None:
        self._keyring = keyring
        self._moderation = moderation
        self._authentication = authentication

    def operations(self) -> list[Operation]:
        """All of them."""
        prefix, admin = "/api/admin/channels/keys", self._authentication.as_admin
        api = answers.api("Channels")
        api.add("GET", prefix, self._keys, admin)
        api.add("POST", f"{prefix}/create", self._create, admin)
        api.add("POST", f"{prefix}/revoke", self._revoke, admin)
        return api.operations

    async def _keys(self, _call: Call[None]) -> list[ChannelKeyView]:
        """Every key without its secret, also those that were revoked lately."""
        return [_view(key) for key in self._keyring.keys_of()]

    async def _create(self, call: Call[NewKey]) -> ChannelKeyView:
        """Makes a key, which is shown this once."""
        wanted = call.input
        key = await self._keyring.create_key(
            wanted.app, label=wanted.name, capability=wanted.capability or EVERYTHING, revocable=wanted.revocable
        )
        await self._moderation.record(call.actor, "create channel key", key.name, key.label)
        return {**_view(key), "value": key.text}

    async def _revoke(self, call: Call[KeyName]) -> Done:
        """Ends a key with all its tokens."""
        key = await self._keyring.revoke_key(call.input.key)
        await self._moderation.record(call.actor, "revoke channel key", key.name, key.label)
        return done("revoked the key")


def _view(key: Key) -> ChannelKeyView:
    return {
        "key": key.name,
        "app": key.app,
        "name": key.label,
        "capability": key.capability.canonical(),
        "revocable": key.revocable,
        "createdAt": timestamp(key.created_at),
        "revokedAt": timestamp(key.revoked_at) if key.revoked_at else None,
    }
