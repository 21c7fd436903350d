"""Stream keys and the address that follows from them, the admin password, and the admin's sessions.

Owns those routes' wire format. What a secret must be, and where it is kept, is `owncast_py.credentials`'; a session is
a device of the admin (see `web.authentication`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import orjson
from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from owncast_py.accounts.model import ADMIN_ID, ADMIN_LIFETIME
from owncast_py.accounts.service import Accounts
from owncast_py.chat.moderation import Moderation
from owncast_py.credentials import MAX_STREAM_KEYS, Credentials, StreamKey
from owncast_py.errors import CredentialsError
from web.addresses import client_address, is_secure
from web.api.owncast import answers
from web.api.owncast.answers import Done, done
from web.authentication import SESSION_COOKIE, Authentication, csrf_token
from web.body import Input
from web.operations import Call, Operation, Rendered


class Secret(Input):
    """A new secret."""

    value: str = Field(max_length=1_000)


class KeyInput(Input):
    """A stream key, and a note about it."""

    key: str = Field(max_length=1_000)
    comment: str = Field("", max_length=1_000)


class KeysInput(Input):
    """All stream keys."""

    value: list[KeyInput] = Field(max_length=MAX_STREAM_KEYS)


class Password(Input):
    """The admin password."""

    password: str = Field(max_length=1_000)


class Session(TypedDict):
    """What a page needs to act in a session: the token for the header `X-CSRF-Token`."""

    success: bool
    message: str
    csrfToken: str


class SecretsApi:
    """The routes of secrets."""

    def __init__(
        self,
        credentials: Credentials,
        accounts: Accounts,
        moderation: Moderation,
        authentication: Authentication,
        hide: Callable[[str], None],
    ) -> None:
        """`hide` keeps a secret out of the logs from now on."""
        self._credentials = credentials
        self._accounts = accounts
        self._moderation = moderation
        self._authentication = authentication
        self._hide = hide

    def operations(self) -> list[Operation]:
        """All of them."""
        admin = self._authentication.as_admin
        api = answers.api("Secrets and sessions")
        api.add("POST", "/api/admin/config/key", self._set_key, admin)
        api.add("POST", "/api/admin/config/adminpass", self._set_password, admin)
        api.add("POST", "/api/admin/config/streamkeys", self._set_keys, admin)
        api.add("POST", "/api/admin/config/directhlsinput/renew", self._renew_direct_input, admin)
        api.add("POST", "/api/admin/session", self._sign_in)
        api.add("GET", "/api/admin/session", self._session, admin)
        api.add("DELETE", "/api/admin/session", self._sign_out, admin)
        return api.operations

    async def _set_key(self, call: Call[Secret]) -> Done:
        """Sets the one secret of 0.0.7: the stream key, which is the admin password as well."""
        if self._credentials.key_is_configured or self._credentials.password_is_configured:
            raise web.HTTPConflict(
                text="The stream key or the admin password comes from this server's configuration; change it there, "
                "or add keys with config/streamkeys."
            )
        await self._change(call, lambda: self._credentials.set_both(call.input.value), "stream key and admin password")
        await self._password_changed(call.request)
        return done("the stream key and the admin password are changed")

    async def _set_password(self, call: Call[Secret]) -> Done:
        """Sets the admin password and ends the sessions of everybody else."""
        if self._credentials.password_is_configured:
            raise web.HTTPConflict(
                text="The admin password comes from this server's configuration (admin_password); change it there."
            )
        await self._change(call, lambda: self._credentials.set_admin_password(call.input.value), "admin password")
        await self._password_changed(call.request)
        return done("the admin password is changed")

    async def _set_keys(self, call: Call[KeysInput]) -> Done:
        """Sets the stream keys. A key that is taken away does not end a broadcast that began with it."""
        keys = [StreamKey(each.key, each.comment) for each in call.input.value]
        await self._change(call, lambda: self._credentials.set_stream_keys(keys), "stream keys")
        if self._credentials.key_is_configured:
            return done("the stream keys are changed; the one from the configuration stays valid")
        return done("the stream keys are changed")

    async def _renew_direct_input(self, call: Call[None]) -> Done:
        """Makes the address to which encoders send HLS (`directhlsinputurl` of `serverconfig`) another one."""
        await self._change(call, self._credentials.renew_direct_tokens, "direct HLS input")
        return done("the address is another one now; the old one is refused")

    async def _change(self, call: Call[Input] | Call[None], change: Callable[[], None], what: str) -> None:
        try:
            await asyncio.to_thread(change)
        except CredentialsError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        for secret in self._credentials.secrets:
            self._hide(secret)
        await self._moderation.record(call.actor, "change secret", what)

    async def _password_changed(self, request: web.Request) -> None:
        self._authentication.forget_password()
        session = await self._authentication.session(request)
        await self._accounts.devices.sign_out_all(ADMIN_ID, keep=session.device.id if session else None)

    # Sessions.

    async def _sign_in(self, call: Call[Password]) -> Rendered[Session]:
        """Begins a session of the admin: a cookie, and the token that changes need beside it."""
        request = call.request
        await self._authentication.check_password(request, call.input.password)
        device, token = await self._accounts.devices.sign_in(ADMIN_ID, request.headers.get("User-Agent", ""))
        self._accounts.devices.seen(device, client_address(request))
        response = Rendered[Session](orjson.dumps(_of(token)))
        response.set_cookie(
            SESSION_COOKIE,
            token,
            max_age=int(ADMIN_LIFETIME.total_seconds()),
            path="/",
            httponly=True,
            samesite="Lax",
            secure=is_secure(request),
        )
        return response

    async def _session(self, call: Call[None]) -> Session:
        """The session that the cookie names."""
        if await self._authentication.session(call.request) is None:
            raise web.HTTPNotFound(text="You sent the password, and have no session.")
        return _of(call.request.cookies[SESSION_COOKIE])

    async def _sign_out(self, call: Call[None]) -> Rendered[Done]:
        """Ends the session."""
        session = await self._authentication.session(call.request)
        if session is not None:
            await self._accounts.devices.sign_out(session.user.id, [session.device.id])
        response = Rendered[Done](orjson.dumps(done("signed out")))
        response.del_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="Lax", secure=is_secure(call.request))
        return response


def _of(token: str) -> Session:
    return {"success": True, "message": "signed in", "csrfToken": csrf_token(token)}
