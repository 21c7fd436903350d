"""The listing in Owncast's directory: says "I am here" every few minutes while a show is on, if the owner wants that.

Owns the key that the directory gives, and when it is asked. What the directory then reads of this server is
`GET /api/yp`. Protocol: POST {key, url} to /api/ping, answered {success, key, error, errorCode}.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from owncast_py.errors import OwncastError
from owncast_py.events import Events, SettingChanged, StreamStarted
from owncast_py.setting_groups import DirectorySettings, InstanceSettings
from owncast_py.settings import Settings

PING_SECONDS = 240.0
MAX_KEY = 200

log = structlog.get_logger(__name__)


class DirectoryListing:
    """Keeps the server listed, from `start` to `aclose`."""

    def __init__(
        self,
        settings: Settings,
        events: Events,
        online: Callable[[], bool],
        post: Callable[[str, object], Awaitable[object]],
        address: str,
    ) -> None:
        """`post` sends JSON to an address and answers with JSON; `address` is the directory's."""
        self._settings = settings
        self._online = online
        self._post = post
        self._address = address
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._told = ""
        """The trouble that was logged last, so that it is logged once."""
        events.subscribe(StreamStarted, lambda _event: self._wake.set())
        events.subscribe(SettingChanged, self._on_setting_changed)

    async def start(self) -> None:
        """Begins to look whether there is something to say."""
        self._task = asyncio.create_task(self._pinging(), name="directory")

    async def aclose(self) -> None:
        """Says nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def reset(self) -> None:
        """Forgets the key: the next registration is a new one."""
        await self._settings.change(DirectorySettings, key="")
        self._wake.set()

    async def ping(self) -> None:
        """Registers the server, or says that it is still there; does nothing while that is not wanted."""
        listing, url = self._settings.get(DirectorySettings), self._settings.get(InstanceSettings).server_url
        if not listing.enabled or not self._online():
            return
        if not url:
            self._trouble("The directory needs this server's public address; set it with config/serverurl.")
            return
        try:
            answer = await self._post(f"{self._address}/api/ping", {"key": listing.key, "url": url})
        except OwncastError as error:
            self._trouble(str(error))
            return
        found = answer if isinstance(answer, dict) else {}
        key = found.get("key")
        if not found.get("success"):
            self._trouble(
                f"The directory refused this server: {str(found.get('error', ''))[:200] or 'no reason given'}."
            )
        else:
            self._told = ""
        if isinstance(key, str) and 0 < len(key) <= MAX_KEY and key != listing.key:
            await self._settings.change(DirectorySettings, key=key)
            log.info("listed in the directory", directory=self._address)

    def _on_setting_changed(self, event: SettingChanged) -> None:
        match event.before, event.after:
            case DirectorySettings(enabled=False), DirectorySettings(enabled=True):
                self._wake.set()

    def _trouble(self, sentence: str) -> None:
        if sentence != self._told:
            self._told = sentence
            log.warning("directory", reason=sentence)

    async def _pinging(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self.ping()
            except OwncastError as error:
                self._trouble(str(error))
            try:
                async with asyncio.timeout(PING_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass
