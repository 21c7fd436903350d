"""Every route of chat: its shape, its effect, who may use it, and what it refuses."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest
from chat_wire import PATIENCE, Client, Json, Wire
from house import ADMIN, Clock, house, serving
from PIL import Image
from websockets.asyncio.client import connect

from owncast_py.broadcast.session import State, Status
from owncast_py.setting_groups import InstanceSettings
from web.authentication import ATTEMPTS_AT_ONCE

CHAT_FIELDS = {"type", "id", "timestamp", "author", "body", "user", "visible"}
CLIENT_FIELDS = {"connectedAt", "messageCount", "userAgent", "ipAddress", "username", "clientID", "geo", "id", "user"}


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    async with house(tmp_path) as home, serving(home) as server, aiohttp.ClientSession() as session:
        yield Wire(server, session, home)


@pytest.fixture
async def ana(wire: Wire) -> Json:
    return await wire.register("Ana")


@pytest.fixture
async def client(wire: Wire, ana: Json) -> AsyncIterator[Client]:
    """Ana's socket."""
    async with connect(wire.socket(str(ana["accessToken"]))) as connection:
        opened = Client(connection)
        await opened.next("CONNECTED_USER_INFO")
        yield opened


async def said(wire: Wire, client: Client, words: str) -> Json:
    await client.say(words)
    return await client.message(words)


