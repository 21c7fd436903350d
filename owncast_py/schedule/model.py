"""Planned streams, as values: a series says when streams recur, an event is one of them or stands alone.

Owns the shapes. All times are aware and in UTC; durations are whole minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class EventStatus(StrEnum):
    """Whether a planned stream will be."""

    SCHEDULED = "scheduled"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Series:
    """Streams that recur."""

    id: str
    name: str
    description: str
    reminder_message: str
    recurrence: str
    """DTSTART and RRULE, a line each, as `recurrence.parse` takes them."""
    duration_minutes: int
    active: bool
    """False once it is cancelled: no more events are made of it."""
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ScheduledEvent:
    """One planned stream."""

    id: str
    series_id: str | None
    name: str
    description: str
    reminder_message: str
    starts_at: datetime
    duration_minutes: int
    timezone: str
    """The IANA name of the zone in which it was planned."""
    status: EventStatus
    original_start: datetime | None
    """When its series put it, even if it was moved since; None outside a series."""
    created_at: datetime

    @property
    def ends_at(self) -> datetime:
        """When it is planned to be over."""
        return self.starts_at + timedelta(minutes=self.duration_minutes)
