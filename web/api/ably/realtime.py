"""Every realtime connection of this server: how it begins, is found again, and ends.

Owns the connections with and without sockets, their time, and what they share. What one of them does is `connection`'s,
how octets come and go `socket`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from owncast_py.realtime.channels import Channels
from owncast_py.realtime.members import Members
from owncast_py.realtime.messages import Address, Member, Message, serial_at
from owncast_py.realtime.occupancy import Attachments
from owncast_py.realtime.revocations import Grant
from web.api.ably.connection import Attachment, Connection, Serials
from web.api.ably.counting import Counter
from web.api.ably.errors import AblyError
from web.api.ably.gate import Gate, demand
from web.api.ably.messages import MAX_SIZE, drafts, milliseconds
from web.api.ably.occupancies import Occupancies
from web.api.ably.protocol import MAX_FRAME, ProtocolAction, ProtocolMessage
from web.api.ably.publishing import Publishing
from web.api.ably.revising import Revising, is_revision, parse_revision
from web.api.ably.rooms import Document, Rooms, Seat, pack
from web.fanout import POLICY, Fanout, Group, Outlet

STATE_SECONDS = 120.0
"""How long a connection waits for its client to come back."""
RESUMABLE = timedelta(minutes=10)
"""How old a position in a channel may be to go on from."""
IDLE_SECONDS = 15.0
"""The longest silence of a connection: with one longer than that, its client takes it for dead."""
PING_SECONDS = 8.0
MAX_CONNECTIONS = 10_000
MAX_LOST = 10_000
"""Connections that wait for their clients."""
REAUTH = timedelta(seconds=30)
"""How long before its end a client is asked for another token."""
BEAT = 1.0
"""Seconds between looks at the clock."""
BEATS_PER_HEARTBEAT = 10

log = structlog.get_logger(__name__)


class Realtime:
    """All connections; a `House` to each of them."""

    def __init__(
        self,
        channels: Channels,
        members: Members,
        occupancy: Attachments,
        gate: Gate,
        publishing: Publishing,
        revising: Revising,
        count: Counter,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        """`now` is aware UTC, `monotonic` in seconds."""
        self.fanout = Fanout(ping_seconds=PING_SECONDS)
        self._channels = channels
        self._members = members
        self._occupancy = occupancy
        self._gate = gate
        self._publishing = publishing
        self._revising = revising
        self._count = count
        self._now = now
        self._monotonic = monotonic
        self._rooms = Rooms(self.fanout, channels, count)
        self._connections: dict[str, Connection] = {}
        """By id, with a socket or without."""
        self._lost: dict[str, float] = {}
        """When those without a socket lost it."""
        self._unwatch: dict[str, Callable[[], None]] = {}
        self._asked: set[str] = set()
        """Those who were asked for another token."""
        self._heartbeats: dict[bool, Group] = {binary: self.fanout.group() for binary in (False, True)}
        self._occupancies = Occupancies(occupancy, members, channels.broker)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to send, and to look at the clock."""
        await self.fanout.start()
        self._task = asyncio.create_task(self._beating(), name="channels: beat")

    async def aclose(self) -> None:
        """Tells every client that the server goes away."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for stop in self._unwatch.values():
            stop()
        await self.fanout.aclose()

    def __len__(self) -> int:
        return sum(connection.outlet is not None for connection in self._connections.values())

    # Beginning and ending.

    async def connect(
        self, grant: Grant, client_id: str, outlet: Outlet, *, binary: bool, echo: bool, key: str, heartbeats: bool
    ) -> Connection:
        """A connection for a socket: the one with that key if it can go on, else a new one. It is greeted.

        Raises AblyError when there are too many.
        """
        refused: AblyError | None = None
        connection = self._find(key, grant, client_id) if key else None
        if key and connection is None:
            refused = AblyError(80018, 400, "There is no connection any more that this key goes on with.")
        if connection is None:
            if len(self) >= MAX_CONNECTIONS:
                raise AblyError(50003, 503, f"There are {MAX_CONNECTIONS} connections already.")
            connection = Connection(self, grant.app, grant, client_id, binary=binary, echo=echo)
            self._connections[connection.id] = connection
            self._count(grant.app, {"connections.all.opened": 1})
        async with connection.busy:
            connection.resumed = bool(key) and refused is None
            if connection.outlet is not None:
                # The client has noticed before us that its socket is gone.
                before = connection.outlet
                self._leave_socket(connection)
                before.close(POLICY, "The connection goes on with another socket.")
            self._lost.pop(connection.id, None)
            self._connections[connection.id] = connection
            connection.binary, connection.echo, connection.outlet = binary, echo, outlet
            self._occupancy.connect(grant.app)
            self.fanout.add(outlet)
            if heartbeats:
                self._heartbeats[binary].add(outlet)
            greeting = self.greeting(connection)
            connection.send(greeting | ({"error": refused.info()} if refused is not None else {}))
            self.hold(connection, grant)
        return connection

    def lose(self, connection: Connection, outlet: Outlet) -> None:
        """That socket of a connection is gone; the connection waits for another."""
        self._drop(outlet)
        if connection.outlet is outlet:
            self._leave_socket(connection)
            self._lost[connection.id] = self._monotonic()

    async def end(self, connection: Connection, outlet: Outlet) -> None:
        """A connection is over."""
        self._drop(outlet)
        self._connections.pop(connection.id, None)
        self._lost.pop(connection.id, None)
        self._asked.discard(connection.id)
        if (stop := self._unwatch.pop(connection.id, None)) is not None:
            stop()
        if connection.outlet is not None:
            self._leave_socket(connection)
        await connection.end()

    def _leave_socket(self, connection: Connection) -> None:
        connection.lose_socket()
        self._occupancy.connect(connection.app, -1)

    def greeting(self, connection: Connection) -> Document:
        """CONNECTED, with what a client needs to know."""
        client = connection.client_id
        return {
            "action": ProtocolAction.CONNECTED,
            "connectionId": connection.id,
            "connectionKey": connection.key,
            "connectionDetails": {
                "connectionKey": connection.key,
                **({"clientId": client} if client else {}),
                "maxMessageSize": MAX_SIZE,
                "maxFrameSize": MAX_FRAME,
                "maxInboundRate": 1_000,
                "connectionStateTtl": int(STATE_SECONDS * 1000),
                "maxIdleInterval": int(IDLE_SECONDS * 1000),
                "serverId": "owncast",
            },
        }

    async def authenticate(self, token: str) -> Grant:
        """Whom a token is of. Raises AblyError."""
        return await self._gate.token(token)

    def _find(self, key: str, grant: Grant, client_id: str) -> Connection | None:
        connection = self._connections.get(key.partition("!")[0])
        if connection is None or connection.key != key or connection.app != grant.app:
            return None
        return connection if client_id in ("", "*", connection.client_id) else None

    def hold(self, connection: Connection, grant: Grant) -> None:
        """See `connection.House`. Watches that what the credentials allow is still allowed."""
        if (stop := self._unwatch.pop(connection.id, None)) is not None:
            stop()
        connection.grant = grant
        self._asked.discard(connection.id)
        self._unwatch[connection.id] = self._gate.watch(grant, lambda reason: self._cut(connection, reason))

    def _cut(self, connection: Connection, reason: AblyError) -> None:
        """Ends a socket because of its credentials; with others the client may come back."""
        connection.send({"action": ProtocolAction.DISCONNECTED, "error": reason.info()})
        if (outlet := connection.outlet) is not None:
            outlet.close(POLICY, reason.sentence)
            self.lose(connection, outlet)

    def _drop(self, outlet: Outlet) -> None:
        self.fanout.remove(outlet)
        for group in self._heartbeats.values():
            group.remove(outlet)

    # What connections share.

    async def submit(self, connection: Connection, channel: str, message: ProtocolMessage) -> Serials:
        """See `connection.House`."""
        serials: Serials = asyncio.get_running_loop().create_future()
        grant = replace(connection.grant, client_id=connection.client_id)
        items = message.messages or ()
        if items and all(is_revision(item) for item in items):
            revised = [
                await self._revising.revise(grant, channel, parse_revision(item, grant.client_id)) for item in items
            ]
            serials.set_result([each.version for each in revised])
            return serials
        demand(grant, "publish", channel)
        base_id = f"{connection.id}:{message.msg_serial or 0}"
        found = drafts(list(items), grant.client_id, connection_id=connection.id, base_id=base_id)
        published = await self._publishing.publish(grant, Address(grant.app, channel), found, by="realtime")
        published.add_done_callback(lambda done: _pass_on(done, serials))
        return serials

    async def attach(self, connection: Connection, attachment: Attachment, after: str) -> None:
        """See `connection.House`."""
        if connection.outlet is None:
            return
        seat = Seat(
            connection.id, attachment.shown, connection.outlet, connection.binary, connection.echo, attachment.modes
        )
        attachment.seat = seat
        self._occupancy.attach(attachment.address, connection.id, attachment.modes)
        await self._rooms.at(attachment.address).join(seat, after)
        if attachment.occupancy:
            self._occupancies.add(connection, attachment)

    def detach(self, connection: Connection, attachment: Attachment) -> None:
        """See `connection.House`."""
        if attachment.seat is not None:
            self._rooms.leave(attachment.address, attachment.seat)
            self._occupancy.detach(attachment.address, connection.id)
        self._occupancies.remove(connection, attachment)

    def position(self) -> str:
        """See `connection.House`."""
        return self._channels.position

    async def since(self, address: Address, rewind: object) -> str:
        """See `connection.House`."""
        position = self._channels.position
        if isinstance(rewind, timedelta):
            return min(position, serial_at(milliseconds(self._now() - rewind)))
        assert isinstance(rewind, int)  # noqa: S101 - one of the two that `attaching` makes
        found = await self._channels.page(address, first="", last=position, forwards=False, limit=rewind + 1)
        if not found or rewind == 0:
            return position
        return found[rewind].serial if len(found) > rewind else serial_at(0)

    async def enter(self, address: Address, member: Member) -> Member:
        """See `connection.House`."""
        self._count_presence(address, member)
        return await self._members.enter(address, member)

    async def leave(self, address: Address, member: Member) -> None:
        """See `connection.House`."""
        self._count_presence(address, member)
        await self._members.leave(address, member)

    def _count_presence(self, address: Address, member: Member) -> None:
        name = "messages.inbound.realtime.presence"
        self._count(address.app, {f"{name}.count": 1, f"{name}.data": len(member.data)})

    async def members(self, address: Address) -> Sequence[Member]:
        """See `connection.House`."""
        return list(await self._members.of(address))

    def continues(self, serial: str, *, resumed: bool = False) -> bool:
        """See `connection.House`."""
        oldest = serial_at(milliseconds(self._now() - RESUMABLE))
        # A channel that was quiet for long left its clients an old place, but nothing that they could have missed.
        return len(serial) == len(oldest) and (oldest <= serial or resumed)

    # The clock.

    async def _beating(self) -> None:
        beats = 0
        while True:
            await asyncio.sleep(BEAT)
            beats += 1
            try:
                await self.beat()
                if beats % BEATS_PER_HEARTBEAT == 0:
                    for binary, group in self._heartbeats.items():
                        if len(group):
                            group.broadcast(pack({"action": ProtocolAction.HEARTBEAT}, binary=binary))
            except Exception:
                log.exception("channels missed a beat")

    async def beat(self) -> None:
        """Ends what has waited too long, asks for tokens that are needed soon, tells occupancies that changed."""
        monotonic, now = self._monotonic(), self._now()
        overdue = [each for each, since in self._lost.items() if monotonic - since >= STATE_SECONDS]
        overdue += list(self._lost)[: max(0, len(self._lost) - len(overdue) - MAX_LOST)]
        for connection_id in overdue:
            self._lost.pop(connection_id, None)
            connection = self._connections.pop(connection_id, None)
            if connection is not None:
                if (stop := self._unwatch.pop(connection_id, None)) is not None:
                    stop()
                await connection.end()
        for connection in list(self._connections.values()):
            self._mind(connection, now)
        await self._occupancies.tell()

    def _mind(self, connection: Connection, now: datetime) -> None:
        expires = connection.grant.expires_at
        if expires is None or connection.outlet is None:
            return
        if expires <= now:
            self._cut(connection, AblyError(40142, 401, "The token has expired."))
        elif expires - now <= REAUTH and connection.id not in self._asked:
            self._asked.add(connection.id)
            connection.send({"action": ProtocolAction.AUTH})


def _pass_on(done: asyncio.Future[list[Message]], serials: Serials) -> None:
    if serials.done():
        return
    if done.cancelled():
        serials.cancel()
    elif (error := done.exception()) is not None:
        serials.set_exception(error)
    else:
        serials.set_result([each.serial for each in done.result()])
