"""Blocking playlist reloads: how long after a part is ready each of 500 waiting players has its answer.

The players are connections of this process; the server is another process that runs the parts of the real one: RTMP,
pipeline, window and web. When a part is ready is noted there, by a waiter of the window that is woken like any other
and registered before all others, so nothing is added to what is measured. An answer has arrived when the kernel took
it in (SO_TIMESTAMPNS). The players look for it only now and then: they would be on other machines, so they must not
compete for this one's processors while answers are sent. Shown as well is the time after the first answer, which
needs no clock of the server's.
"""

from __future__ import annotations

import re
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from harness import BenchError, end, fetch, publishing, until
from report import Verdict, show, spread

WAITERS = 500
ROUNDS = 12
TARGET_MS = 5.0
DEADLINE_SECONDS = 15.0
SO_TIMESTAMPNS = 35
READ_BYTES = 1 << 16
ANCILLARY_BYTES = 64
LOOK_SECONDS = 0.03
SERVER = Path(__file__).with_name("blocking_server.py")


def measure(*, runs: int = 5, waiters: int = WAITERS, rounds: int = ROUNDS) -> list[Verdict]:
    """`runs` servers, `rounds` parts of each, `waiters` answers to every part."""
    columns: dict[str, list[tuple[float, float]]] = {name: [] for name in ("ready", "first")}
    for _ in range(runs):
        found = _one(waiters, rounds)
        for name, values in found.items():
            values.sort()
            columns[name].append((_quantile(values, 0.5), _quantile(values, 0.99)))
    labels = {
        "ready": "part ready → answer has arrived",
        "first": "first answer has arrived → answer has arrived",
    }
    rows = [
        (labels[name], spread([p50 for p50, _ in pairs]), spread([p99 for _, p99 in pairs]))
        for name, pairs in columns.items()
    ]
    show(f"Blocking reload, {waiters} waiters", ("milliseconds", "p50", "p99"), rows)
    worst = [p99 for _, p99 in columns["ready"]]
    target = f"p99 ≤ {TARGET_MS:.0f} ms"
    return [
        Verdict(f"blocking reload, {waiters} waiters", target, spread(worst, unit="ms"), median(worst) <= TARGET_MS)
    ]


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def _one(waiters: int, rounds: int) -> dict[str, list[float]]:
    process = subprocess.Popen([sys.executable, str(SERVER)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        http, rtmp = process.stdout.readline().decode().split()
        with publishing(rtmp, paced=True):
            playlist = f"{http}/hls/0/stream.m3u8"
            until(lambda: b"PRELOAD-HINT" in (fetch(playlist) or b"") or None, "a first part")
            found = _Players(http, "/hls/0/stream.m3u8", waiters).run(rounds)
        end(process)
        ready = dict(line.split() for line in process.stdout.read().decode().splitlines())
    finally:
        end(process)
    result: dict[str, list[float]] = {"ready": [], "first": []}
    for position, stamps in found.items():
        moment, first = int(ready[position]), min(stamps)
        result["ready"] += [(stamp - moment) / 1e6 for stamp in stamps]
        result["first"] += [(stamp - first) / 1e6 for stamp in stamps]
    return result


class _Players:
    """So many connections that all ask for the next part, again and again."""

    def __init__(self, http: str, path: str, count: int) -> None:
        url = urlsplit(http)
        self._path = path
        self._host = url.netloc
        self._sockets: list[socket.socket] = []
        for _ in range(count):
            one = socket.create_connection((url.hostname, url.port))
            one.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.setblocking(False)
            self._sockets.append(one)

    def run(self, rounds: int) -> dict[str, list[int]]:
        """Arrival of each answer, in nanoseconds of the wall clock, by position `msn.part`."""
        text = (fetch(f"http://{self._host}{self._path}") or b"").decode()
        found = {}
        try:
            for number in range(rounds + 1):
                hint = re.search(r'PRELOAD-HINT:.*URI="\w+-(\d+)\.(\d+)\.m4s"', text)
                if hint is None:
                    raise BenchError(f"The playlist has no preload hint: {text!r}")
                stamps, text = self._round(hint[1], hint[2])
                if number:  # the first part may have come before all had asked
                    found[f"{hint[1]}.{hint[2]}"] = stamps
        finally:
            for one in self._sockets:
                one.close()
        return found

    def _round(self, sequence: str, part: str) -> tuple[list[int], str]:
        target = f"{self._path}?_HLS_msn={sequence}&_HLS_part={part}"
        request = f"GET {target} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode()
        for one in self._sockets:
            one.send(request)
        waiting = dict.fromkeys(self._sockets, b"")
        stamps: list[int] = []
        text = ""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while waiting:
            if time.monotonic() > deadline:
                raise BenchError(f"{len(waiting)} of {len(self._sockets)} players were not answered.")
            time.sleep(LOOK_SECONDS)
            for one in list(waiting):
                try:
                    data, ancillary, _, _ = one.recvmsg(READ_BYTES, ANCILLARY_BYTES)
                except BlockingIOError:
                    continue
                if not data:
                    raise BenchError("The server closed a waiting player's connection.")
                data = waiting[one] + data
                waiting[one] = data
                if _complete(data):
                    seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
                    stamps.append(seconds * 1_000_000_000 + nanoseconds)
                    del waiting[one]
                    text = text or data.decode()
        return stamps, text


def _complete(data: bytes) -> bool:
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        return False
    if not head.startswith(b"HTTP/1.1 200"):
        raise BenchError(f"A player was answered: {head.decode(errors='replace')}")
    length = re.search(rb"Content-Length: (\d+)", head)
    return length is not None and len(body) >= int(length[1])
