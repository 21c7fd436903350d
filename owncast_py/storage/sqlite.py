"""What is SQLite's alone: how its connections behave. The only file with SQL that PostgreSQL would not take.

Owns the pragmas and the start of transactions. WAL lets readers go on while the writer commits; `synchronous=FULL`
makes a commit outlive a power cut, not only a crash of this process, and is affordable because commits are grouped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

READERS = 4
"""Connections that only read; further readers wait."""
BUSY_MILLISECONDS = 5_000
"""How long to wait for another process, such as a backup, that holds the lock."""


class _Cursor(Protocol):
    def execute(self, statement: str, /) -> object: ...
    def close(self) -> None: ...


class _DriverConnection(Protocol):
    isolation_level: str | None

    def cursor(self) -> _Cursor: ...


def url(path: Path) -> str:
    """The address of the database in that file."""
    return f"sqlite+aiosqlite:///{path}"


def engines(address: str) -> tuple[AsyncEngine, AsyncEngine]:
    """The writer's engine, with its one connection, and the readers'."""
    writer = create_async_engine(address, pool_size=1, max_overflow=0)
    reader = create_async_engine(address, pool_size=READERS, max_overflow=0)
    _configure(writer, begin="BEGIN IMMEDIATE", query_only=False)
    _configure(reader, begin="BEGIN", query_only=True)
    return writer, reader


def _configure(engine: AsyncEngine, *, begin: str, query_only: bool) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def connect(connection: _DriverConnection, _entry: ConnectionPoolEntry) -> None:
        # The driver would begin transactions only at the first write, and as DEFERRED ones: a reader that turns
        # into a writer can fail at once with "database is locked". So it begins none, and `begin` below does.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={BUSY_MILLISECONDS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"query_only={'ON' if query_only else 'OFF'}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)
