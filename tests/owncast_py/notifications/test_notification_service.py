"""How notifications end, and what endpoints can be and become."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from house import Clock
from receiver import (
    PATIENCE,
    QUICK,
    Channel,
    Post,
    all_ids,
    always,
    hook,
    listened,
    numbered,
    opened,
    pending,
    queue,
    quiet,
    recorded,
    rows,
    states,
    tried,
    until,
)
from structlog.testing import capture_logs

from owncast_py.errors import StorageError
from owncast_py.notifications import directory, endpoints, ledger, service
from owncast_py.notifications.channels import Outcome
from owncast_py.notifications.errors import NotificationError, QueueFull, TooLong
from owncast_py.notifications.model import Endpoint, Parcel
from owncast_py.notifications.schedule import LIFETIME, Schedule
from owncast_py.storage import subscriptions as repository

# Ends.


async def test_what_nobody_took_in_four_days_expires(address: str, clock: Clock) -> None:
    channel = Channel(always(Outcome(error="no")))
    async with opened(address, channel, clock=clock, schedule=Schedule()) as post:
        endpoint = await hook(post)
        await queue(post, "CHAT", numbered(2500))
        await until(lambda: recorded(post, 5))
        await until(lambda: post.notifications._backlog.total == 2500)
        clock.turn(LIFETIME.total_seconds() - 60)
        await post.notifications.tidy()
        assert await states(post, endpoint) == {"pending": 2500}
        clock.turn(120)
        await post.notifications.tidy()
        assert await states(post, endpoint) == {"expired": 2500}
        said = (await tried(post, (await all_ids(post))[-1]))[-1]
        assert said.error == "Its endpoint did not take it within 96 hours."
        assert post.notifications._backlog.total == 0
        clock.turn(timedelta(days=89).total_seconds())
        await post.notifications.tidy()
        assert (await rows(post))[1] == 2500
        clock.turn(timedelta(days=2).total_seconds())
        await post.notifications.tidy()
        assert await rows(post) == (0, 0, 0)


async def test_a_server_that_was_away_too_long_sends_nothing_stale(address: str, clock: Clock) -> None:
    channel = Channel(always(Outcome(error="no")))
    async with opened(address, channel, clock=clock) as post:
        endpoint = await hook(post)
        await queue(post, "CHAT", numbered(30))
        await until(lambda: recorded(post, 5))
    clock.turn(LIFETIME.total_seconds() + 1)
    channel = Channel()
    async with opened(address, channel, clock=clock) as post:
        await quiet(post)
        assert await states(post, endpoint) == {"expired": 30}
        assert channel.delivered == []


async def test_what_was_received_is_deleted_after_a_month(address: str, clock: Clock) -> None:
    async with opened(address, Channel(), clock=clock) as post:
        await hook(post)
        await queue(post, "CHAT", [b"old"])
        await quiet(post)
        clock.turn(timedelta(days=29).total_seconds())
        await queue(post, "CHAT", [b"new"])
        await quiet(post)
        await post.notifications.tidy()
        assert await rows(post) == (2, 2, 2)
        clock.turn(timedelta(days=2).total_seconds())
        await post.notifications.tidy()
        assert await rows(post) == (1, 1, 1)


# Endpoints.


async def test_endpoints_outlive_a_restart(address: str) -> None:
    async with opened(address, Channel()) as post:
        made = await post.notifications.endpoints.create("webhook", "https://a.example/", {"a": [1]}, ["B", "A", "B"])
        other = await hook(post)
        changed = await post.notifications.endpoints.update(
            other.id, url="https://b.example/", document={"b": 2}, topics=["CHAT", "C"], active=False
        )
        before = post.notifications.endpoints.listing("webhook")
    assert [topics for _, topics in before] == [("B", "A"), ("CHAT", "C")]
    assert (changed.url, changed.document, changed.active) == ("https://b.example/", {"b": 2}, False)
    async with opened(address, Channel()) as post:
        after = post.notifications.endpoints.listing("webhook")
        assert [endpoint.id for endpoint, _ in after] == [made.id, other.id]
        assert [(each.url, each.document, topics) for each, topics in after] == [
            (each.url, each.document, topics) for each, topics in before
        ]
        assert (post.notifications.wants("A"), post.notifications.wants("C")) == (True, False)


async def test_what_waits_for_an_inactive_endpoint_goes_on_when_it_is_active_again(address: str) -> None:
    channel = Channel(always(Outcome(error="no")))
    async with opened(address, channel, schedule=Schedule(), probes=(1000.0,)) as post:
        endpoint = await hook(post)
        await queue(post, "CHAT", numbered(20))
        await until(lambda: recorded(post, 5))
        await post.notifications.endpoints.update(endpoint.id, active=False)
        await queue(post, "CHAT", [b"not for it"])
        channel.answer = None
        await post.notifications.endpoints.update(endpoint.id, active=True)
        await quiet(post)
        assert set(channel.to(endpoint)) == set(numbered(20))


async def test_a_topic_that_is_no_longer_wanted(address: str) -> None:
    channel = Channel(always(Outcome(error="no")))
    async with opened(address, channel, probes=(1000.0,)) as post:
        endpoint = await hook(post, "https://example.org/", "CHAT", "STREAM_STARTED")
        await queue(post, "CHAT", numbered(1500))
        await queue(post, "STREAM_STARTED", [b"live"])
        await until(lambda: recorded(post, 5))
        await post.notifications.endpoints.update(endpoint.id, topics=["STREAM_STARTED"])
        assert await pending(post) == 1
        assert post.notifications._backlog.total == 1
        await queue(post, "CHAT", [b"nobody"])
        channel.answer = None
        await post.notifications.endpoints.update(endpoint.id, url="https://new.example/")
        await quiet(post)
        assert channel.delivered[-1][2] == b"live"


async def test_a_deleted_endpoint_leaves_nothing(address: str) -> None:
    hanging = asyncio.Event()

    async def hang(endpoint: Endpoint, parcel: Parcel) -> Outcome:
        hanging.set()
        await asyncio.Event().wait()
        return Outcome()

    channel = Channel(hang)
    async with opened(address, channel) as post:
        endpoint = await hook(post)
        await queue(post, "CHAT", numbered(1500))
        async with asyncio.timeout(PATIENCE):
            await hanging.wait()
            assert await post.notifications.endpoints.delete(endpoint.id)
        assert not await post.notifications.endpoints.delete(endpoint.id)
        assert (await rows(post))[1:] == (0, 0)
        assert post.notifications.endpoints.listing("webhook") == []
        assert post.notifications._backlog.total == 0
        assert not post.notifications.wants("CHAT")
        await queue(post, "CHAT", [b"nobody"])


async def test_deleting_while_events_come(address: str) -> None:
    async with opened(address, Channel()) as post:
        stop = False

        async def recording() -> None:
            while not stop:
                await queue(post, "CHAT", numbered(5))

        noise = asyncio.create_task(recording())
        for _ in range(10):
            endpoint = await hook(post)
            await until(lambda endpoint=endpoint: states_seen(post, endpoint))  # type: ignore[misc]
            await post.notifications.endpoints.delete(endpoint.id)
        stop = True
        await noise
        await quiet(post)
        assert post.notifications._backlog.total == 0


async def states_seen(post: Post, endpoint: Endpoint) -> bool:
    return bool(await states(post, endpoint))


async def test_what_cannot_be_an_endpoint(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(address, Channel()) as post:
        create = post.notifications.endpoints.create
        with pytest.raises(NotificationError, match="no delivery channel 'pigeon'; there are: webhook"):
            await create("pigeon", "https://example.org/", {}, [])
        with pytest.raises(NotificationError, match="2049 characters"):
            await create("webhook", "x" * 2049, {}, [])
        with pytest.raises(NotificationError, match="not JSON"):
            await create("webhook", "https://example.org/", {"a": object()}, [])
        with pytest.raises(NotificationError, match="octets"):
            await create("webhook", "https://example.org/", {"a": "x" * endpoints.MAX_DOCUMENT}, [])
        with pytest.raises(NotificationError, match="name cannot be 'xxx"):
            await create("webhook", "https://example.org/", {}, ["x" * 201])
        with pytest.raises(NotificationError, match="name cannot be ''"):
            await create("webhook", "https://example.org/", {}, [""])
        with pytest.raises(NotificationError, match="no endpoint with the id 'end_0'"):
            await post.notifications.endpoints.update("end_0", active=True)
        monkeypatch.setattr(directory, "MAX_ENDPOINTS", 1)
        await hook(post)
        with pytest.raises(NotificationError, match="There are 1 endpoints"):
            await hook(post)
        monkeypatch.setattr(directory, "MAX_TOPICS", 2)
        endpoint = post.notifications.endpoints.listing("webhook")[0][0]
        with pytest.raises(NotificationError, match="There are 2 topics"):
            await post.notifications.endpoints.update(endpoint.id, topics=["CHAT", "A", "B"])
        assert post.notifications.endpoints.listing("webhook")[0][1] == ("CHAT",)


async def test_a_change_that_the_database_refuses_changes_nothing(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise StorageError("The disk is full.")

    async with opened(address, Channel()) as post:
        endpoint = await hook(post)
        monkeypatch.setattr(repository, "replace_endpoint", refuse)
        with pytest.raises(StorageError):
            await post.notifications.endpoints.update(endpoint.id, topics=["A"], active=False)
        assert post.notifications.endpoints.listing("webhook") == [(endpoint, ("CHAT",))]
        assert post.notifications.wants("CHAT")


async def test_a_full_queue_takes_nothing_more(address: str, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "MAX_PENDING_OF_ENDPOINT", 10)
    channel = Channel(always(Outcome(error="no")))
    async with opened(address, channel, clock=clock, schedule=QUICK) as post:
        full = await hook(post)
        await queue(post, "CHAT", numbered(10))
        await until(lambda: post.notifications._backlog.of(full.id) == 10)
        empty = await hook(post)
        theirs = await listened(post)
        for number in range(10):
            await post.notifications.publish(theirs.subscription.topic_id, b"%d" % number)
        with pytest.raises(QueueFull, match=f"for endpoint {theirs.endpoint.id}, which is the most"):
            await post.notifications.publish(theirs.subscription.topic_id, b"refused")
        assert await pending(post, theirs.endpoint) == 10
        with capture_logs() as logged:
            for _ in range(5):
                await queue(post, "CHAT", [b"for the other"])
            clock.turn(61)
            await queue(post, "CHAT", [b"for the other"])
        assert [line["endpoint"] for line in logged if line["event"] == "an event is not queued"] == [full.id] * 2
        assert await pending(post, full) == 10
        await until(lambda: post.notifications._backlog.of(empty.id) == 6)
        (lane, *_) = post.notifications.shelves.lanes()
        assert (lane.endpoint.id, lane.pending, lane.left_out) == (full.id, 10, 6)
        monkeypatch.setattr(directory, "MAX_PENDING", 26)
        free = await listened(post, url="https://b.example/")
        with pytest.raises(QueueFull, match="26 notifications wait already"):
            await post.notifications.publish(free.subscription.topic_id, b"refused")
    monkeypatch.undo()
    async with opened(address, channel, clock=clock) as post:
        assert post.notifications._backlog.of(full.id) == 10


async def test_a_body_that_is_too_long(address: str) -> None:
    body = b"x" * (service.MAX_BODY + 1)
    async with opened(address, Channel()) as post:
        await hook(post)
        mine = await listened(post)
        with pytest.raises(TooLong, match="octets; send at most"):
            await post.notifications.publish(mine.subscription.topic_id, body)
        with capture_logs() as logged:
            await queue(post, "CHAT", [body, b"short"])
        assert "an event is too long to be sent" in [line["event"] for line in logged]
        await quiet(post)
        assert (await rows(post))[0] == 1


async def test_large_bodies_take_turns_in_memory(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MAX_BODIES", 300_000)
    channel = Channel()
    async with opened(address, channel) as post:
        await hook(post)
        await hook(post)
        await queue(post, "CHAT", [bytes([number]) * 100_000 for number in range(30)])
        await quiet(post)
        assert len(channel.delivered) == 60
        assert post.notifications._lanes._messages._size <= 300_000
