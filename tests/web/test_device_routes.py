"""Accounts and devices for the pages: signing in by password, where one is signed in, and signing that out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from chat_wire import Client, Json, Wire
from house import ADMIN, ADMIN_PASSWORD, Web, house, webbed
from structlog.testing import capture_logs
from websockets.asyncio.client import connect

from owncast_py.accounts.logins import ADDRESS_AT_ONCE, NAME_AT_ONCE
from owncast_py.accounts.model import ADMIN_ID
from owncast_py.chat.content import timestamp
from web.authentication import CSRF_HEADER

PASSWORD = "correct horse"
WRONG = "Tr0ub4dor"
PHONE = {"User-Agent": "Phone", "X-Forwarded-For": "192.0.2.7"}
DEVICE_FIELDS = {"id", "displayName", "createdAt", "lastSeenAt", "ipAddress", "current"}


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[tuple[Wire, Web]]:
    async with house(directory) as home, webbed(home) as served, aiohttp.ClientSession() as session:
        yield Wire(served.server, session, home), served


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    async with opened(tmp_path) as (found, _):
        yield found


@pytest.fixture
async def ana(wire: Wire) -> Json:
    """A chatter without a password."""
    return await wire.register("Ana")


def path(address: str, person: Json) -> str:
    """That address, asked by that person."""
    return f"/api/chat/{address}?accessToken={person['accessToken']}"


async def with_password(wire: Wire, person: Json, login: str = "ana") -> Json:
    """The same person, who has a password from now on."""
    await wire.post(path("account/password", person), {"newPassword": PASSWORD, "login": login})
    return person


async def sign_in(wire: Wire, login: str = "ana", password: str = PASSWORD) -> Json:
    """At another machine."""
    return await wire.post("/api/chat/login", {"login": login, "password": password}, PHONE)


async def devices(wire: Wire, person: Json) -> list[Json]:
    found = await wire.get(path("devices", person))
    assert all(set(each) == DEVICE_FIELDS for each in found)
    return found


async def refused(
    wire: Wire, method: str, address: str, body: object = None, headers: dict[str, str] | None = None
) -> tuple[int, str]:
    """Status and sentence of what is refused, in Owncast's envelope."""
    status, found = await wire.ask(method, address, body, headers)
    assert isinstance(found, dict)
    assert set(found) == {"success", "message"}, found
    assert found["success"] is False
    sentence = str(found["message"])
    assert sentence.endswith(".")
    assert PASSWORD not in sentence
    return status, sentence


async def owners_session(wire: Wire, agent: str) -> dict[str, str]:
    """The headers of a page where the owner has signed in."""
    body, headers = {"password": ADMIN_PASSWORD}, {"User-Agent": agent}
    async with wire.session.post(wire.address("/api/admin/session"), json=body, headers=headers) as response:
        assert response.status == 200
        cookie = response.headers["Set-Cookie"].partition(";")[0]
        return {"Cookie": cookie, CSRF_HEADER: (await response.json())["csrfToken"], "User-Agent": agent}


@asynccontextmanager
async def chatting(wire: Wire, person: Json) -> AsyncIterator[Client]:
    async with connect(wire.socket(str(person["accessToken"]))) as connection:
        client = Client(connection)
        await client.next("CONNECTED_USER_INFO")
        yield client


# A password, and a second machine.


async def test_a_chatter_takes_their_name_colour_and_history_to_a_second_machine(wire: Wire, ana: Json) -> None:
    assert await wire.ask("GET", path("account", ana)) == (
        200,
        {
            "id": ana["id"],
            "displayName": "Ana",
            "displayColor": ana["displayColor"],
            "login": "",
            "hasPassword": False,
        },
    )
    async with chatting(wire, ana) as client:
        await client.say("from here")
        await client.message("from here")
    answer = await wire.post(path("account/password", ana), {"newPassword": PASSWORD, "login": "Ana.1"})
    assert answer == {"success": True, "message": "the password is set"}
    second = await sign_in(wire, "ana.1")
    assert set(second) == {"id", "accessToken", "displayName", "displayColor"}
    assert second["accessToken"] != ana["accessToken"]
    assert [second[name] for name in ("id", "displayName", "displayColor")] == [
        ana[name] for name in ("id", "displayName", "displayColor")
    ]
    _, account = await wire.ask("GET", path("account", second))
    expected = {name: value for name, value in second.items() if name != "accessToken"}
    assert account == expected | {"login": "ana.1", "hasPassword": True}
    async with chatting(wire, second) as client:
        await client.say("from there")
        await client.message("from there")
    history = await wire.get(f"/api/chat?accessToken={second['accessToken']}")
    said = [(each["body"], each["user"]["id"]) for each in history if each["type"] == "CHAT"]  # type: ignore[index]
    assert said == [("<p>from here</p>", ana["id"]), ("<p>from there</p>", ana["id"])]


