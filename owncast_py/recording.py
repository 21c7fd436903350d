"""What is kept of messages beside the messages: events for topics, pushes for devices.

Owns that there are several who keep something; who they are, the services say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.realtime.channels import Recorder
from owncast_py.realtime.messages import Message


class Recorders:
    """One recorder made of several (see `realtime.channels.Recorder`)."""

    def __init__(self, *recorders: Recorder) -> None:
        self._recorders = recorders

    def wants(self, message: Message) -> bool:
        """Whether any of them wants it."""
        return any(each.wants(message) for each in self._recorders)

    async def record(self, connection: AsyncConnection, messages: Sequence[Message]) -> Callable[[], None]:
        """Has each keep what it wants."""
        done = []
        for each in self._recorders:
            wanted = [message for message in messages if each.wants(message)]
            if wanted:
                done.append(await each.record(connection, wanted))

        def committed() -> None:
            for then in done:
                then()

        return committed
