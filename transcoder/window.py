"""The live window: the renditions of one broadcast as they are made, kept in memory for whoever serves them.

Owns the parts, segments and init sections of the last minute, those who wait for what comes next, and the playlists,
each rendered at most once per change. It knows no HTTP and no ffmpeg: `transcoder.packager` fills it, `web` reads it.

Everything here runs on the event loop. A name in the window never comes back with other bytes, because the session
is part of it.
"""

from __future__ import annotations

import gzip
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum

from ingest.source import TIMESCALE
from transcoder import dash, playlist
from transcoder.kept import Kept
from transcoder.ladder import Variant
from transcoder.made import Made
from transcoder.playlist import MediaPlaylist, Report
from transcoder.schedule import PART_SLACK
from transcoder.segments import Init, Part, RenditionInfo, Segment, init_name, segment_name

MAX_WAITERS = 20_000
"""Requests that may wait on one rendition at a time; further ones are turned away."""

KEPT_AFTER_LISTING = 4
"""Segments kept in memory after they left the playlist, for players that are about to ask for them."""

LEAVING = 3
"""The newest segments, the open one among them: those that may be on their way elsewhere."""

ADVANCE_SEGMENTS = 2
"""How far `_HLS_msn` may lie ahead of the last segment (draft-pantos-hls-rfc8216bis §6.2.5.2)."""

ADVANCE_SECONDS = 3
"""The Advance Part Limit is this many seconds of parts, where parts are shorter than a second (ibid.)."""

GZIP_LEVEL = 6


class Rendered:
    """A playlist as immutable bytes, shared by all who ask for it."""

    __slots__ = ("_gzip", "etag", "plain")

    def __init__(self, text: str, etag: str) -> None:
        self.plain = text.encode()
        self.etag = f'"{etag}"'
        self._gzip: bytes | None = None

    @property
    def gzip(self) -> bytes:
        """The same, compressed once, when the first player asks for it."""
        if self._gzip is None:
            self._gzip = gzip.compress(self.plain, GZIP_LEVEL, mtime=0)
        return self._gzip


class Standing(Enum):
    """How a request for a position stands to what there is."""

    READY = "ready"
    WAIT = "wait"
    TOO_FAR = "too far"
    GONE = "gone"


Waiter = Callable[[], None]
"""Called once, synchronously, when what was waited for is there or never will be."""


