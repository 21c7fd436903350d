"""What is told of the S3-compatible store: whether it is in trouble now, and an event for webhooks when that changes.

Owns the sentence in force, and the way of both events into the queue of notifications. They are the owner's matter, so
no channel that viewers can hear carries them. What trouble is, the store itself decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py import topics
from owncast_py.errors import StorageError
from owncast_py.events import Events, SettingChanged, StoreRecovered, StoreTroubled
from owncast_py.notifications.service import Notifications
from owncast_py.setting_groups import StorageSettings
from owncast_py.storage.database import Database

MAX_WAITING = 100
"""Events that may wait for a slow disk; stores come and go more slowly."""

log = structlog.get_logger(__name__)


class StoreWatch:
    """Follows the store, from `start` to `aclose`."""

    def __init__(self, database: Database, notifications: Notifications, events: Events) -> None:
        self.trouble = ""
        """What is wrong, in a sentence; empty while the store works, or there is none."""
        self._database = database
        self._notifications = notifications
        self._waiting: asyncio.Queue[topics.Event] = asyncio.Queue(MAX_WAITING)
        self._task: asyncio.Task[None] | None = None
        events.subscribe(StoreTroubled, self._on_trouble)
        events.subscribe(StoreRecovered, self._on_recovery)
        events.subscribe(SettingChanged, self._on_setting_changed)

    async def start(self) -> None:
        """Begins to queue events."""
        self._task = asyncio.create_task(self._queueing(), name="store watch")

    async def aclose(self) -> None:
        """Queues what waits, then ends."""
        await self._waiting.join()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _on_trouble(self, event: StoreTroubled) -> None:
        self.trouble = event.sentence
        self._note(topics.storage_event(topics.STORAGE_TROUBLE, event.at, event.sentence))

    def _on_recovery(self, event: StoreRecovered) -> None:
        self.trouble = ""
        self._note(topics.storage_event(topics.STORAGE_RECOVERED, event.at, event.sentence))

    def _on_setting_changed(self, event: SettingChanged) -> None:
        if isinstance(event.after, StorageSettings) and event.after != event.before:
            self.trouble = ""  # another store, which has yet to show how it is

    def _note(self, event: topics.Event) -> None:
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            log.error("store event not queued", topic=event[0], reason=f"{MAX_WAITING} wait already")

    async def _queueing(self) -> None:
        while True:
            event = await self._waiting.get()
            try:
                await self._queue(event)
            except StorageError as error:
                log.error("store event not queued", topic=event[0], reason=str(error))
            finally:
                self._waiting.task_done()

    async def _queue(self, event: topics.Event) -> None:
        async def work(connection: AsyncConnection) -> Callable[[], None]:
            return await self._notifications.record(connection, [event])

        if self._notifications.wants(event[0]):
            await self._database.write(work, lambda told: told())
