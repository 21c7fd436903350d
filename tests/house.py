"""Chat with everything under it, in this process: a real database, real channels, real accounts, and a clock to turn.

For tests of the services use `house`, for tests of the wire `serving`, which puts the real web application on a free
port of loopback.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import aiohttp
import argon2
from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from owncast_py.accounts.passwords import Passwords
from owncast_py.app.stores import StoreObjects
from owncast_py.backup.hourly import HourlyBackups
from owncast_py.broadcast.session import State, Status
from owncast_py.broadcast.studio import Encoder, Encoders, Inbound, OutputVariant
from owncast_py.broadcast.viewers import Viewers
from owncast_py.chat.chat import Chat
from owncast_py.credentials import Credentials, StreamKey
from owncast_py.delivery_channels import Carriers
from owncast_py.errors import SettingError
from owncast_py.foundations import Foundations, open_foundations
from owncast_py.metrics.prometheus import Exposition, Numbers
from owncast_py.recent_logs import RecentLogs
from owncast_py.services import Services, Surroundings, open_services
from owncast_py.setting_groups import ChatSettings, InstanceSettings
from owncast_py.settings import Settings
from owncast_py.storage import sqlite
from owncast_py.storage.database import Database
from owncast_py.store_trial import StoreTrial
from web import openapi
from web.api.ably.dialect import Ably
from web.api.apiture.dialect import mount_apiture
from web.api.matrix.dialect import Matrix
from web.api.owncast.dialect import Owncast, mount_owncast
from web.api.owncast.server_config import Running
from web.authentication import Authentication
from web.pages import Page
from web.server import Host, build_application

POSTGRES_URL = os.environ.get("OWNCAST_TEST_POSTGRES_URL", "")
ADMIN_PASSWORD = "the admin's password"
ADMIN = {"Authorization": aiohttp.encode_basic_auth("admin", ADMIN_PASSWORD)}
QUICK = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""A password takes microseconds here, and tens of milliseconds outside."""
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

    services: Services
    clock: Clock
    directory: Path
    status: Status = OFFLINE

    @property
    def foundations(self) -> Foundations:
        return self.services.foundations

    @property
    def chat(self) -> Chat:
        return self.services.chat

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


_EMPTY: list[bytes] = []
"""A database with the newest tables and nothing in them, once it was made."""


async def _with_tables(path: Path) -> str:
    """The address of the database in that file. Its tables are made once for all tests: they cost most of a start."""
    if not _EMPTY:
        with TemporaryDirectory() as directory:
            made = Path(directory) / "empty.db"
            database = Database(sqlite.url(made))
            await database.start()
            await database.aclose()
            _EMPTY.append(made.read_bytes())
    if not path.exists():
        path.write_bytes(_EMPTY[0])
    return sqlite.url(path)


@asynccontextmanager
async def house(
    directory: Path,
    *,
    address: str = "",
    clock: Clock | None = None,
    allow_private: bool = True,
    directory_url: str = "http://127.0.0.1:9",
) -> AsyncIterator[House]:
    """Everything, on the database at `address` or in `directory`; opened twice on one directory it is a restart."""
    clock = clock or Clock()
    async with AsyncExitStack() as stack:
        seeds = {InstanceSettings: {"name": "Tea"}, ChatSettings: {}}
        foundations = await open_foundations(
            *(stack, address or await _with_tables(directory / "owncast.db"), seeds, clock.now, clock.monotonic),
            passwords=Passwords(QUICK),
        )
        built: list[House] = []
        around = Surroundings(
            data_dir=directory,
            version="0",
            status=lambda: built[0].status if built else OFFLINE,
            bitrates=lambda: [1200, 400],
            carriers=Carriers(private_targets=allow_private),
            received_kept=timedelta(days=30),
            directory_url=directory_url,
            now=clock.now,
            monotonic=clock.monotonic,
        )
        built.append(House(await open_services(stack, foundations, around), clock, directory))
        yield built[0]


