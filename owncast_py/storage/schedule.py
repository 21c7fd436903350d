"""Series and events in the database: rows ↔ `schedule.model`.

Owns their SQL. It decides nothing: what may be planned is `schedule.service`'s to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Row, delete, func, insert, select, type_coerce, update
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.schedule.model import EventStatus, ScheduledEvent, Series
from owncast_py.storage.tables import Moment, event_series
from owncast_py.storage.tables import scheduled_events as events

_ENDS_AT = type_coerce(type_coerce(events.c.starts_at, BigInteger) + events.c.duration_minutes * 60_000, Moment)


async def all_series(connection: AsyncConnection) -> list[Series]:
    """Every series, the oldest first."""
    rows = await connection.execute(select(event_series).order_by(event_series.c.created_at, event_series.c.id))
    return [_series(row) for row in rows]


async def series(connection: AsyncConnection, series_id: str) -> Series | None:
    """The series with that id."""
    row = (await connection.execute(select(event_series).where(event_series.c.id == series_id))).one_or_none()
    return _series(row) if row else None


async def add_series(connection: AsyncConnection, added: Series) -> None:
    """A new series, without events."""
    await connection.execute(insert(event_series).values(_series_values(added)))


async def replace_series(connection: AsyncConnection, changed: Series) -> None:
    """Writes everything of a series over what was there; its events stay."""
    await connection.execute(
        update(event_series).where(event_series.c.id == changed.id).values(_series_values(changed))
    )


async def remove_series(connection: AsyncConnection, series_id: str) -> None:
    """Removes a series. The events that are left of it stay, on their own."""
    await connection.execute(delete(event_series).where(event_series.c.id == series_id))


async def event(connection: AsyncConnection, event_id: str) -> ScheduledEvent | None:
    """The event with that id."""
    row = (await connection.execute(select(events).where(events.c.id == event_id))).one_or_none()
    return _event(row) if row else None


async def add_events(connection: AsyncConnection, added: Sequence[ScheduledEvent]) -> None:
    """New events."""
    if added:
        await connection.execute(insert(events), [_event_values(one) for one in added])


async def replace_event(connection: AsyncConnection, changed: ScheduledEvent) -> None:
    """Writes everything of an event over what was there."""
    await connection.execute(update(events).where(events.c.id == changed.id).values(_event_values(changed)))


async def remove_event(connection: AsyncConnection, event_id: str) -> None:
    """Removes one event."""
    await connection.execute(delete(events).where(events.c.id == event_id))


async def occurrences(connection: AsyncConnection, series_id: str, after: datetime) -> list[ScheduledEvent]:
    """Events that their series put after that time, wherever they are now, in order."""
    query = select(events).where(events.c.series_id == series_id, events.c.original_start > after)
    return [_event(row) for row in await connection.execute(query.order_by(events.c.original_start))]


async def remove_future(connection: AsyncConnection, series_id: str, after: datetime) -> None:
    """Removes the events of a series that begin after that time."""
    await connection.execute(delete(events).where(events.c.series_id == series_id, events.c.starts_at > after))


async def cancel_future(connection: AsyncConnection, series_id: str, after: datetime) -> None:
    """Cancels the events of a series that begin after that time."""
    future = (events.c.series_id == series_id, events.c.starts_at > after)
    await connection.execute(update(events).where(*future).values(status=EventStatus.CANCELLED.value))


async def between(connection: AsyncConnection, start: datetime, end: datetime, limit: int) -> list[ScheduledEvent]:
    """The first `limit` events that run at some time from `start` on and before `end`, in the order of their starts."""
    query = select(events).where(events.c.starts_at < end, start < _ENDS_AT)
    rows = await connection.execute(query.order_by(events.c.starts_at, events.c.id).limit(limit))
    return [_event(row) for row in rows]


async def to_come(connection: AsyncConnection, now: datetime) -> list[ScheduledEvent]:
    """Events that are not over and not cancelled, in the order of their starts."""
    query = select(events).where(now < _ENDS_AT, events.c.status == EventStatus.SCHEDULED.value)
    return [_event(row) for row in await connection.execute(query.order_by(events.c.starts_at, events.c.id))]


async def count_to_come(connection: AsyncConnection, now: datetime) -> int:
    """How many events are not over, cancelled or not."""
    query = select(func.count()).select_from(events).where(now < _ENDS_AT)
    return int((await connection.execute(query)).scalar_one())


async def remove_ended(connection: AsyncConnection, before: datetime) -> None:
    """Removes events that ended before that time."""
    await connection.execute(delete(events).where(events.c.starts_at < before, before > _ENDS_AT))


def _series_values(one: Series) -> dict[str, object]:
    return {
        "id": one.id,
        "name": one.name,
        "description": one.description,
        "reminder_message": one.reminder_message,
        "recurrence": one.recurrence,
        "duration_minutes": one.duration_minutes,
        "active": one.active,
        "created_at": one.created_at,
    }


def _event_values(one: ScheduledEvent) -> dict[str, object]:
    return {
        "id": one.id,
        "series_id": one.series_id,
        "name": one.name,
        "description": one.description,
        "reminder_message": one.reminder_message,
        "starts_at": one.starts_at,
        "duration_minutes": one.duration_minutes,
        "timezone": one.timezone,
        "status": one.status.value,
        "original_start": one.original_start,
        "created_at": one.created_at,
    }


def _series(row: Row[tuple[object, ...]]) -> Series:
    return Series(
        id=row.id,
        name=row.name,
        description=row.description,
        reminder_message=row.reminder_message,
        recurrence=row.recurrence,
        duration_minutes=row.duration_minutes,
        active=row.active,
        created_at=row.created_at,
    )


def _event(row: Row[tuple[object, ...]]) -> ScheduledEvent:
    return ScheduledEvent(
        id=row.id,
        series_id=row.series_id,
        name=row.name,
        description=row.description,
        reminder_message=row.reminder_message,
        starts_at=row.starts_at,
        duration_minutes=row.duration_minutes,
        timezone=row.timezone,
        status=EventStatus(row.status),
        original_start=row.original_start,
        created_at=row.created_at,
    )
