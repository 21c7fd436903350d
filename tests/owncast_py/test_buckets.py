"""Buckets: how many at once, how long the wait is, and what is remembered."""

from __future__ import annotations

import pytest
from house import Clock

from owncast_py import buckets as module
from owncast_py.buckets import TokenBuckets


def test_a_bucket_empties_and_fills_again(clock: Clock) -> None:
    buckets = TokenBuckets(3, 0.5, clock.monotonic)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 2.0]
    assert buckets.wait("a") == 2.0
    assert buckets.take("b") == 0
    clock.turn(1)
    assert buckets.take("a") == 1.0
    clock.turn(1)
    assert buckets.wait("a") == 0
    assert buckets.take("a") == 0
    clock.turn(1_000_000)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 2.0]  # it never holds more than it did


def test_asking_takes_nothing(clock: Clock) -> None:
    buckets = TokenBuckets(1, 1.0, clock.monotonic)
    assert [buckets.wait("a") for _ in range(5)] == [0] * 5
    assert buckets.take("a") == 0
    assert buckets.take("a") == 1.0


def test_whoever_does_as_told_is_let_in(clock: Clock) -> None:
    buckets = TokenBuckets(2, 0.3, clock.monotonic)
    for _ in range(20):
        if wait := buckets.take("a"):
            clock.turn(wait + 1e-9)
            assert buckets.take("a") == 0


def test_the_longest_unused_bucket_is_forgotten(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KEYS", 2)
    buckets = TokenBuckets(1, 0.001, clock.monotonic)
    for key in ("a", "b", "a", "c"):
        buckets.take(key)
    assert buckets.wait("a") > 0
    assert buckets.wait("c") > 0
    assert buckets.wait("b") == 0
