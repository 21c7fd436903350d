"""Push with everything under it, in this process: a real database, keys, channels, and the real queue.

Deliveries are made by real transports, to whatever of them a test hands in.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from owncast_py.device_queue import DEVICE, PUSH, DeviceQueue, relay
from owncast_py.notifications.channels.device import DeviceChannel, Transport
from owncast_py.notifications.channels.push_relay import RelayTransport
from owncast_py.notifications.schedule import Schedule
from owncast_py.notifications.service import Notifications
from owncast_py.realtime.broker import MemoryBroker
from owncast_py.realtime.channels import Channels
from owncast_py.realtime.keyring import Keyring
from owncast_py.realtime.push import Push
from owncast_py.realtime.stats import Stats
from owncast_py.storage.database import Database

QUICK = Schedule(delays=(0.0, 0.01, 0.02))
PROBES = (0.02, 0.05)


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class PushHouse:
    """What a test may touch."""

    database: Database
    keyring: Keyring
    channels: Channels
    notifications: Notifications
    queue: DeviceQueue
    push: Push
    stats: Stats


@asynccontextmanager
async def push_house(address: str, transports: Mapping[str, Transport] | None = None) -> AsyncIterator[PushHouse]:
    """Everything, on the database at `address`; opened twice at one address it is a restart."""
    async with AsyncExitStack() as stack:
        database = Database(address)
        await database.start()
        stack.push_async_callback(database.aclose)
        keyring = Keyring(database, now)
        await keyring.start()
        stack.push_async_callback(keyring.aclose)
        channels = Channels(database, MemoryBroker(now))
        await channels.start()
        stack.push_async_callback(channels.aclose)
        stats = Stats(database, now)
        await stats.start()
        stack.push_async_callback(stats.aclose)
        device = DeviceChannel({"ablyChannel": RelayTransport(relay(channels, keyring)), **(transports or {})})
        notifications = Notifications(
            *(database, {DEVICE: device}, now, time.monotonic, random.Random(7)),
            topics=(PUSH,),
            schedule=QUICK,
            probes=PROBES,
        )
        await notifications.start()
        stack.push_async_callback(notifications.aclose)
        queue = DeviceQueue(notifications)
        push = Push(database, queue, now, count=stats.count)
        await push.start()
        device.settled = push.settled
        channels.recorder = push
        yield PushHouse(database, keyring, channels, notifications, queue, push, stats)
