"""One message to very many WebSockets, at the cost of one system call for each.

Owns the ways out of this process to its sockets: frames are built once, joined when several are due, and the same bytes
are written to everybody's transport. It knows no dialect: a frame is octets. What comes in is aiohttp's and the
dialect's.

A flush is followed by a rest. After a quiet moment that is as long as the flush took: what comes now and then leaves at
once. Else it is REST_FACTOR times as long, at most MAX_REST: of a flood to thousands much shares a write, and a crowd
never takes more than its share of the loop.

Framing: RFC 6455 §5.2. Server frames are unmasked; nothing is compressed, so that one frame fits all.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable

import structlog
from aiohttp import WSMsgType, web

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
GOING_AWAY, POLICY, TRY_AGAIN_LATER = 1001, 1008, 1013
"""Close codes (RFC 6455 §7.4.1 and the IANA registry)."""

MAX_BUFFER = 256 * 1024
"""Octets that may wait for a socket that reads slowly; with more it is closed."""
REST_FACTOR = 7.0
MAX_REST = 0.1
"""Seconds."""
QUIET = 0.06
"""Seconds from a flush until something is due again, after which it counts as now and then."""
SLICE = 500
"""Sockets that are written to before others on the loop have their turn."""
PING_SECONDS = 54.0
PONG_SECONDS = 60.0
"""How long a ping may go unanswered."""
SWEEP_SECONDS = 6.0
CLOSE_SECONDS = 5.0
"""How long the other end may take to answer a close."""

ENDS = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)
"""What aiohttp says once nothing more is to come."""

log = structlog.get_logger(__name__)


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """One whole frame that holds one whole message."""
    length = len(payload)
    if length < 126:
        return bytes((0x80 | opcode, length)) + payload
    if length < 65_536:
        return struct.pack(">BBH", 0x80 | opcode, 126, length) + payload
    return struct.pack(">BBQ", 0x80 | opcode, 127, length) + payload


def close_frame(code: int, reason: str) -> bytes:
    """A close frame; the reason is cut to what fits (RFC 6455 §5.5: 125 octets with the code)."""
    return frame(struct.pack(">H", code) + reason.encode()[:120].decode(errors="ignore").encode(), CLOSE)


def rest_after(took: float, quiet: float) -> float:
    """Seconds to rest after a flush that took so long; nothing was due for `quiet` seconds before it."""
    return min(MAX_REST, took * (1.0 if quiet >= QUIET else REST_FACTOR))


class Outlet:
    """The way out to one socket, from after its handshake to its end."""

    __slots__ = ("_said_close", "_transport", "closing", "heard", "pinged")

    def __init__(self, transport: asyncio.Transport, now: float) -> None:
        """`now` is the loop's time. The transport is aiohttp's; every write here is whole frames, as aiohttp's are."""
        self._transport = transport
        self._said_close = False
        self.closing = False
        self.heard = now
        """When something last came in; whoever reads the socket sets it."""
        self.pinged = 0.0

    @property
    def waiting(self) -> int:
        """Octets that the socket has not taken yet."""
        return self._transport.get_write_buffer_size()

    def send(self, frames: bytes) -> None:
        """Writes whole frames at once. What waits in a fan-out may come after it."""
        if not self.closing:
            try:
                self._transport.write(frames)
            except RuntimeError:
                # uvloop's transports refuse to be written to once they are closed, before anybody has been told.
                self.closing = True

    def close(self, code: int, reason: str) -> None:
        """Says that it is over. The socket is cut if its other end does not agree in time."""
        if self.closing:
            return
        self.send(close_frame(code, reason))
        self._said_close = self.closing = True
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._transport.abort)

    async def finish(self, socket: web.WebSocketResponse) -> None:
        """Waits until the other end has answered a close, if there was one, and hears nothing of what else it says.

        aiohttp, which knows nothing of that close, would send a second one, which no end may (RFC 6455 §5.5.1). Its
        socket must not have `autoclose`, for the same reason.
        """
        if self._said_close:
            while (await socket.receive()).type not in ENDS:
                pass
            self._transport.close()

    def abort(self) -> None:
        """Cuts the socket."""
        self.closing = True
        self._transport.abort()


