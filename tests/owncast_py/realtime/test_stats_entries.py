"""Names and arithmetic of what is counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from owncast_py.realtime.stats_entries import Unit, merged, parse_interval_id, summed

AT = datetime(2026, 2, 3, 15, 5, 42, 1, tzinfo=UTC)
TIMES = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


@pytest.mark.parametrize(
    ("unit", "name", "begin"),
    [
        (Unit.MINUTE, "2026-02-03:15:05", datetime(2026, 2, 3, 15, 5, tzinfo=UTC)),
        (Unit.HOUR, "2026-02-03:15", datetime(2026, 2, 3, 15, tzinfo=UTC)),
        (Unit.DAY, "2026-02-03", datetime(2026, 2, 3, tzinfo=UTC)),
        (Unit.MONTH, "2026-02", datetime(2026, 2, 1, tzinfo=UTC)),
    ],
)
def test_intervals_have_names(unit: Unit, name: str, begin: datetime) -> None:
    assert unit.begin(AT) == begin
    assert unit.interval_id(begin) == name
    assert parse_interval_id(name) == (begin, unit)


@settings(max_examples=150, deadline=None)
@given(TIMES, st.sampled_from(list(Unit)))
def test_every_time_is_in_one_interval_that_its_name_gives_back(at: datetime, unit: Unit) -> None:
    begin = unit.begin(at)
    assert begin <= at < unit.end(begin)
    assert unit.begin(unit.end(begin) - timedelta(microseconds=1)) == begin
    assert parse_interval_id(unit.interval_id(begin)) == (begin, unit)


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "2026-2", "2026-02-30", "2026-02-03:24", "2026-02-03:15:60", "x"]
)
def test_what_is_no_interval(text: str) -> None:
    assert parse_interval_id(text) is None


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=20))
def test_no_text_breaks_the_reading_of_intervals(text: str) -> None:
    found = parse_interval_id(text)
    assert found is None or found[1].interval_id(found[0]) == text


def test_sums_follow_from_what_is_counted() -> None:
    counted = {
        "messages.inbound.realtime.messages.count": 50,
        "messages.inbound.rest.messages.count": 5,
        "messages.inbound.realtime.presence.count": 2,
        "messages.outbound.realtime.messages.count": 20,
        "messages.persisted.presence.data": 2000,
        "apiRequests.other.succeeded": 5,
        "apiRequests.tokenRequests.succeeded": 6,
        "connections.all.peak": 20,
        "connections.all.samples": 12,
        "channels.mean": 2.5,
    }
    assert summed(counted) == {
        "messages.inbound.realtime.messages.count": 50,
        "messages.inbound.rest.messages.count": 5,
        "messages.inbound.all.messages.count": 55,
        "messages.inbound.realtime.presence.count": 2,
        "messages.inbound.all.presence.count": 2,
        "messages.inbound.realtime.all.count": 52,
        "messages.inbound.rest.all.count": 5,
        "messages.inbound.all.all.count": 57,
        "messages.outbound.realtime.messages.count": 20,
        "messages.outbound.all.messages.count": 20,
        "messages.outbound.realtime.all.count": 20,
        "messages.outbound.all.all.count": 20,
        "messages.all.messages.count": 75,
        "messages.all.presence.count": 2,
        "messages.all.all.count": 77,
        "messages.persisted.presence.data": 2000,
        "messages.persisted.all.data": 2000,
        "apiRequests.other.succeeded": 5,
        "apiRequests.tokenRequests.succeeded": 6,
        "apiRequests.all.succeeded": 11,
        "connections.all.peak": 20,
        "channels.mean": 2.5,
    }


def test_two_times_become_one() -> None:
    first = {"a.count": 1, "channels.peak": 5, "channels.min": 2, "channels.mean": 3.0, "channels.samples": 3}
    second = {"a.count": 2, "channels.peak": 4, "channels.min": 1, "channels.mean": 7.0, "channels.samples": 1, "b": 1}
    assert merged(first, second) == {
        "a.count": 3,
        "b": 1,
        "channels.peak": 5,
        "channels.min": 1,
        "channels.mean": 4.0,
        "channels.samples": 4,
    }
    assert merged({}, first) == first == merged(first, {})


COUNTS = st.dictionaries(
    st.sampled_from(["x.count", "channels.peak", "channels.min", "push.directPublishes"]), st.integers(0, 1000)
)


@settings(max_examples=150, deadline=None)
@given(COUNTS, COUNTS, COUNTS)
def test_it_does_not_matter_in_which_order(some: dict[str, int], more: dict[str, int], most: dict[str, int]) -> None:
    assert merged(some, more) == merged(more, some)
    assert merged(merged(some, more), most) == merged(some, merged(more, most))
