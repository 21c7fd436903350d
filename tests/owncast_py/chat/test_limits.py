"""Limits of pace: what passes, how long the wait is, and what is remembered."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from owncast_py.chat import limits
from owncast_py.chat.limits import FLOOD_PENALTY, MessageLimits


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_three_messages_in_two_seconds_and_silence_after_the_fourth(clock: Clock) -> None:
    paced = MessageLimits(clock)
    assert [paced.flood("ana", 3, 2.0) for _ in range(4)] == [0, 0, 0, FLOOD_PENALTY]
    clock.now += 4
    assert paced.flood("ana", 3, 2.0) == FLOOD_PENALTY - 4  # trying again does not make it longer
    assert paced.flood("ben", 3, 2.0) == 0
    clock.now += 6
    assert [paced.flood("ana", 3, 2.0) for _ in range(4)] == [0, 0, 0, FLOOD_PENALTY]


def test_the_window_moves(clock: Clock) -> None:
    paced = MessageLimits(clock)
    for _ in range(50):
        assert paced.flood("ana", 3, 2.0) == 0
        clock.now += 0.75


@given(st.lists(st.integers(0, 24).map(lambda eighths: eighths / 8), max_size=60), st.integers(1, 5))
@settings(max_examples=200, deadline=None)
def test_never_more_than_so_many_in_any_window(gaps: list[float], messages: int) -> None:
    clock = Clock()
    paced = MessageLimits(clock)
    accepted: list[float] = []
    for gap in gaps:
        clock.now += gap
        wait = paced.flood("ana", messages, 2.0)
        assert 0 <= wait <= FLOOD_PENALTY
        if wait == 0:
            accepted.append(clock.now)
    for at in accepted:
        assert sum(at - 2.0 < other <= at for other in accepted) <= messages


def test_slow_mode(clock: Clock) -> None:
    paced = MessageLimits(clock)
    assert paced.slow("ana", 30) == 0
    clock.now += 10
    assert paced.slow("ana", 30) == 20
    assert paced.slow("ben", 30) == 0
    clock.now += 10
    assert paced.slow("ana", 30) == 10  # the one before did not count
    assert paced.slow("ana", 15) == 0  # whoever shortens it does so at once


def test_the_longest_silent_writer_is_forgotten(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_USERS", 2)
    paced = MessageLimits(clock)
    for user in ("ana", "ben", "ana", "cleo"):
        paced.flood(user, 1, 60.0)
    assert paced.flood("ana", 1, 60.0) > 0
    assert paced.flood("cleo", 1, 60.0) > 0
    assert paced.flood("ben", 1, 60.0) == 0
