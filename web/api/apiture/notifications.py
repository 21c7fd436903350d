"""Notifications: what waits, what was received, and what was given up.

Owns reading and deleting in the four collections of notifications and those that are nested in topics and
subscriptions. What else is done with notifications is `processing`'s, how a request waits for some `waiting`'s.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TypeVar

from aiohttp import web
from pydantic import Field

from owncast_py.accounts.model import Scope, User
from owncast_py.notifications.filters import Compare, Operator
from owncast_py.notifications.listing import NOTIFICATION_FIELDS, Listed, Page
from owncast_py.notifications.model import Shelf
from owncast_py.notifications.service import Notifications
from owncast_py.notifications.shelves import Found
from owncast_py.notifications.subscribing import Subscribing
from web.api.apiture import callers, etags
from web.api.apiture.errors import ENVELOPE, Refused
from web.api.apiture.hal import Hal, page, uri
from web.api.apiture.lists import CREATED_AT, STATE, UPDATED_AT, Part
from web.api.apiture.references import COLLECTIONS, SUBSCRIPTION, TOPIC, alternatives
from web.api.apiture.topics import ETAG, IF_MATCH, IF_NONE_MATCH
from web.api.apiture.views import NotificationsView, NotificationView, notification_view, summary_view
from web.api.apiture.waiting import MAX_WAIT, Waiting
from web.authentication import Authentication
from web.operations import Api, Call, Contract, Operation, Wrapper

Method = Callable[..., Awaitable[object]]

ALL_SHELVES = tuple(Shelf)
OF_SUBSCRIPTION = "Only those of this subscription, by its id or URI; `|` between several."
OF_TOPIC = "Only those of this topic, by its id or URI; `|` between several."


class OfTopic(Part):
    """Which notifications of a subscription."""

    topic: str = Field("", description=OF_TOPIC)


class OfSubscription(Part):
    """Which notifications of a topic."""

    subscription: str = Field("", description=OF_SUBSCRIPTION)


class OfBoth(Part):
    """Which notifications."""

    subscription: str = Field("", description=OF_SUBSCRIPTION)
    topic: str = Field("", description=OF_TOPIC)


class OfBothOrUri(OfBoth):
    """Which queued notifications."""

    subscription_uri: str = Field(
        "", alias="subscriptionUri", description="As `subscription`.", json_schema_extra={"deprecated": True}
    )


class ToPull(OfBothOrUri):
    """Which notifications that wait to be pulled."""

    state: str = Field("", description=STATE)
    created_at: str = Field("", alias="createdAt", description=CREATED_AT)
    updated_at: str = Field("", alias="updatedAt", description=UPDATED_AT)
    wait: float = Field(
        0, ge=0, le=MAX_WAIT, allow_inf_nan=False, description="Seconds to wait until there is something."
    )


Asked = TypeVar("Asked", bound=Part)


class NotificationsApi:
    """The routes of notifications."""

    def __init__(self, notifications: Notifications, authentication: Authentication, waiting: Waiting) -> None:
        self._shelves = notifications.shelves
        self._subscribing = notifications.subscribing
        self._authentication = authentication
        self._reading = authentication.as_data(Scope.DATA_READ)
        self._waiting = waiting

    def operations(self, wrapper: Wrapper) -> list[Operation]:
        """All of them."""
        reading = self._reading
        deleting = self._authentication.as_data(Scope.DATA_DELETE)
        api = Api("Notifications: delivery", wrapper, ENVELOPE)

        def listing(name: str, path: str, method: Method, *refusals: int) -> None:
            api.add("GET", path, method, reading, contract=Contract(name, refusals=(422, *refusals)))

        def one(name: str, path: str, method: Method) -> None:
            contract = Contract(name, 200, ETAG, IF_NONE_MATCH, refusals=(404,), unchanged=True)
            api.add("GET", path, method, reading, contract=contract)

        def removal(name: str, path: str, method: Method) -> None:
            contract = Contract(name, 204, takes=IF_MATCH, refusals=(404, 412, 507))
            api.add("DELETE", path, method, deleting, contract=contract)

        base = "/notifications"
        listing("getPullNotifications", f"{base}/pullNotifications", self._to_pull)
        one("getPullNotification", f"{base}/pullNotifications/{{notificationId}}", self._pulled)
        removal("deleteNotification", f"{base}/pullNotifications/{{notificationId}}", self._delete_pulled)
        listing("getDeliveryQueue", f"{base}/deliveryQueue", self._queue)
        one("getPushNotification", f"{base}/deliveryQueue/{{notificationId}}", self._queued)
        removal("deletePushNotification", f"{base}/deliveryQueue/{{notificationId}}", self._delete_queued)
        listing("getFailedNotifications", f"{base}/failedNotifications", self._failures)
        one("getFailedNotification", f"{base}/failedNotifications/{{notificationId}}", self._failed)
        removal("deleteFailedNotification", f"{base}/failedNotifications/{{notificationId}}", self._delete_failed)
        listing("getReceivedNotifications", f"{base}/receivedNotifications", self._receipts)
        one("getReceivedNotification", f"{base}/receivedNotifications/{{notificationId}}", self._received)
        listing(
            "getNotificationsSubscription",
            f"{base}/subscriptions/{{subscriptionId}}/notifications",
            self._of_subscription,
            404,
        )
        listing("getNotificationsForTopic", f"{base}/topics/{{topicId}}/notifications", self._of_topic, 404)
        return api.operations

    # Collections.

    async def _to_pull(self, call: Call[ToPull]) -> Hal[NotificationsView]:
        """A page of the notifications that wait to be pulled, the oldest first.

        They stay until they are acknowledged. With `wait`, a request for what is not there yet is answered as soon as
        it is.
        """
        asked = call.input
        given = {"state": asked.state, "createdAt": asked.created_at, "updatedAt": asked.updated_at}
        subscriptions = _subscriptions(call.request, asked.subscription or asked.subscription_uri)
        topics = _topics(call.request, asked.topic)

        async def look() -> Page[Listed]:
            # Whose token was taken away while they waited gets nothing more.
            await self._reading.check(call.request)
            return await self._page(call, (Shelf.PULL,), given, subscriptions=subscriptions, topics=topics)

        if not asked.wait or asked.as_of or call.request.method == "HEAD":
            return _collection(call.request, asked, await look())
        known = [found for each in subscriptions if (found := self._subscribing.subscription(each)) is not None]
        endpoints = [found.endpoint.id for found in known] if subscriptions else None
        return _collection(call.request, asked, await self._waiting.page(look, endpoints, asked.wait))

    async def _queue(self, call: Call[OfBothOrUri]) -> Hal[NotificationsView]:
        """A page of the notifications that are queued to be pushed, the oldest first."""
        subscriptions = _subscriptions(call.request, call.input.subscription or call.input.subscription_uri)
        topics = _topics(call.request, call.input.topic)
        found = await self._page(call, (Shelf.QUEUE,), subscriptions=subscriptions, topics=topics)
        return _collection(call.request, call.input, found)

    async def _failures(self, call: Call[OfBoth]) -> Hal[NotificationsView]:
        """A page of the notifications that failed or expired: the dead letters."""
        return await self._ended(call, Shelf.FAILED)

    async def _receipts(self, call: Call[OfBoth]) -> Hal[NotificationsView]:
        """A page of the notifications that were received, pushed or pulled."""
        return await self._ended(call, Shelf.RECEIVED)

    async def _ended(self, call: Call[OfBoth], shelf: Shelf) -> Hal[NotificationsView]:
        subscriptions = _subscriptions(call.request, call.input.subscription)
        topics = _topics(call.request, call.input.topic)
        found = await self._page(call, (shelf,), subscriptions=subscriptions, topics=topics)
        return _collection(call.request, call.input, found)

    async def _of_subscription(self, call: Call[OfTopic]) -> Hal[NotificationsView]:
        """A page of all notifications of a subscription, in whatever state."""
        subscription_id = call.part("subscriptionId")
        if self._subscribing.subscription(subscription_id) is None:
            raise _missing("subscription", subscription_id)
        topics = _topics(call.request, call.input.topic)
        found = await self._page(call, ALL_SHELVES, subscriptions=[subscription_id], topics=topics)
        return _collection(call.request, call.input, found)

    async def _of_topic(self, call: Call[OfSubscription]) -> Hal[NotificationsView]:
        """A page of all notifications of a topic, in whatever state."""
        topic_id = call.part("topicId")
        if self._subscribing.topic(topic_id) is None:
            raise _missing("topic", topic_id)
        subscriptions = _subscriptions(call.request, call.input.subscription)
        found = await self._page(call, ALL_SHELVES, subscriptions=subscriptions, topics=[topic_id])
        return _collection(call.request, call.input, found, "notifications/topicNotifications")

    async def _page(
        self,
        call: Call[Asked],
        shelves: Collection[Shelf],
        given: Mapping[str, str] | None = None,
        *,
        subscriptions: Sequence[str],
        topics: Sequence[str],
    ) -> Page[Listed]:
        several = {"subscription": subscriptions, "topic": topics}
        also = [Compare(name, Operator.IN, tuple(ids)) for name, ids in several.items() if len(ids) > 1]
        return await self._shelves.notifications(
            shelves,
            call.input.listing(NOTIFICATION_FIELDS, given, also),
            topic_id=topics[0] if len(topics) == 1 else None,
            subscription_id=subscriptions[0] if len(subscriptions) == 1 else None,
            entity=callers.entity_of(call.actor),
        )

    # One.

    async def _pulled(self, call: Call[None]) -> Hal[NotificationView] | web.Response:
        """A notification that waits to be pulled."""
        return await self._one(call, Shelf.PULL)

    async def _queued(self, call: Call[None]) -> Hal[NotificationView] | web.Response:
        """A notification that is queued to be pushed."""
        return await self._one(call, Shelf.QUEUE)

    async def _failed(self, call: Call[None]) -> Hal[NotificationView] | web.Response:
        """A notification that failed or expired, with what went wrong."""
        return await self._one(call, Shelf.FAILED)

    async def _received(self, call: Call[None]) -> Hal[NotificationView] | web.Response:
        """A notification that was received."""
        return await self._one(call, Shelf.RECEIVED)

    async def _one(self, call: Call[None], shelf: Shelf) -> Hal[NotificationView] | web.Response:
        found = await self._known(call, shelf)
        tag = etags.of_notification(found)
        if etags.not_modified(call.request, tag):
            return etags.unchanged(tag)
        return answer(call.request, call.actor, found, self._subscribing)

    async def _delete_pulled(self, call: Call[None]) -> web.Response:
        """Deletes a notification that waits to be pulled."""
        return await self._delete(call, Shelf.PULL)

    async def _delete_queued(self, call: Call[None]) -> web.Response:
        """Deletes a notification that is queued. A delivery that is under way is not stopped."""
        return await self._delete(call, Shelf.QUEUE)

    async def _delete_failed(self, call: Call[None]) -> web.Response:
        """Deletes a notification that failed or expired."""
        return await self._delete(call, Shelf.FAILED)

    async def _delete(self, call: Call[None], shelf: Shelf) -> web.Response:
        found = await self._known(call, shelf)
        callers.check_owns(call.actor, self._subscribing.subscription(found.notification.subscription_id))
        insisted = etags.check(call.request, etags.of_notification(found))
        seen = found.notification if insisted else None
        if not await self._shelves.delete(found.notification.id, shelf, seen):
            raise _missing("notification", found.notification.id)
        return web.Response(status=204)

    async def _known(self, call: Call[None], shelf: Shelf) -> Found:
        """The notification that the address names, if it lies there. Raises Refused."""
        notification_id = call.part("notificationId")
        found = callers.readable(call.actor, await self._shelves.find(notification_id))
        if found is None:
            raise _missing("notification", notification_id)
        if found.notification.shelf is not shelf:
            now = uri(call.request, COLLECTIONS[found.notification.shelf], found.notification.id)
            sentence = f"The notification {found.notification.id} is no longer here, but at {now}."
            raise Refused(404, "resourceNotFound", sentence, attributes={"location": now})
        return found


def answer(request: web.Request, caller: User, found: Found, subscribing: Subscribing) -> Hal[NotificationView]:
    """A notification by itself, as that caller may see it."""
    subscribed = subscribing.subscription(found.notification.subscription_id)
    own = subscribed is not None and callers.owns(caller, subscribed.subscription)
    view = notification_view(request, found, answers=own)
    return Hal(request, view, etag=etags.of_notification(found))


def _collection(
    request: web.Request, asked: Part, found: Page[Listed], kind: str = "notifications/notifications"
) -> Hal[NotificationsView]:
    about = page(
        *(request, kind, "notifications"),
        start=asked.start,
        limit=asked.limit,
        count=found.count,
        as_of=found.as_of,
    )
    return Hal(request, {**about, "_embedded": {"items": [summary_view(request, each) for each in found.items]}})


def _subscriptions(request: web.Request, text: str) -> list[str]:
    return alternatives(request, text, SUBSCRIPTION, "subscription") if text else []


def _topics(request: web.Request, text: str) -> list[str]:
    return alternatives(request, text, TOPIC, "topic") if text else []


def _missing(noun: str, identity: str) -> Refused:
    return Refused(404, "resourceNotFound", f"There is no {noun} with the id {identity[:60]!r}.")
