"""What is done with notifications: acknowledging, delivering again, clearing away.

Owns the operations on the collections themselves; reading is `notifications`'.
"""

from __future__ import annotations

from datetime import datetime

from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from owncast_py.accounts.model import Scope, User
from owncast_py.notifications.filters import parse_value
from owncast_py.notifications.listing import NOTIFICATION_FIELDS
from owncast_py.notifications.model import Shelf
from owncast_py.notifications.service import Notifications
from owncast_py.notifications.shelves import Found
from owncast_py.notifications.subscribing import Subscribed
from web.api.apiture import callers
from web.api.apiture.errors import ENVELOPE, Refused
from web.api.apiture.hal import Hal, Links, link, profile
from web.api.apiture.notifications import answer
from web.api.apiture.references import COLLECTIONS, NOTIFICATION, SUBSCRIPTION, identifier
from web.api.apiture.views import NotificationView
from web.authentication import Authentication
from web.body import Query
from web.operations import Api, Call, Contract, Operation, Wrapper


class Processed(Query):
    """What was processed: one notification, or all of a subscription up to one."""

    notification: str = Field("", description="The id or URI of a notification.")
    subscription: str = Field("", description="The id or URI of a subscription, together with `through`.")
    through: str = Field("", description="The id or URI of the last notification that was processed.")


class Some(Query):
    """Failed notifications: those of a subscription, or all."""

    subscription: str = Field("", description="The id or URI of a subscription.")
    all: bool = Field(False, description="Whether it concerns those of all subscriptions.")


class Again(Some):
    """What is to be delivered again: one notification, or failed ones."""

    notification: str = Field("", description="The id or URI of a notification that is not queued.")
    since: str = Field("", description="Only those made at this time or later, ISO 8601.")


class AcknowledgedView(TypedDict):
    """How many notifications were acknowledged."""

    _profile: str
    _links: Links
    acknowledged: int


class QueuedView(TypedDict):
    """How many notifications were put back into the queue."""

    _profile: str
    _links: Links
    queued: int


class DeletedView(TypedDict):
    """How many notifications were deleted."""

    _profile: str
    _links: Links
    deleted: int


