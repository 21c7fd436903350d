"""What the viewer page weighs, compressed as the server sends it; and that its build keeps to the page's rules."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "static"
DIST = STATIC / "dist"

PAGE_SCRIPT_BYTES = 26_000
"""All scripts but the one that holds hls.js."""
HLS_SCRIPT_BYTES = 130_000
STYLE_BYTES = 6_000

pytestmark = pytest.mark.skipif(not (DIST / "index.html").is_file(), reason="The pages have not been built.")


def _weigh(pattern: str) -> dict[str, int]:
    return {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in (DIST / "assets").glob(pattern)}


def test_scripts_are_within_budget() -> None:
    scripts = _weigh("*.js")
    hls = {name: size for name, size in scripts.items() if name.startswith("hlsjs-")}
    assert len(hls) == 1
    assert 50_000 < sum(hls.values()) <= HLS_SCRIPT_BYTES
    assert sum(scripts.values()) - sum(hls.values()) <= PAGE_SCRIPT_BYTES


def test_styles_are_within_budget() -> None:
    assert 0 < sum(_weigh("*.css").values()) <= STYLE_BYTES


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
