"""`/sync`: there are no rooms here, so it tells nothing new, but it tells at once when the token dies.

Owns those who wait (Matrix client-server API, "Syncing").
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from owncast_py.accounts.model import Device
from owncast_py.events import Events, TokenRevoked
from owncast_py.storage.devices import Key
from web.api.matrix.callers import Callers, caller, signed_out
from web.api.matrix.errors import ENVELOPE, MatrixError, refusing
from web.api.matrix.paths import CLIENT
from web.body import Query
from web.operations import Api, Call, Contract, Operation

MAX_WAIT = 30.0
"""Seconds; clients may ask for more and get an answer earlier."""
MAX_WAITING = 1_000
"""Devices."""
MAX_WAITING_PER_DEVICE = 5
"""With one more, the first of them is answered: whoever asked may be gone long ago."""
BATCH = "s1"
"""Where every client is: there is nothing after it."""


class Since(Query):
    """Where a client is, and how long it would like to wait for news, in ms."""

    since: str = ""
    timeout: Annotated[int, Field(ge=0)] = 0


class News(TypedDict):
    """There are none."""

    next_batch: str


class SyncApi:
    """The operation, and those who wait in it."""

    def __init__(self, callers: Callers, events: Events) -> None:
        self._callers = callers
        self._waiting: dict[Key, dict[asyncio.Future[bool], None]] = defaultdict(dict)
        """Each learns whether its token is still good. Those who wait longest come first."""
        self._unsubscribe = events.subscribe(TokenRevoked, self._on_revoked)

    def operations(self) -> list[Operation]:
        """It."""
        api = Api("About", refusing, ENVELOPE)
        api.add("GET", f"{CLIENT}/sync", self._sync, self._callers.guard, contract=Contract("sync"))
        return api.operations

    def close(self) -> None:
        """Answers everybody who waits: the server ends."""
        self._unsubscribe()
        for futures in list(self._waiting.values()):
            _tell(futures, good=True)

    async def _sync(self, call: Call[Since]) -> News:
        """Answers at once the first time, and later when the token dies or the time is over."""
        if call.input.since and call.input.timeout:
            seconds = min(MAX_WAIT, call.input.timeout / 1000)
            if not await self._wait(caller(call.request).device, seconds):
                raise signed_out()
        return {"next_batch": BATCH}

    async def _wait(self, device: Device, seconds: float) -> bool:
        key = (device.user_id, device.id)
        if key not in self._waiting and len(self._waiting) >= MAX_WAITING:
            raise MatrixError(429, "M_LIMIT_EXCEEDED", "Too many wait already; try again later.", retry_after=seconds)
        waiting = self._waiting[key]
        if len(waiting) >= MAX_WAITING_PER_DEVICE:
            first = next(iter(waiting))
            del waiting[first]
            _tell([first], good=True)
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        waiting[future] = None
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            return True
        finally:
            waiting.pop(future, None)
            if not waiting and self._waiting.get(key) is waiting:
                del self._waiting[key]

    def _on_revoked(self, event: TokenRevoked) -> None:
        _tell(self._waiting.get((event.user_id, event.device_id), ()), good=False)


def _tell(futures: Iterable[asyncio.Future[bool]], *, good: bool) -> None:
    for future in futures:
        if not future.done():
            future.set_result(good)
