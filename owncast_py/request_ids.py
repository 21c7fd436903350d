"""The name of a request in the log: every line that is written while it is served carries the same id.

Owns what such an id looks like, which of those from outside are believed, and how long one holds. It lies in a context
variable, which tasks inherit; what a task that outlives its request says is not that request's any more.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from structlog.typing import EventDict, WrappedLogger

FIELD = "request_id"
_HARMLESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


@dataclass(slots=True)
class _Request:
    id: str
    over: bool = False


_current: ContextVar[_Request | None] = ContextVar("request", default=None)


def new_request_id() -> str:
    """An id that no other request has."""
    return secrets.token_hex(8)


def usable(given: str) -> bool:
    """Whether an id of a proxy may stand in the log: up to 64 letters, digits, dots, hyphens and underscores."""
    return _HARMLESS.fullmatch(given) is not None


@contextmanager
def serving(request_id: str) -> Iterator[None]:
    """What is logged inside, and by tasks that are started inside until this ends, is of that request."""
    request = _Request(request_id)
    token = _current.set(request)
    try:
        yield
    finally:
        request.over = True
        _current.reset(token)


def add_request_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A structlog processor that says which request a line is about."""
    request = _current.get()
    if request is not None and not request.over:
        event.setdefault(FIELD, request.id)
    return event
