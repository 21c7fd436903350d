"""How many bits per second come in, from how many octets had come at some moments."""

from __future__ import annotations

from collections import deque

RATE_POINTS = 6
"""Moments that the rate is taken over."""


class Rate:
    """Bits per second of what comes in, over the last seconds."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque(maxlen=RATE_POINTS)

    def note(self, octets: int, now: float) -> None:
        """So many octets have come until now."""
        self._points.append((now, octets))

    @property
    def kilobits(self) -> int:
        """kbit/s."""
        if len(self._points) < 2:
            return 0
        (began, first), (ended, last) = self._points[0], self._points[-1]
        return round((last - first) * 8 / 1000 / (ended - began)) if ended > began else 0
