"""When a series recurs: text as in RFC 5545 (3.3.10, 3.8.2.4) ↔ moments in UTC. No clock, no I/O but zone files.

Owns the grammar and the expansion, which is dateutil's. It takes two lines, for example

    DTSTART;TZID=Europe/Berlin:20260302T180000
    RRULE:FREQ=WEEKLY;BYDAY=MO

A rule is expanded in wall time and each result is then put into its zone, so that 18:00 stays 18:00 across a change of
daylight saving. A wall time that such a change skips is read with the offset before it, one that occurs twice is the
first, as the RFC says.

The grammar is narrower than the RFC's for one reason: dateutil looks for the next match until the year 9999 and cannot
be interrupted. So a rule must fall on its own DTSTART. The calendar repeats after 400 years, hence so does a match, and
with the parts that are allowed here no search for it takes longer than a few milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, YEARLY, rrule, weekday

from owncast_py.schedule.errors import ScheduleError

MAX_LENGTH = 1_000
"""Characters of the text."""
MAX_ZONE_LENGTH = 60
FIRST_YEAR, LAST_YEAR = 2000, 2100
"""In which DTSTART lies: every expansion begins there."""
MAX_COUNT = 10_000
MAX_INTERVAL = 1_000

_FREQUENCIES: Mapping[str, Literal[0, 1, 2, 3]] = {
    "DAILY": DAILY,
    "WEEKLY": WEEKLY,
    "MONTHLY": MONTHLY,
    "YEARLY": YEARLY,
}
_COMMON = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "WKST"})
_PARTS = {
    "DAILY": _COMMON,
    "WEEKLY": _COMMON,
    "MONTHLY": _COMMON | {"BYMONTH", "BYMONTHDAY", "BYSETPOS"},
    "YEARLY": _COMMON | {"BYMONTH", "BYMONTHDAY", "BYSETPOS"},
}
_ONE_PERIOD = {"MONTHLY": 12 * 10_000, "YEARLY": 10_000}
"""An interval that leads beyond the last year, so that only the first month or year is looked at."""
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_WALL = "%Y%m%dT%H%M%S"
_DTSTART = re.compile(r"DTSTART(?:;TZID=(?P<zone>[^:;]+))?:(?P<wall>\d{8}T\d{6})(?P<utc>Z?)", re.ASCII)
_UNTIL = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_DAY = re.compile(r"(?P<nth>[+-]?\d{1,2})?(?P<day>MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,5}", re.ASCII)
_ZONE = re.compile(r"[A-Za-z0-9_+\-]+(?:/[A-Za-z0-9_+\-]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A rule that was understood."""

    text: str
    """Both lines, with nothing superfluous, separated by one line feed."""
    timezone: str
    """IANA name; UTC where DTSTART ends with Z."""
    start: datetime
    """DTSTART as wall time in that zone, hence naive."""
    until: datetime | None
    """The last moment that still counts, aware, in UTC."""
    rule: rrule = field(repr=False, compare=False)
    """In wall time, and without `until`."""


def parse(text: str) -> Recurrence:
    """Reads DTSTART and RRULE. Raises ScheduleError with a sentence for anything that is not taken."""
    if len(text) > MAX_LENGTH:
        raise ScheduleError(f"A recurrence has at most {MAX_LENGTH} characters, this one has {len(text)}.")
    lines = [line.strip() for line in text.strip().splitlines()]
    if len(lines) != 2 or not lines[1].upper().startswith("RRULE:"):
        raise ScheduleError(
            f"A recurrence is two lines, DTSTART… and RRULE:…, but this is {_shown(text)}; "
            "for example DTSTART;TZID=Europe/Berlin:20260302T180000 and RRULE:FREQ=WEEKLY;BYDAY=MO."
        )
    timezone, start = _start(lines[0])
    parts = _split(lines[1][len("RRULE:") :].upper())
    until = _until(parts["UNTIL"]) if "UNTIL" in parts else None
    rule = _rule(parts, start)
    _check_start(parts, start)
    return Recurrence(
        text=f"{lines[0]}\nRRULE:" + ";".join(f"{name}={value}" for name, value in parts.items()),
        timezone=timezone,
        start=start,
        until=until,
        rule=rule,
    )


def occurrences(recurrence: Recurrence, start: datetime, end: datetime, limit: int) -> list[datetime]:
    """The first `limit` moments from `start` on and before `end`, aware, in UTC, in order."""
    place = zone(recurrence.timezone)
    found: list[datetime] = []
    if limit < 1 or start >= end:
        return found
    # A day earlier, because two wall times a zone's change apart are not in the order of their moments.
    earliest = start.astimezone(place).replace(tzinfo=None) - timedelta(days=1)
    for wall in recurrence.rule.xafter(earliest, inc=True):
        moment = wall.replace(tzinfo=place).astimezone(UTC)
        if moment >= end or (recurrence.until is not None and moment > recurrence.until):
            break
        if moment >= start:
            found.append(moment)
            if len(found) == limit:
                break
    return found


def zone(name: str) -> ZoneInfo:
    """The zone with that IANA name. Raises ScheduleError when there is none."""
    if len(name) <= MAX_ZONE_LENGTH and _ZONE.fullmatch(name):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise ScheduleError(f"{_shown(name)} is not a time zone; use a name such as Europe/Berlin or UTC.")


