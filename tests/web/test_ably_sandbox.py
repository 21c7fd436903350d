"""The sandbox: what a client library's tests make of it, and who may not."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgpack  # type: ignore[import-untyped]
import orjson
import pytest
from house import House, house, webbed

from owncast_py.realtime.messages import DEFAULT_APP, Address
from owncast_py.realtime.stats import MAX_INSERTED
from web.api.ably.formats import MAX_BODY
from web.api.ably.sandbox import MAX_CHANNELS, MAX_KEYS

JSON, MSGPACK = "application/json", "application/x-msgpack"
CAPABILITY = '{"canpublish:*":["publish"],"[*]*":["*"]}'
APP = {
    "keys": [{}, {"capability": CAPABILITY}, {"revocableTokens": True}],
    "namespaces": [{"id": "persisted", "persisted": True}, {"id": "pushenabled", "pushEnabled": True}],
    "channels": [
        {
            "name": "persisted:fixtures",
            "presence": [
                {"clientId": "text", "data": "a text"},
                {"clientId": "json", "data": '{"test":1}', "encoding": "json"},
                {"clientId": "octets", "data": "AP8=", "encoding": "base64"},
            ],
        }
    ],
}


@dataclass
class Bench:
    """The server, and somebody who asks it."""

    home: House
    session: aiohttp.ClientSession
    url: str

    async def ask(
        self, method: str, path: str, body: object = None, *, key: str = "", media: str = JSON, **headers: str
    ) -> tuple[int, dict[str, object]]:
        """Status and document of an answer."""
        sent = {"Accept": media, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if key:
            sent["Authorization"] = aiohttp.encode_basic_auth(*key.split(":"))
        data = None
        if body is not None:
            sent["Content-Type"] = media
            data = io.BytesIO(msgpack.packb(body) if media == MSGPACK else orjson.dumps(body))
        async with self.session.request(method, self.url + path, data=data, headers=sent) as response:
            raw = await response.read()
            read = {JSON: orjson.loads, MSGPACK: msgpack.unpackb}.get(response.headers.get("Content-Type", ""))
            return response.status, read(raw) if raw and read else {}

    async def code(self, *arguments: object, **options: object) -> tuple[int, int]:
        """Status and code of a refusal."""
        status, found = await self.ask(*arguments, **options)  # type: ignore[arg-type]
        return status, found["error"]["code"]  # type: ignore[index]


@asynccontextmanager
async def bench_of(directory: Path, *, sandbox: bool = True, trusted: str = "127.0.0.0/8") -> AsyncIterator[Bench]:
    async with (
        house(directory) as home,
        webbed(home, sandbox=sandbox, trusted=trusted) as served,
        aiohttp.ClientSession() as session,
    ):
        yield Bench(home, session, str(served.server.make_url("")).rstrip("/"))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench_of(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("media", [JSON, MSGPACK])
async def test_an_app_comes_with_keys_that_work_and_with_members(bench: Bench, media: str) -> None:
    status, app = await bench.ask("POST", "/apps", APP, media=media)
    assert status == 201
    found: list[dict[str, object]] = app["keys"]  # type: ignore[assignment]
    assert [key["capability"] for key in found] == [
        '{"[*]*":["*"]}',
        '{"[*]*":["*"],"canpublish:*":["publish"]}',
        '{"[*]*":["*"]}',
    ]
    assert [key["revocableTokens"] for key in found] == [False, False, True]
    assert [each["id"] for each in app["namespaces"]] == ["persisted", "pushenabled"]  # type: ignore[attr-defined]
    assert (app["tls"], f"http://{app['endpoint']}:{app['port']}") == (False, bench.url)
    for key in found:
        assert key["keyName"] == f"{app['appId']}.{key['id']}"
        assert key["keyStr"] == f"{key['keyName']}:{key['value']}"
        status, members = await bench.ask("GET", "/channels/persisted:fixtures/presence", key=str(key["keyStr"]))
        assert status == 200
    told = [(each["clientId"], each["data"], each.get("encoding")) for each in members]  # type: ignore[index,attr-defined]
    assert told == [
        ("json", '{"test":1}', "json"),
        ("octets", "AP8=", "base64"),
        ("text", "a text", None),
    ]
    # It is a world of its own.
    assert not await bench.home.foundations.members.of(Address(DEFAULT_APP, "persisted:fixtures"))


async def test_an_app_is_thrown_away_with_one_of_its_keys(bench: Bench) -> None:
    _, app = await bench.ask("POST", "/apps", APP)
    _, other = await bench.ask("POST", "/apps", {"keys": [{}]})
    key, foreign = app["keys"][0]["keyStr"], other["keys"][0]["keyStr"]  # type: ignore[index]
    path, at = f"/apps/{app['appId']}", Address(str(app["appId"]), "persisted:fixtures")
    assert await bench.code("DELETE", path) == (401, 40101)
    assert await bench.code("DELETE", path, key=foreign) == (401, 40102)
    _, token = await bench.ask("POST", f"/keys/{app['keys'][0]['keyName']}/requestToken", {}, key=key)  # type: ignore[index]
    refused = await bench.code("DELETE", path, Authorization=f"Bearer {token['token']}")
    assert refused == (401, 40102)
    assert len(await bench.home.foundations.members.of(at)) == 3
    assert await bench.ask("DELETE", path, key=key) == (204, {})
    assert await bench.code("GET", "/channels/a/messages", key=key) == (404, 40400)
    assert not await bench.home.foundations.members.of(at)
    assert (await bench.ask("GET", "/channels/a/messages", key=foreign))[0] == 200
    own = await bench.home.foundations.keyring.create_key()
    assert await bench.code("DELETE", f"/apps/{DEFAULT_APP}", key=own.text) == (400, 40000)
    assert bench.home.foundations.keyring.app(DEFAULT_APP) is not None


async def test_statistics_are_inserted_and_told(bench: Bench) -> None:
    _, app = await bench.ask("POST", "/apps", {"keys": [{}]})
    key = app["keys"][0]["keyStr"]  # type: ignore[index]
    minutes = [
        {"intervalId": "2015-02-03:15:03", "inbound": {"realtime": {"messages": {"count": 50, "data": 5000}}}},
        {"intervalId": "2015-02-03:15:04", "inbound": {"realtime": {"messages": {"count": 60, "data": 6000}}}},
    ]
    assert await bench.ask("POST", "/stats", minutes, key=key) == (201, {"count": 2})
    status, hours = await bench.ask("GET", "/stats?unit=hour&end=2015-02-03:15", key=key, X_Ably_Version="5")
    assert status == 200
    [hour] = hours
    assert (hour["intervalId"], hour["appId"]) == ("2015-02-03:15", app["appId"])  # type: ignore[index]
    assert hour["entries"]["messages.inbound.realtime.messages.count"] == 110  # type: ignore[index]
    assert (await bench.ask("DELETE", f"/apps/{app['appId']}", key=key))[0] == 204
    assert await bench.code("POST", "/stats", [{}] * (MAX_INSERTED + 1)) == (401, 40101)


async def test_what_is_no_app_makes_none(bench: Bench) -> None:
    before = bench.home.foundations.keyring.apps()
    for body, code in (
        ([], 40000),
        ({"keys": 1}, 40000),
        ({"keys": [{"capability": "not json"}]}, 40000),
        ({"keys": [{}, {"capability": {"a": ["fly"]}}]}, 40000),
        ({"keys": [{}] * (MAX_KEYS + 1)}, 40000),
        ({"channels": [{"name": ":a"}] * 2, "keys": [{}]}, 40010),
        ({"channels": [{"name": "a"}] * (MAX_CHANNELS + 1)}, 40000),
        ({"channels": [{"name": "a", "presence": [{"clientId": "x", "data": "!", "encoding": "base64"}]}]}, 40013),
        ({"channels": [{"name": "a", "presence": [{"clientId": "\x00"}]}]}, 40012),
    ):
        assert await bench.code("POST", "/apps", body) == (400, code), body
    assert bench.home.foundations.keyring.apps() == before
    own = (await bench.home.foundations.keyring.create_key()).text
    interval = {"intervalId": "2015-02-03:15:03"}
    assert await bench.code("POST", "/stats", {"a": 1}, key=own) == (400, 40000)
    assert await bench.code("POST", "/stats", [{"intervalId": "yesterday"}], key=own) == (400, 40000)
    assert await bench.code("POST", "/stats", [interval] * (MAX_INSERTED + 1), key=own) == (400, 40009)
    assert await bench.code("POST", "/stats", ["x" * MAX_BODY], key=own) == (413, 40009)


async def test_it_is_for_programs_on_this_machine(bench: Bench) -> None:
    before = bench.home.foundations.keyring.apps()
    # A proxy on this machine says for whom it asks.
    assert await bench.code("POST", "/apps", APP, X_Forwarded_For="203.0.113.9") == (403, 40300)
    assert await bench.code("POST", "/apps", APP, X_Forwarded_For="127.0.0.1, 203.0.113.9") == (403, 40300)
    own = (await bench.home.foundations.keyring.create_key()).text
    for method, path in (("POST", "/stats"), ("DELETE", f"/apps/{DEFAULT_APP}")):
        assert await bench.code(method, path, [], key=own, X_Forwarded_For="203.0.113.9") == (403, 40300)
    assert bench.home.foundations.keyring.apps() == before


async def test_without_the_switch_there_is_none(tmp_path: Path) -> None:
    async with bench_of(tmp_path, sandbox=False) as bench:
        own = (await bench.home.foundations.keyring.create_key()).text
        assert await bench.code("POST", "/apps", APP) == (404, 40400)
        assert await bench.code("DELETE", f"/apps/{DEFAULT_APP}", key=own) == (404, 40400)
        assert await bench.code("POST", "/stats", [], key=own) == (404, 40400)
