"""Refusals on the wire: one shape, in the format that was asked for, whatever went wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import msgpack  # type: ignore[import-untyped]
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from owncast_py.errors import StorageError
from web.api.ably.errors import HELP, REMEDIES, AblyError, Refusals, from_domain
from web.api.ably.formats import CODEC, SERVER_ID, FormatError
from web.body import Input
from web.middleware import FAILURES, SHARINGS, errors_and_preflight
from web.operations import OPERATIONS, Api, Call, Operation, mount


class _Named(Input):
    name: str


class _Whole(Input):
    value: object


async def _fail(call: Call[_Named]) -> dict[str, str]:
    """Fails as it is told."""
    match call.input.name:
        case "ably":
            raise AblyError(40160, 401, "The key may not do that.\r\nSet-Cookie: é", details={"channel": "é"})
        case "storage":
            raise StorageError("The disk is too slow.")
        case "http":
            raise web.HTTPForbidden(text="Not you.")
        case "bug":
            raise RuntimeError("secret")
    return {"name": call.input.name}


async def _echo(call: Call[_Whole]) -> object:
    """Says what came."""
    return call.input.value


async def _nothing(call: Call[None]) -> None:
    """Says nothing."""


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    refusals = Refusals()
    application = web.Application(middlewares=[errors_and_preflight], client_max_size=1_000)
    application[FAILURES] = {}
    application[SHARINGS] = {}
    application[FAILURES]["channels"] = refusals.before
    operations: list[Operation] = []
    application[OPERATIONS] = operations
    api = Api("Test", refusals.wrapper, codec=CODEC)
    api.add("POST", "/channels/fail", _fail)
    api.add("POST", "/channels/echo", _echo)
    api.add("DELETE", "/channels/nothing", _nothing)
    mount(application, api.operations)
    async with TestServer(application) as server, aiohttp.ClientSession(server.make_url("/")) as session:
        yield session


@pytest.mark.parametrize(
    ("name", "status", "code", "sentence"),
    [
        ("ably", 401, 40160, "The key may not do that.\r\nSet-Cookie: é"),
        ("storage", 503, 50004, "The disk is too slow."),
        ("http", 403, 40300, "Not you."),
        ("bug", 500, 50000, "The server made a mistake; its log says which."),
    ],
)
async def test_every_failure_has_the_shape(
    client: aiohttp.ClientSession, name: str, status: int, code: int, sentence: str
) -> None:
    expected: dict[str, object] = {
        "message": f"{sentence} {REMEDIES[code]}",
        "code": code,
        "statusCode": status,
        "href": f"{HELP}{code}",
        "serverId": SERVER_ID,
    }
    if name == "ably":
        expected["details"] = {"channel": "é"}
    async with client.post("/channels/fail", json={"name": name}) as response:
        assert response.status == status
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["X-Ably-Errorcode"] == str(code)
        assert response.headers["X-Ably-Errormessage"].startswith(sentence.replace("\r\n", "??").replace("é", "?"))
        assert response.headers["X-Ably-ServerId"] == SERVER_ID
        assert "Set-Cookie" not in response.headers
        assert orjson.loads(await response.read()) == {"error": expected}
    packed = msgpack.packb({"name": name})
    types = {"Content-Type": "application/x-msgpack", "Accept": "application/x-msgpack"}
    async with client.post("/channels/fail", data=packed, headers=types) as response:
        assert response.status == status
        assert response.headers["Content-Type"] == "application/x-msgpack"
        assert msgpack.unpackb(await response.read()) == {"error": expected}


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        (b"{", 400, 40000, "not valid JSON"),
        (b"[]", 400, 40000, "must be an object"),
        (b"{}", 400, 40000, "'name' is missing"),
        (b'{"name": 1}', 400, 40000, "'name' cannot be 1"),
        (b'"' + b"a" * 2_000 + b'"', 413, 40009, "too large"),
    ],
)
async def test_bodies_that_cannot_be_taken(
    client: aiohttp.ClientSession, body: bytes, status: int, code: int, words: str
) -> None:
    async with client.post("/channels/fail", data=body, headers={"Content-Type": "application/json"}) as response:
        error = orjson.loads(await response.read())["error"]
        assert (response.status, error["statusCode"], error["code"]) == (status, status, code)
        assert words in error["message"]


async def test_unknown_paths_and_methods_are_both_unknown(client: aiohttp.ClientSession) -> None:
    for method, path in (("GET", "/channels/no/such"), ("GET", "/channels/fail")):
        async with client.request(method, path, headers={"Accept": "application/x-msgpack"}) as response:
            assert (response.status, response.headers["X-Ably-Errorcode"]) == (404, "40400")
            assert "Allow" not in response.headers
            error = msgpack.unpackb(await response.read())["error"]
            assert error["message"] == f"There is nothing at this address. {REMEDIES[40400]}"


async def test_a_format_that_cannot_be_had_is_refused_in_json(client: aiohttp.ClientSession) -> None:
    for query, words in (("format=yaml", "'yaml'"), ("format=jsonp", "callback")):
        async with client.post(f"/channels/echo?{query}", json=[1]) as response:
            assert (response.status, response.headers["Content-Type"]) == (400, "application/json")
            assert words in orjson.loads(await response.read())["error"]["message"]


async def test_scripts_and_pages(client: aiohttp.ClientSession) -> None:
    async with client.post("/channels/fail?format=jsonp&callback=told", json={"name": "http"}) as response:
        text = await response.text()
        assert (response.status, response.content_type) == (200, "application/javascript")
        assert text.startswith("/**/told({")
        assert orjson.loads(text[len("/**/told(") : -2])["error"]["statusCode"] == 403
    async with client.post("/channels/echo?format=html", json={"a": "<b>"}) as response:
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert response.headers["Content-Security-Policy"] == "default-src 'none'"
        assert "&lt;b&gt;" in await response.text()


async def test_whole_documents_go_through(client: aiohttp.ClientSession) -> None:
    for value in ([1, "a"], {"a": None}, "text", 5):
        async with client.post("/channels/echo", json=value) as response:
            assert orjson.loads(await response.read()) == value
    async with client.post("/channels/echo", data={"a": "b"}) as response:
        assert orjson.loads(await response.read()) == {"a": "b"}


async def test_nothing_has_no_body(client: aiohttp.ClientSession) -> None:
    async with client.delete("/channels/nothing") as response:
        assert (response.status, await response.read(), response.headers.get("Content-Type")) == (204, b"", None)


def test_errors_of_the_service() -> None:
    own = AblyError(40012, 400, "No.")
    assert from_domain(own) is own
    found = from_domain(FormatError("The body is not valid JSON."))
    assert (found.code, found.status, found.sentence) == (40000, 400, "The body is not valid JSON.")
    assert from_domain(KeyError("secret")).sentence == "The server made a mistake; its log says which."
