"""When notifications are tried again, how lanes rest, and ids that sort by age."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from owncast_py.notifications.health import FAILURES_UNTIL_DOWN, MAX_REST, PROBES, WIDTH, Health
from owncast_py.notifications.ids import NOTIFICATION, Ids, number_of, since, with_number
from owncast_py.notifications.schedule import DELAYS, LAST_CALL, LIFETIME, Schedule, retry_after

BEGAN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SCHEDULE = Schedule()


def tries(roll: float, took: float = 15.0) -> list[float]:
    """Seconds after its creation at which a notification is tried that nobody takes."""
    at, made, times = BEGAN, 0, [0.0]
    while True:
        made += 1
        following = SCHEDULE.next_try(BEGAN, made, at + timedelta(seconds=took), None, roll)
        if following is None:
            return times
        at = following
        times.append((at - BEGAN).total_seconds())


def test_the_delays_fill_four_days() -> None:
    times = tries(0, took=0)
    assert times[: len(DELAYS)] == list(itertools.accumulate(DELAYS))
    assert times[len(DELAYS) - 1] == 95 * 3600 + 35 * 60 + 5
    assert times[-1] == (LIFETIME - LAST_CALL).total_seconds()


@given(st.floats(0, 1), st.floats(0, 60))
def test_chance_lengthens_delays_by_a_tenth_at_most_and_never_past_the_last_call(roll: float, took: float) -> None:
    times = tries(roll, took)
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    for wait, delay in zip(waits[:-1], DELAYS[1:], strict=False):
        assert delay <= wait + 1e-3
        assert wait <= delay * 1.1 + took + 1e-3
    # A try that ends after the last call was itself the last.
    last_call = (LIFETIME - LAST_CALL).total_seconds()
    assert last_call - took - 1e-3 <= times[-1] <= last_call
    assert len(times) >= len(DELAYS) - 1


def test_what_the_endpoint_asked_for_goes_before_the_list() -> None:
    following = SCHEDULE.next_try(BEGAN, 6, BEGAN, 90.0, 0)
    assert following == BEGAN + timedelta(seconds=90)
    assert SCHEDULE.next_try(BEGAN, 6, BEGAN, 0.0, 0) == BEGAN + timedelta(seconds=1)
    assert SCHEDULE.next_try(BEGAN, 1, BEGAN, 1e30, 1) == SCHEDULE.deadline(BEGAN) - LAST_CALL


def test_after_the_last_call_there_is_no_further_try() -> None:
    assert SCHEDULE.next_try(BEGAN, 1, BEGAN + LIFETIME - LAST_CALL, None, 0) is None
    assert SCHEDULE.next_try(BEGAN, 1, BEGAN + LIFETIME, 1.0, 0) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        ("Wed, 04 Mar 2026 05:07:07 GMT", 60.0),
        ("Wed, 04 Mar 2026 05:07:07 -0000", 60.0),
        ("Wed, 04 Mar 2020 05:07:07 GMT", 0.0),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("9" * 11, None),
        ("1e9", None),
        ("٣", 3.0),
        ("x" * 100_000, None),
    ],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    assert retry_after(header, BEGAN) == seconds


@given(st.text(max_size=50))
def test_no_header_is_too_strange(header: str) -> None:
    seconds = retry_after(header, BEGAN)
    assert seconds is None or seconds >= 0


def test_a_lane_proves_itself_before_it_sends_much_at_once() -> None:
    health = Health()
    assert health.room(0) == 1
    health.succeeded(0.1)
    assert health.room(0) == WIDTH
    assert health.room(WIDTH) == 0
    health.succeeded(10)
    assert health.room(0) == 1


def test_a_lane_that_is_down_sends_one_probe_at_a_time_ever_more_seldom() -> None:
    health = Health()
    went = [health.failed(100, probe=False) for _ in range(FAILURES_UNTIL_DOWN)]
    assert went == [False] * (FAILURES_UNTIL_DOWN - 1) + [True]
    at, rests = 100.0, []
    for _ in range(12):
        rests.append(health.rest(at))
        at += rests[-1]
        assert (health.room(0), health.room(1)) == (1, 0)
        health.failed(at, probe=True)
    assert rests == [*PROBES, 60, 60, 60]
    assert health.succeeded(0.1)
    assert health.rest(at) <= 0
    assert not health.down


def test_failures_of_what_was_under_way_do_not_lengthen_the_rest() -> None:
    health = Health()
    for _ in range(FAILURES_UNTIL_DOWN + WIDTH - 1):
        health.failed(100, probe=False)
    assert health.rest(100) == PROBES[0]


def test_a_lane_rests_as_long_as_it_is_asked_to_but_no_longer_than_an_hour() -> None:
    health = Health()
    health.failed(100, probe=False, retry_after=30)
    assert health.rest(100) == 30
    health.failed(100, probe=False, retry_after=1e9)
    assert health.rest(100) == MAX_REST


@given(st.lists(st.integers(0, 2**41), min_size=1, max_size=50))
def test_ids_only_grow_whatever_the_clock_does(times: list[int]) -> None:
    moments = iter([datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time) for time in times])
    ids = Ids(lambda: next(moments))
    earlier = Ids(lambda: BEGAN).next(NOTIFICATION)
    ids.resume(earlier)
    given_ids = [earlier, *(ids.next(NOTIFICATION) for _ in times)]
    assert given_ids == sorted(set(given_ids))
    assert [with_number(NOTIFICATION, number_of(each)) for each in given_ids] == given_ids


@pytest.mark.parametrize(
    "text", ["", "ntf_", "ntf_1", "ntf_000000000000000G", "ntf_ffffffffffffffff", "ntf_" + "0" * 17]
)
def test_what_is_no_id_has_no_number(text: str) -> None:
    assert number_of(text) == -1


def test_ids_before_and_after_a_moment() -> None:
    ids = Ids(lambda: BEGAN)
    one = ids.next(NOTIFICATION)
    assert since(NOTIFICATION, BEGAN) <= one < since(NOTIFICATION, BEGAN + timedelta(milliseconds=1))
