"""The backups of a running server: one every hour into `backups/` of its data directory, and what their owner asks for.

Owns when, and the one thread in which all of it happens, at low priority. What a backup is belongs to `archive`, which
ones are kept to `rotation`. Other files in that directory, and backups under other names, are left alone.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple, TypeVar

import structlog

from owncast_py.backup import archive
from owncast_py.backup.errors import BackupError
from owncast_py.backup.manifest import file_name, time_of
from owncast_py.backup.rotation import KEEP, Keep, surplus

FOLDER = "backups"
EVERY = timedelta(hours=1)
LOOK_SECONDS = 60.0
"""How often it is asked whether a backup is due."""
NICENESS = 10
"""Of the thread, where the system knows such a thing; its disk accesses wait for others' in the same measure."""

T = TypeVar("T")


class Backup(NamedTuple):
    """A backup that is there. `at` is aware, in UTC; `size` in bytes."""

    name: str
    at: datetime
    size: int


class Step(NamedTuple):
    """What is being done, and how much of it is done, 0 to 1."""

    what: str
    done: float


log = structlog.get_logger(__name__)


class HourlyBackups:
    """The backups of a server, from `start` to `aclose`."""

    def __init__(
        self,
        data_dir: Path,
        database_file: Path,
        now: Callable[[], datetime],
        keep: Keep = KEEP,
        *,
        hourly: bool = True,
    ) -> None:
        """`now` is aware, in UTC. Without `hourly` there are only those that are asked for."""
        self.step: Step | None = None
        """What is under way."""
        self._hourly = hourly
        self.folder = data_dir / FOLDER
        self._data_dir = data_dir
        self._database_file = database_file
        self._now = now
        self._keep = keep
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="backup", initializer=_step_back)
        self._stopping = threading.Event()
        self._tried_at: datetime | None = None
        self._making: asyncio.Task[Path] | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to make backups; the first at once, unless the newest is younger than an hour."""
        if not self._hourly:
            return
        self._watch = asyncio.create_task(self._watching(), name="backups")

    async def aclose(self) -> None:
        """Ends; a backup in the making is given up within a moment and leaves nothing behind."""
        self._stopping.set()
        if self._watch is not None:
            self._watch.cancel()
        running = [task for task in (self._watch, self._making) if task is not None]
        await asyncio.gather(*running, return_exceptions=True)
        await asyncio.to_thread(self._thread.shutdown)

    async def backup_now(self) -> Path:
        """Makes a backup, or waits for the one that is being made, and returns its file. Raises BackupError."""
        if self._stopping.is_set():
            raise BackupError("No backup is made any more: the server is stopping.")
        if self._making is None:
            self._making = asyncio.create_task(self._make(), name="backup")
            self._making.add_done_callback(self._made)
        # Whoever asked may go; the backup is finished all the same.
        return await asyncio.shield(self._making)

    async def listing(self) -> list[Backup]:
        """The backups that are there, the newest first. Raises BackupError."""
        return await self._run(self._listing)

    def file(self, name: str) -> Path:
        """The file of the backup with that name. Raises BackupError when there is none."""
        file = self.folder / name
        if time_of(name) is None or not file.is_file():
            raise BackupError(f"There is no backup {name[:60]!r}.")
        return file

    async def remove(self, name: str) -> None:
        """Deletes a backup. Raises BackupError."""
        try:
            await self._run(self.file(name).unlink)
        except OSError as error:
            raise BackupError(f"{name} cannot be deleted: {error.strerror}.") from error

    async def prepare(self, name: str) -> None:
        """The next start of the server begins with that backup, if it is whole. Raises BackupError."""
        file, at = self.file(name), self._now()
        try:
            await self._run(lambda: archive.prepare(file, self._data_dir, self._report, at=at))
        finally:
            self.step = None
        log.info("a backup takes effect at the next start", file=name)

    async def tick(self) -> None:
        """Makes a backup if one is due: an hour after the newest, or after the last try."""
        now = self._now()
        if self._tried_at is not None and timedelta(0) <= now - self._tried_at < EVERY:
            return
        try:
            newest = max(await self._run(self._times), default=None)
            if newest is not None and now - newest < EVERY:
                self._tried_at = newest
                return
            self._tried_at = now
            await self.backup_now()
        except BackupError as error:
            log.error("the hourly backup failed; it is tried again in an hour", reason=str(error))

    async def _watching(self) -> None:
        while True:
            try:
                await self.tick()
            except Exception:
                log.exception("hourly backup")
            await asyncio.sleep(LOOK_SECONDS)

    async def _make(self) -> Path:
        began = self._now()
        try:
            file = await self._run(lambda: self._create_and_rotate(began))
        finally:
            self.step = None
        log.info("backup made", file=str(file), seconds=round((self._now() - began).total_seconds(), 1))
        return file

    def _made(self, task: asyncio.Task[Path]) -> None:
        self._making = None
        if not task.cancelled():
            task.exception()  # whoever waits is told; if nobody does, it is not an error of the loop's

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # In the thread.

    def _create_and_rotate(self, at: datetime) -> Path:
        file = archive.create(self._data_dir, self._database_file, self.folder, self._report, at=at)
        for time in surplus(self._times(), at, self._keep):
            try:
                (self.folder / file_name(time)).unlink(missing_ok=True)
            except OSError as error:
                log.warning("an old backup cannot be deleted", file=file_name(time), reason=error.strerror)
        return file

    def _report(self, what: str, done: float) -> None:
        if self._stopping.is_set():
            raise BackupError("The backup was given up: the server is stopping.")
        self.step = Step(what, done)

    def _listing(self) -> list[Backup]:
        found = []
        for time in sorted(self._times(), reverse=True):
            name = file_name(time)
            try:
                found.append(Backup(name, time, (self.folder / name).stat().st_size))
            except FileNotFoundError:
                continue
        return found

    def _times(self) -> list[datetime]:
        """When the backups that are there were made, without those from the future."""
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise BackupError(f"The backups in {self.folder} cannot be listed: {error.strerror}.") from error
        now = self._now()
        return [time for name in names if (time := time_of(name)) is not None and time <= now]


def _step_back() -> None:
    if sys.platform == "linux":  # elsewhere it would be the whole process that steps back
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
