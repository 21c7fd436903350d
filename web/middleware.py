"""What every response has in common: errors in their envelope, CORS on what is public, security headers.

Owns no route. The envelope of `/api` is Owncast's `{"success": false, "message": …}`; a dialect that has one of its own
says so in `FAILURES`; everything else answers plain text. CORS is the Fetch standard's: public answers carry
`Access-Control-Allow-Origin: *`, never credentials. What pages of other origins may send to a dialect of its own and
read of it, that says in `SHARINGS`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import orjson
import structlog
from aiohttp import web

from web.traffic import HEADER, REQUEST_ID

PUBLIC_PREFIXES = ("/api/", "/hls/", "/thumbnail.", "/preview.")
PREFLIGHT_SECONDS = 86_400

TOLD_HEADERS = ("Allow", "Retry-After", "Upgrade", "WWW-Authenticate")
"""What a refusal may say beside its sentence."""

SENTENCES = {
    400: "The request is malformed.",
    401: "This needs credentials.",
    403: "This is not allowed.",
    404: "There is nothing at this address.",
    405: "This address does not answer that method.",
    413: "The request is too large.",
    414: "The address is too long.",
    500: "The server made a mistake; its log says which.",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Failure = Callable[[web.Request, int, str, Mapping[str, str]], web.Response]
"""Answers a request that was refused before a handler had it: with the status, a sentence and some headers."""

FAILURES: web.AppKey[dict[str, Failure]] = web.AppKey("failures", dict)
"""By the first part of the path."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """What pages of other origins may do, each as the list of a header (Fetch standard, 3.3)."""

    methods: str
    headers: str
    """What they may send."""
    exposed: str = ""
    """Headers of answers that they may read, beyond those that every page may."""


SHARINGS: web.AppKey[dict[str, Sharing]] = web.AppKey("sharings", dict)
"""By the first part of the path."""
PUBLIC = Sharing(
    "GET, HEAD, POST, OPTIONS",
    "Authorization, Content-Type, Range, CMCD-Object, CMCD-Request, CMCD-Session, CMCD-Status",
)
"""That of all PUBLIC_PREFIXES."""

log = structlog.get_logger(__name__)


def sharing_of(request: web.Request) -> Sharing | None:
    """What pages of other origins may do at the address of a request; None where they may nothing."""
    if request.path.startswith(PUBLIC_PREFIXES):
        return PUBLIC
    return request.app[SHARINGS].get(_root(request))


@web.middleware
async def errors_and_preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers preflights, and turns every failure into a sentence in the envelope of its API."""
    if request.method == "OPTIONS" and (sharing := sharing_of(request)) is not None:
        return _preflight(sharing)
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        # aiohttp's own texts repeat the status; a handler's text is a sentence of ours.
        default = f"{error.status}: {error.reason}"
        text = error.text if error.text and error.text != default else SENTENCES.get(error.status, error.reason)
        told = {name: error.headers[name] for name in TOLD_HEADERS if name in error.headers}
        return _failed(request, error.status, text, told)
    except ConnectionError:
        raise
    except Exception:
        log.exception("request failed", method=request.method, path=request.path)
        return _failed(request, 500, SENTENCES[500], {})


def _failed(request: web.Request, status: int, sentence: str, headers: dict[str, str]) -> web.Response:
    own = request.app[FAILURES].get(_root(request))
    return own(request, status, sentence, headers) if own else failure(request.path, status, sentence, headers)


def _root(request: web.Request) -> str:
    return request.path.lstrip("/").partition("/")[0]


def failure(path: str, status: int, sentence: str, headers: dict[str, str] | None = None) -> web.Response:
    """An error response in the envelope that `path` calls for."""
    common = {"Cache-Control": "no-store", **(headers or {})}
    if path.startswith("/api/"):
        body = orjson.dumps({"success": False, "message": sentence})
        return web.Response(status=status, body=body, content_type="application/json", headers=common)
    return web.Response(status=status, text=sentence + "\n", headers=common)


def _preflight(sharing: Sharing) -> web.Response:
    return web.Response(
        status=204,
        headers={
            "Allow": sharing.methods,
            "Access-Control-Allow-Methods": sharing.methods,
            "Access-Control-Allow-Headers": sharing.headers,
            "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        },
    )


async def common_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Signal handler of `on_response_prepare`: the headers that no response goes without."""
    headers = response.headers
    headers["X-Content-Type-Options"] = "nosniff"
    # Media have none: caches keep them for others, and the short way to them does not name requests.
    if (request_id := request.get(REQUEST_ID)) is not None and not request.path.startswith("/hls/"):
        headers[HEADER] = request_id
    if (sharing := sharing_of(request)) is not None:
        headers["Access-Control-Allow-Origin"] = "*"
        if sharing.exposed:
            headers["Access-Control-Expose-Headers"] = sharing.exposed
