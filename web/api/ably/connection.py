"""One realtime connection: what a client sends, and what becomes of it.

Owns the connection's attachments, members and acknowledgements, from CONNECTED to its end; it outlives its socket by
STATE_SECONDS, so that a client that comes back goes on where it was. The socket is `socket`'s, other connections are
`realtime`'s, and who hears a channel `rooms`'. Wire protocol 6; features specification, RTN, RTL and RTP.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from owncast_py.errors import StorageError
from owncast_py.realtime.capability import Capability
from owncast_py.realtime.keyring import Grant
from owncast_py.realtime.messages import Address, Draft, Member, Message
from owncast_py.realtime.occupancy import Mode
from web.api.ably import attaching, protocol
from web.api.ably.errors import AblyError, from_domain
from web.api.ably.messages import Publication, drafts, member_in, member_out
from web.api.ably.protocol import PresenceAction, ProtocolMessage
from web.api.ably.rooms import Document, Seat, pack
from web.fanout import Outlet

MAX_ATTACHMENTS = 1_000
"""Channels to which one connection is attached."""
MAX_MEMBERS = 1_000
"""Members that one connection presents."""
MAX_UNACKNOWLEDGED = 1_000
"""Messages of one connection that wait to be kept; it is not read from meanwhile."""
SYNC_PAGE = 100
"""Members in one SYNC."""

log = structlog.get_logger(__name__)


class House(Protocol):
    """What connections share."""

    async def publish(self, grant: Grant, address: Address, drafts: Sequence[Draft]) -> asyncio.Future[list[Message]]:
        """Publishes as the channel's own rules have it. Raises AblyError."""

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

    def continues(self, serial: str) -> bool:
        """Whether what came after that version can still be sent."""

    async def authenticate(self, token: str) -> Grant:
        """Raises AblyError."""

    def greeting(self, connection: Connection) -> Document:
        """What CONNECTED says of a connection."""


