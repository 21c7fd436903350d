"""What delivery channels are handed, in tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import orjson

from owncast_py.notifications.model import DOMAIN, Endpoint, Parcel, Topic

AT = datetime(2026, 3, 4, 5, 6, 7, 890000, tzinfo=UTC)
STARTED = {
    "type": "STREAM_STARTED",
    "eventData": {"name": "Tea", "streamTitle": "Green tea", "serverURL": "https://tea.example"},
}
PARCEL = Parcel(
    "ntf_0000000000000001", Topic("top_1", DOMAIN, "CHAT", AT), AT, b'{"type":"CHAT","eventData":{"body":"hi"}}'
)


def started(event: object = STARTED, at: datetime = AT) -> Parcel:
    """That a show began."""
    return Parcel("ntf_0000000000000002", Topic("top_2", DOMAIN, "STREAM_STARTED", AT), at, orjson.dumps(event))


def endpoint(channel: str, url: str = "https://example.org/", **values: object) -> Endpoint:
    """An endpoint; `values` are its other fields."""
    return replace(Endpoint("end_1", channel, url, {}, True, AT, AT), **values)  # type: ignore[arg-type]
