"""Token requests and tokens: what is signed, how it is checked, what a token says.

Owns the text that a token request signs, its window of time and its nonce, the text of our own tokens, and JSON Web
Tokens (RFC 7519, HS256). No clock, no key and no database is here: the caller hands them in.

A token says everything about itself and is signed with the secret of the key that it was asked for with, so that it
needs no row anywhere. Whoever holds that secret could make tokens, as they could sign JWTs: therefore what a token
claims is worth no more than the key itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import zlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import jwt
import orjson

from owncast_py.realtime.capability import HALF_CHARACTER
from owncast_py.realtime.errors import AccessError, Reason
from owncast_py.realtime.messages import EPOCH

DEFAULT_LIFETIME = timedelta(minutes=60)
MAX_LIFETIME = timedelta(hours=24)
CLOCK_WINDOW = timedelta(minutes=5)
"""How far the clock of whoever signs may be from ours."""
MIN_NONCE, MAX_NONCE = 16, 200
"""Characters."""
MAX_REMEMBERED = 100_000
"""Signed requests within the window that are told from replays."""
MAX_TOKEN = 16_384
"""Characters of a token."""
MAX_CLAIMS = 32_768
"""Octets of what a token of ours says, uncompressed."""
MAX_CLIENT_ID = 200
"""Characters."""
MAX_REVOCATION_KEY = 64
"""Characters."""
ANYBODY = "*"
"""As a client id: whoever has the token may say who they are."""

_PURPOSE = b"owncast-py token 1"
_MAC_BYTES = 32
_LAST_SECOND = 10**11
"""Seconds since 1970 up to which times in JWTs are taken: the year 5138."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What somebody asks a token for. The texts are as they came, for they are signed; empty where there is nothing."""

    key_name: str
    ttl: int | None = None
    """In ms."""
    capability: str = ""
    client_id: str = ""
    timestamp: int | None = None
    """In ms since 1970."""
    nonce: str = ""
    mac: str = ""
    """In base64; empty where nothing is signed."""

    @property
    def signed_text(self) -> str:
        """What the mac is over: features specification, TE3 to TE6, each with a line break behind it."""
        parts = (self.key_name, self.ttl, self.capability, self.client_id, self.timestamp, self.nonce)
        return "".join(f"{'' if part is None else part}\n" for part in parts)

    def sign(self, secret: str) -> str:
        """The mac that belongs to it."""
        mac = hmac.digest(secret.encode(), self.signed_text.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return base64.b64encode(mac).decode()

    @property
    def lifetime(self) -> timedelta:
        """How long the token is to be valid. Raises AccessError."""
        if self.ttl is None:
            return DEFAULT_LIFETIME
        if not 0 < self.ttl <= MAX_LIFETIME // timedelta(milliseconds=1):
            hours = MAX_LIFETIME // timedelta(hours=1)
            raise AccessError(Reason.BAD_TTL, f"A token cannot be valid for {self.ttl} ms; give 1 ms to {hours} h.")
        return timedelta(milliseconds=self.ttl)

    def check_signature(self, secret: str, now: datetime) -> None:
        """Raises AccessError unless it is signed with that secret, at about this time."""
        if not hmac.compare_digest(self.mac.encode("utf-8", "surrogatepass"), self.sign(secret).encode()):
            raise AccessError(
                Reason.BAD_MAC, f"The mac of the token request is not that of the key {self.key_name[:60]!r}."
            )
        self.check_time(now)
        if not MIN_NONCE <= len(self.nonce) <= MAX_NONCE:
            raise AccessError(
                Reason.BAD_NONCE,
                f"The nonce has {len(self.nonce)} characters; a random one of {MIN_NONCE} to {MAX_NONCE} is needed.",
            )

    def check_time(self, now: datetime) -> None:
        """Raises AccessError unless its timestamp is about now."""
        if self.timestamp is None or abs(self.timestamp - to_milliseconds(now)) > _WINDOW:
            minutes = CLOCK_WINDOW // timedelta(minutes=1)
            raise AccessError(
                Reason.BAD_TIMESTAMP,
                f"The timestamp {self.timestamp} of the token request is more than {minutes} minutes from now "
                f"({to_milliseconds(now)}).",
            )


class Replays:
    """The signed requests of the last minutes, so that none is answered twice. A nonce may come again later."""

    def __init__(self, limit: int = MAX_REMEMBERED) -> None:
        self._limit = limit
        self._seen: set[tuple[str, str, int]] = set()
        self._order: deque[tuple[int, tuple[str, str, int]]] = deque()

    def note(self, request: TokenRequest, now: datetime) -> None:
        """Raises AccessError if that very request came before, or if too many came to tell. Its time is checked."""
        at = to_milliseconds(now)
        while self._order and self._order[0][0] < at:
            self._seen.discard(self._order.popleft()[1])
        known = (request.key_name, request.nonce, request.timestamp or 0)
        if known in self._seen:
            raise AccessError(
                Reason.BAD_NONCE, f"A token request with the nonce {request.nonce[:60]!r} was answered already."
            )
        if len(self._seen) >= self._limit:
            raise AccessError(Reason.TOO_MANY, f"More than {self._limit} tokens were asked for in a few minutes.")
        self._seen.add(known)
        # Once its timestamp is outside of the window, it is refused for that. No timestamp is further ahead.
        self._order.append((at + 2 * _WINDOW, known))


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. Times are aware, in UTC, to the millisecond."""

    key_name: str
    issued_at: datetime
    expires_at: datetime
    capability: str = ""
    """JSON; empty for that of the key."""
    client_id: str = ""
    revocation_key: str = ""


def seal(claims: Claims, secret: str) -> str:
    """A token of ours that says that: `app.` and base64url of key id, signature and compressed JSON."""
    app, _, key_id = claims.key_name.partition(".")
    said = [
        to_milliseconds(claims.issued_at),
        to_milliseconds(claims.expires_at),
        claims.capability,
        claims.client_id,
        claims.revocation_key,
        # Two tokens that say the same can still be told apart.
        secrets.token_urlsafe(9),
    ]
    head = len(key_id).to_bytes(1) + key_id.encode()
    body = zlib.compress(orjson.dumps(said))
    sealed = head + _signature(secret, app.encode() + b"." + head + body) + body
    return f"{app}.{base64.urlsafe_b64encode(sealed).decode().rstrip('=')}"


def is_jwt(token: str) -> bool:
    """Whether that is a JSON Web Token rather than one of ours: it has three parts."""
    return token.count(".") == 2


def embedded(token: str) -> tuple[str, datetime | None] | None:
    """The token of ours that a JWT carries as `x-ably-token`, and when the JWT expires; None where it carries none.

    Nobody need check the signature around it: the token inside has its own. Raises AccessError.
    """
    header, claims = _jwt_parts(token)
    inner = claims.get("x-ably-token", header.get("x-ably-token"))
    if inner is None:
        return None
    if not isinstance(inner, str):
        raise AccessError(Reason.BAD_JWT, "The claim x-ably-token of the JWT is no token.")
    return inner, _moment(claims, "exp") if "exp" in claims else None


def key_name_of(token: str) -> str:
    """The key that a token says it is of; nothing of it is proved. Raises AccessError."""
    if len(token) > MAX_TOKEN:
        raise AccessError(Reason.TOKEN_MALFORMED, f"A token has at most {MAX_TOKEN} characters, not {len(token)}.")
    if is_jwt(token):
        name = _jwt_parts(token)[0].get("kid")
        if not isinstance(name, str):
            raise AccessError(Reason.BAD_JWT, "The header of the JWT names no key; give the name of one as kid.")
        return name
    app, head, _ = _opened(token)
    return f"{app}.{head[1:].decode('ascii', 'replace')}"


def unseal(token: str, secret: str, now: datetime) -> Claims:
    """What a token of ours or a JWT says, if it is signed with that secret and valid now. Raises AccessError."""
    claims = _claims_of_jwt(token, secret) if is_jwt(token) else _claims_of_ours(token, secret)
    if claims.expires_at <= now:
        raise AccessError(Reason.TOKEN_EXPIRED, f"The token expired at {claims.expires_at:%Y-%m-%d %H:%M:%S} UTC.")
    if claims.issued_at > now + CLOCK_WINDOW:
        raise AccessError(
            Reason.BAD_TIMESTAMP, f"The token is issued in the future: {claims.issued_at:%Y-%m-%d %H:%M:%S} UTC."
        )
    return claims


def to_milliseconds(at: datetime) -> int:
    """Milliseconds since 1970."""
    return (at - EPOCH) // timedelta(milliseconds=1)


_WINDOW = CLOCK_WINDOW // timedelta(milliseconds=1)


def _signature(secret: str, signed: bytes) -> bytes:
    # The secret also signs token requests and JWTs; what is signed for one purpose is worth nothing for another.
    key = hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)
    return hmac.digest(key, signed, hashlib.sha256)


def _opened(token: str) -> tuple[str, bytes, bytes]:
    """App, key id with its length before it, and the rest of a token of ours. Raises AccessError."""
    app, dot, text = token.partition(".")
    try:
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        sealed = b""
    end = 1 + sealed[0] if sealed else 0
    if not dot or len(sealed) <= end + _MAC_BYTES:
        raise AccessError(Reason.TOKEN_MALFORMED, "That is no token of this server.")
    return app, sealed[:end], sealed[end:]


def _claims_of_ours(token: str, secret: str) -> Claims:
    app, head, rest = _opened(token)
    mac, body = rest[:_MAC_BYTES], rest[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _signature(secret, app.encode("utf-8", "surrogatepass") + b"." + head + body)):
        raise AccessError(Reason.TOKEN_UNRECOGNISED, "The token was not given out by this server, or was changed.")
    # Signed, so by somebody with the secret; who need not be this server.
    try:
        said: object = orjson.loads(zlib.decompressobj().decompress(body, MAX_CLAIMS))
    except (zlib.error, orjson.JSONDecodeError):
        said = None
    match said:
        case [int(issued), int(expires), str(capability), str(client_id), str(revocation_key), str()]:
            pass
        case _:
            raise AccessError(Reason.TOKEN_MALFORMED, "The token is signed, but says nothing that is understood.")
    if not 0 <= issued < expires <= issued + MAX_LIFETIME // timedelta(milliseconds=1) or expires > _LAST_SECOND * 1000:
        raise AccessError(Reason.TOKEN_MALFORMED, "The token is valid for longer than any may be.")
    at, until = (EPOCH + timedelta(milliseconds=each) for each in (issued, expires))
    return Claims(f"{app}.{head[1:].decode()}", at, until, capability, client_id, revocation_key)


def _claims_of_jwt(token: str, secret: str) -> Claims:
    header, _ = _jwt_parts(token)
    try:
        claims: Mapping[str, object] = jwt.decode(token, secret, algorithms=["HS256"], options=_UNCHECKED)
    except jwt.InvalidSignatureError:
        raise AccessError(
            Reason.BAD_JWT, "The signature of the JWT is not that of its key: invalid signature."
        ) from None
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise AccessError(Reason.BAD_JWT, "The JWT is not signed with HS256.") from None
    issued_at, expires_at = _moment(claims, "iat"), _moment(claims, "exp")
    if not issued_at < expires_at <= issued_at + MAX_LIFETIME:
        hours = MAX_LIFETIME // timedelta(hours=1)
        raise AccessError(Reason.BAD_JWT, f"The JWT must be valid for some time, and for no more than {hours} h.")
    capability = claims.get("x-ably-capability", "")
    if isinstance(capability, dict):
        capability = json.dumps(capability)
    return Claims(
        key_name=str(header["kid"]),
        issued_at=issued_at,
        expires_at=expires_at,
        capability=_text(capability, "x-ably-capability", MAX_TOKEN),
        client_id=_text(claims.get("x-ably-clientId"), "x-ably-clientId", MAX_CLIENT_ID),
        revocation_key=_text(claims.get("x-ably-revocation-key"), "x-ably-revocation-key", MAX_REVOCATION_KEY),
    )


# Times are compared with the caller's clock; who else a JWT is meant for is no matter here.
_UNCHECKED: jwt.types.Options = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


def _jwt_parts(token: str) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """Header and claims, unproved. Raises AccessError."""
    try:
        found = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise AccessError(Reason.BAD_JWT, "That is no JWT.") from None
    return found["header"], found["payload"]


def _moment(claims: Mapping[str, object], name: str) -> datetime:
    given = claims.get(name)
    # A comparison with NaN is false, too.
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= _LAST_SECOND:
        raise AccessError(Reason.BAD_JWT, f"The claim {name} of the JWT must be a time in seconds since 1970.")
    return EPOCH + timedelta(milliseconds=int(given * 1000))


def _text(given: object, name: str, longest: int) -> str:
    if given is None:
        return ""
    if not isinstance(given, str) or len(given) > longest or HALF_CHARACTER.search(given):
        sentence = f"The claim {name} of the JWT must be a text of at most {longest} characters."
        raise AccessError(Reason.BAD_JWT, sentence)
    return given
