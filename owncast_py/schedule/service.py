"""The schedule: which streams are planned, and which of them is next.

Owns the rules of planning, and the events that are to come in memory, so that who asks for the next one never waits.
A series is turned into events for the next ninety days, and topped up once a day; an event that was cancelled or moved
is never made a second time. What single values may be is `validation`'s, how rules recur `recurrence`'s, the calendar's
format `ical`'s. It reminds nobody.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.errors import OwncastError
from owncast_py.schedule.errors import ScheduleError, ScheduleNotFound
from owncast_py.schedule.model import EventStatus, ScheduledEvent, Series
from owncast_py.schedule.recurrence import Recurrence, occurrences, parse, zone
from owncast_py.schedule.validation import (
    FARTHEST,
    checked_description,
    checked_minutes,
    checked_name,
    checked_reminder,
    checked_rule,
    checked_start,
)
from owncast_py.storage import schedule as repository
from owncast_py.storage.database import Database

MAX_SERIES = 100
MAX_EVENTS = 5_000
"""Events that are not over, and events in one answer."""
MAX_PREVIEW = 50
MAX_A_SERIES = 100
"""Events made of one series at a time: one a day for as long as `MADE_AHEAD`, and some."""
MADE_AHEAD = timedelta(days=90)
"""How far series are turned into events."""
KEPT = timedelta(days=366)
"""How long events that are over are kept."""
TIDY_SECONDS = 24 * 3600.0
ID_BYTES = 12

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Schedule:
    """The planned streams, from `start` to `aclose`."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        """`now` is aware, in UTC."""
        self._database = database
        self._now = now
        self._series: tuple[Series, ...] = ()
        self._to_come: tuple[ScheduledEvent, ...] = ()
        self._next: ScheduledEvent | None = None
        self._tidying: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Reads what is planned, makes the events that are missing, and begins to do so daily."""
        await self.tidy()
        self._tidying = asyncio.create_task(self._tidy_forever(), name="schedule: tidy")

    async def aclose(self) -> None:
        """Ends what was begun."""
        if self._tidying is not None:
            self._tidying.cancel()
            await asyncio.gather(self._tidying, return_exceptions=True)

    # What is planned.

    def series(self) -> list[Series]:
        """Every series, the oldest first, those that were cancelled too."""
        return list(self._series)

    async def events(self, start: datetime, end: datetime) -> list[ScheduledEvent]:
        """Events that run at some time from `start` on and before `end`, cancelled ones too, by their starts.

        At most MAX_EVENTS. Nothing is known of what was over more than a year ago, and of series beyond ninety days.
        """
        async with self._database.reading() as connection:
            return await repository.between(connection, start, end, MAX_EVENTS)

    def next_event(self) -> ScheduledEvent | None:
        """The event that is on now by plan, else the next one. Cancelled ones do not count."""
        if self._next is not None and self._next.ends_at <= self._now():
            self._choose_next()
        return self._next

    def preview(self, recurrence: str, count: int = 5) -> list[datetime]:
        """The next `count` (at most 50) starts of a rule, in UTC. Raises ScheduleError for one that is not taken."""
        now = self._now()
        return occurrences(parse(recurrence), now, now + FARTHEST, min(count, MAX_PREVIEW))

    # Changes to it.

    async def add_event(
        self,
        name: str,
        description: str,
        starts_at: datetime,
        duration_minutes: int,
        timezone: str,
        reminder_message: str = "",
    ) -> ScheduledEvent:
        """Plans one stream. Raises ScheduleError for values that cannot be, StorageError when it cannot be kept."""
        event = ScheduledEvent(
            id=secrets.token_urlsafe(ID_BYTES),
            series_id=None,
            name=checked_name(name),
            description=checked_description(description),
            reminder_message=checked_reminder(reminder_message),
            starts_at=checked_start(starts_at, self._now()),
            duration_minutes=checked_minutes(duration_minutes),
            timezone=zone(timezone).key,
            status=EventStatus.SCHEDULED,
            original_start=None,
            created_at=self._now(),
        )

        async def work(connection: AsyncConnection, now: datetime) -> ScheduledEvent:
            await _check_room(connection, 1, now)
            await repository.add_events(connection, [event])
            return event

        return await self._change(work)

    async def add_series(
        self,
        name: str,
        description: str,
        recurrence: str,
        duration_minutes: int,
        reminder_message: str = "",
    ) -> Series:
        """Plans streams that recur, and makes the events of the next ninety days.

        Raises ScheduleError for values that cannot be and for a rule that lies in the past, StorageError when it cannot
        be kept.
        """
        rule = checked_rule(recurrence, self._now())
        series = Series(
            id=secrets.token_urlsafe(ID_BYTES),
            name=checked_name(name),
            description=checked_description(description),
            reminder_message=checked_reminder(reminder_message),
            recurrence=rule.text,
            duration_minutes=checked_minutes(duration_minutes),
            active=True,
            created_at=self._now(),
        )

        async def work(connection: AsyncConnection, now: datetime) -> Series:
            if len(await repository.all_series(connection)) >= MAX_SERIES:
                raise ScheduleError(f"There are {MAX_SERIES} series already; delete one that is not needed any more.")
            await repository.add_series(connection, series)
            missing = await _missing(connection, series, rule.timezone, _times(rule, now), now)
            await _check_room(connection, len(missing), now)
            await repository.add_events(connection, missing)
            return series

        return await self._change(work)

    async def update(
        self,
        item_id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        reminder_message: str | None = None,
        duration_minutes: int | None = None,
        starts_at: datetime | None = None,
        timezone: str | None = None,
        recurrence: str | None = None,
    ) -> Series | ScheduledEvent:
        """Changes a series or an event; what is None keeps its value.

        A series takes no `starts_at` and `timezone`, an event no `recurrence`. A changed series makes its future events
        anew, those that were changed one by one too; they keep their ids, and cancelled ones stay cancelled. Raises
        ScheduleNotFound, and ScheduleError for values that cannot be and for what was cancelled.
        """
        new_name = None if name is None else checked_name(name)
        new_description = None if description is None else checked_description(description)
        new_reminder = None if reminder_message is None else checked_reminder(reminder_message)
        new_minutes = None if duration_minutes is None else checked_minutes(duration_minutes)

        async def work(connection: AsyncConnection, now: datetime) -> Series | ScheduledEvent:
            series = await repository.series(connection, item_id)
            if series is not None:
                if not series.active:
                    raise ScheduleError(f"The series {series.name!r} was cancelled; add a new one instead.")
                if starts_at is not None or timezone is not None:
                    raise ScheduleError("A series begins when its recurrence says; change that instead.")
                rule = None if recurrence is None else checked_rule(recurrence, now)
                changed = replace(
                    series,
                    name=_or(new_name, series.name),
                    description=_or(new_description, series.description),
                    reminder_message=_or(new_reminder, series.reminder_message),
                    duration_minutes=_or(new_minutes, series.duration_minutes),
                    recurrence=rule.text if rule else series.recurrence,
                )
                await _update_series(connection, changed, now)
                return changed
            event = await repository.event(connection, item_id)
            if event is None:
                raise _not_found(item_id)
            if event.status is EventStatus.CANCELLED:
                raise ScheduleError(f"The event {event.name!r} was cancelled; add a new one instead.")
            if recurrence is not None:
                raise ScheduleError("One event does not recur; add a series instead.")
            moved = replace(
                event,
                name=_or(new_name, event.name),
                description=_or(new_description, event.description),
                reminder_message=_or(new_reminder, event.reminder_message),
                duration_minutes=_or(new_minutes, event.duration_minutes),
                starts_at=event.starts_at if starts_at is None else checked_start(starts_at, now),
                timezone=event.timezone if timezone is None else zone(timezone).key,
            )
            await repository.replace_event(connection, moved)
            return moved

        return await self._change(work)

    async def delete(self, item_id: str, cancel: bool) -> None:
        """Cancels a series or an event, or removes it as if it had never been planned.

        A cancelled event stays in the schedule as cancelled. A cancelled series ends: its future events are cancelled
        and no more are made. A removed series takes its future events along; past ones stay. Raises ScheduleNotFound,
        and ScheduleError for the removal of an event that its series would make again.
        """

        async def work(connection: AsyncConnection, now: datetime) -> None:
            series = await repository.series(connection, item_id)
            if series is not None:
                await _end_series(connection, series, cancel, now)
                return
            event = await repository.event(connection, item_id)
            if event is None:
                raise _not_found(item_id)
            if cancel:
                await repository.replace_event(connection, replace(event, status=EventStatus.CANCELLED))
                return
            owner = None if event.series_id is None else await repository.series(connection, event.series_id)
            if owner and owner.active and event.original_start is not None and event.original_start > now:
                raise ScheduleError(f"The series of {event.name!r} would make it again; cancel it instead.")
            await repository.remove_event(connection, item_id)

        await self._change(work)

    async def tidy(self) -> None:
        """Makes the events of the next ninety days that are missing, and removes those that ended a year ago."""
        plans = await asyncio.to_thread(_plans, self._series or await self._read_series(), self._now())

        async def work(connection: AsyncConnection, now: datetime) -> int:
            await repository.remove_ended(connection, now - KEPT)
            room = MAX_EVENTS - await repository.count_to_come(connection, now)
            made = 0
            for series in await repository.all_series(connection):
                if series not in plans:
                    continue  # it was changed since, and its events were made then
                missing = await _missing(connection, series, *plans[series], now)
                if len(missing) > room - made:
                    log.warning("the schedule is full; events of a series are missing", series=series.name)
                    missing = missing[: max(room - made, 0)]
                await repository.add_events(connection, missing)
                made += len(missing)
            return made

        made = await self._change(work)
        if made:
            log.info("schedule topped up", events=made)

    async def _tidy_forever(self) -> None:
        while True:
            await asyncio.sleep(TIDY_SECONDS)
            try:
                await self.tidy()
            except OwncastError as error:
                log.warning("the schedule was not tidied", reason=str(error))

    async def _read_series(self) -> tuple[Series, ...]:
        async with self._database.reading() as connection:
            return tuple(await repository.all_series(connection))

    async def _change(self, work: Callable[[AsyncConnection, datetime], Awaitable[T]]) -> T:
        """Does `work` in a transaction. Memory follows the commit, even when whoever asked is gone by then."""

        async def whole(connection: AsyncConnection) -> tuple[T, list[Series], list[ScheduledEvent]]:
            now = self._now()
            done = await work(connection, now)
            return done, await repository.all_series(connection), await repository.to_come(connection, now)

        def remember(result: tuple[T, list[Series], list[ScheduledEvent]]) -> None:
            _, series, to_come = result
            self._series, self._to_come = tuple(series), tuple(to_come)
            self._choose_next()

        return (await self._database.write(whole, remember))[0]

    def _choose_next(self) -> None:
        now = self._now()
        self._to_come = tuple(event for event in self._to_come if event.ends_at > now)
        self._next = self._to_come[0] if self._to_come else None


