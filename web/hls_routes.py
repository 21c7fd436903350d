"""`web.hls` for the aiohttp application, and the pictures of the show.

Owns the waiting for what `Hls` says is still to come, and the reading from the segment store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from web.addresses import client_address
from web.hls import MAX_TARGET, PREFIX, Hls, Pending, Stored
from web.media_answers import NOT_FOUND, Answer, of_bytes
from web.pages import accepts_gzip


class _AiohttpRequest:
    """An aiohttp request as `Hls` reads it."""

    def __init__(self, request: web.Request) -> None:
        self.method = request.method
        self.target = request.rel_url.raw_path_qs[:MAX_TARGET]
        self._headers: Mapping[str, str] = request.headers

    @property
    def takes_gzip(self) -> bool:
        return accepts_gzip(self._headers.get("accept-encoding") or "")

    def header(self, name: str) -> str | None:
        return self._headers.get(name)


async def settle(pending: Pending) -> Answer:
    """Waits for a pending answer, for as long as it may take."""
    done = asyncio.get_running_loop().create_future()

    def wake() -> None:
        if not done.done():
            done.set_result(None)

    if not pending.register(wake):
        return pending.crowded
    try:
        async with asyncio.timeout(pending.seconds):
            await done
    except TimeoutError:
        return pending.late
    finally:
        pending.withdraw(wake)
    return pending.finish()


def routes(hls: Hls) -> list[web.RouteDef]:
    """`/hls/*` and the stills, for the aiohttp application."""

    async def media(request: web.Request) -> web.Response:
        outcome = hls.look_up(_AiohttpRequest(request), client_address(request))
        if isinstance(outcome, Pending):
            outcome = await settle(outcome)
        if isinstance(outcome, Stored):
            data = await hls.media.stored(outcome.key)
            name = outcome.key.rpartition("/")[2]
            found = _AiohttpRequest(request)
            outcome = NOT_FOUND if data is None else of_bytes(data, name, outcome.media_type, found, outcome.kind)
        hls.traffic.count_media(outcome.kind, 0 if request.method == "HEAD" else len(outcome.body))
        return web.Response(status=outcome.status, headers=dict(outcome.headers), body=bytes(outcome.body))

    def still(name: str, media_type: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handler(_request: web.Request) -> web.Response:
            picture = await hls.media.still(name)
            if picture is None:
                raise web.HTTPNotFound(text="There is no picture yet; one is made when a stream has begun.")
            return web.Response(body=picture, content_type=media_type, headers={"Cache-Control": "public, max-age=10"})

        return handler

    return [
        web.get(PREFIX + "{path:.*}", media),
        web.get("/thumbnail.jpg", still("thumbnail.jpg", "image/jpeg")),
        web.get("/preview.gif", still("preview.gif", "image/gif")),
        web.get("/preview.webp", still("preview.webp", "image/webp")),
    ]
