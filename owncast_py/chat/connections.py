"""Who is connected to chat, and what the others hear of coming and going.

Owns the live connections, indexed by user, and the announcements: a user joins with the first connection and parts
PART_DELAY after the last one is gone, so that a reload of the page is neither. Up to LINES_PER_SECOND are told singly;
what comes beyond that within a second is told together. No socket is seen here: a connection speaks through its `Line`.

Everything is O(1) for each connection, whatever the crowd.
"""

from __future__ import annotations

import asyncio
import sys
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import structlog

from owncast_py.accounts.model import Identity, User
from owncast_py.accounts.service import Accounts
from owncast_py.chat.content import Content, Name, UserContent, passing, user_content
from owncast_py.errors import StorageError
from owncast_py.realtime.channels import Channels
from owncast_py.realtime.messages import CHAT, Draft, Member
from owncast_py.setting_groups import ChatSettings
from owncast_py.settings import Settings

PART_DELAY = 10.0
"""Seconds from a user's last connection to the announcement that they left."""
LINES_PER_SECOND = 5
TICK_SECONDS = 1.0
CHUNK = 100
"""Users in one message that says who joined or left."""
NAMES_TOGETHER = 2
"""Names in the announcement of many."""
MAX_USER_AGENT = 256

log = structlog.get_logger(__name__)


class Line(Protocol):
    """The way to one connection's other end."""

    def notify(self, kind: str, content: Content) -> None:
        """Tells something to this connection alone."""

    def hang_up(self, reason: str) -> None:
        """Ends the connection; `reason` is one of the connection refusals."""


@dataclass(slots=True, eq=False)
class Connection:
    """One open chat window."""

    id: str
    user_id: str
    device_id: str
    address: str
    user_agent: str
    connected_at: datetime
    line: Line
    unlimited: bool = False
    """Whether it may send as much as it wants."""
    message_count: int = 0


@dataclass(slots=True)
class _Gathered:
    """Users of whom something is told together."""

    users: list[UserContent] = field(default_factory=list)

    def sentence(self, verb: str) -> str:
        names = [user["displayName"] for user in self.users[:NAMES_TOGETHER]]
        others = len(self.users) - len(names)
        if not others:
            return f"{' and '.join(names)} {verb}."
        return f"{', '.join(names)} and {others} other{'s' if others > 1 else ''} {verb}."

    def drafts(self, name: Name, verb: str) -> list[Draft]:
        """One line for people, and who it is about, which programs may want to know."""
        line = passing(name, {"body": self.sentence(verb), "count": len(self.users)})
        chunks = [self.users[start : start + CHUNK] for start in range(0, len(self.users), CHUNK)]
        return [line, *(passing(name, {"users": chunk}) for chunk in chunks)]


class Connections:
    """All that is connected."""

    def __init__(
        self, accounts: Accounts, channels: Channels, settings: Settings, monotonic: Callable[[], float]
    ) -> None:
        """`monotonic` counts seconds."""
        self._accounts = accounts
        self._channels = channels
        self._settings = settings
        self._monotonic = monotonic
        self._all: dict[str, Connection] = {}
        self._by_user: dict[str, dict[str, Connection]] = {}
        self._leaving: OrderedDict[str, float] = OrderedDict()
        """When to say that a user left; in the order of time, since the delay is always the same."""
        self._lines = 0
        self._gathered = {Name.JOINED: _Gathered(), Name.PARTED: _Gathered()}
        self._ticking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to announce."""
        self._ticking = asyncio.create_task(self._tick_forever(), name="chat: joins and parts")

    async def aclose(self) -> None:
        """Ends the announcements."""
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)

    def __len__(self) -> int:
        return len(self._all)

    @property
    def all(self) -> Collection[Connection]:
        """Every connection, the oldest first."""
        return self._all.values()

    def get(self, connection_id: str) -> Connection | None:
        """The connection with that id."""
        return self._all.get(connection_id)

    def of(self, user_id: str) -> Collection[Connection]:
        """A user's connections."""
        return self._by_user.get(user_id, {}).values()

    async def join(self, connection: Connection, identity: Identity) -> None:
        """A connection is there. Tells it who it is, and the others if its user has just come."""
        connection.user_agent = sys.intern(connection.user_agent[:MAX_USER_AGENT])
        self._all[connection.id] = connection
        mine = self._by_user.setdefault(connection.user_id, {})
        mine[connection.id] = connection
        came = len(mine) == 1 and self._leaving.pop(connection.user_id, None) is None
        self._accounts.devices.seen(identity.device, connection.address)
        connection.line.notify("connected", {"user": user_content(identity.user)})
        await self._channels.broker.enter(CHAT, Member(connection.id, connection.user_id, connection.device_id))
        if came:
            await self._announce(Name.JOINED, identity.user)

    async def part(self, connection: Connection) -> None:
        """A connection is gone."""
        if self._all.pop(connection.id, None) is None:
            return
        mine = self._by_user[connection.user_id]
        del mine[connection.id]
        if not mine:
            del self._by_user[connection.user_id]
            self._leaving[connection.user_id] = self._monotonic() + PART_DELAY
        await self._channels.broker.leave(CHAT, Member(connection.id, connection.user_id, connection.device_id))

    def notify(self, user_id: str, kind: str, content: Content) -> None:
        """Tells something to all connections of one user."""
        for connection in list(self.of(user_id)):
            connection.line.notify(kind, content)

    def hang_up(self, connections: Iterable[Connection], reason: str) -> None:
        """Ends those connections."""
        for connection in list(connections):
            connection.line.hang_up(reason)

    async def tick(self) -> None:
        """Announces what is due: parts whose delay is over, and what was gathered. Call it every TICK_SECONDS."""
        self._lines = 0
        while self._leaving and next(iter(self._leaving.values())) <= self._monotonic():
            user_id, _ = self._leaving.popitem(last=False)
            user = await self._accounts.user(user_id)
            if user is not None:
                await self._announce(Name.PARTED, user)
        for name, verb in ((Name.JOINED, "joined"), (Name.PARTED, "left")):
            gathered, self._gathered[name] = self._gathered[name], _Gathered()
            if gathered.users:
                await self._publish(*gathered.drafts(name, verb))

    async def _tick_forever(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            await self.tick()

    async def _announce(self, name: Name, user: User) -> None:
        if not self._settings.get(ChatSettings).join_messages or user.disabled_at is not None:
            return
        if self._lines >= LINES_PER_SECOND:
            self._gathered[name].users.append(user_content(user))
            return
        self._lines += 1
        await self._publish(passing(name, {"user": user_content(user)}, client_id=user.id))

    async def _publish(self, *drafts: Draft) -> None:
        try:
            await self._channels.publish(CHAT, *drafts)
        except StorageError as error:
            # Nobody is kept out because it cannot be told that they are in.
            log.warning("joins and parts were not announced", reason=str(error))
