"""Presence that is remembered: who is in a channel with what data, and who came, changed and went.

Owns the way of a change: kept, then announced, and only then acknowledged. The members themselves are the broker's.
Connections that end without leaving are the dialect's to notice.
"""

from __future__ import annotations

from collections.abc import Collection

from owncast_py.realtime.broker import Broker
from owncast_py.realtime.messages import Address, Member, Presence, PresenceChange
from owncast_py.storage import presence_log as repository
from owncast_py.storage.database import Database


class Members:
    """Those of every channel."""

    def __init__(self, database: Database, broker: Broker) -> None:
        self._database = database
        self._broker = broker

    async def enter(self, address: Address, member: Member) -> Member:
        """Somebody is present, or presents something else; a change whose id is known already changes nothing.

        Returns the member with the time that it got. Raises StorageError when the change cannot be kept.
        """
        known = await self._find(address, member)
        if known is not None and member.id and known.id == member.id:
            return known
        [(serial, at)] = await self._broker.order(address, 1)
        present = member._replace(at=at)
        change = Presence.UPDATE if known is not None else Presence.ENTER
        await self._keep(PresenceChange(address, change, present), serial)
        await self._broker.enter(address, present)
        return present

    async def leave(self, address: Address, member: Member) -> None:
        """Whoever `member` names by connection and client is not present any more; its data is the last.

        Raises StorageError when the change cannot be kept.
        """
        known = await self._find(address, member)
        if known is None:
            return
        [(serial, at)] = await self._broker.order(address, 1)
        gone = member._replace(at=at)
        await self._keep(PresenceChange(address, Presence.LEAVE, gone), serial)
        await self._broker.leave(address, gone)

    async def of(self, address: Address) -> Collection[Member]:
        """Who is present."""
        return await self._broker.members(address)

    async def history(
        self, address: Address, *, first: str, last: str, forwards: bool, limit: int, after: str | None = None
    ) -> list[tuple[str, PresenceChange]]:
        """A page of changes with their serials, as `Channels.page` has it of messages."""
        async with self._database.reading() as connection:
            return await repository.between(
                connection, address, first=first, last=last, forwards=forwards, limit=limit, after=after
            )

    async def _find(self, address: Address, wanted: Member) -> Member | None:
        return await self._broker.member(address, wanted.connection_id, wanted.client_id)

    async def _keep(self, change: PresenceChange, serial: str) -> None:
        await self._database.write(lambda connection: repository.append(connection, change, serial))
