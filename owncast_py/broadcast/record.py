"""The record of shows: when each began and ended, and how many watched at most.

Owns what of a show outlives the process. It has no task and decides nothing: whoever owns the show tells it of begin
and end, and calls `note` every few seconds while it runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.storage import broadcasts as repository
from owncast_py.storage.broadcasts import Show
from owncast_py.storage.database import Database

NOTE_EVERY: Final = timedelta(minutes=1)
"""How often a running show is written at most, and so how much of its end a killed server forgets."""
MAX_TITLE: Final = 200
MAX_RECENT: Final = 1_000
"""Shows listed at once."""


class ShowRecord:
    """All shows of this server, from `start` on. One runs at a time."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        """`now` is aware, in UTC."""
        self._database = database
        self._now = now
        self.interrupted = False
        """Whether a server before this one did not live to end its show."""
        self._overall_peak = 0
        self._last_started: datetime | None = None
        self._last_ended: datetime | None = None
        self._running: int | None = None
        self._noted_at: datetime | None = None
        self._peak = 0
        # Begin, notes and end are written in the order in which they happened, though each may be awaited by another.
        self._writing = asyncio.Lock()

    @property
    def overall_peak(self) -> int:
        """The most viewers at once, of all shows."""
        return self._overall_peak

    @property
    def last_started(self) -> datetime | None:
        """When the last show began, be it over or not."""
        return self._last_started

    @property
    def last_ended(self) -> datetime | None:
        """When the last show ended; None while it runs."""
        return self._last_ended

    async def start(self) -> None:
        """Reads the record. A show that the server did not live to end, ended when it was last seen.

        Raises StorageError.
        """

        async def work(connection: AsyncConnection) -> tuple[bool, int, list[Show]]:
            unfinished = await repository.end_unfinished(connection)
            return unfinished, await repository.highest_peak(connection), await repository.newest(connection, 1)

        self.interrupted, self._overall_peak, shows = await self._database.write(work)
        for show in shows:
            self._last_started, self._last_ended = show.started_at, show.ended_at

    async def began(self, title: str) -> None:
        """A show begins now; one that still runs ended when it was last noted.

        Raises StorageError when that cannot be kept; then this show will be missing from the record.
        """
        async with self._writing:
            now = self._now()
            self._last_started, self._last_ended = now, None
            self._running = None
            self._noted_at = now
            self._peak = 0

            async def work(connection: AsyncConnection) -> int:
                await repository.end_unfinished(connection)
                return await repository.begin(connection, title[:MAX_TITLE], now)

            self._running = await self._database.write(work)

    async def note(self, peak: int) -> None:
        """The show runs, and had at most `peak` viewers. Written at most once a minute. Raises StorageError."""
        self._raise(peak)
        async with self._writing:
            now = self._now()
            running = self._running
            due = self._noted_at is None or not timedelta(0) <= now - self._noted_at < NOTE_EVERY
            if running is None or not due:
                return
            self._noted_at = now
            highest = self._peak
            await self._database.write(lambda connection: repository.note(connection, running, highest, now))

    async def ended(self, peak: int) -> None:
        """The show is over, and had at most `peak` viewers. Does nothing when none runs. Raises StorageError."""
        self._raise(peak)
        async with self._writing:
            if self._last_started is None or self._last_ended is not None:
                return
            now = self._now()
            self._last_ended = now
            running, self._running = self._running, None
            if running is None:
                return
            highest = self._peak
            await self._database.write(lambda connection: repository.end(connection, running, highest, now))

    async def recent(self, limit: int) -> list[Show]:
        """The last shows, newest first; at most `limit`, and at most MAX_RECENT."""
        async with self._database.reading() as connection:
            return await repository.newest(connection, max(0, min(limit, MAX_RECENT)))

    def _raise(self, peak: int) -> None:
        self._peak = max(self._peak, peak)
        self._overall_peak = max(self._overall_peak, peak)
