"""What players fetch: playlists, init sections, segments and parts, from the live window.

Owns the meaning of a request under `/hls/`: `Hls.look_up` says what to answer, or what has to be waited for. It is
sans-I/O and shared by two shells: `web.hot`, which answers straight from the socket, and the aiohttp routes at the
end of this file, which serve whatever comes over a connection that aiohttp already has.

Follows draft-pantos-hls-rfc8216bis §6.2.5 (delivery directives) and appendix B.1 (caching), RFC 9110 for the rest.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from aiohttp import web

from transcoder.window import LiveWindow, Rendered, Rendition, Standing, Waiter
from web.addresses import client_address, player_id
from web.pages import accepts_gzip
from web.traffic import INIT, MANIFEST, PART, PLAYLIST, REFUSED, SEGMENT, Traffic

PREFIX = "/hls/"
MULTIVARIANT_SECONDS = 10.0
"""How long a request for the multivariant playlist waits for a stream that is just starting."""

WAIT_TARGETS = 3
"""A blocked request is given up after this many target durations."""

CACHED_TARGETS = 6
"""Answers to blocking requests never change: they may be kept for this many target durations (appendix B.1)."""

MAX_ANSWERS = 256
"""Rendered answers kept; a moment needs a few for each rendition."""

MAX_TARGET = 2048
MAX_DIGITS = 12

PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
MANIFEST_TYPE = "application/dash+xml"
FOREVER = "public, max-age=31536000, immutable"
MOMENT = "public, max-age=1"

_MEDIA_FILE = re.compile(r"([0-9a-zA-Z]{1,32})-(?:(init\d{1,9}\.mp4)|(\d{1,12})(?:\.(\d{1,6}))?\.m4s)", re.ASCII)
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
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


class Request(Protocol):
    """What is read of a request."""

    method: str
    target: str
    """Path and query as they came."""

    @property
    def takes_gzip(self) -> bool:
        """Whether Accept-Encoding allows gzip."""

    def header(self, name: str) -> str | None:
        """A header's value by its lower-case name."""


class Answer:
    """A complete response. Shared by many requests where it can be."""

    __slots__ = ("_head", "_whole", "_whole_ending", "body", "headers", "kind", "status")

    def __init__(
        self, status: int, headers: tuple[tuple[str, str], ...], body: bytes | memoryview = b"", kind: int = REFUSED
    ) -> None:
        """`kind` is one of `web.traffic`'s, or less than 0 for what is no media."""
        self.status = status
        self.kind = kind
        self.headers = headers
        self.body = body
        self._head: bytes | None = None
        self._whole = b""
        self._whole_ending: bytes | None = None

    def whole(self, ending: bytes) -> bytes:
        """Head, `ending` (more header lines and the empty one) and body in one piece, joined once for all who get it
        with the same ending."""
        if self._whole_ending is not ending:
            self._whole, self._whole_ending = b"".join((self.head, ending, self.body)), ending
        return self._whole

    @property
    def head(self) -> bytes:
        """The status line and headers as they go over the wire, without Date and the empty line."""
        if self._head is None:
            fields = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
            self._head = f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\n{fields}".encode("latin-1")
        return self._head


@dataclass(frozen=True, slots=True)
class Pending:
    """The answer lies in the future: `register` a waiter, answer with `finish` when it is called."""

    register: Callable[[Waiter], bool]
    """False: too many wait already."""
    withdraw: Callable[[Waiter], None]
    finish: Callable[[], Answer]
    seconds: float
    """After so long, `TIMED_OUT` is the answer."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The answer is in the segment store, under `key`."""

    key: str
    media_type: str
    kind: int


Outcome = Answer | Pending | Stored

_COMMON = (("Access-Control-Allow-Origin", "*"), ("X-Content-Type-Options", "nosniff"))


def _refusal(status: int, sentence: str, cache: str = "no-store") -> Answer:
    body = (sentence + "\n").encode()
    fields = (("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body))))
    return Answer(status, (*fields, ("Cache-Control", cache), *_COMMON), body)


OFFLINE = _refusal(404, "Nothing is on air.")
NOT_FOUND = _refusal(404, "There is no such file, or it has left the playlist.", MOMENT)
TIMED_OUT = _refusal(503, "The stream stands still; ask again.")
CROWDED = _refusal(503, "Too many players wait here; ask again in a moment.")
BAD_DIRECTIVE = _refusal(400, "_HLS_msn and _HLS_part must be whole numbers, and _HLS_part needs _HLS_msn.")
TOO_FAR = _refusal(400, "That position is too far ahead of the playlist.")
EXPOSED = (("Access-Control-Expose-Headers", "Content-Length, Content-Range, Date"), *_COMMON)


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
            return _bytes(init.data, name, media_type, request, INIT) if init else Stored(key, media_type, INIT)
        if session != window.session:
            return Stored(key, media_type, SEGMENT) if part_text is None else NOT_FOUND
        sequence = int(sequence_text)
        if part_text is None:
            segment = rendition.find(sequence)
            if segment is None:
                return Stored(key, media_type, SEGMENT)
            if not segment.complete or segment.gap:
                return NOT_FOUND
            return _bytes(segment.body(), name, media_type, request, SEGMENT)
        part = int(part_text)

        def finish() -> Answer:
            segment = rendition.find(sequence)
            if segment is None or part >= len(segment.parts):
                return NOT_FOUND
            data = segment.parts[part].data
            return NOT_FOUND if data is None else _bytes(data, name, media_type, request, PART)

        # Only the part that was hinted at is worth waiting for; others are not, or not yet, in any playlist.
        if (sequence, part) == rendition.upcoming and not window.ended:
            return self._pending(window, rendition, (sequence, part), finish)
        return finish()

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
                    ("ETag", _tagged(rendered.etag, compress)),
                    *EXPOSED,
                ),
                body,
                kind,
            )
            if len(self._answers) >= MAX_ANSWERS:  # by now most of them are of playlists that have changed since
                self._answers.clear()
            self._answers[key] = answer
        known = request.header("if-none-match")
        if known is not None and _matches(known, _tagged(rendered.etag, compress)):
            return _unchanged(_tagged(rendered.etag, compress), cache, kind)
        return answer


