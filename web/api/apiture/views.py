"""Topics, subscriptions and notifications as this dialect shows them.

Owns their representations; who may see which part is `callers`'. Names are those of Apiture Notifications 0.4.1;
`ordered`, `recipientId`, `signingSecret`, `publishedAt`, `nextAttemptAt` and `attempts` are this server's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NotRequired

from aiohttp import web
from typing_extensions import TypedDict

from owncast_py.accounts.model import User
from owncast_py.notifications.listing import Listed
from owncast_py.notifications.model import Attempt, Method, Notification, Shelf, Topic
from owncast_py.notifications.shelves import Found
from owncast_py.notifications.subscribing import Subscribed
from web.api.apiture import callers
from web.api.apiture.errors import PROFILE as ERROR_PROFILE
from web.api.apiture.errors import TYPES
from web.api.apiture.hal import Link, Links, Pages, link, moment, profile, raw, uri
from web.api.apiture.references import COLLECTIONS

MethodName = Literal["push", "pull"]
ActivityName = Literal["active", "inactive"]
AuthenticationName = Literal["authenticated", "unauthenticated"]
StateName = Literal["pending", "received", "failed", "expired"]
DELIVERY_FAILED = "deliveryFailed"


class EndpointView(TypedDict):
    """Where notifications are pushed to. `signingSecret` is told only when it is made."""

    recipientUrl: str
    token: NotRequired[str]
    signingSecret: NotRequired[str]


class SubscriptionView(TypedDict):
    """A subscription. What leads to somebody else's endpoint is left out.

    Subscriptions that share one endpoint have the same `recipientId`: of an Owncast webhook it is the `id`.
    """

    _id: str
    _profile: str
    _links: Links
    deliveryMethod: MethodName
    deliveryChannel: str
    state: ActivityName
    recipientId: str
    endpoint: NotRequired[EndpointView]
    subscriberContent: NotRequired[dict[str, object]]
    authenticationState: AuthenticationName
    ordered: bool
    createdAt: str
    updatedAt: str


class SubscriptionItems(TypedDict):
    """Subscriptions."""

    items: list[SubscriptionView]


class SubscriptionsView(Pages):
    """A page of subscriptions."""

    _embedded: SubscriptionItems


class TopicView(TypedDict):
    """A topic. It never changes. By itself it has its subscriptions along, in a collection it has not."""

    _id: str
    _profile: str
    _links: Links
    name: str
    domain: str
    createdAt: str
    updatedAt: str
    _embedded: NotRequired[SubscriptionItems]


class TopicItems(TypedDict):
    """Topics."""

    items: list[TopicView]


class TopicsView(Pages):
    """A page of topics."""

    _embedded: TopicItems


class AttemptView(TypedDict):
    """One try to deliver. `status` is null when nothing was answered; `answer` is how it began, for the subscriber."""

    attemptedAt: str
    status: int | None
    milliseconds: int
    error: str
    answer: str


class DeliveryErrorView(TypedDict):
    """Why a try to deliver failed."""

    message: str
    statusCode: NotRequired[int]
    type: str
    occurredAt: str
    remediation: str


class DeliveryErrorResponse(TypedDict):
    """Why a try to deliver failed, in the shape of refusals."""

    _profile: str
    _error: DeliveryErrorView


class NotificationEmbedded(TypedDict):
    """The tries, the oldest first; for one that failed or expired also their errors."""

    attempts: list[AttemptView]
    errors: NotRequired[list[DeliveryErrorResponse]]


class SummaryView(TypedDict):
    """A notification in a collection. `publishedAt` is when the event happened.

    `nextAttemptAt` is when one that waits to be pushed is due; a target that takes nothing is asked in its own time.
    """

    _id: str
    _profile: str
    _links: Links
    state: StateName
    body: dict[str, object]
    deliveryMethod: MethodName
    deliveryChannel: str
    publishedAt: str
    nextAttemptAt: NotRequired[str]
    createdAt: str
    updatedAt: str


class SummaryItems(TypedDict):
    """Notifications."""

    items: list[SummaryView]


class NotificationsView(Pages):
    """A page of notifications."""

    _embedded: SummaryItems


class NotificationView(SummaryView):
    """A notification with its attempts."""

    _embedded: NotificationEmbedded


def subscription_view(
    request: web.Request, subscribed: Subscribed, caller: User, *, secret: str = ""
) -> SubscriptionView:
    """A subscription as that caller may see it; with the secret that was just made, if one was."""
    subscription, endpoint = subscribed
    view: SubscriptionView = {
        "_id": subscription.id,
        "_profile": profile("notifications/subscription"),
        "_links": {
            "self": link(request, "subscriptions", subscription.id),
            "collection": link(request, "subscriptions"),
            "apiture:topic": link(request, "topics", subscription.topic_id),
            "apiture:subscriber": {"href": subscription.subscriber or callers.OWNER},
            "apiture:notifications": link(request, "subscriptions", subscription.id, "notifications"),
            "apiture:events": link(request, "subscriptions", subscription.id, "events"),
        },
        "deliveryMethod": "pull" if endpoint.method is Method.PULL else "push",
        "deliveryChannel": endpoint.channel,
        "state": "active" if subscribed.active else "inactive",
        "recipientId": endpoint.id,
        "authenticationState": "authenticated" if endpoint.authenticated else "unauthenticated",
        "ordered": endpoint.ordered,
        "createdAt": moment(subscription.created_at),
        "updatedAt": moment(max(subscription.updated_at, endpoint.updated_at)),
    }
    if callers.owns(caller, subscription):
        view["subscriberContent"] = dict(endpoint.document)
        if endpoint.url or endpoint.token or secret:
            shown: EndpointView = {"recipientUrl": endpoint.url}
            if endpoint.token and callers.may_see_token(caller, subscription):
                shown["token"] = endpoint.token
            if secret:
                shown["signingSecret"] = secret
            view["endpoint"] = shown
    return view


def topic_view(
    request: web.Request, topic: Topic, caller: User, subscriptions: Sequence[Subscribed] | None = None
) -> TopicView:
    """A topic, with its subscriptions where they are given."""
    view: TopicView = {
        "_id": topic.id,
        "_profile": profile("notifications/topic"),
        "_links": {
            "self": link(request, "topics", topic.id),
            "collection": link(request, "topics"),
            "apiture:notifications": link(request, "topics", topic.id, "notifications"),
        },
        "name": topic.name,
        "domain": topic.domain,
        "createdAt": moment(topic.created_at),
        "updatedAt": moment(topic.created_at),
    }
    if subscriptions is not None:
        view["_embedded"] = {"items": [subscription_view(request, each, caller) for each in subscriptions]}
    return view


def summary_view(request: web.Request, found: Found | Listed) -> SummaryView:
    """A notification as collections have it."""
    notification = found.notification
    collection = COLLECTIONS[notification.shelf]
    links: Links = {
        "self": link(request, collection, notification.id),
        "collection": link(request, collection),
        "apiture:topic": link(request, "topics", notification.topic_id),
        "apiture:subscription": link(request, "subscriptions", notification.subscription_id),
    }
    if found.entity:
        links["apiture:entity"] = {"href": found.entity}
    if notification.shelf is Shelf.PULL:
        links["apiture:acknowledge"] = _acknowledge(request, notification)
    view: SummaryView = {
        "_id": notification.id,
        "_profile": profile("notifications/notification"),
        "_links": links,
        "state": notification.state.value,
        "body": raw(found.body),
        "deliveryMethod": "pull" if found.method is Method.PULL else "push",
        "deliveryChannel": found.channel,
        "publishedAt": moment(found.at),
        "createdAt": moment(notification.created_at),
        "updatedAt": moment(notification.updated_at),
    }
    if notification.shelf is Shelf.QUEUE:
        view["nextAttemptAt"] = moment(notification.due_at)
    return view


def notification_view(request: web.Request, found: Found, *, answers: bool) -> NotificationView:
    """A notification by itself; with `answers`, what its endpoint answered is told."""
    embedded: NotificationEmbedded = {"attempts": [_attempt(each, answers=answers) for each in found.attempts]}
    if found.notification.shelf is Shelf.FAILED:
        embedded["errors"] = [_delivery_error(each) for each in found.attempts if each.error]
    return {**summary_view(request, found), "_embedded": embedded}


def _acknowledge(request: web.Request, notification: Notification) -> Link:
    # No percent-encoding: of what a query may not hold as it is, an address of ours has nothing (RFC 3986, 3.4).
    pulled = uri(request, COLLECTIONS[Shelf.PULL], notification.id)
    return {"href": f"{uri(request, COLLECTIONS[Shelf.RECEIVED])}?notification={pulled}"}


def _attempt(attempt: Attempt, *, answers: bool) -> AttemptView:
    return {
        "attemptedAt": moment(attempt.at),
        "status": attempt.status,
        "milliseconds": attempt.milliseconds,
        "error": attempt.error,
        "answer": attempt.answer if answers else "",
    }


def _delivery_error(attempt: Attempt) -> DeliveryErrorResponse:
    error: DeliveryErrorView = {
        "message": attempt.error,
        "type": DELIVERY_FAILED,
        "occurredAt": moment(attempt.at),
        "remediation": TYPES[DELIVERY_FAILED],
    }
    if attempt.status is not None:
        error["statusCode"] = attempt.status
    return {"_profile": ERROR_PROFILE, "_error": error}
