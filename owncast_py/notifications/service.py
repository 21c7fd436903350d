"""Notifications: who wants which events, and that they get them.

Owns endpoints, topics and subscriptions, and the entrance to the queue. Delivery is `lanes`', the end of notifications
`keeper`'s. A message is accepted once its transaction is committed, and then delivered to every endpoint at least once,
always with the same id, or shown as failed or expired.

Whoever records an event inside a transaction of its own calls what `record` returned once that is committed. Only then
are the lanes told, and what a transaction that failed would have recorded is nowhere.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

import orjson
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.notifications import directory as limits
from owncast_py.notifications.channels import DeliveryChannel
from owncast_py.notifications.directory import Backlog, Directory
from owncast_py.notifications.errors import NotificationError
from owncast_py.notifications.health import PROBES
from owncast_py.notifications.ids import ENDPOINT, MESSAGE, NOTIFICATION, SUBSCRIPTION, TOPIC, Ids
from owncast_py.notifications.keeper import Keeper
from owncast_py.notifications.lanes import Lanes
from owncast_py.notifications.ledger import Ledger
from owncast_py.notifications.model import (
    DOMAIN,
    Attempt,
    Endpoint,
    Message,
    Notification,
    State,
    Subscription,
    Topic,
    Verdict,
)
from owncast_py.notifications.schedule import Schedule
from owncast_py.notifications.targets import MAX_URL_LENGTH
from owncast_py.storage import notifications as repository
from owncast_py.storage.database import Database

MAX_BODY = 256 * 1024
"""Octets of a message."""
MAX_DOCUMENT = 64 * 1024
"""Octets of an endpoint's document as JSON."""
MAX_TOPIC_NAME = 200
MAX_ATTEMPTS_LISTED = 1_000
FULL_LOG_SECONDS = 60.0
"""From one line about full queues to the next."""
GONE = "The endpoint answered 410: it is gone, and was switched off."

log = structlog.get_logger(__name__)


