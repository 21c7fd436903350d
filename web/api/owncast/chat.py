"""What everybody may ask of chat: register, read the history, see the emoji.

Owns those routes' wire format. The history is rendered once for each change and sent to everybody who asks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson
from aiohttp import web

from owncast_py.chat.chat import Chat
from owncast_py.realtime.messages import CHAT, Delivery
from web.addresses import TRUSTED_PROXIES, client_address, tells_apart
from web.api.owncast import answers, chat_frames
from web.authentication import Authentication
from web.body import Body, read

HISTORY = 50
"""Messages that a page begins with."""
FORWARDED_USER = "X-Forwarded-User"
"""By which a proxy that knows people names them; it seeds the display name."""
EMOJI_SECONDS = 3600


class _Registration(Body):
    displayName: str | None = None


class ChatApi:
    """The public routes."""

    def __init__(self, chat: Chat, authentication: Authentication) -> None:
        self._chat = chat
        self._authentication = authentication
        self._history: bytes | None = None
        self._changes = 0
        self._unsubscribe: Callable[[], None] = lambda: None

    def routes(self) -> list[web.RouteDef]:
        """All of them."""
        return [
            web.post("/api/chat/register", answers.refusing(self._register)),
            web.get("/api/chat", answers.refusing(self._get_history)),
            web.get("/api/emoji", self._get_emoji),
            web.get("/img/emoji/{file}", self._get_emoji_file),
        ]

    def start(self) -> None:
        """Notices when the history changes."""
        self._unsubscribe = self._chat.channels.broker.subscribe(CHAT, self._on_deliveries)

    def stop(self) -> None:
        """Notices nothing more."""
        self._unsubscribe()

    def _on_deliveries(self, _deliveries: Sequence[Delivery]) -> None:
        self._history = None
        self._changes += 1

    async def _register(self, request: web.Request) -> web.Response:
        address = client_address(request)
        if self._chat.bans.banned(address):
            raise web.HTTPForbidden(text="Your address is banned from this chat.")
        body = await read(request, _Registration)
        wanted = body.displayName
        if not wanted and request.app[TRUSTED_PROXIES].trusts(request.remote or ""):
            wanted = request.headers.get(FORWARDED_USER)
        user, token = await self._chat.people.register(
            wanted, tells_apart(address), request.headers.get("User-Agent", "")
        )
        return answers.document(
            {"id": user.id, "accessToken": token, "displayName": user.display_name, "displayColor": user.color}
        )

    async def _get_history(self, request: web.Request) -> web.Response:
        # 0.0.7 asks without a token; one that is given has to be right.
        if "accessToken" in request.query:
            await self._authentication.chatter(request)
        body = self._history or await self._render_history()
        return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})

    async def _render_history(self) -> bytes:
        before = self._changes
        messages = await self._chat.channels.recent(CHAT, HISTORY)
        body = orjson.dumps([chat_frames.chat_object(message) for message in messages])
        if self._changes == before:
            self._history = body
        return body

    async def _get_emoji(self, _request: web.Request) -> web.Response:
        found = [{"name": each.name, "url": each.url, "emoji": each.url} for each in self._chat.emoji.listing()]
        return answers.document(found)

    async def _get_emoji_file(self, request: web.Request) -> web.Response:
        emoji = self._chat.emoji.file(request.match_info["file"])
        if emoji is None:
            raise web.HTTPNotFound(text="There is no such emoji.")
        headers = {
            "Cache-Control": f"public, max-age={EMOJI_SECONDS}",
            # An image and nothing else, also when it is opened by itself.
            "Content-Security-Policy": "default-src 'none'; sandbox",
        }
        return web.Response(body=emoji.data, content_type=emoji.content_type, headers=headers)
