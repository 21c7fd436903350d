"""Counting requests: how many of which kind were answered how, for the statistics of their app.

Owns which kind a request is of. Requests without good credentials belong to no app and are not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps

from aiohttp import web

from web.api.ably.gate import grant_if_any
from web.operations import Handler, Wrapper

Counter = Callable[[str, Mapping[str, float]], None]
"""Counts something of an app, by the names of `realtime.stats_entries`."""


def counted(wrapper: Wrapper, count: Counter) -> Wrapper:
    """The same wrapper, but what it answers is counted."""

    def wrap(handler: Handler) -> Handler:
        inner = wrapper(handler)

        @wraps(handler)
        async def counting(request: web.Request) -> web.StreamResponse:
            response = await inner(request)
            grant = grant_if_any(request)
            if grant is not None:
                count(grant.app, {f"apiRequests.{_kind(request.path)}.{_outcome(response.status)}": 1})
            return response

        return counting

    return wrap


def _kind(path: str) -> str:
    if path.startswith("/push"):
        return "push"
    return "tokenRequests" if path.startswith("/keys/") else "other"


def _outcome(status: int) -> str:
    if status < 400:
        return "succeeded"
    return "refused" if status in (401, 403, 429) else "failed"
