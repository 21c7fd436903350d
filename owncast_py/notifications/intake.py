"""The way of published messages into the queue: those that come while the disk is busy share one write.

Owns who of a topic's subscribers gets a message, and the batches. A batch is open to further messages until its write
begins; then nobody hears of any of them before all are durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.notifications.directory import Directory
from owncast_py.notifications.ids import NOTIFICATION, Ids, moment_of
from owncast_py.notifications.model import Message, Method, Notification, Shelf, Subscription
from owncast_py.storage import notifications as repository
from owncast_py.storage.database import Database

MAX_BATCH = 500
"""Messages in one write."""

Recorded = Callable[[Sequence[Message], Sequence[Notification]], None]
"""Hears of messages, and the notifications of them, once they are durable."""


@dataclass(eq=False, slots=True)
class _Batch:
    messages: list[tuple[Message, Sequence[Subscription]]] = field(default_factory=list)
    written: asyncio.Task[None] | None = None


class Intake:
    """Takes messages in."""

    def __init__(self, database: Database, directory: Directory, ids: Ids, recorded: Recorded) -> None:
        self._database = database
        self._directory = directory
        self._ids = ids
        self._recorded = recorded
        self._open: _Batch | None = None

    async def take(self, message: Message, routes: Sequence[Subscription]) -> None:
        """Returns once a message is queued for each of those. Raises StorageError when the database refuses."""
        batch = self._open
        if batch is None or len(batch.messages) >= MAX_BATCH:
            batch = self._open = _Batch()
            batch.written = asyncio.create_task(self._write(batch), name="notifications: intake")
        batch.messages.append((message, routes))
        assert batch.written is not None  # noqa: S101 - set where it is made
        # Who is cancelled leaves the others, and their own message, alone.
        await asyncio.shield(batch.written)

    async def add(
        self, connection: AsyncConnection, published: Sequence[tuple[Message, Sequence[Subscription]]]
    ) -> Callable[[], None]:
        """Queues messages in the caller's transaction. Returns what to call once that is committed."""
        messages: list[Message] = []
        queued: list[Notification] = []
        for message, routes in published:
            # Whoever unsubscribed while this waited gets nothing.
            still = self._directory.subscriptions
            wanted = [route for route in routes if route.id in still]
            if wanted:
                messages.append(message)
                queued += [self._notification(message, route) for route in wanted]
        if queued:
            await repository.add_messages(connection, messages, queued)
        return partial(self._recorded, messages, queued)

    async def _write(self, batch: _Batch) -> None:
        async def work(connection: AsyncConnection) -> Callable[[], None]:
            if self._open is batch:
                self._open = None
            return await self.add(connection, batch.messages)

        try:
            await self._database.write(work, lambda committed: committed())
        finally:
            if self._open is batch:
                self._open = None

    def _notification(self, message: Message, route: Subscription) -> Notification:
        new = self._ids.next(NOTIFICATION)
        # As its id tells, so that both sort alike also when the clock is set back.
        now = moment_of(new)
        pulled = self._directory.endpoints[route.endpoint_id].method is Method.PULL
        return Notification(
            id=new,
            message_id=message.id,
            topic_id=message.topic_id,
            subscription_id=route.id,
            endpoint_id=route.endpoint_id,
            shelf=Shelf.PULL if pulled else Shelf.QUEUE,
            expired=False,
            tries=0,
            due_at=now,
            queued_at=now,
            created_at=now,
            updated_at=now,
        )
