"""The queue in the database: messages, notifications and their attempts, rows ↔ `notifications.model`.

Owns their SQL. It decides nothing: what is due, kept or given up is said by `notifications`. Whatever touches many rows
takes a `limit` and is called again, so that no other write waits long.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    column,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    table,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.notifications.ids import MESSAGE, NOTIFICATION, number_of, since
from owncast_py.notifications.model import (
    Attempt,
    Message,
    Notification,
    Shelf,
    State,
    Verdict,
)
from owncast_py.realtime.messages import EPOCH
from owncast_py.storage.notification_rows import notification
from owncast_py.storage.tables import attempts, endpoints, notifications, subscriptions, topic_messages, topics

MILLISECOND = timedelta(milliseconds=1)
_NEW = insert(table("notifications", *(column(name) for name in notifications.c.keys())))  # noqa: SIM118 - no dict
"""A new notification of plain numbers: ten for each message may come, and converting is half of what they cost."""
MAX_ATTEMPTS_KEPT = 50
"""Attempts of a notification that are left when they are trimmed: the newest."""

# The queue.


async def add_messages(connection: AsyncConnection, new: Sequence[Message], queued: Sequence[Notification]) -> None:
    """Messages, and a notification for each endpoint that is to have them."""
    await connection.execute(
        insert(topic_messages),
        [
            {"id": each.id, "topic_id": each.topic_id, "entity": each.entity or None, "at": each.at, "body": each.body}
            for each in new
        ],
    )
    rows = []
    for each in queued:
        at = (each.created_at - EPOCH) // MILLISECOND
        rows.append(
            {
                "id": number_of(each.id),
                "message_id": number_of(each.message_id),
                "topic_id": number_of(each.topic_id),
                "subscription_id": number_of(each.subscription_id),
                "endpoint_id": number_of(each.endpoint_id),
                "shelf": int(each.shelf),
                "expired": each.expired,
                "tries": each.tries,
                "due_at": at,
                "queued_at": at,
                "created_at": at,
                "updated_at": at,
            }
        )
    await connection.execute(_NEW, rows)


async def last_ids(connection: AsyncConnection) -> list[str]:
    """The newest id of each kind that there is."""
    tables = (notifications, topic_messages, topics, endpoints, subscriptions)
    found = [(await connection.execute(select(func.max(each.c.id)))).scalar() for each in tables]
    return [newest for newest in found if newest]


async def counts(connection: AsyncConnection, shelves: Collection[Shelf]) -> dict[str, int]:
    """How many notifications each endpoint has on those shelves."""
    # Counted endpoint by endpoint: that reads only this part of the index, not the received ones of a month.
    count = select(func.count()).where(notifications.c.endpoint_id == endpoints.c.id, _on(shelves)).scalar_subquery()
    return {row.id: row.many for row in await connection.execute(select(endpoints.c.id, count.label("many")))}


async def page(
    connection: AsyncConnection,
    endpoint_id: str,
    limit: int,
    *,
    without: Collection[str] = (),
    after: tuple[datetime, str] | None = None,
) -> list[Notification]:
    """What is queued for an endpoint by (due_at, id), after that place, except those ids."""
    query = _queued_for(endpoint_id).order_by(notifications.c.due_at, notifications.c.id).limit(limit)
    if without:
        query = query.where(notifications.c.id.not_in(list(without)))
    if after is not None:
        due_at, last = after
        same = and_(notifications.c.due_at == due_at, notifications.c.id > last)
        query = query.where(or_(notifications.c.due_at > due_at, same))
    return [notification(row) for row in await connection.execute(query)]


async def messages(connection: AsyncConnection, ids: Collection[str]) -> dict[str, Message]:
    """Those messages that exist, by id."""
    query = select(topic_messages).where(topic_messages.c.id.in_(list(ids)))
    return {
        row.id: Message(row.id, row.topic_id, row.at, row.body, row.entity or "")
        for row in await connection.execute(query)
    }


async def settle(connection: AsyncConnection, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Keeps tries and what they mean. Returns those of notifications that were still queued; others are let go."""
    query = select(notifications.c.id).where(
        notifications.c.id.in_([verdict.notification_id for verdict in verdicts]), _on([Shelf.QUEUE])
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
            shelf=bindparam("to_shelf"),
            expired=bindparam("to_expired"),
            tries=bindparam("to_tries"),
            due_at=bindparam("to_due_at"),
            updated_at=bindparam("to_updated_at"),
        ),
        [
            {
                "which": verdict.notification_id,
                "to_shelf": int(_SHELF[verdict.state]),
                "to_expired": verdict.state is State.EXPIRED,
                "to_tries": verdict.tries,
                "to_due_at": verdict.due_at,
                "to_updated_at": verdict.attempt.at,
            }
            for verdict in kept
        ],
    )
    await _used(connection, {each.endpoint_id: each.attempt.at for each in kept if each.state is State.RECEIVED})
    for verdict in kept:
        if verdict.trim:
            await _trim_attempts(connection, verdict.notification_id)
    return kept


