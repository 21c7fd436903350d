"""Pictures of every page in both themes, for the documentation: `make screenshots` writes them into `docs/images/`.

A server is started as its users start it, a show is published, people chat; Chromium looks at each page. The pages of
the admin are found in its own navigation. Pictures are WebP of some ten kilobytes each.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
import tempfile
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from math import pi, sin
from pathlib import Path
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.test_utils import TestServer
from PIL import Image, ImageDraw
from playwright.async_api import Browser, Page
from websockets.asyncio.client import ClientConnection, connect

from owncast_py.metrics.samples import Samples
from owncast_py.realtime.messages import DEFAULT_APP
from owncast_py.realtime.stats import Stats
from owncast_py.storage.database import Database

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT / "tests" / "e2e"), str(ROOT / "tests" / "static")]

from owner import ADMIN, Owner, at  # noqa: E402 - the tests' own way to run a server
from rig import PASSWORD, PATIENCE, SYSTEM_FFMPEG, Server, publishing, run, segments, serving, settles  # noqa: E402
from viewer_browser import WAIT_SECONDS, chromium  # noqa: E402

TARGET = Path(os.environ.get("SCREENSHOTS", ROOT / "docs" / "images"))
QUALITY = 55
DESK, PHONE, FLAT, NARROW = (1280, 800), (390, 844), (844, 390), (320, 640)
THEMES = ("light", "dark")
CONFIG = """
stream:
  variants:
    - {name: Source, video_passthrough: true, audio_passthrough: true}
    - {name: Phone, video_bitrate: 400, audio_passthrough: true, scaled_height: 180, cpu_usage_level: 0}
chat:
  rate_limit: false
notifications:
  allow_private_targets: true
"""
COLORS = "nb_colors=4:c0=0x1f4d3d:c1=0xd9a25f:c2=0x7a9e5a:c3=0x2b2f4a:x0=0:y0=0:x1=960:y1=540"
"""Of the film: tea and dusk."""
IPHONE = {
    "User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.0 Mobile/15E148 Safari/604.1"
}
TALK = (
    ("Ana", "Good evening from Lisbon!"),
    ("Ben", "Hi Ana, you are just in time, the water is on"),
    ("Ben", "Oolong tonight, second steep"),
    ("Chiyo", "Konbanwa! Which leaves?"),
    ("Dario", "What temperature do you use? I always burn mine"),
    ("Ana", "**90 °C** for oolong, I read, and never boiling for green"),
    ("Mo", "First time here. The delay is really short!"),
    ("Chiyo", "It is under two seconds, yes"),
    ("Dario", "Will the recipe be on your page? https://example.org/tea"),
)


async def main() -> None:
    """Takes all of them."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "show.flv"
        await film(source)
        async with program() as hook:
            await look(Path(folder) / "data", source, hook)


async def look(data_dir: Path, source: Path, hook: str) -> None:
    """Runs a server that shows that film and tells that address of it, and takes a picture of each of its pages."""
    async with serving(data_dir, config=CONFIG) as server:
        await furnish(Owner(server, ADMIN))
        await tell(Owner(server, ADMIN), hook)
        key = await hand_out_keys(Owner(server, ADMIN))
    await remember_a_day(data_dir)
    async with serving(data_dir, config=CONFIG) as server, chromium() as browser:
        await shoot(browser, server, "viewer-offline", "/", DESK)
        async with publishing(server, source), talking(server), playing(server, key):
            await server.playlist(0, lambda text: len(segments(text)) >= 4)
            await settles(lambda: server.get("/thumbnail.jpg"), lambda found: found[0] == 200, "a thumbnail")
            await viewer_pages(browser, server)
            # Somebody watches, for the owner to see how that goes.
            async with opened(browser, server, "/", DESK, "dark"):
                owner = Owner(server, ADMIN)
                await settles(lambda: owner.get("/api/admin/status"), lambda found: found["health"], "reports")
                await admin_pages(browser, server)


async def viewer_pages(browser: Browser, server: Server) -> None:
    """The page to watch, and its parts in frames of other sites."""
    for name, size in {"": DESK, "-phone": PHONE, "-phone-flat": FLAT, "-narrow": NARROW}.items():
        await shoot(browser, server, f"viewer{name}", "/", size, ready=PLAYING)
    await account_page(browser, server)
    await shoot(browser, server, "viewer-embedded", "/embed/video", (640, 360), ready=PLAYING)
    await shoot(browser, server, "chat-embedded", "/embed/chat/readwrite", (400, 600), ready=CHATTING)


