"""The browser push channel: a notification on somebody's screen, by way of their browser's push service.

Owns what is said, and its encryption for one browser (RFC 8030, 8188 and 8291). Who sends it is `vapid`'s to prove. An
endpoint has the push service's address, and as its document what a browser gives for a subscription and what the owner
wants said: `{"keys": {"p256dh": …, "auth": …}, "title"?: …, "message"?: …}`.

Encryption takes a quarter of a millisecond, so it is done on the event loop; it is `http_ece`'s.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from importlib import import_module

import orjson

from owncast_py.notifications.channels import Outcome
from owncast_py.notifications.channels.posting import Poster
from owncast_py.notifications.channels.wording import STREAM_STARTED, event_data, one_line, text
from owncast_py.notifications.errors import NotificationError
from owncast_py.notifications.model import Endpoint, Parcel
from owncast_py.notifications.targets import check_url
from owncast_py.notifications.vapid import Vapid, VapidKeys

MAX_PAYLOAD = 3000
"""Octets of JSON. RFC 8030, section 7.2: a push service takes 4096, and encryption adds 103."""
MAX_TITLE = 200
"""Characters; the least that a payload has room for, whatever they are."""
MAX_ADDRESS = 300
GO_LIVE_LIFE = timedelta(hours=4)
"""How long after it began a push service may still tell that a show began."""
LIFE = timedelta(hours=24)
"""The same for everything else."""
GONE = frozenset({404, 410})
"""RFC 8030, section 7.3: a push service answers 404 to an expired subscription; many of them answer 410."""

_POINT_OCTETS = 65
_AUTH_OCTETS = 16
_BASE64URL = re.compile(r"[A-Za-z0-9_-]{1,100}={0,2}")
_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


class WebPush:
    """A DeliveryChannel."""

    authenticates = False
    lasting = False

    def __init__(
        self,
        poster: Poster,
        keys: VapidKeys,
        contact: Callable[[], str],
        now: Callable[[], datetime],
        message: Callable[[], str],
        *,
        allow_private: bool = False,
    ) -> None:
        """`contact` is as in `vapid.Vapid`, `now` aware UTC; `message` is what the owner wants said of a new show.

        `allow_private` lets endpoints have addresses of private networks, and without https.
        """
        self._poster = poster
        self._vapid = Vapid(keys, contact, now)
        self._now = now
        self._message = message
        self._allow_private = allow_private
        self._loaded = False

    def check(self, endpoint: Endpoint) -> None:
        """Looks at the address and the browser's keys."""
        url = check_url(endpoint.url, allow_private=self._allow_private)
        if url.scheme != "https" and not self._allow_private:
            raise NotificationError("A push service has an address that begins with https://; give the browser's own.")
        browser_keys(endpoint.document)

    async def greet(self, endpoint: Endpoint) -> str:
        """A push service takes what is addressed to one of its browsers; there is nothing to ask."""
        return ""

    async def deliver(self, endpoint: Endpoint, parcel: Parcel) -> Outcome:
        """Posts the encrypted payload."""
        urgent = parcel.topic.name == STREAM_STARTED
        life = GO_LIVE_LIFE if urgent else LIFE
        try:
            said = payload(endpoint.document, parcel, self._message())
            return await self.push(endpoint.url, endpoint.document, said, parcel.at, life=life, urgent=urgent)
        except NotificationError as error:
            return Outcome(error=str(error))

    async def push(
        self,
        address: str,
        document: Mapping[str, object],
        said: bytes,
        at: datetime,
        *,
        life: timedelta,
        urgent: bool,
    ) -> Outcome:
        """Posts what is said, at most MAX_PAYLOAD octets, encrypted for the browser with the `keys` in `document`.

        Nobody is told more than `life` after `at`. Raises NotificationError for an address or keys that cannot be.
        """
        url = check_url(address, allow_private=True)
        point, auth = browser_keys(document)
        if not self._loaded:
            await asyncio.to_thread(_load)
            self._loaded = True
        headers = {
            "Authorization": self._vapid.authorization(url),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            # At 0 it is for a browser that is there now, or nobody.
            "TTL": str(max(0, int((at + life - self._now()).total_seconds()))),
            "Urgency": "high" if urgent else "normal",
        }
        outcome = await self._poster.post(address, _sealed(said, point, auth), headers)
        return replace(outcome, gone=True) if outcome.status in GONE else outcome


def browser_keys(document: Mapping[str, object]) -> tuple[bytes, bytes]:
    """A browser's public key, an uncompressed point, and its shared secret. Raises NotificationError."""
    keys = document.get("keys")
    values = keys if isinstance(keys, dict) else {}
    point, auth = _decoded(values, "p256dh", _POINT_OCTETS), _decoded(values, "auth", _AUTH_OCTETS)
    x, y = int.from_bytes(point[1:33], "big"), int.from_bytes(point[33:], "big")
    if point[0] != 4 or x >= _P or y >= _P or (y * y - x**3 + 3 * x - _B) % _P != 0:
        raise NotificationError("keys.p256dh is no uncompressed point of P-256; send what the browser gave.")
    return point, auth


def payload(document: Mapping[str, object], parcel: Parcel, of_a_show: str) -> bytes:
    """What the page's worker is told: `{"title", "body", "icon"?, "url"?}` as JSON, at most MAX_PAYLOAD octets."""
    event = event_data(parcel.body)
    title = text(document, "title") or text(event, "name") or parcel.topic.name
    message = text(document, "message") or (of_a_show if parcel.topic.name == STREAM_STARTED else "")
    told = {"title": one_line(title, MAX_TITLE)}
    address = text(event, "serverURL").rstrip("/")
    plain = address.isascii() and address.isprintable() and len(address) <= MAX_ADDRESS
    if plain and address.startswith(("https://", "http://")):
        told |= {"icon": f"{address}/logo", "url": address}
    body = "\n".join(line for line in (message, text(event, "streamTitle")) if line)[:MAX_PAYLOAD]
    while len(said := orjson.dumps({**told, "body": body})) > MAX_PAYLOAD:
        body = body[: len(body) * 3 // 4]
    return said


def _decoded(values: Mapping[str, object], name: str, octets: int) -> bytes:
    value = values.get(name)
    if not isinstance(value, str) or not _BASE64URL.fullmatch(value):
        raise NotificationError(f"keys.{name} is missing or not base64url; send what the browser gave.")
    unpadded = value.rstrip("=")
    try:
        decoded = base64.urlsafe_b64decode(unpadded + "=" * (-len(unpadded) % 4))
    except ValueError:
        decoded = b""
    if len(decoded) != octets:
        raise NotificationError(f"keys.{name} has {len(decoded)} octets, not {octets}; send what the browser gave.")
    return decoded


def _load() -> None:
    for name in ("http_ece", "py_vapid.jwt"):
        import_module(name)


def _sealed(plain: bytes, point: bytes, auth: bytes) -> bytes:
    import http_ece  # type: ignore[import-untyped]
    from cryptography.hazmat.primitives.asymmetric import ec

    own = ec.generate_private_key(ec.SECP256R1())
    return bytes(http_ece.encrypt(plain, private_key=own, dh=point, auth_secret=auth, version="aes128gcm"))
