"""The playlists that an encoder sends (RFC 8216), read for what this server needs of them.

Pure. Owns which tags matter and which make a stream unusable. A playlist is hostile: its size, its lines and the names
in it are bounded here, and a name leads nowhere but below the address that it was sent to.
"""

from __future__ import annotations

import math
import posixpath
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from ingest.errors import PlaylistError

MAX_PLAYLIST_BYTES: Final = 512 * 1024
MAX_SEGMENTS: Final = 20_000
"""Entries that are read: more than a day of segments, for encoders that never drop old ones."""
MAX_ENCODINGS: Final = 10
MAX_NAME: Final = 256
MAX_DURATION: Final = 60.0
"""Seconds that a segment may last: it is held in memory as a whole."""

_ATTRIBUTE = re.compile(r'([A-Z0-9-]{1,32})=("[^"]*"|[^",]*)')


@dataclass(frozen=True, slots=True)
class Encoding:
    """One variant of a multivariant playlist. `playlist` and `audio` are names of media playlists."""

    playlist: str
    bandwidth: int
    """Bits per second, as announced."""
    audio: str | None = None
    """The playlist with its sound, when that is not in the same segments."""


@dataclass(frozen=True, slots=True)
class Multivariant:
    """What there is to choose from, the best first."""

    encodings: tuple[Encoding, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One segment of a media playlist."""

    number: int
    """Its media sequence number."""
    name: str
    duration: float
    """Seconds."""
    init: str | None
    """The name of its initialization section; None for MPEG-TS."""


@dataclass(frozen=True, slots=True)
class Media:
    """A media playlist."""

    entries: tuple[Entry, ...]
    ended: bool


def read_playlist(name: str, data: bytes) -> Multivariant | Media:
    """The playlist that was sent as `name`. Raises PlaylistError."""
    if len(data) > MAX_PLAYLIST_BYTES:
        raise PlaylistError(
            f"The playlist {name} has {len(data):,} bytes; {MAX_PLAYLIST_BYTES:,} are read. Let the encoder list "
            "fewer segments (hls_list_size)."
        )
    try:
        lines = [line.strip() for line in data.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise PlaylistError(f"The playlist {name} is not UTF-8 text.") from error
    if not lines or lines[0] != "#EXTM3U":
        raise PlaylistError(f"{name} is no playlist: its first line is not #EXTM3U.")
    if any(line.startswith("#EXT-X-STREAM-INF:") for line in lines):
        return _multivariant(name, lines)
    return _media(name, lines)


def clean_name(name: str) -> str:
    """`name` as it is known here. Raises PlaylistError for one that is no plain relative path."""
    parts = name.split("/")
    plain = all(part not in ("", ".", "..") for part in parts) and "\\" not in name and name.isprintable()
    if not plain or len(name) > MAX_NAME:
        raise PlaylistError(f"{name[:80]!r} is no name for a file: send plain names such as stream.m3u8 or 720p/1.ts.")
    return name


def _multivariant(name: str, lines: list[str]) -> Multivariant:
    sounds: dict[str, str] = {}
    found: list[tuple[str, dict[str, str]]] = []
    pending: dict[str, str] | None = None
    for line in lines:
        if line.startswith("#EXT-X-MEDIA:"):
            tag = _attributes(line)
            group = tag.get("GROUP-ID", "")
            chosen = group not in sounds or tag.get("DEFAULT") == "YES"
            if tag.get("TYPE") == "AUDIO" and "URI" in tag and chosen:
                sounds[group] = _resolve(name, tag["URI"])
        elif line.startswith("#EXT-X-STREAM-INF:"):
            pending = _attributes(line)
        elif line and not line.startswith("#") and pending is not None:
            found.append((_resolve(name, line), pending))
            pending = None
    encodings: dict[str, Encoding] = {}
    for playlist, tag in found:
        bandwidth = tag.get("BANDWIDTH", "")
        rate = int(bandwidth) if bandwidth.isascii() and bandwidth.isdigit() and len(bandwidth) < 12 else 0
        encodings.setdefault(playlist, Encoding(playlist, rate, sounds.get(tag.get("AUDIO", ""))))
    if not encodings:
        raise PlaylistError(f"The playlist {name} names no variant.")
    if len(encodings) > MAX_ENCODINGS:
        raise PlaylistError(f"The playlist {name} names {len(encodings)} variants; {MAX_ENCODINGS} are taken.")
    return Multivariant(tuple(sorted(encodings.values(), key=lambda each: -each.bandwidth)))


def _media(name: str, lines: list[str]) -> Media:
    entries: list[Entry] = []
    number, duration, init, ended = 0, 0.0, None, False
    for line in lines:
        if line.startswith("#EXTINF:"):
            duration = _duration(name, line[8:].split(",")[0])
        elif line.startswith("#EXT-X-MEDIA-SEQUENCE:"):
            number = _number(name, line.split(":", 1)[1])
        elif line.startswith("#EXT-X-MAP:"):
            tag = _attributes(line)
            if "BYTERANGE" in tag or "URI" not in tag:
                raise PlaylistError(f"The playlist {name} has an EXT-X-MAP that is not a file of its own.")
            init = _resolve(name, tag["URI"])
        elif line.startswith("#EXT-X-BYTERANGE"):
            raise PlaylistError(
                f"The playlist {name} names ranges of one file; let the encoder write a file for each segment."
            )
        elif line.startswith("#EXT-X-KEY:") and _attributes(line).get("METHOD") != "NONE":
            raise PlaylistError(f"The playlist {name} names encrypted segments; switch encryption off in the encoder.")
        elif line == "#EXT-X-ENDLIST":
            ended = True
        elif line and not line.startswith("#"):
            if len(entries) == MAX_SEGMENTS:
                raise PlaylistError(f"The playlist {name} names more than {MAX_SEGMENTS:,} segments.")
            entries.append(Entry(number, _resolve(name, line), duration, init))
            number += 1
    return Media(tuple(entries), ended)


def _attributes(line: str) -> dict[str, str]:
    """RFC 8216 §4.2."""
    return {key: value.strip('"') for key, value in _ATTRIBUTE.findall(line.split(":", 1)[1])}


def _resolve(base: str, reference: str) -> str:
    """A file's name as it is sent, for a reference in the playlist `base`."""
    path = unquote(reference.split("?", 1)[0].split("#", 1)[0])
    if "://" in path or path.startswith("/"):
        raise PlaylistError(
            f"The playlist {base} names {reference[:80]!r}; let it name segments relative to itself (no hls_base_url)."
        )
    return clean_name(posixpath.normpath(posixpath.join(posixpath.dirname(base), path)))


def _duration(name: str, text: str) -> float:
    try:
        duration = float(text)
    except ValueError:
        duration = math.nan
    if not 0 <= duration <= MAX_DURATION:
        raise PlaylistError(
            f"The playlist {name} has a segment of {text[:20]!r} seconds; let segments last 1 to 10 seconds."
        )
    return duration


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise PlaylistError(f"The playlist {name} begins with the media sequence number {text[:20]!r}.")
    return int(text)
