"""The admin's pages about channels, in Chromium: keys, live channels, statistics, push devices.

The server is real, and so are the programs that come in with the keys.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from admin_pages import ATTACKS, Owner, owned
from playwright.async_api import Browser, Locator, Page, expect

from owncast_py.realtime.messages import DEFAULT_APP, Address
from owncast_py.realtime.occupancy import Mode
from owncast_py.realtime.push_devices import Registration

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES = {
    "/channels": "Live channels",
    "/channel-keys": "Channel keys",
    "/channel-stats": "Statistics",
    "/push-devices": "Push devices",
}
KEYS = "/api/admin/channels/keys"
ATTACH, ATTACHED = 10, 11
RECIPIENT = {"transportType": "ablyChannel", "channel": "secret-place"}


@pytest_asyncio.fixture(loop_scope="session")
async def owner(browser: Browser, tmp_path: Path) -> AsyncIterator[Owner]:
    async with owned(browser, tmp_path) as owner:
        yield owner


async def asked(owner: Owner, key: str, method: str, path: str, body: object = None) -> tuple[int, object]:
    """What a program with that key is answered."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            method,
            owner.address + path,
            json=body,
            headers={"Authorization": aiohttp.encode_basic_auth(*key.split(":"))},
        ) as answer,
    ):
        return answer.status, await answer.json()


async def adding(owner: Owner) -> tuple[Page, Locator]:
    """The page of keys, and on it the dialog that makes one."""
    page = await owner.open("/channel-keys", "Channel keys")
    await page.get_by_role("button", name="Make a key").first.click()
    return page, page.get_by_role("dialog")


async def given(dialog: Locator, name: str = "Overlay") -> str:
    """Makes the key under that name; it is shown this once."""
    await expect(dialog.get_by_role("button", name="Add")).to_be_disabled()
    await dialog.get_by_label("Name", exact=True).fill(name)
    await dialog.get_by_role("button", name="Add").click()
    await expect(dialog).to_contain_text("It is shown this once")
    key = await dialog.get_by_label("Channel key", exact=True).input_value()
    await dialog.get_by_role("button", name="I have copied it").click()
    await expect(dialog).to_have_count(0)
    return key


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_without_anything_is_for_everybody_and_fits_a_phone(owner: Owner, path: str) -> None:
    await owner.open(path, PAGES[path])
    await owner.accessible()
    await owner.whole()


async def test_a_page_that_gets_no_answer_says_so_and_asks_again(owner: Owner) -> None:
    for path, asked in (
        ("/channels", "**/channels/live"),
        ("/channel-keys", "**/channels/keys"),
        ("/channel-stats", "**/channels/stats*"),
        ("/push-devices", "**/channels/devices"),
    ):
        await owner.page.route(asked, lambda route: route.abort())
        page = await owner.open(path, PAGES[path])
        alert = page.locator("main [role=alert]")
        await expect(alert).to_contain_text("The server does not answer.")
        await owner.page.unroute(asked)
        await alert.get_by_role("button", name="Try again").click()
        await expect(alert).to_have_count(0)


# Keys.


async def test_a_key_is_shown_once_does_what_it_may_and_ends_when_it_is_revoked(owner: Owner) -> None:
    page, dialog = await adding(owner)
    await expect(dialog.get_by_label("Only listen")).to_be_checked()
    await dialog.get_by_label("Name", exact=True).fill("Overlay")
    await owner.accessible()
    await dialog.get_by_role("button", name="Add").click()
    await expect(dialog).to_contain_text("It is shown this once")
    key = await dialog.get_by_label("Channel key", exact=True).input_value()
    name = key.partition(":")[0]
    await owner.accessible()
    await dialog.get_by_role("button", name="I have copied it").click()

    row = page.locator("tbody tr")
    await expect(row).to_contain_text("Overlay")
    await expect(row).to_contain_text(name)
    await expect(row).to_contain_text("All channels: read what was said, listen")
    assert key not in await page.content()
    assert (await asked(owner, key, "GET", "/channels/news/messages"))[0] == 200
    status, refused = await asked(owner, key, "POST", "/channels/news/messages", {"name": "tea"})
    assert (status, refused["error"]["code"]) == (401, 40160)  # type: ignore[index]

    await page.reload()
    await row.get_by_text("As JSON").click()
    await expect(row).to_contain_text('{"*":["history","subscribe"]}')
    await owner.accessible()
    await owner.whole()
    await row.get_by_role("button", name="Revoke").click()
    await expect(dialog).to_contain_text("Revoke the key Overlay?")
    await dialog.get_by_role("button", name="Revoke").click()
    await expect(row.locator(".badge")).to_have_text("Revoked")
    await expect(row.get_by_role("button", name="Revoke")).to_have_count(0)
    status, refused = await asked(owner, key, "GET", "/channels/news/messages")
    assert (status, refused["error"]["statusCode"]) == (401, 401)  # type: ignore[index]
    await page.reload()
    await expect(row.locator(".badge")).to_have_text("Revoked")

    page = await owner.open("/chat/audit", "What was done")
    await expect(page.locator("tbody tr").nth(0)).to_contain_text("revoked a channel key")
    await expect(page.locator("tbody tr").nth(1)).to_contain_text("made a channel key")
    await expect(page.locator("tbody tr").nth(1)).to_contain_text("Overlay")


