"""Subscriptions: who wants which topic, how and where.

Owns `/subscriptions`, `/activeSubscriptions` and `/inactiveSubscriptions`. A subscription as it is sent is a `Wanted`
of the service; PATCH is RFC 7396 on that.
"""

from __future__ import annotations

from typing import Literal

from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from owncast_py.accounts.model import Scope, User
from owncast_py.notifications.filters import Compare, Operator
from owncast_py.notifications.listing import SUBSCRIPTION_FIELDS
from owncast_py.notifications.model import Method
from owncast_py.notifications.service import Notifications
from owncast_py.notifications.subscribing import Subscribed, Wanted
from web.api.apiture import callers, etags
from web.api.apiture.errors import ENVELOPE, Refused
from web.api.apiture.hal import Hal, Links, link, page, profile, uri
from web.api.apiture.lists import CREATED_AT, STATE, UPDATED_AT, Part
from web.api.apiture.references import SUBSCRIPTION, TOPIC, identifier
from web.api.apiture.topics import ETAG, IF_MATCH, IF_NONE_MATCH, MADE, Reference
from web.api.apiture.views import SubscriptionsView, SubscriptionView, subscription_view
from web.authentication import Authentication
from web.body import Input, Query, validated
from web.operations import Api, Call, Contract, Operation, Wrapper

MAX_DEPTH = 100
"""Levels of a body that is merged."""


class SubscriptionLinks(Input):
    """What a subscription belongs to."""

    topic: Reference = Field(alias="apiture:topic")
    subscriber: Reference = Field(alias="apiture:subscriber")


class EndpointInput(Input):
    """Where to push to. Without a token, a webhook's endpoint stays unauthenticated and gets nothing."""

    recipient_url: str = Field("", alias="recipientUrl", max_length=2_048)
    token: str = Field("", max_length=4_096)


class SubscriptionInput(Input):
    """A subscription as a whole. `subscriberContent` is what its delivery channel needs to know.

    For a webhook, `subscriberContent.format` says what is sent. `ordered` ones get each notification only after the one
    before it. Without a state, it is active as soon as it can be.
    """

    delivery_method: Literal["push", "pull"] = Field(alias="deliveryMethod")
    delivery_channel: str = Field(alias="deliveryChannel", min_length=1, max_length=40)
    state: Literal["active", "inactive"] | None = None
    endpoint: EndpointInput | None = None
    subscriber_content: dict[str, object] | None = Field(None, alias="subscriberContent")
    ordered: bool = False
    links: SubscriptionLinks = Field(alias="_links")


class LinksPatch(Input):
    """What it shall belong to from now on."""

    topic: Reference | None = Field(None, alias="apiture:topic")
    subscriber: Reference | None = Field(None, alias="apiture:subscriber")


class EndpointPatch(Input):
    """What changes of the endpoint."""

    recipient_url: str | None = Field(None, alias="recipientUrl", max_length=2_048)
    token: str | None = Field(None, max_length=4_096)


class SubscriptionPatch(Input):
    """What changes; null stands for what a new subscription has without it."""

    delivery_method: Literal["push", "pull"] | None = Field(None, alias="deliveryMethod")
    delivery_channel: str | None = Field(None, alias="deliveryChannel", min_length=1, max_length=40)
    state: Literal["active", "inactive"] | None = None
    endpoint: EndpointPatch | None = None
    subscriber_content: dict[str, object] | None = Field(None, alias="subscriberContent")
    ordered: bool | None = None
    links: LinksPatch | None = Field(None, alias="_links")


class SubscriptionPart(Part):
    """Which subscriptions."""

    state: str = Field("", description=STATE)
    created_at: str = Field("", alias="createdAt", description=CREATED_AT)
    updated_at: str = Field("", alias="updatedAt", description=UPDATED_AT)


class Which(Query):
    """A subscription."""

    subscription: str = Field(description="The id or URI of a subscription.")


class TestView(TypedDict):
    """What came of a test. `status` is null when nothing was answered; without an error it was received."""

    _profile: str
    _links: Links
    status: int | None
    error: str
    answer: str
    milliseconds: int