async def refused(wire: Wire, path: str, body: object, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Status and sentence of a POST that fails, in Owncast's envelope."""
    status, found = await wire.ask("POST", path, body, headers)
    assert isinstance(found, dict)
    assert set(found) == {"success", "message"}, found
    assert found["success"] is False
    return status, str(found["message"])


# What everybody may ask.


async def test_registering_gives_a_person_and_a_token(wire: Wire) -> None:
    answer = await wire.register("Ana")
    assert set(answer) == {"id", "accessToken", "displayName", "displayColor"}
    assert answer["displayName"] == "Ana"
    nameless = await wire.post("/api/chat/register", {})
    assert str(nameless["displayName"]).strip()
    assert nameless["accessToken"] != answer["accessToken"]


@pytest.mark.parametrize("name", ["admin", "аdmin", "x" * 31, "\u202e", "   "])
async def test_a_name_that_cannot_be_had_is_replaced_at_registration(wire: Wire, name: str) -> None:
    answer = await wire.register(name)
    assert answer["displayName"] != name
    assert 0 < len(str(answer["displayName"])) <= 30


async def test_a_proxy_may_name_its_user(wire: Wire) -> None:
    answer = await wire.post("/api/chat/register", {}, {"X-Forwarded-User": "Carla"})
    assert answer["displayName"] == "Carla"


async def test_registrations_from_one_address_are_limited(wire: Wire) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9"}
    answers = [(await wire.ask("POST", "/api/chat/register", {}, headers))[0] for _ in range(32)]
    assert answers == [200] * 30 + [429] * 2
    assert (await wire.ask("POST", "/api/chat/register", {}, {"X-Forwarded-For": "203.0.113.10"}))[0] == 200


async def test_nobody_registers_while_chat_is_off_or_from_a_banned_address(wire: Wire) -> None:
    await wire.post("/api/admin/chat/users/ipbans/create", {"value": "203.0.113.9"}, ADMIN)
    assert (await refused(wire, "/api/chat/register", {}, {"X-Forwarded-For": "203.0.113.9"}))[0] == 403
    await wire.home.rule(disabled=True)
    assert (await refused(wire, "/api/chat/register", {}))[0] == 403


async def test_the_history_is_open_but_a_wrong_token_is_refused(wire: Wire, ana: Json, client: Client) -> None:
    events = [await said(wire, client, words) for words in ("one", "two")]
    history = await wire.get("/api/chat")
    assert history == events
    assert set(history[0]) == CHAT_FIELDS
    assert await wire.get(f"/api/chat?accessToken={ana['accessToken']}") == events
    status, answer = await wire.ask("GET", "/api/chat?accessToken=forged")
    assert status == 401
    assert isinstance(answer, dict)
    assert answer["success"] is False


async def test_the_history_is_the_newest_fifty(wire: Wire) -> None:
    headers = await wire.bot("CAN_SEND_MESSAGES")
    for number in range(55):
        await wire.post("/api/integrations/chat/send", {"body": f"{number}"}, headers)
    assert [each["body"] for each in await wire.get("/api/chat")] == [f"<p>{number}</p>" for number in range(5, 55)]


# Integrations.


async def test_a_bot_speaks_as_itself_as_others_as_the_system_and_of_actions(wire: Wire, client: Client) -> None:
    headers = await wire.bot("CAN_SEND_MESSAGES", "CAN_SEND_SYSTEM_MESSAGES")
    prefix = "/api/integrations/chat"
    answer = await wire.post(f"{prefix}/send", {"body": "*beep*"}, headers)
    assert (answer["success"], answer["message"]) == (True, "sent")
    event = await client.message("<em>beep</em>")
    user = event["user"]
    assert isinstance(user, dict)
    assert (event["author"], user["isBot"], event["id"]) == ("Beep", True, answer["id"])
    await wire.post(f"{prefix}/user", {"user": "JohnSmith", "body": "hello"}, headers)
    assert (await client.message("hello"))["author"] == "JohnSmith"
    await wire.post(f"{prefix}/system", {"body": "Restart *soon*"}, headers)
    event = await client.next("SYSTEM")
    assert (event["body"], event["user"]) == ("<p>Restart <em>soon</em></p>", {"displayName": "Tea"})
    await wire.post(f"{prefix}/action", {"body": "rolled a 15", "author": "JohnSmith"}, headers)
    event = await client.next("CHAT_ACTION")
    assert (event["body"], event["author"]) == ("<p>rolled a 15</p>", "JohnSmith")
    assert [each["type"] for each in await wire.get("/api/chat")] == ["CHAT", "CHAT", "SYSTEM", "CHAT_ACTION"]


async def test_a_system_message_reaches_one_client_alone(wire: Wire, client: Client) -> None:
    headers = await wire.bot("CAN_SEND_SYSTEM_MESSAGES", "HAS_ADMIN_ACCESS")
    ben = await wire.register("Ben")
    async with connect(wire.socket(str(ben["accessToken"]))) as connection:
        other = Client(connection)
        await other.next("CONNECTED_USER_INFO")
        clients = {each["username"]: each["clientID"] for each in await wire.get("/api/integrations/clients", headers)}
        path = "/api/integrations/chat/system/client"
        await wire.post(f"{path}/{clients['Ana']}", {"body": "for you"}, headers)
        assert (await client.next("SYSTEM"))["body"] == "<p>for you</p>"
        await said(wire, client, "done")
        await other.message("done")
        assert "SYSTEM" not in {event["type"] for event in other.heard}
    assert (await refused(wire, f"{path}/nobody", {"body": "x"}, headers))[0] == 404
    assert [each["type"] for each in await wire.get("/api/chat")] == ["CHAT"]


async def test_a_bot_reads_and_moderates(wire: Wire, client: Client) -> None:
    headers = await wire.bot("HAS_ADMIN_ACCESS")
    event = await said(wire, client, "something")
    (read,) = await wire.get("/api/integrations/chat", headers)
    assert read == event | {"rawBody": "something"}
    for path, visible in (("updatemessagevisibility", False), ("messagevisibility", True)):
        await wire.post(f"/api/integrations/chat/{path}", {"visible": visible, "idArray": [event["id"]]}, headers)
        update = await client.next("VISIBILITY-UPDATE")
        assert (update["ids"], update["visible"]) == ([event["id"]], visible)
        assert len(await wire.get("/api/chat")) == visible
    (connected,) = await wire.get("/api/integrations/clients", headers)
    assert set(connected) == CLIENT_FIELDS
    assert (connected["username"], connected["messageCount"], connected["ipAddress"]) == ("Ana", 1, "127.0.0.1")


async def test_the_stream_title_is_set_and_kept(wire: Wire) -> None:
    headers = await wire.bot("HAS_ADMIN_ACCESS")
    await wire.post("/api/integrations/streamtitle", {"value": "Desert Bus"}, headers)
    assert wire.home.settings.get(InstanceSettings).title == "Desert Bus"
    status, sentence = await refused(wire, "/api/integrations/streamtitle", {"value": "x" * 300}, headers)
    assert status == 400
    assert "instance.title" in sentence
    assert wire.home.settings.get(InstanceSettings).title == "Desert Bus"


INTEGRATIONS = [
    ("POST", "/api/integrations/streamtitle", "HAS_ADMIN_ACCESS"),
    ("POST", "/api/integrations/chat/user", "CAN_SEND_MESSAGES"),
    ("POST", "/api/integrations/chat/send", "CAN_SEND_MESSAGES"),
    ("POST", "/api/integrations/chat/system", "CAN_SEND_SYSTEM_MESSAGES"),
    ("POST", "/api/integrations/chat/system/client/c1", "CAN_SEND_SYSTEM_MESSAGES"),
    ("POST", "/api/integrations/chat/action", "CAN_SEND_SYSTEM_MESSAGES"),
    ("GET", "/api/integrations/chat", "HAS_ADMIN_ACCESS"),
    ("GET", "/api/integrations/clients", "HAS_ADMIN_ACCESS"),
    ("POST", "/api/integrations/chat/messagevisibility", "HAS_ADMIN_ACCESS"),
    ("POST", "/api/integrations/chat/updatemessagevisibility", "HAS_ADMIN_ACCESS"),
]
SCOPES = {"HAS_ADMIN_ACCESS", "CAN_SEND_MESSAGES", "CAN_SEND_SYSTEM_MESSAGES"}
OF_ADMIN = [
    ("GET", "/api/admin/chat/messages"),
    ("POST", "/api/admin/chat/messagevisibility"),
    ("POST", "/api/admin/chat/updatemessagevisibility"),
    ("GET", "/api/admin/clients"),
    ("GET", "/api/admin/chat/clients"),
    ("POST", "/api/admin/chat/users/setenabled"),
    ("POST", "/api/admin/chat/users/timeout"),
    ("POST", "/api/admin/chat/users/setmoderator"),
    ("GET", "/api/admin/chat/users/disabled"),
    ("GET", "/api/admin/chat/users/moderators"),
    ("GET", "/api/admin/chat/users/ipbans"),
    ("POST", "/api/admin/chat/users/ipbans/create"),
    ("POST", "/api/admin/chat/users/ipbans/remove"),
    ("POST", "/api/admin/chat/pin"),
    ("GET", "/api/admin/chat/audit"),
    ("GET", "/api/admin/users/x"),
    ("POST", "/api/admin/emoji/upload"),
    ("POST", "/api/admin/emoji/delete"),
    ("GET", "/api/admin/accesstokens"),
    ("POST", "/api/admin/accesstokens/create"),
    ("POST", "/api/admin/accesstokens/delete"),
]
OF_MODERATORS = [
    ("POST", "/api/chat/messagevisibility"),
    ("POST", "/api/chat/users/setenabled"),
    ("POST", "/api/chat/users/timeout"),
    ("POST", "/api/chat/pin"),
    ("GET", "/api/moderation/chat/user/x"),
]


@pytest.mark.parametrize(("method", "path", "scope"), INTEGRATIONS)
async def test_integrations_need_a_token_with_the_scope(
    wire: Wire, ana: Json, method: str, path: str, scope: str
) -> None:
    lacking = await wire.bot(*(SCOPES - {scope}))
    for headers, expected in (
        (None, 401),
        ({"Authorization": "Bearer forged"}, 401),
        ({"Authorization": "Basic x"}, 401),
        ({"Authorization": f"Bearer {ana['accessToken']}"}, 403),
        (lacking, 403),
        (ADMIN, 401),
    ):
        status, answer = await wire.ask(method, path, {} if method == "POST" else None, headers)
        assert isinstance(answer, dict)
        assert (status, answer["success"]) == (expected, False), headers
    status, answer = await wire.ask(method, path, {} if method == "POST" else None, await wire.bot(scope, name="Right"))
    assert status in ((400,) if method == "POST" else (200,)), "with the right scope only the body is missed"


@pytest.mark.parametrize(("method", "path"), OF_ADMIN)
async def test_admin_routes_need_the_password(wire: Wire, method: str, path: str) -> None:
    body = {} if method == "POST" else None
    bot = await wire.bot(*SCOPES)
    for headers in (None, bot, {"Authorization": aiohttp.encode_basic_auth("admin", "wrong")}):
        status, answer = await wire.ask(method, path, body, headers)
        assert isinstance(answer, dict)
        assert (status, answer["success"]) == (401, False)
    other = {"Authorization": aiohttp.encode_basic_auth("root", "the admin's password")}
    assert (await wire.ask(method, path, body, other))[0] == 401
    if method == "POST":
        assert (await wire.ask(method, path, body, ADMIN | {"Origin": "https://evil.example"}))[0] == 403
        assert (await wire.ask(method, path, body, ADMIN | {"Sec-Fetch-Site": "cross-site"}))[0] == 403


@pytest.mark.parametrize(("method", "path"), OF_MODERATORS)
async def test_moderation_needs_a_moderators_own_token(wire: Wire, ana: Json, method: str, path: str) -> None:
    body = {} if method == "POST" else None
    for query, expected in (("", 401), ("?accessToken=forged", 401), (f"?accessToken={ana['accessToken']}", 403)):
        status, answer = await wire.ask(method, path + query, body)
        assert isinstance(answer, dict)
        assert (status, answer["success"]) == (expected, False)


@pytest.mark.parametrize("path", sorted({path for _, path, *_ in [*INTEGRATIONS, *OF_ADMIN, *OF_MODERATORS]}))
async def test_options_are_answered_for_pages_of_other_origins(wire: Wire, path: str) -> None:
    for headers in ({}, {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}):
        async with wire.session.options(wire.address(path), headers=headers) as response:
            assert response.status == 204
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            assert "POST" in response.headers["Access-Control-Allow-Methods"]
            assert "Authorization" in response.headers["Access-Control-Allow-Headers"]


async def test_wrong_passwords_are_limited_by_address(wire: Wire) -> None:
    wrong = {"Authorization": aiohttp.encode_basic_auth("admin", "wrong"), "X-Forwarded-For": "203.0.113.9"}
    answers = [(await wire.ask("GET", "/api/admin/clients", headers=wrong))[0] for _ in range(ATTEMPTS_AT_ONCE + 2)]
    assert answers == [401] * ATTEMPTS_AT_ONCE + [429] * 2
    right = ADMIN | {"X-Forwarded-For": "203.0.113.9"}
    assert (await wire.ask("GET", "/api/admin/clients", headers=right))[0] == 429, "not even the right one, unknown yet"
    assert (await wire.ask("GET", "/api/admin/clients", headers=ADMIN))[0] == 200
    assert (await wire.ask("GET", "/api/admin/clients", headers=right))[0] == 200, "one that is known costs nothing"
    wire.home.clock.turn(60)
    assert (await wire.ask("GET", "/api/admin/clients", headers=wrong))[0] == 401


async def test_wrong_tokens_are_limited_by_address(wire: Wire) -> None:
    forged = {"Authorization": "Bearer forged", "X-Forwarded-For": "203.0.113.9"}
    for expected in [401] * ATTEMPTS_AT_ONCE + [429]:
        assert (await wire.ask("GET", "/api/integrations/chat", headers=forged))[0] == expected


# Access tokens.


async def test_tokens_are_made_listed_without_their_secret_and_deleted(wire: Wire) -> None:
    wanted = {"name": "My bot", "scopes": ["CAN_SEND_MESSAGES", "HAS_ADMIN_ACCESS"]}
    made = await wire.post("/api/admin/accesstokens/create", wanted, ADMIN)
    assert (made["name"], made["token"]) == ("My bot", made["accessToken"])
    headers = {"Authorization": f"Bearer {made['token']}"}
    await wire.post("/api/integrations/chat/send", {"body": "hi"}, headers)
    await wire.home.foundations.accounts.devices.flush_seen()
    (listed,) = await wire.get("/api/admin/accesstokens", ADMIN)
    assert made["token"] not in str(listed)
    assert (listed["displayName"], listed["scopes"], listed["isBot"]) == ("My bot", sorted(wanted["scopes"]), True)
    assert listed["lastUsedAt"] == listed["createdAt"], "the clock stands still"
    await wire.post("/api/admin/accesstokens/delete", {"token": listed["accessToken"]}, ADMIN)
    assert (await wire.ask("GET", "/api/integrations/chat", headers=headers))[0] == 401
    assert await wire.get("/api/admin/accesstokens", ADMIN) == []
    assert (await refused(wire, "/api/admin/accesstokens/delete", {"token": "none"}, ADMIN))[0] == 400
    for bad in (
        {"name": "x", "scopes": ["ROOT"]},
        {"name": "", "scopes": ["CAN_SEND_MESSAGES"]},
        {"name": "x", "scopes": []},
    ):
        assert (await refused(wire, "/api/admin/accesstokens/create", bad, ADMIN))[0] == 400


# Moderation.


@pytest.mark.parametrize("path", ["messagevisibility", "updatemessagevisibility"])
async def test_the_admin_hides_messages_and_still_finds_them(wire: Wire, client: Client, path: str) -> None:
    one, two = [await said(wire, client, words) for words in ("one", "two")]
    answer = await wire.post(f"/api/admin/chat/{path}", {"visible": False, "idArray": [one["id"], "none"]}, ADMIN)
    assert answer == {"success": True, "message": "1 messages changed"}
    assert (await client.next("VISIBILITY-UPDATE"))["ids"] == [one["id"]]
    assert await wire.get("/api/chat") == [two]
    everything = await wire.get("/api/admin/chat/messages", ADMIN)
    assert [(each["rawBody"], each["visible"]) for each in everything] == [("one", False), ("two", True)]
    assert everything[0]["timestamp"] == one["timestamp"]
    for query, words in (("q=TWO", ["two"]), ("limit=1", ["two"]), (f"before={two['id']}", ["one"]), ("q=three", [])):
        found = await wire.get(f"/api/admin/chat/messages?{query}", ADMIN)
        assert [each["rawBody"] for each in found] == words, query
    assert (await wire.ask("GET", "/api/admin/chat/messages?limit=0", headers=ADMIN))[0] == 400
    assert (await wire.ask("GET", "/api/admin/chat/messages?limit=x", headers=ADMIN))[0] == 400


@pytest.mark.parametrize("path", ["/api/admin/clients", "/api/admin/chat/clients"])
async def test_the_admin_sees_who_is_connected(wire: Wire, client: Client, path: str) -> None:
    await said(wire, client, "hi")
    (connected,) = await wire.get(path, ADMIN)
    assert set(connected) == CLIENT_FIELDS
    assert (connected["username"], connected["messageCount"]) == ("Ana", 1)
    assert "websockets" in str(connected["userAgent"])
    await client.connection.close()
    async with asyncio.timeout(PATIENCE):
        while await wire.get(path, ADMIN):
            pass


async def test_users_are_disabled_and_enabled(wire: Wire, ana: Json, client: Client) -> None:
    await said(wire, client, "bad")
    await wire.post("/api/admin/chat/users/setenabled", {"userId": ana["id"], "enabled": False}, ADMIN)
    await client.closed()
    (listed,) = await wire.get("/api/admin/chat/users/disabled", ADMIN)
    assert (listed["id"], listed["displayName"]) == (ana["id"], "Ana")
    assert "disabledAt" in listed
    assert await wire.get("/api/chat") == []
    status, _ = await wire.ask("GET", f"/api/chat?accessToken={ana['accessToken']}")
    assert status == 403
    await wire.post("/api/admin/chat/users/setenabled", {"userId": ana["id"], "enabled": True}, ADMIN)
    assert await wire.get("/api/admin/chat/users/disabled", ADMIN) == []
    assert await wire.get("/api/chat") == [], "what was hidden stays so"
    assert await wire.get(f"/api/chat?accessToken={ana['accessToken']}") == []


async def test_moderators_are_made_and_told(wire: Wire, ana: Json, client: Client) -> None:
    await wire.post("/api/admin/chat/users/setmoderator", {"userId": ana["id"], "isModerator": True}, ADMIN)
    info = await client.next("CONNECTED_USER_INFO")
    user = info["user"]
    assert isinstance(user, dict)
    assert user["scopes"] == ["MODERATOR"]
    assert (await client.next("SYSTEM"))["body"] == "<p>You are now a moderator.</p>"
    assert [each["id"] for each in await wire.get("/api/admin/chat/users/moderators", ADMIN)] == [ana["id"]]
    await wire.post("/api/admin/chat/users/setmoderator", {"userId": ana["id"], "isModerator": False}, ADMIN)
    assert await wire.get("/api/admin/chat/users/moderators", ADMIN) == []


async def test_a_moderator_acts_with_their_own_token(wire: Wire, ana: Json, client: Client) -> None:
    mo = await wire.moderator()
    query = f"?accessToken={mo['accessToken']}"
    event = await said(wire, client, "hm")
    await wire.post(f"/api/chat/pin{query}", {"id": event["id"]})
    assert (await client.next("MESSAGE_PINNED"))["message"] == event
    await wire.post(f"/api/chat/messagevisibility{query}", {"visible": False, "idArray": [event["id"]]})
    await client.next("VISIBILITY-UPDATE")
    await client.next("MESSAGE_UNPINNED")
    card = await wire.ask("GET", f"/api/moderation/chat/user/{ana['id']}{query}")
    assert card[0] == 200
    assert isinstance(card[1], dict)
    assert set(card[1]) == {"user", "connectedClients", "messages"}
    assert card[1]["user"]["displayName"] == "Ana"
    assert [each["visible"] for each in card[1]["messages"]] == [False]
    assert len(card[1]["connectedClients"]) == 1
    assert (await wire.ask("GET", f"/api/moderation/chat/user/nobody{query}"))[0] == 404
    assert await wire.ask("GET", f"/api/admin/users/{ana['id']}", headers=ADMIN) == card
    assert (await wire.ask("GET", "/api/admin/users/nobody", headers=ADMIN))[0] == 404
    await wire.post(f"/api/chat/users/timeout{query}", {"userId": ana["id"], "seconds": 600})
    assert (await client.next("SYSTEM"))["error"] == {"code": "TIMED_OUT", "retryAfter": 600}
    await client.say("may I?")
    assert (await client.next("SYSTEM"))["error"] == {"code": "TIMED_OUT", "retryAfter": 600}
    await wire.post(f"/api/chat/users/timeout{query}", {"userId": ana["id"], "seconds": 0})
    await said(wire, client, "thanks")
    await wire.post(f"/api/chat/users/setenabled{query}", {"userId": ana["id"], "enabled": False})
    await client.closed()


async def test_moderators_cannot_act_on_each_other_or_the_admin(wire: Wire) -> None:
    one, two = await wire.moderator("One"), await wire.moderator("Two")
    query = f"?accessToken={one['accessToken']}"
    for target in (two["id"], "admin"):
        status, sentence = await refused(
            wire, f"/api/chat/users/setenabled{query}", {"userId": target, "enabled": False}
        )
        assert status == 400
        assert "only the admin" in sentence
    assert await wire.get("/api/admin/chat/users/disabled", ADMIN) == []
    await wire.post("/api/admin/chat/users/setenabled", {"userId": two["id"], "enabled": False}, ADMIN)


async def test_addresses_are_banned_and_freed(wire: Wire) -> None:
    for value in ("203.0.113.7", "198.51.100.0/24", "2001:db8::/32"):
        await wire.post("/api/admin/chat/users/ipbans/create", {"value": value}, ADMIN)
    listed = await wire.get("/api/admin/chat/users/ipbans", ADMIN)
    assert [each["ipAddress"] for each in listed] == ["203.0.113.7", "198.51.100.0/24", "2001:db8::/32"]
    assert set(listed[0]) == {"ipAddress", "notes", "createdAt"}
    assert [each["notes"] for each in listed] == ["", "", ""]
    noted = {"value": "198.51.100.0/24", "notes": "spam"}
    await wire.post("/api/admin/chat/users/ipbans/create", noted, ADMIN)
    listed = await wire.get("/api/admin/chat/users/ipbans", ADMIN)
    assert {each["ipAddress"]: each["notes"] for each in listed}["198.51.100.0/24"] == "spam"
    endless = noted | {"notes": "x" * 201}
    assert (await refused(wire, "/api/admin/chat/users/ipbans/create", endless, ADMIN))[0] == 400
    await wire.post("/api/admin/chat/users/ipbans/remove", {"value": "203.0.113.7"}, ADMIN)
    assert len(await wire.get("/api/admin/chat/users/ipbans", ADMIN)) == 2
    for bad in ("nonsense", "0.0.0.0/0", ""):
        assert (await refused(wire, "/api/admin/chat/users/ipbans/create", {"value": bad}, ADMIN))[0] == 400
    assert (await refused(wire, "/api/admin/chat/users/ipbans/remove", {"value": "203.0.113.7"}, ADMIN))[0] == 400


async def test_every_act_is_written_down(wire: Wire, ana: Json, client: Client) -> None:
    # With a space, so that no id holds the name by chance.
    mo = await wire.moderator("Mo One")
    query = f"?accessToken={mo['accessToken']}"
    event = await said(wire, client, "hm")
    await wire.post(f"/api/chat/messagevisibility{query}", {"visible": False, "idArray": [event["id"]]})
    await wire.post(f"/api/chat/users/timeout{query}", {"userId": ana["id"], "seconds": 60})
    await wire.post("/api/admin/chat/users/ipbans/create", {"value": "203.0.113.7"}, ADMIN)
    await wire.bot("CAN_SEND_MESSAGES")
    log = await wire.get("/api/admin/chat/audit", ADMIN)
    assert set(log[0]) == {"id", "timestamp", "actor", "action", "target", "detail"}
    told = [(each["action"], each["actor"]["displayName"], each["target"]) for each in log]  # type: ignore[index]
    assert [told[0][:2], *told[1:]] == [
        ("create access token", "Admin"),
        ("ban address", "Admin", "203.0.113.7/32"),
        ("time out", "Mo One", ana["id"]),
        ("hide messages", "Mo One", event["id"]),
        ("make moderator", "Admin", mo["id"]),
    ]
    rest = await wire.get(f"/api/admin/chat/audit?limit=2&before={log[2]['id']}", ADMIN)
    assert rest == log[3:5]
    for words, found in (("TIME OUT", log[2:3]), ("203.0.113", log[1:2]), ("mo one", log[2:5]), ("100%", [])):
        assert await wire.get(f"/api/admin/chat/audit?{urlencode({'q': words})}", ADMIN) == found, words


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("users/setenabled", {}, "userId"),
        ("users/setenabled", {"userId": "x"}, "enabled"),
        ("users/setenabled", {"userId": 7, "enabled": True}, "userId"),
        ("users/setenabled", {"userId": "x", "enabled": "yes"}, "enabled"),
        ("messagevisibility", {"visible": False, "idArray": "x"}, "idArray"),
        ("messagevisibility", {"visible": False, "idArray": ["x"] * 1001}, "idArray"),
        ("users/timeout", {"userId": "x", "seconds": "long"}, "seconds"),
        ("users/ipbans/create", {}, "value"),
        ("pin", {"id": 4}, "id"),
    ],
)
async def test_bodies_that_do_not_fit_are_refused_with_the_field(
    wire: Wire, path: str, body: object, field: str
) -> None:
    status, sentence = await refused(wire, f"/api/admin/chat/{path}", body, ADMIN)
    assert status == 400
    assert f"'{field}'" in sentence
    assert len(sentence) < 250


