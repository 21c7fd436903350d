"""Devices in the database: rows ↔ `accounts.model.Device`, each with its token's hash. Owns their SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Row, and_, bindparam, delete, exists, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.accounts.model import Device
from owncast_py.storage.tables import devices, users

Key = tuple[str, str]
"""A user's id and, among their devices, a device's."""


async def add(connection: AsyncConnection, device: Device, token_hash: bytes) -> bool:
    """A device with its token's hash, in place of one with the same id. Returns whether there is such a user."""
    if not (await connection.execute(select(exists().where(users.c.id == device.user_id)))).scalar():
        return False
    await remove(connection, [(device.user_id, device.id)])
    await connection.execute(insert(devices).values(values(device, token_hash)))
    return True


async def by_token(connection: AsyncConnection, token_hash: bytes) -> Device | None:
    """The device that has that token."""
    row = (await connection.execute(select(devices).where(devices.c.token_hash == token_hash))).one_or_none()
    return _device(row) if row else None


async def with_id(connection: AsyncConnection, device_id: str) -> list[Device]:
    """The devices with that id, which is unlike others only among those of one user."""
    return [_device(row) for row in await connection.execute(select(devices).where(devices.c.id == device_id))]


async def of(connection: AsyncConnection, user_ids: Sequence[str]) -> list[Device]:
    """All devices of those users, oldest first."""
    query = select(devices).where(devices.c.user_id.in_(user_ids)).order_by(devices.c.created_at, devices.c.id)
    return [_device(row) for row in await connection.execute(query)]


async def rename(connection: AsyncConnection, key: Key, display_name: str) -> None:
    """Calls a device something else."""
    await connection.execute(update(devices).where(_is(key)).values(display_name=display_name))


async def remove(connection: AsyncConnection, keys: Sequence[Key]) -> None:
    """Signs devices out for good."""
    await connection.execute(delete(devices).where(tuple_(devices.c.user_id, devices.c.id).in_(keys)))


async def touch(connection: AsyncConnection, seen: Sequence[tuple[Key, datetime, str]]) -> None:
    """Notes when, and from which address, devices were last seen."""
    query = (
        update(devices)
        .where(devices.c.user_id == bindparam("of_user"), devices.c.id == bindparam("of_device"))
        .values(last_seen_at=bindparam("at"), last_seen_ip=bindparam("address"))
    )
    values = [
        {"of_user": user_id, "of_device": device_id, "at": at, "address": address}
        for (user_id, device_id), at, address in seen
    ]
    await connection.execute(query, values)


def values(device: Device, token_hash: bytes) -> dict[str, object]:
    """The row of a device."""
    return {
        "user_id": device.user_id,
        "id": device.id,
        "display_name": device.display_name,
        "token_hash": token_hash,
        "created_at": device.created_at,
        "last_seen_at": device.last_seen_at,
        "last_seen_ip": device.last_seen_ip,
    }


def _is(key: Key) -> ColumnElement[bool]:
    return and_(devices.c.user_id == key[0], devices.c.id == key[1])


def _device(row: Row[tuple[object, ...]]) -> Device:
    return Device(row.id, row.user_id, row.display_name, row.created_at, row.last_seen_at, row.last_seen_ip)
