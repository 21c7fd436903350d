"""How well one lane does: how much it may send at once, and when it rests. Pure.

A lane proves itself first: it sends one at a time until one went through quickly, and again after each that failed or
was slow. After FAILURES_UNTIL_DOWN failures in a row it is down (a circuit breaker): one probe at a time, each a while
after the last failure, until one goes through.
"""

from __future__ import annotations

from collections.abc import Sequence

WIDTH = 4
"""Deliveries at once to an endpoint that does well."""
FAILURES_UNTIL_DOWN = 5
PROBES = (5.0, 5.0, 5.0, 10.0, 10.0, 20.0, 20.0, 30.0, 60.0)
"""Seconds from a failure to the next probe; the last one stays."""
SLOW_SECONDS = 2.0
"""A delivery that takes longer is slow."""
MAX_REST = 3600.0
"""Seconds that an endpoint may ask its whole lane to rest."""


class Health:
    """One lane's. Times are the monotonic clock's."""

    def __init__(self, probes: Sequence[float] = PROBES) -> None:
        self.brisk = False
        """Whether the last delivery went through quickly."""
        self._probes = probes
        self._new = True
        """Whether nothing went through since the start: what failed before it may be far from due."""
        self._failures = 0
        self._failed_probes = 0
        self._rest_until = float("-inf")

    @property
    def down(self) -> bool:
        """Whether only probes are sent."""
        return self._failures >= FAILURES_UNTIL_DOWN

    def rest(self, at: float) -> float:
        """Seconds until anything may be sent; 0 or less for now."""
        return self._rest_until - at

    def room(self, flying: int) -> int:
        """How many more may be sent while `flying` are on their way."""
        return max(0, (WIDTH if self.brisk and not self.down else 1) - flying)

    def succeeded(self, took: float) -> bool:
        """One went through in `took` seconds. Returns whether that wakes the lane: it was down, or it is the first."""
        woken = self.down or self._new
        if self.down:
            self._rest_until = float("-inf")
        self._new = False
        self._failures = self._failed_probes = 0
        self.brisk = took <= SLOW_SECONDS
        return woken

    def failed(self, at: float, *, probe: bool, retry_after: float | None = None) -> bool:
        """One failed; `retry_after` is what the endpoint asked for, in seconds. Returns whether the lane went down."""
        self.brisk = False
        self._failures += 1
        if self.down:
            self._failed_probes += probe
            self._rest(at + self._probes[min(self._failed_probes, len(self._probes) - 1)])
        if retry_after is not None:
            self._rest(at + min(retry_after, MAX_REST))
        return self._failures == FAILURES_UNTIL_DOWN

    def pause(self, at: float, seconds: float) -> None:
        """Nothing is sent for so long, for a reason on this side."""
        self._rest(at + seconds)

    def _rest(self, until: float) -> None:
        self._rest_until = max(self._rest_until, until)
