"""The notifications of one subscription as they come: Server-Sent Events.

Owns the stream: its frames (HTML Standard, 9.2), where it begins, and that it ends. Pulled notifications are not
acknowledged by it; whoever has processed them does that.
"""

from __future__ import annotations

import asyncio

import structlog
from aiohttp import hdrs, web
from pydantic import Field

from owncast_py.accounts.model import Scope
from owncast_py.errors import StorageError
from owncast_py.notifications.filters import Order
from owncast_py.notifications.listing import Listing
from owncast_py.notifications.model import Method, Shelf
from owncast_py.notifications.service import Notifications
from owncast_py.notifications.shelves import Found
from web.api.apiture import callers
from web.api.apiture.errors import ENVELOPE, Refused
from web.api.apiture.references import NOTIFICATION, identifier
from web.api.apiture.waiting import Waiting
from web.authentication import Authentication
from web.body import Query
from web.operations import Api, Call, Contract, Media, Operation, Wrapper

MAX_STREAMS = 200
"""Open at once; each holds a connection."""
BATCH = 100
"""Notifications that are read at once."""
HEARTBEAT_SECONDS = 15.0
SLOW_SECONDS = 10.0
"""Whoever takes nothing for so long is dropped."""
RETRY_MILLISECONDS = 3_000
"""After which a client comes back."""
HEARTBEAT = b": still here\n\n"
LAST_EVENT_ID = "Last-Event-ID"

log = structlog.get_logger(__name__)


class After(Query):
    """Where to begin."""

    last_event_id: str = Field("", alias="lastEventId", description="As the header Last-Event-ID.")


class EventsApi:
    """The route of streams."""

    def __init__(self, notifications: Notifications, authentication: Authentication, waiting: Waiting) -> None:
        self._shelves = notifications.shelves
        self._subscribing = notifications.subscribing
        self._guard = authentication.as_data(Scope.DATA_READ)
        self._waiting = waiting
        self._streams = 0

    def operations(self, wrapper: Wrapper) -> list[Operation]:
        """All of them."""
        api = Api("Notifications: delivery", wrapper, ENVELOPE)
        api.add(
            *("GET", "/notifications/subscriptions/{subscriptionId}/events", self._events),
            guard=self._guard,
            media=Media("text/event-stream", "Events until the client or the server ends it."),
            contract=Contract(
                "getSubscriptionEvents",
                takes={LAST_EVENT_ID: "The id of the notification after which to begin."},
                refusals=(404, 422),
            ),
        )
        return api.operations

    async def _events(self, call: Call[After]) -> web.StreamResponse:
        """The notifications of a subscription as Server-Sent Events.

        Each has the notification's id, as event the name of its topic, and as data its body. A stream begins after the
        event that is named; else with the oldest that waits to be pulled, or for a subscription that is pushed with
        what comes from now on. Comments keep it alive.
        """
        request, subscription_id = call.request, call.part("subscriptionId")
        found = self._subscribing.subscription(subscription_id)
        if found is None:
            sentence = f"There is no subscription with the id {subscription_id[:60]!r}."
            raise Refused(404, "resourceNotFound", sentence)
        given = request.headers.get(LAST_EVENT_ID, "") or call.input.last_event_id
        after = identifier(request, given, NOTIFICATION, LAST_EVENT_ID) if given else ""
        pulled = found.endpoint.method is Method.PULL
        if not after and not pulled:
            after = await self._newest(subscription_id)
        if self._streams >= MAX_STREAMS:
            sentence = f"{MAX_STREAMS} streams are open already; try again later, or pull."
            raise Refused(503, "serverBusy", sentence, headers={"Retry-After": "30"})
        headers = {hdrs.CONTENT_TYPE: "text/event-stream", hdrs.CACHE_CONTROL: "no-store", "X-Accel-Buffering": "no"}
        response = web.StreamResponse(headers=headers)
        self._streams += 1
        try:
            await response.prepare(request)
            if request.method != "HEAD":
                reason = await self._send(call, response, subscription_id, after, Shelf.PULL if pulled else None)
                log.info("events closed: " + reason, subscription=subscription_id)
        finally:
            self._streams -= 1
        return response

    async def _send(
        self, call: Call[After], response: web.StreamResponse, subscription_id: str, after: str, shelf: Shelf | None
    ) -> str:
        """Why it ended. Nothing is raised: what has begun as a stream cannot become a refusal."""
        try:
            await _write(response, b"retry: %d\n\n" % RETRY_MILLISECONDS)
            while True:
                # Whose token was taken away meanwhile hears no more.
                await self._guard.check(call.request)
                subscribed = self._subscribing.subscription(subscription_id)
                if subscribed is None:
                    return "the subscription was deleted"
                async with self._waiting.listening([subscribed.endpoint.id], HEARTBEAT_SECONDS) as arrival:
                    found = await self._shelves.following(subscription_id, after, shelf, BATCH)
                    for each in found:
                        if callers.may_read(call.actor, each.entity):
                            await _write(response, self._frame(each))
                        after = each.notification.id
                    if self._waiting.closed:
                        return "the server is stopping"
                    if found:
                        continue
                    if not await self._waiting.heard(arrival) and not self._waiting.closed:
                        await _write(response, HEARTBEAT)
        except TimeoutError:
            if call.request.transport is not None:
                call.request.transport.abort()
            return "the reader stalled"
        except ConnectionError:
            return "the reader left"
        except web.HTTPException as refused:
            return refused.text or refused.reason
        except (Refused, StorageError) as refused:
            return str(refused)

    async def _newest(self, subscription_id: str) -> str:
        """The id of the newest notification that it has got; empty when there is none."""
        newest = Listing(limit=1, sort=(Order("id", descending=True),))
        found = await self._shelves.notifications(tuple(Shelf), newest, subscription_id=subscription_id)
        return found.items[0].notification.id if found.items else ""

    def _frame(self, found: Found) -> bytes:
        topic = self._subscribing.topic(found.notification.topic_id)
        name = " ".join(topic.name.split()) if topic else ""
        data = b"".join(b"data: %b\n" % line for line in found.body.splitlines())
        return b"id: %b\nevent: %b\n%b\n" % (found.notification.id.encode(), name.encode(), data)


async def _write(response: web.StreamResponse, octets: bytes) -> None:
    async with asyncio.timeout(SLOW_SECONDS):
        await response.write(octets)
