"""The viewer page in headless Chromium, against the real web application and a show that a test turns on and off."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page
from show import DIST, Show, encode, serve
from viewer_browser import CHROMIUM, WAIT_SECONDS, chromium


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The show's segments, encoded once."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("The viewer page's tests need ffmpeg on the PATH to make a show.")
    return encode(tmp_path_factory.mktemp("media"))


@pytest.fixture
def show(media: Path) -> Show:
    return Show(media)


@pytest.fixture
async def address(show: Show) -> AsyncIterator[str]:
    """Where the page is served."""
    if not (DIST / "index.html").is_file():
        pytest.skip("The pages have not been built: run `make setup`.")
    async with serve(show) as server:
        yield str(server.make_url("/"))


@pytest.fixture
def autoplay() -> bool:
    """Whether the browser lets pages play sound before the first click."""
    return True


@pytest.fixture
async def page(address: str, autoplay: bool) -> AsyncIterator[Page]:
    """The viewer page, opened. An exception in it, or a breach of its content security policy, fails the test."""
    if CHROMIUM is None:
        pytest.skip("The viewer page's tests need Chromium: `make test` says how to install it.")
    async with chromium(autoplay=autoplay) as browser:
        context = await browser.new_context(viewport={"width": 1280, "height": 800})
        context.set_default_timeout(WAIT_SECONDS * 1000)
        page = await context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if "Content Security" in message.text else None)
        await page.goto(address)
        yield page
        assert faults == []
