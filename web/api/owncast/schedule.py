"""The schedule: what everybody may see of it, also as a calendar, and how the owner plans.

Owns those routes' wire format, which is that of Owncast's development branch.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from owncast_py.chat.content import timestamp
from owncast_py.chat.moderation import Moderation
from owncast_py.schedule import ical
from owncast_py.schedule.errors import ScheduleError, ScheduleNotFound
from owncast_py.schedule.service import Schedule
from owncast_py.schedule.validation import FARTHEST
from owncast_py.setting_groups import InstanceSettings, ScheduleSettings
from owncast_py.settings import Settings
from web.addresses import origin
from web.api.owncast import answers
from web.api.owncast.schedule_views import EventView, SeriesView, event_view, series_view
from web.authentication import Authentication
from web.body import Input, Query
from web.operations import Call, Media, Operation

PAST = timedelta(days=7)
FUTURE = timedelta(days=90)
"""What everybody sees unless they ask for another time."""
ADMIN_PAST = timedelta(days=92)
MAX_RANGE = timedelta(days=366)
DEFAULT_MINUTES = 60


class RangeQuery(Query):
    """Which time: RFC 3339 moments."""

    start: datetime | None = Field(None, alias="from")
    end: datetime | None = Field(None, alias="to")


class EventInput(Input):
    """A show to plan, or to change where `id` is given. `start` plans one, `recurrence` (RFC 5545) plans many."""

    id: str | None = Field(None, max_length=60)
    name: str
    description: str | None = None
    reminderMessage: str | None = None
    start: datetime | None = Field(None, strict=False)
    timezone: str | None = Field(None, max_length=60)
    recurrence: str | None = None
    durationMinutes: int | None = None


class EventId(Input):
    """An event or series; `cancel` keeps it, as cancelled."""

    id: str = Field(max_length=60)
    cancel: bool = False


class Rule(Input):
    """An RFC 5545 rule: a DTSTART line and an RRULE line."""

    recurrence: str


class Planned(TypedDict):
    """Everything that is planned."""

    series: list[SeriesView]
    events: list[EventView]


class Preview(TypedDict):
    """The next times of a rule."""

    occurrences: list[str]


class ScheduleApi:
    """The routes of the schedule."""

    def __init__(
        self,
        schedule: Schedule,
        settings: Settings,
        moderation: Moderation,
        authentication: Authentication,
        now: Callable[[], datetime],
    ) -> None:
        """`now` is aware, in UTC."""
        self._schedule = schedule
        self._settings = settings
        self._moderation = moderation
        self._authentication = authentication
        self._now = now

    def operations(self) -> list[Operation]:
        """Those of everybody, then those of the admin."""
        admin = self._authentication.as_admin
        calendar = Media("text/calendar", "The schedule as an RFC 5545 calendar.")
        api = answers.api("Schedule")
        api.add("GET", "/api/schedule", self._public)
        api.add("GET", "/api/schedule.ics", self._calendar, media=calendar)
        api.add("GET", "/api/admin/schedule", self._planned, admin)
        api.add("POST", "/api/admin/schedule/event", self._plan, admin)
        api.add("POST", "/api/admin/schedule/event/delete", self._delete, admin)
        api.add("POST", "/api/admin/schedule/preview", self._preview, admin)
        return api.operations

    async def _public(self, call: Call[RangeQuery]) -> list[EventView]:
        """What is planned, and what was lately; nothing while the schedule is not shown."""
        if not self._settings.get(ScheduleSettings).enabled:
            return []
        now = self._now()
        start = _aware(call.input.start, now) if call.input.start else now - PAST
        end = _aware(call.input.end, now) if call.input.end else now + FUTURE
        if end <= start or end - start > MAX_RANGE:
            raise web.HTTPBadRequest(text=f"`to` must come after `from`, by at most {MAX_RANGE.days} days.")
        return [event_view(event) for event in await self._schedule.events(start, end)]

    async def _calendar(self, call: Call[None]) -> web.Response:
        """The schedule as a calendar to subscribe to."""
        if not self._settings.get(ScheduleSettings).enabled:
            raise web.HTTPNotFound(text="This server shows no schedule.")
        instance, now = self._settings.get(InstanceSettings), self._now()
        events = await self._schedule.events(now - PAST, now + FUTURE)
        body = ical.render(events, instance.name, instance.server_url or origin(call.request))
        headers = {"Cache-Control": "public, max-age=300", "Content-Type": "text/calendar; charset=utf-8"}
        return web.Response(body=body, headers=headers)

    async def _planned(self, _call: Call[None]) -> Planned:
        """Everything that is planned, and what was in the last three months."""
        now = self._now()
        events = await self._schedule.events(now - ADMIN_PAST, now + FARTHEST)
        return {
            "series": [series_view(series) for series in self._schedule.series()],
            "events": [event_view(event) for event in events],
        }

    async def _plan(self, call: Call[EventInput]) -> Planned:
        """Plans a show or a series, or changes one."""
        given = call.input
        try:
            if given.id is not None:
                await self._schedule.update(
                    given.id,
                    name=given.name,
                    description=given.description,
                    reminder_message=given.reminderMessage,
                    duration_minutes=given.durationMinutes,
                    starts_at=_aware(given.start, self._now()) if given.start else None,
                    timezone=given.timezone,
                    recurrence=given.recurrence or None,
                )
            elif given.recurrence:
                if given.start is not None:
                    raise web.HTTPBadRequest(text="A show that repeats begins with its rule; leave out `start`.")
                await self._schedule.add_series(
                    given.name,
                    given.description or "",
                    given.recurrence,
                    _or_default(given.durationMinutes),
                    given.reminderMessage or "",
                )
            elif given.start is None:
                raise web.HTTPBadRequest(text="A show needs a `start`, or a `recurrence` when it repeats.")
            else:
                await self._schedule.add_event(
                    given.name,
                    given.description or "",
                    _aware(given.start, self._now()),
                    _or_default(given.durationMinutes),
                    given.timezone or "UTC",
                    given.reminderMessage or "",
                )
        except ScheduleError as error:
            raise _refused(error) from None
        await self._moderation.record(call.actor, "plan show", given.id or "", given.name)
        return await self._planned(Call(call.request, None, call.caller))

    async def _delete(self, call: Call[EventId]) -> Planned:
        """Takes an event or a series off the schedule, or cancels it."""
        try:
            await self._schedule.delete(call.input.id, call.input.cancel)
        except ScheduleError as error:
            raise _refused(error) from None
        await self._moderation.record(call.actor, "cancel show" if call.input.cancel else "delete show", call.input.id)
        return await self._planned(Call(call.request, None, call.caller))

    async def _preview(self, call: Call[Rule]) -> Preview:
        """The next times of a rule, without planning anything."""
        try:
            times = self._schedule.preview(call.input.recurrence)
        except ScheduleError as error:
            raise _refused(error) from None
        return {"occurrences": [timestamp(time) for time in times]}


def _or_default(minutes: int | None) -> int:
    return DEFAULT_MINUTES if minutes is None else minutes


def _aware(time: datetime, now: datetime) -> datetime:
    """A time without a zone is in UTC."""
    return time if time.tzinfo is not None else time.replace(tzinfo=now.tzinfo)


def _refused(error: ScheduleError) -> web.HTTPException:
    if isinstance(error, ScheduleNotFound):
        return web.HTTPNotFound(text=str(error))
    return web.HTTPBadRequest(text=str(error))
