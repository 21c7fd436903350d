"""Push devices as values: what a device is, what it may be, and which channels are pushed to it.

Owns the shapes and the rules of what a registration may say. Pure: who keeps them is `push`, who delivers is the queue
behind it. Names of fields are those of the Ably REST API 1.1.0 (DeviceDetails, Recipient); a recipient is kept as the
JSON object that it came as, for only its transport reads it.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum, auto
from hashlib import sha256

import orjson

from owncast_py.realtime.errors import RealtimeError

MAX_ID = 200
"""Characters of the id of a device or client, and of a channel's name."""
MAX_SECRET = 200
"""Characters of a device's secret."""
MAX_METADATA = 16 * 1024
"""Octets of a device's metadata as JSON."""
MAX_RECIPIENT = 8 * 1024
"""Octets of a recipient as JSON."""
MAX_PAYLOAD = 16 * 1024
"""Octets of a push as JSON, with what it says for each transport. The push services take 4096 of what is theirs."""

FORM_FACTORS = frozenset({"phone", "tablet", "desktop", "tv", "watch", "car", "embedded", "other"})
PLATFORMS = frozenset({"ios", "android", "browser"})
REQUIRED: Mapping[str, str] = {
    "fcm": "registrationToken",
    "gcm": "registrationToken",
    "apns": "deviceToken",
    "web": "targetUrl",
    "ablyChannel": "channel",
}
"""The transports, each with what a recipient must have for it."""
PARTS = ("notification", "data", "apns", "fcm", "gcm", "web")
"""What a push may consist of."""


class Fault(Enum):
    """What a refusal is about."""

    BAD = auto()
    """A value that cannot be."""
    UNKNOWN = auto()
    """There is no such device."""
    CHANNEL = auto()
    """Nothing is pushed of that channel."""
    TOO_LONG = auto()
    FULL = auto()


class PushError(RealtimeError):
    """Something about push that cannot be; nothing was changed."""

    def __init__(self, fault: Fault, sentence: str) -> None:
        super().__init__(sentence)
        self.fault = fault


class PushState(StrEnum):
    """How deliveries to a device go."""

    ACTIVE = "Active"
    FAILING = "Failing"
    """The last one failed; it is tried again."""
    FAILED = "Failed"
    """Its push service knows it no more. Nothing is sent until it has another recipient."""


@dataclass(frozen=True, slots=True)
class Registration:
    """What is to be known of a device. `secret` is empty where none is given, which leaves the one that it has."""

    id: str
    form_factor: str
    platform: str
    recipient: Mapping[str, object]
    client_id: str = ""
    metadata: Mapping[str, object] = field(default_factory=dict)
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Device:
    """A device that is registered. Of its secrets only SHA-256 hashes are kept, empty for those that it has not."""

    app: str
    id: str
    client_id: str
    form_factor: str
    platform: str
    metadata: Mapping[str, object]
    recipient: Mapping[str, object]
    secret_hash: bytes = field(repr=False)
    token_hash: bytes = field(repr=False)
    state: PushState
    error: str
    """The sentence of the last failure; empty while it is active."""
    failing_since: datetime | None
    endpoint_id: str
    """Where its pushes are queued; empty while nothing is sent to it."""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ChannelSubscription:
    """That what a channel says with a push goes to a device, or to all devices of a client; the other is empty."""

    app: str
    channel: str
    device_id: str
    client_id: str
    created_at: datetime

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is known by in its app. It sorts."""
        return self.channel, self.device_id, self.client_id


def check_registration(wanted: Registration) -> None:
    """Raises PushError for what no device can be."""
    check_id("id of a device", wanted.id)
    if wanted.client_id:
        check_client(wanted.client_id)
    _check_word("formFactor", wanted.form_factor, FORM_FACTORS)
    _check_word("platform", wanted.platform, PLATFORMS)
    if len(wanted.secret) > MAX_SECRET:
        raise PushError(Fault.BAD, f"The deviceSecret has {len(wanted.secret)} characters; give at most {MAX_SECRET}.")
    check_metadata(wanted.metadata)
    check_recipient(wanted.recipient)


def check_id(what: str, value: str) -> None:
    """Raises PushError for what can be neither the id of a device nor that of a client, nor a channel's name."""
    if not 1 <= len(value) <= MAX_ID or not value.isprintable():
        raise PushError(Fault.BAD, f"The {what} cannot be {value[:60]!r}; give 1 to {MAX_ID} printable characters.")


def check_client(client_id: str) -> None:
    """Raises PushError for what no client is called."""
    check_id("clientId", client_id)
    if client_id == "*":
        raise PushError(Fault.BAD, "The clientId cannot be '*', which stands for any; name one client.")


def check_metadata(metadata: Mapping[str, object]) -> None:
    """Raises PushError for too much of it."""
    size = _octets("metadata", metadata)
    if size > MAX_METADATA:
        raise PushError(Fault.TOO_LONG, f"The metadata has {size} octets; give at most {MAX_METADATA}.")


def check_recipient(recipient: Mapping[str, object]) -> None:
    """Raises PushError for one that nothing could be sent to."""
    transport = recipient.get("transportType")
    needed = REQUIRED.get(transport) if isinstance(transport, str) else None
    if needed is None:
        raise PushError(
            Fault.BAD,
            f"The transportType of push.recipient cannot be {str(transport)[:60]!r}; use one of {', '.join(REQUIRED)}.",
        )
    value = recipient.get(needed)
    if not isinstance(value, str) or not value:
        raise PushError(Fault.BAD, f"A push.recipient for {transport} needs the text {needed!r}.")
    size = _octets("recipient", recipient)
    if size > MAX_RECIPIENT:
        raise PushError(Fault.TOO_LONG, f"The recipient has {size} octets; give at most {MAX_RECIPIENT}.")


def payload_of(push: Mapping[str, object]) -> bytes:
    """The JSON of a push, of nothing but PARTS. Raises PushError for one that says nothing, or too much."""
    parts = {name: push[name] for name in PARTS if push.get(name) is not None}
    if not parts:
        raise PushError(Fault.BAD, f"The push says nothing; give at least one of {', '.join(PARTS)}.")
    for name, value in parts.items():
        if not isinstance(value, dict) and not (name == "data" and isinstance(value, str)):
            raise PushError(Fault.BAD, f"The part {name!r} of a push must be an object, not {type(value).__name__}.")
    size = _octets("push", parts)
    if size > MAX_PAYLOAD:
        raise PushError(Fault.TOO_LONG, f"The push has {size} octets; send at most {MAX_PAYLOAD}.")
    return orjson.dumps(parts)


def hashed(secret: str) -> bytes:
    """What is kept of a secret. It is long and random, or the device's own affair: a slow hash would gain nothing."""
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


def proves(device: Device, *, secret: str = "", token: str = "") -> bool:
    """Whether who says this is that device: it knows the deviceSecret, or the identity token."""
    return _matches(device.secret_hash, secret) or _matches(device.token_hash, token)


def _matches(known: bytes, said: str) -> bool:
    return bool(known and said) and hmac.compare_digest(known, hashed(said))


def _check_word(what: str, value: str, known: frozenset[str]) -> None:
    if value not in known:
        raise PushError(Fault.BAD, f"The {what} cannot be {value[:60]!r}; use one of {', '.join(sorted(known))}.")


def _octets(what: str, value: Mapping[str, object]) -> int:
    try:
        return len(orjson.dumps(value))
    except TypeError:
        raise PushError(Fault.BAD, f"The {what} has values that JSON does not know, such as octets.") from None
