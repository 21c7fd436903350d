"""Push and statistics on a port of loopback, and a client that speaks all their formats."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import msgpack
import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer
from push_house import PushHouse, now, push_house

from owncast_py.realtime.keys import Key
from owncast_py.realtime.messages import DEFAULT_APP
from owncast_py.storage import sqlite
from web.api.ably.errors import Refusals
from web.api.ably.gate import Gate
from web.api.ably.push import PushApi
from web.api.ably.stats import StatsApi
from web.operations import OPERATIONS, mount

APP = DEFAULT_APP
JSON, MSGPACK = "application/json", "application/x-msgpack"


@dataclass
class Answer:
    """What came back, read by its own type."""

    status: int
    headers: Mapping[str, str]
    type: str
    body: object

    @property
    def fault(self) -> tuple[int, int]:
        """Status and code of a refusal."""
        assert isinstance(self.body, dict), self
        assert self.body["error"]["statusCode"] == self.status
        assert self.headers["X-Ably-Errorcode"] == str(self.body["error"]["code"])
        return self.status, self.body["error"]["code"]

    @property
    def next(self) -> str:
        """The address of the next page, relative to that of this one; empty when this is the last."""
        for link in self.headers.get("Link", "").split(", "):
            if link.endswith('rel="next"'):
                return link[1 : link.index(">")]
        return ""


@dataclass
class Wire:
    """A client with a key, and what is behind the server."""

    house: PushHouse
    session: aiohttp.ClientSession
    url: str
    headers: dict[str, str] = field(default_factory=dict)

    def as_key(self, key: Key, client_id: str = "", **headers: str) -> Wire:
        """Somebody with that key; `_` in a header's name is `-`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent["Authorization"] = aiohttp.encode_basic_auth(*key.text.split(":"))
        if client_id:
            sent["X-Ably-ClientId"] = base64.b64encode(client_id.encode()).decode()
        return Wire(self.house, self.session, self.url, {"X-Ably-Version": "5"} | sent)

    def saying(self, **headers: str) -> Wire:
        """The same, with other headers; an empty one is left out."""
        found = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        return Wire(self.house, self.session, self.url, {name: value for name, value in found.items() if value})

    async def ask(self, method: str, path: str, body: object = None, type: str = JSON, **query: object) -> Answer:
        """One request. `body` is sent as that type; what is bytes is sent as it is."""
        headers = dict(self.headers)
        data: bytes | None = None
        if body is not None:
            headers["Content-Type"] = type
            if isinstance(body, bytes):
                data = body
            elif type == MSGPACK:
                data = msgpack.packb(body)
            elif type == JSON:
                data = orjson.dumps(body)
            else:
                assert isinstance(body, dict)
                data = urlencode(body).encode()
        address = self.url + path + (f"?{urlencode(query)}" if query else "")
        async with self.session.request(method, address, data=data, headers=headers) as response:
            raw = await response.read()
            kind = response.headers.get("Content-Type", "")
            read: object = raw
            if kind == JSON:
                read = orjson.loads(raw)
            elif kind == MSGPACK:
                read = msgpack.unpackb(raw)
            return Answer(response.status, response.headers, kind, read)


@asynccontextmanager
async def push_wire(directory: Path) -> AsyncIterator[Wire]:
    """A server with the key to everything."""
    async with push_house(sqlite.url(directory / "owncast.db")) as house:
        application = web.Application()
        application[OPERATIONS] = []
        gate, refusals = Gate(house.keyring), Refusals()
        for part in (PushApi(house.push, gate, house.keyring, lambda: "the-key"), StatsApi(house.stats, gate, now)):
            mount(application, part.operations(refusals.wrapper))
        server = TestServer(application)
        await server.start_server()
        try:
            async with aiohttp.ClientSession() as session:
                key = await house.keyring.create_key()
                yield Wire(house, session, str(server.make_url("")).rstrip("/")).as_key(key)
        finally:
            await server.close()
