"""Chat with everything under it, in this process: a real database, real channels, real accounts, and a clock to turn.

For tests of the services use `house`, for tests of the wire `serving`, which puts the real web application on a free
port of loopback.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import aiohttp
from aiohttp.test_utils import TestServer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from owncast_py.broadcast.session import State, Status
from owncast_py.chat.chat import Chat
from owncast_py.foundations import Foundations, open_foundations
from owncast_py.setting_groups import ChatSettings, InstanceSettings
from owncast_py.settings import Settings
from owncast_py.storage import sqlite
from web.api.owncast.config import Instance
from web.api.owncast.dialect import mount_chat
from web.authentication import Authentication
from web.server import Services, build_application

POSTGRES_URL = os.environ.get("OWNCAST_TEST_POSTGRES_URL", "")
ADMIN_PASSWORD = "the admin's password"
ADMIN = {"Authorization": aiohttp.encode_basic_auth("admin", ADMIN_PASSWORD)}
OFFLINE = Status(State.OFFLINE, 0, 0, 0, None, None, "")


@dataclass
class Clock:
    """Both clocks of the program; they move when a test says so."""

    moment: datetime = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    seconds: float = 1000.0

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.seconds

    def turn(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)
        self.seconds += seconds


@dataclass
class House:
    """What a test may touch."""

    foundations: Foundations
    chat: Chat
    clock: Clock
    status: Status = OFFLINE

    @property
    def settings(self) -> Settings:
        return self.foundations.settings

    async def rule(self, **settings: object) -> None:
        """Changes the rules of chat."""
        await self.settings.change(ChatSettings, **settings)


async def emptied(address: str) -> str:
    """A PostgreSQL database with nothing in it."""
    engine = create_async_engine(address)
    async with engine.begin() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
    await engine.dispose()
    return address


@asynccontextmanager
async def house(directory: Path, *, address: str = "", clock: Clock | None = None) -> AsyncIterator[House]:
    """Everything, on the database at `address` or in `directory`; opened twice on one directory it is a restart."""
    clock = clock or Clock()
    async with AsyncExitStack() as stack:
        seeds = {InstanceSettings: {"name": "Tea"}, ChatSettings: {}}
        foundations = await open_foundations(stack, address or sqlite.url(directory / "owncast.db"), seeds, clock.now)
        built: list[House] = []
        chat = Chat(foundations, directory / "emoji", lambda: built[0].status, clock.now, clock.monotonic)
        built.append(House(foundations, chat, clock))
        await chat.start()
        stack.push_async_callback(chat.aclose)
        yield built[0]


@dataclass
class Line:
    """A connection's other end that only remembers."""

    told: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    hung_up: list[str] = field(default_factory=list)

    def notify(self, kind: str, content: dict[str, object]) -> None:
        self.told.append((kind, content))

    def hang_up(self, reason: str) -> None:
        self.hung_up.append(reason)


@asynccontextmanager
async def serving(open_house: House, *, trusted: str = "127.0.0.0/8") -> AsyncIterator[TestServer]:
    """The web application over a house."""
    services = Services(
        status=lambda: open_house.status,
        instance=lambda: Instance("Tea", "", (), "0"),
        version="0",
        viewers=_Nobody(),
        obstacles=list,
        now=open_house.clock.now,
        trusted_proxies=[ip_network(trusted)],
        pages=Path("/nonexistent"),
    )
    application = build_application(services)
    authentication = Authentication(
        open_house.foundations.accounts, lambda given: given == ADMIN_PASSWORD, open_house.clock.monotonic
    )
    mount_chat(application, open_house.chat, authentication, open_house.clock.monotonic)
    async with TestServer(application) as server:
        yield server


class _Nobody:
    def touch(self, viewer_id: str) -> None:
        """Viewers are not counted here."""
