"""A full disk, and a database that somebody else holds: publishing fails loudly, and nothing accepted is lost."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from receiver import Channel, Post, always, listened, opened, quiet, rows, states
from sqlalchemy import text

from owncast_py.errors import StorageError
from owncast_py.notifications.channels import Outcome
from owncast_py.notifications.subscribing import Subscribed
from owncast_py.storage import sqlite


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "owncast.db"


async def accepted(post: Post, to: Subscribed, number: int) -> bool:
    """Whether that message was taken."""
    try:
        await post.notifications.publish(to.subscription.topic_id, b'{"number":%d,"pad":"%s"}' % (number, b"x" * 2_000))
    except StorageError:
        return False
    return True


async def test_a_full_disk_refuses_and_keeps_what_was_accepted(file: Path) -> None:
    channel = Channel(always(Outcome(error="not yet")))
    async with opened(sqlite.url(file), channel) as post:
        mine = await listened(post)
        first = await accepted(post, mine, 0)
        assert first

        async def limit(pages: int) -> None:
            """As much as the disk has room for; SQLite's answer beyond it is that of a full disk."""
            await post.database.write(lambda connection: connection.execute(text(f"PRAGMA max_page_count={pages}")))

        async with post.database.reading() as connection:
            used = (await connection.execute(text("PRAGMA page_count"))).scalar_one()
        await limit(used + 20)
        taken = [0, *[number for number in range(1, 100) if await accepted(post, mine, number)]]
        assert 0 < len(taken) < 100
        assert not await accepted(post, mine, 100)
        await limit(1_000_000)
        assert await accepted(post, mine, 101)
        taken.append(101)
    channel = Channel()
    async with opened(sqlite.url(file), channel) as post:
        await quiet(post)
        assert await states(post, mine.endpoint) == {"received": len(taken)}
    assert sorted(channel.to(mine.endpoint)) == sorted(
        b'{"number":%d,"pad":"%s"}' % (number, b"x" * 2_000) for number in taken
    )


async def test_a_database_that_is_held_refuses_after_a_while(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_MILLISECONDS", 50)
    channel = Channel()
    async with opened(sqlite.url(file), channel) as post:
        mine = await listened(post)
        holder = sqlite3.connect(file, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        refused = await asyncio.gather(*(accepted(post, mine, number) for number in range(10)))
        assert refused == [False] * 10
        holder.execute("ROLLBACK")
        holder.close()
        assert await accepted(post, mine, 10)
        await quiet(post)
        assert (await rows(post))[:2] == (1, 1)
        assert len(channel.to(mine.endpoint)) == 1
