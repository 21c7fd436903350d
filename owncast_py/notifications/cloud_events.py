"""A notification as a CloudEvent 1.0 in the JSON format, for receivers that want events of all senders in one shape.

Owns the envelope; sending it, in "structured content mode", is the webhook channel's.
"""

from __future__ import annotations

import re
from datetime import UTC
from urllib.parse import quote

import orjson

from owncast_py.notifications.model import Parcel

CONTENT_TYPE = "application/cloudevents+json"
SPEC_VERSION = "1.0"
NAMESPACE = "urn:owncast:"

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#@!$&'()*+,;=\[\]-]|%[0-9A-Fa-f]{2})+")
_SAFE_IN_URN = "!$&'()*+,;=:@"
"""Apart from what is safe everywhere, what RFC 8141 lets stand in the specific part of a URN."""


def envelope(parcel: Parcel) -> bytes:
    """The event as JSON. Its body becomes `data` as it is; `id` is the notification's, the same at each try."""
    attributes = {
        "specversion": SPEC_VERSION,
        "id": parcel.notification_id,
        "source": source(parcel.topic.domain),
        "type": parcel.topic.name,
        "time": parcel.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
    }
    # "If present, [subject] MUST be a non-empty string".
    if parcel.entity:
        attributes["subject"] = parcel.entity
    return orjson.dumps({**attributes, "data": orjson.Fragment(parcel.body)})


def source(domain: str) -> str:
    """The URI for a domain of topics: the domain itself if it is one."""
    return domain if _URI.fullmatch(domain) else NAMESPACE + quote(domain, safe=_SAFE_IN_URN)
