"""Matrix clients that we did not write, in JavaScript and Python, which know the address of a real server alone."""

from __future__ import annotations

import json
import time
from asyncio import timeout
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from programs import need, program, says, script, tell
from rig import PATIENCE, Server, ServerFactory
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

pytestmark = pytest.mark.e2e

CONFIG = "accounts: {registration: open}\nhls: {disk: false}\nbackups: {enabled: false}\n"
PASSWORD = "correct horse battery"
NEW_PASSWORD = "another horse, another battery"
DEVICES = [["HERE", "Here"], ["LAPTOP", "Laptop"], ["PHONE", "Phone"], ["TABLET", "Tablet"]]


@pytest.fixture
async def server(start: ServerFactory) -> AsyncIterator[Server]:
    need("matrix", "matrix-js-sdk")
    async with start(config=CONFIG) as server:
        yield server


def socket(server: Server, token: str) -> str:
    return f"{server.http.replace('http', 'ws', 1)}/ws?accessToken={token}"


async def greeted(chat: ClientConnection) -> None:
    """Returns once the chat knows who is there."""
    async with timeout(PATIENCE):
        while json.loads(await chat.recv())["type"] != "CONNECTED_USER_INFO":
            pass


async def closed(chat: ClientConnection) -> list[str]:
    """The kinds of events that came until the socket closed."""
    heard = []
    async with timeout(PATIENCE):
        try:
            while True:
                heard.append(json.loads(await chat.recv())["type"])
        except ConnectionClosed:
            return heard


async def outcome(server: Server, name: str) -> Any:
    """What a client tells at its end. The chat socket of the device that it removes first closes meanwhile."""
    given = {"MATRIX_URL": server.http, "MATRIX_PASSWORD": PASSWORD, "MATRIX_NEW_PASSWORD": NEW_PASSWORD}
    async with program(script("matrix", name), **given) as client:
        phone = (await says(client))["token"]
        async with connect(socket(server, phone)) as chat:
            await greeted(chat)
            began = time.monotonic()
            await tell(client, "remove it")
            heard = await closed(chat)
            print(
                f"{name}: the chat socket closed {time.monotonic() - began:.2f} s after the client began to remove it"
            )
        assert heard[-1] == "ERROR_NEEDS_REGISTRATION"
        return await says(client)


def check(server: Server, found: Any) -> None:
    """What both clients see alike."""
    user_id = f"@ana:{server.http.removeprefix('http://')}"
    assert found["flows"] == ["m.login.password"]
    assert found["registered"] == [user_id, "HERE"]
    assert found["listed"] == DEVICES
    assert found["renamed"] == "My phone"
    assert found["left"] == [["HERE", "Here"]]
    assert (found["ended"], found["old"]) == ("M_UNKNOWN_TOKEN", "M_FORBIDDEN")
    assert (found["laptop"], found["after"]) == ("M_UNKNOWN_TOKEN", "M_UNKNOWN_TOKEN")
    assert found["me"] == [user_id, "HERE"]


async def test_the_sdk_for_javascript_does_all_that_there_is(server: Server) -> None:
    found = await outcome(server, "devices.mjs")
    check(server, found)
    asks = [{"stages": ["m.login.password"]}]
    assert found["free"] is True
    assert found["registering"] == [401, [{"stages": ["m.login.dummy"]}]]
    assert found["wanted"] == [401, None, asks]
    assert found["wrong"] == [401, "M_FORBIDDEN", []]
    assert found["gone"] == [401, "M_UNKNOWN_TOKEN"]


async def test_nio_does_all_that_there_is(server: Server) -> None:
    found = await outcome(server, "devices.py")
    check(server, found)
    assert found["wanted"] == [{"stages": ["m.login.password"]}]
    assert found["wrong"] is True
    assert found["gone"] == "M_UNKNOWN_TOKEN"
    assert found["password"] == [401, 200]


async def test_accounts_are_closed_unless_the_owner_opens_them(start: ServerFactory) -> None:
    async with (
        start() as server,
        server.session.post(f"{server.http}/_matrix/client/v3/register", json={}) as found,
    ):
        assert (found.status, (await found.json())["errcode"]) == (403, "M_FORBIDDEN")


async def test_a_device_stays_gone_and_others_stay_over_a_power_cut(start: ServerFactory, tmp_path: Path) -> None:
    async def ask(server: Server, path: str, body: object, token: str = "") -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with server.session.post(f"{server.http}/_matrix/client/v3/{path}", json=body, headers=headers) as found:
            return found.status, await found.json()

    async with start(config=CONFIG) as server:
        wish = {"username": "ana", "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
        _, ana = await ask(server, "register", wish)
        login = {"type": "m.login.password", "user": "ana", "password": PASSWORD}
        _, phone = await ask(server, "login", {**login, "device_id": "PHONE"})
        body = {"devices": ["PHONE"], "auth": login}
        assert await ask(server, "delete_devices", body, ana["access_token"]) == (200, {})
        await server.kill()
    async with start(config=CONFIG) as server:
        status, refused = await ask(server, "logout", {}, phone["access_token"])
        assert (status, refused["errcode"], refused["soft_logout"]) == (401, "M_UNKNOWN_TOKEN", False)
        headers = {"Authorization": f"Bearer {ana['access_token']}"}
        _, document = await server.get("/_matrix/client/v3/devices", headers=headers)
        [device] = json.loads(document)["devices"]
        assert device["device_id"] == ana["device_id"]
