"""Moderation over HTTP: by the admin under `/api/admin/chat`, by a moderator's own token under `/api/chat`.

Owns the routes and their wire format, in both generations' spellings. What may be done, and that it is written down, is
`owncast_py.chat.moderation`'s.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from pydantic import Field

from owncast_py.accounts.model import User
from owncast_py.chat.chat import Chat
from owncast_py.chat.moderation import MAX_IDS
from owncast_py.realtime.messages import CHAT
from web.api.owncast import answers, chat_frames, views
from web.authentication import Authentication
from web.body import Body, read, whole

MAX_PAGE = 1_000
DEFAULT_PAGE = 100
USER_MESSAGES = 100
"""Messages in a user's card."""

ActorOf = Callable[[web.Request], Awaitable[User]]
"""How a route knows who acts."""


class _Visibility(Body):
    visible: bool
    idArray: list[str] = Field(max_length=MAX_IDS)


class _Enabled(Body):
    userId: str
    enabled: bool


class _Timeout(Body):
    userId: str
    seconds: float = Field(strict=False, allow_inf_nan=False)


class _Moderator(Body):
    userId: str
    isModerator: bool


class _Pin(Body):
    id: str | None = None


class _Value(Body):
    value: str


class ModerationApi:
    """The routes of moderation."""

    def __init__(self, chat: Chat, authentication: Authentication) -> None:
        self._chat = chat
        self._moderation = chat.moderation
        self._authentication = authentication

    def routes(self) -> list[web.RouteDef]:
        """Those of the admin, then those of moderators."""
        admin, moderator = self._authentication.admin, self._authentication.moderator
        get, post = _registrar(web.get), _registrar(web.post)
        return [
            get("/api/admin/chat/messages", admin, self._messages),
            post("/api/admin/chat/messagevisibility", admin, self.set_visibility),
            post("/api/admin/chat/updatemessagevisibility", admin, self.set_visibility),
            get("/api/admin/clients", admin, self.clients),
            get("/api/admin/chat/clients", admin, self.clients),
            post("/api/admin/chat/users/setenabled", admin, self._set_enabled),
            post("/api/admin/chat/users/timeout", admin, self._time_out),
            post("/api/admin/chat/users/setmoderator", admin, self._set_moderator),
            get("/api/admin/chat/users/disabled", admin, self._disabled),
            get("/api/admin/chat/users/moderators", admin, self._moderators),
            get("/api/admin/chat/users/ipbans", admin, self._bans),
            post("/api/admin/chat/users/ipbans/create", admin, self._ban),
            post("/api/admin/chat/users/ipbans/remove", admin, self._unban),
            post("/api/admin/chat/pin", admin, self._pin),
            get("/api/admin/chat/audit", admin, self._audit),
            post("/api/admin/emoji/upload", admin, self._upload_emoji),
            post("/api/admin/emoji/delete", admin, self._delete_emoji),
            post("/api/chat/messagevisibility", moderator, self.set_visibility),
            post("/api/chat/users/setenabled", moderator, self._set_enabled),
            post("/api/chat/users/timeout", moderator, self._time_out),
            post("/api/chat/pin", moderator, self._pin),
            get("/api/moderation/chat/user/{user_id}", moderator, self._user_card),
        ]

    # Messages.

    async def _messages(self, request: web.Request, _actor: User) -> web.Response:
        """Everything that was written, hidden or not, the oldest first; found by words, author, and page by page."""
        found = await self._chat.channels.history(
            CHAT,
            limit=whole(request, "limit", DEFAULT_PAGE, 1, MAX_PAGE),
            before=request.query.get("before"),
            client_id=request.query.get("userId"),
            text=request.query.get("q"),
        )
        return answers.document([chat_frames.chat_object(message, unfiltered=True) for message in reversed(found)])

    async def set_visibility(self, request: web.Request, actor: User) -> web.Response:
        """Hides messages or shows them again."""
        body = await read(request, _Visibility)
        changed = await self._moderation.set_visibility(actor, body.idArray, body.visible)
        return answers.success(f"{len(changed)} messages changed")

    async def _pin(self, request: web.Request, actor: User) -> web.Response:
        body = await read(request, _Pin)
        await self._moderation.pin(actor, body.id)
        return answers.success("pinned" if body.id else "unpinned")

    # People.

    async def clients(self, _request: web.Request, _actor: User) -> web.Response:
        """Who is connected to chat."""
        return answers.document(
            [
                views.client_view(connection, await self._chat.accounts.user(connection.user_id))
                for connection in list(self._chat.connections.all)
            ]
        )

    async def _set_enabled(self, request: web.Request, actor: User) -> web.Response:
        body = await read(request, _Enabled)
        user = await self._moderation.set_enabled(actor, body.userId, body.enabled)
        return answers.success(f"{user.display_name} is {'enabled' if body.enabled else 'disabled'}")

    async def _time_out(self, request: web.Request, actor: User) -> web.Response:
        body = await read(request, _Timeout)
        user = await self._moderation.time_out(actor, body.userId, body.seconds)
        return answers.success(f"{user.display_name} may write again in {body.seconds:g} s")

    async def _set_moderator(self, request: web.Request, actor: User) -> web.Response:
        body = await read(request, _Moderator)
        user = await self._moderation.set_moderator(actor, body.userId, body.isModerator)
        return answers.success(f"{user.display_name} is {'now' if body.isModerator else 'not'} a moderator")

    async def _disabled(self, _request: web.Request, _actor: User) -> web.Response:
        return answers.document([views.user_view(user) for user in await self._chat.accounts.disabled()])

    async def _moderators(self, _request: web.Request, _actor: User) -> web.Response:
        return answers.document([views.user_view(user) for user in await self._chat.accounts.moderators()])

    async def _user_card(self, request: web.Request, _actor: User) -> web.Response:
        user_id = request.match_info["user_id"]
        user = await self._chat.accounts.user(user_id)
        if user is None:
            raise web.HTTPNotFound(text=f"There is no user with the id {user_id[:60]!r}.")
        messages = await self._chat.channels.history(CHAT, limit=USER_MESSAGES, client_id=user_id)
        return answers.document(
            {
                "user": views.user_view(user),
                "connectedClients": [views.client_view(each, user) for each in self._chat.connections.of(user_id)],
                "messages": [chat_frames.chat_object(message, unfiltered=True) for message in messages],
            }
        )

    # Addresses.

    async def _bans(self, _request: web.Request, _actor: User) -> web.Response:
        return answers.document([views.ban_view(ban) for ban in self._chat.bans.listing()])

    async def _ban(self, request: web.Request, actor: User) -> web.Response:
        body = await read(request, _Value)
        return answers.success(f"{await self._moderation.ban(actor, body.value)} is banned")

    async def _unban(self, request: web.Request, actor: User) -> web.Response:
        body = await read(request, _Value)
        return answers.success(f"{await self._moderation.unban(actor, body.value)} is not banned any more")

    # The log, and emoji.

    async def _audit(self, request: web.Request, _actor: User) -> web.Response:
        limit = whole(request, "limit", DEFAULT_PAGE, 1, MAX_PAGE)
        before = whole(request, "before", 0, 0, 2**31) or None
        entries = await self._moderation.log_entries(limit, before)
        return answers.document([views.audit_view(number, entry) for number, entry in entries])

    async def _upload_emoji(self, request: web.Request, actor: User) -> web.Response:
        body = await read(request.clone(client_max_size=MAX_EMOJI_BODY), _EmojiUpload)
        emoji = await self._chat.emoji.add(body.name, body.data)
        await self._moderation.record(actor, "upload emoji", emoji.file)
        return answers.success(f"{emoji.name} is added")

    async def _delete_emoji(self, request: web.Request, actor: User) -> web.Response:
        body = await read(request, _EmojiName)
        emoji = await self._chat.emoji.delete(body.name)
        await self._moderation.record(actor, "delete emoji", emoji.file)
        return answers.success(f"{emoji.name} is deleted")


MAX_EMOJI_BODY = 1_500_000
"""Octets: an image in base64, and its name."""


class _EmojiUpload(Body):
    name: str = Field(max_length=200)
    data: str


class _EmojiName(Body):
    name: str = Field(max_length=200)


ActingHandler = Callable[[web.Request, User], Awaitable[web.StreamResponse]]


def _registrar(
    method: Callable[[str, answers.Handler], web.RouteDef],
) -> Callable[[str, ActorOf, ActingHandler], web.RouteDef]:
    """Registers handlers that are told who acts."""

    def register(path: str, actor_of: ActorOf, handler: ActingHandler) -> web.RouteDef:
        async def act(request: web.Request) -> web.StreamResponse:
            return await handler(request, await actor_of(request))

        return method(path, answers.refusing(act))

    return register
