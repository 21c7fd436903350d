"""Files of encoders that send HLS: PUT, POST and DELETE below `/direct/TOKEN/`.

Owns the reading of these uploads and their limits. Who may send, and what becomes of a file, is `DirectInput`'s. A file
is sent while it is being made, so an upload lasts as long as a segment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol

from aiohttp import web

from web.addresses import client_address

PREFIX: Final = "/direct/"
FILE_NAME: Final = "stream.m3u8"
"""What the shown address ends with; an encoder may choose other names."""
MAX_FILE_BYTES: Final = 64 * 1024 * 1024
MAX_WAITING_BYTES: Final = 192 * 1024 * 1024
"""Of all uploads that are under way."""
UPLOAD_SECONDS: Final = 120.0
CHUNK: Final = 256 * 1024


class InputRefused(Exception):
    """A file that is not taken: an HTTP status and the sentence for the encoder's user."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Upload(Protocol):
    """A file that is under way, and may be sent."""

    def touch(self) -> None:
        """Some of it came."""

    def finish(self, data: bytes) -> None:
        """All of it came. Raises InputRefused."""


class DirectInput(Protocol):
    """Who takes the files."""

    def begin(self, token: str, address: str, encoder: str, name: str) -> Upload:
        """Before a file is read. Raises InputRefused."""

    def delete(self, token: str, address: str, name: str) -> None:
        """The encoder does not need a file any more. Raises InputRefused."""


def direct_input_address(base: str, token: str) -> str:
    """What the owner puts into an encoder; `base` is the address of this server."""
    return f"{base.rstrip('/')}{PREFIX}{token}/{FILE_NAME}"


def direct_input_routes(taker: DirectInput) -> list[web.RouteDef]:
    """The routes, for encoders alone."""
    uploads = _Uploads(taker)
    path = PREFIX + "{token}/{name:.+}"
    return [web.put(path, uploads.put), web.post(path, uploads.put), web.delete(path, uploads.delete)]


class _Uploads:
    def __init__(self, taker: DirectInput) -> None:
        self._taker = taker
        self._waiting = 0

    async def put(self, request: web.Request) -> web.Response:
        """Takes a playlist or a segment."""
        token, name = request.match_info["token"], request.match_info["name"]
        try:
            upload = self._taker.begin(token, client_address(request), request.headers.get("User-Agent", ""), name)
            upload.finish(await self._read(request, upload))
        except InputRefused as error:
            return _refusal(error)
        return web.Response(status=201)

    async def delete(self, request: web.Request) -> web.Response:
        """Forgets a file."""
        found: Mapping[str, str] = request.match_info
        try:
            self._taker.delete(found["token"], client_address(request), found["name"])
        except InputRefused as error:
            return _refusal(error)
        return web.Response(status=204)

    async def _read(self, request: web.Request, upload: Upload) -> bytes:
        if (request.content_length or 0) > MAX_FILE_BYTES:
            raise _too_large()
        data = bytearray()
        try:
            async with asyncio.timeout(UPLOAD_SECONDS):
                while chunk := await request.content.read(CHUNK):
                    upload.touch()
                    data += chunk
                    self._waiting += len(chunk)
                    if len(data) > MAX_FILE_BYTES:
                        raise _too_large()
                    if self._waiting > MAX_WAITING_BYTES:
                        raise InputRefused(503, "Too many files are being sent at once; send them one after the other.")
        except TimeoutError:
            raise InputRefused(
                408, f"This file took more than {UPLOAD_SECONDS:g} s to come; let segments last 1 to 10 seconds."
            ) from None
        finally:
            self._waiting -= len(data)
        return bytes(data)


def _too_large() -> InputRefused:
    return InputRefused(
        413, f"This file has more than {MAX_FILE_BYTES >> 20} MB; let segments last 1 to 10 seconds, or send less."
    )


def _refusal(error: InputRefused) -> web.Response:
    return web.Response(status=error.status, text=f"{error}\n", headers={"Cache-Control": "no-store"})
