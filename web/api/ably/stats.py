"""Statistics by request: what happened in an app, per minute, hour, day or month.

Owns the operation `/stats`, its two shapes, and the way from the nested shape back, as it is inserted for tests. Flat
`entries` are for clients that say a version from 2 on (TS12 of the features specification); others get the objects
within objects of the REST API 1.1.0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from owncast_py.realtime.messages import EPOCH
from owncast_py.realtime.stats import Direction, Interval, Stats
from owncast_py.realtime.stats_entries import MAX_AHEAD, Unit, parse_interval_id, summed
from web.api.ably.errors import ENVELOPE, AblyError
from web.api.ably.formats import CODEC, Answer, answer
from web.api.ably.gate import Gate, demand, granted
from web.api.ably.messages import milliseconds
from web.api.ably.paging import LINKS, MAX_TIME, Limited, link_header
from web.api.ably.versions import is_modern
from web.operations import Api, Call, Contract, Operation, Wrapper

SCHEMA = "https://schemas.ably.com/json/app-stats-0.0.5.json"
"""By what the names of entries are described."""
MAX_NUMBER = 2**53
"""Of what is inserted."""

_Nested = dict[str, object]


class StatsView(TypedDict):
    """What was counted in one interval: `entries`, or in older versions one object for each part of their names."""

    intervalId: str
    unit: str
    appId: str
    schema: NotRequired[str]
    entries: NotRequired[Mapping[str, float]]
    inProgress: NotRequired[str]


class Asked(Limited):
    """Which intervals."""

    unit: Literal["minute", "hour", "day", "month"] = Field("minute", description="How long each is.")
    start: str = Field("", max_length=40, description="The earliest: milliseconds, or as 2026-03-04:05:06.")
    end: str = Field("", max_length=40, description="The latest, included: milliseconds, or as 2026-03-04:05:06.")
    direction: Literal["forwards", "backwards"] = Field("backwards", description="Which comes first: old or new.")


class StatsApi:
    """It has one operation."""

    def __init__(self, stats: Stats, gate: Gate, now: Callable[[], datetime]) -> None:
        """`now` is aware UTC."""
        self._stats = stats
        self._gate = gate
        self._now = now

    def operations(self, wrapper: Wrapper) -> list[Operation]:
        """All of it."""
        api = Api("Stats", wrapper, ENVELOPE, CODEC)
        api.add("GET", "/stats", self._get, self._gate.guard, contract=Contract("getStats", headers=LINKS))
        return api.operations

    async def _get(self, call: Call[Asked]) -> Answer[Sequence[StatsView]]:
        """Lists what was counted in an app."""
        grant, asked = granted(call.request), call.input
        demand(grant, "stats")
        unit, forwards = Unit(asked.unit), asked.direction == "forwards"
        since, until = _bound("start", asked.start), _bound("end", asked.end)
        if since > until:
            raise AblyError(40000, 400, f"The start {asked.start!r} is later than the end {asked.end!r}.")
        if asked.cursor:
            last = _bound("cursor", asked.cursor)
            since, until = (
                (unit.end(unit.begin(last)), until) if forwards else (since, last - timedelta(milliseconds=1))
            )
        direction = Direction.FORWARDS if forwards else Direction.BACKWARDS
        found = await self._stats.read(
            grant.app, unit, since=since, until=until, direction=direction, limit=asked.limit + 1
        )
        page = found[: asked.limit]
        following = str(milliseconds(page[-1].begin)) if len(found) > len(page) else None
        modern, now = is_modern(call.request), self._now()
        views = [_view(grant.app, each, now, modern=modern) for each in page]
        return answer(call.request, views, headers=link_header(call.request, following))


def inserted(fixtures: object) -> list[tuple[datetime, dict[str, float]]]:
    """What a list of nested statistics says was counted, and when. Raises AblyError for anything else."""
    if not isinstance(fixtures, list) or not all(isinstance(each, dict) for each in fixtures):
        raise AblyError(40000, 400, "The statistics are no list of objects.")
    found = []
    for each in fixtures:
        interval = parse_interval_id(str(each.get("intervalId", "")))
        if interval is None:
            raise AblyError(40000, 400, f"There is no interval {str(each.get('intervalId'))[:40]!r}.")
        found.append((interval[0], _counted(each)))
    return found


def _counted(fixture: Mapping[str, object]) -> dict[str, float]:
    found: dict[str, float] = {}
    for path, value in _leaves(fixture, ()):
        match path:
            case (
                "inbound" | "outbound" as way,
                "realtime" | "rest" | "webhook" | "push" as transport,
                "messages" | "presence" as kind,
                "count" | "data" as what,
            ):
                name = f"messages.{way}.{transport}.{kind}.{what}"
            case ("persisted", "messages" | "presence" as kind, "count" | "data" as what):
                name = f"messages.persisted.{kind}.{what}"
            case ("connections", "all" | "plain" | "tls", "peak" | "min" | "mean" | "opened" as what):
                name = f"connections.all.{what}"
            case ("channels", "peak" | "min" | "mean" | "opened" as what):
                name = f"channels.{what}"
            case ("apiRequests", "succeeded" | "failed" | "refused" as what):
                name = f"apiRequests.other.{what}"
            case ("tokenRequests", "succeeded" | "failed" | "refused" as what):
                name = f"apiRequests.tokenRequests.{what}"
            case _:
                continue
        found[name] = found.get(name, 0) + value
    return found


def _leaves(value: Mapping[str, object], path: tuple[str, ...]) -> list[tuple[tuple[str, ...], float]]:
    found: list[tuple[tuple[str, ...], float]] = []
    for name, each in value.items():
        if isinstance(each, Mapping):
            found += _leaves(each, (*path, name))
        elif isinstance(each, int | float) and not isinstance(each, bool) and 0 <= each <= MAX_NUMBER:
            found.append(((*path, name), each))
    return found


def _bound(name: str, text: str) -> datetime:
    """A bound of a span: milliseconds, or an interval, of which an end takes in the whole."""
    if not text or text == "now":
        return EPOCH if name == "start" else MAX_AHEAD
    if text.isascii() and text.isdecimal() and int(text) <= MAX_TIME:
        return EPOCH + timedelta(milliseconds=int(text))
    interval = parse_interval_id(text)
    if interval is None:
        raise AblyError(
            40000, 400, f"The {name} {text[:40]!r} is neither milliseconds nor an interval such as 2026-03-04:05:06."
        )
    begin, unit = interval
    return unit.end(begin) - timedelta(milliseconds=1) if name == "end" else begin


def _view(app: str, interval: Interval, now: datetime, *, modern: bool) -> StatsView:
    entries = summed(interval.entries)
    view: StatsView = {"intervalId": interval.id, "unit": interval.unit.value, "appId": app}
    if interval.begin <= now < interval.unit.end(interval.begin):
        view["inProgress"] = Unit.MINUTE.interval_id(Unit.MINUTE.begin(now))
    if modern:
        view["schema"] = SCHEMA
        view["entries"] = entries
        return view
    return {**_nested(entries), **view}  # type: ignore[typeddict-item]  # the parts have the names of what was counted


def _nested(entries: Mapping[str, float]) -> _Nested:
    found: _Nested = {}
    for key, value in entries.items():
        match key.split("."):
            case ["messages", *rest]:
                parts = rest
            case ["apiRequests", "other", what]:
                parts = ["apiRequests", what]
            case ["apiRequests", "tokenRequests", what]:
                parts = ["tokenRequests", what]
            case ["apiRequests", *_]:
                continue
            case parts:
                pass
        inner = found
        for part in parts[:-1]:
            deeper = inner.setdefault(part, {})
            assert isinstance(deeper, dict)  # noqa: S101 - no name of an entry is the beginning of another
            inner = deeper
        inner[parts[-1]] = value
    return found
