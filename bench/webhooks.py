"""What a webhook that hangs or fails costs everybody else, against no webhook: chat's fan-out and a live playlist.

Every chat message is an event that is queued for the webhook, in the same transaction, so what is measured is what
queueing costs, and the few tries that its lane still makes: it has met the webhook when a turn begins. All cases share
one server, in turns of a few seconds that make up a run together, so that they see the same machine.

The fan-out is that of `fanout.py`, 10 messages a second. The playlist is asked for over one connection, at random
moments, while a bot writes as much with nobody listening.
"""

from __future__ import annotations

import random
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import fmean, median
from typing import NamedTuple
from urllib.parse import urlsplit

import crowd
from fanout import fan_out
from harness import BenchError, Server, publishing, until
from report import Verdict, ratios, show, spread
from targets import Manner, Target

SOCKETS = 2_000
RATE = 10
REQUESTS_PER_SECOND = 100
SECONDS = 4
TURNS = 5
SEGMENTS = 5
MAX_CHANGE = 0.05
NONE = "none"
CASES: tuple[tuple[str, Manner | None], ...] = ((NONE, None), ("hangs", "hangs"), ("fails at once", "fails"))
CALLS_UNTIL_MET: dict[Manner, int] = {"hangs": 1, "fails": 5}
"""After so many, a lane waits for an answer, or is down and probes now and then."""
THROUGHPUT = "deliveries per CPU-second"


class Turn(NamedTuple):
    """What was measured in one turn of a case: seconds, and for chat the deliveries per CPU-second."""

    latencies: list[float]
    per_cpu_second: float = 0.0


Run = Mapping[str, float]
"""All turns of a case together, by the name of what was measured."""


def measure(*, runs: int = 5, seconds: int = SECONDS, sockets: int = SOCKETS, turns: int = TURNS) -> list[Verdict]:
    """`runs` runs of `turns` turns of `seconds`, of every case, first for chat, then for the playlist."""
    with Server(private_targets=True) as server:
        api = crowd.Api(server.http)
        paths = [f"/ws?accessToken={api.register()}" for _ in range(sockets)]
        with _bot(server, api) as send, _crowd(server, paths) as listeners:

            def chat_turn() -> Turn:
                found = fan_out(listeners, server.pid, RATE, seconds, send)
                return Turn(list(listeners.latencies), found.per_cpu_second)

            chat = _all_cases(api, send, runs, turns, chat_turn)
    with Server(private_targets=True) as server, publishing(server.rtmp, paced=True, loops=60):
        server.wait_segments(SEGMENTS)
        api = crowd.Api(server.http)
        with _bot(server, api) as send:
            playlist = _all_cases(api, send, runs, turns, lambda: _playlist_turn(server.http, seconds, send))
    verdicts = _report(f"Chat fan-out to {sockets} sockets, {RATE}/s, beside a webhook", "chat", chat)
    title = f"Live playlist, {REQUESTS_PER_SECOND} requests and {RATE} chat messages a second, beside a webhook"
    return verdicts + _report(title, "playlist", playlist)


@contextmanager
def _bot(server: Server, api: crowd.Api) -> Iterator[Callable[[bytes], None]]:
    sender = crowd.open_socket(server.http, f"/ws?accessToken={api.bot()}")
    try:
        yield partial(crowd.say, sender)
    finally:
        sender.close()


@contextmanager
def _crowd(server: Server, paths: Sequence[str]) -> Iterator[crowd.Crowd]:
    listeners = crowd.Crowd(server.http, paths)
    try:
        yield listeners
    finally:
        listeners.close()


def _all_cases(
    api: crowd.Api, send: Callable[[bytes], None], runs: int, turns: int, turn: Callable[[], Turn]
) -> dict[str, list[Run]]:
    """Every case in each run, by name. The first of a round is another one each time."""
    found: dict[str, list[Run]] = {name: [] for name, _ in CASES}
    turn()  # the first time is slower
    for _ in range(runs):
        measured: dict[str, list[Turn]] = {name: [] for name, _ in CASES}
        for number in range(turns):
            first = number % len(CASES)
            for name, manner in CASES[first:] + CASES[:first]:
                with _webhook(api, send, manner):
                    measured[name].append(turn())
        for name, of_case in measured.items():
            found[name].append(_together(of_case))
    return found


@contextmanager
def _webhook(api: crowd.Api, send: Callable[[bytes], None], manner: Manner | None) -> Iterator[None]:
    """A webhook of that kind which the server has met."""
    if manner is None:
        yield
        return
    with ExitStack() as stack:
        target = stack.enter_context(Target(manner))
        stack.callback(api.remove_webhook, api.add_webhook(target.url))
        calls = CALLS_UNTIL_MET[manner]
        for _ in range(calls):
            send(b"%%0:0%%")
        until(lambda: len(target.arrivals) >= calls or None, f"{calls} calls of a webhook that {manner}")
        yield


def _together(turns: Sequence[Turn]) -> Run:
    took = sorted(latency * 1e3 for turn in turns for latency in turn.latencies)
    throughput = {THROUGHPUT: fmean(turn.per_cpu_second for turn in turns)} if turns[0].per_cpu_second else {}
    return {**throughput, "p50 ms": took[len(took) // 2], "p99 ms": took[int(len(took) * 0.99)]}


def _playlist_turn(http: str, seconds: float, send: Callable[[bytes], None]) -> Turn:
    """Latencies are from the request until all of the answer is there."""
    url = urlsplit(http)
    request = f"GET /hls/0/stream.m3u8 HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode()
    took: list[float] = []
    sent = 0
    with socket.create_connection((url.hostname, url.port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began = due = time.monotonic()
        while due < began + seconds:
            while began + sent / RATE <= due:
                _sleep_until(began + sent / RATE)
                send(b"%%%%%d:%d%%%%" % (sent, time.time_ns()))
                sent += 1
            _sleep_until(due)
            asked = time.perf_counter()
            connection.sendall(request)
            _read_answer(connection)
            took.append(time.perf_counter() - asked)
            due += random.uniform(0, 2 / REQUESTS_PER_SECOND)
    return Turn(took)


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def _read_answer(connection: socket.socket) -> None:
    data = connection.recv(1 << 16)
    length = re.search(rb"Content-Length: (\d+)", data)
    if not data.startswith(b"HTTP/1.1 200") or length is None:
        raise BenchError(f"The playlist was answered: {data[:200]!r}")
    missing = int(length[1]) - len(data.partition(b"\r\n\r\n")[2])
    while missing > 0:
        missing -= len(connection.recv(1 << 16))


def _report(title: str, what: str, found: Mapping[str, Sequence[Run]]) -> list[Verdict]:
    """The table, and a verdict on each number of each case but the first."""
    metrics = list(found[NONE][0])
    rows, verdicts = [], []
    for name, runs in found.items():
        cells: list[str] = []
        for metric in metrics:
            values = [run[metric] for run in runs]
            change = ratios(values, [run[metric] for run in found[NONE]])
            cells += [spread(values, 0 if metric == THROUGHPUT else 2), "1" if name == NONE else spread(change)]
            if name != NONE:
                worse = 1 - median(change) if metric == THROUGHPUT else median(change) - 1
                label = f"{what} beside a webhook that {name}, {metric.removesuffix(' ms')}"
                verdicts.append(Verdict(label, "changes ≤ 5 %", spread(change) + " ×", worse <= MAX_CHANGE))
        rows.append((name, *cells))
    show(title, ("webhook", *(column for metric in metrics for column in (metric, "×"))), rows)
    return verdicts
