"""Refusals in Matrix' shape: `{"errcode": "M_…", "error": "a sentence"}`.

Owns which code and status each of the application's errors has; sentences are the application's. The codes are those of
the Matrix client-server API, "Standard error response", and where it leaves a choice those that Synapse answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import wraps
from typing import NotRequired

import orjson
import structlog
from aiohttp import web
from typing_extensions import TypedDict

from owncast_py.accounts.logins import LoginRefused, Reason
from owncast_py.errors import AccountError, AccountsBusy, StorageError
from web.body import InputRefused
from web.operations import Envelope, Handler

BY_STATUS: Mapping[int, str] = {
    400: "M_UNKNOWN",
    401: "M_MISSING_TOKEN",
    403: "M_FORBIDDEN",
    404: "M_UNRECOGNIZED",
    405: "M_UNRECOGNIZED",
    413: "M_TOO_LARGE",
    429: "M_LIMIT_EXCEEDED",
}
"""For what was refused in HTTP's own terms."""
BY_REASON: Mapping[Reason, tuple[int, str]] = {
    Reason.WRONG: (403, "M_FORBIDDEN"),
    Reason.TOO_MANY: (429, "M_LIMIT_EXCEEDED"),
    Reason.BAD_NAME: (400, "M_INVALID_USERNAME"),
    Reason.TAKEN: (400, "M_USER_IN_USE"),
    Reason.BAD_PASSWORD: (400, "M_WEAK_PASSWORD"),
    Reason.NOT_HERE: (403, "M_FORBIDDEN"),
}
BY_FAULT: Mapping[str, str] = {
    "not_json": "M_NOT_JSON",
    "not_an_object": "M_BAD_JSON",
    "missing": "M_MISSING_PARAM",
}
"""By the type of a body's fault; a field of another type than it should have is M_BAD_JSON."""
BUSY_SECONDS = 30.0

log = structlog.get_logger(__name__)


class MatrixFailure(TypedDict):
    """A refusal."""

    errcode: str
    error: str
    soft_logout: NotRequired[bool]
    retry_after_ms: NotRequired[int]


class Flow(TypedDict):
    """Proofs that are enough together."""

    stages: list[str]


class Challenge(TypedDict):
    """Which proofs are wanted, and in which session; `errcode` and `error` say what was wrong with one."""

    flows: list[Flow]
    params: dict[str, dict[str, object]]
    session: str
    completed: NotRequired[list[str]]
    errcode: NotRequired[str]
    error: NotRequired[str]


ENVELOPE = Envelope(
    ("application/json",),
    MatrixFailure,
    {
        400: "The body or a parameter cannot be taken.",
        401: "There is no token, it is not known any more, or more proof is asked for.",
        403: "Whoever asks may not do this.",
        404: "There is no such device.",
        413: "The body is too large.",
        429: "Too much was tried; the body and `Retry-After` say how long to wait.",
        500: "The server made a mistake.",
        503: "The server cannot do this now.",
    },
    (400, 401, 403, 429, 500, 503),
)
MAY_FAIL = (400, 500, 503)
"""What an operation without a guard refuses with that takes anything."""


class MatrixError(Exception):
    """A request that this dialect refuses. The message is a sentence."""

    def __init__(
        self, status: int, errcode: str, sentence: str, *, soft_logout: bool | None = None, retry_after: float = 0.0
    ) -> None:
        """`retry_after` is in seconds."""
        super().__init__(sentence)
        self.status = status
        self.errcode = errcode
        self.soft_logout = soft_logout
        self.retry_after = retry_after

    def body(self) -> MatrixFailure:
        """As it is answered."""
        found: MatrixFailure = {"errcode": self.errcode, "error": str(self)}
        if self.soft_logout is not None:
            found["soft_logout"] = self.soft_logout
        if self.retry_after:
            found["retry_after_ms"] = round(self.retry_after * 1000)
        return found


class ProofWanted(Exception):
    """More proof is asked for before anything is done. That is no refusal, and has a shape of its own."""

    def __init__(self, challenge: Challenge) -> None:
        super().__init__("More proof is asked for.")
        self.challenge = challenge


def refusing(handler: Handler) -> Handler:
    """Lets a handler raise this dialect's errors and the application's."""

    @wraps(handler)
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except ProofWanted as wanted:
            return _document(401, wanted.challenge)
        except MatrixError as error:
            return _answer(error)
        except LoginRefused as error:
            status, errcode = BY_REASON[error.reason]
            return _answer(MatrixError(status, errcode, str(error), retry_after=error.retry_after))
        except AccountsBusy as error:
            return _answer(MatrixError(429, "M_LIMIT_EXCEEDED", str(error), retry_after=BUSY_SECONDS))
        except AccountError as error:
            return _answer(MatrixError(400, "M_INVALID_PARAM", str(error)))
        except StorageError as error:
            return _answer(MatrixError(503, "M_UNKNOWN", str(error), retry_after=BUSY_SECONDS))
        except InputRefused as error:
            return _answer(_of_fault(error))

    return answer


def before(_request: web.Request, status: int, sentence: str, headers: Mapping[str, str]) -> web.Response:
    """What was refused before an operation had it, or in HTTP's terms: the `Failure` of this dialect."""
    response = _answer(MatrixError(status, BY_STATUS.get(status, "M_UNKNOWN"), sentence))
    response.headers.update(headers)
    return response


def _of_fault(refused: InputRefused) -> MatrixError:
    fault = refused.faults[0]
    typed = fault.type.endswith("_type") and fault.part == "field"
    return MatrixError(400, BY_FAULT.get(fault.type, "M_BAD_JSON" if typed else "M_INVALID_PARAM"), fault.sentence)


def _answer(error: MatrixError) -> web.Response:
    if error.status >= 500:
        log.error("request failed", status=error.status, reason=str(error))
    response = _document(error.status, error.body())
    if error.retry_after:
        response.headers["Retry-After"] = str(int(error.retry_after) + 1)
    return response


def _document(status: int, document: MatrixFailure | Challenge) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    return web.Response(status=status, body=orjson.dumps(document), content_type="application/json", headers=headers)
