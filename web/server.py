"""The web server: puts the routes together, listens, and drops who stalls.

Owns the aiohttp application, its limits and its socket. It decides nothing: what it answers comes from `Host` and from
the dialects, and the routes of HLS are handed in by the composition root.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import orjson
import structlog
from aiohttp import web

from web.addresses import TRUSTED_PROXIES, Network, TrustedProxies, client_address, viewer_id
from web.hls import Hls, ViewerCounter
from web.hot import Clock, HotConnection, HotDocument
from web.middleware import FAILURES, SHARINGS, common_headers, errors_and_preflight
from web.operations import OPERATIONS
from web.pages import Page, page_routes
from web.traffic import Traffic, measuring

MAX_BODY_BYTES = 64 * 1024
"""No route takes more than a small JSON document."""
MAX_LINE_BYTES = 8190
MAX_HEADER_BYTES = 8190
MAX_HEADERS = 100
IDLE_SECONDS = 75.0
"""How long a connection may take to send the first, or the next, whole request head. Longer than proxies wait."""
LINGER_SECONDS = 2.0
"""How long an unread body may still arrive after its answer."""
STALL_SECONDS = 30.0
"""A reader that takes no byte for this long is dropped."""
SWEEP_SECONDS = 5.0
SHUTDOWN_SECONDS = 2.0
"""How long open requests may finish when the server ends."""
BACKLOG = 1024
MAX_CONNECTIONS = 20_000
"""Open connections; further ones are closed at once. Each costs a file descriptor and some kilobytes."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Host:
    """What every application here needs, whatever dialects it speaks."""

    viewers: ViewerCounter
    obstacles: Callable[[], Sequence[str]]
    """Why no stream can be accepted now, one sentence each; empty when one can."""
    trusted_proxies: Sequence[Network]
    warnings: Callable[[], Sequence[str]] = tuple
    """What is wrong and keeps no stream away, one sentence each."""
    log_requests: bool = False


def build_application(
    host: Host,
    pages: dict[str, Page],
    routes: Iterable[web.AbstractRouteDef] = (),
    traffic: Traffic | None = None,
) -> web.Application:
    """An application with the probes, the files of the pages and `routes`. Dialects are mounted on it.

    Requests are counted in `traffic`.
    """
    application = bare_application(host, traffic or Traffic())
    application.add_routes([web.get("/api/ping", _ping(host))])
    application.add_routes(routes)
    application.add_routes(page_routes(pages))
    return application


def bare_application(host: Host, traffic: Traffic) -> web.Application:
    """An application with nothing but the probes, and what every one has: names of requests, errors, headers."""
    measured = measuring(traffic, log_requests=host.log_requests)
    application = web.Application(middlewares=[measured, errors_and_preflight], client_max_size=MAX_BODY_BYTES)
    application[TRUSTED_PROXIES] = TrustedProxies(host.trusted_proxies)
    application[OPERATIONS] = []
    application[FAILURES] = {}
    application[SHARINGS] = {}
    application.on_response_prepare.append(common_headers)
    application.add_routes(_probes(host))
    return application


NO_STORE = {"Cache-Control": "no-store"}


def _ping(host: Host) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def ping(request: web.Request) -> web.Response:
        """A page that shows the stream says it is still open."""
        _note(host.viewers, request)
        return web.Response(status=204, headers=NO_STORE)

    return ping


def _probes(host: Host) -> list[web.RouteDef]:
    async def healthz(_request: web.Request) -> web.Response:
        """The process lives and its event loop turns."""
        return web.Response(text="ok\n", headers=NO_STORE)

    async def readyz(_request: web.Request) -> web.Response:
        """Whether a stream can be accepted, and if not, why."""
        reasons = list(host.obstacles())
        body = orjson.dumps({"ready": not reasons, "reasons": reasons, "warnings": list(host.warnings())})
        status = 503 if reasons else 200
        return web.Response(status=status, body=body, content_type="application/json", headers=NO_STORE)

    return [web.get("/healthz", healthz), web.get("/readyz", readyz)]


def _note(viewers: ViewerCounter, request: web.Request) -> None:
    viewer = viewer_id(request)
    if viewers.touch(viewer):
        viewers.describe(viewer, client_address(request), request.headers.get("User-Agent", ""))


