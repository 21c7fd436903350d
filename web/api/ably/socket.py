"""The realtime WebSocket: octets ↔ protocol messages.

Owns the handshake with its parameters, the frames, and what ends a socket. The connection behind it is `connection`'s.
Wire protocol 6; features specification, RTN2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import WSMsgType, web

from owncast_py.buckets import TokenBuckets
from web.api.ably.connection import Connection
from web.api.ably.errors import AblyError, from_domain
from web.api.ably.formats import Format, FormatError, decode
from web.api.ably.gate import Gate
from web.api.ably.protocol import MAX_FRAME, ProtocolAction, ProtocolMessage, parse
from web.api.ably.realtime import Realtime
from web.api.ably.rooms import pack
from web.fanout import POLICY, Outlet

MESSAGES_AT_ONCE = 2_000
MESSAGES_PER_SECOND = 1_000.0
"""Protocol messages of one connection; more end it."""


class Sockets:
    """All realtime sockets."""

    def __init__(self, realtime: Realtime, gate: Gate, monotonic: Callable[[], float]) -> None:
        self._realtime = realtime
        self._gate = gate
        self._floods = TokenBuckets(MESSAGES_AT_ONCE, MESSAGES_PER_SECOND, monotonic)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """A socket from its handshake to its end."""
        binary = request.query.get("format") == "msgpack"
        socket = web.WebSocketResponse(autoping=False, autoclose=False, compress=False, max_msg_size=MAX_FRAME)
        if not socket.can_prepare(request).ok:
            raise web.HTTPUpgradeRequired(text="This address speaks WebSocket only.", headers={"Upgrade": "websocket"})
        refused: AblyError | None = None
        grant = None
        try:
            grant = await self._gate.authenticate(request)
        except Exception as error:
            refused = from_domain(error)
        await socket.prepare(request)
        if request.transport is None:
            return socket
        outlet = Outlet(request.transport, asyncio.get_running_loop().time())
        if grant is None or refused is not None:
            _farewell(outlet, refused or AblyError(40100, 401, "There are no credentials."), binary=binary)
            await outlet.finish(socket)
            return socket
        try:
            connection = await self._realtime.connect(
                grant,
                self._gate.client_id(request, grant),
                outlet,
                binary=binary,
                echo=request.query.get("echo") != "false",
                key=request.query.get("resume") or request.query.get("recover") or "",
                heartbeats=request.query.get("heartbeats", "true") == "true",
            )
        except AblyError as error:
            _farewell(outlet, error, binary=binary)
            await outlet.finish(socket)
            return socket
        over = False
        try:
            over = await self._listen(socket, outlet, connection)
        finally:
            if over:
                await asyncio.shield(self._realtime.end(connection, outlet))
            else:
                self._realtime.lose(connection, outlet)
        await outlet.finish(socket)
        return socket

    async def _listen(self, socket: web.WebSocketResponse, outlet: Outlet, connection: Connection) -> bool:
        """Takes what comes. Returns whether the connection is over, not only its socket."""
        loop = asyncio.get_running_loop()
        while not outlet.closing:
            message = await socket.receive()
            outlet.heard = loop.time()
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                try:
                    if self._floods.take(connection.id) > 0:
                        raise AblyError(42911, 429, "This connection sends too much.")
                    frame = _read(message.data)
                    async with connection.busy:
                        if connection.outlet is not outlet:
                            return False
                        if not await connection.take(frame):
                            outlet.close(1000, "Closed.")
                            return True
                except (AblyError, FormatError) as error:
                    _farewell(outlet, from_domain(error), binary=connection.binary)
                    return True
            elif message.type is WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type is not WSMsgType.PONG:
                return False
        return False


def _read(data: str | bytes) -> ProtocolMessage:
    """Raises FormatError, AblyError."""
    if isinstance(data, str):
        return parse(decode(data.encode("utf-8", "surrogatepass"), Format.JSON.value))
    return parse(decode(data, Format.MSGPACK.value))


def _farewell(outlet: Outlet, error: AblyError, *, binary: bool) -> None:
    """Says why, where the client looks for it: not by a status but by a message (RTN14, RTN15i)."""
    outlet.send(pack({"action": ProtocolAction.ERROR, "error": error.info()}, binary=binary))
    outlet.close(POLICY, error.sentence)
