"""docs/owncast-compatibility.md is true: what it ticks is there and answers, and what it does not tick is not there."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
from admin_wire import Admin, administered, found_at
from aiohttp import web
from aiohttp.test_utils import TestServer, make_mocked_request
from house import ADMIN, ADMIN_PASSWORD
from PIL import Image
from shown import add, live
from test_admin_settings import CASES

from owncast_py.accounts.model import ADMIN_ID
from owncast_py.broadcast.viewers import Viewers
from owncast_py.realtime.messages import DEFAULT_APP
from owncast_py.realtime.push_devices import Registration
from owncast_py.topics import TOPICS
from transcoder.window import LiveWindow
from web.api.ably.dialect import ROOTS
from web.api.matrix.dialect import ROOT
from web.api.owncast import chat_frames
from web.authentication import CSRF_HEADER
from web.hls import Hls
from web.hls_routes import routes as hls_routes
from web.pages import Page
from web.server import Host, build_application

DOCUMENT = Path(__file__).parents[2] / "docs/owncast-compatibility.md"
MARKS = ("S", "07", "1", "2", "D", "X", "own")
SEED_OPERATIONS = 49
"""Of the API document of Owncast 0.0.7."""
TITLES = "Public|Admin|Integrations|Moderation and identity|Federation|Only here"
CONFIG = "/api/admin/config/"
SESSION = "/api/admin/session"
KEY, PASSWORD = f"{CONFIG}key", f"{CONFIG}adminpass"
"""They change the password and end sessions, so they are called last."""
SOCKETS = ("/ws", "/entry")
OWN = ("/api/chat/account", "/api/chat/devices")
MODERATORS = ("/api/chat/messagevisibility", "/api/chat/users/", "/api/chat/pin", "/api/moderation/")
PATIENCE = 20.0


class Row(NamedTuple):
    """One route, message or event of the page."""

    name: str
    direction: str
    since: str
    here: bool


def rows(titles: str) -> list[Row]:
    """What the tables below those titles (a pattern) list, each by itself."""
    found = []
    for section in DOCUMENT.read_text().split("\n## ")[1:]:
        if re.fullmatch(titles, section.partition("\n")[0]) is None:
            continue
        for line in re.findall(r"^\| (.+) \|$", section, re.MULTILINE):
            names, *middle, here = line.split(" | ")
            if middle and middle[-1] in MARKS:
                direction = middle[0] if len(middle) == 2 else ""
                found += [
                    Row(name, direction, middle[-1], here.startswith("✓")) for name in re.findall(r"`([^`]+)`", names)
                ]
    return found


ROUTES = rows(TITLES)


BROWSER = {
    "endpoint": "https://push.example.org/abc",
    "keys": {
        "p256dh": "BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM",
        "auth": "tBHItJI5svbpez7KI4CCXg",
    },
}
"""As a browser gives it (RFC 8291, appendix A)."""


@dataclass
class Show:
    """A Media that has one."""

    on_air: LiveWindow = field(default_factory=live)

    def window(self) -> LiveWindow | None:
        return self.on_air

    async def still(self, name: str) -> bytes | None:
        return b"picture"

    async def stored(self, key: str) -> bytes | None:
        return None


def media_application() -> web.Application:
    """The routes of media, over a show."""
    show, viewers = Show(), Viewers(lambda: 0.0)
    for rendition in show.on_air.renditions:
        for number in range(8):
            add(rendition, number // 4, number % 4)
    return build_application(Host(viewers, list, []), {}, hls_routes(Hls(show, viewers)))


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (16, 16), (10, 200, 30)).save(out, "PNG")
    return out.getvalue()


@dataclass
class Town:
    """A server and its media, and for every route a call that is right."""

    admin: Admin
    media: web.Application
    media_server: TestServer
    targets: dict[str, str]
    """Addresses of routes whose own will not do, with parts and query."""
    bodies: dict[str, object]
    bot: dict[str, str]

    def target(self, path: str) -> str:
        return self.targets.get(path) or re.sub(r"{\w+}", "tea", path)

    async def mounted(self, row: Row) -> tuple[str, str] | None:
        """Method and path of the route that such a call leads to; None for a call that leads nowhere."""
        method, path = row.name.split()
        for application in (self.media, self.admin.web.application):
            found = await application.router.resolve(make_mocked_request(method, self.target(path)))
            if found.http_exception is None:
                assert found.route.resource is not None
                return found.route.method, found.route.resource.canonical
        return None

    async def answer(self, row: Row) -> tuple[int, str]:
        """What is answered to somebody who may call that."""
        method, path = row.name.split()
        found = await self.media.router.resolve(make_mocked_request(method, self.target(path)))
        server = self.media_server if found.http_exception is None else self.admin.web.server
        address, options = server.make_url(self.target(path)), self.options(method, path)
        if path in SOCKETS:
            async with self.admin.session.ws_connect(address) as socket:
                return 101, await socket.receive_str()
        headers = await self.headers(method, path)
        async with self.admin.session.request(
            method, address, headers=headers, allow_redirects=False, **options
        ) as response:
            return response.status, await response.text(errors="replace")

    def options(self, method: str, path: str) -> dict[str, object]:
        name = path.removeprefix(CONFIG)
        body = self.bodies.get(path, {"value": CASES[name][0]} if name in CASES else None)
        if method in ("GET", "DELETE") or body is None:
            return {}
        return {"data": body} if isinstance(body, bytes) else {"json": body}

    async def headers(self, method: str, path: str) -> dict[str, str]:
        if path.startswith("/api/integrations/"):
            return self.bot
        if path != SESSION or method == "POST":
            return ADMIN
        address = self.admin.web.server.make_url(SESSION)
        async with self.admin.session.post(address, json={"password": ADMIN_PASSWORD}) as response:
            token = found_at(await response.json(), "csrfToken")
            return {"Cookie": response.headers["Set-Cookie"].partition(";")[0], CSRF_HEADER: str(token)}


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    html = Page(b"<html><head><title></title></head></html>", None, "text/html", "x", "no-cache")
    (tmp_path / "public").mkdir()
    (tmp_path / "public/tea.txt").write_text("tea")
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(
            administered(tmp_path, pages={"/index.html": html, "/admin.html": html})
        )
        media = media_application()
        media_server = await stack.enter_async_context(TestServer(media))

        # Everything that a call may name.
        encoded = f"data:image/png;base64,{base64.b64encode(picture()).decode()}"
        scopes = ["CAN_SEND_MESSAGES", "CAN_SEND_SYSTEM_MESSAGES", "HAS_ADMIN_ACCESS"]
        hook = {"url": "http://127.0.0.1:9/hook", "events": ["STREAM_STARTED"]}
        event = {"name": "Tea", "start": (admin.home.clock.now() + timedelta(days=1)).isoformat()}
        ana, ben, mo = [await admin.post("/api/chat/register", {"displayName": name}) for name in ("Ana", "Ben", "Mo")]
        await admin.post("/api/admin/chat/users/setmoderator", {"userId": mo["id"], "isModerator": True})
        mine, moderators = f"?accessToken={ana['accessToken']}", f"?accessToken={mo['accessToken']}"
        socket = await stack.enter_async_context(admin.session.ws_connect(admin.web.server.make_url(f"/ws{mine}")))
        await socket.receive_str()
        (connection,) = admin.home.chat.connections.of(str(ana["id"]))
        bots = [await admin.post("/api/admin/accesstokens/create", {"name": n, "scopes": scopes}) for n in ("A", "B")]
        webhook, kept = [await admin.post("/api/admin/webhooks/create", hook) for _ in range(2)]
        key = await admin.post("/api/admin/channels/keys/create", {"name": "Overlay"})
        tablet = Registration("tablet", "tablet", "android", {"transportType": "ablyChannel", "channel": "news"})
        await admin.home.services.push.register(DEFAULT_APP, tablet)
        planned = await admin.post("/api/admin/schedule/event", event)
        zoe = await admin.post("/api/chat/register", {"displayName": "Zoe"})
        zoes = f"?accessToken={zoe['accessToken']}"
        account = {"login": "zoe", "newPassword": "zoes-own-secret"}
        await admin.post(f"/api/chat/account/password{zoes}", account)
        zoes_device = found_at(await admin.get(f"/api/chat/devices{zoes}"), "0.id")
        session = await admin.home.foundations.accounts.devices.sign_in(ADMIN_ID, "Firefox")
        for file in ("tea.png", "old.png"):
            await admin.post("/api/admin/emoji/upload", {"name": file, "data": encoded})
        await admin.post("/api/admin/chat/users/ipbans/create", {"value": "192.0.2.9"})
        await admin.set("schedule/enabled", True)
        for _ in range(2):
            await admin.post("/api/admin/backups/create")
            admin.home.clock.turn(3 * 3600)
        archives = [found_at(await admin.get("/api/admin/backups"), f"backups.{at}.name") for at in range(2)]

        person, seen, said = {"userId": ana["id"]}, {"visible": True, "idArray": []}, {"body": "hello"}
        client = "/api/integrations/chat/system/client/{clientId}"
        bodies: dict[str, object] = {
            "/api/chat/register": {"displayName": "Eve"},
            "/api/metrics/playback": {"bandwidth": 3000},
            "/api/metrics/cmcd": {"sid": "x", "br": [3000]},
            "/api/admin/webhooks/create": hook,
            "/api/admin/webhooks/delete": {"id": webhook["id"]},
            "/api/admin/webhooks/secret": {"id": kept["id"]},
            "/api/admin/channels/keys/create": {"name": "Overlay"},
            "/api/admin/channels/keys/revoke": {"key": key["key"]},
            "/api/admin/channels/devices/delete": {"id": "tablet"},
            "/api/admin/accesstokens/create": {"name": "C", "scopes": scopes},
            "/api/admin/accesstokens/delete": {"token": bots[1]["token"]},
            "/api/admin/users/delete": {"userId": ben["id"]},
            "/api/admin/chat/users/ipbans/create": {"value": "192.0.2.1"},
            "/api/admin/chat/users/ipbans/remove": {"value": "192.0.2.9"},
            "/api/admin/chat/users/setmoderator": person | {"isModerator": False},
            "/api/admin/emoji/upload": {"name": "new.png", "data": encoded},
            "/api/admin/emoji/delete": {"name": "old.png"},
            "/api/admin/schedule/event": event,
            "/api/admin/schedule/event/delete": {"id": found_at(planned, "events.0.id")},
            "/api/admin/schedule/preview": {
                "recurrence": "DTSTART;TZID=Europe/Berlin:20260309T180000\nRRULE:FREQ=WEEKLY"
            },
            "/api/admin/backups/delete": {"name": archives[1]},
            "/api/admin/backups/restore": {"name": archives[0]},
            "/api/integrations/streamtitle": {"value": "Oolong"},
            "/api/integrations/chat/user": {"user": "Tom", "body": "hello"},
            "/api/chat/login": {"login": "zoe", "password": account["newPassword"]},
            "/api/chat/account/password": account | {"currentPassword": account["newPassword"]},
            "/api/chat/devices/rename": {"id": zoes_device, "displayName": "Laptop"},
            "/api/chat/devices/signout": {"ids": ["another"], "password": account["newPassword"]},
            "/api/admin/devices/rename": {"id": session.device.id, "displayName": "Laptop"},
            "/api/admin/devices/signout": {"ids": [session.device.id]},
            SESSION: {"password": ADMIN_PASSWORD},
            KEY: {"value": "another-secret"},
            PASSWORD: {"value": ADMIN_PASSWORD},
            f"{CONFIG}streamkeys": {"value": [{"key": "kettle", "comment": "mine"}]},
            f"{CONFIG}logo": {"value": encoded},
            f"{CONFIG}favicon": picture(),
            f"{CONFIG}chat/disable": {"value": False},
            f"{CONFIG}pagecontent/preview": {"value": "# Tea"},
        }
        speaking = [client, *(f"/api/integrations/chat/{name}" for name in ("send", "system", "action"))]
        bodies |= dict.fromkeys(speaking, said)
        off = {"value": {"enabled": False}}
        bodies |= {f"{CONFIG}{name}": off for name in ("s3", "notifications/discord")}
        bodies[f"{CONFIG}s3/test"] = {
            "value": {
                "endpoint": "https://s3.invalid",
                "accessKey": "AK",
                "secret": "shh",
                "bucket": "tea",
                "region": "x",
            }
        }
        bodies[f"{CONFIG}notifications/browser"] = {"value": {"enabled": True}}
        await admin.set("notifications/browser", {"enabled": True})
        bodies["/api/notifications/register"] = {"channel": "BROWSER_PUSH_NOTIFICATION", "destination": BROWSER}
        for prefix in ("/api/admin/chat/", "/api/chat/", "/api/integrations/chat/"):
            bodies[f"{prefix}messagevisibility"] = bodies[f"{prefix}updatemessagevisibility"] = seen
            bodies[f"{prefix}users/setenabled"] = person | {"enabled": True}
            bodies[f"{prefix}users/timeout"] = person | {"seconds": 0}
            bodies[f"{prefix}pin"] = {"id": None}
        targets = {path: path + moderators for path in bodies if path.startswith(MODERATORS)}
        targets |= {path: path + zoes for path in (row.name.split()[1] for row in ROUTES) if path.startswith(OWN)}
        targets |= {
            "/ws": f"/ws{mine}",
            "/api/notifications/register": f"/api/notifications/register{mine}",
            "/api/moderation/chat/user/{userId}": f"/api/moderation/chat/user/{ana['id']}{moderators}",
            "/api/metrics/cmcd": "/api/metrics/cmcd?CMCD=br%3D3000",
            "/api/admin/backups/{name}": f"/api/admin/backups/{archives[0]}",
            "/api/admin/users/{userId}": f"/api/admin/users/{ana['id']}",
            "/img/emoji/{file}": "/img/emoji/tea.png",
            "/img/platformlogos/{file}": "/img/platformlogos/github.svg",
            "/public/{path}": "/public/tea.txt",
            "/hls/{n}/stream.m3u8": "/hls/0/stream.m3u8",
            "/hls/{n}/{file}": "/hls/0/abcd-1.m4s",
            "/hls/{n}/{name}.ts": "/hls/0/abcd-1.ts",
            client: client.replace("{clientId}", connection.id),
        }
        bot = {"Authorization": f"Bearer {bots[0]['token']}"}
        yield Town(admin, media, media_server, targets, bodies, bot)


def test_each_route_is_listed_once_and_all_of_the_first_release_are_here() -> None:
    names = [row.name for row in ROUTES]
    assert sorted(names) == sorted(set(names))
    seed = [row for row in ROUTES if row.since == "S"]
    assert len(seed) == SEED_OPERATIONS
    assert [row.name for row in seed if not row.here] == []


OTHER_APIS = {"notifications", ROOT, ".well-known", *ROOTS}
"""What Owncast does not have, with documents of its own."""


async def test_what_is_ticked_is_mounted_and_what_is_mounted_is_in_the_page(town: Town) -> None:
    ticked = {row.name: await town.mounted(row) for row in ROUTES if row.here}
    assert [name for name, route in ticked.items() if route is None] == []
    served = {
        (route.method, resource.canonical)
        for application in (town.media, town.admin.web.application)
        for resource in application.router.resources()
        for route in resource
        if route.method != "HEAD" and resource.canonical.split("/")[1] not in OTHER_APIS
    }
    assert set(ticked.values()) == served


async def test_every_route_that_is_ticked_does_what_it_is_asked(town: Town) -> None:
    wrong = []
    for row in sorted(ROUTES, key=lambda each: (each.name.endswith(KEY), each.name.endswith(PASSWORD))):
        if row.here:
            status, text = await town.answer(row)
            if status >= 400:
                wrong.append((row.name, status, text))
    assert wrong == []


async def test_every_other_route_is_404(town: Town) -> None:
    missing = [row for row in ROUTES if not row.here]
    assert len(missing) > 40
    found = {row.name: (await town.answer(row))[0] for row in missing}
    assert {name: status for name, status in found.items() if status != 404} == {}


async def test_the_events_of_webhooks_are_those_that_there_are() -> None:
    assert {row.name for row in rows("Webhook events") if row.here} == set(TOPICS)


def test_the_messages_to_clients_are_those_that_there_are() -> None:
    plain = {"USER_JOINED", "USER_PARTED", "NAME_CHANGE", "VISIBILITY-UPDATE", "MESSAGE_PINNED", "MESSAGE_UNPINNED"}
    sent = plain.union(chat_frames.TYPES.values(), chat_frames.PRIVATE.values(), chat_frames.REFUSALS.values())
    assert {row.name for row in rows("Socket messages") if row.direction == "out" and row.here} == sent


async def test_the_messages_from_clients_are_understood(town: Town) -> None:
    said = {"body": "hello", "newName": "Anna", "newColor": 3}
    taken = [row.name for row in rows("Socket messages") if row.direction == "in"]
    assert sorted(taken) == ["CHAT", "COLOR_CHANGE", "NAME_CHANGE", "PING", "PONG"]
    address = town.admin.web.server.make_url(town.target("/ws"))
    heard = []
    async with town.admin.session.ws_connect(address) as socket, asyncio.timeout(PATIENCE):
        for kind in (*(each for each in taken if each != "PING"), "TEA", "PING"):
            await socket.send_str(json.dumps({"type": kind, **said}))
        while not heard or heard[-1]["type"] != "PONG":
            message = await socket.receive()
            assert message.type is aiohttp.WSMsgType.TEXT
            heard.append(json.loads(message.data))
    refused = [each for each in heard if "error" in each]
    assert ["TEA" in each["body"] for each in refused] == [True]
