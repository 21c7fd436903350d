"""Time series: one point a minute, kept for days, durable after a flush."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest
from house import Clock
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.errors import StorageError
from owncast_py.metrics import samples as module
from owncast_py.metrics.samples import KEPT_DAYS, Samples
from owncast_py.storage import samples as repository
from owncast_py.storage import tables
from owncast_py.storage.database import Database


@asynccontextmanager
async def opened(address: str, clock: Clock) -> AsyncIterator[tuple[Samples, Database]]:
    database = Database(address)
    await database.start()
    try:
        samples = Samples(database, clock.now)
        await samples.start()
        yield samples, database
    finally:
        await database.aclose()


async def rows(database: Database, kind: str) -> int:
    async with database.reading() as connection:
        query = select(func.count()).select_from(tables.samples).where(tables.samples.c.kind == kind)
        return (await connection.execute(query)).scalar() or 0


def values(samples: Samples, kind: module.Kind = "cpu") -> list[float]:
    return [sample.value for sample in samples.series(kind)]


async def test_samples_outlive_a_restart(address: str, clock: Clock) -> None:
    async with opened(address, clock) as (samples, _):
        for minute in range(3):
            samples.add({"cpu": float(minute), "viewers": 10.0 * minute})
            clock.turn(60)
        await samples.flush()
        samples.add({"cpu": 99.0})  # never flushed
        before = samples.series("viewers")
    async with opened(address, clock) as (samples, _):
        assert samples.series("viewers") == before
        assert values(samples) == [0.0, 1.0, 2.0]
        assert samples.series("disk") == []
        newest = samples.newest("cpu")
        assert newest is not None
        assert newest.at == (clock.now() - timedelta(minutes=1)).replace(second=0)
        assert samples.newest("disk") is None


async def test_a_minute_has_one_sample(address: str, clock: Clock) -> None:
    async with opened(address, clock) as (samples, database):
        samples.add({"cpu": 1.0})
        await samples.flush()
        clock.turn(20)
        samples.add({"cpu": 2.0})
        samples.add({"cpu": float("nan"), "memory": float("inf")})
        await samples.flush()
        assert values(samples) == [2.0]
        assert values(samples, "memory") == []
        assert await rows(database, "cpu") == 1
    async with opened(address, clock) as (samples, _):
        assert values(samples) == [2.0]


async def test_a_part_of_the_series(address: str, clock: Clock) -> None:
    async with opened(address, clock) as (samples, _):
        for minute in range(5):
            samples.add({"cpu": float(minute)})
            clock.turn(60)
        third = samples.series("cpu")[2].at
        assert [sample.value for sample in samples.series("cpu", third)] == [2.0, 3.0, 4.0]
        assert [sample.value for sample in samples.series("cpu", third + timedelta(seconds=1))] == [3.0, 4.0]
        assert samples.series("cpu", clock.now()) == []


async def test_what_is_too_old_goes_from_memory_and_database(address: str, clock: Clock) -> None:
    async with opened(address, clock) as (samples, database):
        samples.add({"cpu": 1.0, "viewers": 1.0})
        await samples.flush()
        clock.turn(KEPT_DAYS["cpu"] * 86_400)
        samples.add({"cpu": 2.0, "viewers": 2.0})
        await samples.flush()
        assert (values(samples), values(samples, "viewers")) == ([2.0], [1.0, 2.0])
        assert (await rows(database, "cpu"), await rows(database, "viewers")) == (1, 2)
        clock.turn(KEPT_DAYS["viewers"] * 86_400)
    async with opened(address, clock) as (samples, database):
        assert values(samples, "viewers") == []
        await samples.flush()
        assert await rows(database, "viewers") == 0


async def test_old_rows_are_deleted_at_most_once_an_hour(
    address: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    deletions: list[str] = []
    forget = repository.forget

    async def counting(connection: AsyncConnection, kind: str, before: datetime) -> None:
        deletions.append(kind)
        await forget(connection, kind, before)

    monkeypatch.setattr(repository, "forget", counting)
    async with opened(address, clock) as (samples, _):
        for _ in range(60):
            samples.add({"cpu": 1.0})
            await samples.flush()
            clock.turn(60)
        assert deletions == list(module.KINDS)
        await samples.flush()
        assert deletions == list(module.KINDS) * 2


async def test_a_clock_that_is_set_back_keeps_the_order(address: str, clock: Clock) -> None:
    async with opened(address, clock) as (samples, _):
        for value in (1.0, 2.0, 3.0):
            samples.add({"cpu": value})
            clock.turn(60)
        clock.turn(-120)
        samples.add({"cpu": 4.0})
        moments = [sample.at for sample in samples.series("cpu")]
        assert values(samples) == [1.0, 4.0]
        assert moments == sorted(set(moments))
        await samples.flush()
    async with opened(address, clock) as (samples, _):
        assert values(samples) == [1.0, 4.0]


async def test_samples_wait_for_a_database_that_refuses_but_not_without_end(
    address: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PENDING", 3)
    async with opened(address, clock) as (samples, database):
        with monkeypatch.context() as patch:
            patch.setattr(database, "_closing", True)
            for value in range(5):
                samples.add({"cpu": float(value)})
                clock.turn(60)
                with pytest.raises(StorageError):
                    await samples.flush()
        await samples.flush()
        assert values(samples) == [0.0, 1.0, 2.0, 3.0, 4.0]
    async with opened(address, clock) as (samples, _):
        assert values(samples) == [2.0, 3.0, 4.0]


def test_memory_is_bounded_to_the_days_that_are_kept(clock: Clock) -> None:
    samples = Samples(Database("sqlite+aiosqlite://"), clock.now)
    for _ in range(KEPT_DAYS["cpu"] * 1440 + 50):
        samples.add({"cpu": 1.0})
        clock.turn(60)
    assert len(samples.series("cpu")) == KEPT_DAYS["cpu"] * 1440
