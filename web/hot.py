"""The short way for media requests: answered from memory, straight on the socket.

Owns connections as long as they ask for nothing but `/hls/` and the two documents that every page polls: one small
parse, one look-up, one write. The first request for anything else, or anything unusual, hands the connection for good
to aiohttp, with every byte that it sent; aiohttp serves the same media through the same `Hls`, with more ceremony. A
player that only fetches media costs a quarter of what it costs there, and five hundred blocked players are answered
within a few milliseconds.

HTTP/1.1 per RFC 9112, restricted to GET and HEAD without a body.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import cast

import structlog

from web.addresses import TrustedProxies
from web.hls import MAX_TARGET, PREFIX, Hls, Outcome, Pending
from web.media_answers import Answer
from web.pages import accepts_gzip

MAX_HEAD = 8 * 1024
"""A longer request head is aiohttp's to refuse."""

MAX_FIELDS = 60
"""A request with more headers is aiohttp's to judge."""

MAX_PIPELINED = 64 * 1024
"""Bytes that may wait behind a request that is not answered yet; a connection with more is closed."""

SMALL_BODY = 64 * 1024
"""Bodies up to here are joined with their head: one copy is cheaper than a second system call."""

NO_MEDIA = -1

_STARTS = tuple(
    verb + path for verb in (b"GET ", b"HEAD ") for path in (PREFIX.encode(), b"/api/status", b"/api/config")
)
_END = b"\r\n\r\n"

log = structlog.get_logger(__name__)


