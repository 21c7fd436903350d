"""Who came, changed and went, in the database: rows ↔ `realtime.messages`.

Owns its SQL. Who is present now, the broker knows.
"""

from __future__ import annotations

from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.realtime.messages import Address, Member, Presence, PresenceChange
from owncast_py.storage.tables import presence_log


async def append(connection: AsyncConnection, change: PresenceChange, serial: str) -> None:
    """Adds a change."""
    member = change.member
    values = {
        "app": change.address.app,
        "channel": change.address.channel,
        "serial": serial,
        "action": change.change.value,
        "id": member.id,
        "client_id": member.client_id,
        "connection_id": member.connection_id,
        "data": member.data,
        "encoding": member.encoding,
        "at": member.at,
    }
    await connection.execute(insert(presence_log).values(values))


async def between(
    connection: AsyncConnection,
    address: Address,
    *,
    first: str,
    last: str,
    forwards: bool,
    limit: int,
    after: str | None = None,
) -> list[tuple[str, PresenceChange]]:
    """Changes with their serials, from `first` to `last` and beyond `after` in that direction."""
    serial = presence_log.c.serial
    query = select(presence_log).where(
        presence_log.c.app == address.app, presence_log.c.channel == address.channel, serial.between(first, last)
    )
    if after is not None:
        query = query.where(serial > after if forwards else serial < after)
    query = query.order_by(serial.asc() if forwards else serial.desc()).limit(limit)
    return [(row.serial, _change(row)) for row in await connection.execute(query)]


def _change(row: Row[tuple[object, ...]]) -> PresenceChange:
    member = Member(
        connection_id=row.connection_id,
        client_id=row.client_id,
        data=bytes(row.data),
        encoding=row.encoding,
        id=row.id,
        at=row.at,
    )
    return PresenceChange(Address(row.app, row.channel), Presence(row.action), member)
