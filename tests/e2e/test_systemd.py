"""The unit of systemd without systemd: it is checked, measured, and what it starts is run under what it forbids."""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import confined
import pytest
from hosting import ROOT, command
from rig import LADDER, PATIENCE, publishing, running, segments

pytestmark = pytest.mark.e2e

Samples = Callable[[str], Path]

UNIT = ROOT / "deploy" / "systemd" / "owncast-py.service"
TEXT = UNIT.read_text()
INSTALLED = "/opt/owncast-py/bin/owncast-py"
OURS = Path(sys.executable).with_name("owncast-py")
MAX_EXPOSURE = 20
"""Of 100, as `systemd-analyze security` counts; most units of a distribution have 90 and more."""


@pytest.fixture
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("There is no systemd-analyze on this machine.")
    return found


def environment(state: Path) -> dict[str, str]:
    """What the unit sets; `%S` is the directory of states."""
    lines = [words for line in confined.values(TEXT, "Environment") for words in shlex.split(line)]
    return {name: value.replace("%S", str(state)) for name, _, value in (words.partition("=") for words in lines)}


def test_systemd_understands_every_line_of_the_unit(analyze: str, tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(TEXT.replace(INSTALLED, str(OURS)))
    done = command(analyze, "verify", unit)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    unit.write_text(TEXT.replace(INSTALLED, str(OURS)).replace("ProtectHome=", "ProtectHouse="))
    assert "ProtectHouse" in command(analyze, "verify", unit).stderr


def test_the_service_is_exposed_to_little(analyze: str) -> None:
    done = command(analyze, "security", "--offline=true", "--no-pager", f"--threshold={MAX_EXPOSURE}", UNIT)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found is not None
    assert float(found[1]) * 10 <= MAX_EXPOSURE


async def test_the_service_broadcasts_under_what_the_unit_forbids_and_tells_systemd(
    analyze: str, samples: Samples, tmp_path: Path
) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("There is no gcc to ask for the numbers of system calls.")
    (start,) = confined.values(TEXT, "ExecStart")
    program, *words = shlex.split(start)
    assert program == INSTALLED
    options = tmp_path / "config.yaml"
    options.write_text(LADDER)
    state = tmp_path / "owncast-py"
    state.mkdir(int(confined.values(TEXT, "StateDirectoryMode")[0], 8))
    given = environment(tmp_path)
    assert given["OWNCAST_DATA_DIR"] == str(state)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(PATIENCE)

        async def heard(wanted: str) -> str:
            while True:
                said = (await asyncio.to_thread(systemd.recv, 4096)).decode()
                if said.startswith(wanted):
                    return said

        notifying = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "2000000"}
        ports = {"OWNCAST_HTTP_PORT": "0", "OWNCAST_RTMP_PORT": "0", "OWNCAST_RTMP_HOST": "127.0.0.1"}
        confining = [sys.executable, str(Path(confined.__file__)), str(UNIT)]
        inside = [*confining, str(OURS), *words, "--config", str(options)]
        async with running(inside, state, cwd=state, **given, **notifying, **ports) as server:
            said = await heard("READY=1")
            assert f"STATUS=Viewers at {server.http.removeprefix('http://')}, encoders at 127.0.0.1:" in said
            status = Path(f"/proc/{server.process.pid}/status").read_text()
            assert re.findall(r"^(?:NoNewPrivs|Seccomp|CapEff|CapBnd):\t(\w+)$", status, re.MULTILINE) == [
                *("0000000000000000", "0000000000000000", "1", "2")
            ]
            async with publishing(server, samples("plain.flv"), key=server.made("Stream key")):
                for number in (0, 1):
                    await server.playlist(number, lambda text: bool(segments(text)))
                for _ in range(3):
                    await heard("WATCHDOG=1")
            server.process.send_signal(signal.SIGTERM)
            assert await heard("STOPPING=1") == "STOPPING=1\nSTATUS=Ending."
            async with asyncio.timeout(PATIENCE):
                assert await server.process.wait() == 0
    assert (state / "owncast.db").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("attempt", "forbidden"),
    [
        ("import mmap; mmap.mmap(-1, 4096, prot=7)", True),
        ("import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", True),
        ("import os; os.chroot('/')", True),
        ("import os; os.setuid(0)", True),
        ("import mmap, socket; mmap.mmap(-1, 4096, prot=3); socket.socket(socket.AF_INET6)", False),
    ],
)
def test_what_the_unit_forbids_is_forbidden_where_it_was_tried(analyze: str, attempt: str, forbidden: bool) -> None:
    done = command(sys.executable, Path(confined.__file__), UNIT, sys.executable, "-c", attempt)
    assert (done.returncode != 0) is forbidden
    assert ("PermissionError" in done.stderr) is forbidden
