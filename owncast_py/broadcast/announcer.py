"""The stream's events, told in the channel `stream`: `started`, `stopped` and `titled`, each `{title, at}`.

Owns the translation of domain events into channel messages, one after the other. It decides nothing about the stream.
"""

from __future__ import annotations

import asyncio

import orjson
import structlog

from owncast_py.errors import StorageError
from owncast_py.events import Events, StreamStarted, StreamStopped, StreamTitleChanged
from owncast_py.realtime.channels import Channels
from owncast_py.realtime.messages import STREAM, Draft

MAX_WAITING = 1_000
"""Events that may wait for a slow disk; streams do not start that often."""

StreamEvent = StreamStarted | StreamStopped | StreamTitleChanged

log = structlog.get_logger(__name__)


class Announcer:
    """Publishes what happens to the stream."""

    def __init__(self, events: Events, channels: Channels) -> None:
        self._channels = channels
        self._waiting: asyncio.Queue[tuple[str, StreamEvent]] = asyncio.Queue(MAX_WAITING)
        events.subscribe(StreamStarted, lambda event: self._note("started", event))
        events.subscribe(StreamStopped, lambda event: self._note("stopped", event))
        events.subscribe(StreamTitleChanged, lambda event: self._note("titled", event))
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to publish."""
        self._task = asyncio.create_task(self._publishing(), name="stream events")

    async def aclose(self) -> None:
        """Publishes what waits, then ends."""
        await self._waiting.join()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _note(self, name: str, event: StreamEvent) -> None:
        try:
            self._waiting.put_nowait((name, event))
        except asyncio.QueueFull:
            log.error("stream event not published", name=name, reason=f"{MAX_WAITING} wait already")

    async def _publishing(self) -> None:
        while True:
            name, event = await self._waiting.get()
            data = orjson.dumps({"title": event.title, "at": event.at}, option=orjson.OPT_UTC_Z)
            try:
                await self._channels.publish(STREAM, Draft(name, data))
            except StorageError as error:
                log.error("stream event not published", name=name, reason=str(error))
            finally:
                self._waiting.task_done()
