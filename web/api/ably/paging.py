"""Pages of what is asked for by time: which part, and the links to the others.

Owns the parameters `limit`, `start`, `end`, `direction` and `cursor`, and the header Link (RFC 8288). A link is
relative to the last part of the path, `./messages?…`, as clients of this dialect expect; a cursor is the serial of the
last item of the page before. Credentials in an address are not repeated in links.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlencode

from aiohttp import web
from pydantic import Field, field_validator

from owncast_py.realtime.messages import serial_at
from web.api.ably.errors import AblyError
from web.body import Query

DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000
MAX_TIME = 9_999_999_999_999
"""Milliseconds since 1970, in the year 2286."""
MAX_CURSOR = 600
"""Characters."""
LINKS = {"Link": "The first page, this one, and the next where there is one, relative to the last part of the path."}
"""For contracts."""

_NOT_REPEATED = {"cursor", "key", "access_token", "accessToken"}
_SERIAL = re.compile(r"\d{13}-\d{6}")


class Limited(Query):
    """A part of a list."""

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="How many items at most.")
    cursor: str = Field("", max_length=MAX_CURSOR, description="From a link; what it holds may change.")


class Span(Limited):
    """A part of what happened, by time in milliseconds since 1970, both ends included."""

    start: int = Field(0, ge=0, le=MAX_TIME, description="The earliest time.")
    end: int = Field(MAX_TIME, ge=0, le=MAX_TIME, description="The latest time.")
    direction: Literal["forwards", "backwards"] = Field("backwards", description="Which comes first: old or new.")

    @field_validator("start", "end", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        return MAX_TIME if value == "now" else value

    @property
    def forwards(self) -> bool:
        """Whether what is old comes first."""
        return self.direction == "forwards"

    @property
    def bounds(self) -> tuple[str, str]:
        """The first and the last serial that can be in it. Raises AblyError (40000) where there can be none."""
        if self.start > self.end:
            raise AblyError(40000, 400, f"The start {self.start} is later than the end {self.end}.")
        return serial_at(self.start), serial_at(self.end, 999_999)

    @property
    def after(self) -> str | None:
        """The serial that the page before ended with. Raises AblyError (40000)."""
        if self.cursor and not _SERIAL.fullmatch(self.cursor):
            raise AblyError(40000, 400, f"The cursor {self.cursor[:40]!r} is none that this server gave.")
        return self.cursor or None


def link_header(request: web.Request, following: str | None) -> Mapping[str, str]:
    """The header Link of a page. `following` is the cursor of the next one."""
    last = request.rel_url.raw_path.rpartition("/")[2]
    asked = {name: value for name, value in request.query.items() if name not in _NOT_REPEATED}
    # Without any parameter a client does not recognise the link.
    asked.setdefault("limit", str(DEFAULT_LIMIT))
    links = {
        "first": asked,
        "current": asked | {name: request.query[name] for name in ("cursor",) if name in request.query},
    }
    if following is not None:
        links["next"] = asked | {"cursor": following}
    return {"Link": ", ".join(f'<./{last}?{urlencode(found)}>; rel="{name}"' for name, found in links.items())}
