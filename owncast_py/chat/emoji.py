"""The server's own emoji: image files in a directory, by name.

Owns the directory and what is in memory of it. Files that the owner puts there by hand are taken at the next start if
they are images; what is uploaded was cleaned by `owncast_py.images`.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import structlog

from owncast_py.chat.errors import EmojiRefused
from owncast_py.chat.rendering import EMOJI_PREFIX
from owncast_py.errors import ImageRefused
from owncast_py.images import CONTENT_TYPES, EMOJI, CleanImage, check, clean_image, decode

MAX_EMOJI = 500
MAX_TOTAL_BYTES = 64_000_000
"""Of all images together; they are served from memory."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,50}")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Emoji:
    """One image as it is served."""

    name: str
    file: str
    data: bytes
    content_type: str

    @property
    def url(self) -> str:
        """Where it is, from the root of the server."""
        return EMOJI_PREFIX + self.file


class EmojiStore:
    """All custom emoji."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._by_name: dict[str, Emoji] = {}
        self._urls: dict[str, str] = {}
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Reads the directory; what is no image is skipped and said in the log."""
        found, skipped = await asyncio.to_thread(_read_all, self._directory)
        for file, why in skipped:
            log.warning("emoji skipped", file=file, reason=why)
        for emoji in found:
            self._remember(emoji)

    @property
    def urls(self) -> Mapping[str, str]:
        """Addresses by name."""
        return MappingProxyType(self._urls)

    def listing(self) -> list[Emoji]:
        """All, by name."""
        return [self._by_name[name] for name in sorted(self._by_name)]

    def file(self, file: str) -> Emoji | None:
        """The emoji in that file."""
        emoji = self._by_name.get(file.rpartition(".")[0])
        return emoji if emoji is not None and emoji.file == file else None

    async def add(self, name: str, data: str) -> Emoji:
        """Adds an emoji, given a file name and base64; one of the same name is replaced.

        Raises EmojiRefused or ImageRefused.
        """
        clean = clean_name(name)
        async with self._changing:
            others = [emoji for emoji in self._by_name.values() if emoji.name != clean]
            if len(others) >= MAX_EMOJI:
                raise EmojiRefused(f"There are {MAX_EMOJI} emoji already; delete some first.")
            image = await asyncio.to_thread(_clean, data)
            if sum(len(emoji.data) for emoji in others) + len(image.data) > MAX_TOTAL_BYTES:
                raise EmojiRefused(f"All emoji together can have {MAX_TOTAL_BYTES // 1_000_000} MB; delete some first.")
            emoji = _emoji(clean, image)
            before = self._by_name.get(clean)
            try:
                await asyncio.to_thread(_write, self._directory, emoji, before)
            except OSError as error:
                raise EmojiRefused(f"The emoji cannot be kept in {self._directory}: {error.strerror}.") from error
            self._remember(emoji)
            return emoji

    async def delete(self, name: str) -> Emoji:
        """Removes an emoji, given its name or its file's. Raises EmojiRefused when there is none."""
        async with self._changing:
            wanted = name.removeprefix(EMOJI_PREFIX).lstrip("/")
            emoji = self._by_name.get(wanted) or self.file(wanted)
            if emoji is None:
                raise EmojiRefused(f"There is no emoji {name[:60]!r}.")
            try:
                await asyncio.to_thread((self._directory / emoji.file).unlink, missing_ok=True)
            except OSError as error:
                raise EmojiRefused(f"{emoji.file} cannot be deleted: {error.strerror}.") from error
            del self._by_name[emoji.name], self._urls[emoji.name]
            return emoji

    def _remember(self, emoji: Emoji) -> None:
        self._by_name[emoji.name] = emoji
        self._urls[emoji.name] = emoji.url


def clean_name(text: str) -> str:
    """The emoji's name from what was uploaded as its file name. Raises EmojiRefused."""
    stem, dot, suffix = text.rpartition(".")
    name = stem if dot and suffix.lower() in CONTENT_TYPES else text
    if _NAME.fullmatch(name) is None:
        raise EmojiRefused(
            f"{text[:60]!r} cannot be an emoji's name: use 1 to 50 letters, digits, _ and -, such as party.gif."
        )
    return name


def _clean(data: str) -> CleanImage:
    return clean_image(decode(data, EMOJI), EMOJI)


def _emoji(name: str, image: CleanImage) -> Emoji:
    return Emoji(name, f"{name}.{image.suffix}", image.data, CONTENT_TYPES[image.suffix])


def _write(directory: Path, emoji: Emoji, before: Emoji | None) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    temporary = directory / f".{emoji.file}.tmp"
    try:
        with temporary.open("wb") as file:
            file.write(emoji.data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(directory / emoji.file)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    if before is not None and before.file != emoji.file:
        (directory / before.file).unlink(missing_ok=True)


def _read_all(directory: Path) -> tuple[list[Emoji], list[tuple[str, str]]]:
    """The emoji in a directory, and which files are none, with the reason."""
    found: dict[str, Emoji] = {}
    skipped: list[tuple[str, str]] = []
    total = 0
    try:
        files = sorted(directory.iterdir()) if directory.is_dir() else []
    except OSError as error:
        return [], [(str(directory), str(error))]
    for path in files:
        suffix = path.suffix.lower().lstrip(".")
        if path.name.startswith(".") or not path.is_file():
            continue
        try:
            name = clean_name(path.name)
            if suffix not in CONTENT_TYPES or path.is_symlink():
                raise EmojiRefused("It is no PNG, GIF, WebP or JPEG file.")
            if path.stat().st_size > 2 * EMOJI.max_bytes or len(found) >= MAX_EMOJI or name in found:
                raise EmojiRefused("It is too large, one too many, or there is another of that name.")
            data = path.read_bytes()
            if total + len(data) > MAX_TOTAL_BYTES:
                raise EmojiRefused("All emoji together are too large.")
            check(data, EMOJI)
        except (EmojiRefused, ImageRefused, OSError) as error:
            skipped.append((path.name, str(error)))
        else:
            total += len(data)
            found[name] = Emoji(name, path.name, data, CONTENT_TYPES[suffix])
    return list(found.values()), skipped
