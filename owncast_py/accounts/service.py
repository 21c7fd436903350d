"""Who is who: users, their devices, and the tokens by which they are known.

Owns every change to a user or device, and the identities held in memory, so that a known token costs no query. A token
is 256 random bits and is kept only as its SHA-256: enough for a secret that cannot be guessed. Rules of naming are
chat's (`chat.names`); here a name is what it is told.

A change is kept first, then seen by `identify`, then announced as UserChanged or TokenRevoked.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.accounts.model import COLORS, MAX_PREVIOUS_NAMES, Device, Kind, Scope, User
from owncast_py.errors import AccountError
from owncast_py.events import Events, TokenRevoked, UserChanged
from owncast_py.storage import users as repository
from owncast_py.storage.database import Database

ADMIN_ID = "admin"
TOKEN_BYTES = 32
ID_BYTES = 12
MAX_ID_LENGTH = 40
GUEST_PREFIX = "guest-"
MAX_REMEMBERED = 50_000
"""Identities in memory; the one longest unused makes room."""
MAX_TOKEN_LENGTH = 128
MAX_LISTED = 1_000
MAX_DEVICES = 1_000
"""Of one user; the one longest unused makes room."""
MAX_NAME_LENGTH = 100
"""Of a bot's or a device's name. Chatters' names are shorter: see `chat.names`."""


class Identity(NamedTuple):
    """Somebody at one device."""

    user: User
    device: Device


