"""Endpoints: where notifications go, made, changed and removed one at a time.

Owns every change of endpoints, subscriptions and topics: the rows, and afterwards the directory. Whoever subscribes a
whole endpoint to topics by their names, as Owncast's webhooks do, does so here; single subscriptions are `subscribing`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import orjson
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.notifications import directory as limits
from owncast_py.notifications.channels import DeliveryChannel
from owncast_py.notifications.directory import Backlog, Directory
from owncast_py.notifications.errors import NotificationError, Unknown
from owncast_py.notifications.ids import ENDPOINT, SUBSCRIPTION, TOPIC, Ids
from owncast_py.notifications.keeper import Keeper
from owncast_py.notifications.lanes import Lanes
from owncast_py.notifications.model import DOMAIN, MAX_TOKEN, Endpoint, Method, Shelf, Subscription, Topic
from owncast_py.notifications.signing import new_secret
from owncast_py.notifications.targets import MAX_URL_LENGTH
from owncast_py.storage import subscriptions as repository
from owncast_py.storage.database import Database

MAX_DOCUMENT = 64 * 1024
"""Octets of an endpoint's document as JSON."""
MAX_TOPIC_NAME = 200
MAX_CHANNEL_NAME = 40
FORMER_SECRET_VALID = timedelta(hours=24)
"""How long a secret signs beside the one that replaced it."""
GONE = "The endpoint answered 410: it is gone, and was switched off."

log = structlog.get_logger(__name__)