async def test_bodies_that_are_no_json_objects_are_refused(wire: Wire) -> None:
    address = wire.address("/api/admin/chat/pin")
    for raw in (b"{", b"[" * 50_000, b"[]", b'"x"', b"\xff", b"1e999", b'{"id": "\\ud800"}'):
        async with wire.session.post(address, data=raw, headers=ADMIN) as response:
            assert response.status == 400, raw[:20]
            assert (await response.json())["success"] is False
    async with wire.session.post(address, data=b" " * 70_000, headers=ADMIN) as response:
        assert response.status == 413


async def test_timeouts_have_a_length(wire: Wire, ana: Json) -> None:
    for seconds in (-1, 31 * 86_400 + 1):
        status, _ = await refused(
            wire, "/api/admin/chat/users/timeout", {"userId": ana["id"], "seconds": seconds}, ADMIN
        )
        assert status == 400
    assert (await refused(wire, "/api/admin/chat/users/timeout", {"userId": "none", "seconds": 1}, ADMIN))[0] == 400


# Limits as statuses, for bots and scripts.


async def test_refused_messages_have_statuses_of_their_own(wire: Wire, clock_of: Clock) -> None:
    headers = await wire.bot("CAN_SEND_MESSAGES")
    path = "/api/integrations/chat/send"
    assert (await refused(wire, path, {"body": "x" * 3000}, headers))[0] == 400
    assert (await refused(wire, path, {"body": ""}, headers))[0] == 400
    assert (await refused(wire, "/api/integrations/chat/user", {"user": "", "body": "x"}, headers))[0] == 400
    now = clock_of.now()
    wire.home.status = Status(State.OFFLINE, 0, 0, 0, now, now, "")
    clock_of.turn(600)
    assert (await refused(wire, path, {"body": "late"}, headers))[0] == 403