async def test_a_key_for_named_channels_may_publish_on_these_alone(owner: Owner) -> None:
    page, dialog = await adding(owner)
    await dialog.get_by_label("Listen and publish on channels that you name").check()
    add, name = dialog.get_by_role("button", name="Add"), dialog.get_by_label("Name", exact=True)
    await name.fill("Game")
    await expect(add).to_be_disabled()
    await dialog.get_by_label("Channels", exact=True).fill("scores,game:*")
    await dialog.get_by_label("Channels", exact=True).press("Enter")
    await expect(add).to_be_enabled()
    await name.fill("")
    await dialog.get_by_role("switch", name="Its tokens can be revoked").check()
    await owner.accessible()
    key = await given(dialog)
    for channel, status in (("scores", 201), ("game:7", 201), ("news", 401)):
        assert (await asked(owner, key, "POST", f"/channels/{channel}/messages", {"name": "tea"}))[0] == status
    [kept] = await owner.ask(KEYS)
    operations = ["history", "presence", "publish", "subscribe"]
    assert json.loads(kept["capability"]) == {"scores": operations, "game:*": operations}
    assert kept["revocable"] is True
    row = page.locator("tbody tr")
    await expect(row).to_contain_text("game:*: read what was said, be seen there, publish, listen")
    await expect(row).to_contain_text("Tokens can be revoked")


async def test_a_key_may_do_everything_or_what_json_says(owner: Owner) -> None:
    page, dialog = await adding(owner)
    await dialog.get_by_label("Everything").check()
    await given(dialog)
    await page.get_by_role("button", name="Make a key").click()
    await dialog.get_by_label("Your own JSON").check()
    text = dialog.get_by_label("As JSON")
    await dialog.get_by_label("Name", exact=True).fill("Sign")
    for wrong, sentence in (("nonsense", "not JSON"), ('{"chat": ["shout"]}', "'shout'"), ("[]", "JSON object")):
        await text.fill(wrong)
        await dialog.get_by_role("button", name="Add").click()
        await expect(dialog.get_by_role("alert")).to_contain_text(sentence)
    await owner.accessible()
    await text.fill('{"*": ["*"], "x": ["annotation-publish", "stats"]}')
    await dialog.get_by_label("Name", exact=True).fill("")
    await given(dialog)
    assert [key["capability"] for key in await owner.ask(KEYS)] == [
        '{"[*]*":["*"]}',
        '{"*":["*"],"x":["annotation-publish","stats"]}',
    ]
    rows = page.locator("tbody tr")
    await expect(rows.nth(0)).to_contain_text("Everything")
    await expect(rows.nth(1)).to_contain_text("All channels: everything")
    await expect(rows.nth(1)).to_contain_text("x: annotation-publish, read statistics")
    await owner.ask(f"{KEYS}/create", {"name": "Rooms", "capability": {f"room{at}": ["publish"] for at in range(9)}})
    await page.reload()
    await expect(rows.nth(2)).to_contain_text("room3: publish")
    await expect(rows.nth(2)).to_contain_text("and 5 more channels")
    await expect(rows.nth(2)).not_to_contain_text("room4: publish")


# Live channels.


async def test_live_channels_come_and_go_by_themselves(owner: Owner) -> None:
    key = (await owner.ask(f"{KEYS}/create", {"name": "Game"}))["value"]
    await owner.page.clock.install()
    page = await owner.open("/channels", "Live channels")
    await expect(page.get_by_text("Nobody is attached now")).to_be_visible()
    await expect(page.locator(".tile-value")).to_have_text(["0", "0"])
    row = page.locator("tbody tr")
    async with aiohttp.ClientSession() as session:
        query = {"key": key, "format": "json", "v": "3"}
        async with session.ws_connect(f"{owner.address}/", params=query) as socket:
            await socket.send_json({"action": ATTACH, "channel": "scores"})
            while (await socket.receive_json())["action"] != ATTACHED:
                pass
            await page.clock.run_for(5_000)
            await expect(row.locator("td")).to_have_text(["scores", "1", "1", "1", "0"])
            await expect(page.locator(".tile-value")).to_have_text(["1", "1"])
            await owner.accessible()
            await owner.whole()
            await socket.send_json({"action": 7})
            while (await socket.receive()).type != aiohttp.WSMsgType.CLOSE:
                pass
    await page.clock.run_for(5_000)
    await expect(page.get_by_text("Nobody is attached now")).to_be_visible()
    await expect(page.locator(".tile-value")).to_have_text(["0", "0"])


