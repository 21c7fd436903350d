"""The admin's pages for stream, integrations and server, in Chromium: for everybody, and on every width."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from admin_pages import Owner, owned
from playwright.async_api import Browser

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES = {
    "/keys": "Stream keys",
    "/video": "Video",
    "/tokens": "Access tokens",
    "/webhooks": "Webhooks",
    "/discord": "Discord",
    "/connections": "Connections",
    "/password": "Password",
    "/backups": "Backups",
}


@pytest_asyncio.fixture(loop_scope="session")
async def owner(browser: Browser, tmp_path: Path) -> AsyncIterator[Owner]:
    async with owned(browser, tmp_path) as owner:
        yield owner


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_for_everybody_and_fits_a_phone(owner: Owner, path: str) -> None:
    page = await owner.open(path, PAGES[path])
    await owner.accessible()
    await page.set_viewport_size({"width": 320, "height": 640})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
