"""Devices: the five operations of Matrix' device management.

Owns their wire format (Matrix client-server API, "Device management"). Whoever has no password may remove only other
devices than the one that asks: that one is signed out by `/logout`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NotRequired

import orjson
from pydantic import Field
from typing_extensions import TypedDict

from owncast_py.accounts.devices import MAX_DEVICES, MAX_NAME_LENGTH
from owncast_py.accounts.devices import Devices as DeviceService
from owncast_py.accounts.interactive import Stage
from owncast_py.accounts.model import Device
from owncast_py.realtime.tokens import to_milliseconds
from web.api.matrix.callers import Callers, caller
from web.api.matrix.errors import ENVELOPE, Challenge, MatrixError, refusing
from web.api.matrix.interactive import AuthData, Interactive
from web.api.matrix.paths import CLIENT
from web.body import Input
from web.operations import Api, Call, Contract, Operation


class Nothing(TypedDict):
    """An object without fields: it was done."""


class ClientDevice(TypedDict):
    """Where somebody is signed in. What was last seen may lag behind a little."""

    device_id: str
    user_id: str
    display_name: NotRequired[str]
    last_seen_ip: NotRequired[str]
    last_seen_ts: NotRequired[int]


class ClientDevices(TypedDict):
    """All devices of whoever asks."""

    devices: list[ClientDevice]


class DeviceUpdate(Input):
    """What is to be changed of a device."""

    display_name: str | None = None


class DeviceRemoval(Input):
    """A proof, where one was asked for."""

    auth: AuthData | None = None


class DevicesRemoval(DeviceRemoval):
    """Which devices are to be removed."""

    devices: Annotated[list[str], Field(max_length=MAX_DEVICES)]


class DevicesApi:
    """The operations."""

    def __init__(self, devices: DeviceService, interactive: Interactive, callers: Callers) -> None:
        self._devices = devices
        self._interactive = interactive
        self._callers = callers

    def operations(self) -> list[Operation]:
        """All of them."""
        guard = self._callers.guard
        api = Api("Devices", refusing, ENVELOPE)
        api.add("GET", f"{CLIENT}/devices", self._list, guard, contract=Contract("getDevices"))
        # Whatever stands in an id: aiohttp's own pattern takes no braces.
        path = f"{CLIENT}/devices/{{deviceId:[^/]+}}"
        api.add("GET", path, self._get, guard, contract=Contract("getDevice", refusals=(404,)))
        api.add("PUT", path, self._update, guard, contract=Contract("updateDevice", refusals=(404, 413)))
        api.add("DELETE", path, self._delete, guard, contract=Contract("deleteDevice", refusals=(413,), asks=Challenge))
        path = f"{CLIENT}/delete_devices"
        contract = Contract("deleteDevices", refusals=(413,), asks=Challenge)
        api.add("POST", path, self._delete_many, guard, contract=contract)
        return api.operations

    async def _list(self, call: Call[None]) -> ClientDevices:
        """Where whoever asks is signed in."""
        user_id = self._callers.user_id(call.request, call.actor)
        return {"devices": [_view(user_id, device) for device in await self._devices.of(call.actor.id)]}

    async def _get(self, call: Call[None]) -> ClientDevice:
        """One device of whoever asks."""
        device = await self._devices.get(call.actor.id, call.part("deviceId"))
        if device is None:
            raise _unknown(call.part("deviceId"))
        return _view(self._callers.user_id(call.request, call.actor), device)

    async def _update(self, call: Call[DeviceUpdate]) -> Nothing:
        """Calls a device something else."""
        device_id, name = call.part("deviceId"), call.input.display_name
        if name is not None and len(name) > MAX_NAME_LENGTH:
            raise MatrixError(
                400, "M_TOO_LARGE", f"A device's name has at most {MAX_NAME_LENGTH} characters, not {len(name)}."
            )
        if name is None:
            known = await self._devices.get(call.actor.id, device_id) is not None
        else:
            known = await self._devices.rename(call.actor.id, device_id, name)
        if not known:
            raise _unknown(device_id)
        return {}

    async def _delete(self, call: Call[DeviceRemoval]) -> Nothing:
        """Signs one device out, after a proof of who asks."""
        await self._remove(call, [call.part("deviceId")])
        return {}

    async def _delete_many(self, call: Call[DevicesRemoval]) -> Nothing:
        """Signs several devices out, after a proof of who asks. Those that there are not are passed over."""
        await self._remove(call, call.input.devices)
        return {}

    async def _remove(self, call: Call[DeviceRemoval], device_ids: Sequence[str]) -> None:
        operation = "delete devices " + orjson.dumps(sorted(set(device_ids))).decode(errors="replace")
        session = await self._interactive.prove(call.request, call.input.auth, call.actor, operation)
        if session.stage is Stage.TOKEN and caller(call.request).device.id in device_ids:
            sentence = "Without a password you can remove your other devices; sign this one out with /logout."
            raise MatrixError(403, "M_FORBIDDEN", sentence)
        await self._devices.sign_out(call.actor.id, device_ids)


def _view(user_id: str, device: Device) -> ClientDevice:
    found: ClientDevice = {"device_id": device.id, "user_id": user_id}
    if device.display_name:
        found["display_name"] = device.display_name
    if device.last_seen_ip is not None:
        found["last_seen_ip"] = device.last_seen_ip
    if device.last_seen_at is not None:
        found["last_seen_ts"] = to_milliseconds(device.last_seen_at)
    return found


def _unknown(device_id: str) -> MatrixError:
    return MatrixError(404, "M_NOT_FOUND", f"You have no device with the id {device_id[:64]!r}.")
