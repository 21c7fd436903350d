"""What Matrix' dialect refuses, in its own shape: strangers, wrong addresses, bodies that are none, hostile bytes."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from matrix_wire import PASSWORD, PATIENCE, Json, Matrix, homeserver, proof
from structlog.testing import capture_logs

from web.api.matrix.callers import WRONG_AT_ONCE
from web.server import MAX_BODY_BYTES

GUARDED = [
    ("GET", "account/whoami"),
    ("POST", "account/password"),
    ("GET", "capabilities"),
    ("GET", "devices"),
    ("GET", "devices/PHONE"),
    ("PUT", "devices/PHONE"),
    ("DELETE", "devices/PHONE"),
    ("POST", "delete_devices"),
    ("GET", "sync"),
    ("POST", "logout"),
    ("POST", "logout/all"),
]
WITH_BODY = [
    ("POST", "login"),
    ("POST", "register"),
    ("POST", "account/password"),
    ("PUT", "devices/PHONE"),
    ("DELETE", "devices/PHONE"),
    ("POST", "delete_devices"),
]
OPEN = [("GET", "login"), ("POST", "login"), ("POST", "register"), ("GET", "register/available")]


@pytest.fixture
async def matrix(tmp_path: Path) -> AsyncIterator[Matrix]:
    async with homeserver(tmp_path) as matrix:
        yield matrix


async def raw(matrix: Matrix, head: bytes, body: bytes = b"") -> tuple[int, Json]:
    """The answer to bytes that no library would send. The head's first line and its headers end with a line break."""
    server = matrix.web.server
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(head + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    status, _, document = answer.partition(b"\r\n\r\n")
    found = re.match(rb"HTTP/1\.1 (\d+) ", status)
    assert found is not None, answer
    return int(found[1]), json.loads(document)


@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_a_stranger_is_refused_before_anything_is_read(matrix: Matrix, method: str, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer"}, {"Authorization": "Bearer "}, {"Authorization": "Basic YTpi"}):
        (await matrix.ask(method, path, b"{", **headers)).refused(401, "M_MISSING_TOKEN")
    for token in ("nobody's", "x" * 5_000):
        found = await matrix.ask(method, path, b"{", Authorization=f"Bearer {token}")
        found.refused(401, "M_UNKNOWN_TOKEN", "soft_logout")
        assert found.body["soft_logout"] is False
    found = await matrix.ask(method, f"{path}?access_token=nobodys", b"{")
    found.refused(401, "M_UNKNOWN_TOKEN", "soft_logout")


async def test_unknown_tokens_of_one_address_are_limited(matrix: Matrix) -> None:
    ana = await matrix.register("ana")
    for number in range(WRONG_AT_ONCE):
        found = await matrix.ask("GET", "devices", Authorization=f"Bearer x{number}", X_Forwarded_For="192.0.2.1")
        found.refused(401, "M_UNKNOWN_TOKEN", "soft_logout")
    for headers in ({"Authorization": "Bearer y"}, ana.bearer):
        found = await matrix.ask("GET", "devices", X_Forwarded_For="192.0.2.1", **headers)
        found.refused(429, "M_LIMIT_EXCEEDED", "retry_after_ms")
    milliseconds = found.body["retry_after_ms"]
    assert isinstance(milliseconds, int)
    assert 0 < milliseconds <= int(found.headers["Retry-After"]) * 1000
    elsewhere = await matrix.ask("GET", "devices", X_Forwarded_For="192.0.2.2", **ana.bearer)
    assert elsewhere.done().keys() == {"devices"}
    matrix.home.clock.turn(milliseconds / 1000 + 0.001)
    here = await matrix.ask("GET", "devices", X_Forwarded_For="192.0.2.1", **ana.bearer)
    assert here.done().keys() == {"devices"}


@pytest.mark.parametrize(
    "path",
    [
        "/_matrix/client/v3/rooms",
        "/_matrix/client/v3/devices/",
        "/_matrix/client/v3/devices/A/B",
        "/_matrix/client/v3",
        "/_matrix/client/v2/devices",
        "/_matrix/client/v3/register/email/requestToken",
        "/_matrix/federation/v1/version",
        "/_matrix/",
        "/_matrix",
    ],
)
async def test_an_unknown_address_is_refused_in_matrix_words(matrix: Matrix, path: str) -> None:
    for method in ("GET", "POST"):
        (await matrix.ask(method, path, {} if method == "POST" else None)).refused(404, "M_UNRECOGNIZED")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "devices", "GET,HEAD"),
        ("POST", "devices", "GET,HEAD"),
        ("PATCH", "devices/PHONE", "DELETE,GET,HEAD,PUT"),
        ("POST", "devices/PHONE", "DELETE,GET,HEAD,PUT"),
        ("GET", "delete_devices", "POST"),
        ("GET", "logout", "POST"),
        ("PUT", "login", "GET,HEAD,POST"),
        ("GET", "register", "POST"),
        ("POST", "sync", "GET,HEAD"),
        ("GET", "account/password", "POST"),
    ],
)
async def test_a_wrong_verb_is_refused_and_the_right_ones_told(
    matrix: Matrix, method: str, path: str, allowed: str
) -> None:
    found = await matrix.ask(method, path)
    found.refused(405, "M_UNRECOGNIZED")
    assert found.headers["Allow"] == allowed


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
async def test_a_body_that_is_no_json_object_is_refused(matrix: Matrix, method: str, path: str) -> None:
    ana = await matrix.register("ana", device_id="PHONE")
    for body, errcode in [
        (b"{", "M_NOT_JSON"),
        (b"not json", "M_NOT_JSON"),
        (b'{"a": NaN}', "M_NOT_JSON"),
        (b'{"display_name": "\xff\xfe"}', "M_NOT_JSON"),
        (b'{"display_name": "\\ud800"}', "M_NOT_JSON"),
        (b'{"a": 1} {"b": 2}', "M_NOT_JSON"),
        (b'{"a": ' * 20_000, "M_TOO_LARGE"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "M_NOT_JSON"),
        (b"[" * 30_000 + b"]" * 30_000, "M_NOT_JSON"),
        (b"[]", "M_BAD_JSON"),
        (b'"text"', "M_BAD_JSON"),
        (b"null", "M_BAD_JSON"),
        (b"1", "M_BAD_JSON"),
    ]:
        found = await matrix.ask(method, path, body, ana)
        found.refused(413 if errcode == "M_TOO_LARGE" else 400, errcode)
    assert await matrix.is_known(ana)


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
async def test_a_large_body_is_refused(matrix: Matrix, method: str, path: str) -> None:
    ana = await matrix.register("ana", device_id="PHONE")
    body = b'{"x": "' + b"x" * 1_000_000 + b'"}'
    (await matrix.ask(method, path, body, ana)).refused(413, "M_TOO_LARGE")
    # As large as it may be, it is read: what is in it nobody knows.
    largest = b'{"x": "' + b"x" * (MAX_BODY_BYTES - 9) + b'"}'
    assert len(largest) == MAX_BODY_BYTES
    assert (await matrix.ask(method, path, largest, ana)).body.get("errcode") in (None, "M_MISSING_PARAM")


