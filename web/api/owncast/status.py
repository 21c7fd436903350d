"""`GET /api/status`: whether the show is on, who watches and since when, as Owncast's clients read it.

Owns the wire format: the fields of the 0.0.7 document plus those that later clients use (`versionNumber`,
`streamTitle`, `serverTime`). Serialised once per change and second; every request of that second gets the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import orjson
from aiohttp import web

from owncast_py.broadcast.session import Status


class StatusDocument:
    """The status as bytes."""

    def __init__(self, status: Callable[[], Status], now: Callable[[], datetime], version: str) -> None:
        """`now` is aware, in UTC."""
        self._status = status
        self._now = now
        self._version = version
        self._rendered_from: tuple[Status, datetime] | None = None
        self._body = b""

    def body(self) -> bytes:
        """JSON as of this second."""
        source = (self._status(), self._now().replace(microsecond=0))
        if source != self._rendered_from:
            self._body = self._render(*source)
            self._rendered_from = source
        return self._body

    def _render(self, status: Status, now: datetime) -> bytes:
        return orjson.dumps(
            {
                "serverTime": now,
                "lastConnectTime": status.last_connect_time,
                "lastDisconnectTime": status.last_disconnect_time,
                "online": status.online,
                "viewerCount": status.viewer_count,
                "overallMaxViewerCount": status.overall_max_viewer_count,
                "sessionMaxViewerCount": status.session_max_viewer_count,
                "versionNumber": self._version,
                "streamTitle": status.title,
            },
            option=orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS,
        )


def routes(document: StatusDocument) -> list[web.RouteDef]:
    """The route of the status."""

    async def get_status(_request: web.Request) -> web.Response:
        headers = {"Cache-Control": "no-store"}
        return web.Response(body=document.body(), content_type="application/json", headers=headers)

    return [web.get("/api/status", get_status)]
