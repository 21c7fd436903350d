"""What was measured over time: one number for each kind and minute, in memory and in the database.

Owns how long each kind is kept and what is read from memory. It measures nothing (`metrics.sampler` does) and has no
task: whoever adds also calls `flush`.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple, get_args

from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.realtime.messages import EPOCH
from owncast_py.storage import samples as repository
from owncast_py.storage.database import Database

Kind = Literal["viewers", "chatters", "cpu", "memory", "disk"]
"""Viewers and chatters are counted, the others are percent."""
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
MINUTE: Final = timedelta(minutes=1)
KEPT_DAYS: Final[Mapping[Kind, int]] = {"viewers": 30, "chatters": 7, "cpu": 7, "memory": 7, "disk": 7}
"""What is older is forgotten, in memory and in the database; it bounds both to one point a minute."""
MAX_PENDING: Final = 5 * 24 * 60
"""Samples that may wait for a database that refuses them, a day's worth; then the oldest are lost."""
FORGET_EVERY: Final = timedelta(hours=1)
"""How often old rows are deleted at most."""


class Sample(NamedTuple):
    """One measurement. `at` is aware, in UTC."""

    at: datetime
    value: float


class Samples:
    """The time series of this server, from `start` on."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        """`now` is aware, in UTC."""
        self._database = database
        self._now = now
        self._series = {kind: _Series(_minutes_kept(kind)) for kind in KINDS}
        self._pending: dict[tuple[Kind, int], float] = {}
        self._forgot_at: datetime | None = None

    async def start(self) -> None:
        """Reads what is kept. Raises StorageError when the database is not open."""
        now = self._now()
        async with self._database.reading() as connection:
            for kind in KINDS:
                for at, value in await repository.between(connection, kind, _oldest(kind, now), now):
                    self._series[kind].put(_minute(at), value)

    def add(self, values: Mapping[Kind, float]) -> None:
        """Takes what was measured now. A second value within a minute replaces the first; none that is not finite."""
        minute = _minute(self._now())
        for kind, value in values.items():
            if not math.isfinite(value):
                continue
            self._series[kind].put(minute, value)
            self._pending[kind, minute] = value
        while len(self._pending) > MAX_PENDING:
            del self._pending[next(iter(self._pending))]

    async def flush(self) -> None:
        """Makes what was added durable. Raises StorageError when it cannot; the next flush tries that again."""
        now = self._now()
        pending = dict(self._pending)
        forgets = self._forgot_at is None or not timedelta(0) <= now - self._forgot_at < FORGET_EVERY
        if not pending and not forgets:
            return
        rows = [repository.Row(kind, _moment(minute), value) for (kind, minute), value in pending.items()]

        async def work(connection: AsyncConnection) -> None:
            await repository.keep(connection, rows)
            if forgets:
                for kind in KINDS:
                    await repository.forget(connection, kind, _oldest(kind, now))

        await self._database.write(work)
        if forgets:
            self._forgot_at = now
        for key, value in pending.items():
            # Another value may have come for the same minute while this one was written.
            if self._pending.get(key) == value:
                del self._pending[key]

    def series(self, kind: Kind, since: datetime | None = None) -> list[Sample]:
        """Samples of a kind, oldest first; those at `since` or later."""
        # Rounded up: a minute belongs to its beginning.
        first = None if since is None else -((EPOCH - since) // MINUTE)
        return [Sample(_moment(minute), value) for minute, value in self._series[kind].points(first)]

    def newest(self, kind: Kind) -> Sample | None:
        """The last sample of a kind."""
        point = self._series[kind].last()
        return None if point is None else Sample(_moment(point[0]), point[1])


class _Series:
    """One kind's points in the order of time: minutes since 1970 and values, 16 bytes each."""

    def __init__(self, capacity: int) -> None:
        """Keeps the points of the last `capacity` minutes."""
        self._capacity = capacity
        self._minutes: array[int] = array("q")
        self._values: array[float] = array("d")

    def put(self, minute: int, value: float) -> None:
        """Adds the newest point. What lies at that minute or after it, where the clock was set back, goes."""
        end = bisect_left(self._minutes, minute)
        del self._minutes[end:], self._values[end:]
        self._minutes.append(minute)
        self._values.append(value)
        surplus = bisect_left(self._minutes, minute - self._capacity + 1)
        del self._minutes[:surplus], self._values[:surplus]

    def points(self, first: int | None) -> list[tuple[int, float]]:
        """Minutes and values from the minute `first` on."""
        begin = 0 if first is None else bisect_left(self._minutes, first)
        return list(zip(self._minutes[begin:], self._values[begin:], strict=True))

    def last(self) -> tuple[int, float] | None:
        """The newest minute and its value."""
        return (self._minutes[-1], self._values[-1]) if self._minutes else None


def _minutes_kept(kind: Kind) -> int:
    return KEPT_DAYS[kind] * 24 * 60


def _minute(at: datetime) -> int:
    return (at - EPOCH) // MINUTE


def _moment(minute: int) -> datetime:
    return EPOCH + minute * MINUTE


def _oldest(kind: Kind, now: datetime) -> datetime:
    """The first minute that is still kept."""
    return _moment(_minute(now) - _minutes_kept(kind) + 1)
