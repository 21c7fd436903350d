"""Ways to deliver: what every delivery channel is to the lanes.

Owns the protocol. One module beside this for each channel; they know nothing of queues, tries or the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from owncast_py.notifications.model import Endpoint, Parcel


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one delivery. `error` is a sentence, empty on success; `answer` is the endpoint's own words.

    `retry_after` is in seconds, where the endpoint asked for a pause. `gone` says that it wants nothing any more,
    `unauthenticated` that it does not know us (401, 403).
    """

    status: int | None = None
    error: str = ""
    answer: str = ""
    retry_after: float | None = None
    gone: bool = False
    unauthenticated: bool = False

    @property
    def received(self) -> bool:
        """Whether the endpoint took it: any 2xx."""
        return self.status is not None and 200 <= self.status <= 299


class DeliveryChannel(Protocol):
    """Delivers to one kind of endpoint."""

    authenticates: bool
    """Whether what goes there is signed, and carries the token that the endpoint gave."""
    lasting: bool
    """Whether an endpoint that is gone may come back at the same address, and so stays, switched off."""

    def check(self, endpoint: Endpoint) -> None:
        """Raises NotificationError, with a sentence, when nothing could ever be delivered to that endpoint.

        It looks only at what was typed in: `url`, `token`, `document`. An address is also checked when it is called.
        """
        ...

    async def greet(self, endpoint: Endpoint) -> str:
        """Asks an endpoint whether it wants to hear from this server. Returns a sentence why not, empty if it does.

        Channels whose other side cannot be asked answer at once. Whatever the network does is a sentence too.
        """
        ...

    async def deliver(self, endpoint: Endpoint, parcel: Parcel) -> Outcome:
        """Tries once, within a bounded time. Whatever the network does is an Outcome, not an exception."""
        ...
