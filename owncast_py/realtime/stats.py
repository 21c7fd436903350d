"""Statistics: what happened in each app, per minute, and in the hours, days and months that these make up.

Owns the counters, their way into the database, and the questions to them. Counting is an addition in memory. What was
counted is added to the rows of its minute, hour, day and month once a minute, when somebody asks, and at the end: a
crash loses a minute at most. Connections and channels are sampled, for they are there and not happening.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

import structlog

from owncast_py.errors import StorageError
from owncast_py.realtime.errors import RealtimeError
from owncast_py.realtime.messages import EPOCH
from owncast_py.realtime.stats_entries import GAUGES, SAMPLES, Unit, merged
from owncast_py.storage import app_stats as repository
from owncast_py.storage.app_stats import Counted
from owncast_py.storage.database import Database

SAMPLE_SECONDS = 5.0
"""From one sample of what is there to the next."""
SAMPLES_BETWEEN_WRITES = 12
KEPT: Mapping[Unit, timedelta] = {Unit.MINUTE: timedelta(days=62), Unit.HOUR: timedelta(days=800)}
"""How long what is kept; days and months for ever."""
MAX_WAITING = 1_000
"""Minutes of apps that wait for a database that takes nothing; what is counted then is lost."""
MAX_LIMIT = 1_000
"""Intervals on a page."""
MAX_INSERTED = 1_000
"""Intervals that are inserted at once."""

Gauges = Callable[[], Mapping[str, Mapping[str, int]]]
"""How many there are in each app now: `{"app": {"connections.all": 3, "channels": 1}}`."""

log = structlog.get_logger(__name__)


class Direction(Enum):
    """In which order intervals are told."""

    BACKWARDS = auto()
    FORWARDS = auto()


class StatsError(RealtimeError):
    """Statistics that cannot be told or kept."""


@dataclass(frozen=True, slots=True)
class Interval:
    """What was counted in one, without sums (see `stats_entries.summed`)."""

    begin: datetime
    unit: Unit
    entries: Mapping[str, float]

    @property
    def id(self) -> str:
        """Its name."""
        return self.unit.interval_id(self.begin)


class Stats:
    """The counters of all apps, from `start` to `aclose`."""

    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime],
        gauges: Gauges = dict,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`now` is aware UTC."""
        self._database = database
        self._now = now
        self._gauges = gauges
        self._sleep = sleep
        self._counts: defaultdict[str, defaultdict[str, float]] = defaultdict(_numbers)
        """Of the minute that is running."""
        self._minute = EPOCH
        self._until = EPOCH
        self._waiting: dict[tuple[str, datetime], Mapping[str, float]] = {}
        """Minutes of apps that are not written yet."""
        self._pruned_at = EPOCH
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to sample and to write."""
        self._task = asyncio.create_task(self._running(), name="statistics")

    async def aclose(self) -> None:
        """Writes what is not written."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        try:
            await self.flush()
        except StorageError as error:
            log.error("statistics of the last minute are lost", reason=str(error))

    def count(self, app: str, entries: Mapping[str, float]) -> None:
        """So much more of each. The keys are those that `stats_entries` says are counted."""
        # The minute ends in `sample` and `flush`, a few seconds late at most: a clock read here would cost as much as
        # the additions.
        counts = self._counts[app]
        for key, value in entries.items():
            counts[key] += value

    def sample(self) -> None:
        """Looks at what is there now, and ends the minute if that is over."""
        self._turn()
        for app, gauges in self._gauges().items():
            if app not in self._counts and not any(gauges.values()):
                # A server that stands idle writes nothing.
                continue
            counts = self._counts[app]
            for name in GAUGES:
                value = float(gauges.get(name, 0))
                samples = counts[name + SAMPLES]
                counts[f"{name}.peak"] = max(counts[f"{name}.peak"], value)
                counts[f"{name}.min"] = min(counts[f"{name}.min"], value) if samples else value
                counts[f"{name}.mean"] = (counts[f"{name}.mean"] * samples + value) / (samples + 1)
                counts[name + SAMPLES] = samples + 1

    async def flush(self) -> None:
        """Writes what was counted so far. Raises StorageError, and writes it the next time then."""
        async with self._writing:
            self._close(self._minute if self._minute is not EPOCH else Unit.MINUTE.begin(self._now()))
            self._turn()
            taken, self._waiting = self._waiting, {}
            if not taken:
                return
            new = _rolled_up([(app, at, entries) for (app, at), entries in taken.items()])
            try:
                await self._database.write(lambda connection: repository.merge(connection, new, merged))
            except StorageError:
                for (app, at), entries in taken.items():
                    self._add(app, at, entries)
                raise

    async def insert(self, app: str, minutes: Sequence[tuple[datetime, Mapping[str, float]]]) -> None:
        """Adds what was counted elsewhere, each in the minute of a time. Raises StatsError when it is too much."""
        if len(minutes) > MAX_INSERTED:
            raise StatsError(f"{len(minutes)} intervals are too many at once; send at most {MAX_INSERTED}.")
        new = _rolled_up([(app, Unit.MINUTE.begin(at), entries) for at, entries in minutes])
        await self._database.write(lambda connection: repository.merge(connection, new, merged))

    async def read(
        self,
        app: str,
        unit: Unit,
        *,
        since: datetime,
        until: datetime,
        direction: Direction = Direction.BACKWARDS,
        limit: int,
    ) -> list[Interval]:
        """A page of intervals that have something: those that begin from the one of `since` on and not after `until`.

        What has happened until now is among it.
        """
        await self.flush()
        forwards = direction is Direction.FORWARDS
        async with self._database.reading() as connection:
            found = await repository.page(
                connection, app, unit.value, since=unit.begin(since), until=until, forwards=forwards, limit=limit
            )
        return [Interval(each.at, unit, each.entries) for each in found]

    async def forget(self, app: str) -> None:
        """Deletes all of an app."""
        self._counts.pop(app, None)
        async with self._writing:
            self._waiting = {key: entries for key, entries in self._waiting.items() if key[0] != app}
            await self._database.write(lambda connection: repository.forget(connection, app))

    async def _running(self) -> None:
        number = 0
        while True:
            await self._sleep(SAMPLE_SECONDS)
            try:
                self.sample()
                number += 1
                if number % SAMPLES_BETWEEN_WRITES == 0:
                    await self.flush()
                    await self._prune()
            except Exception:
                log.exception("statistics are not written")

    def _turn(self) -> None:
        """Ends the minute if it is over."""
        now = self._now()
        # Also when the clock was set back.
        if not self._minute <= now < self._until:
            if self._minute is not EPOCH:
                self._close(self._minute)
            self._minute = Unit.MINUTE.begin(now)
            self._until = Unit.MINUTE.end(self._minute)

    def _close(self, minute: datetime) -> None:
        counts, self._counts = self._counts, defaultdict(_numbers)
        for app, entries in counts.items():
            self._add(app, minute, entries)

    def _add(self, app: str, at: datetime, entries: Mapping[str, float]) -> None:
        before = self._waiting.get((app, at))
        if before is not None:
            self._waiting[app, at] = merged(before, entries)
        elif entries and len(self._waiting) < MAX_WAITING:
            self._waiting[app, at] = dict(entries)

    async def _prune(self) -> None:
        now = self._now()
        if Unit.DAY.begin(self._pruned_at) == Unit.DAY.begin(now):
            return
        self._pruned_at = now
        for unit, kept in KEPT.items():
            await self._forget_before(unit, now - kept)

    async def _forget_before(self, unit: Unit, moment: datetime) -> None:
        await self._database.write(lambda connection: repository.prune(connection, unit.value, moment))


def _numbers() -> defaultdict[str, float]:
    return defaultdict(float)


def _rolled_up(minutes: Sequence[tuple[str, datetime, Mapping[str, float]]]) -> list[Counted]:
    """The minutes, and all that they are part of, each once."""
    found: dict[tuple[str, Unit, datetime], Mapping[str, float]] = {}
    for app, at, entries in minutes:
        for unit in Unit:
            key = (app, unit, unit.begin(at))
            found[key] = merged(found[key], entries) if key in found else entries
    return [Counted(app, unit.value, at, entries) for (app, unit, at), entries in found.items()]
