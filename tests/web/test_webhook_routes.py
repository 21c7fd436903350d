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
from standardwebhooks import Webhook, WebhookVerificationError
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
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while it is not to answer."""
    heard: asyncio.Queue[tuple[str, Json]] = field(default_factory=asyncio.Queue)
    raw: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Bodies and headers as they came."""

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
        async with receiver.busy:
            pass
        receiver.raw.append((await request.text(), {name.lower(): value for name, value in request.headers.items()}))
        if receiver.status == 200:
            receiver.heard.put_nowait((request.headers["webhook-id"], document))
        return web.Response(status=receiver.status)

    application = web.Application()
    application.router.add_post("/hook", take)
    async with TestServer(application, port=port) as server:
        receiver.url = str(server.make_url("/hook"))
        yield server


def waiting(admin: Admin) -> int:
    """How many events wait for a receiver."""
    return sum(lane.pending for lane in admin.home.services.notifications.shelves.lanes())


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
        assert (made["active"], made["lastUsed"], made["signed"]) == (True, None, True)
        assert str(made.pop("secret")).startswith("whsec_")
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
    assert waiting(admin) == 0


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
        assert waiting(admin) == 20
    # It is there first: a server that finds nobody looks again only after a while.
    await receiver.busy.acquire()
    async with receiving(receiver, port), administered(tmp_path) as again:
        assert waiting(again) == 20
        receiver.busy.release()
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


async def test_what_is_sent_is_signed_and_a_new_secret_takes_over_in_a_day(admin: Admin, receiver: Receiver) -> None:
    made = await admin.post(CREATE, {"url": receiver.url, "events": ["CHAT"]})
    ana = await admin.home.chat.people.register("Ana", None, "")

    async def said(words: str) -> tuple[str, dict[str, str]]:
        await admin.home.chat.posting.message(ana[0], words)
        await receiver.next("CHAT")
        return receiver.raw[-1]

    def signed(secret: object, sent: tuple[str, dict[str, str]]) -> bool:
        try:
            Webhook(str(secret)).verify(*sent)
        except WebhookVerificationError:
            return False
        return True

    # Receivers refuse what is too old: the real clock, and that of the house, are far apart.
    await admin.home.rule(rate_limit=False)
    admin.home.clock.turn((datetime.now(UTC) - admin.home.clock.now()).total_seconds())
    sent = await said("one")
    assert signed(made["secret"], sent)
    assert not signed(made["secret"], (sent[0].replace("one", "two"), sent[1]))
    renewed = await admin.post("/api/admin/webhooks/secret", {"id": made["id"]})
    assert renewed["secret"] != made["secret"]
    sent = await said("two")
    assert (signed(made["secret"], sent), signed(renewed["secret"], sent)) == (True, True)
    admin.home.clock.turn(24 * 3600)
    _, headers = await said("three")
    assert len(headers["webhook-signature"].split()) == 1
    assert (await admin.refused("POST", "/api/admin/webhooks/secret", {"id": "end_1"}))[0] == 400


async def test_webhooks_of_one_address_are_told_apart(admin: Admin, receiver: Receiver) -> None:
    wanted = ["STREAM_STARTED", "STREAM_STOPPED"], ["CHAT"]
    made = [await admin.post(CREATE, {"url": receiver.url, "events": events}) for events in wanted]
    for webhook, events in zip(made, wanted, strict=True):
        found = await admin.get(f"/notifications/subscriptions?filter=eq(recipientId,{webhook['id']})")
        assert found_at(found, "count") == len(events)
        topics = [str(found_at(found, f"_embedded.items.{at}._links.apiture:topic.href")) for at in range(len(events))]
        names = [(await admin.get(topic[topic.index("/notifications/") :]))["name"] for topic in topics]
        assert sorted(map(str, names)) == events


async def test_subscriptions_to_other_topics_are_no_webhooks(admin: Admin, receiver: Receiver) -> None:
    status, topic = await admin.ask("POST", "/notifications/topics", {"name": "KETTLE", "domain": "tea.example"})
    assert status == 201
    links = {"apiture:topic": {"href": found_at(topic, "_id")}, "apiture:subscriber": {"href": "urn:example:me"}}
    endpoint = {"recipientUrl": receiver.url, "token": "t"}
    body = {"deliveryMethod": "push", "deliveryChannel": "webhook", "endpoint": endpoint, "_links": links}
    assert (await admin.ask("POST", "/notifications/subscriptions", body))[0] == 201
    made = await admin.post(CREATE, {"url": receiver.url, "events": ["CHAT"]})
    listed = await admin.ask("GET", "/api/admin/webhooks")
    assert [each["id"] for each in listed[1]] == [made["id"]]


async def test_an_owncast_webhook_and_a_subscription_get_the_same_event(admin: Admin, receiver: Receiver) -> None:
    made = await admin.post(CREATE, {"url": receiver.url, "events": ["STREAM_STARTED"]})
    topics = await admin.get("/notifications/topics?name=STREAM_STARTED")
    links = {
        "apiture:topic": {"href": found_at(topics, "_embedded.items.0._id")},
        "apiture:subscriber": {"href": "urn:example:me"},
    }
    endpoint = {"recipientUrl": receiver.url, "token": "t"}
    body = {"deliveryMethod": "push", "deliveryChannel": "webhook", "endpoint": endpoint, "_links": links}
    assert (await admin.ask("POST", "/notifications/subscriptions", body))[0] == 201
    assert (await receiver.next("TEST"))["message"]
    body = {"deliveryMethod": "pull", "deliveryChannel": "desk", "_links": links}
    status, pulled = await admin.ask("POST", "/notifications/subscriptions", body)
    assert status == 201
    admin.home.foundations.events.publish(StreamStarted(AT, "Oolong"))
    told = [await receiver.next("STREAM_STARTED") for _ in range(2)]
    assert told[0] == told[1]
    assert told[0]["streamTitle"] == "Oolong"
    address = f"/notifications/pullNotifications?wait=20&subscription={found_at(pulled, '_id')}"
    waiting_there = await admin.get(address)
    assert found_at(waiting_there, "_embedded.items.0.body") == {"type": "STREAM_STARTED", "eventData": told[0]}
    query = f"sortBy=createdAt&filter=eq(topic,{links['apiture:topic']['href']})"
    subscriptions = await admin.get(f"/notifications/subscriptions?{query}")
    assert found_at(subscriptions, "count") == 3
    assert found_at(subscriptions, "_embedded.items.0.endpoint.recipientUrl") == made["url"]
