"""What time does to notifications: they expire, and are deleted in the end.

Owns both rounds. They go in small steps, so that no other write waits long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from owncast_py.notifications.directory import Backlog
from owncast_py.notifications.ids import NOTIFICATION, since
from owncast_py.notifications.model import State
from owncast_py.notifications.schedule import Schedule
from owncast_py.storage import notifications as repository
from owncast_py.storage.database import Database

EXPIRY_SECONDS = 60.0
"""From one look for expired ones to the next."""
PRUNE_SECONDS = 3600.0
KEPT = {State.RECEIVED: timedelta(days=30), State.FAILED: timedelta(days=90), State.EXPIRED: timedelta(days=90)}
"""How long notifications stay after they came to a state."""
STEP = 1_000
"""Notifications in one write."""

log = structlog.get_logger(__name__)


class Keeper:
    """Looks after all of them, from `start` to `aclose`."""

    def __init__(
        self,
        database: Database,
        backlog: Backlog,
        schedule: Schedule,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        """`now` is aware UTC."""
        self._database = database
        self._backlog = backlog
        self._schedule = schedule
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
        """Ends what is pending past its deadline, also where nothing is tried. Returns how many."""
        before = since(NOTIFICATION, self._now() - self._schedule.lifetime)
        sentence = f"Its endpoint did not take it within {self._schedule.lifetime.total_seconds() / 3600:g} hours."
        total = 0
        for endpoint_id in self._backlog.waiting():
            async with self._database.reading() as connection:
                more = await repository.overdue(connection, endpoint_id, before)
            while more:
                number = await self._close(endpoint_id, State.EXPIRED, sentence, before)
                total += number
                more = number == STEP
        if total:
            log.warning("notifications expired", number=total)
        return total

    async def fail(self, endpoint_id: str, sentence: str) -> int:
        """Ends everything that is pending for an endpoint. Returns how many."""
        total = 0
        while number := await self._close(endpoint_id, State.FAILED, sentence):
            total += number
        return total

    async def forget(self, endpoint_id: str, subscription_id: str) -> None:
        """Deletes everything of an endpoint's subscription."""
        while True:
            number, pending = await self._database.write(
                lambda connection: repository.forget(connection, subscription_id, STEP)
            )
            self._backlog.add(endpoint_id, -pending)
            if number < STEP:
                return

    async def prune(self) -> int:
        """Deletes what was kept long enough. Returns how many notifications."""
        total = 0
        for state, kept in KEPT.items():
            total += await self._prune(state, self._now() - kept)
        oldest = self._now() - min(KEPT.values())
        while await self._database.write(lambda connection: repository.prune_messages(connection, oldest, STEP)):
            pass
        return total

    async def _prune(self, state: State, before: datetime) -> int:
        total = 0
        while number := await self._database.write(
            lambda connection: repository.prune(connection, state, before, STEP)
        ):
            total += number
        return total

    async def _close(self, endpoint_id: str, state: State, sentence: str, before: str = "") -> int:
        at = self._now()
        return await self._database.write(
            lambda connection: repository.close(connection, endpoint_id, state, at, sentence, STEP, before=before),
            lambda number: self._backlog.add(endpoint_id, -number),
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
