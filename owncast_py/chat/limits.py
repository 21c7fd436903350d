"""How much and how fast: limits for each user and each address.

Owns the counting, in memory and bounded: of more keys than MAX_KEYS the longest silent is forgotten, which only ever
forgives. Times are monotonic seconds that are handed in; answers are seconds to wait, 0 when nothing stands in the way.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

MAX_KEYS = 20_000
FLOOD_PENALTY = 10.0
"""Seconds of silence for who exceeded the limit."""


@dataclass(slots=True)
class _Writer:
    """What is remembered of one user."""

    sent: deque[float] = field(default_factory=deque)
    silent_until: float = float("-inf")
    last: float = float("-inf")


class MessageLimits:
    """At most so many messages in so many seconds, and slow mode."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._writers: OrderedDict[str, _Writer] = OrderedDict()

    def flood(self, user_id: str, messages: int, seconds: float) -> float:
        """Counts a message. A user who sends more than `messages` in `seconds` waits FLOOD_PENALTY, as told."""
        now, writer = self._monotonic(), self._writer(user_id)
        if now < writer.silent_until:
            return writer.silent_until - now
        while writer.sent and writer.sent[0] <= now - seconds:
            writer.sent.popleft()
        if len(writer.sent) >= messages:
            writer.sent.clear()
            writer.silent_until = now + FLOOD_PENALTY
            return FLOOD_PENALTY
        writer.sent.append(now)
        return 0.0

    def slow(self, user_id: str, seconds: float) -> float:
        """Counts a message in slow mode: one in `seconds`. One that comes too early counts for nothing."""
        now, writer = self._monotonic(), self._writer(user_id)
        if (left := writer.last + seconds - now) > 0:
            return left
        writer.last = now
        return 0.0

    def _writer(self, user_id: str) -> _Writer:
        writer = self._writers.setdefault(user_id, _Writer())
        self._writers.move_to_end(user_id)
        if len(self._writers) > MAX_KEYS:
            self._writers.popitem(last=False)
        return writer


class TokenBuckets:
    """A bucket for each key: so many at once, and so many a second again."""

    def __init__(self, at_once: int, per_second: float, monotonic: Callable[[], float]) -> None:
        self._at_once = at_once
        self._per_second = per_second
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """What was left at which time."""

    def take(self, key: str) -> float:
        """Takes one; or takes nothing and says how many seconds until there is one."""
        now = self._monotonic()
        left, at = self._buckets.get(key, (float(self._at_once), now))
        left = min(float(self._at_once), left + (now - at) * self._per_second)
        wait = 0.0 if left >= 1 else (1 - left) / self._per_second
        self._buckets[key] = (left if wait else left - 1, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > MAX_KEYS:
            self._buckets.popitem(last=False)
        return wait

    def wait(self, key: str) -> float:
        """Seconds until there is one, without taking it."""
        left, at = self._buckets.get(key, (float(self._at_once), self._monotonic()))
        left += (self._monotonic() - at) * self._per_second
        return 0.0 if left >= 1 else (1 - left) / self._per_second
