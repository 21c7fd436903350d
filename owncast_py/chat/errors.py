"""What chat refuses, each with a sentence for the person who tried.

ChatError
├── MessageRefused       a message that is not taken, with a code for programs and perhaps a time to wait
├── NameRefused          a display name that cannot be had
├── EmojiRefused         a name or one more image that cannot become an emoji
├── ChatRefused          an act of moderation that cannot be done
└── ConnectionRefused    nobody may connect like that; `kind` says why
"""

from __future__ import annotations

from owncast_py.errors import OwncastError


class ChatError(OwncastError):
    """Base of all that chat refuses. `code` is for programs."""

    code = "REFUSED"


class MessageRefused(ChatError):
    """A message that is not taken. `retry_after` is in seconds, where waiting helps."""

    def __init__(self, code: str, sentence: str, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.code = code
        self.retry_after = retry_after


class NameRefused(ChatError):
    """A display name that cannot be had."""

    code = "NAME_REFUSED"


class EmojiRefused(ChatError):
    """A name that no emoji can have, or one emoji too many."""

    code = "EMOJI_REFUSED"


class ChatRefused(ChatError):
    """An act of moderation that cannot be done."""


class ConnectionRefused(ChatError):
    """A connection that may not be. `kind` is one of the refusals below."""

    DISABLED = "chat_disabled"
    NEEDS_REGISTRATION = "needs_registration"
    USER_DISABLED = "user_disabled"
    TOO_MANY = "too_many_connections"

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind
