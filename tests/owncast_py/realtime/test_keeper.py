"""What time does to channels: old messages and changes of presence go, and nothing else does."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from house import House, house
from sqlalchemy import func, select

from owncast_py.realtime import keeper as module
from owncast_py.realtime.channels import Channels
from owncast_py.realtime.keeper import Keeper
from owncast_py.realtime.messages import CHAT, DEFAULT_APP, Action, Address, Draft, Member
from owncast_py.storage.tables import channel_messages, presence_log

GAME, OTHER, FOREIGN = Address(DEFAULT_APP, "game"), Address(DEFAULT_APP, "zebra"), Address("another", "game")
KEPT = timedelta(hours=72)
HOUR = 3600


def keeper_of(home: House) -> Keeper:
    return Keeper(home.foundations.database, home.foundations.channels, KEPT, home.clock.now)


async def said(channels: Channels, address: Address, *texts: str) -> list[str]:
    """Publishes; the serials."""
    drafts = [Draft("", text.encode(), "utf-8") for text in texts]
    return [message.serial for message in await channels.publish(address, *drafts)]


async def kept(channels: Channels, address: Address) -> list[str]:
    """What the log has, and what memory has, which are the same."""
    from_log = [message.data.decode() for message in await channels.log(address, "", 1000)]
    recent = [message.data.decode() for message in await channels.recent(address, 200, removed=True)]
    assert recent == list(dict.fromkeys(from_log))
    return from_log


async def test_what_is_old_goes_from_every_channel_but_the_chat(home: House) -> None:
    channels, keeper = home.foundations.channels, keeper_of(home)
    for address in (GAME, OTHER, FOREIGN, CHAT):
        await said(channels, address, "old", "old too")
    home.clock.turn(71 * HOUR)
    for address in (GAME, FOREIGN, CHAT):
        await said(channels, address, "new")
    assert await keeper.prune() == 0
    home.clock.turn(HOUR + 1)
    assert await keeper.prune() == 6
    assert await kept(channels, GAME) == await kept(channels, FOREIGN) == ["new"]
    assert await kept(channels, OTHER) == []
    assert await kept(channels, CHAT) == ["old", "old too", "new"]
    # What is gone is gone from the order, not the order itself.
    [serial] = await said(channels, OTHER, "newest")
    assert serial > (await channels.log(GAME, "", 1))[0].serial


async def test_the_last_version_of_a_message_outlives_the_first(home: House) -> None:
    channels, keeper = home.foundations.channels, keeper_of(home)
    [serial, _] = await said(channels, GAME, "first", "other")
    home.clock.turn(72 * HOUR - 60)
    [revised] = await channels.revise(GAME, [serial], Action.DELETE)
    home.clock.turn(61)
    assert await keeper.prune() == 2
    assert await channels.log(GAME, "", 10) == [revised]
    assert await channels.find(GAME, [serial]) == [revised]
    home.clock.turn(72 * HOUR)
    assert await keeper.prune() == 1
    assert await channels.find(GAME, [serial]) == []


async def test_changes_of_presence_go_too_but_no_member(home: House) -> None:
    members, keeper = home.foundations.members, keeper_of(home)
    await members.enter(GAME, Member("c1", "ann"))
    home.clock.turn(72 * HOUR + 1)
    ben = await members.enter(GAME, Member("c2", "ben"))
    assert await keeper.prune() == 1
    history = await members.history(GAME, first="", last="9", forwards=True, limit=10)
    assert [change.member for _, change in history] == [ben]
    assert {member.client_id for member in await members.of(GAME)} == {"ann", "ben"}


async def test_a_round_goes_in_small_steps(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEP", 7)
    channels, keeper = home.foundations.channels, keeper_of(home)
    await said(channels, GAME, *(str(number) for number in range(21)))
    await said(channels, OTHER, *(str(number) for number in range(8)))
    home.clock.turn(72 * HOUR + 1)
    written: list[int] = []
    write = home.foundations.database.write

    async def counted(work: object, *more: object) -> object:
        result = await write(work, *more)  # type: ignore[arg-type]
        written.append(result)  # type: ignore[arg-type]
        return result

    monkeypatch.setattr(home.foundations.database, "write", counted)
    assert await keeper.prune() == 29
    assert sorted(written) == [0, 1, 7, 7, 7, 7]


async def test_it_is_done_at_the_start_and_every_hour(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        channels, rests = home.foundations.channels, asyncio.Queue[float]()
        more = asyncio.Semaphore(0)

        async def sleep(seconds: float) -> None:
            rests.put_nowait(seconds)
            await more.acquire()

        async def rows() -> int:
            async with home.foundations.database.reading() as connection:
                tables = (channel_messages, presence_log)
                return sum(
                    [
                        (await connection.execute(select(func.count()).select_from(table))).scalar_one()
                        for table in tables
                    ]
                )

        await said(channels, GAME, "old")
        await home.foundations.members.enter(GAME, Member("c1", "ann"))
        home.clock.turn(72 * HOUR + 1)
        keeper = Keeper(home.foundations.database, channels, KEPT, home.clock.now, sleep)
        await keeper.start()
        assert await rests.get() == HOUR
        assert await rows() == 0
        await said(channels, GAME, "old in its turn")
        home.clock.turn(72 * HOUR + 1)
        more.release()
        assert await rests.get() == HOUR
        assert await rows() == 0
        await keeper.aclose()
        # The one of the house is another.
        assert [task.get_name() for task in asyncio.all_tasks()].count("channels: keeper") == 1


async def test_the_server_keeps_its_channels(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await said(home.foundations.channels, GAME, "old")
        clock = home.clock
    clock.turn(72 * HOUR + 1)
    async with house(tmp_path, clock=clock) as home, asyncio.timeout(30):
        while await home.foundations.channels.log(GAME, "", 1):
            await said(home.foundations.channels, OTHER, "time passes")
