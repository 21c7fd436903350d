"""Databases for tests: SQLite in a file, and PostgreSQL as well where OWNCAST_TEST_POSTGRES_URL names one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from house import POSTGRES_URL, Clock, House, emptied, house

from owncast_py.storage import sqlite

ENGINES = ["sqlite", *(["postgresql"] if POSTGRES_URL else [])]


@pytest.fixture(params=ENGINES)
async def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a database with nothing in it is."""
    if request.param == "postgresql":
        return await emptied(POSTGRES_URL)
    return sqlite.url(tmp_path / "owncast.db")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def home(address: str, clock: Clock, tmp_path: Path) -> AsyncIterator[House]:
    """Chat with everything under it."""
    async with house(tmp_path, address=address, clock=clock) as opened:
        yield opened
