"""Which version of the protocol a request speaks: the header X-Ably-Version, or `v` where no header can be sent."""

from __future__ import annotations

from aiohttp import web

HEADER = "X-Ably-Version"
MODERN = 2.0
"""From this version on, answers have the shapes of today's client libraries; before, those of the REST API 1.1.0."""


def is_modern(request: web.Request) -> bool:
    """Whether the client speaks version 2 or later. One that says nothing, or nothing that is known, does not."""
    stated = request.headers.get(HEADER) or request.query.get("v", "")
    try:
        return float(stated) >= MODERN
    except ValueError:
        return False
