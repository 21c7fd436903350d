"""What push asks of the queue that its pushes wait in, and what it puts there.

Owns the interface, the document of an endpoint and the body of what a message has to be pushed. The queue itself is
another service's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import orjson
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.realtime.messages import Message
from owncast_py.realtime.push_devices import Device, PushError, payload_of

MAX_ERROR = 500
"""Characters of a failure that are kept."""

Pushed = tuple[Sequence[str], datetime, bytes]
"""The ids of endpoints, when it happened, and a push as JSON."""

log = structlog.get_logger(__name__)


class Queue(Protocol):
    """Where pushes wait until they are through. An endpoint is a device, or a recipient that no device has."""

    def endpoints(self) -> Mapping[str, Mapping[str, object]]:
        """The documents of all endpoints by their ids."""

    async def put(self, endpoint_id: str, document: Mapping[str, object]) -> str:
        """An endpoint with that document: the one with that id, or a new one. Returns its id."""

    async def remove(self, endpoint_id: str) -> None:
        """Removes an endpoint, if there is one, with all that waits for it."""

    async def direct(self, document: Mapping[str, object]) -> str:
        """An endpoint for a recipient that no device has. Those longest unused make room. Returns its id."""

    async def record(self, connection: AsyncConnection, pushes: Sequence[Pushed]) -> Callable[[], None]:
        """Queues pushes, each for some endpoints, in the caller's transaction.

        Returns what is called once that is committed.
        """


def document_of(device: Device) -> Mapping[str, object]:
    """What its endpoint in the queue says: who it is, and where that can be reached."""
    return {"app": device.app, "device": device.id, "recipient": dict(device.recipient)}


def pushed(message: Message) -> bytes:
    """The push of a message as JSON; empty when there is none that can be sent."""
    try:
        extras = orjson.loads(message.extras)
        push = extras.get("push") if isinstance(extras, dict) else None
        return payload_of(push) if isinstance(push, dict) else b""
    except (orjson.JSONDecodeError, PushError) as error:
        log.warning("a message is not pushed", channel=message.address.channel, reason=str(error)[:MAX_ERROR])
        return b""
