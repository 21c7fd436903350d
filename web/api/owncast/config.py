"""`GET /api/config`: what a page must know about this server before it draws itself.

Owns the wire format: the 0.0.7 document's `InstanceDetails`, as far as the server has what they describe.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson
from aiohttp import web


@dataclass(frozen=True, slots=True)
class Instance:
    """How the server presents itself."""

    name: str
    summary: str
    tags: tuple[str, ...]
    version: str


def routes(instance: Instance) -> list[web.RouteDef]:
    """The route of the configuration, rendered once."""
    body = orjson.dumps(
        {
            "name": instance.name,
            "summary": instance.summary,
            "logo": "",
            "tags": instance.tags,
            "socialHandles": [],
            "extraPageContent": "",
            "version": f"owncast-py v{instance.version}",
        }
    )

    async def get_config(_request: web.Request) -> web.Response:
        headers = {"Cache-Control": "no-cache"}
        return web.Response(body=body, content_type="application/json", headers=headers)

    return [web.get("/api/config", get_config)]
