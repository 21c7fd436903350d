"""Who wants what, in the database: topics, endpoints and subscriptions, rows ↔ `notifications.model`.

Owns their SQL. What is queued for them is `storage.notifications`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.notifications.model import Endpoint, Subscription, Topic
from owncast_py.storage.notification_rows import endpoint, endpoint_values, subscription, topic
from owncast_py.storage.tables import endpoints, subscriptions, topics


async def load(connection: AsyncConnection) -> tuple[list[Topic], list[Endpoint], list[Subscription]]:
    """Every topic, endpoint and subscription, each oldest first."""
    return (
        [topic(row) for row in await connection.execute(select(topics).order_by(topics.c.id))],
        [endpoint(row) for row in await connection.execute(select(endpoints).order_by(endpoints.c.id))],
        [subscription(row) for row in await connection.execute(select(subscriptions).order_by(subscriptions.c.id))],
    )


async def add_topics(connection: AsyncConnection, new: Sequence[Topic]) -> None:
    """New topics."""
    rows = [{"id": each.id, "domain": each.domain, "name": each.name, "created_at": each.created_at} for each in new]
    if rows:
        await connection.execute(insert(topics), rows)


async def remove_topic(connection: AsyncConnection, topic_id: str) -> None:
    """Removes a topic with what is left of its subscriptions and messages."""
    await connection.execute(delete(topics).where(topics.c.id == topic_id))


async def add_endpoint(connection: AsyncConnection, new: Endpoint) -> None:
    """A new endpoint."""
    values = {"id": new.id, "created_at": new.created_at, **endpoint_values(new)}
    await connection.execute(insert(endpoints).values(values))


async def replace_endpoint(connection: AsyncConnection, changed: Endpoint) -> None:
    """Writes what can change of an endpoint, except its last use, over what was there."""
    await connection.execute(update(endpoints).where(endpoints.c.id == changed.id).values(endpoint_values(changed)))


async def remove_endpoint(connection: AsyncConnection, endpoint_id: str) -> None:
    """Removes an endpoint with what is left of its subscriptions and notifications."""
    await connection.execute(delete(endpoints).where(endpoints.c.id == endpoint_id))


async def put_subscriptions(connection: AsyncConnection, put: Sequence[Subscription]) -> None:
    """New subscriptions, and changed ones over what was there."""
    known = select(subscriptions.c.id).where(subscriptions.c.id.in_([each.id for each in put]))
    had = {row.id for row in await connection.execute(known)}
    rows = [
        {
            "id": each.id,
            "topic_id": each.topic_id,
            "endpoint_id": each.endpoint_id,
            "subscriber": each.subscriber,
            "restricted": each.restricted,
            "active": each.active,
            "created_at": each.created_at,
            "updated_at": each.updated_at,
        }
        for each in put
    ]
    new = [row for row in rows if row["id"] not in had]
    if new:
        await connection.execute(insert(subscriptions), new)
    for row in rows:
        if row["id"] in had:
            await connection.execute(update(subscriptions).where(subscriptions.c.id == row["id"]).values(row))


async def remove_subscriptions(connection: AsyncConnection, ids: Sequence[str]) -> None:
    """Removes subscriptions with what is left of their notifications."""
    await connection.execute(delete(subscriptions).where(subscriptions.c.id.in_(ids)))
