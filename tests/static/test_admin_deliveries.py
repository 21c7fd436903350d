"""The admin's pages about what is told to others, in Chromium: webhooks, deliveries, topics, browsers, access tokens.

The server is real, and so are the programs that it posts to.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import orjson
import pytest
import pytest_asyncio
from admin_pages import ATTACKS, Owner, owned
from aiohttp import web
from aiohttp.test_utils import TestServer
from house import ADMIN
from playwright.async_api import Browser, Locator, Page, expect
from viewer_browser import WAIT_SECONDS

from owncast_py.realtime.messages import STREAM, Draft

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES = {
    "/webhooks": "Webhooks",
    "/deliveries": "Deliveries",
    "/topics": "Topics",
    "/browsers": "Browser notifications",
    "/tokens": "Access tokens",
}
EVENTS = ["STREAM_STARTED", "STREAM_STOPPED", "STREAM_TITLE_UPDATED"]


@dataclass
class Receiver:
    """A program that is posted to, and answers what a test wants."""

    address: str = ""
    status: int = 204
    answer: str = ""
    got: list[tuple[str, bytes]] = field(default_factory=list)
    """The id and the body of each."""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((request.headers.get("webhook-id", ""), await request.read()))
        self.news.set()
        return web.Response(status=self.status, text=self.answer)

    async def count(self, wanted: int) -> None:
        """Returns when so many have come."""
        async with asyncio.timeout(WAIT_SECONDS):
            while len(self.got) < wanted:
                self.news.clear()
                await self.news.wait()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    application = web.Application()
    application.router.add_post("/hook", receiver.take)
    async with TestServer(application) as server:
        receiver.address = str(server.make_url("/hook"))
        yield receiver


@pytest_asyncio.fixture(loop_scope="session")
async def owner(browser: Browser, tmp_path: Path) -> AsyncIterator[Owner]:
    async with owned(browser, tmp_path) as owner:
        yield owner


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def happens(owner: Owner, *names: str) -> None:
    """The show begins (`started`), ends (`stopped`), or has another title (`titled`)."""
    for name in names:
        await owner.home.chat.channels.publish(STREAM, Draft(name, orjson.dumps({"title": "Oolong"})))


async def hook(owner: Owner, url: str) -> str:
    """A webhook's page."""
    made = await owner.ask("/api/admin/webhooks/create", {"url": url, "events": EVENTS})
    return f"/webhooks?webhook={made['id']}"


def chosen(page: Page, name: str) -> Locator:
    """One of the choices which deliveries are shown."""
    return page.locator(".segment", has_text=name)


async def opened(page: Page, at: int = 0) -> Locator:
    """A delivery of the list, opened."""
    row = page.locator(".delivery").nth(at)
    await row.locator("> summary").click()
    await expect(row.locator(".facts")).to_be_visible()
    return row


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_without_anything_is_for_everybody_and_fits_a_phone(owner: Owner, path: str) -> None:
    await owner.open(path, PAGES[path])
    await owner.accessible()
    await owner.whole()


async def test_a_page_that_gets_no_answer_says_so_and_asks_again(owner: Owner) -> None:
    for path, asked in (("/deliveries", "**/notifications/lanes"), ("/topics", "**/notifications/topics*")):
        await owner.page.route(asked, lambda route: route.abort())
        page = await owner.open(path, PAGES[path])
        alert = page.locator("main [role=alert]")
        await expect(alert).to_contain_text("The server does not answer.")
        await owner.accessible()
        await owner.page.unroute(asked)
        await alert.get_by_role("button", name="Try again").click()
        await expect(alert).to_have_count(0)


# Webhooks.


