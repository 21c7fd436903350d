"""A chat server that does what a test says, also what ours never would: for states that are hard to make."""

from __future__ import annotations

import asyncio
import json

from aiohttp import WSMsgType, web

Json = dict[str, object]

PATIENCE = 45.0
"""Seconds until a page must be there."""


class FakeChat:
    """Routes of a chat; `sockets` are the pages that are connected, `received` is what they sent."""

    def __init__(self) -> None:
        self.history: list[Json] = []
        self.registered = 0
        self.refusal: Json | None = None
        self.scopes: list[str] = []
        self.received: asyncio.Queue[Json] = asyncio.Queue()
        self.acts: asyncio.Queue[tuple[str, Json]] = asyncio.Queue()
        self.sockets: list[web.WebSocketResponse] = []
        self.connected = asyncio.Condition()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/api/chat/register", self._register),
            web.get("/api/chat", self._history),
            web.get("/ws", self._socket),
            web.post("/api/chat/messagevisibility", self._act),
            web.post("/api/chat/users/timeout", self._act),
            web.post("/api/chat/users/setenabled", self._act),
        ]

    def user(self) -> Json:
        return {"id": "me", "displayName": "Me", "displayColor": 2, "scopes": self.scopes, "isBot": False}

    async def tell(self, *events: Json) -> None:
        """Sends events to every page, in one frame."""
        for socket in self.sockets:
            await socket.send_str("\n".join(json.dumps(event) for event in events))

    async def cut(self) -> None:
        """Ends every connection."""
        for socket in list(self.sockets):
            await socket.close()

    async def wait_connected(self) -> None:
        """Returns when a page is connected. Raises TimeoutError when none comes."""
        async with asyncio.timeout(PATIENCE), self.connected:
            await self.connected.wait_for(lambda: bool(self.sockets))

    async def _register(self, _request: web.Request) -> web.Response:
        self.registered += 1
        return web.json_response(
            {"id": "me", "accessToken": f"t{self.registered}", "displayName": "Me", "displayColor": 2}
        )

    async def _history(self, _request: web.Request) -> web.Response:
        return web.json_response(self.history)

    async def _act(self, request: web.Request) -> web.Response:
        self.acts.put_nowait((request.path, await request.json()))
        return web.json_response({"success": True, "message": "done"})

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
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
            if message.type is WSMsgType.TEXT:
                self.received.put_nowait(json.loads(message.data))
        self.sockets.remove(socket)
        return socket


def said(number: int, body: str, name: str = "Ana", user: str = "ana", **fields: object) -> Json:
    """A chat message; numbers are also its minute."""
    return {
        "type": "CHAT",
        "id": f"{number:06}",
        "timestamp": f"2026-01-02T03:{number % 60:02}:00Z",
        "body": body,
        "visible": True,
        "user": {"id": user, "displayName": name, "displayColor": 1, "scopes": [], "isBot": False},
        **fields,
    }
