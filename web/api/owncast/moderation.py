"""Moderation over HTTP: by the admin under `/api/admin/chat`, by a moderator's own token under `/api/chat`.

Owns the routes and their wire format, in both generations' spellings. What may be done, and that it is written down, is
`owncast_py.chat.moderation`'s.
"""

from __future__ import annotations

from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from owncast_py.chat.chat import Chat
from owncast_py.chat.content import UserContent
from owncast_py.chat.moderation import MAX_IDS
from owncast_py.metrics.geo import GeoIp
from owncast_py.realtime.messages import CHAT
from web.api.owncast import answers, chat_frames, views
from web.api.owncast.answers import Done, done
from web.api.owncast.chat_frames import ChatObject
from web.authentication import Authentication
from web.body import Input, Query
from web.operations import Call, Operation

MAX_PAGE = 1_000
DEFAULT_PAGE = 100
USER_MESSAGES = 100
"""Messages in a user's card."""
MAX_EMOJI_BODY = 1_500_000
"""Octets: an image in base64, and its name."""


class MessagesQuery(Query):
    """Which messages: by words, by author, and the page before a message."""

    limit: int = Field(DEFAULT_PAGE, ge=1, le=MAX_PAGE)
    before: str | None = None
    userId: str | None = None
    q: str | None = None


class AuditQuery(Query):
    """Which acts: by words in them, and the page before a number."""

    limit: int = Field(DEFAULT_PAGE, ge=1, le=MAX_PAGE)
    before: int = Field(0, ge=0, le=2**31)
    q: str = Field("", max_length=100)


class Visibility(Input):
    """Messages to hide or to show."""

    visible: bool
    idArray: list[str] = Field(max_length=MAX_IDS)


class Enabled(Input):
    """Whether a user may chat."""

    userId: str
    enabled: bool


class Timeout(Input):
    """How long a user may not write; 0 ends it."""

    userId: str
    seconds: float = Field(strict=False, allow_inf_nan=False)


class Moderator(Input):
    """Whether a user moderates."""

    userId: str
    isModerator: bool


class Pin(Input):
    """The message to pin; none takes the pinned one down."""

    id: str | None = None


class Address(Input):
    """An IP address, or a network in CIDR notation, and why it is banned."""

    value: str
    notes: str = Field("", max_length=200)


class EmojiUpload(Input):
    """An image as a data: URL or bare base64, and the name of its file."""

    name: str = Field(max_length=200)
    data: str


class EmojiName(Input):
    """The name of an emoji, or of its file."""

    name: str = Field(max_length=200)


class UserCard(TypedDict):
    """What moderators know of a user."""

    user: UserContent
    connectedClients: list[views.ClientView]
    messages: list[ChatObject]