async def test_another_password_needs_the_one_before_and_ends_the_other_devices(wire: Wire, ana: Json) -> None:
    await with_password(wire, ana)
    second = await sign_in(wire)
    change = {"newPassword": "battery staple"}
    for current in ({}, {"currentPassword": ""}, {"currentPassword": WRONG}):
        found = await refused(wire, "POST", path("account/password", ana), change | current)
        assert found == (403, "The user name or the password is wrong.")
    kept = change | {"currentPassword": PASSWORD, "signOutOthers": False}
    await wire.post(path("account/password", ana), kept)
    assert len(await devices(wire, second)) == 2
    assert (await refused(wire, "POST", "/api/chat/login", {"login": "ana", "password": PASSWORD}))[0] == 403
    back = {"newPassword": PASSWORD, "currentPassword": "battery staple"}
    await wire.post(path("account/password", second), back)
    assert (await refused(wire, "GET", path("account", ana)))[0] == 401, "the others were signed out"
    assert [each["current"] for each in await devices(wire, second)] == [True]


async def test_the_first_password_needs_a_name_that_can_be_had(wire: Wire, ana: Json) -> None:
    await with_password(wire, await wire.register("Ben"), "ben")
    address = path("account/password", ana)
    for login, password, status, words in (
        ("", PASSWORD, 400, "needs a name to sign in with"),
        ("a b", PASSWORD, 400, "One cannot sign in as 'a b'"),
        ("BEN", PASSWORD, 409, "Somebody else signs in as 'ben'"),
        ("admin", PASSWORD, 409, "Somebody else signs in as 'admin'"),
        ("ana", "short", 400, "characters, not 5"),
    ):
        found, sentence = await refused(wire, "POST", address, {"newPassword": password, "login": login})
        assert (found, words in sentence) == (status, True), sentence
    assert (await refused(wire, "POST", address, {"login": "ana"}))[0] == 400
    _, account = await wire.ask("GET", path("account", ana))
    assert isinstance(account, dict)
    assert (account["login"], account["hasPassword"]) == ("", False)


@pytest.mark.parametrize("login", ["ana", "nobody"])
async def test_wrong_passwords_are_refused_alike_and_limited(wire: Wire, ana: Json, login: str) -> None:
    await with_password(wire, ana)
    body = {"login": login, "password": WRONG}
    for number in range(NAME_AT_ONCE):
        headers = {"X-Forwarded-For": f"192.0.2.{number}"}
        found = await refused(wire, "POST", "/api/chat/login", body, headers)
        assert found == (403, "The user name or the password is wrong.")
    for password in (WRONG, PASSWORD):
        async with wire.session.post(
            wire.address("/api/chat/login"), json={"login": login, "password": password}
        ) as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "11")
            assert "try again in 10 s" in (await response.json())["message"]
    wire.home.clock.turn(int(response.headers["Retry-After"]))
    if login == "ana":
        assert (await sign_in(wire))["id"] == ana["id"]


async def test_wrong_passwords_from_one_address_are_limited_whatever_they_are_for(wire: Wire, ana: Json) -> None:
    await with_password(wire, ana)
    for number in range(ADDRESS_AT_ONCE):
        body = {"login": f"name{number}", "password": WRONG}
        assert (await refused(wire, "POST", "/api/chat/login", body, PHONE))[0] == 403
    right = {"login": "ana", "password": PASSWORD}
    assert (await refused(wire, "POST", "/api/chat/login", right, PHONE))[0] == 429
    change = {"newPassword": "battery staple", "currentPassword": PASSWORD}
    assert (await refused(wire, "POST", path("account/password", ana), change, PHONE))[0] == 429
    body = {"ids": ["x"], "password": PASSWORD}
    assert (await refused(wire, "POST", path("devices/signout", ana), body, PHONE))[0] == 429
    elsewhere = {"X-Forwarded-For": "192.0.2.8"}
    assert (await wire.post("/api/chat/login", right, elsewhere))["id"] == ana["id"]


