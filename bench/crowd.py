"""A crowd of WebSocket clients in this process, as cheap as can be, so that the server under test has the machine.

Owns the sockets. It reads what comes without looking at more than frame heads and the stamp that a message carries;
when something arrived is asked of the kernel (SO_TIMESTAMPNS), because these clients would be on other machines and
must not be measured themselves. A message's stamp is `%%NUMBER:NANOSECONDS%%`, the sender's clock, in its body.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from harness import ADMIN_PASSWORD, BenchError

SO_TIMESTAMPNS = 35
ANCILLARY_BYTES = 64
READ_BYTES = 1 << 18
STAMP = re.compile(rb"%%(\d+):(\d+)%%")
PING, PONG = b"\x89\0", b"\x8a\x80\0\0\0\0"
CONNECT_SECONDS = 60.0


class Api:
    """The server's HTTP API, by one connection that is kept."""

    def __init__(self, base: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=30)

    def post(
        self, path: str, document: object, headers: dict[str, str] | None = None, status: tuple[int, ...] = (200,)
    ) -> dict[str, object]:
        """The answer to a JSON document."""
        self._connection.request("POST", path, json.dumps(document), headers or {})
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status not in status:
            raise BenchError(f"POST {path} was answered {answer.status}: {body[:200]!r}")
        found: dict[str, object] = json.loads(body)
        return found

    def register(self) -> str:
        """A new chatter's access token."""
        return str(self.post("/api/chat/register", {})["accessToken"])

    def admin(self, path: str, document: object) -> dict[str, object]:
        """The answer to what the owner asks for below `/api/admin/`."""
        basic = base64.b64encode(f"admin:{ADMIN_PASSWORD}".encode()).decode()
        return self.post(f"/api/admin/{path}", document, {"Authorization": f"Basic {basic}"})

    def bot(self) -> str:
        """The access token of a bot that may write without limits."""
        wanted = {"name": "Bench", "scopes": ["CAN_SEND_MESSAGES", "HAS_ADMIN_ACCESS"]}
        return str(self.admin("accesstokens/create", wanted)["accessToken"])

    def add_webhook(self, url: str) -> str:
        """The id of a new webhook that gets every chat message."""
        return str(self.admin("webhooks/create", {"url": url, "events": ["CHAT"]})["id"])

    def remove_webhook(self, webhook: str) -> None:
        """It gets nothing more, and what waits for it is gone."""
        self.admin("webhooks/delete", {"id": webhook})

    def say(self, token: str, body: str) -> None:
        """A message by a bot; returns when it is kept."""
        self.post("/api/integrations/chat/send", {"body": body}, {"Authorization": f"Bearer {token}"})


def open_socket(base: str, path: str) -> socket.socket:
    """A WebSocket after its handshake, blocking."""
    url = urlsplit(base)
    one = socket.create_connection((url.hostname, url.port), timeout=CONNECT_SECONDS)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(os.urandom(16)).decode()
    head = f"GET {path} HTTP/1.1\r\nHost: {url.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    one.sendall(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = one.recv(1)  # no octet of the first frame may be taken with the head
        if not data:
            raise BenchError(f"The server closed a handshake: {answer!r}")
        answer += data
    if not answer.startswith(b"HTTP/1.1 101"):
        raise BenchError(f"A handshake was answered: {answer!r}")
    return one


def send_text(one: socket.socket, text: bytes) -> None:
    """Sends one masked text frame (RFC 6455 §5.3; a mask of zeros masks nothing)."""
    head = bytes((0x81, 0x80 | len(text))) if len(text) < 126 else struct.pack(">BBH", 0x81, 0xFE, len(text))
    one.sendall(head + b"\0\0\0\0" + text)


def say(sender: socket.socket, body: bytes) -> None:
    """A chat message by a bot's socket, whose own copies of what everybody writes are thrown away."""
    send_text(sender, json.dumps({"type": "CHAT", "body": body.decode()}).encode())
    discard(sender)


def discard(sender: socket.socket) -> None:
    """Throws away what has come for a socket that only sends."""
    sender.setblocking(False)
    with suppress(BlockingIOError):
        sender.recv(READ_BYTES)
    sender.settimeout(CONNECT_SECONDS)