class Rendition:
    """One track of media: its listed segments, the open one, and a few that have just left the playlist."""

    def __init__(self, window: LiveWindow, number: int, info: RenditionInfo) -> None:
        self.number = number
        self.info = info
        self.segments: deque[Segment] = deque()
        self.inits: dict[str, Init] = {}
        self.discontinuity_sequence = 0
        self.stored_init: Init | None = None
        """The init section that the segment store was given last; the store's own note."""
        self.kept = Kept()
        self._window = window
        self._listed_from = 0
        self._init: Init | None = None
        self._inits_made = 0
        self._version = 0
        self._playlists: dict[bool, Rendered] = {}
        self._waiters: dict[Waiter, tuple[int, int | None]] = {}

    # What the packager does.

    def describe(self, info: RenditionInfo) -> None:
        """Replaces what the multivariant playlist says of this rendition."""
        self.info = info
        self._window.described()

    def set_init(self, data: bytes) -> None:
        """The init section of all parts that follow. Takes effect with the next segment that has media."""
        if self._init is None or self._init.data != data:
            # Counted, not len(inits): the name of one that is gone must not come back with other bytes.
            self._init = Init(init_name(self._window.session, self._inits_made), data)
            self._inits_made += 1
            self.inits[self._init.name] = self._init

    def add_part(
        self, part: Part, *, sequence: int, start: int, decode_time: int, discontinuity: bool, closes: bool
    ) -> None:
        """Appends `part` to segment `sequence`, which it opens if need be and completes if it `closes` it."""
        segment = self.segments[-1] if self.segments else None
        if segment is None or segment.complete:
            previous = segment.init if segment else None
            segment = Segment(sequence, start, decode_time, previous, discontinuity and segment is not None)
            self.segments.append(segment)
        if part.data is not None and segment.gap:
            # The first media of a segment says which init section it needs.
            if segment.init is not None and segment.init is not self._init:
                segment.discontinuity = True
            segment.init, segment.decode_time = self._init, decode_time
        elif segment.init is not self._init:
            # An encoder that came back with other parameters: what it makes fits only a segment of its own.
            part.data = None
        segment.parts.append(part)
        segment.duration += part.duration
        segment.complete = closes
        self._trim()
        self._window.made.note((self.number, self.info.kind), gap=part.data is None, closes=closes)
        self._version += 1
        self._playlists.clear()
        if closes:
            self._window.segment_completed(self, segment)
        self._window.changed()
        self._wake()

    def _trim(self) -> None:
        """Moves segments out of the playlist, and later out of memory."""
        complete = len(self.segments) - (not self.segments[-1].complete)
        while complete - self._listed_from > self._window.size:
            # "…when an EXT-X-DISCONTINUITY tag is removed from the Media Playlist" (§6.2.2): with the segment after it.
            self.discontinuity_sequence += self.segments[self._listed_from].discontinuity
            self._listed_from += 1
        while self._listed_from > KEPT_AFTER_LISTING:
            gone = self.segments.popleft()
            self.kept.discard(segment_name(self._window.session, gone.sequence))
            self._listed_from -= 1
            if gone.init is not None and self.segments[0].init is not gone.init:
                self.inits.pop(gone.init.name, None)
                self.kept.discard(gone.init.name)

    def elsewhere(self, sequence: int) -> str:
        """The address to which players are sent for that segment; empty: it is here, or nowhere yet."""
        window = self._window
        name = segment_name(window.session, sequence)
        gone = bool(self.segments) and sequence < self.segments[0].sequence
        there = bool(window.elsewhere) and (gone or name in self.kept)
        return f"{window.elsewhere}{window.session}/{self.number}/{name}" if there else ""

    def leaving(self, sequence: int) -> bool:
        """Whether that segment is so new that it is probably on its way elsewhere."""
        return bool(self._window.elsewhere) and sequence > self.segments[-1].sequence - LEAVING

    def _wake(self) -> None:
        # Almost all wait for the same part, so each position is looked at once.
        standings: dict[tuple[int, int | None], Standing] = {}
        for waiter, position in list(self._waiters.items()):
            standing = standings.get(position)
            if standing is None:
                standing = standings[position] = self.standing(*position)
            if standing is not Standing.WAIT:
                del self._waiters[waiter]
                waiter()

    def end(self) -> None:
        """Nothing follows: completes the open segment and wakes all waiters."""
        if self.segments and not self.segments[-1].complete:
            self.segments[-1].complete = True
            self._window.made.segments[self.number, self.info.kind] += 1
            self._window.segment_completed(self, self.segments[-1])
        self._version += 1
        self._playlists.clear()
        waiting, self._waiters = self._waiters, {}
        for waiter in waiting:
            waiter()

    # What a server reads.

    @property
    def listed(self) -> list[Segment]:
        """The segments of the playlist, oldest first; the last may be open."""
        return list(self.segments)[self._listed_from :]

    @property
    def begun(self) -> bool:
        """Whether the playlist lists any media: without parts, that takes a whole segment."""
        return bool(self.segments) and (self._window.part_target is not None or self.segments[0].complete)

    @property
    def position(self) -> tuple[int, int]:
        """Sequence and number of the newest part; (-1, -1) before the first."""
        if not self.segments:
            return -1, -1
        return self.segments[-1].sequence, len(self.segments[-1].parts) - 1

    @property
    def upcoming(self) -> tuple[int, int]:
        """Sequence and number of the part that comes next: the one the playlist hints at."""
        return playlist.following(self.segments[-1]) if self.segments else (0, 0)

    def standing(self, sequence: int, part: int | None) -> Standing:
        """Whether segment `sequence` (or its part number `part`) is in the playlist, will be, or cannot be yet."""
        if not self.segments:
            return Standing.GONE if self._window.ended else Standing.WAIT
        last = self.segments[-1]
        if sequence > last.sequence + ADVANCE_SEGMENTS:
            return Standing.TOO_FAR
        if part is not None and sequence >= last.sequence:
            ahead = part - (len(last.parts) if sequence == last.sequence else 0)
            if ahead > self._window.advance_parts:
                return Standing.TOO_FAR
        if sequence < last.sequence or (sequence == last.sequence and last.complete):
            segment = self.find(sequence)
            if part is None or segment is None or part < len(segment.parts) or sequence < last.sequence:
                return Standing.READY
            # "…a Part Index greater than that of the final Partial Segment … MUST be treated as a request for Part
            # Index 0 of the following Parent Segment" (§6.2.5.2).
        elif sequence == last.sequence and part is not None and part < len(last.parts):
            return Standing.READY
        return Standing.GONE if self._window.ended else Standing.WAIT

    def wait(self, sequence: int, part: int | None, waiter: Waiter) -> bool:
        """Calls `waiter` once when that position no longer stands at WAIT. False: too many wait already."""
        if len(self._waiters) >= MAX_WAITERS:
            return False
        self._waiters[waiter] = (sequence, part)
        return True

    def forget(self, waiter: Waiter) -> None:
        """Takes a waiter back, if it was not called yet."""
        self._waiters.pop(waiter, None)

    @property
    def waiting(self) -> int:
        """Requests that wait for what comes next."""
        return len(self._waiters)

    @property
    def size(self) -> int:
        """Bytes of media in memory."""
        return sum(segment.size for segment in self.segments) + sum(len(init.data) for init in self.inits.values())

    def find(self, sequence: int) -> Segment | None:
        """The segment with this sequence number, if it is in memory."""
        if not self.segments:
            return None
        position = sequence - self.segments[0].sequence
        return self.segments[position] if 0 <= position < len(self.segments) else None

    def playlist(self, *, skip: bool = False) -> Rendered:
        """The media playlist as of now."""
        rendered = self._playlists.get(skip)
        if rendered is None:
            window = self._window
            reports = [
                Report(other.number, *other.position)
                for other in window.renditions
                if other is not self and other.segments
            ]
            text = MediaPlaylist(
                session=window.session,
                segments=self.listed,
                target_duration=window.target_duration,
                part_target=window.part_target,
                discontinuity_sequence=self.discontinuity_sequence,
                epoch=window.epoch,
                ended=window.ended,
                reports=reports,
            ).render(skip=skip)
            rendered = Rendered(text, f"{window.session}-{self._version}{'d' if skip else ''}")
            self._playlists[skip] = rendered
        return rendered

    @property
    def bandwidth(self) -> tuple[int, int]:
        """Peak and average bits per second over the listed segments, or the announced rate before the first."""
        rates = [
            (segment.size * 8, segment.duration)
            for segment in self.listed
            if segment.complete and segment.duration and not segment.gap
        ]
        if not rates:
            return self.info.bitrate * 11 // 10, self.info.bitrate
        peak = max(bits * TIMESCALE // duration for bits, duration in rates)
        average = sum(bits for bits, _ in rates) * TIMESCALE // sum(duration for _, duration in rates)
        return peak, average


class LiveWindow:
    """All renditions of one session, and its multivariant playlist and DASH manifest."""

    def __init__(
        self,
        *,
        session: str,
        epoch: float,
        target_duration: int,
        part_target: int | None,
        size: int,
        renditions: Sequence[RenditionInfo],
        variants: Sequence[Variant],
        base: str = "",
        on_segment: Callable[[LiveWindow, Rendition, Segment], None] | None = None,
        made: Made | None = None,
    ) -> None:
        """`base` is what the multivariant playlist puts before the addresses of the others; `made` outlives this."""
        self.made = made or Made()
        self.session = session
        self.base = base
        self.epoch = epoch
        self.target_duration = target_duration
        self.part_target = None if part_target is None else part_target + PART_SLACK
        self.size = size
        self.renditions = [Rendition(self, number, info) for number, info in enumerate(renditions)]
        self.variants = tuple(variants)
        self.ended = False
        self.settled = False
        self._elsewhere = ""
        self._on_segment = on_segment
        self._version = 0
        self._multivariant: Rendered | None = None
        self._manifest: Rendered | None = None
        self._ready_waiters: dict[Waiter, None] = {}

    @property
    def advance_parts(self) -> int:
        """The Advance Part Limit."""
        if self.part_target is None or self.part_target >= TIMESCALE:
            return ADVANCE_SECONDS
        return ADVANCE_SECONDS * TIMESCALE // self.part_target

    @property
    def playable(self) -> bool:
        """Whether a player can start: all variants have media, or `settle` gave up on the slow ones."""
        ready = len(self._ready_variants())
        return ready == len(self.variants) or (self.settled and ready > 0)

    def settle(self) -> None:
        """Stops waiting for variants that have no media yet; they are offered when they have."""
        self.settled = True
        self._multivariant = None
        self.changed()

    def _ready_variants(self) -> list[Variant]:
        numbers = {rendition.number for rendition in self.renditions if rendition.segments and rendition.info.codec}
        return [variant for variant in self.variants if {variant.video, variant.audio} - {None} <= numbers]

    def rendition(self, number: int) -> Rendition | None:
        """The rendition with this number."""
        return self.renditions[number] if 0 <= number < len(self.renditions) else None

    @property
    def elsewhere(self) -> str:
        """Where players are sent for segments that are kept elsewhere, as an address that ends with a slash; empty:
        nowhere, all is here."""
        return self._elsewhere

    def serve_from(self, elsewhere: str) -> None:
        """Sends players there from now on. Nobody goes on waiting for what was to come elsewhere."""
        if elsewhere != self._elsewhere:
            self._elsewhere = elsewhere
            for rendition in self.renditions:
                rendition.kept.release()

    def changed(self) -> None:
        """Something was added: what was rendered of the whole is old."""
        self._version += 1
        self._manifest = None
        if not all(rendition.segments for rendition in self.renditions):
            self._multivariant = None
        if self._ready_waiters and self.playable:
            self._wake()

    def described(self) -> None:
        """A rendition's codec, size or rate became known."""
        self._multivariant = None
        self.changed()

    def segment_completed(self, rendition: Rendition, segment: Segment) -> None:
        """Bandwidths are measured over whole segments, so the multivariant playlist may change with each."""
        self._multivariant = None
        if self._on_segment is not None:
            self._on_segment(self, rendition, segment)

    def end(self) -> None:
        """The broadcast is over: playlists get their ENDLIST and all waiters their answer."""
        self.ended = True
        for rendition in self.renditions:
            rendition.end()
        self._version += 1
        self._manifest = self._multivariant = None
        self._wake()

    def wait_playable(self, waiter: Waiter) -> bool:
        """Calls `waiter` once when the window is playable, or has ended. False: too many wait already."""
        if len(self._ready_waiters) >= MAX_WAITERS:
            return False
        self._ready_waiters[waiter] = None
        return True

    def forget_playable(self, waiter: Waiter) -> None:
        """Takes a waiter back, if it was not called yet."""
        self._ready_waiters.pop(waiter, None)

    @property
    def waiting(self) -> int:
        """Requests that wait for something of it."""
        return len(self._ready_waiters) + sum(rendition.waiting for rendition in self.renditions)

    def _wake(self) -> None:
        waiting, self._ready_waiters = self._ready_waiters, {}
        for waiter in waiting:
            waiter()

    def multivariant(self) -> Rendered:
        """The multivariant playlist as of now."""
        if self._multivariant is None:
            self._multivariant = Rendered(self.multivariant_text(self.base), f"{self.session}-m{self._version}")
        return self._multivariant

    def multivariant_text(self, base: str) -> str:
        """The same with another address before those of the others."""
        return playlist.multivariant(
            self._ready_variants(),
            {rendition.number: rendition.info for rendition in self.renditions},
            {rendition.number: rendition.bandwidth for rendition in self.renditions},
            base,
        )

    def manifest(self) -> Rendered:
        """The DASH manifest as of now."""
        if self._manifest is None:
            self._manifest = Rendered(dash.manifest(self), f"{self.session}-d{self._version}")
        return self._manifest
