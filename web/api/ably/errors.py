"""Refusals in the shape of `ErrorInfo`: a sentence, a code, a status, and where to read more.

Owns the codes with what to do about each, and which code each of the application's own errors has. The shape is that of
the Ably REST API 1.1.0, `{"error": {…}}`, in the format that was asked for, with the same in the headers
X-Ably-Errorcode and X-Ably-Errormessage; the codes are those of `ably-common/protocol/errors.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import wraps
from typing import NotRequired

import structlog
from aiohttp import web
from typing_extensions import TypedDict

from owncast_py.errors import StorageError
from owncast_py.realtime.errors import AccessError, RealtimeError, Reason
from web.api.ably.formats import FORM, SERVER_ID, Format, FormatError, answer, encode
from web.api.ably.versions import HEADER as VERSION_HEADER
from web.body import InputRefused
from web.middleware import SENTENCES, TOLD_HEADERS
from web.operations import Envelope, Handler, Wrapper

HELP = "https://help.ably.io/error/"
"""Where each code has a page of its own."""
MAX_HEADER = 400
"""Characters of a sentence in a header."""

REMEDIES: Mapping[int, str] = {
    40000: "Send what the API document describes.",
    40001: "Send a body that the API document describes.",
    40002: "Leave the parameter out.",
    40003: "Give the parameter a value that the API document describes.",
    40004: "Send the header as the API document describes it.",
    40005: "Give a key as appId.keyId:secret, or a token of this server.",
    40006: "Connect anew, without a connection id.",
    40007: "Give an id that is short and unlike others.",
    40009: "Publish less at once.",
    40010: "Use a channel name that is not empty and begins with no colon or bracket.",
    40012: "Leave the client id out, or use the one that the credentials are for.",
    40013: "Send data as a text, octets or JSON, with the encoding that it has.",
    40015: "Give the id of a registered device.",
    40016: "Use a shorter name.",
    40017: "Use another version of the client library.",
    40020: "See each result for what went wrong with it.",
    40030: "Change what the message names.",
    40031: "Give ids of one form, base:index, or none.",
    40032: "Leave those extras out.",
    40100: "Send a key or a token.",
    40101: "Use a key of this server; its owner makes them on the page Keys.",
    40102: "Use credentials for the same app and client id as before.",
    40103: "Use TLS, or a token instead of the key.",
    40104: "Set the clock, or ask /time first.",
    40105: "Sign a new token request for each token.",
    40106: "Give a key, or a way to get a token.",
    40114: "Detach from channels that are not needed.",
    40121: "Revoke the key instead.",
    40131: "Use another key.",
    40133: "Use another key.",
    40140: "Get a new token.",
    40141: "Get a new token.",
    40142: "Get a new token.",
    40143: "Get a new token.",
    40144: "Sign with HS256, with the name of the key as kid, and iat and exp in seconds.",
    40145: "Send the token as it was given out.",
    40160: "Use a key or a token with the capability for it.",
    40161: "Use credentials with a client id.",
    40162: "Use a key instead of a token.",
    40163: "Make a key whose tokens can be revoked.",
    40300: "Use credentials that may do this.",
    40400: "Look at the address, the method and the id.",
    40500: "Use another method.",
    41001: "Register the device again.",
    42200: "Change what the message names.",
    42910: "Wait a while, then try again.",
    42911: "Send less often.",
    50000: "Try again; if that does not help, look in the server's log.",
    50001: "Try again soon.",
    50003: "Try again soon.",
    50004: "Try again soon.",
    80000: "Connect again.",
    80002: "Connect again.",
    80003: "Connect again.",
    80008: "Go on with the new connection, and read history for what was missed.",
    80013: "Send what the protocol describes.",
    80014: "Connect again.",
    80016: "Use the newer connection.",
    80017: "Connect again.",
    80018: "Go on with the new connection, and read history for what was missed.",
    80020: "Read history for what was missed.",
    90000: "Attach to the channel again.",
    90001: "Attach to the channel first.",
    90003: "Read history for what was missed.",
    90004: "Read history for what was missed.",
    90007: "Try again soon.",
    90010: "Detach from channels that are not needed.",
    91000: "Use credentials with a client id, or name one.",
    91001: "Attach to the channel with the mode presence first.",
    91002: "Enter before leaving.",
    91003: "Wait until somebody leaves.",
    91005: "Attach to the channel again.",
}
"""Every code, with what to do about it."""

BY_STATUS: Mapping[int, tuple[int, int]] = {
    400: (40000, 400),
    401: (40100, 401),
    403: (40300, 403),
    404: (40400, 404),
    # Clients are written against a server that says of a method it does not know that there is nothing.
    405: (40400, 404),
    413: (40009, 413),
    414: (40000, 414),
    422: (42200, 422),
    429: (42910, 429),
    503: (50004, 503),
}
"""The code and the status for what was refused in HTTP's own terms."""

