"""Accounts: making one, who one is, another password.

Owns the wire format of `/register`, `/register/available`, `/account/whoami` and `/account/password` (Matrix
client-server API, "Account registration and management").
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from typing_extensions import TypedDict

from owncast_py.accounts.devices import Devices, check_id
from owncast_py.accounts.logins import Logins
from web.addresses import client_address, tells_apart
from web.api.matrix.callers import Callers, caller
from web.api.matrix.devices import Nothing
from web.api.matrix.errors import ENVELOPE, MAY_FAIL, Challenge, MatrixError, refusing
from web.api.matrix.interactive import AuthData, Interactive, Text
from web.api.matrix.paths import CLIENT
from web.api.matrix.signing_in import DeviceWish, LoggedIn
from web.body import Input, Query
from web.operations import Api, Call, Contract, Operation


class NewAccount(DeviceWish):
    """An account that somebody would like to have. Without a password it is good for as long as its token."""

    auth: AuthData | None = None
    username: Text = ""
    password: Text = ""
    inhibit_login: bool = False
    """Whether to make the account and no device."""


class WantedName(Query):
    """A name to sign in with."""

    username: str


class NameAvailable(TypedDict):
    """That the name can be had."""

    available: bool


class OwnAccount(TypedDict):
    """Who asks, and from which device."""

    user_id: str
    device_id: str


class NewPassword(Input):
    """Another password. Unless told otherwise, every other device is signed out."""

    new_password: Text
    auth: AuthData | None = None
    logout_devices: bool = True


class RegistrationApi:
    """The operations."""

    def __init__(
        self,
        devices: Devices,
        logins: Logins,
        interactive: Interactive,
        callers: Callers,
        display_name: Callable[[str], Awaitable[str]],
        *,
        open_to_all: bool,
    ) -> None:
        """`display_name` gives what somebody is called who would like that name."""
        self._devices = devices
        self._logins = logins
        self._interactive = interactive
        self._callers = callers
        self._display_name = display_name
        self._open = open_to_all

    def operations(self) -> list[Operation]:
        """All of them."""
        guard = self._callers.guard
        api = Api("Accounts", refusing, ENVELOPE)
        contract = Contract("register", refusals=(*MAY_FAIL, 401, 403, 413, 429), asks=Challenge)
        api.add("POST", f"{CLIENT}/register", self._register, contract=contract)
        path = f"{CLIENT}/register/available"
        api.add("GET", path, self._available, contract=Contract("checkUsernameAvailability", refusals=(*MAY_FAIL, 403)))
        api.add("GET", f"{CLIENT}/account/whoami", self._who, guard, contract=Contract("getTokenOwner"))
        path = f"{CLIENT}/account/password"
        contract = Contract("changePassword", refusals=(413,), asks=Challenge)
        api.add("POST", path, self._set_password, guard, contract=contract)
        return api.operations

    async def _register(self, call: Call[NewAccount]) -> LoggedIn:
        """Makes an account, and signs it in."""
        request, wish = call.request, call.input
        if request.query.get("kind", "user") == "guest":
            raise MatrixError(403, "M_GUEST_ACCESS_FORBIDDEN", "Guests come by the chat: POST /api/chat/register.")
        self._check_open()
        check_id(wish.device_id)
        login = await self._logins.check_free(wish.username) if wish.username else ""
        session = await self._interactive.prove(request, wish.auth, None, f"register {login}")
        address = client_address(request)
        user = await self._logins.register(
            login, wish.password, await self._display_name(wish.username), tells_apart(address)
        )
        self._interactive.end(session)
        found: LoggedIn = {
            "user_id": self._callers.user_id(request, user),
            "home_server": self._callers.server_name(request),
        }
        if not wish.inhibit_login:
            device, found["access_token"] = await self._devices.sign_in(
                user.id, wish.initial_device_display_name or request.headers.get("User-Agent", ""), wish.device_id
            )
            found["device_id"] = device.id
            self._devices.seen(device, address)
        return found

    async def _available(self, call: Call[WantedName]) -> NameAvailable:
        """Whether a name can be had."""
        self._check_open()
        await self._logins.check_free(call.input.username)
        return {"available": True}

    def _check_open(self) -> None:
        if not self._open:
            raise MatrixError(403, "M_FORBIDDEN", "Accounts cannot be made on this server.")

    async def _who(self, call: Call[None]) -> OwnAccount:
        """Whose access token it is."""
        user, device = caller(call.request)
        return {"user_id": self._callers.user_id(call.request, user), "device_id": device.id}

    async def _set_password(self, call: Call[NewPassword]) -> Nothing:
        """Sets another password, after a proof of who asks."""
        wish = call.input
        session = await self._interactive.prove(call.request, wish.auth, call.actor, "change the password")
        await self._logins.set_password(call.actor, wish.new_password)
        self._interactive.end(session)
        if wish.logout_devices:
            await self._devices.sign_out_all(call.actor.id, keep=caller(call.request).device.id)
        return {}
