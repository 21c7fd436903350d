"""Browsers that ask to be told: what the page needs for that, who may, and that the show's begin reaches them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import http_ece
import pytest
from admin_wire import Admin, Json, administered, found_at
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid.jwt import decode
from yarl import URL

from owncast_py.events import StreamStarted
from owncast_py.notifications.vapid import _base64url

PATIENCE = 30.0
AUTH = bytes(range(16))
REGISTER = "/api/notifications/register"


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[Admin]:
    """A server that calls no private addresses."""
    async with administered(tmp_path, allow_private=False) as opened:
        yield opened


class PushService:
    """Takes what is pushed, and answers as it is told."""

    def __init__(self) -> None:
        self.status = 201
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.came: asyncio.Queue[tuple[bytes, str]] = asyncio.Queue()

    async def take(self, request: web.Request) -> web.Response:
        self.came.put_nowait((await request.read(), request.headers["Authorization"]))
        return web.Response(status=self.status)

    def subscription(self, url: URL) -> Json:
        """What the browser's page sends."""
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {
            "endpoint": str(url),
            "expirationTime": None,
            "keys": {"p256dh": _base64url(point), "auth": _base64url(AUTH)},
        }

    async def reads(self, push_key: str) -> Json:
        """The next push, as the browser's worker sees it, if it comes from whoever has that key."""
        async with asyncio.timeout(PATIENCE):
            sealed, authorization = await self.came.get()
        parts = dict(part.split("=", 1) for part in authorization.removeprefix("vapid ").split(","))
        assert parts["k"] == push_key
        decode(parts["t"], push_key)
        found: Json = json.loads(http_ece.decrypt(sealed, private_key=self.key, auth_secret=AUTH, version="aes128gcm"))
        return found


async def token_of(admin: Admin) -> str:
    return str((await admin.post("/api/chat/register", {"displayName": "Ana"}))["accessToken"])


def browsers(admin: Admin) -> int:
    return admin.home.services.go_live.browsers


async def test_a_browser_is_told_that_the_show_begins_until_it_is_gone(tmp_path: Path) -> None:
    service = PushService()
    application = web.Application()
    application.router.add_post("/push/{id}", service.take)
    async with TestServer(application) as server:
        async with administered(tmp_path) as admin:
            assert found_at(await admin.get("/api/config"), "notifications.browser") == {"enabled": False}
            register = f"{REGISTER}?accessToken={await token_of(admin)}"
            given = service.subscription(server.make_url("/push/1"))
            asked = {"channel": "BROWSER_PUSH_NOTIFICATION", "destination": given}
            assert "no notifications to browsers" in (await admin.refused("POST", register, asked))[1]
            await admin.set("notifications/browser", {"enabled": True, "goLiveMessage": "Tea is on!"})
            key = str(found_at(await admin.get("/api/config"), "notifications.browser.publicKey"))
            assert (await admin.post(register, asked))["success"] is True
            # Owncast's page sends it as text; the same browser is told once.
            await admin.post(register, asked | {"destination": json.dumps(given)})
            assert browsers(admin) == 1
            assert await admin.get("/api/admin/webhooks") == []
        async with administered(tmp_path) as admin:
            assert found_at(await admin.get("/api/config"), "notifications.browser.publicKey") == key
            admin.home.foundations.events.publish(StreamStarted(admin.home.clock.now(), "Oolong"))
            assert await service.reads(key) == {"title": "Tea", "body": "Tea is on!\nOolong"}
            await admin.set("notifications/browser", {"enabled": False, "goLiveMessage": "Tea is on!"})
            await _until(lambda: not admin.home.services.notifications.wants("STREAM_STARTED"))
            await admin.set("notifications/browser", {"enabled": True, "goLiveMessage": "Again!"})
            await _until(lambda: admin.home.services.notifications.wants("STREAM_STARTED"))
            service.status = 410
            admin.home.foundations.events.publish(StreamStarted(admin.home.clock.now(), "Oolong"))
            assert (await service.reads(key))["body"] == "Again!\nOolong"
            await _until(lambda: admin.home.services.go_live.browsers == 0)


async def test_only_who_chats_registers_and_only_what_a_browser_gives(strict: Admin) -> None:
    await strict.set("notifications/browser", {"enabled": True, "goLiveMessage": ""})
    given = PushService().subscription(URL("https://push.example/1"))
    asked = {"channel": "BROWSER_PUSH_NOTIFICATION", "destination": given}
    assert (await strict.refused("POST", REGISTER, asked, {}))[0] == 401
    register = f"{REGISTER}?accessToken={await token_of(strict)}"
    keys = given["keys"]
    assert isinstance(keys, dict)
    for bad, words in (
        ({"channel": "PIGEON"}, "channel"),
        ({"destination": "{"}, "no push subscription"),
        ({"destination": {"endpoint": "https://push.example/1"}}, "destination"),
        ({"destination": {**given, "endpoint": "http://push.example/1"}}, "begins with https://"),
        ({"destination": {**given, "endpoint": "https://" + "x" * 2_100}}, "2048"),
    ):
        status, sentence = await strict.refused("POST", register, asked | bad, {})
        assert (status, words in sentence) == (400, True), sentence
    for _ in range(20):
        status, _found = await strict.ask(
            "POST", register, asked | {"destination": {**given, "keys": {**keys, "auth": "eA"}}}, {}
        )
        if status == 429:
            break
        assert status == 400
    assert status == 429
    assert browsers(strict) == 0


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0)
