"""Backups every hour: when they are made, that one failure is not the last word, and that they end with the server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from backup_material import make_database
from house import Clock

from owncast_py.backup import archive
from owncast_py.backup.errors import BackupError
from owncast_py.backup.hourly import HourlyBackups
from owncast_py.backup.rotation import Keep

HOUR = 3600.0


@pytest.fixture
async def backups(tmp_path: Path, clock: Clock) -> AsyncIterator[HourlyBackups]:
    make_database(tmp_path / "owncast.db", rows=1)
    made = HourlyBackups(tmp_path, tmp_path / "owncast.db", clock.now, Keep(hourly=2, daily=0, weekly=0))
    yield made
    await made.aclose()


def names(backups: HourlyBackups) -> list[str]:
    return sorted(path.name for path in backups.folder.iterdir())


async def test_one_an_hour_and_the_old_ones_go(backups: HourlyBackups, clock: Clock) -> None:
    await backups.tick()
    assert names(backups) == ["owncast-2026-03-04T050607Z.tar.gz"]
    clock.turn(HOUR - 1)
    await backups.tick()
    assert len(names(backups)) == 1
    clock.turn(1)
    await backups.tick()
    (backups.folder / "mine.tar.gz").write_bytes(b"")
    clock.turn(HOUR)
    await backups.tick()
    assert names(backups) == [
        "mine.tar.gz", "owncast-2026-03-04T060607Z.tar.gz", "owncast-2026-03-04T070607Z.tar.gz",
    ]  # fmt: skip


async def test_a_restart_does_not_make_another(backups: HourlyBackups, tmp_path: Path, clock: Clock) -> None:
    await backups.tick()
    clock.turn(HOUR / 2)
    again = HourlyBackups(tmp_path, tmp_path / "owncast.db", clock.now)
    await again.tick()
    assert len(names(backups)) == 1
    clock.turn(HOUR / 2)
    await again.tick()
    assert len(names(backups)) == 2
    await again.aclose()


async def test_a_backup_from_the_future_keeps_none_away(backups: HourlyBackups, clock: Clock) -> None:
    backups.folder.mkdir()
    (backups.folder / "owncast-2036-01-01T000000Z.tar.gz").write_bytes(b"")
    await backups.tick()
    clock.turn(-2 * HOUR)
    await backups.tick()
    assert len(names(backups)) == 3


async def test_a_failure_is_one_log_line_and_the_next_hour_tries_again(
    backups: HourlyBackups, tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "owncast.db").rename(tmp_path / "away.db")
    await backups.tick()
    clock.turn(HOUR / 2)
    await backups.tick()
    assert capsys.readouterr().out.count("the hourly backup failed") == 1
    (tmp_path / "away.db").rename(tmp_path / "owncast.db")
    clock.turn(HOUR / 2)
    await backups.tick()
    assert len(names(backups)) == 1
    with pytest.raises(BackupError, match="exists already"):
        await backups.backup_now()


async def test_who_asks_at_the_same_time_gets_the_same(backups: HourlyBackups) -> None:
    one, two = await asyncio.gather(backups.backup_now(), backups.backup_now())
    assert one == two
    assert names(backups) == [one.name]


async def test_who_goes_away_does_not_end_it(backups: HourlyBackups, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, go_on = threading.Event(), threading.Event()
    create = archive.create

    def slow(*arguments: object, **more: object) -> Path:
        entered.set()
        assert go_on.wait(10)
        return create(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(archive, "create", slow)
    waiting = asyncio.create_task(backups.backup_now())
    await asyncio.to_thread(entered.wait, 10)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    go_on.set()
    file = await backups.backup_now()
    assert names(backups) == [file.name]


async def test_the_end_of_the_server_ends_a_backup_in_the_making(
    backups: HourlyBackups, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go_on = threading.Event(), threading.Event()
    report = backups._report

    def stop_here(what: str, done: float) -> None:
        entered.set()
        assert go_on.wait(10)
        report(what, done)

    monkeypatch.setattr(backups, "_report", stop_here)
    await backups.start()
    await asyncio.to_thread(entered.wait, 10)
    closing = asyncio.create_task(backups.aclose())
    await asyncio.sleep(0)
    go_on.set()
    await closing
    assert names(backups) == []
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("backup")] == []
    with pytest.raises(BackupError, match="the server is stopping"):
        await backups.backup_now()
