"""Receivers of webhooks for benchmarks: one that takes everything, one that fails, one that hangs, one that is away.

Owns their ports and threads. They share this process with whoever sends the events, and their work is small: at the
rates of these benchmarks it is a few per cent of a core.
"""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, NamedTuple, Self

from crowd import STAMP

Manner = Literal["takes", "fails", "hangs"]
HANG_SECONDS = 60.0
"""Longer than anybody waits for an answer."""
STATUS: dict[Manner, int] = {"takes": 204, "fails": 500}


class Arrival(NamedTuple):
    """A chat message that came: its id as a notification, its number, when it was sent and when it came, in Unix
    nanoseconds."""

    id: str
    number: int
    sent: int
    at: int

    @property
    def delay(self) -> float:
        """Milliseconds from the sender's socket to here."""
        return (self.at - self.sent) / 1e6


class Target:
    """One receiver. Its port is its own from the start; before `listen` whoever calls there is refused at once."""

    def __init__(self, manner: Manner = "takes", *, listening: bool = True) -> None:
        self.arrivals: list[Arrival] = []
        """What came, also what was not accepted."""
        self._manner = manner
        self._listening = listening
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(), bind_and_activate=False)
        self._server.server_bind()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        if self._listening:
            self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def listen(self) -> None:
        """Takes calls from now on."""
        self._server.server_activate()
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def numbers(self) -> set[int]:
        """Which messages came."""
        return {arrival.number for arrival in self.arrivals}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        target = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                at = time.time_ns()
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if stamp := STAMP.search(body):
                    sent = int(stamp[1]), int(stamp[2])
                    target.arrivals.append(Arrival(self.headers["webhook-id"], *sent, at))
                if target._manner == "hangs":
                    target._ending.wait(HANG_SECONDS)
                    self.close_connection = True
                else:
                    self.send_response(STATUS[target._manner])
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler
