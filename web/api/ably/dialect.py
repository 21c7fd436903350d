"""Ably's dialect on an application: REST as of the Ably Platform API 1.1.0 and later, and the realtime WebSocket.

Owns which parts there are and what each of them is told.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from aiohttp import web

from owncast_py.services import Services
from web.api.ably.batch import BatchApi
from web.api.ably.channels import ChannelsApi
from web.api.ably.counting import counted
from web.api.ably.errors import Refusals
from web.api.ably.gate import Gate
from web.api.ably.keys import KeysApi
from web.api.ably.people import People
from web.api.ably.publishing import Publishing
from web.api.ably.push import PushApi
from web.api.ably.realtime import Realtime
from web.api.ably.revising import Revising
from web.api.ably.sandbox import Sandbox
from web.api.ably.socket import Sockets
from web.api.ably.sse import SseApi
from web.api.ably.stats import StatsApi
from web.api.ably.time import TimeApi
from web.middleware import FAILURES, SHARINGS, Sharing
from web.operations import Operation, Wrapper, mount

ROOTS = ("channels", "keys", "push", "stats", "time", "messages", "presence", "sse", "event-stream", "apps")
"""The first parts of this dialect's paths."""
SHARING = Sharing(
    "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
    "Accept, Ably-Agent, Authorization, Content-Type, Last-Event-ID, X-Ably-ClientId, X-Ably-DeviceSecret, "
    "X-Ably-DeviceToken, X-Ably-Lib, X-Ably-Version",
    "Content-Type, Link, Retry-After, X-Ably-Errorcode, X-Ably-Errormessage, X-Ably-ServerId",
)
"""Overlays and games are pages of other origins. They show credentials in each request, never by cookies."""


class Part(Protocol):
    """A part of the dialect."""

    def operations(self, wrapper: Wrapper) -> list[Operation]:
        """What it serves."""


class Ably:
    """The dialect, to be mounted."""

    def __init__(
        self,
        services: Services,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        *,
        sandbox: bool = False,
    ) -> None:
        """`now` is aware UTC, `monotonic` in seconds. In a `sandbox` programs on this machine may make apps."""
        self._services = services
        self._sandbox = sandbox
        self._now = now
        foundations = services.foundations
        self._gate = Gate(foundations.keyring, People(foundations.accounts, foundations.events))
        self._publishing = Publishing(foundations.channels, services.chat, services.stats.count)
        self._revising = Revising(foundations.channels)
        self.realtime = Realtime(
            *(foundations.channels, foundations.members, foundations.occupancy, self._gate),
            self._publishing,
            self._revising,
            services.stats.count,
            now,
            monotonic,
        )
        self.sockets = Sockets(self.realtime, self._gate, monotonic)
        self.streams = SseApi(
            *(foundations.channels, foundations.occupancy, self.realtime, self._gate), services.stats.count, now
        )

    def mount(self, application: web.Application) -> None:
        """Adds every operation. Sockets are told of the end before the server waits for its open requests."""
        services, foundations = self._services, self._services.foundations
        refusals = Refusals()
        wrapper = counted(refusals.wrapper, services.stats.count)
        parts: list[Part] = [
            TimeApi(self._now),
            ChannelsApi(
                *(foundations.channels, foundations.members, foundations.occupancy),
                *(self._publishing, self._revising, self._gate),
            ),
            BatchApi(foundations.members, self._publishing, self._gate),
            KeysApi(foundations.keyring, self._gate),
            PushApi(services.push, self._gate, foundations.keyring, lambda: services.push_keys.public_key),
            StatsApi(services.stats, self._gate, self._now),
            self.streams,
        ]
        if self._sandbox:
            parts.append(Sandbox(foundations.keyring, foundations.members, services.stats, self._gate))
        for part in parts:
            mount(application, part.operations(wrapper))
        for root in ROOTS:
            application[FAILURES][root] = refusals.before
            application[SHARINGS][root] = SHARING

        async def start(_application: web.Application) -> None:
            await self.realtime.start()

        async def stop(_application: web.Application) -> None:
            self.streams.close()
            await self.realtime.aclose()

        application.on_startup.append(start)
        application.on_shutdown.append(stop)
