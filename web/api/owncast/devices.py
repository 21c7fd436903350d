"""Accounts and devices for the pages: a password for whoever chats, where they and the owner are signed in.

Owns those routes' wire format; this server's own, as Owncast has none. What Matrix clients ask of the same devices is
`web.api.matrix`'.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from owncast_py.accounts.devices import MAX_DEVICES
from owncast_py.accounts.logins import Logins
from owncast_py.accounts.model import ADMIN_ID, Device, User
from owncast_py.accounts.service import Accounts
from owncast_py.chat.chat import Chat
from owncast_py.chat.content import timestamp
from owncast_py.errors import AccountError
from web.addresses import client_address, tells_apart
from web.api.owncast import answers
from web.api.owncast.answers import Done, done
from web.api.owncast.chat import Registered
from web.authentication import Authentication
from web.body import Input, Query
from web.operations import Call, Operation

Text = Annotated[str, Field(max_length=1_000)]
Ids = Annotated[list[str], Field(min_length=1, max_length=MAX_DEVICES)]


class AccountView(TypedDict):
    """Who somebody is. `login` is empty for whoever has not chosen a name to sign in with."""

    id: str
    displayName: str
    displayColor: int
    login: str
    hasPassword: bool


class DeviceView(TypedDict):
    """Where somebody is signed in. Times are ISO 8601; what was last seen is null until then."""

    id: str
    displayName: str
    createdAt: str
    lastSeenAt: str | None
    ipAddress: str | None
    current: bool
    """Whether it is the one that asks."""


class SignIn(Input):
    """A name and a password."""

    login: Text
    password: Text


class PasswordChange(Input):
    """Another password, and with the first one a name to sign in with."""

    newPassword: Text
    currentPassword: Text = ""
    """Where there is one already."""
    login: Text = ""
    signOutOthers: bool = True


class OwnDeviceName(Input):
    """What a device is to be called."""

    id: Text
    displayName: Text


class OwnDevices(Input):
    """Devices to sign out, with the password where there is one and others than this device are named."""

    ids: Ids
    password: Text = ""


class WhoseDevices(Query):
    """Whose devices; the owner's, where nobody is named."""

    userId: str = ADMIN_ID


class SomebodysDevices(Input):
    """Devices to sign out, of anybody; of the owner, where nobody is named."""

    userId: Text = ADMIN_ID
    ids: Ids


