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


async def test_a_file_is_revalidated(connect: Connect, dist: Path) -> None:
    (dist / "favicon.svg").write_bytes(b"<svg/>")
    client = await connect()
    async with client.get("/favicon.svg", headers={"Accept-Encoding": "identity"}) as response:
        assert await response.read() == b"<svg/>"
        assert response.headers["Content-Type"] == "image/svg+xml"
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in response.headers
        assert "Set-Cookie" not in response.headers
        etag = response.headers["ETag"]
    for condition in (etag, f'"other", W/{etag}', "*"):
        headers = {"If-None-Match": condition, "Accept-Encoding": "identity"}
        async with client.get("/favicon.svg", headers=headers) as response:
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
