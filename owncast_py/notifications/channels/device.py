"""The delivery channel of push devices: hands a push to the transport that its recipient names.

Owns the choice of the transport, and that whoever keeps the devices hears what came of each try. An endpoint's document
is `{"app", "device"?, "recipient": {"transportType", …}}`; the body of what is delivered is a push, an object of some
of `notification data apns fcm gcm web`. What a transport makes of that is its own module's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import orjson

from owncast_py.notifications.channels import Outcome
from owncast_py.notifications.errors import NotificationError
from owncast_py.notifications.model import Endpoint, Parcel

GENERIC = ("title", "body", "icon", "sound", "collapseKey")
"""What a notification may say for all transports (Ably REST API 1.1.0, Notification)."""


@dataclass(frozen=True, slots=True)
class Said:
    """A push as one transport is to tell it.

    `notification` and `data` are what is said for all, with what is said for this one over it; `own` is all else that
    is said for this one alone, in its own words. `body` is the whole push as JSON.
    """

    notification: Mapping[str, object]
    data: Mapping[str, object]
    own: Mapping[str, object]
    at: datetime
    body: bytes

    def text(self, name: str) -> str:
        """One of GENERIC; empty when it is not said."""
        value = self.notification.get(name)
        return value if isinstance(value, str) else ""


class Transport(Protocol):
    """One way to a device."""

    names: tuple[str, ...]
    """What a push calls what is for this transport alone."""

    async def send(self, recipient: Mapping[str, object], said: Said) -> Outcome:
        """Tries once, within a bounded time. Whatever the network does is an Outcome, not an exception."""
        ...


class Settled(Protocol):
    """Who hears of each try."""

    async def __call__(self, document: Mapping[str, object], *, received: bool, gone: bool, error: str) -> bool:
        """Returns whether the document is still the one of its device."""
        ...


class DeviceChannel:
    """A DeliveryChannel."""

    authenticates = False
    lasting = False

    def __init__(self, transports: Mapping[str, Transport]) -> None:
        """`transports` by what a recipient calls them in `transportType`."""
        self._transports = transports
        self.settled: Settled | None = None
        """Set once there is somebody who keeps devices; nothing is delivered before."""

    def check(self, endpoint: Endpoint) -> None:
        """Refuses: whoever types in an endpoint is no device."""
        raise NotificationError("Devices register themselves at /push/deviceRegistrations, not here.")

    async def greet(self, endpoint: Endpoint) -> str:
        """A device asked to be told."""
        return ""

    async def deliver(self, endpoint: Endpoint, parcel: Parcel) -> Outcome:
        """Sends it, and tells."""
        if self.settled is None:
            return Outcome(error="The server is starting.")
        outcome = replace(await self._send(endpoint.document.get("recipient"), parcel), unauthenticated=False)
        current = await self.settled(
            endpoint.document, received=outcome.received, gone=outcome.gone, error=outcome.error
        )
        # It has another recipient by now: only the former is gone.
        return outcome if current else replace(outcome, gone=False)

    async def _send(self, recipient: object, parcel: Parcel) -> Outcome:
        if not isinstance(recipient, dict):
            return Outcome(error="The endpoint has no recipient.", gone=True)
        name = str(recipient.get("transportType", ""))
        transport = self._transports.get(name)
        if transport is None:
            return Outcome(error=f"This server has no way to {name[:40]!r}; its configuration says nothing of it.")
        return await transport.send(recipient, told(parcel, transport.names))


def told(parcel: Parcel, names: tuple[str, ...]) -> Said:
    """What a push says to a transport that it calls one of `names`."""
    push = orjson.loads(parcel.body)
    own: dict[str, object] = {}
    for name in names:
        own |= _object(push.get(name))
    notification = _object(push.get("notification")) | _object(own.pop("notification", None))
    data = _object(push.get("data")) | _object(own.pop("data", None))
    return Said(notification, data, own, parcel.at, parcel.body)


def _object(value: object) -> dict[str, object]:
    """An object; a text, as older clients send their data, is one in JSON or stands alone."""
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, str) and value:
        try:
            found = orjson.loads(value)
        except orjson.JSONDecodeError:
            found = None
        return found if isinstance(found, dict) else {"data": value}
    return {}
