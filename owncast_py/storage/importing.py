"""What an import asks of and writes to the database, many rows at a time. Owns that SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, exists, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.accounts.model import ADMIN_ID, Device, User
from owncast_py.realtime.messages import CHAT
from owncast_py.storage import devices as device_rows
from owncast_py.storage import settings as setting_rows
from owncast_py.storage import users as user_rows
from owncast_py.storage.tables import channel_messages, devices, endpoints, ip_bans, settings, users

MARK = "import"
"""Where, among the documents of settings, it stands what was imported. It is no setting."""

_IN_CHAT = (channel_messages.c.app == CHAT.app, channel_messages.c.channel == CHAT.channel)


async def mark(connection: AsyncConnection) -> str | None:
    """What an import before has noted about itself."""
    return (await setting_rows.all_documents(connection)).get(MARK)


async def set_mark(connection: AsyncConnection, document: str, now: datetime) -> None:
    """Notes what is imported."""
    await setting_rows.keep(connection, MARK, document, now)


async def inhabited(connection: AsyncConnection) -> list[str]:
    """What there is already that somebody would miss, in words."""
    found = []
    for what, query in (
        ("users", select(exists().where(users.c.id != ADMIN_ID))),
        ("messages", select(exists().where(*_IN_CHAT))),
        ("bans", select(exists().where(ip_bans.c.network != ""))),
        ("webhooks", select(exists().where(endpoints.c.channel != ""))),
    ):
        if (await connection.execute(query)).scalar():
            found.append(what)
    return found


async def clear(connection: AsyncConnection) -> None:
    """Deletes all that an import brings."""
    await connection.execute(delete(users).where(users.c.id != ADMIN_ID))
    await connection.execute(delete(channel_messages).where(*_IN_CHAT))
    for table in (ip_bans, endpoints, settings):
        await connection.execute(delete(table))


async def known_users(connection: AsyncConnection, ids: Sequence[str]) -> set[str]:
    """Which of those ids users have."""
    return set((await connection.execute(select(users.c.id).where(users.c.id.in_(ids)))).scalars())


async def add_users(connection: AsyncConnection, added: Sequence[tuple[User, str]]) -> None:
    """New users with the keys of their names."""
    rows = [{"id": user.id, "created_at": user.created_at, **user_rows.values(user, key)} for user, key in added]
    if rows:
        await connection.execute(insert(users), rows)


async def users_by_id(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, User]:
    """Those users, by their ids."""
    found = await connection.execute(select(users).where(users.c.id.in_(ids)))
    return {user.id: user for user in map(user_rows.user_of, found)}


async def known_tokens(connection: AsyncConnection, hashes: Sequence[bytes]) -> set[bytes]:
    """Which of those tokens' hashes devices have."""
    query = select(devices.c.token_hash).where(devices.c.token_hash.in_(hashes))
    return {bytes(found) for found in (await connection.execute(query)).scalars()}


async def add_devices(connection: AsyncConnection, added: Sequence[tuple[Device, bytes]]) -> None:
    """New devices with their tokens' hashes."""
    if added:
        await connection.execute(insert(devices), [device_rows.values(device, hashed) for device, hashed in added])


async def known_messages(connection: AsyncConnection, ids: Sequence[str]) -> set[str]:
    """Which of those ids messages of chat have."""
    query = select(channel_messages.c.id).where(*_IN_CHAT, channel_messages.c.id.in_(ids))
    return set((await connection.execute(query)).scalars())


async def greatest_version(connection: AsyncConnection, first: str, last: str) -> str:
    """The greatest version of chat from `first` to `last`; empty where there is none."""
    query = select(func.max(channel_messages.c.version)).where(
        *_IN_CHAT, channel_messages.c.version.between(first, last)
    )
    return (await connection.execute(query)).scalar() or ""
