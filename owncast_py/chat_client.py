"""`owncast-py chat URL`: a server's chat in a terminal, and the smallest example of a bot.

Owns a client and nothing of the server: it speaks Owncast's chat as anybody could, by HTTP and WebSocket. What comes
over the network is printed only after markup and control characters are gone, because a terminal obeys them.
"""

from __future__ import annotations

import asyncio
import html
import re
import threading
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import TextIO
from urllib.parse import quote, urlsplit

import aiohttp
import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from owncast_py.errors import OwncastError

REQUEST_SECONDS = 15.0
MAX_FRAME_BYTES = 1 << 20
ANSWER_SECONDS = 10.0
"""How long the last line may take to be answered once there is nothing more to send."""

_TAG = re.compile(r"<[^>]*>")
_IMAGE = re.compile(r'<img\b[^>]*\balt="([^"]*)"[^>]*>')
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]+")

Show = Callable[[str], None]


class ChatClientError(OwncastError):
    """The chat cannot be read or written; the sentence says why."""


async def chat(address: str, token: str | None, lines: AsyncIterator[str], show: Show, say: Show) -> None:
    """Shows the chat of the server at `address`, and sends each of `lines`, until they end.

    What is said in chat goes to `show`, what there is to say about the connection to `say`. `/name NEW` takes another
    name, `/quit` ends. Raises ChatClientError when the server cannot be reached or refuses.
    """
    url = urlsplit(address if "://" in address else f"http://{address}")
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ChatClientError(f"{address!r} is no address of a server; write it as http://host:8080.")
    base = f"{url.scheme}://{url.netloc}"
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS)) as session:
            if token is None:
                async with session.post(f"{base}/api/chat/register", json={}) as answer:
                    me = _fields(await _document(answer))
                token = str(me.get("accessToken"))
                say(f"You are {_plain(me.get('displayName'))}. To come back as the same person: --token {token}")
            async with session.get(f"{base}/api/chat", params={"accessToken": token}) as answer:
                history = await _document(answer)
        for message in history if isinstance(history, list) else []:
            _show(_fields(message), show)
        socket = f"{'wss' if url.scheme == 'https' else 'ws'}://{url.netloc}/ws?accessToken={quote(token)}"
        async with connect(socket, max_size=MAX_FRAME_BYTES) as connection:
            await _Talk(connection, show).run(lines)
    except (OSError, TimeoutError, aiohttp.ClientError, InvalidHandshake) as error:
        raise ChatClientError(f"{base} cannot be reached: {_plain(str(error)) or type(error).__name__}.") from error
    except ConnectionClosed as error:
        reason = error.rcvd.reason if error.rcvd else ""
        raise ChatClientError(_plain(reason) or "The server ended the connection.") from error


class _Talk:
    """One connection: what comes is shown, what is typed is sent."""

    def __init__(self, connection: ClientConnection, show: Show) -> None:
        self._connection = connection
        self._show = show
        self._me = ""
        self._sent = 0
        self._answered = asyncio.Condition()

    async def run(self, lines: AsyncIterator[str]) -> None:
        """Ends when `lines` do and all of them were answered, or when the server ends."""
        reading = asyncio.create_task(self._read())
        writing = asyncio.create_task(self._write(lines))
        try:
            done, _ = await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (reading, writing):
                task.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)

    async def _write(self, lines: AsyncIterator[str]) -> None:
        async for line in lines:
            text = line.strip()
            if text == "/quit":
                break
            if text.startswith("/name "):
                await self._send({"type": "NAME_CHANGE", "newName": text.removeprefix("/name ")})
            elif text:
                self._sent += 1
                await self._send({"type": "CHAT", "body": text})
        async with asyncio.timeout(ANSWER_SECONDS), self._answered:
            await self._answered.wait_for(lambda: self._sent <= 0)

    async def _send(self, event: dict[str, str]) -> None:
        await self._connection.send(orjson.dumps(event).decode())

    async def _read(self) -> None:
        while True:
            frame = await self._connection.recv()
            for line in (frame if isinstance(frame, str) else frame.decode(errors="replace")).split("\n"):
                if line.strip():
                    await self._on_event(_fields(orjson.loads(line)))

    async def _on_event(self, event: dict[str, object]) -> None:
        user = _fields(event.get("user"))
        if event.get("type") == "CONNECTED_USER_INFO":
            self._me = str(user.get("id"))
        # A message of mine that comes back was taken; one that was not is answered with an error.
        if "error" in event or (event.get("type") == "CHAT" and user.get("id") == self._me):
            async with self._answered:
                self._sent -= 1
                self._answered.notify_all()
        _show(event, self._show)


def _show(event: dict[str, object], show: Show) -> None:
    """One line for what a person would read; nothing for the rest."""
    kind = str(event.get("type"))
    name = _plain(_fields(event.get("user")).get("displayName"))
    if kind == "CHAT":
        show(f"{_clock(event.get('timestamp'))} {name}: {_words(event.get('body'))}")
    elif kind in ("SYSTEM", "CHAT_ACTION"):
        show(f"{_clock(event.get('timestamp'))} * {_words(event.get('body'))}")
    elif kind == "NAME_CHANGE":
        show(f"{_clock(event.get('timestamp'))} * {_plain(event.get('oldName'))} is now {name}")
    elif kind in ("USER_JOINED", "USER_PARTED"):
        show(f"{_clock(event.get('timestamp'))} * {name} {'joined' if kind == 'USER_JOINED' else 'left'}")
    elif kind.startswith("ERROR_") or kind == "CHAT_DISABLED":
        raise ChatClientError(_plain(event.get("body")) or f"The server refuses: {_plain(kind)}.")


async def _document(answer: aiohttp.ClientResponse) -> object:
    """The JSON of an answer. Raises ChatClientError with the server's sentence when it is a refusal."""
    raw = await answer.content.read(MAX_FRAME_BYTES)
    try:
        found: object = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise ChatClientError(f"{answer.url.host} does not answer like a chat server.") from None
    if answer.status != 200:
        raise ChatClientError(_plain(_fields(found).get("message")) or f"The server answered {answer.status}.")
    return found


def _fields(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _words(body: object) -> str:
    return _plain(html.unescape(_TAG.sub(" ", _IMAGE.sub(r"\1", str(body)))))


def _plain(value: object) -> str:
    """Text that a terminal can be trusted with."""
    return " ".join(_CONTROL.sub(" ", value if isinstance(value, str) else "").split())


def _clock(timestamp: object) -> str:
    try:
        return datetime.fromisoformat(str(timestamp)).astimezone().strftime("%H:%M")
    except ValueError:
        return "--:--"


async def lines_of(stream: TextIO) -> AsyncIterator[str]:
    """The lines of a terminal, a pipe or a file as they come.

    Read in a thread that the end of the program does not wait for, as a read of a terminal cannot be called off.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[str | None] = asyncio.Queue()

    def read() -> None:
        try:
            for line in stream:
                loop.call_soon_threadsafe(queue.put_nowait, line)
            loop.call_soon_threadsafe(queue.put_nowait, None)
        except RuntimeError:
            pass  # the loop is closed: nobody listens any more

    threading.Thread(target=read, daemon=True, name="standard input").start()
    while (line := await queue.get()) is not None:
        yield line
