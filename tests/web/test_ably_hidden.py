"""What moderators removed from the chat: nobody who comes back, or comes late, gets its data."""

from __future__ import annotations

from pathlib import Path

import pytest
from realtime_wire import channelled

from owncast_py.realtime.messages import CHAT, Action, Draft, serial_at


@pytest.mark.parametrize("how", ["rewind", "resume"])
async def test_a_socket_that_catches_up_gets_no_data_of_what_was_removed(tmp_path: Path, how: str) -> None:
    async with channelled(tmp_path) as server:
        channels = server.home.foundations.channels
        drafts = [Draft("message", text.encode(), "utf-8", client_id="ann") for text in ("rude", "kind")]
        rude, _ = await channels.publish(CHAT, *drafts)
        await channels.revise(CHAT, [rude.serial], Action.DELETE)
        before = serial_at(int(rude.serial[:13]) - 1)
        more: dict[str, object] = {"params": {"rewind": "10"}} if how == "rewind" else {"channelSerial": before}
        async with server.client() as client:
            await client.attach("chat", **more)
            assert await client.hears("chat", 2) == ["kind", None]
            # And elsewhere a version before the last one is no secret.
            await client.attach("game")
            await client.publish("game", {"data": "one"})
            assert await client.hears("game", 1) == ["one"]
