"""The button "Notify me", and the worker that shows what comes, in Chromium over a server with its real API.

A browser here has no push service to ask, so `PushManager` gives subscriptions to one of the test's own.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import http_ece
import pytest
import pytest_asyncio
from admin_pages import Owner, owned
from aiohttp import web
from aiohttp.test_utils import TestServer
from axe import assert_clean
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.async_api import Browser, Page, expect
from viewer_browser import WAIT_SECONDS, open_page

from owncast_py.realtime.messages import STREAM, Draft

pytestmark = pytest.mark.asyncio(loop_scope="session")

AUTH = bytes(range(16))
KEY = ec.generate_private_key(ec.SECP256R1())
"""The browser's own."""


def coded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def push_manager(endpoint: str, permission: str = "granted") -> str:
    """A script that stands in for what a browser does with its maker's push service, and for its question."""
    point = KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    document = {"endpoint": endpoint, "expirationTime": None, "keys": {"p256dh": coded(point), "auth": coded(AUTH)}}
    return f"""
      const KEPT = "test.subscription", document_ = {json.dumps(document)};
      window.asked = [];
      const kept = () => {{
        const key = localStorage.getItem(KEPT);
        if (key === null) return null;
        const octets = Uint8Array.from(atob(key.replace(/-/g, "+").replace(/_/g, "/")), each => each.charCodeAt(0));
        return {{
          options: {{ applicationServerKey: octets.buffer }},
          toJSON: () => document_,
          unsubscribe: async () => {{ localStorage.removeItem(KEPT); return true; }},
        }};
      }};
      PushManager.prototype.getSubscription = async () => kept();
      PushManager.prototype.subscribe = async options => {{
        window.asked.push(options);
        if (window.noService) throw new DOMException("Registration failed - push service error", "AbortError");
        localStorage.setItem(KEPT, options.applicationServerKey);
        return kept();
      }};
      Notification.requestPermission = async () => {{
        window.asked.push("permission");
        return {json.dumps(permission)};
      }};
    """


@pytest_asyncio.fixture(loop_scope="session")
async def owner(browser: Browser, tmp_path: Path) -> AsyncIterator[Owner]:
    async with owned(browser, tmp_path) as owner:
        yield owner


@asynccontextmanager
async def viewing(
    browser: Browser,
    owner: Owner,
    endpoint: str = "http://127.0.0.1:9/b",
    permission: str = "granted",
    **options: object,
) -> AsyncIterator[Page]:
    """The viewer page in a browser whose push service is at `endpoint`."""
    async with open_page(browser, "about:blank", **options) as page:
        await page.context.grant_permissions(["notifications"], origin=owner.address)
        await page.add_init_script(push_manager(endpoint, permission))
        await page.goto(owner.address)
        yield page


async def allow(owner: Owner, enabled: bool = True) -> None:
    await owner.set("notifications/browser", {"enabled": enabled, "goLiveMessage": "Tea is ready"})


async def test_without_the_owners_wish_there_is_no_button(browser: Browser, owner: Owner) -> None:
    async with viewing(browser, owner) as page:
        await expect(page.locator(".offline-hint")).to_be_visible()
        await expect(page.get_by_role("button", name="Notify me")).to_have_count(0)


async def test_a_browser_is_registered_told_and_forgotten(browser: Browser, owner: Owner) -> None:
    await allow(owner)
    pushed: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        pushed.put_nowait(await request.read())
        return web.Response(status=201)

    service = web.Application()
    service.router.add_post("/b", take)
    async with TestServer(service) as push_service, viewing(browser, owner, str(push_service.make_url("/b"))) as page:
        bodies: list[Any] = []
        page.on("request", lambda each: bodies.append(each.post_data_json) if "/notifications/" in each.url else None)
        await expect(page.get_by_role("button", name="Notify me")).to_be_visible()
        assert await page.evaluate("window.asked") == []

        await page.get_by_role("button", name="Notify me").click()
        await expect(page.get_by_role("button", name="Stop notifying me")).to_be_visible()
        await expect(page.get_by_text("This browser tells you when a show begins.")).to_be_visible()
        key = (await owner.ask("/api/config"))["notifications"]["browser"]["publicKey"]
        wanted = {"userVisibleOnly": True, "applicationServerKey": key}
        assert await page.evaluate("window.asked") == ["permission", wanted]
        assert [body["channel"] for body in bodies] == ["BROWSER_PUSH_NOTIFICATION"]
        assert bodies[0]["destination"]["keys"]["auth"] == coded(AUTH)
        assert owner.home.services.go_live.browsers == 1

        # What the server then sends, the browser can read.
        await owner.home.chat.channels.publish(STREAM, Draft("started", b'{"title": "Oolong"}'))
        sealed = await asyncio.wait_for(pushed.get(), WAIT_SECONDS)
        plain = http_ece.decrypt(sealed, private_key=KEY, auth_secret=AUTH, version="aes128gcm")
        assert json.loads(plain) == {"title": "Tea", "body": "Tea is ready\nOolong"}

        # It is remembered by the browser alone.
        await page.reload()
        await page.get_by_role("button", name="Stop notifying me").click()
        await expect(page.get_by_role("button", name="Notify me")).to_be_visible()
        assert await page.evaluate("localStorage.getItem('test.subscription')") is None
        await page.reload()
        await expect(page.get_by_role("button", name="Notify me")).to_be_visible()


