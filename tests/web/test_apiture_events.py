"""The delivery API's Server-Sent Events: where they begin, what they carry, and how they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from apiture_wire import PATIENCE, Office, office
from house import ADMIN
from structlog.testing import capture_logs

from web.api.apiture import events


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path) as opened:
        yield opened


@dataclass
class Stream:
    """A reader of one stream."""

    response: aiohttp.ClientResponse

    async def frame(self) -> dict[str, str]:
        """The next frame, by its fields; a comment is the field without a name."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE):
            while line := (await self.response.content.readline()).decode().rstrip("\n"):
                name, _, value = line.partition(": ")
                fields[name] = f"{fields[name]}\n{value}" if name in fields else value
        return fields

    async def event(self) -> dict[str, str]:
        """The next that is no comment."""
        while "id" not in (found := await self.frame()):
            assert found, "the stream ended"
        return found


@asynccontextmanager
async def reading(
    desk: Office, subscription: str, query: str = "", headers: dict[str, str] | None = None
) -> AsyncIterator[Stream]:
    address = f"{desk.origin}/notifications/subscriptions/{subscription}/events{query}"
    async with desk.session.get(address, headers=ADMIN | (headers or {})) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        stream = Stream(response)
        assert await stream.frame() == {"retry": "3000"}
        yield stream


async def test_what_waits_to_be_pulled_comes_first_and_then_what_is_new(desk: Office) -> None:
    topic = await desk.topic("Tea")
    subscription = await desk.subscribed(topic)
    await desk.publish(topic, 1, 2)
    waiting = (await desk.get("/pullNotifications")).ids
    await desk.done("POST", f"/receivedNotifications?notification={waiting[0]}")
    async with reading(desk, subscription) as stream:
        assert await stream.event() == {"id": waiting[1], "event": "Tea", "data": '{"number":2}'}
        await desk.publish(topic, 3)
        assert (await stream.event())["data"] == '{"number":3}'
    # They were not acknowledged by that.
    assert (await desk.get("/pullNotifications")).body["count"] == 2


async def test_a_stream_goes_on_after_the_event_that_is_named(desk: Office) -> None:
    topic = await desk.topic()
    subscription = await desk.subscribed(topic)
    await desk.publish(topic, 1, 2, 3)
    ids = (await desk.get("/pullNotifications")).ids
    async with reading(desk, subscription, headers={"Last-Event-ID": ids[1]}) as stream:
        assert (await stream.event())["id"] == ids[2]
    async with reading(desk, subscription, f"?lastEventId={ids[0]}") as stream:
        assert [(await stream.event())["id"] for _ in range(2)] == ids[1:]
    # More than are read at once.
    await desk.publish(topic, *range(events.BATCH + 20))
    async with reading(desk, subscription, f"?lastEventId={ids[2]}") as stream:
        numbers = [(await stream.event())["data"] for _ in range(events.BATCH + 20)]
    assert numbers == [f'{{"number":{number}}}' for number in range(events.BATCH + 20)]


async def test_of_what_is_pushed_the_new_is_streamed(desk: Office) -> None:
    topic = await desk.topic()
    subscription = await desk.subscribed(topic, "push")
    await desk.publish(topic, 1)
    (former,) = (await desk.lying("/receivedNotifications", 1)).ids
    async with reading(desk, subscription) as stream:
        await desk.publish(topic, 2)
        assert (await stream.event())["data"] == '{"number":2}'
    async with reading(desk, subscription, f"?lastEventId={former}") as stream:
        assert (await stream.event())["data"] == '{"number":2}'


async def test_a_quiet_stream_is_kept_alive(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.01)
    subscription = await desk.subscribed(await desk.topic())
    async with reading(desk, subscription) as stream:
        assert await stream.frame() == {"": "still here"}
        assert await stream.frame() == {"": "still here"}


async def test_a_stream_ends_with_its_subscription_and_with_the_server(desk: Office) -> None:
    topic = await desk.topic()
    first, second = await desk.subscribed(topic), await desk.subscribed(topic)
    async with reading(desk, first) as one, reading(desk, second) as two:
        await desk.publish(topic, 1)
        await one.event()
        await two.event()
        await desk.done("DELETE", f"/subscriptions/{first}", status=204)
        await desk.application.shutdown()
        assert await one.frame() == {}
        assert await two.frame() == {}
        assert one.response.content.at_eof()
        assert two.response.content.at_eof()


