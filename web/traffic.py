"""What is asked of the web server, in numbers, and the name and the line in the log that each request gets.

Owns the counts, by what this server calls its routes and never by what was asked for, so that nobody outside decides
how many there are; and the middleware that counts. Media are counted where they are answered, mostly by `web.hot`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from owncast_py.metrics.histogram import Histogram
from owncast_py.request_ids import new_request_id, serving, usable
from web.addresses import TRUSTED_PROXIES, client_address

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER: Final = "other"
"""Stands for every other method."""
NO_ROUTE: Final = "none"
"""Stands for every address at which there is nothing."""
PAGE_ROUTE: Final = "/assets/{name}"
"""Stands for all that the build of the pages consists of, whose names change with each."""
ABORTED: Final = "aborted"
"""Stands for the status of a request whose client did not wait for the answer."""
REQUEST_ID: Final = web.RequestKey("request_id", str)
HEADER: Final = "X-Request-Id"
MAX_LOGGED_PATH: Final = 200
"""Characters."""

PLAYLIST, MANIFEST, INIT, SEGMENT, PART, REFUSED, REDIRECT = range(7)
"""Kinds of answers to media requests."""
KINDS: Final = ("playlist", "manifest", "init", "segment", "part", "refused", "redirect")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = structlog.get_logger(__name__)


class Traffic:
    """Counts since the start. Everything belongs to the event loop."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, str]] = Counter()
        """By route, method and class of the status; media requests that `web.hot` answers are not in it."""
        self.seconds: dict[str, Histogram] = {}
        """How long they took, by the first part of the route. Streams and sockets, which last, are not in it."""
        self.media_requests = [0] * len(KINDS)
        self.media_octets = [0] * len(KINDS)
        """Those of bodies."""

    def count(self, route: str, method: str, status: int) -> None:
        """One request; `status` is 0 where there was no answer."""
        outcome = f"{status // 100}xx" if status else ABORTED
        self.requests[route, method if method in METHODS else OTHER, outcome] += 1

    def time(self, route: str, seconds: float) -> None:
        """How long one took."""
        root = "/" + route.lstrip("/").partition("/")[0]
        found = self.seconds.get(root)
        if found is None:
            found = self.seconds[root] = Histogram()
        found.observe(seconds)

    def count_media(self, kind: int, octets: int) -> None:
        """One media request, and what was sent."""
        self.media_requests[kind] += 1
        self.media_octets[kind] += octets


def measuring(
    traffic: Traffic, *, log_requests: bool = False, monotonic: Callable[[], float] = time.perf_counter
) -> Middleware:
    """The outermost middleware: names, counts and times every request, and logs it if `log_requests`."""

    @web.middleware
    async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
        began, status, lasting = monotonic(), 0, False
        request_id = request[REQUEST_ID] = _given(request) or new_request_id()
        with serving(request_id):
            try:
                response = await handler(request)
                status, lasting = response.status, _lasts(response)
                return response
            except web.HTTPException as error:
                status = error.status
                raise
            finally:
                route, seconds = route_of(request), monotonic() - began
                traffic.count(route, request.method, status)
                if status and not lasting:
                    traffic.time(route, seconds)
                if log_requests:
                    log.info(
                        "request",
                        method=request.method[:20],
                        # Without its query, where tokens travel.
                        path=request.path[:MAX_LOGGED_PATH],
                        route=route,
                        status=status or ABORTED,
                        seconds=round(seconds, 4),
                        address=client_address(request),
                    )

    return measure


def route_of(request: web.Request) -> str:
    """What this server calls the address of a request, such as `/api/chat/users/{id}`."""
    resource = request.match_info.route.resource
    if resource is None:
        return NO_ROUTE
    return PAGE_ROUTE if resource.canonical.startswith("/assets/") else resource.canonical


def _given(request: web.Request) -> str:
    """The id that a proxy of ours gave the request; empty where there is none that can be used."""
    given = request.headers.getall(HEADER, ())
    if len(given) != 1 or not request.app[TRUSTED_PROXIES].trusts(request.remote or ""):
        return ""
    return given[0] if usable(given[0]) else ""


def _lasts(response: web.StreamResponse) -> bool:
    return isinstance(response, web.WebSocketResponse) or response.content_type == "text/event-stream"
