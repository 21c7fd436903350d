"""The two kinds of pipes to a child process: one that is fed and never blocks, one that is read as bytes come.

Owns the file descriptors of our ends, the bounded queue in front of the fed one, and the rule for shedding it. What
the bytes mean is somebody else's.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections import deque
from collections.abc import Callable

from ingest.source import TIMESCALE
from transcoder.replay import Tag

PIPE_BYTES = 1024 * 1024
"""What every pipe is enlarged to where the system can: fewer, larger writes, and room for a burst."""

MAX_QUEUE_BYTES = 32 * 1024 * 1024
MAX_QUEUE_SECONDS = 4
"""How far ffmpeg may lag behind the source, besides what its pipe holds, before it skips to a keyframe."""

MAX_BATCH = 64
"""Tags per writev; POSIX guarantees 16, every system here takes 1024."""

READ_BYTES = 256 * 1024
"""Bytes taken from a pipe before other work gets its turn."""


def pipe() -> tuple[int, int]:
    """Return the reading and the writing end of a new pipe, both closed in children unless they are passed on."""
    reading, writing = os.pipe()
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # over the user's limit of pipe memory: the default size will do
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return reading, writing


class FeedPipe:
    """Writes tags to a pipe when it has room. Sheds its queue when the reader cannot keep up, and calls `overloaded`.

    After shedding, video goes on with the next keyframe.
    """

    def __init__(self, descriptor: int, overloaded: Callable[[], None]) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor: int | None = descriptor
        self._overloaded = overloaded
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Tag] = deque()
        self._queued = 0
        self._begun = 0
        self._skipping = False
        self._allowance = (0, 0)
        self._scheduled: asyncio.Handle | None = None
        self._waiting = False

    def replay(self, tags: list[Tag]) -> None:
        """Queue what an ffmpeg resumes from; it does not count as a lag until the queue has been empty once."""
        if tags:
            self._allowance = (sum(len(tag.data) for tag in tags), tags[-1].time - tags[0].time)
        for tag in tags:
            self.push(tag)

    def push(self, tag: Tag) -> None:
        """Queue one tag; it is written with its neighbours before the loop waits again."""
        if self._descriptor is None:
            return
        if self._skipping and tag.video:
            if not tag.keyframe:
                return
            self._skipping = False
        self._queue.append(tag)
        self._queued += len(tag.data)
        if self._over_limit(tag.time):
            self._shed()
        if self._scheduled is None and not self._waiting:
            self._scheduled = self._loop.call_soon(self._flush)

    def close(self) -> None:
        """Close the pipe, which tells the reader that nothing follows. What is queued is lost."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        self._stop_waiting(descriptor)
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        self._queue.clear()
        os.close(descriptor)

    def _over_limit(self, now: int) -> bool:
        size, span = self._allowance
        lag = now - self._queue[0].time
        return self._queued > MAX_QUEUE_BYTES + size or lag > MAX_QUEUE_SECONDS * TIMESCALE + span

    def _shed(self) -> None:
        kept = [self._queue[0]] if self._begun else []  # half a tag has been written: the other half must follow
        self._queue = deque(kept)
        self._queued = sum(len(tag.data) for tag in kept)
        self._skipping = True
        self._allowance = (0, 0)
        self._overloaded()

    def _flush(self) -> None:
        self._scheduled = None
        descriptor = self._descriptor
        while descriptor is not None and self._queue:
            batch = [self._queue[index].data for index in range(min(len(self._queue), MAX_BATCH))]
            try:
                # Only the first can have been begun.
                written = os.writev(descriptor, [memoryview(batch[0])[self._begun :], *batch[1:]])
            except BlockingIOError:
                if not self._waiting:
                    self._waiting = True
                    self._loop.add_writer(descriptor, self._flush)
                return
            except OSError:  # the reader is gone, which its owner hears from the process
                self.close()
                return
            self._consume(written)
        if descriptor is not None:
            self._allowance = (0, 0)
            self._stop_waiting(descriptor)

    def _consume(self, written: int) -> None:
        self._begun += written
        while self._queue and self._begun >= len(self._queue[0].data):
            size = len(self._queue.popleft().data)
            self._begun -= size
            self._queued -= size

    def _stop_waiting(self, descriptor: int) -> None:
        if self._waiting:
            self._waiting = False
            self._loop.remove_writer(descriptor)


class OutputPipe:
    """Hands every bytes that arrive on a pipe to `receive`, until its end."""

    def __init__(self, descriptor: int, receive: Callable[[bytes], None]) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor: int | None = descriptor
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self._readable)

    def drain(self) -> None:
        """Read what is left of a writer that has ended, and close."""
        while self._descriptor is not None and self._read():
            pass
        self.close()

    def close(self) -> None:
        """Stop reading and close the pipe."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            self._loop.remove_reader(descriptor)
            os.close(descriptor)

    def _readable(self) -> None:
        self._read()

    def _read(self) -> bool:
        """True while there may be more at once."""
        if self._descriptor is None:
            return False
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self.close()
            return False
        self._receive(data)
        return True
