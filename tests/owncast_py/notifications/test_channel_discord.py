"""The Discord channel: what is said in the chat room."""

from __future__ import annotations

import orjson
import pytest
from parcels import endpoint, started
from receiver import posting, receiving

from owncast_py.notifications.channels.discord import MAX_CONTENT, Discord, saying
from owncast_py.notifications.errors import TargetRefused


async def test_discord_says_the_message_with_the_title() -> None:
    document = {"message": "I've gone live!", "username": "Tea", "avatarUrl": "https://example.org/logo"}
    async with receiving() as receiver, posting() as poster:
        outcome = await Discord(poster).deliver(endpoint("discord", receiver.url, document=document), started())
    assert outcome.received
    (request,) = receiver.requests
    assert request.headers["content-type"] == "application/json"
    assert orjson.loads(request.body) == {
        "content": "I've gone live!\nGreen tea\nhttps://tea.example",
        "username": "Tea",
        "avatar_url": "https://example.org/logo",
    }


@pytest.mark.parametrize("body", [b"", b"[]", b"no", b'{"eventData":[]}', b'{"eventData":{"streamTitle":7}}'])
def test_discord_says_its_message_whatever_the_event_is(body: bytes) -> None:
    assert saying({"message": "Live"}, body) == {"content": "Live"}
    assert len(saying({"message": "x" * 5000}, body)["content"]) == MAX_CONTENT
    assert saying({}, body)["content"] == "I've gone live!"


async def test_only_the_address_is_checked_and_nobody_asked() -> None:
    async with receiving() as receiver, posting() as poster:
        channel = Discord(poster)
        channel.check(endpoint("discord", "https://discord.com/api/webhooks/1/x", document={"message": 7}))
        with pytest.raises(TargetRefused, match="this machine itself"):
            channel.check(endpoint("discord", receiver.url))
        Discord(poster, allow_private=True).check(endpoint("discord", receiver.url))
        assert await channel.greet(endpoint("discord", receiver.url)) == ""
    assert receiver.requests == []
