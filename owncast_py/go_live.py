"""Who is told that the show begins: keeps the endpoints of `notifications` as the owner's settings want them.

Owns the one endpoint of the channel `discord`, and one of the channel `webpush` for each browser that asked, all of
which subscribe to STREAM_STARTED. Sending is `notifications`'.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from owncast_py.errors import OwncastError
from owncast_py.events import Events, SettingChanged
from owncast_py.notifications.errors import NotificationError
from owncast_py.notifications.service import Notifications
from owncast_py.setting_groups import InstanceSettings, NotificationSettings
from owncast_py.settings import Settings
from owncast_py.topics import STREAM_STARTED

DISCORD = "discord"
BROWSER = "webpush"
MAX_BROWSERS = 5_000

log = structlog.get_logger(__name__)


class GoLive:
    """Follows the settings, from `start` to `aclose`."""

    def __init__(self, notifications: Notifications, settings: Settings, events: Events) -> None:
        self._notifications = notifications
        self._settings = settings
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        events.subscribe(SettingChanged, self._on_setting_changed)

    async def start(self) -> None:
        """Makes the endpoints as the settings are."""
        self._changed.set()
        self._task = asyncio.create_task(self._following(), name="go live")

    async def aclose(self) -> None:
        """Follows no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _on_setting_changed(self, event: SettingChanged) -> None:
        if isinstance(event.after, NotificationSettings | InstanceSettings):
            self._changed.set()

    async def _following(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self.apply()
            except OwncastError as error:
                log.error("go-live notifications are not as they should be", reason=str(error))

    async def apply(self) -> None:
        """Makes, changes or removes the endpoint. Raises NotificationError or StorageError."""
        settings = self._settings.get(NotificationSettings)
        # Who asked stays: when the owner allows it again, they are told again.
        self._notifications.endpoints.mute(BROWSER, not settings.browser_enabled)
        found = self._notifications.endpoints.listing(DISCORD)
        if not settings.discord_enabled or not settings.discord_webhook:
            for endpoint, _ in found:
                await self._notifications.endpoints.delete(endpoint.id)
            return
        document = {"message": settings.discord_message, "username": self._settings.get(InstanceSettings).name}
        if not found:
            await self._notifications.endpoints.create(DISCORD, settings.discord_webhook, document, [STREAM_STARTED])
            return
        endpoint = found[0][0]
        if (endpoint.url, dict(endpoint.document)) != (settings.discord_webhook, document) or not endpoint.active:
            await self._notifications.endpoints.update(
                endpoint.id, url=settings.discord_webhook, document=document, active=True
            )

    async def add_browser(self, url: str, document: Mapping[str, object]) -> None:
        """Tells a browser of every show from now on. `document` has its `keys`; one that is known gets the new ones.

        Raises NotificationError when the owner does not want that, or for what no browser gives.
        """
        if not self._settings.get(NotificationSettings).browser_enabled:
            raise NotificationError("This server sends no notifications to browsers.")
        endpoints = self._notifications.endpoints
        endpoints.check(BROWSER, url, document)
        known = endpoints.at(BROWSER, url)
        if known is not None:
            await endpoints.update(known.id, document=document)
            return
        if endpoints.count(BROWSER) >= MAX_BROWSERS:
            raise NotificationError(f"{MAX_BROWSERS} browsers are told already, which is the most.")
        await endpoints.create(BROWSER, url, document, [STREAM_STARTED])

    @property
    def browsers(self) -> int:
        """How many browsers are told."""
        return self._notifications.endpoints.count(BROWSER)
