"""What players fetch: playlists, init sections, segments and parts, from the live window.

Owns the meaning of a request under `/hls/`: `Hls.look_up` says what to answer, or what has to be waited for. It is
sans-I/O and shared by two shells: `web.hot`, which answers straight from the socket, and `web.hls_routes`, which serves
whatever comes over a connection that aiohttp already has.

Follows draft-pantos-hls-rfc8216bis §6.2.5 (delivery directives) and appendix B.1 (caching). How an answer is written is
`web.media_answers`'.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from transcoder.window import LiveWindow, Rendered, Rendition, Standing, Waiter
from web.addresses import player_id
from web.media_answers import (
    BAD_DIRECTIVE,
    CROWDED,
    EXPOSED,
    MOMENT,
    NOT_FOUND,
    OFFLINE,
    TIMED_OUT,
    TOO_FAR,
    Answer,
    Request,
    matches,
    moved,
    of_bytes,
    tagged,
    unchanged,
)
from web.traffic import INIT, MANIFEST, PART, PLAYLIST, SEGMENT, Traffic

PREFIX = "/hls/"
MULTIVARIANT_SECONDS = 10.0
"""How long a request for the multivariant playlist waits for a stream that is just starting."""

WAIT_TARGETS = 3
"""A blocked request is given up after this many target durations."""

LEAVING_SECONDS = 1.0
"""How long a request for a segment waits for it to be elsewhere. Players ask as soon as it is listed, well before they
need it; one that is about to begin must not wait for longer."""

CACHED_TARGETS = 6
"""Answers to blocking requests never change: they may be kept for this many target durations (appendix B.1)."""

MAX_ANSWERS = 256
"""Rendered answers kept; a moment needs a few for each rendition."""

MAX_TARGET = 2048
MAX_DIGITS = 12

PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
MANIFEST_TYPE = "application/dash+xml"

_MEDIA_FILE = re.compile(r"([0-9a-zA-Z]{1,32})-(?:(init\d{1,9}\.mp4)|(\d{1,12})(?:\.(\d{1,6}))?\.m4s)", re.ASCII)
_NUMBER = re.compile(rf"\d{{1,{MAX_DIGITS}}}", re.ASCII)
_RENDITION = re.compile(r"\d{1,3}", re.ASCII)


class Media(Protocol):
    """Where the media comes from."""

    def window(self) -> LiveWindow | None:
        """The window on air, or the last one while its end is still worth watching."""

    async def still(self, name: str) -> bytes | None:
        """A picture of the stream by its file name."""

    async def stored(self, key: str) -> bytes | None:
        """A segment that is no longer in memory."""


@dataclass(frozen=True, slots=True)
class Pending:
    """The answer lies in the future: `register` a waiter, answer with `finish` when it is called."""

    register: Callable[[Waiter], bool]
    """False: too many wait already."""
    withdraw: Callable[[Waiter], None]
    finish: Callable[[], Answer]
    seconds: float
    """After so long, `late` is the answer."""
    finishes: bool = False
    """Whether `finish` has the answer also after that time, or when too many wait."""

    @property
    def crowded(self) -> Answer:
        """The answer when too many wait."""
        return self.finish() if self.finishes else CROWDED

    @property
    def late(self) -> Answer:
        """The answer after that time."""
        return self.finish() if self.finishes else TIMED_OUT


@dataclass(frozen=True, slots=True)
class Stored:
    """The answer is in the segment store, under `key`."""

    key: str
    media_type: str
    kind: int


Outcome = Answer | Pending | Stored


class ViewerCounter(Protocol):
    """Who counts players."""

    def touch(self, viewer_id: str) -> bool:
        """That player is still there. Returns whether it is new."""

    def describe(self, viewer_id: str, address: str, user_agent: str) -> None:
        """Where a new player is, and what it calls itself."""


class Hls:
    """Answers requests from `media`; tells `viewers` which player fetched a playlist."""

    def __init__(self, media: Media, viewers: ViewerCounter, traffic: Traffic | None = None) -> None:
        """What is answered is counted in `traffic`."""
        self.media = media
        self.traffic = traffic or Traffic()
        self._viewers = viewers
        self._answers: dict[tuple[Rendered, str, str, bool], Answer] = {}

    def look_up(self, request: Request, address: str) -> Outcome:
        """What to answer. `address` is the client's, as far as it is known."""
        path, _, query = request.target.partition("?")
        window = self.media.window()
        if window is None:
            return OFFLINE
        parts = path[len(PREFIX) :].split("/")
        if len(parts) == 2 and _RENDITION.fullmatch(parts[0]):
            rendition = window.rendition(int(parts[0]))
            if rendition is None:
                return NOT_FOUND
            if parts[1] == "stream.m3u8":
                self._note_viewer(request, query, address)
                return self._playlist(window, rendition, request, query)
            return self._file(window, rendition, request, parts[1])
        if parts == ["stream.m3u8"]:
            return self._whole(window, request, window.multivariant, PLAYLIST_TYPE)
        if parts == ["stream.mpd"]:
            self._note_viewer(request, query, address)
            return self._manifest(window, request)
        return NOT_FOUND

    def _note_viewer(self, request: Request, query: str, address: str) -> None:
        viewer = player_id(request.header, query, address)
        if self._viewers.touch(viewer):
            self._viewers.describe(viewer, address, request.header("user-agent") or "")

    def _whole(
        self, window: LiveWindow, request: Request, render: Callable[[], Rendered], media_type: str
    ) -> Answer | Pending:
        """The multivariant playlist or the manifest: of a show that is on, or is just about to be."""
        if window.ended:
            return OFFLINE

        def finish() -> Answer:
            if window.ended or not window.playable:
                return OFFLINE
            return self._text(render(), media_type, MOMENT, request)

        if window.playable:
            return finish()
        return Pending(window.wait_playable, window.forget_playable, finish, MULTIVARIANT_SECONDS)

    def _manifest(self, window: LiveWindow, request: Request) -> Outcome:
        """DASH has no parts: its manifest begins with complete segments, of sound too, since players look for tracks
        only when a period begins."""
        behind = [rendition for rendition in window.renditions if rendition.standing(0, None) is Standing.WAIT]
        if window.settled and len(behind) < len(window.renditions):
            behind = [rendition for rendition in behind if rendition.segments]
        if window.ended or not behind:
            return self._whole(window, request, window.manifest, MANIFEST_TYPE)

        def finish() -> Answer:
            return OFFLINE if window.ended else self._text(window.manifest(), MANIFEST_TYPE, MOMENT, request)

        slowest = min(reversed(behind), key=lambda rendition: rendition.position)
        return self._pending(window, slowest, (0, None), finish)

    def _playlist(self, window: LiveWindow, rendition: Rendition, request: Request, query: str) -> Outcome:
        directives = _directives(query)
        if directives is None:
            return BAD_DIRECTIVE
        sequence, part, skip = directives
        if sequence is None and rendition.begun:
            return self._text(rendition.playlist(skip=skip), PLAYLIST_TYPE, MOMENT, request)
        cache = MOMENT if sequence is None else f"public, max-age={CACHED_TARGETS * window.target_duration}"

        def finish() -> Answer:
            if not rendition.segments:
                return OFFLINE
            return self._text(rendition.playlist(skip=skip), PLAYLIST_TYPE, cache, request)

        # A rendition that lists no media yet is waited for as if its beginning had been asked for.
        beginning = (0, 0) if window.part_target is not None else (0, None)
        wanted = beginning if sequence is None else (sequence, part)
        standing = rendition.standing(*wanted)
        if standing is Standing.TOO_FAR:
            return TOO_FAR
        if standing is not Standing.WAIT:
            return finish()
        return self._pending(window, rendition, wanted, finish)

    def _file(self, window: LiveWindow, rendition: Rendition, request: Request, name: str) -> Outcome:
        found = _MEDIA_FILE.fullmatch(name)
        if found is None:
            return NOT_FOUND
        session, init_name, sequence_text, part_text = found.groups()
        media_type = f"{rendition.info.kind}/mp4"
        key = f"{session}/{rendition.number}/{name}"
        if init_name is not None:
            init = rendition.inits.get(name)
            return of_bytes(init.data, name, media_type, request, INIT) if init else Stored(key, media_type, INIT)
        if session != window.session:
            return Stored(key, media_type, SEGMENT) if part_text is None else NOT_FOUND
        sequence = int(sequence_text)
        if part_text is None:
            return self._segment(rendition, request, sequence, Stored(key, media_type, SEGMENT))
        part = int(part_text)

        def finish() -> Answer:
            segment = rendition.find(sequence)
            if segment is None or part >= len(segment.parts):
                return NOT_FOUND
            data = segment.parts[part].data
            return NOT_FOUND if data is None else of_bytes(data, name, media_type, request, PART)

        # Only the part that was hinted at is worth waiting for; others are not, or not yet, in any playlist.
        if (sequence, part) == rendition.upcoming and not window.ended:
            return self._pending(window, rendition, (sequence, part), finish)
        return finish()

    def _segment(self, rendition: Rendition, request: Request, sequence: int, stored: Stored) -> Outcome:
        """A whole segment: here, or where the store is read.

        A listed segment keeps its address (§6.2.1, and hls.js gives up a playlist that changes one), but where it is
        changes meanwhile. So playlists always lead here, and from here on to the store.
        """
        if address := rendition.elsewhere(sequence):
            return moved(address)
        segment = rendition.find(sequence)
        if segment is None:
            return stored
        if not segment.complete or segment.gap:
            return NOT_FOUND
        name = stored.key.rpartition("/")[2]

        def finish() -> Answer:
            there = rendition.elsewhere(sequence)
            return moved(there) if there else of_bytes(segment.body(), name, stored.media_type, request, SEGMENT)

        if not rendition.leaving(sequence):
            return finish()
        kept = rendition.kept
        return Pending(lambda waiter: kept.wait(name, waiter), kept.forget, finish, LEAVING_SECONDS, finishes=True)

    def _pending(
        self, window: LiveWindow, rendition: Rendition, wanted: tuple[int, int | None], finish: Callable[[], Answer]
    ) -> Pending:
        return Pending(
            lambda waiter: rendition.wait(*wanted, waiter),
            rendition.forget,
            finish,
            float(WAIT_TARGETS * window.target_duration),
        )

    def _text(self, rendered: Rendered, media_type: str, cache: str, request: Request) -> Answer:
        compress = request.takes_gzip
        kind = PLAYLIST if media_type is PLAYLIST_TYPE else MANIFEST
        key = (rendered, media_type, cache, compress)
        answer = self._answers.get(key)
        if answer is None:
            body = rendered.gzip if compress else rendered.plain
            encoding = (("Content-Encoding", "gzip"),) if compress else ()
            answer = Answer(
                200,
                (
                    ("Content-Type", media_type),
                    ("Content-Length", str(len(body))),
                    *encoding,
                    ("Cache-Control", cache),
                    ("Vary", "Accept-Encoding"),
                    ("ETag", tagged(rendered.etag, compress)),
                    *EXPOSED,
                ),
                body,
                kind,
            )
            if len(self._answers) >= MAX_ANSWERS:  # by now most of them are of playlists that have changed since
                self._answers.clear()
            self._answers[key] = answer
        known = request.header("if-none-match")
        if known is not None and matches(known, tagged(rendered.etag, compress)):
            return unchanged(tagged(rendered.etag, compress), cache, kind)
        return answer


def _directives(query: str) -> tuple[int | None, int | None, bool] | None:
    """`_HLS_msn`, `_HLS_part` and `_HLS_skip` of a query; None when they make no sense. Others are ignored."""
    sequence = part = None
    skip = False
    if "_HLS_" not in query:
        return None, None, False
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name in ("_HLS_msn", "_HLS_part"):
            if _NUMBER.fullmatch(value) is None:
                return None
            if name == "_HLS_msn":
                sequence = int(value)
            else:
                part = int(value)
        elif name == "_HLS_skip":
            skip = value in ("YES", "v2")
    # "…a client that includes _HLS_part MUST include _HLS_msn" (§6.2.5.2)
    return None if part is not None and sequence is None else (sequence, part, skip)
