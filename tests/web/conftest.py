"""A real web server on loopback, over services that a test can turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest
from aiohttp import ClientSession, DummyCookieJar, web

from owncast_py.broadcast.session import State, Status
from transcoder.window import LiveWindow
from web.api.owncast.status import StatusDocument
from web.hls import Hls
from web.hls_routes import routes as hls_routes
from web.hot import HotDocument
from web.operations import mount
from web.pages import load_pages
from web.server import Host, WebServer, build_application

OFFLINE = Status(State.OFFLINE, 0, 0, 0, None, None, "")
SCRIPT = b"console.log('" + b"x" * 2000 + b"')"
PAGE = b"<!doctype html><title>owncast-py</title>" + b"<p>hello</p>" * 100


@dataclass
class World:
    """What the services answer, and what they were told."""

    status: Status = OFFLINE
    now: datetime = datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    obstacles: list[str] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)
    described: dict[str, tuple[str, str]] = field(default_factory=dict)
    on_air: LiveWindow | None = None
    stills: dict[str, bytes] = field(default_factory=dict)
    store: dict[str, bytes] = field(default_factory=dict)

    def window(self) -> LiveWindow | None:
        return self.on_air

    async def still(self, name: str) -> bytes | None:
        return self.stills.get(name)

    async def stored(self, key: str) -> bytes | None:
        return self.store.get(key)

    def touch(self, viewer_id: str) -> bool:
        self.touched.append(viewer_id)
        return viewer_id not in self.touched[:-1]

    def describe(self, viewer_id: str, address: str, user_agent: str) -> None:
        self.described[viewer_id] = address, user_agent


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A small build of the pages."""
    directory = tmp_path / "dist"
    (directory / "assets").mkdir(parents=True)
    (directory / "index.html").write_bytes(PAGE)
    (directory / "assets/app-1a2b.js").write_bytes(SCRIPT)
    (directory / "assets/font-3c4d.woff2").write_bytes(b"wOF2" * 300)
    (directory / "robots.txt").write_bytes(b"User-agent: *\n")
    return directory


Connect = Callable[..., Awaitable[ClientSession]]


@pytest.fixture
async def connect(world: World, dist: Path) -> AsyncIterator[Connect]:
    """Starts a server, with `routes` added, and answers with a client for it."""
    async with AsyncExitStack() as stack:

        async def start(*routes: web.AbstractRouteDef, pages: Path = dist) -> ClientSession:
            host = Host(world, lambda: world.obstacles, [ip_network("127.0.0.0/8")])
            hls = Hls(world, world)
            application = build_application(host, load_pages(pages), [*hls_routes(hls), *routes])
            status = StatusDocument(lambda: world.status, lambda: world.now, "0.1.0")
            mount(application, status.operations())
            documents = {"/api/status": HotDocument(status.body, "no-store")}
            server = WebServer(application, "127.0.0.1", 0, hls, documents)
            await server.start()
            stack.push_async_callback(server.aclose)
            host, port = server.address
            return await stack.enter_async_context(
                ClientSession(f"http://{host}:{port}", auto_decompress=False, cookie_jar=DummyCookieJar())
            )

        yield start
