"""Signatures by which a receiver knows that a webhook is this server's: the symmetric scheme of Standard Webhooks.

Owns the secrets' form and the header `webhook-signature`; which secrets are valid when is the caller's. What is signed
is `<webhook-id>.<webhook-timestamp>.<body>`, by HMAC-SHA256; so none of the three can be changed, and an old request
cannot pass for a new one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

SECRET_PREFIX = "whsec_"  # noqa: S105 - the public beginning of every secret
SECRET_OCTETS = 32
"""Random octets of a secret. The specification asks for 24 to 64."""
VERSION = "v1"


def new_secret() -> str:
    """A secret that nobody has yet: `whsec_` and base64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_OCTETS)).decode()


def signature_header(valid_secrets: Sequence[str], webhook_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: one signature for each secret, so that a receiver may know any of them.

    `timestamp` is that of `webhook-timestamp`, in seconds since 1970. Raises ValueError for what is no secret.
    """
    content = b"%b.%d.%b" % (webhook_id.encode(), timestamp, body)
    return " ".join(_signature(secret, content) for secret in valid_secrets)


def _signature(secret: str, content: bytes) -> str:
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ValueError(f"A secret to sign with is {SECRET_PREFIX} and base64; this one is not; make a new one.")
    digest = hmac.new(key, content, hashlib.sha256).digest()
    return f"{VERSION},{base64.b64encode(digest).decode()}"
