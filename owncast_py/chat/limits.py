"""How fast somebody may write: at most so many messages in so many seconds, and slow mode.

Owns the counting, in memory and bounded: of more users than MAX_USERS the longest silent is forgotten, which only ever
forgives. Times are monotonic seconds that are handed in; answers are seconds to wait, 0 when nothing stands in the way.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

MAX_USERS = 20_000
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
        if len(self._writers) > MAX_USERS:
            self._writers.popitem(last=False)
        return writer
