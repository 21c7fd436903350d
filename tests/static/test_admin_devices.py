"""The admin's devices: where the owner is signed in and where somebody is, and what becomes of who is signed out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from admin_pages import HOSTILE, Owner, owned
from house import ADMIN_PASSWORD
from playwright.async_api import Browser, Locator, Page, expect
from viewer_browser import WAIT_SECONDS

from owncast_py.accounts.devices import Devices
from owncast_py.accounts.model import ADMIN_ID

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
SAFARI = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.0 Safari/605.1.15"
)
FORM = "Admin password"


@pytest_asyncio.fixture(loop_scope="session")
async def owner(browser: Browser, tmp_path: Path) -> AsyncIterator[Owner]:
    async with owned(browser, tmp_path, user_agent=FIREFOX) as owner:
        yield owner


@pytest.fixture
def devices(owner: Owner) -> Devices:
    return owner.home.foundations.accounts.devices


@asynccontextmanager
async def elsewhere(browser: Browser, owner: Owner, path: str) -> AsyncIterator[Page]:
    """The owner at another machine, at that page."""
    context = await browser.new_context(user_agent=SAFARI)
    context.set_default_timeout(WAIT_SECONDS * 1000)
    try:
        page = await context.new_page()
        await page.goto(f"{owner.address}/admin{path}")
        await sign_in(page)
        yield page
    finally:
        await context.close()


async def sign_in(page: Page) -> None:
    await page.get_by_label(FORM).fill(ADMIN_PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator(".nav")).to_be_visible()


def row(page: Page, name: str) -> Locator:
    return page.locator("main tbody tr", has_text=name)


async def confirm(page: Page, sentence: str) -> None:
    await expect(page.get_by_role("dialog")).to_contain_text(sentence)
    await page.get_by_role("dialog").get_by_role("button", name="Sign out", exact=True).click()


# The owner's own.


async def test_sessions_are_listed_with_what_and_from_where(browser: Browser, owner: Owner) -> None:
    async with elsewhere(browser, owner, "/"):
        page = await owner.open("/devices", "Devices")
        await expect(page.locator("main tbody tr")).to_have_count(2)
        await expect(row(page, "Firefox on Linux")).to_contain_text("this device")
        await expect(row(page, "Safari on macOS")).not_to_contain_text("this device")
        await expect(row(page, "Safari on macOS")).to_contain_text("127.0.0.1")


async def test_a_session_is_seen_from_its_first_moment(owner: Owner, devices: Devices) -> None:
    [session] = await devices.of(ADMIN_ID)
    assert (session.last_seen_ip, session.last_seen_at) == ("127.0.0.1", session.created_at)


async def test_a_session_is_renamed_and_keeps_its_name(owner: Owner, devices: Devices) -> None:
    page = await owner.open("/devices", "Devices")
    await page.get_by_role("button", name="Rename Firefox on Linux").click()
    await page.get_by_label("Name of the device").fill("The desk")
    await page.get_by_role("button", name="Save").click()
    await expect(row(page, "The desk")).to_contain_text("this device")
    assert [device.display_name for device in await devices.of(ADMIN_ID)] == ["The desk"]
    await page.reload()
    await expect(row(page, "The desk")).to_be_visible()


async def test_who_is_signed_out_from_another_window_is_asked_to_sign_in_where_they_were(
    browser: Browser, owner: Owner, devices: Devices
) -> None:
    async with elsewhere(browser, owner, "/chat/people") as other:
        page = await owner.open("/devices", "Devices")
        await page.get_by_role("button", name="Sign out Safari on macOS").click()
        await confirm(page, "has to sign in again, with the password")
        await expect(page.locator("main tbody tr")).to_have_count(1)
        assert len(await devices.of(ADMIN_ID)) == 1
        await expect(other.get_by_label(FORM)).to_be_visible()
        await expect(other.locator(".sign-in")).to_contain_text("You were signed out. Sign in again to go on.")
        await expect(other.locator(".nav")).to_have_count(0)
        await other.get_by_label(FORM).fill("not the password")
        await other.get_by_role("button", name="Sign in").click()
        await expect(other.get_by_role("alert")).to_have_text("The user name or the password is wrong.")
        await sign_in(other)
        await expect(other.get_by_role("heading", level=1, name="People")).to_be_visible()
        assert other.url == f"{owner.address}/admin/chat/people"
        # The new session may change things: its token is the one that goes along.
        await other.locator('.nav a[href="/admin/devices"]').click()
        await other.get_by_role("button", name="Rename Safari on macOS").click()
        await other.get_by_label("Name of the device").fill("The sofa")
        await other.get_by_role("button", name="Save").click()
        await expect(row(other, "The sofa")).to_be_visible()


async def test_signing_out_here_leads_to_the_form(owner: Owner, devices: Devices) -> None:
    page = await owner.open("/devices", "Devices")
    await page.get_by_role("button", name="Sign out Firefox on Linux").click()
    await confirm(page, "the next thing you see is the sign-in form")
    await expect(page.get_by_label(FORM)).to_be_visible()
    assert await devices.of(ADMIN_ID) == []
    await sign_in(page)
    await expect(page.get_by_role("heading", level=1, name="Devices")).to_be_visible()


async def test_all_the_others_are_signed_out_at_once(browser: Browser, owner: Owner, devices: Devices) -> None:
    for agent in (SAFARI, "curl/8.0"):
        await devices.sign_in(ADMIN_ID, agent)
    async with elsewhere(browser, owner, "/") as other:
        page = await owner.open("/devices", "Devices")
        await expect(page.locator("main tbody tr")).to_have_count(4)
        await page.get_by_role("button", name="Sign out everywhere else").click()
        await confirm(page, "has to sign in again")
        await expect(page.get_by_text("3 devices are signed out")).to_be_visible()
        await expect(page.locator("main tbody tr")).to_have_count(1)
        await expect(page.get_by_role("button", name="Sign out everywhere else")).to_have_count(0)
        await expect(other.get_by_label(FORM)).to_be_visible()
    assert [device.display_name for device in await devices.of(ADMIN_ID)] == [FIREFOX]


async def test_whatever_is_asked_leads_to_the_form_once_the_session_is_over(owner: Owner, devices: Devices) -> None:
    """Also what a press of a button asks, before the page has looked by itself."""
    page = await owner.open("/general", "General")
    await page.route("**/api/admin/status", lambda route: route.abort())
    await page.get_by_label("Name").first.fill("The tea house")
    assert await devices.sign_out_all(ADMIN_ID) == 1
    await page.locator(".save-bar").get_by_role("button", name="Save").click()
    await expect(page.get_by_label(FORM)).to_be_visible()


# Somebody else's.


async def test_the_devices_of_a_person_are_shown_and_signed_out(owner: Owner, devices: Devices) -> None:
    ana = await owner.comes("Ana")
    for agent in (SAFARI, FIREFOX):
        devices.seen((await devices.sign_in(ana.id, agent)).device, "203.0.113.9")
    page = await owner.open("/chat/people", "People")
    await page.get_by_role("button", name="Actions: Ana").first.click()
    await page.get_by_role("menuitem", name="Where they are signed in").click()
    dialog = page.get_by_role("dialog", name="Where Ana is signed in")
    await expect(dialog.get_by_role("listitem")).to_have_count(3)
    await expect(dialog.get_by_role("listitem").filter(has_text="Safari on macOS")).to_contain_text(
        "203.0.113.9 · just now"
    )
    await dialog.get_by_role("button", name="Sign out Safari on macOS").click()
    await expect(dialog.get_by_role("listitem")).to_have_count(2)
    assert [device.display_name for device in await devices.of(ana.id)] == ["", FIREFOX]
    await dialog.get_by_role("button", name="Sign out everywhere").click()
    await expect(dialog).to_contain_text("They are signed in nowhere.")
    assert await devices.of(ana.id) == []
    await dialog.get_by_role("button", name="Close").click()
    await owner.turn("/chat/audit", "What was done")
    await expect(page.locator("main tbody tr").first).to_contain_text("signed out devices of")


# For everybody, whatever the names are.


async def test_names_of_devices_are_words_and_fit_any_width(owner: Owner, devices: Devices) -> None:
    ana = await owner.comes("Ana")
    attacks = [name[:100] for name in HOSTILE.split("\n\n")] + ["W" * 100]
    for user_id in (ADMIN_ID, ana.id):
        for attack in attacks:
            await devices.sign_in(user_id, attack)
    page = await owner.open("/devices", "Devices")
    await expect(page.locator("main tbody tr")).to_have_count(len(attacks) + 1)
    await owner.whole()
    await owner.accessible()
    await page.get_by_role("button", name="Rename Firefox on Linux").click()
    await owner.accessible()
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Sign out everywhere else").click()
    await owner.accessible()
    await page.keyboard.press("Escape")
    await owner.turn("/chat/people", "People")
    await page.get_by_role("button", name="Actions: Ana").first.click()
    await page.get_by_role("menuitem", name="Where they are signed in").click()
    await expect(page.get_by_role("dialog").get_by_role("listitem")).to_have_count(len(attacks) + 1)
    await owner.whole()
    await owner.accessible()
