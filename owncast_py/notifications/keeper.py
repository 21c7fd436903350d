"""What time does to notifications: they expire, and are deleted in the end.

Owns both rounds. They go in small steps, so that no other write waits long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from owncast_py.notifications.directory import Backlog, Directory
from owncast_py.notifications.model import Method, Shelf, State
from owncast_py.notifications.schedule import Schedule
from owncast_py.storage import notifications as repository
from owncast_py.storage.database import Database

EXPIRY_SECONDS = 60.0
"""From one look for expired ones to the next."""
PRUNE_SECONDS = 3600.0
RECEIVED_KEPT = timedelta(days=30)
"""How long notifications stay after they were received, unless the owner says otherwise."""
DEAD_KEPT = timedelta(days=90)
"""How long they stay after they were given up."""
STEP = 1_000
"""Notifications in one write."""

log = structlog.get_logger(__name__)


class Keeper:
    """Looks after all of them, from `start` to `aclose`."""

    def __init__(
        self,
        database: Database,
        directory: Directory,
        backlog: Backlog,
        schedule: Schedule,
        received_kept: timedelta,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        """`now` is aware UTC."""
        self._database = database
        self._directory = directory
        self._backlog = backlog
        self._schedule = schedule
        self._kept = {Shelf.RECEIVED: received_kept, Shelf.FAILED: DEAD_KEPT}
        self._now = now
        self._monotonic = monotonic
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins with a round of each."""
        self._task = asyncio.create_task(self._keeping(), name="notifications: keeper")

    async def aclose(self) -> None:
        """Ends between two steps."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def expire(self) -> int:
        """Gives up what is queued past its deadline, also where nothing is tried. Returns how many."""
        now = self._now()
        before = now - self._schedule.lifetime
        sentence = f"Its endpoint did not take it within {self._schedule.lifetime.total_seconds() / 3600:g} hours."
        total = 0
        for endpoint_id in self._backlog.waiting():
            endpoint = self._directory.endpoints.get(endpoint_id)
            if endpoint is None or endpoint.method is Method.PULL:
                # What is pulled stays until it is acknowledged.
                continue
            async with self._database.reading() as connection:
                more = await repository.overdue(connection, endpoint_id, before, now)
            while more:
                number = await self._close(endpoint_id, State.EXPIRED, sentence, before)
                total += number
                more = number == STEP
        if total:
            log.warning("notifications expired", number=total)
        return total

    async def fail(self, endpoint_id: str, sentence: str) -> int:
        """Gives up everything that is queued for an endpoint. Returns how many."""
        total = 0
        while number := await self._close(endpoint_id, State.FAILED, sentence):
            total += number
        return total

    async def transfer(self, endpoint_id: str, to: Shelf) -> None:
        """Moves what is pending for an endpoint to where it is pushed from, or where it is pulled from."""
        while await self._database.write(
            lambda connection: repository.transfer(connection, endpoint_id, to, self._now(), STEP)
        ):
            pass

    async def forget(self, endpoint_id: str, subscription_id: str) -> None:
        """Deletes everything of an endpoint's subscription."""
        while True:
            number, shelves = await self._database.write(
                lambda connection: repository.forget(connection, subscription_id, STEP)
            )
            self._backlog.add(endpoint_id, -shelves[Shelf.QUEUE] - shelves[Shelf.PULL])
            self._backlog.bury(endpoint_id, -shelves[Shelf.FAILED])
            if number < STEP:
                return

    async def forget_messages(self, topic_id: str) -> None:
        """Deletes every message of a topic whose notifications are gone."""
        while await self._database.write(lambda connection: repository.forget_messages(connection, topic_id, STEP)):
            pass

    async def prune(self) -> int:
        """Deletes what was kept long enough. Returns how many notifications."""
        total = 0
        for shelf, kept in self._kept.items():
            total += await self._prune(shelf, self._now() - kept)
        oldest = self._now() - min(self._kept.values())
        while await self._database.write(lambda connection: repository.prune_messages(connection, oldest, STEP)):
            pass
        return total

    async def _prune(self, shelf: Shelf, before: datetime) -> int:
        total = 0
        while numbers := await self._database.write(
            lambda connection: repository.prune(connection, shelf, before, STEP)
        ):
            total += numbers.total()
            if shelf is Shelf.FAILED:
                for endpoint_id, number in numbers.items():
                    self._backlog.bury(endpoint_id, -number)
        return total

    async def _close(self, endpoint_id: str, state: State, sentence: str, before: datetime | None = None) -> int:
        at = self._now()

        def then(number: int) -> None:
            self._backlog.add(endpoint_id, -number)
            self._backlog.bury(endpoint_id, number)

        return await self._database.write(
            lambda connection: repository.close(connection, endpoint_id, state, at, sentence, STEP, before=before), then
        )

    async def _keeping(self) -> None:
        pruned = float("-inf")
        while True:
            try:
                await self.expire()
                if self._monotonic() - pruned >= PRUNE_SECONDS:
                    pruned = self._monotonic()
                    await self.prune()
            except Exception:
                log.exception("notifications not looked after; tried again later")
            await asyncio.sleep(EXPIRY_SECONDS)
