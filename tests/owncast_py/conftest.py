"""Databases for tests: SQLite in a file, and PostgreSQL as well where OWNCAST_TEST_POSTGRES_URL names one."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from house import POSTGRES_URL, Clock, House, emptied, house

from owncast_py.storage import sqlite
from owncast_py.storage.database import Database

ENGINES = ["sqlite", *(["postgresql"] if POSTGRES_URL else [])]


@pytest.fixture(params=ENGINES)
async def address(request: pytest.FixtureRequest, tmp_path: Path, template: Path) -> str:
    """Where a database with nothing in it is."""
    if request.param == "postgresql":
        return await emptied(POSTGRES_URL)
    shutil.copy(template, tmp_path / "owncast.db")
    return sqlite.url(tmp_path / "owncast.db")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables, made once: migrating takes half a second."""
    path = tmp_path_factory.mktemp("database") / "owncast.db"

    async def migrate() -> None:
        database = Database(sqlite.url(path))
        await database.start()
        await database.aclose()

    asyncio.run(migrate())
    return path


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def home(address: str, clock: Clock, tmp_path: Path) -> AsyncIterator[House]:
    """Chat with everything under it."""
    async with house(tmp_path, address=address, clock=clock) as opened:
        yield opened
