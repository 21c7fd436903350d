"""Devices: where each user is signed in, and the access tokens by which those places are known.

Owns every change to a device, and the devices held in memory, so that neither a known token nor a list that is asked
for often costs a query. A token is 256 random bits and is kept only as its SHA-256: enough for a secret that cannot be
guessed. When and from where a device was last seen is noted in memory and kept every FLUSH_SECONDS.

A change is kept first, then seen by whoever asks, then announced as TokenRevoked.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.accounts.model import ADMIN_ID, ADMIN_LIFETIME, Device
from owncast_py.errors import AccountError, OwncastError
from owncast_py.events import Events, TokenRevoked
from owncast_py.storage import devices as repository
from owncast_py.storage.database import Database
from owncast_py.storage.devices import Key

TOKEN_BYTES = 32
MAX_TOKEN_LENGTH = 128
ID_BYTES = 12
MAX_DEVICES = 1_000
"""Of one user; the one longest unused makes room."""
MAX_DEVICE_ID = 64
MAX_NAME_LENGTH = 100
MAX_REMEMBERED = 50_000
"""Devices in memory by their token; the one longest unused makes room."""
MAX_LISTS = 100
"""Users whose devices are all in memory."""
FLUSH_SECONDS = 30.0

_ALIKE = re.compile(r" AppleWebKit/[\d.]+ \(KHTML, like Gecko\)")

log = structlog.get_logger(__name__)


class SignedIn(NamedTuple):
    """A device, and its access token, which nobody can be told again."""

    device: Device
    token: str


class Devices:
    """Every device of every user."""

    def __init__(
        self,
        database: Database,
        events: Events,
        now: Callable[[], datetime],
        *,
        remembered: int = MAX_REMEMBERED,
        listed_users: int = MAX_LISTS,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`now` is aware UTC."""
        self._database = database
        self._events = events
        self._now = now
        self._remembered = remembered
        self._listed_users = listed_users
        self._sleep = sleep
        self._by_token: OrderedDict[bytes, Device] = OrderedDict()
        self._hashes: dict[Key, bytes] = {}
        """Of those in `_by_token`."""
        self._lists: OrderedDict[str, dict[str, Device]] = OrderedDict()
        self._seen: dict[Key, tuple[datetime, str]] = {}
        self._changing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to keep when devices were last seen."""
        self._task = asyncio.create_task(self._flushing(), name="devices: flush")

    async def aclose(self) -> None:
        """Keeps what was not kept yet."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.flush_seen()

    # Which devices there are.

    async def of_token(self, token: str) -> Device | None:
        """The device that has that access token; None when none has."""
        if not token or len(token) > MAX_TOKEN_LENGTH:
            return None
        hashed = hash_of(token)
        device = self._by_token.get(hashed)
        if device is not None:
            self._by_token.move_to_end(hashed)
        else:
            # Under the lock, so that no change that is on its way is overwritten in memory by what was read before it.
            async with self._changing:
                async with self._database.reading() as connection:
                    device = await repository.by_token(connection, hashed)
                if device is None:
                    return None
                self._remember(device, hashed)
        if self._is_over(device):
            await self.sign_out(device.user_id, [device.id])
            return None
        return device

    async def of(self, user_id: str) -> list[Device]:
        """The devices of a user, oldest first, as they were last seen."""
        if user_id in self._lists:
            return self._current(await self._listed(user_id))
        async with self._changing:
            return self._current(await self._listed(user_id))

    async def of_all(self, user_ids: Sequence[str]) -> list[Device]:
        """The devices of several users, oldest first, as they are kept."""
        async with self._database.reading() as connection:
            return await repository.of(connection, user_ids)

    async def with_id(self, device_id: str) -> list[Device]:
        """The devices with that id, of whichever users."""
        async with self._database.reading() as connection:
            return await repository.with_id(connection, device_id)

    async def get(self, user_id: str, device_id: str) -> Device | None:
        """One device of a user."""
        return next((device for device in await self.of(user_id) if device.id == device_id), None)

    async def _listed(self, user_id: str) -> dict[str, Device]:
        """The devices of a user, in memory from now on. Read under the lock, if they are not there yet."""
        if (found := self._lists.get(user_id)) is not None:
            self._lists.move_to_end(user_id)
            return found
        async with self._database.reading() as connection:
            found = {device.id: device for device in await repository.of(connection, [user_id])}
        self._lists[user_id] = found
        if len(self._lists) > self._listed_users:
            self._lists.popitem(last=False)
        return found

    def _current(self, found: Mapping[str, Device]) -> list[Device]:
        return [self._as_seen(device) for device in found.values() if not self._is_over(device)]

    def _is_over(self, device: Device) -> bool:
        return device.user_id == ADMIN_ID and self._now() - device.created_at >= ADMIN_LIFETIME

    def _as_seen(self, device: Device) -> Device:
        at, address = self._seen.get((device.user_id, device.id), (None, None))
        return device if at is None else replace(device, last_seen_at=at, last_seen_ip=address)

    # What becomes of them.

    async def sign_in(self, user_id: str, name: str, device_id: str = "") -> SignedIn:
        """Another device of somebody who has proved who they are.

        One that there is already, by its id, gets another token in place of the one that it has, and keeps its name.
        Raises AccountError when there is no such user, or the id is too long or not printable.
        """
        check_id(device_id)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        hashed = hash_of(token)
        async with self._changing:
            there = await self._listed(user_id)
            before = there.get(device_id)
            name = before.display_name if before else shortened(name)
            device = Device(device_id or new_id(), user_id, name, self._now())
            # Least recently used first; a device that is signed in anew makes no room for itself.
            others = [self._as_seen(each) for each in there.values() if each.id != device.id]
            surplus = [each.id for each in sorted(others, key=_last_used)[: max(0, len(others) + 1 - MAX_DEVICES)]]

            async def work(connection: AsyncConnection) -> bool:
                await repository.remove(connection, [(user_id, each) for each in surplus])
                return await repository.add(connection, device, hashed)

            if not await self._database.write(work):
                raise AccountError(f"There is no user with the id {user_id[:60]!r}.")
            self._forget(user_id, [*surplus, device.id])
            self._remember(device, hashed)
            there[device.id] = device
        for gone in [*surplus, *([before.id] if before else [])]:
            self._events.publish(TokenRevoked(user_id, gone))
        return SignedIn(device, token)

    async def rename(self, user_id: str, device_id: str, name: str) -> bool:
        """Calls a device something else. Returns whether there is one. Raises AccountError for a long name."""
        if len(name) > MAX_NAME_LENGTH:
            raise AccountError(f"A device's name has at most {MAX_NAME_LENGTH} characters; this one has {len(name)}.")
        key, name = (user_id, device_id), _storable(name)
        async with self._changing:
            device = (await self._listed(user_id)).get(device_id)
            if device is None or self._is_over(device):
                return False
            await self._database.write(lambda connection: repository.rename(connection, key, name))
            self._replace([key], lambda device: replace(device, display_name=name))
        return True

    async def sign_out(self, user_id: str, device_ids: Iterable[str]) -> int:
        """Ends those devices of a user. Returns how many of them there were."""
        wanted = set(device_ids)
        return await self._sign_out(user_id, lambda device: device.id in wanted)

    async def sign_out_all(self, user_id: str, keep: str | None = None) -> int:
        """Ends every device of a user except `keep`. Returns how many that were."""
        return await self._sign_out(user_id, lambda device: device.id != keep)

    async def _sign_out(self, user_id: str, wanted: Callable[[Device], bool]) -> int:
        async with self._changing:
            async with self._database.reading() as connection:
                gone = [device.id for device in await repository.of(connection, [user_id]) if wanted(device)]
            if gone:
                keys = [(user_id, device_id) for device_id in gone]
                await self._database.write(lambda connection: repository.remove(connection, keys))
                self._forget(user_id, gone)
        for device_id in gone:
            self._events.publish(TokenRevoked(user_id, device_id))
        return len(gone)

    # When they were seen.

    def seen(self, device: Device, address: str) -> None:
        """That device was used just now, from that address. Kept at the next `flush_seen`."""
        self._seen[device.user_id, device.id] = (self._now(), address)

    async def flush_seen(self) -> None:
        """Keeps when devices were last seen. Raises StorageError; then it is tried again the next time."""
        async with self._changing:
            # Under the lock, as a device that is signed in anew meanwhile is another one.
            rows = [(key, at, address) for key, (at, address) in self._seen.items()]
            if not rows:
                return
            await self._database.write(lambda connection: repository.touch(connection, rows))
            self._replace((key for key, _, _ in rows), self._as_seen)
            for key, at, address in rows:
                if self._seen.get(key) == (at, address):
                    del self._seen[key]

    async def _flushing(self) -> None:
        while True:
            await self._sleep(FLUSH_SECONDS)
            try:
                await self.flush_seen()
            except OwncastError as error:
                log.warning("when devices were seen was not kept", reason=str(error))

    # Memory.

    def _remember(self, device: Device, hashed: bytes) -> None:
        self._by_token[hashed] = device
        self._hashes[device.user_id, device.id] = hashed
        if len(self._by_token) > self._remembered:
            _, old = self._by_token.popitem(last=False)
            del self._hashes[old.user_id, old.id]

    def _forget(self, user_id: str, device_ids: Collection[str]) -> None:
        listed = self._lists.get(user_id, {})
        for device_id in device_ids:
            hashed = self._hashes.pop((user_id, device_id), None)
            if hashed is not None:
                del self._by_token[hashed]
            listed.pop(device_id, None)
            self._seen.pop((user_id, device_id), None)

    def _replace(self, keys: Iterable[Key], change: Callable[[Device], Device]) -> None:
        for key in keys:
            if (hashed := self._hashes.get(key)) is not None:
                self._by_token[hashed] = change(self._by_token[hashed])
            listed = self._lists.get(key[0], {})
            if (device := listed.get(key[1])) is not None:
                listed[key[1]] = change(device)


def hash_of(token: str) -> bytes:
    """By which a token is known."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def new_id() -> str:
    """An id that nobody guesses."""
    return secrets.token_urlsafe(ID_BYTES)


def check_id(device_id: str) -> None:
    """Raises AccountError for an id that no device may have."""
    if len(device_id) > MAX_DEVICE_ID or not device_id.isprintable():
        raise AccountError(f"The id of a device has at most {MAX_DEVICE_ID} characters, all of them printable.")


def shortened(name: str) -> str:
    """What a device is called whose name nobody has typed, such as what a browser calls itself.

    What nearly all browsers say alike is left out first, so that what tells them apart fits.
    """
    return _storable(_ALIKE.sub("", name)[:MAX_NAME_LENGTH])


def _storable(name: str) -> str:
    """The name without what no database keeps: NUL, and octets of a header that are no UTF-8."""
    return name.replace("\0", "").encode("utf-8", "replace").decode()


def _last_used(device: Device) -> datetime:
    return device.last_seen_at or device.created_at
