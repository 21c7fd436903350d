"""The transport `web`: a push to a page's worker, by way of the browser's push service.

Owns how a recipient names a browser: `{"targetUrl", "encryptionKey": {"p256dh", "auth"}}`, the address in base64 or
plain, the keys in either kind of base64. Encryption and the proof of who sends are `webpush`'s.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import timedelta

import orjson

from owncast_py.notifications.channels import Outcome
from owncast_py.notifications.channels.device import Said
from owncast_py.notifications.channels.webpush import LIFE, MAX_PAYLOAD, WebPush
from owncast_py.notifications.errors import NotificationError


class WebTransport:
    """A Transport."""

    names: tuple[str, ...] = ("web",)

    def __init__(self, webpush: WebPush) -> None:
        self._webpush = webpush

    async def send(self, recipient: Mapping[str, object], said: Said) -> Outcome:
        """Posts `{"notification"?, "data"?, …}`, encrypted."""
        parts: dict[str, object] = dict(said.own)
        if said.notification:
            parts["notification"] = said.notification
        if said.data:
            parts["data"] = said.data
        body = orjson.dumps(parts)
        if len(body) > MAX_PAYLOAD:
            return Outcome(error=f"The push has {len(body)} octets; a push service takes {MAX_PAYLOAD}.")
        try:
            return await self._webpush.push(
                _address(recipient), _keys(recipient), body, said.at, life=_life(said), urgent=True
            )
        except NotificationError as error:
            return Outcome(error=str(error))


def _life(said: Said) -> timedelta:
    """How long a push service may still tell it: `ttl` in seconds, where the push says so."""
    seconds = said.own.get("ttl")
    if isinstance(seconds, int) and 0 <= seconds <= LIFE.total_seconds():
        return timedelta(seconds=seconds)
    return LIFE


def _address(recipient: Mapping[str, object]) -> str:
    target = str(recipient.get("targetUrl", ""))
    if "://" in target:
        return target
    try:
        return base64.b64decode(target, validate=True).decode()
    except (binascii.Error, ValueError):
        raise NotificationError("The targetUrl of the recipient is neither an address nor one in base64.") from None


def _keys(recipient: Mapping[str, object]) -> dict[str, object]:
    given = recipient.get("encryptionKey")
    keys = given if isinstance(given, dict) else {}
    changed = str.maketrans("+/", "-_")
    return {"keys": {name: value.translate(changed) for name, value in keys.items() if isinstance(value, str)}}
