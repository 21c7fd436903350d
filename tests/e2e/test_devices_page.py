"""One person in two browsers, on a real server: a password, the same name elsewhere, and being signed out from afar."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from owner import ADMIN, Owner
from playwright.async_api import Browser, Locator, Page, WebSocket, expect
from rig import PASSWORD, PATIENCE, Server, serving
from viewer_browser import CHROMIUM, chromium

pytestmark = pytest.mark.e2e

CONFIG = "hls: {disk: false}\nbackups: {enabled: false}\nchat: {rate_limit: false}\n"
CHAT = "/embed/chat/readwrite"
LOGIN, SECRET = "ana", "a kettle of tea"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0"
)


@dataclass
class Window:
    """Somebody at a browser of their own."""

    page: Page
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a chat socket of the page has ended."""
    complaints: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("websocket", self._on_socket)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda line: self.complaints.append(line.text) if "WebSocket" in line.text else None)

    def _on_socket(self, socket: WebSocket) -> None:
        socket.on("close", lambda _socket: self.closed.set())

    @property
    def me(self) -> Locator:
        return self.page.locator(".chat-me .chat-name")

    async def who(self) -> tuple[str, str | None]:
        """Name and colour."""
        await expect(self.page.get_by_role("textbox", name="Message")).to_be_enabled()
        return await self.me.inner_text(), await self.me.get_attribute("data-color")

    async def token(self) -> str:
        found: str = await self.page.evaluate("localStorage.getItem('chat.token')")
        return found

    async def says(self, words: str) -> None:
        await self.page.get_by_role("textbox", name="Message").fill(words)
        await expect(self.page.locator(".chat-send")).to_be_enabled()
        await self.page.get_by_role("textbox", name="Message").press("Enter")
        await self.reads(words)

    async def reads(self, words: str) -> None:
        await expect(self.page.locator(".chat-message", has_text=words)).to_be_visible()

    async def press(self, name: str) -> None:
        await self.page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()

    async def fill(self, label: str, text: str) -> None:
        await self.page.get_by_role("dialog").get_by_label(label, exact=True).fill(text)

    async def account(self) -> None:
        await self.page.locator(".chat-me").click()
        await self.press("Where you are signed in")
        await expect(self.page.get_by_role("dialog").get_by_role("listitem").first).to_be_visible()

    async def set_password(self) -> None:
        await self.account()
        await self.press("Set a password")
        await self.fill("Name to sign in with", LOGIN)
        await self.fill("New password", SECRET)
        await self.press("Save")
        await expect(self.page.get_by_role("dialog")).to_contain_text(f"you sign in as {LOGIN}.")
        await self.press("Close")

    async def sign_in(self) -> None:
        await self.account()
        await self.press("Sign in as somebody else")
        await self.fill("Name to sign in with", LOGIN)
        await self.fill("Your password", SECRET)
        await self.press("Sign in")
        await expect(self.page.get_by_role("dialog")).to_have_count(0)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("The pages' tests need Chromium: `make test` says how to install it.")
    expect.set_options(timeout=PATIENCE * 1000)
    async with chromium() as browser:
        yield browser


@asynccontextmanager
async def window(browser: Browser, address: str, agent: str, token: str = "") -> AsyncIterator[Window]:
    """A browser that has nothing in common with the others, and of its own that token, if one is given."""
    context = await browser.new_context(user_agent=agent)
    context.set_default_timeout(PATIENCE * 1000)
    found = Window(await context.new_page())
    found.watch()
    try:
        if token:
            await found.page.add_init_script(f"localStorage.setItem('chat.token', '{token}')")
        await found.page.goto(address)
        yield found
    finally:
        await context.close()


async def is_refused(server: Server, token: str) -> bool:
    """Whether nothing can be done with a token any more."""
    account, _ = await server.get(f"/api/chat/account?accessToken={token}")
    devices, _ = await server.get(f"/api/chat/devices?accessToken={token}")
    return (account, devices) == (401, 401)


async def test_a_person_goes_on_at_a_second_machine_and_signs_it_out_from_the_first(
    browser: Browser, tmp_path: Path
) -> None:
    async with (
        serving(tmp_path / "data", config=CONFIG) as server,
        window(browser, server.http + CHAT, FIREFOX) as desk,
    ):
        await desk.says("the water is on")
        await desk.set_password()
        ana, token = await desk.who(), await desk.token()
    # What was set is there after a restart, on both machines.
    async with (
        serving(tmp_path / "data", config=CONFIG) as server,
        window(browser, server.http + CHAT, FIREFOX, token) as desk,
        window(browser, server.http + CHAT, EDGE) as laptop,
    ):
        assert await desk.who() == ana
        assert (await laptop.who())[0] != ana[0]
        await laptop.sign_in()
        await expect(laptop.me).to_have_text(ana[0])
        assert await laptop.who() == ana
        await laptop.reads("the water is on")
        await laptop.says("now from the laptop")
        await desk.reads("now from the laptop")
        second = await laptop.token()
        assert not await is_refused(server, second)
        laptop.closed.clear()
        await desk.account()
        await desk.press("Sign out Edge on Windows")
        await desk.fill("Your password", SECRET)
        await desk.press("Sign out")
        async with asyncio.timeout(PATIENCE):
            await laptop.closed.wait()
        assert await is_refused(server, second)
        assert not await is_refused(server, token)
        await expect(laptop.page.locator(".chat-closed")).to_contain_text("You were signed out here.")
        await expect(desk.page.get_by_role("dialog").get_by_role("listitem")).to_have_count(1)
        await desk.press("Close")
        await desk.says("still here")
        assert (laptop.complaints, desk.complaints) == ([], []), "a socket ends as sockets do"


async def test_the_owner_signs_out_the_device_of_a_chatter(browser: Browser, tmp_path: Path) -> None:
    async with (
        serving(tmp_path / "data", config=CONFIG) as server,
        window(browser, server.http + CHAT, FIREFOX) as desk,
        window(browser, server.http + "/admin/chat/people", EDGE) as admin,
    ):
        name, _ = await desk.who()
        token = await desk.token()
        page = admin.page
        await page.get_by_label("Admin password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("button", name=f"Actions: {name}").first.click()
        await page.get_by_role("menuitem", name="Where they are signed in").click()
        desk.closed.clear()
        await page.get_by_role("dialog").get_by_role("button", name="Sign out Firefox on Linux").click()
        await expect(page.get_by_role("dialog")).to_contain_text("They are signed in nowhere.")
        async with asyncio.timeout(PATIENCE):
            await desk.closed.wait()
        assert await is_refused(server, token)
        await expect(desk.page.locator(".chat-closed")).to_contain_text("You were signed out here.")
        assert desk.complaints == []
        # The owner's own session is one of their devices, and no chatter's.
        own = await Owner(server, ADMIN).listing("/api/admin/devices")
        assert len(own) == 1
        assert "Edg/130" in str(own[0]["displayName"])
        await desk.page.get_by_role("button", name="Go on as somebody new").click()
        assert (await desk.who())[0] != name
