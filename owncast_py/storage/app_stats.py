"""The table of statistics: what was counted in an app in a minute, an hour, a day, a month.

Owns its SQL. What the numbers mean, and how two of one time become one, is for `realtime.stats` to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import orjson
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.storage.tables import app_stats

Entries = Mapping[str, float]


class Counted(NamedTuple):
    """What was counted from `at` on for a `unit`."""

    app: str
    unit: str
    at: datetime
    entries: Entries


async def merge(
    connection: AsyncConnection, new: Sequence[Counted], merged: Callable[[Entries, Entries], Entries]
) -> None:
    """Adds to what is there already, as `merged` says. No two of `new` are of one app, unit and time."""
    for each in new:
        place = (app_stats.c.app == each.app, app_stats.c.unit == each.unit, app_stats.c.at == each.at)
        before = (await connection.execute(select(app_stats.c.entries).where(*place))).scalar()
        entries = each.entries
        if before is not None:
            entries = merged(orjson.loads(before), entries)
            await connection.execute(delete(app_stats).where(*place))
        text = orjson.dumps(entries).decode()
        await connection.execute(insert(app_stats).values(app=each.app, unit=each.unit, at=each.at, entries=text))


async def page(
    connection: AsyncConnection,
    app: str,
    unit: str,
    *,
    since: datetime,
    until: datetime,
    forwards: bool,
    limit: int,
) -> list[Counted]:
    """What was counted from `since` to `until`, both included; the oldest first if `forwards`, else the newest."""
    rows = await connection.execute(
        select(app_stats)
        .where(app_stats.c.app == app, app_stats.c.unit == unit, app_stats.c.at >= since, app_stats.c.at <= until)
        .order_by(app_stats.c.at if forwards else app_stats.c.at.desc())
        .limit(limit)
    )
    return [Counted(row.app, row.unit, row.at, orjson.loads(row.entries)) for row in rows]


async def prune(connection: AsyncConnection, unit: str, before: datetime) -> None:
    """Deletes what is older."""
    await connection.execute(delete(app_stats).where(app_stats.c.unit == unit, app_stats.c.at < before))


async def forget(connection: AsyncConnection, app: str) -> None:
    """Deletes all of an app."""
    await connection.execute(delete(app_stats).where(app_stats.c.app == app))
