"""Signing in and out.

Owns the wire format of `/login`, `/logout` and `/logout/all` (Matrix client-server API, "Login" and "Logging out").
"""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from owncast_py.accounts.devices import MAX_DEVICE_ID, Devices
from owncast_py.accounts.interactive import Stage
from owncast_py.accounts.logins import Logins
from web.addresses import client_address, tells_apart
from web.api.matrix.callers import Callers, caller
from web.api.matrix.devices import Nothing
from web.api.matrix.errors import ENVELOPE, MAY_FAIL, MatrixError, refusing
from web.api.matrix.interactive import TYPES, Text, UserIdentifier, name_of
from web.api.matrix.paths import CLIENT
from web.body import Input
from web.operations import Api, Call, Contract, Operation

PASSWORD = TYPES[Stage.PASSWORD]

DeviceId = Annotated[str, Field(max_length=MAX_DEVICE_ID)]


class LoginFlow(TypedDict):
    """A way to sign in."""

    type: str


class LoginFlows(TypedDict):
    """All ways to sign in."""

    flows: list[LoginFlow]


class DeviceWish(Input):
    """The device that somebody would like to be at."""

    device_id: DeviceId = ""
    initial_device_display_name: str = ""
    """Of a new one; one that there is already keeps its name."""


class Login(DeviceWish):
    """Who somebody is, and how they prove it."""

    type: Text
    identifier: UserIdentifier | None = None
    user: Text = ""
    """The older way to say who."""
    password: Text | None = None


class LoggedIn(TypedDict):
    """Who somebody is from now on, at which device, and the token that says so; no token if none was wanted."""

    user_id: str
    home_server: str
    access_token: NotRequired[str]
    device_id: NotRequired[str]


class SigningInApi:
    """The operations."""

    def __init__(self, devices: Devices, logins: Logins, callers: Callers) -> None:
        self._devices = devices
        self._logins = logins
        self._callers = callers

    def operations(self) -> list[Operation]:
        """All of them."""
        guard = self._callers.guard
        api = Api("Signing in", refusing, ENVELOPE)
        api.add("GET", f"{CLIENT}/login", self._flows, contract=Contract("getLoginFlows"))
        contract = Contract("login", refusals=(*MAY_FAIL, 403, 413, 429))
        api.add("POST", f"{CLIENT}/login", self._sign_in, contract=contract)
        api.add("POST", f"{CLIENT}/logout", self._sign_out, guard, contract=Contract("logout"))
        api.add("POST", f"{CLIENT}/logout/all", self._sign_out_all, guard, contract=Contract("logout_all"))
        return api.operations

    async def _flows(self, _call: Call[None]) -> LoginFlows:
        """The ways to sign in."""
        return {"flows": [{"type": PASSWORD}]}

    async def _sign_in(self, call: Call[Login]) -> LoggedIn:
        """Signs somebody in by name and password, at a new device or at the one that they name."""
        request, wish = call.request, call.input
        if wish.type != PASSWORD:
            raise MatrixError(400, "M_INVALID_PARAM", f"One signs in here by {PASSWORD}, not {wish.type[:60]!r}.")
        if wish.password is None:
            raise MatrixError(400, "M_MISSING_PARAM", "The field 'password' is missing.")
        name = self._callers.name_in(request, name_of(wish.identifier, wish.user))
        user = await self._logins.check(name, wish.password, tells_apart(client_address(request)))
        device, token = await self._devices.sign_in(
            user.id, wish.initial_device_display_name or request.headers.get("User-Agent", ""), wish.device_id
        )
        self._devices.seen(device, client_address(request))
        return {
            "user_id": self._callers.user_id(request, user),
            "home_server": self._callers.server_name(request),
            "access_token": token,
            "device_id": device.id,
        }

    async def _sign_out(self, call: Call[None]) -> Nothing:
        """Signs out the device that asks."""
        await self._devices.sign_out(call.actor.id, [caller(call.request).device.id])
        return {}

    async def _sign_out_all(self, call: Call[None]) -> Nothing:
        """Signs whoever asks out everywhere."""
        await self._devices.sign_out_all(call.actor.id)
        return {}