# Statistics.


async def test_statistics_are_drawn_by_the_minute_hour_day_and_month(owner: Owner) -> None:
    now = datetime.now(UTC)
    entries = {
        "messages.inbound.rest.messages.count": 31.0,
        "messages.outbound.realtime.messages.count": 4_700.0,
        "connections.all.peak": 53.0,
        "channels.peak": 7.0,
        "apiRequests.other.succeeded": 90.0,
        "apiRequests.other.refused": 9.0,
    }
    await owner.home.services.stats.insert(DEFAULT_APP, [(now - timedelta(days=65), entries)])
    page = await owner.open("/channel-stats", "Statistics")
    await expect(page.get_by_text("Nothing was counted in this time")).to_be_visible()
    charts = page.locator(".chart-plot")
    for unit in ("Days", "Months"):
        await page.locator(".segment", has_text=unit).click()
        await expect(charts).to_have_count(3)
        await expect(page.locator(".chart-plot canvas")).to_have_count(3)
        labels = [await chart.get_attribute("aria-label") or "" for chart in await charts.all()]
        assert labels == [
            "Messages over time. In: at most 31. Out: at most 4,700.",
            "Connections and channels over time. Connections: at most 53. Channels: at most 7.",
            "API requests over time. Requests: at most 99. Refused: at most 9.",
        ]
    table = page.locator("details.chart-data").first
    await table.locator("summary").click()
    months = table.locator("tbody tr")
    await expect(months).to_have_count(36)
    counted = months.filter(has_text="4,700")
    begin = now - timedelta(days=65)
    await expect(counted.locator("td").first).to_have_text(f"{begin:%b} {begin.year}")
    await owner.accessible()
    await owner.whole()
    for unit in ("Minutes", "Hours"):
        await page.locator(".segment", has_text=unit).click()
        await expect(page.get_by_text("Nothing was counted in this time")).to_be_visible()


# Push devices.


async def test_a_device_shows_how_it_does_and_is_deleted(owner: Owner) -> None:
    push = owner.home.services.push
    await push.register(DEFAULT_APP, Registration("phone-1", "phone", "ios", RECIPIENT, "ana", secret="boiling"))
    await push.register(DEFAULT_APP, Registration("tablet-1", "tablet", "android", RECIPIENT))
    document = {"app": DEFAULT_APP, "device": "tablet-1", "recipient": RECIPIENT}
    assert await push.settled(document, received=False, gone=False, error="The kettle is off.")
    page = await owner.open("/push-devices", "Push devices")
    phone, tablet = (page.locator("tbody tr", has_text=name) for name in ("phone-1", "tablet-1"))
    await expect(phone.locator("td").nth(1)).to_have_text("iPhone or iPad · a channel")
    await expect(phone.locator(".badge")).to_have_text("Well")
    await expect(phone).to_contain_text("ana")
    await expect(tablet.locator(".badge")).to_have_text("Tried again")
    await expect(tablet).to_contain_text("The kettle is off.")
    assert "secret-place" not in await page.content()
    await owner.accessible()
    await owner.whole()
    assert not await push.settled(document | {"recipient": {}}, received=False, gone=True, error="Another.")
    assert await push.settled(document, received=False, gone=True, error="It is gone.")
    await page.reload()
    await expect(tablet.locator(".badge")).to_have_text("Unreachable")

    await phone.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Delete the device of ana?")
    await dialog.get_by_role("button", name="Delete").click()
    await expect(phone).to_have_count(0)
    await page.reload()
    await expect(page.locator("tbody tr")).to_have_count(1)
    assert [device.id for device in push.devices(DEFAULT_APP, limit=10)] == ["tablet-1"]
    page = await owner.open("/chat/audit", "What was done")
    await expect(page.locator("tbody tr").first).to_contain_text("deleted a push device")


async def test_hostile_names_stay_words(owner: Owner) -> None:
    push, occupancy = owner.home.services.push, owner.home.foundations.occupancy
    for at, attack in enumerate(ATTACKS):
        await owner.ask(f"{KEYS}/create", {"name": attack[:120], "capability": {attack: ["subscribe"]}})
        await push.register(DEFAULT_APP, Registration(attack, "other", "browser", RECIPIENT, attack))
        document = {"app": DEFAULT_APP, "device": attack, "recipient": RECIPIENT}
        assert await push.settled(document, received=False, gone=False, error=attack)
        occupancy.attach(Address(DEFAULT_APP, attack + "W" * 200), f"{at}", Mode.SUBSCRIBE)
    for path in ("/channels", "/channel-keys", "/push-devices"):
        page = await owner.open(path, PAGES[path])
        await expect(page.locator("tbody")).to_contain_text(ATTACKS[0])
        await expect(page.locator("tbody tr")).to_have_count(len(ATTACKS))
        await owner.whole()
        await owner.accessible()
