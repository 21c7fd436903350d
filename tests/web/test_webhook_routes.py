"""Owncast's webhooks: what each event carries, that it arrives, and that it outlives a receiver and a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from admin_wire import Admin, Json, administered, found_at
from aiohttp import web
from aiohttp.test_utils import TestServer
from chat_wire import Client
from websockets.asyncio.client import connect

from owncast_py.broadcast.session import State, Status
from owncast_py.chat.connections import PART_DELAY
from owncast_py.events import StreamStarted, StreamStopped
from owncast_py.topics import TOPICS

CREATE, DELETE = "/api/admin/webhooks/create", "/api/admin/webhooks/delete"
PATIENCE = 30.0
AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
LIVE = Status(State.LIVE, 3, 4, 5, AT, None, "Oolong")


@dataclass
class Receiver:
    """A webhook's other end: remembers what came, and answers as it is told."""

    url: str = ""
    status: int = 200
    heard: asyncio.Queue[tuple[str, Json]] = field(default_factory=asyncio.Queue)

    async def next(self, kind: str) -> Json:
        """The data of the next event, which has to be of that kind."""
        async with asyncio.timeout(PATIENCE):
            _, event = await self.heard.get()
        assert event.keys() == {"type", "eventData"}
        assert event["type"] == kind, event
        data = event["eventData"]
        assert isinstance(data, dict)
        return data


@asynccontextmanager
async def receiving(receiver: Receiver, port: int | None = None) -> AsyncIterator[TestServer]:
    async def take(request: web.Request) -> web.Response:
        assert request.content_type == "application/json"
        document = await request.json()
        if receiver.status == 200:
            receiver.heard.put_nowait((request.headers["webhook-id"], document))
        return web.Response(status=receiver.status)

    application = web.Application()
    application.router.add_post("/hook", take)
    async with TestServer(application, port=port) as server:
        receiver.url = str(server.make_url("/hook"))
        yield server


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    async with receiving(made):
        yield made


@pytest.fixture
async def admin(tmp_path: Path) -> AsyncIterator[Admin]:
    async with administered(tmp_path) as opened:
        yield opened


async def test_a_webhook_is_made_listed_kept_and_deleted(tmp_path: Path, receiver: Receiver) -> None:
    async with administered(tmp_path) as admin:
        made = await admin.post(CREATE, {"url": receiver.url, "events": ["CHAT", "STREAM_STARTED", "CHAT"]})
        assert made["events"] == ["CHAT", "STREAM_STARTED"]
        assert (made["active"], made["lastUsed"]) == (True, None)
        listed = await admin.get("/api/admin/webhooks")
        assert isinstance(listed, list)
        assert [each | {"events": sorted(each["events"])} for each in listed] == [made]
    async with administered(tmp_path) as again:
        assert found_at(await again.get("/api/admin/webhooks"), "0.url") == receiver.url
        assert (await again.post(DELETE, {"id": made["id"]}))["message"] == "deleted webhook"
        assert await again.get("/api/admin/webhooks") == []
        assert (await again.refused("POST", DELETE, {"id": made["id"]}))[0] == 400


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"url": "http://example.org", "events": []}, "needs events"),
        ({"url": "http://example.org", "events": ["TEA_READY"]}, "TEA_READY"),
        ({"url": "ftp://example.org", "events": ["CHAT"]}, "https://"),
        ({"url": "example.org", "events": ["CHAT"]}, "https://"),
        ({"url": "https://me:secret@example.org", "events": ["CHAT"]}, "user name or password"),
        ({"url": "https://example.org/" + "x" * 2_100, "events": ["CHAT"]}, "2048"),
        ({"events": ["CHAT"]}, "url"),
        ({"url": "https://example.org"}, "events"),
    ],
)
async def test_webhooks_that_cannot_be(admin: Admin, body: Json, words: str) -> None:
    status, sentence = await admin.refused("POST", CREATE, body)
    assert (status, words in sentence) == (400, True), sentence
    assert await admin.get("/api/admin/webhooks") == []