@pytest.fixture
def clock_of(wire: Wire) -> Clock:
    return wire.home.clock


# Emoji.


def image(kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (20, 20), "red").save(out, kind)
    return out.getvalue()


def upload(name: str, data: bytes, kind: str = "png") -> Json:
    return {"name": name, "data": f"data:image/{kind};base64,{base64.b64encode(data).decode()}"}


async def test_an_emoji_is_uploaded_used_served_and_deleted(wire: Wire, client: Client) -> None:
    await wire.post("/api/admin/emoji/upload", upload("party.png", image()), ADMIN)
    assert await wire.get("/api/emoji") == [
        {"name": "party", "url": "/img/emoji/party.png", "emoji": "/img/emoji/party.png"}
    ]
    await client.say("yes :party:")
    event = await client.next("CHAT")
    assert event["body"] == ('<p>yes <img src="/img/emoji/party.png" class="emoji" alt=":party:" title=":party:"></p>')
    async with wire.session.get(wire.address("/img/emoji/party.png")) as response:
        assert (response.status, response.content_type) == (200, "image/png")
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in response.headers["Content-Security-Policy"]
        assert Image.open(io.BytesIO(await response.read())).size == (20, 20)
    await wire.post("/api/admin/emoji/delete", {"name": "party.png"}, ADMIN)
    assert await wire.get("/api/emoji") == []
    async with wire.session.get(wire.address("/img/emoji/party.png")) as response:
        assert response.status == 404
    assert (await refused(wire, "/api/admin/emoji/delete", {"name": "party.png"}, ADMIN))[0] == 400


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.svg", b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
        ("x.png", b'<?xml version="1.0"?><svg><script>alert(1)</script></svg>'),
        ("x.png", b"GIF89a<script>alert(1)</script>"),
        ("x.png", b""),
        ("../x.png", image()),
        ("/etc/x.png", image()),
        ("x\x00.png", image()),
        ("a" * 60, image()),
        ("..", image()),
    ],
)
async def test_what_is_no_emoji_is_refused(wire: Wire, tmp_path: Path, name: str, data: bytes) -> None:
    before = sorted(tmp_path.rglob("*.png"))
    status, sentence = await refused(wire, "/api/admin/emoji/upload", upload(name, data), ADMIN)
    assert status == 400
    assert sentence.endswith(".")
    assert await wire.get("/api/emoji") == []
    assert sorted(tmp_path.rglob("*.png")) == before


async def test_an_upload_that_is_too_large_is_refused(wire: Wire) -> None:
    status, _ = await refused(wire, "/api/admin/emoji/upload", upload("x.png", b"x" * 2_000_000), ADMIN)
    assert status == 413
    status, _ = await refused(wire, "/api/admin/emoji/upload", upload("x.png", b"x" * 1_050_000), ADMIN)
    assert status == 400


async def test_nothing_but_emoji_is_served_below_their_path(wire: Wire) -> None:
    for path in ("/img/emoji/", "/img/emoji/..%2f..%2fowncast.db", "/img/emoji/%2e%2e/owncast.db", "/img/emoji/x.png"):
        async with wire.session.get(wire.address("/") + path.lstrip("/")) as response:
            assert response.status == 404


async def test_the_settings_of_chat_are_in_the_configuration(wire: Wire) -> None:
    status, config = await wire.ask("GET", "/api/config")
    assert status == 200
    assert isinstance(config, dict)
    assert (config["chatDisabled"], config["maxSocketPayloadSize"], config["slowModeSeconds"]) == (False, 2048, 0)
