"""Owncast's database as a file: found, judged, read as of one moment, and never changed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from owncast_files import NEW, Said, build

from owncast_py.importing.errors import ImportRefused
from owncast_py.importing.source import moment, opened, text, whole
from owncast_py.storage import migrations


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2023-05-06 07:08:09.123456789-07:00", datetime(2023, 5, 6, 14, 8, 9, 123_000, UTC)),
        ("2023-05-06 07:08:09+05:30", datetime(2023, 5, 6, 1, 38, 9, tzinfo=UTC)),
        ("2023-05-06T07:08:09Z", datetime(2023, 5, 6, 7, 8, 9, tzinfo=UTC)),
        ("2023-05-06 07:08:09", datetime(2023, 5, 6, 7, 8, 9, tzinfo=UTC)),
        ("2023-05-06 07:08:09.5 +0200 CEST m=+0.1", datetime(2023, 5, 6, 5, 8, 9, 500_000, UTC)),
        (1_683_356_889, datetime(2023, 5, 6, 7, 8, 9, tzinfo=UTC)),
        (1_683_356_889_250, datetime(2023, 5, 6, 7, 8, 9, 250_000, UTC)),
    ],
)
def test_times_are_read_as_owncast_writes_them(written: str | int, meant: datetime) -> None:
    assert moment(written) == meant


@pytest.mark.parametrize(
    "cell", ["", "yesterday", "2023-13-40 07:08:09", None, b"\xff", 1e300, "0001-01-01 00:00:00+14:00"]
)
def test_what_is_no_time_is_none(cell: str | float | bytes | None) -> None:
    assert moment(cell) is None


def test_cells_of_a_wrong_kind_are_read_as_far_as_they_go() -> None:
    assert [text(cell) for cell in (12, 1.5, b"ab\xff", None)] == ["12", "1.5", "ab\ufffd", ""]
    assert [whole(cell) for cell in ("7", 7.9, "x", b"7", None, float("inf"))] == [7, 7, None, None, None, None]


@pytest.mark.parametrize("place", ["owncast.db", ".", ".."])
def test_a_database_is_found_by_its_file_and_by_the_directories_around_it(tmp_path: Path, place: str) -> None:
    file = build(tmp_path / "data" / "owncast.db")
    with opened(file.parent / place) as source:
        assert source.path.samefile(file)
        assert source.schema == 7


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("tea")
    with (
        pytest.raises(ImportRefused, match=r"note\.txt is no SQLite database; give Owncast's owncast\.db"),
        opened(note),
    ):
        pass


def test_a_directory_without_a_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match=r"There is no owncast\.db at"), opened(tmp_path):
        pass


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    with (
        pytest.raises(ImportRefused, match="none of Owncast's: it has no table of settings"),
        opened(tmp_path / "other.db"),
    ):
        pass


def test_our_own_database_is_told_from_owncasts_though_it_has_the_same_name(tmp_path: Path) -> None:
    import sqlalchemy

    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'owncast.db'}")
    with engine.begin() as connection:
        migrations.create(connection)
    engine.dispose()
    with pytest.raises(ImportRefused, match=r"of owncast-py, not of Owncast.* backup and restore"), opened(tmp_path):
        pass


def test_a_database_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    file = build(tmp_path / "owncast.db", messages=[Said(f"m{n}", "a", "x" * 2_000, "2023-05-06") for n in range(50)])
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(ImportRefused, match="cannot be read as a database"), opened(file) as source:
        list(source.rows("messages", ("id", "body")))


def test_a_database_that_somebody_locks_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("owncast_py.importing.source.BUSY_SECONDS", 0.1)
    file = build(tmp_path / "owncast.db", wal=False)
    with closing(sqlite3.connect(file, isolation_level=None)) as owncast:
        owncast.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ImportRefused, match=r"locked\. Stop Owncast, then try again\."), opened(file):
            pass


def test_what_a_running_owncast_has_only_in_its_log_is_read_and_both_files_stay_as_they_are(tmp_path: Path) -> None:
    file = build(tmp_path / "owncast.db")
    with closing(sqlite3.connect(file, isolation_level=None)) as owncast:
        owncast.execute("PRAGMA wal_autocheckpoint = 0")
        owncast.execute("INSERT INTO messages (id, body) VALUES ('new', 'in the log alone')")
        log = file.with_name("owncast.db-wal")
        before = file.read_bytes(), log.read_bytes()
        with opened(file) as source:
            # What is written while it is read belongs to a later moment.
            owncast.execute("INSERT INTO messages (id, body) VALUES ('later', 'still')")
            assert [row for batch in source.rows("messages", ("id", "body")) for row in batch] == [
                ("new", "in the log alone")
            ]
        assert file.read_bytes() == before[0]
        assert log.read_bytes().startswith(before[1])


def test_a_database_that_was_closed_leaves_no_file_beside_it(tmp_path: Path) -> None:
    file = build(tmp_path / "owncast.db")
    before = file.read_bytes()
    with opened(file) as source:
        assert len(source.settings()) > 20
        assert sorted(path.name for path in tmp_path.iterdir()) == ["owncast.db"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["owncast.db"]
    assert file.read_bytes() == before


def test_rows_come_in_the_order_of_their_times_whatever_zone_they_are_written_in(tmp_path: Path) -> None:
    said = [
        Said("third", "a", "x", "2023-05-06 07:00:00-07:00"),
        Said("first", "a", "x", "2023-05-06 12:00:00+00:00"),
        Said("second", "a", "x", "2023-05-06 15:00:00+02:00"),
    ]
    with opened(build(tmp_path / "owncast.db", messages=said)) as source:
        found = [row[0] for batch in source.rows("messages", ("id",), order="timestamp") for row in batch]
    assert found == ["first", "second", "third"]


def test_a_cell_that_is_too_large_counts_as_empty_and_a_column_that_is_missing_too(tmp_path: Path) -> None:
    file = build(tmp_path / "owncast.db", tables=NEW, messages=[Said("m", "a", "x" * 1_000_001, "2023-05-06")])
    with opened(file) as source:
        assert list(source.rows("messages", ("id", "body", "no such column"))) == [[("m", None, None)]]
        assert list(source.rows("no such table", ("id",))) == []
