"""The task that measures: when, what, and that nothing of it stays behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from house import Clock

from owncast_py.metrics.hardware import Hardware, Reading
from owncast_py.metrics.sampler import Sampler
from owncast_py.metrics.samples import Samples
from owncast_py.storage.database import Database


class Station:
    """A sampler whose pauses a test ends."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.clock = clock
        self.reading: Reading | Exception = Reading(10, 20, 30)
        self.online = False
        self.ticks = 0
        self.breaks_at = 0
        self.pauses: asyncio.Queue[tuple[float, asyncio.Event]] = asyncio.Queue()
        self.samples = Samples(database, clock.now)
        self.sampler = Sampler(
            self.samples,
            Hardware(Path("/data"), self._read),
            viewers=lambda: 7,
            online=lambda: self.online,
            chatters=lambda: 3,
            now=clock.now,
            also=[self._tick],
            sleep=self._sleep,
        )

    async def minute(self) -> float:
        """Waits for the pause, ends it when its time has come, and returns its seconds."""
        async with asyncio.timeout(20):
            seconds, over = await self.pauses.get()
        self.clock.turn(seconds)
        over.set()
        return seconds

    def _read(self, _path: Path) -> Reading:
        if isinstance(self.reading, Exception):
            raise self.reading
        return self.reading

    def _tick(self) -> None:
        self.ticks += 1
        if self.ticks == self.breaks_at:
            raise RuntimeError("a broken part")

    async def _sleep(self, seconds: float) -> None:
        over = asyncio.Event()
        self.pauses.put_nowait((seconds, over))
        await over.wait()

    def values(self) -> dict[str, list[float]]:
        return {
            kind: [sample.value for sample in self.samples.series(kind)]
            for kind in ("viewers", "chatters", "cpu", "memory", "disk")
        }


@pytest.fixture
async def station(address: str, clock: Clock) -> AsyncIterator[Station]:
    database = Database(address)
    await database.start()
    yield Station(database, clock)
    await database.aclose()


async def test_it_measures_at_once_and_then_in_the_middle_of_each_minute(station: Station) -> None:
    await station.samples.start()
    station.clock.turn(3.5)
    await station.sampler.start()
    assert await station.minute() == pytest.approx(79.5)
    assert station.clock.now().second == 30
    station.online = True
    assert await station.minute() == pytest.approx(60)
    await station.minute()
    await station.sampler.aclose()
    assert station.ticks == 3
    assert station.values() == {
        "viewers": [7.0, 7.0],
        "chatters": [3.0, 3.0, 3.0],
        "cpu": [10.0, 10.0, 10.0],
        "memory": [20.0, 20.0, 20.0],
        "disk": [30.0, 30.0, 30.0],
    }


async def test_an_end_keeps_everything_and_leaves_no_task(station: Station) -> None:
    before = asyncio.all_tasks()
    await station.sampler.start()
    seconds, _ = await station.pauses.get()
    assert 30 <= seconds <= 90
    station.samples.add({"cpu": 42.0})
    await station.sampler.aclose()
    assert asyncio.all_tasks() == before
    again = Samples(station.samples._database, station.clock.now)
    await again.start()
    assert [sample.value for sample in again.series("cpu")] == [42.0]


async def test_warnings_are_logged_once(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    station.reading = Reading(99, 20, 30)
    await station.sampler.sample()
    station.clock.turn(60)
    await station.sampler.sample()
    out = capsys.readouterr().out
    assert out.count("The processor is 99 % busy") == 1


async def test_what_fails_costs_its_own_numbers_only(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    station.reading = OSError("no such disk")
    station.breaks_at = 2
    await station.sampler.start()
    await station.minute()
    station.reading = Reading(1, 2, 3)
    await station.minute()  # here `also` fails
    await station.minute()
    await station.sampler.aclose()
    out = capsys.readouterr().out
    assert "no such disk" in out
    assert "measuring failed" in out
    assert station.values()["chatters"] == [3.0, 3.0, 3.0]
    assert station.values()["cpu"] == [1.0, 1.0]


async def test_a_database_that_refuses_is_logged(
    station: Station, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(station.samples._database, "_closing", True)
        await station.sampler.sample()
        await station.sampler.aclose()
    assert capsys.readouterr().out.count("samples not kept") == 2