async def test_who_closes_the_question_can_be_asked_again(browser: Browser, owner: Owner) -> None:
    await allow(owner)
    async with viewing(browser, owner, permission="default") as page:
        for times in (1, 2):
            await page.get_by_role("button", name="Notify me").click()
            await expect(page.get_by_role("button", name="Notify me")).to_be_enabled()
            assert await page.evaluate("window.asked") == ["permission"] * times
        await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_who_forbade_it_reads_what_to_do(browser: Browser, owner: Owner) -> None:
    await allow(owner)
    async with viewing(browser, owner, permission="denied") as page:
        await page.get_by_role("button", name="Notify me").click()
        dialog = page.get_by_role("dialog", name="Notify me")
        await expect(dialog).to_contain_text("This browser does not allow notifications from this page.")
        await assert_clean(page)
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("button", name="Notify me")).to_be_focused()


async def test_failures_are_told_and_leave_nothing_behind(browser: Browser, owner: Owner) -> None:
    await allow(owner)
    async with viewing(browser, owner) as page:
        await page.evaluate("window.noService = true")
        await page.get_by_role("button", name="Notify me").click()
        await expect(page.get_by_role("dialog")).to_contain_text("could not reach its maker’s push service")
        await page.keyboard.press("Escape")

        # Meanwhile the owner changed their mind: the server says so itself.
        await allow(owner, enabled=False)
        await page.evaluate("window.noService = false")
        await page.get_by_role("button", name="Notify me").click()
        await expect(page.get_by_role("dialog")).to_contain_text("This server sends no notifications to browsers.")
        assert await page.evaluate("localStorage.getItem('test.subscription')") is None
    assert owner.home.services.go_live.browsers == 0


async def test_a_subscription_by_another_key_is_replaced(browser: Browser, owner: Owner) -> None:
    await allow(owner)
    async with viewing(browser, owner) as page:
        await page.get_by_role("button", name="Notify me").click()
        await expect(page.get_by_role("button", name="Stop notifying me")).to_be_visible()
        key = await page.evaluate("localStorage.getItem('test.subscription')")
        await page.evaluate("localStorage.setItem('test.subscription', 'AAAA')")
        await page.reload()
        await page.get_by_role("button", name="Notify me").click()
        await expect(page.get_by_role("button", name="Stop notifying me")).to_be_visible()
        assert await page.evaluate("localStorage.getItem('test.subscription')") == key
    assert owner.home.services.go_live.browsers == 1


async def test_without_push_there_is_no_button(browser: Browser, owner: Owner) -> None:
    await allow(owner)
    async with open_page(browser, "about:blank") as page:
        await page.add_init_script("delete window.PushManager")
        await page.goto(owner.address)
        await expect(page.locator(".offline-hint")).to_be_visible()
        await expect(page.get_by_role("button", name="Notify me")).to_have_count(0)


@pytest.mark.parametrize("size", [(1280, 800), (320, 640), (740, 360)])
async def test_the_button_fits_and_is_for_everybody(browser: Browser, owner: Owner, size: tuple[int, int]) -> None:
    await allow(owner)
    for scheme in ("dark", "light"):
        viewport = {"width": size[0], "height": size[1]}
        async with viewing(browser, owner, viewport=viewport, color_scheme=scheme) as page:
            await page.get_by_role("button", name="Notify me").click()
            await expect(page.get_by_role("button", name="Stop notifying me")).to_be_visible()
            await assert_clean(page)
            assert await page.evaluate("document.documentElement.scrollWidth") <= size[0]


