"""Who asks: the device whose access token a request bears, and how its user is called in Matrix.

Owns the header Authorization (Bearer, RFC 6750) with the older parameter `access_token`, and user ids: `@`, the name to
sign in with (else the user's id), `:`, the server's name. That is the configured one, else the host that was asked.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from owncast_py.accounts.model import Identity, User
from owncast_py.accounts.service import Accounts
from owncast_py.buckets import TokenBuckets
from web.addresses import client_address, host, tells_apart
from web.api.matrix.errors import MatrixError
from web.operations import Guard

WRONG_AT_ONCE = 30
WRONG_PER_MINUTE = 30
"""Unknown tokens from one address."""
MAX_USER_ID = 255

_IDENTITY: web.RequestKey[Identity] = web.RequestKey("identity", Identity)


class Callers:
    """Tells whose a request is."""

    def __init__(self, accounts: Accounts, server_name: str, monotonic: Callable[[], float]) -> None:
        """`server_name` is empty where none is configured; `monotonic` counts seconds."""
        self._accounts = accounts
        self._server_name = server_name
        self._wrong = TokenBuckets(WRONG_AT_ONCE, WRONG_PER_MINUTE / 60, monotonic)

    @property
    def guard(self) -> Guard:
        """For operations of whoever is signed in; who and where, `caller` says."""
        return Guard(self._check, "accessToken")

    async def _check(self, request: web.Request) -> User:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else request.query.get("access_token", "")
        if not token:
            raise MatrixError(401, "M_MISSING_TOKEN", "Send an access token: Authorization: Bearer TOKEN.")
        address = client_address(request)
        if (apart := tells_apart(address)) is not None and (wait := self._wrong.wait(apart)) > 0:
            sentence = f"Too many unknown tokens came from your address; try again in {wait:.0f} s."
            raise MatrixError(429, "M_LIMIT_EXCEEDED", sentence, retry_after=wait)
        identity = await self._accounts.identify(token)
        if identity is None:
            if apart is not None:
                self._wrong.take(apart)
            raise signed_out()
        self._accounts.devices.seen(identity.device, address)
        request[_IDENTITY] = identity
        return identity.user

    def server_name(self, request: web.Request) -> str:
        """What comes after the colon."""
        return self._server_name or host(request)

    def user_id(self, request: web.Request, user: User) -> str:
        """Such as `@ana:live.example.org`."""
        return f"@{user.login or user.id}:{self.server_name(request)}"

    def name_in(self, request: web.Request, given: str) -> str:
        """The name to sign in with, from that alone or from a user id; empty for one of another server."""
        if not given.startswith("@"):
            return given
        name, _, server = given[1:MAX_USER_ID].partition(":")
        return name if server.lower() in (self.server_name(request).lower(), host(request).lower()) else ""


def caller(request: web.Request) -> Identity:
    """Who asks, and from which device, where the operation has `Callers.guard`."""
    return request[_IDENTITY]


def signed_out() -> MatrixError:
    """The answer to a token that is worth nothing, or not any more."""
    return MatrixError(
        401, "M_UNKNOWN_TOKEN", "This access token is not known here, or not any more.", soft_logout=False
    )
