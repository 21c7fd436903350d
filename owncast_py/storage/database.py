"""The database: many readers, one writer, commits in groups.

Owns the connections and the order of writes. It knows no table: the repositories beside it do. SQLite in one file is
the default, PostgreSQL another address; nothing above this module sees the difference.

Writes are functions that are handed a connection. All that wait while a commit is on its way are done in the next
transaction together (group commit), in the order in which they came. Nobody hears of a write before it is durable:
first the commit, then the `then` of each write, in that same order, then those who await it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import structlog
from sqlalchemy import inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from owncast_py.errors import StorageError
from owncast_py.metrics.histogram import Histogram
from owncast_py.storage import migrations, sqlite

MAX_GROUP = 500
"""Writes in one transaction."""
MAX_WAITING = 20_000
"""Writes that may wait for the writer; a further one is refused, for the disk is slower than what comes in."""
POSTGRES_READERS = 8

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Write(Generic[T]):
    work: Callable[[AsyncConnection], Awaitable[T]]
    then: Callable[[T], None] | None
    done: asyncio.Future[T]

    def settle(self, result: T) -> None:
        if self.then is not None:
            try:
                self.then(result)
            except Exception as error:
                log.exception("after a commit")
                self._fail(error)
                return
        if not self.done.done():
            self.done.set_result(result)

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)

    def refuse(self, error: Exception) -> None:
        if isinstance(error, (SQLAlchemyError, OSError)):
            wrapped = StorageError(f"The database could not keep a change: {error}.")
            wrapped.__cause__ = error
            error = wrapped
        self._fail(error)


class Database:
    """One database, from `start` to `aclose`."""

    def __init__(self, address: str) -> None:
        """`address` is SQLAlchemy's: `sqlite+aiosqlite:///file` or `postgresql+asyncpg://…`."""
        self._address = address
        self._writer: AsyncEngine | None = None
        self._reader: AsyncEngine | None = None
        self._waiting: deque[_Write[object]] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self.writes = 0
        """Changes that are durable."""
        self.commits = 0
        self.failures = 0
        """Commits that the database did not take; what was wrong with a change alone does not count."""
        self.seconds = Histogram()
        """What a commit took, with the writes in it."""
        self.problem = ""
        """What became wrong with the last commit, as a sentence; empty when it went through."""

    @property
    def waiting(self) -> int:
        """Writes that wait for the writer."""
        return len(self._waiting)

    async def start(self) -> None:
        """Opens the database and brings its tables up to date. Raises StorageError when that cannot be."""
        if make_url(self._address).get_backend_name() == "sqlite":
            self._writer, self._reader = sqlite.engines(self._address)
        else:
            self._writer = create_async_engine(self._address, pool_size=1, max_overflow=0)
            self._reader = create_async_engine(self._address, pool_size=POSTGRES_READERS, max_overflow=0)
        try:
            async with self._writer.begin() as connection:
                await _migrate(connection)
            await _open_all(self._reader)
        except (SQLAlchemyError, OSError) as error:
            await self._dispose()
            shown = make_url(self._address).render_as_string(hide_password=True)
            reason = getattr(error, "orig", None) or error
            raise StorageError(f"The database {shown} cannot be opened: {reason}.") from error
        except StorageError:
            await self._dispose()
            raise
        self._task = asyncio.create_task(self._writing(), name="database: writer")

    async def aclose(self) -> None:
        """Commits what waits, then closes every connection."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        await self._dispose()

    async def _dispose(self) -> None:
        for engine in (self._writer, self._reader):
            if engine is not None:
                await engine.dispose()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection that sees one moment of the database and cannot change it."""
        if self._reader is None:
            raise StorageError("The database is not open.")
        async with self._reader.begin() as connection:
            yield connection

    async def write(
        self, work: Callable[[AsyncConnection], Awaitable[T]], then: Callable[[T], None] | None = None
    ) -> T:
        """Does `work` in a transaction, commits it, calls `then` with its result, and returns the result.

        `work` touches nothing but the database: it is done again by itself when a neighbour in its group fails. Whoever
        is cancelled while waiting may find the write done all the same. Raises StorageError when the database refuses
        or too much waits already, and whatever `work` raises.
        """
        if self._task is None or self._closing:
            raise StorageError("The database is closed; the server is stopping.")
        if len(self._waiting) >= MAX_WAITING:
            raise StorageError(f"The disk is too slow: {MAX_WAITING} changes wait to be written. Try again later.")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Write(work, then, done))  # type: ignore[arg-type]  # a deque of one T each
        self._wake.set()
        return await done

    async def _writing(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                group = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_GROUP))]
                await self._commit(group)
            if self._closing:
                return

    async def _commit(self, group: list[_Write[object]]) -> None:
        """One transaction for all; if that fails, one for each, so that a bad write fails alone."""
        began = time.perf_counter()
        try:
            results = await self._transaction(group)
        except Exception as error:
            if _is_failure(error):
                self.failures += 1
                self.problem = f"The database does not take changes: {getattr(error, 'orig', None) or error}."
            if len(group) == 1:
                group[0].refuse(error)
                return
            for write in group:
                await self._commit([write])
            return
        self.seconds.observe(time.perf_counter() - began)
        self.commits += 1
        self.writes += len(group)
        self.problem = ""
        for write, result in zip(group, results, strict=True):
            write.settle(result)

    async def _transaction(self, group: list[_Write[object]]) -> list[object]:
        assert self._writer is not None  # noqa: S101 - the task lives only while the engine does
        async with self._writer.begin() as connection:
            return [await write.work(connection) for write in group]


def _is_failure(error: Exception) -> bool:
    """Whether the database is to blame, and not what was to be written."""
    blameless = (IntegrityError, DataError, ProgrammingError)
    return isinstance(error, OSError) or (isinstance(error, DBAPIError) and not isinstance(error, blameless))


async def _open_all(engine: AsyncEngine) -> None:
    """Opens every connection of a pool now: one whose opening is cancelled later, with its request, would be lost."""
    pool = engine.pool
    assert isinstance(pool, QueuePool)  # noqa: S101 - both kinds of engine are made with a size
    async with AsyncExitStack() as stack:
        for _ in range(pool.size()):
            await stack.enter_async_context(engine.connect())


async def _migrate(connection: AsyncConnection) -> None:
    """Brings the tables to the newest revision.

    Alembic costs 14 MB and half a second, so it is asked only where there is something to migrate: an empty database
    gets the newest tables at once. A test holds the two ways together.
    """
    names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    if not names:
        await connection.run_sync(migrations.create)
        return
    current = None
    if "alembic_version" in names:
        current = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar()
    if current == migrations.HEAD:
        return
    if current is not None and current > migrations.HEAD:
        raise StorageError(
            f"The database was written by a newer version (revision {current}, this one knows {migrations.HEAD}); "
            "install that version again, or restore a backup from before."
        )
    await connection.run_sync(migrations.upgrade)
    log.info("database migrated", revision=migrations.HEAD, before=current or "none")


def address_of(configured: str | None, data_dir: Path) -> str:
    """Where the database is: as configured, else a file in the data directory."""
    return configured or sqlite.url(data_dir / "owncast.db")
