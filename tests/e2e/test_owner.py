"""A first evening: somebody who has never seen the server goes live and runs the show, with nothing but its pages."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from owner import Owner, basic, public
from PIL import Image
from playwright.async_api import Locator, Page, expect
from rig import PATIENCE, ServerFactory, publishing
from viewer_browser import chromium, open_page, send_words, watch

Samples = Callable[[str], Path]

pytestmark = pytest.mark.e2e

MS = PATIENCE * 1000
VARIANT = {"name": "Phone", "size": "360p"}
HOOK = "https://example.org/tea"


def logo() -> bytes:
    """A picture that nobody else has."""
    written = io.BytesIO()
    Image.new("RGB", (120, 120), (12, 120, 90)).save(written, "PNG")
    return written.getvalue()


async def go(page: Page, name: str) -> None:
    """Follows that link of the navigation."""
    await page.get_by_role("navigation").get_by_role("link", name=name, exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(name)


def step(page: Page, title: str) -> Locator:
    """A step of the guide."""
    return page.locator(".step", has=page.get_by_role("heading", name=title))


async def test_an_owner_needs_no_documentation(start: ServerFactory, samples: Samples) -> None:
    """Signs in, connects the encoder, sets name and logo, adds a variant, moderates, adds a webhook: all is so."""
    config = "chat:\n  rate_limit: false\nnotifications:\n  allow_private_targets: true\n"
    async with start(config=config, secrets=False) as server, chromium() as browser:
        password = server.made("Admin password")
        owner = Owner(server, basic(password))
        async with (
            open_page(browser, f"{server.http}/admin") as admin,
            open_page(browser, server.http) as viewer,
        ):
            await admin.get_by_label("Admin password").fill("wrong")
            await admin.get_by_role("button", name="Sign in").click()
            await expect(admin.get_by_text("password is wrong")).to_be_visible(timeout=MS)
            await admin.get_by_label("Admin password").fill(password)
            await admin.get_by_role("button", name="Sign in").click()

            key = await step(admin, "Connect OBS").get_by_label("Stream key", exact=True).input_value(timeout=MS)
            assert key == server.made("Stream key")
            await expect(step(admin, "Connect OBS").get_by_label("Server", exact=True)).to_have_value(server.rtmp)
            await name_it(admin)
            await expect(viewer.locator(".brand .name")).to_have_text("Tea house", timeout=MS)
            status, seen = await server.get("/logo")
            assert status == 200
            assert Image.open(io.BytesIO(seen)).convert("RGB").getpixel((5, 5)) == (12, 120, 90)

            await add_a_variant(admin)
            # The guide is open when the show begins, and ticks what that brings about.
            await go(admin, "Dashboard")
            await expect(step(admin, "Connect OBS")).to_have_attribute("data-done", "false", timeout=MS)
            async with publishing(server, samples("plain.flv"), key=key):
                for title in ("Connect OBS", "Name and logo", "See yourself live"):
                    await expect(step(admin, title)).to_have_attribute("data-done", "true", timeout=MS)
                await watch(viewer)
                offered = {each["name"] for each in await owner.listing("/api/video/variants")}
                assert VARIANT["name"] in offered
                await moderate(admin, viewer)
                await add_a_webhook(admin)
        hooks = await owner.listing("/api/admin/webhooks")
        assert [(hook["url"], hook["events"]) for hook in hooks] == [(HOOK, ["STREAM_STARTED", "STREAM_STOPPED"])]
        assert (await public(server, "/api/config"))["name"] == "Tea house"


async def name_it(admin: Page) -> None:
    """Sets name and logo in the guide."""
    naming = step(admin, "Name and logo")
    await naming.get_by_label("What your server is called").fill("Tea house")
    await naming.get_by_role("button", name="Save").click()
    await expect(admin.get_by_text("Saved")).to_be_visible(timeout=MS)
    await naming.locator("input[type=file]").set_input_files(
        {"name": "cup.png", "mimeType": "image/png", "buffer": logo()}
    )
    await expect(naming).to_have_attribute("data-done", "true", timeout=MS)


async def add_a_variant(admin: Page) -> None:
    """Takes the choice from the server: the source as it comes, and one for phones."""
    await go(admin, "Video")
    for button, name, passed_through in (
        ("Choose them myself", "Source", True),
        ("Add a variant", VARIANT["name"], False),
    ):
        await admin.get_by_role("button", name=button).click(timeout=MS)
        dialog = admin.get_by_role("dialog")
        await dialog.get_by_label("Name", exact=True).fill(name)
        if passed_through:
            await dialog.get_by_role("switch", name="Pass the picture through").check()
        else:
            await dialog.get_by_label("Size", exact=True).select_option(label=VARIANT["size"])
            await expect(dialog).to_contain_text("of a core")
        await dialog.get_by_role("button", name="Save").click()
        await expect(dialog).to_have_count(0, timeout=MS)
        await expect(admin.locator(".row", has_text=name)).to_be_visible(timeout=MS)


async def moderate(admin: Page, viewer: Page) -> None:
    """Hides what a troll wrote, and bans the troll."""
    field = viewer.get_by_role("textbox", name="Message")
    await field.fill("buy cheap things")
    await send_words(viewer)
    written = viewer.get_by_role("log").get_by_text("buy cheap things")
    await expect(written).to_be_visible(timeout=MS)
    troll = await viewer.locator(".chat-me .chat-name").inner_text()

    await go(admin, "Messages")
    message = admin.locator("main").get_by_text("buy cheap things")
    await expect(message).to_be_visible(timeout=MS)
    await admin.get_by_role("checkbox", name=f"Choose the message of {troll}").check()
    await admin.get_by_role("button", name="Hide 1 message").click()
    await expect(written).to_have_count(0, timeout=MS)

    await go(admin, "People")
    row = admin.locator("tr", has_text=troll).first
    await row.get_by_role("button", name="Actions").click(timeout=MS)
    await admin.get_by_role("menuitem", name="Ban", exact=True).click()
    await admin.get_by_role("dialog").get_by_role("button", name="Ban", exact=True).click()
    await expect(viewer.get_by_text("A moderator has removed you from this chat.")).to_be_visible(timeout=MS)


async def add_a_webhook(admin: Page) -> None:
    """Tells a program of the owner's when shows begin and end."""
    await go(admin, "Webhooks")
    await admin.get_by_role("button", name="Add a webhook").click(timeout=MS)
    dialog = admin.get_by_role("dialog")
    await dialog.get_by_label("Address").fill(HOOK)
    await dialog.get_by_role("button", name="Add").click()
    await expect(admin.get_by_role("cell", name=HOOK)).to_be_visible(timeout=MS)
