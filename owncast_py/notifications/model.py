"""Notifications as values: from a topic over a subscription to an endpoint, and what became of it.

Owns the shapes only. Times are aware UTC.

    Topic ◄── Subscription ──► Endpoint          who wants what, and where it goes
      ▲            ▲               ▲
    Message ◄── Notification ──────┘ ◄── Attempt     one event, on its way to one of them, and each try
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum

DOMAIN = "owncast"
"""The domain of this server's own topics."""
MAX_TOKEN = 4096
"""Characters of an endpoint's token."""


class Method(StrEnum):
    """How notifications come to whoever subscribed."""

    PUSH = "push"
    """This server calls; they lie in the queue until they are through."""
    PULL = "pull"
    """They ask; what they have not acknowledged stays."""


class State(StrEnum):
    """What became of a notification."""

    PENDING = "pending"
    RECEIVED = "received"
    FAILED = "failed"
    """Given up before its time: the endpoint is gone."""
    EXPIRED = "expired"
    """Its time ran out before the endpoint took it."""


class Shelf(IntEnum):
    """Where a notification lies. The numbers are the database's."""

    QUEUE = 1
    """Pending, to be pushed."""
    PULL = 2
    """Pending, to be pulled."""
    RECEIVED = 3
    FAILED = 4
    """Dead letters: failed and expired ones."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What messages are about. It never changes; `name` is unique in its domain."""

    id: str
    domain: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where notifications go. `document` is JSON that only its delivery channel reads.

    An inactive endpoint gets nothing new; what is pending waits until it is active again, or expires. `ordered` ones
    get each notification only after the one before it has arrived, or was given up.

    `token` is the receiver's, sent along as a bearer token. `secret` signs what is sent (`whsec_…`), empty for
    endpoints from before there was one; `former_secret` signs too, until `former_until`. Whether an endpoint is
    `authenticated` its last answer told.
    """

    id: str
    channel: str
    url: str
    document: Mapping[str, object]
    active: bool
    created_at: datetime
    updated_at: datetime
    method: Method = Method.PUSH
    ordered: bool = False
    token: str = ""
    secret: str = ""
    former_secret: str = ""
    former_until: datetime | None = None
    authenticated: bool = True
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """That an endpoint wants a topic, for a `subscriber`: a URI, empty for the owner of this server.

    A `restricted` one gets of those messages that are about an entity only its subscriber's own.
    """

    id: str
    topic_id: str
    endpoint_id: str
    created_at: datetime
    updated_at: datetime
    subscriber: str = ""
    restricted: bool = False
    active: bool = True

    def entitled(self, entity: str) -> bool:
        """Whether it may have a message about that entity, a URI; empty for one that is about none."""
        return not entity or not self.restricted or entity == self.subscriber


@dataclass(frozen=True, slots=True)
class Message:
    """One event of a topic; `body` is JSON, the same for everybody. `entity` is the URI of what it is about."""

    id: str
    topic_id: str
    at: datetime
    body: bytes
    entity: str = ""


@dataclass(frozen=True, slots=True)
class Notification:
    """A message on its way to one endpoint. `tries` were made since it was queued; the next is due at `due_at`."""

    id: str
    message_id: str
    topic_id: str
    subscription_id: str
    endpoint_id: str
    shelf: Shelf
    expired: bool
    tries: int
    due_at: datetime
    queued_at: datetime
    """When it was queued: its time is counted from here. Later than `created_at` if it was queued again."""
    created_at: datetime
    updated_at: datetime

    @property
    def state(self) -> State:
        """What became of it."""
        if self.shelf is Shelf.FAILED:
            return State.EXPIRED if self.expired else State.FAILED
        return State.RECEIVED if self.shelf is Shelf.RECEIVED else State.PENDING


@dataclass(frozen=True, slots=True)
class Parcel:
    """What a delivery channel is handed: one notification with its message."""

    notification_id: str
    topic: Topic
    at: datetime
    """When the event happened."""
    body: bytes
    """A JSON object."""
    entity: str = ""


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
