"""What is counted, by name: flat dotted keys, how two counts become one, and the sums that follow from them.

Owns the names and their arithmetic, and the intervals that they are for. Pure. The names are those of Ably's statistics
for protocol 2 and later (features specification, TS12):

    messages.{inbound,outbound}.{realtime,rest,webhook,push}.{messages,presence}.{count,data}
    messages.persisted.{messages,presence}.{count,data}
    connections.all.{peak,min,mean,opened}       channels.{peak,min,mean,opened}
    apiRequests.{tokenRequests,push,other}.{succeeded,failed,refused}
    push.…

Only those are counted and kept. Sums, whose names have `all` in the place of a part, are made when somebody reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum

GAUGES = ("connections.all", "channels")
"""What is sampled, and not added up."""
SAMPLES = ".samples"
"""How many samples a mean is of; for this server alone."""
MAX_AHEAD = datetime(9000, 1, 1, tzinfo=UTC)
"""Later than anything that is asked for."""

_FORMS = ("%Y-%m-%d:%H:%M", "%Y-%m-%d:%H", "%Y-%m-%d", "%Y-%m")


class Unit(StrEnum):
    """The length of an interval."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"

    def begin(self, at: datetime) -> datetime:
        """When the interval began that a time, aware in UTC, is in."""
        at = at.replace(second=0, microsecond=0)
        if self is Unit.MINUTE:
            return at
        at = at.replace(minute=0)
        if self is Unit.HOUR:
            return at
        at = at.replace(hour=0)
        return at if self is Unit.DAY else at.replace(day=1)

    def end(self, begin: datetime) -> datetime:
        """When the interval that begins then is over."""
        match self:
            case Unit.MINUTE:
                return begin + timedelta(minutes=1)
            case Unit.HOUR:
                return begin + timedelta(hours=1)
            case Unit.DAY:
                return begin + timedelta(days=1)
            case Unit.MONTH:
                return (begin.replace(day=1) + timedelta(days=31)).replace(day=1)

    def interval_id(self, begin: datetime) -> str:
        """How the interval that begins then is called: `2026-03-04:05:06`, or less of it."""
        return begin.strftime(_FORMS[list(Unit).index(self)])


def parse_interval_id(text: str) -> tuple[datetime, Unit] | None:
    """When an interval begins that is called so, and how long it is; None for what is no such name."""
    for unit, form in zip(Unit, _FORMS, strict=True):
        try:
            begin = datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        # strptime also takes one digit where there should be two.
        return (begin, unit) if unit.interval_id(begin) == text else None
    return None


def merged(some: Mapping[str, float], more: Mapping[str, float]) -> dict[str, float]:
    """What was counted in both together: peaks and minima, means by the number of their samples, else sums."""
    found = dict(some)
    for key, value in more.items():
        before = found.get(key)
        if before is None:
            found[key] = value
        elif key.endswith(".peak"):
            found[key] = max(before, value)
        elif key.endswith(".min"):
            found[key] = min(before, value)
        elif not key.endswith(".mean"):
            found[key] = before + value
    for gauge in GAUGES:
        mean = f"{gauge}.mean"
        if mean in some and mean in more:
            first, second = some.get(gauge + SAMPLES, 1.0), more.get(gauge + SAMPLES, 1.0)
            found[mean] = (some[mean] * first + more[mean] * second) / (first + second)
    return found


def summed(counted: Mapping[str, float]) -> dict[str, float]:
    """What was counted, with the sums, as it is shown: whole numbers where they are whole."""
    found: dict[str, float] = {}
    for key, value in counted.items():
        for name in _names(key):
            found[name] = found.get(name, 0) + value
    return {key: int(value) if value == int(value) else round(value, 3) for key, value in sorted(found.items())}


def _names(key: str) -> list[str]:
    """Every name under which something that is counted is shown."""
    match key.split("."):
        case ["messages", "inbound" | "outbound" as way, transport, kind, what]:
            shown = [f"messages.{way}.{t}.{k}.{what}" for t in (transport, "all") for k in (kind, "all")]
            return [*shown, *(f"messages.all.{k}.{what}" for k in (kind, "all"))]
        case ["messages", "persisted", kind, what]:
            return [f"messages.persisted.{k}.{what}" for k in (kind, "all")]
        case ["apiRequests", kind, what]:
            return [f"apiRequests.{k}.{what}" for k in (kind, "all")]
        case _:
            return [] if key.endswith(SAMPLES) else [key]
