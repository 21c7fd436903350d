"""The channels' log in the database: rows ↔ `realtime.messages`.

Owns its SQL. Every version of a message is a row; the newest of each message has `latest`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.realtime.messages import Action, Address, Message
from owncast_py.storage.tables import channel_messages

_LIKE_ESCAPE = "\\"
_ACTIONS = {action.value: action for action in Action}


async def append(connection: AsyncConnection, messages: Sequence[Message]) -> None:
    """Adds versions; those before them are not the latest any more."""
    for message in messages:
        if message.version != message.serial:
            await connection.execute(
                update(channel_messages)
                .where(
                    channel_messages.c.app == message.address.app,
                    channel_messages.c.channel == message.address.channel,
                    channel_messages.c.serial == message.serial,
                    channel_messages.c.latest,
                )
                .values(latest=False)
            )
    # Several versions of one message may come together: only the last of them is the latest.
    newest = {message.serial: message.version for message in messages}
    await connection.execute(
        insert(channel_messages), [_values(message, newest[message.serial] == message.version) for message in messages]
    )


async def last_version(connection: AsyncConnection) -> str:
    """The greatest version of all channels, or nothing."""
    return (await connection.execute(select(func.max(channel_messages.c.version)))).scalar() or ""


async def page(
    connection: AsyncConnection,
    address: Address,
    *,
    limit: int,
    before: str | None = None,
    client_id: str | None = None,
    text: str | None = None,
    removed: bool = True,
) -> list[Message]:
    """The newest messages in their latest version, newest first.

    Restricted to those with a serial less than `before`, of one client, that contain `text` (case-folded), and without
    those that were removed from view.
    """
    query = select(channel_messages).where(
        channel_messages.c.app == address.app,
        channel_messages.c.channel == address.channel,
        channel_messages.c.latest,
    )
    if before is not None:
        query = query.where(channel_messages.c.serial < before)
    if client_id is not None:
        query = query.where(channel_messages.c.client_id == client_id)
    if text is not None:
        escaped = text.replace(_LIKE_ESCAPE, _LIKE_ESCAPE * 2).replace("%", r"\%").replace("_", r"\_")
        query = query.where(channel_messages.c.text.like(f"%{escaped}%", escape=_LIKE_ESCAPE))
    if not removed:
        query = query.where(channel_messages.c.action != Action.DELETE)
    query = query.order_by(channel_messages.c.serial.desc()).limit(limit)
    return await _messages(connection, query)


async def between(
    connection: AsyncConnection,
    address: Address,
    *,
    first: str,
    last: str,
    forwards: bool,
    limit: int,
    after: str | None = None,
) -> list[Message]:
    """Messages in their latest version, with serials from `first` to `last` and beyond `after` in that direction."""
    serial = channel_messages.c.serial
    query = select(channel_messages).where(
        channel_messages.c.app == address.app,
        channel_messages.c.channel == address.channel,
        channel_messages.c.latest,
        serial.between(first, last),
    )
    if after is not None:
        query = query.where(serial > after if forwards else serial < after)
    query = query.order_by(serial.asc() if forwards else serial.desc()).limit(limit)
    return await _messages(connection, query)


async def log(connection: AsyncConnection, address: Address, after: str, limit: int) -> list[Message]:
    """Versions greater than `after`, in order."""
    query = (
        select(channel_messages)
        .where(
            channel_messages.c.app == address.app,
            channel_messages.c.channel == address.channel,
            channel_messages.c.version > after,
        )
        .order_by(channel_messages.c.version)
        .limit(limit)
    )
    return await _messages(connection, query)


async def named_since(connection: AsyncConnection, address: Address, since: str, limit: int) -> list[Message]:
    """The newest messages since that serial whose id their publishers gave, oldest first."""
    query = (
        select(channel_messages)
        .where(
            channel_messages.c.app == address.app,
            channel_messages.c.channel == address.channel,
            channel_messages.c.serial >= since,
            channel_messages.c.version == channel_messages.c.serial,
            channel_messages.c.id != channel_messages.c.serial,
        )
        .order_by(channel_messages.c.serial.desc())
        .limit(limit)
    )
    return (await _messages(connection, query))[::-1]


async def by_serials(connection: AsyncConnection, address: Address, serials: Sequence[str]) -> list[Message]:
    """The latest versions of those messages that exist, in their order."""
    query = (
        select(channel_messages)
        .where(
            channel_messages.c.app == address.app,
            channel_messages.c.channel == address.channel,
            channel_messages.c.serial.in_(serials),
            channel_messages.c.latest,
        )
        .order_by(channel_messages.c.serial)
    )
    return await _messages(connection, query)


async def versions(connection: AsyncConnection, address: Address, serial: str) -> list[Message]:
    """Every version of one message, oldest first."""
    query = (
        select(channel_messages)
        .where(
            channel_messages.c.app == address.app,
            channel_messages.c.channel == address.channel,
            channel_messages.c.serial == serial,
        )
        .order_by(channel_messages.c.version)
    )
    return await _messages(connection, query)


async def prune(connection: AsyncConnection, address: Address, before: str) -> int:
    """Deletes every version of messages with a serial less than `before`; how many rows that were."""
    deleted = await connection.execute(
        delete(channel_messages).where(
            channel_messages.c.app == address.app,
            channel_messages.c.channel == address.channel,
            channel_messages.c.serial < before,
        )
    )
    return deleted.rowcount


async def erase(connection: AsyncConnection, address: Address, client_id: str) -> int:
    """Deletes every version of one client's messages; how many rows that were."""
    deleted = await connection.execute(
        delete(channel_messages).where(
            channel_messages.c.app == address.app,
            channel_messages.c.channel == address.channel,
            channel_messages.c.client_id == client_id,
        )
    )
    return deleted.rowcount


async def count(connection: AsyncConnection, address: Address) -> int:
    """How many messages a channel has."""
    query = select(func.count()).where(
        channel_messages.c.app == address.app, channel_messages.c.channel == address.channel, channel_messages.c.latest
    )
    return (await connection.execute(query)).scalar_one()


def _values(message: Message, latest: bool) -> dict[str, object]:
    return {
        "app": message.address.app,
        "channel": message.address.channel,
        "version": message.version,
        "serial": message.serial,
        "action": message.action.value,
        "latest": latest,
        "id": message.id,
        "name": message.name,
        "data": message.data,
        "encoding": message.encoding,
        "client_id": message.client_id,
        "connection_id": message.connection_id,
        "extras": message.extras,
        "operation": message.operation,
        "text": message.text,
        "at": message.at,
    }


async def _messages(connection: AsyncConnection, query: Select[Any]) -> list[Message]:
    """What a query for whole rows finds. Pages have a thousand of them: what can be done once for all is."""
    rows = (await connection.execute(query)).all()
    addresses: dict[tuple[str, str], Address] = {}
    found = []
    for row in rows:
        # In the order of the table.
        app, channel, version, serial, action, _, id_, name, data, encoding, client_id, *rest = row
        connection_id, extras, operation, text, at = rest
        address = addresses.get((app, channel)) or addresses.setdefault((app, channel), Address(app, channel))
        found.append(
            Message(
                address=address,
                version=version,
                serial=serial,
                action=_ACTIONS[action],
                id=id_,
                name=name,
                data=bytes(data),
                encoding=encoding,
                client_id=client_id,
                at=at,
                connection_id=connection_id,
                # What was there before these columns has the default, which SQLite keeps as a text.
                extras=bytes(extras or b""),
                operation=bytes(operation or b""),
                text=text,
            )
        )
    return found
