"""The table of samples: what was measured, one row for each kind and moment.

Owns its SQL. Which kinds there are, and how long each is kept, is for `metrics.samples` to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.storage.tables import samples


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement. `at` is aware, in UTC."""

    kind: str
    at: datetime
    value: float


async def between(
    connection: AsyncConnection, kind: str, since: datetime, until: datetime
) -> list[tuple[datetime, float]]:
    """Moments and values of a kind from `since` to `until`, both included, oldest first."""
    rows = await connection.execute(
        select(samples.c.at, samples.c.value)
        .where(samples.c.kind == kind, samples.c.at >= since, samples.c.at <= until)
        .order_by(samples.c.at)
    )
    return [(row.at, row.value) for row in rows]


async def keep(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Writes measurements over those of the same kind and moment. No two of `rows` share both."""
    if not rows:
        return
    await connection.execute(
        delete(samples).where(samples.c.kind == bindparam("of_kind"), samples.c.at == bindparam("of_at")),
        [{"of_kind": row.kind, "of_at": row.at} for row in rows],
    )
    await connection.execute(insert(samples), [{"kind": row.kind, "at": row.at, "value": row.value} for row in rows])


async def forget(connection: AsyncConnection, kind: str, before: datetime) -> None:
    """Deletes what is older than `before`."""
    await connection.execute(delete(samples).where(samples.c.kind == kind, samples.c.at < before))
