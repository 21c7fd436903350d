"""Who is who: users, and what they may be.

Owns every change to a user, and the users held in memory, so that who somebody is costs no query. Where they are signed
in is `devices`', how they prove who they are `logins`'. Rules of naming are chat's (`chat.names`); here a name is what
it is told.

A change is kept first, then seen by `identify`, then announced as UserChanged.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.accounts.devices import Devices, new_id
from owncast_py.accounts.model import ADMIN_ID, COLORS, MAX_PREVIOUS_NAMES, Identity, Kind, Scope, User
from owncast_py.errors import AccountError
from owncast_py.events import Events, UserChanged
from owncast_py.storage import users as repository
from owncast_py.storage.database import Database

MAX_ID_LENGTH = 40
GUEST_PREFIX = "guest-"
MAX_REMEMBERED = 50_000
"""Users in memory; the one longest unused makes room."""
MAX_LISTED = 1_000
MAX_NAME_LENGTH = 100
"""Of a bot's name. Chatters' names are shorter: see `chat.names`."""


class Accounts:
    """Every user."""

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
        self.devices = Devices(database, events, now, remembered=remembered)
        self._users: OrderedDict[str, User] = OrderedDict()
        self._changing = asyncio.Lock()
        self._arriving = asyncio.Lock()

    async def start(self) -> None:
        """Makes sure that there is an admin."""
        if await self.user(ADMIN_ID) is None:
            await self._add(User(ADMIN_ID, Kind.ADMIN, "Admin", 0, self._now(), scopes=frozenset(Scope)))
        await self.devices.start()

    async def aclose(self) -> None:
        """Keeps when devices were last seen."""
        await self.devices.aclose()

    # Who is that?

    async def identify(self, token: str) -> Identity | None:
        """Whose access token that is; None when it is nobody's."""
        device = await self.devices.of_token(token)
        user = await self.user(device.user_id) if device else None
        return Identity(user, device) if device and user else None

    async def user(self, user_id: str) -> User | None:
        """The user with that id."""
        if user_id in self._users:
            self._users.move_to_end(user_id)
            return self._users[user_id]
        # Under the lock, so that a change that is on its way is not overwritten in memory by what was read before it.
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

    async def with_login(self, login: str) -> User | None:
        """The user who signs in with that name."""
        async with self._database.reading() as connection:
            found = await repository.by_login(connection, login)
        return await self.user(found.id) if found else None

    # Those who come.

    async def register(self, display_name: str, device_name: str = "") -> tuple[User, str]:
        """A new chatter, and the access token of their first device."""
        user = await self.add_chatter(display_name)
        return user, (await self.devices.sign_in(user.id, device_name)).token

    async def add_chatter(self, display_name: str, login: str = "") -> User:
        """A new chatter who is signed in nowhere. Raises AccountError when somebody else has that login."""
        user = User(new_id(), Kind.CHATTER, display_name, secrets.randbelow(COLORS), self._now(), login=login)
        await self._add(user)
        return user

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
                await self._add(user)
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
            new_id(),
            Kind.BOT,
            name,
            secrets.randbelow(COLORS),
            self._now(),
            scopes=frozenset(Scope(scope) for scope in wanted),
            authenticated=True,
        )
        await self._add(user)
        return user, (await self.devices.sign_in(user.id, name)).token

    async def _add(self, user: User) -> None:
        key = self._name_key(user.display_name)

        async def work(connection: AsyncConnection) -> None:
            if user.login and await repository.by_login(connection, user.login) is not None:
                raise _taken(user.login)
            await repository.add(connection, user, key)

        await self._database.write(work)
        self._remember(user)

    # What becomes of them.

    async def rename(self, user_id: str, name: str) -> User:
        """Another name; the one before is remembered."""

        def change(user: User) -> User:
            names = (*(old for old in user.previous_names if old != user.display_name), user.display_name)
            return replace(
                user, display_name=name, name_changed_at=self._now(), previous_names=names[-MAX_PREVIOUS_NAMES:]
            )

        return await self._change(user_id, change)

    async def take_login(self, user_id: str, login: str) -> User:
        """Another name to sign in with. Raises AccountError when somebody else has it."""
        return await self._change(user_id, lambda user: replace(user, login=login))

    async def set_authenticated(self, user_id: str) -> User:
        """The user can prove who they are; from now on their name is theirs."""
        return await self._change(user_id, lambda user: replace(user, authenticated=True))

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
                new_login = after.login if after.login != before.login else ""

                async def work(connection: AsyncConnection) -> None:
                    if new_login and await repository.by_login(connection, new_login) is not None:
                        raise _taken(new_login)
                    await repository.replace(connection, after, key)

                await self._database.write(work)
                self._remember(after)
        if after != before:
            self._events.publish(UserChanged(user_id, disabled=after.disabled_at is not None))
        return after

    async def revoke_bot(self, token_or_device_id: str) -> bool:
        """Ends a bot's access token, given itself or its device's id. Returns whether there was one."""
        by_token = await self.devices.of_token(token_or_device_id)
        for device in [by_token] if by_token else await self.devices.with_id(token_or_device_id):
            user = await self.user(device.user_id)
            if user is not None and user.is_bot:
                return bool(await self.devices.sign_out(user.id, [device.id]))
        return False

    # Lists.

    async def bots(self) -> list[Identity]:
        """Every access token of a bot, oldest first."""
        async with self._database.reading() as connection:
            users = {user.id: user for user in await repository.of_kind(connection, Kind.BOT, MAX_LISTED)}
        devices = await self.devices.of_all(list(users))
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
        await self.devices.sign_out_all(user_id)
        async with self._changing:
            await self._database.write(lambda connection: repository.remove(connection, user_id))
            self._users.pop(user_id, None)
        self._events.publish(UserChanged(user_id, disabled=True))
        return user

    def _remember(self, user: User) -> None:
        self._users[user.id] = user
        self._users.move_to_end(user.id)
        if len(self._users) > self._remembered:
            self._users.popitem(last=False)


def _taken(login: str) -> AccountError:
    return AccountError(f"Somebody else signs in as {login!r}; choose another name.")
