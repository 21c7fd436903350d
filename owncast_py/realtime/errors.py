"""What channels refuse, each with a sentence for whoever tried.

RealtimeError
├── CapabilityError      a text that is no capability
├── AccessError          credentials that do not let somebody in; `reason` tells which of them and why, for programs
├── KeyringError         an app or key that cannot be made or changed like that
├── PushError            a device, subscription or push that cannot be (`push_devices`)
└── StatsError           statistics that cannot be kept (`stats`)
"""

from __future__ import annotations

from enum import StrEnum

from owncast_py.errors import OwncastError


class RealtimeError(OwncastError):
    """Base of all that channels refuse."""


class CapabilityError(RealtimeError):
    """A text that is no capability, or too large a one."""


class KeyringError(RealtimeError):
    """An app or key that cannot be made or changed like that; nothing is."""


class Reason(StrEnum):
    """Why somebody is not let in. Each has a code of its own in the dialects."""

    MALFORMED_KEY = "malformed key"
    UNKNOWN_APP = "unknown app"
    UNKNOWN_KEY = "unknown key"
    WRONG_SECRET = "wrong secret"  # noqa: S105 - a reason
    KEY_REVOKED = "key revoked"
    OTHER_KEY = "other key"
    """The credentials are good, but for something else."""
    BAD_REQUEST = "bad request"
    """A part of what is asked for is no value that it can have."""
    BAD_TTL = "bad ttl"
    BAD_CLIENT_ID = "bad client id"
    BAD_TIMESTAMP = "bad timestamp"
    BAD_NONCE = "bad nonce"
    """Too short, or used before."""
    BAD_MAC = "bad mac"
    NO_CAPABILITY = "no capability"
    """Nothing is left of what was asked for."""
    TOKEN_MALFORMED = "token malformed"  # noqa: S105 - a reason
    TOKEN_UNRECOGNISED = "token unrecognised"  # noqa: S105 - a reason
    """Not signed by this server."""
    TOKEN_EXPIRED = "token expired"  # noqa: S105 - a reason
    TOKEN_REVOKED = "token revoked"  # noqa: S105 - a reason
    BAD_JWT = "bad jwt"
    NEEDS_KEY = "needs key"
    """A token does not suffice."""
    NOT_REVOCABLE = "not revocable"
    """Tokens of this key cannot be revoked."""
    TOO_MANY = "too many"


class AccessError(RealtimeError):
    """Credentials that do not let somebody in."""

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
