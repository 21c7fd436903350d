"""The newest lines of the log in memory, for the owner to read in the admin pages.

Owns two rings and how an event becomes one line of text. It stands behind the redaction in `owncast_py.logs`, so that
what it keeps holds no secret. Lines come from any thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Final

from structlog.typing import EventDict, WrappedLogger

MAX_LINES: Final = 1_000
MAX_WARNINGS: Final = 200
"""Warnings and errors are kept apart, so that chatter does not push them out."""
MAX_MESSAGE: Final = 2_000
"""Characters of one line."""
TOO_FINE: Final = frozenset({"debug", "notset"})
WARNINGS: Final = frozenset({"warning", "error", "critical"})
NOT_SHOWN: Final = frozenset({"event", "level", "timestamp", "exception", "exc_info", "stack", "stack_info"})
"""Fields that are shown otherwise, or take many lines."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line. `at` is aware, in UTC; `level` is lower case; `message` is the event and its fields."""

    at: datetime
    level: str
    message: str


class RecentLogs:
    """A structlog processor that remembers what passes and changes nothing."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """`now` is aware, in UTC."""
        self._now = now
        self._lines: deque[LogLine] = deque(maxlen=MAX_LINES)
        self._warnings: deque[LogLine] = deque(maxlen=MAX_WARNINGS)
        self._lock = Lock()

    def __call__(self, _logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        level = str(event.get("level", method)).lower()
        if level in TOO_FINE:
            return event
        line = LogLine(self._now(), level, _message(event))
        with self._lock:
            self._lines.append(line)
            if level in WARNINGS:
                self._warnings.append(line)
        return event

    def lines(self) -> list[LogLine]:
        """Everything from level info on, the newest first, at most MAX_LINES."""
        with self._lock:
            return list(reversed(self._lines))

    def warnings(self) -> list[LogLine]:
        """Warnings and errors alone, the newest first, at most MAX_WARNINGS."""
        with self._lock:
            return list(reversed(self._warnings))


def _message(event: EventDict) -> str:
    parts = [str(event.get("event", ""))]
    parts += [f"{name}={value}" for name, value in event.items() if name not in NOT_SHOWN and not name.startswith("_")]
    traceback = str(event.get("exception") or "").strip()
    if traceback:
        # Its last line names the error; the lines above it are for the log on stderr.
        parts.append(f"exception={traceback.splitlines()[-1]}")
    return _one_line(" ".join(part[:MAX_MESSAGE] for part in parts))


def _one_line(text: str) -> str:
    """Without line breaks and other characters that would change how a page shows it."""
    line = "".join(character if character.isprintable() else " " for character in text[:MAX_MESSAGE])
    return line if len(text) <= MAX_MESSAGE else line[:-1] + "…"
