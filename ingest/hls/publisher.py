"""One encoder that sends HLS, from its first file until its stream ends or falls silent.

Owns the tasks that turn what lies on the shelf into frames: segments are read off the event loop, one at a time, and
released at their own speed. Nobody tells that an encoder is gone: there is no connection. A playlist's ENDLIST is the
end, or that nothing came for a while.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from ingest.errors import SegmentError
from ingest.hls.chunk import Chunk
from ingest.hls.m3u8 import MAX_DURATION
from ingest.hls.release import Release
from ingest.hls.shelf import Delivery, Shelf
from ingest.source import LiveSource, SourceVariant

IDLE_SECONDS: Final = 15.0
"""An encoder that sends no file for this long is gone."""
IDLE_SEGMENTS: Final = 3
"""Or for so many of its segments, when that is longer."""
SETTLE_SECONDS: Final = 1.5
"""How long the first media playlist waits for a multivariant one, or for its siblings."""
TICK: Final = 0.25
"""How often the clock is looked at while nothing is due, in seconds."""
MAX_LOGGED: Final = 50
"""Sentences about what was skipped, for each publisher."""

log = structlog.get_logger(__name__)


class HlsPublisher:
    """Feeds `source`, whose listener is set by whoever admitted it, from `start` to `end`."""

    def __init__(self, source: LiveSource, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.source = source
        self.ended = False
        self._clock = clock
        self._shelf = Shelf(self._say)
        self._release: Release | None = None
        self._wake = asyncio.Event()
        self._flow = asyncio.Event()
        self._heard = clock()
        self._first_playlist: float | None = None
        self._longest = 0.0
        self._said = 0
        self._caught_up = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begins to use what comes."""
        self._tasks = [
            asyncio.create_task(self._guarded(self._read), name="hls input: read"),
            asyncio.create_task(self._guarded(self._play), name="hls input: play"),
        ]

    def put(self, name: str, data: bytes) -> None:
        """Takes a file. Raises PlaylistError for one that cannot be used."""
        self._shelf.put(name, data)
        self._note()

    def delete(self, name: str) -> None:
        """The encoder has deleted a file."""
        self._shelf.delete(name)
        self._note()

    def touch(self) -> None:
        """The encoder is sending something."""
        self._heard = self._clock()

    def end(self, reason: str) -> None:
        """Ends the source at once; `reason` is a sentence. Again: nothing."""
        if self.ended:
            return
        self.ended = True
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        log.info("hls input ended", address=self.source.origin.address, reason=reason)
        if self.source.listener is not None:
            self.source.listener.on_end(reason)

    async def aclose(self) -> None:
        """Ends the source, and returns when nothing of it runs any more."""
        self.end("The server is stopping.")
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _note(self) -> None:
        self.touch()
        self._caught_up = False
        if self._shelf.known and self._first_playlist is None:
            self._first_playlist = self._clock()
        self._wake.set()

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """A fault of ours ends this publisher, and nothing else."""
        try:
            await work()
        except Exception:
            log.exception("hls input failed", address=self.source.origin.address)
            self.end("This server could not go on with the stream; its log says why.")

    async def _read(self) -> None:
        """Segments in their order, as they become usable."""
        while not self.ended:
            self._settle()
            delivery = self._shelf.take() if self._release is not None else None
            if delivery is None:
                self._caught_up = True
                self._flow.set()
                self._wake.clear()
                try:
                    async with asyncio.timeout(SETTLE_SECONDS):
                        await self._wake.wait()
                except TimeoutError:
                    self._look_for_silence()
                continue
            await self._use(delivery)
            self._flow.set()

    async def _use(self, delivery: Delivery) -> None:
        entry, release = delivery.entry, self._release
        try:
            chunk = await asyncio.to_thread(_read_segment, delivery.init, delivery.data)
        except SegmentError as error:
            self._say(f"The segment {entry.name} is skipped. {error}")
            self._shelf.spoil(delivery.track)
            return
        self._longest = max(self._longest, entry.duration)
        if delivery.track == 0 and not self.source.metadata and chunk.pictures is not None:
            self.source.metadata = {"framerate": chunk.pictures.framerate}
        if release is not None:
            if delivery.track == 0 and not release.begun:
                self.source.expects_video = chunk.pictures is not None
                self.source.expects_audio = chunk.sound is not None or bool(self._shelf.sounds)
            release.add(delivery.track, chunk, broken=delivery.broken, name=entry.init or "")

    def _settle(self) -> None:
        """Decides which variants there are, once that can be known."""
        shelf = self._shelf
        if self._release is not None or self._first_playlist is None:
            return
        if not shelf.certain and self._clock() - self._first_playlist < SETTLE_SECONDS:
            return
        shelf.settle()
        source, (best, *others) = self.source, shelf.encodings
        source.encoded, source.bitrate = True, best.bandwidth
        source.variants = tuple(SourceVariant(each.bandwidth) for each in others)
        self._release = Release(source)
        if source.listener is not None:
            source.listener.on_metadata(source.metadata)
        log.info("hls input", address=source.origin.address, variants=len(shelf.encodings), sounds=len(shelf.sounds))

    async def _play(self) -> None:
        """Frames at their own speed."""
        while not self.ended:
            self._flow.clear()
            wait = TICK if self._release is None else min(self._release.due(self._clock()), TICK)
            try:
                async with asyncio.timeout(wait):
                    await self._flow.wait()
            except TimeoutError:
                pass
            if self._shelf.ended and self._caught_up and self._release is not None:
                self._release.finish()
                if self._release.empty:
                    self.end("The encoder ended its stream.")

    def _look_for_silence(self) -> None:
        silent = self._clock() - self._heard
        if silent > max(IDLE_SECONDS, IDLE_SEGMENTS * min(self._longest, MAX_DURATION)):
            self.end(f"The encoder has sent nothing for {silent:.0f} s.")

    def _say(self, sentence: str) -> None:
        self._said += 1
        if self._said <= MAX_LOGGED:
            log.warning("hls input", address=self.source.origin.address, problem=sentence)


def _read_segment(init: bytes, data: bytes) -> Chunk:
    # libav takes tens of megabytes, and most servers never see such an encoder.
    from ingest.hls.demux import read_segment

    return read_segment(init, data)
