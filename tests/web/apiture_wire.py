"""The delivery API's end of the wire: the real service behind the real web application, and an endpoint to push to."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from house import ADMIN, ADMIN_PASSWORD, Clock
from multidict import CIMultiDictProxy
from yarl import URL

from owncast_py.accounts.service import Accounts
from owncast_py.broadcast.viewers import Viewers
from owncast_py.foundations import Foundations, open_foundations
from owncast_py.notifications.channels.posting import Poster
from owncast_py.notifications.channels.webhook import Webhook
from owncast_py.notifications.model import Method, Subscription, Topic
from owncast_py.notifications.service import Notifications
from owncast_py.notifications.subscribing import Wanted
from owncast_py.notifications.targets import connector
from owncast_py.setting_groups import ChatSettings, InstanceSettings
from owncast_py.storage import sqlite
from owncast_py.topics import TOPICS
from web import openapi
from web.api.apiture.dialect import mount_apiture
from web.authentication import Authentication
from web.server import Host, build_application

Json = dict[str, object]
PATIENCE = 30.0
BASE = "/notifications"
ORIGIN = "owncast.example"
TOKEN = "8BE74E2B956A9532D3534A835EB66"
SUBSCRIBER = "https://api.example/accounts/account/ef967d9f"
TOPIC = {"name": "AccountCreated", "domain": "Accounts"}


@dataclass
class Receiver:
    """An endpoint: agrees when it is asked, remembers what came, and answers as it is told."""

    url: str = ""
    status: int = 204
    allowed: str = "*"
    """What it answers when it is asked; empty for an endpoint that does not know the question."""
    asked: list[str] = field(default_factory=list)
    """The authorization of each question."""
    heard: asyncio.Queue[tuple[Mapping[str, str], bytes]] = field(default_factory=asyncio.Queue)

    async def next(self) -> tuple[Mapping[str, str], bytes]:
        """Headers and body of what comes next."""
        async with asyncio.timeout(PATIENCE):
            return await self.heard.get()

    async def take(self, request: web.Request) -> web.Response:
        """One request."""
        if request.method == "OPTIONS":
            self.asked.append(request.headers.get("Authorization", ""))
            return web.Response(status=self.status, headers={"WebHook-Allowed-Origin": self.allowed})
        self.heard.put_nowait((dict(request.headers), await request.read()))
        return web.Response(status=self.status, text="" if self.status == 204 else "said the endpoint")


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: CIMultiDictProxy[str]
    body: Json
    """Empty where there was none."""

    @property
    def etag(self) -> str:
        return self.headers["ETag"]

    def at(self, path: str) -> object:
        """What stands in the body at `a/b/0/c`; colons and dots are parts of names."""
        found: object = self.body
        for part in path.split("/"):
            found = found[int(part)] if isinstance(found, list) else found[part]  # type: ignore[index]
        return found

    @property
    def items(self) -> list[Json]:
        found = self.at("_embedded/items")
        assert isinstance(found, list)
        return found

    @property
    def ids(self) -> list[str]:
        return [str(item["_id"]) for item in self.items]

    def href(self, relation: str) -> str:
        """Where a link leads."""
        return str(self.at(f"_links/{relation}/href"))


@dataclass
class Office:
    """The service, its web, and everything that a test may turn."""

    notifications: Notifications
    foundations: Foundations
    clock: Clock
    server: TestServer
    session: aiohttp.ClientSession
    receiver: Receiver
    application: web.Application

    @property
    def origin(self) -> str:
        return str(self.server.make_url("")).rstrip("/")

    @property
    def accounts(self) -> Accounts:
        return self.foundations.accounts

    async def token(self, *scopes: str) -> tuple[str, str]:
        """A new access token with those scopes, and the URI of its subscriber."""
        user, token = await self.accounts.create_bot("Robot", scopes)
        return token, f"urn:owncast:user:{user.id}"

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """What is answered to the owner, or to whoever has that `key`; to nobody where it is empty.

        `path` is below /notifications, or a whole address of this server.
        """
        given = dict(headers or {}) | (dict(ADMIN) if key is None else {"API-Key": key} if key else {})
        address = path if path.startswith("http") else self.origin + BASE + path
        options = {"data": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
        # The address goes as it is written, with its own percent-encoding.
        async with self.session.request(method, URL(address, encoded=True), headers=given, **options) as response:
            raw = await response.read()
            if raw:
                assert response.content_type in ("application/json", "application/hal+json")
            return Answer(response.status, response.headers, await response.json(content_type=None) if raw else {})

    async def done(
        self, method: str, path: str, body: object = None, *, status: int = 200, **options: object
    ) -> Answer:
        """What is answered, with that status."""
        found = await self.ask(method, path, body, **options)  # type: ignore[arg-type]
        assert found.status == status, found.body
        return found

    async def get(self, path: str, **options: object) -> Answer:
        """What is there."""
        return await self.done("GET", path, **options)  # type: ignore[arg-type]

    async def refused(
        self, method: str, path: str, body: object = None, *, status: int, kind: str, **options: object
    ) -> Answer:
        """A refusal, in the shape that all have."""
        found = await self.done(method, path, body, status=status, **options)  # type: ignore[arg-type]
        error = found.body["_error"]
        assert isinstance(error, dict)
        assert found.body.keys() == {"_profile", "_error"}
        assert found.body["_profile"] == "https://api.apiture.com/schemas/common/errorResponse/v1.0.0/profile.json"
        assert (error["statusCode"], error["type"]) == (status, kind), error
        assert str(error["message"]).endswith("."), error
        return found

    # What a test begins with.

    async def topic(self, name: str = "Tea", domain: str = "Kettles") -> Topic:
        """A topic."""
        return await self.notifications.subscribing.create_topic(domain, name)

    def body(self, topic_id: str, method: str = "pull", **fields: object) -> Json:
        """A subscription as it is sent."""
        links = {"apiture:topic": {"href": topic_id}, "apiture:subscriber": {"href": SUBSCRIBER}}
        pushed = {"endpoint": {"token": TOKEN, "recipientUrl": self.receiver.url}} if method == "push" else {}
        channel = "webhook" if method == "push" else "SMS"
        return {"deliveryMethod": method, "deliveryChannel": channel, "_links": links} | pushed | fields

    async def subscribed(self, topic: Topic, method: str = "pull", **fields: object) -> str:
        """The id of a new subscription."""
        made = await self.done("POST", "/subscriptions", self.body(topic.id, method, **fields), status=201)
        return str(made.body["_id"])

    async def restricted(self, topic: Topic, subscriber: str) -> Subscription:
        """A subscription that somebody without data/full has made."""
        wanted = Wanted(topic.id, subscriber, restricted=True, method=Method.PULL, channel="SMS")
        return (await self.notifications.subscribing.subscribe(wanted)).subscription

    async def publish(self, topic: Topic, *numbers: int, entity: str = "") -> None:
        """Messages, one for each number."""
        for number in numbers:
            await self.notifications.publish(topic.id, b'{"number":%d}' % number, entity)

    async def lying(self, path: str, count: int) -> Answer:
        """A collection, once there are so many in it."""
        async with asyncio.timeout(PATIENCE):
            while (found := await self.get(path)).body["count"] != count:
                await asyncio.sleep(0)
        return found


@asynccontextmanager
async def office(directory: Path, *, trusted: str = "10.0.0.0/8") -> AsyncIterator[Office]:
    """Everything, on the database in `directory`."""
    clock, receiver = Clock(), Receiver()
    async with AsyncExitStack() as stack:
        listening = web.Application()
        listening.router.add_route("*", "/{tail:.*}", receiver.take)
        end = await stack.enter_async_context(TestServer(listening))
        receiver.url = str(end.make_url("/an/external/endpoint"))
        seeds = {InstanceSettings: {"name": "Tea"}, ChatSettings: {}}
        foundations = await open_foundations(
            stack, sqlite.url(directory / "owncast.db"), seeds, clock.now, clock.monotonic
        )
        poster = Poster(connector(allow_private=True), "owncast-py/0", clock.now)
        stack.push_async_callback(poster.aclose)
        webhook = Webhook(poster, clock.now, lambda: ORIGIN, allow_private=True)
        notifications = Notifications(
            *(foundations.database, {"webhook": webhook}, clock.now, clock.monotonic, random.Random(1)),
            topics=TOPICS,
        )
        await notifications.start()
        stack.push_async_callback(notifications.aclose)
        application = build_application(Host(Viewers(clock.monotonic), list, [ip_network(trusted)]), {})
        authentication = Authentication(
            foundations.accounts, lambda password: password == ADMIN_PASSWORD, clock.monotonic
        )
        mount_apiture(application, notifications, foundations.events, authentication, clock.now)
        openapi.mount(application, "owncast-py", "0")
        server = await stack.enter_async_context(TestServer(application))
        session = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        yield Office(notifications, foundations, clock, server, session, receiver, application)