class Notifications:
    """Endpoints and the queue, from `start` to `aclose`."""

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, DeliveryChannel],
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        chance: random.Random,
        *,
        schedule: Schedule | None = None,
        probes: Sequence[float] = PROBES,
    ) -> None:
        """`channels` by name. `now` is aware UTC. `schedule` and `probes` are for tests that cannot wait."""
        schedule = schedule or Schedule()
        self._database = database
        self._channels = channels
        self._now = now
        self._monotonic = monotonic
        self._ids = Ids(now, chance)
        self._directory = Directory()
        self._backlog = Backlog()
        self._keeper = Keeper(database, self._backlog, schedule, now, monotonic)
        self._ledger = Ledger(database, self._written)
        self._lanes = Lanes(
            database,
            channels,
            self._directory,
            self._ledger,
            self._gone,
            now,
            monotonic,
            chance,
            schedule=schedule,
            probes=probes,
        )
        self._changing = asyncio.Lock()
        self._full_logged = float("-inf")

    async def start(self) -> None:
        """Loads what is known; deliveries go on where they ended."""
        async with self._database.reading() as connection:
            self._directory.load(*await repository.load(connection, DOMAIN))
            self._backlog.load(await repository.pending(connection))
            self._ids.resume(await repository.last_id(connection))
        self._ledger.start()
        self._keeper.start()
        for endpoint_id in self._backlog.waiting():
            self._lanes.nudge(endpoint_id)
        log.info("notifications started", endpoints=len(self._directory.endpoints), pending=self._backlog.total)

    async def aclose(self) -> None:
        """Ends deliveries within a few seconds; what is not through is delivered after the next start."""
        await self._keeper.aclose()
        await self._lanes.aclose()
        await self._ledger.aclose()
        log.info("notifications closed: the server is stopping", pending=self._backlog.total)

    # Endpoints.

    def listing(self, channel: str) -> list[tuple[Endpoint, tuple[str, ...]]]:
        """The endpoints of a channel with the names of their topics, oldest first."""
        return [
            (endpoint, tuple(self._directory.subscriptions_of(endpoint.id)))
            for endpoint in self._directory.endpoints.values()
            if endpoint.channel == channel
        ]

    async def create_endpoint(
        self, channel: str, url: str, document: Mapping[str, object], topics: Sequence[str]
    ) -> Endpoint:
        """An active endpoint that wants those topics, which are created where missing.

        `url` is taken as it is; whoever has it from a stranger asks `targets.check_url` first. Raises NotificationError
        for a channel that is not known, values that are too long, or when there are too many endpoints.
        """
        if channel not in self._channels:
            known = ", ".join(sorted(self._channels)) or "none"
            raise NotificationError(f"There is no delivery channel {channel[:40]!r}; there are: {known}.")
        endpoint = Endpoint(self._ids.next(ENDPOINT), channel, url, dict(document), True, self._now())
        _check(endpoint)
        async with self._changing:
            if len(self._directory.endpoints) >= limits.MAX_ENDPOINTS:
                raise NotificationError(f"There are {limits.MAX_ENDPOINTS} endpoints, which is the most; remove one.")
            created, wanted = self._plan(endpoint.id, topics)

            async def work(connection: AsyncConnection) -> None:
                await repository.add_topics(connection, created)
                await repository.add_endpoint(connection, endpoint)
                await repository.add_subscriptions(connection, list(wanted.values()))

            await self._database.write(work, lambda _: self._directory.put(endpoint, created, wanted))
        return endpoint

    async def update_endpoint(
        self,
        endpoint_id: str,
        *,
        url: str | None = None,
        document: Mapping[str, object] | None = None,
        topics: Sequence[str] | None = None,
        active: bool | None = None,
    ) -> Endpoint:
        """Changes what is given. What is pending becomes due, but that of topics no longer wanted is deleted.

        Raises NotificationError when there is no such endpoint, or for values that are too long.
        """
        async with self._changing:
            before = self._directory.endpoints.get(endpoint_id)
            if before is None:
                raise NotificationError(f"There is no endpoint with the id {endpoint_id[:60]!r}.")
            after = replace(
                before,
                url=before.url if url is None else url,
                document=before.document if document is None else dict(document),
                active=before.active if active is None else active,
            )
            _check(after)
            had = self._directory.subscriptions_of(endpoint_id)
            created, wanted = self._plan(endpoint_id, () if topics is None else topics)
            ended = {} if topics is None else {name: had[name] for name in had if name not in topics}
            # Nothing more is recorded for these, before what was recorded is deleted.
            self._directory.unsubscribe(endpoint_id, ended)

            async def work(connection: AsyncConnection) -> None:
                await repository.add_topics(connection, created)
                await repository.replace_endpoint(connection, after)
                await repository.add_subscriptions(connection, list(wanted.values()))

            def then(_: None) -> None:
                used = self._directory.endpoints[endpoint_id].last_used_at
                self._directory.put(replace(after, last_used_at=used), created, wanted)

            try:
                await self._database.write(work, then)
                await self._forget(endpoint_id, list(ended.values()))
            except Exception:
                self._directory.put(self._directory.endpoints[endpoint_id], (), ended)
                raise
            if after.active and after != before:
                await self._lanes.renew(endpoint_id)
            return self._directory.endpoints[endpoint_id]

    async def delete_endpoint(self, endpoint_id: str) -> bool:
        """Removes an endpoint with its subscriptions and notifications. Returns whether there was one."""
        async with self._changing:
            before = self._directory.endpoints.get(endpoint_id)
            if before is None:
                return False
            off = replace(before, active=False)
            # Off first: deleting much takes several steps, and a crash between them must leave nothing half alive.
            await self._database.write(
                lambda connection: repository.replace_endpoint(connection, off), lambda _: self._directory.put(off)
            )
            await self._lanes.halt(endpoint_id)
            await self._forget(endpoint_id, list(self._directory.subscriptions_of(endpoint_id).values()))

            def then(_: None) -> None:
                self._directory.remove(endpoint_id)
                self._backlog.remove(endpoint_id)

            await self._database.write(lambda connection: repository.remove_endpoint(connection, endpoint_id), then)
        return True

    async def _forget(self, endpoint_id: str, subscriptions: Sequence[Subscription]) -> None:
        if not subscriptions:
            return
        for subscription in subscriptions:
            await self._keeper.forget(endpoint_id, subscription.id)
        ids = [subscription.id for subscription in subscriptions]
        await self._database.write(lambda connection: repository.remove_subscriptions(connection, ids))

    def _plan(self, endpoint_id: str, names: Sequence[str]) -> tuple[list[Topic], dict[str, Subscription]]:
        """Topics that are missing, and subscriptions that are missing by the name of their topic."""
        created: dict[str, Topic] = {}
        wanted: dict[str, Subscription] = {}
        had = self._directory.subscriptions_of(endpoint_id)
        for name in dict.fromkeys(names):
            if not name or len(name) > MAX_TOPIC_NAME:
                raise NotificationError(f"A topic cannot be named {name[:60]!r}; use 1 to {MAX_TOPIC_NAME} characters.")
            topic = self._directory.topics.get(name)
            if topic is None:
                topic = created[name] = Topic(self._ids.next(TOPIC), DOMAIN, name, self._now())
            if name not in had:
                wanted[name] = Subscription(self._ids.next(SUBSCRIPTION), topic.id, endpoint_id, self._now())
        if len(self._directory.topics) + len(created) > limits.MAX_TOPICS:
            raise NotificationError(f"There are {limits.MAX_TOPICS} topics, which is the most; use one of these.")
        return list(created.values()), wanted

    async def _gone(self, endpoint_id: str) -> None:
        async with self._changing:
            endpoint = self._directory.endpoints.get(endpoint_id)
            if endpoint is None or not endpoint.active:
                return
            off = replace(endpoint, active=False)
            await self._database.write(
                lambda connection: repository.replace_endpoint(connection, off), lambda _: self._directory.put(off)
            )
            number = await self._keeper.fail(endpoint_id, GONE)
        log.warning("an endpoint is gone and was switched off", endpoint=endpoint_id, failed=number + 1)

    # What is sent.

    def wants(self, topic: str) -> bool:
        """Whether an active endpoint is subscribed to that topic."""
        return bool(self._directory.routes(topic))

    async def record(
        self, connection: AsyncConnection, events: Sequence[tuple[str, datetime, bytes]]
    ) -> Callable[[], None]:
        """Queues events, each a topic's name, the time and the body, in the caller's transaction of `Database.write`.

        Returns what to call as the `then` of that write. An endpoint whose queue is full is left out, and so is a body
        that is too long; the log says so.
        """
        messages: list[Message] = []
        queued: list[Notification] = []
        for name, at, body in events:
            routes = [route for route in self._directory.routes(name) if not self._left_out(route.endpoint_id)]
            if len(body) > MAX_BODY:
                log.error("an event is too long to be sent", topic=name, octets=len(body))
            elif routes:
                message = Message(self._ids.next(MESSAGE), routes[0].topic_id, at, body)
                messages.append(message)
                queued += [self._notification(message, route) for route in routes]
        if messages:
            await repository.add_messages(connection, messages, queued)
        return partial(self._recorded, Counter(notification.endpoint_id for notification in queued))

    async def publish(self, topic: str, body: bytes) -> None:
        """Queues one event now. When this returns it is kept.

        Raises NotificationError when the body is too long or the queue of an endpoint is full, StorageError when the
        database refuses; nothing is queued then.
        """
        if len(body) > MAX_BODY:
            raise NotificationError(f"The message has {len(body)} octets; send at most {MAX_BODY}.")
        for route in self._directory.routes(topic):
            if reason := self._backlog.full(route.endpoint_id):
                raise NotificationError(reason)
        if self.wants(topic):
            event = (topic, self._now(), body)
            await self._database.write(
                lambda connection: self.record(connection, [event]), lambda committed: committed()
            )

    async def attempts(self, notification_id: str) -> list[Attempt]:
        """The newest tries of a notification, oldest first."""
        async with self._database.reading() as connection:
            return await repository.attempts_of(connection, notification_id, MAX_ATTEMPTS_LISTED)

    async def pending_count(self, endpoint_id: str | None = None) -> int:
        """How many notifications wait, for that endpoint or for all."""
        async with self._database.reading() as connection:
            counts = await repository.pending(connection)
        return sum(counts.values()) if endpoint_id is None else counts.get(endpoint_id, 0)

    async def tidy(self) -> None:
        """Ends what is overdue and deletes what is old, as otherwise happens by itself from time to time."""
        await self._keeper.expire()
        await self._keeper.prune()

    def _notification(self, message: Message, route: Subscription) -> Notification:
        now, new = self._now(), self._ids.next(NOTIFICATION)
        return Notification(new, message.id, route.id, route.endpoint_id, State.PENDING, 0, now, now)

    def _left_out(self, endpoint_id: str) -> bool:
        reason = self._backlog.full(endpoint_id)
        if reason and self._monotonic() - self._full_logged >= FULL_LOG_SECONDS:
            self._full_logged = self._monotonic()
            log.error("an event is not queued", endpoint=endpoint_id, reason=reason)
        return bool(reason)

    def _written(self, verdicts: Sequence[Verdict]) -> None:
        for verdict in verdicts:
            if verdict.state is not State.PENDING:
                self._backlog.add(verdict.endpoint_id, -1)
            if verdict.state is State.RECEIVED:
                self._directory.used(verdict.endpoint_id, verdict.attempt.at)

    def _recorded(self, numbers: Mapping[str, int]) -> None:
        """So many notifications for each endpoint are committed: they count, and can be sent."""
        for endpoint_id, number in numbers.items():
            self._backlog.add(endpoint_id, number)
            self._lanes.nudge(endpoint_id)


def _check(endpoint: Endpoint) -> None:
    if len(endpoint.url) > MAX_URL_LENGTH:
        raise NotificationError(
            f"The address has {len(endpoint.url)} characters; give one of at most {MAX_URL_LENGTH}."
        )
    try:
        size = len(orjson.dumps(dict(endpoint.document)))
    except TypeError as error:
        raise NotificationError(f"The endpoint's document is not JSON: {str(error)[:200]}.") from None
    if size > MAX_DOCUMENT:
        raise NotificationError(f"The endpoint's document has {size} octets; give one of at most {MAX_DOCUMENT}.")