async def test_a_body_is_json_whatever_it_is_called(matrix: Matrix) -> None:
    ana = await matrix.register("ana", device_id="PHONE")
    for number, kind in enumerate(("text/plain", "application/x-www-form-urlencoded", "application/octet-stream")):
        body = {"display_name": f"Phone {number}"}
        assert (await matrix.ask("PUT", "devices/PHONE", body, ana, Content_Type=kind)).done() == {}
        assert (await matrix.ask("GET", "devices/PHONE", person=ana)).done()["display_name"] == f"Phone {number}"


@pytest.mark.parametrize(("method", "path"), [*GUARDED, *OPEN])
async def test_a_page_of_another_site_may_ask_and_read(matrix: Matrix, method: str, path: str) -> None:
    headers = {"Origin": "https://app.example.org"}
    asked = {
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization, content-type, x-requested-with",
    }
    for prefix in ("v3", "r0"):
        address = f"/_matrix/client/{prefix}/{path}"
        async with matrix.session.options(matrix.address(address), headers=headers | asked) as found:
            assert found.status in (200, 204)
            assert found.headers["Access-Control-Allow-Origin"] == "*"
            assert method in found.headers["Access-Control-Allow-Methods"].split(", ")
            allowed = {name.lower() for name in found.headers["Access-Control-Allow-Headers"].split(", ")}
            assert allowed == {"authorization", "content-type", "x-requested-with"}
            assert "Access-Control-Allow-Credentials" not in found.headers
        answer = await matrix.ask(method, address, **headers)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_what_is_told_before_anything_else_is_readable_from_everywhere(matrix: Matrix) -> None:
    for path in ("/.well-known/matrix/client", "/_matrix/client/versions", "/_matrix/client/v3/nowhere"):
        found = await matrix.ask("GET", path, Origin="https://app.example.org")
        assert found.headers["Access-Control-Allow-Origin"] == "*"


async def test_cookies_of_the_admin_are_no_token(matrix: Matrix) -> None:
    _, token = await matrix.home.foundations.accounts.devices.sign_in("admin", "")
    (await matrix.ask("GET", "devices", Cookie=f"admin_session={token}")).refused(401, "M_MISSING_TOKEN")
    assert (await matrix.ask("GET", "devices", Authorization=f"bearer {token}")).done()