BY_REASON: Mapping[Reason, tuple[int, int]] = {
    Reason.MALFORMED_KEY: (40005, 400),
    Reason.UNKNOWN_APP: (40400, 404),
    Reason.UNKNOWN_KEY: (40101, 401),
    Reason.WRONG_SECRET: (40101, 401),
    Reason.KEY_REVOKED: (40131, 401),
    Reason.OTHER_KEY: (40102, 401),
    Reason.BAD_REQUEST: (40000, 400),
    Reason.BAD_TTL: (40003, 400),
    Reason.BAD_CLIENT_ID: (40012, 400),
    Reason.BAD_TIMESTAMP: (40104, 401),
    Reason.BAD_NONCE: (40105, 401),
    Reason.BAD_MAC: (40101, 401),
    Reason.NO_CAPABILITY: (40160, 401),
    Reason.TOKEN_MALFORMED: (40145, 401),
    Reason.TOKEN_UNRECOGNISED: (40143, 401),
    Reason.TOKEN_EXPIRED: (40142, 401),
    Reason.TOKEN_REVOKED: (40141, 401),
    Reason.BAD_JWT: (40144, 401),
    Reason.NEEDS_KEY: (40162, 401),
    Reason.NOT_REVOCABLE: (40163, 401),
    Reason.TOO_MANY: (42910, 429),
}
"""The code and the status for each reason not to let somebody in."""

log = structlog.get_logger(__name__)


class ErrorInfo(TypedDict):
    """What is wrong."""

    message: str
    code: int
    statusCode: int
    href: str
    serverId: str
    details: NotRequired[Mapping[str, object]]


class ErrorDocument(TypedDict):
    """A refusal."""

    error: ErrorInfo


MEANINGS: Mapping[int, str] = {
    400: "The body, a parameter or a name cannot be taken.",
    401: "The credentials are missing, not known, or not enough.",
    403: "Whoever asks may not do this.",
    404: "There is nothing there, or no app of that key.",
    413: "The body is too large.",
    422: "What is asked for cannot be done.",
    429: "Too much was asked for at once.",
    500: "The server made a mistake.",
    503: "The server cannot do this now.",
}
ENVELOPE = Envelope(
    (Format.JSON.value, Format.MSGPACK.value, Format.HTML.value),
    ErrorDocument,
    MEANINGS,
    (400, 401, 404, 429, 500, 503),
    (Format.JSON.value, Format.MSGPACK.value, FORM),
    {VERSION_HEADER: "The version of the protocol that the client speaks, such as 1.2 or 5."},
    {
        "format": {
            "type": "string",
            "enum": [each.name.lower() for each in Format],
            "description": "How the answer is written, whatever the header Accept says; jsonp needs `callback`.",
        }
    },
)