class Endpoints:
    """All of them."""

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, DeliveryChannel],
        directory: Directory,
        backlog: Backlog,
        lanes: Lanes,
        keeper: Keeper,
        ids: Ids,
        now: Callable[[], datetime],
    ) -> None:
        """`now` is aware UTC."""
        self.changing = asyncio.Lock()
        """Held by whoever changes endpoints, subscriptions or topics."""
        self._database = database
        self._channels = channels
        self._directory = directory
        self._backlog = backlog
        self._lanes = lanes
        self._keeper = keeper
        self._ids = ids
        self._now = now

    def listing(self, channel: str) -> list[tuple[Endpoint, tuple[str, ...]]]:
        """The endpoints of a channel with the names of their topics, oldest first."""
        return [
            (endpoint, tuple(self._names(endpoint.id)))
            for endpoint in self._directory.endpoints.values()
            if endpoint.channel == channel
        ]

    def at(self, channel: str, url: str) -> Endpoint | None:
        """The endpoint of a channel with that address."""
        return self._directory.at(channel, url)

    def count(self, channel: str) -> int:
        """How many endpoints a channel has."""
        return sum(endpoint.channel == channel for endpoint in self._directory.endpoints.values())

    def check(self, channel: str, url: str, document: Mapping[str, object]) -> None:
        """Raises NotificationError when nothing could be delivered to such an endpoint."""
        endpoint = self.plan(channel, url=url, document=document)
        check(endpoint)
        self._channels[channel].check(endpoint)

    def mute(self, channel: str, muted: bool) -> None:
        """Queues nothing for a channel's endpoints, or again something. Not kept over a restart."""
        self._directory.mute(channel, muted)

    async def create(self, channel: str, url: str, document: Mapping[str, object], topics: Sequence[str]) -> Endpoint:
        """An active endpoint that wants those topics of this server, which are created where missing.

        `url` is taken as it is; whoever has it from a stranger asks the channel to `check` it first. Raises
        NotificationError for a channel that is not known, values that are too long, or when there are too many
        endpoints.
        """
        endpoint = self.plan(channel, url=url, document=document)
        check(endpoint)
        async with self.changing:
            self.check_room()
            created, wanted = self._plan(endpoint.id, topics)
            await self.keep(endpoint, created, wanted, new=True)
        return endpoint

    async def update(
        self,
        endpoint_id: str,
        *,
        url: str | None = None,
        document: Mapping[str, object] | None = None,
        topics: Sequence[str] | None = None,
        active: bool | None = None,
    ) -> Endpoint:
        """Changes what is given. What is pending becomes due, but that of topics no longer wanted is deleted.

        Raises Unknown when there is no such endpoint, NotificationError for values that are too long.
        """
        async with self.changing:
            before = self._known(endpoint_id)
            after = replace(
                before,
                url=before.url if url is None else url,
                document=before.document if document is None else dict(document),
                active=before.active if active is None else active,
            )
            check(after)
            if after != before:
                after = replace(after, updated_at=self._now())
            created, wanted = self._plan(endpoint_id, () if topics is None else topics)
            ended = [
                each for name, each in self._names(endpoint_id).items() if topics is not None and name not in topics
            ]
            # Nothing more is recorded for these, before what was recorded is deleted.
            self._directory.remove_subscriptions(ended)
            try:
                await self.keep(after, created, wanted)
                await self.forget(ended)
            except Exception:
                self._directory.put_subscriptions(ended)
                raise
            if after.active and after != before:
                await self._lanes.renew(endpoint_id)
            return self._directory.endpoints[endpoint_id]

    async def delete(self, endpoint_id: str) -> bool:
        """Removes an endpoint with its subscriptions and notifications. Returns whether there was one."""
        async with self.changing:
            return await self.remove(endpoint_id)

    async def renew_secret(self, endpoint_id: str) -> Endpoint:
        """Gives an endpoint a new secret; the one before it signs as well for FORMER_SECRET_VALID.

        Raises Unknown when there is no such endpoint, NotificationError for a channel that signs nothing.
        """
        async with self.changing:
            before = self._known(endpoint_id)
            if before.method is Method.PULL or not self.authenticates(before.channel):
                raise NotificationError(f"What goes over {before.channel} is not signed, so there is no secret.")
            now = self._now()
            after = replace(
                before,
                secret=new_secret(),
                former_secret=before.secret,
                former_until=now + FORMER_SECRET_VALID if before.secret else None,
                updated_at=now,
            )
            await self.keep(after)
        return after

    async def gone(self, endpoint_id: str) -> None:
        """It wants nothing any more: switches it off and gives up what is queued for it.

        One that nobody typed in is removed instead: it would come back under another address.
        """
        async with self.changing:
            endpoint = self._directory.endpoints.get(endpoint_id)
            if endpoint is None or not endpoint.active:
                return
            if not self._channels[endpoint.channel].lasting:
                await self.remove(endpoint_id)
                return
            await self.keep(replace(endpoint, active=False, updated_at=self._now()))
            number = await self._keeper.fail(endpoint_id, GONE)
        log.warning("an endpoint is gone and was switched off", endpoint=endpoint_id, failed=number + 1)

    async def met(self, endpoint_id: str, authenticated: bool) -> None:
        """It answered that it knows us, or that it does not."""
        async with self.changing:
            endpoint = self._directory.endpoints.get(endpoint_id)
            if endpoint is None or (self.authenticates(endpoint.channel) and not endpoint.token):
                # It has nothing to know us by: it was never asked, as one of Owncast's webhooks, or waits for a token.
                return
            if endpoint.authenticated != authenticated:
                await self.keep(replace(endpoint, authenticated=authenticated, updated_at=self._now()))

    # For whoever holds `changing`.

    def authenticates(self, channel: str) -> bool:
        """Whether what goes over that channel is signed and may carry a token."""
        return channel in self._channels and self._channels[channel].authenticates

    def plan(
        self,
        channel: str,
        *,
        url: str = "",
        document: Mapping[str, object] | None = None,
        method: Method = Method.PUSH,
        token: str = "",
        ordered: bool = False,
    ) -> Endpoint:
        """An endpoint that is not there yet. Raises NotificationError for a channel that is not known."""
        if method is Method.PUSH and channel not in self._channels:
            known = ", ".join(sorted(self._channels)) or "none"
            raise NotificationError(f"There is no delivery channel {channel[:40]!r}; there are: {known}.")
        now = self._now()
        return Endpoint(
            id=self._ids.next(ENDPOINT),
            channel=channel,
            url=url,
            document=dict(document or {}),
            active=True,
            created_at=now,
            updated_at=now,
            method=method,
            ordered=ordered,
            token=token,
            secret=new_secret() if method is Method.PUSH and self.authenticates(channel) else "",
        )

    def check_room(self) -> None:
        """Raises NotificationError when there are too many endpoints."""
        if len(self._directory.endpoints) >= limits.MAX_ENDPOINTS:
            raise NotificationError(f"There are {limits.MAX_ENDPOINTS} endpoints, which is the most; remove one.")

    async def keep(
        self,
        endpoint: Endpoint,
        topics: Sequence[Topic] = (),
        subscriptions: Sequence[Subscription] = (),
        *,
        new: bool = False,
    ) -> None:
        """Writes down an endpoint, new topics, and new or changed subscriptions of that endpoint."""

        async def work(connection: AsyncConnection) -> None:
            await repository.add_topics(connection, topics)
            await (repository.add_endpoint if new else repository.replace_endpoint)(connection, endpoint)
            await repository.put_subscriptions(connection, subscriptions)

        def then(_: None) -> None:
            self._directory.put_topics(topics)
            self._directory.put_endpoint(endpoint)
            self._directory.put_subscriptions(subscriptions)

        await self._database.write(work, then)

    async def forget(self, ended: Sequence[Subscription]) -> None:
        """Deletes subscriptions, with what they have got."""
        self._directory.remove_subscriptions(ended)
        for each in ended:
            await self._keeper.forget(each.endpoint_id, each.id)
        if ended:
            ids = [each.id for each in ended]
            await self._database.write(lambda connection: repository.remove_subscriptions(connection, ids))

    async def remove(self, endpoint_id: str) -> bool:
        """Deletes an endpoint, with all that it has got. Returns whether there was one."""
        before = self._directory.endpoints.get(endpoint_id)
        if before is None:
            return False
        # Off first: deleting much takes several steps, and a crash between them must leave nothing half alive.
        await self.keep(replace(before, active=False))
        await self._lanes.halt(endpoint_id)
        await self.forget(self._directory.of_endpoint(endpoint_id))

        def then(_: None) -> None:
            self._directory.remove_endpoint(endpoint_id)
            self._backlog.remove(endpoint_id)

        await self._database.write(lambda connection: repository.remove_endpoint(connection, endpoint_id), then)
        return True

    async def move(self, endpoint: Endpoint) -> None:
        """Puts what is pending for an endpoint where its method takes it from."""
        await self._lanes.halt(endpoint.id)
        await self._keeper.transfer(endpoint.id, Shelf.PULL if endpoint.method is Method.PULL else Shelf.QUEUE)
        self._lanes.nudge(endpoint.id)

    async def renew(self, endpoint_id: str) -> None:
        """It has changed: what was learnt about it is void, and what waits for it is due."""
        await self._lanes.renew(endpoint_id)

    def _known(self, endpoint_id: str) -> Endpoint:
        endpoint = self._directory.endpoints.get(endpoint_id)
        if endpoint is None:
            raise Unknown(f"There is no endpoint with the id {endpoint_id[:60]!r}.")
        return endpoint

    def _names(self, endpoint_id: str) -> dict[str, Subscription]:
        """An endpoint's subscriptions to topics of this server, by their names."""
        found = ((self._directory.topics[each.topic_id], each) for each in self._directory.of_endpoint(endpoint_id))
        return {topic.name: each for topic, each in found if topic.domain == DOMAIN}

    def _plan(self, endpoint_id: str, names: Sequence[str]) -> tuple[list[Topic], list[Subscription]]:
        """Topics that are missing, and subscriptions that are missing."""
        created: dict[str, Topic] = {}
        wanted: list[Subscription] = []
        had, now = self._names(endpoint_id), self._now()
        for name in dict.fromkeys(names):
            topic = self._directory.topic_named(name)
            if topic is None:
                check_topic(DOMAIN, name)
                topic = created[name] = Topic(self._ids.next(TOPIC), DOMAIN, name, now)
            if name not in had:
                wanted.append(Subscription(self._ids.next(SUBSCRIPTION), topic.id, endpoint_id, now, now))
        if len(self._directory.topics) + len(created) > limits.MAX_TOPICS:
            raise NotificationError(f"There are {limits.MAX_TOPICS} topics, which is the most; use one of these.")
        return list(created.values()), wanted


def check(endpoint: Endpoint) -> None:
    """Raises NotificationError for values that are too long."""
    for what, value, most in (
        ("address", endpoint.url, MAX_URL_LENGTH),
        ("token", endpoint.token, MAX_TOKEN),
        ("delivery channel", endpoint.channel, MAX_CHANNEL_NAME),
    ):
        if len(value) > most:
            raise NotificationError(f"The {what} has {len(value)} characters; give one of at most {most}.")
    try:
        size = len(orjson.dumps(dict(endpoint.document)))
    except TypeError as error:
        raise NotificationError(f"The endpoint's document is not JSON: {str(error)[:200]}.") from None
    if size > MAX_DOCUMENT:
        raise NotificationError(f"The endpoint's document has {size} octets; give one of at most {MAX_DOCUMENT}.")


def check_topic(domain: str, name: str) -> None:
    """Raises NotificationError for what no topic can be named."""
    for what, value in (("name", name), ("domain", domain)):
        if not 1 <= len(value) <= MAX_TOPIC_NAME or not value.isprintable():
            raise NotificationError(
                f"A topic's {what} cannot be {value[:60]!r}; use 1 to {MAX_TOPIC_NAME} printable characters."
            )
