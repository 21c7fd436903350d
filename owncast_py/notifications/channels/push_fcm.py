"""The transport `fcm` (and `gcm`, its former name): Firebase Cloud Messaging, HTTP v1.

Owns the message for a registration token, and the access token that the server sends it with: OAuth 2.0 for service
accounts, a JWT signed with RS256 for one of an hour (RFC 7523), kept until shortly before it expires. What a push says
under `fcm` becomes part of the `Message` as it is; what it says for all is put beside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import orjson

from owncast_py.errors import ConfigError
from owncast_py.notifications.channels import Outcome
from owncast_py.notifications.channels.device import Said
from owncast_py.notifications.channels.posting import Poster

ADDRESS = "https://fcm.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFE = timedelta(hours=1)
"""Of the JWT, which is the most that there is."""
RENEWED = timedelta(minutes=5)
"""Before it expires an access token is got anew."""
MAX_FILE = 64 * 1024
"""Octets of the service account's file."""


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """Who sends."""

    project: str
    email: str
    token_address: str
    private_key: str = field(repr=False)
    """PEM."""

    @classmethod
    def read(cls, path: Path) -> ServiceAccount:
        """Reads the JSON file that Firebase's console gives. Raises ConfigError, which shows nothing of the key."""
        try:
            raw = path.read_bytes()[: MAX_FILE + 1]
            document = orjson.loads(raw)
        except (OSError, orjson.JSONDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not JSON"
            raise ConfigError([f"notifications.fcm.service_account {path} cannot be read: {reason}."]) from None
        names = ("project_id", "client_email", "token_uri", "private_key")
        values = [document.get(name) if isinstance(document, dict) else None for name in names]
        missing = [name for name, value in zip(names, values, strict=True) if not isinstance(value, str) or not value]
        if missing:
            raise ConfigError(
                [f"notifications.fcm.service_account {path} has no {missing[0]}; give a service account's JSON file."]
            )
        return cls(*(str(value) for value in values))


class FcmTransport:
    """A Transport."""

    names: tuple[str, ...] = ("gcm", "fcm")

    def __init__(
        self, poster: Poster, account: ServiceAccount, now: Callable[[], datetime], *, address: str = ADDRESS
    ) -> None:
        """`now` is aware UTC."""
        self._poster = poster
        self._account = account
        self._now = now
        self._url = f"{address}/v1/projects/{account.project}/messages:send"
        self._token = ""
        self._until: datetime | None = None
        self._renewing = asyncio.Lock()

    async def send(self, recipient: Mapping[str, object], said: Said) -> Outcome:
        """Posts the message."""
        token, failed = await self._access_token()
        if failed is not None:
            return failed
        body = orjson.dumps({"message": message(str(recipient.get("registrationToken", "")), said)})
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        outcome = await self._poster.post(self._url, body, headers)
        if outcome.status == 401:
            # Revoked, or the clock was set: the next try gets another.
            self._until = None
        return replace(outcome, gone=outcome.status == 404 and "UNREGISTERED" in _error_codes(outcome.answer))

    async def _access_token(self) -> tuple[str, Outcome | None]:
        """An access token, or what came of the try to get one."""
        async with self._renewing:
            if self._until is not None and self._now() < self._until:
                return self._token, None
            try:
                assertion = await asyncio.to_thread(self._assertion)
            except ValueError:
                return "", Outcome(error="The private_key of the service account for FCM is no key in PEM.")
            form = urlencode({"grant_type": GRANT, "assertion": assertion}).encode()
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            asked = self._now()
            outcome = await self._poster.post(self._account.token_address, form, headers)
            if not outcome.received:
                return "", replace(outcome, gone=False, error=f"FCM gave no access token. {outcome.error}")
            token, seconds = _granted(outcome.answer)
            if not token:
                return "", Outcome(error="FCM gave no access token: its answer has none.")
            self._token, self._until = token, asked + timedelta(seconds=seconds) - RENEWED
            return token, None

    def _assertion(self) -> str:
        import jwt

        now = self._now()
        claims = {
            "iss": self._account.email,
            "scope": SCOPE,
            "aud": self._account.token_address,
            "iat": int(now.timestamp()),
            "exp": int((now + LIFE).timestamp()),
        }
        try:
            return jwt.encode(claims, self._account.private_key, algorithm="RS256")
        except (jwt.PyJWTError, TypeError) as error:
            raise ValueError(str(error)) from None


def message(registration_token: str, said: Said) -> dict[str, object]:
    """The `Message` of HTTP v1. All values of its `data` are texts."""
    found: dict[str, object] = {**said.own, "token": registration_token}
    notification = {name: said.text(name) for name in ("title", "body") if said.text(name)}
    if notification:
        found["notification"] = notification
    if said.data:
        found["data"] = {
            name: each if isinstance(each, str) else orjson.dumps(each).decode() for name, each in said.data.items()
        }
    given = found.get("android")
    android: dict[str, object] = dict(given) if isinstance(given, dict) else {}
    shown = {name: said.text(name) for name in ("icon", "sound") if said.text(name)}
    if shown:
        before = android.get("notification")
        android["notification"] = {**shown, **(before if isinstance(before, dict) else {})}
    if said.text("collapseKey"):
        android.setdefault("collapse_key", said.text("collapseKey"))
    if android:
        found["android"] = android
    return found


def _granted(answer: str) -> tuple[str, int]:
    """An access token, empty when there is none, and the seconds that it is good for."""
    try:
        document = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return "", 0
    if not isinstance(document, dict):
        return "", 0
    token, seconds = document.get("access_token"), document.get("expires_in")
    return token if isinstance(token, str) else "", seconds if isinstance(seconds, int) else 0


def _error_codes(answer: str) -> set[str]:
    """The codes of an `FcmError` (`google.firebase.fcm.v1.FcmError`) in a refusal."""
    try:
        document = orjson.loads(answer)
        details = document["error"]["details"]
        return {str(each["errorCode"]) for each in details if isinstance(each, dict) and "errorCode" in each}
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return set()
