"""`GET /api/config`: what a page must know about this server before it draws itself.

Owns the wire format: the 0.0.7 document's `InstanceDetails`, as far as the server has what they describe, and what
later releases added for chat. Serialised once per change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import orjson
from aiohttp import web

from owncast_py.chat.rendering import MAX_BODY_BYTES


@dataclass(frozen=True, slots=True)
class Instance:
    """How the server presents itself."""

    name: str
    summary: str
    tags: tuple[str, ...]
    version: str
    chat_disabled: bool = False
    slow_mode_seconds: int = 0


def routes(instance: Callable[[], Instance]) -> list[web.RouteDef]:
    """The route of the configuration."""
    rendered: tuple[Instance, bytes] | None = None

    async def get_config(_request: web.Request) -> web.Response:
        nonlocal rendered
        now = instance()
        if rendered is None or rendered[0] != now:
            rendered = now, _render(now)
        headers = {"Cache-Control": "no-cache"}
        return web.Response(body=rendered[1], content_type="application/json", headers=headers)

    return [web.get("/api/config", get_config)]


def _render(instance: Instance) -> bytes:
    return orjson.dumps(
        {
            "name": instance.name,
            "summary": instance.summary,
            "logo": "",
            "tags": instance.tags,
            "socialHandles": [],
            "extraPageContent": "",
            "version": f"owncast-py v{instance.version}",
            "chatDisabled": instance.chat_disabled,
            "maxSocketPayloadSize": MAX_BODY_BYTES,
            "slowModeSeconds": instance.slow_mode_seconds,
        }
    )
