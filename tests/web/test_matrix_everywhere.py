"""A device that is signed out is signed out everywhere at once: requests, sockets, streams, sessions, bots."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import chat_wire
import pytest
import realtime_wire
from house import ADMIN, ADMIN_PASSWORD
from matrix_wire import PATIENCE, Json, Matrix, Person, homeserver, proof
from websockets.asyncio.client import connect

from web.api.ably.protocol import ProtocolAction


@pytest.fixture
async def matrix(tmp_path: Path) -> AsyncIterator[Matrix]:
    async with homeserver(tmp_path) as matrix:
        yield matrix


@pytest.fixture
async def ana(matrix: Matrix) -> Person:
    return await matrix.register("ana", device_id="HERE")


@pytest.fixture
async def phone(matrix: Matrix, ana: Person) -> Person:
    return await matrix.login("ana", device_id="PHONE")


async def delete(matrix: Matrix, ana: Person) -> None:
    """Ends the device PHONE of Ana, in one request."""
    found = await matrix.ask("DELETE", "devices/PHONE", {"auth": proof(ana)}, ana)
    assert found.done() == {}


async def plain(
    matrix: Matrix, path: str, method: str = "GET", body: object = None, **headers: str
) -> tuple[int, Json]:
    """Status and JSON of another dialect's answer."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with matrix.session.request(method, matrix.address(path), json=body, headers=sent) as found:
        document = await found.json()
        return found.status, document if isinstance(document, dict) else {"list": document}


def socket(matrix: Matrix, path: str) -> str:
    return str(matrix.address(path)).replace("http", "ws", 1)


async def test_requests_of_matrix_are_refused_at_once(matrix: Matrix, ana: Person, phone: Person) -> None:
    await delete(matrix, ana)
    for path in ("devices", "account/whoami", "sync", "capabilities", "devices/PHONE"):
        found = await matrix.ask("GET", path, person=phone)
        found.refused(401, "M_UNKNOWN_TOKEN", "soft_logout")


async def test_requests_of_the_chat_are_refused_at_once(matrix: Matrix, ana: Person, phone: Person) -> None:
    paths = [f"/api/chat{path}?accessToken={phone.token}" for path in ("", "/account", "/devices")]
    assert [(await plain(matrix, path))[0] for path in paths] == [200, 200, 200]
    await delete(matrix, ana)
    for path in paths:
        status, refused = await plain(matrix, path)
        assert (status, refused.keys()) == (401, {"success", "message"})
        assert refused["message"] == "This access token is not known here, or not any more."
    assert (await plain(matrix, f"/api/chat/account?accessToken={ana.token}"))[0] == 200


async def test_an_open_chat_socket_closes_and_opens_no_more(matrix: Matrix, ana: Person, phone: Person) -> None:
    async with (
        connect(socket(matrix, f"/ws?accessToken={phone.token}")) as theirs,
        connect(socket(matrix, f"/ws?accessToken={ana.token}")) as ours,
    ):
        gone, kept = chat_wire.Client(theirs), chat_wire.Client(ours)
        for client in (gone, kept):
            await client.next("CONNECTED_USER_INFO")
        await gone.say("from the phone")
        await kept.message("from the phone")
        await delete(matrix, ana)
        await gone.closed()
        assert gone.heard[-1]["type"] == "ERROR_NEEDS_REGISTRATION"
        await kept.say("still here")
        await kept.message("still here")
    async with connect(socket(matrix, f"/ws?accessToken={phone.token}")) as again:
        client = chat_wire.Client(again)
        await client.closed()
        assert [event["type"] for event in client.heard] == ["ERROR_NEEDS_REGISTRATION"]


@pytest.mark.parametrize("parameter", ["access_token", "accessToken"])
async def test_an_open_socket_of_channels_closes_and_opens_no_more(
    matrix: Matrix, ana: Person, phone: Person, parameter: str
) -> None:
    def address(person: Person) -> str:
        query = urlencode({"v": "6", "format": "json", "heartbeats": "false", parameter: person.token})
        return socket(matrix, f"/?{query}")

    async with connect(address(phone)) as theirs, connect(address(ana)) as ours:
        gone, kept = realtime_wire.Client(theirs, binary=False), realtime_wire.Client(ours, binary=False)
        for client in (gone, kept):
            await client.next(ProtocolAction.CONNECTED)
            assert (await client.attach("chat"))["action"] == ProtocolAction.ATTACHED
        await delete(matrix, ana)
        frame = await gone.until(lambda found: "error" in found)
        assert realtime_wire.code(frame) == 40141
        await gone.ended()
        assert (await kept.publish("chat", {"data": "still here"}))["action"] == ProtocolAction.ACK
        assert len(await kept.hears("chat", 1)) == 1
    async with connect(address(phone)) as again:
        client = realtime_wire.Client(again, binary=False)
        refused = await client.next(ProtocolAction.ERROR)
        assert realtime_wire.code(refused) == 40143
        await client.ended()


async def test_requests_of_channels_are_refused_at_once(matrix: Matrix, ana: Person, phone: Person) -> None:
    path = f"/channels/chat/messages?access_token={phone.token}"
    assert (await plain(matrix, path))[0] == 200
    await delete(matrix, ana)
    status, refused = await plain(matrix, path)
    assert (status, refused.keys()) == (401, {"error"})
    assert realtime_wire.code(refused) == 40143


