"""The sandbox: apps that a client library's own tests make, fill, and throw away.

Owns the operations `POST /apps`, `DELETE /apps/{appId}` and `POST /stats`, in the shapes that those tests send
(ably-common, test-resources). It is mounted where the owner has switched it on, and answers programs on this machine
alone: whoever may make an app needs no credentials.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Annotated, NotRequired

from aiohttp import web
from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict

from owncast_py.realtime.capability import EVERYTHING
from owncast_py.realtime.keyring import Keyring
from owncast_py.realtime.keys import App, Key
from owncast_py.realtime.members import Members
from owncast_py.realtime.messages import Address, Member
from owncast_py.realtime.stats import MAX_INSERTED, Stats
from web.addresses import client_address
from web.api.ably.encodings import stored
from web.api.ably.errors import ENVELOPE, AblyError
from web.api.ably.formats import CODEC, MAX_BODY
from web.api.ably.gate import Gate, granted
from web.api.ably.messages import MAX_CLIENT_ID, text
from web.api.ably.names import parse_channel
from web.api.ably.stats import inserted
from web.body import Input
from web.operations import Api, Call, Contract, Operation, Wrapper

MAX_KEYS = 50
"""Of one app."""
MAX_NAMESPACES = 100
MAX_CHANNELS = 50
"""With members from the start."""
MAX_MEMBERS = 100
"""Of one of these."""
FIXTURES = "fixtures"
"""The connection of those who are members from the start."""


class KeyWish(Input):
    """A key that a new app shall have."""

    capability: str | dict[str, list[str]] | None = Field(None, description="What it allows; everything.")
    revocable: bool = Field(False, alias="revocableTokens", description="Whether its tokens can be revoked.")


class MemberWish(Input):
    """Somebody who is in a channel from the start."""

    client_id: str = Field(alias="clientId", min_length=1, max_length=MAX_CLIENT_ID)
    data: Annotated[object, WithJsonSchema({"description": "As in a message."})] = None
    encoding: str | None = None


class ChannelWish(Input):
    """A channel with members."""

    name: str
    presence: list[MemberWish] = Field([], max_length=MAX_MEMBERS)


class NamespaceWish(Input):
    """A namespace. All of them are alike here: everything is kept, for the same time."""

    id: str = Field(max_length=100)


class AppWish(Input):
    """An app."""

    keys: list[KeyWish] = Field([], max_length=MAX_KEYS)
    namespaces: list[NamespaceWish] = Field([], max_length=MAX_NAMESPACES)
    channels: list[ChannelWish] = Field([], max_length=MAX_CHANNELS)


class Fixtures(Input):
    """Statistics in the nested shape, each with its intervalId."""

    value: Annotated[object, WithJsonSchema({"type": "array", "items": {"type": "object"}})]


class KeyView(TypedDict):
    """A key with its secret."""

    id: str
    value: str
    keyName: str
    keySecret: str
    keyStr: str
    capability: str
    revocableTokens: bool


class NamespaceView(TypedDict):
    """A namespace."""

    id: str


class FixtureView(TypedDict):
    """Somebody who is present."""

    clientId: str


class ChannelView(TypedDict):
    """A channel with members."""

    name: str
    presence: Sequence[FixtureView]


class AppView(TypedDict):
    """An app, and where this server is."""

    appId: str
    id: str
    accountId: str
    keys: Sequence[KeyView]
    namespaces: Sequence[NamespaceView]
    channels: Sequence[ChannelView]
    endpoint: str
    port: NotRequired[int]
    tls: bool


class Inserted(TypedDict):
    """How many intervals were inserted."""

    count: int


class Sandbox:
    """Its three operations."""

    def __init__(self, keyring: Keyring, members: Members, stats: Stats, gate: Gate) -> None:
        self._keyring = keyring
        self._members = members
        self._stats = stats
        self._gate = gate
        self._present: dict[str, list[tuple[Address, Member]]] = {}
        """Whoever is a member from the start, by app."""

    def operations(self, wrapper: Wrapper) -> list[Operation]:
        """All of them."""
        api, guard = Api("Sandbox", wrapper, ENVELOPE, CODEC), self._gate.guard
        api.add("POST", "/apps", self._create, contract=Contract("createApp", 201, refusals=(400, 403, 500, 503)))
        api.add("DELETE", "/apps/{appId}", self._delete, guard, contract=Contract("deleteApp", 204, refusals=(403,)))
        api.add(
            *("POST", "/stats", self._insert, guard),
            max_body=MAX_BODY,
            contract=Contract("insertStats", 201, refusals=(403, 413)),
        )
        return api.operations

    async def _create(self, call: Call[AppWish]) -> AppView:
        """Makes an app with keys and with members of channels."""
        _check_near(call.request)
        wish = call.input
        # Before anything is made: what is wrong with it shall leave nothing behind.
        named = [(parse_channel(each.name).channel, each.presence) for each in wish.channels]
        members = [(channel, _member(given)) for channel, presence in named for given in presence]
        app = await self._keyring.create_app("Sandbox", {"namespaces": [each.id for each in wish.namespaces]})
        try:
            keys = [
                await self._keyring.create_key(app.id, capability=key.capability or EVERYTHING, revocable=key.revocable)
                for key in wish.keys
            ]
        except Exception:
            await self._keyring.delete_app(app.id)
            raise
        present = self._present[app.id] = []
        for channel, member in members:
            address = Address(app.id, channel)
            present.append((address, await self._members.enter(address, member)))
        return _view(app, keys, wish, call.request)

    async def _delete(self, call: Call[None]) -> None:
        """Throws an app away, with its keys and its statistics. Its messages go when they are old."""
        _check_near(call.request)
        grant, app = granted(call.request), call.part("appId")
        if grant.app != app or grant.is_token:
            raise AblyError(40102, 401, f"The app {app[:60]!r} is deleted with one of its own keys.")
        await self._keyring.delete_app(app)
        for address, member in self._present.pop(app, ()):
            await self._members.leave(address, member)
        await self._stats.forget(app)

    async def _insert(self, call: Call[Fixtures]) -> Inserted:
        """Adds to the statistics of an app."""
        _check_near(call.request)
        minutes = inserted(call.input.value)
        if len(minutes) > MAX_INSERTED:
            raise AblyError(
                40009, 400, f"These are {len(minutes)} intervals; at most {MAX_INSERTED} are taken at once."
            )
        await self._stats.insert(granted(call.request).app, minutes)
        return {"count": len(minutes)}


def _check_near(request: web.Request) -> None:
    """Raises AblyError unless a program on this machine asks."""
    for address in (request.remote or "", client_address(request)):
        try:
            near = ip_address(address).is_loopback
        except ValueError:
            near = False
        if not near:
            raise AblyError(40300, 403, f"The sandbox is for programs on this machine, not for {address[:60]}.")


def _member(wish: MemberWish) -> Member:
    octets, chain = stored(wish.data, wish.encoding)
    client_id = text(wish.client_id, "clientId", MAX_CLIENT_ID, 40012)
    return Member(connection_id=FIXTURES, client_id=client_id, data=octets, encoding=chain)


def _view(app: App, keys: Sequence[Key], wish: AppWish, request: web.Request) -> AppView:
    view: AppView = {
        "appId": app.id,
        "id": app.id,
        "accountId": "owncast",
        "keys": [
            {
                "id": key.name.partition(".")[2],
                "value": key.secret,
                "keyName": key.name,
                "keySecret": key.secret,
                "keyStr": key.text,
                "capability": key.capability.canonical(),
                "revocableTokens": key.revocable,
            }
            for key in keys
        ],
        "namespaces": [{"id": each.id} for each in wish.namespaces],
        "channels": [
            {"name": each.name, "presence": [{"clientId": member.client_id} for member in each.presence]}
            for each in wish.channels
        ],
        "endpoint": request.url.host or "localhost",
        "tls": request.secure,
    }
    if request.url.port is not None:
        view["port"] = request.url.port
    return view
