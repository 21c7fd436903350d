"""Who is told by how many a channel is used: attachments with the parameter `occupancy=metrics`.

Owns what each of them was told last of. Who is attached where `realtime.occupancy` counts; when they are told is up to
the clock of `realtime`, so that a crowd that comes at once is one message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from owncast_py.realtime.broker import Broker
from owncast_py.realtime.members import Members
from owncast_py.realtime.messages import Address, Delivery, PresenceChange
from owncast_py.realtime.occupancy import Attachments, Mode
from web.api.ably.connection import Attachment, Connection
from web.api.ably.protocol import ProtocolAction
from web.api.ably.rooms import Document


@dataclass(slots=True)
class _Watched:
    attachments: set[tuple[Connection, Attachment]]
    stop: Callable[[], None]
    stop_presence: Callable[[], None]


class Occupancies:
    """Every occupancy that somebody is told of."""

    def __init__(self, occupancy: Attachments, members: Members, broker: Broker) -> None:
        self._occupancy = occupancy
        self._members = members
        self._broker = broker
        self._watched: dict[Address, _Watched] = {}
        self._changed: set[Address] = set()

    def add(self, connection: Connection, attachment: Attachment) -> None:
        """From now on that attachment is told, the first time soon."""
        address = attachment.address
        watched = self._watched.get(address)
        if watched is None:

            def changed() -> None:
                self._changed.add(address)

            def listen(deliveries: Sequence[Delivery]) -> None:
                if any(isinstance(each, PresenceChange) for each in deliveries):
                    changed()

            watched = self._watched[address] = _Watched(
                set(), self._occupancy.watch(address, changed), self._broker.subscribe(address, listen)
            )
        watched.attachments.add((connection, attachment))
        self._changed.add(address)

    def remove(self, connection: Connection, attachment: Attachment) -> None:
        """That attachment is told no more, if it was."""
        watched = self._watched.get(attachment.address)
        if watched is not None:
            watched.attachments.discard((connection, attachment))
            if not watched.attachments:
                watched.stop()
                watched.stop_presence()
                del self._watched[attachment.address]

    async def tell(self) -> None:
        """Tells what has changed since the last time."""
        changed, self._changed = self._changed, set()
        for address in changed:
            if (watched := self._watched.get(address)) is None:
                continue
            found = self._occupancy.of(address)
            metrics = {
                "connections": found.connections,
                "publishers": found.publishers,
                "subscribers": found.subscribers,
                "presenceConnections": found.presence_connections,
                "presenceMembers": len(await self._members.of(address)),
                "presenceSubscribers": found.presence_subscribers,
            }
            document: Document = {"name": "[meta]occupancy", "data": {"metrics": metrics}}
            told: Document = {"action": ProtocolAction.MESSAGE, "messages": [document]}
            for connection, attachment in list(watched.attachments):
                if Mode.SUBSCRIBE in attachment.modes:
                    connection.send({**told, "channel": attachment.shown})
