"""A server with chat, and clients of it that we did not write: aiohttp for its routes, websockets for its sockets."""

from __future__ import annotations

import asyncio
import io
import json
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp
from aiohttp.test_utils import TestServer
from house import ADMIN, House
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

PATIENCE = 20.0
"""Seconds that anything may take on a busy machine."""

Json = dict[str, object]


@dataclass
class Wire:
    """One server, from outside."""

    server: TestServer
    session: aiohttp.ClientSession
    home: House

    def address(self, path: str) -> str:
        return str(self.server.make_url(path))

    def socket(self, token: str | None, path: str = "/ws") -> str:
        query = "" if token is None else f"?accessToken={token}"
        return self.address(path + query).replace("http", "ws", 1)

    async def ask(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, object]:
        """Status and JSON of an answer."""
        data = None if body is None else io.BytesIO(json.dumps(body).encode())
        async with self.session.request(method, self.address(path), data=data, headers=headers) as response:
            assert response.content_type == "application/json", (path, await response.text())
            return response.status, await response.json()

    async def post(self, path: str, body: object, headers: dict[str, str] | None = None) -> Json:
        """The answer of a POST that succeeds."""
        status, found = await self.ask("POST", path, body, headers)
        assert status == 200, (path, found)
        assert isinstance(found, dict)
        return found

    async def get(self, path: str, headers: dict[str, str] | None = None) -> list[Json]:
        """The list that a GET answers with."""
        status, found = await self.ask("GET", path, headers=headers)
        assert status == 200, (path, found)
        assert isinstance(found, list)
        return found

    async def register(self, name: str) -> Json:
        return await self.post("/api/chat/register", {"displayName": name})

    async def bot(self, *scopes: str, name: str = "Beep") -> dict[str, str]:
        """The headers of a new bot with those scopes."""
        answer = await self.post("/api/admin/accesstokens/create", {"name": name, "scopes": list(scopes)}, ADMIN)
        return {"Authorization": f"Bearer {answer['token']}"}

    async def moderator(self, name: str = "Mo") -> Json:
        """A chatter who moderates."""
        user = await self.register(name)
        await self.post("/api/admin/chat/users/setmoderator", {"userId": user["id"], "isModerator": True}, ADMIN)
        return user


@dataclass
class Client:
    """One end of a chat socket."""

    connection: ClientConnection
    heard: list[Json] = field(default_factory=list)

    async def say(self, body: str, **fields: object) -> None:
        await self.send({"type": "CHAT", "body": body, **fields})

    async def send(self, event: object) -> None:
        await self.connection.send(json.dumps(event))

    async def next(self, kind: str, **fields: object) -> Json:
        """The next event of that type with those fields; what comes before is kept in `heard`."""
        async with asyncio.timeout(PATIENCE):
            while True:
                frame = await self.connection.recv()
                found = [json.loads(line) for line in str(frame).split("\n")]
                assert len(found) == 1, "one object in each frame, for every client reads that"
                self.heard += found
                if found[0]["type"] == kind and all(found[0].get(name) == value for name, value in fields.items()):
                    event: Json = found[0]
                    return event

    async def message(self, words: str) -> Json:
        """The next chat message whose body is those words."""
        return await self.next("CHAT", body=f"<p>{words}</p>")

    async def closed(self) -> tuple[int, str]:
        """Code and reason of the end, once it has come."""
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionClosed):
                async for frame in self.connection:
                    self.heard.append(json.loads(frame))
            await self.connection.wait_closed()
        return self.connection.close_code or 0, self.connection.close_reason or ""
