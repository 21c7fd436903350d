"""Notifications: who wants which events, and that they get them.

Owns the entrance to the queue, and how the parts of this package are put together. A message is accepted once its
transaction is committed, and then delivered to every endpoint at least once, always with the same id, or shown as
failed or expired.

Whoever records an event inside a transaction of its own calls what `record` returned once that is committed. Only then
are the lanes told, and what a transaction that failed would have recorded is nowhere.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.notifications.channels import DeliveryChannel
from owncast_py.notifications.directory import Backlog, Directory
from owncast_py.notifications.endpoints import Endpoints
from owncast_py.notifications.errors import NotificationError, QueueFull, TooLong, Unknown
from owncast_py.notifications.figures import Figures
from owncast_py.notifications.health import PROBES
from owncast_py.notifications.ids import MESSAGE, Ids
from owncast_py.notifications.intake import Intake
from owncast_py.notifications.keeper import RECEIVED_KEPT, Keeper
from owncast_py.notifications.lanes import Lanes
from owncast_py.notifications.ledger import Ledger
from owncast_py.notifications.model import DOMAIN, Message, Notification, Shelf, State, Subscription, Verdict
from owncast_py.notifications.schedule import Schedule
from owncast_py.notifications.shelves import Shelves
from owncast_py.notifications.subscribing import MAX_URI, Subscribing
from owncast_py.storage import notifications as repository
from owncast_py.storage import subscriptions as subscribed
from owncast_py.storage.database import Database

MAX_BODY = 256 * 1024
"""Octets of a message."""
FULL_LOG_SECONDS = 60.0
"""From one line about full queues to the next."""

log = structlog.get_logger(__name__)


class Notifications:
    """Endpoints and the queue, from `start` to `aclose`."""

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, DeliveryChannel],
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        chance: random.Random,
        *,
        topics: tuple[str, ...] = (),
        received_kept: timedelta = RECEIVED_KEPT,
        schedule: Schedule | None = None,
        probes: Sequence[float] = PROBES,
    ) -> None:
        """`channels` by name; `topics` are this server's own. `clock` is aware UTC.

        `schedule` and `probes` are for tests that cannot wait.
        """
        schedule = schedule or Schedule()

        def now() -> datetime:
            """To the millisecond, as the database keeps it."""
            precise = clock()
            return precise.replace(microsecond=precise.microsecond // 1000 * 1000)

        self._database = database
        self._now = now
        self._monotonic = monotonic
        self._topics = topics
        self._ids = Ids(now)
        self._directory = Directory()
        self._backlog = Backlog()
        self._keeper = Keeper(database, self._directory, self._backlog, schedule, received_kept, now, monotonic)
        self._ledger = Ledger(database, self._written)
        self._lanes = Lanes(
            database,
            channels,
            self._directory,
            self._ledger,
            lambda endpoint_id: self.endpoints.gone(endpoint_id),
            lambda endpoint_id, authenticated: self.endpoints.met(endpoint_id, authenticated),
            now,
            monotonic,
            chance,
            schedule=schedule,
            probes=probes,
        )
        self.endpoints = Endpoints(
            database, channels, self._directory, self._backlog, self._lanes, self._keeper, self._ids, now
        )
        self.subscribing = Subscribing(
            database, channels, self._directory, self.endpoints, self._keeper, self._ids, now, monotonic
        )
        self.shelves = Shelves(database, self._directory, self._backlog, self._lanes, now)
        self.figures = Figures(database, self._directory, self._backlog, self._lanes, now)
        self._intake = Intake(database, self._directory, self._ids, self._recorded)
        self._full_logged = float("-inf")

    async def start(self) -> None:
        """Loads what is known; deliveries go on where they ended."""
        async with self._database.reading() as connection:
            self._directory.load(*await subscribed.load(connection))
            self._backlog.load(
                await repository.counts(connection, [Shelf.QUEUE, Shelf.PULL]),
                await repository.counts(connection, [Shelf.FAILED]),
            )
            for last in await repository.last_ids(connection):
                self._ids.resume(last)
        await self.subscribing.ensure_topics(self._topics)
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

    def wants(self, name: str) -> bool:
        """Whether an active endpoint is subscribed to that topic of this server."""
        topic = self._directory.topic_named(name)
        return topic is not None and bool(self._directory.routes(topic.id))

    async def record(
        self, connection: AsyncConnection, events: Sequence[tuple[str, datetime, bytes]]
    ) -> Callable[[], None]:
        """Queues this server's events, each a topic's name, the time and the body, in the caller's transaction.

        Returns what to call as the `then` of that write. An endpoint whose queue is full is left out, which the log
        says, and `Shelves.lanes` how often; so is a body that is too long, which the log says.
        """
        published: list[tuple[Message, Sequence[Subscription]]] = []
        for name, at, body in events:
            topic = self._directory.topic_named(name)
            found = self._directory.routes(topic.id) if topic is not None else ()
            routes = [route for route in found if not self._left_out(route.endpoint_id)]
            if len(body) > MAX_BODY:
                log.error("an event is too long to be sent", topic=name, octets=len(body))
            elif routes and topic is not None:
                published.append((Message(self._ids.next(MESSAGE), topic.id, at, body), routes))
        return await self._intake.add(connection, published)

    async def record_for(
        self, connection: AsyncConnection, name: str, events: Sequence[tuple[Sequence[str], datetime, bytes]]
    ) -> Callable[[], None]:
        """As `record` on one topic, with events that are for some of its subscribers alone: the ids of endpoints first.

        Those that are not subscribed, or take nothing now, are left out.
        """
        topic = self._directory.topic_named(name)
        found = self._directory.routes(topic.id) if topic is not None else ()
        routes = {route.endpoint_id: route for route in found}
        published: list[tuple[Message, Sequence[Subscription]]] = []
        for endpoints, at, body in events:
            wanted = [routes[each] for each in endpoints if each in routes and not self._left_out(each)]
            if len(body) > MAX_BODY:
                log.error("an event is too long to be sent", topic=name, octets=len(body))
            elif wanted and topic is not None:
                published.append((Message(self._ids.next(MESSAGE), topic.id, at, body), wanted))
        return await self._intake.add(connection, published)

    async def publish(self, topic_id: str, body: bytes, entity: str = "") -> str:
        """Queues one message, a JSON object, and returns its id. When this returns it is kept.

        Those that are not entitled to `entity`, a URI, do not get it. Raises Unknown for a topic that is not there,
        TooLong, QueueFull when an endpoint has no room, NotificationError for a URI that is too long, StorageError when
        the database refuses; nothing is queued then.
        """
        topic = self._directory.topics.get(topic_id)
        if topic is None:
            raise Unknown(f"There is no topic with the id {topic_id[:60]!r}; create it first.")
        if topic.domain == DOMAIN:
            raise NotificationError(
                f"Only the server itself publishes to its topic {topic.name!r}; create one of yours."
            )
        if len(body) > MAX_BODY:
            raise TooLong(f"The message has {len(body)} octets; send at most {MAX_BODY}.")
        if len(entity) > MAX_URI:
            raise NotificationError(f"The entity has {len(entity)} characters; give at most {MAX_URI}.")
        message = Message(self._ids.next(MESSAGE), topic_id, self._now(), body, entity)
        routes = [route for route in self._directory.routes(topic_id) if route.entitled(entity)]
        for route in routes:
            if reason := self._backlog.full(route.endpoint_id):
                raise QueueFull(reason)
        if routes:
            await self._intake.take(message, routes)
        return message.id

    async def tidy(self) -> None:
        """Ends what is overdue and deletes what is old, as otherwise happens by itself from time to time."""
        await self._keeper.expire()
        await self._keeper.prune()

    def _left_out(self, endpoint_id: str) -> bool:
        reason = self._backlog.full(endpoint_id)
        if not reason:
            return False
        self._backlog.left_out[endpoint_id] += 1
        self.figures.left_out += 1
        if self._monotonic() - self._full_logged >= FULL_LOG_SECONDS:
            self._full_logged = self._monotonic()
            log.error("an event is not queued", endpoint=endpoint_id, reason=reason)
        return True

    def _written(self, verdicts: Sequence[Verdict]) -> None:
        self.figures.note(verdicts)
        for verdict in verdicts:
            if verdict.state is not State.PENDING:
                self._backlog.add(verdict.endpoint_id, -1)
            if verdict.state is State.RECEIVED:
                self._directory.used(verdict.endpoint_id, verdict.attempt.at)
            elif verdict.state is not State.PENDING:
                self._backlog.bury(verdict.endpoint_id, 1)

    def _recorded(self, messages: Sequence[Message], queued: Sequence[Notification]) -> None:
        """These are committed: they count, and can be sent."""
        fresh: dict[str, list[Notification]] = defaultdict(list)
        for notification in queued:
            fresh[notification.endpoint_id].append(notification)
        taken = False
        for endpoint_id, found in fresh.items():
            self._backlog.add(endpoint_id, len(found))
            taken |= self._lanes.offer(endpoint_id, found)
        if taken:
            self._lanes.remember(messages)
        self.shelves.announce(fresh.keys())
