"""What lies where: notifications that are queued, wait to be pulled, were received or given up.

Owns reading, acknowledging, deleting and delivering again, one by one or many in small steps. How they got there is
`service`'s and `lanes`'.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.notifications import directory as limits
from owncast_py.notifications.directory import Backlog, Directory
from owncast_py.notifications.errors import Changed, NotificationError, QueueFull
from owncast_py.notifications.ids import NOTIFICATION, since
from owncast_py.notifications.lanes import Lanes
from owncast_py.notifications.listing import Listed, Listing, Page
from owncast_py.notifications.model import Attempt, Endpoint, Method, Notification, Shelf, Subscription, Topic
from owncast_py.storage import notification_lists as lists
from owncast_py.storage import notifications as repository
from owncast_py.storage.database import Database

MAX_ATTEMPTS_SHOWN = 50
MAX_LISTENERS = 1_000
"""Requests that wait for something new."""
MAX_READERS = 2
"""Lists that are read at once: over a million rows some take seconds, and everybody shares the database's readers."""
STEP = 500
"""Notifications in one write."""
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Found(Listed):
    """The same with its newest attempts, oldest first."""

    attempts: Sequence[Attempt]


@dataclass(frozen=True, slots=True)
class Lane:
    """How an endpoint does. `state` is one of `well slow probing resting off`; `error` is its last failure."""

    endpoint: Endpoint
    topics: Sequence[str]
    pending: int
    failed: int
    left_out: int
    state: str
    error: str


@dataclass(eq=False, slots=True)
class _Listener:
    endpoint_ids: Collection[str] | None
    heard: asyncio.Event = field(default_factory=asyncio.Event)