def _tagged(etag: str, compressed: bool) -> str:
    return f'{etag[:-1]}-gz"' if compressed else etag


def _matches(if_none_match: str, etag: str) -> bool:
    # "A recipient MUST use the weak comparison function" (RFC 9110 §13.1.2).
    return any(candidate.strip().removeprefix("W/") in ("*", etag) for candidate in if_none_match.split(","))


def _unchanged(etag: str, cache: str, kind: int) -> Answer:
    headers = (("ETag", etag), ("Cache-Control", cache), ("Vary", "Accept-Encoding"), *EXPOSED)
    return Answer(304, headers, kind=kind)


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


def _bytes(data: bytes | memoryview, name: str, media_type: str, request: Request, kind: int) -> Answer:
    """Media, or a range of it. A name never gets other bytes, so it is its own entity tag."""
    etag = f'"{name}"'
    known = request.header("if-none-match")
    if known is not None and _matches(known, etag):
        return _unchanged(etag, FOREVER, kind)
    fields = (("Content-Type", media_type), ("Cache-Control", FOREVER), ("ETag", etag), ("Accept-Ranges", "bytes"))
    wanted = request.header("range")
    # "A server MAY ignore the Range header field" (RFC 9110 §14.2): several ranges get the whole.
    found = _RANGE.fullmatch(wanted) if wanted is not None else None
    if found is None or found.groups() == ("", ""):
        return Answer(200, (*fields, ("Content-Length", str(len(data))), *EXPOSED), data, kind)
    first_text, last_text = found.groups()
    if first_text:
        first, last = int(first_text), min(int(last_text) if last_text else len(data) - 1, len(data) - 1)
    else:
        first, last = max(len(data) - int(last_text), 0), len(data) - 1
    if first > last:
        return Answer(416, (("Content-Range", f"bytes */{len(data)}"), ("Content-Length", "0"), *EXPOSED))
    piece = memoryview(data)[first : last + 1]
    scope = ("Content-Range", f"bytes {first}-{last}/{len(data)}")
    return Answer(206, (*fields, scope, ("Content-Length", str(len(piece))), *EXPOSED), piece, kind)


class _AiohttpRequest:
    """An aiohttp request as `Hls` reads it."""

    def __init__(self, request: web.Request) -> None:
        self.method = request.method
        self.target = request.rel_url.raw_path_qs[:MAX_TARGET]
        self._headers: Mapping[str, str] = request.headers

    @property
    def takes_gzip(self) -> bool:
        return accepts_gzip(self._headers.get("accept-encoding") or "")

    def header(self, name: str) -> str | None:
        return self._headers.get(name)


async def settle(pending: Pending) -> Answer:
    """Waits for a pending answer, for as long as it may take."""
    done = asyncio.get_running_loop().create_future()

    def wake() -> None:
        if not done.done():
            done.set_result(None)

    if not pending.register(wake):
        return CROWDED
    try:
        async with asyncio.timeout(pending.seconds):
            await done
    except TimeoutError:
        return TIMED_OUT
    finally:
        pending.withdraw(wake)
    return pending.finish()


def routes(hls: Hls) -> list[web.RouteDef]:
    """`/hls/*` and the stills, for the aiohttp application."""

    async def media(request: web.Request) -> web.Response:
        outcome = hls.look_up(_AiohttpRequest(request), client_address(request))
        if isinstance(outcome, Pending):
            outcome = await settle(outcome)
        if isinstance(outcome, Stored):
            data = await hls.media.stored(outcome.key)
            name = outcome.key.rpartition("/")[2]
            found = _AiohttpRequest(request)
            outcome = NOT_FOUND if data is None else _bytes(data, name, outcome.media_type, found, outcome.kind)
        hls.traffic.count_media(outcome.kind, 0 if request.method == "HEAD" else len(outcome.body))
        return web.Response(status=outcome.status, headers=dict(outcome.headers), body=bytes(outcome.body))

    def still(name: str, media_type: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handler(_request: web.Request) -> web.Response:
            picture = await hls.media.still(name)
            if picture is None:
                raise web.HTTPNotFound(text="There is no picture yet; one is made when a stream has begun.")
            return web.Response(body=picture, content_type=media_type, headers={"Cache-Control": "public, max-age=10"})

        return handler

    return [
        web.get(PREFIX + "{path:.*}", media),
        web.get("/thumbnail.jpg", still("thumbnail.jpg", "image/jpeg")),
        web.get("/preview.gif", still("preview.gif", "image/gif")),
        web.get("/preview.webp", still("preview.webp", "image/webp")),
    ]
