"""Devices and subscriptions as they stand in requests and answers.

Owns the shapes of DeviceDetails, what a form makes of them, and the parameters of lists. The REST API 1.1.0 writes
`push.recipient` and `push.state` as fields of their own; today's clients send and read `{"push": {"recipient", "state",
"error"?}}`. Both are taken; answers have the first form as well for clients that say no version from 2 on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, NotRequired

import orjson
from pydantic import Field, model_validator
from typing_extensions import TypedDict

from owncast_py.realtime.push_devices import ChannelSubscription, Device, PushState
from web.api.ably.errors import AblyError, ErrorInfo
from web.api.ably.messages import milliseconds
from web.api.ably.paging import DEFAULT_LIMIT, MAX_LIMIT
from web.body import Input, Query

MAX_DEPTH = 4
"""Of dots in the name of a form's field."""

Object = dict[str, object]
Text = Annotated[str, Field(max_length=1_000)]


class PushView(TypedDict):
    """Where a device is reached, and how that goes."""

    recipient: Mapping[str, object]
    state: str
    error: NotRequired[ErrorInfo]


class IdentityToken(TypedDict):
    """By what a device proves to be itself. It is shown once."""

    token: str
    deviceId: str
    issued: int


DeviceView = TypedDict(
    "DeviceView",
    {
        "id": str,
        "clientId": NotRequired[str],
        "formFactor": str,
        "platform": str,
        "metadata": Mapping[str, object],
        "push": PushView,
        "push.recipient": NotRequired[Mapping[str, object]],
        "push.state": NotRequired[str],
        "modified": int,
        "deviceIdentityToken": NotRequired[IdentityToken],
        "updateToken": NotRequired[str],
    },
)


class SubscriptionView(TypedDict):
    """What is pushed to whom: a device, or all of a client."""

    channel: str
    deviceId: NotRequired[str]
    clientId: NotRequired[str]


class Unfolded(Input):
    """A body that may have dots in its names, or JSON in its texts, as forms have."""

    @model_validator(mode="before")
    @classmethod
    def _unfolded(cls, given: object) -> object:
        return unfolded(given) if isinstance(given, dict) else given


class Details(Input):
    """A device, or what changes of it."""

    id: Text | None = None
    client_id: Text | None = Field(None, alias="clientId")
    device_secret: Text | None = Field(None, alias="deviceSecret", repr=False)
    form_factor: Text | None = Field(None, alias="formFactor")
    platform: Text | None = None
    metadata: Object | None = None
    recipient: Object | None = Field(None, alias="push.recipient")

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, given: object) -> object:
        found = unfolded(given) if isinstance(given, dict) else given
        if isinstance(found, dict) and isinstance(found.get("push"), dict) and "recipient" in found["push"]:
            return {**found, "push.recipient": found["push"]["recipient"]}
        return found


class Subscribing(Unfolded):
    """Who is subscribed to what."""

    channel: Text
    device_id: Text | None = Field(None, alias="deviceId")
    client_id: Text | None = Field(None, alias="clientId")


class Publishing(Unfolded):
    """A push, and for whom. What it says stands in `push`, or beside the recipient."""

    recipient: Object
    push: Object | None = None
    notification: object = None
    data: object = None
    apns: object = None
    fcm: object = None
    gcm: object = None
    web: object = None

    @property
    def said(self) -> Object:
        """What it says."""
        names = ("notification", "data", "apns", "fcm", "gcm", "web")
        beside = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return {**(self.push or {}), **beside}


class Part(Query):
    """A part of a list. More than there can be on a page is asked for by some, and gets a page."""

    longest: ClassVar[int] = 1_000

    limit: int = Field(DEFAULT_LIMIT, ge=1, description=f"How many items; {MAX_LIMIT} at most come.")
    cursor: str = Field("", description="From a link; what it holds may change.")

    @property
    def size(self) -> int:
        """How many there are on a page."""
        return min(self.limit, MAX_LIMIT)


class DevicesPart(Part):
    """Which devices."""

    device_id: str = Field("", alias="deviceId", description="Only this device.")
    client_id: str = Field("", alias="clientId", description="Only those of this client.")


class SubscriptionsPart(DevicesPart):
    """Which subscriptions."""

    channel: str = Field("", description="Only those to this channel.")
    concat_filters: bool = Field(False, alias="concatFilters", description="Those of the device and of the client.")


class Removed(Query):
    """Which devices are removed: that one, or those of that client."""

    device_id: str = Field("", alias="deviceId")
    client_id: str = Field("", alias="clientId")


class Unsubscribed(Removed):
    """Which subscriptions are removed."""

    channel: str = ""


def device_view(device: Device, *, modern: bool) -> DeviceView:
    """A device as it is shown: without its secrets."""
    state = device.state.value
    push: PushView = {"recipient": device.recipient, "state": state.upper() if modern else state}
    if device.error:
        code, status = (41001, 400) if device.state is PushState.FAILED else (50001, 500)
        push["error"] = AblyError(code, status, device.error).info()
    view: DeviceView = {
        "id": device.id,
        "formFactor": device.form_factor,
        "platform": device.platform,
        "metadata": device.metadata,
        "push": push,
        "modified": milliseconds(device.updated_at),
    }
    if device.client_id:
        view["clientId"] = device.client_id
    if not modern:
        view["push.recipient"], view["push.state"] = device.recipient, state
    return view


def subscription_view(found: ChannelSubscription) -> SubscriptionView:
    """A subscription as it is shown."""
    view: SubscriptionView = {"channel": found.channel}
    if found.device_id:
        view["deviceId"] = found.device_id
    else:
        view["clientId"] = found.client_id
    return view


def unfolded(given: Mapping[str, object]) -> dict[str, object]:
    """A body with its dots taken for objects within each other, and texts that are JSON objects for these."""
    found: dict[str, object] = {}
    for name, value in given.items():
        parts = name.split(".", MAX_DEPTH)
        if isinstance(value, str) and value.startswith("{"):
            value = _parsed(value)
        inner = found
        for part in parts[:-1]:
            deeper = inner.get(part)
            # A copy: what came as an object stays as it came.
            inner[part] = inner = dict(deeper) if isinstance(deeper, dict) else {}
        last = parts[-1]
        before = inner.get(last)
        inner[last] = {**value, **before} if isinstance(before, dict) and isinstance(value, dict) else value
    return found


def _parsed(text: str) -> object:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return found if isinstance(found, dict) else text
