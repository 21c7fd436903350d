"""Channels: one order, kept before it is seen, and the same from memory and from the database."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from house import Clock, House, house
from hypothesis import given
from hypothesis import strategies as st

from owncast_py.errors import StorageError
from owncast_py.realtime import channels as module
from owncast_py.realtime.channels import RECENT
from owncast_py.realtime.messages import (
    CHAT,
    Action,
    Address,
    Delivery,
    Draft,
    Member,
    Message,
    Presence,
    PresenceChange,
    SerialClock,
    serial_at,
)
from owncast_py.storage import channel_messages as repository

GAME = Address("owncast", "game")


def draft(number: int, **fields: object) -> Draft:
    return Draft("said", str(number).encode(), encoding="utf-8", **fields)  # type: ignore[arg-type]


def numbers(messages: Sequence[Delivery]) -> list[int]:
    return [int(message.data) for message in messages if isinstance(message, Message)]


@given(st.lists(st.integers(0, 2**41), max_size=50), st.integers(0, 2**41), st.integers(0, 999_999))
def test_serials_only_grow_whatever_the_clock_does(times: list[int], last: int, count: int) -> None:
    clock = SerialClock(serial_at(last, count))
    serials = [serial_at(last, count), *(clock.next(time) for time in times)]
    assert all(one < other for one, other in itertools.pairwise(serials))


async def test_everybody_hears_everything_in_the_order_of_the_serials(home: House) -> None:
    channels = home.foundations.channels
    heard: dict[str, list[Message]] = {"a": [], "b": []}
    for listener in heard.values():
        channels.broker.subscribe(GAME, listener.extend)  # type: ignore[arg-type]
    answers = await asyncio.gather(*(channels.publish(GAME, draft(number)) for number in range(200)))
    assert numbers([message for (message,) in answers]) == list(range(200))
    assert numbers(heard["a"]) == numbers(heard["b"]) == list(range(200))
    serials = [message.serial for message in heard["a"]]
    assert serials == sorted(set(serials))
    assert numbers(await channels.history(GAME, limit=300)) == list(reversed(range(200)))


async def test_a_message_is_in_the_database_when_it_is_delivered(home: House) -> None:
    channels, database = home.foundations.channels, home.foundations.database
    found: asyncio.Queue[list[int]] = asyncio.Queue()
    tasks: list[asyncio.Task[None]] = []

    async def look() -> None:
        async with database.reading() as connection:
            await found.put(numbers(await repository.page(connection, GAME, limit=10)))

    channels.broker.subscribe(GAME, lambda _: tasks.append(asyncio.create_task(look())))
    await channels.publish(GAME, draft(7))
    assert await found.get() == [7]


async def test_what_cannot_be_kept_is_seen_by_nobody_and_harms_no_neighbour(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    channels = home.foundations.channels
    heard: list[Delivery] = []
    channels.broker.subscribe(GAME, heard.extend)
    append = repository.append

    async def failing(connection: object, messages: Sequence[Message]) -> None:
        if any(message.data == b"13" for message in messages):
            raise OSError(28, "No space left on device")
        await append(connection, messages)  # type: ignore[arg-type]

    monkeypatch.setattr(repository, "append", failing)
    results = await asyncio.gather(*(channels.publish(GAME, draft(n)) for n in (12, 13, 14)), return_exceptions=True)
    assert isinstance(results[1], StorageError)
    assert "No space left" in str(results[1])
    assert numbers(heard) == [12, 14]
    assert numbers(await channels.recent(GAME, 10)) == [12, 14]


async def test_what_the_broker_cannot_order_is_refused_and_later_ones_go_on(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    channels = home.foundations.channels

    async def broken(_address: Address, _count: int) -> list[tuple[str, datetime]]:
        raise ConnectionError("the broker is away")

    with monkeypatch.context() as patch:
        patch.setattr(channels.broker, "order", broken)
        results = await asyncio.gather(*(channels.publish(GAME, draft(n)) for n in range(3)), return_exceptions=True)
        assert [str(result) for result in results] == ["the broker is away"] * 3
    await channels.publish(GAME, draft(4))
    assert numbers(await channels.recent(GAME, 10)) == [4]


async def test_transient_messages_keep_their_place_but_stay_nowhere(home: House) -> None:
    channels = home.foundations.channels
    heard: list[Delivery] = []
    channels.broker.subscribe(GAME, heard.extend)
    await asyncio.gather(
        channels.publish(GAME, draft(1)),
        channels.publish(GAME, draft(2, transient=True)),
        channels.publish(GAME, draft(3)),
    )
    assert numbers(heard) == [1, 2, 3]
    assert numbers(await channels.recent(GAME, 10)) == [1, 3]
    assert numbers(await channels.history(GAME, limit=10)) == [3, 1]


async def test_a_revision_is_a_version_with_its_own_place(home: House) -> None:
    channels = home.foundations.channels
    heard: list[Message] = []
    channels.broker.subscribe(GAME, heard.extend)  # type: ignore[arg-type]
    first, second = [(await channels.publish(GAME, draft(n, text=f"Word {n}")))[0] for n in (1, 2)]
    (hidden,) = await channels.revise(GAME, [first.serial], Action.DELETE)
    assert (hidden.serial, hidden.version > second.version, hidden.visible) == (first.serial, True, False)
    assert await channels.revise(GAME, [first.serial, "none"], Action.DELETE) == []
    assert [message.version for message in heard] == [first.version, second.version, hidden.version]
    assert numbers(await channels.recent(GAME, 10)) == [2]
    assert numbers(await channels.recent(GAME, 10, removed=True)) == [1, 2]
    assert numbers(await channels.history(GAME, limit=10, removed=False)) == [2]
    (shown,) = await channels.revise(GAME, [first.serial], Action.UPDATE)
    assert shown.visible
    assert numbers(await channels.history(GAME, limit=10, text="WORD 1")) == [1]
    async with home.foundations.database.reading() as connection:
        actions = [version.action for version in await repository.versions(connection, GAME, first.serial)]
    assert actions == [Action.CREATE, Action.DELETE, Action.UPDATE]


async def test_history_is_paged_and_searched(home: House) -> None:
    channels = home.foundations.channels
    for number in range(10):
        name = "ana" if number % 2 else "ben"
        await channels.publish(GAME, draft(number, client_id=name, text=f"100% Ärger_{number}"))
    page = await channels.history(GAME, limit=4)
    assert numbers(page) == [9, 8, 7, 6]
    assert numbers(await channels.history(GAME, limit=4, before=page[-1].serial)) == [5, 4, 3, 2]
    assert numbers(await channels.history(GAME, limit=9, client_id="ana")) == [9, 7, 5, 3, 1]
    assert numbers(await channels.history(GAME, limit=9, text="ärger_3")) == [3]
    # What the database takes for a pattern is only a character here.
    assert await channels.history(GAME, limit=9, text="%rger%3") == []
    assert await channels.history(GAME, limit=9, text="ärger?3") == []
    assert len(await channels.history(GAME, limit=20, text="100% ä")) == 10
    assert await channels.history(CHAT, limit=9) == []


async def test_recent_is_the_same_from_memory_from_the_database_and_after_a_restart(
    home: House, address: str, clock: Clock, tmp_path: Path
) -> None:
    channels = home.foundations.channels
    published = [(await channels.publish(GAME, draft(number)))[0] for number in range(RECENT + 30)]
    await channels.revise(GAME, [message.serial for message in published[-RECENT:-5]], Action.DELETE)
    expected = [*range(25, 30), *range(RECENT + 25, RECENT + 30)]
    assert numbers(await channels.recent(GAME, 10)) == expected
    async with house(tmp_path, address=address, clock=clock) as again:
        assert numbers(await again.foundations.channels.recent(GAME, 10)) == expected
        clock.turn(-3600)
        (later,) = await again.foundations.channels.publish(GAME, draft(999))
        assert later.serial > published[-1].serial


async def test_old_messages_are_deleted(home: House, clock: Clock) -> None:
    channels = home.foundations.channels
    (old,) = await channels.publish(GAME, draft(1))
    await channels.revise(GAME, [old.serial], Action.DELETE)
    clock.turn(3600)
    await channels.publish(GAME, draft(2))
    await channels.publish(CHAT, draft(3))
    assert await channels.prune(GAME, clock.now() - timedelta(minutes=30)) == 2
    assert numbers(await channels.recent(GAME, 10, removed=True)) == [2]
    assert numbers(await channels.history(GAME, limit=10)) == [2]
    assert numbers(await channels.history(CHAT, limit=10)) == [3]


async def test_more_than_can_wait_is_refused(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PENDING", 3)
    channels = home.foundations.channels
    results = await asyncio.gather(*(channels.publish(GAME, draft(n)) for n in range(5)), return_exceptions=True)
    assert [isinstance(result, StorageError) for result in results] == [False, False, False, True, True]
    assert numbers(await channels.recent(GAME, 10)) == [0, 1, 2]


async def test_closing_keeps_and_delivers_what_waits(home: House) -> None:
    channels = home.foundations.channels
    heard: list[Delivery] = []
    channels.broker.subscribe(GAME, heard.extend)
    waiting = [channels.submit(GAME, draft(number)) for number in range(5)]
    await channels.aclose()
    assert numbers([message for done in waiting for message in done.result()]) == numbers(heard) == list(range(5))
    with pytest.raises(StorageError, match="stopping"):
        channels.submit(GAME, draft(9))


async def test_a_listener_that_fails_does_not_keep_others_from_hearing(home: House) -> None:
    channels = home.foundations.channels
    heard: list[Delivery] = []

    def fail(_deliveries: Sequence[Delivery]) -> None:
        raise ValueError("broken listener")

    channels.broker.subscribe(GAME, fail)
    unsubscribe = channels.broker.subscribe(GAME, heard.extend)
    await channels.publish(GAME, draft(1))
    unsubscribe()
    await channels.publish(GAME, draft(2))
    assert numbers(heard) == [1]


async def test_presence_tells_who_comes_changes_and_goes(home: House) -> None:
    broker = home.foundations.channels.broker
    heard: list[Delivery] = []
    broker.subscribe(GAME, heard.extend)
    await broker.enter(GAME, Member("c1", "ana", "d1"))
    await broker.enter(GAME, Member("c2", "ana", "d2"))
    await broker.enter(GAME, Member("c1", "ana", "d1", b"away"))
    await broker.leave(GAME, Member("c2", "ana", "d2"))
    await broker.leave(GAME, Member("c2", "ana", "d2"))
    assert [(each.change, each.member.connection_id) for each in heard if isinstance(each, PresenceChange)] == [
        (Presence.ENTER, "c1"),
        (Presence.ENTER, "c2"),
        (Presence.UPDATE, "c1"),
        (Presence.LEAVE, "c2"),
    ]
    assert list(await broker.members(GAME)) == [Member("c1", "ana", "d1", b"away")]
    assert list(await broker.members(CHAT)) == []


def test_a_message_knows_when_it_began() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    serial = serial_at(int(at.timestamp() * 1000))
    message = Message(GAME, serial, serial, Action.CREATE, serial, "x", b"", "", "", at)
    assert message.began == at
