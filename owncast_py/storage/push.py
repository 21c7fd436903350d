"""The tables of push devices and of what channels are pushed to them, rows ↔ `realtime.push_devices`.

Owns their SQL.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from sqlalchemy import Row, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.realtime.push_devices import ChannelSubscription, Device, PushState
from owncast_py.storage.tables import push_devices, push_subscriptions


async def load(connection: AsyncConnection) -> tuple[list[Device], list[ChannelSubscription]]:
    """Every device and every subscription."""
    return (
        [_device(row) for row in await connection.execute(select(push_devices))],
        [
            ChannelSubscription(row.app, row.channel, row.device_id, row.client_id, row.created_at)
            for row in await connection.execute(select(push_subscriptions))
        ],
    )


async def put_device(connection: AsyncConnection, device: Device) -> None:
    """A new device, or what has become of one."""
    await connection.execute(
        delete(push_devices).where(push_devices.c.app == device.app, push_devices.c.id == device.id)
    )
    await connection.execute(
        insert(push_devices).values(
            app=device.app,
            id=device.id,
            client_id=device.client_id,
            form_factor=device.form_factor,
            platform=device.platform,
            metadata=orjson.dumps(device.metadata).decode(),
            recipient=orjson.dumps(device.recipient).decode(),
            secret_hash=device.secret_hash,
            token_hash=device.token_hash,
            state=device.state.value,
            error=device.error,
            failing_since=device.failing_since,
            endpoint_id=device.endpoint_id,
            created_at=device.created_at,
            updated_at=device.updated_at,
        )
    )


async def remove_devices(connection: AsyncConnection, gone: Sequence[Device]) -> None:
    """Removes devices with what was subscribed for each."""
    for device in gone:
        await connection.execute(
            delete(push_subscriptions).where(
                push_subscriptions.c.app == device.app, push_subscriptions.c.device_id == device.id
            )
        )
        await connection.execute(
            delete(push_devices).where(push_devices.c.app == device.app, push_devices.c.id == device.id)
        )


async def add_subscription(connection: AsyncConnection, new: ChannelSubscription) -> None:
    """A new one."""
    await connection.execute(
        insert(push_subscriptions).values(
            app=new.app,
            channel=new.channel,
            device_id=new.device_id,
            client_id=new.client_id,
            created_at=new.created_at,
        )
    )


async def remove_subscriptions(connection: AsyncConnection, gone: Sequence[ChannelSubscription]) -> None:
    """Removes them."""
    for each in gone:
        await connection.execute(
            delete(push_subscriptions).where(
                push_subscriptions.c.app == each.app,
                push_subscriptions.c.channel == each.channel,
                push_subscriptions.c.device_id == each.device_id,
                push_subscriptions.c.client_id == each.client_id,
            )
        )


def _device(row: Row[tuple[object, ...]]) -> Device:
    return Device(
        app=row.app,
        id=row.id,
        client_id=row.client_id,
        form_factor=row.form_factor,
        platform=row.platform,
        metadata=orjson.loads(row.metadata),
        recipient=orjson.loads(row.recipient),
        secret_hash=row.secret_hash,
        token_hash=row.token_hash,
        state=PushState(row.state),
        error=row.error,
        failing_since=row.failing_since,
        endpoint_id=row.endpoint_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