async def test_a_webhook_is_made_shows_its_secret_once_and_is_tested(owner: Owner, receiver: Receiver) -> None:
    page = await owner.open("/webhooks", "Webhooks")
    await page.get_by_role("button", name="Add a webhook").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Address").fill(receiver.address)
    await dialog.get_by_role("button", name="Add").click()
    secret = await dialog.get_by_label("Signing secret", exact=True).input_value()
    assert secret.startswith("whsec_")
    await expect(dialog).to_contain_text("It is shown this once")
    await owner.accessible()
    await dialog.get_by_role("button", name="I have copied it").click()

    await page.get_by_role("link", name=receiver.address).click()
    await expect(page.get_by_role("heading", name=receiver.address)).to_be_visible()
    await expect(page.get_by_text("Nothing was sent yet")).to_be_visible()
    await page.get_by_role("button", name="Send a test").click()
    await expect(dialog).to_contain_text("The test has arrived.")
    await expect(dialog).to_contain_text("The answer was 204")
    await owner.accessible()
    await page.keyboard.press("Escape")
    receiver.status, receiver.answer = 500, ATTACKS[0]
    await page.get_by_role("button", name="Send a test").click()
    await expect(dialog).to_contain_text("The test has not arrived.")
    await expect(dialog).to_contain_text(ATTACKS[0])
    await page.keyboard.press("Escape")

    # A new secret, while the old one is good for a day.
    await page.get_by_role("button", name="New secret").click()
    await dialog.get_by_role("button", name="New secret").click()
    await expect(dialog).to_contain_text("It is shown this once")
    renewed = await dialog.get_by_label("Signing secret", exact=True).input_value()
    assert renewed.startswith("whsec_")
    assert renewed != secret
    await expect(dialog).to_contain_text("good for another 24 hours")
    await dialog.get_by_role("button", name="I have copied it").click()

    await page.get_by_role("switch", name="In order").click()
    await expect(page.get_by_role("switch", name="In order")).to_be_checked()
    await page.reload()
    await expect(page.get_by_role("switch", name="In order")).to_be_checked()

    await page.get_by_role("button", name="Delete").click()
    await dialog.get_by_role("button", name="Delete").click()
    await expect(page.get_by_text("No webhooks yet")).to_be_visible()
    assert await owner.ask("/api/admin/webhooks") == []


async def test_what_arrived_has_its_tries_and_is_delivered_again(owner: Owner, receiver: Receiver) -> None:
    address = await hook(owner, receiver.address)
    await happens(owner, "started", "titled")
    await receiver.count(2)
    page = await owner.open(address, "Webhooks")
    await expect(chosen(page, "Arrived 2")).to_be_visible()
    await expect(page.locator(".delivery")).to_have_count(2)
    # The newest first.
    await expect(page.locator(".delivery-name")).to_have_text(["Another title", "The show begins"])
    row = await opened(page, 1)
    await expect(row.locator("tbody tr")).to_have_count(1)
    await expect(row.locator("tbody")).to_contain_text("204")
    await row.get_by_text("What is sent").click()
    await expect(row.locator(".delivery-sent")).to_contain_text('"STREAM_STARTED"')
    await owner.accessible()
    await owner.whole()

    await row.get_by_role("button", name="Deliver again").click()
    await receiver.count(3)
    first = next(id_ for id_, body in receiver.got if b"STREAM_STARTED" in body)
    assert receiver.got[2][0] == first


async def test_what_waits_says_why_and_can_be_deleted(owner: Owner, receiver: Receiver) -> None:
    receiver.status, receiver.answer = 500, "\n".join(ATTACKS)
    address = await hook(owner, receiver.address)
    await happens(owner, "started")
    await receiver.count(1)
    page = await owner.open(address, "Webhooks")
    await expect(chosen(page, "Waiting 1")).to_be_visible()
    row = await opened(page)
    await expect(row).to_contain_text("It is tried again by itself")
    await expect(row.locator(".facts")).to_contain_text("Next try")
    await expect(row.locator("tbody")).to_contain_text("500")
    await expect(row.locator("tbody")).to_contain_text(ATTACKS[0])
    await owner.accessible()
    await owner.whole()
    await row.get_by_role("button", name="Delete").click()
    await expect(page.get_by_text("Nothing was sent yet")).to_be_visible()


async def test_a_webhook_that_is_gone_is_switched_on_and_gets_what_it_missed(owner: Owner, receiver: Receiver) -> None:
    receiver.status = 410
    address = await hook(owner, receiver.address)
    await happens(owner, "started")
    await receiver.count(1)
    page = await owner.open("/webhooks", "Webhooks")
    await expect(page.get_by_text("switched itself off")).to_be_visible()
    await owner.open(address, "Webhooks")
    await expect(page.get_by_text("This address answered 410")).to_be_visible()
    await owner.accessible()
    receiver.status = 204
    await page.get_by_role("button", name="Switch on again").click()
    await expect(page.get_by_text("This address answered 410")).to_have_count(0)
    assert [each["active"] for each in await owner.ask("/api/admin/webhooks")] == [True]

    await chosen(page, "Given up 1").click()
    await page.get_by_role("button", name="Deliver all again…").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("What happened in").select_option(label="the last hour")
    await owner.accessible()
    await dialog.get_by_role("button", name="Deliver again").click()
    await receiver.count(2)
    assert receiver.got[0][0] == receiver.got[1][0]
    await expect(chosen(page, "Arrived 1")).to_be_visible()
    await expect(page.get_by_text("It is on its way again.")).to_be_visible()