@pytest.mark.parametrize(
    "device_id",
    ["%2F", "%2f..%2f", "..%2F..%2Flogin", "%00", "a%00b", "%0D%0AX%3A%20y", "%FF", "%ED%A0%80", "%25", "%F0%9F%99%82"],
)
async def test_a_strange_id_is_not_found_and_harms_nothing(matrix: Matrix, device_id: str) -> None:
    ana = await matrix.register("ana", device_id="PHONE")
    path = f"devices/{device_id}"
    with capture_logs() as logs:
        (await matrix.ask("GET", path, person=ana)).refused(404, "M_NOT_FOUND")
        (await matrix.ask("PUT", path, {"display_name": "x"}, ana)).refused(404, "M_NOT_FOUND")
        assert (await matrix.ask("DELETE", path, {"auth": proof(ana)}, ana)).done() == {}
    assert [line for line in logs if line["log_level"] == "error"] == []
    assert await matrix.device_ids(ana) == ["PHONE"]


@pytest.mark.parametrize("device_id", ["a\0b", "\n", "a\u202eb", "\x7f"])
async def test_an_id_that_nobody_could_print_is_refused(matrix: Matrix, device_id: str) -> None:
    await matrix.register("ana")
    body = {"type": "m.login.password", "user": "ana", "password": PASSWORD, "device_id": device_id}
    (await matrix.ask("POST", "login", body)).refused(400, "M_INVALID_PARAM")
    body = {"username": "ben", "password": PASSWORD, "device_id": device_id, "auth": {"type": "m.login.dummy"}}
    (await matrix.ask("POST", "register", body)).refused(400, "M_INVALID_PARAM")
    assert (await matrix.ask("GET", "register/available?username=ben")).done() == {"available": True}


async def test_a_name_of_a_user_that_nobody_could_have_is_nobodys(matrix: Matrix) -> None:
    await matrix.register("ana")
    for name in ("ana\0", "\0", "ana\n", "' OR 1=1 --", "@ana", "@:", "@", "ana:", "İ" * 60):
        body = {"type": "m.login.password", "user": name, "password": PASSWORD}
        (await matrix.ask("POST", "login", body)).refused(403, "M_FORBIDDEN")


async def test_a_name_of_a_device_keeps_no_nul(matrix: Matrix) -> None:
    ana = await matrix.register("ana", device_id="PHONE", initial_device_display_name="My\0 phone")
    assert (await matrix.ask("GET", "devices/PHONE", person=ana)).done()["display_name"] == "My phone"
    assert (await matrix.ask("PUT", "devices/PHONE", {"display_name": "A\0\0 phone"}, ana)).done() == {}
    assert (await matrix.ask("GET", "devices/PHONE", person=ana)).done()["display_name"] == "A phone"


async def test_a_program_that_calls_itself_by_odd_octets_signs_in(matrix: Matrix) -> None:
    await matrix.register("ana")
    body = {"type": "m.login.password", "user": "ana", "password": PASSWORD, "device_id": "ODD"}
    head = b"POST /_matrix/client/v3/login HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: caf\xe9\r\n"
    status, found = await raw(matrix, head, json.dumps(body).encode())
    assert status == 200, found
    ana = await matrix.login("ana")
    names = {device["device_id"]: device.get("display_name") for device in await matrix.devices(ana)}
    assert names["ODD"] == "caf?"


@pytest.mark.parametrize(
    ("host", "shown"), [(b"\xff", "?"), (b"caf\xe9.example", "caf?.example"), (b"\"'<>", "\"'<>"), (b"a\tb", "a\tb")]
)
async def test_an_odd_host_breaks_nothing(matrix: Matrix, host: bytes, shown: str) -> None:
    ana = await matrix.register("ana")
    head = b" HTTP/1.1\r\nHost: " + host + b"\r\nAuthorization: Bearer " + ana.token.encode() + b"\r\n"
    status, found = await raw(matrix, b"GET /_matrix/client/v3/account/whoami" + head)
    assert (status, found) == (200, {"user_id": f"@ana:{shown}", "device_id": ana.device_id})
    status, found = await raw(matrix, b"GET /.well-known/matrix/client" + head)
    assert (status, found) == (200, {"m.homeserver": {"base_url": f"http://{shown}"}})


async def test_a_token_of_odd_octets_is_nobodys(matrix: Matrix) -> None:
    head = b"GET /_matrix/client/v3/devices HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \xff\xfe\r\n"
    status, found = await raw(matrix, head)
    assert (status, found["errcode"]) == (401, "M_UNKNOWN_TOKEN")