async def hasten(connection: AsyncConnection, endpoint_id: str, moment: datetime, limit: int) -> int:
    """Makes what was queued before that moment, but is due later, due then. Returns how many."""
    query = _queued_for(endpoint_id).where(notifications.c.due_at > moment, notifications.c.queued_at <= moment)
    ids = [row.id for row in await connection.execute(query.order_by(notifications.c.due_at).limit(limit))]
    if ids:
        await connection.execute(update(notifications).where(notifications.c.id.in_(ids)).values(due_at=moment))
    return len(ids)


async def overdue(connection: AsyncConnection, endpoint_id: str, before: datetime, now: datetime) -> bool:
    """Whether something that was queued before that time waits for an endpoint."""
    query = _queued_for(endpoint_id).where(_overdue(before, now))
    return (await connection.execute(query.limit(1))).first() is not None


async def close(
    connection: AsyncConnection,
    endpoint_id: str,
    state: State,
    at: datetime,
    sentence: str,
    limit: int,
    *,
    before: datetime | None = None,
) -> int:
    """Gives up what is queued for an endpoint, or what was queued before that time. Returns how many."""
    query = _queued_for(endpoint_id)
    if before is not None:
        query = query.where(_overdue(before, at))
    ids = [row.id for row in await connection.execute(query.limit(limit))]
    if ids:
        await _add_attempts(connection, [Attempt(each, at, 0, None, sentence, "") for each in ids])
        await connection.execute(
            update(notifications)
            .where(notifications.c.id.in_(ids))
            .values(shelf=int(Shelf.FAILED), expired=state is State.EXPIRED, updated_at=at)
        )
    return len(ids)


async def transfer(connection: AsyncConnection, endpoint_id: str, to: Shelf, at: datetime, limit: int) -> int:
    """Moves what is pending for an endpoint from the queue to the pull shelf, or back. Returns how many."""
    source = Shelf.PULL if to is Shelf.QUEUE else Shelf.QUEUE
    query = select(notifications.c.id).where(notifications.c.endpoint_id == endpoint_id, _on([source])).limit(limit)
    ids = [row.id for row in await connection.execute(query)]
    if ids:
        moved = update(notifications).where(notifications.c.id.in_(ids))
        await connection.execute(moved.values(shelf=int(to), tries=0, due_at=at, queued_at=at, updated_at=at))
    return len(ids)


async def forget(connection: AsyncConnection, subscription_id: str, limit: int) -> tuple[int, Counter[Shelf]]:
    """Deletes notifications of a subscription. Returns how many, and of which shelves."""
    query = select(notifications.c.id, notifications.c.shelf)
    rows = (
        await connection.execute(query.where(notifications.c.subscription_id == subscription_id).limit(limit))
    ).all()
    if rows:
        await connection.execute(delete(notifications).where(notifications.c.id.in_([row.id for row in rows])))
    return len(rows), Counter(Shelf(row.shelf) for row in rows)


async def forget_messages(connection: AsyncConnection, topic_id: str, limit: int) -> int:
    """Deletes messages of a topic, with what is left of their notifications. Returns how many."""
    query = select(topic_messages.c.id).where(topic_messages.c.topic_id == topic_id).limit(limit)
    return await _delete_messages(connection, [row.id for row in await connection.execute(query)])


async def prune(connection: AsyncConnection, shelf: Shelf, before: datetime, limit: int) -> Counter[str]:
    """Deletes notifications that came to that shelf before that time. Returns how many of each endpoint."""
    query = select(notifications.c.id, notifications.c.endpoint_id).where(
        # What came there by then is older still; this part lies at the front of the index.
        notifications.c.id < since(NOTIFICATION, before),
        _on([shelf]),
        notifications.c.updated_at < before,
    )
    rows = (await connection.execute(query.limit(limit))).all()
    if rows:
        await connection.execute(delete(notifications).where(notifications.c.id.in_([row.id for row in rows])))
    return Counter(row.endpoint_id for row in rows)


