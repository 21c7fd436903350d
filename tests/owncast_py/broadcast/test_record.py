"""The record of shows, over restarts and sudden ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import pytest
from house import Clock
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.broadcast import record as module
from owncast_py.broadcast.record import ShowRecord
from owncast_py.errors import StorageError
from owncast_py.storage import broadcasts as repository
from owncast_py.storage.database import Database


@asynccontextmanager
async def opened(address: str, clock: Clock) -> AsyncIterator[ShowRecord]:
    database = Database(address)
    await database.start()
    try:
        record = ShowRecord(database, clock.now)
        await record.start()
        yield record
    finally:
        await database.aclose()


async def test_nothing_yet(address: str, clock: Clock) -> None:
    async with opened(address, clock) as record:
        assert (record.overall_peak, record.last_started, record.last_ended) == (0, None, None)
        await record.note(0)
        await record.ended(0)
        assert await record.recent(10) == []


async def test_shows_outlive_a_restart(address: str, clock: Clock) -> None:
    async with opened(address, clock) as record:
        began = clock.now()
        await record.began("One")
        assert (record.last_started, record.last_ended) == (began, None)
        clock.turn(600)
        ended = clock.now()
        await record.ended(5)
        clock.turn(60)
        await record.began("T" * 500)
        clock.turn(60)
        await record.ended(3)
    async with opened(address, clock) as record:
        assert record.overall_peak == 5
        assert record.last_ended == clock.now()
        two, one = await record.recent(10)
        assert (one.title, one.started_at, one.ended_at, one.peak_viewers) == ("One", began, ended, 5)
        assert (two.title, two.peak_viewers) == ("T" * module.MAX_TITLE, 3)
        assert [show.id for show in await record.recent(1)] == [two.id]
        assert await record.recent(-1) == []


async def test_a_killed_show_ended_when_it_was_last_seen(address: str, clock: Clock) -> None:
    async with opened(address, clock) as record:
        assert not record.interrupted
        began = clock.now()
        await record.began("One")
        clock.turn(90)
        seen = clock.now()
        await record.note(8)
        clock.turn(30)
        await record.note(9)  # too early to be written
        assert record.overall_peak == 9
    clock.turn(86_400)
    async with opened(address, clock) as record:
        assert record.interrupted
        assert (record.last_started, record.last_ended, record.overall_peak) == (began, seen, 8)
        (show,) = await record.recent(5)
        assert (show.ended_at, show.last_seen_at, show.peak_viewers) == (seen, seen, 8)
    async with opened(address, clock) as record:
        assert not record.interrupted


async def test_a_running_show_is_written_once_a_minute(
    address: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(address, clock) as record:
        await record.began("One")
        written: list[float] = []
        note = repository.note

        async def counting(connection: AsyncConnection, show: int, peak: int, at: datetime) -> None:
            written.append(clock.monotonic())
            await note(connection, show, peak, at)

        monkeypatch.setattr(repository, "note", counting)
        begun = clock.monotonic()
        for second in range(181):
            await asyncio.gather(record.note(second), record.note(second))
            clock.turn(1)
        assert [when - begun for when in written] == [60, 120, 180]
        (show,) = await record.recent(1)
        assert show.peak_viewers == 180
        clock.turn(-7200)
        await record.note(1)
        assert len(written) == 4


async def test_a_show_whose_end_was_not_told_ends_when_the_next_begins(address: str, clock: Clock) -> None:
    async with opened(address, clock) as record:
        began = clock.now()
        await record.began("One")
        await record.note(7)
        clock.turn(30)
        await record.began("Two")
        await record.ended(2)
        two, one = await record.recent(5)
        assert (one.ended_at, two.peak_viewers, two.ended_at) == (began, 2, clock.now())


async def test_without_a_disk_the_times_in_memory_still_hold(
    address: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(address, clock) as record:
        with monkeypatch.context() as patch:
            patch.setattr(record._database, "_closing", True)
            with pytest.raises(StorageError):
                await record.began("One")
        await record.note(4)
        clock.turn(5)
        await record.ended(4)
        assert (record.last_ended, record.overall_peak) == (clock.now(), 4)
        assert await record.recent(5) == []
