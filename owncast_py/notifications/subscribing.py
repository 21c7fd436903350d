"""Topics that anybody may make, and single subscriptions to them.

Owns what a subscription must be like before it gets anything: an endpoint that is pushed to has been asked whether it
wants to hear from this server. Rows and lanes are `endpoints`'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from owncast_py.notifications import directory as limits
from owncast_py.notifications.channels import DeliveryChannel, Outcome
from owncast_py.notifications.directory import Directory
from owncast_py.notifications.endpoints import Endpoints, check, check_topic
from owncast_py.notifications.errors import Changed, NotGreeted, NotificationError, Taken, Unknown
from owncast_py.notifications.ids import NOTIFICATION, SUBSCRIPTION, TOPIC, Ids
from owncast_py.notifications.keeper import Keeper
from owncast_py.notifications.model import DOMAIN, Endpoint, Method, Parcel, Subscription, Topic
from owncast_py.storage import subscriptions as repository
from owncast_py.storage.database import Database

MAX_URI = 2_048
"""Characters of a subscriber's or an entity's URI."""
TEST_BODY = b'{"type":"TEST","eventData":{"message":"This is a test. Somebody asked the server to send it."}}'


class Subscribed(NamedTuple):
    """A subscription with where it goes."""

    subscription: Subscription
    endpoint: Endpoint

    @property
    def active(self) -> bool:
        """Whether it gets what is published."""
        return self.subscription.active and self.endpoint.active


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a subscription is to be. `active` None means: as soon as it can be."""

    topic_id: str
    subscriber: str = ""
    restricted: bool = False
    method: Method = Method.PUSH
    channel: str = "webhook"
    url: str = ""
    token: str = ""
    document: Mapping[str, object] = field(default_factory=dict)
    ordered: bool = False
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class Tested:
    """What came of a test."""

    outcome: Outcome
    milliseconds: int