class Shelves:
    """All of them."""

    def __init__(
        self,
        database: Database,
        directory: Directory,
        backlog: Backlog,
        lanes: Lanes,
        now: Callable[[], datetime],
    ) -> None:
        """`now` is aware UTC."""
        self._database = database
        self._directory = directory
        self._backlog = backlog
        self._lanes = lanes
        self._now = now
        self._readers = asyncio.Semaphore(MAX_READERS)
        self._listeners: set[_Listener] = set()

    # Reading.

    async def find(self, notification_id: str) -> Found | None:
        """The notification with that id."""
        async with self._database.reading() as connection:
            found = await repository.find(connection, notification_id)
            if found is None:
                return None
            message = (await repository.messages(connection, [found.message_id])).get(found.message_id)
            attempts = await repository.attempts_of(connection, notification_id, MAX_ATTEMPTS_SHOWN)
        endpoint = self._directory.endpoints.get(found.endpoint_id)
        if message is None or endpoint is None:
            return None
        return Found(found, message.body, message.entity, message.at, endpoint.channel, endpoint.method, attempts)

    async def notifications(
        self,
        shelves: Collection[Shelf],
        listing: Listing,
        *,
        topic_id: str | None = None,
        subscription_id: str | None = None,
        entity: str | None = None,
    ) -> Page[Listed]:
        """A page of what lies on those shelves. With `entity`, only what is about that or about nothing."""
        async with self._readers, self._database.reading() as connection:
            return await lists.notifications(
                connection, shelves, listing, topic_id=topic_id, subscription_id=subscription_id, entity=entity
            )

    async def subscriptions(self, listing: Listing) -> Page[tuple[Subscription, Endpoint]]:
        """A page of subscriptions."""
        async with self._readers, self._database.reading() as connection:
            return await lists.subscriptions(connection, listing)

    async def topics(self, listing: Listing) -> Page[Topic]:
        """A page of topics."""
        async with self._readers, self._database.reading() as connection:
            return await lists.topics(connection, listing)

    async def following(self, subscription_id: str, after: str, shelf: Shelf | None, limit: int) -> list[Found]:
        """What a subscription has got after that id, on that shelf or on all, oldest first, without its attempts."""
        async with self._database.reading() as connection:
            found = await repository.following(connection, subscription_id, after, shelf, limit)
            messages = await repository.messages(connection, {each.message_id for each in found})
        return [
            Found(each, message.body, message.entity, message.at, endpoint.channel, endpoint.method, ())
            for each in found
            if (message := messages.get(each.message_id)) is not None
            and (endpoint := self._directory.endpoints.get(each.endpoint_id)) is not None
        ]

    def lanes(self) -> list[Lane]:
        """How every endpoint does, oldest first."""
        return [self._lane(endpoint) for endpoint in self._directory.endpoints.values()]

    # Waiting.

    async def arrival(self, endpoint_ids: Collection[str] | None, seconds: float) -> bool:
        """Waits until there is something new for one of those endpoints, or for any that pulls.

        Returns whether there is. Raises QueueFull when too many wait already.
        """
        if len(self._listeners) >= MAX_LISTENERS:
            raise QueueFull(f"{MAX_LISTENERS} requests wait for notifications already; ask again without waiting.")
        listener = _Listener(endpoint_ids)
        self._listeners.add(listener)
        try:
            async with asyncio.timeout(seconds):
                await listener.heard.wait()
        except TimeoutError:
            return False
        finally:
            self._listeners.discard(listener)
        return True

    def announce(self, endpoint_ids: Collection[str]) -> None:
        """There is something new for those endpoints."""
        if not self._listeners:
            return
        pulled = any(self._pulls(each) for each in endpoint_ids)
        for listener in self._listeners:
            wanted = listener.endpoint_ids
            if pulled if wanted is None else any(each in wanted for each in endpoint_ids):
                listener.heard.set()

    # Changing.

    async def acknowledge(self, notification_id: str) -> Found | None:
        """A notification that was pulled has been processed. Again is fine. None when there is none.

        Raises NotificationError for one that is pushed.
        """
        found = await self.find(notification_id)
        if found is None:
            return None
        if found.notification.shelf in (Shelf.QUEUE, Shelf.FAILED):
            raise NotificationError(
                f"The notification {notification_id[:60]} is pushed: it is received when its endpoint takes it."
            )
        subscription_id = found.notification.subscription_id
        await self._acknowledge(subscription_id, notification_id, notification_id)
        return await self.find(notification_id)

    async def acknowledge_through(self, subscription_id: str, notification_id: str) -> int:
        """All that a subscription could pull up to that id has been processed. Returns how many these were."""
        total = 0
        while number := await self._acknowledge(subscription_id, since(NOTIFICATION, _BEGINNING), notification_id):
            total += number
        return total

    async def delete(self, notification_id: str, shelf: Shelf, unchanged: Notification | None = None) -> bool:
        """Deletes a notification of that shelf. Returns whether there was one.

        A delivery that is under way is not stopped. Raises Changed when it is no longer as `unchanged`.
        """

        async def work(connection: AsyncConnection) -> Notification | None:
            found = await repository.find(connection, notification_id)
            if found is None or found.shelf is not shelf:
                return None
            if unchanged is not None and found != unchanged:
                raise Changed("The notification is no longer as you have seen it; look at it again.")
            await repository.remove(connection, [notification_id])
            return found

        return await self._database.write(work, lambda found: self._taken([found] if found else [])) is not None

    async def redeliver(self, notification_id: str) -> Found | None:
        """Pushes a notification again that is not queued any more, with the same id. None when there is none.

        Raises NotificationError for one that is pulled or still queued, QueueFull when there is no room.
        """
        found = await self.find(notification_id)
        if found is None:
            return None
        if found.method is Method.PULL:
            raise NotificationError(f"The notification {notification_id[:60]} is pulled; it cannot be pushed.")
        if found.notification.shelf is Shelf.QUEUE:
            raise NotificationError(f"The notification {notification_id[:60]} is queued already.")
        await self._requeue([found.notification])
        return await self.find(notification_id)

    async def redeliver_failed(self, subscription_id: str | None, moment: datetime | None) -> int:
        """Pushes dead letters again, of a subscription or of all, made at that time or later. Returns how many.

        Raises QueueFull when there is no room; what was put back before that is delivered.
        """
        total = 0
        after = since(NOTIFICATION, moment or _BEGINNING)
        while True:
            async with self._database.reading() as connection:
                found = await repository.dead(connection, subscription_id, after, STEP)
            pushed = [each for each in found if not self._pulls(each.endpoint_id)]
            if pushed:
                await self._requeue(pushed)
            total += len(pushed)
            if len(found) < STEP:
                return total
            after = found[-1].id if not pushed else after

    async def clear_failed(self, subscription_id: str | None) -> int:
        """Deletes the dead letters of a subscription or of all. Returns how many."""
        total = 0

        async def work(connection: AsyncConnection) -> list[Notification]:
            found = await repository.dead(connection, subscription_id, since(NOTIFICATION, _BEGINNING), STEP)
            await repository.remove(connection, [each.id for each in found])
            return found

        while found := await self._database.write(work, self._taken):
            total += len(found)
        return total

    async def _requeue(self, found: Sequence[Notification]) -> None:
        for endpoint_id, number in Counter(each.endpoint_id for each in found).items():
            if self._backlog.of(endpoint_id) + number > limits.MAX_PENDING_OF_ENDPOINT:
                raise QueueFull(
                    f"{self._backlog.of(endpoint_id)} notifications wait for endpoint {endpoint_id} already; "
                    f"{number} more are too many. See why it takes nothing."
                )
        ids = [each.id for each in found]

        def then(moved: Sequence[Notification]) -> None:
            self._taken(moved)
            for endpoint_id, number in Counter(each.endpoint_id for each in moved).items():
                self._backlog.add(endpoint_id, number)
                self._lanes.nudge(endpoint_id)

        await self._database.write(lambda connection: repository.requeue(connection, ids, self._now()), then)

    async def _acknowledge(self, subscription_id: str, first: str, last: str) -> int:
        def then(numbers: Counter[str]) -> None:
            for endpoint_id, number in numbers.items():
                self._backlog.add(endpoint_id, -number)
                self._directory.used(endpoint_id, self._now())

        numbers = await self._database.write(
            lambda connection: repository.acknowledge(connection, subscription_id, first, last, self._now(), STEP), then
        )
        return numbers.total()

    def _taken(self, taken: Sequence[Notification]) -> None:
        """Those do not lie any more where they lay."""
        for each in taken:
            if each.shelf is Shelf.FAILED:
                self._backlog.bury(each.endpoint_id, -1)
            elif each.shelf is not Shelf.RECEIVED:
                self._backlog.add(each.endpoint_id, -1)

    def _pulls(self, endpoint_id: str) -> bool:
        endpoint = self._directory.endpoints.get(endpoint_id)
        return endpoint is not None and endpoint.method is Method.PULL

    def _lane(self, endpoint: Endpoint) -> Lane:
        state, error = self._lanes.report(endpoint.id)
        topics = [self._directory.topics[each.topic_id].name for each in self._directory.of_endpoint(endpoint.id)]
        return Lane(
            endpoint=endpoint,
            topics=topics,
            pending=self._backlog.of(endpoint.id),
            failed=self._backlog.dead(endpoint.id),
            left_out=self._backlog.left_out[endpoint.id],
            state=state if endpoint.active else "off",
            error=error,
        )
