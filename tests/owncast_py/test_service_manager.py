"""What systemd is told, read from a real socket as systemd reads it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from owncast_py.service_manager import ServiceManager

PATIENCE = 30.0


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """Where a service manager listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(PATIENCE)
        yield listening


def manager(systemd: socket.socket, **environment: str) -> ServiceManager:
    return ServiceManager.taken_from({"NOTIFY_SOCKET": systemd.getsockname(), **environment}, os.getpid())


async def heard(systemd: socket.socket) -> str:
    return (await asyncio.to_thread(systemd.recv, 4096)).decode()


def silent(systemd: socket.socket) -> bool:
    """Whether nothing comes, after one datagram that may have been on its way."""
    try:
        systemd.recv(4096)
    except TimeoutError:
        return True
    return False


async def test_the_start_and_the_end_are_told_with_a_sentence(systemd: socket.socket) -> None:
    service = manager(systemd)
    service.start("Viewers at 127.0.0.1:8080.")
    assert await heard(systemd) == "READY=1\nSTATUS=Viewers at 127.0.0.1:8080."
    service.stopping()
    assert await heard(systemd) == "STOPPING=1\nSTATUS=Ending."
    await service.aclose()


async def test_a_socket_without_a_file_is_reached_too() -> None:
    name = f"owncast-py-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        listening.settimeout(PATIENCE)
        ServiceManager.taken_from({"NOTIFY_SOCKET": f"@{name}"}, 1).start("Here.")
        assert await heard(listening) == "READY=1\nSTATUS=Here."


async def test_a_loop_that_hangs_is_not_reported_alive(systemd: socket.socket) -> None:
    service = manager(systemd, WATCHDOG_USEC="200000", WATCHDOG_PID=str(os.getpid()))
    service.start("Here.")
    assert (await heard(systemd)).startswith("READY=1")
    assert [await heard(systemd) for _ in range(3)] == ["WATCHDOG=1"] * 3
    # From here the loop is blocked, by this very wait: what was sent before is read, and then there is nothing.
    systemd.settimeout(1.0)
    assert next(number for number in range(3) if silent(systemd)) < 2
    systemd.settimeout(PATIENCE)
    assert await heard(systemd) == "WATCHDOG=1", "a loop that turns again is alive again"
    await service.aclose()


@pytest.mark.parametrize(
    "environment",
    [{}, {"WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "-1"}, {"WATCHDOG_USEC": "0"}],
)
async def test_nobody_is_reassured_who_did_not_ask(systemd: socket.socket, environment: dict[str, str]) -> None:
    before = asyncio.all_tasks()
    service = manager(systemd, **environment)
    service.start("Here.")
    assert asyncio.all_tasks() == before
    assert await heard(systemd) == "READY=1\nSTATUS=Here."
    await service.aclose()


async def test_the_watchdog_ends_with_the_server(systemd: socket.socket) -> None:
    before = asyncio.all_tasks()
    service = manager(systemd, WATCHDOG_USEC="60000000")
    service.start("Here.")
    assert len(asyncio.all_tasks() - before) == 1
    await service.aclose()
    assert asyncio.all_tasks() == before


def test_children_do_not_speak_for_the_server() -> None:
    environment = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "PATH": "/bin"}
    ServiceManager.taken_from(environment, 1)
    assert environment == {"PATH": "/bin"}


def test_a_service_manager_that_is_gone_ends_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for address in (str(tmp_path / "gone"), "x" * 200):
        ServiceManager(address).stopping()
    assert capsys.readouterr().out.count("the service manager was not reached") == 2


async def test_without_a_service_manager_nothing_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    service = ServiceManager.taken_from({"WATCHDOG_USEC": "200000"}, 1)
    before = asyncio.all_tasks()
    service.start("Here.")
    service.stopping()
    assert asyncio.all_tasks() == before
    await service.aclose()
    assert capsys.readouterr().out == ""
