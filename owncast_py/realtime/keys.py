"""Apps, their keys, and what was revoked, as values.

Owns the shapes. An app is a world of channels; a key is a name and a secret with which programs come to it; a
revocation ends tokens of a key before their time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from owncast_py.realtime.capability import Capability
from owncast_py.realtime.errors import KeyringError

MAX_LABEL = 120
"""Characters of what an app or a key is called."""


@dataclass(frozen=True, slots=True)
class App:
    """A world of channels. `options` is for those who make apps."""

    id: str
    name: str
    created_at: datetime
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Key:
    """A key of an app. Times are aware, in UTC."""

    name: str
    """`app.id`"""
    app: str
    secret: str = field(repr=False)
    label: str
    """What the owner calls it."""
    capability: Capability
    revocable: bool
    """Whether its tokens can be revoked."""
    created_at: datetime
    revoked_at: datetime | None = None

    @property
    def text(self) -> str:
        """As clients are given it: a secret."""
        return f"{self.name}:{self.secret}"


class Target(StrEnum):
    """By what tokens are found that are to be revoked."""

    CLIENT = "client"
    REVOCATION_KEY = "revocation key"
    CHANNEL = "channel"
    """The resource is written in the token's capability."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """The end of the tokens of a key that were issued before a time."""

    key_name: str
    target: Target
    value: str
    issued_before: datetime
    applies_at: datetime


def label_of(text: str) -> str:
    """What an app or a key is called, when somebody gives that name. Raises KeyringError."""
    text = text.strip()
    if len(text) > MAX_LABEL or not text.isprintable():
        raise KeyringError(f"A name has at most {MAX_LABEL} characters, all of one line; {text[:60]!r} does not do.")
    return text