@dataclass(slots=True, eq=False)
class Attachment:
    """A channel to which a connection is attached."""

    address: Address
    shown: str
    """The name by which the client knows it."""
    modes: Mode
    params: Mapping[str, str] = field(default_factory=dict)
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
        self.outlet: Outlet | None = None
        self.attachments: dict[str, Attachment] = {}
        """By the name that the client knows."""
        self.members: dict[tuple[Address, str], Member] = {}
        self._house = house
        self._outcomes: deque[_Outcome] = deque()
        self._room = asyncio.Semaphore(MAX_UNACKNOWLEDGED)

    @property
    def capability(self) -> Capability:
        """What it may do."""
        return self.grant.capability

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
            await self._leave(address, member)

    async def take(self, message: ProtocolMessage) -> bool:
        """Does what a client asks. Returns whether the connection goes on.

        Raises AblyError for what ends the connection.
        """
        match message.action:
            case protocol.HEARTBEAT:
                self.send({"action": protocol.HEARTBEAT, **({"id": message.id} if message.id else {})})
            case protocol.ATTACH:
                await self._guarded(message.channel, self._attach(message))
            case protocol.DETACH:
                await self._guarded(message.channel, self._detach(message.channel))
            case protocol.MESSAGE:
                await self._acknowledged(message, self._publish)
            case protocol.PRESENCE:
                await self._acknowledged(message, self._present)
            case protocol.SYNC:
                await self._guarded(message.channel, self._sync_again(message.channel))
            case protocol.AUTH:
                await self._authorize(message)
            case protocol.CLOSE:
                self.send({"action": protocol.CLOSED})
                return False
            case protocol.CONNECT | protocol.DISCONNECT:
                pass
            case _:
                raise AblyError(80013, 400, f"A client does not send messages with the action {message.action}.")
        return True

    # Channels.

    async def _guarded(self, channel: str, doing: Awaitable[None]) -> None:
        """A refusal concerns the channel, not the connection."""
        try:
            await doing
        except (AblyError, StorageError) as error:
            self.send({"action": protocol.ERROR, "channel": channel, "error": dict(from_domain(error).info())})

    async def _attach(self, message: ProtocolMessage) -> None:
        wanted = attaching.wanted(message.channel, message.params, message.flags)
        address = Address(self.app, wanted.name)
        allows = {each: self.capability.allows(wanted.name, each) for each in ("publish", "subscribe", "presence")}
        modes = attaching.granted(wanted.modes, allows)
        if not modes:
            raise AblyError(40160, 401, f"The credentials allow nothing on the channel {wanted.name[:60]!r}.")
        known = self.attachments.get(message.channel)
        if known is None and len(self.attachments) >= MAX_ATTACHMENTS:
            raise AblyError(90010, 400, f"This connection is attached to {MAX_ATTACHMENTS} channels already.")
        position = self._house.position()
        after, resumed = position, False
        if message.channel_serial and self._house.continues(message.channel_serial):
            after, resumed = message.channel_serial, True
        elif wanted.rewind is not None and known is None and not message.channel_serial:
            after = await self._house.since(address, wanted.rewind)
        if known is not None:
            self._house.detach(self, known)
            resumed = resumed or not message.channel_serial
        attachment = Attachment(address, message.channel, modes, wanted.params, occupancy=wanted.occupancy)
        self.attachments[message.channel] = attachment
        members = await self._house.members(address) if Mode.PRESENCE_SUBSCRIBE in modes else ()
        flags = attaching.flags_of(modes)
        flags |= protocol.HAS_PRESENCE if members else 0
        flags |= protocol.RESUMED if resumed else 0
        flags |= protocol.HAS_BACKLOG if after != position and not resumed else 0
        self.send(
            {
                "action": protocol.ATTACHED,
                "channel": message.channel,
                "channelSerial": after if Mode.SUBSCRIBE in modes else position,
                "flags": flags,
                **({"params": dict(wanted.params)} if wanted.params else {}),
            }
        )
        await self._house.attach(self, attachment, after if Mode.SUBSCRIBE in modes else position)
        if members:
            await self._sync(attachment)

    async def _detach(self, channel: str) -> None:
        attachment = self.attachments.pop(channel, None)
        if attachment is not None:
            self._house.detach(self, attachment)
            for (address, _), member in list(self.members.items()):
                if address == attachment.address:
                    await self._leave(address, member)
        self.send({"action": protocol.DETACHED, "channel": channel})

    def _attached(self, channel: str) -> Attachment:
        attachment = self.attachments.get(channel)
        if attachment is None:
            raise AblyError(90001, 400, f"This connection is not attached to the channel {channel[:60]!r}.")
        return attachment

    async def _sync_again(self, channel: str) -> None:
        await self._sync(self._attached(channel))

    async def _sync(self, attachment: Attachment) -> None:
        """Everybody who is present now, page by page; the last has an empty cursor (RTP18)."""
        members = await self._house.members(attachment.address)
        sequence = secrets.token_hex(4)
        pages = [members[at : at + SYNC_PAGE] for at in range(0, len(members), SYNC_PAGE)] or [()]
        for number, page in enumerate(pages, 1):
            cursor = str(number) if number < len(pages) else ""
            self.send(
                {
                    "action": protocol.SYNC,
                    "channel": attachment.shown,
                    "channelSerial": f"{sequence}:{cursor}",
                    "presence": [member_out(each, PresenceAction.PRESENT, binary=self.binary) for each in page],
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
        name = attaching.channel_name(message.channel)
        self._demand("publish", name)
        attachment = self.attachments.get(message.channel)
        if attachment is not None and Mode.PUBLISH not in attachment.modes:
            raise AblyError(40160, 401, f"The channel {name[:60]!r} was attached without the mode publish.")
        found: Publication = drafts(
            message.messages, self.grant, client_id=self.client_id, connection_id=self.id, prefix=self._prefix(message)
        )
        published = await self._house.publish(self.grant, Address(self.app, name), found.drafts)
        outcome: asyncio.Future[Document] = asyncio.get_running_loop().create_future()

        def done(future: asyncio.Future[list[Message]]) -> None:
            if outcome.done():
                return
            if future.cancelled():
                outcome.cancel()
            elif (error := future.exception()) is not None:
                outcome.set_exception(error)
            else:
                serials = [each.serial for each in future.result()]
                outcome.set_result({"action": protocol.ACK, "res": [{"serials": serials}]})

        published.add_done_callback(done)
        return outcome

    async def _present(self, message: ProtocolMessage) -> asyncio.Future[Document]:
        name = attaching.channel_name(message.channel)
        self._demand("presence", name)
        attachment = self._attached(message.channel)
        if Mode.PRESENCE not in attachment.modes:
            raise AblyError(91005, 400, f"The channel {name[:60]!r} was attached without the mode presence.")
        changes = [
            member_in(each, self.grant, client_id=self.client_id, connection_id=self.id, id=f"{prefix}:{at}")
            for prefix in (self._prefix(message),)
            for at, each in enumerate(message.presence)
        ]
        for action, member in changes:
            if action is PresenceAction.LEAVE:
                await self._leave(attachment.address, member)
            else:
                if len(self.members) >= MAX_MEMBERS and (attachment.address, member.client_id) not in self.members:
                    raise AblyError(91003, 400, f"This connection presents {MAX_MEMBERS} members already.")
                self.members[attachment.address, member.client_id] = await self._house.enter(attachment.address, member)
        outcome: asyncio.Future[Document] = asyncio.get_running_loop().create_future()
        outcome.set_result({"action": protocol.ACK})
        return outcome

    async def _leave(self, address: Address, member: Member) -> None:
        self.members.pop((address, member.client_id), None)
        await self._house.leave(address, member)

    def _prefix(self, message: ProtocolMessage) -> str:
        """Of the ids of what was sent, so that what comes twice is known (RTN19a)."""
        return message.id or f"{self.id}:{message.msg_serial or 0}"

    def _demand(self, operation: str, channel: str) -> None:
        if not self.capability.allows(channel, operation):
            raise AblyError(40160, 401, f"The credentials do not allow to {operation} on {channel[:60]!r}.")

    # Credentials.

    async def _authorize(self, message: ProtocolMessage) -> None:
        """Goes on with other credentials of the same client (RTC8)."""
        token = (message.auth or {}).get("accessToken")
        if not isinstance(token, str) or not token:
            raise AblyError(40106, 401, "An AUTH message needs auth.accessToken.")
        grant = await self._house.authenticate(token)
        if (
            grant.app != self.app
            or (grant.client_id not in ("", "*", self.client_id)
            and self.client_id not in ("", "*"))
        ):
            raise AblyError(40102, 401, "The new credentials are for another client.")
        self.renew(grant)

    def renew(self, grant: Grant) -> None:
        """From now on it may do what that grant allows; channels that this leaves out are detached."""
        self.grant = grant
        if self.client_id in ("", "*") and grant.client_id:
            self.client_id = grant.client_id
        self.send(self._house.greeting(self))
        for channel, attachment in list(self.attachments.items()):
            name = attachment.address.channel
            allows = {each: self.capability.allows(name, each) for each in ("publish", "subscribe", "presence")}
            if not attaching.granted(attachment.modes, allows):
                self._house.detach(self, attachment)
                del self.attachments[channel]
                refused = AblyError(40160, 401, f"The new credentials allow nothing on the channel {name[:60]!r}.")
                self.send({"action": protocol.ERROR, "channel": channel, "error": dict(refused.info())})


def _refused(error: Exception) -> Document:
    return {"action": protocol.NACK, "error": dict(from_domain(error).info())}
