"""A chat server that does what a test says, also what ours never would: for states that are hard to make."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

from aiohttp import WSMsgType, web

Json = dict[str, object]

PATIENCE = 45.0
"""Seconds until a page must be there."""
BEGAN = datetime(2026, 1, 2, 3, tzinfo=UTC)
ONE_PIXEL = bytes.fromhex("47494638396101000100800000ff00ffffffff21f90400000000002c00000000010001000002024401003b")


class FakeChat:
    """Routes of a chat; `sockets` are the pages that are connected, `received` is what they sent."""

    def __init__(self) -> None:
        self.history: list[Json] = []
        self.registered = 0
        self.refusal: Json | None = None
        self.banned = ""
        """The sentence for a banned address; empty when it is not."""
        self.scopes: list[str] = []
        self.emoji: list[Json] = []
        self.card: Json = {}
        self.received: asyncio.Queue[Json] = asyncio.Queue()
        self.acts: asyncio.Queue[tuple[str, Json]] = asyncio.Queue()
        self.sockets: list[web.WebSocketResponse] = []
        self.connected = asyncio.Condition()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/api/chat/register", self._register),
            web.get("/api/chat", self._history),
            web.get("/api/emoji", self._emoji),
            web.get("/img/emoji/{file}", self._picture),
            web.get("/ws", self._socket),
            web.post("/api/chat/messagevisibility", self._act),
            web.post("/api/chat/users/timeout", self._act),
            web.post("/api/chat/users/setenabled", self._act),
            web.post("/api/chat/pin", self._act),
            web.get("/api/moderation/chat/user/{id}", self._card),
        ]

    def user(self) -> Json:
        return {"id": "me", "displayName": "Me", "displayColor": 2, "scopes": self.scopes, "isBot": False}

    async def tell(self, *events: Json) -> None:
        """Sends events to every page, in one frame."""
        for socket in self.sockets:
            await socket.send_str("\n".join(json.dumps(event) for event in events))

    async def flood(self, first: int, count: int, per_second: float) -> None:
        """Sends so many messages at that pace, each in a frame of its own."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(first, first + count):
            if (early := began + (number - first) / per_second - loop.time()) > 0:
                await asyncio.sleep(early)
            await self.tell(chatter(number))

    async def refuse(self, code: str, retry_after: float = 0, body: str = "<p>No.</p>") -> None:
        """Refuses what was sent last."""
        error = {"code": code, **({"retryAfter": retry_after} if retry_after else {})}
        await self.tell({"type": "SYSTEM", "id": "p1", "timestamp": at(0), "body": body, "error": error})

    async def cut(self) -> None:
        """Ends every connection."""
        for socket in list(self.sockets):
            await socket.close()

    async def heard(self) -> Json:
        """What a page sent next. Raises TimeoutError when none sends anything."""
        async with asyncio.timeout(PATIENCE):
            return await self.received.get()

    async def wait_connected(self) -> None:
        """Returns when a page is connected. Raises TimeoutError when none comes."""
        async with asyncio.timeout(PATIENCE), self.connected:
            await self.connected.wait_for(lambda: bool(self.sockets))

    async def _register(self, _request: web.Request) -> web.Response:
        self._admit()
        self.registered += 1
        return web.json_response(
            {"id": "me", "accessToken": f"t{self.registered}", "displayName": "Me", "displayColor": 2}
        )

    def _admit(self) -> None:
        if self.banned:
            raise web.HTTPForbidden(text=self.banned)

    async def _history(self, _request: web.Request) -> web.Response:
        return web.json_response(self.history)

    async def _emoji(self, _request: web.Request) -> web.Response:
        return web.json_response(self.emoji)

    async def _picture(self, _request: web.Request) -> web.Response:
        return web.Response(body=ONE_PIXEL, content_type="image/gif")

    async def _act(self, request: web.Request) -> web.Response:
        self.acts.put_nowait((request.path, await request.json()))
        return web.json_response({"success": True, "message": "done"})

    async def _card(self, _request: web.Request) -> web.Response:
        return web.json_response(self.card)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        self._admit()
        socket = web.WebSocketResponse()
        if not socket.can_prepare(request).ok:
            raise web.HTTPUpgradeRequired(headers={"Upgrade": "websocket"})
        await socket.prepare(request)
        if self.refusal is not None:
            await socket.send_json(self.refusal)
            await socket.close()
            return socket
        await socket.send_json({"type": "CONNECTED_USER_INFO", "id": "p", "user": self.user()})
        self.sockets.append(socket)
        async with self.connected:
            self.connected.notify_all()
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            event = json.loads(message.data)
            if event["type"] == "PING":
                await socket.send_json({"type": "PONG"})
            else:
                self.received.put_nowait(event)
        self.sockets.remove(socket)
        return socket


def at(minutes: float) -> str:
    """A time so long after the first message."""
    return (BEGAN + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def person(name: str, **fields: object) -> Json:
    """Somebody of that name."""
    known = {"id": name.lower(), "displayName": name, "displayColor": 1, "scopes": [], "isBot": False}
    return {**known, **fields}


def said(number: int, body: str, name: str = "Ana", *, minutes: float | None = None, **fields: object) -> Json:
    """A chat message of the person of that name; its number is also its minute."""
    return {
        "type": "CHAT",
        "id": f"{number:06}",
        "timestamp": at(number if minutes is None else minutes),
        "body": body,
        "visible": True,
        "user": person(name),
        **fields,
    }


def chatter(number: int) -> Json:
    """What people say in a flood: of all kinds, by many, a minute in 1,000 messages."""
    words = (
        "hello",
        "what a goal 😀",
        "see <a href='https://tea.example/kettles' rel='nofollow' target='_blank'>tea.example/kettles</a>",
        "@Me did you <em>see</em> that?",
        "yes <img class='emoji' src='/img/emoji/party.gif' alt=':party:' title=':party:'> " + "and so on " * 12,
    )
    name = f"Person {number * 7 % 150}"
    return said(
        number,
        f"<p>{number} {words[number % len(words)]}</p>",
        name,
        minutes=number / 1000,
        user=person(name, displayColor=number % 8),
    )
