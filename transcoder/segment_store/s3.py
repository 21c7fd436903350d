"""Segments in an S3-compatible store, from where a CDN or the store itself serves them.

Owns the uploads: a bounded queue in memory, a few threads, retries, and the deletion of what is too old. Whoever
listens is told of each object that is there, since players may be sent to it only then, and of trouble: the store is
gone, refuses the credentials, or takes less than the stream brings. Nothing is lost for viewers by that, because the
live window still has what it lists; what waits longest is given up first, and what is given up is never listed.

Objects lie below `PREFIX/hls/` under their key, `SESSION/RENDITION/NAME`, and beside these the playlists for those who
never ask this server. A name never gets other bytes, so segments may be kept for a year; playlists for a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog

from transcoder.segment_store.s3_client import S3Client, S3Place, connect

MAX_QUEUED_BYTES = 64 * 1024 * 1024
"""Media waiting to be uploaded. With more, what waits longest is given up."""
MAX_DELETIONS = 10_000
"""Keys waiting to be deleted. Further ones stay until the next start, or until the bucket's own rules remove them."""
WORKERS = 4
DELETE_SECONDS = 5.0
"""How often what is too old is deleted."""
DELETE_BATCH = 1_000
"""Keys in one request: the most that S3 takes."""
LATE_SECONDS = 8.0
"""An object that waits for so long shows that the store is slower than the stream."""
BACKOFF_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Between tries while the store fails; the last one is repeated."""
STEADY = 3
"""Uploads in a row after which trouble is over."""
CLOSE_SECONDS = 5.0

SEGMENT_CACHE = "public, max-age=31536000, immutable"
PLAYLIST_CACHE = "public, max-age=1"
PICTURE_CACHE = "public, max-age=15"
TYPES = {
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".jpg": "image/jpeg",
}

_OURS = re.compile(r"[0-9a-z]{1,32}/\d{1,3}/[0-9a-zA-Z.-]{1,64}", re.ASCII)
"""What an earlier process may have left, below the prefix."""
_DOCUMENTS = re.compile(r"(?:\d{1,3}/)?stream\.m3u8|thumbnail\.jpg", re.ASCII)
"""The same of what is not of one session."""

log = structlog.get_logger(__name__)

T = TypeVar("T")


class StoreListener(Protocol):
    """Who hears what becomes of the uploads. Calls are synchronous, on the event loop, and must not block."""

    def on_kept(self, key: str) -> None:
        """That object can be fetched from now on."""

    def on_trouble(self, sentence: str) -> None:
        """The store fails or is too slow; told once until it is over."""

    def on_recovery(self) -> None:
        """Uploads go through again."""


@dataclass(slots=True, eq=False)
class _Put:
    key: str
    chunks: tuple[bytes | memoryview, ...]
    size: int
    since: float


class S3Store:
    """A `SegmentStore` in a bucket."""

    def __init__(
        self,
        place: S3Place,
        listener: StoreListener,
        *,
        connect: Callable[[S3Place], S3Client] = connect,
        max_queued_bytes: int = MAX_QUEUED_BYTES,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`connect` blocks; `clock` counts seconds."""
        self._place = place
        self._listener = listener
        self._connect = connect
        self._max_queued_bytes = max_queued_bytes
        self._clock = clock
        self._sleep = sleep
        self._client: S3Client | None = None
        self._connecting = threading.Lock()
        self._closed = False
        self._pool = ThreadPoolExecutor(WORKERS + 1, "s3")
        self._queue: deque[_Put] = deque()
        self.waiting_bytes = 0
        self.kept = 0
        """Objects that were uploaded, playlists included."""
        self.given_up = 0
        """Objects that were not, for more came than went."""
        self.problem = ""
        """What is wrong, as a sentence; empty while uploads go through."""
        self._documents: dict[str, bytes] = {}
        """Playlists and pictures that wait, by key: of each only the newest."""
        self._published: set[str] = set()
        """Their keys, since the start."""
        self._deletions: dict[str, None] = {}
        self._sessions: dict[str, set[str]] = {}
        """The keys that were put, by session."""
        self._work = asyncio.Event()
        self._busy = 0
        """Uploads under way."""
        self._failures = 0
        self._successes = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """See `SegmentStore`. What an earlier process left is swept beside everything else."""
        self._tasks = [asyncio.create_task(self._uploading(), name="s3: upload") for _ in range(WORKERS)]
        self._tasks.append(asyncio.create_task(self._deleting(), name="s3: delete"))
        self._tasks.append(asyncio.create_task(self._sweep(), name="s3: sweep"))

    async def aclose(self) -> None:
        """See `SegmentStore`. What is too old by now is deleted at once."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                while self._queue or self._documents or self._busy:
                    await self._sleep(CLOSE_SECONDS / 50)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self.problem:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    while self._deletions and await self._delete_some():
                        pass
        self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        log.info("closed", what="segment store", bucket=self._place.bucket, prefix=self._place.path_prefix)

    @property
    def waiting(self) -> int:
        """Objects that wait to be uploaded."""
        return len(self._queue) + len(self._documents)

    # What is to be there.

    def put(self, key: str, chunks: Sequence[bytes | memoryview]) -> None:
        """See `SegmentStore`. When the queue is full, what waits longest is given up instead."""
        put = _Put(key, tuple(chunks), sum(map(len, chunks)), self._clock())
        self._sessions.setdefault(session_of(key), set()).add(key)
        self._queue.append(put)
        self.waiting_bytes += put.size
        while self.waiting_bytes > self._max_queued_bytes and len(self._queue) > 1:
            self.waiting_bytes -= self._queue.popleft().size
            self.given_up += 1
            self._trouble("The store of segments takes less than the stream brings; some were not uploaded.")
        self._work.set()

    def publish(self, key: str, document: bytes) -> None:
        """Queues a playlist or a picture, in place of one with that key that still waits."""
        self._documents[key] = document
        self._published.add(key)
        self._deletions.pop(key, None)
        self._work.set()

    def delete(self, keys: Sequence[str]) -> None:
        """See `SegmentStore`."""
        for key in keys:
            self._sessions.get(session_of(key), set()).discard(key)
            if len(self._deletions) < MAX_DELETIONS:
                self._deletions[key] = None

    def drop(self, session: str) -> None:
        """See `SegmentStore`."""
        self.delete(sorted(self._sessions.pop(session, ())))

    async def get(self, key: str) -> bytes | None:
        """See `SegmentStore`."""
        try:
            return await self._call(lambda client: client.get(self._place.key(key)))
        except OSError:
            return None

    # The work.

    async def _call(self, work: Callable[[S3Client], T]) -> T:
        """Does something blocking in a thread. Raises OSError with a sentence when the store does not do it."""

        def blocking() -> T:
            with self._connecting:
                if self._client is None:
                    self._client = self._connect(self._place)
            return work(self._client)

        if self._closed:
            raise OSError("the server is stopping.")
        return await asyncio.get_running_loop().run_in_executor(self._pool, blocking)

    async def _uploading(self) -> None:
        while True:
            while not self._queue and not self._documents:
                self._work.clear()
                await self._work.wait()
            self._busy += 1
            try:
                # Segments first: a playlist that names them follows.
                if self._queue:
                    await self._upload(self._queue.popleft())
                else:
                    await self._upload_playlist(next(iter(self._documents)))
            finally:
                self._busy -= 1

    async def _upload_playlist(self, key: str) -> None:
        document = self._documents.pop(key)
        cache = PLAYLIST_CACHE if key.endswith(".m3u8") else PICTURE_CACHE
        if not await self._try(key, document, cache):
            # Unless a newer one has come meanwhile.
            self._documents.setdefault(key, document)

    async def _upload(self, put: _Put) -> None:
        if not self._wanted(put.key):
            # Deleted before it was there.
            self.waiting_bytes -= put.size
            return
        if self._clock() - put.since > LATE_SECONDS:
            self._trouble("The store of segments is slower than the stream.")
        try:
            kept = await self._try(put.key, b"".join(put.chunks), SEGMENT_CACHE)
        finally:
            self.waiting_bytes -= put.size
        if kept:
            if self._wanted(put.key):
                self._listener.on_kept(put.key)
            else:
                self.delete([put.key])
        elif self.waiting_bytes + put.size <= self._max_queued_bytes:
            self._queue.appendleft(put)
            self.waiting_bytes += put.size
        else:
            self.given_up += 1

    def _wanted(self, key: str) -> bool:
        return key in self._sessions.get(session_of(key), ())

    async def _try(self, key: str, body: bytes, cache: str) -> bool:
        """Uploads one object. After a failure it returns only when it makes sense to try again."""
        kind = TYPES.get(key[key.rfind(".") :], "application/octet-stream")
        try:
            await self._call(lambda client: client.put(self._place.key(key), body, kind, cache))
        except OSError as error:
            self._successes = 0
            self._trouble(f"The store of segments fails: {error}")
            pause = BACKOFF_SECONDS[min(self._failures, len(BACKOFF_SECONDS) - 1)]
            self._failures += 1
            await self._sleep(pause)
            return False
        self._failures = 0
        self._successes += 1
        self.kept += 1
        if self.problem and self._successes >= STEADY and not self._late():
            self.problem = ""
            log.info("segment store", recovered=self._place.endpoint)
            self._listener.on_recovery()
        return True

    def _late(self) -> bool:
        return bool(self._queue) and self._clock() - self._queue[0].since > LATE_SECONDS / 2

    def _trouble(self, sentence: str) -> None:
        self._successes = 0
        if not self.problem:
            self.problem = sentence
            log.warning("segment store", problem=sentence)
            self._listener.on_trouble(sentence)

    async def _deleting(self) -> None:
        while True:
            await self._sleep(DELETE_SECONDS)
            if self._deletions:
                await self._delete_some()

    async def _delete_some(self) -> bool:
        """Deletes as many objects as one request can. Whether that went well; if not they stay for the next time."""
        keys = list(self._deletions)[:DELETE_BATCH]
        try:
            await self._call(lambda client: client.delete([self._place.key(key) for key in keys]))
        except OSError as error:
            log.warning("segment store", problem=f"What is too old could not be deleted: {error}")
            return False
        for key in keys:
            self._deletions.pop(key, None)
        return True

    async def _sweep(self) -> None:
        """Deletes what an earlier process left, known by its name."""
        try:
            found = await self._call(lambda client: client.list(self._place.key("")))
        except OSError as error:
            self._trouble(f"The store of segments cannot be listed: {error}")
            return
        keys = [self._place.own(each) for each in found]
        left = [key for key in keys if _OURS.fullmatch(key) and key not in self._sessions.get(session_of(key), ())]
        # A playlist or a picture of a show that is gone would lead to what is not there.
        self.delete([*left, *(key for key in keys if _DOCUMENTS.fullmatch(key) and key not in self._published)])


def session_of(key: str) -> str:
    """The session that an object belongs to."""
    return key.split("/", 1)[0]