async def test_private_networks_are_refused_unless_allowed(tmp_path: Path) -> None:
    async with administered(tmp_path, allow_private=False) as admin:
        for host in ("127.0.0.1", "10.1.2.3", "[::1]", "169.254.169.254", "localhost", "192.168.0.1", "0x7f.1"):
            body = {"url": f"http://{host}/hook", "events": ["CHAT"]}
            status, sentence = await admin.refused("POST", CREATE, body)
            assert (status, "does not call" in sentence) == (400, True), host
            discord = {"value": {"enabled": False, "webhook": body["url"]}}
            status, sentence = await admin.refused("POST", "/api/admin/config/notifications/discord", discord)
            assert (status, "does not call" in sentence) == (400, True), host
        assert found_at(await admin.get("/api/admin/serverconfig"), "notifications.discord.webhook") == ""


async def test_what_each_event_carries(admin: Admin, receiver: Receiver) -> None:
    await admin.set("name", "Tea house")
    await admin.set("serversummary", "Kettles")
    await admin.set("serverurl", "https://tea.example")
    await admin.post(CREATE, {"url": receiver.url, "events": list(TOPICS)})
    ana = await admin.post("/api/chat/register", {"displayName": "Ana"})
    address = str(admin.web.server.make_url(f"/ws?accessToken={ana['accessToken']}")).replace("http", "ws", 1)
    async with connect(address) as socket:
        client = Client(socket)
        joined = await receiver.next("USER_JOINED")
        assert found_at(joined, "user.displayName") == "Ana"
        (connection,) = admin.home.chat.connections.of(str(ana["id"]))
        assert joined["clientId"] == connection.id
        await client.say("*hello*")
        said = await receiver.next("CHAT")
        assert (said["body"], said["rawBody"], said["visible"]) == ("<p><em>hello</em></p>", "*hello*", True)
        assert found_at(said, "user.id") == ana["id"]
        assert said["clientId"] == connection.id
        assert said.keys() >= {"id", "timestamp"}
        await client.send({"type": "NAME_CHANGE", "newName": "Anna"})
        renamed = await receiver.next("NAME_CHANGE")
        assert (renamed["newName"], found_at(renamed, "user.displayName")) == ("Anna", "Anna")
        body = {"visible": False, "idArray": [said["id"]]}
        await admin.post("/api/admin/chat/messagevisibility", body)
        hidden = await receiver.next("VISIBILITY-UPDATE")
        assert (hidden["ids"], hidden["MessageIDs"], hidden["visible"]) == ([said["id"]], [said["id"]], False)
    async with asyncio.timeout(PATIENCE):
        while admin.home.chat.connections.of(str(ana["id"])):
            await asyncio.sleep(0)
    admin.home.clock.turn(PART_DELAY)
    await admin.home.chat.connections.tick()
    assert found_at(await receiver.next("USER_PARTED"), "user.displayName") == "Anna"

    admin.home.status = LIVE
    events = admin.home.foundations.events
    events.publish(StreamStarted(AT, "Oolong"))
    started = await receiver.next("STREAM_STARTED")
    shown = {name: started[name] for name in ("name", "summary", "streamTitle", "serverURL")}
    assert shown == {
        "name": "Tea house",
        "summary": "Kettles",
        "streamTitle": "Oolong",
        "serverURL": "https://tea.example",
    }
    assert found_at(started, "status.online") is True
    events.publish(StreamStopped(AT, "Oolong"))
    assert found_at(await receiver.next("STREAM_STOPPED"), "status.online") is False
    async with asyncio.timeout(PATIENCE):
        while found_at(await admin.get("/api/admin/webhooks"), "0.lastUsed") is None:
            await asyncio.sleep(0)


