"""The task that measures once a minute.

Owns when: a first time at the start, then in the middle of every minute, so that each minute gets one sample however
late the loop wakes up. What is measured is handed in; where it is kept is `metrics.samples`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final

import psutil
import structlog

from owncast_py.errors import StorageError
from owncast_py.metrics.hardware import Hardware
from owncast_py.metrics.samples import Kind, Samples

INTERVAL: Final = 60.0
"""Seconds from one sample to the next."""

log = structlog.get_logger(__name__)


class Sampler:
    """Measures, keeps and warns, from `start` to `aclose`."""

    def __init__(
        self,
        samples: Samples,
        hardware: Hardware,
        *,
        viewers: Callable[[], int],
        online: Callable[[], bool],
        chatters: Callable[[], int],
        now: Callable[[], datetime],
        also: Sequence[Callable[[], None]] = (),
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`now` is aware UTC. Each of `also` is called once a minute too, as `Playback.tick` wants to be."""
        self._samples = samples
        self._hardware = hardware
        self._viewers = viewers
        self._online = online
        self._chatters = chatters
        self._now = now
        self._also = tuple(also)
        self._sleep = sleep
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to measure, the first time at once."""
        self._task = asyncio.create_task(self._sampling(), name="metrics: sampler")

    async def aclose(self) -> None:
        """Ends the task and keeps what is not kept yet."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self._flush()

    async def sample(self) -> None:
        """Measures once, now."""
        values: dict[Kind, float] = {"chatters": self._chatters()}
        if self._online():
            values["viewers"] = self._viewers()
        try:
            reading = await self._hardware.measure()
        except (OSError, psutil.Error) as error:
            log.warning("hardware not measured", reason=str(error))
        else:
            values |= {"cpu": reading.cpu, "memory": reading.memory, "disk": reading.disk}
            for sentence in self._hardware.warnings(reading):
                log.warning("hardware", warning=sentence)
        self._samples.add(values)
        for call in self._also:
            call()
        await self._flush()

    async def _sampling(self) -> None:
        while True:
            try:
                await self.sample()
            except Exception:
                # One bad minute is no reason to measure nothing for as long as the server runs.
                log.exception("measuring failed")
            await self._sleep(self._pause())

    def _pause(self) -> float:
        """Seconds until the middle of the next minute."""
        now = self._now()
        return 1.5 * INTERVAL - (now.second + now.microsecond / 1e6)

    async def _flush(self) -> None:
        try:
            await self._samples.flush()
        except StorageError as error:
            log.error("samples not kept", reason=str(error))
