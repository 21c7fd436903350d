"""What Owncast's routes answer with: JSON, `{"success": true, …}`, and refusals of the application as its failures.

Owns the envelope and which status a refusal has; the sentence is the application's own.
"""

from __future__ import annotations

from functools import wraps

from aiohttp import web
from typing_extensions import TypedDict

from owncast_py.accounts.logins import LoginRefused, Reason
from owncast_py.backup.errors import BackupError
from owncast_py.chat.errors import ChatError, ConnectionRefused, MessageRefused
from owncast_py.errors import AccountError, AccountsBusy, ImageRefused, SettingError, StorageError
from owncast_py.notifications.errors import NotificationError
from owncast_py.realtime.errors import RealtimeError
from owncast_py.realtime.push_devices import PushError
from web.operations import Api, Handler

TOO_FAST = frozenset({"RATE_LIMITED", "SLOW_MODE"})
REFUSED = (
    AccountError,
    BackupError,
    ChatError,
    ImageRefused,
    NotificationError,
    PushError,
    RealtimeError,
    SettingError,
)
FORBIDDEN = frozenset({"TIMED_OUT", "NOT_ESTABLISHED", "CHAT_CLOSED", "USER_DISABLED", "SCOPE_MISSING"})


class Done(TypedDict):
    """Whether it was done, and a sentence."""

    success: bool
    message: str


def done(message: str) -> Done:
    """Owncast's answer to what was done."""
    return {"success": True, "message": message}


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
        except LoginRefused as refused:
            raise _of_login(refused) from None
        except REFUSED as refused:
            raise web.HTTPBadRequest(text=str(refused)) from None
        except (AccountsBusy, StorageError) as refused:
            raise web.HTTPServiceUnavailable(text=str(refused)) from None

    return answer


def _of_login(refused: LoginRefused) -> web.HTTPException:
    match refused.reason:
        case Reason.TOO_MANY:
            retry = {"Retry-After": str(int(refused.retry_after) + 1)}
            return web.HTTPTooManyRequests(text=str(refused), headers=retry)
        case Reason.WRONG | Reason.NOT_HERE:
            return web.HTTPForbidden(text=str(refused))
        case Reason.TAKEN:
            return web.HTTPConflict(text=str(refused))
        case _:
            return web.HTTPBadRequest(text=str(refused))


def _of_message(refused: MessageRefused) -> web.HTTPException:
    if refused.code in TOO_FAST:
        retry = {"Retry-After": str(int(refused.retry_after or 0) + 1)}
        return web.HTTPTooManyRequests(text=str(refused), headers=retry)
    if refused.code in FORBIDDEN:
        return web.HTTPForbidden(text=str(refused))
    return web.HTTPBadRequest(text=str(refused))


def api(tag: str) -> Api:
    """An empty list of operations of this dialect."""
    return Api(tag, refusing)
