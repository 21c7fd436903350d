"""Ids that sort by age: 48 bits of milliseconds since 1970 and 16 bits to count, as 16 digits of lower-case hex.

Owns that an id is greater than every one given before, also when the clock is set back or the server restarts, and what
an id tells: its number, which is how the database keeps it, and its moment. Digits and lower-case letters sort alike
everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

MESSAGE = "msg_"
NOTIFICATION = "ntf_"
TOPIC = "top_"
ENDPOINT = "end_"
SUBSCRIPTION = "sub_"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COUNT_BITS = 16
_DIGITS = re.compile(r"[0-7][0-9a-f]{15}")


class Ids:
    """Gives ids."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        """`now` is aware UTC."""
        self._now = now
        self._stamp = 0

    def resume(self, last: str) -> None:
        """Goes on after that id of an earlier run; an empty one says nothing."""
        if last:
            self._stamp = max(self._stamp, number_of(last))

    def next(self, prefix: str) -> str:
        """An id greater than all before with that prefix."""
        self._stamp = max(self._stamp + 1, _stamp(self._now()))
        return with_number(prefix, self._stamp)


@lru_cache(maxsize=4096)
def number_of(identifier: str) -> int:
    """The number of an id, greater for a later one; -1 for what is no id."""
    digits = identifier.partition("_")[2]
    return int(digits, 16) if _DIGITS.fullmatch(digits) else -1


def with_number(prefix: str, number: int) -> str:
    """The id with that prefix and number."""
    return f"{prefix}{number:016x}"


def moment_of(identifier: str) -> datetime:
    """When an id was given, to the millisecond."""
    return _EPOCH + timedelta(milliseconds=number_of(identifier) >> _COUNT_BITS)


def since(prefix: str, moment: datetime) -> str:
    """Ids given at that time or later are not less than this."""
    return with_number(prefix, max(0, _stamp(moment)))


def _stamp(moment: datetime) -> int:
    return ((moment - _EPOCH) // timedelta(milliseconds=1)) << _COUNT_BITS
