"""How late the event loop is: the first thing that shows when something blocks it, or too much is asked of it.

Owns one task that sleeps and looks how much longer that took.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from owncast_py.metrics.histogram import Histogram

INTERVAL: Final = 0.5
"""Seconds from one look to the next."""


class LoopLag:
    """Measures from `start` to `aclose`."""

    def __init__(
        self, monotonic: Callable[[], float], sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        """`monotonic` counts seconds."""
        self.seconds = Histogram()
        self._monotonic = monotonic
        self._sleep = sleep
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to measure."""
        self._task = asyncio.create_task(self._measuring(), name="metrics: event loop")

    async def aclose(self) -> None:
        """Ends the task."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _measuring(self) -> None:
        while True:
            asleep = self._monotonic()
            await self._sleep(INTERVAL)
            self.seconds.observe(max(0.0, self._monotonic() - asleep - INTERVAL))
