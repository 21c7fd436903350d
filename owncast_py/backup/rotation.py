"""Which backups are kept. Pure: times in, times out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Keep:
    """Of how many hours, days and weeks that have a backup the latest one is kept."""

    hourly: int = 24
    daily: int = 7
    weekly: int = 4


KEEP = Keep()


def surplus(times: Sequence[datetime], now: datetime, keep: Keep = KEEP) -> list[datetime]:
    """Those that may be deleted, the oldest first. Times are aware; hours, days and weeks are those of UTC.

    Periods without a backup do not count, so a server that was off for a month loses none. A time after `now` comes
    from a clock that went wrong: it is never surplus and takes no other's place.
    """
    newest_first = sorted({time for time in times if time <= now}, reverse=True)
    kept = set(newest_first[:1])
    for most, period in ((keep.hourly, _hour), (keep.daily, _day), (keep.weekly, _week)):
        kept |= _latest(newest_first, most, period)
    return [time for time in reversed(newest_first) if time not in kept]


def _latest(newest_first: Sequence[datetime], most: int, period: Callable[[datetime], str]) -> set[datetime]:
    """The latest of each of the last `most` periods."""
    latest: dict[str, datetime] = {}
    for time in newest_first:
        if period(time) not in latest:
            if len(latest) == most:
                break
            latest[period(time)] = time
    return set(latest.values())


def _hour(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H}"


def _day(time: datetime) -> str:
    return f"{time:%Y-%m-%d}"


def _week(time: datetime) -> str:
    return f"{time:%G-%V}"
