"""What notifications refuse, each with a sentence for the person who tried.

NotificationError        an endpoint, topic or message that cannot be had or kept
└── TargetRefused        an address that this server does not call
"""

from __future__ import annotations

from owncast_py.errors import OwncastError


class NotificationError(OwncastError):
    """Notifications cannot do that; nothing was changed."""


class TargetRefused(NotificationError):
    """This server does not call that address."""