async def account_page(browser: Browser, server: Server) -> None:
    """Where somebody is signed in, who chats at a phone as well."""
    for theme in THEMES:
        async with opened(browser, server, "/", DESK, theme) as page:
            await page.click(".chat-me")
            token = await page.evaluate("localStorage.getItem('chat.token')")
            known = {"login": f"tea-{theme}", "password": PASSWORD}
            wish = {"newPassword": known["password"], "login": known["login"]}
            for path, body in (
                (f"/api/chat/account/password?accessToken={token}", wish),
                ("/api/chat/login", known),
            ):
                async with server.session.post(server.http + path, json=body, headers=IPHONE) as answer:
                    answer.raise_for_status()
            await page.click(".dialog-body p .button")
            await page.wait_for_selector(".account-devices li")
            await settled(page)
            await keep(page, "viewer-account", theme)


PLAYING = "document.querySelector('video')?.currentTime > 1 && document.querySelector('.player[data-state=playing]')"
CHATTING = "document.querySelectorAll('[role=log] [data-id]').length > 3"


async def admin_pages(browser: Browser, server: Server) -> None:
    """Every page that the admin's navigation leads to, and the door before it."""
    await shoot(browser, server, "admin-sign-in", "/admin", DESK, ready="document.querySelector('form')")
    for theme in THEMES:
        async with opened(browser, server, "/admin", DESK, theme) as page:
            await page.fill("input[type=password]", PASSWORD)
            await page.keyboard.press("Enter")
            await page.wait_for_selector(".nav-link")
            paths = await page.eval_on_selector_all(".nav-link", "links => links.map(link => link.pathname)")
            for path in paths:
                await page.click(f'.nav-link[href="{path}"]')
                await settled(page)
                name = path.removeprefix("/admin").strip("/").replace("/", "-") or "dashboard"
                await keep(page, f"admin-{name}", theme)
            await page.goto(server.http + "/admin/chat/people")
            await page.locator(".table-actions button").first.click()
            await page.locator("[role=menuitem]").nth(1).click()
            await page.wait_for_selector(".signed-in li")
            await settled(page)
            await keep(page, "admin-person-devices", theme)
            await page.goto(server.http + "/admin/webhooks")
            await page.locator(".link-address").first.click()
            await page.click(".delivery summary")
            await settled(page)
            await keep(page, "admin-webhook", theme)
            await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
            await page.goto(server.http + "/admin")
            await settled(page)
            await keep(page, "admin-phone", theme)


async def shoot(
    browser: Browser, server: Server, name: str, path: str, size: tuple[int, int], ready: str = "true"
) -> None:
    """One page in both themes, once `ready` holds."""
    for theme in THEMES:
        async with opened(browser, server, path, size, theme) as page:
            await settles(lambda page=page: page.evaluate(f"Boolean({ready})"), bool, f"{name}: {ready}")
            await settled(page)
            await keep(page, name, theme)


