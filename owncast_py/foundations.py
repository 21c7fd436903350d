"""What every dialect stands on: the database, the settings, the accounts, the channels and the stream's announcer.

Owns the order in which they start and end. They know nothing of each other but what their constructors say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta

from owncast_py.accounts.logins import Logins
from owncast_py.accounts.passwords import Passwords
from owncast_py.accounts.service import Accounts
from owncast_py.broadcast.announcer import Announcer
from owncast_py.chat import names
from owncast_py.events import Events
from owncast_py.realtime.broker import MemoryBroker
from owncast_py.realtime.channels import Channels
from owncast_py.realtime.keeper import Keeper
from owncast_py.realtime.keyring import Keyring
from owncast_py.realtime.members import Members
from owncast_py.realtime.occupancy import Attachments
from owncast_py.setting_groups import Group
from owncast_py.settings import Settings
from owncast_py.storage.database import Database

KEPT = timedelta(hours=72)
"""How long messages stay in channels, unless the owner says otherwise."""


@dataclass(frozen=True, slots=True)
class Foundations:
    """All of them, started."""

    database: Database
    events: Events
    settings: Settings
    accounts: Accounts
    logins: Logins
    channels: Channels
    members: Members
    occupancy: Attachments
    keyring: Keyring


async def open_foundations(
    stack: AsyncExitStack,
    address: str,
    seeds: Mapping[type[Group], Mapping[str, object]],
    now: Callable[[], datetime],
    monotonic: Callable[[], float],
    kept: timedelta = KEPT,
    passwords: Passwords | None = None,
) -> Foundations:
    """Starts everything on the database at `address`; `stack` ends it in reverse. `now` is aware UTC,
    `monotonic` counts seconds.

    `kept` is how long messages stay in channels; `passwords` hashes in another way than usual.

    Raises StorageError when the database cannot be opened, SettingError when a seed cannot be.
    """
    database = Database(address)
    await database.start()
    stack.push_async_callback(database.aclose)
    events = Events()
    settings = Settings(database, events, now)
    await settings.start(seeds)
    accounts = Accounts(database, events, now, names.key)
    await accounts.start()
    stack.push_async_callback(accounts.aclose)
    logins = Logins(database, accounts, events, now, monotonic, passwords)
    await logins.start()
    stack.push_async_callback(logins.aclose)
    keyring = Keyring(database, now)
    await keyring.start()
    stack.push_async_callback(keyring.aclose)
    broker = MemoryBroker(now)
    channels = Channels(database, broker)
    await channels.start()
    stack.push_async_callback(channels.aclose)
    keeper = Keeper(database, channels, kept, now)
    await keeper.start()
    stack.push_async_callback(keeper.aclose)
    announcer = Announcer(events, channels)
    await announcer.start()
    stack.push_async_callback(announcer.aclose)
    members = Members(database, broker)
    return Foundations(database, events, settings, accounts, logins, channels, members, Attachments(), keyring)
