"""The people of chat: how they come, and the names and colours they take.

Owns the rules of names against the settings and the other users; how a name is read is `chat.names`', who a user is
`accounts`'.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress

from owncast_py.accounts.model import User
from owncast_py.accounts.service import Accounts
from owncast_py.buckets import TokenBuckets
from owncast_py.chat import names
from owncast_py.chat.connections import Connections
from owncast_py.chat.content import Name, passing, user_content
from owncast_py.chat.errors import ConnectionRefused, MessageRefused, NameRefused
from owncast_py.realtime.channels import Channels
from owncast_py.realtime.messages import CHAT
from owncast_py.setting_groups import ChatSettings
from owncast_py.settings import Settings

REGISTRATIONS_AT_ONCE = 30
REGISTRATIONS_PER_MINUTE = 20
"""New chatters from one address. Many people can share one, so this is generous."""
CHANGES_AT_ONCE = 5
CHANGES_PER_MINUTE = 10
"""Changes of name or colour by one user."""


class People:
    """Registration, names and colours."""

    def __init__(
        self,
        accounts: Accounts,
        channels: Channels,
        connections: Connections,
        settings: Settings,
        monotonic: Callable[[], float],
        choice: random.Random,
    ) -> None:
        """`choice` picks names for those who bring none."""
        self._accounts = accounts
        self._channels = channels
        self._connections = connections
        self._settings = settings
        self._random = choice
        self._registrations = TokenBuckets(REGISTRATIONS_AT_ONCE, REGISTRATIONS_PER_MINUTE / 60, monotonic)
        self._changes = TokenBuckets(CHANGES_AT_ONCE, CHANGES_PER_MINUTE / 60, monotonic)

    async def register(self, wanted: str | None, address: str | None, device_name: str = "") -> tuple[User, str]:
        """A new chatter and their access token. `address` is None where it tells nobody apart.

        A wanted name that cannot be had is replaced by a suggested one, as nobody has typed it just now. Raises
        ConnectionRefused when too many come from one address or chat is off.
        """
        if self._settings.get(ChatSettings).disabled:
            raise ConnectionRefused(ConnectionRefused.DISABLED, "Chat is switched off on this server.")
        if address is not None and (wait := self._registrations.take(address)) > 0:
            raise ConnectionRefused(
                ConnectionRefused.TOO_MANY, f"Too many people came from your address; try again in {wait:.0f} s."
            )
        return await self._accounts.register(await self.name_for(wanted or ""), device_name)

    async def guest(self, client_id: str) -> User:
        """Whoever comes by another way than the chat's own, and is known there by that id: their name if it can be."""
        return await self._accounts.guest(client_id, lambda: self.name_for(client_id))

    async def name_for(self, wanted: str) -> str:
        """What somebody new is called who would like that name: a suggested one if it cannot be had, or is empty."""
        if wanted:
            with suppress(NameRefused):
                return await self._usable(wanted, None)
        return self._suggested()

    async def rename(self, user: User, wanted: str) -> User:
        """Another name; everybody is told. Raises NameRefused when it cannot be had."""
        name = await self._usable(wanted, user)
        if name == user.display_name:
            return user
        self._pace(user)
        before = user.display_name
        after = await self._accounts.rename(user.id, name)
        document = {"oldName": before, "newName": name, "user": user_content(after)}
        await self._channels.publish(CHAT, passing(Name.RENAMED, document, client_id=user.id))
        return after

    async def recolor(self, user: User, color: int) -> User:
        """Another colour; the next message shows it. Raises AccountError when there is no such colour."""
        self._pace(user)
        after = await self._accounts.recolor(user.id, color)
        self._connections.notify(user.id, "connected", {"user": user_content(after)})
        return after

    def _pace(self, user: User) -> None:
        if not user.may_moderate and (wait := self._changes.take(user.id)) > 0:
            raise MessageRefused("RATE_LIMITED", f"You change too often; try again in {wait:.0f} s.", wait)

    async def _usable(self, wanted: str, user: User | None) -> str:
        """The name as it will be shown. Raises NameRefused when it is forbidden, unreadable or somebody else's."""
        name = names.clean_name(wanted)
        if (user is None or not user.may_moderate) and names.is_forbidden(
            name, self._settings.get(ChatSettings).forbidden_names
        ):
            raise NameRefused(f"The name {name!r} is reserved on this server; choose another.")
        for other in await self._accounts.named_alike(name):
            # A name belongs to nobody until its owner has proved who they are, or speaks for the server.
            if (other.authenticated or other.may_moderate) and (user is None or other.id != user.id):
                raise NameRefused(f"The name {name!r} belongs to somebody else; choose another.")
        return name

    def _suggested(self) -> str:
        return names.suggest_name(self._settings.get(ChatSettings).suggested_names, self._random)
