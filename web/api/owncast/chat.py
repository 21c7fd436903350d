"""What everybody may ask of chat: register, read the history, see the emoji.

Owns those routes' wire format. The history is rendered once for each change and sent to everybody who asks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson
from aiohttp import web
from typing_extensions import TypedDict

from owncast_py.chat.chat import Chat
from owncast_py.realtime.messages import CHAT, Delivery
from web.addresses import TRUSTED_PROXIES, client_address, tells_apart
from web.api.owncast import answers, chat_frames
from web.api.owncast.chat_frames import ChatObject
from web.authentication import Authentication
from web.body import Input
from web.operations import Call, Media, Operation, Rendered

HISTORY = 50
"""Messages that a page begins with."""
FORWARDED_USER = "X-Forwarded-User"
"""By which a proxy that knows people names them; it seeds the display name."""
EMOJI_SECONDS = 3600


class Registration(Input):
    """The name that somebody would like to have."""

    displayName: str | None = None


class Registered(TypedDict):
    """Who somebody is now, and the token that says so."""

    id: str
    accessToken: str
    displayName: str
    displayColor: int


class EmojiView(TypedDict):
    """A custom emoji; 0.0.7 calls its address `emoji`, later releases `url`."""

    name: str
    url: str
    emoji: str


class ChatApi:
    """The public routes."""

    def __init__(self, chat: Chat, authentication: Authentication) -> None:
        self._chat = chat
        self._authentication = authentication
        self._history: bytes | None = None
        self._changes = 0
        self._unsubscribe: Callable[[], None] = lambda: None

    def operations(self) -> list[Operation]:
        """All of them."""
        api = answers.api("Chat")
        api.add("POST", "/api/chat/register", self._register)
        api.add("GET", "/api/chat", self._get_history)
        api.add("GET", "/api/emoji", self._get_emoji)
        image = Media("image/*", "The image, in the format that it was uploaded in.")
        api.add("GET", "/img/emoji/{file}", self._get_emoji_file, media=image)
        return api.operations

    def start(self) -> None:
        """Notices when the history changes."""
        self._unsubscribe = self._chat.channels.broker.subscribe(CHAT, self._on_deliveries)

    def stop(self) -> None:
        """Notices nothing more."""
        self._unsubscribe()

    def _on_deliveries(self, _deliveries: Sequence[Delivery]) -> None:
        self._history = None
        self._changes += 1

    async def _register(self, call: Call[Registration]) -> Registered:
        """Makes somebody new, with a token to chat by."""
        request = call.request
        address = client_address(request)
        if self._chat.bans.banned(address):
            raise web.HTTPForbidden(text="Your address is banned from this chat.")
        wanted = call.input.displayName
        if not wanted and request.app[TRUSTED_PROXIES].trusts(request.remote or ""):
            wanted = request.headers.get(FORWARDED_USER)
        user, token = await self._chat.people.register(
            wanted, tells_apart(address), request.headers.get("User-Agent", "")
        )
        return {
            "id": user.id,
            "accessToken": token,
            "displayName": user.display_name,
            "displayColor": user.color,
        }

    async def _get_history(self, call: Call[None]) -> Rendered[list[ChatObject]]:
        """The newest messages."""
        # 0.0.7 asks without a token; one that is given has to be right.
        if "accessToken" in call.request.query:
            await self._authentication.chatter(call.request)
        return Rendered(self._history or await self._render_history())

    async def _render_history(self) -> bytes:
        before = self._changes
        messages = await self._chat.channels.recent(CHAT, HISTORY)
        body = orjson.dumps([chat_frames.chat_object(message) for message in messages])
        if self._changes == before:
            self._history = body
        return body

    async def _get_emoji(self, _call: Call[None]) -> list[EmojiView]:
        """The custom emoji of this server."""
        return [{"name": each.name, "url": each.url, "emoji": each.url} for each in self._chat.emoji.listing()]

    async def _get_emoji_file(self, call: Call[None]) -> web.Response:
        """The image of a custom emoji."""
        emoji = self._chat.emoji.file(call.part("file"))
        if emoji is None:
            raise web.HTTPNotFound(text="There is no such emoji.")
        headers = {
            "Cache-Control": f"public, max-age={EMOJI_SECONDS}",
            # An image and nothing else, also when it is opened by itself.
            "Content-Security-Policy": "default-src 'none'; sandbox",
        }
        return web.Response(body=emoji.data, content_type=emoji.content_type, headers=headers)