class ModerationApi:
    """The routes of moderation."""

    def __init__(self, chat: Chat, authentication: Authentication, geo: GeoIp) -> None:
        self._chat = chat
        self._moderation = chat.moderation
        self._authentication = authentication
        self._geo = geo

    def operations(self) -> list[Operation]:
        """Those of the admin, then those of moderators."""
        admin, moderator = self._authentication.as_admin, self._authentication.as_moderator
        api = answers.api("Chat moderation")
        api.add("GET", "/api/admin/chat/messages", self._messages, admin)
        api.add("POST", "/api/admin/chat/messagevisibility", self.set_visibility, admin)
        api.add("POST", "/api/admin/chat/updatemessagevisibility", self.set_visibility, admin)
        api.add("GET", "/api/admin/clients", self.clients, admin)
        api.add("GET", "/api/admin/chat/clients", self.clients, admin)
        api.add("POST", "/api/admin/chat/users/setenabled", self._set_enabled, admin)
        api.add("POST", "/api/admin/chat/users/timeout", self._time_out, admin)
        api.add("POST", "/api/admin/chat/users/setmoderator", self._set_moderator, admin)
        api.add("GET", "/api/admin/chat/users/disabled", self._disabled, admin)
        api.add("GET", "/api/admin/chat/users/moderators", self._moderators, admin)
        api.add("GET", "/api/admin/chat/users/ipbans", self._bans, admin)
        api.add("POST", "/api/admin/chat/users/ipbans/create", self._ban, admin)
        api.add("POST", "/api/admin/chat/users/ipbans/remove", self._unban, admin)
        api.add("GET", "/api/admin/users/{user_id}", self._user_card, admin)
        api.add("POST", "/api/admin/chat/pin", self._pin, admin)
        api.add("GET", "/api/admin/chat/audit", self._audit, admin)
        api.add("POST", "/api/admin/emoji/upload", self._upload_emoji, admin, max_body=MAX_EMOJI_BODY)
        api.add("POST", "/api/admin/emoji/delete", self._delete_emoji, admin)
        api.add("POST", "/api/chat/messagevisibility", self.set_visibility, moderator)
        api.add("POST", "/api/chat/users/setenabled", self._set_enabled, moderator)
        api.add("POST", "/api/chat/users/timeout", self._time_out, moderator)
        api.add("POST", "/api/chat/pin", self._pin, moderator)
        api.add("GET", "/api/moderation/chat/user/{user_id}", self._user_card, moderator)
        return api.operations

    # Messages.

    async def _messages(self, call: Call[MessagesQuery]) -> list[ChatObject]:
        """Everything that was written, hidden or not, the oldest first."""
        found = await self._chat.channels.history(
            CHAT, limit=call.input.limit, before=call.input.before, client_id=call.input.userId, text=call.input.q
        )
        return [chat_frames.chat_object(message, unfiltered=True) for message in reversed(found)]

    async def set_visibility(self, call: Call[Visibility]) -> Done:
        """Hides messages, or shows them again."""
        changed = await self._moderation.set_visibility(call.actor, call.input.idArray, call.input.visible)
        return done(f"{len(changed)} messages changed")

    async def _pin(self, call: Call[Pin]) -> Done:
        """Puts a message above the chat."""
        await self._moderation.pin(call.actor, call.input.id)
        return done("pinned" if call.input.id else "unpinned")

    # People.

    async def clients(self, _call: Call[None]) -> list[views.ClientView]:
        """Who is connected to chat."""
        return [
            views.client_view(
                connection,
                await self._chat.accounts.user(connection.user_id),
                self._geo.lookup(connection.address),
            )
            for connection in list(self._chat.connections.all)
        ]

    async def _set_enabled(self, call: Call[Enabled]) -> Done:
        """Removes somebody from chat and hides what they wrote, or lets them in again."""
        user = await self._moderation.set_enabled(call.actor, call.input.userId, call.input.enabled)
        return done(f"{user.display_name} is {'enabled' if call.input.enabled else 'disabled'}")

    async def _time_out(self, call: Call[Timeout]) -> Done:
        """Lets somebody write again only after a while."""
        user = await self._moderation.time_out(call.actor, call.input.userId, call.input.seconds)
        return done(f"{user.display_name} may write again in {call.input.seconds:g} s")

    async def _set_moderator(self, call: Call[Moderator]) -> Done:
        """Makes somebody a moderator, or not any more."""
        user = await self._moderation.set_moderator(call.actor, call.input.userId, call.input.isModerator)
        return done(f"{user.display_name} is {'now' if call.input.isModerator else 'not'} a moderator")

    async def _disabled(self, _call: Call[None]) -> list[UserContent]:
        """Who may not chat."""
        return [views.user_view(user) for user in await self._chat.accounts.disabled()]

    async def _moderators(self, _call: Call[None]) -> list[UserContent]:
        """Who moderates."""
        return [views.user_view(user) for user in await self._chat.accounts.moderators()]

    async def _user_card(self, call: Call[None]) -> UserCard:
        """Everything about one user: who, where from, and what they wrote."""
        user_id = call.part("user_id")
        user = await self._chat.accounts.user(user_id)
        if user is None:
            raise web.HTTPNotFound(text=f"There is no user with the id {user_id[:60]!r}.")
        messages = await self._chat.channels.history(CHAT, limit=USER_MESSAGES, client_id=user_id)
        return {
            "user": views.user_view(user),
            "connectedClients": [
                views.client_view(each, user, self._geo.lookup(each.address))
                for each in self._chat.connections.of(user_id)
            ],
            "messages": [chat_frames.chat_object(message, unfiltered=True) for message in messages],
        }

    # Addresses.

    async def _bans(self, _call: Call[None]) -> list[views.BanView]:
        """Banned addresses and networks."""
        return [views.ban_view(ban) for ban in self._chat.bans.listing()]

    async def _ban(self, call: Call[Address]) -> Done:
        """Bans an address or a network."""
        return done(f"{await self._moderation.ban(call.actor, call.input.value, call.input.notes)} is banned")

    async def _unban(self, call: Call[Address]) -> Done:
        """Lifts a ban."""
        return done(f"{await self._moderation.unban(call.actor, call.input.value)} is not banned any more")

    # The log, and emoji.

    async def _audit(self, call: Call[AuditQuery]) -> list[views.AuditView]:
        """Who did what, the newest first."""
        wanted = call.input
        entries = await self._moderation.log_entries(wanted.limit, wanted.before or None, wanted.q.strip())
        return [views.audit_view(number, entry) for number, entry in entries]

    async def _upload_emoji(self, call: Call[EmojiUpload]) -> Done:
        """Adds a custom emoji."""
        emoji = await self._chat.emoji.add(call.input.name, call.input.data)
        await self._moderation.record(call.actor, "upload emoji", emoji.file)
        return done(f"{emoji.name} is added")

    async def _delete_emoji(self, call: Call[EmojiName]) -> Done:
        """Takes a custom emoji away."""
        emoji = await self._chat.emoji.delete(call.input.name)
        await self._moderation.record(call.actor, "delete emoji", emoji.file)
        return done(f"{emoji.name} is deleted")
