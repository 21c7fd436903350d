"""The schedule's reminders: says in chat, ten minutes before a planned show, what the owner wants said.

Owns when a reminder is due, and that each event has one. What is planned is `schedule.service`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from owncast_py.chat.posting import Posting
from owncast_py.errors import OwncastError
from owncast_py.schedule.service import Schedule
from owncast_py.setting_groups import ScheduleSettings
from owncast_py.settings import Settings

AHEAD = timedelta(minutes=10)
LOOK_SECONDS = 15.0

log = structlog.get_logger(__name__)


class ScheduleWatch:
    """Watches the clock, from `start` to `aclose`."""

    def __init__(self, schedule: Schedule, settings: Settings, posting: Posting, now: Callable[[], datetime]) -> None:
        """`now` is aware, in UTC."""
        self._schedule = schedule
        self._settings = settings
        self._posting = posting
        self._now = now
        self._reminded: tuple[str, datetime] | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to watch. An event that is near already was reminded of before."""
        self._reminded = self._due()
        self._task = asyncio.create_task(self._watching(), name="schedule: reminders")

    async def aclose(self) -> None:
        """Watches no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _due(self) -> tuple[str, datetime] | None:
        """The event that begins within AHEAD, and when."""
        event = self._schedule.next_event()
        if event is None or not timedelta(0) < event.starts_at - self._now() <= AHEAD:
            return None
        return event.id, event.starts_at

    async def look(self) -> None:
        """Says what is due and was not said yet. Raises StorageError when it cannot be said."""
        due, settings = self._due(), self._settings.get(ScheduleSettings)
        if due is None or due == self._reminded:
            return
        event = self._schedule.next_event()
        sentence = (event.reminder_message if event is not None else "") or settings.reminder_message
        if settings.enabled and sentence:
            await self._posting.system(sentence)
        self._reminded = due

    async def _watching(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except OwncastError as error:
                log.warning("no reminder", reason=str(error))
