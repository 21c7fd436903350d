"""Channels: messages in one total order, kept, then seen.

Owns the way of a message: ordered by the broker, written to the database together with all that came meanwhile, then
delivered, and only then acknowledged to its sender. So what anybody saw, and what a sender was told is accepted,
survives `kill -9` and a power cut. The newest messages of each channel in use are also in memory, where history is
asked for most.

A flush starts at once when the last one is over and FLUSH_REST has passed since it began: quiet channels wait for
nothing, busy ones share a commit.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.errors import StorageError
from owncast_py.realtime.broker import Broker
from owncast_py.realtime.messages import EPOCH, Action, Address, Draft, Message, serial_at
from owncast_py.realtime.published import Published
from owncast_py.storage import channel_messages as repository
from owncast_py.storage.database import Database

FLUSH_REST = 0.05
"""Seconds from the start of one flush to the next, at least."""
MAX_PENDING = 10_000
"""Messages that may wait to be written; a further one is refused, for the disk is slower than what comes in."""
RECENT = 200
"""Messages of a channel in memory."""
MAX_CHANNELS_IN_MEMORY = 10_000

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Recent:
    """The newest messages of a channel by serial, in order, each in its latest version."""

    messages: OrderedDict[str, Message] = field(default_factory=OrderedDict)
    loaded: bool = False

    def note(self, message: Message) -> None:
        if message.serial in self.messages or message.version == message.serial:
            self.messages[message.serial] = message
        if len(self.messages) > RECENT:
            self.messages.popitem(last=False)


@dataclass(slots=True)
class _Pending:
    address: Address
    drafts: Sequence[Draft | Message]
    done: asyncio.Future[list[Message]]


@dataclass(slots=True)
class _Ordered:
    entry: _Pending
    answer: list[Message]
    """What its publisher gets: one for each draft."""
    fresh: list[Message]
    """Of these, what nobody has published before."""


class Recorder(Protocol):
    """Who keeps something else of messages, in the transaction that keeps them."""

    def wants(self, message: Message) -> bool:
        """Whether there is something to keep of that message, also of one that is not kept itself."""

    async def record(self, connection: AsyncConnection, messages: Sequence[Message]) -> Callable[[], None]:
        """Writes what is to be kept, and touches nothing but the database: it may be done again.

        Returns what is called once the transaction is committed.
        """


class Channels:
    """Every channel of this server."""

    def __init__(self, database: Database, broker: Broker) -> None:
        self.broker = broker
        """For those who listen or are present."""
        self.recorder: Recorder | None = None
        """Set before anything is published."""
        self._database = database
        self._pending: list[_Pending] = []
        self._waiting = 0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._recent: OrderedDict[Address, _Recent] = OrderedDict()
        self._loading = asyncio.Lock()
        self._published = Published(database)
        self._position = ""
        self.delivered = 0
        """Messages that were delivered since the start, every version of one, kept or not."""

    @property
    def position(self) -> str:
        """A version that everything delivered until now is not greater than, and everything later is."""
        return self._position

    @property
    def waiting(self) -> int:
        """Messages that wait to be kept."""
        return self._waiting

    async def start(self) -> None:
        """Goes on with the order where it stood."""
        async with self._database.reading() as connection:
            last = await repository.last_version(connection)
        self._position = last or serial_at(0)
        self._published.start(last)
        await self.broker.start(last)
        self._task = asyncio.create_task(self._flushing(), name="channels: flush")

    async def aclose(self) -> None:
        """Writes and delivers what waits, then ends."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        await self.broker.aclose()

    async def publish(self, address: Address, *drafts: Draft) -> list[Message]:
        """Adds messages to a channel, next to each other. When this returns, they are kept and on their way.

        Raises StorageError when they cannot be kept, and then nobody has seen them.
        """
        return await self.submit(address, *drafts)

    def submit(self, address: Address, *drafts: Draft) -> asyncio.Future[list[Message]]:
        """As `publish`, for those who do not wait: the order is that of the calls, and the future says the outcome."""
        return self._enqueue(address, drafts)

    async def revise(
        self,
        address: Address,
        serials: Sequence[str],
        action: Action,
        change: Callable[[Message], Message] | None = None,
    ) -> list[Message]:
        """Makes a new version of each of those messages that exists and differs after `action` and `change`."""
        revised = []
        for message in await self.find(address, serials):
            after = replace(change(message) if change else message, action=action)
            if after != message:
                revised.append(after)
        return await self._enqueue(address, revised) if revised else []

    async def settle(self, address: Address) -> None:
        """Returns once everything that was published before is kept and delivered."""
        await self._enqueue(address, ())

    async def find(self, address: Address, serials: Sequence[str]) -> list[Message]:
        """Those messages that exist, in their latest version and their order."""
        recent = await self._recent_of(address)
        found = [recent.messages[serial] for serial in serials if serial in recent.messages]
        missing = [serial for serial in serials if serial not in recent.messages]
        if missing:
            async with self._database.reading() as connection:
                found += await repository.by_serials(connection, address, missing)
        return sorted(found, key=lambda message: message.serial)

    async def recent(self, address: Address, limit: int, *, removed: bool = False) -> list[Message]:
        """The newest messages, oldest first; with those that were removed from view only if `removed`.

        Answered from memory where that suffices; `limit` is at most RECENT.
        """
        recent = await self._recent_of(address)
        fitting = (message for message in reversed(recent.messages.values()) if removed or message.visible)
        found = list(islice(fitting, limit))
        if len(found) < limit and len(recent.messages) == RECENT:
            found = await self.history(address, limit=limit, removed=removed)
        return found[::-1]

    async def history(
        self,
        address: Address,
        *,
        limit: int,
        before: str | None = None,
        client_id: str | None = None,
        text: str | None = None,
        removed: bool = True,
    ) -> list[Message]:
        """A page of messages from the database, newest first; see `storage.channel_messages.page`."""
        folded = text.casefold() if text else None
        async with self._database.reading() as connection:
            return await repository.page(
                connection, address, limit=limit, before=before, client_id=client_id, text=folded, removed=removed
            )

    async def page(
        self,
        address: Address,
        *,
        first: str,
        last: str,
        forwards: bool,
        limit: int,
        after: str | None = None,
    ) -> list[Message]:
        """A page of messages in their latest version, with serials from `first` to `last`, both included.

        They come oldest first if `forwards`, and those beyond the serial `after`, in that direction, where it is given.
        """
        async with self._database.reading() as connection:
            return await repository.between(
                connection, address, first=first, last=last, forwards=forwards, limit=limit, after=after
            )

    async def log(self, address: Address, after: str, limit: int) -> list[Message]:
        """Every version of any message that is greater than `after`, in order."""
        async with self._database.reading() as connection:
            return await repository.log(connection, address, after, limit)

    async def versions(self, address: Address, serial: str) -> list[Message]:
        """Every version of one message, oldest first."""
        async with self._database.reading() as connection:
            return await repository.versions(connection, address, serial)

    async def prune(self, address: Address, before: datetime) -> int:
        """Deletes messages that began before that time. Returns how many versions that were."""
        serial = serial_at(int((before - EPOCH).total_seconds() * 1000))
        deleted = await self._database.write(lambda connection: repository.prune(connection, address, serial))
        messages = (await self._recent_of(address)).messages
        for old in [known for known in messages if known < serial]:
            del messages[old]
        return deleted

    def forget(self, address: Address, before: str) -> None:
        """Holds no message any more whose latest version is before that one: the database does not either."""
        if (recent := self._recent.get(address)) is not None:
            for old in [serial for serial, message in recent.messages.items() if message.version < before]:
                del recent.messages[old]

    async def count(self, address: Address) -> int:
        """How many messages a channel has."""
        async with self._database.reading() as connection:
            return await repository.count(connection, address)

    async def erase(self, address: Address, client_id: str) -> int:
        """Deletes all messages of one client. Returns how many versions that were."""
        deleted = await self._database.write(lambda connection: repository.erase(connection, address, client_id))
        messages = (await self._recent_of(address)).messages
        for serial in [serial for serial, message in messages.items() if message.client_id == client_id]:
            del messages[serial]
        return deleted

    async def _recent_of(self, address: Address) -> _Recent:
        recent = self._recent.get(address)
        if recent is None or not recent.loaded:
            async with self._loading:
                recent = self._recent.get(address)
                if recent is None or not recent.loaded:
                    recent = await self._load(address)
        self._recent.move_to_end(address)
        return recent

    async def _load(self, address: Address) -> _Recent:
        # In its place before the database is read, so that what is flushed meanwhile is noted there.
        recent = self._recent[address] = _Recent()
        async with self._database.reading() as connection:
            page = await repository.page(connection, address, limit=RECENT)
        newer = list(recent.messages.values())
        recent.messages.clear()
        for message in [*reversed(page), *newer]:
            recent.messages[message.serial] = message
        while len(recent.messages) > RECENT:
            recent.messages.popitem(last=False)
        recent.loaded = True
        while len(self._recent) > MAX_CHANNELS_IN_MEMORY:
            self._recent.popitem(last=False)
        return recent

    def _enqueue(self, address: Address, drafts: Sequence[Draft | Message]) -> asyncio.Future[list[Message]]:
        if self._task is None or self._closing:
            raise StorageError("The server is stopping; nothing more is accepted.")
        if self._waiting + len(drafts) > MAX_PENDING:
            raise StorageError(f"The disk is too slow: {self._waiting} messages wait to be kept. Try again later.")
        done: asyncio.Future[list[Message]] = asyncio.get_running_loop().create_future()
        self._pending.append(_Pending(address, drafts, done))
        self._waiting += len(drafts)
        self._wake.set()
        return done

    async def _flushing(self) -> None:
        loop = asyncio.get_running_loop()
        began = float("-inf")
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                if (rest := began + FLUSH_REST - loop.time()) > 0 and not self._closing:
                    await asyncio.sleep(rest)
                began = loop.time()
                await self._flush()
            if self._closing:
                return

    async def _flush(self) -> None:
        pending, self._pending = self._pending, []
        self._waiting = 0
        try:
            ordered = await self._order(pending)
        except Exception as error:
            for entry in pending:
                _refuse(entry, error)
            return
        try:
            await self._keep([message for each in ordered for message in each.fresh])
        except Exception:
            ordered = await self._keep_one_by_one(ordered)
        # Neighbours that go to one channel are delivered as one.
        together: list[Message] = []
        for each in ordered:
            if together and each.fresh and together[0].address != each.entry.address:
                await self._deliver(together)
                together = []
            together += each.fresh
            self._published.add(each.fresh)
            if (recent := self._recent.get(each.entry.address)) is not None:
                for message in each.fresh:
                    if not message.transient:
                        recent.note(message)
        if together:
            await self._deliver(together)
        for each in ordered:
            if not each.entry.done.done():
                each.entry.done.set_result(each.answer)

    async def _deliver(self, messages: list[Message]) -> None:
        # Before it is delivered: whoever begins to listen while that is done asks the log for what is not greater.
        self._position = messages[-1].version
        self.delivered += len(messages)
        await self.broker.deliver(messages[0].address, messages)

    async def _keep_one_by_one(self, ordered: list[_Ordered]) -> list[_Ordered]:
        """What can be kept of a group that could not be kept as a whole."""
        kept = []
        for each in ordered:
            try:
                await self._keep(each.fresh)
            except Exception as error:
                _refuse(each.entry, error)
            else:
                kept.append(each)
        return kept

    async def _order(self, pending: Sequence[_Pending]) -> list[_Ordered]:
        """Gives each draft its place; one that was published before has one already."""
        named = (
            entry.address for entry in pending if any(isinstance(each, Draft) and each.id for each in entry.drafts)
        )
        await self._published.recall(named)
        ordered = []
        together: dict[tuple[Address, str], Message] = {}
        for entry in pending:
            answer, fresh = list[Message](), list[Message]()
            places = iter(await self.broker.order(entry.address, len(entry.drafts)))
            for draft, (serial, at) in zip(entry.drafts, places, strict=True):
                if isinstance(draft, Message):
                    fresh.append(replace(draft, version=serial, at=at))
                    answer.append(fresh[-1])
                    continue
                key = (entry.address, draft.id)
                message = (self._published.find(*key) or together.get(key)) if draft.id else None
                if message is None:
                    message = draft.message(entry.address, serial, at)
                    fresh.append(message)
                    if draft.id:
                        together[key] = message
                answer.append(message)
            ordered.append(_Ordered(entry, answer, fresh))
        return ordered

    async def _keep(self, messages: list[Message]) -> None:
        kept = [message for message in messages if not message.transient]
        recorder = self.recorder
        wanted = [message for message in messages if recorder.wants(message)] if recorder is not None else []
        if not kept and not wanted:
            return

        async def work(connection: AsyncConnection) -> Callable[[], None] | None:
            if kept:
                await repository.append(connection, kept)
            if recorder is not None and wanted:
                return await recorder.record(connection, wanted)
            return None

        await self._database.write(work, lambda committed: committed() if committed is not None else None)


def _refuse(entry: _Pending, error: Exception) -> None:
    if not entry.done.done():
        entry.done.set_exception(error)
