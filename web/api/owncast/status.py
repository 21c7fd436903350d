"""`GET /api/status`: whether the show is on, who watches and since when, as Owncast's clients read it.

Owns the wire format: the fields of the 0.0.7 document plus those that later clients use. Serialised once per change and
second; every request of that second gets the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NotRequired

import orjson
from typing_extensions import TypedDict

from owncast_py.broadcast.session import Status
from owncast_py.schedule.model import ScheduledEvent
from web.api.owncast import answers
from web.api.owncast.schedule_views import EventView, event_view
from web.operations import Call, Operation, Rendered


class StatusView(TypedDict):
    """The show as of now. `viewerCount` and the peaks are absent where the owner hides them."""

    serverTime: str
    lastConnectTime: str | None
    lastDisconnectTime: str | None
    online: bool
    viewerCount: NotRequired[int]
    overallMaxViewerCount: NotRequired[int]
    sessionMaxViewerCount: NotRequired[int]
    versionNumber: str
    streamTitle: str
    scheduledEvent: EventView | None
    chatOpen: bool


class StatusDocument:
    """The status as bytes."""

    def __init__(
        self,
        status: Callable[[], Status],
        now: Callable[[], datetime],
        version: str,
        hide_viewers: Callable[[], bool] = lambda: False,
        next_event: Callable[[], ScheduledEvent | None] = lambda: None,
        chat_open: Callable[[], bool] = lambda: True,
    ) -> None:
        """`now` is aware, in UTC; `next_event` is the one that is announced. `chat_open`: whether viewers may write."""
        self._status = status
        self._now = now
        self._version = version
        self._hide_viewers = hide_viewers
        self._next_event = next_event
        self._chat_open = chat_open
        self._rendered_from: object = None
        self._body = b""

    def body(self) -> bytes:
        """JSON as of this second."""
        status, now = self._status(), self._now().replace(microsecond=0)
        hidden, event, chat_open = self._hide_viewers(), self._next_event(), self._chat_open()
        source = (status, now, hidden, event, chat_open)
        if source != self._rendered_from:
            self._body = self._render(*source)
            self._rendered_from = source
        return self._body

    def operations(self) -> list[Operation]:
        """Its route."""
        api = answers.api("Server")
        api.add("GET", "/api/status", self._get)
        return api.operations

    async def _get(self, _call: Call[None]) -> Rendered[StatusView]:
        """Whether the show is on, who watches and since when."""
        return Rendered(self.body())

    def _render(
        self, status: Status, now: datetime, hidden: bool, event: ScheduledEvent | None, chat_open: bool
    ) -> bytes:
        counts = {
            "viewerCount": status.viewer_count,
            "overallMaxViewerCount": status.overall_max_viewer_count,
            "sessionMaxViewerCount": status.session_max_viewer_count,
        }
        return orjson.dumps(
            {
                "serverTime": now,
                "lastConnectTime": status.last_connect_time,
                "lastDisconnectTime": status.last_disconnect_time,
                "online": status.online,
                **({} if hidden else counts),
                "versionNumber": self._version,
                "streamTitle": status.title,
                "scheduledEvent": event_view(event) if event is not None else None,
                "chatOpen": chat_open,
            },
            option=orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS,
        )
