"""Requests that wait for what is not there yet.

Owns how long they wait, and that they end when the server does. What has arrived, the service knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import TypeVar

from owncast_py.notifications.errors import QueueFull
from owncast_py.notifications.listing import Page
from owncast_py.notifications.shelves import Shelves
from web.api.apiture.errors import Refused

T = TypeVar("T")

MAX_WAIT = 30
"""Seconds; less than the proxies between wait for an answer."""


class Waiting:
    """Waits for arrivals until it is closed."""

    def __init__(self, shelves: Shelves) -> None:
        self._shelves = shelves
        self._open: set[asyncio.Task[bool]] = set()
        self.closed = False

    async def page(
        self, look: Callable[[], Awaitable[Page[T]]], endpoint_ids: Collection[str] | None, seconds: float
    ) -> Page[T]:
        """What `look` finds, as soon as that is something, else what it finds after so many seconds.

        It is called whenever something may have changed, also who may ask; what it raises ends the wait.
        Raises Refused when too many wait.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while True:
            async with self.listening(endpoint_ids, end - loop.time()) as arrival:
                found = await look()
                if found.count or loop.time() >= end or self.closed:
                    return found
                await self.heard(arrival)

    @asynccontextmanager
    async def listening(
        self, endpoint_ids: Collection[str] | None, seconds: float
    ) -> AsyncIterator[asyncio.Task[bool]]:
        """A task for `heard`. What arrives from now on, it hears."""
        # Listens before the caller looks: what comes between these is heard.
        arrival = asyncio.create_task(
            self._shelves.arrival(endpoint_ids, max(0.0, seconds)), name="notifications: a request waits"
        )
        self._open.add(arrival)
        try:
            yield arrival
        finally:
            self._open.discard(arrival)
            arrival.cancel()

    async def heard(self, arrival: asyncio.Task[bool]) -> bool:
        """Whether something has arrived, once it has, or its time is over, or all ends.

        Raises Refused when too many wait.
        """
        await asyncio.wait([arrival])
        if arrival.cancelled():
            return False
        try:
            return arrival.result()
        except QueueFull as full:
            raise Refused(503, "serverBusy", str(full), headers={"Retry-After": "10"}) from None

    def stir(self) -> None:
        """Whoever waits looks again, whether they still may."""
        for arrival in list(self._open):
            arrival.cancel()

    def close(self) -> None:
        """Whoever waits is answered now, and nobody waits any more."""
        self.closed = True
        self.stir()
