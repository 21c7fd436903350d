"""Ways to deliver: what every delivery channel is to the lanes.

Owns the protocol. One module beside this for each channel; they know nothing of queues, tries or the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from owncast_py.notifications.model import Endpoint, Notification


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one delivery. `error` is a sentence, empty on success; `answer` is the endpoint's own words.

    `retry_after` is in seconds, where the endpoint asked for a pause. `gone` says that it wants nothing any more.
    """

    status: int | None = None
    error: str = ""
    answer: str = ""
    retry_after: float | None = None
    gone: bool = False

    @property
    def received(self) -> bool:
        """Whether the endpoint took it: any 2xx."""
        return self.status is not None and 200 <= self.status <= 299


class DeliveryChannel(Protocol):
    """Delivers to one kind of endpoint."""

    async def deliver(self, endpoint: Endpoint, notification: Notification, body: bytes) -> Outcome:
        """Tries once, within a bounded time. Whatever the network does is an Outcome, not an exception."""
        ...
