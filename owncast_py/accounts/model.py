"""Users, their devices and what they may do, as values.

Owns the shapes. A user is a chatter, a bot or the admin; each of their access tokens belongs to one device. Scopes are
Owncast's names, because that is how owners and bots know them; other dialects translate.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

ADMIN_ID = "admin"
ADMIN_LIFETIME = timedelta(days=30)
"""After which a device of the admin is signed out by itself."""
COLORS = 8
"""Colours of names are numbers from 0; the page's theme says which they are."""
MAX_PREVIOUS_NAMES = 20
"""Names that are remembered of one user, newest last."""


class Kind(StrEnum):
    """What a user is."""

    CHATTER = "chatter"
    BOT = "bot"
    ADMIN = "admin"


class Scope(StrEnum):
    """What an access token may do beyond chatting for itself."""

    SEND_MESSAGES = "CAN_SEND_MESSAGES"
    SEND_SYSTEM_MESSAGES = "CAN_SEND_SYSTEM_MESSAGES"
    ADMIN = "HAS_ADMIN_ACCESS"
    MODERATOR = "MODERATOR"
    DATA_READ = "data/read"
    """Reads notifications, by their API."""
    DATA_WRITE = "data/write"
    DATA_DELETE = "data/delete"
    DATA_FULL = "data/full"
    """All of these, also of what belongs to others."""


_DATA = frozenset({Scope.DATA_READ, Scope.DATA_WRITE, Scope.DATA_DELETE, Scope.DATA_FULL})


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who can act here. Times are aware, in UTC."""

    id: str
    kind: Kind
    display_name: str
    color: int
    created_at: datetime
    login: str = ""
    """The name to sign in with, beside a password; empty for whoever has chosen none."""
    name_changed_at: datetime | None = None
    previous_names: tuple[str, ...] = ()
    scopes: frozenset[Scope] = frozenset()
    moderator: bool = False
    authenticated: bool = False
    """Has proved who they are, by more than holding a token."""
    disabled_at: datetime | None = None
    timed_out_until: datetime | None = None

    @property
    def is_bot(self) -> bool:
        """A program that was given an access token."""
        return self.kind is Kind.BOT

    @property
    def may_moderate(self) -> bool:
        """May act on other people's messages, and is free of limits."""
        return self.moderator or self.kind is Kind.ADMIN or Scope.ADMIN in self.scopes

    @property
    def has_all_data(self) -> bool:
        """May read and change everybody's subscriptions and notifications."""
        return self.kind is Kind.ADMIN or not self.scopes.isdisjoint({Scope.ADMIN, Scope.DATA_FULL})

    def has(self, scope: Scope) -> bool:
        """Whether the user has that scope, or one that implies it."""
        if scope is Scope.MODERATOR:
            return self.may_moderate
        return scope in self.scopes or (scope in _DATA and self.has_all_data)


@dataclass(frozen=True, slots=True)
class Device:
    """One place where a user is signed in. It has one access token, of which only a hash is known.

    Its id tells it from the other devices of its user; other users may have one with the same.
    """

    id: str
    user_id: str
    display_name: str
    created_at: datetime
    last_seen_at: datetime | None = None
    last_seen_ip: str | None = None


class Identity(NamedTuple):
    """Somebody at one device."""

    user: User
    device: Device
