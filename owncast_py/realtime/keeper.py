"""What time does to channels: messages and changes of presence are deleted once they were kept long enough.

Owns the round, in steps so small that no other write waits long. How long the messages of the chat are kept, the chat
decides. Of a message with several versions, the old ones go first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Table

from owncast_py.realtime.channels import Channels
from owncast_py.realtime.messages import CHAT, EPOCH, Address, serial_at
from owncast_py.storage import expiry as repository
from owncast_py.storage.database import Database
from owncast_py.storage.tables import channel_messages

ROUND_SECONDS = 3600.0
"""From one round to the next."""
STEP = 500
"""Rows in one write."""

log = structlog.get_logger(__name__)


class Keeper:
    """Looks after every channel, from `start` to `aclose`."""

    def __init__(
        self,
        database: Database,
        channels: Channels,
        kept: timedelta,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`now` is aware UTC."""
        self._database = database
        self._channels = channels
        self._kept = kept
        self._now = now
        self._sleep = sleep
        self._stepping = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins with a round."""
        self._task = asyncio.create_task(self._keeping(), name="channels: keeper")

    async def aclose(self) -> None:
        """Ends between two steps."""
        if self._task is not None:
            # Not while it reads: a connection that is interrupted would be lost.
            async with self._stepping:
                self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def prune(self) -> int:
        """Deletes what was kept long enough. Returns how many rows. Raises StorageError."""
        before = serial_at((self._now() - self._kept - EPOCH) // timedelta(milliseconds=1))
        total = 0
        for table in repository.TABLES:
            address: Address | None = Address("", "")
            while address is not None:
                async with self._stepping, self._database.reading() as connection:
                    address = await repository.next_address(connection, table, address)
                if address is None or (address == CHAT and table is channel_messages):
                    continue
                total += await self._expire(table, address, before)
                if table is channel_messages:
                    self._channels.forget(address, before)
        return total

    async def _expire(self, table: Table, address: Address, before: str) -> int:
        total, deleted = 0, STEP
        while deleted == STEP:
            async with self._stepping:
                deleted = await self._database.write(
                    lambda connection: repository.expire(connection, table, address, before, STEP)
                )
            total += deleted
        return total

    async def _keeping(self) -> None:
        while True:
            try:
                if total := await self.prune():
                    log.info("old messages deleted", rows=total)
            except Exception:
                log.exception("channels not looked after; tried again later")
            await self._sleep(ROUND_SECONDS)