async def test_a_banned_address_signs_nobody_in(wire: Wire, ana: Json) -> None:
    await with_password(wire, ana)
    await wire.post("/api/admin/chat/users/ipbans/create", {"value": "192.0.2.7"}, ADMIN)
    body = {"login": "ana", "password": PASSWORD}
    found = await refused(wire, "POST", "/api/chat/login", body, PHONE)
    assert found == (403, "Your address is banned from this chat.")
    assert len(await devices(wire, ana)) == 1
    assert (await wire.post("/api/chat/login", body))["id"] == ana["id"]


async def test_the_owner_does_not_sign_in_to_chat(wire: Wire) -> None:
    for password, status, words in ((ADMIN_PASSWORD, 403, "on the page /admin"), (WRONG, 403, "is wrong")):
        found, sentence = await refused(
            wire, "POST", "/api/chat/login", {"login": ADMIN_ID, "password": password}, PHONE
        )
        assert (found, words in sentence) == (status, True), sentence
    assert await wire.get("/api/admin/devices", ADMIN) == []


async def test_a_bot_gets_no_password(wire: Wire) -> None:
    bot = await wire.bot("CAN_SEND_MESSAGES")
    person: Json = {"accessToken": bot["Authorization"].removeprefix("Bearer ")}
    found = await refused(wire, "POST", path("account/password", person), {"newPassword": PASSWORD, "login": "beep"})
    assert found == (403, "A bot has an access token and no password.")


@pytest.mark.parametrize(
    ("method", "address", "body"),
    [
        ("GET", "account", None),
        ("POST", "account/password", {"newPassword": PASSWORD, "login": "ana"}),
        ("GET", "devices", None),
        ("POST", "devices/rename", {"id": "x", "displayName": "y"}),
        ("POST", "devices/signout", {"ids": ["x"]}),
    ],
)
async def test_nobody_asks_without_a_token_that_is_known(wire: Wire, method: str, address: str, body: object) -> None:
    for query in ("", "?accessToken=", "?accessToken=forged"):
        status, sentence = await refused(wire, method, f"/api/chat/{address}{query}", body)
        assert (status, "token" in sentence) == (401, True)


# Where one is signed in.


async def test_devices_say_when_and_from_where_they_were_seen(wire: Wire, ana: Json) -> None:
    clock = wire.home.clock
    began = clock.now()
    await with_password(wire, ana)
    clock.turn(3600)
    second = await sign_in(wire)
    clock.turn(60)
    first, other = await devices(wire, second)
    assert (first["createdAt"], first["current"]) == (timestamp(began), False)
    assert (first["lastSeenAt"], first["ipAddress"]) == (timestamp(began), "127.0.0.1")
    assert (other["displayName"], other["createdAt"], other["current"]) == (
        "Phone",
        timestamp(began + timedelta(hours=1)),
        True,
    )
    assert other["lastSeenAt"] == timestamp(clock.now())
    assert [each["current"] for each in await devices(wire, ana)] == [True, False]


async def test_a_device_is_called_something_else_by_its_owner_alone(wire: Wire, ana: Json) -> None:
    (mine,) = await devices(wire, ana)
    eve = await wire.register("Eve")
    rename = {"id": mine["id"], "displayName": "  Kitchen "}
    status, sentence = await refused(wire, "POST", path("devices/rename", eve), rename)
    assert (status, str(mine["id"]) in sentence) == (404, True)
    await wire.post(path("devices/rename", ana), rename)
    assert [each["displayName"] for each in await devices(wire, ana)] == ["Kitchen"]
    status, sentence = await refused(wire, "POST", path("devices/rename", ana), {**rename, "displayName": "x" * 101})
    assert (status, "at most 100 characters; this one has 101" in sentence) == (400, True)
    await wire.post(path("devices/rename", ana), {**rename, "displayName": "x" * 100})
    assert [each["displayName"] for each in await devices(wire, ana)] == ["x" * 100]


