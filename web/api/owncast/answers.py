"""What Owncast's routes answer with: JSON, `{"success": true, …}`, and refusals of the application as its failures.

Owns the envelope and which status a refusal has. The sentence is the application's own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps

import orjson
from aiohttp import web

from owncast_py.chat.errors import ChatError, ConnectionRefused, MessageRefused
from owncast_py.errors import AccountError, SettingError, StorageError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

TOO_FAST = frozenset({"RATE_LIMITED", "SLOW_MODE"})
FORBIDDEN = frozenset({"TIMED_OUT", "NOT_ESTABLISHED", "CHAT_CLOSED", "USER_DISABLED", "SCOPE_MISSING"})


def document(value: object) -> web.Response:
    """A JSON document that nobody may keep."""
    body = orjson.dumps(value)
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})


def success(message: str) -> web.Response:
    """Owncast's answer to what was done."""
    return document({"success": True, "message": message})


def refusing(handler: Handler) -> Handler:
    """Lets a handler raise the application's errors."""

    @wraps(handler)
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except ConnectionRefused as refused:
            if refused.kind == ConnectionRefused.TOO_MANY:
                raise web.HTTPTooManyRequests(text=str(refused)) from None
            raise web.HTTPForbidden(text=str(refused)) from None
        except MessageRefused as refused:
            raise _of_message(refused) from None
        except (ChatError, AccountError, SettingError) as refused:
            raise web.HTTPBadRequest(text=str(refused)) from None
        except StorageError as refused:
            raise web.HTTPServiceUnavailable(text=str(refused)) from None

    return answer


def _of_message(refused: MessageRefused) -> web.HTTPException:
    if refused.code in TOO_FAST:
        retry = {"Retry-After": str(int(refused.retry_after or 0) + 1)}
        return web.HTTPTooManyRequests(text=str(refused), headers=retry)
    if refused.code in FORBIDDEN:
        return web.HTTPForbidden(text=str(refused))
    return web.HTTPBadRequest(text=str(refused))
