"""The way of a message from this dialect into its channel.

Owns which channels have rules of their own: the chat's are the chat's, what the server itself says nobody else says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import orjson

from owncast_py.chat.chat import Chat
from owncast_py.chat.content import Name
from owncast_py.chat.errors import ChatError, ConnectionRefused, MessageRefused
from owncast_py.realtime.channels import Channels
from owncast_py.realtime.messages import CHAT, STREAM, Address, Draft, Message
from owncast_py.realtime.revocations import Grant
from web.api.ably.counting import Counter
from web.api.ably.errors import AblyError
from web.api.ably.names import META

_WAIT = frozenset({"RATE_LIMITED", "SLOW_MODE", "TIMED_OUT", "NOT_ESTABLISHED"})


class Publishing:
    """Publishes for REST and realtime alike."""

    def __init__(self, channels: Channels, chat: Chat, count: Counter) -> None:
        """`count` is told what comes in."""
        self._channels = channels
        self._chat = chat
        self._count = count

    async def publish(
        self, grant: Grant, address: Address, drafts: Sequence[Draft], *, by: Literal["rest", "realtime"] = "rest"
    ) -> asyncio.Future[list[Message]]:
        """Publishes messages next to each other; the future says what became of them. Raises AblyError.

        Whether the grant allows it at all is the caller's to know. `by` is the way in which they came.
        """
        submitted = await self._submit(address, drafts)
        number, octets = len(drafts), sum(len(each.data) for each in drafts)
        inbound = f"messages.inbound.{by}.messages"
        entries = {f"{inbound}.count": number, f"{inbound}.data": octets}
        if kept := [each for each in drafts if not each.transient]:
            entries["messages.persisted.messages.count"] = len(kept)
            entries["messages.persisted.messages.data"] = sum(len(each.data) for each in kept)
        self._count(grant.app, entries)
        return submitted

    async def _submit(self, address: Address, drafts: Sequence[Draft]) -> asyncio.Future[list[Message]]:
        if address == STREAM or address.channel.startswith(f"[{META}]"):
            raise AblyError(40160, 401, f"On the channel {address.channel[:60]!r} the server alone publishes.")
        if address != CHAT:
            return self._channels.submit(address, *drafts)
        if len(drafts) != 1:
            raise AblyError(40030, 400, f"In the chat one says one thing at a time, not {len(drafts)}.")
        return await self._say(drafts[0])

    async def _say(self, draft: Draft) -> asyncio.Future[list[Message]]:
        """Through the chat's own rules: who speaks, how fast, and what."""
        if not draft.client_id:
            raise AblyError(40161, 401, "In the chat nobody speaks without a client id.")
        if draft.name not in ("", Name.MESSAGE):
            raise AblyError(40003, 400, f"In the chat a message has the name 'message' or none, not {draft.name!r}.")
        try:
            user = await self._chat.people.guest(draft.client_id)
            said = await self._chat.posting.draft(user, _words(draft))
        except ChatError as refused:
            raise _refusal(refused) from refused
        return self._channels.submit(CHAT, replace(said, id=draft.id, connection_id=draft.connection_id))


def _words(draft: Draft) -> str:
    """What is said: a text, or an object with a `body` as the chat's own messages have it. Raises AblyError 40013."""
    try:
        if draft.encoding in ("json", "json/utf-8"):
            document: object = orjson.loads(draft.data)
            words = document.get("body") if isinstance(document, dict) else document
        else:
            words = draft.data.decode() if draft.encoding == "utf-8" else None
    except ValueError:
        words = None
    if not isinstance(words, str):
        raise AblyError(40013, 400, 'In the chat a message is a text, or an object such as {"body": "Hello"}.')
    return words


def _refusal(refused: ChatError) -> AblyError:
    if isinstance(refused, ConnectionRefused):
        return AblyError(40300, 403, str(refused))
    code, wait = refused.code, refused.retry_after if isinstance(refused, MessageRefused) else None
    if code in _WAIT:
        return AblyError(42910, 429, str(refused), details={"retryAfter": round(wait, 1)} if wait else None)
    return AblyError(40300, 403, str(refused))
