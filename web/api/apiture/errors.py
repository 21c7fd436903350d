"""Refusals in the shape of `_error`: what happened, which kind it is, what to do, and an id to find it again.

Owns the types of errors and the status of each of the application's own; sentences are the application's. The shape is
`errorResponse` of Apiture Notifications 0.4.1.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import wraps
from http import HTTPStatus
from typing import NotRequired

import structlog
from aiohttp import web
from typing_extensions import TypedDict

from owncast_py.errors import StorageError
from owncast_py.notifications.errors import (
    Changed,
    NotGreeted,
    NotificationError,
    QueueFull,
    Taken,
    TargetRefused,
    TooLong,
    Unknown,
)
from owncast_py.notifications.filters import FilterError
from web.addresses import origin
from web.api.apiture.hal import HAL_TYPE, JSON_TYPE, Hal, Link, moment, profile
from web.body import Fault, InputRefused
from web.middleware import SENTENCES, TOLD_HEADERS
from web.openapi import PAGE
from web.operations import Envelope, Handler, Wrapper

PROFILE = profile("common/errorResponse")
DISK_FULL = ("disk is full", "No space left", "disk full")
"""How databases say it."""

TYPES: Mapping[str, str] = {
    "bodyNotWellFormed": "Send a JSON object.",
    "parameterNotWellFormed": "Send the parameter as the API document describes it.",
    "parameterInvalid": "Send the parameter as the API document describes it.",
    "parameterMissing": "Add the parameter.",
    "fieldMissing": "Add the field.",
    "fieldInvalid": "Send the field as the API document describes it.",
    "filterNotWellFormed": "Look at the position that is named; the grammar is in docs/notifications.md.",
    "referenceInvalid": "Send an id, or the URI of a resource of this server.",
    "requestInvalid": "Change what the message names.",
    "requestNotWellFormed": "Change what the message names.",
    "credentialsRequired": "Send an access token in the header API-Key, or the owner's credentials.",
    "accessDenied": "Use an access token that may do this.",
    "resourceNotFound": "Look for it in its collection.",
    "methodNotAllowed": "Use one of the methods in the header Allow.",
    "resourceChanged": "Get it again, and decide anew.",
    "alreadyExists": "Use the one that there is.",
    "payloadTooLarge": "Send less.",
    "endpointNotAuthenticated": "See that the endpoint agrees when it is asked, then try again.",
    "recipientUrlRefused": "Give the address of a server that can be reached from the internet.",
    "deliveryFailed": "See that the endpoint takes notifications, then have it delivered again.",
    "tooManyRequests": "Wait as long as the header Retry-After says.",
    "queueFull": "Wait until something was delivered, or delete what is not wanted any more.",
    "storageFull": "Make room on the server's disk.",
    "storageUnavailable": "Try again soon.",
    "serverBusy": "Try again soon.",
    "internalError": "Try again; if that does not help, look for the error's id in the server's log.",
}
"""Every type, with what to do about it."""

BY_STATUS: Mapping[int, str] = {
    400: "requestNotWellFormed",
    401: "credentialsRequired",
    403: "accessDenied",
    404: "resourceNotFound",
    405: "methodNotAllowed",
    412: "resourceChanged",
    413: "payloadTooLarge",
    422: "requestInvalid",
    429: "tooManyRequests",
    503: "serverBusy",
    507: "queueFull",
}
OWN: Sequence[tuple[type[NotificationError], int, str]] = (
    (Unknown, 404, "resourceNotFound"),
    (Taken, 422, "alreadyExists"),
    (Changed, 412, "resourceChanged"),
    (TooLong, 413, "payloadTooLarge"),
    (QueueFull, 507, "queueFull"),
    (NotGreeted, 422, "endpointNotAuthenticated"),
    (TargetRefused, 422, "recipientUrlRefused"),
    (NotificationError, 422, "requestInvalid"),
)
"""The application's errors, the most special first."""

MEANINGS: Mapping[int, str] = {
    400: "The body or a parameter is not well formed.",
    401: "Nobody who is known here asks.",
    403: "Whoever asks may not do this.",
    404: "There is no such resource.",
    412: "The resource is no longer as `If-Match` says.",
    413: "The body is too large.",
    422: "The body or a parameter is well formed, but cannot be.",
    429: "Too many wrong credentials came from this address.",
    500: "The server made a mistake.",
    503: "The server cannot do this now.",
    507: "There is no room for what was to be kept; nothing was.",
}

log = structlog.get_logger(__name__)


class ErrorView(TypedDict):
    """What went wrong. `_id` is in the server's log too if the server is at fault; `attributes` are for programs."""

    _id: str
    _profile: str
    message: str
    statusCode: int
    type: str
    attributes: dict[str, object]
    remediation: str
    occurredAt: str
    _links: dict[str, Link]
    _embedded: dict[str, list[ErrorResponse]]


class ErrorResponse(TypedDict):
    """A refusal. Several faults of one request are `_embedded.errors` of the first."""

    _profile: str
    _error: ErrorView
    _links: NotRequired[dict[str, Link]]


