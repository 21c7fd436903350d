"""How much and how fast: a limit for each address, or whatever else is told apart by a text.

Owns the counting, in memory and bounded: of more keys than MAX_KEYS the longest silent is forgotten, which only ever
forgives. Times are monotonic seconds that are handed in; answers are seconds to wait, 0 when nothing stands in the way.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

MAX_KEYS = 20_000


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
