"""Statistics: counted in memory, kept in four units, there after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from house import Clock
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.errors import StorageError
from owncast_py.realtime import stats as module
from owncast_py.realtime.stats import MAX_INSERTED, Direction, Gauges, Interval, Stats, StatsError
from owncast_py.realtime.stats_entries import MAX_AHEAD, Unit
from owncast_py.storage.database import Database
from owncast_py.storage.tables import app_stats

APP = "owncast"
FIRST = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
EARLY = datetime(2000, 1, 1, tzinfo=UTC)
INBOUND = "messages.inbound.rest.messages.count"


@asynccontextmanager
async def counting(address: str, clock: Clock, gauges: Gauges = dict) -> AsyncIterator[Stats]:
    """Statistics that nothing writes but the test and the end."""
    database = Database(address)
    await database.start()
    stats = Stats(database, clock.now, gauges, sleep=lambda _: asyncio.Event().wait())
    await stats.start()
    try:
        yield stats
    finally:
        await stats.aclose()
        await database.aclose()


async def all_of(stats: Stats, unit: Unit = Unit.MINUTE, app: str = APP) -> list[tuple[str, dict[str, float]]]:
    found = await stats.read(
        app, unit, since=EARLY, until=MAX_AHEAD, direction=Direction.FORWARDS, limit=module.MAX_LIMIT
    )
    return [(each.id, dict(each.entries)) for each in found]


async def test_what_is_counted_is_read_at_once_in_every_unit(address: str, clock: Clock) -> None:
    async with counting(address, clock) as stats:
        stats.count(APP, {INBOUND: 1, "messages.inbound.rest.messages.data": 30})
        stats.count(APP, {INBOUND: 1})
        assert await all_of(stats) == [
            ("2026-03-04:05:06", {INBOUND: 2, "messages.inbound.rest.messages.data": 30}),
        ]
        clock.turn(60)
        stats.sample()
        stats.count(APP, {INBOUND: 5})
        assert [(name, entries[INBOUND]) for name, entries in await all_of(stats)] == [
            ("2026-03-04:05:06", 2),
            ("2026-03-04:05:07", 5),
        ]
        for unit, name in ((Unit.HOUR, "2026-03-04:05"), (Unit.DAY, "2026-03-04"), (Unit.MONTH, "2026-03")):
            assert [(found, entries[INBOUND]) for found, entries in await all_of(stats, unit)] == [(name, 7)]
        assert await all_of(stats, app="other") == []


async def test_a_restart_within_a_minute_adds_to_it(address: str, clock: Clock) -> None:
    async with counting(address, clock) as stats:
        stats.count(APP, {INBOUND: 3})
    async with counting(address, clock) as stats:
        stats.count(APP, {INBOUND: 4})
        assert await all_of(stats) == [("2026-03-04:05:06", {INBOUND: 7})]
        assert await all_of(stats, Unit.MONTH) == [("2026-03", {INBOUND: 7})]


async def test_what_is_there_is_sampled(address: str, clock: Clock) -> None:
    here = {"connections.all": 0, "channels": 0}
    async with counting(address, clock, lambda: {APP: here}) as stats:
        stats.sample()
        assert await all_of(stats) == []
        for connections in (2, 6, 4):
            here["connections.all"] = connections
            stats.sample()
        await stats.flush()
        here["connections.all"] = 8
        stats.sample()
        ((_, entries),) = await all_of(stats)
    assert {name: entries[f"connections.all.{name}"] for name in ("peak", "min", "mean", "samples")} == {
        "peak": 8,
        "min": 2,
        "mean": 5.0,
        "samples": 4,
    }


async def test_pages_have_bounds_and_two_directions(address: str, clock: Clock) -> None:
    async with counting(address, clock) as stats:
        minutes = [(FIRST - timedelta(minutes=number), {"channels.opened": number}) for number in range(5)]
        await stats.insert(APP, minutes)

        async def names(**asked: object) -> list[str]:
            given = {"since": EARLY, "until": MAX_AHEAD, "limit": 10} | asked
            read: Callable[..., object] = stats.read
            found: list[Interval] = await read(APP, Unit.MINUTE, **given)  # type: ignore[misc]
            return [each.id[-2:] for each in found]

        assert await names() == ["06", "05", "04", "03", "02"]
        assert await names(direction=Direction.FORWARDS, limit=2) == ["02", "03"]
        assert await names(since=FIRST - timedelta(minutes=2), limit=10) == ["06", "05", "04"]
        assert await names(since=FIRST - timedelta(minutes=2, seconds=-59)) == ["06", "05", "04"]
        assert await names(until=FIRST - timedelta(minutes=3)) == ["03", "02"]


async def test_what_is_inserted_is_rolled_up(address: str, clock: Clock) -> None:
    year_ago = datetime(2025, 2, 3, 15, 5, tzinfo=UTC)
    async with counting(address, clock) as stats:
        await stats.insert(
            APP, [(year_ago, {"channels.peak": 50, INBOUND: 1}), (year_ago, {"channels.peak": 10, INBOUND: 2})]
        )
        expected = {"channels.peak": 50, INBOUND: 3}
        assert await all_of(stats) == [("2025-02-03:15:05", expected)]
        assert await all_of(stats, Unit.HOUR) == [("2025-02-03:15", expected)]
        with pytest.raises(StatsError, match=r"1001 intervals are too many at once; send at most 1000\."):
            await stats.insert(APP, [(year_ago, {})] * (MAX_INSERTED + 1))
        await stats.forget(APP)
        assert await all_of(stats) == []


async def test_a_database_that_refuses_loses_nothing(
    address: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with counting(address, clock) as stats:
        merge = module.repository.merge

        async def refuse(*_: object) -> None:
            raise StorageError("The disk is full.")

        monkeypatch.setattr(module.repository, "merge", refuse)
        stats.count(APP, {INBOUND: 3})
        with pytest.raises(StorageError, match="The disk is full"):
            await stats.flush()
        stats.count(APP, {INBOUND: 4})
        with pytest.raises(StorageError, match="The disk is full"):
            await stats.flush()
        monkeypatch.setattr(module.repository, "merge", merge)
        assert await all_of(stats) == [("2026-03-04:05:06", {INBOUND: 7})]


async def test_it_samples_and_writes_by_itself_and_forgets_old_minutes(address: str, clock: Clock) -> None:
    """The clock turns with each rest, and the test looks once a write is over."""
    database = Database(address)
    await database.start()
    rests = asyncio.Semaphore(0)
    slept = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.set()
        await rests.acquire()
        clock.turn(seconds)

    stats = Stats(database, clock.now, lambda: {APP: {"channels": 1}}, sleep=sleep)
    await stats.insert(APP, [(FIRST - timedelta(days=100), {INBOUND: 1})])
    await stats.start()
    try:
        for _ in range(module.SAMPLES_BETWEEN_WRITES):
            await slept.wait()
            slept.clear()
            rests.release()
        await slept.wait()

        async def rows(connection: AsyncConnection) -> list[tuple[str, int]]:
            query = select(app_stats.c.unit, func.count()).group_by(app_stats.c.unit).order_by(app_stats.c.unit)
            return [(unit, number) for unit, number in await connection.execute(query)]

        async with database.reading() as connection:
            found = dict(await rows(connection))
        # Two minutes of now and none of a hundred days ago, whose hour is still there.
        assert found == {"minute": 2, "hour": 2, "day": 2, "month": 2}
    finally:
        await stats.aclose()
        await database.aclose()
