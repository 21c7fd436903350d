"""What the schedule refuses.

ScheduleError             a rule, a time or a text that cannot be
└── ScheduleNotFound      no series and no event has that id
"""

from __future__ import annotations

from owncast_py.errors import OwncastError


class ScheduleError(OwncastError):
    """The schedule cannot be changed like that; the sentence says why. Nothing was changed."""


class ScheduleNotFound(ScheduleError):
    """There is no series and no event with that id."""