async def test_a_stream_ends_when_its_token_is_taken_away(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.01)
    subscription = await desk.subscribed(await desk.topic())
    user, token = await desk.accounts.create_bot("Robot", ["data/read"])
    async with reading(desk, subscription, headers={"Authorization": f"Bearer {token}"}) as stream:
        await stream.frame()
        await desk.accounts.set_enabled(user.id, enabled=False)
        while await stream.frame():
            pass
        assert stream.response.content.at_eof()


async def test_streams_are_bounded(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_STREAMS", 1)
    subscription = await desk.subscribed(await desk.topic())
    path = f"/subscriptions/{subscription}/events"
    async with reading(desk, subscription):
        found = await desk.refused("GET", path, status=503, kind="serverBusy")
        assert found.headers["Retry-After"] == "30"
    async with asyncio.timeout(PATIENCE):
        await desk.application.shutdown()


async def test_a_reader_that_takes_nothing_is_dropped(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "SLOW_SECONDS", 0.05)
    topic = await desk.topic()
    subscription = await desk.subscribed(topic)
    body = b'{"a":"' + b"x" * 200_000 + b'"}'
    for _ in range(60):
        await desk.notifications.publish(topic.id, body)
    _reader, writer = await asyncio.open_connection("127.0.0.1", desk.server.port, limit=2**10)
    request = f"GET /notifications/subscriptions/{subscription}/events HTTP/1.1\r\nHost: x\r\n"
    authorization = f"Authorization: {ADMIN['Authorization']}\r\n\r\n"
    with capture_logs() as logs:
        writer.write((request + authorization).encode())
        async with asyncio.timeout(PATIENCE):
            while not any(entry["event"] == "events closed: the reader stalled" for entry in logs):
                await asyncio.sleep(0)
    writer.close()


async def test_streams_that_cannot_be(desk: Office) -> None:
    subscription = await desk.subscribed(await desk.topic())
    await desk.refused("GET", "/subscriptions/nobody/events", status=404, kind="resourceNotFound")
    wrong = {"Last-Event-ID": "yesterday"}
    path = f"/subscriptions/{subscription}/events"
    await desk.refused("GET", path, status=422, kind="referenceInvalid", headers=wrong)
    head = await desk.done("HEAD", path)
    assert head.headers["Content-Type"] == "text/event-stream"


async def test_events_about_others_are_not_streamed(desk: Office) -> None:
    topic = await desk.topic()
    subscription = await desk.subscribed(topic)
    token, subscriber = await desk.token("data/read")
    await desk.publish(topic, 1, entity="urn:owncast:user:somebody")
    await desk.publish(topic, 2, entity=subscriber)
    await desk.publish(topic, 3)
    headers = {"Authorization": f"Bearer {token}"}
    async with reading(desk, subscription, headers=headers) as stream:
        assert [(await stream.event())["data"] for _ in range(2)] == ['{"number":2}', '{"number":3}']


async def test_a_token_that_is_taken_away_ends_what_waits_for_it(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 3_600.0)
    subscription = await desk.subscribed(await desk.topic())
    (gone, _), (kept, _) = await desk.token("data/read"), await desk.token("data/read")
    headers = {"Authorization": f"Bearer {gone}"}
    async with reading(desk, subscription, headers=headers) as stream, asyncio.timeout(PATIENCE):
        pull = f"/pullNotifications?subscription={subscription}&wait="
        other = asyncio.create_task(desk.get(pull + "2", key=kept))
        long = asyncio.create_task(desk.refused("GET", pull + "30", status=401, kind="credentialsRequired", key=gone))
        while not _waiting(3):
            await asyncio.sleep(0)
        assert await desk.accounts.revoke_bot(gone)
        await long
        assert await stream.response.content.read() in (b"", b": still here\n\n")
        assert (await other).ids == []


def _waiting(number: int) -> bool:
    """Whether so many requests wait."""
    return sum(task.get_name() == "notifications: a request waits" for task in asyncio.all_tasks()) >= number
