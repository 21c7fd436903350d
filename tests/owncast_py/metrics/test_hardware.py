"""Reading this machine, and warning of it."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from owncast_py.metrics import hardware as module
from owncast_py.metrics.hardware import Hardware, Machine, Reading


async def test_this_machine_is_read_off_the_loop(tmp_path: Path) -> None:
    threads: list[int] = []
    machine = Machine()

    def read(path: Path) -> Reading:
        threads.append(threading.get_ident())
        return machine(path)

    hardware = Hardware(tmp_path, read)
    for _ in range(2):
        reading = await hardware.measure()
        assert 0 <= reading.cpu <= 100
        assert 0 < reading.memory <= 100
        assert 0 <= reading.disk <= 100
    assert threading.get_ident() not in threads


async def test_a_disk_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        await Hardware(tmp_path / "nowhere").measure()


def test_the_processor_is_measured_between_two_readings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Times(tuple[float, ...]):
        idle, iowait, guest, guest_nice = 0.0, 0.0, 0.0, 0.0

    def times(user: float, idle: float, iowait: float, guest: float) -> Times:
        found = Times((user, idle, iowait, guest))
        found.idle, found.iowait, found.guest = idle, iowait, guest
        return found

    # Guests' seconds are among the user's: 30 of 100 seconds were work, then 90 of 100, then none passed.
    given = [times(0, 0, 0, 0), times(30, 50, 20, 10), times(120, 60, 20, 10), times(120, 60, 20, 10)]
    monkeypatch.setattr(psutil, "cpu_times", lambda: given.pop(0))
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=lambda _seconds: None))
    machine = Machine()
    assert [round(machine(tmp_path).cpu) for _ in range(3)] == [30, 90, 0]


def test_a_warning_is_given_once_until_it_is_well_below_its_limit() -> None:
    hardware = Hardware(Path("/data"), lambda _path: Reading(0, 0, 0))
    given = [len(hardware.warnings(Reading(cpu, 10, 10))) for cpu in (85, 86, 99, 84, 86, 80, 86, 79.9, 85.1)]
    assert given == [0, 1, 0, 0, 0, 0, 0, 0, 1]


def test_each_value_has_its_sentence() -> None:
    hardware = Hardware(Path("/data"), lambda _path: Reading(0, 0, 0))
    cpu, memory, disk = hardware.warnings(Reading(91.6, 88, 95))
    assert cpu.startswith("The processor is 92 % busy")
    assert memory.startswith("The memory is 88 % full")
    assert disk.startswith("The disk that holds /data is 95 % full")
    assert hardware.warnings(Reading(91.6, 88, 90)) == []
