"""Counting players, on a clock that the tests turn."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from owncast_py.broadcast.viewers import Viewers


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_player_counts_once_and_until_the_timeout() -> None:
    clock = Clock()
    viewers = Viewers(clock, timeout=20)
    for second in range(0, 30, 2):
        clock.seconds = second
        viewers.touch("a")
        assert viewers.count() == 1
    viewers.touch("b")
    clock.seconds = 40
    viewers.touch("b")
    assert viewers.count() == 2
    clock.seconds = 48
    assert viewers.count() == 1
    clock.seconds = 60
    assert viewers.count() == 0


def test_a_flood_of_invented_ids_is_bounded_and_keeps_the_recent() -> None:
    viewers = Viewers(Clock(), max_viewers=100)
    for number in range(10_000):
        viewers.touch(str(number))
        viewers.touch("real")
    assert viewers.count() == 100
    viewers.clear()
    assert viewers.count() == 0


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 15))))
@settings(max_examples=150, deadline=None)
def test_the_count_is_who_was_seen_within_the_timeout(visits: list[tuple[str, float]]) -> None:
    clock = Clock()
    viewers = Viewers(clock, timeout=20)
    seen: dict[str, float] = {}
    for who, pause in visits:
        clock.seconds += pause
        viewers.touch(who)
        seen[who] = clock.seconds
        assert viewers.count() == sum(when > clock.seconds - 20 for when in seen.values())