def _start(line: str) -> tuple[str, datetime]:
    match = _DTSTART.fullmatch(line)
    if match is None or bool(match["zone"]) == bool(match["utc"]):
        raise ScheduleError(
            f"{_shown(line)} is not a start; write DTSTART;TZID=Europe/Berlin:20260302T180000 "
            "or, in UTC, DTSTART:20260302T170000Z."
        )
    start = _time(match["wall"])
    if not FIRST_YEAR <= start.year <= LAST_YEAR:
        raise ScheduleError(f"A series begins between {FIRST_YEAR} and {LAST_YEAR}, not in {start.year}.")
    return zone(match["zone"]).key if match["zone"] else "UTC", start


def _time(text: str) -> datetime:
    try:
        return datetime.strptime(text, _WALL)
    except ValueError:
        raise ScheduleError(f"{text} is not a date and a time; write them like 20260302T180000.") from None


def _until(text: str) -> datetime:
    if not _UNTIL.fullmatch(text):
        raise ScheduleError(f"UNTIL={_cut(text)} is not a moment in UTC; write it like UNTIL=20261231T230000Z.")
    return _time(text[:-1]).replace(tzinfo=UTC)


def _split(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value or name in parts:
            raise ScheduleError(f"{_shown(part)} in the rule is not NAME=VALUE, or is there twice.")
        parts[name] = value
    frequency = parts.get("FREQ", "")
    if frequency not in _PARTS:
        raise ScheduleError(f"FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY, not {_shown(frequency)}.")
    for name in parts:
        if name not in _PARTS[frequency]:
            taken = ", ".join(sorted(_PARTS[frequency]))
            raise ScheduleError(f"{_cut(name)} is not taken in a {frequency} rule; these are: {taken}.")
    if "COUNT" in parts and "UNTIL" in parts:
        raise ScheduleError("COUNT and UNTIL exclude each other; leave one out.")
    if "BYSETPOS" in parts and "BYDAY" not in parts and "BYMONTHDAY" not in parts:
        raise ScheduleError("BYSETPOS chooses among days; name them with BYDAY or BYMONTHDAY.")
    return parts


def _rule(parts: Mapping[str, str], start: datetime, interval: int | None = None) -> rrule:
    return rrule(
        _FREQUENCIES[parts["FREQ"]],
        dtstart=start,
        interval=interval or _number(parts, "INTERVAL", MAX_INTERVAL) or 1,
        count=_number(parts, "COUNT", MAX_COUNT),
        wkst=_week_start(parts["WKST"]) if "WKST" in parts else None,
        bysetpos=_numbers(parts, "BYSETPOS", 366),
        bymonth=_numbers(parts, "BYMONTH", 12, signed=False),
        bymonthday=_numbers(parts, "BYMONTHDAY", 31),
        byweekday=_weekdays(parts),
    )


def _check_start(parts: Mapping[str, str], start: datetime) -> None:
    """Raises ScheduleError when the rule does not fall on its first day; see the top of this file."""
    if parts["FREQ"] in _ONE_PERIOD:
        fits = next(iter(_rule(parts, start, _ONE_PERIOD[parts["FREQ"]])), None) == start
    else:
        fits = "BYDAY" not in parts or _DAYS[start.weekday()] in parts["BYDAY"].split(",")
    if not fits:
        raise ScheduleError(
            f"The rule does not fall on its own first day, {_DAYS[start.weekday()]} {start:%Y-%m-%d}; "
            "let DTSTART be a day that the rule names."
        )


def _weekdays(parts: Mapping[str, str]) -> list[weekday] | None:
    if "BYDAY" not in parts:
        return None
    found = []
    for text in parts["BYDAY"].split(","):
        match = _DAY.fullmatch(text)
        nth = int(match["nth"]) if match and match["nth"] else None
        if match is None or (nth is not None and not 1 <= abs(nth) <= 53):
            raise ScheduleError(f"{_shown(text)} in BYDAY is not a day; write MO, or 1MO and -1MO for first and last.")
        if nth is not None and parts["FREQ"] in ("DAILY", "WEEKLY"):
            raise ScheduleError(f"{text} in BYDAY counts days of a month or year; a {parts['FREQ']} rule has none.")
        found.append(weekday(_DAYS.index(match["day"]), nth))
    return found


def _week_start(text: str) -> weekday:
    if text not in _DAYS:
        raise ScheduleError(f"WKST={_cut(text)} is not a day; write one of {', '.join(_DAYS)}.")
    return weekday(_DAYS.index(text))


def _number(parts: Mapping[str, str], name: str, most: int) -> int | None:
    if name not in parts:
        return None
    if not _NUMBER.fullmatch(parts[name]) or not 1 <= int(parts[name]) <= most:
        raise ScheduleError(f"{name} must be a number from 1 to {most}, not {_shown(parts[name])}.")
    return int(parts[name])


def _numbers(parts: Mapping[str, str], name: str, most: int, *, signed: bool = True) -> list[int] | None:
    if name not in parts:
        return None
    texts = parts[name].split(",")
    for text in texts:
        if not _NUMBER.fullmatch(text) or not 1 <= abs(int(text)) <= most or (int(text) < 0 and not signed):
            negative = f", or from -{most} to -1" if signed else ""
            raise ScheduleError(f"{name} takes numbers from 1 to {most}{negative}, not {_shown(text)}.")
    return sorted({int(text) for text in texts})


def _shown(text: str) -> str:
    return repr(_cut(text))


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"
