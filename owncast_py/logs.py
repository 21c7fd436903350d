"""Logging for the whole process: one line per event on stderr, as text for people or JSON for machines.

Owns the format and the redaction of secrets. Records of the standard library's `logging` (aiohttp, asyncio) go the
same way. Secrets are kept out twice: values under names that mean a secret are replaced, and so is any text that
contains one of the secrets in force. What is left may also be remembered, by `owncast_py.recent_logs`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import Literal, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from owncast_py.recent_logs import RecentLogs
from owncast_py.request_ids import add_request_id

REDACTED = "[redacted]"
SECRET_FIELDS = frozenset(
    {"stream_key", "key", "password", "admin_password", "authorization", "cookie", "token", "access_token", "secret"}
)
MIN_SECRET_LENGTH = 4
"""A shorter configured secret would blank out ordinary words; its named fields are still redacted."""


def configure(
    log_format: Literal["text", "json"],
    level: Literal["debug", "info", "warning", "error"],
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
    recent: RecentLogs | None = None,
) -> None:
    """Sets up structlog and `logging`. Call once at start, with the secrets in force; `stream` is stderr by default.

    `recent` remembers the newest lines.
    """
    stream = stream or sys.stderr
    threshold = {"debug": 10, "info": 20, "warning": 30, "error": 40}[level]
    shared: list[Processor] = [
        add_request_id,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redactor.reset(secrets),
        *([recent] if recent is not None else []),
    ]
    renderer: Processor
    if log_format == "json":
        renderer = structlog.processors.JSONRenderer(serializer=_dump)
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=32
        )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(threshold, logging.WARNING))
    logging.getLogger(OWN_LOGGER).setLevel(threshold)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=_own_logger,
        cache_logger_on_first_use=False,
    )


OWN_LOGGER = "owncast"


def _own_logger(*_: object) -> logging.Logger:
    """Every structlog logger writes through one standard logger, whose level is ours and not the libraries'."""
    return logging.getLogger(OWN_LOGGER)


class Redactor:
    """A structlog processor that replaces secrets in the event and everything in it, nested values too."""

    def __init__(self) -> None:
        self._secrets: tuple[str, ...] = ()

    def reset(self, secrets: Iterable[str]) -> Redactor:
        """Replaces these secrets from now on, and no others. Returns itself."""
        self._secrets = _replaceable(secrets)
        return self

    def add(self, secret: str) -> None:
        """Replaces this secret too."""
        self._secrets = _replaceable([*self._secrets, secret])

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {name: self._clean(name, value) for name, value in event.items()}

    def _clean(self, name: str, value: object) -> object:
        if name.lower() in SECRET_FIELDS and value is not None:
            return REDACTED
        if isinstance(value, str):
            for secret in self._secrets:
                value = value.replace(secret, REDACTED)
            return value
        if isinstance(value, dict):
            return {key: self._clean(str(key), inner) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean("", inner) for inner in value]
        if isinstance(value, int | float | bool | None):
            return value
        # Exceptions, addresses, paths: whatever they print may hold a secret, so they are text from here on.
        return value if name.startswith("_") or name == "exc_info" else self._clean("", str(value))


_redactor = Redactor()
"""The one of this process, for `add_secret` to find."""


def add_secret(secret: str) -> None:
    """Keeps a secret that was made after `configure` out of the log from now on."""
    _redactor.add(secret)


def _replaceable(secrets: Iterable[str]) -> tuple[str, ...]:
    """The longest first: one that begins with another would be replaced only in part."""
    return tuple(sorted({secret for secret in secrets if len(secret) >= MIN_SECRET_LENGTH}, key=len, reverse=True))


def _dump(event: object, **_: object) -> str:
    return orjson.dumps(event, default=str).decode()