class AblyError(Exception):
    """What this dialect refuses. Its sentence says what is wrong; what to do about it is added from REMEDIES."""

    def __init__(self, code: int, status: int, sentence: str, *, details: Mapping[str, object] | None = None) -> None:
        """`details` are for programs; the sentence holds no secret."""
        super().__init__(sentence)
        self.code = code
        self.status = status
        self.sentence = sentence
        self.details = dict(details or {})

    def info(self) -> ErrorInfo:
        """As it stands in frames and in results of a batch."""
        found: ErrorInfo = {
            "message": f"{self.sentence} {REMEDIES[self.code]}" if self.code in REMEDIES else self.sentence,
            "code": self.code,
            "statusCode": self.status,
            "href": f"{HELP}{self.code}",
            "serverId": SERVER_ID,
        }
        if self.details:
            found["details"] = self.details
        return found

    def body(self) -> ErrorDocument:
        """As it stands in answers."""
        return {"error": self.info()}


def from_domain(error: Exception) -> AblyError:
    """The refusal that stands for an error of the service, of a body or of HTTP; any other is the server's fault."""
    if isinstance(error, AblyError):
        return error
    if isinstance(error, FormatError):
        return AblyError(40000, 400, str(error))
    if isinstance(error, StorageError):
        return AblyError(50004, 503, str(error))
    if isinstance(error, AccessError):
        return AblyError(*BY_REASON[error.reason], str(error))
    if isinstance(error, RealtimeError):
        return AblyError(40000, 400, str(error))
    if isinstance(error, InputRefused):
        more = [fault.sentence for fault in error.faults[1:]]
        return AblyError(40000, 400, error.faults[0].sentence, details={"more": more} if more else None)
    if isinstance(error, web.HTTPException):
        default = f"{error.status}: {error.reason}"
        own = error.text and error.text != default and not isinstance(error, web.HTTPRequestEntityTooLarge)
        text = error.text if error.text and own else SENTENCES.get(error.status, error.reason)
        return _of_status(error.status, text)
    return AblyError(50000, 500, SENTENCES[500])


class Refusals:
    """Turns what handlers raise into answers."""

    @property
    def wrapper(self) -> Wrapper:
        """For the operations of this dialect."""
        return self._wrap

    def _wrap(self, handler: Handler) -> Handler:
        @wraps(handler)
        async def refuse(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except web.HTTPException as error:
                if error.status < 400:
                    raise
                told = {name: error.headers[name] for name in TOLD_HEADERS if name in error.headers}
                return self.answer(request, from_domain(error), told)
            except ConnectionError:
                raise
            except Exception as error:
                return self.answer(request, from_domain(error), cause=error)

        return refuse

    def before(self, request: web.Request, status: int, sentence: str, headers: Mapping[str, str]) -> web.Response:
        """What was refused before an operation had it: the `Failure` of this dialect."""
        return self.answer(request, _of_status(status, sentence), headers)

    def answer(
        self,
        request: web.Request,
        refused: AblyError,
        headers: Mapping[str, str] | None = None,
        cause: Exception | None = None,
    ) -> web.Response:
        """A refusal as an answer. One that is the server's fault is logged."""
        if refused.status >= 500:
            log.error(
                "request failed",
                method=request.method,
                path=request.path,
                status=refused.status,
                code=refused.code,
                reason=refused.sentence,
                exc_info=cause,
            )
        document = refused.body()
        told = {name: value for name, value in (headers or {}).items() if name != "Allow"}
        told["X-Ably-Errorcode"] = str(refused.code)
        told["X-Ably-Errormessage"] = _header(document["error"]["message"])
        if refused.status == 503:
            told.setdefault("Retry-After", "5")
        try:
            return answer(request, document, refused.status, told)
        except FormatError:
            # What was asked for cannot be had, and that may be what is refused.
            body = encode(Format.JSON, document)
            return web.Response(status=refused.status, body=body, content_type=Format.JSON.value, headers=told)


def _of_status(status: int, sentence: str) -> AblyError:
    code, shown = BY_STATUS.get(status, (50000, status) if status >= 500 else (40000, status))
    if status == 405:
        sentence = SENTENCES[404]
    return AblyError(code, shown, sentence)


def _header(sentence: str) -> str:
    """A header takes no line breaks, and anything but ASCII only by chance."""
    return "".join(each if " " <= each <= "~" else "?" for each in sentence)[:MAX_HEADER]
