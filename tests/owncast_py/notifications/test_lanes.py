"""Delivery from the queue: tries, lanes that do not disturb each other, restarts and trouble with the database."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from house import Clock
from receiver import (
    PATIENCE,
    Channel,
    Post,
    all_ids,
    always,
    answering,
    hook,
    now,
    numbered,
    opened,
    pending,
    queue,
    quiet,
    receiving,
    recorded,
    rows,
    states,
    tried,
    until,
)
from sqlalchemy import select

from owncast_py.errors import StorageError
from owncast_py.notifications import endpoints, lanes, ledger, tries
from owncast_py.notifications.channels import Outcome
from owncast_py.notifications.model import Endpoint, Parcel
from owncast_py.notifications.schedule import Schedule
from owncast_py.storage import notifications as repository
from owncast_py.storage.tables import notifications as table

# Delivery.


async def test_an_event_goes_to_whoever_wants_it(address: str) -> None:
    async with receiving() as one, receiving() as other, opened(address) as post:
        first = await hook(post, one.url, "CHAT", "STREAM_STARTED")
        second = await hook(post, other.url, "CHAT")
        assert (post.notifications.wants("CHAT"), post.notifications.wants("USER_JOINED")) == (True, False)
        await queue(post, "CHAT", [b'"hello"'])
        await queue(post, "STREAM_STARTED", [b'"live"'])
        await queue(post, "USER_JOINED", [b'"nobody listens"'])
        await quiet(post)
        assert one.bodies == {b'"hello"', b'"live"'}
        assert other.bodies == {b'"hello"'}
        assert await rows(post) == (2, 3, 3)
        (attempt,) = await tried(post, other.ids[0])
        assert (attempt.status, attempt.error) == (204, "")
        listed = post.notifications.endpoints.listing("webhook")
        assert [(endpoint.id, topics) for endpoint, topics in listed] == [
            (first.id, ("CHAT", "STREAM_STARTED")),
            (second.id, ("CHAT",)),
        ]
        assert all(endpoint.last_used_at for endpoint, _ in listed)
        assert post.notifications.endpoints.listing("discord") == []


async def test_a_failed_delivery_is_tried_again_with_the_same_id(address: str) -> None:
    async with receiving(answering(500, b"not now")) as receiver, opened(address) as post:
        endpoint = await hook(post, receiver.url)
        await queue(post, "CHAT", [b"1"])
        await until(lambda: len(receiver.requests) >= 3)
        receiver.manner = answering(200, b"now")
        await quiet(post)
        assert len(set(receiver.ids)) == 1
        attempts = await tried(post, receiver.ids[0])
        assert [attempt.status for attempt in attempts] == [500] * (len(receiver.ids) - 1) + [200]
        assert (attempts[0].answer, attempts[0].error[-13:], attempts[-1].answer) == ("not now", "answered 500.", "now")
        assert await states(post, endpoint) == {"received": 1}


async def test_tries_keep_to_the_schedule(address: str, clock: Clock) -> None:
    channel = Channel(always(Outcome(status=500, error="no")))
    async with opened(address, channel, clock=clock, schedule=Schedule()) as post:
        endpoint = await hook(post)
        await queue(post, "CHAT", [b"first"])
        for tries, seconds in ((1, 5), (2, 300), (3, 1800)):
            await until(lambda tries=tries: len(channel.to(endpoint)) == tries)  # type: ignore[misc]
            await until(lambda tries=tries: recorded(post, tries))  # type: ignore[misc]
            clock.turn(seconds * 1.11)
            await post.notifications.endpoints.update(endpoint.id, document={"tries": tries})
        await until(lambda: len(channel.to(endpoint)) == 4)
        await until(lambda: recorded(post, 4))


async def test_a_dead_target_is_only_probed_and_gets_everything_once_it_is_back(address: str) -> None:
    async with receiving(answering(502)) as dead, receiving() as alive, opened(address) as post:
        endpoint = await hook(post, dead.url, "CHAT")
        await hook(post, alive.url, "CHAT")
        await queue(post, "CHAT", numbered(1000))
        await until(lambda: len(alive.bodies) == 1000)
        await until(lambda: len(dead.requests) >= 12)
        assert len(dead.requests) < 200
        assert await pending(post, endpoint) == 1000
        dead.requests.clear()
        dead.manner = answering(204)
        await quiet(post)
        assert dead.bodies == set(numbered(1000))
        # Probing did not use tries up: those before the lane went down count, and the one that went through.
        async with post.database.reading() as connection:
            tries = [row.tries for row in await connection.execute(select(table.c.tries))]
        assert max(tries) <= 6


async def test_probes_are_kept_only_in_part(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "MAX_ATTEMPTS_KEPT", 3)
    monkeypatch.setattr(tries, "TRIMMED", 1.0)
    channel = Channel(always(Outcome(error="no")))
    async with opened(address, channel, probes=(0.001,)) as post:
        await hook(post)
        await queue(post, "CHAT", [b"1"])
        await until(lambda: len(channel.delivered) >= 20)
        (notification_id,) = await all_ids(post)
        await until(lambda: trimmed(post, notification_id))


async def trimmed(post: Post, notification_id: str) -> bool:
    return len(await tried(post, notification_id)) == 3


async def test_what_a_target_never_takes_does_not_hold_up_the_rest(address: str) -> None:
    async def picky(endpoint: Endpoint, parcel: Parcel) -> Outcome:
        return Outcome(status=400, error="no") if parcel.body.startswith(b"bad") else Outcome(status=200)

    channel = Channel(picky)
    async with opened(address, channel) as post:
        endpoint = await hook(post)
        await queue(post, "CHAT", [b"bad%d" % number for number in range(20)] + numbered(200))
        await until(lambda: set(numbered(200)) <= set(channel.to(endpoint)))
        assert await pending(post) >= 20


async def test_a_slow_lane_delays_no_other(address: str) -> None:
    async with receiving() as receiver, opened(address) as post:
        receiver.manner = receiver.hang
        for _ in range(lanes.MAX_FLYING_OF_DOUBTFUL - 1):
            await hook(post, receiver.url, "CHAT")
        async with receiving() as quick:
            await hook(post, quick.url, "CHAT")
            await queue(post, "CHAT", numbered(300))
            await until(lambda: len(quick.bodies) == 300)
            assert len(receiver.requests) <= lanes.MAX_FLYING_OF_DOUBTFUL
        receiver.over.set()


async def test_many_silent_endpoints_slow_only_each_other(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MAX_UNSETTLED", lanes.MAX_FLYING_OF_DOUBTFUL + 8)
    monkeypatch.setattr(lanes, "CLOSE_SECONDS", 0.05)

    async def answer(endpoint: Endpoint, parcel: Parcel) -> Outcome:
        if endpoint.url == "https://silent.example/":
            await asyncio.Event().wait()
        return Outcome(status=200)

    channel = Channel(answer)
    async with opened(address, channel) as post:
        proven = await hook(post, "https://quick.example/", "CHAT")
        await queue(post, "CHAT", [b"to prove itself"])
        await quiet(post)
        silent = [await hook(post, "https://silent.example/", "CHAT") for _ in range(60)]
        await queue(post, "CHAT", numbered(200))
        await until(lambda: len(channel.to(proven)) == 201)
        assert sum(len(channel.to(endpoint)) for endpoint in silent) <= lanes.MAX_FLYING_OF_DOUBTFUL


async def test_so_many_at_once_and_no_more(address: str) -> None:
    under_way: Counter[str] = Counter()
    most: Counter[str] = Counter()
    enough, released = asyncio.Event(), asyncio.Event()

    async def held(endpoint: Endpoint, parcel: Parcel) -> Outcome:
        under_way[endpoint.id] += 1
        most[endpoint.id] = max(most[endpoint.id], under_way[endpoint.id])
        most["all"] = max(most["all"], under_way.total())
        if under_way.total() == lanes.MAX_FLYING:
            enough.set()
        await released.wait()
        under_way[endpoint.id] -= 1
        return Outcome(status=200)

    channel = Channel()
    async with opened(address, channel) as post:
        endpoints = [await hook(post) for _ in range(30)]
        await queue(post, "CHAT", [b"to prove themselves"])
        await quiet(post)
        channel.answer = held
        await queue(post, "CHAT", numbered(10))
        async with asyncio.timeout(PATIENCE):
            await enough.wait()
        released.set()
        await quiet(post)
    assert max(most[endpoint.id] for endpoint in endpoints) == 4
    assert most["all"] == lanes.MAX_FLYING


async def test_who_asks_for_a_pause_gets_one(address: str, clock: Clock) -> None:
    channel = Channel(always(Outcome(status=429, error="slow down", retry_after=100.0)))
    async with opened(address, channel, clock=clock) as post:
        endpoint = await hook(post)
        await queue(post, "CHAT", numbered(10))
        await until(lambda: recorded(post, 1))
        channel.answer = None
        await queue(post, "CHAT", [b"10"])
        await until(lambda: post.notifications._backlog.of(endpoint.id) == 11)
        assert len(channel.delivered) == 1
        clock.turn(111)
        await queue(post, "CHAT", [b"11"])
        await quiet(post)
        assert set(channel.to(endpoint)) == set(numbered(12))


async def test_who_is_gone_is_switched_off(address: str) -> None:
    async with receiving(answering(410)) as receiver, opened(address) as post:
        endpoint = await hook(post, receiver.url)
        await queue(post, "CHAT", numbered(50))
        await quiet(post)
        assert await states(post, endpoint) == {"failed": 50}
        assert len(receiver.requests) == 1
        assert not post.notifications.wants("CHAT")
        (listed,) = post.notifications.endpoints.listing("webhook")
        assert not listed[0].active
        (said,) = await tried(post, (await all_ids(post))[-1])
        assert said.error == endpoints.GONE
        assert post.notifications._backlog.total == 0
    async with opened(address) as post:
        assert not post.notifications.wants("CHAT")


async def test_a_channel_that_fails_is_a_failed_try(address: str) -> None:
    async def broken(endpoint: Endpoint, parcel: Parcel) -> Outcome:
        raise RuntimeError("a fault of ours")

    channel = Channel(broken)
    async with opened(address, channel) as post:
        await hook(post)
        await queue(post, "CHAT", [b"1"])
        await until(lambda: len(channel.delivered) >= 2)
        channel.answer = None
        await quiet(post)


# Restarts and trouble.


async def test_what_waits_goes_on_after_a_restart(address: str) -> None:
    channel = Channel(always(Outcome(error="no")))
    async with opened(address, channel) as post:
        await hook(post)
        await queue(post, "CHAT", numbered(300))
        await until(lambda: len(channel.delivered) >= 5)
        waiting = await all_ids(post)
    later = Channel()
    async with opened(address, later) as post:
        await quiet(post)
        assert {notification for _, notification, _ in later.delivered} == set(waiting)
        assert len(later.delivered) == 300
        await queue(post, "CHAT", [b"more"])
        await quiet(post)
        assert later.delivered[-1][1] > max(waiting)


async def test_what_was_sent_but_not_written_down_is_sent_again_with_the_same_id(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise StorageError("The disk is full.")

    channel = Channel()
    with monkeypatch.context() as patched:
        patched.setattr(repository, "settle", refuse)
        patched.setattr(lanes, "CLOSE_SECONDS", 0.05)
        async with opened(address, channel) as post:
            await hook(post)
            await queue(post, "CHAT", numbered(3))
            await until(lambda: len(channel.delivered) == 3)
    async with opened(address, channel) as post:
        await quiet(post)
    assert Counter(notification for _, notification, _ in channel.delivered).most_common() == [
        (notification, 2) for notification in dict.fromkeys(each for _, each, _ in channel.delivered)
    ]


async def test_a_database_that_refuses_for_a_while_costs_nothing(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settle = repository.settle
    refused: list[object] = []

    async def moody(connection: object, verdicts: object) -> object:
        if len(refused) < 3:
            refused.append(verdicts)
            raise StorageError("The disk is full.")
        return await settle(connection, verdicts)  # type: ignore[arg-type]

    monkeypatch.setattr(repository, "settle", moody)
    monkeypatch.setattr(ledger, "TROUBLE_SECONDS", 0.01)
    channel = Channel()
    async with opened(address, channel) as post:
        await hook(post)
        await queue(post, "CHAT", numbered(20))
        await quiet(post)
        assert sorted(body for _, _, body in channel.delivered) == sorted(numbered(20))


async def test_a_queue_that_cannot_be_read_for_a_while(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    page = repository.page
    refused: list[object] = []

    async def moody(*given: object, **named: object) -> object:
        if len(refused) < 3:
            refused.append(given)
            raise StorageError("Try again later.")
        return await page(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(repository, "page", moody)
    monkeypatch.setattr(lanes, "TROUBLE_SECONDS", 0.01)
    async with opened(address, Channel()) as post:
        await hook(post)
        await queue(post, "CHAT", [b"1"])
        await quiet(post)
        assert len(refused) == 3


async def test_the_end_waits_a_little_for_what_is_under_way_and_leaves_nothing_running(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "CLOSE_SECONDS", 0.05)

    async def hang(endpoint: Endpoint, parcel: Parcel) -> Outcome:
        await asyncio.Event().wait()
        return Outcome()

    channel = Channel(hang)
    before = asyncio.all_tasks()
    async with opened(address, channel) as post:
        await hook(post)
        await hook(post)
        await queue(post, "CHAT", numbered(10))
        await until(lambda: len(channel.delivered) == 2)
        async with asyncio.timeout(PATIENCE):
            await post.notifications.aclose()
    assert asyncio.all_tasks() == before
    channel.answer = None
    async with opened(address, channel) as post:
        await quiet(post)
        assert len(channel.delivered) == 22


async def test_a_transaction_that_fails_records_nothing(address: str) -> None:
    channel = Channel()
    async with opened(address, channel) as post:
        await hook(post)

        async def work(connection: object) -> None:
            await post.notifications.record(connection, [("CHAT", now(), b"never")])  # type: ignore[arg-type]
            raise StorageError("What it was recorded with failed.")

        with pytest.raises(StorageError):
            await post.database.write(work)
        await queue(post, "CHAT", [b"after"])
        await quiet(post)
        assert [body for _, _, body in channel.delivered] == [b"after"]
        assert (await rows(post))[0] == 1
