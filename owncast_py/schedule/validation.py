"""What the values of a planned stream may be. Pure: each function returns the value as it is kept, or raises.

Owns the limits of texts, times and durations, and their sentences. Rules that need the other events are `service`'s.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from owncast_py.schedule.errors import ScheduleError
from owncast_py.schedule.recurrence import Recurrence, occurrences, parse

MAX_NAME = 200
MAX_DESCRIPTION = 5_000
MAX_REMINDER = 500
MAX_MINUTES = 7 * 24 * 60
FARTHEST = timedelta(days=5 * 366)
"""How far ahead an event may be planned, and the next event of a series may lie."""


def checked_name(name: str) -> str:
    """One line of 1 to 200 characters."""
    name = " ".join(name.split())
    if not name:
        raise ScheduleError("A planned stream needs a name.")
    return _text("name", name, MAX_NAME)


def checked_description(description: str) -> str:
    """At most 5 000 characters."""
    return _text("description", description, MAX_DESCRIPTION)


def checked_reminder(message: str) -> str:
    """At most 500 characters."""
    return _text("reminder message", message, MAX_REMINDER)


def checked_minutes(minutes: int) -> int:
    """One minute to seven days."""
    if not 1 <= minutes <= MAX_MINUTES:
        raise ScheduleError(f"A stream is planned for 1 to {MAX_MINUTES} minutes (7 days), not for {minutes}.")
    return minutes


def checked_start(time: datetime, now: datetime) -> datetime:
    """An aware time in the next five years; it becomes UTC."""
    if time.tzinfo is None:
        shown = time.isoformat()
        raise ScheduleError(f"{shown} has no time zone; add one, for example {shown}+00:00.")
    if time <= now:
        raise ScheduleError(f"A stream is planned for the future, but {time.isoformat()} is over.")
    if time > now + FARTHEST:
        raise ScheduleError(f"A stream is planned for the next five years, but {time.isoformat()} is later.")
    return time.astimezone(UTC)


def checked_rule(text: str, now: datetime) -> Recurrence:
    """A recurrence with an event in the next five years."""
    rule = parse(text)
    if not occurrences(rule, now, now + FARTHEST, 1):
        raise ScheduleError("The recurrence gives no event in the next five years; begin it earlier or end it later.")
    return rule


def _text(what: str, text: str, most: int) -> str:
    if len(text) > most:
        raise ScheduleError(f"The {what} has at most {most} characters, this one has {len(text)}.")
    if "\0" in text:
        raise ScheduleError(f"The {what} has a NUL character in it; remove that.")
    return text