@asynccontextmanager
async def opened(browser: Browser, server: Server, path: str, size: tuple[int, int], theme: str) -> AsyncIterator[Page]:
    """That page in a context of its own."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if theme == "dark" else "light",
        locale=os.environ.get("SCREENSHOTS_LANGUAGE", "en"),
        reduced_motion="reduce",
    )
    context.set_default_timeout(WAIT_SECONDS * 1000)
    page = await context.new_page()
    await page.goto(server.http + path)
    yield page
    await context.close()


async def settled(page: Page) -> None:
    """Returns when nothing on the page is on its way any more."""
    await page.wait_for_load_state("load")
    waiting = "!document.querySelector('.loading, .skeleton, [aria-busy=true]') && document.fonts.status === 'loaded'"
    await settles(lambda: page.evaluate(waiting), bool, "the page is drawn")
    await page.evaluate("new Promise(done => setTimeout(done, 400))")


async def keep(page: Page, name: str, theme: str) -> None:
    """Writes what is seen."""
    picture = Image.open(io.BytesIO(await page.screenshot()))
    picture.convert("RGB").save(TARGET / f"{name}-{theme}.webp", quality=QUALITY, method=6)


async def film(path: Path) -> None:
    """A minute of something that moves and hums."""
    code, output = await run(
        *(SYSTEM_FFMPEG, "-v", "error", "-f", "lavfi", "-i", f"gradients=size=960x540:rate=30:speed=0.01:{COLORS}"),
        *("-f", "lavfi", "-i", "sine=220", "-t", "20", "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"),
        *("-g", "60", "-sc_threshold", "0", "-b:v", "1800k", "-c:a", "aac", "-f", "flv", str(path)),
    )
    if code:
        raise RuntimeError(output)


async def furnish(owner: Owner) -> None:
    """What an owner would have set after a while."""
    settings: dict[str, object] = {
        "name": "The Tea House",
        "streamtitle": "Oolong at dusk: second steep",
        "serversummary": "Kettles, leaves and water, live from a small kitchen in Porto.",
        "serverurl": owner.server.http.replace("http://127.0.0.1", "https://tea.example"),
        "tags": ["tea", "kitchen", "slow"],
        "pagecontent": "## Every evening at eight\n\nOne tea, one hour, no hurry. Ask anything in chat.\n\n"
        "- Leaves of tonight: **Tie Guan Yin**\n- Water: 92 °C\n",
        "socialhandles": [
            {"platform": "mastodon", "url": "https://social.example/@tea"},
            {"platform": "github", "url": "https://github.com/tea"},
        ],
        "externalactions": [
            {"title": "The recipe", "url": "https://example.org/recipe", "openExternally": True, "color": "#7a9e5a"}
        ],
        "schedule/enabled": True,
        "welcomemessage": "Welcome to the tea house. Be kind.",
    }
    for name, value in settings.items():
        await owner.set(name, value)
    await owner.set("logo", "data:image/png;base64," + logo())
    start = (datetime.now(UTC) + timedelta(days=1)).replace(hour=20, minute=0, second=0, microsecond=0)
    event = {
        "name": "Green tea, first flush",
        "start": start.isoformat(),
        "durationMinutes": 60,
        "timezone": "Europe/Lisbon",
    }
    await owner.post("/api/admin/schedule/event", event)
    await owner.set("notifications/browser", {"enabled": True, "goLiveMessage": "The kettle is on."})
    await owner.post("/api/admin/accesstokens/create", {"name": "Kettle bot", "scopes": ["CAN_SEND_MESSAGES"]})
    # Signed in at a phone as well.
    await owner.ask("POST", "/api/admin/session", {"password": PASSWORD}, IPHONE)


@asynccontextmanager
async def program() -> AsyncIterator[str]:
    """The address of something that is told about the show."""

    async def take(request: web.Request) -> web.Response:
        told = (await request.json()).get("eventData", {})
        return web.Response(status=500, text="The kettle is cold.") if told.get("cold") else web.Response(status=204)

    application = web.Application()
    application.router.add_post("/kettle", take)
    async with TestServer(application) as server:
        yield str(server.make_url("/kettle"))


async def tell(owner: Owner, hook: str) -> None:
    """Webhooks, a topic of one's own, and what has become of what was sent."""
    events = ["STREAM_STARTED", "STREAM_STOPPED", "STREAM_TITLE_UPDATED", "CHAT"]
    made = await owner.post("/api/admin/webhooks/create", {"url": hook, "events": events})
    await owner.post("/api/admin/webhooks/create", {"url": "https://example.org/hook", "events": ["STREAM_STARTED"]})
    for title in ("Oolong at dusk: first steep", "Oolong at dusk: second steep"):
        await owner.set("streamtitle", title)
    _, topic = await owner.ask("POST", "/notifications/topics", {"name": "KETTLE_BOILED", "domain": "tea.example"})
    links = {"apiture:topic": {"href": at(topic, "_id")}, "apiture:subscriber": {"href": "urn:example:kettle"}}
    endpoint = {"recipientUrl": hook, "token": "steam"}
    body = {"deliveryMethod": "push", "deliveryChannel": "webhook", "endpoint": endpoint, "_links": links}
    await owner.ask("POST", "/notifications/subscriptions", body)
    for cold in (False, True, False):
        message = {"body": {"type": "KETTLE_BOILED", "eventData": {"cold": cold}}, "_links": links}
        await owner.ask("POST", "/notifications/messages", message)
    await settles(
        lambda: owner.listing("/api/admin/webhooks"), lambda found: found[0]["lastUsed"], f"{made['id']} is told"
    )


async def hand_out_keys(owner: Owner) -> str:
    """Keys for programs, and devices that one of them registered. Returns the key of a game that may do everything."""
    for name, capability in (
        ("Overlay", {"chat": ["subscribe", "history"], "poll": ["subscribe"]}),
        ("Kettle sensor", {"water": ["publish"]}),
    ):
        await owner.post("/api/admin/channels/keys/create", {"name": name, "capability": capability})
    key = str((await owner.post("/api/admin/channels/keys/create", {"name": "Tea quiz", "revocable": True}))["value"])
    headers = {"Authorization": "Basic " + b64encode(key.encode()).decode()}
    devices = (("ana-phone", "phone", "ios", "Ana"), ("ben-tablet", "tablet", "android", "Ben"))
    for device, form, platform, client in (*devices, ("wall", "embedded", "browser", "Kitchen")):
        recipient = {"transportType": "ablyChannel", "channel": f"pushed:{device}", "ablyKey": key}
        body = {"formFactor": form, "platform": platform, "clientId": client, "push": {"recipient": recipient}}
        address = f"{owner.server.http}/push/deviceRegistrations/{device}"
        async with owner.server.session.put(address, json={"id": device, **body}, headers=headers) as answer:
            answer.raise_for_status()
    return key


