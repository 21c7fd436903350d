"""Whether this machine can stream, in plain words: one finding a line, each problem with its remedy.

Owns the findings about ports, disk, data directory and clock, and the wording of those about ffmpeg. It does not
find ffmpeg or try encoders: that is the transcoder's, handed in as a callable that answers with an `FfmpegReport`.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from owncast_py.config import Config

MIN_FREE_BYTES = 1 << 30
"""About 20 minutes of segments at 6 Mb/s: enough for the window and for what the write-behind leaves for a moment."""
EARLIEST_SANE_TIME = 1_767_225_600
"""2026-01-01: a clock before this program was made is wrong."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. A problem says its remedy in the same sentence."""

    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class EncoderTrial:
    """What became of encoding a few frames with one encoder; `why` says it when it did not work."""

    name: str
    works: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class FfmpegReport:
    """The ffmpeg in use and what its encoders did. `path` is None when there is none; `problem` says why."""

    path: str | None
    version: str = ""
    trials: Sequence[EncoderTrial] = ()
    chosen: str = ""
    problem: str = ""


Prober = Callable[[Config], Awaitable[FfmpegReport]]


async def check_machine(config: Config, probe: Prober) -> list[Finding]:
    """Every finding, in the order in which a newcomer would mend them."""
    report = await probe(config)
    return [*_ffmpeg(report, config), *_ports(config), *_storage(config), _clock(time.time())]


def _ffmpeg(report: FfmpegReport, config: Config) -> Iterator[Finding]:
    if report.path is None:
        yield Finding(False, f"ffmpeg: {report.problem or 'not found'} Install it, or set ffmpeg_path.")
        return
    yield Finding(True, f"ffmpeg {report.version} at {report.path}")
    for trial in report.trials:
        if trial.works:
            yield Finding(True, f"encoder {trial.name} works")
        else:
            # A missing graphics card is no fault of the machine, unless the owner asked for it by name.
            wanted = trial.name == config.stream.codec
            remedy = "; set stream.codec to auto, or mend its driver" if wanted else ""
            yield Finding(not wanted, f"encoder {trial.name} does not work here: {trial.why.rstrip('.')}{remedy}")
    if report.chosen:
        yield Finding(True, f"transcoded variants will use {report.chosen}")
    else:
        yield Finding(False, "no H.264 encoder works: install an ffmpeg with libx264, or set ffmpeg_path to one")


def _ports(config: Config) -> Iterator[Finding]:
    wanted = [
        ("HTTP", config.http_host, config.http_port, "--http-port"),
        ("RTMP", config.rtmp_host, config.rtmp_port, "--rtmp-port"),
    ]
    if config.rtmps.enabled:
        wanted.append(("RTMPS", config.rtmps.host, config.rtmps.port, "rtmps.port"))
    for purpose, host, port, option in wanted:
        problem = port_problem(purpose, host, port, option)
        yield Finding(problem is None, problem or f"port {port} for {purpose} on {host} is free")


def port_problem(purpose: str, host: str, port: int, option: str) -> str | None:
    """Why `host:port` cannot be listened on, with the remedy, or None when it can. `option` is what would change it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        # As servers do: a port whose last connections still fade away is free.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
            trial.listen(1)
        except socket.gaierror:
            return f"The address {host} for {purpose} is unknown; write an IP address of this machine, such as 0.0.0.0."
        except OSError as error:
            return describe_bind_error(error, purpose, host, port, option)
    return None


def describe_bind_error(error: OSError, purpose: str, host: str, port: int, option: str) -> str:
    """The sentence for a failed bind: who has the port, or what else is in the way. May block for milliseconds."""
    if error.errno == errno.EADDRINUSE:
        holder = _holder(port)
        taken = f"by another program ({holder})" if holder else "by another program"
        return f"Port {port} for {purpose} is taken {taken}; stop it or choose another with {option}."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"Port {port} for {purpose} may only be opened by root; choose one above 1023 with {option}."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"This machine has no address {host} for {purpose}; write one of its own, such as 0.0.0.0."
    return f"Port {port} for {purpose} on {host} cannot be opened: {error.strerror}; choose another with {option}."


def _holder(port: int) -> str:
    """Who listens on a port, as `pid 123, nginx`; empty when the system does not tell us."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                if connection.pid is not None:
                    return f"pid {connection.pid}, {psutil.Process(connection.pid).name()}"
                return ""
    except psutil.Error:
        pass
    return ""


def _storage(config: Config) -> Iterator[Finding]:
    directory = config.data_dir.absolute()
    existing = next(parent for parent in (directory, *directory.parents) if parent.exists())
    problem = _write_problem(existing)
    if problem:
        yield Finding(
            False, f"data directory {directory} cannot be written ({problem}): change its owner or choose --data-dir"
        )
    else:
        yield Finding(True, f"data directory {directory} can be written")
    free = shutil.disk_usage(existing).free
    if free < MIN_FREE_BYTES:
        yield Finding(
            False, f"only {free / 1e9:.1f} GB free at {existing}: make room for 1 GB, or set hls.disk to false"
        )
    else:
        yield Finding(True, f"{free / 1e9:.1f} GB free at {existing}")


def _write_problem(directory: Path) -> str | None:
    if not directory.is_dir():
        return "it is not a directory"
    try:
        # A real write: permission bits say nothing about read-only mounts or root.
        with tempfile.TemporaryFile(dir=directory) as file:
            os.write(file.fileno(), b"owncast")
    except OSError as error:
        return error.strerror or str(error)
    return None


def _clock(now: float) -> Finding:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now))
    if now < EARLIEST_SANE_TIME:
        return Finding(False, f"the clock says {when} UTC, which is past: set it, or players will misjudge the delay")
    return Finding(True, f"the clock says {when} UTC")
