"""The broker: what gives a channel its one order, and carries it to everybody who listens.

Owns the interface and the broker that lives in this process. One for several machines orders and carries through
Redis; `channels.Channels` works with either. A broker keeps no history: the database does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol

import structlog

from owncast_py.realtime.messages import EPOCH, Address, Delivery, Member, Presence, PresenceChange, SerialClock

Listener = Callable[[Sequence[Delivery]], None]
"""Is told of what happened, in order; must not block."""

log = structlog.get_logger(__name__)


class Broker(Protocol):
    """Order, delivery and presence."""

    async def start(self, last: str) -> None:
        """Begins; every serial from now on is greater than `last`."""

    async def aclose(self) -> None:
        """Ends."""

    async def order(self, address: Address, count: int) -> list[tuple[str, datetime]]:
        """The next places in a channel's order: serials with their times."""

    async def deliver(self, address: Address, deliveries: Sequence[Delivery]) -> None:
        """Tells every listener of the channel."""

    def subscribe(self, address: Address, listener: Listener) -> Callable[[], None]:
        """Listens to a channel until the function that is returned is called."""

    async def enter(self, address: Address, member: Member) -> None:
        """Somebody is present, or presents something else."""

    async def leave(self, address: Address, member: Member) -> None:
        """Somebody is not present any more: whoever `member` names by connection and client. Its data is the last."""

    async def members(self, address: Address) -> Collection[Member]:
        """Who is present."""

    async def member(self, address: Address, connection_id: str, client_id: str) -> Member | None:
        """One of them."""


class MemoryBroker:
    """A broker for one process."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        """`now` is aware, in UTC."""
        self._now = now
        self._clock = SerialClock()
        self._listeners: dict[Address, list[Listener]] = defaultdict(list)
        self._members: dict[Address, dict[tuple[str, str], Member]] = defaultdict(dict)

    async def start(self, last: str) -> None:
        """Begins after the serial `last`."""
        self._clock = SerialClock(last)

    async def aclose(self) -> None:
        """Forgets everybody."""
        self._listeners.clear()
        self._members.clear()

    async def order(self, address: Address, count: int) -> list[tuple[str, datetime]]:
        """The next `count` serials. One clock serves all channels: their orders need not be dense."""
        at = self._now()
        milliseconds = int((at - EPOCH).total_seconds() * 1000)
        return [(self._clock.next(milliseconds), at) for _ in range(count)]

    async def deliver(self, address: Address, deliveries: Sequence[Delivery]) -> None:
        """Calls every listener. One that fails is logged and harms none of the others."""
        for listener in tuple(self._listeners.get(address, ())):
            try:
                listener(deliveries)
            except Exception:
                log.exception("channel listener failed", channel=address.channel)

    def subscribe(self, address: Address, listener: Listener) -> Callable[[], None]:
        """Listens until the returned function is called."""
        self._listeners[address].append(listener)
        return lambda: self._listeners[address].remove(listener)

    async def enter(self, address: Address, member: Member) -> None:
        """Adds the member, or replaces what the same connection presented of the same client."""
        key = (member.connection_id, member.client_id)
        known = key in self._members[address]
        self._members[address][key] = member
        change = Presence.UPDATE if known else Presence.ENTER
        await self.deliver(address, (PresenceChange(address, change, member),))

    async def leave(self, address: Address, member: Member) -> None:
        """Removes the member, if there is one."""
        members = self._members.get(address, {})
        if members.pop((member.connection_id, member.client_id), None) is not None:
            if not members:
                del self._members[address]
            await self.deliver(address, (PresenceChange(address, Presence.LEAVE, member),))

    async def members(self, address: Address) -> Collection[Member]:
        """Everybody in the channel."""
        return tuple(self._members[address].values()) if address in self._members else ()

    async def member(self, address: Address, connection_id: str, client_id: str) -> Member | None:
        """One of them."""
        return self._members[address].get((connection_id, client_id)) if address in self._members else None
