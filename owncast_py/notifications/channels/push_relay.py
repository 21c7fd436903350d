"""The transport `ablyChannel`: a push comes out of a channel, as a message named `__ably_push__`.

Owns what that message says: the push as a JSON text. Who publishes it, and whether the recipient's channel may be
published on, is for whoever is handed in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from owncast_py.errors import OwncastError
from owncast_py.notifications.channels import Outcome
from owncast_py.notifications.channels.device import Said

MESSAGE_NAME = "__ably_push__"

Publish = Callable[[Mapping[str, object], str, bytes], Awaitable[None]]
"""Publishes a text on the channel of a recipient: the recipient, the message's name, the text in UTF-8.

Raises OwncastError when that cannot be.
"""


class RelayTransport:
    """A Transport."""

    names: tuple[str, ...] = ("ablyChannel",)

    def __init__(self, publish: Publish) -> None:
        self._publish = publish

    async def send(self, recipient: Mapping[str, object], said: Said) -> Outcome:
        """Publishes it."""
        try:
            await self._publish(recipient, MESSAGE_NAME, said.body)
        except OwncastError as error:
            return Outcome(error=str(error))
        return Outcome(status=201)
