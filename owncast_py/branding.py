"""The server's logo and icon, and what the owner puts into `public/`.

Owns the files below `branding/` in the data directory and their bytes in memory. Uploads are hostile until
`owncast_py.images` has made them anew; what lies in `public/` the owner put there by hand, and is served as it is.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import mimetypes
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from owncast_py.errors import ImageRefused
from owncast_py.images import CONTENT_TYPES, LOGO, ImageLimits, clean_image, decode

FAVICON = ImageLimits("a favicon", 200 * 1024, 512, 1, 512 * 512)
SHARED_SIDE = 512
"""Pixels of the logo as link previews get it."""
MAX_PUBLIC_FILE = 64 << 20
"""Octets of one file in `public/`."""

DEFAULT_LOGO = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" width="512" height="512">'
    b'<rect width="32" height="32" rx="8" fill="#5b5bd6"/><path fill="#fff" '
    b'd="M12.5 10.2v11.6a.8.8 0 0 0 1.2.7l9.3-5.8a.8.8 0 0 0 0-1.4l-9.3-5.8a.8.8 0 0 0-1.2.7z"/></svg>'
)

Fetch = Callable[[str], Awaitable[bytes]]
"""Gets what lies at an address elsewhere; raises ImageRefused with a sentence."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class File:
    """Octets as they are served. `etag` is unquoted."""

    data: bytes
    content_type: str
    etag: str


class Branding:
    """What the server shows of itself in pictures."""

    def __init__(self, data_dir: Path, fetch: Fetch) -> None:
        """`fetch` gets a logo that is given by its address."""
        self._directory = data_dir / "branding"
        self._public = data_dir / "public"
        self._fetch = fetch
        self._files: dict[str, File] = {}
        self._shared: File | None = None
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Reads what was uploaded before."""
        for stem in ("logo", "favicon"):
            found = await asyncio.to_thread(_read_kept, self._directory, stem)
            if found is not None:
                self._files[stem] = found

    @property
    def logo(self) -> File:
        """The logo; the program's own until the owner gives one."""
        return self._files.get("logo") or _file(DEFAULT_LOGO, "image/svg+xml")

    @property
    def favicon(self) -> File | None:
        """The owner's icon."""
        return self._files.get("favicon")

    async def shared_logo(self) -> File:
        """The logo as a PNG of a usual size, for link previews that read nothing else."""
        if self._shared is None:
            logo = self._files.get("logo")
            self._shared = await asyncio.to_thread(_share, logo.data if logo else None)
        return self._shared

    async def set_logo(self, given: str) -> None:
        """Takes a logo: an image as a `data:` URL, or the address of one, here below `/public/` or elsewhere.

        Raises ImageRefused.
        """
        if given.startswith(("http://", "https://")):
            data = await self._fetch(given)
        elif given.startswith("/"):
            found = await self.public_file(given.removeprefix("/public/").removeprefix("/"))
            if found is None:
                raise ImageRefused(f"There is no file {given[:60]!r} in this server's public directory.")
            data = found.data
        else:
            data = decode(given, LOGO)
        async with self._changing:
            await self._keep("logo", data, LOGO)
            self._shared = None

    async def remove_logo(self) -> None:
        """Goes back to the program's own logo."""
        async with self._changing:
            await asyncio.to_thread(_remove, self._directory, "logo")
            self._files.pop("logo", None)
            self._shared = None

    async def set_favicon(self, data: bytes) -> None:
        """Takes an icon, PNG or ICO. Raises ImageRefused."""
        async with self._changing:
            await self._keep("favicon", data, FAVICON)

    async def remove_favicon(self) -> None:
        """Goes back to the program's own icon."""
        async with self._changing:
            await asyncio.to_thread(_remove, self._directory, "favicon")
            self._files.pop("favicon", None)

    async def _keep(self, stem: str, data: bytes, limits: ImageLimits) -> None:
        try:
            self._files[stem] = await asyncio.to_thread(_clean_and_write, self._directory, stem, data, limits)
        except OSError as error:
            raise ImageRefused(f"The image cannot be kept in {self._directory}: {error.strerror}.") from error

    async def public_file(self, name: str) -> File | None:
        """A file below `public/` by its path there; None when there is none."""
        return await asyncio.to_thread(_read_public, self._public, name)


def _file(data: bytes, content_type: str) -> File:
    return File(data, content_type, hashlib.blake2b(data, digest_size=12).hexdigest())


def _read_kept(directory: Path, stem: str) -> File | None:
    for suffix, content_type in CONTENT_TYPES.items():
        try:
            return _file((directory / f"{stem}.{suffix}").read_bytes(), content_type)
        except FileNotFoundError:
            continue
        except OSError as error:
            log.warning("image skipped", file=f"{stem}.{suffix}", reason=error.strerror)
    return None


def _clean_and_write(directory: Path, stem: str, data: bytes, limits: ImageLimits) -> File:
    image = clean_image(_as_png(data, limits) if data[:4] == b"\0\0\1\0" else data, limits)
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / f"{stem}.{image.suffix}"
    temporary = directory / f".{stem}.tmp"
    with temporary.open("wb") as file:
        file.write(image.data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(target)
    _remove(directory, stem, but=target)
    return _file(image.data, CONTENT_TYPES[image.suffix])


def _as_png(icon: bytes, limits: ImageLimits) -> bytes:
    """The largest picture of an ICO file. Browsers take a PNG for an icon as well."""
    from PIL import Image

    if len(icon) > limits.max_bytes:
        raise ImageRefused(f"The image has {len(icon) // 1000} kB; {limits.what} can have {limits.max_bytes // 1000}.")
    out = io.BytesIO()
    try:
        with Image.open(io.BytesIO(icon), formats=["ICO"]) as image:
            if max(image.size) > limits.max_side:
                raise ImageRefused(f"The icon has {image.size[0]} pixels; {limits.what} can have {limits.max_side}.")
            image.convert("RGBA").save(out, "PNG")
    except ImageRefused:
        raise
    except Exception as error:
        raise ImageRefused("That is no icon that can be read; send a PNG or ICO file.") from error
    return out.getvalue()


def _remove(directory: Path, stem: str, but: Path | None = None) -> None:
    for suffix in CONTENT_TYPES:
        path = directory / f"{stem}.{suffix}"
        if path != but:
            path.unlink(missing_ok=True)


def _share(logo: bytes | None) -> File:
    from PIL import Image, ImageDraw

    side = SHARED_SIDE
    picture = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    if logo is None:
        pen = ImageDraw.Draw(picture)
        pen.rounded_rectangle((0, 0, side - 1, side - 1), side // 4, fill=(91, 91, 214))
        pen.polygon([(side * 0.39, side * 0.3), (side * 0.39, side * 0.7), (side * 0.74, side * 0.5)], fill="white")
    else:
        with Image.open(io.BytesIO(logo)) as image:
            image.thumbnail((side, side))
            fitted = image.convert("RGBA")
        picture.paste(fitted, ((side - fitted.width) // 2, (side - fitted.height) // 2))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return _file(out.getvalue(), "image/png")


def _read_public(directory: Path, name: str) -> File | None:
    path = directory / name
    # A link may lead out of the directory, and `..` does.
    try:
        inside = path.resolve().is_relative_to(directory.resolve())
        if not inside or not path.is_file() or path.stat().st_size > MAX_PUBLIC_FILE or "\0" in name:
            return None
        data = path.read_bytes()
    except (OSError, ValueError):
        return None
    return _file(data, mimetypes.guess_type(path.name)[0] or "application/octet-stream")