@dataclass
class FakeStudio:
    """A show that a test directs."""

    house: House
    sender: Inbound | None = None
    offered: list[OutputVariant] = field(default_factory=list)
    advised: list[str] = field(default_factory=list)
    disconnected: int = 0

    def advice(self) -> list[str]:
        return self.advised

    def status(self) -> Status:
        return self.house.status

    def inbound(self) -> Inbound | None:
        return self.sender

    def variants(self) -> list[OutputVariant]:
        return self.offered

    def disconnect(self) -> bool:
        was_on, self.sender = self.sender is not None, None
        self.disconnected += was_on
        return was_on

    def latency_level(self) -> int:
        return 2

    def encoders(self) -> Encoders:
        tried = [Encoder("h264_nvenc", False, "There is no such device."), Encoder("libx264", True, "")]
        return Encoders("libx264", tried, 55_296_000.4, 4)

    def segment_seconds(self) -> int:
        return 2

    def codecs(self) -> list[str]:
        return ["libx264"]

    def ffmpeg_path(self) -> str:
        return "/usr/bin/ffmpeg"

    async def check_ffmpeg(self, path: str) -> None:
        if path not in ("/usr/bin/env", "/usr/bin/ffmpeg"):
            raise SettingError(f"There is no ffmpeg at {path}.")


@dataclass
class Line:
    """A connection's other end that only remembers."""

    told: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    hung_up: list[str] = field(default_factory=list)

    def notify(self, kind: str, content: dict[str, object]) -> None:
        self.told.append((kind, content))

    def hang_up(self, reason: str) -> None:
        self.hung_up.append(reason)


@dataclass
class Web:
    """What a test may touch of the web over a house."""

    server: TestServer
    studio: FakeStudio
    credentials: Credentials
    viewers: Viewers
    logs: RecentLogs
    hidden: list[str]
    application: web.Application
    backups: HourlyBackups
    ably: Ably


@asynccontextmanager
async def serving(open_house: House, *, trusted: str = "127.0.0.0/8") -> AsyncIterator[TestServer]:
    """The web application over a house, by its address alone."""
    async with webbed(open_house, trusted=trusted) as found:
        yield found.server


@asynccontextmanager
async def webbed(
    open_house: House,
    *,
    trusted: str = "127.0.0.0/8",
    insists: Callable[[str, str], bool] = lambda _section, _name: False,
    pages: Mapping[str, Page] = MappingProxyType({}),
    sandbox: bool = False,
    registration: bool = True,
) -> AsyncIterator[Web]:
    """The web application over a house, with all that stands around it."""
    clock = open_house.clock
    studio, viewers, logs, hidden = FakeStudio(open_house), Viewers(clock.monotonic), RecentLogs(clock.now), list[str]()
    credentials = Credentials(
        open_house.directory / "credentials.json", [StreamKey("key-of-the-house", "")], _password_hash()
    )
    numbers = Numbers(
        online=lambda: open_house.status.online,
        viewers=lambda: open_house.status.viewer_count,
        chatters=lambda: len(open_house.chat.connections),
        users=lambda: 0,
        messages=lambda: 0,
        playback_errors=lambda: 0,
        cpu=lambda: None,
        memory=lambda: None,
        disk=lambda: None,
    )
    application = build_application(Host(viewers, list, [ip_network(trusted)]), dict(pages))
    backups = HourlyBackups(open_house.directory, open_house.directory / "owncast.db", clock.now, hourly=False)
    open_house.foundations.logins.admin = credentials
    authentication = Authentication(
        open_house.services.foundations.accounts, credentials.verify_admin_password, clock.monotonic
    )
    store_trial = StoreTrial(StoreObjects.open)
    ably = Ably(open_house.services, clock.now, clock.monotonic, sandbox=sandbox)
    mount_owncast(
        application,
        Owncast(
            services=open_house.services,
            studio=studio,
            viewers=viewers,
            exposition=Exposition(numbers),
            logs=logs,
            backups=backups,
            store_trial=store_trial,
            credentials=credentials,
            authentication=authentication,
            running=lambda: Running("0", "127.0.0.1", 8080, "0.0.0.0", 1935),
            insists=insists,
            hide=hidden.append,
            pages=pages,
            channel_socket=ably.sockets.serve,
            now=clock.now,
            monotonic=clock.monotonic,
        ),
    )
    ably.mount(application)
    matrix = Matrix(
        *(open_house.foundations, open_house.chat.people.name_for, clock.monotonic), open_registration=registration
    )
    matrix.mount(application)
    mount_apiture(
        *(application, open_house.services.notifications, open_house.foundations.events), authentication, clock.now
    )
    openapi.mount(application, "owncast-py", "0")
    async with TestServer(application) as server:
        yield Web(server, studio, credentials, viewers, logs, hidden, application, backups, ably)
    await backups.aclose()
    store_trial.aclose()


@lru_cache(maxsize=1)
def _password_hash() -> str:
    return QUICK.hash(ADMIN_PASSWORD)