async def test_many_who_come_at_once_are_one_event_each(admin: Admin, receiver: Receiver) -> None:
    await admin.post(CREATE, {"url": receiver.url, "events": ["USER_JOINED"]})
    people = [await admin.post("/api/chat/register", {"displayName": f"P{number}"}) for number in range(30)]
    sockets = []
    for person in people:
        address = str(admin.web.server.make_url(f"/ws?accessToken={person['accessToken']}"))
        sockets.append(await connect(address.replace("http", "ws", 1)))
    await admin.home.chat.connections.tick()
    heard = set()
    while len(heard) < len(people):
        heard.add(found_at(await receiver.next("USER_JOINED"), "user.displayName"))
    for socket in sockets:
        await socket.close()
    assert heard == {f"P{number}" for number in range(30)}


async def test_what_nobody_asked_for_is_not_queued(admin: Admin, receiver: Receiver) -> None:
    await admin.post(CREATE, {"url": receiver.url, "events": ["STREAM_STARTED"]})
    bot = await admin.post("/api/admin/accesstokens/create", {"name": "B", "scopes": ["CAN_SEND_SYSTEM_MESSAGES"]})
    headers = {"Authorization": f"Bearer {bot['token']}"}
    assert (await admin.ask("POST", "/api/integrations/chat/system", {"body": "hi"}, headers))[0] == 200
    assert await admin.home.services.notifications.pending_count() == 0


async def test_events_outlive_a_receiver_that_is_down_and_a_restart(tmp_path: Path) -> None:
    receiver = Receiver()
    async with receiving(receiver) as server:
        port = server.port
    async with administered(tmp_path) as admin:
        await admin.post(CREATE, {"url": receiver.url, "events": ["CHAT"]})
        ana = await admin.home.chat.people.register("Ana", None, "")
        await admin.home.rule(rate_limit=False)
        for number in range(20):
            await admin.home.chat.posting.message(ana[0], f"message {number}")
        assert await admin.home.services.notifications.pending_count() == 20
    async with administered(tmp_path) as again, receiving(receiver, port):
        assert await again.home.services.notifications.pending_count() == 20
        bodies = set()
        ids = set()
        while len(bodies) < 20:
            async with asyncio.timeout(PATIENCE):
                webhook_id, event = await receiver.heard.get()
            ids.add(webhook_id)
            bodies.add(found_at(event, "eventData.rawBody"))
        assert bodies == {f"message {number}" for number in range(20)}
        assert len(ids) == 20


async def test_discord_is_told_that_the_show_begins(tmp_path: Path) -> None:
    heard: asyncio.Queue[Json] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        heard.put_nowait(await request.json())
        return web.Response(status=204)

    application = web.Application()
    application.router.add_post("/api/webhooks/1/x", take)
    async with TestServer(application) as server, administered(tmp_path) as admin:
        url = str(server.make_url("/api/webhooks/1/x"))
        setting = {"enabled": True, "webhook": url, "goLiveMessage": "Tea is on!"}
        status, _ = await admin.refused("POST", "/api/admin/config/notifications/discord", {"value": {"enabled": True}})
        assert status == 400
        await admin.set("notifications/discord", setting)
        assert found_at(await admin.get("/api/admin/serverconfig"), "notifications.discord") == setting
        notifications = admin.home.services.notifications
        async with asyncio.timeout(PATIENCE):
            while not notifications.wants("STREAM_STARTED"):
                await asyncio.sleep(0)
        admin.home.foundations.events.publish(StreamStarted(AT, "Oolong"))
        async with asyncio.timeout(PATIENCE):
            told = await heard.get()
        assert told == {"content": "Tea is on!\nOolong", "username": "Tea"}
        # It is no webhook of Owncast's, and it can be switched off.
        assert await admin.get("/api/admin/webhooks") == []
        await admin.set("notifications/discord", setting | {"enabled": False})
        async with asyncio.timeout(PATIENCE):
            while notifications.wants("STREAM_STARTED"):
                await asyncio.sleep(0)
