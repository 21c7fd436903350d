"""Topics, endpoints, subscriptions, the queue and its attempts in the database: rows ↔ `notifications.model`.

Owns their SQL. It decides nothing: what is due, kept or given up is said by `notifications`. Whatever touches many rows
takes a `limit` and is called again, so that no other write waits long.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import orjson
from sqlalchemy import Row, Select, and_, bindparam, delete, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.notifications.model import Attempt, Endpoint, Message, Notification, State, Subscription, Topic, Verdict
from owncast_py.storage.tables import attempts, endpoints, notifications, subscriptions, topic_messages, topics

MAX_ATTEMPTS_KEPT = 50
"""Attempts of a notification that are left when they are trimmed: the newest."""

# Topics, endpoints, subscriptions.


async def load(connection: AsyncConnection, domain: str) -> tuple[list[Topic], list[Endpoint], list[Subscription]]:
    """The topics of a domain, every endpoint, every subscription, each oldest first."""
    known = select(topics).where(topics.c.domain == domain).order_by(topics.c.created_at, topics.c.id)
    targets = select(endpoints).order_by(endpoints.c.created_at, endpoints.c.id)
    wanted = select(subscriptions).order_by(subscriptions.c.created_at, subscriptions.c.id)
    return (
        [Topic(row.id, row.domain, row.name, row.created_at) for row in await connection.execute(known)],
        [_endpoint(row) for row in await connection.execute(targets)],
        [
            Subscription(row.id, row.topic_id, row.endpoint_id, row.created_at)
            for row in await connection.execute(wanted)
        ],
    )


async def add_topics(connection: AsyncConnection, new: Sequence[Topic]) -> None:
    """New topics."""
    rows = [
        {"id": topic.id, "domain": topic.domain, "name": topic.name, "created_at": topic.created_at} for topic in new
    ]
    if rows:
        await connection.execute(insert(topics), rows)


async def add_endpoint(connection: AsyncConnection, endpoint: Endpoint) -> None:
    """A new endpoint."""
    await connection.execute(
        insert(endpoints).values(
            id=endpoint.id, channel=endpoint.channel, created_at=endpoint.created_at, **_values(endpoint)
        )
    )


async def replace_endpoint(connection: AsyncConnection, endpoint: Endpoint) -> None:
    """Writes what can change of an endpoint, except its last use, over what was there."""
    await connection.execute(update(endpoints).where(endpoints.c.id == endpoint.id).values(**_values(endpoint)))


async def remove_endpoint(connection: AsyncConnection, endpoint_id: str) -> None:
    """Removes an endpoint with what is left of its subscriptions and notifications."""
    await connection.execute(delete(endpoints).where(endpoints.c.id == endpoint_id))


async def add_subscriptions(connection: AsyncConnection, new: Sequence[Subscription]) -> None:
    """New subscriptions."""
    rows = [
        {
            "id": subscription.id,
            "topic_id": subscription.topic_id,
            "endpoint_id": subscription.endpoint_id,
            "created_at": subscription.created_at,
        }
        for subscription in new
    ]
    if rows:
        await connection.execute(insert(subscriptions), rows)


async def remove_subscriptions(connection: AsyncConnection, ids: Sequence[str]) -> None:
    """Removes subscriptions with what is left of their notifications."""
    await connection.execute(delete(subscriptions).where(subscriptions.c.id.in_(ids)))


# The queue.


async def add_messages(connection: AsyncConnection, new: Sequence[Message], queued: Sequence[Notification]) -> None:
    """Messages, and a notification for each endpoint that is to have them."""
    await connection.execute(
        insert(topic_messages),
        [{"id": message.id, "topic_id": message.topic_id, "at": message.at, "body": message.body} for message in new],
    )
    await connection.execute(
        insert(notifications),
        [
            {
                "id": notification.id,
                "message_id": notification.message_id,
                "subscription_id": notification.subscription_id,
                "endpoint_id": notification.endpoint_id,
                "state": notification.state.value,
                "tries": notification.tries,
                "due_at": notification.due_at,
                "created_at": notification.created_at,
            }
            for notification in queued
        ],
    )


async def last_id(connection: AsyncConnection) -> str:
    """The newest notification's id, empty when there is none."""
    return str((await connection.execute(select(func.max(notifications.c.id)))).scalar() or "")


