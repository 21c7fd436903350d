"""The transport `apns`: Apple's push service, with a provider's token.

Owns the payload for a device token, its headers and the JWT (ES256) that says who sends. Apple's service speaks HTTP/2
alone; who speaks it is handed in (see `http2`). Apple: "refresh your token … no more than once every 20 minutes and no
less than once every 60 minutes". What a push says under `apns` is merged into the payload as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import orjson

from owncast_py.errors import ConfigError
from owncast_py.notifications.channels import Outcome
from owncast_py.notifications.channels.device import Said

PRODUCTION = "https://api.push.apple.com"
SANDBOX = "https://api.sandbox.push.apple.com"
TOKEN_LIFE = timedelta(minutes=50)
"""How long one token is used."""
MAX_PAYLOAD = 4096
"""Octets. Apple: "the maximum payload size is 4 KB (4096 bytes)"."""
EXPIRES = timedelta(hours=24)
"""How long Apple tries to deliver."""
GONE_REASONS = frozenset({"BadDeviceToken", "DeviceTokenNotForTopic", "Unregistered", "ExpiredToken"})
"""With status 400 or 410: the token will never be good again."""


class Post(Protocol):
    """Who posts, as `posting.Poster` does and `http2.Http2Poster`."""

    async def post(self, address: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """Posts once. Never raises for what the other side or the network does."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Who sends. `topic` is the bundle id of the app."""

    team: str
    key_id: str
    topic: str
    private_key: str = field(repr=False)
    """PEM, as in Apple's .p8 file."""

    @classmethod
    def read(cls, path: Path, *, team: str, key_id: str, topic: str) -> Provider:
        """With the key in that file. Raises ConfigError."""
        try:
            key = path.read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not PEM"
            raise ConfigError([f"notifications.apns.key {path} cannot be read: {reason}."]) from None
        return cls(team, key_id, topic, key)


class ApnsTransport:
    """A Transport."""

    names: tuple[str, ...] = ("apns",)

    def __init__(
        self, poster: Post, provider: Provider, now: Callable[[], datetime], *, address: str = PRODUCTION
    ) -> None:
        """`now` is aware UTC."""
        self._poster = poster
        self._provider = provider
        self._now = now
        self._address = address
        self._token = ""
        self._made_at: datetime | None = None
        self._making = asyncio.Lock()

    async def send(self, recipient: Mapping[str, object], said: Said) -> Outcome:
        """Posts the payload."""
        body = orjson.dumps(payload(said))
        if len(body) > MAX_PAYLOAD:
            return Outcome(error=f"The push has {len(body)} octets; Apple takes {MAX_PAYLOAD}.")
        try:
            headers = await self._headers(said)
        except ValueError:
            return Outcome(error="The key for Apple's push service is no key of P-256 in PEM; give its .p8 file.")
        token = quote(str(recipient.get("deviceToken", "")), safe="")
        outcome = await self._poster.post(f"{self._address}/3/device/{token}", body, headers)
        reason = _reason(outcome.answer)
        if outcome.status == 403:
            # The token is not believed: the next try makes another.
            self._made_at = None
        error = f"{outcome.error} Apple says {reason}." if reason and outcome.error else outcome.error
        gone = outcome.status == 410 or (outcome.status == 400 and reason in GONE_REASONS)
        return replace(outcome, error=error, gone=gone)

    async def _headers(self, said: Said) -> dict[str, str]:
        headers = {
            "authorization": f"bearer {await self._provider_token()}",
            "apns-topic": self._provider.topic,
            "apns-push-type": "alert" if said.notification or "aps" in said.own else "background",
            "apns-priority": "10" if said.notification else "5",
            "apns-expiration": str(int((said.at + EXPIRES).timestamp())),
            "content-type": "application/json",
        }
        if key := said.text("collapseKey"):
            # Apple takes 64 octets; a header takes ASCII.
            headers["apns-collapse-id"] = quote(key, safe=" ")[:64]
        return headers

    async def _provider_token(self) -> str:
        async with self._making:
            now = self._now()
            if self._made_at is None or not self._made_at <= now < self._made_at + TOKEN_LIFE:
                self._token = await asyncio.to_thread(self._signed, now)
                self._made_at = now
            return self._token

    def _signed(self, now: datetime) -> str:
        import jwt

        claims = {"iss": self._provider.team, "iat": int(now.timestamp())}
        try:
            return jwt.encode(
                claims, self._provider.private_key, algorithm="ES256", headers={"kid": self._provider.key_id}
            )
        except (jwt.PyJWTError, TypeError) as error:
            raise ValueError(str(error)) from None


def payload(said: Said) -> dict[str, object]:
    """What the app on the device is handed: `{"aps": {…}, …data}`."""
    found: dict[str, object] = {**said.data, **said.own}
    given = said.own.get("aps")
    alert = {name: said.text(name) for name in ("title", "body") if said.text(name)}
    aps: dict[str, object] = {}
    if alert:
        aps["alert"] = alert
    else:
        aps["content-available"] = 1
    if said.text("sound"):
        aps["sound"] = said.text("sound")
    found["aps"] = aps | (given if isinstance(given, dict) else {})
    return found


def _reason(answer: str) -> str:
    try:
        document = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return ""
    reason = document.get("reason") if isinstance(document, dict) else None
    return reason[:60] if isinstance(reason, str) else ""
