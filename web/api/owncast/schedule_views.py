"""How Owncast's clients see the schedule: JSON of events and of the series that they come from."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict

from owncast_py.chat.content import timestamp
from owncast_py.schedule.model import ScheduledEvent, Series


class EventView(TypedDict):
    """A show that is planned. `seriesId` is there for those that repeat."""

    id: str
    name: str
    description: str
    startTime: str
    durationMinutes: int
    timezone: str
    status: str
    seriesId: NotRequired[str]
    reminderMessage: NotRequired[str]


class SeriesView(TypedDict):
    """A show that repeats, by an RFC 5545 rule."""

    id: str
    name: str
    description: str
    recurrence: str
    durationMinutes: int
    active: bool
    reminderMessage: NotRequired[str]


def event_view(event: ScheduledEvent) -> EventView:
    """That event."""
    view: EventView = {
        "id": event.id,
        "name": event.name,
        "description": event.description,
        "startTime": timestamp(event.starts_at),
        "durationMinutes": event.duration_minutes,
        "timezone": event.timezone,
        "status": event.status.value,
    }
    if event.series_id is not None:
        view["seriesId"] = event.series_id
    if event.reminder_message:
        view["reminderMessage"] = event.reminder_message
    return view


def series_view(series: Series) -> SeriesView:
    """That series."""
    view: SeriesView = {
        "id": series.id,
        "name": series.name,
        "description": series.description,
        "recurrence": series.recurrence,
        "durationMinutes": series.duration_minutes,
        "active": series.active,
    }
    if series.reminder_message:
        view["reminderMessage"] = series.reminder_message
    return view
