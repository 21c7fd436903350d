"""Counting players, on a clock that the tests turn."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from owncast_py.broadcast.viewers import MAX_USER_AGENT, Viewer, Viewers


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


def test_only_the_first_request_of_a_player_is_new() -> None:
    clock = Clock()
    viewers = Viewers(clock, timeout=20)
    assert [viewers.touch("a"), viewers.touch("a"), viewers.touch("b")] == [True, False, True]
    clock.seconds = 30
    viewers.count()
    assert viewers.touch("a") is True


def test_the_listing_has_the_last_to_arrive_first() -> None:
    clock = Clock()
    viewers = Viewers(clock, timeout=20)
    for who in "abc":
        viewers.touch(who)
        viewers.describe(who, f"192.0.2.{ord(who)}", "Player/1 " + "x" * 1000)
        clock.seconds += 5
    viewers.touch("a")
    viewers.touch("nameless")
    clock.seconds += 2
    viewers.describe("unknown", "192.0.2.1", "x")
    nameless, c, b, a = viewers.listing(10)
    assert nameless == Viewer("nameless", 2, 2, "", "")
    assert (c.id, b.id, a.id) == ("c", "b", "a")
    assert (a.first_seen, a.last_seen, a.address) == (17, 2, "192.0.2.97")
    assert len(a.user_agent) == MAX_USER_AGENT
    assert a.user_agent is b.user_agent
    assert [viewer.id for viewer in viewers.listing(2)] == ["nameless", "c"]
    assert viewers.listing(0) == viewers.listing(-1) == []


def test_who_is_gone_is_not_listed_and_nothing_of_it_is_kept() -> None:
    clock = Clock()
    viewers = Viewers(clock, timeout=20, max_viewers=3)
    for who in "abcd":
        viewers.touch(who)
        viewers.describe(who, "192.0.2.1", "x")
    assert [viewer.id for viewer in viewers.listing(10)] == ["d", "c", "b"]
    clock.seconds = 10
    viewers.touch("b")
    clock.seconds = 25
    assert [(viewer.id, viewer.first_seen) for viewer in viewers.listing(10)] == [("b", 25)]
    assert set(viewers._arrivals) == set(viewers._seen) == {"b"}
    viewers.clear()
    assert viewers.listing(10) == []
    assert not viewers._arrivals