def runner_of(application: web.Application) -> web.AppRunner:
    """What serves an application, with the limits of this module."""
    return web.AppRunner(
        application,
        access_log=None,
        keepalive_timeout=IDLE_SECONDS,
        lingering_time=LINGER_SECONDS,
        max_line_size=MAX_LINE_BYTES,
        max_field_size=MAX_HEADER_BYTES,
        max_headers=MAX_HEADERS,
        shutdown_timeout=SHUTDOWN_SECONDS,
    )


class WebServer:
    """Listens for one application, from `start` to `aclose`. Media requests take the short way of `web.hot`."""

    def __init__(
        self,
        application: web.Application,
        host: str,
        port: int,
        hls: Hls,
        documents: Mapping[str, HotDocument] = MappingProxyType({}),
    ) -> None:
        """`port` 0 takes any free one; see `address` after `start`. `documents` take the short way too."""
        self._documents = documents
        self._host = host
        self._port = port
        self._hls = hls
        self._proxies = application[TRUSTED_PROXIES]
        self._clock = Clock()
        self._hot: set[HotConnection] = set()
        self._handed_over = 0
        """Connections that aiohttp had when the sweeper last looked."""
        self.refused = 0
        """Connections that were closed at once since the start, for there were MAX_CONNECTIONS."""
        self._listener: asyncio.Server | None = None
        self._runner = runner_of(application)
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        if self._listener is None:
            raise RuntimeError("The web server has no address before it is started.")
        host, port = self._listener.sockets[0].getsockname()[:2]
        return host, port

    @property
    def connections(self) -> tuple[int, int]:
        """Open connections: those that asked for nothing but media, and those that aiohttp has."""
        server = self._runner.server
        return len(self._hot), len(server.connections) if server is not None else 0

    async def start(self) -> None:
        """Listens. Raises `OSError` when the port cannot be had."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(self._connection, self._host, self._port, backlog=BACKLOG)
        except OSError:
            await self._runner.cleanup()
            raise
        self._sweeper = asyncio.create_task(self._drop_stalled_readers(), name="web: drop stalled readers")

    async def aclose(self) -> None:
        """Stops listening and ends every connection."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
        for connection in list(self._hot):
            connection.transport.abort()
        await self._runner.cleanup()

    def _connection(self) -> asyncio.BaseProtocol:
        if len(self._hot) + self._handed_over >= MAX_CONNECTIONS:
            self.refused += 1
            return Refused()
        return HotConnection(self._hls, self._proxies, self._clock, self._aiohttp, self._hot, self._documents)

    def _aiohttp(self) -> asyncio.BaseProtocol:
        server = self._runner.server
        if server is None:
            raise RuntimeError("The web server takes no connections after it is closed.")
        return server()

    async def _drop_stalled_readers(self) -> None:
        stalls = StallWatch(STALL_SECONDS)
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            server = self._runner.server
            connections = server.connections if server else []
            self._handed_over = len(connections)
            transports = [found for connection in connections if (found := connection.transport) is not None]
            transports += [connection.transport for connection in self._hot]
            for transport in stalls.stalled(transports, loop.time()):
                address = transport.get_extra_info("peername")
                log.info("closed: reader stalled", address=address, waiting_bytes=transport.get_write_buffer_size())
                transport.abort()
            for idle in [found for found in self._hot if found.idle_for(loop.time()) >= IDLE_SECONDS]:
                idle.transport.abort()


class Refused(asyncio.Protocol):
    """A connection beyond the limit."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


class StallWatch:
    """Finds transports whose peer takes nothing of what waits for it."""

    def __init__(self, limit: float) -> None:
        """`limit` is in seconds."""
        self._limit = limit
        self._waiting: dict[asyncio.Transport, tuple[int, float]] = {}

    def stalled(self, transports: Iterable[asyncio.Transport], now: float) -> list[asyncio.Transport]:
        """Those of `transports` whose write buffer has held the same bytes for the limit, as of `now`."""
        waiting: dict[asyncio.Transport, tuple[int, float]] = {}
        for transport in transports:
            if size := transport.get_write_buffer_size():
                before, since = self._waiting.get(transport, (0, now))
                waiting[transport] = (size, since if size == before else now)
        self._waiting = waiting
        return [transport for transport, (_, since) in waiting.items() if now - since >= self._limit]
