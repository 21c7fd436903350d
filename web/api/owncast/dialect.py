"""Owncast's dialect on an application: every operation of it, and what must run while the server does.

Owns which parts there are and what each of them is told. `Owncast` is all that the dialect asks of the program.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from owncast_py.backup.hourly import HourlyBackups
from owncast_py.broadcast.studio import Studio
from owncast_py.broadcast.viewers import Viewers
from owncast_py.credentials import Credentials
from owncast_py.events import PasswordChanged
from owncast_py.metrics.prometheus import Exposition
from owncast_py.recent_logs import RecentLogs
from owncast_py.schedule.model import ScheduledEvent
from owncast_py.services import Services
from owncast_py.setting_groups import InstanceSettings, ScheduleSettings
from owncast_py.store_trial import StoreTrial
from web.api.owncast import answers
from web.api.owncast.backups import BackupsApi
from web.api.owncast.branding import BrandingApi
from web.api.owncast.browsers import BrowsersApi
from web.api.owncast.channel_keys import ChannelKeysApi
from web.api.owncast.channels_admin import ChannelsAdminApi
from web.api.owncast.chat import ChatApi
from web.api.owncast.chat_socket import ChatSockets
from web.api.owncast.config import ConfigDocument
from web.api.owncast.devices import DevicesApi
from web.api.owncast.directory import DirectoryApi
from web.api.owncast.integrations import IntegrationsApi
from web.api.owncast.measurements import MeasurementsApi
from web.api.owncast.moderation import ModerationApi
from web.api.owncast.schedule import ScheduleApi
from web.api.owncast.secrets import SecretsApi
from web.api.owncast.server_config import Running, ServerConfigApi
from web.api.owncast.settings import Insists, SettingsApi
from web.api.owncast.show import ShowApi
from web.api.owncast.status import StatusDocument
from web.api.owncast.storage import StorageApi
from web.api.owncast.users import UsersApi
from web.api.owncast.webhooks import WebhooksApi
from web.authentication import Authentication
from web.fanout import Fanout
from web.operations import mount
from web.pages import Page
from web.site import Site


@dataclass(frozen=True, slots=True)
class Owncast:
    """What the dialect asks of the program, beside its services."""

    services: Services
    studio: Studio
    viewers: Viewers
    exposition: Exposition
    logs: RecentLogs
    backups: HourlyBackups | None
    """None where the database is backed up in another way."""
    store_trial: StoreTrial
    credentials: Credentials
    authentication: Authentication
    running: Callable[[], Running]
    insists: Insists
    """Whether the environment or the command line gave a setting."""
    hide: Callable[[str], None]
    """Keeps a secret out of the logs from now on."""
    pages: Mapping[str, Page]
    """What was built, by its path."""
    channel_socket: Callable[[web.Request], Awaitable[web.StreamResponse]] | None
    """Serves WebSockets that come to the page's own address."""
    now: Callable[[], datetime]
    """Aware, in UTC."""
    monotonic: Callable[[], float]

    def next_event(self) -> ScheduledEvent | None:
        """The planned show that is announced."""
        shown = self.services.foundations.settings.get(ScheduleSettings).enabled
        return self.services.schedule.next_event() if shown else None

    def viewers_hidden(self) -> bool:
        """Whether the owner hides how many watch."""
        return self.services.foundations.settings.get(InstanceSettings).hide_viewer_count

    def chat_open(self) -> bool:
        """Whether viewers may write in chat now."""
        return self.services.chat.posting.closed_because() is None


@dataclass(frozen=True, slots=True)
class Documents:
    """What is asked for most, as bytes, and what else the program wants to see of the dialect."""

    status: StatusDocument
    config: ConfigDocument
    chat_fanout: Fanout
    """The way of chat to its sockets."""


def mount_owncast(application: web.Application, owncast: Owncast) -> Documents:
    """Adds every operation. The sockets are told of the end before the server waits for its open requests."""
    services, studio = owncast.services, owncast.studio
    settings, accounts = services.foundations.settings, services.foundations.accounts
    chat, moderation = services.chat, services.chat.moderation
    authentication = owncast.authentication
    version = owncast.running().version
    status = StatusDocument(
        studio.status, owncast.now, version, owncast.viewers_hidden, owncast.next_event, owncast.chat_open
    )
    services.foundations.events.subscribe(PasswordChanged, authentication.on_password_changed)
    config = ConfigDocument(settings, version, lambda: services.push_keys.public_key)
    sockets = ChatSockets(chat, owncast.monotonic)
    public_chat = ChatApi(chat, authentication)
    moderating = ModerationApi(chat, authentication, services.geo)
    parts = (
        status,
        config,
        public_chat,
        DevicesApi(chat, accounts, services.foundations.logins, authentication),
        moderating,
        IntegrationsApi(chat, authentication, moderating),
        ChannelKeysApi(services.foundations.keyring, moderation, authentication),
        ChannelsAdminApi(services, moderation, authentication, owncast.now),
        UsersApi(chat, authentication),
        ShowApi(
            *(studio, services.playback, owncast.logs, moderation, authentication),
            *(lambda: services.store_watch.trouble, version),
        ),
        ServerConfigApi(settings, studio, owncast.credentials, authentication, owncast.running),
        SettingsApi(settings, studio, moderation, authentication, owncast.insists, services.outgoing.check),
        SecretsApi(owncast.credentials, accounts, moderation, authentication, owncast.hide),
        StorageApi(
            *(settings, owncast.store_trial, moderation, authentication),
            *(owncast.insists, services.outgoing.check, owncast.hide),
        ),
        BrandingApi(services.branding, moderation, authentication),
        BackupsApi(owncast.backups, moderation, authentication),
        BrowsersApi(services.go_live, authentication, owncast.monotonic),
        WebhooksApi(services.notifications, moderation, authentication, services.outgoing.check),
        ScheduleApi(services.schedule, settings, moderation, authentication, owncast.now),
        DirectoryApi(services.directory, settings, studio, moderation, authentication),
        MeasurementsApi(
            *(services.samples, services.playback, owncast.viewers, services.geo, studio, owncast.exposition),
            authentication,
        ),
        Site(
            *(owncast.pages, settings, services.branding, lambda: studio.status().online),
            lambda: {"status": status.body(), "config": config.body()},
            authentication.session_token,
            answers.refusing,
            owncast.channel_socket,
        ),
    )
    for part in parts:
        mount(application, part.operations())
    application.add_routes(sockets.routes())

    async def start(_application: web.Application) -> None:
        await sockets.start()
        public_chat.start()

    async def stop(_application: web.Application) -> None:
        await sockets.aclose()
        public_chat.stop()

    application.on_startup.append(start)
    application.on_shutdown.append(stop)
    return Documents(status, config, sockets.fanout)