async def prune_messages(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Deletes messages from before that time that no notification needs. Returns how many."""
    needed = exists().where(notifications.c.message_id == topic_messages.c.id)
    old = topic_messages.c.id < since(MESSAGE, before)
    query = select(topic_messages.c.id).where(old, ~needed).limit(limit)
    return await _delete_messages(connection, [row.id for row in await connection.execute(query)])


# Single ones.


async def find(connection: AsyncConnection, notification_id: str) -> Notification | None:
    """That notification."""
    row = (await connection.execute(select(notifications).where(notifications.c.id == notification_id))).first()
    return notification(row) if row is not None else None


async def acknowledge(
    connection: AsyncConnection, subscription_id: str, first: str, last: str, at: datetime, limit: int
) -> Counter[str]:
    """Moves what a subscription can pull, from the id `first` to `last`, to the received; returns how many of each
    endpoint.
    """
    query = select(notifications.c.id, notifications.c.endpoint_id).where(
        notifications.c.subscription_id == subscription_id,
        notifications.c.id.between(first, last),
        _on([Shelf.PULL]),
    )
    rows = (await connection.execute(query.limit(limit))).all()
    if rows:
        moved = update(notifications).where(notifications.c.id.in_([row.id for row in rows]))
        await connection.execute(moved.values(shelf=int(Shelf.RECEIVED), updated_at=at))
        await _used(connection, {row.endpoint_id: at for row in rows})
    return Counter(row.endpoint_id for row in rows)


async def requeue(connection: AsyncConnection, ids: Collection[str], at: datetime) -> list[Notification]:
    """Puts settled notifications back to the beginning of their time, to be pushed at once; returns them as before."""
    query = select(notifications).where(notifications.c.id.in_(list(ids)), _on([Shelf.RECEIVED, Shelf.FAILED]))
    found = [notification(row) for row in await connection.execute(query)]
    if found:
        moved = update(notifications).where(notifications.c.id.in_([each.id for each in found]))
        await connection.execute(
            moved.values(shelf=int(Shelf.QUEUE), expired=False, tries=0, due_at=at, queued_at=at, updated_at=at)
        )
    return found


async def dead(
    connection: AsyncConnection, subscription_id: str | None, since_id: str, limit: int
) -> list[Notification]:
    """Dead letters of a subscription or of all, from that id on, oldest first."""
    query = select(notifications).where(_on([Shelf.FAILED]), notifications.c.id >= since_id)
    if subscription_id is not None:
        query = query.where(notifications.c.subscription_id == subscription_id)
    rows = await connection.execute(query.order_by(notifications.c.id).limit(limit))
    return [notification(row) for row in rows]


async def remove(connection: AsyncConnection, ids: Collection[str]) -> None:
    """Deletes notifications."""
    await connection.execute(delete(notifications).where(notifications.c.id.in_(list(ids))))


async def following(
    connection: AsyncConnection, subscription_id: str, after: str, shelf: Shelf | None, limit: int
) -> list[Notification]:
    """What a subscription has got after that id, on that shelf or on all, oldest first."""
    query = select(notifications).where(notifications.c.subscription_id == subscription_id, notifications.c.id > after)
    if shelf is not None:
        query = query.where(_on([shelf]))
    rows = await connection.execute(query.order_by(notifications.c.id).limit(limit))
    return [notification(row) for row in rows]


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


async def _used(connection: AsyncConnection, used: Mapping[str, datetime]) -> None:
    if used:
        await connection.execute(
            update(endpoints).where(endpoints.c.id == bindparam("which")).values(last_used_at=bindparam("used_at")),
            [{"which": endpoint_id, "used_at": at} for endpoint_id, at in used.items()],
        )


async def _delete_messages(connection: AsyncConnection, ids: Sequence[str]) -> int:
    if ids:
        await connection.execute(delete(topic_messages).where(topic_messages.c.id.in_(ids)))
    return len(ids)


def _on(shelves: Collection[Shelf]) -> ColumnElement[bool]:
    return notifications.c.shelf.in_([int(shelf) for shelf in shelves])


def _queued_for(endpoint_id: str) -> Select[tuple[object, ...]]:
    return select(notifications).where(notifications.c.endpoint_id == endpoint_id, _on([Shelf.QUEUE]))


def _overdue(before: datetime, now: datetime) -> ColumnElement[bool]:
    # No try is due after the end of a notification's time, so only what is due already needs a look.
    return and_(notifications.c.due_at <= now, notifications.c.queued_at < before)


# Rows and values.

_SHELF = {
    State.PENDING: Shelf.QUEUE,
    State.RECEIVED: Shelf.RECEIVED,
    State.FAILED: Shelf.FAILED,
    State.EXPIRED: Shelf.FAILED,
}
"""Where a verdict puts a notification that was queued."""
