"""Low-latency viewers as sockets of this process: each waits for the next part's playlist, then fetches the part.

Owns their connections. They would be on other machines, so they cost this one as little as can be: one selector, no
library, and the octets of media are thrown away in the kernel, uncopied (MSG_TRUNC on TCP). When a playlist arrived is
asked of the kernel; when a part did is when its last octets are read.
"""

from __future__ import annotations

import re
import selectors
import socket
import struct
import time
from typing import Self
from urllib.parse import urlsplit

from harness import BenchError

SO_TIMESTAMPNS = 35
MEDIA_BYTES = 1 << 20
HEAD_BYTES = 1 << 14
ANCILLARY_BYTES = 64
PLAYLIST = "/hls/0/stream.m3u8"
NOWHERE = bytearray(MEDIA_BYTES)
"""Nothing is ever written here."""
_HINT = re.compile(rb'PRELOAD-HINT:[^\n]*URI="\w+-(\d+)\.(\d+)\.m4s"')


class Viewer:
    """One of them. Raises BenchError for an answer that is not 200."""

    def __init__(self, address: str) -> None:
        url = urlsplit(address)
        self.socket = socket.create_connection((url.hostname, url.port))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.listed: dict[str, int] = {}
        """When the playlist that was waited for had come, in Unix nanoseconds, by the position `msn.part`."""
        self.fetched: dict[str, int] = {}
        """When the part at that position had come as a whole."""
        self._ending = f" HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode()
        self._wanted = ""
        self._ask(PLAYLIST)

    def _ask(self, target: str) -> None:
        self._media = target.endswith(".m4s")
        self._received = b""
        self._left = -1  # the head is not there yet
        self.socket.send(b"GET " + target.encode() + self._ending)

    def read(self) -> None:
        """Takes what has come, and asks for what is next."""
        at = 0
        if self._media and self._left > 0:
            count = self.socket.recv_into(NOWHERE, min(self._left, MEDIA_BYTES), socket.MSG_TRUNC)
            self._left -= count
        else:
            data, ancillary, _, _ = self.socket.recvmsg(HEAD_BYTES, ANCILLARY_BYTES)
            count = len(data)
            if ancillary:
                seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
                at = seconds * 1_000_000_000 + nanoseconds
            self._take(data)
        if not count:
            raise BenchError("A viewer's connection was closed.")
        if self._left == 0:
            self._next(at or time.time_ns())

    def _take(self, data: bytes) -> None:
        self._received += data
        if self._left < 0:
            head, found, body = self._received.partition(b"\r\n\r\n")
            if not found:
                return
            length = re.search(rb"Content-Length: (\d+)", head)
            if not head.startswith(b"HTTP/1.1 200 ") or length is None:
                raise BenchError(f"A viewer was answered: {head.decode(errors='replace')}")
            self._received, self._left = body, int(length[1]) - len(body)
        else:
            self._left -= len(data)

    def _next(self, at: int) -> None:
        if self._media:
            self.fetched[self._wanted] = at
            self._wait(self._coming)
            return
        hint = _HINT.search(self._received)
        if hint is None:
            raise BenchError(f"The playlist has no preload hint: {self._received!r}")
        self._coming = f"{hint[1].decode()}.{hint[2].decode()}"
        if not self._wanted:
            self._wait(self._coming)
            return
        self.listed[self._wanted] = at
        name = re.search(rb'"(\w+-%s\.m4s)"' % self._wanted.replace(".", r"\.").encode(), self._received)
        if name is None:
            raise BenchError(f"The playlist has no part {self._wanted}, which was waited for.")
        self._ask(f"/hls/0/{name[1].decode()}")

    def _wait(self, position: str) -> None:
        self._wanted = position
        sequence, part = position.split(".")
        self._ask(f"{PLAYLIST}?_HLS_msn={sequence}&_HLS_part={part}")


class Audience:
    """So many viewers at `address`, and one at the server itself, whom the others are compared with."""

    def __init__(self, address: str, viewers: int, server: str) -> None:
        self.witness = Viewer(server)
        self.viewers = [Viewer(address) for _ in range(viewers)]

    def __enter__(self) -> Self:
        self._selector = selectors.DefaultSelector()
        for one in (self.witness, *self.viewers):
            self._selector.register(one.socket, selectors.EVENT_READ, one)
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        for one in (self.witness, *self.viewers):
            one.socket.close()

    def watch(self, seconds: float) -> int:
        """Lets them watch; returns how many parts they fetched together meanwhile."""
        before, deadline = self._parts(), time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                key.data.read()
        return self._parts() - before

    def _parts(self) -> int:
        return sum(len(viewer.fetched) for viewer in self.viewers)

    def forget(self) -> None:
        """What was so far does not count."""
        for one in (self.witness, *self.viewers):
            one.listed.clear()
            one.fetched.clear()

    def delays(self) -> list[float]:
        """By how many milliseconds each viewer had each playlist later than the witness, in order."""
        first = self.witness.listed
        return sorted(
            (at - first[position]) / 1e6
            for viewer in self.viewers
            for position, at in viewer.listed.items()
            if position in first
        )
