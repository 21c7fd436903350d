"""The address for encoders that send HLS, on the admin's page of stream keys: shown when asked for, and renewed."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from admin_pages import Owner, owned
from playwright.async_api import Browser, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def owner(browser: Browser, tmp_path: Path) -> AsyncIterator[Owner]:
    async with owned(browser, tmp_path) as owner:
        yield owner


async def test_the_address_is_a_secret_that_can_be_renewed(owner: Owner) -> None:
    credentials = owner.web.credentials
    old = credentials.direct_token
    page = await owner.open("/keys", "Stream keys")
    section = page.locator("section").filter(has=page.get_by_role("heading", name="HLS over HTTP"))
    field = section.get_by_label("HLS over HTTP", exact=True)
    await expect(field).to_have_attribute("type", "password")
    await section.get_by_role("button", name="Show").click()
    await expect(field).to_have_attribute("type", "text")
    await expect(field).to_have_value(re.compile(f"^http://.*/direct/{old}/stream.m3u8$"))
    await owner.accessible()
    await section.get_by_role("button", name="Renew").click()
    await page.get_by_role("dialog").get_by_role("button", name="Renew").click()
    await expect(field).not_to_have_value(re.compile(old))
    assert credentials.key_of_direct_token(old) is None
    new = credentials.direct_token
    assert credentials.key_of_direct_token(new) == credentials.stream_keys[0].key
    await page.reload()
    await expect(field).to_have_value(re.compile(f"/direct/{new}/stream.m3u8$"))
