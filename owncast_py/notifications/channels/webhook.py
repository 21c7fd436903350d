"""The webhook channel: an event as JSON, posted to a program's address, and the question whether it wants that.

Owns the headers and the handshake. `webhook-id` is the notification's, the same at each try, so that a receiver can
tell what it already has; `webhook-timestamp` is when this try was made, in seconds since 1970; `webhook-signature` is
by Standard Webhooks (see `signing`). An endpoint's document may have `"format": "cloudevents"`.

The handshake is that of CloudEvents, "HTTP 1.1 Web Hooks for Event Delivery", section 4; receivers that do not know it
are sent a test message instead.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime

import orjson

from owncast_py.notifications import cloud_events
from owncast_py.notifications.channels import Outcome
from owncast_py.notifications.channels.posting import Poster
from owncast_py.notifications.errors import NotificationError
from owncast_py.notifications.model import DOMAIN, MAX_TOKEN, Endpoint, Parcel, Topic
from owncast_py.notifications.signing import signature_header
from owncast_py.notifications.targets import check_url

EVENT = "event"
CLOUD_EVENTS = "cloudevents"
FORMATS = (EVENT, CLOUD_EVENTS)
"""What an endpoint's document can have as its `format`. Without one it is the first."""
REQUEST_ORIGIN = "WebHook-Request-Origin"
ALLOWED_ORIGIN = "WebHook-Allowed-Origin"
TEST = "TEST"
"""The type of test messages."""
TEST_PREFIX = "tst_"

_TEST_SENTENCE = "This is a test. Answer with any status from 200 to 299 and events are sent here."


class Webhook:
    """A DeliveryChannel."""

    authenticates = True
    lasting = True

    def __init__(
        self, poster: Poster, now: Callable[[], datetime], origin: Callable[[], str], *, allow_private: bool = False
    ) -> None:
        """`now` is aware UTC. `origin` gives the host name by which receivers know this server.

        `allow_private` lets endpoints have addresses of private networks.
        """
        self._poster = poster
        self._now = now
        self._origin = origin
        self._allow_private = allow_private

    def check(self, endpoint: Endpoint) -> None:
        """Looks at the address, the token and the format."""
        check_url(endpoint.url, allow_private=self._allow_private)
        if len(endpoint.token) > MAX_TOKEN:
            raise NotificationError(f"The token has {len(endpoint.token)} characters; give one of at most {MAX_TOKEN}.")
        # It becomes part of a header; with a line break in it, it would become several.
        if not all("!" <= character <= "~" for character in endpoint.token):
            raise NotificationError(
                "The token has a space, a control character or one that is not ASCII in it; give it without."
            )
        wanted = endpoint.document.get("format", EVENT)
        if wanted not in FORMATS:
            raise NotificationError(f"There is no format {str(wanted)[:40]!r}; there are: {', '.join(FORMATS)}.")

    async def greet(self, endpoint: Endpoint) -> str:
        """Asks with OPTIONS; where that says nothing, with a signed test message."""
        origin = self._origin()
        outcome, headers = await self._poster.options(
            endpoint.url, {REQUEST_ORIGIN: origin, **_authorization(endpoint)}
        )
        if outcome.unauthenticated:
            return _stranger(outcome)
        if outcome.status is None:
            return outcome.error
        # "the handshake cannot rely on status codes": without this header a 2xx is nobody's consent.
        allowed = headers.get(ALLOWED_ORIGIN, "").strip()
        if outcome.received and allowed:
            if allowed == "*" or allowed.lower() == origin.lower():
                return ""
            return (
                f"The receiver lets {allowed[:200]!r} send to it, but this server is {origin[:200]!r}; "
                f"let it answer with {ALLOWED_ORIGIN}: {origin[:200]} or *."
            )
        return await self._test(endpoint)

    async def deliver(self, endpoint: Endpoint, parcel: Parcel) -> Outcome:
        """Posts the event."""
        headers = {"Content-Type": "application/json"}
        body = parcel.body
        if endpoint.document.get("format") == CLOUD_EVENTS:
            body = cloud_events.envelope(parcel)
            # "the sender MUST use the Origin request header for each delivery request". Only here: other receivers may
            # take a request with an Origin for one of a web page, and refuse it.
            headers = {"Content-Type": cloud_events.CONTENT_TYPE, "Origin": self._origin()}
        now = self._now()
        timestamp = int(now.timestamp())
        headers |= {"webhook-id": parcel.notification_id, "webhook-timestamp": str(timestamp)}
        if valid := _secrets(endpoint, now):
            headers["webhook-signature"] = signature_header(valid, parcel.notification_id, timestamp, body)
        return await self._poster.post(endpoint.url, body, headers | _authorization(endpoint))

    async def _test(self, endpoint: Endpoint) -> str:
        now = self._now()
        body = orjson.dumps({"type": TEST, "eventData": {"message": _TEST_SENTENCE}})
        parcel = Parcel(TEST_PREFIX + secrets.token_hex(8), Topic("", DOMAIN, TEST, now), now, body)
        outcome = await self.deliver(endpoint, parcel)
        if outcome.received:
            return ""
        if outcome.unauthenticated:
            return _stranger(outcome)
        if outcome.status is None:
            return outcome.error
        return f"{outcome.error} That was to a test message; let the receiver answer those with 2xx, and try again."


def _secrets(endpoint: Endpoint, now: datetime) -> list[str]:
    valid = [endpoint.secret] if endpoint.secret else []
    if endpoint.former_secret and endpoint.former_until is not None and now < endpoint.former_until:
        valid.append(endpoint.former_secret)
    return valid


def _authorization(endpoint: Endpoint) -> dict[str, str]:
    return {"Authorization": f"Bearer {endpoint.token}"} if endpoint.token else {}


def _stranger(outcome: Outcome) -> str:
    return f"{outcome.error} It does not know this server; give the endpoint the token that its receiver expects."
