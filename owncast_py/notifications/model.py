"""Notifications as values: from a topic over a subscription to an endpoint, and what became of it.

Owns the shapes only. Times are aware UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

DOMAIN = "owncast"
"""The domain of this server's own topics."""


class State(StrEnum):
    """Where a notification is. Only a pending one changes."""

    PENDING = "pending"
    RECEIVED = "received"
    FAILED = "failed"
    """Given up before its time: the endpoint is gone."""
    EXPIRED = "expired"
    """Its time ran out before the endpoint took it."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What messages are about. It never changes; `name` is unique in its domain."""

    id: str
    domain: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where notifications are pushed to. `document` is JSON that only its delivery channel reads.

    An inactive endpoint gets nothing new; what is pending waits until it is active again, or expires.
    """

    id: str
    channel: str
    url: str
    document: Mapping[str, object]
    active: bool
    created_at: datetime
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """That an endpoint wants a topic."""

    id: str
    topic_id: str
    endpoint_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """One event of a topic; `body` is what is sent, the same to every endpoint."""

    id: str
    topic_id: str
    at: datetime
    body: bytes


@dataclass(frozen=True, slots=True)
class Notification:
    """A message on its way to one endpoint. `tries` were made; the next is due at `due_at`."""

    id: str
    message_id: str
    subscription_id: str
    endpoint_id: str
    state: State
    tries: int
    due_at: datetime
    created_at: datetime
    settled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: what came back, or the sentence why nothing did. `status` is None without an answer."""

    notification_id: str
    at: datetime
    milliseconds: int
    status: int | None
    error: str
    answer: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a try means for its notification. With `trim`, its oldest attempts make room."""

    endpoint_id: str
    attempt: Attempt
    state: State
    tries: int
    due_at: datetime
    trim: bool = False

    @property
    def notification_id(self) -> str:
        """Whose try it was."""
        return self.attempt.notification_id