async def test_a_device_of_an_odd_name_is_listed(wire: Wire) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.server.port)
    writer.write(
        b"POST /api/chat/register HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Br\xffowser\r\n"
        b"Connection: close\r\nContent-Length: 2\r\n\r\n{}"
    )
    eve: Json = json.loads((await reader.read()).partition(b"\r\n\r\n")[2])
    writer.close()
    await writer.wait_closed()
    assert [each["displayName"] for each in await devices(wire, eve)] == ["Br?owser"]


# Signing out.


async def test_signing_out_a_device_needs_the_password_and_closes_what_it_has_open(wire: Wire, ana: Json) -> None:
    await with_password(wire, ana)
    second = await sign_in(wire)
    ids = {each["current"]: each["id"] for each in await devices(wire, ana)}
    async with chatting(wire, second) as theirs, chatting(wire, ana) as mine:
        for wrong in ({}, {"password": WRONG}):
            found = await refused(wire, "POST", path("devices/signout", ana), {"ids": [ids[False]]} | wrong)
            assert found == (403, "The user name or the password is wrong.")
        assert len(await devices(wire, ana)) == 2
        answer = await wire.post(path("devices/signout", ana), {"ids": [ids[False], "nobody's"], "password": PASSWORD})
        assert answer == {"success": True, "message": "devices signed out: 1"}
        assert await theirs.closed() == (1008, "You were signed out here.")
        assert theirs.heard[-1]["type"] == "ERROR_NEEDS_REGISTRATION"
        await mine.say("still here")
        await mine.message("still here")
    assert (await refused(wire, "GET", path("devices", second)))[0] == 401
    assert [each["id"] for each in await devices(wire, ana)] == [ids[True]]
    # Leaving needs no proof: whoever has the device can leave it.
    await wire.post(path("devices/signout", ana), {"ids": [ids[True]]})
    assert (await refused(wire, "GET", path("devices", ana)))[0] == 401
    assert (await sign_in(wire))["id"] == ana["id"]


async def test_whoever_has_no_password_signs_out_their_own_devices_and_no_others(wire: Wire, ana: Json) -> None:
    eve = await wire.register("Eve")
    second = await wire.home.foundations.accounts.devices.sign_in(str(ana["id"]), "Tablet")
    answer = await wire.post(path("devices/signout", eve), {"ids": [second.device.id]})
    assert answer["message"] == "devices signed out: 0"
    assert len(await devices(wire, ana)) == 2
    answer = await wire.post(path("devices/signout", ana), {"ids": [second.device.id]})
    assert answer["message"] == "devices signed out: 1"
    assert await wire.home.foundations.accounts.identify(second.token) is None
    for ids in ([], ["x"] * 1_001, "x", [1]):
        assert (await refused(wire, "POST", path("devices/signout", ana), {"ids": ids}))[0] == 400


async def test_whoever_was_removed_from_chat_still_sees_and_ends_their_devices(wire: Wire, ana: Json) -> None:
    await with_password(wire, ana)
    second = await sign_in(wire)
    await wire.post("/api/admin/chat/users/setenabled", {"userId": ana["id"], "enabled": False}, ADMIN)
    status, account = await wire.ask("GET", path("account", ana))
    assert (status, isinstance(account, dict) and account["login"]) == (200, "ana")
    ids = {each["current"]: each["id"] for each in await devices(wire, ana)}
    await wire.post(path("devices/rename", ana), {"id": ids[False], "displayName": "Lost phone"})
    await wire.post(path("devices/signout", ana), {"ids": [ids[False]], "password": PASSWORD})
    assert (await refused(wire, "GET", path("devices", second)))[0] == 401
    async with connect(wire.socket(str(ana["accessToken"]))) as connection:
        client = Client(connection)
        assert await client.next("ERROR_USER_DISABLED")
        assert (await client.closed())[0] == 1008


