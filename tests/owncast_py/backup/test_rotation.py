"""Which backups are kept over hours, weeks and a pause."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from owncast_py.backup.rotation import KEEP, Keep, surplus

NOW = datetime(2026, 11, 21, 7, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def after(hours: int) -> list[datetime]:
    """What is left when a server ran for so many hours, and rotated after each."""
    times: list[datetime] = []
    for number in range(hours):
        now = NOW + number * HOUR
        times.append(now)
        gone = surplus(times, now)
        times = [time for time in times if time not in gone]
    return times


def test_nothing_goes_on_the_first_day() -> None:
    assert len(after(24)) == 24


def test_after_a_hundred_days_hours_days_and_weeks_are_left() -> None:
    times = after(100 * 24)
    last = times[-1]
    assert times[-24:] == [last - number * HOUR for number in range(23, -1, -1)]
    older = [time for time in times if time <= last - DAY]
    assert all(time.hour == 23 for time in older), "the last of each day"
    assert sorted({(last.date() - time.date()).days for time in times})[:7] == [0, 1, 2, 3, 4, 5, 6]
    weeks = {f"{time:%G-%V}" for time in times}
    assert len(weeks) == 4
    assert len(times) <= 24 + 7 + 4


def test_several_in_an_hour_are_one() -> None:
    times = [NOW, NOW + timedelta(minutes=10), NOW + timedelta(minutes=50)]
    assert surplus(times, NOW + HOUR) == times[:2]


def test_a_pause_costs_nothing_and_the_future_is_left_alone() -> None:
    times = [NOW - 400 * DAY, NOW - 399 * DAY, NOW + 5 * DAY]
    assert surplus(times, NOW) == []
    assert surplus([], NOW) == []


@given(st.lists(st.integers(-200_000, 1_000), max_size=200), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_the_newest_stays_and_the_number_is_bounded(minutes: list[int], hourly: int, daily: int, weekly: int) -> None:
    times = [NOW + timedelta(minutes=number) for number in minutes]
    gone = surplus(times, NOW, Keep(hourly, daily, weekly))
    assert gone == sorted(set(gone))
    assert set(gone) <= {time for time in times if time <= NOW}
    left = sorted({time for time in times if time <= NOW} - set(gone))
    assert len(left) <= max(1, hourly + daily + weekly)
    if left:
        assert left[-1] == max(time for time in times if time <= NOW)
        assert surplus(left, NOW, Keep(hourly, daily, weekly)) == [], "rotating again takes no more"
    assert Keep(24, 7, 4) == KEEP
