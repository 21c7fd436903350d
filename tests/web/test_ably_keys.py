"""Credentials on the wire: keys, tokens, token requests and revocations, in JSON and in MessagePack."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import jwt
import msgpack  # type: ignore[import-untyped]
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from house import Clock
from yarl import URL

from owncast_py.realtime.keyring import Keyring
from owncast_py.realtime.keys import Key
from owncast_py.realtime.tokens import TokenRequest, to_milliseconds
from owncast_py.storage import sqlite
from owncast_py.storage.database import Database
from web.api.ably.errors import ENVELOPE, AblyError, Refusals
from web.api.ably.formats import CODEC
from web.api.ably.gate import Gate, demand, granted
from web.api.ably.keys import KeysApi
from web.middleware import FAILURES, SHARINGS, errors_and_preflight
from web.operations import OPERATIONS, Api, Call, Contract, mount

JSON, MSGPACK = "application/json", "application/x-msgpack"
Document = dict[str, object]


@dataclass
class Rig:
    """A server with nothing but keys and one operation that says who came."""

    keyring: Keyring
    gate: Gate
    clock: Clock
    session: aiohttp.ClientSession
    format: str
    connected: list[str]

    async def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Document]:
        """Status and document."""
        packed = msgpack.packb(body) if self.format == MSGPACK else orjson.dumps(body)
        given = {"Accept": self.format, "Content-Type": self.format, **(headers or {})}
        data = None if body is None else packed
        async with self.session.request(method, URL(path, encoded=True), data=data, headers=given) as answer:
            assert answer.headers["Content-Type"] == self.format
            raw = await answer.read()
            return answer.status, msgpack.unpackb(raw) if self.format == MSGPACK else orjson.loads(raw)

    async def refused(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, int]:
        """Status and code of a refusal."""
        status, document = await self.ask(method, path, body, headers)
        error = document["error"]
        assert isinstance(error, dict)
        assert error["statusCode"] == status
        return status, int(error["code"])

    def wish(self, key: Key, **fields: object) -> Document:
        """A token request as a client library signs it."""
        said: Document = {"timestamp": to_milliseconds(self.clock.now()), "nonce": "1234567890123456", **fields}
        request = TokenRequest(
            key.name,
            said.get("ttl"),  # type: ignore[arg-type]
            str(said.get("capability") or ""),
            str(said.get("clientId") or ""),
            said["timestamp"],  # type: ignore[arg-type]
            str(said["nonce"]),
        )
        return {"keyName": key.name, **said, "mac": request.sign(key.secret)}


async def _whoami(call: Call[None]) -> dict[str, str]:
    """Says who came and what they may do."""
    grant = granted(call.request)
    return {"key": grant.key_name, "clientId": grant.client_id, "capability": grant.capability.canonical()}


async def _publish(call: Call[None]) -> dict[str, str]:
    """Is allowed to those who may publish."""
    demand(granted(call.request), "publish", call.part("channel"))
    return {"channel": call.part("channel")}


@pytest.fixture(params=[JSON, MSGPACK], ids=["json", "msgpack"])
async def rig(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Rig]:
    async with AsyncExitStack() as stack:
        database = Database(sqlite.url(tmp_path / "owncast.db"))
        await database.start()
        stack.push_async_callback(database.aclose)
        keyring = Keyring(database, clock.now)
        await keyring.start()
        stack.push_async_callback(keyring.aclose)
        gate, refusals, connected = Gate(keyring), Refusals(), list[str]()
        application = web.Application(middlewares=[errors_and_preflight])
        application[FAILURES] = {"keys": refusals.before, "whoami": refusals.before}
        application[SHARINGS] = {}
        application[OPERATIONS] = []
        api = Api("Test", refusals.wrapper, ENVELOPE, CODEC)
        api.add("GET", "/whoami", _whoami, gate.guard, contract=Contract("whoAmI"))
        api.add("GET", "/publish/{channel}", _publish, gate.guard, contract=Contract("mayPublish"))
        mount(application, [*api.operations, *KeysApi(keyring, gate).operations(refusals.wrapper)])

        async def socket(request: web.Request) -> web.StreamResponse:
            try:
                connected.append(gate.client_id(request, await gate.authenticate(request)))
            except AblyError as error:
                connected.append(str(error.code))
            return web.Response()

        application.router.add_get("/socket", socket)
        server = await stack.enter_async_context(TestServer(application))
        session = await stack.enter_async_context(aiohttp.ClientSession(server.make_url("/")))
        yield Rig(keyring, gate, clock, session, request.param, connected)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def basic(text: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


def bearer(text: str, *, encoded: bool = True) -> dict[str, str]:
    return {"Authorization": f"Bearer {base64.b64encode(text.encode()).decode() if encoded else text}"}


async def token(rig: Rig, key: Key, **fields: object) -> str:
    status, details = await rig.ask("POST", f"/keys/{key.name}/requestToken", rig.wish(key, **fields))
    assert status == 201
    rig.clock.turn(0.001)
    return str(details["token"])


# Who comes.


async def test_a_key_is_known_however_it_is_sent(rig: Rig) -> None:
    key = await rig.keyring.create_key(capability={"game": ["publish"]})
    known = {"key": key.name, "clientId": "*", "capability": '{"game":["publish"]}'}
    for path, headers in (
        ("/whoami", basic(key.text)),
        ("/whoami", {"Authorization": basic(key.text)["Authorization"].replace("Basic", "basic").rstrip("=")}),
        (f"/whoami?key={key.text}", {}),
    ):
        assert await rig.ask("GET", path, headers=headers) == (200, known)


async def test_a_token_is_known_however_it_is_sent(rig: Rig) -> None:
    key = await rig.keyring.create_key()
    text = await token(rig, key, clientId="ana", capability='{"chat":["publish"]}')
    known = {"key": key.name, "clientId": "ana", "capability": '{"chat":["publish"]}'}
    for path, headers in (
        ("/whoami", bearer(text)),
        ("/whoami", bearer(text, encoded=False)),
        (f"/whoami?access_token={text}", {}),
        (f"/whoami?accessToken={text}", {}),
        (f"/whoami?accessToken={base64.b64encode(text.encode()).decode().replace('=', '%3D')}", {}),
    ):
        assert await rig.ask("GET", path, headers=headers) == (200, known)


async def test_a_web_token_is_known_however_it_is_sent(rig: Rig) -> None:
    key = await rig.keyring.create_key()
    at = to_milliseconds(rig.clock.now()) // 1000
    said = {"iat": at, "exp": at + 60, "x-ably-clientId": "ana", "x-ably-capability": '{"chat":["publish"]}'}
    text = jwt.encode(said, key.secret, headers={"kid": key.name})
    for headers in (bearer(text), bearer(text, encoded=False)):
        status, found = await rig.ask("GET", "/whoami", headers=headers)
        assert (status, found["clientId"]) == (200, "ana")
    rig.clock.turn(61)
    assert await rig.refused("GET", "/whoami", headers=bearer(text)) == (401, 40142)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, 40101),
        ({"Authorization": "Basic"}, 400, 40005),
        ({"Authorization": "Basic %%%"}, 400, 40005),
        ({"Authorization": "Basic /////w=="}, 400, 40005),
        ({"Authorization": "Digest x"}, 401, 40101),
        (basic("nonsense"), 400, 40005),
        (basic("nobody.key:secret"), 404, 40400),
        (basic("owncast.key:secret"), 401, 40101),
        ({"Authorization": "Bearer %%%"}, 400, 40005),
        (bearer("nonsense"), 401, 40145),
        (bearer("a.b.c"), 401, 40144),
        (bearer("owncast.AAAA"), 401, 40145),
    ],
)
async def test_who_is_not_known_is_told_why(rig: Rig, headers: dict[str, str], status: int, code: int) -> None:
    assert await rig.refused("GET", "/whoami", headers=headers) == (status, code)


async def test_with_a_key_a_request_may_say_whose_it_is(rig: Rig) -> None:
    key = await rig.keyring.create_key()
    header = {"X-Ably-ClientId": base64.b64encode("Zoë".encode()).decode()}
    _, found = await rig.ask("GET", "/whoami", headers=basic(key.text) | header)
    assert found["clientId"] == "Zoë"
    _, found = await rig.ask("GET", "/whoami", headers=bearer(await token(rig, key, clientId="ana")) | header)
    assert found["clientId"] == "ana"
    for bad in ("Zo", "/////w==", base64.b64encode(b"x" * 201).decode()):
        refused = await rig.refused("GET", "/whoami", headers=basic(key.text) | {"X-Ably-ClientId": bad})
        assert refused == (400, 40012)


async def test_a_socket_says_whose_it_is_in_its_address(rig: Rig) -> None:
    key = await rig.keyring.create_key()
    anonymous, ana, anybody = [await token(rig, key, clientId=each) for each in (None, "ana", "*")]
    for query, expected in (
        (f"key={key.text}", ""),
        (f"key={key.text}&clientId=ana", "ana"),
        (f"access_token={ana}", "ana"),
        (f"access_token={ana}&clientId=ana", "ana"),
        (f"access_token={ana}&clientId=ben", "40102"),
        (f"access_token={anybody}", "*"),
        (f"access_token={anybody}&clientId=ben", "ben"),
        (f"access_token={anonymous}", ""),
        (f"access_token={anonymous}&clientId=ben", "40102"),
        (f"key={key.text}&clientId={'x' * 201}", "40012"),
    ):
        async with rig.session.get(URL(f"/socket?{query}", encoded=True)):
            assert rig.connected.pop() == expected, query


async def test_what_is_not_allowed_is_refused(rig: Rig) -> None:
    key = await rig.keyring.create_key(capability={"game:*": ["publish"], "chat": ["subscribe"]})
    assert await rig.ask("GET", "/publish/game%3A1", headers=basic(key.text)) == (200, {"channel": "game:1"})
    assert await rig.refused("GET", "/publish/chat", headers=basic(key.text)) == (401, 40160)


# Tokens.


async def test_a_token_says_what_it_is(rig: Rig) -> None:
    key = await rig.keyring.create_key(capability={"b": ["subscribe", "publish"], "a": ["*"]})
    status, details = await rig.ask("POST", f"/keys/{key.name}/requestToken", rig.wish(key, clientId="ana"))
    now = to_milliseconds(rig.clock.now())
    assert status == 201
    assert details == {
        "token": details["token"],
        "keyName": key.name,
        "issued": now,
        "expires": now + 3_600_000,
        "capability": '{"a":["*"],"b":["publish","subscribe"]}',
        "clientId": "ana",
    }
    assert await rig.refused("POST", f"/keys/{key.name}/requestToken", rig.wish(key, clientId="ana")) == (401, 40105)


async def test_libraries_send_null_for_what_is_not_there(rig: Rig) -> None:
    key = await rig.keyring.create_key()
    wish = rig.wish(key, ttl=None, capability=None, clientId=None)
    status, details = await rig.ask("POST", f"/keys/{key.name}/requestToken", wish)
    assert status == 201
    assert "clientId" not in details


async def test_whoever_shows_the_key_need_not_sign(rig: Rig) -> None:
    key = await rig.keyring.create_key()
    path = f"/keys/{key.name}/requestToken"
    # As the API's own document shows it: an object for the capability, a text for the time.
    body = {
        "keyName": key.name,
        "capability": {"channel1": ["publish", "subscribe"], "wildcard:channels:*": ["publish"]},
        "timestamp": str(to_milliseconds(rig.clock.now())),
    }
    status, details = await rig.ask("POST", path, body, basic(key.text))
    assert status == 201
    assert orjson.loads(str(details["capability"])) == body["capability"]
    status, details = await rig.ask("POST", path, {}, basic(key.text) | {"X-Ably-ClientId": "YW5h"})
    assert (status, details["clientId"]) == (201, "ana")
    assert await rig.refused("POST", path, body) == (401, 40101)
    assert await rig.refused("POST", path, body, bearer(str(details["token"]))) == (401, 40162)
    other = await rig.keyring.create_key()
    assert await rig.refused("POST", path, body, basic(other.text)) == (401, 40102)


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"ttl": "notanumber"}, 400, 40003),
        ({"ttl": 0}, 400, 40003),
        ({"ttl": -1}, 400, 40003),
        ({"ttl": 0.5}, 400, 40003),
        ({"ttl": "9" * 5_000}, 400, 40003),
        ({"ttl": 86_400_001}, 400, 40003),
        ({"ttl": True}, 400, 40000),
        ({"ttl": 1e300}, 400, 40003),
        ({"timestamp": "soon"}, 400, 40000),
        ({"timestamp": 1}, 401, 40104),
        ({"nonce": "short"}, 401, 40105),
        ({"nonce": 5}, 400, 40000),
        ({"capability": "not json"}, 400, 40000),
        ({"capability": '{"a":[]}'}, 400, 40000),
        ({"capability": '{"a":["shout"]}'}, 400, 40000),
        ({"capability": "{}"}, 400, 40000),
        ({"capability": {"a": "publish"}}, 400, 40000),
        ({"capability": '{"other":["publish"]}'}, 401, 40160),
        ({"clientId": "x" * 201}, 400, 40012),
        ({"clientId": {}}, 400, 40000),
        ({"mac": "bm90IHRoZSBtYWM="}, 401, 40101),
        ({"keyName": "owncast.other"}, 400, 40000),
    ],
)
async def test_wishes_that_are_refused(rig: Rig, fields: Document, status: int, code: int) -> None:
    key = await rig.keyring.create_key(capability={"a": ["publish"]})
    wish = rig.wish(key, **{name: value for name, value in fields.items() if name not in ("mac", "keyName")}) | fields
    assert await rig.refused("POST", f"/keys/{key.name}/requestToken", wish) == (status, code)


async def test_keys_and_verbs_that_there_are_not(rig: Rig) -> None:
    key = await rig.keyring.create_key()
    for name, expected in (("nobody.x", (404, 40400)), ("owncast.x", (401, 40101)), ("owncast", (401, 40101))):
        assert await rig.refused("POST", f"/keys/{name}/requestToken", rig.wish(key) | {"keyName": None}) == expected
    for path in (f"/keys/{key.name}/requestToken", f"/keys/{key.name}/revokeTokens", f"/keys/{key.name}", "/keys/"):
        assert await rig.refused("GET", path, headers=basic(key.text)) == (404, 40400)
    for body in ([], "text", 5):
        assert await rig.refused("POST", f"/keys/{key.name}/requestToken", body) == (400, 40000)


# Revocation.


async def test_each_target_has_a_result_and_its_tokens_end(rig: Rig) -> None:
    key = await rig.keyring.create_key(revocable=True)
    ana, ben = [await token(rig, key, clientId=each) for each in ("ana", "ben")]
    told: list[AblyError] = []
    rig.gate.watch(await rig.gate.token(ana), told.append)
    path, now = f"/keys/{key.name}/revokeTokens", to_milliseconds(rig.clock.now())
    targets = ["clientId:ana", "invalidType:abc", "clientId:", "clientId", "channel:a:b"]
    status, found = await rig.ask("POST", path, {"targets": targets}, basic(key.text))
    assert (status, found["successCount"], found["failureCount"]) == (200, 2, 3)
    results = found["results"]
    assert isinstance(results, list)
    done = {"issuedBefore": now, "appliesAt": now}
    assert [results[0], results[4]] == [{"target": "clientId:ana", **done}, {"target": "channel:a:b", **done}]
    assert [(each["target"], each["error"]["code"], each["error"]["statusCode"]) for each in results[1:4]] == [
        (target, 40000, 400) for target in targets[1:4]
    ]
    assert [(error.code, error.status) for error in told] == [(40141, 401)]
    assert await rig.refused("GET", "/whoami", headers=bearer(ana)) == (401, 40141)
    assert (await rig.ask("GET", "/whoami", headers=bearer(ben)))[0] == 200


async def test_revocation_can_leave_time_for_another_token(rig: Rig) -> None:
    key = await rig.keyring.create_key(revocable=True)
    text = await token(rig, key, clientId="ana")
    now = to_milliseconds(rig.clock.now())
    wish = {"targets": ["clientId:ana"], "issuedBefore": now, "allowReauthMargin": True}
    _, found = await rig.ask("POST", f"/keys/{key.name}/revokeTokens", wish, basic(key.text))
    assert found["results"] == [{"target": "clientId:ana", "issuedBefore": now, "appliesAt": now + 30_000}]
    rig.clock.turn(29)
    assert (await rig.ask("GET", "/whoami", headers=bearer(text)))[0] == 200
    rig.clock.turn(1)
    assert await rig.refused("GET", "/whoami", headers=bearer(text)) == (401, 40141)


async def test_who_may_not_revoke_and_what_cannot_be_revoked(rig: Rig) -> None:
    key = await rig.keyring.create_key(revocable=True)
    firm = await rig.keyring.create_key()
    text = await token(rig, key)
    path, wish = f"/keys/{key.name}/revokeTokens", {"targets": ["clientId:ana"]}
    now = to_milliseconds(rig.clock.now())
    for where, body, headers, expected in (
        (path, wish, {}, (401, 40101)),
        (path, wish, bearer(text), (401, 40162)),
        (path, wish, basic(firm.text), (401, 40102)),
        (f"/keys/{firm.name}/revokeTokens", wish, basic(firm.text), (401, 40163)),
        (path, {}, basic(key.text), (400, 40000)),
        (path, {"targets": []}, basic(key.text), (400, 40000)),
        (path, {"targets": ["clientId:a"] * 101}, basic(key.text), (400, 40000)),
        (path, {"targets": [5]}, basic(key.text), (400, 40000)),
        (path, {"targets": "clientId:ana"}, basic(key.text), (400, 40000)),
        (path, wish | {"issuedBefore": now + 1}, basic(key.text), (400, 40000)),
        (path, wish | {"issuedBefore": now - 3_600_001}, basic(key.text), (400, 40000)),
        (path, wish | {"issuedBefore": 10**18}, basic(key.text), (400, 40000)),
    ):
        assert await rig.refused("POST", where, body, headers) == expected
    assert (await rig.ask("GET", "/whoami", headers=bearer(text)))[0] == 200
