"""Who is told that the show begins: keeps the endpoints of `notifications` as the owner's settings want them.

Owns the one endpoint of the channel `discord`, which subscribes to STREAM_STARTED. Sending is `notifications`'.
"""

from __future__ import annotations

import asyncio

import structlog

from owncast_py.errors import OwncastError
from owncast_py.events import Events, SettingChanged
from owncast_py.notifications.service import Notifications
from owncast_py.setting_groups import InstanceSettings, NotificationSettings
from owncast_py.settings import Settings
from owncast_py.topics import STREAM_STARTED

DISCORD = "discord"

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
        found = self._notifications.listing(DISCORD)
        if not settings.discord_enabled or not settings.discord_webhook:
            for endpoint, _ in found:
                await self._notifications.delete_endpoint(endpoint.id)
            return
        document = {"message": settings.discord_message, "username": self._settings.get(InstanceSettings).name}
        if not found:
            await self._notifications.create_endpoint(DISCORD, settings.discord_webhook, document, [STREAM_STARTED])
            return
        endpoint = found[0][0]
        if (endpoint.url, dict(endpoint.document)) != (settings.discord_webhook, document) or not endpoint.active:
            await self._notifications.update_endpoint(
                endpoint.id, url=settings.discord_webhook, document=document, active=True
            )