async def test_an_open_stream_of_events_ends(matrix: Matrix, ana: Person, phone: Person) -> None:
    def address(person: Person) -> object:
        return matrix.address(f"/sse?channels=chat&accessToken={person.token}")

    async with matrix.session.get(address(phone)) as stream:  # type: ignore[arg-type]
        assert (stream.status, stream.content_type) == (200, "text/event-stream")
        async with asyncio.timeout(PATIENCE):
            assert (await stream.content.readline()).startswith(b"retry:")
            await delete(matrix, ana)
            rest = await stream.content.read()
        assert b"40141" in rest
    async with matrix.session.get(address(phone)) as again:  # type: ignore[arg-type]
        assert again.status == 401
    async with matrix.session.get(address(ana)) as other:  # type: ignore[arg-type]
        assert other.status == 200


async def test_an_open_sync_is_answered(matrix: Matrix, ana: Person, phone: Person) -> None:
    async def waits() -> None:
        found = await matrix.ask("GET", "sync?since=s1&timeout=600000", person=phone)
        found.refused(401, "M_UNKNOWN_TOKEN", "soft_logout")

    # Whether it comes before or after the removal, the answer is the same.
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(waits(), delete(matrix, ana))


async def test_a_session_of_the_owner_ends(matrix: Matrix) -> None:
    async with matrix.session.post(
        matrix.address("/api/admin/session"), json={"password": ADMIN_PASSWORD}, headers={"User-Agent": "The browser"}
    ) as found:
        cookie = {"Cookie": f"admin_session={found.cookies['admin_session'].value}"}
    assert (await plain(matrix, "/api/admin/status", **cookie))[0] == 200
    owner = await matrix.login("admin", ADMIN_PASSWORD)
    [session] = [each for each in await matrix.devices(owner) if each.get("display_name") == "The browser"]
    await matrix.delete(owner, str(session["device_id"]), password=ADMIN_PASSWORD)
    status, refused = await plain(matrix, "/api/admin/status", **cookie)
    assert (status, refused["success"]) == (401, False)
    assert await matrix.device_ids(owner) == [owner.device_id]


async def test_the_owner_signs_out_anybodys_device(matrix: Matrix, ana: Person, phone: Person) -> None:
    user = await matrix.home.foundations.accounts.with_login("ana")
    assert user is not None
    async with connect(socket(matrix, f"/ws?accessToken={phone.token}")) as theirs:
        gone = chat_wire.Client(theirs)
        await gone.next("CONNECTED_USER_INFO")
        wish = {"userId": user.id, "ids": ["PHONE"]}
        status, found = await plain(matrix, "/api/admin/devices/signout", "POST", wish, **ADMIN)
        assert (status, found["message"]) == (200, "devices signed out: 1")
        await gone.closed()
    assert [await matrix.is_known(person) for person in (ana, phone)] == [True, False]


async def test_a_bots_token_ends_with_its_device(matrix: Matrix) -> None:
    wish = {"name": "Beep", "scopes": ["CAN_SEND_MESSAGES", "data/full"]}
    status, made = await plain(matrix, "/api/admin/accesstokens/create", "POST", wish, **ADMIN)
    assert status == 200
    bearer = {"Authorization": f"Bearer {made['token']}"}
    say = ("/api/integrations/chat/send", "POST", {"body": "beep"})
    assert (await plain(matrix, *say, **bearer))[0] == 200
    who = (await matrix.ask("GET", "account/whoami", **bearer)).done()
    known = await matrix.home.foundations.accounts.identify(str(made["token"]))
    assert known is not None
    assert who["device_id"] == known.device.id
    gone = {"userId": known.user.id, "ids": [known.device.id]}
    status, found = await plain(matrix, "/api/admin/devices/signout", "POST", gone, **ADMIN)
    assert (status, found["message"]) == (200, "devices signed out: 1")
    assert (await plain(matrix, *say, **bearer))[0] == 401
    assert (await plain(matrix, "/notifications", **bearer))[0] == 401
    (await matrix.ask("GET", "devices", **bearer)).refused(401, "M_UNKNOWN_TOKEN", "soft_logout")
    status, tokens = await plain(matrix, "/api/admin/accesstokens", **ADMIN)
    assert (status, tokens) == (200, {"list": []})


async def test_a_password_that_changes_ends_other_sockets(matrix: Matrix, ana: Person, phone: Person) -> None:
    async with connect(socket(matrix, f"/ws?accessToken={phone.token}")) as theirs:
        gone = chat_wire.Client(theirs)
        await gone.next("CONNECTED_USER_INFO")
        body = {"new_password": "my new password", "auth": proof(ana)}
        assert (await matrix.ask("POST", "account/password", body, ana)).done() == {}
        await gone.closed()


async def test_signing_in_anew_at_a_device_ends_what_its_old_token_holds(
    matrix: Matrix, ana: Person, phone: Person
) -> None:
    async with connect(socket(matrix, f"/ws?accessToken={phone.token}")) as theirs:
        gone = chat_wire.Client(theirs)
        await gone.next("CONNECTED_USER_INFO")
        again = await matrix.login("ana", device_id="PHONE")
        await gone.closed()
    assert (await plain(matrix, f"/api/chat/account?accessToken={phone.token}"))[0] == 401
    assert (await plain(matrix, f"/api/chat/account?accessToken={again.token}"))[0] == 200