class Clock:
    """How a head ends: with the Date header (RFC 9110 §6.6.1), rendered at most once a second. `now` is Unix time."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._second = -1
        self._ending = self._closing = b""

    def ending(self, *, closing: bool) -> bytes:
        """The last lines and the empty one; `closing` says that the connection does not stay open."""
        second = int(self._now())
        if second != self._second:
            self._second = second
            self._ending = f"Date: {formatdate(second, usegmt=True)}\r\n\r\n".encode()
            self._closing = b"Connection: close\r\n" + self._ending
        return self._closing if closing else self._ending


class _Head:
    """The headers of a request. Most requests of a connection have the same ones, so they are read once."""

    __slots__ = ("_fields", "closes", "method", "raw", "takes_gzip", "target", "unusual")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.method = self.target = ""
        self._fields: dict[str, str] = {}
        for line in raw.split(b"\r\n"):
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or not name or name != name.strip() or name.lower() in self._fields:
                raise ValueError(name)
            self._fields[name.lower()] = value.strip()
        fields = self._fields
        self.takes_gzip = accepts_gzip(fields.get("accept-encoding", ""))
        if len(fields) > MAX_FIELDS:
            raise ValueError("more headers than there are uses for")
        self.closes = "close" in fields.get("connection", "").lower()
        # A body, an upgrade, an expectation, no host: all this is beyond the short way.
        self.unusual = "host" not in fields or not fields.keys().isdisjoint(
            ("content-length", "transfer-encoding", "upgrade", "expect")
        )

    def header(self, name: str) -> str | None:
        return self._fields.get(name)


class HotDocument:
    """A JSON document that is asked for as often as media: the same bytes for everybody until it changes."""

    def __init__(self, body: Callable[[], bytes], cache_control: str) -> None:
        """`body` gives the document as of now; as long as it stays the same, the very same object."""
        self._body = body
        self._cache_control = cache_control
        self._answer: Answer | None = None

    def answer(self) -> Answer:
        """The answer as of now."""
        body = self._body()
        if self._answer is None or self._answer.body is not body:
            fields = (
                ("Content-Type", "application/json; charset=utf-8"),
                ("Content-Length", str(len(body))),
                ("Cache-Control", self._cache_control),
                ("Access-Control-Allow-Origin", "*"),
                ("X-Content-Type-Options", "nosniff"),
            )
            self._answer = Answer(200, fields, body, NO_MEDIA)
        return self._answer


class HotConnection(asyncio.Protocol):
    """One client's connection until aiohttp takes it."""

    def __init__(
        self,
        hls: Hls,
        proxies: TrustedProxies,
        clock: Clock,
        fallback: Callable[[], asyncio.BaseProtocol],
        connections: set[HotConnection],
        documents: Mapping[str, HotDocument],
    ) -> None:
        """`documents` by their paths; a request with a query is aiohttp's to answer."""
        self._documents = documents
        self._hls = hls
        self._proxies = proxies
        self._clock = clock
        self._fallback = fallback
        self._connections = connections
        self._buffer = b""
        self._head: _Head | None = None
        self._pending: Pending | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._blocked = False
        self._peer = ""
        self._loop = asyncio.get_running_loop()
        self._idle_since = self._loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if peer else ""
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._closing = True
        self._stop_waiting()

    def idle_for(self, now: float) -> float:
        """Seconds that the client has owed us a whole request, as of `now` (loop time); 0 while we owe it an answer.

        Bytes of a request that stays incomplete do not count, or a client could trickle them for ever.
        """
        if self._pending is not None or self.transport.get_write_buffer_size():
            self._idle_since = now
        return now - self._idle_since

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        self._serve()

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self._blocked = True

    def resume_writing(self) -> None:
        self._blocked = False
        self._serve()

    def _serve(self) -> None:
        """Answers all complete requests in the buffer, as far as the client reads and nothing is pending."""
        while self._buffer and not (self._pending or self._blocked or self._closing):
            buffer = self._buffer
            end = buffer.find(_END, 0, MAX_HEAD)
            if end < 0:
                hopeful = any(buffer.startswith(start[: len(buffer)]) for start in _STARTS)
                if len(buffer) >= MAX_HEAD or not hopeful:
                    self._hand_over()
                return
            if not buffer.startswith(_STARTS):
                self._hand_over()
                return
            line, _, rest = buffer[:end].partition(b"\r\n")
            words = line.split(b" ")
            head = self._read_head(rest)
            if len(words) != 3 or words[2] != b"HTTP/1.1" or len(words[1]) > MAX_TARGET or head is None:
                self._hand_over()
                return
            head.method, head.target = words[0].decode("latin-1"), words[1].decode("latin-1")
            address = self._peer
            if forwarded := head.header("x-forwarded-for"):
                address = self._proxies.client(self._peer, forwarded)
            outcome: Outcome
            if head.target.startswith(PREFIX):
                outcome = self._hls.look_up(head, address)
            elif (document := self._documents.get(head.target)) is not None:
                outcome = document.answer()
                self._hls.traffic.count(head.target, head.method, outcome.status)
            else:
                self._hand_over()
                return
            if isinstance(outcome, Answer):
                self._buffer = buffer[end + 4 :]
                self._finish(outcome, head)
            elif isinstance(outcome, Pending):
                self._buffer = buffer[end + 4 :]
                self._wait(outcome, head)
            else:
                self._hand_over()  # reading a store is aiohttp's
        if len(self._buffer) > MAX_PIPELINED:
            log.info("closed: too much sent ahead", address=self._peer, waiting_bytes=len(self._buffer))
            self.transport.abort()

    def _read_head(self, raw: bytes) -> _Head | None:
        if self._head is None or self._head.raw != raw:
            try:
                self._head = _Head(raw)
            except ValueError:
                return None
        return None if self._head.unusual else self._head

    def _wait(self, pending: Pending, head: _Head) -> None:
        if not pending.register(self._ready):
            self._finish(pending.crowded, head)
            return
        self._pending = pending
        self._timer = self._loop.call_later(pending.seconds, self._timed_out)

    def _ready(self) -> None:
        pending, head, timer = self._pending, self._head, self._timer
        self._pending = self._timer = None
        if timer is not None:
            timer.cancel()
        if pending is not None and head is not None and not self._closing:
            self._finish(pending.finish(), head)
            if self._buffer:
                self._serve()

    def _timed_out(self) -> None:
        pending, head = self._pending, self._head
        self._stop_waiting()
        if pending is not None and head is not None and not self._closing:
            self._finish(pending.late, head)
            self._serve()

    def _stop_waiting(self) -> None:
        if self._pending is not None:
            self._pending.withdraw(self._ready)
            self._pending = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _finish(self, answer: Answer, head: _Head) -> None:
        self._idle_since = self._loop.time()
        self._closing = head.closes
        if answer.kind >= 0:
            self._hls.traffic.count_media(answer.kind, 0 if head.method == "HEAD" else len(answer.body))
        ending = self._clock.ending(closing=head.closes)
        if head.method == "HEAD":
            self.transport.write(answer.head + ending)
        elif len(answer.body) <= SMALL_BODY:
            self.transport.write(answer.whole(ending))
        else:
            self.transport.write(answer.head + ending)
            self.transport.write(answer.body)
        if head.closes:
            self.transport.close()

    def _hand_over(self) -> None:
        """Gives the connection, and what it has sent so far, to aiohttp."""
        self._connections.discard(self)
        self._closing = True
        handler = cast(asyncio.Protocol, self._fallback())
        self.transport.set_protocol(handler)
        handler.connection_made(self.transport)
        data, self._buffer = self._buffer, b""
        handler.data_received(data)
