"""The viewer page in headless Chromium, against the real web application and a show that a test turns on and off."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect
from show import DIST, Show, encode, serve
from viewer_browser import CHROMIUM, WAIT_SECONDS, chromium, open_page

expect.set_options(timeout=WAIT_SECONDS * 1000)


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The show's segments, encoded once."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("The viewer page's tests need ffmpeg on the PATH to make a show.")
    return encode(tmp_path_factory.mktemp("media"))


@pytest.fixture
def show(media: Path) -> Show:
    return Show(media)


@pytest_asyncio.fixture(loop_scope="session")
async def on_air(show: Show) -> None:
    """The show is on before the page is opened."""
    show.begin()


@pytest_asyncio.fixture(loop_scope="session")
async def address(show: Show) -> AsyncIterator[str]:
    """Where the page is served."""
    if not (DIST / "index.html").is_file():
        pytest.skip("The pages have not been built: run `make setup`.")
    async with serve(show) as server:
        yield str(server.make_url("/"))


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests of a module; each has a context of its own."""
    if CHROMIUM is None:
        pytest.skip("The viewer page's tests need Chromium: `make test` says how to install it.")
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, address: str) -> AsyncIterator[Page]:
    """The viewer page, opened. An exception in it, or a breach of its content security policy, fails the test."""
    async with open_page(browser, address) as page:
        yield page
