"""What somebody wants to see of a collection, and what they get: pages of notifications, subscriptions, topics.

Owns the limits and which fields each collection can be filtered and sorted by. The queries are in
`storage.notification_lists`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from owncast_py.notifications.errors import NotificationError
from owncast_py.notifications.filters import Expression, Field, Kind, Order
from owncast_py.notifications.ids import number_of
from owncast_py.notifications.model import Method, Notification, State

DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000
MAX_START = 2**53
MAX_SEARCH = 200
"""Characters of a text that is searched for."""

_TEXT = Field(Kind.TEXT)
_NUMBER = Field(Kind.NUMBER)
_TIME = Field(Kind.TIME)
_REFERENCE = Field(Kind.REFERENCE)
_METHOD = Field(Kind.CHOICE, tuple(Method))

NOTIFICATION_FIELDS = {
    "id": _REFERENCE,
    "createdAt": _TIME,
    "updatedAt": _TIME,
    "state": Field(Kind.CHOICE, tuple(State)),
    "topic": _REFERENCE,
    "subscription": _REFERENCE,
    "entity": _TEXT,
    "tries": _NUMBER,
    "deliveryChannel": _TEXT,
    "deliveryMethod": _METHOD,
}
SUBSCRIPTION_FIELDS = {
    "id": _REFERENCE,
    "createdAt": _TIME,
    "updatedAt": _TIME,
    "state": Field(Kind.CHOICE, ("active", "inactive")),
    "topic": _REFERENCE,
    "subscriber": _TEXT,
    "deliveryChannel": _TEXT,
    "deliveryMethod": _METHOD,
    "recipientId": _REFERENCE,
    "recipientUrl": _TEXT,
    "authenticationState": Field(Kind.CHOICE, ("authenticated", "unauthenticated")),
}
TOPIC_FIELDS = {
    "id": _REFERENCE,
    "createdAt": _TIME,
    "updatedAt": _TIME,
    "domain": _TEXT,
    "name": _TEXT,
}
"""Topics never change: `updatedAt` is `createdAt`."""

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Listing:
    """Which part of a collection, in which order.

    `as_of` is the id that a former page gave: what is newer is not listed, so that later pages fit to it. `q` is a text
    that one of the text fields contains. Raises NotificationError for what is beyond the limits.
    """

    start: int = 0
    limit: int = DEFAULT_LIMIT
    sort: tuple[Order, ...] = ()
    """After these, or without any, the oldest first."""
    where: Expression | None = None
    q: str = ""
    as_of: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.start <= MAX_START:
            raise NotificationError(f"A page starts at an index from 0 to {MAX_START}, not at {self.start}.")
        if not 1 <= self.limit <= MAX_LIMIT:
            raise NotificationError(f"A page has a limit from 1 to {MAX_LIMIT:,}, not {self.limit}.")
        if len(self.q) > MAX_SEARCH:
            raise NotificationError(f"A search is for at most {MAX_SEARCH} characters, not {len(self.q):,}.")
        if self.as_of and number_of(self.as_of) < 0:
            raise NotificationError("A page is as of an id that a former page gave; take its link as it is.")


@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    """Items in order, how many there are on all pages together, and as of which id."""

    count: int
    items: tuple[T_co, ...]
    as_of: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A notification with its message and what is known of its endpoint."""

    notification: Notification
    body: bytes
    entity: str
    at: datetime
    channel: str
    method: Method