async def test_a_long_list_comes_in_pages_and_stays_where_it_is(owner: Owner, receiver: Receiver) -> None:
    address = await hook(owner, receiver.address)
    await happens(owner, *["titled"] * 60)
    await receiver.count(60)
    page = await owner.open(address, "Webhooks")
    await expect(chosen(page, "Arrived 60")).to_be_visible()
    await expect(page.locator(".delivery")).to_have_count(25)
    await opened(page)
    await page.get_by_role("button", name="Show 35 more").click()
    await expect(page.locator(".delivery")).to_have_count(50)
    await expect(page.locator(".delivery[open]")).to_have_count(1)
    await page.get_by_role("button", name="Show 10 more").click()
    await expect(page.locator(".delivery")).to_have_count(60)


async def test_a_webhook_that_is_none_says_so_and_leads_back(owner: Owner) -> None:
    page = await owner.open("/webhooks?webhook=ep_0", "Webhooks")
    await expect(page.get_by_text("There is no such webhook")).to_be_visible()
    await page.get_by_role("link", name="All webhooks").click()
    await expect(page.get_by_text("No webhooks yet")).to_be_visible()
    await page.go_back()
    await expect(page.get_by_text("There is no such webhook")).to_be_visible()


# Deliveries.


async def test_the_health_of_every_endpoint_is_shown(owner: Owner, receiver: Receiver) -> None:
    async with receiving() as gone:
        gone.status = 410
        await hook(owner, receiver.address)
        await hook(owner, gone.address)
        await happens(owner, "started")
        await receiver.count(1)
        await gone.count(1)
    page = await owner.open("/deliveries", "Deliveries")
    lanes = page.locator("table").first.locator("tbody tr")
    # What needs the owner comes first.
    await expect(lanes.nth(0).locator(".badge")).to_have_text("Off")
    await expect(lanes.nth(0)).to_contain_text("answered 410")
    await expect(lanes.nth(1).locator(".badge")).to_have_text("Well")
    await expect(page.locator(".tile", has_text="Given up")).to_contain_text("1")
    await expect(page.locator(".delivery")).to_have_count(1)
    row = await opened(page)
    await expect(row).to_contain_text("It was refused for good")
    await owner.accessible()
    await owner.whole()
    await chosen(page, "All").click()
    await expect(page.locator(".delivery")).to_have_count(2)
    await chosen(page, "Given up").click()

    await page.get_by_role("button", name="Delete all…").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(page.get_by_text("Nothing was given up")).to_be_visible()
    await expect(page.get_by_text("1 was deleted.")).to_be_visible()


# Topics.


async def test_a_topic_of_ones_own_is_subscribed_to_and_deleted(owner: Owner, receiver: Receiver) -> None:
    page = await owner.open("/topics", "Topics")
    await page.get_by_role("button", name="Make a topic").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Topic").fill("KETTLE_BOILED")
    await dialog.get_by_label("Domain").fill("owncast")
    await dialog.get_by_role("button", name="Add").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("is the server's own; choose another")
    await dialog.get_by_label("Domain").fill("tea")
    await dialog.get_by_role("button", name="Add").click()
    row = page.locator("table").first.locator("tbody tr", has_text="KETTLE_BOILED")
    await expect(row).to_contain_text("tea")

    await row.get_by_role("button", name="Subscribe").click()
    await dialog.get_by_label("Address").fill(receiver.address)
    await dialog.get_by_label("Its token").fill("steam")
    await owner.accessible()
    await dialog.get_by_role("button", name="Subscribe").click()
    await expect(dialog.get_by_label("Signing secret", exact=True)).to_have_value(re.compile("^whsec_"))
    await dialog.get_by_role("button", name="I have copied it").click()

    await row.get_by_role("button", name="Subscribe").click()
    await dialog.get_by_label("How it comes").select_option(label="Fetched by a program")
    await dialog.get_by_role("button", name="Subscribe").click()
    address = await dialog.get_by_label("Address to ask", exact=True).input_value()
    assert address.startswith(f"{owner.address}/notifications/pullNotifications?subscription=")
    await dialog.get_by_role("button", name="Close").last.click()

    subscriptions = page.locator("table").nth(1).locator("tbody tr")
    await expect(subscriptions).to_have_count(2)
    await expect(subscriptions.locator(".badge")).to_have_text(["On", "On"])
    await owner.accessible()
    await owner.whole()

    # What is published there arrives, and can be asked for.
    topic = (await owner.ask("/notifications/topics?name=KETTLE_BOILED"))["_embedded"]["items"][0]["_id"]
    before = len(receiver.got)
    message = {"body": {"litres": 2}, "_links": {"apiture:topic": {"href": topic}}}
    await publish(owner, message)
    await receiver.count(before + 1)
    assert receiver.got[-1][1] == b'{"litres":2}'
    pulled = await owner.ask(address.removeprefix(owner.address))
    assert [each["body"] for each in pulled["_embedded"]["items"]] == [{"litres": 2}]

    webhook = subscriptions.filter(has_text=receiver.address)
    await webhook.get_by_role("button", name="Actions").click()
    await page.get_by_role("menuitem", name="Send a test").click()
    await expect(dialog).to_contain_text("The test has arrived.")
    await page.keyboard.press("Escape")
    await webhook.get_by_role("button", name="Actions").click()
    await page.get_by_role("menuitem", name="New secret").click()
    await dialog.get_by_role("button", name="New secret").click()
    await expect(dialog).to_contain_text("good for another 24 hours")
    await expect(dialog.get_by_label("Signing secret", exact=True)).to_have_value(re.compile("^whsec_"))
    await dialog.get_by_role("button", name="I have copied it").click()
    await webhook.get_by_role("button", name="Actions").click()
    await page.get_by_role("menuitem", name="Switch off").click()
    await expect(webhook.locator(".badge")).to_have_text("Off")
    await webhook.get_by_role("button", name="Actions").click()
    await page.get_by_role("menuitem", name="Switch on").click()
    await expect(webhook.locator(".badge")).to_have_text("On")
    await webhook.get_by_role("button", name="Actions").click()
    await page.get_by_role("menuitem", name="Delete").click()
    await dialog.get_by_role("button", name="Delete").click()
    await expect(subscriptions).to_have_count(1)

    await row.get_by_role("button", name="Delete").click()
    await dialog.get_by_role("button", name="Delete").click()
    await expect(row).to_have_count(0)
    await page.reload()
    await expect(page.get_by_text("Nobody is subscribed yet")).to_be_visible()