ENVELOPE = Envelope((HAL_TYPE, JSON_TYPE), ErrorResponse, MEANINGS, (400, 401, 403, 429, 500, 503))


class Refused(Exception):
    """A request that this dialect refuses. The message is a sentence."""

    def __init__(
        self,
        status: int,
        kind: str,
        sentence: str,
        *,
        attributes: Mapping[str, object] | None = None,
        nested: Sequence[Refused] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`kind` is one of `TYPES`; `nested` are the faults that it sums up."""
        super().__init__(sentence)
        self.status = status
        self.kind = kind
        self.attributes = dict(attributes or {})
        self.nested = tuple(nested)
        self.headers = dict(headers or {})


class Refusals:
    """Turns what handlers raise into answers."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        """`now` is aware UTC."""
        self._now = now

    @property
    def wrapper(self) -> Wrapper:
        """For the operations of this dialect."""
        return self._wrap

    def _wrap(self, handler: Handler) -> Handler:
        @wraps(handler)
        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except Refused as refused:
                return self.answer(request, refused)
            except web.HTTPException as error:
                if error.status < 400:
                    raise
                return self.answer(request, _of_http(error))
            except (NotificationError, StorageError) as error:
                return self.answer(request, _of_application(error))
            except ConnectionError:
                raise
            except Exception as error:
                return self.answer(request, Refused(500, "internalError", SENTENCES[500]), error)

        return answer

    def before(self, request: web.Request, status: int, sentence: str, headers: Mapping[str, str]) -> web.Response:
        """What was refused before an operation had it: the `Failure` of this dialect."""
        return self.answer(request, Refused(status, BY_STATUS.get(status, "internalError"), sentence, headers=headers))

    def answer(self, request: web.Request, refused: Refused, cause: Exception | None = None) -> web.Response:
        """A refusal as an answer. One that is the server's fault is logged with its id."""
        document = self._document(request, refused)
        if refused.status >= 500:
            log.error(
                "request failed",
                method=request.method,
                path=request.path,
                status=refused.status,
                error_id=document["_error"]["_id"],
                reason=str(refused),
                exc_info=cause,
            )
        return Hal(request, document, refused.status, headers=refused.headers)

    def _document(self, request: web.Request, refused: Refused) -> ErrorResponse:
        return {
            "_profile": PROFILE,
            "_error": {
                "_id": str(uuid.uuid4()),
                "_profile": PROFILE,
                "message": str(refused),
                "statusCode": refused.status,
                "type": refused.kind,
                "attributes": refused.attributes,
                "remediation": TYPES[refused.kind],
                "occurredAt": moment(self._now()),
                "_links": {"describedby": {"href": f"{origin(request)}{PAGE}#ErrorView"}},
                "_embedded": {"errors": [self._document(request, each) for each in refused.nested]},
            },
        }


def _of_http(error: web.HTTPException) -> Refused:
    if isinstance(error, InputRefused):
        return of_faults(error.faults)
    default = f"{error.status}: {error.reason}"
    text = error.text if error.text and error.text != default else SENTENCES.get(error.status, error.reason)
    told = {name: error.headers[name] for name in TOLD_HEADERS if name in error.headers}
    return Refused(error.status, BY_STATUS.get(error.status, "internalError"), text, headers=told)


def _of_application(error: NotificationError | StorageError) -> Refused:
    if isinstance(error, FilterError):
        kind = "filterNotWellFormed" if str(error).startswith("filter") else "parameterNotWellFormed"
        return Refused(400, kind, str(error), attributes={"position": error.position})
    if isinstance(error, StorageError):
        if any(words in str(error) for words in DISK_FULL):
            return Refused(HTTPStatus.INSUFFICIENT_STORAGE, "storageFull", str(error))
        return Refused(503, "storageUnavailable", str(error), headers={"Retry-After": "5"})
    status, kind = next((status, kind) for cause, status, kind in OWN if isinstance(error, cause))
    return Refused(status, kind, str(error))


def of_faults(faults: Sequence[Fault]) -> Refused:
    """One refusal for all faults of a request; the others are nested in it."""
    found = [_of_fault(fault) for fault in faults]
    if len(found) == 1:
        return found[0]
    status = 400 if any(each.status == 400 for each in found) else 422
    kind = BY_STATUS[status]
    return Refused(status, kind, f"The request has {len(found)} faults. {found[0]}", nested=found)


def _of_fault(fault: Fault) -> Refused:
    if fault.part == "body":
        return Refused(400, "bodyNotWellFormed", fault.sentence)
    attributes: dict[str, object] = {fault.part: fault.where}
    if fault.part == "field":
        # The body is JSON, so it is well formed; what its fields hold is another question.
        return Refused(
            422, "fieldMissing" if fault.type == "missing" else "fieldInvalid", fault.sentence, attributes=attributes
        )
    if fault.type == "missing":
        return Refused(422, "parameterMissing", fault.sentence, attributes=attributes)
    if fault.type.endswith(("_parsing", "_type")):
        return Refused(400, "parameterNotWellFormed", fault.sentence, attributes=attributes)
    return Refused(422, "parameterInvalid", fault.sentence, attributes=attributes)
