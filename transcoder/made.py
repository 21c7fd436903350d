"""What was made since the start, over all broadcasts: parts, segments and gaps of each rendition.

Owns the counts. A window and its renditions last for one broadcast, these for as long as the server runs.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

Key = tuple[int, str]
"""A rendition's number, and `video` or `audio`."""


class Made:
    """Counted by rendition."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` counts seconds."""
        self.parts: Counter[Key] = Counter()
        """Gaps included."""
        self.gaps: Counter[Key] = Counter()
        """Parts without media: ffmpeg was away, or gave nothing that fits."""
        self.segments: Counter[Key] = Counter()
        self._clock = clock
        self._last: dict[Key, float] = {}

    def note(self, key: Key, *, gap: bool, closes: bool) -> None:
        """A part was made, which may close its segment."""
        self.parts[key] += 1
        self.gaps[key] += gap
        self.segments[key] += closes
        self._last[key] = self._clock()

    def age(self, key: Key) -> float | None:
        """Seconds since the last part of that rendition; None before the first."""
        last = self._last.get(key)
        return None if last is None else self._clock() - last