async def pending(connection: AsyncConnection) -> dict[str, int]:
    """How many notifications each endpoint has waiting."""
    # Counted endpoint by endpoint: that reads only the pending part of the index, not the received ones of a month.
    count = (
        select(func.count())
        .where(notifications.c.endpoint_id == endpoints.c.id, notifications.c.state == State.PENDING.value)
        .scalar_subquery()
    )
    return {row.id: row.many for row in await connection.execute(select(endpoints.c.id, count.label("many")))}


async def page(
    connection: AsyncConnection,
    endpoint_id: str,
    limit: int,
    *,
    without: Collection[str] = (),
    after: tuple[datetime, str] | None = None,
) -> list[Notification]:
    """Pending notifications of an endpoint by (due_at, id), after that place, except those ids."""
    query = _pending_of(endpoint_id).order_by(notifications.c.due_at, notifications.c.id).limit(limit)
    if without:
        query = query.where(notifications.c.id.not_in(list(without)))
    if after is not None:
        due_at, last = after
        same = and_(notifications.c.due_at == due_at, notifications.c.id > last)
        query = query.where(or_(notifications.c.due_at > due_at, same))
    return [_notification(row) for row in await connection.execute(query)]


async def bodies(connection: AsyncConnection, ids: Collection[str]) -> dict[str, bytes]:
    """The bodies of those messages that exist."""
    query = select(topic_messages.c.id, topic_messages.c.body).where(topic_messages.c.id.in_(list(ids)))
    return {row.id: row.body for row in await connection.execute(query)}


