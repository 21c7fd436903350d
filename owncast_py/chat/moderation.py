"""Moderation: what the admin, a moderator or a bot may do to messages and people, and the log of it.

Owns who may act on whom, and that every act is written down. Acting on a message makes a new version of it in the
channel; acting on a person reaches their open windows at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from owncast_py.accounts.model import User
from owncast_py.accounts.service import Accounts
from owncast_py.chat import content
from owncast_py.chat.bans import Bans, parse_network
from owncast_py.chat.connections import Connections
from owncast_py.chat.content import Name, passing, user_content
from owncast_py.chat.errors import ChatRefused, ConnectionRefused
from owncast_py.chat.posting import Posting
from owncast_py.errors import AccountError
from owncast_py.realtime.channels import Channels
from owncast_py.realtime.messages import CHAT, Action, Message
from owncast_py.setting_groups import PinnedMessage
from owncast_py.settings import Settings
from owncast_py.storage import moderation as repository
from owncast_py.storage.database import Database
from owncast_py.storage.moderation import AuditEntry

MAX_IDS = 1_000
"""Messages in one request."""
CHUNK = 500
MAX_TIMEOUT = 31 * 86_400
"""Seconds that somebody can be timed out for; longer is what disabling is for."""


class Moderation:
    """Acts on messages and people. `actor` is who does it, and is written down."""

    def __init__(
        self,
        database: Database,
        accounts: Accounts,
        channels: Channels,
        connections: Connections,
        bans: Bans,
        posting: Posting,
        settings: Settings,
        now: Callable[[], datetime],
    ) -> None:
        """`now` is aware, in UTC."""
        self._database = database
        self._accounts = accounts
        self._channels = channels
        self._connections = connections
        self._bans = bans
        self._posting = posting
        self._settings = settings
        self._now = now

    async def set_visibility(self, actor: User, ids: Sequence[str], visible: bool) -> list[Message]:
        """Hides messages or shows them again; returns those that changed. Raises ChatRefused for too many."""
        if len(ids) > MAX_IDS:
            raise ChatRefused(f"{len(ids)} messages are too many at once; send at most {MAX_IDS}.")
        changed = await self._channels.revise(CHAT, ids, Action.UPDATE if visible else Action.DELETE)
        if changed:
            act = "show messages" if visible else "hide messages"
            await self._log(actor, act, ", ".join(m.serial for m in changed[:5]), f"{len(changed)} messages")
            if not visible and self._settings.get(PinnedMessage).id in {message.serial for message in changed}:
                await self.pin(actor, None)
        return changed

    async def set_enabled(self, actor: User, user_id: str, enabled: bool) -> User:
        """Lets somebody chat, or not: then their messages are hidden and their windows closed.

        Messages stay hidden when they may chat again. Raises AccountError when there is no such user, ChatRefused when
        the actor may not do that to them.
        """
        target = await self._target(actor, user_id)
        after = await self._accounts.set_enabled(user_id, enabled)
        await self._log(actor, "enable user" if enabled else "disable user", user_id, target.display_name)
        if not enabled:
            self._connections.hang_up(self._connections.of(user_id), ConnectionRefused.USER_DISABLED)
            await self._hide_all_of(user_id)
        return after

    async def delete_user(self, actor: User, user_id: str) -> User:
        """Forgets somebody for good: their windows are closed, their messages taken from view and then deleted.

        Raises as `set_enabled` does.
        """
        target = await self._target(actor, user_id)
        self._connections.hang_up(self._connections.of(user_id), ConnectionRefused.NEEDS_REGISTRATION)
        await self._hide_all_of(user_id)
        await self._accounts.delete(user_id)
        await self._channels.erase(CHAT, user_id)
        await self._log(actor, "delete user", user_id, target.display_name)
        return target

    async def time_out(self, actor: User, user_id: str, seconds: float) -> User:
        """Somebody may not write for that long; 0 lets them write again. Raises as `set_enabled` does."""
        if not 0 <= seconds <= MAX_TIMEOUT:
            raise ChatRefused(f"A time-out of {seconds:g} s cannot be; give 0 to {MAX_TIMEOUT} seconds.")
        target = await self._target(actor, user_id)
        until = self._now() + timedelta(seconds=seconds) if seconds else None
        after = await self._accounts.time_out(user_id, until)
        await self._log(actor, "time out", user_id, f"{target.display_name}, {seconds:g} s")
        if seconds:
            sentence = f"A moderator has paused you: you may write again in {seconds:g} seconds."
            document = self._posting.server_line(sentence) | {"error": {"code": "TIMED_OUT", "retryAfter": seconds}}
            self._connections.notify(user_id, "system", document)
        return after

    async def set_moderator(self, actor: User, user_id: str, moderator: bool) -> User:
        """Makes somebody a moderator, or not any more; tells them. Raises as `set_enabled` does."""
        target = await self._target(actor, user_id)
        after = await self._accounts.set_moderator(user_id, moderator)
        await self._log(actor, "make moderator" if moderator else "unmake moderator", user_id, target.display_name)
        self._connections.notify(user_id, "connected", {"user": user_content(after)})
        if after != target:
            sentence = "You are now a moderator." if moderator else "You are not a moderator any more."
            self._connections.notify(user_id, "system", self._posting.server_line(sentence))
        return after

    async def ban(self, actor: User, network: str, note: str = "") -> str:
        """Bans an address or network and closes what it has open. Raises ChatRefused for what is neither."""
        banned = await self._bans.add(network, note)
        await self._log(actor, "ban address", str(banned), note)
        self._connections.hang_up(
            [connection for connection in self._connections.all if self._bans.banned(connection.address)],
            ConnectionRefused.USER_DISABLED,
        )
        return str(banned)

    async def unban(self, actor: User, network: str) -> str:
        """Lifts a ban. Raises ChatRefused when there is none."""
        parse_network(network)
        lifted = await self._bans.remove(network)
        await self._log(actor, "unban address", str(lifted), "")
        return str(lifted)

    async def pin(self, actor: User, message_id: str | None) -> None:
        """Puts a message above the chat, in place of any other; None takes it away. Raises ChatRefused."""
        before = self._settings.get(PinnedMessage).id
        if message_id is None:
            if before is not None:
                await self._settings.change(PinnedMessage, id=None)
                await self._channels.publish(CHAT, passing(Name.UNPINNED, {"id": before}))
                await self._log(actor, "unpin message", before, "")
            return
        found = await self._channels.find(CHAT, [message_id])
        if not found or not found[0].visible or found[0].name not in content.HISTORY:
            raise ChatRefused(f"There is no visible message {message_id[:60]!r} to pin.")
        await self._settings.change(PinnedMessage, id=message_id)
        await self._channels.publish(CHAT, passing(Name.PINNED, pinned_content(found[0])))
        await self._log(actor, "pin message", message_id, "")

    async def pinned(self) -> Message | None:
        """The message above the chat, if it is still there."""
        pinned = self._settings.get(PinnedMessage).id
        found = await self._channels.find(CHAT, [pinned]) if pinned else []
        return found[0] if found and found[0].visible else None

    async def log_entries(self, limit: int, before: int | None = None, words: str = "") -> list[tuple[int, AuditEntry]]:
        """What was done, the newest first, with numbers to page by; only what has `words` in it, if there are any."""
        async with self._database.reading() as connection:
            return await repository.entries(connection, limit, before, words)

    async def record(self, actor: User, action: str, target: str, detail: str = "") -> None:
        """Writes down an act that is done elsewhere, such as the deletion of an emoji."""
        await self._log(actor, action, target, detail)

    async def _target(self, actor: User, user_id: str) -> User:
        target = await self._accounts.user(user_id)
        if target is None:
            raise AccountError(f"There is no user with the id {user_id[:60]!r}.")
        if target.may_moderate and actor.moderator and not actor.is_bot and actor.id != target.id:
            raise ChatRefused(f"{target.display_name} moderates here too; only the admin can act on moderators.")
        return target

    async def _hide_all_of(self, user_id: str) -> None:
        # What they have just sent may still be on its way.
        await self._channels.settle(CHAT)
        before = None
        while True:
            page = await self._channels.history(CHAT, limit=CHUNK, before=before, client_id=user_id, removed=False)
            if not page:
                return
            await self._channels.revise(CHAT, [message.serial for message in page], Action.DELETE)
            before = page[-1].serial

    async def _log(self, actor: User, action: str, target: str, detail: str) -> None:
        entry = AuditEntry(self._now(), actor.id, actor.display_name, action, target[:200], detail[:1_000])
        await self._database.write(lambda connection: repository.record(connection, entry))


def pinned_content(message: Message) -> dict[str, object]:
    """What is told of a pinned message: the message itself, with its id and time."""
    return {"id": message.serial, "message": content.load(message), "at": content.timestamp(message.at)}
