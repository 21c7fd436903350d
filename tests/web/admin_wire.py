"""The admin's end of the wire: asks the web application over a house, and reads what it answers."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from house import ADMIN, Clock, House, Web, house, webbed

Json = dict[str, object]


@dataclass
class Admin:
    """The owner, with everything that a test may turn."""

    web: Web
    home: House
    session: aiohttp.ClientSession

    async def ask(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = ADMIN
    ) -> tuple[int, object]:
        """Status and JSON of an answer; a body that is bytes goes as it is."""
        options = {"data": body} if isinstance(body, bytes | io.BytesIO | aiohttp.FormData) else {"json": body}
        async with self.session.request(
            method, self.web.server.make_url(path), headers=headers or {}, **(options if body is not None else {})
        ) as response:
            if response.content_type != "application/json":
                return response.status, await response.text()
            return response.status, await response.json()

    async def get(self, path: str) -> object:
        """The document at `path`, as the owner."""
        status, found = await self.ask("GET", path)
        assert status == 200, found
        return found

    async def post(self, path: str, body: object = None) -> Json:
        """What is done at `path`, as the owner; it has to succeed."""
        status, found = await self.ask("POST", path, body)
        assert status == 200, found
        assert isinstance(found, dict)
        return found

    async def set(self, name: str, value: object) -> str:
        """Changes a setting; the sentence that is answered."""
        found = await self.post(f"/api/admin/config/{name}", {"value": value})
        assert found["success"] is True
        return str(found["message"])

    async def refused(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = ADMIN
    ) -> tuple[int, str]:
        """Status and sentence of what is refused, in Owncast's envelope."""
        status, found = await self.ask(method, path, body, headers)
        assert status >= 400, found
        assert isinstance(found, dict)
        assert found.keys() == {"success", "message"}
        assert found["success"] is False
        sentence = str(found["message"])
        assert sentence.endswith("."), sentence
        return status, sentence


@asynccontextmanager
async def administered(directory: Path, *, clock: Clock | None = None, **options: object) -> AsyncIterator[Admin]:
    """A house in `directory` with its web; opened twice on one directory it is a restart."""
    around = {name: options.pop(name) for name in ("allow_private", "directory_url") if name in options}
    async with AsyncExitStack() as stack:
        home = await stack.enter_async_context(house(directory, clock=clock, **around))  # type: ignore[arg-type]
        web = await stack.enter_async_context(webbed(home, **options))  # type: ignore[arg-type]
        session = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        yield Admin(web, home, session)


def found_at(document: object, path: str) -> object:
    """What stands in a document at `a.b.0.c`."""
    for part in path.split("."):
        document = document[int(part)] if isinstance(document, list) else document[part]  # type: ignore[index]
    return document
