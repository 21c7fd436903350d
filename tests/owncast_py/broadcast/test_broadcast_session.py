"""The show's states and times, on a clock that the tests turn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from owncast_py.broadcast.session import Broadcast, State

EPOCH = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


class World:
    """A clock and an audience."""

    def __init__(self, grace: float = 60.0) -> None:
        self.seconds = 0.0
        self.watching = 0
        self.show = Broadcast(
            monotonic=lambda: self.seconds,
            now=lambda: EPOCH + timedelta(seconds=self.seconds),
            grace=grace,
            viewers=lambda: self.watching,
            title="Tea",
        )

    def at(self, seconds: float) -> Broadcast:
        self.seconds = seconds
        return self.show


def test_a_show_from_begin_to_end() -> None:
    world = World()
    assert world.show.status().online is False
    assert world.show.status().last_connect_time is None
    assert world.at(10).begin() is True
    assert world.show.status().last_connect_time == EPOCH + timedelta(seconds=10)
    world.at(100).end()
    status = world.show.status()
    assert status.state is State.OFFLINE
    assert status.last_connect_time == EPOCH + timedelta(seconds=10)
    assert status.last_disconnect_time == EPOCH + timedelta(seconds=100)


def test_an_encoder_that_returns_within_the_grace_continues_the_show() -> None:
    world = World(grace=60)
    world.at(0).begin()
    world.at(100).lose()
    assert world.show.state is State.HOLDING
    assert world.show.status().online is True
    assert world.at(159.9).expire() is False
    assert world.show.begin() is False
    assert world.show.state is State.LIVE
    assert world.show.status().last_connect_time == EPOCH
    assert world.at(500).expire() is False


def test_after_the_grace_the_show_is_over() -> None:
    world = World(grace=60)
    world.at(0).begin()
    world.at(100).lose()
    assert world.at(160).expire() is True
    assert world.show.expire() is False
    assert world.show.status().last_disconnect_time == EPOCH + timedelta(seconds=160)


def test_a_return_that_nobody_had_timed_out_yet_is_still_a_new_show() -> None:
    world = World(grace=60)
    world.at(0).begin()
    world.at(100).lose()
    assert world.at(170).begin() is True
    assert world.show.status().last_connect_time == EPOCH + timedelta(seconds=170)


def test_without_grace_a_loss_ends_the_show() -> None:
    world = World(grace=0)
    world.at(0).begin()
    world.at(5).lose()
    assert world.show.state is State.OFFLINE


def test_peaks_of_the_show_and_of_all_shows() -> None:
    world = World()
    world.show.begin()
    for world.watching in (3, 9, 4):
        status = world.show.status()
    assert (status.viewer_count, status.session_max_viewer_count, status.overall_max_viewer_count) == (4, 9, 9)
    world.show.end()
    offline = world.show.status()
    assert (offline.viewer_count, offline.session_max_viewer_count, offline.overall_max_viewer_count) == (0, 9, 9)
    world.show.begin()
    world.watching = 2
    status = world.show.status()
    assert (status.viewer_count, status.session_max_viewer_count, status.overall_max_viewer_count) == (2, 2, 9)


@given(st.lists(st.tuples(st.sampled_from(["begin", "lose", "expire", "end"]), st.floats(0, 90))))
@settings(max_examples=150, deadline=None)
def test_no_order_of_events_breaks_the_state(events: list[tuple[str, float]]) -> None:
    world = World()
    for name, pause in events:
        world.seconds += pause
        getattr(world.show, name)()
        status = world.show.status()
        assert not status.online or status.last_connect_time is not None
        assert world.show.state is status.state
        assert not (status.online and status.last_disconnect_time)
