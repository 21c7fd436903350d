"""One realtime connection: what a client sends, and what becomes of it.

Owns the connection's attachments, members and acknowledgements, from CONNECTED to its end; it outlives its socket by
STATE_SECONDS, so that a client that comes back goes on where it was. The socket is `socket`'s, other connections are
`realtime`'s, and who hears a channel `rooms`'. Wire protocol 6; features specification, RTN, RTL and RTP.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from owncast_py.errors import StorageError
from owncast_py.realtime.messages import Address, Member
from owncast_py.realtime.occupancy import Mode
from owncast_py.realtime.revocations import Grant
from web.api.ably import attaching
from web.api.ably.errors import AblyError, from_domain
from web.api.ably.messages import PresenceAction, member_view, members
from web.api.ably.names import parse_channel
from web.api.ably.protocol import Flag, ProtocolAction, ProtocolMessage, flags_of
from web.api.ably.rooms import Document, Seat, pack
from web.fanout import Outlet

MAX_ATTACHMENTS = 1_000
"""Channels to which one connection is attached."""
MAX_MEMBERS = 2_000
"""Members that one connection presents."""
MAX_UNACKNOWLEDGED = 1_000
"""Messages of one connection that wait to be kept; it is not read from meanwhile."""
SYNC_PAGE = 100
"""Members in one SYNC."""

log = structlog.get_logger(__name__)


Serials = asyncio.Future[list[str]]
"""Of what was published."""


class House(Protocol):
    """What connections share."""

    async def submit(self, connection: Connection, channel: str, message: ProtocolMessage) -> Serials:
        """Publishes what a frame brings, or changes what was published. Raises AblyError, StorageError."""

    async def attach(self, connection: Connection, attachment: Attachment, after: str) -> None:
        """Lets a connection hear a channel, first what came after that version."""

    def detach(self, connection: Connection, attachment: Attachment) -> None:
        """It hears it no more."""

    def position(self) -> str:
        """The version up to which everything has been delivered."""

    async def since(self, address: Address, rewind: object) -> str:
        """The version after which a rewind begins."""

    async def enter(self, address: Address, member: Member) -> Member:
        """As `realtime.members.Members`."""

    async def leave(self, address: Address, member: Member) -> None:
        """As `realtime.members.Members`."""

    async def members(self, address: Address) -> Sequence[Member]:
        """Who is present."""

    def continues(self, serial: str, *, resumed: bool = False) -> bool:
        """Whether what came after that version can still be sent, to a connection that was `resumed` or to any."""

    async def authenticate(self, token: str) -> Grant:
        """Raises AblyError."""

    def hold(self, connection: Connection, grant: Grant) -> None:
        """From now on the connection lives as long as that grant."""

    def greeting(self, connection: Connection) -> Document:
        """What CONNECTED says of a connection."""


@dataclass(slots=True, eq=False)
class Attachment:
    """A channel to which a connection is attached."""

    address: Address
    shown: str
    """The name by which the client knows it."""
    modes: Mode
    seat: Seat | None = None
    occupancy: bool = False


@dataclass(slots=True)
class _Outcome:
    """What is acknowledged once it is known, in the order of what was sent."""

    serial: int
    future: asyncio.Future[Document]


class Connection:
    """A client's connection, with a socket or without."""

    def __init__(self, house: House, app: str, grant: Grant, client_id: str, *, binary: bool, echo: bool) -> None:
        """`client_id` is empty for nobody in particular, `*` for whoever each message says."""
        self.id = secrets.token_urlsafe(8)
        self.key = f"{self.id}!{secrets.token_urlsafe(16)}"
        """By which it is resumed."""
        self.app = app
        self.grant = grant
        self.client_id = client_id
        self.binary = binary
        self.echo = echo
        self.busy = asyncio.Lock()
        """Held while a frame is taken, and while another socket takes over: no frame of the one before comes late."""
        self.resumed = False
        """Whether its client has come back, and so missed nothing that the log does not have."""
        self.outlet: Outlet | None = None
        self.attachments: dict[str, Attachment] = {}
        """By the name that the client knows."""
        self.members: dict[tuple[Address, str], Member] = {}
        self._house = house
        self._outcomes: deque[_Outcome] = deque()
        self._room = asyncio.Semaphore(MAX_UNACKNOWLEDGED)

    def send(self, document: Document) -> None:
        """A protocol message to its client, if that is there."""
        if self.outlet is not None:
            self.outlet.send(pack(document, binary=self.binary))

    def lose_socket(self) -> None:
        """It hears nothing more until its client comes back; members stay."""
        for attachment in self.attachments.values():
            self._house.detach(self, attachment)
        self.attachments.clear()
        self.outlet = None

    async def end(self) -> None:
        """Its members leave, and it is attached to nothing any more."""
        self.lose_socket()
        for (address, _), member in list(self.members.items()):
            await self._leave(address, _left(member))

    async def take(self, message: ProtocolMessage) -> bool:
        """Does what a client asks. Returns whether the connection goes on.

        Raises AblyError for what ends the connection.
        """
        match message.action:
            case ProtocolAction.HEARTBEAT:
                self.send({"action": ProtocolAction.HEARTBEAT, **({"id": message.id} if message.id else {})})
            case ProtocolAction.ATTACH:
                await self._guarded(message, self._attach)
            case ProtocolAction.DETACH:
                await self._guarded(message, self._detach)
            case ProtocolAction.MESSAGE:
                await self._acknowledged(message, self._publish)
            case ProtocolAction.PRESENCE:
                await self._acknowledged(message, self._present)
            case ProtocolAction.SYNC:
                await self._guarded(message, self._sync_again)
            case ProtocolAction.AUTH:
                await self._authorize(message)
            case ProtocolAction.CLOSE:
                self.send({"action": ProtocolAction.CLOSED})
                return False
            case ProtocolAction.CONNECT | ProtocolAction.DISCONNECT:
                pass
            case _:
                raise AblyError(80013, 400, f"A client does not send messages with the action {message.action}.")
        return True

    # Channels.

    async def _guarded(self, message: ProtocolMessage, doing: Callable[[ProtocolMessage], Awaitable[None]]) -> None:
        """A refusal concerns the channel, not the connection."""
        try:
            await doing(message)
        except (AblyError, StorageError) as error:
            refused = from_domain(error).info()
            self.send({"action": ProtocolAction.ERROR, "channel": message.channel or "", "error": refused})

    async def _attach(self, message: ProtocolMessage) -> None:
        wanted = attaching.wanted(message)
        shown = message.channel or ""
        address = Address(self.app, wanted.channel)
        modes = attaching.granted(wanted.modes, self.grant.capability, wanted.channel)
        if not modes:
            raise AblyError(40160, 401, f"The credentials allow nothing of that on {wanted.channel[:60]!r}.")
        known = self.attachments.get(shown)
        if known is None and len(self.attachments) >= MAX_ATTACHMENTS:
            raise AblyError(40114, 400, f"This connection is attached to {MAX_ATTACHMENTS} channels already.")
        position = self._house.position()
        after, resumed = position, known is not None
        if message.channel_serial is not None:
            resumed = self._house.continues(message.channel_serial, resumed=self.resumed)
            after = message.channel_serial if resumed else position
        elif wanted.rewind is not None and known is None:
            after = await self._house.since(address, wanted.rewind)
        if Mode.SUBSCRIBE not in modes:
            after = position
        if known is not None:
            self._house.detach(self, known)
        attachment = Attachment(address, shown, modes, occupancy=wanted.occupancy)
        self.attachments[shown] = attachment
        present = await self._house.members(address) if Mode.PRESENCE_SUBSCRIBE in modes else ()
        flags = flags_of(modes)
        flags |= Flag.HAS_PRESENCE if present else Flag(0)
        flags |= Flag.RESUMED if resumed else Flag(0)
        flags |= Flag.HAS_BACKLOG if after != position and not resumed else Flag(0)
        self.send(
            {
                "action": ProtocolAction.ATTACHED,
                "channel": shown,
                "channelSerial": after,
                "flags": int(flags),
                **({"params": dict(wanted.params)} if wanted.params else {}),
            }
        )
        if present:
            self._sync(shown, present)
        await self._house.attach(self, attachment, after)

    async def _detach(self, message: ProtocolMessage) -> None:
        attachment = self.attachments.pop(message.channel or "", None)
        if attachment is not None:
            self._house.detach(self, attachment)
            for (address, _), member in list(self.members.items()):
                if address == attachment.address:
                    await self._leave(address, _left(member))
        self.send({"action": ProtocolAction.DETACHED, "channel": message.channel})

    def _attached(self, message: ProtocolMessage) -> Attachment:
        attachment = self.attachments.get(message.channel or "")
        if attachment is None:
            raise AblyError(90001, 400, f"This connection is not attached to {(message.channel or '')[:60]!r}.")
        return attachment

    async def _sync_again(self, message: ProtocolMessage) -> None:
        attachment = self._attached(message)
        self._sync(attachment.shown, await self._house.members(attachment.address))

    def _sync(self, shown: str, present: Sequence[Member]) -> None:
        """Everybody who is present, page by page; the last has an empty cursor (RTP18)."""
        sequence = secrets.token_hex(4)
        pages = [present[at : at + SYNC_PAGE] for at in range(0, len(present), SYNC_PAGE)] or [()]
        for number, page in enumerate(pages, 1):
            cursor = str(number) if number < len(pages) else ""
            self.send(
                {
                    "action": ProtocolAction.SYNC,
                    "channel": shown,
                    "channelSerial": f"{sequence}:{cursor}",
                    "presence": [member_view(each, PresenceAction.PRESENT, binary=self.binary) for each in page],
                }
            )

    # Messages and members, acknowledged in the order in which they came.

    async def _acknowledged(
        self, message: ProtocolMessage, take: Callable[[ProtocolMessage], Awaitable[asyncio.Future[Document]]]
    ) -> None:
        await self._room.acquire()
        future: asyncio.Future[Document] = asyncio.get_running_loop().create_future()
        self._outcomes.append(_Outcome(message.msg_serial or 0, future))
        try:
            pending = await take(message)
        except (AblyError, StorageError) as error:
            future.set_result(_refused(error))
            self._tell_outcomes()
            return
        pending.add_done_callback(lambda done: self._settle(future, done))

    def _settle(self, future: asyncio.Future[Document], done: asyncio.Future[Document]) -> None:
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if error is None:
            future.set_result(done.result())
        else:
            if not isinstance(error, (AblyError, StorageError, asyncio.CancelledError)):
                log.error("a message could not be taken", connection=self.id, exc_info=error)
            future.set_result(_refused(error if isinstance(error, Exception) else StorageError("The server stops.")))
        self._tell_outcomes()

    def _tell_outcomes(self) -> None:
        while self._outcomes and self._outcomes[0].future.done():
            outcome = self._outcomes.popleft()
            self._room.release()
            self.send({**outcome.future.result(), "msgSerial": outcome.serial, "count": 1})

    async def _publish(self, message: ProtocolMessage) -> asyncio.Future[Document]:
        channel = parse_channel(message.channel).channel
        attachment = self.attachments.get(message.channel or "")
        if attachment is not None and Mode.PUBLISH not in attachment.modes:
            raise AblyError(40160, 401, f"The channel {channel[:60]!r} was attached without the mode publish.")
        submitted = await self._house.submit(self, channel, message)
        outcome: asyncio.Future[Document] = asyncio.get_running_loop().create_future()

        def done(future: Serials) -> None:
            if outcome.done():
                return
            if future.cancelled():
                outcome.cancel()
            elif (error := future.exception()) is not None:
                outcome.set_exception(error)
            else:
                outcome.set_result({"action": ProtocolAction.ACK, "res": [{"serials": future.result()}]})

        submitted.add_done_callback(done)
        return outcome

    async def _present(self, message: ProtocolMessage) -> asyncio.Future[Document]:
        channel = parse_channel(message.channel).channel
        self._demand("presence", channel)
        attachment = self._attached(message)
        if Mode.PRESENCE not in attachment.modes:
            raise AblyError(91001, 400, f"The channel {channel[:60]!r} was attached without the mode presence.")
        changes = members(message.presence or [], self.client_id, connection_id=self.id, base_id=self._base_id(message))
        for action, member in changes:
            key = (attachment.address, member.client_id)
            if action is PresenceAction.LEAVE:
                await self._leave(attachment.address, member)
            elif len(self.members) >= MAX_MEMBERS and key not in self.members:
                raise AblyError(91003, 400, f"This connection presents {MAX_MEMBERS} members already.")
            else:
                self.members[key] = await self._house.enter(attachment.address, member)
        outcome: asyncio.Future[Document] = asyncio.get_running_loop().create_future()
        outcome.set_result({"action": ProtocolAction.ACK})
        return outcome

    async def _leave(self, address: Address, member: Member) -> None:
        self.members.pop((address, member.client_id), None)
        await self._house.leave(address, member)

    def _base_id(self, message: ProtocolMessage) -> str:
        """Of the ids of what was sent, so that what comes twice is known (RTN19a)."""
        return f"{self.id}:{message.msg_serial or 0}"

    def _demand(self, operation: str, channel: str) -> None:
        if not self.grant.capability.allows(channel, operation):
            raise AblyError(40160, 401, f"The credentials do not allow to {operation} on {channel[:60]!r}.")

    # Credentials.

    async def _authorize(self, message: ProtocolMessage) -> None:
        """Goes on with other credentials of the same client (RTC8)."""
        if not message.access_token:
            raise AblyError(40106, 401, "An AUTH message needs auth.accessToken.")
        grant = await self._house.authenticate(message.access_token)
        if grant.app != self.app or (
            grant.client_id not in ("", "*", self.client_id) and self.client_id not in ("", "*")
        ):
            raise AblyError(40102, 401, "The new credentials are for another client.")
        self.renew(grant)

    def renew(self, grant: Grant) -> None:
        """From now on it may do what that grant allows; channels that this leaves out are detached."""
        self._house.hold(self, grant)
        if self.client_id in ("", "*") and grant.client_id:
            self.client_id = grant.client_id
        self.send(self._house.greeting(self))
        for channel, attachment in list(self.attachments.items()):
            name = attachment.address.channel
            if not attaching.granted(attachment.modes, self.grant.capability, name):
                self._house.detach(self, attachment)
                del self.attachments[channel]
                refused = AblyError(40160, 401, f"The new credentials allow nothing on the channel {name[:60]!r}.")
                self.send({"action": ProtocolAction.ERROR, "channel": channel, "error": refused.info()})


def _left(member: Member) -> Member:
    """Somebody who left without saying so: such a change has an id of no connection, and its time counts (RTP2b1)."""
    return member._replace(id=f"left-{secrets.token_hex(8)}:0:0")


def _refused(error: Exception) -> Document:
    return {"action": ProtocolAction.NACK, "error": from_domain(error).info()}
