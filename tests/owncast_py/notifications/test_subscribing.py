"""Topics and single subscriptions: what they must be like, who is asked, and what is deleted with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from house import Clock
from receiver import Channel, Post, always, hook, listened, numbered, opened, queue, quiet, rows, states, until

from owncast_py.notifications import directory
from owncast_py.notifications.channels import Outcome
from owncast_py.notifications.endpoints import FORMER_SECRET_VALID
from owncast_py.notifications.errors import Changed, NotGreeted, NotificationError, Taken, Unknown
from owncast_py.notifications.model import Method, Topic
from owncast_py.notifications.subscribing import Wanted


async def topic_of(post: Post, name: str = "tea") -> Topic:
    return await post.notifications.subscribing.create_topic("kitchen", name)


def push(topic: Topic, **values: object) -> Wanted:
    return replace(Wanted(topic.id, url="https://a.example/", token="t"), **values)  # type: ignore[arg-type]


# Topics.


async def test_topics_are_unique_in_their_domain_and_outlive_a_restart(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(address, Channel()) as post:
        create = post.notifications.subscribing.create_topic
        tea = await create("kitchen", "tea")
        other = await create("garden", "tea")
        with pytest.raises(Taken, match="a topic 'tea' in the domain 'kitchen' already"):
            await create("kitchen", "tea")
        with pytest.raises(NotificationError, match="is the server's own"):
            await create("owncast", "MINE")
        for domain, name in (("", "tea"), ("kitchen", "x" * 201), ("kitchen", "a\nb")):
            with pytest.raises(NotificationError, match="use 1 to 200 printable characters"):
                await create(domain, name)
        monkeypatch.setattr(directory, "MAX_TOPICS", 2)
        with pytest.raises(NotificationError, match="2 topics, which is the most"):
            await create("kitchen", "cake")
    async with opened(address, Channel()) as post:
        assert [post.notifications.subscribing.topic(each.id) for each in (tea, other)] == [tea, other]


async def test_a_topic_is_deleted_with_all_that_was_said_and_heard_on_it(address: str) -> None:
    async with opened(address, Channel(always(Outcome(error="no")))) as post:
        mine = await listened(post)
        topic_id = mine.subscription.topic_id
        kept = await hook(post, "https://kept.example/")
        await queue(post, "CHAT", [b"kept"])
        for body in numbered(30):
            await post.notifications.publish(topic_id, body)
        own = next(each for each in post.notifications._directory.topics.values() if each.name == "CHAT")
        with pytest.raises(NotificationError, match="is the server's own and stays"):
            await post.notifications.subscribing.delete_topic(own.id)
        assert await post.notifications.subscribing.delete_topic(topic_id)
        assert not await post.notifications.subscribing.delete_topic(topic_id)
        assert post.notifications.subscribing.subscription(mine.subscription.id) is None
        assert (await rows(post))[:2] == (1, 1)
        assert await states(post, kept) == {"pending": 1}
        assert post.notifications._backlog.total == 1
        with pytest.raises(Unknown, match="no topic with the id"):
            await post.notifications.publish(topic_id, b"late")


async def test_nobody_publishes_in_the_servers_name(address: str) -> None:
    async with opened(address, Channel()) as post:
        await hook(post)
        (own,) = post.notifications._directory.topics.values()
        with pytest.raises(NotificationError, match="Only the server itself publishes to its topic 'CHAT'"):
            await post.notifications.publish(own.id, b"{}")
        assert await rows(post) == (0, 0, 0)


# Subscriptions.


async def test_an_endpoint_is_asked_before_it_gets_anything(address: str) -> None:
    channel = Channel(refused="It says no.")
    async with opened(address, channel) as post:
        subscribing, topic = post.notifications.subscribing, await topic_of(post)
        with pytest.raises(NotGreeted, match=r"It says no\."):
            await subscribing.subscribe(push(topic))
        assert subscribing.subscriptions_of_topic(topic.id) == []
        channel.refused = ""
        found = await subscribing.subscribe(push(topic))
        assert (found.active, found.endpoint.authenticated) == (True, True)
        assert found.endpoint.secret.startswith("whsec_")
        assert [endpoint.url for endpoint in channel.greeted] == ["https://a.example/"] * 2


@pytest.mark.parametrize(("url", "token"), [("", ""), ("https://a.example/", ""), ("", "t")])
async def test_without_address_or_token_a_subscription_waits(address: str, url: str, token: str) -> None:
    channel = Channel()
    async with opened(address, channel) as post:
        subscribing, topic = post.notifications.subscribing, await topic_of(post)
        with pytest.raises(NotGreeted, match="a recipientUrl and a token"):
            await subscribing.subscribe(push(topic, url=url, token=token, active=True))
        found = await subscribing.subscribe(push(topic, url=url, token=token))
        assert (found.active, found.endpoint.authenticated, channel.greeted) == (False, False, [])
        with pytest.raises(NotGreeted, match="a recipientUrl and a token"):
            await subscribing.set_active(found.subscription.id, True)
        await post.notifications.publish(topic.id, b"1")
        assert (await rows(post))[1] == 0
        whole = await subscribing.change(found.subscription.id, push(topic))
        assert (whole.active, whole.endpoint.authenticated, whole.endpoint.secret) == (
            True,
            True,
            found.endpoint.secret,
        )
        await post.notifications.publish(topic.id, b"2")
        await quiet(post)
        assert channel.to(whole.endpoint) == [b"2"]


async def test_a_changed_endpoint_that_refuses_gets_nothing_until_it_agrees(address: str) -> None:
    channel = Channel()
    async with opened(address, channel) as post:
        subscribing, topic = post.notifications.subscribing, await topic_of(post)
        before = await subscribing.subscribe(push(topic))
        channel.refused = "It says no."
        after = await subscribing.change(before.subscription.id, push(topic, token="wrong"))
        assert (after.active, after.endpoint.authenticated) == (False, False)
        with pytest.raises(NotGreeted, match="says no"):
            await subscribing.set_active(before.subscription.id, True)
        channel.refused = ""
        again = await subscribing.set_active(before.subscription.id, True)
        assert (again.active, again.endpoint.authenticated) == (True, True)
        same = await subscribing.change(before.subscription.id, push(topic, token="wrong", ordered=True))
        assert (same.active, same.endpoint.ordered, len(channel.greeted)) == (True, True, 4)


async def test_what_an_endpoint_answers_tells_whether_it_knows_us(address: str) -> None:
    channel = Channel(always(Outcome(status=401, error="who?", unauthenticated=True)))
    async with opened(address, channel) as post:
        mine = await listened(post)

        def authenticated() -> bool:
            found = post.notifications.subscribing.subscription(mine.subscription.id)
            return found is not None and found.endpoint.authenticated

        await post.notifications.publish(mine.subscription.topic_id, b"1")
        await until(lambda: not authenticated())
        channel.answer = None
        await quiet(post)
        await until(authenticated)
    async with opened(address, channel) as post:
        assert authenticated()


async def test_an_answer_changes_nothing_where_there_is_no_token(address: str) -> None:
    channel = Channel(always(Outcome(status=401, error="who?", unauthenticated=True)))
    async with opened(address, channel) as post:
        await hook(post)
        await queue(post, "CHAT", [b"1"])
        await until(lambda: len(channel.delivered) >= 2)
        (owncast,) = post.notifications._directory.subscriptions
        subscribing = post.notifications.subscribing
        await subscribing.set_active(owncast, False)
        found = await subscribing.set_active(owncast, True)
        assert (found.active, found.endpoint.authenticated) == (True, True)
        channel.answer = None
        waiting = await listened(post, url="https://b.example/", token="", active=None)
        await subscribing.test(waiting.subscription.id)
        with pytest.raises(NotGreeted, match="a recipientUrl and a token"):
            await subscribing.set_active(waiting.subscription.id, True)


async def test_who_changes_something_must_have_seen_it(address: str, clock: Clock) -> None:
    async with opened(address, Channel(), clock=clock) as post:
        subscribing, mine = post.notifications.subscribing, await listened(post)
        clock.turn(1)
        await subscribing.set_active(mine.subscription.id, False)
        wanted = Wanted(mine.subscription.topic_id, method=Method.PULL)
        for late in (
            lambda: subscribing.change(mine.subscription.id, wanted, mine),
            lambda: subscribing.unsubscribe(mine.subscription.id, mine),
        ):
            with pytest.raises(Changed, match="no longer as you have seen it"):
                await late()
        seen = subscribing.subscription(mine.subscription.id)
        assert seen is not None
        assert seen.subscription.updated_at == clock.now()
        changed = await subscribing.change(mine.subscription.id, wanted, seen)
        assert changed.endpoint.method is Method.PULL
        assert await subscribing.unsubscribe(mine.subscription.id, changed)
        assert not await subscribing.unsubscribe(mine.subscription.id)


async def test_an_endpoint_goes_with_its_last_subscription(address: str) -> None:
    channel = Channel(always(Outcome(error="no")))
    async with opened(address, channel) as post:
        endpoint = await hook(post, "https://a.example/", "CHAT", "STREAM_STARTED")
        await queue(post, "CHAT", [b"1"])
        await queue(post, "STREAM_STARTED", [b"2"])
        chat, live = post.notifications._directory.of_endpoint(endpoint.id)
        assert await post.notifications.subscribing.unsubscribe(chat.id)
        assert [topics for _, topics in post.notifications.endpoints.listing("webhook")] == [("STREAM_STARTED",)]
        assert await states(post, endpoint) == {"pending": 1}
        more = await post.notifications.endpoints.update(endpoint.id, topics=["STREAM_STARTED", "CHAT"])
        new = next(each for each in post.notifications._directory.of_endpoint(more.id) if each.id != live.id)
        with pytest.raises(Taken, match="subscribed to that topic already"):
            await post.notifications.subscribing.change(
                new.id, Wanted(live.topic_id, url=endpoint.url, token=endpoint.token, active=False)
            )
        for each in post.notifications._directory.of_endpoint(endpoint.id):
            assert await post.notifications.subscribing.unsubscribe(each.id)
        assert post.notifications.endpoints.listing("webhook") == []
        assert (await rows(post))[1] == 0


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (lambda topic: push(topic, topic_id="top_0000000000000000"), "There is no topic"),
        (lambda topic: push(topic, channel="pigeon"), "no delivery channel 'pigeon'"),
        (lambda topic: push(topic, url="https://impossible.example/"), "That cannot be"),
        (lambda topic: push(topic, url="https://a.example/" + "x" * 2048), "give one of at most 2048"),
        (lambda topic: push(topic, token="x" * 4097), "give one of at most 4096"),
        (lambda topic: push(topic, subscriber="x" * 2049), "give at most 2048"),
        (lambda topic: push(topic, method=Method.PULL, channel="x" * 41), "give one of at most 40"),
        (lambda topic: push(topic, document={"a": "x" * 70_000}), "give one of at most 65536"),
    ],
)
async def test_what_cannot_be_a_subscription(address: str, wanted: Callable[[Topic], Wanted], sentence: str) -> None:
    async with opened(address, Channel()) as post:
        mine = await listened(post)
        topic = await topic_of(post)
        with pytest.raises(NotificationError, match=sentence):
            await post.notifications.subscribing.subscribe(wanted(topic))
        with pytest.raises(NotificationError, match=sentence):
            await post.notifications.subscribing.change(mine.subscription.id, wanted(topic))
        assert post.notifications.subscribing.subscription(mine.subscription.id) == mine


# Secrets and tests.


async def test_a_new_secret_leaves_the_one_before_it_a_day(address: str, clock: Clock) -> None:
    async with opened(address, Channel(), clock=clock) as post:
        mine = await listened(post)
        new = (await post.notifications.subscribing.renew_secret(mine.subscription.id)).endpoint
        assert new.secret != new.former_secret == mine.endpoint.secret
        assert new.former_until == clock.now() + FORMER_SECRET_VALID
        pulling = await listened(post, method=Method.PULL)
        with pytest.raises(NotificationError, match="not signed"):
            await post.notifications.subscribing.renew_secret(pulling.subscription.id)
    async with opened(address, Channel(), clock=clock) as post:
        found = post.notifications.subscribing.subscription(mine.subscription.id)
        assert found is not None
        assert (found.endpoint.secret, found.endpoint.former_secret) == (new.secret, new.former_secret)


async def test_a_test_is_delivered_past_the_queue(address: str) -> None:
    channel = Channel(always(Outcome(status=500, error="not now", answer="busy")))
    async with opened(address, channel) as post:
        mine = await listened(post, active=False)
        tested = await post.notifications.subscribing.test(mine.subscription.id)
        assert (tested.outcome.status, tested.outcome.answer) == (500, "busy")
        ((endpoint_id, notification_id, body),) = channel.delivered
        assert endpoint_id == mine.endpoint.id
        assert notification_id.startswith("ntf_")
        assert b'"type":"TEST"' in body
        assert await rows(post) == (0, 0, 0)
        pulling = await listened(post, method=Method.PULL)
        with pytest.raises(NotificationError, match="nowhere to send a test to"):
            await post.notifications.subscribing.test(pulling.subscription.id)
        with pytest.raises(Unknown, match="no subscription with the id"):
            await post.notifications.subscribing.test("sub_0")


async def test_an_endpoint_that_nobody_typed_in_is_removed_when_it_is_gone(address: str) -> None:
    channel = Channel(always(Outcome(status=410, error="gone", gone=True)), lasting=False)
    async with opened(address, channel) as post:
        await hook(post)
        await queue(post, "CHAT", numbered(5))

        def none_left() -> bool:
            return not post.notifications._directory.endpoints

        await until(none_left)
        assert (await rows(post))[1] == 0
        assert post.notifications._backlog.total == 0
