"""Integrations: what a bot with an access token may do, and the tokens themselves.

Owns the routes under `/api/integrations` and `/api/admin/accesstokens`. A token is shown once, when it is made; only
its hash is kept.
"""

from __future__ import annotations

from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from owncast_py.accounts.model import Scope
from owncast_py.chat import names
from owncast_py.chat.chat import Chat
from owncast_py.realtime.messages import CHAT, Message
from owncast_py.setting_groups import InstanceSettings
from web.api.owncast import answers, chat_frames, views
from web.api.owncast.answers import Done, done
from web.api.owncast.chat import HISTORY
from web.api.owncast.chat_frames import ChatObject
from web.api.owncast.moderation import ModerationApi
from web.authentication import Authentication
from web.body import Input
from web.operations import Call, Operation


class Title(Input):
    """The stream's title."""

    value: str


class Words(Input):
    """What is said, as Markdown."""

    body: str


class UserWords(Input):
    """What is said, and in whose name."""

    user: str
    body: str


class Action(Input):
    """What happened, and perhaps who did it."""

    body: str
    author: str | None = None


class NewToken(Input):
    """A token's name and its scopes."""

    name: str
    scopes: list[str] = Field(max_length=20)


class Token(Input):
    """A token, or the id by which the list of tokens names it."""

    token: str = Field(max_length=200)


class Sent(TypedDict):
    """That it was sent, and the message's id."""

    success: bool
    message: str
    id: str


class IntegrationsApi:
    """The routes of bots."""

    def __init__(self, chat: Chat, authentication: Authentication, moderation: ModerationApi) -> None:
        self._chat = chat
        self._authentication = authentication
        self._moderation = moderation

    def operations(self) -> list[Operation]:
        """All of them."""
        prefix = "/api/integrations"
        speaker = self._authentication.as_bot(Scope.SEND_MESSAGES)
        system = self._authentication.as_bot(Scope.SEND_SYSTEM_MESSAGES)
        trusted = self._authentication.as_bot(Scope.ADMIN)
        admin = self._authentication.as_admin
        api = answers.api("Integrations")
        api.add("POST", f"{prefix}/streamtitle", self._stream_title, trusted)
        api.add("POST", f"{prefix}/chat/user", self._user_message, speaker)
        api.add("POST", f"{prefix}/chat/send", self._send, speaker)
        api.add("POST", f"{prefix}/chat/system", self._system, system)
        api.add("POST", f"{prefix}/chat/system/client/{{client_id}}", self._system_to_client, system)
        api.add("POST", f"{prefix}/chat/action", self._action, system)
        api.add("POST", f"{prefix}/chat/messagevisibility", self._moderation.set_visibility, trusted)
        api.add("POST", f"{prefix}/chat/updatemessagevisibility", self._moderation.set_visibility, trusted)
        api.add("GET", f"{prefix}/chat", self._history, trusted)
        api.add("GET", f"{prefix}/clients", self._moderation.clients, trusted)
        api.add("GET", "/api/admin/accesstokens", self._tokens, admin)
        api.add("POST", "/api/admin/accesstokens/create", self._create_token, admin)
        api.add("POST", "/api/admin/accesstokens/delete", self._delete_token, admin)
        return api.operations

    async def _stream_title(self, call: Call[Title]) -> Done:
        """Gives the stream another title."""
        await self._chat.settings.change(InstanceSettings, title=call.input.value)
        await self._chat.moderation.record(call.actor, "change setting", "streamtitle")
        return done("title set")

    async def _user_message(self, call: Call[UserWords]) -> Sent:
        """Says something in the name of anybody; the message still tells that a bot sent it."""
        name = names.clean_name(call.input.user)
        return _sent(await self._chat.posting.message(call.actor, call.input.body, name=name))

    async def _send(self, call: Call[Words]) -> Sent:
        """Says something in the bot's own name."""
        return _sent(await self._chat.posting.message(call.actor, call.input.body))

    async def _system(self, call: Call[Words]) -> Sent:
        """Says something in the server's name."""
        return _sent(await self._chat.posting.system(call.input.body))

    async def _system_to_client(self, call: Call[Words]) -> Done:
        """Says something in the server's name to one connected client alone."""
        client_id = call.part("client_id")
        connection = self._chat.connections.get(client_id)
        if connection is None:
            raise web.HTTPNotFound(text=f"No client {client_id[:60]!r} is connected.")
        connection.line.notify("system", self._chat.posting.system_content(call.input.body))
        return done("sent")

    async def _action(self, call: Call[Action]) -> Sent:
        """Tells of something that happened."""
        author = names.clean_name(call.input.author) if call.input.author else None
        return _sent(await self._chat.posting.action(call.input.body, author))

    async def _history(self, _call: Call[None]) -> list[ChatObject]:
        """The newest messages."""
        messages = await self._chat.channels.recent(CHAT, HISTORY)
        return [chat_frames.chat_object(message, unfiltered=True) for message in messages]

    async def _tokens(self, _call: Call[None]) -> list[views.TokenView]:
        """Every access token, without its secret."""
        return [views.token_view(identity) for identity in await self._chat.accounts.bots()]

    async def _create_token(self, call: Call[NewToken]) -> views.TokenView:
        """Makes an access token, which is shown this once."""
        user, token = await self._chat.accounts.create_bot(call.input.name, call.input.scopes)
        await self._chat.moderation.record(call.actor, "create access token", user.id, user.display_name)
        identity = await self._chat.accounts.identify(token)
        if identity is None:
            raise web.HTTPConflict(text="Somebody has deleted this token already.")
        return {**views.token_view(identity), "token": token, "accessToken": token}

    async def _delete_token(self, call: Call[Token]) -> Done:
        """Ends an access token."""
        if not await self._chat.accounts.revoke_bot(call.input.token):
            raise web.HTTPBadRequest(text="There is no such access token.")
        await self._chat.moderation.record(call.actor, "delete access token", call.input.token[:8] + "…")
        return done("deleted token")


def _sent(message: Message) -> Sent:
    return {"success": True, "message": "sent", "id": message.serial}
