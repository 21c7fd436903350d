"""The webhook channel: the event as JSON, posted to a program's address.

Owns the headers. `webhook-id` is the notification's, the same at each try, so that a receiver can tell what it already
has; `webhook-timestamp` is when this try was made, in seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from owncast_py.notifications.channels import Outcome
from owncast_py.notifications.channels.posting import Poster
from owncast_py.notifications.model import Endpoint, Notification


class Webhook:
    """A DeliveryChannel."""

    def __init__(self, poster: Poster, now: Callable[[], datetime]) -> None:
        """`now` is aware UTC."""
        self._poster = poster
        self._now = now

    async def deliver(self, endpoint: Endpoint, notification: Notification, body: bytes) -> Outcome:
        """Posts the event as it is."""
        headers = {
            "Content-Type": "application/json",
            "webhook-id": notification.id,
            "webhook-timestamp": str(int(self._now().timestamp())),
        }
        return await self._poster.post(endpoint.url, body, headers)
