"""Whether the server is ready: every reason that it is not, provoked, and gone again when its cause is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import text

from ingest.rtmp.server import RtmpServer
from owncast_py.app.kit import Kit
from owncast_py.app.readiness import SPARE_OCTETS, Readiness
from owncast_py.app.stores import Stores
from owncast_py.errors import StorageError
from owncast_py.storage import sqlite
from owncast_py.storage.database import Database
from transcoder.encoder_lane import Toolbox
from transcoder.encoders import EncoderChoice, EncodingSpeed
from transcoder.ffmpeg_binary import FfmpegBinary
from transcoder.segment_store.disk import DiskStore


@dataclass
class Place:
    """A server of which only that is there on which its readiness rests."""

    directory: Path
    readiness: Readiness
    kit: Kit
    database: Database
    rtmp: RtmpServer
    store: DiskStore
    left: list[int] = field(default_factory=lambda: [SPARE_OCTETS])

    async def reasons(self) -> list[str]:
        await self.readiness.look()
        return self.readiness.reasons()


@asynccontextmanager
async def placed(directory: Path) -> AsyncIterator[Place]:
    ffmpeg = directory / "ffmpeg"
    ffmpeg.write_text("#!/bin/sh\n")
    ffmpeg.chmod(0o755)
    kit = Kit("", None)
    kit.toolbox = Toolbox(FfmpegBinary(ffmpeg, "7.0", (7, 0)), EncoderChoice("libx264", (), EncodingSpeed(1.0)))
    database = Database(sqlite.url(directory / "owncast.db"))
    await database.start()
    rtmp = RtmpServer(None, host="127.0.0.1", port=0)  # type: ignore[arg-type]  # nobody publishes here
    await rtmp.start()
    store = DiskStore(directory / "hls", max_queued_bytes=100)
    await store.start()
    left = [SPARE_OCTETS]
    readiness = Readiness(directory, kit, database, Stores(store, lambda _: None), free=lambda _: left[0])
    readiness.listeners.append(rtmp)
    try:
        yield Place(directory, readiness, kit, database, rtmp, store, left)
    finally:
        await readiness.aclose()
        await store.aclose()
        await rtmp.aclose()
        await database.aclose()


async def test_a_server_with_all_that_it_needs_is_ready(tmp_path: Path) -> None:
    async with placed(tmp_path) as place:
        assert await place.reasons() == []
        assert place.readiness.warnings() == []


async def test_a_full_disk_is_a_reason_until_there_is_room(tmp_path: Path) -> None:
    async with placed(tmp_path) as place:
        place.left[0] = 120_900_000
        assert await place.reasons() == [
            f"The disk that holds {tmp_path} has 120 MB left; free at least 200 MB.",
        ]
        place.left[0] = SPARE_OCTETS
        assert await place.reasons() == []


async def test_an_ffmpeg_that_never_worked_or_is_gone_is_a_reason(tmp_path: Path) -> None:
    async with placed(tmp_path) as place:
        (tmp_path / "ffmpeg").rename(tmp_path / "elsewhere")
        (reason,) = await place.reasons()
        assert reason.startswith(f"The ffmpeg at {tmp_path}/ffmpeg is gone;")
        (tmp_path / "elsewhere").rename(tmp_path / "ffmpeg")
        assert await place.reasons() == []
        place.kit.toolbox = None
        assert await place.reasons() == ["There is no working ffmpeg; run `owncast-py check` to see why."]


async def test_a_database_that_takes_nothing_is_a_reason_until_it_does_again(tmp_path: Path) -> None:
    async with placed(tmp_path) as place:

        async def make(connection: object) -> None:
            await connection.execute(text("CREATE TABLE tea (leaf TEXT UNIQUE)"))  # type: ignore[attr-defined]

        async def fill(connection: object) -> None:
            await connection.execute(text("INSERT INTO tea VALUES (randomblob(100000))"))  # type: ignore[attr-defined]

        async def limit(pages: int) -> None:
            async def work(connection: object) -> None:
                await connection.execute(text(f"PRAGMA max_page_count = {pages}"))  # type: ignore[attr-defined]

            await place.database.write(work)

        await place.database.write(make)
        commits, failures = place.database.commits, place.database.failures
        # SQLite's own way to say that there is no more room: what happens on a full disk.
        await limit(1)
        with pytest.raises(StorageError):
            await place.database.write(fill)
        assert await place.reasons() == ["The database does not take changes: database or disk is full."]
        assert (place.database.failures, place.database.commits) == (failures + 1, commits + 1)
        await limit(1_000_000)
        await place.database.write(fill)
        assert await place.reasons() == []


async def test_a_change_that_is_wrong_in_itself_says_nothing_about_the_database(tmp_path: Path) -> None:
    async with placed(tmp_path) as place:

        async def wrong(connection: object) -> None:
            await connection.execute(text("CREATE TABLE cup (size INTEGER NOT NULL)"))  # type: ignore[attr-defined]
            await connection.execute(text("INSERT INTO cup VALUES (NULL)"))  # type: ignore[attr-defined]

        with pytest.raises(StorageError):
            await place.database.write(wrong)
        assert (await place.reasons(), place.database.failures) == ([], 0)


async def test_a_port_for_encoders_that_is_closed_is_a_reason(tmp_path: Path) -> None:
    async with placed(tmp_path) as place:
        await place.rtmp.aclose()
        assert await place.reasons() == ["The port for encoders is not open; see the log."]
        place.readiness.listeners.clear()
        assert await place.reasons() == ["The port for encoders is not open; see the log."]


async def test_a_store_that_fails_is_a_warning_and_no_reason(tmp_path: Path) -> None:
    async with placed(tmp_path) as place:
        place.store.put("s/0/s-1.m4s", [b"x" * 101])
        assert (place.store.given_up, place.store.kept) == (1, 0)
        (warning,) = place.readiness.warnings()
        assert "is too slow: a segment of 101 bytes was not written." in warning
        assert await place.reasons() == []
        place.store.put("s/0/s-2.m4s", [b"x"])
        while not place.store.kept:
            await asyncio.sleep(0)
        assert place.readiness.warnings() == []


async def test_a_server_that_stops_is_not_ready(tmp_path: Path) -> None:
    async with placed(tmp_path) as place:
        place.readiness.stopping = True
        assert await place.reasons() == ["The server is stopping."]


async def test_the_task_looks_again_and_again_and_ends(tmp_path: Path) -> None:
    async with placed(tmp_path) as place:
        looks, pauses = list[Path](), list[float]()
        enough = asyncio.Event()

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 3:
                enough.set()
                await asyncio.Event().wait()

        def free(path: Path) -> int:
            looks.append(path)
            if len(looks) == 2:
                raise OSError(os.strerror(5))
            return SPARE_OCTETS - len(looks)

        before = asyncio.all_tasks()
        again = Readiness(tmp_path, place.kit, place.database, Stores(None, lambda _: None), free=free, sleep=sleep)
        again.listeners.append(place.rtmp)
        await again.start()
        await enough.wait()
        assert looks == [tmp_path] * 3
        assert pauses == [10.0] * 3
        assert "199 MB left" in again.reasons()[0], "one look that failed ends nothing"
        await again.aclose()
        assert asyncio.all_tasks() == before
