"""The way of a message from this dialect into its channel.

Owns which channels have rules of their own: the chat's are the chat's, what the server itself says nobody else says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence

from owncast_py.realtime.channels import Channels
from owncast_py.realtime.keyring import Grant
from owncast_py.realtime.messages import CHAT, STREAM, Address, Draft, Message
from web.api.ably.errors import AblyError
from web.api.ably.names import META

ChatPublisher = Callable[[str, Draft], Coroutine[None, None, "asyncio.Future[list[Message]]"]]
"""Publishes what a client, by its id, says in the chat. Raises AblyError."""


class Publishing:
    """Publishes for REST and realtime alike."""

    def __init__(self, channels: Channels, chat: ChatPublisher) -> None:
        self._channels = channels
        self._chat = chat

    async def publish(self, grant: Grant, address: Address, drafts: Sequence[Draft]) -> asyncio.Future[list[Message]]:
        """Publishes messages next to each other; the future says what became of them. Raises AblyError.

        Who may publish at all is the caller's to know.
        """
        if address == STREAM or address.channel.startswith(f"[{META}]"):
            raise AblyError(40160, 401, f"On the channel {address.channel[:60]!r} the server alone publishes.")
        if address != CHAT:
            return self._channels.submit(address, *drafts)
        if len(drafts) != 1:
            raise AblyError(40030, 400, f"In the chat one says one thing at a time, not {len(drafts)}.")
        return await self._chat(drafts[0].client_id, drafts[0])
