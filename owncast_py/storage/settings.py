"""The settings' rows: one JSON document for each group."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.storage import tables


async def all_documents(connection: AsyncConnection) -> dict[str, str]:
    """Every kept group with its document."""
    rows = await connection.execute(select(tables.settings.c.group, tables.settings.c.document))
    return {row.group: row.document for row in rows}


async def keep(connection: AsyncConnection, group: str, document: str, now: datetime) -> None:
    """Writes one group's document over what was there."""
    values = {"document": document, "changed_at": now}
    changed = await connection.execute(update(tables.settings).where(tables.settings.c.group == group).values(**values))
    if changed.rowcount == 0:
        await connection.execute(insert(tables.settings).values(group=group, **values))
