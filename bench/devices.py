"""Devices: lists of a few and of a thousand, and a thousand people who sign in at the same time beside the chat.

The people and the many devices are written into the database directly: all have one password, whose hash the server
made.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import NamedTuple
from urllib.parse import urlsplit

import crowd
from harness import BenchError, Server, cpu_seconds, wrk, wrk_missing
from report import Verdict, show, spread

PEOPLE = 1_000
SOCKETS = 500
RATE = 10
MANY = 1_000
LISTS = 200
MIN_LISTS = 5_000
MAX_CHAT_MS = 100.0
MAX_LIST_MS = 50.0
PASSWORD = "a-password-of-everybody"
LOGIN_SECONDS = 300.0


class Run(NamedTuple):
    """What one server did."""

    lists: float | None
    """Per CPU-second; None without wrk."""
    alone_p99: float
    beside_p99: float
    signed_in: float
    """Per second."""
    sign_in_cpu: float
    """Milliseconds, the chat's own share taken off."""
    list_p50: float
    list_max: float


def measure(*, runs: int = 3, seconds: int = 5, people: int = PEOPLE, many: int = MANY) -> list[Verdict]:
    """`runs` servers, each asked everything."""
    found = [_one(seconds, people, many) for _ in range(runs)]
    beside = f"chat of {SOCKETS} sockets while {people:,} sign in, p99"
    rows = [
        ("chat alone, p99", spread([run.alone_p99 for run in found], 1, "ms")),
        (beside, spread([run.beside_p99 for run in found], 1, "ms")),
        ("signed in", spread([run.signed_in for run in found], 1, "/s")),
        ("CPU of a sign-in", spread([run.sign_in_cpu for run in found], 1, "ms")),
        (f"list of {many:,} devices, p50", spread([run.list_p50 for run in found], 1, "ms")),
    ]
    verdicts = []
    for what, values, target, unit, least in (
        ("lists of 3 devices", [run.lists for run in found if run.lists is not None], MIN_LISTS, "per CPU-s", True),
        (beside, [run.beside_p99 for run in found], MAX_CHAT_MS, "ms", False),
        (f"list of {many:,} devices, longest", [run.list_max for run in found], MAX_LIST_MS, "ms", False),
    ):
        wanted = f"{'≥' if least else '≤'} {target:,.0f} {unit}"
        if not values:
            verdicts.append(Verdict(what, wanted, "not measured", None))
            continue
        middle = median(values)
        verdicts.append(
            Verdict(
                what, wanted, spread(values, 0 if least else 1, unit), middle >= target if least else middle <= target
            )
        )
    show("Devices", ("what", "measured"), rows, *filter(None, [wrk_missing()]))
    return verdicts


def _one(seconds: int, people: int, many: int) -> Run:
    with Server(chat={"join_messages": False}) as server:
        api = crowd.Api(server.http)
        token = api.register()
        api.post(f"/api/chat/account/password?accessToken={token}", {"login": "p0", "newPassword": PASSWORD})
        for _ in range(2):
            _sign_in(server.http, "p0")
        server.stop()
        _multiply(server, people)
        server.start()
        lists = _lists(server, token, seconds)
        alone, beside, took, spent = _signing_in(server, people, seconds)
        server.stop()
        _add_devices(server, many)
        server.start()
        waits = _long_lists(server, token, many)
        return Run(lists, alone, beside, people / took, spent / people * 1e3, median(waits), max(waits))


def _lists(server: Server, token: str, seconds: int) -> float | None:
    if wrk_missing():
        return None
    header = f"Authorization: Bearer {token}"
    answered, spent = wrk(f"{server.http}/_matrix/client/v3/devices", server.pid, seconds=seconds, header=header)
    return answered / spent