class Accounts:
    """Users, devices and tokens."""

    def __init__(
        self,
        database: Database,
        events: Events,
        now: Callable[[], datetime],
        name_key: Callable[[str], str],
        *,
        remembered: int = MAX_REMEMBERED,
    ) -> None:
        """`now` is aware UTC. Names with one `name_key` read alike."""
        self._database = database
        self._events = events
        self._now = now
        self._name_key = name_key
        self._remembered = remembered
        self._users: OrderedDict[str, User] = OrderedDict()
        self._devices: OrderedDict[bytes, Device] = OrderedDict()
        self._seen: dict[str, tuple[datetime, str]] = {}
        self._changing = asyncio.Lock()
        self._arriving = asyncio.Lock()

    async def start(self) -> None:
        """Makes sure that there is an admin."""
        if await self.user(ADMIN_ID) is None:
            await self._add(User(ADMIN_ID, Kind.ADMIN, "Admin", 0, self._now(), scopes=frozenset(Scope)), None)

    # Who is that?

    async def identify(self, token: str) -> Identity | None:
        """Whose access token that is; None when it is nobody's."""
        if not token or len(token) > MAX_TOKEN_LENGTH:
            return None
        hashed = _hash(token)
        device = self._devices.get(hashed)
        user = self._users.get(device.user_id) if device else None
        if device is not None and user is not None:
            self._devices.move_to_end(hashed)
            self._users.move_to_end(user.id)
            return Identity(user, device)
        # Under the lock, so that a change that is on its way is not overwritten in memory by what was read before it.
        async with self._changing:
            async with self._database.reading() as connection:
                found = await repository.by_token(connection, hashed)
            if found is None:
                return None
            self._remember(found[1])
            self._devices[hashed] = found[0]
            _trim(self._devices, self._remembered)
            return Identity(found[1], found[0])

    async def user(self, user_id: str) -> User | None:
        """The user with that id."""
        if user_id in self._users:
            return self._users[user_id]
        async with self._changing:
            async with self._database.reading() as connection:
                user = await repository.by_id(connection, user_id)
            if user is not None:
                self._remember(user)
            return user

    async def named_alike(self, name: str) -> list[User]:
        """Users whose name reads like that one."""
        async with self._database.reading() as connection:
            return await repository.by_name_key(connection, self._name_key(name))

    def seen(self, device: Device, address: str) -> None:
        """That device was used just now, from that address. Kept at the next `flush_seen`."""
        self._seen[device.id] = (self._now(), address)

    async def flush_seen(self) -> None:
        """Keeps when devices were last seen."""
        seen, self._seen = self._seen, {}
        if seen:
            rows = [(device_id, at, address) for device_id, (at, address) in seen.items()]
            await self._database.write(lambda connection: repository.touch(connection, rows))
            for hashed, device in list(self._devices.items()):
                if device.id in seen:
                    at, address = seen[device.id]
                    self._devices[hashed] = replace(device, last_seen_at=at, last_seen_ip=address)

    # Those who come.

    async def register(self, display_name: str, device_name: str = "") -> tuple[User, str]:
        """A new chatter, and the access token of their first device."""
        user = User(_new_id(), Kind.CHATTER, display_name, secrets.randbelow(COLORS), self._now())
        return user, await self._add(user, device_name)

    async def guest(self, client_id: str, display_name: Callable[[], Awaitable[str]]) -> User:
        """Whoever is known by that client id elsewhere: the user with that very id, else a chatter without any token.

        A new one is called what `display_name` returns.
        """
        known = await self.user(client_id) if len(client_id) <= MAX_ID_LENGTH else None
        if known is not None and known.kind is Kind.CHATTER:
            return known
        guest_id = GUEST_PREFIX + hashlib.sha256(client_id.encode()).hexdigest()[:32]
        found = await self.user(guest_id)
        if found is not None:
            return found
        user = User(guest_id, Kind.CHATTER, await display_name(), secrets.randbelow(COLORS), self._now())
        async with self._arriving:
            # Another message of the same client may have been first.
            found = await self.user(guest_id)
            if found is None:
                await self._add(user, None)
        return found or user

    async def create_bot(self, name: str, scopes: Iterable[str]) -> tuple[User, str]:
        """A bot with those scopes, and its access token. Raises AccountError for an unusable name or scope."""
        name = name.strip()
        if not name or len(name) > MAX_NAME_LENGTH:
            raise AccountError(f"An access token needs a name of 1 to {MAX_NAME_LENGTH} characters.")
        allowed = [scope for scope in Scope if scope is not Scope.MODERATOR]
        wanted = set(scopes)
        if not wanted or not wanted <= set(allowed):
            bad = ", ".join(sorted(repr(scope)[:60] for scope in wanted - set(allowed))) or "no scope"
            raise AccountError(f"An access token cannot have {bad}; its scopes are among {', '.join(allowed)}.")
        user = User(
            _new_id(),
            Kind.BOT,
            name,
            secrets.randbelow(COLORS),
            self._now(),
            scopes=frozenset(Scope(scope) for scope in wanted),
            authenticated=True,
        )
        return user, await self._add(user, name)

    async def sign_in(self, user_id: str, device_name: str) -> str:
        """Another device of somebody who has proved who they are; its access token. Raises AccountError."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        hashed = _hash(token)
        async with self._changing:
            async with self._database.reading() as connection:
                user = await repository.by_id(connection, user_id)
                devices = await repository.devices_of(connection, [user_id])
            if user is None:
                raise AccountError(f"There is no user with the id {user_id[:60]!r}.")
            device = Device(_new_id(), user_id, device_name[:MAX_NAME_LENGTH], self._now())
            surplus = sorted(devices, key=lambda each: each.last_seen_at or each.created_at)
            surplus = surplus[: max(0, len(devices) + 1 - MAX_DEVICES)]

            async def work(connection: AsyncConnection) -> None:
                for old in surplus:
                    await repository.remove_device(connection, old.id)
                await repository.add_device(connection, device, hashed)

            await self._database.write(work)
            self._remember(user)
            self._devices[hashed] = device
            _trim(self._devices, self._remembered)
        return token

    async def sign_out(self, user_id: str, device_id: str) -> bool:
        """Ends one device of a user. Returns whether there was one."""
        return bool(await self._sign_out(user_id, lambda device: device.id == device_id))

    async def sign_out_all(self, user_id: str, keep: str | None = None) -> int:
        """Ends every device of a user except `keep`. Returns how many that were."""
        return await self._sign_out(user_id, lambda device: device.id != keep)

    async def _sign_out(self, user_id: str, wanted: Callable[[Device], bool]) -> int:
        async with self._changing:
            async with self._database.reading() as connection:
                devices = [device for device in await repository.devices_of(connection, [user_id]) if wanted(device)]

            async def work(connection: AsyncConnection) -> None:
                for device in devices:
                    await repository.remove_device(connection, device.id)

            await self._database.write(work)
            gone = {device.id for device in devices}
            for known in [known for known, remembered in self._devices.items() if remembered.id in gone]:
                del self._devices[known]
        for device in devices:
            self._events.publish(TokenRevoked(user_id, device.id))
        return len(devices)

    async def _add(self, user: User, device_name: str | None) -> str:
        token = secrets.token_urlsafe(TOKEN_BYTES)
        hashed = _hash(token)
        device = Device(_new_id(), user.id, (device_name or "")[:MAX_NAME_LENGTH], self._now())

        async def work(connection: AsyncConnection) -> None:
            await repository.add(connection, user, self._name_key(user.display_name))
            if device_name is not None:
                await repository.add_device(connection, device, hashed)

        await self._database.write(work)
        self._remember(user)
        if device_name is not None:
            self._devices[hashed] = device
            _trim(self._devices, self._remembered)
        return token

    # What becomes of them.

    async def rename(self, user_id: str, name: str) -> User:
        """Another name; the one before is remembered."""

        def change(user: User) -> User:
            names = (*(old for old in user.previous_names if old != user.display_name), user.display_name)
            return replace(
                user, display_name=name, name_changed_at=self._now(), previous_names=names[-MAX_PREVIOUS_NAMES:]
            )

        return await self._change(user_id, change)

    async def recolor(self, user_id: str, color: int) -> User:
        """Another colour, 0 to COLORS - 1. Raises AccountError for any other number."""
        if not 0 <= color < COLORS:
            raise AccountError(f"There is no colour {color}; they are numbered 0 to {COLORS - 1}.")
        return await self._change(user_id, lambda user: replace(user, color=color))

    async def set_enabled(self, user_id: str, enabled: bool) -> User:
        """Whether the user may chat at all."""
        return await self._change(
            user_id, lambda user: replace(user, disabled_at=None if enabled else user.disabled_at or self._now())
        )

    async def set_moderator(self, user_id: str, moderator: bool) -> User:
        """Whether the user moderates."""
        return await self._change(user_id, lambda user: replace(user, moderator=moderator))

    async def time_out(self, user_id: str, until: datetime | None) -> User:
        """The user may not write before `until`; None lets them write again."""
        return await self._change(user_id, lambda user: replace(user, timed_out_until=until))

    async def _change(self, user_id: str, change: Callable[[User], User]) -> User:
        async with self._changing:
            before = self._users.get(user_id)
            if before is None:
                async with self._database.reading() as connection:
                    before = await repository.by_id(connection, user_id)
            if before is None:
                raise AccountError(f"There is no user with the id {user_id[:60]!r}.")
            after = change(before)
            if after != before:
                key = self._name_key(after.display_name)
                await self._database.write(lambda connection: repository.replace(connection, after, key))
                self._remember(after)
        if after != before:
            self._events.publish(UserChanged(user_id))
        return after

    async def revoke_bot(self, token_or_device_id: str) -> bool:
        """Ends a bot's access token, given itself or its device's id. Returns whether there was one."""
        async with self._database.reading() as connection:
            found = await repository.by_token(connection, _hash(token_or_device_id))
            device = found[0] if found else await repository.device(connection, token_or_device_id)
            user = await repository.by_id(connection, device.user_id) if device else None
        if device is None or user is None or not user.is_bot:
            return False
        return await self.sign_out(user.id, device.id)

    # Lists.

    async def bots(self) -> list[Identity]:
        """Every access token of a bot, oldest first."""
        async with self._database.reading() as connection:
            users = {user.id: user for user in await repository.of_kind(connection, Kind.BOT, MAX_LISTED)}
            devices = await repository.devices_of(connection, list(users))
        return [Identity(users[device.user_id], device) for device in devices]

    async def disabled(self) -> list[User]:
        """Users who may not chat, the latest first."""
        async with self._database.reading() as connection:
            return await repository.disabled(connection, MAX_LISTED)

    async def moderators(self) -> list[User]:
        """Users who moderate."""
        async with self._database.reading() as connection:
            return await repository.moderators(connection, MAX_LISTED)

    async def page(self, offset: int, limit: int, name: str = "", status: str = "all") -> tuple[list[User], int]:
        """Users page by page, the latest first, and how many there are. Raises AccountError for an unknown status."""
        if status not in repository.STATUSES:
            raise AccountError(f"There is no status {status[:60]!r}; ask for {', '.join(repository.STATUSES)}.")
        async with self._database.reading() as connection:
            return await repository.page(connection, offset, limit, name, status)

    async def chatters(self) -> int:
        """How many chatters have ever come."""
        async with self._database.reading() as connection:
            return await repository.count(connection, Kind.CHATTER)

    async def delete(self, user_id: str) -> User:
        """Forgets a user for good, and signs them out everywhere. Raises AccountError for the admin and for nobody."""
        user = await self.user(user_id)
        if user is None or user.kind is Kind.ADMIN:
            raise AccountError(f"There is no user with the id {user_id[:60]!r} who could be deleted.")
        await self.sign_out_all(user_id)
        async with self._changing:
            await self._database.write(lambda connection: repository.remove(connection, user_id))
            self._users.pop(user_id, None)
        self._events.publish(UserChanged(user_id))
        return user

    def _remember(self, user: User) -> None:
        self._users[user.id] = user
        self._users.move_to_end(user.id)
        _trim(self._users, self._remembered)


def _trim(kept: OrderedDict[str, User] | OrderedDict[bytes, Device], limit: int) -> None:
    while len(kept) > limit:
        kept.popitem(last=False)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _new_id() -> str:
    return secrets.token_urlsafe(ID_BYTES)
