"""What lies where: pulling and acknowledging, dead letters that are delivered again, order, and who may have what."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from house import Clock
from receiver import (
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
    states,
    tried,
    until,
)

from owncast_py.notifications import directory, shelves
from owncast_py.notifications.channels import Outcome
from owncast_py.notifications.errors import Changed, NotificationError, QueueFull
from owncast_py.notifications.listing import Listing
from owncast_py.notifications.model import Endpoint, Method, Parcel, Shelf, State
from owncast_py.notifications.schedule import LIFETIME, Schedule
from owncast_py.notifications.subscribing import Subscribed, Wanted


async def pulled(post: Post, subscribed: Subscribed) -> list[bytes]:
    """What waits to be pulled, oldest first."""
    page = await post.notifications.shelves.notifications(
        [Shelf.PULL], Listing(), subscription_id=subscribed.subscription.id
    )
    assert page.count == len(page.items)
    return [each.body for each in page.items]


async def publish(post: Post, to: Subscribed, *bodies: bytes, entity: str = "") -> None:
    for body in bodies:
        await post.notifications.publish(to.subscription.topic_id, body, entity)


# Pulling.


async def test_what_is_pulled_stays_until_it_is_acknowledged_also_over_a_restart(address: str, clock: Clock) -> None:
    async with opened(address, Channel(), clock=clock) as post:
        mine = await listened(post, method=Method.PULL, channel="desk")
        await publish(post, mine, b"1", b"2", b"3")
        assert await pulled(post, mine) == [b"1", b"2", b"3"]
    clock.turn(LIFETIME.total_seconds() * 3)
    async with opened(address, Channel(), clock=clock) as post:
        await post.notifications.tidy()
        assert await pulled(post, mine) == [b"1", b"2", b"3"]
        ids = await all_ids(post)
        for _ in range(2):
            found = await post.notifications.shelves.acknowledge(ids[1])
            assert found is not None
            assert (found.notification.state, found.body, found.channel) == (State.RECEIVED, b"2", "desk")
        assert await pulled(post, mine) == [b"1", b"3"]
        assert post.notifications._backlog.total == 2
        assert await post.notifications.shelves.acknowledge_through(mine.subscription.id, ids[2]) == 2
        assert await pulled(post, mine) == []
        assert post.notifications._backlog.total == 0
        (lane,) = post.notifications.shelves.lanes()
        assert lane.endpoint.last_used_at == clock.now()
    async with opened(address, Channel(), clock=clock) as post:
        assert await pulled(post, mine) == []
        assert await states(post, mine.endpoint) == {"received": 3}


async def test_who_waits_is_woken_by_what_they_wait_for(address: str) -> None:
    async with opened(address, Channel()) as post:
        wait = post.notifications.shelves.arrival
        mine = await listened(post, method=Method.PULL)
        pushed = await listened(post, url="https://b.example/")
        assert not await wait(None, 0)
        of_mine, of_any, of_pushed = (
            asyncio.ensure_future(wait(ids, 30)) for ids in ([mine.endpoint.id], None, {pushed.endpoint.id})
        )
        await asyncio.sleep(0)
        await publish(post, pushed, b"1")
        assert await of_pushed
        assert not of_mine.done()
        assert not of_any.done()
        await publish(post, mine, b"2")
        assert await asyncio.gather(of_mine, of_any) == [True, True]


async def test_not_too_many_wait(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelves, "MAX_LISTENERS", 1)
    async with opened(address, Channel()) as post:
        waiting = asyncio.ensure_future(post.notifications.shelves.arrival(None, 30))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull, match="ask again without waiting"):
            await post.notifications.shelves.arrival(None, 30)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert not await post.notifications.shelves.arrival(None, 0)


async def test_a_subscription_that_changes_its_method_takes_along_what_waits(address: str) -> None:
    channel = Channel()
    async with opened(address, channel) as post:
        mine = await listened(post, method=Method.PULL)
        await publish(post, mine, *numbered(3))
        topic_id = mine.subscription.topic_id
        wanted = Wanted(topic_id, url="https://a.example/", token="t")
        pushed = await post.notifications.subscribing.change(mine.subscription.id, wanted)
        await quiet(post)
        assert channel.to(pushed.endpoint) == numbered(3)
        channel.answer = always(Outcome(error="no"))
        await publish(post, pushed, b"3")
        await until(lambda: len(channel.delivered) > 4)
        await post.notifications.subscribing.change(mine.subscription.id, Wanted(topic_id, method=Method.PULL))
        assert await pulled(post, mine) == [b"3"]
        assert post.notifications._backlog.total == 1


# Dead letters.


async def test_dead_letters_are_delivered_again_with_their_id_and_a_time_of_their_own(
    address: str, clock: Clock
) -> None:
    channel = Channel(always(Outcome(error="no")))
    async with opened(address, channel, clock=clock, schedule=Schedule()) as post:
        one = await listened(post, ordered=False)
        other = await hook(post)
        await publish(post, one, *numbered(3))
        await queue(post, "CHAT", numbered(2))

        async def all_tried() -> bool:
            tries = [await tried(post, each) for each in await all_ids(post)]
            return len(tries) == 5 and all(tries)

        # A try that is written down only later would end what comes.
        await until(all_tried)
        clock.turn(LIFETIME.total_seconds() + 1)
        await post.notifications.tidy()
        assert await states(post, one.endpoint) == {"expired": 3}
        assert [lane.failed for lane in post.notifications.shelves.lanes()] == [3, 2]
        first, *_ = await all_ids(post)
        channel.delivered.clear()
        channel.answer = None
        again = await post.notifications.shelves.redeliver(first)
        assert again is not None
        await quiet(post)
        assert channel.delivered == [(one.endpoint.id, first, b"0")]
        assert (await tried(post, first))[-1].status == 204
        assert await states(post, one.endpoint) == {"received": 1, "expired": 2}
        assert await post.notifications.shelves.redeliver_failed(one.subscription.id, clock.now()) == 0
        assert await post.notifications.shelves.redeliver_failed(one.subscription.id, None) == 2
        await quiet(post)
        assert await states(post, one.endpoint) == {"received": 3}
        assert await states(post, other) == {"expired": 2}
        # What was received may be wanted again, too.
        assert await post.notifications.shelves.redeliver(first) is not None
        await quiet(post)
        assert channel.to(one.endpoint).count(b"0") == 2
        before = clock.now() - timedelta(days=30)
        assert await post.notifications.shelves.redeliver_failed(None, before) == 2
        await quiet(post)
        assert channel.to(other) == numbered(2)
        assert [lane.failed for lane in post.notifications.shelves.lanes()] == [0, 0]
        assert await post.notifications.shelves.redeliver("ntf_00018bcfe5680000") is None


async def test_dead_letters_are_bounded_and_can_be_cleared(
    address: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "MAX_DEAD_OF_ENDPOINT", 3)
    channel = Channel(always(Outcome(status=410, error="gone", gone=True)))
    async with opened(address, channel, clock=clock) as post:
        mine = await listened(post)
        await publish(post, mine, *numbered(3))
        await until(lambda: post.notifications._backlog.dead(mine.endpoint.id) == 3)
        await post.notifications.subscribing.set_active(mine.subscription.id, True)
        with pytest.raises(QueueFull, match="has 3 dead letters, which is the most"):
            await publish(post, mine, b"3")
    async with opened(address, channel, clock=clock) as post:
        with pytest.raises(QueueFull, match="has 3 dead letters"):
            await publish(post, mine, b"3")
        assert await post.notifications.shelves.clear_failed(mine.subscription.id) == 3
        channel.answer = None
        await publish(post, mine, b"3")
        await quiet(post)
        assert channel.delivered[-1][2] == b"3"


async def test_what_has_no_room_is_not_put_back(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(address, Channel()) as post:
        mine = await listened(post)
        await publish(post, mine, b"1")
        await quiet(post)
        (only,) = await all_ids(post)
        monkeypatch.setattr(directory, "MAX_PENDING_OF_ENDPOINT", 0)
        with pytest.raises(QueueFull, match="1 more are too many"):
            await post.notifications.shelves.redeliver(only)
        assert await states(post, mine.endpoint) == {"received": 1}


async def test_what_is_pulled_is_not_pushed_and_the_other_way_round(address: str) -> None:
    channel = Channel(always(Outcome(error="no")))
    async with opened(address, channel) as post:
        mine, pushed = await listened(post, method=Method.PULL), await listened(post, url="https://b.example/")
        await publish(post, mine, b"1")
        await publish(post, pushed, b"2")
        one, other = await all_ids(post)
        with pytest.raises(NotificationError, match="is pulled; it cannot be pushed"):
            await post.notifications.shelves.redeliver(one)
        with pytest.raises(NotificationError, match="is queued already"):
            await post.notifications.shelves.redeliver(other)
        with pytest.raises(NotificationError, match="is received when its endpoint takes it"):
            await post.notifications.shelves.acknowledge(other)


# Deleting.


async def test_a_notification_is_deleted_unless_it_has_changed(address: str) -> None:
    async with opened(address, Channel(always(Outcome(error="no")))) as post:
        mine = await listened(post, method=Method.PULL)
        await publish(post, mine, b"1", b"2")
        one, other = await all_ids(post)
        seen = await post.notifications.shelves.find(one)
        assert seen is not None
        await post.notifications.shelves.acknowledge(one)
        assert not await post.notifications.shelves.delete(one, Shelf.PULL)
        with pytest.raises(Changed):
            await post.notifications.shelves.delete(one, Shelf.RECEIVED, seen.notification)
        assert not await post.notifications.shelves.delete(other, Shelf.QUEUE)
        assert await post.notifications.shelves.delete(other, Shelf.PULL)
        assert await post.notifications.shelves.find(other) is None
        assert post.notifications._backlog.total == 0


async def test_what_is_deleted_from_the_queue_is_not_delivered(address: str) -> None:
    channel = Channel(always(Outcome(error="no")))
    async with opened(address, channel, schedule=Schedule(), probes=(1000.0,)) as post:
        mine = await listened(post)
        await publish(post, mine, *numbered(10))
        await until(lambda: len(channel.delivered) == 5)
        for each in await all_ids(post):
            assert await post.notifications.shelves.delete(each, Shelf.QUEUE)
        assert post.notifications._backlog.total == 0
        channel.answer = None
        await publish(post, mine, b"10")
        await post.notifications.subscribing.set_active(mine.subscription.id, False)
        await post.notifications.subscribing.set_active(mine.subscription.id, True)
        await quiet(post)
        assert channel.to(mine.endpoint)[-1:] == [b"10"]
        assert len(channel.delivered) == 6


# Order.


async def test_an_ordered_endpoint_gets_everything_in_order_whatever_fails(address: str) -> None:
    failing = {b"3": 2, b"7": 6, b"8": 1}
    """How often each fails."""

    async def moody(endpoint: Endpoint, parcel: Parcel) -> Outcome:
        left = failing.get(parcel.body, 0)
        failing[parcel.body] = left - 1
        return Outcome(status=500, error="not now") if left > 0 else Outcome(status=200)

    channel = Channel(moody)
    async with opened(address, channel) as post:
        mine = await listened(post, ordered=True)
        await publish(post, mine, *numbered(6))
        await publish(post, mine, b"6", b"7", b"8", b"9")
        await quiet(post)
    assert channel.to(mine.endpoint) == [
        *(b"0", b"1", b"2", b"3", b"3", b"3", b"4", b"5", b"6"),
        *[b"7"] * 7,
        *(b"8", b"8", b"9"),
    ]


async def test_the_order_outlives_a_restart(address: str) -> None:
    channel = Channel(always(Outcome(error="no")))
    async with opened(address, channel, schedule=Schedule()) as post:
        mine = await listened(post, ordered=True)
        await publish(post, mine, *numbered(120))
        await until(lambda: len(channel.delivered) == 1)
    assert channel.to(mine.endpoint) == [b"0"]
    channel = Channel()
    async with opened(address, channel) as post:
        await quiet(post)
    assert channel.to(mine.endpoint) == numbered(120)


async def test_an_ordered_endpoint_goes_on_after_what_expired(address: str, clock: Clock) -> None:
    channel = Channel(always(Outcome(error="no")))
    schedule = Schedule(delays=(0.0, 5.0))
    async with opened(address, channel, clock=clock, schedule=schedule) as post:
        mine = await listened(post, ordered=True)
        await publish(post, mine, b"old")
        await until(lambda: len(channel.delivered) == 1)
        clock.turn(LIFETIME.total_seconds() - 60)
        await publish(post, mine, b"new")
        clock.turn(120)
        channel.answer = None
        await post.notifications.tidy()
        await post.notifications.endpoints.renew(mine.endpoint.id)
        await quiet(post)
        assert await states(post, mine.endpoint) == {"expired": 1, "received": 1}
    *old, new = channel.to(mine.endpoint)
    assert (set(old), new) == ({b"old"}, b"new")


# Who may have what.


async def test_what_is_about_somebody_goes_to_them_and_to_the_owner(address: str) -> None:
    async with opened(address, Channel(), schedule=QUICK) as post:
        owner = await listened(post, method=Method.PULL)
        topic_id = owner.subscription.topic_id
        wanted = Wanted(topic_id, subscriber="urn:owncast:user:ana", restricted=True, method=Method.PULL)
        ana = await post.notifications.subscribing.subscribe(wanted)
        await publish(post, owner, b"all")
        await publish(post, owner, b"ana", entity="urn:owncast:user:ana")
        await publish(post, owner, b"ben", entity="urn:owncast:user:ben")
        assert await pulled(post, owner) == [b"all", b"ana", b"ben"]
        assert await pulled(post, ana) == [b"all", b"ana"]
        assert await pending(post) == 0
