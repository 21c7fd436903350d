"""What became of tries, written down in groups; and the messages that are sent, read in groups.

Owns the way of a verdict into the database and how many may be on that way. A verdict that is not written yet is lost
by a crash, and its notification is delivered again with the same id. While the database refuses, verdicts wait here,
and as their number is bounded, so does everything behind them.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

import structlog

from owncast_py.errors import StorageError
from owncast_py.notifications.model import Message, Verdict
from owncast_py.storage import notifications as repository
from owncast_py.storage.database import Database

MAX_UNSETTLED = 1_000
"""Tries that are under way or not written down yet."""
MAX_GROUP = 200
"""Verdicts in one write."""
REST = 0.05
"""Seconds from the start of one write to the next, at least: quiet times wait for nothing, busy ones share a commit."""
TROUBLE_SECONDS = 1.0
"""How long to wait after the database refused."""
MAX_BODIES = 16 * 1024 * 1024
"""Octets of messages in memory."""
MESSAGE_OCTETS = 1_000
"""What one takes beside its body."""

log = structlog.get_logger(__name__)


class Ledger:
    """Writes verdicts down, from `start` to `aclose`."""

    def __init__(self, database: Database, written: Callable[[Sequence[Verdict]], None]) -> None:
        """`written` hears of the verdicts that changed something, once they are durable."""
        self.places = asyncio.Semaphore(MAX_UNSETTLED)
        """Hold one from before a try until its verdict is settled."""
        self._database = database
        self._written = written
        self._waiting: deque[tuple[Verdict, asyncio.Future[None]]] = deque()
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to write."""
        self._task = asyncio.create_task(self._writing(), name="notifications: ledger")

    async def aclose(self) -> None:
        """Writes what waits; what the database refuses now is delivered again after the next start."""
        self._closing.set()
        self._wake.set()
        if self._task is not None:
            await self._task

    async def settle(self, verdict: Verdict) -> None:
        """Returns once that verdict is durable. Raises StorageError when it cannot become so before the end."""
        if self._task is None or self._task.done():
            raise StorageError("The ledger is closed; the server is stopping.")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((verdict, done))
        self._wake.set()
        await done

    async def _writing(self) -> None:
        loop = asyncio.get_running_loop()
        began = float("-inf")
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._pause(began + REST - loop.time())
                began = loop.time()
                group = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_GROUP))]
                await self._write(group)
            if self._closing.is_set():
                return

    async def _write(self, group: list[tuple[Verdict, asyncio.Future[None]]]) -> None:
        verdicts = [verdict for verdict, _ in group]
        error: Exception | None = None
        while True:
            try:
                await self._database.write(lambda connection: repository.settle(connection, verdicts), self._written)
                error = None
            except Exception as fault:
                error = fault
                log.error("deliveries not written down", verdicts=len(verdicts), error=str(fault)[:500])
            if error is None or self._closing.is_set():
                break
            await self._pause(TROUBLE_SECONDS)
        for _, done in group:
            if done.done():
                continue
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(StorageError(f"A delivery could not be written down: {error}"))

    async def _pause(self, seconds: float) -> None:
        """Waits, unless the end comes."""
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._closing.wait()
            except TimeoutError:
                pass


class Messages:
    """The messages that are being sent; the one longest unused makes room."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: OrderedDict[str, Message] = OrderedDict()
        self._size = 0
        self._reading = asyncio.Lock()

    async def get(self, message_id: str, upcoming: Sequence[str]) -> Message | None:
        """That message, None when it is no more. Those `upcoming` are read with it, as they are wanted soon."""
        if message_id in self._kept:
            self._kept.move_to_end(message_id)
            return self._kept[message_id]
        # One read at a time: the neighbours of this one, which want the same, find theirs afterwards.
        async with self._reading:
            if message_id in self._kept:
                return self._kept[message_id]
            wanted = {message_id, *(each for each in upcoming if each not in self._kept)}
            async with self._database.reading() as connection:
                found = await repository.messages(connection, wanted)
        for message in found.values():
            self.keep(message)
        return found.get(message_id)

    def keep(self, message: Message) -> None:
        """It is wanted soon."""
        if message.id not in self._kept:
            self._kept[message.id] = message
            self._size += len(message.body) + MESSAGE_OCTETS
        while self._size > MAX_BODIES:
            self._size -= len(self._kept.popitem(last=False)[1].body) + MESSAGE_OCTETS
