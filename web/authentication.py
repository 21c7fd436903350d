"""Who may: the admin by password or session, bots by bearer token, chatters by the token in their address.

Owns how credentials travel in HTTP and what a failed attempt costs. Whose a token is, `accounts` knows; a password is
checked off the loop, and a right one is remembered as a keyed hash so that the next request costs microseconds.

A session is a device of the admin whose token lies in a cookie that no script can read. A browser sends cookies by
itself, so whatever changes something needs the session's CSRF token as well, in a header that no other site can set.

Basic per RFC 7617, Bearer per RFC 6750.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable
from urllib.parse import urlsplit

from aiohttp import web

from owncast_py.accounts.model import ADMIN_ID, Identity, Scope, User
from owncast_py.accounts.service import Accounts
from owncast_py.buckets import TokenBuckets
from owncast_py.events import PasswordChanged
from web.addresses import client_address
from web.operations import Guard

REALM = 'Basic realm="owncast-py", charset="UTF-8"'
ATTEMPTS_AT_ONCE = 10
ATTEMPTS_PER_MINUTE = 10
"""Wrong passwords or tokens from one address."""
CHECKS_AT_ONCE = 2
"""Passwords that are checked at the same time; each takes tens of milliseconds of a core."""
ADMIN_NAME = "admin"
SESSION_COOKIE = "admin_session"
CSRF_HEADER = "X-CSRF-Token"
API_KEY_HEADER = "API-Key"
"""Another place for an access token."""
SAFE = ("GET", "HEAD", "OPTIONS")


class Authentication:
    """Judges the credentials of requests."""

    def __init__(
        self,
        accounts: Accounts,
        verify_admin_password: Callable[[str], bool],
        monotonic: Callable[[], float],
    ) -> None:
        """`verify_admin_password` blocks; `monotonic` counts seconds."""
        self._accounts = accounts
        self._verify = verify_admin_password
        self._failures = TokenBuckets(ATTEMPTS_AT_ONCE, ATTEMPTS_PER_MINUTE / 60, monotonic)
        self._checks = asyncio.Semaphore(CHECKS_AT_ONCE)
        self._key = secrets.token_bytes(32)
        self._known = b""
        """The keyed hash of the password that was right last."""

    @property
    def as_admin(self) -> Guard:
        """For operations of the owner."""
        return Guard(self.admin, "admin")

    @property
    def as_chatter(self) -> Guard:
        """For operations of everybody who has registered."""

        async def check(request: web.Request) -> User:
            return (await self.chatter(request)).user

        return Guard(check, "chatter")

    @property
    def as_account(self) -> Guard:
        """For operations of everybody who has registered, also of those who were removed from chat."""

        async def check(request: web.Request) -> User:
            return (await self.account(request)).user

        return Guard(check, "chatter")

    @property
    def as_moderator(self) -> Guard:
        """For operations of moderators."""
        return Guard(self.moderator, "chatter")

    def as_bot(self, scope: Scope) -> Guard:
        """For operations of bots that have that scope."""

        async def check(request: web.Request) -> User:
            return await self.bot(request, scope)

        return Guard(check, "bot", scope.value)

    def as_data(self, scope: Scope) -> Guard:
        """For operations on data: for access tokens that have that scope, and for the owner."""

        async def check(request: web.Request) -> User:
            return await self.data(request, scope)

        return Guard(check, "data", scope.value)

    async def data(self, request: web.Request, scope: Scope) -> User:
        """Whose access token stands in a header, else the admin. Raises as `bot` and `admin` do."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        given = request.headers.get(API_KEY_HEADER, token.strip() if scheme.lower() == "bearer" else None)
        if given is not None:
            user = (await self._identity(request, given, "Bearer")).user
            if user.disabled_at is not None or not user.has(scope):
                raise web.HTTPForbidden(text=f"This access token lacks the scope {scope.value}.")
            return user
        if scheme.lower() != "basic" and SESSION_COOKIE not in request.cookies:
            sentence = f"Send an access token that has the scope {scope.value}, in the header {API_KEY_HEADER}."
            raise web.HTTPUnauthorized(text=sentence, headers={"WWW-Authenticate": "Bearer"})
        return await self.admin(request)

    async def admin(self, request: web.Request) -> User:
        """The admin. Raises HTTPUnauthorized, HTTPTooManyRequests, or HTTPForbidden."""
        _refuse_other_sites(request)
        name, password = _basic(request.headers.get("Authorization", ""))
        if password is not None:
            await self.check_password(request, password, name)
        elif (identity := await self.session(request)) is not None:
            if request.method not in SAFE and not _has_csrf_token(request):
                raise web.HTTPForbidden(text=f"Send the session's CSRF token in the header {CSRF_HEADER}.")
            return identity.user
        else:
            raise _unauthorized(
                request, "Only the owner may do this: send the user name admin and the admin password, or sign in."
            )
        user = await self._accounts.user(ADMIN_ID)
        if user is None:
            raise _unauthorized(request, "There is no admin on this server.")
        return user

    async def check_password(self, request: web.Request, password: str, name: str = ADMIN_NAME) -> None:
        """Raises HTTPUnauthorized for a wrong one, HTTPTooManyRequests after many of them."""
        hashed = hmac.digest(self._key, password.encode("utf-8", "surrogatepass"), hashlib.sha256)
        right = hmac.compare_digest(hashed, self._known)
        if not right:
            self._check_attempts(request)
            async with self._checks:
                right = await asyncio.to_thread(self._verify, password)
        if name != ADMIN_NAME or not right:
            self._failures.take(client_address(request))
            raise _unauthorized(request, "The user name or the password is wrong.")
        self._known = hashed

    def forget_password(self) -> None:
        """The password has changed: the one that was right before is worth nothing from now on."""
        self._known = b""

    def on_password_changed(self, event: PasswordChanged) -> None:
        """As `forget_password`, if it is the admin's."""
        if event.user_id == ADMIN_ID:
            self.forget_password()

    async def session(self, request: web.Request) -> Identity | None:
        """The admin's session that the request's cookie names."""
        token = request.cookies.get(SESSION_COOKIE, "")
        identity = await self._accounts.identify(token) if token else None
        if identity is None or identity.user.id != ADMIN_ID:
            return None
        self._accounts.devices.seen(identity.device, client_address(request))
        return identity

    async def session_token(self, request: web.Request) -> str:
        """The CSRF token of the session that the request's cookie names; empty when there is none."""
        return csrf_token(request.cookies[SESSION_COOKIE]) if await self.session(request) is not None else ""

    async def bot(self, request: web.Request, scope: Scope) -> User:
        """Whose bearer token it is. Raises HTTPUnauthorized, or HTTPForbidden when it lacks the scope."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise web.HTTPUnauthorized(
                text="Send an access token: Authorization: Bearer TOKEN.", headers={"WWW-Authenticate": "Bearer"}
            )
        user = (await self._identity(request, token.strip(), "Bearer")).user
        if user.disabled_at is not None or not user.has(scope):
            raise web.HTTPForbidden(text=f"This access token lacks the scope {scope.value}.")
        return user

    async def chatter(self, request: web.Request) -> Identity:
        """Whose token stands in the address. Raises HTTPUnauthorized, or HTTPForbidden for a disabled user's."""
        identity = await self.account(request)
        if identity.user.disabled_at is not None:
            raise web.HTTPForbidden(text="A moderator has removed you from this chat.")
        return identity

    async def account(self, request: web.Request) -> Identity:
        """The same, whether or not they may chat. Raises HTTPUnauthorized."""
        token = request.query.get("accessToken", "")
        if not token:
            raise web.HTTPUnauthorized(text="Register first, and send your token as ?accessToken=….")
        return await self._identity(request, token, None)

    async def moderator(self, request: web.Request) -> User:
        """The moderator whose token stands in the address. Raises as `chatter` does, HTTPForbidden for anybody else."""
        user = (await self.chatter(request)).user
        if not user.may_moderate:
            raise web.HTTPForbidden(text="Only moderators may do this.")
        return user

    async def _identity(self, request: web.Request, token: str, scheme: str | None) -> Identity:
        self._check_attempts(request)
        identity = await self._accounts.identify(token)
        if identity is None:
            self._failures.take(client_address(request))
            raise web.HTTPUnauthorized(
                text="This access token is not known here, or not any more.",
                headers={"WWW-Authenticate": scheme} if scheme else None,
            )
        self._accounts.devices.seen(identity.device, client_address(request))
        return identity

    def _check_attempts(self, request: web.Request) -> None:
        if (wait := self._failures.wait(client_address(request))) > 0:
            raise web.HTTPTooManyRequests(
                text=f"Too many wrong attempts came from your address; try again in {wait:.0f} s.",
                headers={"Retry-After": str(int(wait) + 1)},
            )


