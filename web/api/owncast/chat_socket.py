"""Owncast's chat socket, `/ws?accessToken=…`, and the old `/entry`.

Owns the life of a connection on the wire: who may connect, what it sends, and what it is told. The rules of chat are
`owncast_py.chat`'s; getting one message to thousands is `web.fanout`'s.

Both sides may put several JSON objects into one frame, separated by newlines. We send one for each, because every
client reads that.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence

import orjson
from aiohttp import WSMsgType, web

from owncast_py.accounts.model import COLORS, Identity, User
from owncast_py.buckets import TokenBuckets
from owncast_py.chat.chat import Chat
from owncast_py.chat.connections import Connection
from owncast_py.chat.content import Content
from owncast_py.chat.errors import ChatError, ConnectionRefused, MessageRefused
from owncast_py.chat.moderation import pinned_content
from owncast_py.errors import AccountError, StorageError
from owncast_py.realtime.messages import CHAT, Delivery, Message
from owncast_py.setting_groups import ChatSettings
from web.addresses import client_address, tells_apart
from web.api.owncast import chat_frames
from web.fanout import POLICY, Fanout, Outlet, frame

MAX_CONNECTIONS = 15_000
MAX_CONNECTIONS_PER_USER = 50
MAX_FRAME_BYTES = 16 * 1024
"""A longer message closes the socket with 1009."""
MAX_OBJECTS = 20
"""In one frame."""
STRANGERS_AT_ONCE = 30
STRANGERS_PER_SECOND = 0.5
"""Connections from one address with tokens that are not known."""
EVENTS_AT_ONCE = 40
EVENTS_PER_SECOND = 10.0
"""What a socket may send, of any kind; with more it is closed. Far above the rate limit of messages."""


class ChatSockets:
    """All chat sockets of this server."""

    def __init__(self, chat: Chat, monotonic: Callable[[], float]) -> None:
        """`monotonic` counts seconds."""
        self._chat = chat
        self.fanout = Fanout()
        self._floods = TokenBuckets(EVENTS_AT_ONCE, EVENTS_PER_SECOND, monotonic)
        self._strangers = TokenBuckets(STRANGERS_AT_ONCE, STRANGERS_PER_SECOND, monotonic)
        self._ids = itertools.count(1)
        self._unsubscribe: Callable[[], None] = lambda: None

    def routes(self) -> list[web.RouteDef]:
        """The sockets' routes."""
        return [web.get("/ws", self._serve), web.get("/entry", self._serve)]

    async def start(self) -> None:
        """Listens to the channel."""
        self._unsubscribe = self._chat.channels.broker.subscribe(CHAT, self._on_deliveries)
        await self.fanout.start()

    async def aclose(self) -> None:
        """Ends every socket."""
        self._unsubscribe()
        await self.fanout.aclose()

    def _on_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        for payload in chat_frames.events(deliveries):
            self.fanout.broadcast(frame(payload))

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        address = client_address(request)
        if self._chat.bans.banned(address):
            raise web.HTTPForbidden(text="Your address is banned from this chat.")
        socket = web.WebSocketResponse(autoping=False, autoclose=False, compress=False, max_msg_size=MAX_FRAME_BYTES)
        if not socket.can_prepare(request).ok:
            raise web.HTTPUpgradeRequired(text="This address speaks WebSocket only.", headers={"Upgrade": "websocket"})
        try:
            identity, token = await self._admit(request, address)
        except ConnectionRefused as refused:
            return await self._refuse(request, socket, refused)
        await socket.prepare(request)
        transport = request.transport
        if transport is None:
            return socket
        self._chat.accounts.devices.seen(identity.device, address)
        outlet = Outlet(transport, asyncio.get_running_loop().time())
        line = _SocketLine(self, outlet)
        connection = Connection(
            id=f"c{next(self._ids)}",
            user_id=identity.user.id,
            device_id=identity.device.id,
            address=address,
            user_agent=request.headers.get("User-Agent", ""),
            connected_at=self._chat.now(),
            line=line,
            unlimited=identity.user.is_bot or identity.user.may_moderate,
        )
        self.fanout.add(outlet)
        try:
            await self._greet(connection, identity)
            if await self._chat.accounts.identify(token) is None:
                # Signed out while the socket opened, when nobody knew that it would be there.
                line.hang_up(ConnectionRefused.NEEDS_REGISTRATION)
            await self._listen(socket, outlet, connection)
        finally:
            self.fanout.remove(outlet)
            await asyncio.shield(self._chat.connections.part(connection))
        await outlet.finish(socket)
        return socket

    async def _admit(self, request: web.Request, address: str) -> tuple[Identity, str]:
        """Who connects, by which token. Raises ConnectionRefused."""
        if self._chat.settings.get(ChatSettings).disabled:
            raise ConnectionRefused(ConnectionRefused.DISABLED, "Chat is switched off on this server.")
        if len(self.fanout) >= MAX_CONNECTIONS:
            raise ConnectionRefused(ConnectionRefused.TOO_MANY, "Chat is full; try again later.")
        token = request.query.get("accessToken", "")
        if not token and request.path == "/entry":
            # Clients of 0.0.7 know no registration: each of their connections is a person of its own.
            _, token = await self._chat.people.register(None, tells_apart(address))
        stranger = tells_apart(address) or ""
        if stranger and (wait := self._strangers.wait(stranger)) > 0:
            raise web.HTTPTooManyRequests(
                text=f"Too many wrong tokens came from your address; try again in {wait:.0f} s.",
                headers={"Retry-After": str(int(wait) + 1)},
            )
        identity = await self._chat.accounts.identify(token)
        if identity is None:
            self._strangers.take(stranger)
            raise ConnectionRefused(
                ConnectionRefused.NEEDS_REGISTRATION, "Your token is not known here; register first."
            )
        if identity.user.disabled_at is not None:
            raise ConnectionRefused(ConnectionRefused.USER_DISABLED, "A moderator has removed you from this chat.")
        if len(self._chat.connections.of(identity.user.id)) >= MAX_CONNECTIONS_PER_USER:
            raise ConnectionRefused(
                ConnectionRefused.TOO_MANY, f"You are connected {MAX_CONNECTIONS_PER_USER} times already; close some."
            )
        return identity, token

    async def _refuse(
        self, request: web.Request, socket: web.WebSocketResponse, refused: ConnectionRefused
    ) -> web.WebSocketResponse:
        """Owncast's clients learn of a refusal by a message, not by a status."""
        await socket.prepare(request)
        payload = chat_frames.refusal(refused.kind, str(refused), self.event_id(), self._chat.now())
        await socket.send_str(payload.decode())
        await socket.close(code=POLICY, message=str(refused).encode()[:120])
        return socket

    async def _greet(self, connection: Connection, identity: Identity) -> None:
        await self._chat.connections.join(connection, identity)
        if (pinned := await self._chat.moderation.pinned()) is not None:
            connection.line.notify("pinned", pinned_content(pinned))
        if welcome := self._chat.settings.get(ChatSettings).welcome_message:
            connection.line.notify("system", self._chat.posting.system_content(welcome))

    async def _listen(self, socket: web.WebSocketResponse, outlet: Outlet, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        while True:
            message = await socket.receive()
            if outlet.closing:
                # Whoever was signed out or removed says nothing more, also not what was on its way.
                return
            outlet.heard = loop.time()
            if message.type is WSMsgType.TEXT:
                await self._on_text(connection, outlet, message.data)
            elif message.type is WSMsgType.PING:
                if self._floods.take(connection.id) > 0:
                    outlet.close(POLICY, "You send too much.")
                    return
                await socket.pong(message.data)
            elif message.type is not WSMsgType.PONG:
                return

    async def _on_text(self, connection: Connection, outlet: Outlet, text: str) -> None:
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) > MAX_OBJECTS:
            outlet.close(POLICY, f"A frame can hold {MAX_OBJECTS} objects.")
            return
        for line in lines:
            if not connection.unlimited and self._floods.take(connection.id) > 0:
                outlet.close(POLICY, "You send too much.")
                return
            try:
                await self._on_object(connection, line)
            except (ChatError, AccountError, StorageError) as refused:
                self._tell_refusal(connection, refused)

    async def _on_object(self, connection: Connection, line: str) -> None:
        try:
            event: object = orjson.loads(line)
        except orjson.JSONDecodeError:
            raise MessageRefused("MALFORMED", "That was not valid JSON.") from None
        if not isinstance(event, dict) or not isinstance(kind := event.get("type"), str):
            raise MessageRefused("MALFORMED", 'A message is a JSON object such as {"type": "CHAT", "body": "…"}.')
        user = await self._chat.accounts.user(connection.user_id)
        if user is None or user.disabled_at is not None:
            raise MessageRefused("USER_DISABLED", "A moderator has removed you from this chat.")
        match kind:
            case "CHAT":
                user = await self._named_by_author(user, event.get("author"))
                reply_to = event.get("inReplyTo")
                outcome = await self._chat.posting.submit(
                    user, _text(event, "body"), reply_to if isinstance(reply_to, str) else None
                )
                outcome.add_done_callback(lambda done: self._on_outcome(connection, done))
                connection.message_count += 1
            case "NAME_CHANGE":
                await self._chat.people.rename(user, _text(event, "newName"))
            case "COLOR_CHANGE":
                color = event.get("newColor")
                if not isinstance(color, int) or isinstance(color, bool):
                    raise MessageRefused("MALFORMED", f"newColor must be a whole number from 0 to {COLORS - 1}.")
                await self._chat.people.recolor(user, color)
            case "PING":
                connection.line.notify("pong", {})
            case "PONG":
                pass
            case _:
                raise MessageRefused("MALFORMED", f"There is no message type {kind[:40]!r}.")

    async def _named_by_author(self, user: User, author: object) -> User:
        """Clients of 0.0.7 name themselves in each message; later ones have a name by then."""
        if not isinstance(author, str) or author == user.display_name or user.name_changed_at is not None:
            return user
        return await self._chat.people.rename(user, author)

    def _on_outcome(self, connection: Connection, outcome: asyncio.Future[list[Message]]) -> None:
        error = None if outcome.cancelled() else outcome.exception()
        if isinstance(error, StorageError):
            self._tell_refusal(connection, error)
        elif error is not None:
            raise error

    def _tell_refusal(self, connection: Connection, refused: ChatError | AccountError | StorageError) -> None:
        error: dict[str, object] = {"code": refused.code if isinstance(refused, ChatError) else "REFUSED"}
        if isinstance(refused, MessageRefused) and refused.retry_after is not None:
            error["retryAfter"] = round(refused.retry_after, 1)
        document = self._chat.posting.server_line(str(refused))
        connection.line.notify("system", document | {"error": error})

    def event_id(self) -> str:
        """An id for what is told to one connection alone."""
        return f"p{next(self._ids)}"

    def private(self, kind: str, document: Content) -> bytes:
        """A frame for one connection alone."""
        return frame(chat_frames.private(kind, document, self.event_id(), self._chat.now()))

    def goodbye(self, reason: str) -> tuple[bytes, str]:
        """The frame and the sentence by which a connection ends."""
        sentence = _GOODBYES[reason]
        return frame(chat_frames.refusal(reason, sentence, self.event_id(), self._chat.now())), sentence


_GOODBYES = {
    ConnectionRefused.DISABLED: "Chat was switched off on this server.",
    ConnectionRefused.NEEDS_REGISTRATION: "You were signed out here.",
    ConnectionRefused.USER_DISABLED: "A moderator has removed you from this chat.",
}


class _SocketLine:
    """A chat connection's `Line` over its socket."""

    __slots__ = ("_outlet", "_sockets")

    def __init__(self, sockets: ChatSockets, outlet: Outlet) -> None:
        self._sockets = sockets
        self._outlet = outlet

    def notify(self, kind: str, content: Content) -> None:
        self._outlet.send(self._sockets.private(kind, content))

    def hang_up(self, reason: str) -> None:
        goodbye, sentence = self._sockets.goodbye(reason)
        self._outlet.send(goodbye)
        self._outlet.close(POLICY, sentence)


def _text(event: dict[str, object], name: str) -> str:
    value = event.get(name)
    if not isinstance(value, str):
        raise MessageRefused("MALFORMED", f"The field {name!r} must be text.")
    return value
