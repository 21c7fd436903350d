"""What those who watch the server ask: `/metrics`, and a listener that serves nothing but this and the probes.

Owns that route and that listener. What the numbers are, `owncast_py.metrics` knows; who may see them on the main port,
the caller says. The listener asks nobody who they are, so it is for networks where everybody may know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from owncast_py.metrics.prometheus import Exposition
from web.pages import accepts_gzip
from web.server import Host, Refused, bare_application, runner_of
from web.traffic import Traffic

PATH = "/metrics"
MAX_CONNECTIONS = 64
"""Open connections to the listener; further ones are closed at once."""


def metrics_route(
    exposition: Exposition, check: Callable[[web.Request], Awaitable[object]] | None = None
) -> web.RouteDef:
    """`/metrics`, for those whom `check` lets pass."""

    async def metrics(request: web.Request) -> web.Response:
        if check is not None:
            await check(request)
        return await scrape(exposition, request)

    return web.get(PATH, metrics)


async def scrape(exposition: Exposition, request: web.Request) -> web.Response:
    """The numbers of now, in the format that the request asks for."""
    compress = accepts_gzip(request.headers.get("Accept-Encoding", ""))
    found = await exposition.render(request.headers.get("Accept", ""), compress=compress)
    return web.Response(body=found.body, headers=found.headers)


class ScrapeServer:
    """Listens for those who watch, from `start` to `aclose`."""

    def __init__(self, host: Host, exposition: Exposition, address: str, port: int) -> None:
        """`port` 0 takes any free one; see `address` after `start`."""
        application = bare_application(host, Traffic())
        application.add_routes([metrics_route(exposition)])
        self._host, self._port = address, port
        self._listener: asyncio.Server | None = None
        self._runner = runner_of(application)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        if self._listener is None:
            raise RuntimeError("The listener for metrics has no address before it is started.")
        host, port = self._listener.sockets[0].getsockname()[:2]
        return host, port

    async def start(self) -> None:
        """Listens. Raises `OSError` when the port cannot be had."""
        await self._runner.setup()
        try:
            self._listener = await asyncio.get_running_loop().create_server(self._connection, self._host, self._port)
        except OSError:
            await self._runner.cleanup()
            raise

    async def aclose(self) -> None:
        """Stops listening and ends every connection."""
        if self._listener is not None:
            self._listener.close()
        await self._runner.cleanup()

    def _connection(self) -> asyncio.BaseProtocol:
        server = self._runner.server
        if server is None or len(server.connections) >= MAX_CONNECTIONS:
            return Refused()
        return server()