class SubscriptionsApi:
    """The routes of subscriptions."""

    def __init__(self, notifications: Notifications, authentication: Authentication) -> None:
        self._notifications = notifications
        self._subscribing = notifications.subscribing
        self._authentication = authentication

    def operations(self, wrapper: Wrapper) -> list[Operation]:
        """All of them."""
        reading = self._authentication.as_data(Scope.DATA_READ)
        writing = self._authentication.as_data(Scope.DATA_WRITE)
        deleting = self._authentication.as_data(Scope.DATA_DELETE)
        one = "/notifications/subscriptions/{subscriptionId}"
        api = Api("Notifications: subscriptions", wrapper, ENVELOPE)
        api.add(
            *("GET", "/notifications/subscriptions", self._subscriptions, reading),
            contract=Contract("getSubscriptions", refusals=(422,)),
        )
        api.add(
            *("POST", "/notifications/subscriptions", self._create, writing),
            contract=Contract("createSubscription", 201, MADE, refusals=(413, 422, 507)),
        )
        api.add(
            *("POST", "/notifications/activeSubscriptions", self._activate, writing),
            contract=Contract("activateSubscription", 200, ETAG, IF_MATCH, refusals=(412, 422, 507)),
        )
        api.add(
            *("POST", "/notifications/inactiveSubscriptions", self._deactivate, writing),
            contract=Contract("deactivateSubscription", 200, ETAG, IF_MATCH, refusals=(412, 422, 507)),
        )
        api.add(
            *("GET", one, self._subscription, reading),
            contract=Contract("getSubscription", 200, ETAG, IF_NONE_MATCH, refusals=(404,), unchanged=True),
        )
        changing = (404, 412, 413, 422, 507)
        api.add(
            *("PUT", one, self._replace, writing),
            contract=Contract("updateSubscription", 200, ETAG, IF_MATCH, refusals=changing),
        )
        api.add(
            *("PATCH", one, self._patch, writing),
            contract=Contract("patchSubscription", 200, ETAG, IF_MATCH, refusals=changing),
        )
        api.add(
            *("DELETE", one, self._delete, deleting),
            contract=Contract("deleteSubscription", 204, takes=IF_MATCH, refusals=(404, 412, 507)),
        )
        api.add(
            *("POST", f"{one}/secret", self._renew_secret, writing),
            contract=Contract("renewSecret", 200, ETAG, refusals=(404, 422, 507)),
        )
        api.add(
            *("POST", f"{one}/test", self._test, writing),
            contract=Contract("testSubscription", refusals=(404, 422)),
        )
        return api.operations

    async def _subscriptions(self, call: Call[SubscriptionPart]) -> Hal[SubscriptionsView]:
        """A page of subscriptions.

        Who has not the scope data/full sees only those of their own subscriber.
        """
        asked = call.input
        given = {"state": asked.state, "createdAt": asked.created_at, "updatedAt": asked.updated_at}
        own = Compare("subscriber", Operator.EQ, (callers.own_uri(call.actor),))
        listing = asked.listing(SUBSCRIPTION_FIELDS, given, [] if call.actor.has_all_data else [own])
        found = await self._notifications.shelves.subscriptions(listing)
        about = page(
            *(call.request, "notifications/subscriptions", "subscriptions"),
            start=asked.start,
            limit=asked.limit,
            count=found.count,
            as_of=found.as_of,
        )
        items = [subscription_view(call.request, Subscribed(*each), call.actor) for each in found.items]
        return Hal(call.request, {**about, "_embedded": {"items": items}})

    async def _create(self, call: Call[SubscriptionInput]) -> Hal[SubscriptionView]:
        """Subscribes to a topic.

        An endpoint that is pushed to is asked first whether it agrees; if it does not, there is no subscription. One
        without a token is not asked yet and stays inactive until it has one. The secret that signs what is pushed is
        told in this answer only.
        """
        made = await self._subscribing.subscribe(self._wanted(call.request, call.input, call.actor))
        return Hal(
            call.request,
            subscription_view(call.request, made, call.actor, secret=made.endpoint.secret),
            201,
            etag=etags.of_subscription(made),
            location=uri(call.request, "subscriptions", made.subscription.id),
        )

    async def _subscription(self, call: Call[None]) -> Hal[SubscriptionView] | web.Response:
        """A subscription."""
        found = self._known(call.part("subscriptionId"))
        tag = etags.of_subscription(found)
        if etags.not_modified(call.request, tag):
            return etags.unchanged(tag)
        return self._answer(call.request, found, call.actor)

    async def _replace(self, call: Call[SubscriptionInput]) -> Hal[SubscriptionView]:
        """Replaces a subscription as a whole.

        An endpoint with another address or token is asked again whether it agrees; while it does not, the subscription
        is inactive.
        """
        found = self._known(call.part("subscriptionId"))
        callers.check_owns(call.actor, found)
        return await self._change(call.request, found, call.input, call.actor)

    async def _patch(self, call: Call[SubscriptionPatch]) -> Hal[SubscriptionView]:
        """Changes what is given of a subscription, as a JSON merge patch."""
        found = self._known(call.part("subscriptionId"))
        callers.check_owns(call.actor, found)
        patch = call.input.model_dump(by_alias=True, exclude_unset=True)
        merged = _merged(_document(found), patch, MAX_DEPTH)
        return await self._change(call.request, found, validated(SubscriptionInput, merged, "field"), call.actor)

    async def _change(
        self, request: web.Request, found: Subscribed, given: SubscriptionInput, caller: User
    ) -> Hal[SubscriptionView]:
        insisted = etags.check(request, etags.of_subscription(found))
        wanted = self._wanted(request, given, caller, found)
        after = await self._subscribing.change(found.subscription.id, wanted, found if insisted else None)
        return self._answer(request, after, caller)

    async def _delete(self, call: Call[None]) -> web.Response:
        """Deletes a subscription with all its notifications. A delivery that is under way is not stopped."""
        found = self._known(call.part("subscriptionId"))
        callers.check_owns(call.actor, found)
        insisted = etags.check(call.request, etags.of_subscription(found))
        if not await self._subscribing.unsubscribe(found.subscription.id, found if insisted else None):
            raise _missing(found.subscription.id)
        return web.Response(status=204)

    async def _activate(self, call: Call[Which]) -> Hal[SubscriptionView]:
        """Makes a subscription active. An endpoint that is not authenticated is asked again before."""
        return await self._set_active(call, active=True)

    async def _deactivate(self, call: Call[Which]) -> Hal[SubscriptionView]:
        """Makes a subscription inactive. It gets nothing until it is active again."""
        return await self._set_active(call, active=False)

    async def _set_active(self, call: Call[Which], *, active: bool) -> Hal[SubscriptionView]:
        subscription_id = identifier(call.request, call.input.subscription, SUBSCRIPTION, "subscription")
        found = self._subscribing.subscription(subscription_id)
        if found is None:
            sentence = f"There is no subscription with the id {subscription_id!r}."
            raise Refused(422, "referenceInvalid", sentence, attributes={"reference": "subscription"})
        callers.check_owns(call.actor, found)
        etags.check(call.request, etags.of_subscription(found))
        after = await self._subscribing.set_active(subscription_id, active)
        return self._answer(call.request, after, call.actor)

    async def _renew_secret(self, call: Call[None]) -> Hal[SubscriptionView]:
        """Makes a new secret that signs what is pushed, told in this answer only. The former one stays valid a day."""
        found = self._known(call.part("subscriptionId"))
        callers.check_owns(call.actor, found)
        after = await self._subscribing.renew_secret(found.subscription.id)
        view = subscription_view(call.request, after, call.actor, secret=after.endpoint.secret)
        return Hal(call.request, view, etag=etags.of_subscription(after))

    async def _test(self, call: Call[None]) -> Hal[TestView]:
        """Pushes something harmless at once and tells what came of it."""
        found = self._known(call.part("subscriptionId"))
        callers.check_owns(call.actor, found)
        tested = await self._subscribing.test(found.subscription.id)
        view: TestView = {
            "_profile": profile("notifications/test"),
            "_links": {"apiture:subscription": link(call.request, "subscriptions", found.subscription.id)},
            "status": tested.outcome.status,
            "error": tested.outcome.error,
            "answer": tested.outcome.answer,
            "milliseconds": tested.milliseconds,
        }
        return Hal(call.request, view)

    def _answer(self, request: web.Request, found: Subscribed, caller: User) -> Hal[SubscriptionView]:
        return Hal(request, subscription_view(request, found, caller), etag=etags.of_subscription(found))

    def _known(self, subscription_id: str) -> Subscribed:
        found = self._subscribing.subscription(subscription_id)
        if found is None:
            raise _missing(subscription_id)
        return found

    def _wanted(
        self, request: web.Request, given: SubscriptionInput, caller: User, before: Subscribed | None = None
    ) -> Wanted:
        subscriber = given.links.subscriber.href
        if not caller.has_all_data and subscriber != callers.own_uri(caller):
            raise Refused(
                403,
                "accessDenied",
                f"This access token subscribes for {callers.own_uri(caller)} alone, not for {subscriber[:200]}.",
            )
        return Wanted(
            topic_id=identifier(request, given.links.topic.href, TOPIC, "_links.apiture:topic"),
            subscriber=subscriber,
            restricted=before.subscription.restricted if before else not caller.has_all_data,
            method=Method(given.delivery_method),
            channel=given.delivery_channel,
            url=given.endpoint.recipient_url if given.endpoint else "",
            token=given.endpoint.token if given.endpoint else "",
            document=given.subscriber_content or {},
            ordered=given.ordered,
            active=None if given.state is None else given.state == "active",
        )


