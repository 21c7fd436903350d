"""The table of broadcasts: one row for each show, from its begin to its end.

Owns its SQL. What counts as a show, and when its row changes, is for `broadcast.record` to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.storage.tables import broadcasts


@dataclass(frozen=True, slots=True)
class Show:
    """One show. Times are aware, in UTC; `ended_at` is None while it runs."""

    id: int
    started_at: datetime
    ended_at: datetime | None
    last_seen_at: datetime
    title: str
    peak_viewers: int


async def begin(connection: AsyncConnection, title: str, at: datetime) -> int:
    """Adds a show that starts. Returns its number."""
    added = await connection.execute(
        insert(broadcasts).values(started_at=at, ended_at=None, last_seen_at=at, title=title, peak_viewers=0)
    )
    key = added.inserted_primary_key
    assert key is not None  # noqa: S101 - one row was inserted
    return int(key[0])


async def note(connection: AsyncConnection, show: int, peak: int, at: datetime) -> None:
    """A running show was seen, with the most viewers so far."""
    await connection.execute(
        update(broadcasts).where(broadcasts.c.id == show).values(peak_viewers=peak, last_seen_at=at)
    )


async def end(connection: AsyncConnection, show: int, peak: int, at: datetime) -> None:
    """A show is over."""
    await connection.execute(
        update(broadcasts).where(broadcasts.c.id == show).values(peak_viewers=peak, last_seen_at=at, ended_at=at)
    )


async def end_unfinished(connection: AsyncConnection) -> bool:
    """Ends every show without an end at the moment when it was last seen. Returns whether there was one."""
    ended = await connection.execute(
        update(broadcasts).where(broadcasts.c.ended_at.is_(None)).values(ended_at=broadcasts.c.last_seen_at)
    )
    return ended.rowcount > 0


async def highest_peak(connection: AsyncConnection) -> int:
    """The most viewers that any show had."""
    return (await connection.execute(select(func.max(broadcasts.c.peak_viewers)))).scalar() or 0


async def newest(connection: AsyncConnection, limit: int) -> list[Show]:
    """The last shows, the newest first."""
    rows = await connection.execute(select(broadcasts).order_by(broadcasts.c.id.desc()).limit(limit))
    return [Show(row.id, row.started_at, row.ended_at, row.last_seen_at, row.title, row.peak_viewers) for row in rows]
