"""Owncast's chat socket: what is said and heard on it, and what it refuses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from chat_wire import Client, Json, Wire
from house import ADMIN, House, house, serving
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from owncast_py.chat.content import timestamp
from web import fanout
from web.api.owncast import chat_socket

USER_FIELDS = {
    "id",
    "displayName",
    "displayColor",
    "createdAt",
    "previousNames",
    "scopes",
    "isBot",
    "authenticated",
}

Join = Callable[..., Awaitable[Client]]


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    async with house(tmp_path) as home, serving(home) as server, aiohttp.ClientSession() as session:
        yield Wire(server, session, home)


@pytest.fixture
async def join(wire: Wire) -> AsyncIterator[Join]:
    """Connects somebody, who has been told who they are."""
    async with AsyncExitStack() as stack:

        async def start(user: Json | str | None, path: str = "/ws", greeted: bool = True) -> Client:
            token = str(user["accessToken"]) if isinstance(user, dict) else user
            client = Client(await stack.enter_async_context(connect(wire.socket(token, path))))
            if greeted:
                await client.next("CONNECTED_USER_INFO")
            return client

        yield start


@pytest.fixture
async def ana(wire: Wire, join: Join) -> Client:
    return await join(await wire.register("Ana"))


async def test_the_first_message_says_who_one_is(wire: Wire, join: Join) -> None:
    user = await wire.register("Ana")
    client = await join(user)
    (event,) = client.heard
    found = event["user"]
    assert isinstance(found, dict)
    assert set(found) == USER_FIELDS
    assert (found["id"], found["displayName"], found["displayColor"]) == (user["id"], "Ana", user["displayColor"])
    assert found["scopes"] == []
    joined = await client.next("USER_JOINED")
    assert joined["user"] == found


async def test_two_clients_talk_and_find_it_in_the_history(wire: Wire, join: Join, ana: Client) -> None:
    ben = await join(await wire.register("Ben"))
    await ana.say("Hello *Ben*")
    for client in (ana, ben):
        event = await client.message("Hello <em>Ben</em>")
        assert set(event) == {"type", "id", "timestamp", "author", "body", "user", "visible"}
        assert (event["author"], event["visible"]) == ("Ana", True)
        user = event["user"]
        assert isinstance(user, dict)
        assert set(user) == USER_FIELDS
    await ben.say("Hello Ana", inReplyTo=event["id"])
    answer = await ana.message("Hello Ana")
    assert answer["inReplyTo"] == {"id": event["id"], "displayName": "Ana", "body": "Hello Ben"}
    assert await wire.get("/api/chat") == [event, answer]


async def test_names_and_colours_change_for_everybody(wire: Wire, join: Join, ana: Client) -> None:
    ben = await join(await wire.register("Ben"))
    await ana.send({"type": "NAME_CHANGE", "newName": "  Anna  B. "})
    for client in (ana, ben):
        event = await client.next("NAME_CHANGE")
        assert (event["oldName"], event["newName"]) == ("Ana", "Anna B.")
        user = event["user"]
        assert isinstance(user, dict)
        assert user["previousNames"] == ["Ana", "Anna B."]
        assert "nameChangedAt" in user
    await ana.send({"type": "COLOR_CHANGE", "newColor": 6})
    await ana.next("CONNECTED_USER_INFO")
    await ana.say("in colour")
    found = (await ben.message("in colour"))["user"]
    assert isinstance(found, dict)
    assert (found["displayName"], found["displayColor"]) == ("Anna B.", 6)


async def test_pings_of_both_kinds_are_answered(ana: Client) -> None:
    await ana.send({"type": "PING"})
    await ana.next("PONG")
    await (await ana.connection.ping())


async def test_several_objects_in_a_frame_are_read_in_order(ana: Client) -> None:
    objects = [{"type": "CHAT", "body": "one"}, {"type": "PONG"}, {"type": "CHAT", "body": "two"}]
    await ana.connection.send("\n".join(map(json.dumps, objects)) + "\n")
    await ana.message("one")
    await ana.message("two")


async def test_the_old_socket_needs_no_registration(wire: Wire, join: Join, ana: Client) -> None:
    old = await join(None, "/entry")
    await old.send({"type": "CHAT", "author": "Oldie", "body": "hi", "id": "1", "visible": True})
    event = await ana.message("hi")
    assert event["author"] == "Oldie"
    await old.send({"type": "NAME_CHANGE", "oldName": "Oldie", "newName": "Goldie"})
    assert (await old.next("NAME_CHANGE", newName="Goldie"))["oldName"] == "Oldie"
    await ana.say("hello")
    assert (await old.message("hello"))["author"] == "Ana"


async def test_a_welcome_and_the_pinned_message_come_after_the_greeting(wire: Wire, join: Join, ana: Client) -> None:
    await ana.say("Read *this*")
    message = await ana.message("Read <em>this</em>")
    await wire.post("/api/admin/chat/pin", {"id": message["id"]}, ADMIN)
    assert (await ana.next("MESSAGE_PINNED"))["message"] == message
    await wire.home.rule(welcome_message="Be *kind*")
    ben = await join(await wire.register("Ben"))
    assert (await ben.next("MESSAGE_PINNED"))["message"] == message
    welcome = await ben.next("SYSTEM")
    assert (welcome["body"], welcome["user"]) == ("<p>Be <em>kind</em></p>", {"displayName": "Tea"})
    await wire.post("/api/admin/chat/pin", {"id": None}, ADMIN)
    await ben.next("MESSAGE_UNPINNED")
    assert "SYSTEM" not in {event["type"] for event in ana.heard}


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ("not json", "MALFORMED"),
        ("[" * 10_000, "MALFORMED"),
        ('{"type": "CHAT", "body": "\\ud800"}', "MALFORMED"),
        ("[1]", "MALFORMED"),
        ('"x"', "MALFORMED"),
        ('{"body": "x"}', "MALFORMED"),
        ('{"type": 7}', "MALFORMED"),
        ('{"type": "CHAT"}', "MALFORMED"),
        ('{"type": "CHAT", "body": {"a": 1}}', "MALFORMED"),
        ('{"type": "CHAT", "body": " \\u200b "}', "EMPTY"),
        (json.dumps({"type": "CHAT", "body": "x" * 2049}), "TOO_LONG"),
        ('{"type": "CHAT", "body": "x", "inReplyTo": "nothing"}', "NOT_FOUND"),
        ('{"type": "NAME_CHANGE", "newName": "admin"}', "NAME_REFUSED"),
        ('{"type": "NAME_CHANGE", "newName": ""}', "NAME_REFUSED"),
        (json.dumps({"type": "NAME_CHANGE", "newName": "x" * 31}), "NAME_REFUSED"),
        ('{"type": "NAME_CHANGE", "newName": 7}', "MALFORMED"),
        ('{"type": "COLOR_CHANGE", "newColor": 8}', "REFUSED"),
        ('{"type": "COLOR_CHANGE", "newColor": -1}', "REFUSED"),
        ('{"type": "COLOR_CHANGE", "newColor": true}', "MALFORMED"),
        ('{"type": "COLOR_CHANGE", "newColor": 1e400}', "MALFORMED"),
        ('{"type": "DROP_TABLE"}', "MALFORMED"),
    ],
)
async def test_what_is_refused_is_told_to_its_sender_alone(
    wire: Wire, join: Join, ana: Client, event: str, code: str
) -> None:
    ben = await join(await wire.register("Ben"))
    await ana.connection.send(event)
    refusal = await ana.next("SYSTEM")
    error = refusal["error"]
    assert isinstance(error, dict)
    assert error["code"] == code
    assert str(refusal["body"]).endswith(".</p>")
    await ana.say("still here")
    await ben.message("still here")
    assert all("error" not in each for each in ben.heard)


async def test_floods_are_slowed_then_closed(wire: Wire, join: Join, ana: Client) -> None:
    ben = await join(await wire.register("Ben"))
    for number in range(4):
        await ana.say(f"{number}")
    refusal = await ana.next("SYSTEM")
    assert refusal["error"] == {"code": "RATE_LIMITED", "retryAfter": 10.0}
    for _ in range(chat_socket.EVENTS_AT_ONCE):
        await ana.send({"type": "PING"})
    assert (await ana.closed())[0] == fanout.POLICY
    await ben.say("quiet again")
    await ben.message("quiet again")
    assert sum(each["type"] == "CHAT" for each in ben.heard) == 4


async def test_a_device_is_seen_when_it_comes_to_chat(wire: Wire, join: Join) -> None:
    ana = await wire.register("Ana")
    wire.home.clock.turn(600)
    await join(ana)
    [device] = await wire.get(f"/api/admin/devices?userId={ana['id']}", ADMIN)
    assert (device["lastSeenAt"], device["ipAddress"]) == (timestamp(wire.home.clock.now()), "127.0.0.1")


@pytest.mark.parametrize(
    ("frame", "code"),
    [("x" * (chat_socket.MAX_FRAME_BYTES + 1), 1009), ("x" * 1_000_000, 1009), ("{}\n" * 21, 1008), (b"binary", None)],
)
async def test_frames_that_are_too_much_end_their_socket_only(
    wire: Wire, join: Join, ana: Client, frame: str | bytes, code: int | None
) -> None:
    ben = await join(await wire.register("Ben"))
    await ana.connection.send(frame)
    found, _ = await ana.closed()
    assert code is None or found == code
    await ben.say("unharmed")
    await ben.message("unharmed")


async def test_invalid_utf8_ends_the_socket(ana: Client) -> None:
    await ana.connection.send(b"\xff\xfe\xff", text=True)
    assert (await ana.closed())[0] == 1007


async def test_forged_tokens_are_limited_by_address(wire: Wire) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9"}
    for _ in range(chat_socket.STRANGERS_AT_ONCE):
        async with connect(wire.socket("forged"), additional_headers=headers):
            pass
    with pytest.raises(InvalidStatus) as caught:
        await connect(wire.socket("forged"), additional_headers=headers)
    assert caught.value.response.status_code == 429
    assert int(caught.value.response.headers["Retry-After"]) > 0
    async with connect(wire.socket("forged"), additional_headers={"X-Forwarded-For": "203.0.113.10"}):
        pass


async def test_a_flood_of_pings_ends_its_socket(ana: Client) -> None:
    for _ in range(chat_socket.EVENTS_AT_ONCE + 2):
        await ana.connection.ping()
    assert (await ana.closed())[0] == fanout.POLICY


@pytest.mark.parametrize("token", [None, "", "forged", "x" * 5_000])
async def test_without_a_right_token_one_is_told_to_register(wire: Wire, join: Join, token: str | None) -> None:
    client = await join(token, greeted=False)
    await client.closed()
    assert [event["type"] for event in client.heard] == ["ERROR_NEEDS_REGISTRATION"]


async def test_refusals_have_owncasts_names(wire: Wire, join: Join, monkeypatch: pytest.MonkeyPatch) -> None:
    user = await wire.register("Ana")
    await join(user)
    monkeypatch.setattr(chat_socket, "MAX_CONNECTIONS", 1)
    full = await join(user, greeted=False)
    await full.closed()
    monkeypatch.undo()
    monkeypatch.setattr(chat_socket, "MAX_CONNECTIONS_PER_USER", 1)
    twice = await join(user, greeted=False)
    await twice.closed()
    assert [client.heard[0]["type"] for client in (full, twice)] == ["ERROR_MAX_CONNECTIONS_EXCEEDED"] * 2
    await wire.post("/api/admin/chat/users/setenabled", {"userId": user["id"], "enabled": False}, ADMIN)
    disabled = await join(user, greeted=False)
    await disabled.closed()
    assert disabled.heard[0]["type"] == "ERROR_USER_DISABLED"
    await wire.home.rule(disabled=True)
    closed = await join(user, greeted=False)
    await closed.closed()
    assert closed.heard[0]["type"] == "CHAT_DISABLED"


async def test_disabling_a_user_closes_their_sockets_and_hides_what_they_said(wire: Wire, join: Join) -> None:
    user = await wire.register("Troll")
    troll, other, ben = await join(user), await join(user), await join(await wire.register("Ben"))
    for words in ("one", "two"):
        await troll.say(words)
        await ben.message(words)
    ids = [event["id"] for event in ben.heard if event["type"] == "CHAT"]
    await wire.post("/api/admin/chat/users/setenabled", {"userId": user["id"], "enabled": False}, ADMIN)
    for client in (troll, other):
        assert (await client.closed())[0] == fanout.POLICY
        assert client.heard[-1]["type"] in ("ERROR_USER_DISABLED", "VISIBILITY-UPDATE")
        assert any(event["type"] == "ERROR_USER_DISABLED" for event in client.heard)
    event = await ben.next("VISIBILITY-UPDATE")
    assert (event["ids"], event["visible"]) == (ids, False)
    assert await wire.get("/api/chat") == []


async def test_switching_chat_off_ends_every_socket(wire: Wire, ana: Client) -> None:
    await wire.home.rule(disabled=True)
    await ana.closed()
    assert ana.heard[-1]["type"] == "CHAT_DISABLED"


async def test_a_revoked_token_ends_the_bots_socket(wire: Wire, join: Join) -> None:
    headers = await wire.bot("CAN_SEND_MESSAGES")
    token = headers["Authorization"].removeprefix("Bearer ")
    bot = await join(token)
    await bot.say("beep")
    await bot.message("beep")
    await wire.post("/api/admin/accesstokens/delete", {"token": token}, ADMIN)
    await bot.closed()
    assert bot.heard[-1]["type"] == "ERROR_NEEDS_REGISTRATION"


async def test_a_banned_address_gets_no_socket_and_loses_those_it_has(tmp_path: Path) -> None:
    async with (
        house(tmp_path) as home,
        serving(home) as server,
        aiohttp.ClientSession() as session,
    ):
        wire = Wire(server, session, home)
        user = await wire.register("Ana")
        address = wire.socket(str(user["accessToken"]))
        headers = {"X-Forwarded-For": "203.0.113.9"}
        async with connect(address, additional_headers=headers) as connection, connect(address) as unharmed:
            client, other = Client(connection), Client(unharmed)
            await client.next("CONNECTED_USER_INFO")
            await wire.post("/api/admin/chat/users/ipbans/create", {"value": "203.0.113.0/24"}, ADMIN)
            assert (await client.closed())[0] == fanout.POLICY
            with pytest.raises(InvalidStatus) as caught:
                await connect(address, additional_headers=headers)
            assert caught.value.response.status_code == 403
            await other.say("here")
            await other.message("here")


async def test_forwarded_addresses_are_believed_from_proxies_only(tmp_path: Path) -> None:
    async with (
        house(tmp_path) as home,
        serving(home, trusted="10.0.0.0/8") as server,
        aiohttp.ClientSession() as session,
    ):
        wire = Wire(server, session, home)
        await wire.post("/api/admin/chat/users/ipbans/create", {"value": "203.0.113.9"}, ADMIN)
        user = await wire.register("Ana")
        forwarded = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-User": "Boss"}
        async with connect(wire.socket(str(user["accessToken"])), additional_headers=forwarded) as connection:
            await Client(connection).next("CONNECTED_USER_INFO")
            (client,) = await wire.get("/api/admin/chat/clients", ADMIN)
            assert client["ipAddress"] == "127.0.0.1"
        assert (await wire.post("/api/chat/register", {}, forwarded))["displayName"] != "Boss"


async def test_a_request_that_is_no_websocket_is_told_so(wire: Wire) -> None:
    async with wire.session.get(wire.address("/ws")) as response:
        assert response.status == 426
        assert "WebSocket" in await response.text()


async def test_sockets_end_when_the_server_does(home_and_wire: tuple[House, Wire, Client]) -> None:
    _, wire, client = home_and_wire
    closing = asyncio.create_task(wire.server.close())
    assert (await client.closed())[0] == fanout.GOING_AWAY
    await closing
    assert [task for task in asyncio.all_tasks() if "fan-out" in task.get_name()] == []


@pytest.fixture
async def home_and_wire(wire: Wire, join: Join) -> tuple[House, Wire, Client]:
    return wire.home, wire, await join(await wire.register("Ana"))
