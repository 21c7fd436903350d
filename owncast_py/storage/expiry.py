"""What is old in the tables that have a row for each thing that happened in a channel.

Owns its SQL. Both tables are walked channel by channel, along their primary keys: none is ever read as a whole.
"""

from __future__ import annotations

from sqlalchemy import Column, Table, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.realtime.messages import Address
from owncast_py.storage.tables import channel_messages, presence_log

TABLES: tuple[Table, ...] = (channel_messages, presence_log)


async def next_address(connection: AsyncConnection, table: Table, after: Address) -> Address | None:
    """The first channel behind that one, in their order, of which the table has anything."""
    query = (
        select(table.c.app, table.c.channel)
        .where(tuple_(table.c.app, table.c.channel) > tuple_(*after))
        .order_by(table.c.app, table.c.channel)
        .limit(1)
    )
    row = (await connection.execute(query)).first()
    return Address(row.app, row.channel) if row is not None else None


async def expire(connection: AsyncConnection, table: Table, address: Address, before: str, limit: int) -> int:
    """Deletes at most `limit` rows of a channel whose place in its order is before that; how many that were."""
    place = _place(table)
    here = (table.c.app == address.app, table.c.channel == address.channel)
    oldest = select(place).where(*here, place < before).order_by(place).limit(limit)
    return (await connection.execute(delete(table).where(*here, place.in_(oldest)))).rowcount


def _place(table: Table) -> Column[str]:
    """The third part of the primary key: the version of a message, the serial of a change of presence."""
    column: Column[str] = list(table.primary_key.columns)[2]
    return column