class Subscribing:
    """Topics and subscriptions, as of the last commit."""

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, DeliveryChannel],
        directory: Directory,
        endpoints: Endpoints,
        keeper: Keeper,
        ids: Ids,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        """`now` is aware UTC."""
        self._database = database
        self._channels = channels
        self._directory = directory
        self._endpoints = endpoints
        self._keeper = keeper
        self._ids = ids
        self._now = now
        self._monotonic = monotonic

    # Topics.

    def topic(self, topic_id: str) -> Topic | None:
        """The topic with that id."""
        return self._directory.topics.get(topic_id)

    async def create_topic(self, domain: str, name: str) -> Topic:
        """A new topic. Raises Taken if there is one, NotificationError for a bad name or when there are too many."""
        check_topic(domain, name)
        async with self._endpoints.changing:
            if self._directory.topic_named(name, domain) is not None:
                raise Taken(f"There is a topic {name!r} in the domain {domain!r} already; use that one.")
            if domain == DOMAIN:
                raise NotificationError(f"The domain {DOMAIN!r} is the server's own; choose another.")
            if len(self._directory.topics) >= limits.MAX_TOPICS:
                raise NotificationError(f"There are {limits.MAX_TOPICS} topics, which is the most; delete one.")
            topic = Topic(self._ids.next(TOPIC), domain, name, self._now())
            await self._database.write(
                lambda connection: repository.add_topics(connection, [topic]),
                lambda _: self._directory.put_topics([topic]),
            )
        return topic

    async def ensure_topics(self, names: tuple[str, ...]) -> None:
        """Makes those of this server's own topics that are missing."""
        async with self._endpoints.changing:
            missing = [name for name in names if self._directory.topic_named(name) is None]
            if not missing:
                return
            new = [Topic(self._ids.next(TOPIC), DOMAIN, name, self._now()) for name in missing]
            await self._database.write(
                lambda connection: repository.add_topics(connection, new), lambda _: self._directory.put_topics(new)
            )

    async def delete_topic(self, topic_id: str) -> bool:
        """Deletes a topic with its subscriptions and messages. Returns whether there was one.

        Raises NotificationError for a topic of this server.
        """
        async with self._endpoints.changing:
            topic = self._directory.topics.get(topic_id)
            if topic is None:
                return False
            if topic.domain == DOMAIN:
                raise NotificationError(f"The topic {topic.name!r} is the server's own and stays.")
            for each in self._directory.of_topic(topic_id):
                await self._end(each)
            await self._keeper.forget_messages(topic_id)
            await self._database.write(
                lambda connection: repository.remove_topic(connection, topic_id),
                lambda _: self._directory.remove_topic(topic_id),
            )
        return True

    # Subscriptions.

    def subscription(self, subscription_id: str) -> Subscribed | None:
        """The subscription with that id."""
        found = self._directory.subscriptions.get(subscription_id)
        return None if found is None else Subscribed(found, self._directory.endpoints[found.endpoint_id])

    def subscriptions_of_topic(self, topic_id: str) -> list[Subscribed]:
        """A topic's subscriptions, oldest first."""
        return [
            Subscribed(each, self._directory.endpoints[each.endpoint_id]) for each in self._directory.of_topic(topic_id)
        ]

    async def subscribe(self, wanted: Wanted) -> Subscribed:
        """A new subscription with an endpoint of its own, which is asked first if it is to be pushed to.

        Raises NotGreeted when the endpoint refuses, and NotificationError for what cannot be.
        """
        self._check(wanted)
        endpoint = self._endpoints.plan(
            wanted.channel,
            url=wanted.url,
            document=wanted.document,
            method=wanted.method,
            token=wanted.token,
            ordered=wanted.ordered,
        )
        refused = await self._meet(endpoint)
        if refused and (wanted.active or self._can_be_asked(endpoint)):
            raise NotGreeted(refused)
        endpoint = replace(endpoint, authenticated=not refused)
        now = self._now()
        subscription = Subscription(
            id=self._ids.next(SUBSCRIPTION),
            topic_id=wanted.topic_id,
            endpoint_id=endpoint.id,
            created_at=now,
            updated_at=now,
            subscriber=wanted.subscriber,
            restricted=wanted.restricted,
            active=_activity(wanted, refused),
        )
        async with self._endpoints.changing:
            self._check(wanted)
            self._endpoints.check_room()
            await self._endpoints.keep(endpoint, (), [subscription], new=True)
        return Subscribed(subscription, endpoint)

    async def change(self, subscription_id: str, wanted: Wanted, unchanged: Subscribed | None = None) -> Subscribed:
        """Makes a subscription as it is wanted. An endpoint with another address or token is asked again.

        If it refuses, it is unauthenticated and the subscription inactive. Raises Unknown, Changed when it is no longer
        as `unchanged`, and NotificationError for what cannot be.
        """
        self._check(wanted)
        before = self._known(subscription_id)
        endpoint = replace(
            before.endpoint,
            method=wanted.method,
            channel=wanted.channel,
            url=wanted.url,
            token=wanted.token,
            document=dict(wanted.document),
            ordered=wanted.ordered,
        )
        planned = self._endpoints.plan(wanted.channel, method=wanted.method)
        endpoint = replace(endpoint, secret=(endpoint.secret or planned.secret) if planned.secret else "")
        address = (endpoint.method, endpoint.channel, endpoint.url, endpoint.token)
        former = (before.endpoint.method, before.endpoint.channel, before.endpoint.url, before.endpoint.token)
        refused = "" if before.endpoint.authenticated else "Its endpoint is not authenticated."
        if address != former:
            refused = await self._meet(endpoint)
        async with self._endpoints.changing:
            now = self._known(subscription_id)
            if now.endpoint != before.endpoint or now.subscription != before.subscription:
                raise Changed("The subscription was changed by somebody else meanwhile; look at it again.")
            if unchanged is not None and now != unchanged:
                raise Changed("The subscription is no longer as you have seen it; look at it again.")
            active = _activity(wanted, refused)
            endpoint = replace(endpoint, authenticated=not refused, active=endpoint.active or active)
            subscription = replace(
                now.subscription,
                topic_id=wanted.topic_id,
                subscriber=wanted.subscriber,
                restricted=wanted.restricted,
                active=active,
            )
            after = self._dated(now, Subscribed(subscription, endpoint))
            self._check_once(after.subscription)
            await self._endpoints.keep(after.endpoint, (), [after.subscription])
            if after.endpoint.method is not now.endpoint.method:
                await self._endpoints.move(after.endpoint)
            elif after.endpoint != now.endpoint and after.endpoint.active:
                await self._endpoints.renew(after.endpoint.id)
        return self._known(subscription_id)

    async def set_active(self, subscription_id: str, active: bool) -> Subscribed:
        """Switches a subscription on or off. An endpoint that is not authenticated is asked again before.

        Raises Unknown, and NotGreeted when the endpoint refuses.
        """
        before = self._known(subscription_id)
        authenticated = before.endpoint.authenticated
        if active and not authenticated:
            if refused := await self._meet(before.endpoint):
                raise NotGreeted(refused)
            authenticated = True
        async with self._endpoints.changing:
            now = self._known(subscription_id)
            endpoint = replace(
                now.endpoint,
                active=now.endpoint.active or active,
                authenticated=authenticated or now.endpoint.authenticated,
            )
            after = self._dated(now, Subscribed(replace(now.subscription, active=active), endpoint))
            await self._endpoints.keep(after.endpoint, (), [after.subscription])
            if active and not now.active:
                await self._endpoints.renew(after.endpoint.id)
        return self._known(subscription_id)

    async def unsubscribe(self, subscription_id: str, unchanged: Subscribed | None = None) -> bool:
        """Deletes a subscription with what it has got, and its endpoint if that has no other.

        Returns whether there was one. Raises Changed when it is no longer as `unchanged`.
        """
        async with self._endpoints.changing:
            now = self.subscription(subscription_id)
            if now is None:
                return False
            if unchanged is not None and now != unchanged:
                raise Changed("The subscription is no longer as you have seen it; look at it again.")
            await self._end(now.subscription)
        return True

    async def renew_secret(self, subscription_id: str) -> Subscribed:
        """Gives its endpoint a new secret. Raises Unknown, or NotificationError where nothing is signed."""
        await self._endpoints.renew_secret(self._known(subscription_id).endpoint.id)
        return self._known(subscription_id)

    async def test(self, subscription_id: str) -> Tested:
        """Delivers something harmless at once, past the queue. Raises Unknown, or NotificationError if it is pulled."""
        subscription, endpoint = self._known(subscription_id)
        channel = self._channels.get(endpoint.channel)
        if endpoint.method is Method.PULL or channel is None:
            raise NotificationError("This subscription is pulled: there is nowhere to send a test to.")
        topic = self._directory.topics[subscription.topic_id]
        parcel = Parcel(self._ids.next(NOTIFICATION), topic, self._now(), TEST_BODY)
        began = self._monotonic()
        outcome = await channel.deliver(endpoint, parcel)
        if outcome.received or outcome.unauthenticated:
            await self._endpoints.met(endpoint.id, outcome.received)
        return Tested(outcome, round((self._monotonic() - began) * 1000))

    def _known(self, subscription_id: str) -> Subscribed:
        found = self.subscription(subscription_id)
        if found is None:
            raise Unknown(f"There is no subscription with the id {subscription_id[:60]!r}.")
        return found

    def _dated(self, before: Subscribed, after: Subscribed) -> Subscribed:
        """With the time of the change at what has changed."""
        now = self._now()
        subscription, endpoint = after
        if subscription != before.subscription:
            subscription = replace(subscription, updated_at=now)
        if endpoint != before.endpoint:
            endpoint = replace(endpoint, updated_at=now)
        return Subscribed(subscription, endpoint)

    async def _end(self, subscription: Subscription) -> None:
        if self._directory.of_endpoint(subscription.endpoint_id) == [subscription]:
            await self._endpoints.remove(subscription.endpoint_id)
        else:
            await self._endpoints.forget([subscription])

    def _check(self, wanted: Wanted) -> None:
        if wanted.topic_id not in self._directory.topics:
            raise NotificationError(f"There is no topic with the id {wanted.topic_id[:60]!r}; create it first.")
        if len(wanted.subscriber) > MAX_URI:
            raise NotificationError(f"The subscriber has {len(wanted.subscriber)} characters; give at most {MAX_URI}.")
        planned = self._endpoints.plan(
            wanted.channel, url=wanted.url, document=wanted.document, method=wanted.method, token=wanted.token
        )
        check(planned)
        if wanted.method is Method.PUSH and (planned.url or self._can_be_asked(planned)):
            self._channels[planned.channel].check(planned)

    def _check_once(self, wanted: Subscription) -> None:
        for each in self._directory.of_endpoint(wanted.endpoint_id):
            if each.topic_id == wanted.topic_id and each.id != wanted.id:
                raise Taken(f"Its endpoint is subscribed to that topic already, as {each.id}.")

    def _can_be_asked(self, endpoint: Endpoint) -> bool:
        """Whether there is somebody to ask: where there are tokens, without one there is nobody yet."""
        if endpoint.method is Method.PULL or not self._endpoints.authenticates(endpoint.channel):
            return endpoint.method is Method.PUSH
        return bool(endpoint.url and endpoint.token)

    async def _meet(self, endpoint: Endpoint) -> str:
        """Why nothing can be pushed to an endpoint, as a sentence; empty when it can, or when it pulls."""
        if endpoint.method is Method.PULL:
            return ""
        if not self._can_be_asked(endpoint):
            return "It has no endpoint with a recipientUrl and a token yet; give it one."
        return await self._channels[endpoint.channel].greet(endpoint)


def _activity(wanted: Wanted, refused: str) -> bool:
    return not refused and wanted.active is not False
