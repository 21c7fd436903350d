"""Every operation that there is, tried without credentials, with wrong ones, with huge and with senseless bodies."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from admin_wire import Admin, administered
from house import ADMIN, ADMIN_PASSWORD

from web.operations import OPERATIONS, Operation

WRONG = {"Authorization": aiohttp.encode_basic_auth("admin", "wrong")}
SENSELESS: tuple[object, ...] = (
    {},
    [],
    "x",
    None,
    {"value": None},
    {"value": {"value": {}}},
    {"value": ["\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace")] * 3},
    {"id": {}, "userId": [], "token": 5, "url": True, "events": {}, "idArray": "x", "name": 3, "data": {}},
    {"value": "x" * 60_000},
    {"value": -1},
    {"value": 10**30},
)


@pytest.fixture
async def admin(tmp_path: Path) -> AsyncIterator[Admin]:
    async with administered(tmp_path) as opened:
        yield opened


def guarded(admin: Admin, security: str) -> list[Operation]:
    return [
        each for each in admin.web.application[OPERATIONS] if each.guard is not None and each.guard.security == security
    ]


def address(operation: Operation) -> str:
    return re.sub(r"{(\w+)[^}]*}", "nobody", operation.path)


def test_there_are_as_many_operations_as_owners_need(admin: Admin) -> None:
    assert len(guarded(admin, "admin")) > 90


async def test_nobody_gets_in_without_credentials_or_with_others(admin: Admin) -> None:
    chatter = await admin.post("/api/chat/register", {"displayName": "Eve"})
    bot = await admin.post("/api/admin/accesstokens/create", {"name": "Beep", "scopes": ["HAS_ADMIN_ACCESS"]})
    credentials: tuple[dict[str, str] | None, ...] = (
        None,
        {"Authorization": f"Bearer {bot['token']}"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic " + "QUFB" * 500},
        {"Cookie": f"admin_session={chatter['accessToken']}"},
    )
    for operation in guarded(admin, "admin"):
        for headers in credentials:
            status, _ = await admin.refused(operation.method, address(operation), {}, headers)
            assert status == 401, (operation.path, headers)
        status, _ = await admin.refused(operation.method, address(operation), {}, WRONG)
        assert status == 401, operation.path
        admin.home.clock.turn(60)  # attempts are limited, which is another test's
    for operation in guarded(admin, "bot"):
        for headers in (None, ADMIN, {"Authorization": f"Bearer {chatter['accessToken']}"}):
            status, _ = await admin.refused(operation.method, address(operation), {}, headers)
            assert status in (401, 403), operation.path
        admin.home.clock.turn(60)


async def test_a_body_of_ten_megabytes_is_refused_unread(admin: Admin) -> None:
    huge = b'{"value": "' + b"x" * 10_000_000 + b'"}'
    reads = [each for each in guarded(admin, "admin") if each.method == "POST" and each.input is not None]
    assert len(reads) > 70
    for operation in reads[::7]:
        try:
            status, _ = await admin.refused("POST", address(operation), io.BytesIO(huge))
        except aiohttp.ClientConnectionError:
            continue  # the connection was cut while we were still sending
        assert status == 413, operation.path
    before = await admin.get("/api/admin/serverconfig")
    assert "xxxxxxxxxx" not in str(before)


async def test_senseless_bodies_are_refused_with_a_sentence_and_change_nothing(admin: Admin) -> None:
    before = await admin.get("/api/admin/serverconfig")
    accepted = []
    for operation in guarded(admin, "admin"):
        if operation.method == "GET" or operation.input is None:
            continue
        for body in SENSELESS:
            status, found = await admin.ask(operation.method, address(operation), body)
            if status == 200:
                accepted.append((operation.path, body))
                continue
            assert 400 <= status < 500, (operation.path, body, found)
            assert isinstance(found, dict)
            assert found.keys() == {"success", "message"}
            assert len(str(found["message"])) > 10
    # What makes sense somewhere: text where text is wanted, and nothing where there may be nothing.
    assert {path for path, _ in accepted} <= {
        "/api/admin/config/pagecontent",
        "/api/admin/config/pagecontent/preview",
        "/api/admin/config/customstyles",
        "/api/admin/config/customjavascript",
        "/api/admin/config/name",
        "/api/admin/config/streamtitle",
        "/api/admin/config/serversummary",
        "/api/admin/config/offlinemessage",
        "/api/admin/config/welcomemessage",
        "/api/admin/config/schedule/remindermessage",
        "/api/admin/config/sockethostoverride",
        "/api/admin/config/tags",
        "/api/admin/config/socialhandles",
        "/api/admin/config/externalactions",
        "/api/admin/config/video/streamoutputvariants",
        "/api/admin/config/chat/forbiddenusernames",
        "/api/admin/config/chat/suggestedusernames",
        "/api/admin/config/chat/blockedwords",
        "/api/admin/config/chat/openminutesafterstream",
        "/api/admin/config/chat/retentionhours",
        "/api/admin/config/chat/slowmodeseconds",
        "/api/admin/chat/pin",
    }
    after = await admin.get("/api/admin/serverconfig")
    for name in ("streamKeys", "webServerPort", "rtmpServerPort", "s3", "yp", "ffmpegPath", "videoSettings"):
        assert after[name] == before[name]  # type: ignore[index]


async def test_unknown_ids_are_refused(admin: Admin) -> None:
    for path, body in {
        "/api/admin/webhooks/delete": {"id": "nobody"},
        "/api/admin/accesstokens/delete": {"token": "nobody"},
        "/api/admin/users/delete": {"userId": "nobody"},
        "/api/admin/chat/users/setenabled": {"userId": "nobody", "enabled": False},
        "/api/admin/chat/users/setmoderator": {"userId": "nobody", "isModerator": True},
        "/api/admin/chat/pin": {"id": "nobody"},
        "/api/admin/emoji/delete": {"name": "nobody"},
        "/api/admin/chat/users/ipbans/remove": {"value": "192.0.2.1"},
        "/api/admin/schedule/event/delete": {"id": "nobody"},
    }.items():
        status, sentence = await admin.refused("POST", path, body)
        assert status in (400, 404), path
        assert "nobody" in sentence or "192.0.2.1" in sentence or "no such" in sentence
        broken = json.dumps(body).replace("nobody", "no\\u0000body").encode()
        assert (await admin.refused("POST", path, broken))[0] in (400, 404), path


async def test_a_client_may_call_itself_anything(admin: Admin) -> None:
    name = b"\xff\xfe\xed\xa0\x80 Browser"
    where = admin.web.server.make_url("/")
    for path, body in (("/api/admin/session", {"password": ADMIN_PASSWORD}), ("/api/chat/register", {})):
        content = json.dumps(body).encode()
        reader, writer = await asyncio.open_connection(where.host, where.port)
        writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode())
        writer.write(b"User-Agent: " + name + b"\r\nContent-Type: application/json\r\n")
        writer.write(f"Content-Length: {len(content)}\r\n\r\n".encode() + content)
        async with asyncio.timeout(30):
            answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200 "), answer[:300]


async def test_no_route_of_what_does_not_exist_pretends_to(admin: Admin) -> None:
    for path in (
        "/api/admin/config/federation/enable",
        "/api/admin/followers",
        "/api/admin/followers/pending",
        "/api/admin/federation/send",
        "/api/admin/update/options",
        "/api/admin/update/start",
        "/api/followers",
        "/api/remotefollow",
    ):
        for method in ("GET", "POST"):
            status, _ = await admin.refused(method, path, None)
            assert status == 404, path