def _basic(header: str) -> tuple[str, str | None]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        return "", None
    name, colon, password = decoded.partition(":")
    return name, password if colon else None


def _unauthorized(request: web.Request, sentence: str) -> web.HTTPUnauthorized:
    # A browser would ask for the password itself; a page that fetches has a form of its own.
    asks = request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
    return web.HTTPUnauthorized(text=sentence, headers={"WWW-Authenticate": REALM} if asks else None)


def csrf_token(session_token: str) -> str:
    """What a page must send along with a session's cookie."""
    return base64.urlsafe_b64encode(hmac.digest(session_token.encode(), b"csrf", hashlib.sha256)).decode().rstrip("=")


def _has_csrf_token(request: web.Request) -> bool:
    given = request.headers.get(CSRF_HEADER, "").encode("utf-8", "surrogateescape")
    return hmac.compare_digest(given, csrf_token(request.cookies.get(SESSION_COOKIE, "")).encode())


def _refuse_other_sites(request: web.Request) -> None:
    """A browser sends the admin's password with a form of any page on the web, once it knows it."""
    if request.method in SAFE:
        return
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site", "")
    if site == "cross-site" or (origin is not None and urlsplit(origin).netloc != request.host):
        raise web.HTTPForbidden(text="This request comes from a page of another site; it is refused.")
