"""What notifications refuse, each with a sentence for the person who tried.

NotificationError        an endpoint, topic or message that cannot be had or kept
├── TargetRefused        an address that this server does not call
├── NotGreeted           an endpoint that does not want to hear from this server
├── Unknown              nothing has that id
├── Taken                there is such a one already
├── Changed              it is no longer as whoever wants to change it has seen it
├── TooLong              a message with too many octets
└── QueueFull            no room for what was to be queued
"""

from __future__ import annotations

from owncast_py.errors import OwncastError


class NotificationError(OwncastError):
    """Notifications cannot do that; nothing was changed."""


class TargetRefused(NotificationError):
    """This server does not call that address."""


class NotGreeted(NotificationError):
    """The endpoint was asked, and did not agree."""


class Unknown(NotificationError):
    """There is nothing with that id."""


class Taken(NotificationError):
    """There is one already."""


class Changed(NotificationError):
    """Somebody else was faster."""


class TooLong(NotificationError):
    """The message has too many octets."""


class QueueFull(NotificationError):
    """An endpoint has no room for it."""
