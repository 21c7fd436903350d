"""What of an event is told to people: what Discord, browsers and mails have in common.

Owns how it is read from documents and bodies that may be any JSON, and cut to a line.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

STREAM_STARTED = "STREAM_STARTED"
GONE_LIVE = "I've gone live!"
"""What is said of a show that begins if its owner says nothing else."""


def event_data(body: bytes) -> Mapping[str, object]:
    """The `eventData` of an event, empty when there is none."""
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    data = event.get("eventData") if isinstance(event, dict) else None
    return data if isinstance(data, dict) else {}


def text(values: Mapping[str, object], name: str) -> str:
    """The text of that name, without space around it; empty when there is none."""
    value = values.get(name)
    return value.strip() if isinstance(value, str) else ""


def one_line(words: str, limit: int) -> str:
    """Words in one line of at most `limit` characters, without those that cannot be seen."""
    line = "".join(character for character in " ".join(words.split()) if character.isprintable())
    return line[:limit]
