"""Push devices: what can be registered, who is told of what, and what is still there after a restart.

The queue is one that only remembers; with the real one, and real transports, see test_device_push.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

import orjson
import pytest
from house import Clock
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.realtime import push as module
from owncast_py.realtime.messages import Action, Address, Message
from owncast_py.realtime.push import Push, Queue
from owncast_py.realtime.push_devices import (
    MAX_METADATA,
    MAX_PAYLOAD,
    MAX_RECIPIENT,
    MAX_SECRET,
    Fault,
    PushError,
    PushState,
    Registration,
    check_registration,
    payload_of,
    proves,
)
from owncast_py.storage.database import Database
from owncast_py.storage.tables import EPOCH, apps

APP = "owncast"
RECIPIENT = {"transportType": "fcm", "registrationToken": "fcm-1"}
PHONE = Registration("phone-1", "phone", "android", RECIPIENT, client_id="ann", secret="s3cret")
PUSH = {"notification": {"title": "Tea"}}


@dataclass
class Remembering:
    """A queue: endpoints, and what was queued for each."""

    documents: dict[str, Mapping[str, object]] = field(default_factory=dict)
    queued: list[tuple[str, bytes]] = field(default_factory=list)
    made: int = 0

    def endpoints(self) -> Mapping[str, Mapping[str, object]]:
        return dict(self.documents)

    async def put(self, endpoint_id: str, document: Mapping[str, object]) -> str:
        if endpoint_id not in self.documents:
            self.made += 1
            endpoint_id = f"end_{self.made}"
        self.documents[endpoint_id] = document
        return endpoint_id

    async def remove(self, endpoint_id: str) -> None:
        self.documents.pop(endpoint_id, None)

    async def direct(self, document: Mapping[str, object]) -> str:
        return await self.put("", document)

    async def record(
        self, connection: AsyncConnection, pushes: Sequence[tuple[Sequence[str], datetime, bytes]]
    ) -> Callable[[], None]:
        return lambda: self.queued.extend((each, body) for endpoints, _, body in pushes for each in endpoints)

    def told(self) -> dict[str, list[object]]:
        """What was queued for each device since this was asked last."""
        found: dict[str, list[object]] = {}
        for endpoint_id, body in self.queued:
            name = str(self.documents[endpoint_id].get("device", "direct"))
            found.setdefault(name, []).append(orjson.loads(body))
        self.queued.clear()
        return found


@asynccontextmanager
async def opened(address: str, clock: Clock, queue: Queue, **others: object) -> AsyncIterator[Push]:
    """Push on a database with one app; opened twice at one address it is a restart."""
    database = Database(address)
    await database.start()
    try:
        async with database.reading() as connection:
            there = await connection.run_sync(lambda sync: sync.execute(apps.select()).first())
        if there is None:
            row = insert(apps).values(id=APP, name="", options="{}", created_at=EPOCH)
            await database.write(lambda connection: connection.execute(row))
        push = Push(database, queue, clock.now, **others)  # type: ignore[arg-type]
        await push.start()
        yield push
    finally:
        await database.aclose()


@pytest.fixture
def queue() -> Remembering:
    return Remembering()


@pytest.fixture
async def push(address: str, clock: Clock, queue: Remembering) -> AsyncIterator[Push]:
    async with opened(address, clock, queue) as found:
        yield found


def said(channel: str = "news", push: object = PUSH, action: Action = Action.CREATE, extras: bytes = b"") -> Message:
    return Message(
        address=Address(APP, channel),
        version="1",
        serial="1",
        action=action,
        id="1",
        name="n",
        data=b"{}",
        encoding="json",
        client_id="",
        at=EPOCH,
        extras=extras or orjson.dumps({"push": push}),
    )


async def record(push: Push, *messages: Message) -> None:
    """As a channel does."""
    await push._database.write(lambda connection: push.record(connection, messages), lambda committed: committed())


def phones(number: int, client_id: str = "ann") -> list[Registration]:
    return [
        replace(PHONE, id=f"phone-{each}", client_id=client_id, recipient=RECIPIENT | {"registrationToken": f"t{each}"})
        for each in range(1, number + 1)
    ]


async def test_a_device_is_kept_without_its_secrets_in_the_clear(
    address: str, clock: Clock, queue: Remembering
) -> None:
    async with opened(address, clock, queue) as push:
        device, token = await push.register(APP, replace(PHONE, metadata={"model": "x"}), token=True)
        assert push.identified(token) == device
        assert push.identified(token + "x") is None
        assert (proves(device, secret="s3cret"), proves(device, secret="other"), proves(device)) == (True, False, False)
        assert "s3cret" not in repr(device)
        assert token not in repr(device)
    async with opened(address, clock, queue) as push:
        assert push.device(APP, "phone-1") == device
        assert push.identified(token) == device
        assert (device.state, device.client_id, device.metadata) == (PushState.ACTIVE, "ann", {"model": "x"})
        assert queue.documents == {"end_1": {"app": APP, "device": "phone-1", "recipient": RECIPIENT}}
        assert queue.made == 1


async def test_a_second_registration_replaces_all_and_keeps_the_secret_that_is_not_given(push: Push) -> None:
    first, token = await push.register(APP, PHONE, token=True)
    again, none = await push.register(APP, replace(PHONE, form_factor="tablet", client_id="bob", secret=""))
    assert none == ""
    assert (again.form_factor, again.client_id, again.endpoint_id) == ("tablet", "bob", first.endpoint_id)
    assert proves(again, secret="s3cret", token="")
    assert proves(again, token=token)
    assert [each.id for each in push.devices(APP, client_id="ann", limit=10)] == []
    assert [each.id for each in push.devices(APP, client_id="bob", limit=10)] == ["phone-1"]


async def test_a_new_token_takes_the_former_away(push: Push) -> None:
    _, first = await push.register(APP, PHONE, token=True)
    device, second = await push.renew_token(APP, "phone-1")
    assert (push.identified(first), push.identified(second)) == (None, device)
    assert push.identified("device-") is None


async def test_only_what_is_given_changes(push: Push, queue: Remembering) -> None:
    await push.register(APP, PHONE)
    changed = await push.change(APP, "phone-1", metadata={"a": 1})
    assert (changed.metadata, changed.client_id, changed.recipient) == ({"a": 1}, "ann", RECIPIENT)
    other = {"transportType": "apns", "deviceToken": "x"}
    changed = await push.change(APP, "phone-1", client_id="bob", recipient=other)
    assert (changed.metadata, changed.client_id, changed.recipient) == ({"a": 1}, "bob", other)
    assert queue.documents[changed.endpoint_id]["recipient"] == other
    with pytest.raises(PushError, match="There is no device with the id 'nobody'; register it first") as caught:
        await push.change(APP, "nobody", client_id="bob")
    assert caught.value.fault is Fault.UNKNOWN


async def test_outcomes_make_states(push: Push, clock: Clock, queue: Remembering) -> None:
    device, _ = await push.register(APP, PHONE)
    document = queue.documents[device.endpoint_id]
    assert await push.settled(document, received=False, gone=False, error="No answer.")
    failing = push.device(APP, "phone-1")
    assert (failing.state, failing.error, failing.failing_since) == (PushState.FAILING, "No answer.", clock.now())
    began = clock.now()
    clock.turn(60)
    await push.settled(document, received=False, gone=False, error="Still none.")
    assert push.device(APP, "phone-1").failing_since == began
    await push.settled(document, received=True, gone=False, error="")
    assert push.device(APP, "phone-1") == device
    await push.settled(document, received=False, gone=True, error="Unregistered.")
    failed = push.device(APP, "phone-1")
    assert (failed.state, failed.endpoint_id) == (PushState.FAILED, "")
    assert await push.publish(APP, {"deviceId": "phone-1"}, PUSH) == 0
    other = RECIPIENT | {"registrationToken": "fcm-2"}
    revived = await push.change(APP, "phone-1", recipient=other)
    assert (revived.state, revived.error, revived.failing_since) == (PushState.ACTIVE, "", None)
    # What the former recipient answered late says nothing of this one.
    assert not await push.settled(document, received=False, gone=True, error="Unregistered.")
    assert push.device(APP, "phone-1") == revived
    assert await push.publish(APP, {"deviceId": "phone-1"}, PUSH) == 1


async def test_pushes_go_to_a_device_a_client_or_a_recipient(push: Push, queue: Remembering) -> None:
    for each in phones(3):
        await push.register(APP, each)
    await push.register(APP, replace(PHONE, id="tv", form_factor="tv", client_id="bob"))
    await push.register(APP, replace(PHONE, id="none", client_id=""))
    assert await push.publish(APP, {"deviceId": "tv"}, PUSH) == 1
    assert queue.told() == {"tv": [PUSH]}
    assert await push.publish(APP, {"clientId": "ann"}, PUSH) == 3
    assert sorted(queue.told()) == ["phone-1", "phone-2", "phone-3"]
    assert await push.publish(APP, {"clientId": "nobody"}, PUSH) == 0
    assert await push.publish(APP, RECIPIENT, {"data": {"a": "b"}, "recipient": "not part of it"}) == 1
    assert queue.told() == {"direct": [{"data": {"a": "b"}}]}
    for recipient in ({}, {"deviceId": 1}, {"clientId": ""}, {"transportType": "pigeon"}, {"deviceId": "nobody"}):
        with pytest.raises(PushError):
            await push.publish(APP, recipient, PUSH)
    # Another app has none of these.
    assert await push.publish("other", {"clientId": "ann"}, PUSH) == 0
    assert queue.told() == {}


async def test_a_channel_tells_who_subscribed_once_each(push: Push, queue: Remembering) -> None:
    for each in phones(2):
        await push.register(APP, each)
    await push.subscribe(APP, "news", client_id="ann")
    await push.subscribe(APP, "news", device_id="phone-1")
    assert push.wants(said())
    await record(push, said(), said(push={"data": {"n": "2"}}))
    assert queue.told() == {"phone-1": [PUSH, {"data": {"n": "2"}}], "phone-2": [PUSH, {"data": {"n": "2"}}]}
    unwanted = (
        said("weather"),
        said(action=Action.UPDATE),
        said(extras=b"{}"),
        said(push=None),
        said(push="text"),
        said(push={}),
        said(push={"notification": "text"}),
        said(extras=b'"push"'),
        said(extras=b'{"push"'),
        said(push={"data": {"x": "y" * MAX_PAYLOAD}}),
    )
    await record(push, *unwanted)
    assert queue.told() == {}
    assert [push.wants(each) for each in unwanted[:3]] == [False, False, False]
    # Who registers later is a device of that client too.
    await push.register(APP, replace(PHONE, id="watch", form_factor="watch"))
    await record(push, said())
    assert sorted(queue.told()) == ["phone-1", "phone-2", "watch"]
    await push.remove(APP, device_id="watch")
    await push.unsubscribe(APP, channel="news", client_id="ann")
    await record(push, said())
    assert sorted(queue.told()) == ["phone-1"]
    await push.remove(APP, client_id="ann")
    assert not push.wants(said())
    assert queue.documents == {}


async def test_lists_have_filters_and_pages(address: str, clock: Clock, queue: Remembering) -> None:
    async with opened(address, clock, queue) as push:
        for each in phones(4):
            await push.register(APP, each)
        await push.register(APP, replace(PHONE, id="phone-9", client_id="bob"))
        for channel in ("news", "art", "news:late"):
            await push.subscribe(APP, channel, device_id="phone-1")
        await push.subscribe(APP, "news", client_id="bob")
    async with opened(address, clock, queue) as push:
        assert [each.id for each in push.devices(APP, limit=2)] == ["phone-1", "phone-2"]
        assert [each.id for each in push.devices(APP, after="phone-2", limit=9)] == ["phone-3", "phone-4", "phone-9"]
        assert [each.id for each in push.devices(APP, client_id="bob", limit=9)] == ["phone-9"]
        assert [each.id for each in push.devices(APP, device_id="phone-3", limit=9)] == ["phone-3"]
        assert push.devices(APP, device_id="phone-3", client_id="bob", limit=9) == []
        assert push.devices("other", limit=9) == []
        assert push.channels(APP, limit=9) == ["art", "news", "news:late"]
        assert push.channels(APP, after="art", limit=1) == ["news"]
        keys = [each.key for each in push.subscriptions(APP, limit=9)]
        assert keys == [
            ("art", "phone-1", ""),
            ("news", "", "bob"),
            ("news", "phone-1", ""),
            ("news:late", "phone-1", ""),
        ]
        assert [each.key for each in push.subscriptions(APP, after=keys[1], limit=1)] == keys[2:3]
        assert [each.key for each in push.subscriptions(APP, channel="news", limit=9)] == keys[1:3]
        assert [each.key for each in push.subscriptions(APP, client_id="bob", limit=9)] == keys[1:2]
        both = push.subscriptions(APP, channel="news", device_id="phone-1", client_id="bob", either=True, limit=9)
        assert [each.key for each in both] == keys[1:3]
        assert await push.unsubscribe(APP, device_id="phone-1") == 3
        assert await push.unsubscribe(APP, device_id="phone-1") == 0
        assert push.channels(APP, limit=9) == ["news"]
        assert await push.remove(APP, client_id="ann") == 4
        assert await push.remove(APP, device_id="phone-1") == 0
    async with opened(address, clock, queue) as push:
        assert [each.id for each in push.devices(APP, limit=9)] == ["phone-9"]
        assert [each.key for each in push.subscriptions(APP, limit=9)] == keys[1:2]


async def test_what_cannot_be_subscribed_or_removed(address: str, clock: Clock, queue: Remembering) -> None:
    async with opened(address, clock, queue, enabled=lambda at: at.channel.startswith("can:")) as push:
        await push.register(APP, PHONE)
        first = await push.subscribe(APP, "can:news", device_id="phone-1")
        clock.turn(1)
        assert await push.subscribe(APP, "can:news", device_id="phone-1") == first
        refused: list[tuple[dict[str, str], Fault]] = [
            ({"channel": "cannot", "device_id": "phone-1"}, Fault.CHANNEL),
            ({"channel": "can:news", "device_id": "nobody"}, Fault.UNKNOWN),
            ({"channel": "can:news", "device_id": "phone-1", "client_id": "ann"}, Fault.BAD),
            ({"channel": "can:news"}, Fault.BAD),
            ({"channel": "", "device_id": "phone-1"}, Fault.BAD),
            ({"channel": "can:\0", "device_id": "phone-1"}, Fault.BAD),
            ({"channel": "can:news", "client_id": "*"}, Fault.BAD),
        ]
        for given_, fault in refused:
            with pytest.raises(PushError) as caught:
                await push.subscribe(APP, **given_)
            assert caught.value.fault is fault, given_
        for removal in (push.remove(APP), push.unsubscribe(APP)):
            with pytest.raises(PushError, match="are to be removed: give"):
                await removal
        assert [each.key for each in push.subscriptions(APP, limit=9)] == [("can:news", "phone-1", "")]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"id": ""}, "The id of a device cannot be ''"),
        ({"id": "x" * 201}, "The id of a device cannot be"),
        ({"id": "a\0b"}, "The id of a device cannot be"),
        ({"client_id": "*"}, "The clientId cannot be '*'"),
        ({"form_factor": "fridge"}, "The formFactor cannot be 'fridge'; use one of car, desktop"),
        ({"platform": "native"}, "The platform cannot be 'native'; use one of android, browser, ios"),
        ({"secret": "s" * (MAX_SECRET + 1)}, "The deviceSecret has 201 characters"),
        ({"metadata": {"x": "y" * MAX_METADATA}}, "The metadata has"),
        ({"metadata": {"x": b"y"}}, "The metadata has values that JSON does not know"),
        ({"recipient": {}}, "The transportType of push.recipient cannot be"),
        ({"recipient": {"color": "red"}}, "The transportType of push.recipient cannot be"),
        ({"recipient": {"transportType": ["fcm"]}}, "The transportType of push.recipient cannot be"),
        ({"recipient": {"transportType": "xyz"}}, "The transportType of push.recipient cannot be 'xyz'"),
        ({"recipient": {"transportType": "apns"}}, "needs the text 'deviceToken'"),
        ({"recipient": {"transportType": "apns", "deviceToken": 7}}, "needs the text 'deviceToken'"),
        ({"recipient": RECIPIENT | {"more": "x" * MAX_RECIPIENT}}, "The recipient has"),
    ],
)
async def test_what_no_device_can_be(push: Push, queue: Remembering, change: dict[str, object], sentence: str) -> None:
    with pytest.raises(PushError) as caught:
        await push.register(APP, replace(PHONE, **change))  # type: ignore[arg-type]
    assert sentence in str(caught.value)
    assert (push.devices(APP, limit=9), queue.documents) == ([], {})


async def test_there_is_room_for_so_many(push: Push, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DEVICES", 2)
    monkeypatch.setattr(module, "MAX_SUBSCRIPTIONS", 1)
    for each in phones(2):
        await push.register(APP, each)
    with pytest.raises(PushError, match="There are 2 devices, which is the most") as caught:
        await push.register(APP, replace(PHONE, id="third"))
    assert caught.value.fault is Fault.FULL
    await push.register(APP, PHONE)
    await push.subscribe(APP, "a", client_id="ann")
    with pytest.raises(PushError, match="There are 1 subscriptions, which is the most"):
        await push.subscribe(APP, "b", client_id="ann")


async def test_a_start_mends_what_a_crash_left(address: str, clock: Clock, queue: Remembering) -> None:
    async with opened(address, clock, queue) as push:
        device, _ = await push.register(APP, PHONE)
    queue.documents.pop(device.endpoint_id)
    queue.documents["orphan"] = {"app": APP, "device": "never kept", "recipient": RECIPIENT}
    queue.documents["direct"] = {"app": APP, "recipient": RECIPIENT}
    async with opened(address, clock, queue) as push:
        mended = push.device(APP, "phone-1")
        assert set(queue.documents) == {"direct", mended.endpoint_id}
        assert await push.publish(APP, {"deviceId": "phone-1"}, PUSH) == 1
        assert queue.told() == {"phone-1": [PUSH]}


async def test_what_is_pushed_is_counted(address: str, clock: Clock, queue: Remembering) -> None:
    counted: dict[str, int] = {}

    def count(app: str, entries: Mapping[str, int]) -> None:
        for key, value in entries.items():
            counted[f"{app} {key}"] = counted.get(f"{app} {key}", 0) + value

    async with opened(address, clock, queue, count=count) as push:
        device, _ = await push.register(APP, PHONE)
        await push.subscribe(APP, "news", client_id="ann")
        await push.publish(APP, {"deviceId": "phone-1"}, PUSH)
        await record(push, said(), said())
        document = queue.documents[device.endpoint_id]
        await push.settled(document, received=True, gone=False, error="")
        await push.settled(document, received=False, gone=False, error="x")
    assert counted == {
        "owncast push.directPublishes": 1,
        "owncast push.channelMessages": 2,
        "owncast push.notifications.all.attempted": 2,
        "owncast push.notifications.all.successful": 1,
        "owncast push.notifications.all.failed": 1,
        "owncast push.notifications.fcm.attempted": 2,
        "owncast push.notifications.fcm.successful": 1,
        "owncast push.notifications.fcm.failed": 1,
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["notification", "data", "apns", "transportType", "deviceToken", "x"]), JSON))
def test_nothing_that_is_sent_breaks_the_rules(document: dict[str, object]) -> None:
    told = ""
    for check in (lambda: payload_of(document), lambda: check_registration(replace(PHONE, recipient=document))):
        try:
            check()
        except PushError as error:
            told += str(error)
    assert len(told) < 800