class Group:
    """Sockets that hear the same."""

    def __init__(self, fanout: Fanout | None = None) -> None:
        """Without a `fanout` it is one itself. Others come from `Fanout.group`."""
        self._fanout = fanout
        self._outlets: dict[Outlet, None] = {}
        self._queue: list[bytes] = []
        self._new: dict[Outlet, int] = {}
        """Those who came while something was queued already, with how much of it is not for them."""

    def __len__(self) -> int:
        return len(self._outlets)

    @property
    def queued(self) -> int:
        """Frames that wait for the next flush."""
        return len(self._queue)

    def add(self, outlet: Outlet) -> None:
        """From now on the socket hears every broadcast."""
        self._outlets[outlet] = None
        if self._queue:
            self._new[outlet] = len(self._queue)

    def remove(self, outlet: Outlet) -> None:
        """The socket hears nothing more, also not of what is queued."""
        self._outlets.pop(outlet, None)
        self._new.pop(outlet, None)

    def broadcast(self, whole_frame: bytes) -> None:
        """Sends a frame to every socket, after all that were broadcast before it."""
        self._queue.append(whole_frame)
        if self._fanout is not None:
            self._fanout.due(self)

    async def flush(self, max_buffer: int, drop: Callable[[Outlet], None]) -> float:
        """Writes what is queued to everybody. Returns the seconds that it took, without those of others on the loop."""
        queue, self._queue = self._queue, []
        new, self._new = self._new, {}
        joined = b"".join(queue)
        outlets = list(self._outlets)
        took = 0.0
        for start in range(0, len(outlets), SLICE):
            if start:
                await asyncio.sleep(0)
            began = time.perf_counter()  # uvloop's own clock stands still during a callback
            for outlet in outlets[start : start + SLICE]:
                outlet.send(b"".join(queue[new[outlet] :]) if outlet in new else joined)
                if not outlet.closing and outlet.waiting > max_buffer:
                    drop(outlet)
            took += time.perf_counter() - began
        return took


class Fanout(Group):
    """All sockets of a kind, and the tasks that write to them. As a group, it is the one that has everybody."""

    def __init__(self, max_buffer: int = MAX_BUFFER, ping_seconds: float = PING_SECONDS) -> None:
        """`ping_seconds` is how long a socket may be silent before it is pinged."""
        super().__init__()
        self._fanout = self
        self._max_buffer = max_buffer
        self._ping_seconds = ping_seconds
        self._due: dict[Group, None] = {}
        """Groups with something queued, in the order in which they got it."""
        self._due_since = 0.0
        """When the first of them got it."""
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.dropped = 0
        """Sockets that were closed because they read too slowly."""

    @property
    def waiting(self) -> int:
        """Frames that wait to be written, each to all of a group."""
        return sum(group.queued for group in self._due)

    def group(self) -> Group:
        """Some of the sockets, that hear something of their own. Whoever joins a group has been added here before."""
        return Group(self)

    def due(self, group: Group) -> None:
        """A group has something queued."""
        if not self._due:
            self._due_since = time.perf_counter()
        self._due[group] = None
        self._wake.set()

    async def start(self) -> None:
        """Begins to send."""
        self._tasks = [
            asyncio.create_task(self._flush_forever(), name="fan-out"),
            asyncio.create_task(self._sweep_forever(), name="fan-out: pings"),
        ]

    async def aclose(self) -> None:
        """Sends what waits, then tells everybody that the server goes away."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._flush_due()
        for outlet in list(self._outlets):
            outlet.close(GOING_AWAY, "The server is stopping.")

    def remove(self, outlet: Outlet) -> None:
        """The socket hears nothing more, whatever groups it is in."""
        super().remove(outlet)
        outlet.closing = True

    async def _flush_forever(self) -> None:
        flushed = 0.0
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._due:
                quiet = self._due_since - flushed
                rest = rest_after(await self._flush_due(), quiet)
                flushed = time.perf_counter()
                if rest > 0.001:
                    await asyncio.sleep(rest)

    async def _flush_due(self) -> float:
        due, self._due = self._due, {}
        return sum([await group.flush(self._max_buffer, self._drop) for group in due])

    def _drop(self, outlet: Outlet) -> None:
        self.dropped += 1
        outlet.close(TRY_AGAIN_LATER, "You read too slowly; connect again.")

    async def _sweep_forever(self) -> None:
        loop = asyncio.get_running_loop()
        ping = frame(b"", PING)
        dropped = 0
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.sweep(loop.time(), ping)
            if self.dropped != dropped:
                log.info("slow readers closed", sockets=self.dropped - dropped)
                dropped = self.dropped

    def sweep(self, now: float, ping: bytes) -> None:
        """Pings sockets that have been silent, and cuts those that did not answer the last one."""
        for outlet in list(self._outlets):
            if outlet.pinged > outlet.heard:
                if now - outlet.pinged >= PONG_SECONDS:
                    outlet.abort()
            elif now - outlet.heard >= self._ping_seconds:
                outlet.pinged = now
                outlet.send(ping)
