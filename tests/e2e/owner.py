"""The owner at the other end of the network: asks a running server for what it knows, and changes it.

Owns the credentials and the envelope. It sees the server as a script of the owner's would: by HTTP alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import aiohttp
from rig import PASSWORD, Server

Json = dict[str, object]


def basic(password: str) -> dict[str, str]:
    """The header of whoever knows that admin password."""
    return {"Authorization": aiohttp.encode_basic_auth("admin", password)}


ADMIN = basic(PASSWORD)


@dataclass
class Owner:
    """The owner of a server. Everything is asked for with `headers`."""

    server: Server
    headers: dict[str, str]

    async def ask(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, object]:
        """Status and document of an answer; text where it is no JSON. A body that is bytes goes as it is."""
        given = {} if body is None else {"data": body} if isinstance(body, bytes) else {"json": body}
        session = self.server.session
        async with session.request(
            method, self.server.http + path, headers=self.headers if headers is None else headers, **given
        ) as response:
            if response.content_type == "application/json":
                return response.status, await response.json()
            return response.status, await response.text()

    async def get(self, path: str) -> Json:
        """The document at `path`."""
        found = await self._well("GET", path)
        assert isinstance(found, dict), path
        return found

    async def listing(self, path: str) -> list[Json]:
        """The list at `path`."""
        found = await self._well("GET", path)
        assert isinstance(found, list), path
        return found

    async def post(self, path: str, body: object = None) -> Json:
        """What is done at `path`; it has to succeed."""
        found = await self._well("POST", path, body)
        assert isinstance(found, dict), path
        return found

    async def set(self, name: str, value: object) -> str:
        """Changes a setting; the sentence that is answered."""
        found = await self.post(f"/api/admin/config/{name}", {"value": value})
        assert found["success"] is True, found
        return str(found["message"])

    async def refused(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        """Status and sentence of what must not succeed."""
        status, found = await self.ask(method, path, body, headers)
        assert status >= 400, (path, str(found)[:300])
        assert isinstance(found, dict)
        assert found.keys() == {"success", "message"}
        assert str(found["message"]).endswith("."), found
        return status, str(found["message"])

    async def _well(self, method: str, path: str, body: object = None) -> object:
        status, found = await self.ask(method, path, body)
        assert status == 200, (path, status, str(found)[:300])
        return found


def at(document: Any, path: str) -> Any:
    """What stands in a document at `a.b.0.c`."""
    for part in path.split("."):
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


async def public(server: Server, path: str) -> Json:
    """A public JSON document."""
    status, body = await server.get(path)
    assert status == 200, (path, status)
    found: Json = json.loads(body)
    return found
