"""Who sends a browser push: this server's key pair and the header that proves it, by RFC 8292 (VAPID).

Owns the keys' forms and the header `Authorization: vapid`. A header is good for everything that goes to one push
service until it expires, so it is kept.

The cryptography comes with packages of 13 MB that take 50 ms to import. They are imported by the first thing that needs
them: a key that is made, the public key, a header; and not by a server that sends no pushes.
"""

from __future__ import annotations

import base64
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from yarl import URL

from owncast_py.notifications.errors import NotificationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

PRIVATE_OCTETS = 32
MAX_KEY_TEXT = 4096
"""Characters of a key that is read."""
LIFE = timedelta(hours=12)
"""Of a header. RFC 8292, section 2: "This MUST NOT be more than 24 hours from the time of the request"."""
RENEWED = timedelta(hours=1)
"""Before it expires a header is made anew."""
MAX_HEADERS = 64
"""Headers that are kept, the last used ones. There are a handful of push services in the world."""

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256's group: a private key is a number from 1 to this, without it."""
_RAW = re.compile(r"[A-Za-z0-9_-]{43}=?")


@dataclass(frozen=True)
class VapidKeys:
    """A key pair on the curve P-256."""

    private: bytes = field(repr=False)
    """The private key, a number of 32 octets."""

    @classmethod
    def generate(cls) -> VapidKeys:
        """A pair that nobody has yet."""
        from cryptography.hazmat.primitives.asymmetric import ec

        return cls(_octets(ec.generate_private_key(ec.SECP256R1())))

    @classmethod
    def from_text(cls, text: str) -> VapidKeys:
        """Reads a private key: 32 octets in base64url, or PEM. Raises NotificationError, which does not show it."""
        stripped = text.strip()[: MAX_KEY_TEXT + 1]
        if _RAW.fullmatch(stripped):
            private = base64.urlsafe_b64decode(stripped.rstrip("=") + "=")
        else:
            private = _from_pem(stripped)
        if not 0 < int.from_bytes(private, "big") < _ORDER:
            raise NotificationError(
                "The private key for browser pushes is no number of P-256; make a new pair of keys."
            )
        return cls(private)

    def to_text(self) -> str:
        """The private key in base64url, for `from_text`. It is a secret."""
        return _base64url(self.private)

    @cached_property
    def public_key(self) -> str:
        """What browsers want as `applicationServerKey`: an uncompressed point in base64url."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = self.signing_key.public_key()
        return _base64url(public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))

    @cached_property
    def signing_key(self) -> EllipticCurvePrivateKey:
        """The private key as an object that signs."""
        from cryptography.hazmat.primitives.asymmetric import ec

        return ec.derive_private_key(int.from_bytes(self.private, "big"), ec.SECP256R1())


class Vapid:
    """Makes the headers, and keeps them."""

    def __init__(self, keys: VapidKeys, contact: Callable[[], str], now: Callable[[], datetime]) -> None:
        """`contact` gives a `mailto:` or `https:` URI at which push services reach the owner; empty for none.

        `now` is aware UTC.
        """
        self._keys = keys
        self._contact = contact
        self._now = now
        self._kept: OrderedDict[tuple[str, str], tuple[datetime, str]] = OrderedDict()

    def authorization(self, url: URL) -> str:
        """The value of `Authorization` for a push service's address."""
        place, now = (str(url.origin()), self._contact()), self._now()
        made_at, header = self._kept.get(place, (None, ""))
        # After a clock was set back, one from before may expire too late to be accepted.
        if made_at is None or not made_at <= now < made_at + LIFE - RENEWED:
            header = self._made(*place, now)
            self._kept[place] = now, header
            if len(self._kept) > MAX_HEADERS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(place)
        return header

    def _made(self, origin: str, contact: str, now: datetime) -> str:
        from py_vapid.jwt import sign  # type: ignore[import-untyped]

        claims: dict[str, object] = {"aud": origin, "exp": int((now + LIFE).timestamp())}
        if contact:
            claims["sub"] = contact
        token = sign(claims, self._keys.signing_key)
        return f"vapid t={token},k={self._keys.public_key}"


def _from_pem(text: str) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise NotificationError(
            "The private key for browser pushes is neither 32 octets in base64url nor a PEM of a P-256 key without a "
            "password; give one of these, or make a new pair of keys."
        )
    return _octets(key)


def _octets(key: EllipticCurvePrivateKey) -> bytes:
    return key.private_numbers().private_value.to_bytes(PRIVATE_OCTETS, "big")


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
