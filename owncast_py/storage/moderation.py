"""What moderation keeps: banned networks, and who did what to whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.storage.tables import audit, ip_bans


@dataclass(frozen=True, slots=True)
class Ban:
    """A network that may not chat, in CIDR notation; one address is the smallest network."""

    network: str
    note: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act of a moderator. `detail` is a sentence fragment for people."""

    at: datetime
    actor_id: str
    actor_name: str
    action: str
    target: str
    detail: str


async def bans(connection: AsyncConnection) -> list[Ban]:
    """All banned networks, the oldest first."""
    rows = await connection.execute(select(ip_bans).order_by(ip_bans.c.created_at, ip_bans.c.network))
    return [Ban(row.network, row.note, row.created_at) for row in rows]


async def add_ban(connection: AsyncConnection, ban: Ban) -> None:
    """Bans a network, or gives its ban another note."""
    await connection.execute(delete(ip_bans).where(ip_bans.c.network == ban.network))
    await connection.execute(insert(ip_bans).values(network=ban.network, note=ban.note, created_at=ban.created_at))


async def remove_ban(connection: AsyncConnection, network: str) -> None:
    """Lifts a ban."""
    await connection.execute(delete(ip_bans).where(ip_bans.c.network == network))


async def record(connection: AsyncConnection, entry: AuditEntry) -> None:
    """Adds an act to the log."""
    await connection.execute(
        insert(audit).values(
            at=entry.at,
            actor_id=entry.actor_id,
            actor_name=entry.actor_name,
            action=entry.action,
            target=entry.target,
            detail=entry.detail,
        )
    )


async def entries(
    connection: AsyncConnection, limit: int, before: int | None = None, words: str = ""
) -> list[tuple[int, AuditEntry]]:
    """Acts with their numbers, the newest first; those with a number less than `before` and with `words` in them."""
    query = select(audit).order_by(audit.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(audit.c.id < before)
    if words:
        columns = (audit.c.actor_name, audit.c.action, audit.c.target, audit.c.detail)
        query = query.where(or_(*(func.lower(each).contains(words.lower(), autoescape=True) for each in columns)))
    rows = await connection.execute(query)
    return [
        (row.id, AuditEntry(row.at, row.actor_id, row.actor_name, row.action, row.target, row.detail)) for row in rows
    ]
