"""Ids that sort by age: 48 bits of milliseconds since 1970, 16 bits to count, 32 random bits, in lower-case hex.

Owns that an id is greater than every one given before, also when the clock is set back or the server restarts. Digits
and lower-case letters sort alike in every database.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

MESSAGE = "msg_"
NOTIFICATION = "ntf_"
TOPIC = "top_"
ENDPOINT = "end_"
SUBSCRIPTION = "sub_"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COUNT_BITS = 16
_STAMP_DIGITS = 16


class Ids:
    """Gives ids."""

    def __init__(self, now: Callable[[], datetime], chance: random.Random) -> None:
        """`now` is aware UTC."""
        self._now = now
        self._chance = chance
        self._stamp = 0

    def resume(self, last: str) -> None:
        """Goes on after that id of an earlier run; an empty one says nothing."""
        if last:
            self._stamp = max(self._stamp, int(last.partition("_")[2][:_STAMP_DIGITS], 16))

    def next(self, prefix: str) -> str:
        """An id greater than all before with that prefix."""
        self._stamp = max(self._stamp + 1, _stamp(self._now()))
        return f"{prefix}{self._stamp:0{_STAMP_DIGITS}x}{self._chance.getrandbits(32):08x}"


def since(prefix: str, moment: datetime) -> str:
    """Ids given at that time or later are not less than this."""
    return f"{prefix}{_stamp(moment):0{_STAMP_DIGITS}x}"


def _stamp(moment: datetime) -> int:
    return ((moment - _EPOCH) // timedelta(milliseconds=1)) << _COUNT_BITS
