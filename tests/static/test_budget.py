"""What the viewer page weighs, compressed as the server sends it; and that its build keeps to the page's rules."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "static"
DIST = STATIC / "dist"

VIEWER_SCRIPT_BYTES = 140_000
"""All of the viewer page's."""
FIRST_PAINT_BYTES = 25_000
"""What the viewer page has to fetch before it draws itself."""
ADMIN_SCRIPT_BYTES = 80_000
"""What the admin's first page needs."""
STYLE_BYTES = 12_000
"""All of the viewer page's."""

pytestmark = pytest.mark.skipif(not (DIST / "index.html").is_file(), reason="The pages have not been built.")


_NAME = re.compile(r"[\w.-]+-[\w-]{8}\.(?:js|css)")
_IMPORT = re.compile(r'(?:\bfrom|\bimport)\s*"\./([\w.-]+\.js)"')


def _reached(page: str, *, at_once: bool = False) -> set[str]:
    """The files of a page: those that it may ever fetch, or those that it fetches before it draws itself."""
    waiting = set(_NAME.findall((DIST / page).read_text()))
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        path = DIST / "assets" / name
        if name in found or not path.is_file():
            continue
        found.add(name)
        if name.endswith(".js"):
            waiting |= set((_IMPORT if at_once else _NAME).findall(path.read_text()))
    return found


def _weigh(names: set[str], ending: str) -> int:
    return sum(len(gzip.compress((DIST / "assets" / name).read_bytes(), 9)) for name in names if name.endswith(ending))


def test_scripts_are_within_budget() -> None:
    assert 50_000 < _weigh(_reached("index.html"), ".js") <= VIEWER_SCRIPT_BYTES
    assert 5_000 < _weigh(_reached("index.html", at_once=True), ".js") <= FIRST_PAINT_BYTES
    assert 5_000 < _weigh(_reached("admin.html", at_once=True), ".js") <= ADMIN_SCRIPT_BYTES


def test_styles_are_within_budget() -> None:
    assert 0 < _weigh(_reached("index.html"), ".css") <= STYLE_BYTES


def test_the_page_is_drawn_before_hls_js_is_fetched() -> None:
    assert "hlsjs" not in (DIST / "index.html").read_text()


def test_the_page_holds_no_inline_script_or_style() -> None:
    html = (DIST / "index.html").read_text()
    assert re.search(r"<style|\sstyle=|\son\w+=", html) is None
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", html))


def test_without_javascript_there_is_a_way_to_the_stream() -> None:
    noscript = re.search(r"<noscript>(.*)</noscript>", (DIST / "index.html").read_text(), re.DOTALL)
    assert noscript is not None
    assert 'href="/hls/stream.m3u8"' in noscript.group(1)


def test_the_build_pins_every_package_exactly() -> None:
    package = json.loads((STATIC / "package.json").read_text())
    versions = [*package["dependencies"].values(), *package["devDependencies"].values()]
    assert [version for version in versions if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []
