"""The asyncio shell around `RtmpSession`: sockets, TLS, deadlines, limits on connections, the log.

Owns every RTMP connection and one timer for all of them. It reads no byte itself. A connection that does not publish
yet is cheap and can be pushed out by newer ones; a publisher is only dropped for a reason of its own.

Reads of publishers are batched by the socket's low-water mark (SO_RCVLOWAT): waking up costs far more than parsing, so
the kernel is asked to collect 60 ms of stream. The timer lowers the mark of a socket that has fallen silent.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

import structlog

from ingest.gate import PublishGate
from ingest.rtmp.handshake import PACKET_SIZE
from ingest.rtmp.session import RtmpSession

log = structlog.get_logger(__name__)

TICK: Final = 0.4
"""Seconds between two runs of the timer, and the longest that a quiet publisher's bytes stay in the kernel."""
LOW_WATER_SECONDS: Final = 0.06
"""Seconds of stream that the kernel collects before it wakes us."""
MAX_LOW_WATER: Final = 128 * 1024
"""Bytes of the low-water mark; half of the receive buffer, so that one read takes all."""
RATE_SMOOTHING: Final = 0.25
"""Weight of one tick in the measured rate, which thus follows changes within about 1.5 s."""
MIN_LOW_WATER: Final = 2048
"""Marks below this would save nothing."""
BACKLOG: Final = 512
"""Connections that the kernel holds for us to accept."""


@dataclass(frozen=True, slots=True)
class RtmpLimits:
    """What one server grants; times in seconds."""

    pending_connections: int = 256
    """Connections that do not publish, refused ones included; beyond it the oldest is dropped."""
    pending_per_address: int = 64
    """The same, of one address."""
    publish_timeout: float = 10.0
    """From accepting a connection until it publishes."""
    idle_timeout: float = 30.0
    """A publisher that sends nothing this long is dropped."""
    keyframe_timeout: float = 10.0
    """Video without a keyframe this long is worth a warning; it is not dropped for that."""
    linger_timeout: float = 2.0
    """A refused encoder has this long to read why and to hang up."""
    write_buffer: int = 64 * 1024
    """Bytes of unread answers."""


class RtmpServer:
    """Listens on one port. `tls` makes it RTMPS; `clock` gives seconds, monotonic."""

    def __init__(
        self,
        gate: PublishGate,
        *,
        host: str,
        port: int,
        tls: ssl.SSLContext | None = None,
        limits: RtmpLimits = RtmpLimits(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gate = gate
        self._host = host
        self._requested_port = port
        self._bound_port: int | None = None
        self._tls = tls
        self._limits = limits
        self._clock = clock
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._connections: dict[_Connection, None] = {}
        self._pending: dict[_Connection, None] = {}
        self._crowded = False
        self._closing = False
        self._empty = asyncio.Event()

    @property
    def port(self) -> int:
        """The bound port. Raises `RuntimeError` before `start`."""
        if self._bound_port is None:
            raise RuntimeError("The RTMP server has no port before it was started.")
        return self._bound_port

    @property
    def listening(self) -> bool:
        """Whether encoders can connect."""
        return self._server is not None and self._server.is_serving()

    @property
    def connections(self) -> int:
        """Open connections, whether they publish or not."""
        return len(self._connections)

    async def start(self) -> None:
        """Binds and listens. Raises `OSError` when the port is taken or the host is not ours."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self, self._gate, self._limits, "rtmps" if self._tls else "rtmp", self._clock),
            self._host,
            self._requested_port,
            ssl=self._tls,
            ssl_handshake_timeout=self._limits.publish_timeout if self._tls else None,
            backlog=BACKLOG,
        )
        self._bound_port = self._server.sockets[0].getsockname()[1]

    async def aclose(self) -> None:
        """Stops listening and drops every connection; listeners have heard `on_end` when this returns."""
        if self._server is None:
            return
        self._closing = True
        self._server.close()
        if self._timer is not None:
            self._timer.cancel()
        for connection in list(self._connections):
            connection.drop("The server is shutting down.")
        if self._connections:
            self._empty.clear()
            await self._empty.wait()
        await self._server.wait_closed()

    def check_connections(self) -> None:
        """Enforces deadlines and adapts low-water marks; the timer runs it."""
        now = self._clock()
        for connection in list(self._connections):
            connection.check(now)
        # A crowd of one address never exceeds that address's share.
        if len(self._pending) < min(self._limits.pending_connections, self._limits.pending_per_address) // 2:
            self._crowded = False

    def _on_timer(self) -> None:
        """Runs while there are connections: an idle server sleeps."""
        self._timer = None
        if self._connections:
            self._timer = asyncio.get_running_loop().call_later(TICK, self._on_timer)
            self.check_connections()

    def opened(self, connection: _Connection) -> None:
        """Counts a new connection and drops the oldest pending one when there are too many."""
        self._connections[connection] = None
        self._pending[connection] = None
        if self._timer is None and not self._closing:
            self._timer = asyncio.get_running_loop().call_later(TICK, self._on_timer)
        if self._closing:  # its TLS handshake ended after we stopped listening
            connection.drop("The server is shutting down.")
            return
        same = [other for other in self._pending if other.address == connection.address]
        if len(same) > self._limits.pending_per_address:
            self._push_out(same[0])
        elif len(self._pending) > self._limits.pending_connections:
            self._push_out(next(iter(self._pending)))

    def accepted(self, connection: _Connection) -> None:
        """The connection publishes: it does not count as pending any more."""
        self._pending.pop(connection, None)

    def closed(self, connection: _Connection) -> None:
        """The connection is gone."""
        self._pending.pop(connection, None)
        self._connections.pop(connection, None)
        if not self._connections:
            self._empty.set()

    def _push_out(self, connection: _Connection) -> None:
        if not self._crowded:  # one line for a whole burst
            self._crowded = True
            log.warning(
                "too many connections that do not publish, dropping the oldest",
                address=connection.address,
                pending=len(self._pending),
            )
        # At once, or the next of a burst would push out the same one: its end is only heard in the loop's next turn.
        self._pending.pop(connection, None)
        connection.push_out()


class _Connection(asyncio.BufferedProtocol):
    """One socket. Born in `create_server`'s factory, so it counts only once it is connected."""

    def __init__(
        self, server: RtmpServer, gate: PublishGate, limits: RtmpLimits, protocol: str, clock: Callable[[], float]
    ) -> None:
        self.address = ""
        self._server = server
        self._gate = gate
        self._limits = limits
        self._protocol = protocol
        self._clock = clock
        self._session: RtmpSession
        self._transport: asyncio.Transport | None = None
        self._deadline = 0.0
        self._publishing = False
        self._settled = False
        self._quiet = False
        # What the timer saw last.
        self._checked_at = 0.0
        self._checked_bytes = 0
        self._heard_at = 0.0
        self._reported_tracks = 0
        self._reported_jumps = False
        self._keyframe_due = 0.0
        # The low-water mark; without a socket it is left alone.
        self._socket: socket.socket | None = None
        self._rate = 0.0
        self._low_water = 1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if peer else "unknown"
        self._deadline = self._clock() + self._limits.publish_timeout
        self._session = RtmpSession(
            self._gate,
            protocol=self._protocol,
            address=self.address,
            random=os.urandom(PACKET_SIZE - 8),
            wake=self._finish,
        )
        self._server.opened(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._session.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        session = self._session
        try:
            session.received(nbytes)
        except Exception:
            log.exception("error in the listener of a publisher", address=self.address)
            session.end("The server failed to process the stream.")
            self.abort()
            return
        if session.finished is not None:
            self._finish()
            return
        if not self._publishing and session.source is not None:
            self._start_publishing()
        output = session.take_output()
        if output:
            self._write(output)

    def eof_received(self) -> bool:
        self._session.end("The encoder closed the connection.")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._session.end(f"The connection broke: {exc}." if exc else "The encoder closed the connection.")
        self._settle()
        self._transport = None
        self._server.closed(self)

    def check(self, now: float) -> None:
        """Deadlines and the low-water mark, at every tick."""
        if self._session.finished is not None:
            if now >= self._deadline:
                self.abort()
        elif not self._publishing:
            if now >= self._deadline:
                self.drop(f"The connection did not publish within {self._limits.publish_timeout:g} s.")
        else:
            self._check_publisher(now)

    def drop(self, reason: str) -> None:
        """Ends the session and the connection at once."""
        self._session.end(reason)
        self.abort()

    def push_out(self) -> None:
        """Drops a pending connection without a line of its own in the log."""
        self._quiet = True
        self.drop("Too many connections do not publish.")

    def abort(self) -> None:
        """Closes the socket; `connection_lost` follows."""
        if self._transport is not None:
            self._transport.abort()

    def _start_publishing(self) -> None:
        self._publishing = True
        self._checked_at = self._heard_at = self._clock()
        self._keyframe_due = self._checked_at + self._limits.keyframe_timeout
        self._checked_bytes = self._session.bytes_received
        self._server.accepted(self)
        source = self._session.source
        log.info(
            "publisher connected",
            address=self.address,
            protocol=self._protocol,
            encoder=source.origin.encoder if source else "",
        )
        # TLS needs whole records, whose length the kernel does not know.
        if self._protocol == "rtmp" and hasattr(socket, "SO_RCVLOWAT") and self._transport is not None:
            self._socket = self._transport.get_extra_info("socket")

    def _check_publisher(self, now: float) -> None:
        elapsed = now - self._checked_at
        if elapsed <= 0:
            return
        received = self._session.bytes_received
        fresh = received - self._checked_bytes
        self._checked_bytes, self._checked_at = received, now
        if fresh:
            self._heard_at = now
        elif now - self._heard_at >= self._limits.idle_timeout:
            self.drop(f"The encoder sent nothing for {self._limits.idle_timeout:g} s.")
            return
        self._report(now)
        if self._socket is not None:
            self._rate += (fresh / elapsed - self._rate) * RATE_SMOOTHING
            # A silent tick lowers the mark, so that bytes below the old one wake us.
            self._set_low_water(int(self._rate * LOW_WATER_SECONDS) if fresh else 1)

    def _report(self, now: float) -> None:
        """Says once what was absorbed and what the streamer should know."""
        tracks = self._session.ignored_tracks[self._reported_tracks :]
        if tracks:
            self._reported_tracks += len(tracks)
            log.warning("tracks ignored, only the first is used", address=self.address, tracks=tracks)
        timeline, source = self._session.timeline, self._session.source
        if timeline is None or source is None:
            return
        if timeline.jumps and not self._reported_jumps:
            self._reported_jumps = True
            log.warning("timestamps jumped and were put right, from now on silently", address=self.address)
        if source.video is None or not timeline.wants_keyframe:
            self._keyframe_due = now + self._limits.keyframe_timeout
        elif now >= self._keyframe_due:
            self._keyframe_due = float("inf")
            log.warning(
                "no keyframe, so no video: set the encoder's keyframe interval to 2 s",
                address=self.address,
                seconds=self._limits.keyframe_timeout,
            )

    def _set_low_water(self, wanted: int) -> None:
        wanted = 1 if wanted < MIN_LOW_WATER else min(wanted, MAX_LOW_WATER)
        current = self._low_water
        # Small changes of the rate are not worth a system call.
        if wanted == current or (wanted > 1 and current > 1 and abs(wanted - current) * 4 < current):
            return
        if self._socket is not None:
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, wanted)
            except OSError:
                self._socket = None  # Not offered here, or the peer is gone: read as the loop does by itself.
            self._low_water = wanted

    def _write(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > self._limits.write_buffer:
            self.drop(f"The encoder left more than {self._limits.write_buffer} bytes of answers unread.")

    def _finish(self) -> None:
        """The session is over: sends the rest of its answers, then waits a little for the encoder to hang up.

        Closing at once with unread bytes in the kernel would reset the connection and destroy the answer on its way.
        """
        self._settle()
        if self._transport is None or self._transport.is_closing():
            return
        output = self._session.take_output()
        if output:
            self._write(output)
            if self._transport is not None and self._transport.can_write_eof() and not self._transport.is_closing():
                self._transport.write_eof()
                return
        self._transport.close()

    def _settle(self) -> None:
        """Once per connection, when its session is over: the last line of the log, and a deadline for the socket."""
        if self._settled:
            return
        self._settled = True
        self._deadline = self._clock() + self._limits.linger_timeout
        self._set_low_water(1)
        self._socket = None
        if not self._quiet:
            log.info("closed", reason=self._session.finished, address=self.address, protocol=self._protocol)
