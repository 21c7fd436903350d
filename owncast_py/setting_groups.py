"""The groups of settings: which fields there are, their limits and their defaults.

Owns the models. `settings.Settings` keeps the values in force; `config.py` takes two of the groups as seeds for the
first start, under the same names.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

MAX_WORDS = 1_000
"""Names or words in one list."""


def listed(value: object) -> object:
    """In the environment a list is JSON or, for plain words, separated by commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise ValueError(f'is not valid JSON ({error}); write a list such as ["one", "two"]') from error
    return [word for part in value.split(",") if (word := part.strip())]


Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
Words = Annotated[tuple[Word, ...], BeforeValidator(listed), Field(max_length=MAX_WORDS)]


class Group(BaseModel):
    """One document of settings. Every field has a default, so that a new version can add some."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    group: ClassVar[str]


class InstanceSettings(Group):
    """How the server presents itself."""

    group: ClassVar[str] = "instance"

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)] = "owncast-py"
    title: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    summary: Annotated[str, StringConstraints(max_length=2000)] = ""
    tags: Annotated[tuple[Word, ...], Field(max_length=50)] = ()


class ChatSettings(Group):
    """The rules of chat."""

    group: ClassVar[str] = "chat"

    disabled: bool = False
    join_messages: bool = True
    """Whether joins and parts are shown."""
    welcome_message: Annotated[str, StringConstraints(max_length=2000)] = ""
    """Sent to each chatter alone, as Markdown. Empty sends none."""
    forbidden_names: Words = ("owncast", "operator", "admin", "system")
    suggested_names: Words = ()
    """For chatters who bring no name; empty takes from a list that comes with the server."""
    established_user_mode: bool = False
    established_after: Annotated[int, Field(ge=0, le=31 * 86_400)] = 15 * 60
    """Seconds that an account must be old to write in established-user mode."""
    rate_limit: bool = True
    rate_limit_messages: Annotated[int, Field(ge=1, le=1_000)] = 3
    rate_limit_seconds: Annotated[float, Field(gt=0, le=3_600, allow_inf_nan=False)] = 2.0
    slow_mode_seconds: Annotated[int, Field(ge=0, le=3_600)] = 0
    """Seconds between two messages of one chatter; 0 is off."""
    block_links: bool = False
    spam_filter: bool = False
    blocked_words: Words = ()
    open_minutes_after_stream: Annotated[int, Field(ge=0, le=10_080)] | None = 5
    """How long chat stays open after a show has ended; None keeps it open."""
    retention_hours: Annotated[int, Field(ge=1, le=100 * 8_766)] | None = 24
    """Older messages are deleted; None keeps them for ever."""


class PinnedMessage(Group):
    """The message above the chat."""

    group: ClassVar[str] = "pinned_message"

    id: str | None = None


GROUPS: tuple[type[Group], ...] = (InstanceSettings, ChatSettings, PinnedMessage)
