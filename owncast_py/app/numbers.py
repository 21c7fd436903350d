"""Every number that the server tells about itself, gathered from the parts that have them.

Owns which numbers of Owncast's there are, the counts that only the database has, and the families of the process.
Those of media are `numbers_media`'s, all others `numbers_service`'s.
"""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path

import structlog

from owncast_py.app.readiness import Readiness
from owncast_py.app.stage import Stage
from owncast_py.errors import StorageError
from owncast_py.metrics.families import Family, counter, gauge, histogram, info
from owncast_py.metrics.hardware import Hardware
from owncast_py.metrics.loop_lag import LoopLag
from owncast_py.metrics.prometheus import Numbers
from owncast_py.metrics.sampler import Sampler
from owncast_py.metrics.samples import Kind
from owncast_py.realtime.messages import CHAT
from owncast_py.services import Services
from owncast_py.storage.database import Database

log = structlog.get_logger(__name__)


async def measure(
    stack: AsyncExitStack, data_dir: Path, stage: Stage, services: Services, now: Callable[[], datetime]
) -> Numbers:
    """Begins to measure; Owncast's gauges. `now` is aware UTC."""
    samples, chat = services.samples, services.chat
    totals: dict[str, int] = {}

    async def count() -> None:
        totals["users"] = await chat.accounts.chatters()
        totals["messages"] = await chat.channels.count(CHAT)
        await services.notifications.figures.look()

    def newest(kind: Kind) -> float | None:
        sample = samples.newest(kind)
        return sample.value if sample is not None else None

    counting = set[asyncio.Task[None]]()

    def begin_count() -> None:
        if not counting:
            task = asyncio.create_task(_logged(count), name="metrics: totals")
            counting.add(task)
            task.add_done_callback(counting.discard)

    sampler = Sampler(
        samples,
        Hardware(data_dir),
        viewers=lambda: stage.status().viewer_count,
        online=lambda: stage.status().online,
        chatters=lambda: len(chat.connections),
        now=now,
        also=[services.playback.tick, begin_count],
    )
    await count()
    await sampler.start()
    stack.push_async_callback(sampler.aclose)
    return Numbers(
        online=lambda: stage.status().online,
        viewers=lambda: stage.status().viewer_count,
        chatters=lambda: len(chat.connections),
        users=lambda: totals.get("users"),
        messages=lambda: totals.get("messages"),
        playback_errors=lambda: services.playback.error_count,
        cpu=lambda: newest("cpu"),
        memory=lambda: newest("memory"),
        disk=lambda: newest("disk"),
    )


async def watch_loop(stack: AsyncExitStack) -> LoopLag:
    """Begins to measure how late the event loop is."""
    lag = LoopLag(time.monotonic)
    await lag.start()
    stack.push_async_callback(lag.aclose)
    return lag


def process(version: str, readiness: Readiness, lag: LoopLag) -> list[Family]:
    """What is told of the process, beside what prometheus_client knows of every one."""
    return [
        info(
            "owncast_build",
            "The version of this server and of Python.",
            ("version", "python"),
            lambda: [(version, platform.python_version())],
        ),
        gauge("owncast_ready", "1 while a stream can be accepted, else 0.", lambda: not readiness.reasons()),
        gauge("owncast_warnings", "What is wrong and keeps no stream away.", lambda: len(readiness.warnings())),
        gauge("owncast_tasks", "Tasks on the event loop.", lambda: len(asyncio.all_tasks())),
        histogram("owncast_event_loop_lag_seconds", "How late the event loop turned.", lambda: lag.seconds),
    ]


def storage(database: Database) -> list[Family]:
    """What is told of the database's writer."""
    return [
        gauge("owncast_database_waiting_writes", "Changes that wait for the writer.", lambda: database.waiting),
        counter("owncast_database_writes", "Changes that were committed.", lambda: database.writes),
        counter("owncast_database_commits", "Commits; many changes share one.", lambda: database.commits),
        counter(
            "owncast_database_failed_commits", "Commits that the database did not take.", lambda: database.failures
        ),
        histogram("owncast_database_commit_seconds", "What a commit took.", lambda: database.seconds),
    ]


async def _logged(count: Callable[[], Awaitable[None]]) -> None:
    try:
        await count()
    except StorageError as error:
        log.error("totals not counted", reason=str(error))