async def test_whoever_is_signed_out_while_their_socket_opens_is_not_let_in(
    wire: Wire, ana: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = aiohttp.web.WebSocketResponse.prepare

    async def slowly(socket: aiohttp.web.WebSocketResponse, request: aiohttp.web.BaseRequest) -> object:
        await wire.home.foundations.accounts.devices.sign_out_all(str(ana["id"]))
        return await prepare(socket, request)

    monkeypatch.setattr(aiohttp.web.WebSocketResponse, "prepare", slowly)
    async with connect(wire.socket(str(ana["accessToken"]))) as connection:
        assert await Client(connection).closed() == (1008, "You were signed out here.")


# The owner.


async def test_the_owner_sees_and_ends_anybodys_devices_and_that_is_written_down(wire: Wire, ana: Json) -> None:
    second = await wire.home.foundations.accounts.devices.sign_in(str(ana["id"]), "Tablet")
    found = await wire.get(f"/api/admin/devices?userId={ana['id']}", ADMIN)
    assert [set(each) for each in found] == [DEVICE_FIELDS] * 2
    assert [(each["displayName"], each["current"]) for each in found][1] == ("Tablet", False)
    async with chatting(wire, {"accessToken": second.token}) as client, chatting(wire, ana) as other:
        body = {"userId": ana["id"], "ids": [second.device.id, "nobody's"]}
        answer = await wire.post("/api/admin/devices/signout", body, ADMIN)
        assert answer["message"] == "devices signed out: 1"
        assert await client.closed() == (1008, "You were signed out here.")
        await other.say("still here")
        await other.message("still here")
    assert len(await wire.get(f"/api/admin/devices?userId={ana['id']}", ADMIN)) == 1
    status, audit = await wire.ask("GET", "/api/admin/chat/audit", headers=ADMIN)
    assert status == 200
    assert "'sign out devices'" in str(audit)
    assert "'Ana: 1'" in str(audit)
    body = {"userId": "nobody", "ids": ["x"]}
    expected = (400, "There is no user with the id 'nobody'.")
    assert await refused(wire, "POST", "/api/admin/devices/signout", body, ADMIN) == expected
    assert await refused(wire, "GET", "/api/admin/devices?userId=nobody", headers=ADMIN) == expected


async def test_the_owners_own_sessions_are_listed_named_and_ended(wire: Wire) -> None:
    laptop, phone = await owners_session(wire, "Laptop"), await owners_session(wire, "Phone")
    found = await wire.get("/api/admin/devices", laptop)
    assert [(each["displayName"], each["current"]) for each in found] == [("Laptop", True), ("Phone", False)]
    assert [each["current"] for each in await wire.get("/api/admin/devices", ADMIN)] == [False, False]
    ids = {each["displayName"]: each["id"] for each in found}
    await wire.post("/api/admin/devices/rename", {"id": ids["Phone"], "displayName": "Pocket"}, laptop)
    assert [each["displayName"] for each in await wire.get("/api/admin/devices", phone)] == ["Laptop", "Pocket"]
    rename = {"id": "x", "displayName": "y"}
    assert (await refused(wire, "POST", "/api/admin/devices/rename", rename, laptop))[0] == 404
    await wire.post("/api/admin/devices/signout", {"ids": [ids["Phone"]]}, laptop)
    assert (await refused(wire, "GET", "/api/admin/devices", headers=phone))[0] == 401
    assert [each["displayName"] for each in await wire.get("/api/admin/devices", laptop)] == ["Laptop"]
    bare = {name: value for name, value in laptop.items() if name != CSRF_HEADER}
    assert (await refused(wire, "POST", "/api/admin/devices/signout", {"ids": [ids["Laptop"]]}, bare))[0] == 403
    await wire.post("/api/admin/devices/signout", {"ids": [ids["Laptop"]]}, laptop)
    assert (await refused(wire, "GET", "/api/admin/devices", headers=laptop))[0] == 401


@pytest.mark.parametrize(
    ("method", "address", "body"),
    [
        ("GET", "", None),
        ("POST", "/rename", {"id": "x", "displayName": "y"}),
        ("POST", "/signout", {"ids": ["x"]}),
    ],
)
async def test_nobody_but_the_owner_asks_for_anybodys_devices(
    wire: Wire, ana: Json, method: str, address: str, body: object
) -> None:
    bot = await wire.bot("HAS_ADMIN_ACCESS")
    for headers in ({}, bot, {"Cookie": f"admin_session={ana['accessToken']}"}):
        found = await refused(wire, method, f"/api/admin/devices{address}", body, headers)
        assert found[0] == 401, found
    query = f"?accessToken={ana['accessToken']}"
    assert (await refused(wire, method, f"/api/admin/devices{address}{query}", body))[0] == 401


async def test_a_password_that_the_owner_changes_by_their_account_is_the_only_one_at_once(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as (wire, _):
        assert await wire.get("/api/admin/devices", ADMIN) == [], "and the password is remembered as right"
        session = await wire.home.foundations.accounts.devices.sign_in(ADMIN_ID, "Laptop")
        owner: Json = {"accessToken": session.token}
        change = {"newPassword": "another password", "currentPassword": ADMIN_PASSWORD}
        await wire.post(path("account/password", owner), change)
        assert (await refused(wire, "GET", "/api/admin/devices", headers=ADMIN))[0] == 401
        new = {"Authorization": aiohttp.encode_basic_auth("admin", "another password")}
        assert [each["displayName"] for each in await wire.get("/api/admin/devices", new)] == ["Laptop"]


# What is told, and kept.


async def test_no_password_and_no_token_is_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as (wire, _):
        with capture_logs() as logs:
            ana = await with_password(wire, await wire.register("Ana"))
            second = await sign_in(wire)
            for body in ({"login": "ana", "password": WRONG}, {"login": ["ana"], "password": WRONG}):
                assert (await wire.ask("POST", "/api/chat/login", body))[0] in (400, 403)
            (other,) = [each["id"] for each in await devices(wire, ana) if not each["current"]]
            async with chatting(wire, second) as client:
                body = {"ids": [other], "password": PASSWORD}
                await wire.post(path("devices/signout", ana), body)
                await client.closed()
            assert (await wire.ask("GET", path("devices", second)))[0] == 401
            # Least is known of what goes wrong.
            broken = wire.home.foundations.accounts.devices

            async def fail(*_: object) -> None:
                raise RuntimeError("broken")

            for name in ("sign_in", "sign_out"):
                monkeypatch.setattr(broken, name, fail)
            for address, body in (
                ("/api/chat/login", {"login": "ana", "password": PASSWORD}),
                (path("devices/signout", ana), {"ids": [other], "password": PASSWORD}),
            ):
                assert (await refused(wire, "POST", address, body))[0] == 500
        assert len([line for line in logs if line["log_level"] == "error"]) == 2
        for secret in (PASSWORD, WRONG, str(ana["accessToken"]), str(second["accessToken"])):
            assert secret not in str(logs)


async def test_who_is_signed_in_where_outlives_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as (wire, _):
        ana = await with_password(wire, await wire.register("Ana"))
        wire.home.clock.turn(1)
        second = await sign_in(wire)
        third = await sign_in(wire)
        (gone,) = [each["id"] for each in await devices(wire, third) if each["current"]]
        await wire.post(path("devices/signout", third), {"ids": [gone]})
        (mine,) = [each["id"] for each in await devices(wire, ana) if each["current"]]
        await wire.post(path("devices/rename", ana), {"id": mine, "displayName": "Kitchen"})
        before = await devices(wire, second)
    async with opened(tmp_path) as (wire, _):
        after = await devices(wire, second)
        assert [each | {"lastSeenAt": ""} for each in after] == [each | {"lastSeenAt": ""} for each in before]
        assert [each["displayName"] for each in after] == ["Kitchen", "Phone"]
        assert (await refused(wire, "GET", path("devices", third)))[0] == 401
        assert (await sign_in(wire))["id"] == ana["id"]


async def test_one_login_is_one_persons_whoever_asks_at_once(wire: Wire) -> None:
    people = [await wire.register(name) for name in ("Ana", "Ben", "Cleo")]
    body = {"newPassword": PASSWORD, "login": "tea"}
    answers = await asyncio.gather(*(wire.ask("POST", path("account/password", each), body) for each in people))
    assert sorted(status for status, _ in answers) == [200, 409, 409]
    winner = next(each for each, (status, _) in zip(people, answers, strict=True) if status == 200)
    assert (await sign_in(wire, "tea"))["id"] == winner["id"]
