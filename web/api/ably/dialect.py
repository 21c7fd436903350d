"""Ably's dialect on an application: REST as of the Ably Platform API 1.1.0 and later, and the realtime WebSocket.

Owns which parts there are and what each of them is told. `Platform` is all that the dialect asks of the program.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from owncast_py.chat.chat import Chat
from owncast_py.realtime.channels import Channels
from owncast_py.realtime.keyring import Keyring
from owncast_py.realtime.members import Members
from owncast_py.realtime.occupancy import Attachments
from web.api.ably.batch import BatchApi
from web.api.ably.channels import ChannelsApi
from web.api.ably.errors import Refusals
from web.api.ably.gate import Gate
from web.api.ably.keys import KeysApi
from web.api.ably.publishing import Publishing
from web.api.ably.realtime import Realtime
from web.api.ably.socket import Sockets
from web.api.ably.time import TimeApi
from web.middleware import FAILURES
from web.operations import mount

ROOTS = ("channels", "keys", "push", "stats", "time", "messages", "presence")
"""The first parts of this dialect's paths."""


@dataclass(frozen=True, slots=True)
class Platform:
    """What the dialect asks of the program."""

    channels: Channels
    members: Members
    occupancy: Attachments
    keyring: Keyring
    chat: Chat
    now: Callable[[], datetime]
    """Aware, in UTC."""
    monotonic: Callable[[], float]


class Ably:
    """The dialect, to be mounted."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._gate = Gate(platform.keyring)
        self._publishing = Publishing(platform.channels, platform.chat)
        self.realtime = Realtime(
            *(platform.channels, platform.members, platform.occupancy, self._gate, self._publishing),
            *(platform.now, platform.monotonic),
        )
        self.sockets = Sockets(self.realtime, self._gate, platform.monotonic)

    def mount(self, application: web.Application) -> None:
        """Adds every operation. Sockets are told of the end before the server waits for its open requests."""
        refusals, platform = Refusals(), self._platform
        parts = (
            TimeApi(platform.now),
            ChannelsApi(platform.channels, platform.members, platform.occupancy, self._publishing, self._gate),
            BatchApi(platform.channels, platform.members, platform.occupancy, self._publishing, self._gate),
            KeysApi(platform.keyring, self._gate),
        )
        for part in parts:
            mount(application, part.operations(refusals.wrapper))
        for root in ROOTS:
            application[FAILURES][root] = refusals.before

        async def start(_application: web.Application) -> None:
            await self.realtime.start()

        async def stop(_application: web.Application) -> None:
            await self.realtime.aclose()

        application.on_startup.append(start)
        application.on_shutdown.append(stop)
