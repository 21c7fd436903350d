"""Where somebody is signed in, on the page: devices, a password, and the same person on two machines; a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from admin_pages import HOSTILE
from axe import assert_clean
from house import Clock, House, house, webbed
from playwright.async_api import Browser, Locator, Page, Route, expect
from show import DIST
from viewer_browser import WAIT_SECONDS, open_page, send_words

from owncast_py.accounts.model import Device, User
from web.pages import load_pages

pytestmark = pytest.mark.asyncio(loop_scope="session")
expect.set_options(timeout=WAIT_SECONDS * 1000)

ALONE = "/embed/chat/readwrite"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.0 Mobile/15E148 Safari/604.1"
)
PASSWORD, ANOTHER = "a kettle of tea", "a pot of coffee"
LOGIN = "ana.tea"
TITLE = "Where you are signed in"


@dataclass
class Place:
    """A server, and browsers that come to it."""

    home: House
    browser: Browser
    address: str

    @asynccontextmanager
    async def visit(self, agent: str = FIREFOX, path: str = ALONE) -> AsyncIterator[Page]:
        """The chat in a browser of its own, connected."""
        async with open_page(self.browser, self.address + path, user_agent=agent) as page:
            await connected(page)
            yield page

    async def devices(self, page: Page) -> list[Device]:
        """Where whoever chats on that page is signed in."""
        return await self.home.foundations.accounts.devices.of((await self.who(page)).id)

    async def who(self, page: Page) -> User:
        """Who chats on that page."""
        identity = await self.home.foundations.accounts.identify(await token(page))
        assert identity is not None
        return identity.user


@pytest_asyncio.fixture(loop_scope="session")
async def place(browser: Browser, tmp_path: Path) -> AsyncIterator[Place]:
    if not (DIST / "index.html").is_file():
        pytest.skip("The pages have not been built: run `make setup`.")
    async with (
        house(tmp_path, clock=Clock(moment=datetime.now(UTC))) as home,
        webbed(home, pages=load_pages(DIST)) as served,
    ):
        yield Place(home, browser, str(served.server.make_url("")).rstrip("/"))


@pytest_asyncio.fixture(loop_scope="session")
async def page(place: Place) -> AsyncIterator[Page]:
    async with place.visit() as page:
        yield page


async def connected(page: Page) -> None:
    if "readonly" not in page.url:
        await expect(page.locator(".chat-me")).to_be_visible()
        await expect(page.get_by_role("textbox", name="Message")).to_be_enabled()


async def token(page: Page) -> str:
    found: str = await page.evaluate("localStorage.getItem('chat.token')")
    return found


def name_of(page: Page) -> Locator:
    return page.locator(".chat-me bdi")


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog")


async def press(page: Page, name: str) -> None:
    """Presses that button of the dialog."""
    await dialog(page).get_by_role("button", name=name, exact=True).click()


async def fill(page: Page, **fields: str) -> None:
    for label, text in fields.items():
        await dialog(page).get_by_label(label.replace("_", " "), exact=True).fill(text)


async def open_account(page: Page) -> None:
    await page.locator(".chat-me").click()
    await press(page, TITLE)
    await expect(dialog(page).get_by_role("heading", name=TITLE)).to_be_visible()
    await expect(rows(page).first).to_be_visible()


def rows(page: Page) -> Locator:
    return dialog(page).get_by_role("listitem")


async def set_password(page: Page) -> None:
    """A first password, and the dialog closed."""
    await open_account(page)
    await press(page, "Set a password")
    await fill(page, Name_to_sign_in_with=LOGIN, New_password=PASSWORD)
    await press(page, "Save")
    await expect(dialog(page)).to_contain_text(f"On another machine you sign in as {LOGIN}.")
    await press(page, "Close")


async def sign_in(page: Page, password: str = PASSWORD) -> None:
    await fill(page, Name_to_sign_in_with=LOGIN, Your_password=password)
    await press(page, "Sign in")


async def sign_in_instead(page: Page) -> None:
    """Whoever chats there becomes somebody else."""
    await open_account(page)
    await press(page, "Sign in as somebody else")
    await sign_in(page)
    await expect(dialog(page)).to_have_count(0)
    await connected(page)


# Devices.


async def test_a_device_is_shown_with_its_program_its_address_and_when_it_was_seen(page: Page) -> None:
    await open_account(page)
    await expect(rows(page)).to_have_count(1)
    await expect(rows(page)).to_contain_text("Firefox on Linux")
    await expect(rows(page)).to_contain_text("this device")
    await expect(rows(page)).to_contain_text("127.0.0.1 · just now")
    await expect(dialog(page)).to_contain_text("Only this browser knows that you are")
    await expect(dialog(page).get_by_role("button", name="Sign out everywhere else")).to_have_count(0)


async def test_a_device_is_renamed_and_keeps_its_name(place: Place, page: Page) -> None:
    await open_account(page)
    await press(page, "Rename Firefox on Linux")
    await expect(dialog(page).get_by_label("Name of the device")).to_have_value("Firefox on Linux")
    await fill(page, Name_of_the_device="The kitchen")
    await press(page, "Save")
    await expect(rows(page)).to_contain_text("The kitchen")
    assert [device.display_name for device in await place.devices(page)] == ["The kitchen"]
    await page.reload()
    await open_account(page)
    await expect(rows(page)).to_contain_text("The kitchen")


async def test_names_of_devices_are_words_and_no_markup(place: Place, page: Page) -> None:
    for name in HOSTILE.split("\n\n"):
        [device] = await place.devices(page)
        assert await place.home.foundations.accounts.devices.rename(device.user_id, device.id, name[:100])
        await open_account(page)
        await expect(rows(page).locator("bdi")).to_have_text(name[:100])
        await page.set_viewport_size({"width": 320, "height": 640})
        assert await page.evaluate("document.documentElement.scrollWidth <= 320 && window.broken === undefined")
        assert await page.evaluate(
            "(box => box.scrollWidth <= box.clientWidth)(document.querySelector('.dialog-body'))"
        )
        await press(page, "Close")


async def test_a_list_that_cannot_be_had_is_asked_for_again(page: Page) -> None:
    async def fail(route: Route) -> None:
        await route.fulfill(status=500, json={"message": "The kettle is cold."})

    await page.route("**/api/chat/devices?*", fail)
    await page.locator(".chat-me").click()
    await press(page, TITLE)
    await expect(dialog(page)).to_contain_text("The kettle is cold.")
    await page.unroute("**/api/chat/devices?*")
    await press(page, "Try again")
    await expect(rows(page)).to_contain_text("Firefox on Linux")


# The same person elsewhere.


async def test_with_a_password_somebody_is_the_same_on_a_second_machine(place: Place, page: Page) -> None:
    await page.get_by_role("textbox", name="Message").fill("the water is on")
    await send_words(page)
    await set_password(page)
    ana = await place.who(page)
    async with place.visit(SAFARI) as phone:
        before = await place.who(phone)
        assert before.id != ana.id
        await sign_in_instead(phone)
        await expect(name_of(phone)).to_have_text(ana.display_name)
        await expect(phone.locator(".chat-me .chat-name")).to_have_attribute("data-color", str(ana.color))
        await expect(phone.locator(".chat-message", has_text="the water is on")).to_be_visible()
        assert await place.who(phone) == ana
        assert await place.home.foundations.accounts.devices.of(before.id) == [], "nobody has that token any more"
        await phone.get_by_role("textbox", name="Message").fill("from the sofa")
        await send_words(phone)
        await expect(page.locator(".chat-message", has_text="from the sofa")).to_be_visible()
        await open_account(phone)
        await expect(rows(phone)).to_have_count(2)
        await expect(rows(phone).first).to_contain_text("Safari on iOS")
        await expect(rows(phone).first).to_contain_text("this device")
        await expect(rows(phone).last).to_contain_text("Firefox on Linux")


async def test_what_is_wrong_is_said_and_changes_nothing(place: Place, page: Page) -> None:
    await open_account(page)
    await press(page, "Set a password")
    await fill(page, Name_to_sign_in_with="Ana Tea", New_password=PASSWORD)
    await press(page, "Save")
    await expect(dialog(page).get_by_role("alert")).to_contain_text("One cannot sign in as 'ana tea'")
    await fill(page, Name_to_sign_in_with=LOGIN, New_password="tea")
    await press(page, "Save")
    await expect(dialog(page).get_by_role("alert")).to_contain_text("A password has 8 to")
    await fill(page, New_password=PASSWORD)
    await press(page, "Save")
    await expect(rows(page)).to_have_count(1)
    async with place.visit() as other:
        before = await token(other)
        await open_account(other)
        await press(other, "Sign in as somebody else")
        await expect(dialog(other)).to_contain_text("without a password nobody can come back")
        await sign_in(other, "not the password")
        await expect(dialog(other).get_by_role("alert")).to_have_text("The user name or the password is wrong.")
        assert await token(other) == before
        await sign_in(other)
        await expect(name_of(other)).to_have_text((await place.who(page)).display_name)


async def test_another_window_of_the_browser_becomes_the_same_person(place: Place, page: Page) -> None:
    await set_password(page)
    ana = await place.who(page)
    async with place.visit() as one:
        two = await one.context.new_page()
        await two.goto(place.address + ALONE)
        await connected(two)
        await sign_in_instead(one)
        await expect(name_of(two)).to_have_text(ana.display_name)
        assert await place.who(two) == ana


# Signing out.


async def test_everywhere_else_is_signed_out_by_the_password(place: Place, page: Page) -> None:
    await set_password(page)
    ana = await place.who(page)
    async with place.visit(SAFARI) as phone:
        await sign_in_instead(phone)
        await open_account(page)
        await press(page, "Sign out everywhere else")
        await fill(page, Your_password="not the password")
        await press(page, "Sign out")
        await expect(dialog(page).get_by_role("alert")).to_have_text("The user name or the password is wrong.")
        await expect(phone.locator(".chat-me")).to_be_visible()
        await fill(page, Your_password=PASSWORD)
        await press(page, "Sign out")
        await expect(rows(page)).to_have_count(1)
        told = phone.locator(".chat-closed")
        await expect(told).to_contain_text("You were signed out here.")
        await expect(phone.locator(".chat-me")).to_have_count(0)
        await assert_clean(phone, ".chat")
        # Who was signed out by mistake comes back as who they were.
        await told.get_by_role("button", name="Sign in").click()
        await sign_in(phone)
        await expect(name_of(phone)).to_have_text(ana.display_name)
        assert await place.who(phone) == ana
    assert await place.who(page) == ana


async def test_who_was_signed_out_can_go_on_as_somebody_new(place: Place, page: Page) -> None:
    before = await place.who(page)
    await open_account(page)
    await press(page, "Sign out Firefox on Linux")
    await expect(dialog(page)).to_contain_text("There is no password: nobody can come back as")
    await press(page, "Sign out")
    await expect(page.locator(".chat-closed")).to_contain_text("You were signed out here.")
    await expect(dialog(page)).to_have_count(0)
    await page.get_by_role("button", name="Go on as somebody new").click()
    await connected(page)
    assert (await place.who(page)).id != before.id
    assert await place.home.foundations.accounts.devices.of(before.id) == []


async def test_another_password_signs_out_the_others(place: Place, page: Page) -> None:
    await set_password(page)
    async with place.visit(SAFARI) as phone:
        await sign_in_instead(phone)
        await open_account(page)
        await press(page, "Change the password")
        await expect(dialog(page).get_by_label("Sign out everywhere else")).to_be_checked()
        await fill(page, Your_password=PASSWORD, New_password=ANOTHER)
        await press(page, "Save")
        await expect(rows(page)).to_have_count(1)
        await expect(phone.locator(".chat-closed")).to_contain_text("You were signed out here.")
        await phone.get_by_role("button", name="Sign in").click()
        await sign_in(phone)
        await expect(dialog(phone).get_by_role("alert")).to_have_text("The user name or the password is wrong.")
        await sign_in(phone, ANOTHER)
        await connected(phone)
        assert await place.who(phone) == await place.who(page)


async def test_a_chat_that_is_only_read_goes_on_by_itself(place: Place) -> None:
    async with place.visit(path="/embed/chat/readonly") as page:
        admitted = asyncio.Queue[str]()

        def hear(frame: str | bytes) -> None:
            if "CONNECTED_USER_INFO" in str(frame):
                admitted.put_nowait(str(frame))

        page.on("websocket", lambda socket: socket.on("framereceived", hear))
        await page.reload()
        async with asyncio.timeout(WAIT_SECONDS):
            await admitted.get()
        before = await place.who(page)
        [device] = await place.devices(page)
        await place.home.foundations.accounts.devices.sign_out(before.id, [device.id])
        async with asyncio.timeout(WAIT_SECONDS):
            await admitted.get()
        assert (await place.who(page)).id != before.id
        await expect(page.locator(".chat-closed")).to_have_count(0)


# For everybody.


async def test_whoever_sees_hears_or_types_can_use_it(page: Page) -> None:
    await open_account(page)
    await assert_clean(page, "dialog")
    for step in ("Set a password", "Sign in as somebody else", "Rename Firefox on Linux", "Sign out Firefox on Linux"):
        await press(page, step)
        await expect(dialog(page).get_by_role("button", name="Cancel")).to_be_visible()
        await assert_clean(page, "dialog")
        await page.set_viewport_size({"width": 320, "height": 640})
        assert await page.evaluate("document.documentElement.scrollWidth <= 320")
        await page.keyboard.press("Escape")
        await expect(dialog(page).get_by_role("heading", name=TITLE)).to_be_visible()
