"""A data directory as a server leaves it, and the beginning of an archive that somebody forges."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from backup_material import FILES, OUTSIDE, Forge, make_database, put
from house import Clock


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """With a database that knows `title = old`."""
    directory = tmp_path / "data"
    make_database(directory / "owncast.db")
    put(directory / "owncast.db", "title", "old")
    for name, content in (FILES | OUTSIDE).items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return directory


@pytest.fixture
def database_bytes(tmp_path: Path) -> bytes:
    """A whole database, for archives that are forged around it."""
    file = tmp_path / "other" / "owncast.db"
    make_database(file, rows=3)
    put(file, "title", "forged")
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    return file.read_bytes()


@pytest.fixture
def forge(tmp_path: Path, database_bytes: bytes) -> Forge:
    """An archive with a good database; what is added makes it bad."""
    return Forge(tmp_path / "forged.tar.gz").add("owncast.db", database_bytes)


@pytest.fixture
def clock() -> Clock:
    return Clock()
