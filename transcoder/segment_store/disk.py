"""Segments on the local disk: written behind the live edge, whole or not at all, and gone when the window has slid.

Owns the folder it is given and everything in it. Files are written under a temporary name and renamed, so a reader
(another web server, say) never sees half a segment. Nothing is synced to the platter: a live segment is worthless
after a crash, and what one leaves is swept at the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import structlog

MAX_QUEUED_BYTES = 64 * 1024 * 1024
"""Media waiting to be written. A disk slower than the stream loses segments here, and memory still has them."""

MAX_QUEUED_JOBS = 4096
"""Objects waiting to be written or deleted. What is not deleted stays until the next start."""

CLOSE_SECONDS = 2.0
"""How long `aclose` lets the queue drain."""

TEMPORARY_SUFFIX = ".part"
COMPLAINT_SECONDS = 30.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Put:
    key: str
    chunks: tuple[bytes | memoryview, ...]
    size: int


@dataclass(frozen=True, slots=True)
class _Delete:
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Drop:
    session: str


class DiskStore:
    """A `SegmentStore` in `folder`, which it creates."""

    def __init__(self, folder: Path, *, max_queued_bytes: int = MAX_QUEUED_BYTES) -> None:
        self._folder = folder
        self._max_queued_bytes = max_queued_bytes
        self._queue: asyncio.Queue[_Put | _Delete | _Drop | None] = asyncio.Queue()
        self.waiting_bytes = 0
        self.kept = 0
        """Objects that were written."""
        self.given_up = 0
        """Objects that were not, for the disk was too slow or refused them."""
        self.problem = ""
        """What became wrong with the last object, as a sentence; empty when it was written."""
        self._complained = float("-inf")
        self._pool = ThreadPoolExecutor(1, "segments")
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def waiting(self) -> int:
        """Objects that wait to be written or deleted."""
        return self._queue.qsize()

    async def start(self) -> None:
        """Creates the folder, empties it and starts the writer. Raises OSError when it cannot be written."""
        await asyncio.get_running_loop().run_in_executor(self._pool, self._sweep)
        self._task = asyncio.create_task(self._work(), name="segment store")

    def put(self, key: str, chunks: Sequence[bytes | memoryview]) -> None:
        """See `SegmentStore`."""
        size = sum(map(len, chunks))
        if self.waiting_bytes + size > self._max_queued_bytes or self._queue.qsize() >= MAX_QUEUED_JOBS:
            self._complain(f"The disk under {self._folder} is too slow: a segment of {size} bytes was not written.")
            self.given_up += 1
            return
        self.waiting_bytes += size
        self._queue.put_nowait(_Put(key, tuple(chunks), size))

    def delete(self, keys: Sequence[str]) -> None:
        """See `SegmentStore`."""
        if self._queue.qsize() < MAX_QUEUED_JOBS:
            self._queue.put_nowait(_Delete(tuple(keys)))

    def drop(self, session: str) -> None:
        """See `SegmentStore`."""
        self._queue.put_nowait(_Drop(session))  # one a broadcast: these need no bound

    async def get(self, key: str) -> bytes | None:
        """See `SegmentStore`. Keys are our own, but a name that leaves the folder is refused all the same."""
        path = (self._folder / key).resolve()
        if self._closed or not path.is_relative_to(self._folder.resolve()):
            return None
        return await asyncio.get_running_loop().run_in_executor(self._pool, _read, path)

    async def aclose(self) -> None:
        """See `SegmentStore`."""
        self._closed = True
        if self._task is not None:
            self._queue.put_nowait(None)
            with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                await asyncio.wait_for(self._task, CLOSE_SECONDS)
            self._task = None
        self._pool.shutdown(wait=False)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while (job := await self._queue.get()) is not None:
            try:
                if isinstance(job, _Put):
                    await loop.run_in_executor(self._pool, self._write, job)
                    self.kept += 1
                    self.problem = ""
                elif isinstance(job, _Delete):
                    await loop.run_in_executor(self._pool, self._remove, job)
                else:
                    folder = self._folder / job.session
                    await loop.run_in_executor(self._pool, shutil.rmtree, folder, True)
            except OSError as error:
                self.given_up += isinstance(job, _Put)
                self._complain(f"A segment could not be kept under {self._folder}: {error.strerror or error}.")
            finally:
                if isinstance(job, _Put):
                    self.waiting_bytes -= job.size

    def _complain(self, sentence: str) -> None:
        self.problem = sentence
        now = time.monotonic()
        if now - self._complained >= COMPLAINT_SECONDS:
            self._complained = now
            log.warning("segment store", problem=sentence)

    def _sweep(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for left in self._folder.iterdir():
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)

    def _write(self, job: _Put) -> None:
        path = self._folder / job.key
        temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
        try:
            file = temporary.open("wb")
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = temporary.open("wb")
        try:
            with file:
                file.writelines(job.chunks)
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    def _remove(self, job: _Delete) -> None:
        folders = set()
        for key in job.keys:
            path = self._folder / key
            path.unlink(missing_ok=True)
            folders.add(path.parent)
        for folder in folders:
            with contextlib.suppress(OSError):  # not empty yet
                folder.rmdir()
                folder.parent.rmdir()


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
