"""The admin's page for the S3 store, in Chromium: filled in, tried before it is saved, switched on; its troubles."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
import pytest_asyncio
from admin_pages import Owner, owned
from moto_rig import s3_server
from playwright.async_api import Browser, expect

from owncast_py.events import StoreTroubled
from owncast_py.setting_groups import StorageSettings

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECRET = "shh-very-secret"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of an S3 server with the bucket `tea`."""
    server, address = s3_server()
    client = boto3.client(
        "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    client.create_bucket(Bucket="tea")
    yield address
    server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def owner(browser: Browser, tmp_path: Path) -> AsyncIterator[Owner]:
    async with owned(browser, tmp_path) as owner:
        yield owner


async def test_a_store_is_tried_saved_and_switched_on(owner: Owner, s3: str) -> None:
    page = await owner.open("/storage", "Storage")
    await expect(page.get_by_role("switch", name="Use the store")).to_be_disabled()
    fields = {
        "Address of the store": s3,
        "Region": "us-east-1",
        "Bucket": "coffee",
        "Access key": "AK",
        "Secret": SECRET,
        "ACL": "public-read",
    }
    for label, value in fields.items():
        await page.get_by_label(label, exact=True).fill(value)
    await page.get_by_role("switch", name="Bucket in the path").click()
    await page.get_by_role("button", name="Test").click()
    await expect(page.get_by_role("listitem").filter(has_text="there is no such bucket")).to_be_visible()
    await page.get_by_label("Bucket", exact=True).fill("tea")
    await page.get_by_role("button", name="Test").click()
    steps = page.get_by_role("status").get_by_role("listitem")
    await expect(steps).to_have_count(4)
    await expect(steps.last).to_contain_text("The object was deleted again.")
    assert owner.home.settings.get(StorageSettings).bucket == "", "a trial saves nothing"
    await owner.save()
    kept = owner.home.settings.get(StorageSettings)
    assert (kept.endpoint, kept.bucket, kept.secret, kept.force_path_style) == (s3, "tea", SECRET, True)
    await page.get_by_role("switch", name="Use the store").click()
    await expect(page.get_by_text("The store works.")).to_be_visible()
    assert owner.home.settings.get(StorageSettings).enabled
    await page.reload()
    await expect(page.get_by_label("Secret", exact=True)).to_have_value("••••••••")
    await expect(page.get_by_role("switch", name="Use the store")).to_be_checked()
    await owner.accessible()
    await page.set_viewport_size({"width": 320, "height": 640})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320


async def test_trouble_is_shown_in_its_sentence(owner: Owner) -> None:
    await owner.home.settings.change(StorageSettings, enabled=True, endpoint="https://s3.example", bucket="tea")
    owner.home.foundations.events.publish(StoreTroubled(datetime.now(UTC), "The store of segments fails: <b>fire</b>."))
    page = await owner.open("/storage", "Storage")
    await expect(
        page.get_by_text("Viewers are served from here: The store of segments fails: <b>fire</b>.")
    ).to_be_visible()
