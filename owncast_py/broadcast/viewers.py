"""How many players watch: one for each viewer id that asked for media lately.

Owns the ids and when each was last seen, in memory and bounded. What makes an id is the web's to say
(`web.viewers`); this module never sees an address.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

VIEWER_TIMEOUT = 20.0
"""Seconds without a request until a player counts as gone: a few segments of the slowest latency level."""
MAX_VIEWERS = 100_000
"""Ids remembered at once. A flood of invented ids pushes out the longest silent, who count again when they next ask."""


class Viewers:
    """Counts players by id."""

    def __init__(
        self, monotonic: Callable[[], float], timeout: float = VIEWER_TIMEOUT, max_viewers: int = MAX_VIEWERS
    ) -> None:
        """`monotonic` and `timeout` are in seconds."""
        self._monotonic = monotonic
        self._timeout = timeout
        self._max = max_viewers
        self._seen: OrderedDict[str, float] = OrderedDict()

    def touch(self, viewer_id: str) -> None:
        """That player asked for something just now."""
        self._seen[viewer_id] = self._monotonic()
        self._seen.move_to_end(viewer_id)
        if len(self._seen) > self._max:
            self._seen.popitem(last=False)

    def count(self) -> int:
        """Players that asked for something within the timeout."""
        oldest_allowed = self._monotonic() - self._timeout
        while self._seen:
            viewer_id, seen = next(iter(self._seen.items()))
            if seen > oldest_allowed:
                break
            del self._seen[viewer_id]
        return len(self._seen)

    def clear(self) -> None:
        """Forgets everybody, as at the end of a show."""
        self._seen.clear()
