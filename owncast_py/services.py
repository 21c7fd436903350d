"""The services of the application: everything that the dialects use and that is neither media nor HTTP.

Owns the order in which they start and end, on top of the foundations. Each is told of the others only what it needs.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from owncast_py.branding import Branding
from owncast_py.broadcast.session import Status
from owncast_py.chat.chat import Chat
from owncast_py.device_queue import DEVICE, PUSH, DeviceQueue, relay
from owncast_py.directory import DirectoryListing
from owncast_py.foundations import Foundations
from owncast_py.go_live import BROWSER, GoLive
from owncast_py.metrics.geo import GeoIp
from owncast_py.metrics.playback import Playback
from owncast_py.metrics.samples import Samples
from owncast_py.notifications.channels import DeliveryChannel
from owncast_py.notifications.channels.device import DeviceChannel
from owncast_py.notifications.channels.discord import Discord
from owncast_py.notifications.channels.email import Email
from owncast_py.notifications.channels.mail_server import SmtpSettings
from owncast_py.notifications.channels.posting import Poster
from owncast_py.notifications.channels.push_relay import RelayTransport
from owncast_py.notifications.channels.webhook import Webhook
from owncast_py.notifications.channels.webpush import WebPush
from owncast_py.notifications.service import Notifications
from owncast_py.notifications.targets import connector
from owncast_py.notifications.vapid import VapidKeys
from owncast_py.outgoing import Outgoing
from owncast_py.realtime.push import Push
from owncast_py.schedule.service import Schedule
from owncast_py.schedule_watch import ScheduleWatch
from owncast_py.setting_groups import InstanceSettings, NotificationSettings, PushSettings
from owncast_py.settings import Settings
from owncast_py.topics import TOPICS, Topics

GEO_FILE = "GeoLite2-City.mmdb"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the services know of the rest of the program."""

    data_dir: Path
    version: str
    status: Callable[[], Status]
    """The show as of now."""
    bitrates: Callable[[], Sequence[int]]
    """Those of the variants, in kbit/s."""
    allow_private_targets: bool
    received_kept: timedelta
    """How long notifications that were received are kept."""
    smtp: SmtpSettings | None
    """None where no mails are sent."""
    directory_url: str
    now: Callable[[], datetime]
    """Aware, in UTC."""
    monotonic: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Services:
    """All of them, started."""

    foundations: Foundations
    chat: Chat
    notifications: Notifications
    go_live: GoLive
    push_keys: VapidKeys
    """By what push services and browsers know this server."""
    push: Push
    schedule: Schedule
    samples: Samples
    playback: Playback
    geo: GeoIp
    branding: Branding
    directory: DirectoryListing
    outgoing: Outgoing


async def open_services(stack: AsyncExitStack, foundations: Foundations, around: Surroundings) -> Services:
    """Starts everything; `stack` ends it in reverse. Raises StorageError when the database fails."""
    settings, database, events = foundations.settings, foundations.database, foundations.events
    user_agent = f"owncast-py/{around.version}"
    outgoing = Outgoing(user_agent, allow_private=around.allow_private_targets)
    await outgoing.start()
    stack.push_async_callback(outgoing.aclose)
    branding = Branding(around.data_dir, outgoing.image)
    await branding.start()
    geo = GeoIp(around.data_dir / GEO_FILE)
    await geo.start()
    stack.push_async_callback(geo.aclose)
    samples = Samples(database, around.now)
    await samples.start()
    schedule = Schedule(database, around.now)
    await schedule.start()
    stack.push_async_callback(schedule.aclose)

    keys = await _push_keys(settings)
    channels = _channels(stack, foundations, around, user_agent, keys)
    device = DeviceChannel({"ablyChannel": RelayTransport(relay(foundations.channels, foundations.keyring))})
    notifications = Notifications(
        *(database, {**channels, DEVICE: device}, around.now, around.monotonic, random.Random()),
        topics=(*TOPICS, PUSH),
        received_kept=around.received_kept,
    )
    await notifications.start()
    stack.push_async_callback(notifications.aclose)
    push = Push(database, DeviceQueue(notifications), around.now, count=foundations.stats.count)
    await push.start()
    device.settled = push.settled

    chat = Chat(
        foundations, around.data_dir / "emoji", around.status, schedule.next_event, around.now, around.monotonic
    )

    def client_of(user_id: str) -> str:
        connections = list(chat.connections.of(user_id))
        return connections[-1].id if connections else ""

    # Nothing is published before this, so nobody misses an event.
    foundations.channels.recorder = Topics(notifications, settings, around.status, client_of)
    await chat.start()
    stack.push_async_callback(chat.aclose)
    for part in (
        go_live := GoLive(notifications, settings, events),
        ScheduleWatch(schedule, settings, chat.posting, around.now),
        directory := DirectoryListing(
            settings, events, lambda: around.status().online, outgoing.post, around.directory_url
        ),
    ):
        await part.start()
        stack.push_async_callback(part.aclose)
    return Services(
        foundations=foundations,
        chat=chat,
        notifications=notifications,
        go_live=go_live,
        push_keys=keys,
        push=push,
        schedule=schedule,
        samples=samples,
        playback=Playback(around.monotonic, around.now, around.bitrates),
        geo=geo,
        branding=branding,
        directory=directory,
        outgoing=outgoing,
    )


async def _push_keys(settings: Settings) -> VapidKeys:
    """By what push services know this server; made at the first start."""
    if not settings.get(PushSettings).private_key:
        made = await asyncio.to_thread(VapidKeys.generate)
        await settings.change(PushSettings, private_key=made.to_text())
    return VapidKeys.from_text(settings.get(PushSettings).private_key)


def _channels(
    stack: AsyncExitStack, foundations: Foundations, around: Surroundings, user_agent: str, keys: VapidKeys
) -> dict[str, DeliveryChannel]:
    """The ways to deliver notifications."""
    settings, now, private = foundations.settings, around.now, around.allow_private_targets
    poster = Poster(connector(private), user_agent, now)
    stack.push_async_callback(poster.aclose)
    email = Email(lambda: around.smtp)
    stack.push_async_callback(email.aclose)

    def address() -> str:
        return settings.get(InstanceSettings).server_url

    def contact() -> str:
        return address() if address().startswith("https://") else ""

    def message() -> str:
        return settings.get(NotificationSettings).browser_message

    return {
        "webhook": Webhook(poster, now, lambda: urlsplit(address()).hostname or "localhost", allow_private=private),
        "discord": Discord(poster, allow_private=private),
        BROWSER: WebPush(poster, keys, contact, now, message, allow_private=private),
        "email": email,
    }