@asynccontextmanager
async def playing(server: Server, key: str) -> AsyncIterator[None]:
    """Programs are attached to channels, and present."""
    address = f"{server.http.replace('http', 'ws', 1)}/?{urlencode({'key': key, 'v': 6, 'format': 'json'})}"
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as listening:
        tasks = []
        for number in range(5):
            client = await stack.enter_async_context(connect(address))
            for channel in ("quiz", "poll", "chat", "water")[: 1 + number % 4]:
                await client.send(json.dumps({"action": 10, "channel": channel}))
            member = {"action": 2, "clientId": f"player {number}"}
            await client.send(json.dumps({"action": 14, "channel": "quiz", "msgSerial": 0, "presence": [member]}))
            tasks.append(listening.create_task(hear(client)))
        yield
        for task in tasks:
            task.cancel()


def logo() -> str:
    """A cup, as base64 of a PNG."""
    picture = Image.new("RGB", (256, 256), "#1f4d3d")
    pen = ImageDraw.Draw(picture)
    pen.rounded_rectangle((56, 92, 168, 188), radius=36, fill="#f2e8cf")
    pen.arc((144, 104, 208, 164), -90, 90, fill="#f2e8cf", width=14)
    pen.line((44, 206, 196, 206), fill="#f2e8cf", width=12)
    written = io.BytesIO()
    picture.save(written, "PNG")
    return b64encode(written.getvalue()).decode()


@asynccontextmanager
async def talking(server: Server) -> AsyncIterator[None]:
    """People have said something, and stay."""
    owner = Owner(server, ADMIN)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as listening:
        clients = {}
        for name in dict.fromkeys(name for name, _ in TALK):
            token = (await owner.post("/api/chat/register", {"displayName": name}))["accessToken"]
            address = f"{server.http.replace('http', 'ws', 1)}/ws?accessToken={token}"
            clients[name] = await stack.enter_async_context(connect(address))
        for name, words in TALK:
            await clients[name].send(json.dumps({"type": "CHAT", "body": words}))
            async with asyncio.timeout(PATIENCE):
                while json.loads(await clients[name].recv()).get("type") != "CHAT":
                    pass
        tasks = [listening.create_task(hear(client)) for client in clients.values()]
        yield
        for task in tasks:
            task.cancel()


async def hear(client: ClientConnection) -> None:
    """Takes what comes: the server leaves those who do not."""
    async for _ in client:
        pass


async def remember_a_day(data_dir: Path) -> None:
    """The measurements of the last day, for the charts: a show of three hours that ended five hours ago."""
    moment = datetime.now(UTC)
    database = Database(f"sqlite+aiosqlite:///{data_dir / 'owncast.db'}")
    await database.start()
    samples = Samples(database, lambda: moment)
    end = moment
    for ago in range(24 * 60, 0, -1):
        moment = end - timedelta(minutes=ago)
        on = max(0.0, sin((ago / 60 - 5) / 3 * pi)) if 5 * 60 < ago < 8 * 60 else 0.0
        wave = sin(ago / 7) + sin(ago / 3.1)
        busy = 30 * (on > 0)
        samples.add(
            {
                "viewers": round(on * (40 + 3 * wave)),
                "chatters": round(on * (11 + wave)),
                "cpu": 9 + busy + 2 * wave,
                "memory": 41 + 4 * on + 0.2 * wave,
                "disk": 62 + (24 * 60 - ago) / 900,
            }
        )
    await samples.flush()
    stats = Stats(database, lambda: moment)
    for hours in range(24):
        on = max(0.0, sin((hours - 5) / 3 * pi)) if 5 < hours < 8 else 0.1
        counted = {
            "messages.inbound.realtime.messages.count": round(900 * on + 40 * sin(hours)) + 60.0,
            "messages.outbound.realtime.messages.count": round(9_000 * on + 300 * sin(hours)) + 500.0,
            "connections.all.peak": round(60 * on) + 3.0,
            "channels.peak": round(6 * on) + 2.0,
            "apiRequests.other.succeeded": round(300 * on) + 40.0,
            "apiRequests.other.refused": float(hours % 3),
        }
        await stats.insert(DEFAULT_APP, [(end - timedelta(hours=hours), counted)])
    await database.aclose()


if __name__ == "__main__":
    TARGET.mkdir(parents=True, exist_ok=True)
    asyncio.run(main())