def _signing_in(server: Server, people: int, seconds: int) -> tuple[float, float, float, float]:
    """The chat's p99 in ms, alone and beside; how long everybody took, and the CPU that this cost."""
    api = crowd.Api(server.http)
    listeners = crowd.Crowd(server.http, [f"/ws?accessToken={api.register()}" for _ in range(SOCKETS)])
    sender = crowd.open_socket(server.http, f"/ws?accessToken={api.bot()}")
    try:
        before = cpu_seconds(server.pid)
        alone = _chat_p99(listeners, sender, seconds)
        chat_cpu = (cpu_seconds(server.pid) - before) / seconds
        before, began = cpu_seconds(server.pid), time.monotonic()
        crowd_of_people = _Arrivals(server.http, people)
        worst = []
        while not crowd_of_people.done:
            if time.monotonic() - began > LOGIN_SECONDS:
                raise BenchError(f"In {LOGIN_SECONDS:.0f} s not all of {people} were signed in.")
            worst.append(_chat_p99(listeners, sender, seconds))
        took = crowd_of_people.result()
        spent = cpu_seconds(server.pid) - before - chat_cpu * (time.monotonic() - began)
        return alone, max(worst), took, spent
    finally:
        listeners.close()
        sender.close()


def _chat_p99(listeners: crowd.Crowd, sender: socket.socket, seconds: int) -> float:
    listeners.drain()
    listeners.reset()
    listeners.listen(RATE, seconds, lambda stamp: crowd.say(sender, stamp))
    ordered = sorted(listeners.latencies)
    return ordered[int(len(ordered) * 0.99)] * 1e3


class _Arrivals:
    """Everybody signs in at the same time, each by a connection of their own, in threads of this process."""

    def __init__(self, base: str, people: int) -> None:
        self._began = time.monotonic()
        self._took = 0.0
        self._faults: list[str] = []
        self._thread = threading.Thread(target=self._run, args=(base, people), daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether everybody is signed in."""
        return not self._thread.is_alive()

    def result(self) -> float:
        """Seconds until the last was. Raises BenchError when somebody was not."""
        if self._faults:
            raise BenchError(f"{len(self._faults)} could not sign in: {self._faults[0]}")
        return self._took

    def _run(self, base: str, people: int) -> None:
        def one(number: int) -> None:
            try:
                _sign_in(base, f"p{number}")
            except (BenchError, OSError) as error:
                self._faults.append(str(error))

        with ThreadPoolExecutor(people) as pool:
            list(pool.map(one, range(people)))
        self._took = time.monotonic() - self._began


def _sign_in(base: str, login: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=LOGIN_SECONDS)
    identifier = {"type": "m.id.user", "user": login}
    document = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
    connection.request("POST", "/_matrix/client/v3/login", json.dumps(document))
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200:
        raise BenchError(f"{login} was answered {answer.status}: {body[:200]!r}")


def _multiply(server: Server, people: int) -> None:
    """Others with the same password as the first."""
    with sqlite3.connect(server.home / "data" / "owncast.db") as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(users)")]
        given = {"id": "'p' || value", "login": "'p' || value"}
        chosen = ", ".join(given.get(name, name) for name in columns)
        numbers = f"WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < {people - 1})"
        database.execute(
            f"INSERT INTO users ({', '.join(columns)}) {numbers} SELECT {chosen} FROM users, n WHERE login = 'p0'"
        )
        database.execute(
            f"INSERT INTO passwords (user_id, hash, changed_at) {numbers} "
            "SELECT 'p' || value, hash, changed_at FROM passwords, n"
        )
    database.close()


def _add_devices(server: Server, many: int) -> None:
    """Devices of the first, until there are so many."""
    with sqlite3.connect(server.home / "data" / "owncast.db") as database:
        (user_id,) = database.execute("SELECT id FROM users WHERE login = 'p0'").fetchone()
        (there,) = database.execute("SELECT count(*) FROM devices WHERE user_id = ?", (user_id,)).fetchone()
        rows = [
            (user_id, f"device-{number}", f"Laptop {number}", os.urandom(32), number, number, "192.0.2.7")
            for number in range(many - there)
        ]
        database.executemany(
            "INSERT INTO devices (user_id, id, display_name, token_hash, created_at, last_seen_at, last_seen_ip) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
    database.close()


def _long_lists(server: Server, token: str, many: int) -> list[float]:
    """Milliseconds of each, the first one from the database."""
    connection = http.client.HTTPConnection(urlsplit(server.http).netloc, timeout=30)
    waits = []
    for _ in range(LISTS):
        began = time.perf_counter()
        connection.request("GET", "/_matrix/client/v3/devices", headers={"Authorization": f"Bearer {token}"})
        body = connection.getresponse().read()
        waits.append((time.perf_counter() - began) * 1e3)
        if len(json.loads(body)["devices"]) != many:
            raise BenchError(f"The list does not hold {many} devices: {body[:200]!r}")
    return waits
