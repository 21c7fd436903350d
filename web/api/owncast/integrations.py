"""Integrations: what a bot with an access token may do, and the tokens themselves.

Owns the routes under `/api/integrations` and `/api/admin/accesstokens`. A token is shown once, when it is made; only
its hash is kept.
"""

from __future__ import annotations

from aiohttp import web
from pydantic import Field

from owncast_py.accounts.model import Scope
from owncast_py.chat import names
from owncast_py.chat.chat import Chat
from owncast_py.realtime.messages import CHAT
from owncast_py.setting_groups import InstanceSettings
from web.api.owncast import answers, chat_frames, views
from web.api.owncast.chat import HISTORY
from web.api.owncast.moderation import ModerationApi
from web.authentication import Authentication
from web.body import Body, read


class _Title(Body):
    value: str


class _Message(Body):
    body: str


class _UserMessage(Body):
    user: str
    body: str


class _Action(Body):
    body: str
    author: str | None = None


class _NewToken(Body):
    name: str
    scopes: list[str] = Field(max_length=20)


class _Token(Body):
    token: str = Field(max_length=200)


class IntegrationsApi:
    """The routes of bots."""

    def __init__(self, chat: Chat, authentication: Authentication, moderation: ModerationApi) -> None:
        self._chat = chat
        self._authentication = authentication
        self._moderation = moderation

    def routes(self) -> list[web.RouteDef]:
        """All of them."""
        prefix = "/api/integrations"
        routes = {
            f"{prefix}/streamtitle": self._stream_title,
            f"{prefix}/chat/user": self._user_message,
            f"{prefix}/chat/send": self._send,
            f"{prefix}/chat/system": self._system,
            f"{prefix}/chat/system/client/{{client_id}}": self._system_to_client,
            f"{prefix}/chat/action": self._action,
            f"{prefix}/chat/messagevisibility": self._visibility,
            f"{prefix}/chat/updatemessagevisibility": self._visibility,
            "/api/admin/accesstokens/create": self._create_token,
            "/api/admin/accesstokens/delete": self._delete_token,
        }
        readable = {
            f"{prefix}/chat": self._history,
            f"{prefix}/clients": self._clients,
            "/api/admin/accesstokens": self._tokens,
        }
        return [
            *(web.post(path, answers.refusing(handler)) for path, handler in routes.items()),
            *(web.get(path, answers.refusing(handler)) for path, handler in readable.items()),
        ]

    async def _stream_title(self, request: web.Request) -> web.Response:
        await self._authentication.bot(request, Scope.ADMIN)
        body = await read(request, _Title)
        await self._chat.settings.change(InstanceSettings, title=body.value)
        return answers.success("title set")

    async def _user_message(self, request: web.Request) -> web.Response:
        """In the name of anybody, as 0.0.7 had it; the message still says that a bot sent it."""
        bot = await self._authentication.bot(request, Scope.SEND_MESSAGES)
        body = await read(request, _UserMessage)
        message = await self._chat.posting.message(bot, body.body, name=names.clean_name(body.user))
        return answers.document({"success": True, "message": "sent", "id": message.serial})

    async def _send(self, request: web.Request) -> web.Response:
        bot = await self._authentication.bot(request, Scope.SEND_MESSAGES)
        body = await read(request, _Message)
        message = await self._chat.posting.message(bot, body.body)
        return answers.document({"success": True, "message": "sent", "id": message.serial})

    async def _system(self, request: web.Request) -> web.Response:
        await self._authentication.bot(request, Scope.SEND_SYSTEM_MESSAGES)
        body = await read(request, _Message)
        message = await self._chat.posting.system(body.body)
        return answers.document({"success": True, "message": "sent", "id": message.serial})

    async def _system_to_client(self, request: web.Request) -> web.Response:
        await self._authentication.bot(request, Scope.SEND_SYSTEM_MESSAGES)
        body = await read(request, _Message)
        client_id = request.match_info["client_id"]
        connection = self._chat.connections.get(client_id)
        if connection is None:
            raise web.HTTPNotFound(text=f"No client {client_id[:60]!r} is connected.")
        connection.line.notify("system", self._chat.posting.system_content(body.body))
        return answers.success("sent")

    async def _action(self, request: web.Request) -> web.Response:
        await self._authentication.bot(request, Scope.SEND_SYSTEM_MESSAGES)
        body = await read(request, _Action)
        author = names.clean_name(body.author) if body.author else None
        message = await self._chat.posting.action(body.body, author)
        return answers.document({"success": True, "message": "sent", "id": message.serial})

    async def _visibility(self, request: web.Request) -> web.StreamResponse:
        return await self._moderation.set_visibility(request, await self._authentication.bot(request, Scope.ADMIN))

    async def _history(self, request: web.Request) -> web.Response:
        await self._authentication.bot(request, Scope.ADMIN)
        messages = await self._chat.channels.recent(CHAT, HISTORY)
        return answers.document([chat_frames.chat_object(message, unfiltered=True) for message in messages])

    async def _clients(self, request: web.Request) -> web.StreamResponse:
        return await self._moderation.clients(request, await self._authentication.bot(request, Scope.ADMIN))

    async def _tokens(self, request: web.Request) -> web.Response:
        await self._authentication.admin(request)
        return answers.document([views.token_view(identity) for identity in await self._chat.accounts.bots()])

    async def _create_token(self, request: web.Request) -> web.Response:
        admin = await self._authentication.admin(request)
        body = await read(request, _NewToken)
        user, token = await self._chat.accounts.create_bot(body.name, body.scopes)
        await self._chat.moderation.record(admin, "create access token", user.id, user.display_name)
        identity = await self._chat.accounts.identify(token)
        shown = views.token_view(identity) if identity else {}
        return answers.document(shown | {"name": user.display_name, "token": token, "accessToken": token})

    async def _delete_token(self, request: web.Request) -> web.Response:
        admin = await self._authentication.admin(request)
        body = await read(request, _Token)
        if not await self._chat.accounts.revoke_bot(body.token):
            raise web.HTTPBadRequest(text="There is no such access token.")
        await self._chat.moderation.record(admin, "delete access token", body.token[:8] + "…")
        return answers.success("deleted token")
