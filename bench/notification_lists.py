"""Pages of a list of a million notifications in SQLite: how many there are and which are on the page, in one reading.

One topic has nine tenths of them and one shelf has 94 of 100, as it is with chat that was delivered. Each question is
asked anew every time, in turns, so that all see the same machine; what the processor was busy with is told beside it,
for a machine that does other things as well makes a wait longer.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import NamedTuple

from report import Verdict, show

from owncast_py.notifications.filters import parse_filter, parse_sort
from owncast_py.notifications.ids import SUBSCRIPTION, TOPIC, with_number
from owncast_py.notifications.listing import NOTIFICATION_FIELDS, Listing
from owncast_py.notifications.model import Shelf
from owncast_py.storage import notification_lists, sqlite
from owncast_py.storage.database import Database

STORED = 1_000_000
ENDPOINTS = 10
TOPICS = 10
BUSY_TOPIC_SHARE = 0.9
SHELF_WEIGHTS = {Shelf.QUEUE: 1, Shelf.PULL: 2, Shelf.RECEIVED: 94, Shelf.FAILED: 3}
BEGIN = 1_700_000_000_000
"""Unix milliseconds of the first."""
STEP = 250
"""Milliseconds between two messages."""
MAX_MILLISECONDS = 100.0
QUERY_PLACES = (0.0, 0.25, 0.5, 0.75, 0.999)
"""Where in the list a page starts, as a share of it."""


class Question(NamedTuple):
    """What is asked for: on which shelves, by which filter and order, of which topic or subscription."""

    name: str
    shelves: Collection[Shelf]
    where: str = ""
    sort: str = ""
    topic_id: str | None = None
    subscription_id: str | None = None
    limit: int = 100


class Wait(NamedTuple):
    """Milliseconds until the page was there, and of the processor's time."""

    wall: float
    cpu: float


def measure(*, runs: int = 100, stored: int = STORED) -> list[Verdict]:
    """`runs` pages of each question, beginning in different places."""
    with tempfile.TemporaryDirectory(prefix="owncast-py-bench-") as directory:
        path = Path(directory) / "lists.db"
        return asyncio.run(_measure(path, runs, stored))


async def _measure(path: Path, runs: int, stored: int) -> list[Verdict]:
    database = Database(sqlite.url(path))
    await database.start()
    try:
        _fill(path, stored)
        waits = await _ask(database, _questions(stored), runs)
    finally:
        await database.aclose()
    rows = []
    verdicts = []
    for name, found in waits.items():
        wall, cpu = sorted(wait.wall for wait in found), [wait.cpu for wait in found]
        p99 = wall[min(len(wall) - 1, int(len(wall) * 0.99))]
        rows.append((name, f"{median(wall):.1f}", f"{p99:.1f}", f"{median(cpu):.1f}", f"{max(cpu):.1f}"))
        verdicts.append(
            Verdict(f"list, {name}, p99", f"≤ {MAX_MILLISECONDS:.0f} ms", f"{p99:.1f} ms", p99 <= MAX_MILLISECONDS)
        )
    columns = ("milliseconds", "p50", "p99", "processor, p50", "most")
    load = f"{runs} pages of each; load average of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors."
    show(f"Pages of {stored:,} notifications", columns, rows, load)
    return verdicts


