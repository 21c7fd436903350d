"""The client's end of Matrix' client-server API: asks the web application over a house, and reads what it answers."""

from __future__ import annotations

import io
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from house import Clock, House, Web, house, webbed
from multidict import CIMultiDictProxy
from yarl import URL

PASSWORD = "correct horse battery"
PATIENCE = 20.0
"""Seconds that anything may take on a busy machine."""
LOGGED_IN = {"user_id", "home_server", "access_token", "device_id"}
"""The keys of an answer that signs somebody in."""
REFUSAL = {"errcode", "error"}
CHALLENGE = {"flows", "params", "session"}
TRIED_CHALLENGE = CHALLENGE | REFUSAL | {"completed"}
"""After a proof that was wrong."""

Json = dict[str, object]


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in at one device."""

    login: str
    user_id: str
    token: str
    device_id: str

    @property
    def bearer(self) -> dict[str, str]:
        """The header that shows who asks."""
        return {"Authorization": f"Bearer {self.token}"}


@dataclass(frozen=True)
class Reply:
    """What came back: always a JSON object."""

    status: int
    headers: CIMultiDictProxy[str]
    body: Json

    def done(self) -> Json:
        """The answer of what succeeded."""
        assert self.status == 200, self
        return self.body

    def refused(self, status: int, errcode: str, *more: str) -> str:
        """The sentence of what was refused so, and with nothing beside it but the keys named in `more`."""
        assert (self.status, self.body.get("errcode")) == (status, errcode), self
        assert self.body.keys() == REFUSAL | set(more), self
        sentence = str(self.body["error"])
        assert re.fullmatch(r".+ .+\.", sentence, re.DOTALL), self
        return sentence

    def asks(self, stage: str = "m.login.password", *, tried: bool = False) -> str:
        """The session of an answer that asks for a proof; with a word about one that was wrong, if one was `tried`."""
        assert self.status == 401, self
        assert self.body.keys() == (TRIED_CHALLENGE if tried else CHALLENGE), self
        assert (self.body["flows"], self.body["params"]) == ([{"stages": [stage]}], {}), self
        if tried:
            assert (self.body["completed"], self.body["errcode"]) == ([], "M_FORBIDDEN"), self
        return str(self.body["session"])


@dataclass
class Matrix:
    """One server, from outside."""

    home: House
    web: Web
    session: aiohttp.ClientSession

    def address(self, path: str) -> URL:
        """The address of a path, which goes as it is written; one without a root is below the client's version 3."""
        path = path if path.startswith("/") else f"/_matrix/client/v3/{path}"
        return URL(str(self.web.server.make_url("/")).rstrip("/") + path, encoded=True)

    async def ask(
        self, method: str, path: str, body: object = None, person: Person | None = None, **headers: str
    ) -> Reply:
        """An answer; a body that is bytes goes as it is, and underscores in names of headers are hyphens."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()} | (person.bearer if person else {})
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        async with self.session.request(
            method, self.address(path), data=io.BytesIO(raw) if raw is not None else None, headers=sent
        ) as found:
            assert found.content_type == "application/json", (found.status, await found.text())
            assert found.headers["Cache-Control"] == "no-store"
            document = await found.json()
            assert isinstance(document, dict), document
            return Reply(found.status, found.headers, document)

    async def register(self, login: str, password: str = PASSWORD, **wish: object) -> Person:
        """Somebody new, by the way that clients go: ask, prove, be signed in."""
        body = {"username": login, "password": password, **wish}
        session = (await self.ask("POST", "register", body)).asks("m.login.dummy")
        found = await self.ask("POST", "register", {**body, "auth": {"type": "m.login.dummy", "session": session}})
        return _person(login, found)

    async def login(self, login: str, password: str = PASSWORD, **wish: object) -> Person:
        """Somebody at another device."""
        identifier = {"type": "m.id.user", "user": login}
        body = {"type": "m.login.password", "identifier": identifier, "password": password, **wish}
        return _person(login, await self.ask("POST", "login", body))

    async def visitor(self, name: str = "Ana") -> Person:
        """A chatter without a password, by the chat's own door."""
        async with self.session.post(self.address("/api/chat/register"), json={"displayName": name}) as found:
            body = await found.json()
        assert found.status == 200, body
        known = await self.home.foundations.accounts.identify(body["accessToken"])
        assert known is not None
        return Person("", known.user.id, body["accessToken"], known.device.id)

    async def devices(self, person: Person) -> list[Json]:
        """Where somebody is signed in."""
        found = (await self.ask("GET", "devices", person=person)).done()
        assert found.keys() == {"devices"}
        devices = found["devices"]
        assert isinstance(devices, list)
        return devices

    async def device_ids(self, person: Person) -> list[str]:
        """The ids of those, sorted."""
        return sorted(str(device["device_id"]) for device in await self.devices(person))

    async def delete(self, person: Person, *device_ids: str, password: str = PASSWORD) -> None:
        """Signs devices of somebody out, after the proof that is asked for."""
        body = {"devices": list(device_ids)}
        session = (await self.ask("POST", "delete_devices", body, person)).asks()
        body |= {"auth": proof(person, password, session=session)}
        assert (await self.ask("POST", "delete_devices", body, person)).done() == {}

    async def is_known(self, person: Person) -> bool:
        """Whether their token is worth anything."""
        found = await self.ask("GET", "account/whoami", person=person)
        if found.status == 200:
            assert found.body == {"user_id": person.user_id, "device_id": person.device_id}
            return True
        found.refused(401, "M_UNKNOWN_TOKEN", "soft_logout")
        return False


def proof(person: Person, password: str = PASSWORD, **more: object) -> Json:
    """The field `auth` of somebody who has a password."""
    identifier = {"type": "m.id.user", "user": person.login}
    return {"type": "m.login.password", "identifier": identifier, "password": password, **more}


def _person(login: str, found: Reply) -> Person:
    body = found.done()
    assert body.keys() == LOGGED_IN, body
    return Person(login, str(body["user_id"]), str(body["access_token"]), str(body["device_id"]))


@asynccontextmanager
async def homeserver(directory: Path, *, clock: Clock | None = None, **options: object) -> AsyncIterator[Matrix]:
    """A house in `directory` with its web; opened twice on one directory it is a restart."""
    async with AsyncExitStack() as stack:
        home = await stack.enter_async_context(house(directory, clock=clock))
        web = await stack.enter_async_context(webbed(home, **options))  # type: ignore[arg-type]
        session = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        yield Matrix(home, web, session)
