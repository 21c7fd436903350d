"""Answers to requests for media, as HTTP has them: whole, a part, unchanged, or a refusal.

Owns the fields of an answer, entity tags and ranges (RFC 9110). Which answer a request gets is `web.hls`'.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Protocol

from web.traffic import REDIRECT, REFUSED

FOREVER = "public, max-age=31536000, immutable"
MOMENT = "public, max-age=1"

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


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


_COMMON = (("Access-Control-Allow-Origin", "*"), ("X-Content-Type-Options", "nosniff"))


def refusal(status: int, sentence: str, cache: str = "no-store") -> Answer:
    """Why there is nothing, for people."""
    body = (sentence + "\n").encode()
    fields = (("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body))))
    return Answer(status, (*fields, ("Cache-Control", cache), *_COMMON), body)


OFFLINE = refusal(404, "Nothing is on air.")
NOT_FOUND = refusal(404, "There is no such file, or it has left the playlist.", MOMENT)
TIMED_OUT = refusal(503, "The stream stands still; ask again.")
CROWDED = refusal(503, "Too many players wait here; ask again in a moment.")
BAD_DIRECTIVE = refusal(400, "_HLS_msn and _HLS_part must be whole numbers, and _HLS_part needs _HLS_msn.")
TOO_FAR = refusal(400, "That position is too far ahead of the playlist.")
EXPOSED = (("Access-Control-Expose-Headers", "Content-Length, Content-Range, Date"), *_COMMON)


def tagged(etag: str, compressed: bool) -> str:
    """The entity tag of a text as it is sent: another for its compressed form."""
    return f'{etag[:-1]}-gz"' if compressed else etag


def matches(if_none_match: str, etag: str) -> bool:
    """Whether whoever asks has it already."""
    # "A recipient MUST use the weak comparison function" (RFC 9110 §13.1.2).
    return any(candidate.strip().removeprefix("W/") in ("*", etag) for candidate in if_none_match.split(","))


def unchanged(etag: str, cache: str, kind: int) -> Answer:
    """It is as whoever asks has it."""
    headers = (("ETag", etag), ("Cache-Control", cache), ("Vary", "Accept-Encoding"), *EXPOSED)
    return Answer(304, headers, kind=kind)


def moved(address: str) -> Answer:
    """It is elsewhere, for now."""
    headers = (("Location", address), ("Content-Length", "0"), ("Cache-Control", MOMENT), *EXPOSED)
    return Answer(302, headers, kind=REDIRECT)


def of_bytes(data: bytes | memoryview, name: str, media_type: str, request: Request, kind: int) -> Answer:
    """Media, or a range of it. A name never gets other bytes, so it is its own entity tag."""
    etag = f'"{name}"'
    known = request.header("if-none-match")
    if known is not None and matches(known, etag):
        return unchanged(etag, FOREVER, kind)
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
