"""The client's end of Ably's REST API: the real service behind the real operations, in JSON and in MessagePack."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgpack  # type: ignore[import-untyped]
import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer
from house import Clock, House, house
from yarl import URL

from owncast_py.realtime.members import Members
from owncast_py.realtime.occupancy import Attachments
from web.api.ably.batch import BatchApi
from web.api.ably.channels import ChannelsApi
from web.api.ably.errors import Refusals
from web.api.ably.gate import Gate
from web.api.ably.publishing import Publishing
from web.api.ably.revising import Revising
from web.api.ably.time import TimeApi
from web.middleware import FAILURES, SHARINGS, errors_and_preflight
from web.operations import OPERATIONS, Operation, mount

JSON = "application/json"
MSGPACK = "application/x-msgpack"


@dataclass(frozen=True)
class Answer:
    """What came back, read by its content type."""

    status: int
    headers: Mapping[str, str]
    value: object

    @property
    def error(self) -> tuple[int, int]:
        """The status and the code of a refusal, which header and body agree on."""
        assert isinstance(self.value, dict), self.value
        error = self.value["error"]
        assert error["statusCode"] == self.status
        assert str(error["code"]) == self.headers["X-Ably-Errorcode"]
        return self.status, error["code"]

    @property
    def links(self) -> dict[str, str]:
        """Where the header Link leads, by relation."""
        found = {}
        for part in self.headers["Link"].split(", "):
            address, _, relation = part.partition(">; rel=")
            found[relation.strip('"')] = address.removeprefix("<")
        return found


@dataclass
class Rest:
    """A client of the server, and the server."""

    home: House
    members: Members
    attachments: Attachments
    session: aiohttp.ClientSession
    url: str
    operations: list[Operation]
    key: str = ""
    media: str = JSON

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        media: str = "",
    ) -> Answer:
        """The answer to a request in one of the two formats; `path` goes as it is written."""
        media = media or self.media
        used = self.key if key is None else key
        given = {"Accept": media, **(headers or {})}
        if used:
            name, _, secret = used.partition(":")
            given["Authorization"] = aiohttp.encode_basic_auth(name, secret)
        raw = body
        if body is not None and not isinstance(body, bytes):
            raw = msgpack.packb(body) if media == MSGPACK else orjson.dumps(body)
        if body is not None:
            given.setdefault("Content-Type", media)
        sent = io.BytesIO(raw) if isinstance(raw, bytes) else None
        async with self.session.request(method, URL(self.url + path, encoded=True), data=sent, headers=given) as found:
            content = await found.read()
            read = {JSON: orjson.loads, MSGPACK: msgpack.unpackb}.get(found.headers.get("Content-Type", ""))
            return Answer(found.status, dict(found.headers), read(content) if read else content)

    async def get(self, path: str, **options: object) -> list[dict[str, object]]:
        """A list that is there."""
        answer = await self.ask("GET", path, **options)  # type: ignore[arg-type]
        assert answer.status == 200, answer
        assert isinstance(answer.value, list)
        return answer.value

    async def publish(self, channel: str, body: object, **options: object) -> dict[str, object]:
        """What is told of messages that are published."""
        answer = await self.ask("POST", f"/channels/{channel}/messages", body, **options)  # type: ignore[arg-type]
        assert answer.status == 201, answer
        assert isinstance(answer.value, dict)
        return answer.value

    async def key_for(self, capability: object) -> str:
        """A key that may do that."""
        return str((await self.home.foundations.keyring.create_key(capability=capability)).text)


@asynccontextmanager
async def rest(directory: Path, clock: Clock | None = None) -> AsyncIterator[Rest]:
    """The server with a client that may do anything; opened twice on one directory it is a restart."""
    async with house(directory, clock=clock) as home:
        channels, keyring = home.foundations.channels, home.foundations.keyring
        members, attachments = home.foundations.members, home.foundations.occupancy
        publishing, revising = Publishing(channels, home.chat, home.services.stats.count), Revising(channels)
        gate, refusals = Gate(keyring), Refusals()
        application = web.Application(middlewares=[errors_and_preflight], client_max_size=65_536)
        application[FAILURES] = {}
        application[SHARINGS] = {}
        operations: list[Operation] = []
        application[OPERATIONS] = operations
        parts = (
            TimeApi(home.clock.now),
            ChannelsApi(channels, members, attachments, publishing, revising, gate),
            BatchApi(members, publishing, gate),
        )
        for part in parts:
            mount(application, part.operations(refusals.wrapper))
        for root in ("channels", "messages", "presence", "time"):
            application[FAILURES][root] = refusals.before
        async with TestServer(application) as server, aiohttp.ClientSession() as session:
            url = str(server.make_url("")).rstrip("/")
            client = Rest(home, members, attachments, session, url, operations)
            client.key = await client.key_for({"[*]*": ["*"]})
            yield client
