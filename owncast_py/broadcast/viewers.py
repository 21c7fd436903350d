"""How many players watch, and since when: one for each viewer id that asked for media lately.

Owns the ids, when each was first and last seen, and what the web tells of it, in memory and bounded. What makes an id
is for the web to say; addresses are only handed on to the owner, and nobody is counted by them.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

VIEWER_TIMEOUT = 20.0
"""Seconds without a request until a player counts as gone: a few segments of the slowest latency level."""
MAX_VIEWERS = 100_000
"""Ids remembered at once. A flood of invented ids pushes out the longest silent, who count again when they next ask."""
MAX_USER_AGENT = 256
"""Characters kept of what a player calls itself."""
MAX_ADDRESS = 64
"""Characters kept of an address; the longest of IPv6 has 45."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """One player. `first_seen` and `last_seen` are seconds ago; what was not told of it is empty."""

    id: str
    first_seen: float
    last_seen: float
    address: str
    user_agent: str


@dataclass(slots=True)
class _Arrival:
    """What does not change from request to request. `at` is monotonic."""

    at: float
    address: str = ""
    user_agent: str = ""


class Viewers:
    """Counts players by id."""

    def __init__(
        self, monotonic: Callable[[], float], timeout: float = VIEWER_TIMEOUT, max_viewers: int = MAX_VIEWERS
    ) -> None:
        """`monotonic` and `timeout` are in seconds."""
        self._monotonic = monotonic
        self._timeout = timeout
        self._max = max_viewers
        # Both hold the same ids: one in the order of the last request, one in the order of arrival.
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._arrivals: dict[str, _Arrival] = {}

    def touch(self, viewer_id: str) -> bool:
        """That player asked for something just now. Returns whether it is new; then `describe` it."""
        now = self._monotonic()
        if viewer_id in self._seen:
            self._seen[viewer_id] = now
            self._seen.move_to_end(viewer_id)
            return False
        self._seen[viewer_id] = now
        self._arrivals[viewer_id] = _Arrival(now)
        if len(self._seen) > self._max:
            del self._arrivals[self._seen.popitem(last=False)[0]]
        return True

    def describe(self, viewer_id: str, address: str, user_agent: str) -> None:
        """Keeps where that player is and what it calls itself. An id that is not remembered is passed over."""
        arrival = self._arrivals.get(viewer_id)
        if arrival is not None:
            arrival.address = address[:MAX_ADDRESS]
            # Thousands of players are the same few programs.
            arrival.user_agent = sys.intern(user_agent[:MAX_USER_AGENT])

    def count(self) -> int:
        """Players that asked for something within the timeout."""
        oldest_allowed = self._monotonic() - self._timeout
        while self._seen:
            viewer_id, seen = next(iter(self._seen.items()))
            if seen > oldest_allowed:
                break
            del self._seen[viewer_id]
            del self._arrivals[viewer_id]
        return len(self._seen)

    def listing(self, limit: int) -> list[Viewer]:
        """Players that watch, the last to arrive first, at most `limit`."""
        self.count()
        now = self._monotonic()
        return [
            Viewer(viewer_id, now - arrival.at, now - self._seen[viewer_id], arrival.address, arrival.user_agent)
            for viewer_id, arrival in islice(reversed(self._arrivals.items()), max(0, limit))
        ]

    def clear(self) -> None:
        """Forgets everybody, as at the end of a show."""
        self._seen.clear()
        self._arrivals.clear()
