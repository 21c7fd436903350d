"""The database: what is committed when, who hears of it in which order, and that the tables are those of the code."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from owncast_py.accounts.devices import hash_of
from owncast_py.accounts.service import Accounts
from owncast_py.errors import StorageError
from owncast_py.events import Events
from owncast_py.storage import database as module
from owncast_py.storage import migrations, sqlite, tables
from owncast_py.storage.database import Database


@pytest.fixture
async def database(address: str) -> AsyncIterator[Database]:
    opened = Database(address)
    await opened.start()
    yield opened
    await opened.aclose()


def keeping(network: str) -> object:
    async def work(connection: AsyncConnection) -> str:
        await connection.execute(insert(tables.ip_bans).values(network=network, note="", created_at=tables.EPOCH))
        return network

    return work


async def networks(database: Database) -> list[str]:
    async with database.reading() as connection:
        rows = await connection.execute(select(tables.ip_bans.c.network).order_by(tables.ip_bans.c.network))
        return list(rows.scalars())


async def test_what_is_written_is_there_for_others_and_after_a_restart(database: Database, address: str) -> None:
    assert await database.write(keeping("a")) == "a"
    assert await networks(database) == ["a"]
    await database.aclose()
    again = Database(address)
    await again.start()
    assert await networks(again) == ["a"]
    await again.aclose()


async def test_writes_that_wait_are_committed_together_and_told_in_order(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups: list[int] = []
    transaction = Database._transaction

    async def counted(self: Database, group: list[object]) -> list[object]:
        groups.append(len(group))
        return await transaction(self, group)  # type: ignore[arg-type]

    monkeypatch.setattr(Database, "_transaction", counted)
    heard: list[str] = []
    names = [f"{number:03}" for number in range(100)]
    answers = await asyncio.gather(*(database.write(keeping(name), heard.append) for name in names))
    assert answers == names
    assert heard == names
    assert sum(groups) == 100
    assert len(groups) <= 3


async def test_nobody_hears_of_a_write_before_it_is_committed(database: Database, address: str) -> None:
    seen: list[list[str]] = []
    other = Database(address)
    await other.start()
    looked = asyncio.Event()

    async def look() -> None:
        seen.append(await networks(other))
        looked.set()

    tasks: list[asyncio.Task[None]] = []
    await database.write(keeping("a"), lambda _: tasks.append(asyncio.create_task(look())))
    await looked.wait()
    assert seen == [["a"]]
    await other.aclose()


async def test_a_bad_write_fails_alone(database: Database) -> None:
    await database.write(keeping("taken"))
    results = await asyncio.gather(
        database.write(keeping("one")),
        database.write(keeping("taken")),
        database.write(keeping("two")),
        return_exceptions=True,
    )
    assert results[0] == "one"
    assert isinstance(results[1], StorageError)
    assert "could not keep a change" in str(results[1])
    assert results[2] == "two"
    assert await networks(database) == ["one", "taken", "two"]


async def test_what_the_work_raises_reaches_its_caller_and_undoes_its_part(database: Database) -> None:
    async def work(connection: AsyncConnection) -> None:
        await keeping("half")(connection)  # type: ignore[operator]
        raise LookupError("no")

    with pytest.raises(LookupError):
        await database.write(work)
    assert await networks(database) == []


async def test_more_waiting_writes_than_allowed_are_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    results = await asyncio.gather(*(database.write(keeping(str(n))) for n in range(4)), return_exceptions=True)
    assert [isinstance(result, StorageError) for result in results] == [False, False, True, True]
    assert "disk is too slow" in str(results[3])
    assert await networks(database) == ["0", "1"]


async def test_closing_keeps_what_waits_and_takes_nothing_more(database: Database, address: str) -> None:
    writes = [asyncio.create_task(database.write(keeping(str(n)))) for n in range(20)]
    await asyncio.sleep(0)
    await database.aclose()
    assert await asyncio.gather(*writes) == [str(n) for n in range(20)]
    with pytest.raises(StorageError, match="closed"):
        await database.write(keeping("late"))
    again = Database(address)
    await again.start()
    assert len(await networks(again)) == 20
    await again.aclose()


async def test_what_no_database_takes_is_kept_and_found_as_the_sign_for_it(database: Database) -> None:
    await database.write(keeping("a\0b\ud800"))
    assert await networks(database) == ["a\ufffdb\ufffd"]
    async with database.reading() as connection:
        query = select(tables.ip_bans.c.network).where(tables.ip_bans.c.network.in_(["a\0b\ud800", "c\0"]))
        assert len((await connection.execute(query)).all()) == 1


async def test_the_migrations_make_the_tables_that_the_code_knows(database: Database) -> None:
    def columns(connection: Connection) -> dict[str, set[tuple[str, str, bool]]]:
        found = inspect(connection)
        return {
            table: {(each["name"], str(each["type"]), each["nullable"]) for each in found.get_columns(table)}
            for table in found.get_table_names()
        }

    async with database.reading() as connection:
        made_at_once = await connection.run_sync(columns)

    def again_step_by_step(connection: Connection) -> None:
        for table in reversed(tables.metadata.sorted_tables):
            table.drop(connection)
        connection.execute(text("DROP TABLE alembic_version"))
        migrations.upgrade(connection)

    await database.write(lambda connection: connection.run_sync(again_step_by_step))
    async with database.reading() as connection:
        assert await connection.run_sync(columns) == made_at_once

    def differences(connection: object) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), tables.metadata))  # type: ignore[arg-type]

    async with database.reading() as connection:
        assert await connection.run_sync(differences) == []


async def test_an_older_database_is_brought_up_to_date_with_what_is_in_it(
    database: Database, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.write(keeping("kept"))
    await database.aclose()
    steps = tmp_path / "migrations"
    shutil.copytree(Path(migrations.__file__).parent, steps)
    (steps / "versions/9000_next.py").write_text(
        f"import sqlalchemy as sa\nfrom alembic import op\nrevision, down_revision = '9000', '{migrations.HEAD}'\n"
        "def upgrade():\n    op.add_column('ip_bans', sa.Column('why', sa.Text))\n"
    )
    monkeypatch.setattr(migrations, "HEAD", "9000")
    monkeypatch.setattr(migrations, "__file__", str(steps / "__init__.py"))
    newer = Database(address)
    await newer.start()
    assert await networks(newer) == ["kept"]
    async with newer.reading() as connection:
        assert (await connection.execute(text("SELECT why FROM ip_bans"))).scalars().all() == [None]
    await newer.aclose()


async def test_devices_of_the_revision_before_are_kept_with_their_tokens(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def older(connection: Connection) -> None:
        """A database as revision 0004 left it, with two who are signed in."""
        connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
        with monkeypatch.context() as patch:
            patch.setattr(migrations, "HEAD", "0004")
            migrations.upgrade(connection)
        for user_id, kind in (("ana", "chatter"), ("beep", "bot")):
            row = {"id": user_id, "kind": kind, "name": user_id.title(), "at": 1_700_000_000_000}
            connection.execute(
                text(
                    "INSERT INTO users (id, kind, display_name, name_key, color, created_at, previous_names, scopes, "
                    "moderator, authenticated) VALUES (:id, :kind, :name, :id, 3, :at, '[]', '[]', :no, :no)"
                ),
                row | {"no": False},
            )
        for number, (device_id, user_id) in enumerate((("d1", "ana"), ("d2", "ana"), ("d3", "beep"))):
            connection.execute(
                text(
                    "INSERT INTO devices (id, user_id, display_name, token_hash, created_at, last_seen_at, "
                    "last_seen_ip) VALUES (:id, :user, :id, :hash, :at, :seen, :ip)"
                ),
                {
                    "id": device_id,
                    "user": user_id,
                    "hash": hash_of(f"token of {device_id}"),
                    "at": 1_700_000_000_000 + number,
                    "seen": 1_700_000_500_000 if number else None,
                    "ip": "192.0.2.1" if number else None,
                },
            )

    engine = create_async_engine(address)
    async with engine.begin() as connection:
        await connection.run_sync(older)
    await engine.dispose()
    newer = Database(address)
    await newer.start()
    accounts = Accounts(newer, Events(), lambda: tables.EPOCH, str)
    for device_id, user_id in (("d1", "ana"), ("d2", "ana"), ("d3", "beep")):
        found = await accounts.identify(f"token of {device_id}")
        assert found is not None
        assert (found.user.id, found.user.login, found.device.id) == (user_id, "", device_id)
    first, second = await accounts.devices.of("ana")
    assert (first.id, first.last_seen_at, first.last_seen_ip) == ("d1", None, None)
    assert second.last_seen_at == tables.EPOCH + timedelta(milliseconds=1_700_000_500_000)
    assert (second.display_name, second.last_seen_ip) == ("d2", "192.0.2.1")
    # What is new works on what is old: ids are each user's own, and who is deleted takes their devices along.
    await accounts.devices.sign_in("beep", "", "d1")
    assert (await accounts.take_login("ana", "ana")).login == "ana"
    await accounts.delete("ana")
    assert [each.user_id for each in await accounts.devices.with_id("d1")] == ["beep"]
    async with newer.reading() as connection:
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    assert "devices_before" not in names
    await newer.aclose()


def test_head_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_current_head() == migrations.HEAD


async def test_a_database_of_a_newer_version_is_left_alone(database: Database, address: str) -> None:
    async def work(connection: AsyncConnection) -> None:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    await database.write(work)
    newer = Database(address)
    with pytest.raises(StorageError, match="newer version"):
        await newer.start()


async def test_a_file_that_is_no_database_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"not a database" * 1000)
    broken = Database(sqlite.url(tmp_path / "x.db"))
    with pytest.raises(StorageError, match="cannot be opened"):
        await broken.start()
    assert (tmp_path / "x.db").read_bytes().startswith(b"not a database")


async def test_a_password_in_the_address_is_in_no_error() -> None:
    nowhere = Database("postgresql+asyncpg://someone:topsecret@127.0.0.1:1/none")
    with pytest.raises(StorageError) as caught:
        await nowhere.start()
    assert "topsecret" not in str(caught.value)
    assert "127.0.0.1:1" in str(caught.value)


async def test_readers_cannot_write(tmp_path: Path) -> None:
    database = Database(sqlite.url(tmp_path / "x.db"))
    await database.start()
    async with database.reading() as connection:
        with pytest.raises(Exception, match="readonly"):
            await keeping("a")(connection)  # type: ignore[operator]
    await database.aclose()
