"""When a notification is tried again, and when that ends. Pure.

The delays are those of the Standard Webhooks specification and one more, which together fill the four days that the
queue keeps a notification. Only the deadline ends the tries: after the last delay it is repeated while there is time,
since an endpoint that comes back makes everything due at once and so can use up the list early.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

MINUTE = 60.0
HOUR = 60 * MINUTE
DELAYS = (
    0.0, 5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR, 20 * HOUR,
)  # fmt: skip
"""Seconds before each try, counted from the one before."""
JITTER = 0.1
"""The greatest part of a delay that chance adds."""
LIFETIME = timedelta(hours=96)
LAST_CALL = timedelta(minutes=10)
"""How long before the deadline the last try is made, so that it is over in time."""
MIN_RETRY_AFTER = 1.0
MAX_RETRY_AFTER_LENGTH = 40

_SECONDS = re.compile(r"\d{1,10}(\.\d{1,10})?")


@dataclass(frozen=True, slots=True)
class Schedule:
    """The rules of trying again."""

    delays: Sequence[float] = DELAYS
    lifetime: timedelta = LIFETIME
    last_call: timedelta = LAST_CALL

    def deadline(self, queued_at: datetime) -> datetime:
        """When a notification expires."""
        return queued_at + self.lifetime

    def delay(self, tries: int, roll: float) -> float:
        """Seconds from a failed try to the next, after `tries` of them. `roll` is 0 to 1, for the jitter."""
        return self.delays[min(tries, len(self.delays) - 1)] * (1 + JITTER * roll)

    def next_try(
        self, queued_at: datetime, tries: int, now: datetime, retry_after: float | None, roll: float
    ) -> datetime | None:
        """When to try again after `tries` failed ones; None when there is no time left.

        `retry_after` is what the endpoint asked for, in seconds, and goes before the list. `roll` is 0 to 1, for the
        jitter. A wait beyond the last call ends there.
        """
        last = self.deadline(queued_at) - self.last_call
        if now >= last:
            return None
        if retry_after is None:
            delay = self.delay(tries, roll)
        else:
            delay = max(retry_after, MIN_RETRY_AFTER) * (1 + JITTER * roll)
        seconds = min(delay, self.lifetime.total_seconds())
        return min(now + timedelta(seconds=seconds), last)


def retry_after(header: str, now: datetime) -> float | None:
    """The seconds that a Retry-After header asks for, given as seconds or as an HTTP date; None when it is neither."""
    text = header.strip()
    if len(text) > MAX_RETRY_AFTER_LENGTH:
        return None
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
