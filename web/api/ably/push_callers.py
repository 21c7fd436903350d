"""Who asks about push: an admin, somebody who may subscribe, or a device itself.

Owns how a device says who it is (RSH6 of the features specification: X-Ably-DeviceToken or X-Ably-DeviceSecret; some
clients send the identity token as their bearer token instead), and what each of them may do. `push-admin` is for
everybody's devices, `push-subscribe` for one's own.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

import orjson
from aiohttp import web

from owncast_py.realtime.capability import ALL, Capability
from owncast_py.realtime.push import TOKEN_PREFIX, Push
from owncast_py.realtime.push_devices import Device, proves
from owncast_py.realtime.tokens import ANYBODY
from web.api.ably.errors import AblyError
from web.api.ably.gate import Gate, granted
from web.operations import Guard

TOKEN_HEADER = "X-Ably-DeviceToken"  # noqa: S105 - a name
SECRET_HEADER = "X-Ably-DeviceSecret"  # noqa: S105 - a name
TAKES = {TOKEN_HEADER: "The device's identity token.", SECRET_HEADER: "The device's deviceSecret."}
"""For contracts."""
ADMIN = "push-admin"
SUBSCRIBE = "push-subscribe"
MAX_TOKEN = 200
"""Characters of an identity token, or a device's secret."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks. `device` is the one that the caller proved to be by its token."""

    app: str
    client_id: str
    """Empty for nobody in particular, `*` for anybody."""
    capability: Capability | None
    """None for a device that came with its identity token alone."""
    device: Device | None
    secret: str = field(repr=False)

    def administers(self, channel: str = "*") -> bool:
        """Whether everybody's devices are this caller's affair, on a channel or all of them."""
        return self.capability is not None and self.capability.allows(channel, ADMIN)

    def demand_admin(self) -> None:
        """Raises AblyError unless it administers."""
        if not self.administers():
            raise AblyError(40160, 401, f"These credentials lack the capability {ADMIN}.")

    def demand_subscriber(self, channel: str = "") -> None:
        """Raises AblyError unless it may subscribe its own devices, to that channel or to any."""
        if self.capability is None:
            return
        if not (self.capability.allows(channel, SUBSCRIBE) if channel else _somewhere(self.capability, SUBSCRIBE)):
            where = f" for the channel {channel[:60]!r}" if channel else ""
            raise AblyError(40160, 401, f"These credentials lack the capability {SUBSCRIBE}{where}.")

    def owns(self, device: Device) -> bool:
        """Whether it has proved to be that device."""
        return self.is_device(device) or (self.app == device.app and proves(device, secret=self.secret))

    def is_device(self, device: Device) -> bool:
        """Whether that is the device whose token came."""
        return self.device is not None and (self.device.app, self.device.id) == (device.app, device.id)

    def demand_device(self, device: Device) -> None:
        """Raises AblyError unless it administers, or is that device and may subscribe."""
        if self.administers():
            return
        self.demand_subscriber()
        if not self.owns(device):
            raise AblyError(
                40100, 401, f"These credentials do not prove to be the device; send {TOKEN_HEADER} or {SECRET_HEADER}."
            )

    def is_client(self, client_id: str) -> bool:
        """Whether it may act as that client."""
        return bool(client_id) and self.client_id in (ANYBODY, client_id)

    def client_for(self, stated: str | None, before: Device | None) -> str:
        """Whose device is registered: as is stated where that may be. Raises AblyError."""
        if self.administers():
            return stated or ""
        if stated:
            if self.is_client(stated) or (
                before is not None and self.capability is None and before.client_id == stated
            ):
                return stated
            raise AblyError(40012, 400, f"The credentials are not for the client id {stated[:60]!r}.")
        if self.client_id in ("", ANYBODY):
            return before.client_id if before is not None else ""
        return self.client_id


_CALLER = web.RequestKey("_CALLER", Caller)


class PushGate:
    """Judges the credentials of requests about push."""

    def __init__(self, gate: Gate, push: Push) -> None:
        self._gate = gate
        self._push = push

    @property
    def guard(self) -> Guard:
        """For operations; who calls, `caller_of` says."""
        return Guard(self._check, "channels")

    async def _check(self, request: web.Request) -> None:
        token = _bearer(request)
        if token.startswith(TOKEN_PREFIX):
            device = self._identified(token)
            request[_CALLER] = Caller(device.app, device.client_id, None, device, "")
            return
        await self._gate.guard.check(request)
        grant = granted(request)
        sent, secret = (request.headers.get(name, "")[:MAX_TOKEN] for name in (TOKEN_HEADER, SECRET_HEADER))
        found = self._identified(sent) if sent else None
        if found is not None and found.app != grant.app:
            raise _unknown()
        request[_CALLER] = Caller(grant.app, grant.client_id, grant.capability, found, secret)

    def _identified(self, token: str) -> Device:
        # Some clients send it in base64.
        device = self._push.identified(token) or self._push.identified(_decoded(token))
        if device is None:
            raise _unknown()
        return device


def caller_of(request: web.Request) -> Caller:
    """Who calls an operation with `PushGate.guard`."""
    return request[_CALLER]


def _unknown() -> AblyError:
    return AblyError(41001, 401, "No device has that identity token.")


def _bearer(request: web.Request) -> str:
    scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        token = sent.strip()
    elif scheme:
        return ""
    else:
        token = request.query.get("access_token", "")
    if len(token) > 2 * MAX_TOKEN:
        return ""
    return token if token.startswith(TOKEN_PREFIX) else _decoded(token)


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def _somewhere(capability: Capability, operation: str) -> bool:
    """Whether that operation is allowed on any channel at all."""
    return any(operation in each or ALL in each for each in orjson.loads(capability.canonical()).values())