class ProcessingApi:
    """The routes of what is done."""

    def __init__(self, notifications: Notifications, authentication: Authentication) -> None:
        self._shelves = notifications.shelves
        self._subscribing = notifications.subscribing
        self._authentication = authentication

    def operations(self, wrapper: Wrapper) -> list[Operation]:
        """All of them."""
        writing = self._authentication.as_data(Scope.DATA_WRITE)
        deleting = self._authentication.as_data(Scope.DATA_DELETE)
        api = Api("Notifications: delivery", wrapper, ENVELOPE)
        api.add(
            *("POST", "/notifications/receivedNotifications", self._acknowledge, writing),
            contract=Contract("acknowledgeNotification", refusals=(422, 507)),
        )
        api.add(
            *("POST", "/notifications/deliveryQueue", self._redeliver, writing),
            contract=Contract("redeliver", 202, refusals=(422, 507)),
        )
        api.add(
            *("DELETE", "/notifications/failedNotifications", self._clear_failed, deleting),
            contract=Contract("deleteFailedNotifications", refusals=(422, 507)),
        )
        return api.operations

    async def _acknowledge(self, call: Call[Processed]) -> Hal[NotificationView | AcknowledgedView]:
        """Says that a notification that was pulled is processed: it is received from now on. Again is fine.

        With `subscription` and `through`, it is all of that subscription that could be pulled, up to that notification.
        """
        asked = call.input
        if bool(asked.notification) == bool(asked.subscription) or bool(asked.subscription) != bool(asked.through):
            raise _choose("notification", "subscription together with through")
        if asked.notification:
            found = await self._named(call.request, call.actor, asked.notification, "notification")
            after = await self._shelves.acknowledge(found.notification.id)
            if after is None:
                raise _unknown("notification", found.notification.id, "notification")
            return answer(call.request, call.actor, after, self._subscribing)
        subscribed = self._own(call.request, call.actor, asked.subscription)
        through = identifier(call.request, asked.through, NOTIFICATION, "through")
        number = await self._shelves.acknowledge_through(subscribed.subscription.id, through)
        about = link(call.request, "subscriptions", subscribed.subscription.id)
        return Hal(
            call.request,
            {
                "_profile": profile("notifications/acknowledged"),
                "_links": {"apiture:subscription": about},
                "acknowledged": number,
            },
        )

    async def _redeliver(self, call: Call[Again]) -> Hal[QueuedView]:
        """Puts notifications back into the queue: one, or failed ones of a subscription or of all."""
        asked = call.input
        links: Links = {"collection": link(call.request, COLLECTIONS[Shelf.QUEUE])}
        if bool(asked.notification) + bool(asked.subscription) + asked.all != 1:
            raise _choose("notification", "subscription", "all=true")
        if asked.notification:
            found = await self._named(call.request, call.actor, asked.notification, "notification")
            after = await self._shelves.redeliver(found.notification.id)
            if after is None:
                raise _unknown("notification", found.notification.id, "notification")
            links["apiture:notification"] = link(
                call.request, COLLECTIONS[after.notification.shelf], after.notification.id
            )
            number = 1
        else:
            since = parse_value(asked.since, "since", NOTIFICATION_FIELDS["createdAt"]) if asked.since else None
            subscription_id = self._whose(call.request, call.actor, asked)
            number = await self._shelves.redeliver_failed(
                subscription_id, since if isinstance(since, datetime) else None
            )
        view: QueuedView = {"_profile": profile("notifications/queued"), "_links": links, "queued": number}
        return Hal(call.request, view, 202)

    async def _clear_failed(self, call: Call[Some]) -> Hal[DeletedView]:
        """Deletes the failed and expired notifications of a subscription, or all."""
        asked = call.input
        if bool(asked.subscription) == asked.all:
            raise _choose("subscription", "all=true")
        number = await self._shelves.clear_failed(self._whose(call.request, call.actor, asked))
        links: Links = {"collection": link(call.request, COLLECTIONS[Shelf.FAILED])}
        return Hal(call.request, {"_profile": profile("notifications/deleted"), "_links": links, "deleted": number})

    def _whose(self, request: web.Request, caller: User, asked: Some) -> str | None:
        """The subscription that is meant; None for all. Raises Refused."""
        if asked.subscription:
            return self._own(request, caller, asked.subscription).subscription.id
        callers.check_all(caller)
        return None

    async def _named(self, request: web.Request, caller: User, text: str, where: str) -> Found:
        """The notification that a parameter names, which the caller may change. Raises Refused."""
        notification_id = identifier(request, text, NOTIFICATION, where)
        found = callers.readable(caller, await self._shelves.find(notification_id))
        if found is None:
            raise _unknown("notification", notification_id, where)
        callers.check_owns(caller, self._subscribing.subscription(found.notification.subscription_id))
        return found

    def _own(self, request: web.Request, caller: User, text: str) -> Subscribed:
        """The subscription that a parameter names, which the caller may change. Raises Refused."""
        subscription_id = identifier(request, text, SUBSCRIPTION, "subscription")
        found = self._subscribing.subscription(subscription_id)
        if found is None:
            raise _unknown("subscription", subscription_id, "subscription")
        callers.check_owns(caller, found)
        return found


def _choose(*names: str) -> Refused:
    return Refused(422, "parameterMissing", f"Give one of these parameters: {', '.join(names)}.")


def _unknown(noun: str, identity: str, where: str) -> Refused:
    sentence = f"There is no {noun} with the id {identity[:60]!r}."
    return Refused(422, "referenceInvalid", sentence, attributes={"reference": where})