async def _update_series(connection: AsyncConnection, series: Series, now: datetime) -> None:
    rule = parse(series.recurrence)
    await repository.replace_series(connection, series)
    ids: dict[datetime, str] = {}
    for event in await repository.occurrences(connection, series.id, now):
        if event.status is EventStatus.SCHEDULED and event.starts_at > now and event.original_start is not None:
            ids[event.original_start] = event.id
            await repository.remove_event(connection, event.id)
    missing = await _missing(connection, series, rule.timezone, _times(rule, now), now, ids)
    await _check_room(connection, len(missing), now)
    await repository.add_events(connection, missing)


async def _end_series(connection: AsyncConnection, series: Series, cancel: bool, now: datetime) -> None:
    if cancel:
        await repository.cancel_future(connection, series.id, now)
        await repository.replace_series(connection, replace(series, active=False))
    else:
        await repository.remove_future(connection, series.id, now)
        await repository.remove_series(connection, series.id)


async def _missing(
    connection: AsyncConnection,
    series: Series,
    timezone: str,
    times: Sequence[datetime],
    now: datetime,
    ids: Mapping[datetime, str] | None = None,
) -> list[ScheduledEvent]:
    """The events of a series at those times that are not in the database, not even cancelled or moved."""
    there = {event.original_start for event in await repository.occurrences(connection, series.id, now)}
    return [
        ScheduledEvent(
            id=(ids or {}).get(time) or secrets.token_urlsafe(ID_BYTES),
            series_id=series.id,
            name=series.name,
            description=series.description,
            reminder_message=series.reminder_message,
            starts_at=time,
            duration_minutes=series.duration_minutes,
            timezone=timezone,
            status=EventStatus.SCHEDULED,
            original_start=time,
            created_at=now,
        )
        for time in times
        if time not in there and time > now
    ]


async def _check_room(connection: AsyncConnection, more: int, now: datetime) -> None:
    if await repository.count_to_come(connection, now) + more > MAX_EVENTS:
        raise ScheduleError(f"More than {MAX_EVENTS} events would be planned; delete some, or whole series, first.")


def _plans(series: Sequence[Series], now: datetime) -> dict[Series, tuple[str, list[datetime]]]:
    """When each active series takes place in the next ninety days, with its zone. Blocks for milliseconds each."""
    plans: dict[Series, tuple[str, list[datetime]]] = {}
    for one in series:
        if not one.active:
            continue
        try:
            rule = parse(one.recurrence)
        except ScheduleError as error:
            log.error("a series makes no more events", series=one.name, reason=str(error))
            continue
        plans[one] = (rule.timezone, _times(rule, now))
    return plans


def _times(rule: Recurrence, now: datetime) -> list[datetime]:
    return occurrences(rule, now, now + MADE_AHEAD, MAX_A_SERIES)


def _or(new: T | None, old: T) -> T:
    return old if new is None else new


def _not_found(item_id: str) -> ScheduleNotFound:
    return ScheduleNotFound(f"There is no series and no event with the id {item_id[:60]!r}.")