async def test_a_subscription_says_what_the_server_has_against_it(owner: Owner, receiver: Receiver) -> None:
    receiver.status = 403
    page = await owner.open("/topics", "Topics")
    await page.get_by_role("button", name="Subscribe").first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Address").fill(receiver.address)
    await dialog.get_by_label("Its token").fill("steam")
    await dialog.get_by_role("button", name="Subscribe").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("403")
    await dialog.get_by_label("How it comes").select_option(label="Email")
    await dialog.get_by_label("Email address").fill("me@example.org")
    await dialog.get_by_role("button", name="Subscribe").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("This server sends no email")
    await owner.accessible()
    await dialog.get_by_label("How it comes").select_option(label="Discord")
    await dialog.get_by_label("Webhook of the channel").fill("https://discord.example/x")
    await dialog.get_by_role("button", name="Subscribe").click()
    await expect(dialog).to_have_count(0)
    await expect(page.locator("table").nth(1)).to_contain_text("discord.example")


async def test_hostile_names_stay_words(owner: Owner) -> None:
    for domain in ATTACKS:
        await publish(owner, {"name": "T", "domain": domain[:200]}, "topics", 201)
    page = await owner.open("/topics", "Topics")
    await expect(page.locator("table").first).to_contain_text(ATTACKS[0])
    await owner.whole()


# Browsers and tokens.


async def test_browsers_are_offered_notifications(owner: Owner) -> None:
    page = await owner.open("/browsers", "Browser notifications")
    await page.get_by_role("switch", name="Offer notifications").click()
    await expect(page.get_by_text("No browser has asked for it yet.")).to_be_visible()
    await page.get_by_label("What it says").fill("The tea is ready")
    await owner.save()
    config = await owner.ask("/api/admin/serverconfig")
    assert config["notifications"]["browser"] == {"enabled": True, "goLiveMessage": "The tea is ready"}
    await owner.accessible()


async def test_a_token_can_be_given_scopes_of_notifications(owner: Owner) -> None:
    page = await owner.open("/tokens", "Access tokens")
    await page.get_by_role("button", name="Make an access token").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name", exact=True).fill("Kettle")
    await dialog.get_by_label("Write in chat").uncheck()
    await dialog.get_by_label("Read topics, subscriptions and notifications").check()
    await dialog.get_by_role("button", name="Add").click()
    token = await dialog.get_by_label("Access token", exact=True).input_value()
    await dialog.get_by_role("button", name="I have copied it").click()
    row = page.locator("tbody tr", has_text="Kettle")
    await expect(row).to_contain_text("Read topics, subscriptions and notifications")
    async with aiohttp.ClientSession(headers={"API-Key": token}) as session:
        async with session.get(f"{owner.address}/notifications/topics") as answer:
            assert answer.status == 200
        body = {"name": "T", "domain": "tea"}
        async with session.post(f"{owner.address}/notifications/topics", json=body) as answer:
            assert answer.status == 403


async def publish(owner: Owner, body: object, where: str = "messages", status: int = 202) -> None:
    """Sends something to the API of notifications, as the owner."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{owner.address}/notifications/{where}", json=body, headers=ADMIN) as answer,
    ):
        assert answer.status == status, await answer.text()