# The worker.


@asynccontextmanager
async def working(browser: Browser, owner: Owner) -> AsyncIterator[tuple[Page, Any]]:
    """The page with its worker, and a function that delivers a push to that."""
    await allow(owner)
    async with viewing(browser, owner) as page:
        session = await page.context.new_cdp_session(page)
        registered: asyncio.Queue[str] = asyncio.Queue()

        def note(event: Any) -> None:
            for each in event["registrations"]:
                registered.put_nowait(each["registrationId"])

        session.on("ServiceWorker.workerRegistrationUpdated", note)
        await session.send("ServiceWorker.enable")
        await page.get_by_role("button", name="Notify me").click()
        await expect(page.get_by_role("button", name="Stop notifying me")).to_be_visible()
        registration = await asyncio.wait_for(registered.get(), WAIT_SECONDS)

        async def deliver(data: str) -> list[dict[str, str]]:
            about = {"origin": owner.address, "registrationId": registration, "data": data}
            # Chromium now and then loses one of these on a busy machine; a push service would send it again.
            shown: list[dict[str, str]] = []
            async with asyncio.timeout(WAIT_SECONDS):
                while not shown:
                    await session.send("ServiceWorker.deliverPushMessage", about)
                    shown = await page.evaluate(SHOWN)
            return shown

        yield page, deliver


SHOWN = """async () => {
  const registration = await navigator.serviceWorker.ready;
  for (let looks = 0; looks < 200; looks += 1) {
    const shown = await registration.getNotifications();
    if (shown.length) return shown.map(({title, body, icon, data}) => ({title, body, icon, url: data}));
    await new Promise(done => setTimeout(done, 20));
  }
  return [];
}"""
"""What is shown, as soon as something is, but for a few seconds only."""
NOTHING = {"title": "127.0.0.1", "body": "", "icon": "", "url": None}


async def test_the_worker_shows_what_is_pushed(browser: Browser, owner: Owner) -> None:
    told = {"title": "Tea", "body": "<b>Now</b>", "icon": f"{owner.address}/logo", "url": f"{owner.address}/"}
    # Whatever comes: something is shown, and what is no address of the web's is none. Each in a browser of its own, for
    # one that replaces another is for a moment not shown at all.
    hostile = ("", "tea", "null", "[]", '{"title": 7, "body": {}, "icon": "javascript:alert(1)"}')
    for data, shown in ((json.dumps(told), told), *((each, NOTHING) for each in hostile)):
        async with working(browser, owner) as (_page, deliver):
            assert await deliver(data) == [shown], data
        owner.home.clock.turn(3600)


async def test_the_worker_is_small_fresh_and_answers_no_requests(owner: Owner) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{owner.address}/notify.js") as answer:
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.content_type == "text/javascript"
        script = await answer.text()
    assert len(script) < 3_000
    assert "fetch" not in script
    assert "caches" not in script


PRESSED = """async data => {
  const reached = [];
  Clients.prototype.matchAll = async () => [
    { url: location.origin + "/admin", focus: () => reached.push("the admin") },
    { url: location.origin + "/?from=mail", focus: () => reached.push("the page") },
  ];
  Clients.prototype.openWindow = async url => void reached.push(url);
  const notification = (await registration.getNotifications())[0];
  Object.defineProperty(notification, "data", { value: data });
  const waits = [];
  const event = new Event("notificationclick");
  dispatchEvent(Object.assign(event, { notification, waitUntil: wait => waits.push(wait) }));
  await Promise.all(waits);
  return reached;
}"""


async def test_a_press_leads_to_the_page_that_is_open_or_opens_it(browser: Browser, owner: Owner) -> None:
    async with working(browser, owner) as (page, _):
        worker = page.context.service_workers[0]
        for data, reached in (
            (f"{owner.address}/", "the page"),
            (owner.address, "the page"),
            (None, "the page"),
            ("javascript:alert(1)", "the page"),
            ("/embed/video", f"{owner.address}/embed/video"),
            ("https://tea.example/live", "https://tea.example/live"),
        ):
            await worker.evaluate("() => registration.showNotification('Tea')")
            assert await worker.evaluate(PRESSED, data) == [reached], data
            async with asyncio.timeout(WAIT_SECONDS):
                await worker.evaluate("async () => { while ((await registration.getNotifications()).length); }")
