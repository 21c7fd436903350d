"""The admin's pages in a browser, over a house with its real web: the owner is signed in, people can come and write.

Owns how a page of the admin is opened and looked at. What the pages do is up to the tests.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from axe import violations
from house import ADMIN, ADMIN_PASSWORD, Clock, House, Line, Web, house, webbed
from PIL import Image
from playwright.async_api import Browser, Page, expect
from show import DIST
from viewer_browser import WAIT_SECONDS, until

from owncast_py.accounts.model import User
from owncast_py.chat import content, rendering
from owncast_py.chat.connections import Connection
from owncast_py.realtime.messages import CHAT
from web.pages import load_pages

ATTACKS = (
    "<script>window.broken = 1</script>",
    "<img src=x onerror='window.broken = 2'>",
    "\"><svg onload='window.broken = 3'>",
    '<a href="javascript:window.broken = 4">tea</a>',
    "</textarea></title></style><iframe srcdoc='<script>parent.broken = 5</script>'></iframe>",
    "{{constructor.constructor('window.broken = 6')()}}",
)
HOSTILE = "\n\n".join(ATTACKS)
LONG = "W" * 10_000
WIDTHS = (1280, 320)


@dataclass
class Owner:
    """The owner at a page, and the server behind it."""

    home: House
    web: Web
    page: Page
    address: str
    faults: list[str] = field(default_factory=list)

    async def open(self, path: str, title: str) -> Page:
        """The page of the admin at that path, loaded."""
        await self.page.goto(f"{self.address}/admin{path}")
        return await self._there(title)

    async def turn(self, path: str, title: str) -> Page:
        """The same by the navigation, from another page of the admin; what was set since is not seen."""
        if not self.page.url.startswith(f"{self.address}/admin"):
            return await self.open(path, title)
        await self.page.locator(f'.nav a[href="/admin{path}"]').click()
        return await self._there(title)

    async def _there(self, title: str) -> Page:
        await expect(self.page.get_by_role("heading", level=1, name=title, exact=True)).to_be_visible()
        await expect(self.page.locator("main .loading")).to_have_count(0)
        return self.page

    async def ask(self, path: str, body: object = None) -> Any:
        """A document of the server; with a body, what is done there."""
        method = "GET" if body is None else "POST"
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method, self.address + path, headers=ADMIN, **({} if body is None else {"json": body})
            ) as answer,
        ):
            assert answer.status == 200, (path, await answer.text())
            return await answer.json()

    async def set(self, name: str, value: object) -> None:
        """Changes a setting, elsewhere."""
        await self.ask(f"/api/admin/config/{name}", {"value": value})

    async def save(self) -> None:
        """Presses Save, and waits until all is kept."""
        await self.page.locator(".save-bar").get_by_role("button", name="Save").click()
        await expect(self.page.locator(".save-bar")).to_have_count(0)

    async def comes(self, name: str, address: str = "203.0.113.7", agent: str = "Firefox") -> User:
        """Somebody opens the page."""
        accounts = self.home.chat.accounts
        user, token = await accounts.register(name)
        identity = await accounts.identify(token)
        assert identity is not None
        count = len(self.home.chat.connections)
        window = Connection(
            f"window-{count}", user.id, identity.device.id, address, agent, self.home.clock.now(), Line()
        )
        await self.home.chat.connections.join(window, identity)
        return user

    async def says(self, user: User, *lines: str) -> None:
        """Somebody writes, whatever the rules say."""
        shown = content.user_content(user)
        drafts = [
            content.kept(
                content.Name.MESSAGE,
                {"body": rendering.render(words, {}), "rawBody": words, "user": shown},
                client_id=user.id,
                text=words,
            )
            for words in lines
        ]
        await self.home.chat.channels.publish(CHAT, *drafts)

    async def whole(self) -> None:
        """Nothing of an attack has run, and nothing sticks out to the side."""
        assert await self.page.evaluate("window.broken === undefined")
        for width in WIDTHS:
            await self.page.set_viewport_size({"width": width, "height": 900})
            wide = await self.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, (width, wide, await self.page.evaluate(_WIDEST, width))
        await self.page.set_viewport_size({"width": WIDTHS[0], "height": 900})

    async def accessible(self) -> None:
        """axe finds nothing, in either theme."""
        for theme in ("dark", "light"):
            await self.page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
            await until(self.page, "document.getAnimations().every(each => !(each instanceof CSSTransition))")
            assert await violations(self.page) == [], theme


_WIDEST = """width => [...document.querySelectorAll("body *")]
  .filter(each => each.getBoundingClientRect().right > width + 1)
  .map(each => each.tagName + "." + each.className).slice(0, 8)"""


@asynccontextmanager
async def owned(browser: Browser, directory: Path, **options: object) -> AsyncIterator[Owner]:
    """A server of its own in `directory`, and its owner, signed in. A breach of the page's policy fails the test."""
    async with AsyncExitStack() as stack:
        home = await stack.enter_async_context(house(directory, clock=Clock(moment=datetime.now(UTC))))
        served = await stack.enter_async_context(webbed(home, pages=load_pages(DIST)))
        address = str(served.server.make_url("")).rstrip("/")
        context = await browser.new_context(**({"viewport": {"width": WIDTHS[0], "height": 900}} | options))  # type: ignore[arg-type]
        stack.push_async_callback(context.close)
        context.set_default_timeout(WAIT_SECONDS * 1000)
        answer = await context.request.post(f"{address}/api/admin/session", data={"password": ADMIN_PASSWORD})
        assert answer.ok
        owner = Owner(home, served, await context.new_page(), address)
        owner.page.on("pageerror", lambda error: owner.faults.append(str(error)))
        owner.page.on(
            "console", lambda line: owner.faults.append(line.text) if "Content Security" in line.text else None
        )
        yield owner
        assert owner.faults == [], owner.faults


def picture(kind: str = "PNG", size: tuple[int, int] = (64, 64), color: str = "#5552cf") -> bytes:
    """An image file."""
    data = io.BytesIO()
    Image.new("RGB", size, color).save(data, kind)
    return data.getvalue()
