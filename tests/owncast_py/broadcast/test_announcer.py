"""The stream's events in the channel `stream`, and the bus that brings them."""

from __future__ import annotations

import asyncio
import json

import pytest
from house import House

from owncast_py.broadcast import announcer as module
from owncast_py.events import Events, StreamStarted, StreamStopped, StreamTitleChanged
from owncast_py.realtime.messages import EPOCH as AT
from owncast_py.realtime.messages import STREAM


async def told(home: House) -> list[tuple[str, str]]:
    """What the channel has by now, oldest first."""
    await home.foundations.channels.settle(STREAM)
    messages = await home.foundations.channels.recent(STREAM, 10)
    return [(message.name, json.loads(message.data)["title"]) for message in messages]


async def test_the_streams_events_are_kept_in_their_channel(home: House) -> None:
    events, now = home.foundations.events, home.clock.now()
    heard: list[object] = []
    home.foundations.channels.broker.subscribe(STREAM, heard.extend)
    events.publish(StreamStarted(now, "One"))
    events.publish(StreamTitleChanged(now, "Two"))
    events.publish(StreamStopped(now, "Two"))
    async with asyncio.timeout(20):
        while len(heard) < 3:
            await home.foundations.channels.settle(STREAM)
    assert await told(home) == [("started", "One"), ("titled", "Two"), ("stopped", "Two")]
    (message, *_) = await home.foundations.channels.recent(STREAM, 1)
    assert json.loads(message.data)["at"] == "2026-03-04T05:06:07Z"


async def test_more_events_than_can_wait_are_left_out_and_logged(
    home: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    events = Events()
    module.Announcer(events, home.foundations.channels)
    for _ in range(3):
        events.publish(StreamStarted(home.clock.now(), "x"))
    assert "stream event not published" in capsys.readouterr().out


def test_a_handler_that_fails_keeps_none_of_the_others_from_hearing() -> None:
    events = Events()
    heard: list[StreamStopped] = []

    def fail(_event: StreamStopped) -> None:
        raise ValueError("broken handler")

    events.subscribe(StreamStopped, fail)
    unsubscribe = events.subscribe(StreamStopped, heard.append)
    event = StreamStopped(AT, "x")
    events.publish(event)
    events.publish(StreamStarted(AT, "x"))
    unsubscribe()
    events.publish(event)
    assert heard == [event]