async def settle(connection: AsyncConnection, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Keeps tries and what they mean. Returns those of notifications that were still pending; others are let go."""
    query = select(notifications.c.id).where(
        notifications.c.id.in_([verdict.notification_id for verdict in verdicts]),
        notifications.c.state == State.PENDING.value,
    )
    still = {row.id for row in await connection.execute(query)}
    kept = [verdict for verdict in verdicts if verdict.notification_id in still]
    if not kept:
        return []
    await _add_attempts(connection, [verdict.attempt for verdict in kept])
    await connection.execute(
        update(notifications)
        .where(notifications.c.id == bindparam("which"))
        .values(
            state=bindparam("to_state"),
            tries=bindparam("to_tries"),
            due_at=bindparam("to_due_at"),
            settled_at=bindparam("to_settled_at"),
        ),
        [
            {
                "which": verdict.notification_id,
                "to_state": verdict.state.value,
                "to_tries": verdict.tries,
                "to_due_at": verdict.due_at,
                "to_settled_at": None if verdict.state is State.PENDING else verdict.attempt.at,
            }
            for verdict in kept
        ],
    )
    used = {verdict.endpoint_id: verdict.attempt.at for verdict in kept if verdict.state is State.RECEIVED}
    if used:
        await connection.execute(
            update(endpoints).where(endpoints.c.id == bindparam("which")).values(last_used_at=bindparam("used_at")),
            [{"which": endpoint_id, "used_at": at} for endpoint_id, at in used.items()],
        )
    for verdict in kept:
        if verdict.trim:
            await _trim_attempts(connection, verdict.notification_id)
    return kept


async def hasten(connection: AsyncConnection, endpoint_id: str, moment: datetime, limit: int) -> int:
    """Makes pending notifications from before that moment, but due later, due then. Returns how many."""
    query = _pending_of(endpoint_id).where(notifications.c.due_at > moment, notifications.c.created_at <= moment)
    ids = [row.id for row in await connection.execute(query.order_by(notifications.c.due_at).limit(limit))]
    if ids:
        await connection.execute(update(notifications).where(notifications.c.id.in_(ids)).values(due_at=moment))
    return len(ids)


async def overdue(connection: AsyncConnection, endpoint_id: str, before: str) -> bool:
    """Whether something with an id less than `before` is pending for an endpoint."""
    query = select(notifications.c.id).where(
        notifications.c.endpoint_id == endpoint_id,
        notifications.c.state == State.PENDING.value,
        notifications.c.id < before,
    )
    return (await connection.execute(query.limit(1))).first() is not None


async def close(
    connection: AsyncConnection,
    endpoint_id: str,
    state: State,
    at: datetime,
    sentence: str,
    limit: int,
    *,
    before: str = "",
) -> int:
    """Ends pending notifications of an endpoint, those with an id less than `before` if given. Returns how many."""
    query = select(notifications.c.id).where(
        notifications.c.endpoint_id == endpoint_id, notifications.c.state == State.PENDING.value
    )
    if before:
        query = query.where(notifications.c.id < before)
    ids = [row.id for row in await connection.execute(query.limit(limit))]
    if ids:
        await _add_attempts(connection, [Attempt(each, at, 0, None, sentence, "") for each in ids])
        await connection.execute(
            update(notifications).where(notifications.c.id.in_(ids)).values(state=state.value, settled_at=at)
        )
    return len(ids)


async def forget(connection: AsyncConnection, subscription_id: str, limit: int) -> tuple[int, int]:
    """Deletes notifications of a subscription. Returns how many, and how many of these were pending."""
    query = select(notifications.c.id, notifications.c.state).where(notifications.c.subscription_id == subscription_id)
    rows = (await connection.execute(query.limit(limit))).all()
    if rows:
        await connection.execute(delete(notifications).where(notifications.c.id.in_([row.id for row in rows])))
    return len(rows), sum(row.state == State.PENDING.value for row in rows)


async def prune(connection: AsyncConnection, state: State, before: datetime, limit: int) -> int:
    """Deletes notifications that came to that state before that time. Returns how many."""
    query = select(notifications.c.id).where(notifications.c.state == state.value, notifications.c.settled_at < before)
    ids = [row.id for row in await connection.execute(query.limit(limit))]
    if ids:
        await connection.execute(delete(notifications).where(notifications.c.id.in_(ids)))
    return len(ids)


async def prune_messages(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Deletes messages from before that time that no notification needs. Returns how many."""
    needed = exists().where(notifications.c.message_id == topic_messages.c.id)
    query = select(topic_messages.c.id).where(topic_messages.c.at < before, ~needed).limit(limit)
    ids = [row.id for row in await connection.execute(query)]
    if ids:
        await connection.execute(delete(topic_messages).where(topic_messages.c.id.in_(ids)))
    return len(ids)


# Attempts.


async def attempts_of(connection: AsyncConnection, notification_id: str, limit: int) -> list[Attempt]:
    """The newest attempts of a notification, oldest first."""
    query = select(attempts).where(attempts.c.notification_id == notification_id)
    rows = (await connection.execute(query.order_by(attempts.c.id.desc()).limit(limit))).all()
    return [
        Attempt(row.notification_id, row.at, row.milliseconds, row.status, row.error, row.answer) for row in rows[::-1]
    ]


async def _add_attempts(connection: AsyncConnection, made: Sequence[Attempt]) -> None:
    rows = [
        {
            "notification_id": attempt.notification_id,
            "at": attempt.at,
            "milliseconds": attempt.milliseconds,
            "status": attempt.status,
            "error": attempt.error,
            "answer": attempt.answer,
        }
        for attempt in made
    ]
    await connection.execute(insert(attempts), rows)


async def _trim_attempts(connection: AsyncConnection, notification_id: str) -> None:
    of_this = attempts.c.notification_id == notification_id
    query = select(attempts.c.id).where(of_this).order_by(attempts.c.id.desc()).offset(MAX_ATTEMPTS_KEPT).limit(1)
    oldest = (await connection.execute(query)).scalar()
    if oldest is not None:
        await connection.execute(delete(attempts).where(of_this, attempts.c.id <= oldest))


def _pending_of(endpoint_id: str) -> Select[tuple[object, ...]]:
    return select(notifications).where(
        notifications.c.endpoint_id == endpoint_id, notifications.c.state == State.PENDING.value
    )


def _values(endpoint: Endpoint) -> dict[str, object]:
    return {
        "url": endpoint.url,
        "document": orjson.dumps(dict(endpoint.document)).decode(),
        "active": endpoint.active,
    }


def _endpoint(row: Row[tuple[object, ...]]) -> Endpoint:
    return Endpoint(
        row.id, row.channel, row.url, orjson.loads(row.document), row.active, row.created_at, row.last_used_at
    )


def _notification(row: Row[tuple[object, ...]]) -> Notification:
    return Notification(
        id=row.id,
        message_id=row.message_id,
        subscription_id=row.subscription_id,
        endpoint_id=row.endpoint_id,
        state=State(row.state),
        tries=row.tries,
        due_at=row.due_at,
        created_at=row.created_at,
        settled_at=row.settled_at,
    )
