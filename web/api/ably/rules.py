"""The channels of the server itself, and how one gets a word in.

Owns the rules of `chat`, where everything that is said goes through the chat's own, and of `stream`, where the server
alone speaks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import orjson

from owncast_py.chat.chat import Chat
from owncast_py.chat.content import Name
from owncast_py.chat.errors import ChatError, ConnectionRefused, MessageRefused
from owncast_py.realtime.messages import CHAT, Draft, Message
from owncast_py.realtime.revocations import Grant
from web.api.ably.errors import AblyError

_WAIT = frozenset({"RATE_LIMITED", "SLOW_MODE", "TIMED_OUT", "NOT_ESTABLISHED"})


class ChatRule:
    """Lets clients of channels say something in the chat, by the names that their client ids are."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    async def __call__(self, grant: Grant, drafts: Sequence[Draft]) -> asyncio.Future[list[Message]]:
        """Says one thing; the future tells what became of it. Raises AblyError for what the chat refuses."""
        if len(drafts) != 1:
            raise AblyError(40030, 400, f"In the chat one says one thing at a time, not {len(drafts)}.")
        [draft] = drafts
        if not draft.client_id:
            raise AblyError(40161, 401, "In the chat nobody speaks without a client id.")
        if draft.name not in ("", Name.MESSAGE):
            raise AblyError(40003, 400, f"In the chat a message has the name 'message' or none, not {draft.name!r}.")
        try:
            user = await self._chat.people.guest(draft.client_id)
            said = await self._chat.posting.draft(user, _words(draft))
        except ChatError as refused:
            raise _refusal(refused) from refused
        return self._chat.channels.submit(CHAT, replace(said, id=draft.id, connection_id=draft.connection_id))


async def nobody(grant: Grant, drafts: Sequence[Draft]) -> asyncio.Future[list[Message]]:
    """The rule of channels where the server alone speaks. Raises AblyError."""
    raise AblyError(40160, 401, "On this channel the server alone publishes.")


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