def _questions(stored: int) -> list[Question]:
    received, failed = {Shelf.RECEIVED}, {Shelf.FAILED}
    topic, subscription = with_number(TOPIC, BEGIN << 16), with_number(SUBSCRIPTION, BEGIN << 16)
    middle = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime((BEGIN + stored // ENDPOINTS * STEP // 2) / 1000))
    return [
        Question("received", received),
        Question("received, newest first", received, sort="-createdAt"),
        Question("received, newest first, 1,000 a page", received, sort="-createdAt", limit=1000),
        Question("received since the middle", received, where=f"ge(createdAt,{middle})"),
        Question("received of the busy topic", received, where=f"eq(topic,{topic})"),
        Question("received of a subscription", received, where=f"eq(subscription,{subscription})"),
        Question("received by topic", received, sort="topic"),
        Question("received by subscription, last first", received, sort="-subscription"),
        Question("waiting", {Shelf.QUEUE}),
        Question("failed, that expired", failed, where="eq(state,expired)"),
        Question("the busy topic's", frozenset(Shelf), topic_id=topic),
        Question("the busy topic's, received", frozenset(Shelf), where="eq(state,received)", topic_id=topic),
        Question("the busy topic's, unsettled or failed", frozenset(Shelf), "ne(state,received)", topic_id=topic),
        Question("a subscription's, newest first", frozenset(Shelf), "", "-createdAt", subscription_id=subscription),
    ]


async def _ask(database: Database, questions: list[Question], runs: int) -> dict[str, list[Wait]]:
    waits: dict[str, list[Wait]] = {question.name: [] for question in questions}
    counts = dict.fromkeys(waits, 0)
    for run in range(-1, runs):
        for question in questions:
            listing = Listing(
                start=int(counts[question.name] * QUERY_PLACES[run % len(QUERY_PLACES)]),
                limit=question.limit,
                where=parse_filter(question.where, NOTIFICATION_FIELDS) if question.where else None,
                sort=parse_sort(question.sort, NOTIFICATION_FIELDS),
            )
            wall, cpu = time.perf_counter(), time.process_time()
            async with database.reading() as connection:
                page = await notification_lists.notifications(
                    connection,
                    question.shelves,
                    listing,
                    topic_id=question.topic_id,
                    subscription_id=question.subscription_id,
                )
            counts[question.name] = page.count
            if run >= 0:  # the first tells how many there are, and lets SQLAlchemy compile
                spent = (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000
                waits[question.name].append(Wait(*spent))
    return waits


def _fill(path: Path, stored: int) -> None:
    """As many notifications as that, as a server would have them after a while."""
    ids = [(BEGIN + number) << 16 for number in range(max(TOPICS, ENDPOINTS))]
    subscription = {
        (topic, endpoint): (BEGIN + topic * ENDPOINTS + endpoint) << 16
        for topic in range(TOPICS)
        for endpoint in range(ENDPOINTS)
    }
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.executemany(
            "INSERT INTO topics (id, domain, name, created_at) VALUES (?, 'owncast', ?, ?)",
            [(ids[topic], f"TOPIC_{topic}", BEGIN + topic) for topic in range(TOPICS)],
        )
        connection.executemany(
            "INSERT INTO endpoints (id, method, channel, url, token, document, ordered, secret, former_secret,"
            " authenticated, active, created_at, updated_at)"
            " VALUES (?, 'push', 'webhook', 'https://example.org/', '', '{}', 0, '', '', 1, 1, ?, ?)",
            [(ids[endpoint], BEGIN, BEGIN) for endpoint in range(ENDPOINTS)],
        )
        connection.executemany(
            "INSERT INTO subscriptions (id, topic_id, endpoint_id, subscriber, restricted, active, created_at,"
            " updated_at) VALUES (?, ?, ?, '', 0, 1, ?, ?)",
            [(each, ids[topic], ids[endpoint], BEGIN, BEGIN) for (topic, endpoint), each in subscription.items()],
        )
        chance = random.Random(1)
        shelves, weights = list(SHELF_WEIGHTS), list(SHELF_WEIGHTS.values())
        topic_of = [
            0 if chance.random() < BUSY_TOPIC_SHARE else chance.randrange(TOPICS) for _ in range(stored // ENDPOINTS)
        ]

        def messages() -> Iterator[tuple[object, ...]]:
            for number, topic in enumerate(topic_of):
                at = BEGIN + number * STEP
                yield at << 16, ids[topic], at, b'{"type":"CHAT","eventData":{"body":"%s"}}' % (b"hello " * 30)

        def notifications() -> Iterator[tuple[object, ...]]:
            for number, topic in enumerate(topic_of):
                at = BEGIN + number * STEP
                for endpoint in range(ENDPOINTS):
                    shelf = chance.choices(shelves, weights)[0]
                    expired = shelf is Shelf.FAILED and chance.random() < 0.5
                    yield (
                        (at << 16) + endpoint, at << 16, ids[topic], subscription[topic, endpoint], ids[endpoint],
                        shelf.value, expired, 1, at, at, at, at + chance.randrange(10_000),
                    )  # fmt: skip

        connection.executemany("INSERT INTO topic_messages (id, topic_id, at, body) VALUES (?, ?, ?, ?)", messages())
        connection.executemany(
            "INSERT INTO notifications (id, message_id, topic_id, subscription_id, endpoint_id, shelf, expired, tries,"
            " due_at, queued_at, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            notifications(),
        )
