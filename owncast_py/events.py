"""The domain's events, and the bus that carries them through this process.

Owns what has happened, as values, and who hears of it. It keeps nothing and orders nothing across processes: what must
not be lost is in the database before its event is published here. Webhooks, metrics and logs listen; none of them is
known to whoever publishes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import structlog
from pydantic import BaseModel

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SettingChanged:
    """A group of settings has new values, which are in force and kept."""

    group: str
    before: BaseModel
    after: BaseModel


@dataclass(frozen=True, slots=True)
class StreamStarted:
    """A new show is on air."""

    at: datetime
    title: str


@dataclass(frozen=True, slots=True)
class StreamStopped:
    """The show is over."""

    at: datetime
    title: str


@dataclass(frozen=True, slots=True)
class StreamTitleChanged:
    """The show, running or next, has another title."""

    at: datetime
    title: str


@dataclass(frozen=True, slots=True)
class StoreTroubled:
    """The store of segments elsewhere fails or is too slow; viewers fetch everything from this server."""

    at: datetime
    sentence: str


@dataclass(frozen=True, slots=True)
class StoreRecovered:
    """It works again."""

    at: datetime
    sentence: str


@dataclass(frozen=True, slots=True)
class UserChanged:
    """A user has another name, colour, scope or standing."""

    user_id: str
    disabled: bool = False
    """Whether they may not chat, or are not there any more."""


@dataclass(frozen=True, slots=True)
class TokenRevoked:
    """A device's access token is worth nothing from now on; what it has open must close."""

    user_id: str
    device_id: str


@dataclass(frozen=True, slots=True)
class PasswordChanged:
    """A user has another password; the one before is worth nothing from now on."""

    user_id: str


E = TypeVar("E")


class Events:
    """The bus. Handlers are called at once, in the order in which they subscribed, and must not block."""

    def __init__(self) -> None:
        self._handlers: dict[type, list[Callable[..., None]]] = defaultdict(list)

    def subscribe(self, kind: type[E], handler: Callable[[E], None]) -> Callable[[], None]:
        """Calls `handler` with every event of that kind, until the returned function is called, once or more."""
        handlers = self._handlers[kind]
        handlers.append(handler)

        def unsubscribe() -> None:
            if handler in handlers:
                handlers.remove(handler)

        return unsubscribe

    def publish(self, event: object) -> None:
        """Tells everybody. A handler that fails is logged and keeps none of the others from hearing."""
        for handler in tuple(self._handlers[type(event)]):
            try:
                handler(event)
            except Exception:
                log.exception("event handler failed", kind=type(event).__name__)