class Crowd:
    """Many sockets that listen."""

    def __init__(
        self, base: str, paths: Sequence[str], ending: bytes = b'"visible":true}', *, hello: bytes = b""
    ) -> None:
        """Every message ends with `ending`, and nothing else that comes does. Each socket says `hello` first."""
        self._ending = ending
        self._hello = hello
        self._base = base
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._rest: dict[int, bytes] = {}
        self._last: dict[int, int] = {}
        self.latencies: list[float] = []
        """Seconds from a message's stamp to its arrival, one for each read that held exactly one message."""
        self.deliveries = 0
        self.disorder = 0
        """Messages that did not follow the one before."""
        for path in paths:
            self.join(path)

    def __len__(self) -> int:
        return len(self._sockets)

    def join(self, path: str) -> None:
        """One more."""
        one = open_socket(self._base, path)
        one.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        if self._hello:
            send_text(one, self._hello)
        one.setblocking(False)
        self._sockets[one.fileno()] = one
        self._poll.register(one.fileno(), select.EPOLLIN)

    def close(self) -> None:
        """All go."""
        for one in self._sockets.values():
            one.close()
        self._poll.close()

    def reset(self) -> None:
        """Forgets what was counted."""
        self.latencies = []
        self.deliveries = self.disorder = 0
        self._last = {}

    def drain(self) -> None:
        """Reads what has come."""
        while self._read(0):
            pass

    def quiet(self, seconds: float = 1.5) -> None:
        """Reads until nothing has come for so long."""
        while self._read(seconds):
            pass

    def listen(self, rate: float, seconds: float, send: Callable[[bytes], None]) -> int:
        """Has `send` called `rate` times a second with a stamp, and reads. Returns how many were sent and read by all.

        Raises BenchError when a message does not reach everybody.
        """
        count = int(rate * seconds)
        began = time.monotonic()
        sent = 0
        deadline = began + seconds + 20
        while self.deliveries < count * len(self._sockets):
            now = time.monotonic()
            if now > deadline:
                raise BenchError(f"Of {count * len(self._sockets)} deliveries {self.deliveries} came.")
            while sent < count and now >= began + sent / rate:
                send(b"%%%%%d:%d%%%%" % (sent, time.time_ns()))
                sent += 1
            due = began + sent / rate - now if sent < count else 0.05
            self._read(max(0.0, min(due, 0.05)))
        return sent

    def _read(self, timeout: float) -> int:
        ready = self._poll.poll(timeout, 4096)
        for descriptor, _ in ready:
            data, ancillary, _, _ = self._sockets[descriptor].recvmsg(READ_BYTES, ANCILLARY_BYTES)
            if not data:
                raise BenchError("The server closed a socket of the crowd.")
            if PING in data:
                self._sockets[descriptor].send(PONG)
            if descriptor in self._rest:
                data = self._rest.pop(descriptor) + data
            if not data.endswith(self._ending):
                data, self._rest[descriptor] = _whole_frames(data)
            count = data.count(b"%%") // 2
            if not count:
                continue
            first, last = STAMP.search(data), STAMP.match(data, data.rindex(b"%%", 0, data.rindex(b"%%")))
            if first is None or last is None:
                raise BenchError(f"A message carries no stamp: {data[:500]!r}")
            # Looked at are the ends only: with nothing lost in between they are as far apart as there are messages.
            began, ended = int(first[1]), int(last[1])
            self.disorder += began != self._last.get(descriptor, -1) + 1 or ended - began != count - 1
            self._last[descriptor] = ended
            self.deliveries += count
            if count == 1 and ancillary:
                seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
                self.latencies.append(seconds + nanoseconds / 1e9 - int(first[2]) / 1e9)
        return len(ready)


def _whole_frames(data: bytes) -> tuple[bytes, bytes]:
    """What came whole, and the octets of a frame that did not."""
    at, end = 0, len(data)
    while at + 2 <= end:
        length, head = data[at + 1] & 0x7F, 2
        if length == 126:
            if at + 4 > end:
                break
            length, head = int.from_bytes(data[at + 2 : at + 4], "big"), 4
        elif length == 127:
            if at + 10 > end:
                break
            length, head = int.from_bytes(data[at + 2 : at + 10], "big"), 10
        if at + head + length > end:
            break
        at += head + length
    return data[:at], data[at:]
