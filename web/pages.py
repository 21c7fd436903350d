"""The pages: what Vite built into static/dist, read once into memory and served from there.

Owns where they lie, in a checkout and in an installed wheel, and their caching. Names under `assets/` hold a hash of
their content (Vite's rule), so they may be kept for a year; every other page is asked for again each time and mostly
answered 304. Bytes are compressed once, at start.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

MAX_FILES = 2_000
MAX_TOTAL_BYTES = 64 << 20
"""More than this is not our pages; that is some other directory."""
MIN_GZIP_BYTES = 512
ASSETS = "/assets/"
FOREVER = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"
COMPRESSIBLE = ("text/", "application/json", "application/javascript", "application/manifest+json", "image/svg+xml")

SITE = frozenset({"/index.html", "/admin.html", "/robots.txt", "/favicon.ico"})
"""Files of the build that are a part of `web.site`."""

_INSTALLED = Path(__file__).parent / "built"
"""Where a wheel has them; a checkout has none there."""
BUILT = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[1] / "static" / "dist"

MISSING = (
    "The pages have not been built yet: run `make setup` (it needs node and npm), then start the server again. "
    "The stream itself works without them, at /hls/stream.m3u8.\n"
)


@dataclass(frozen=True, slots=True)
class Page:
    """One file as it is served. `etag` is quoted; the compressed form has its own."""

    body: bytes
    compressed: bytes | None
    content_type: str
    etag: str
    cache_control: str


def load_pages(directory: Path) -> dict[str, Page]:
    """Every file below `directory` by its path from the root, such as `/assets/app-3f2a.js`.

    Empty when there is no directory. Blocks: call it before the server listens. Raises `ValueError` when there is
    more than pages ever are.
    """
    pages: dict[str, Page] = {}
    total = 0
    for path in _files(directory):
        content = path.read_bytes()
        total += len(content)
        if len(pages) >= MAX_FILES or total > MAX_TOTAL_BYTES:
            raise ValueError(f"{directory} holds more than {MAX_FILES} files or {MAX_TOTAL_BYTES} bytes; rebuild it.")
        name = "/" + path.relative_to(directory).as_posix()
        pages[name] = _page(name, content)
    return pages


def _files(directory: Path) -> Iterator[Path]:
    # A link could lead out of the directory, and a build makes none.
    return (path for path in sorted(directory.rglob("*")) if path.is_file() and not path.is_symlink())


def _page(name: str, content: bytes) -> Page:
    content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    compressed = None
    if content_type.startswith(COMPRESSIBLE) and len(content) >= MIN_GZIP_BYTES:
        compressed = gzip.compress(content, 9, mtime=0)
    return Page(
        body=content,
        compressed=compressed if compressed and len(compressed) < len(content) else None,
        content_type=content_type + "; charset=utf-8" if content_type.startswith("text/") else content_type,
        etag=hashlib.blake2b(content, digest_size=12).hexdigest(),
        cache_control=FOREVER if name.startswith(ASSETS) else REVALIDATE,
    )


def page_routes(pages: dict[str, Page]) -> list[web.RouteDef]:
    """One route for each file, apart from what `web.site` serves in its own way."""

    async def serve(request: web.Request) -> web.Response:
        return respond(request, pages[request.path])

    return [web.get(name, serve) for name in pages if name not in SITE]


def respond(request: web.Request, page: Page) -> web.Response:
    """The page, compressed where the client takes it; 304 when it has it already. HEAD answers the same headers."""
    compressed = page.compressed if accepts_gzip(request.headers.get("Accept-Encoding", "")) else None
    etag = f'"{page.etag}{"-gz" if compressed else ""}"'
    headers = {"ETag": etag, "Cache-Control": page.cache_control, "Vary": "Accept-Encoding"}
    if _has(request.headers.get("If-None-Match", ""), etag):
        return web.Response(status=304, headers=headers)
    if compressed:
        headers["Content-Encoding"] = "gzip"
    headers["Content-Type"] = page.content_type
    return web.Response(body=compressed or page.body, headers=headers)


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether `Accept-Encoding` allows gzip (RFC 9110 §12.5.3: a weight of 0 means "not acceptable")."""
    wildcard = False
    for item in accept_encoding.lower().split(","):
        coding, _, parameter = (part.strip() for part in item.partition(";"))
        name, _, weight = (part.strip() for part in parameter.partition("="))
        allowed = not (name == "q" and weight.rstrip("0") in ("", "0.", "."))
        if coding == "gzip":
            return allowed
        if coding == "*":
            wildcard = allowed
    return wildcard


def _has(if_none_match: str, etag: str) -> bool:
    # RFC 9110 §13.1.2: "A recipient MUST use the weak comparison function"
    return any(candidate.strip().removeprefix("W/") in ("*", etag) for candidate in if_none_match.split(","))