class DevicesApi:
    """The routes."""

    def __init__(self, chat: Chat, accounts: Accounts, logins: Logins, authentication: Authentication) -> None:
        self._chat = chat
        self._accounts = accounts
        self._devices = accounts.devices
        self._logins = logins
        self._authentication = authentication

    def operations(self) -> list[Operation]:
        """All of them."""
        account, admin = self._authentication.as_account, self._authentication.as_admin
        api = answers.api("Devices")
        api.add("POST", "/api/chat/login", self._sign_in)
        api.add("GET", "/api/chat/account", self._account, account)
        api.add("POST", "/api/chat/account/password", self._set_password, account)
        api.add("GET", "/api/chat/devices", self._own, account)
        api.add("POST", "/api/chat/devices/rename", self._rename_own, account)
        api.add("POST", "/api/chat/devices/signout", self._sign_out_own, account)
        api.add("GET", "/api/admin/devices", self._of_user, admin)
        api.add("POST", "/api/admin/devices/rename", self._rename_admins, admin)
        api.add("POST", "/api/admin/devices/signout", self._sign_out_anybody, admin)
        return api.operations

    # Whoever chats.

    async def _sign_in(self, call: Call[SignIn]) -> Registered:
        """Signs somebody in by name and password, with a token to chat by."""
        request = call.request
        address = client_address(request)
        if self._chat.bans.banned(address):
            raise web.HTTPForbidden(text="Your address is banned from this chat.")
        user = await self._logins.check(call.input.login, call.input.password, tells_apart(address))
        if user.id == ADMIN_ID:
            raise web.HTTPForbidden(text="The owner of this server signs in on the page /admin.")
        device, token = await self._devices.sign_in(user.id, request.headers.get("User-Agent", ""))
        self._devices.seen(device, address)
        return {
            "id": user.id,
            "accessToken": token,
            "displayName": user.display_name,
            "displayColor": user.color,
        }

    async def _account(self, call: Call[None]) -> AccountView:
        """Who a token is of."""
        user = call.actor
        return {
            "id": user.id,
            "displayName": user.display_name,
            "displayColor": user.color,
            "login": user.login,
            "hasPassword": await self._logins.has_password(user),
        }

    async def _set_password(self, call: Call[PasswordChange]) -> Done:
        """Sets a password to sign in with elsewhere, after the one before where there was one."""
        wish, user = call.input, call.actor
        if await self._logins.has_password(user):
            await self._prove(call.request, user, wish.currentPassword)
        elif not wish.login:
            raise AccountError("The first password needs a name to sign in with beside it.")
        await self._logins.set_password(user, wish.newPassword, wish.login)
        if wish.signOutOthers:
            await self._devices.sign_out_all(user.id, keep=(await self._here(call.request)))
        return done("the password is set")

    async def _own(self, call: Call[None]) -> list[DeviceView]:
        """Where whoever asks is signed in, oldest first."""
        return _views(await self._devices.of(call.actor.id), await self._here(call.request))

    async def _rename_own(self, call: Call[OwnDeviceName]) -> Done:
        """Calls one of one's own devices something else."""
        return await self._rename(call.actor.id, call.input)

    async def _sign_out_own(self, call: Call[OwnDevices]) -> Done:
        """Signs out devices of whoever asks. Who has a password proves it, unless this is the only device named."""
        ids, user = set(call.input.ids), call.actor
        if ids != {await self._here(call.request)} and await self._logins.has_password(user):
            await self._prove(call.request, user, call.input.password)
        count = await self._devices.sign_out(user.id, ids)
        return done(f"devices signed out: {count}")

    async def _prove(self, request: web.Request, user: User, password: str) -> None:
        await self._logins.prove(user, password, tells_apart(client_address(request)))

    async def _here(self, request: web.Request) -> str:
        """The id of the device that asks; its guard has found it already."""
        return (await self._authentication.account(request)).device.id

    # The owner.

    async def _of_user(self, call: Call[WhoseDevices]) -> list[DeviceView]:
        """Where somebody is signed in, oldest first; the owner, where nobody is named."""
        user_id = call.input.userId
        if await self._accounts.user(user_id) is None:
            raise AccountError(f"There is no user with the id {user_id[:60]!r}.")
        session = await self._authentication.session(call.request)
        return _views(await self._devices.of(user_id), session.device.id if session else "")

    async def _rename_admins(self, call: Call[OwnDeviceName]) -> Done:
        """Calls one of the owner's devices something else."""
        return await self._rename(ADMIN_ID, call.input)

    async def _sign_out_anybody(self, call: Call[SomebodysDevices]) -> Done:
        """Signs out devices of anybody; of the owner, where nobody is named."""
        user = await self._accounts.user(call.input.userId)
        if user is None:
            raise AccountError(f"There is no user with the id {call.input.userId[:60]!r}.")
        count = await self._devices.sign_out(user.id, call.input.ids)
        await self._chat.moderation.record(call.actor, "sign out devices", f"{user.display_name}: {count}")
        return done(f"devices signed out: {count}")

    async def _rename(self, user_id: str, wish: OwnDeviceName) -> Done:
        if not await self._devices.rename(user_id, wish.id, wish.displayName.strip()):
            raise web.HTTPNotFound(text=f"There is no device with the id {wish.id[:60]!r}.")
        return done("the device has another name")


def _views(devices: Sequence[Device], current: str) -> list[DeviceView]:
    return [
        {
            "id": device.id,
            "displayName": device.display_name,
            "createdAt": timestamp(device.created_at),
            "lastSeenAt": timestamp(device.last_seen_at) if device.last_seen_at else None,
            "ipAddress": device.last_seen_ip,
            "current": device.id == current,
        }
        for device in devices
    ]
