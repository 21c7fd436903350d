"""The pages from memory: caching, compression, headers, and life without a build."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import ClientSession
from hypothesis import given, settings
from hypothesis import strategies as st

from web import pages
from web.pages import accepts_gzip, load_pages

Connect = Callable[..., Awaitable[ClientSession]]


async def test_the_page_is_revalidated_and_guarded(connect: Connect, dist: Path) -> None:
    body = (dist / "index.html").read_bytes()
    client = await connect()
    for path in ("/", "/index.html"):
        async with client.get(path, headers={"Accept-Encoding": "identity"}) as response:
            assert await response.read() == body
            assert response.headers["Content-Type"] == "text/html; charset=utf-8"
            assert response.headers["Cache-Control"] == "no-cache"
            assert "default-src 'self'" in response.headers["Content-Security-Policy"]
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert "Access-Control-Allow-Origin" not in response.headers
            etag = response.headers["ETag"]
        for condition in (etag, f'"other", W/{etag}', "*"):
            headers = {"If-None-Match": condition, "Accept-Encoding": "identity"}
            async with client.get(path, headers=headers) as response:
                assert response.status == 304
                assert await response.read() == b""
                assert response.headers["ETag"] == etag


async def test_assets_are_kept_for_a_year_and_compressed_once(connect: Connect, dist: Path) -> None:
    script = (dist / "assets/app-1a2b.js").read_bytes()
    client = await connect()
    async with client.get("/assets/app-1a2b.js", headers={"Accept-Encoding": "br, gzip"}) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert response.headers["Content-Type"].startswith("text/javascript")
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert response.headers["Vary"] == "Accept-Encoding"
        assert gzip.decompress(await response.read()) == script
        compressed_etag = response.headers["ETag"]
    async with client.head("/assets/app-1a2b.js", headers={"Accept-Encoding": "gzip;q=0"}) as response:
        assert "Content-Encoding" not in response.headers
        assert response.headers["Content-Length"] == str(len(script))
        assert response.headers["ETag"] != compressed_etag
        assert await response.read() == b""
    async with client.get("/assets/font-3c4d.woff2", headers={"Accept-Encoding": "gzip"}) as response:
        assert "Content-Encoding" not in response.headers
        assert await response.read() == b"wOF2" * 300


async def test_each_browser_gets_its_own_cookie_once(connect: Connect) -> None:
    client = await connect()
    cookies = set()
    for _ in range(2):
        async with client.get("/") as response:
            cookie = response.headers["Set-Cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Lax" in cookie
            cookies.add(cookie)
    assert len(cookies) == 2
    async with client.get("/", headers={"Cookie": "viewer=abc"}) as response:
        assert "Set-Cookie" not in response.headers
    async with client.get("/robots.txt") as response:
        assert "Set-Cookie" not in response.headers


async def test_without_a_build_the_page_says_what_to_do(connect: Connect, tmp_path: Path) -> None:
    client = await connect(pages=tmp_path / "nothing")
    async with client.get("/") as response:
        assert response.status == 503
        assert "run `make setup`" in await response.text()
    async with client.get("/api/status") as response:
        assert response.status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/secret.txt",
        "/assets/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/link.txt",
    ],
)
async def test_nothing_outside_the_build_is_served(connect: Connect, dist: Path, path: str) -> None:
    (dist.parent / "secret.txt").write_text("secret")
    (dist / "link.txt").symlink_to(dist.parent / "secret.txt")
    client = await connect()
    async with client.get(path) as response:
        assert response.status == 404
        assert await response.text() == "There is nothing at this address.\n"


def test_a_directory_that_is_no_build_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_FILES", 3)
    for number in range(4):
        (tmp_path / f"{number}.txt").write_text("")
    with pytest.raises(ValueError, match="holds more than 3 files"):
        load_pages(tmp_path)


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("identity", False),
        ("*", True),
        ("*;q=0", False),
        ("*, gzip;q=0", False),
    ],
)
def test_accept_encoding(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted


@given(st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_no_accept_encoding_raises(header: str) -> None:
    assert accepts_gzip(header) in (True, False)
