"""Emoji, logo and icon, as files beside Owncast's database.

Owns where they lie there. Each is made anew as an upload is; what cannot be, such as SVG, is left and said.
"""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

from owncast_py.branding import Branding
from owncast_py.chat.emoji import EmojiStore
from owncast_py.chat.errors import EmojiRefused
from owncast_py.errors import ImageRefused
from owncast_py.images import EMOJI, LOGO
from owncast_py.importing.people import Work

MAX_FILES = 5_000
"""Files in the directory of emoji that are looked at."""


async def take_emoji(work: Work, directory: Path) -> None:
    """Every picture below `emoji/` whose name there is not here yet; `directory` is ours."""
    files = await asyncio.to_thread(_files, work.source.path.parent / "emoji")
    store = EmojiStore(directory)
    await store.start()
    there = {emoji.name for emoji in store.listing()}
    for done, path in enumerate(files, 1):
        if path.stem in there:
            work.report.count("emoji", 0, 1)
        else:
            try:
                await store.add(path.name, await asyncio.to_thread(_base64, path, 2 * EMOJI.max_bytes))
                work.report.count("emoji", 1)
            except (EmojiRefused, ImageRefused, OSError) as error:
                work.report.leave(f"The emoji {path.name[:60]!r}: {_reason(error)}")
        work.progress("emoji", done, len(files))


async def take_branding(work: Work, data_dir: Path, logo: str, favicon: str) -> None:
    """The logo and the icon, given by the names that Owncast has for them."""
    branding = Branding(data_dir, _nowhere)
    beside = work.source.path.parent
    for what, given in (("logo", logo), ("favicon", favicon)):
        path = beside / Path(given).name
        if not given or not path.is_file() or path.is_symlink():
            continue
        try:
            encoded = await asyncio.to_thread(_base64, path, 2 * LOGO.max_bytes)
            if what == "logo":
                await branding.set_logo(encoded)
            else:
                await branding.set_favicon(base64.b64decode(encoded))
            work.report.count(what, 1)
        except (ImageRefused, OSError) as error:
            work.report.leave(f"The {what} {path.name[:60]!r}: {_reason(error)}")


def public_files(beside: Path) -> int:
    """How many files the owner has put into Owncast's `public/`."""
    return sum(path.is_file() for path in (beside / "public").rglob("*")) if (beside / "public").is_dir() else 0


async def _nowhere(address: str) -> bytes:
    raise ImageRefused(f"{address[:60]} is not looked up while importing.")


def _files(directory: Path) -> list[Path]:
    found: list[Path] = []
    for path in directory.rglob("*") if directory.is_dir() else ():
        if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
            found.append(path)
        if len(found) >= MAX_FILES:
            break
    return sorted(found)


def _base64(path: Path, most: int) -> str:
    with path.open("rb") as file:
        return base64.b64encode(file.read(most + 1)).decode()


def _reason(error: Exception) -> str:
    reason = (error.strerror or "it cannot be read") if isinstance(error, OSError) else str(error)
    return reason if reason.endswith(".") else f"{reason}."
