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

from owncast_py.branding import Branding
from owncast_py.broadcast.session import Status
from owncast_py.chat.chat import Chat
from owncast_py.delivery_channels import Carriers, delivery_channels
from owncast_py.device_queue import PUSH, DeviceQueue
from owncast_py.directory import DirectoryListing
from owncast_py.foundations import Foundations
from owncast_py.go_live import GoLive
from owncast_py.metrics.geo import GeoIp
from owncast_py.metrics.playback import Playback
from owncast_py.metrics.samples import Samples
from owncast_py.notifications.service import Notifications
from owncast_py.notifications.vapid import VapidKeys
from owncast_py.outgoing import Outgoing
from owncast_py.realtime.push import Push
from owncast_py.realtime.stats import Stats
from owncast_py.recording import Recorders
from owncast_py.schedule.service import Schedule
from owncast_py.schedule_watch import ScheduleWatch
from owncast_py.setting_groups import PushSettings
from owncast_py.settings import Settings
from owncast_py.store_watch import StoreWatch
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
    carriers: Carriers
    received_kept: timedelta
    """How long notifications that were received are kept."""
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
    push: Push
    push_keys: VapidKeys
    """By what push services and browsers know this server."""
    stats: Stats
    """What is counted of channels."""
    schedule: Schedule
    samples: Samples
    playback: Playback
    geo: GeoIp
    branding: Branding
    directory: DirectoryListing
    outgoing: Outgoing
    store_watch: StoreWatch


async def open_services(stack: AsyncExitStack, foundations: Foundations, around: Surroundings) -> Services:
    """Starts everything; `stack` ends it in reverse. Raises StorageError when the database fails."""
    settings, database, events = foundations.settings, foundations.database, foundations.events
    user_agent = f"owncast-py/{around.version}"
    outgoing = Outgoing(user_agent, allow_private=around.carriers.private_targets)
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
    ways = delivery_channels(stack, foundations, around.carriers, user_agent, keys, around.now)
    notifications = Notifications(
        *(database, ways.channels, around.now, around.monotonic, random.Random()),
        topics=(*TOPICS, PUSH),
        received_kept=around.received_kept,
    )
    await notifications.start()
    stack.push_async_callback(notifications.aclose)
    stats = Stats(database, around.now, foundations.occupancy.gauges)
    await stats.start()
    stack.push_async_callback(stats.aclose)
    push = Push(database, DeviceQueue(notifications), around.now, count=stats.count)
    await push.start()
    ways.device.settled = push.settled

    chat = Chat(
        foundations, around.data_dir / "emoji", around.status, schedule.next_event, around.now, around.monotonic
    )

    def client_of(user_id: str) -> str:
        connections = list(chat.connections.of(user_id))
        return connections[-1].id if connections else ""

    # Nothing is published before this, so nobody misses an event.
    topics = Topics(notifications, settings, around.status, client_of)
    foundations.channels.recorder = Recorders(topics, push)
    await chat.start()
    stack.push_async_callback(chat.aclose)
    for part in (
        go_live := GoLive(notifications, settings, events),
        ScheduleWatch(schedule, settings, chat.posting, around.now),
        store_watch := StoreWatch(database, notifications, events),
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
        push=push,
        push_keys=keys,
        stats=stats,
        schedule=schedule,
        samples=samples,
        playback=Playback(around.monotonic, around.now, around.bitrates),
        geo=geo,
        branding=branding,
        directory=directory,
        outgoing=outgoing,
        store_watch=store_watch,
    )


async def _push_keys(settings: Settings) -> VapidKeys:
    """By what push services know this server; made at the first start."""
    if not settings.get(PushSettings).private_key:
        made = await asyncio.to_thread(VapidKeys.generate)
        await settings.change(PushSettings, private_key=made.to_text())
    return VapidKeys.from_text(settings.get(PushSettings).private_key)