def _document(found: Subscribed) -> dict[str, object]:
    """A subscription as its replacement would be sent."""
    subscription, endpoint = found
    return {
        "deliveryMethod": endpoint.method.value,
        "deliveryChannel": endpoint.channel,
        "state": "active" if found.active else "inactive",
        "endpoint": {"recipientUrl": endpoint.url, "token": endpoint.token},
        "subscriberContent": dict(endpoint.document),
        "ordered": endpoint.ordered,
        "_links": {
            "apiture:topic": {"href": subscription.topic_id},
            "apiture:subscriber": {"href": subscription.subscriber or callers.OWNER},
        },
    }


def _merged(target: dict[str, object], patch: dict[str, object], depth: int) -> dict[str, object]:
    """RFC 7396: null removes, objects are merged, everything else replaces."""
    if depth == 0:
        raise Refused(422, "fieldInvalid", f"The body is nested too deeply; use at most {MAX_DEPTH} levels.")
    merged = dict(target)
    for name, value in patch.items():
        before = merged.get(name)
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            merged[name] = _merged(before if isinstance(before, dict) else {}, value, depth - 1)
        else:
            merged[name] = value
    return merged


def _missing(subscription_id: str) -> Refused:
    return Refused(404, "resourceNotFound", f"There is no subscription with the id {subscription_id[:60]!r}.")
