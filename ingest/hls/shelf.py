"""What an encoder has sent and nobody has used yet, and which of it comes next. Sans-I/O.

Owns the files, within bounds, and the order: the playlists decide what is played and in which order, whatever the
order of arrival. A segment that is named but never sent is passed over once later ones are here; one that was used is
not used again. Which variants there are is decided once, from the multivariant playlist or, without one, from the
media playlists that came first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ingest.errors import PlaylistError
from ingest.hls.m3u8 import Encoding, Entry, Media, Multivariant, clean_name, read_playlist

MAX_FILES: Final = 256
MAX_BYTES: Final = 192 * 1024 * 1024
"""Segments that wait, all together; the oldest gives way."""
MAX_INITS: Final = 32
MAX_INIT_BYTES: Final = 256 * 1024
MAX_PLAYLISTS: Final = 24
PATIENCE: Final = 2
"""How many later segments may be here before one that is missing is passed over."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A segment whose turn has come. `track` counts the encodings, best first, then the playlists of sound."""

    track: int
    entry: Entry
    init: bytes
    data: bytes
    broken: bool
    """Whether something before it is missing."""


@dataclass(slots=True)
class _Track:
    playlist: str
    next: int | None = None
    taken: int = 0
    broken: bool = False


@dataclass(slots=True)
class Shelf:
    """`put` what comes, `settle` which tracks there are, `take` what can be used."""

    told: Callable[[str], None]
    """Hears a sentence for the log about what was given up."""
    encodings: tuple[Encoding, ...] = ()
    """The variants, best first; empty until settled."""
    sounds: tuple[str, ...] = ()
    """The playlists that have only the sound."""
    _files: dict[str, bytes] = field(default_factory=dict)
    _held: int = 0
    _inits: dict[str, bytes] = field(default_factory=dict)
    _medias: dict[str, Media] = field(default_factory=dict)
    _multivariant: Multivariant | None = None
    _tracks: list[_Track] = field(default_factory=list)

    def put(self, name: str, data: bytes) -> None:
        """Takes a file. Raises PlaylistError for a name or a playlist that cannot be used."""
        clean_name(name)
        if name.endswith((".m3u8", ".m3u")):
            self._put_playlist(name, read_playlist(name, data))
            return
        self._drop(name)
        self._files[name] = data
        self._held += len(data)
        while len(self._files) > MAX_FILES or self._held > MAX_BYTES:
            oldest = next(iter(self._files))
            self._drop(oldest)
            self.told(f"{oldest} is given up: {MAX_FILES} files or {MAX_BYTES >> 20} MB at most can wait to be used.")

    def delete(self, name: str) -> None:
        """Forgets a file; the end of a playlist is the end of what it lists."""
        self._drop(name)
        media = self._medias.get(name)
        if media is not None:
            self._medias[name] = Media(media.entries, ended=True)

    @property
    def known(self) -> bool:
        """Whether there is anything to settle on."""
        return self._multivariant is not None or bool(self._medias)

    @property
    def certain(self) -> bool:
        """Whether a multivariant playlist says which variants there are."""
        return self._multivariant is not None

    @property
    def ended(self) -> bool:
        """Whether every playlist in use says that nothing follows."""
        medias = [self._medias.get(track.playlist) for track in self._tracks]
        return bool(medias) and all(media is not None and media.ended for media in medias)

    def settle(self) -> None:
        """Decides on the variants that are known now."""
        if self._multivariant is not None:
            self.encodings = self._multivariant.encodings
        else:
            self.encodings = tuple(Encoding(name, 0) for name in self._medias)
        self.sounds = tuple(dict.fromkeys(each.audio for each in self.encodings if each.audio is not None))
        names = [each.playlist for each in self.encodings] + list(self.sounds)
        self._tracks = [_Track(name) for name in names]

    def take(self) -> Delivery | None:
        """The next segment of any track that can be used now; None while there is none."""
        # Whoever has had least comes first, so that variants stay together.
        for number, track in sorted(enumerate(self._tracks), key=lambda numbered: numbered[1].taken):
            media = self._medias.get(track.playlist)
            if media is not None and (entry := self._due(track, media)) is not None:
                data = self._files[entry.name]
                self._drop(entry.name)
                track.next = entry.number + 1
                track.taken += 1
                broken, track.broken = track.broken, False
                return Delivery(number, entry, self._init(entry), data, broken)
        return None

    def spoil(self, track: int) -> None:
        """What was taken last of that track could not be used."""
        self._tracks[track].broken = True

    def _due(self, track: _Track, media: Media) -> Entry | None:
        entries = media.entries
        if not entries:
            return None
        if track.next is not None and entries[-1].number < track.next and self._here(entries[-1]):
            if entries[-1].number + 1 == track.next:
                self._drop(entries[-1].name)  # sent twice
                return None
            self.told(f"{track.playlist} begins again at segment {entries[0].number}.")
            track.next, track.broken = None, True
        ahead = [entry for entry in entries if track.next is None or entry.number >= track.next]
        here = [position for position, entry in enumerate(ahead) if self._here(entry)]
        if not here:
            return None
        first = here[0]
        if track.next is None or (not first and ahead[0].number == track.next):
            return ahead[first]
        # Something that was to come is missing, or has left the playlist before it came.
        if first and len(here) < PATIENCE:
            return None
        self.told(f"{track.playlist} names segments from {track.next} on that were never sent; they are passed over.")
        track.broken = True
        return ahead[first]

    def _here(self, entry: Entry) -> bool:
        return entry.name in self._files and (entry.init is None or bool(self._init(entry)))

    def _init(self, entry: Entry) -> bytes:
        """The initialization section, which is kept from its first use on: every segment needs it."""
        name = entry.init
        if name is None:
            return b""
        sent = self._files.get(name)
        if sent is not None and len(sent) <= MAX_INIT_BYTES:
            self._drop(name)
            self._inits.pop(name, None)
            self._inits[name] = sent
            if len(self._inits) > MAX_INITS:
                del self._inits[next(iter(self._inits))]
        return self._inits.get(name, b"")

    def _put_playlist(self, name: str, playlist: Multivariant | Media) -> None:
        if isinstance(playlist, Multivariant):
            self._multivariant = playlist
            return
        if name not in self._medias and len(self._medias) == MAX_PLAYLISTS:
            raise PlaylistError(f"{MAX_PLAYLISTS} playlists were sent already, so {name} is not taken.")
        self._medias[name] = playlist

    def _drop(self, name: str) -> None:
        self._held -= len(self._files.pop(name, b""))
