"""The gate: how credentials travel in Ably's protocol, and what they let somebody do.

Owns the header Authorization (Basic RFC 7617, Bearer RFC 6750 with the token in base64 or as it is), the parameters
`key`, `access_token` and `accessToken` for those who can send no header, and X-Ably-ClientId (features specification,
RSA7e2). Whether a key or token is good, the keyring
knows; whose an access token of the chat is, `people`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import replace

from aiohttp import web

from owncast_py.realtime.capability import HALF_CHARACTER
from owncast_py.realtime.keyring import Keyring
from owncast_py.realtime.revocations import Grant
from owncast_py.realtime.tokens import ANYBODY, MAX_CLIENT_ID
from web.api.ably.errors import AblyError, from_domain
from web.api.ably.people import People, PersonGrant
from web.operations import Guard

CLIENT_HEADER = "X-Ably-ClientId"

_ACCESS_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
"""Those of `accounts.devices`: 256 bits in URL-safe base64."""

_GRANT: web.RequestKey[Grant] = web.RequestKey("grant", Grant)


class Gate:
    """Judges the credentials of requests."""

    def __init__(self, keyring: Keyring, people: People | None = None) -> None:
        """Without `people`, nobody is let in by an access token of the chat."""
        self._keyring = keyring
        self._people = people

    @property
    def guard(self) -> Guard:
        """For operations that need credentials; what they grant, `granted` says."""
        return Guard(self._check, "channels")

    async def authenticate(self, request: web.Request) -> Grant:
        """What the credentials of a request grant, also of one for a WebSocket. Raises AblyError, AccessError."""
        scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
        match scheme.lower():
            case "basic":
                grant = await self._keyring.verify_key(_decoded(sent.strip(), "key"))
                return _identified(grant, request.headers.get(CLIENT_HEADER, ""))
            case "bearer":
                return await self.token(sent.strip())
        if key := request.query.get("key"):
            return _identified(await self._keyring.verify_key(key), request.headers.get(CLIENT_HEADER, ""))
        if token := request.query.get("access_token") or request.query.get("accessToken"):
            return await self.token(token)
        raise AblyError(40101, 401, "This needs a key or a token.")

    async def token(self, sent: str) -> Grant:
        """What a token grants, in base64 or as it is. Raises AblyError, AccessError.

        It is one of ours for channels, a JWT, or somebody's own access token.
        """
        # Every token for channels has a dot, which neither base64 nor an access token has.
        if "." not in sent:
            if (person := await self._person(sent)) is not None:
                return person
            sent = self._readable(sent)
            if "." not in sent and (person := await self._person(sent)) is not None:
                return person
        return await self._keyring.verify_token(sent)

    def _readable(self, sent: str) -> str:
        try:
            return _decoded(sent, "token")
        except AblyError:
            # Most likely a device that was signed out meanwhile: it is to be told that, not that it cannot spell.
            if self._people is not None and _ACCESS_TOKEN.fullmatch(sent):
                raise AblyError(40143, 401, "This access token is not known here, or not any more.") from None
            raise

    async def _person(self, token: str) -> PersonGrant | None:
        return await self._people.grant(token) if self._people is not None else None

    def client_id(self, request: web.Request, grant: Grant) -> str:
        """Who comes with a WebSocket: as its parameter `clientId` says, where the grant allows that.

        Empty for nobody in particular, `*` for whoever they say with each message. Raises AblyError.
        """
        stated = request.query.get("clientId", "")
        if not stated:
            return "" if grant.client_id == ANYBODY and not grant.is_token else grant.client_id
        if grant.client_id not in (ANYBODY, stated):
            raise AblyError(40102, 401, f"The credentials are not for the client id {stated[:60]!r}.")
        return _checked(stated)

    def watch(self, grant: Grant, told: Callable[[AblyError], None]) -> Callable[[], None]:
        """Calls `told` at once when the grant is revoked, with what the client is to hear."""
        if self._people is not None and isinstance(grant, PersonGrant):
            return self._people.watch(grant, told)
        return self._keyring.watch(grant, lambda error: told(from_domain(error)))

    async def _check(self, request: web.Request) -> None:
        request[_GRANT] = await self.authenticate(request)


def granted(request: web.Request) -> Grant:
    """What the caller of an operation with `Gate.guard` may do."""
    return request[_GRANT]


def grant_if_any(request: web.Request) -> Grant | None:
    """The same where it has any credentials at all."""
    return request.get(_GRANT)


def demand(grant: Grant, operation: str, channel: str = "*") -> None:
    """Raises AblyError unless that is allowed on the channel, or on all of them."""
    if not grant.capability.allows(channel, operation):
        where = "all channels" if channel == "*" else f"the channel {channel[:60]!r}"
        raise AblyError(40160, 401, f"These credentials lack the capability {operation} for {where}.")


def _identified(grant: Grant, encoded: str) -> Grant:
    """With a key, a request may say whose it is."""
    if not encoded:
        return grant
    try:
        stated = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        raise AblyError(40012, 400, f"The header {CLIENT_HEADER} is no base64 of UTF-8.") from None
    return replace(grant, client_id=_checked(stated))


def _checked(client_id: str) -> str:
    if len(client_id) > MAX_CLIENT_ID or HALF_CHARACTER.search(client_id):
        raise AblyError(40012, 400, f"A client id has at most {MAX_CLIENT_ID} characters of Unicode.")
    return client_id


def _decoded(sent: str, what: str) -> str:
    padded = sent.rstrip("=") + "=" * (-len(sent.rstrip("=")) % 4)
    try:
        # Clients write either alphabet, with padding or without.
        return base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True).decode()
    except (binascii.Error, ValueError):
        raise AblyError(40005, 400, f"The {what} of the request cannot be read: that is no base64 of UTF-8.") from None
