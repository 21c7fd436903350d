"""Runs the one ffmpeg of a broadcast, feeds it, reads its renditions, and starts it again when it dies.

Owns the child process, its pipes, the memory of the current group of pictures from which a new ffmpeg resumes, and
the replacement of a hardware encoder by libx264. Which flags ffmpeg gets is `transcoder.command`'s; what becomes of
the frames is the listener's. Nothing here waits for the listener or makes the source wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from ingest.source import (
    TIMESCALE,
    AudioCodec,
    AudioFrame,
    AudioHeader,
    VideoCodec,
    VideoFrame,
    VideoHeader,
)
from transcoder import feed
from transcoder.advice import MAX_LINE, Adviser, translate
from transcoder.command import OUTPUT_ORIGIN, SOFTWARE, live_command, outputs
from transcoder.errors import BoxError, EncoderError
from transcoder.ffmpeg_binary import ENHANCED_AUDIO_VERSION, ENHANCED_VIDEO_VERSION, FfmpegBinary
from transcoder.fmp4.reader import FragmentReader
from transcoder.ladder import Ladder
from transcoder.pipes import FeedPipe, OutputPipe, pipe
from transcoder.replay import Replay

MAX_STDERR_LINES = 1000
"""Lines of ffmpeg's that are looked at per run; a damaged source complains without end."""

QUICK_DEATHS = 2
"""A hardware encoder that dies this often without `Timing.healthy_after` seconds of health is replaced."""

log = structlog.get_logger(__name__)


class EncoderListener(Protocol):
    """Who hears the renditions. Calls are synchronous, on the event loop, and must not block.

    `output` is an index into `transcoder.command.outputs(ladder)`. Times are on the source's own timeline; per output
    they never repeat or go back, also across restarts.
    """

    def on_video_header(self, output: int, header: VideoHeader) -> None:
        """The first header of an output, or one that differs from the last; a keyframe follows."""

    def on_audio_header(self, output: int, header: AudioHeader) -> None:
        """The first header of an output, or one that differs from the last."""

    def on_video(self, output: int, frame: VideoFrame) -> None:
        """An encoded picture."""

    def on_audio(self, output: int, frame: AudioFrame) -> None:
        """An encoded audio frame."""

    def on_down(self, reason: str) -> None:
        """ffmpeg died; a restart follows. `reason` is a sentence."""

    def on_up(self) -> None:
        """The first output after a start or a restart."""

    def on_advice(self, sentence: str) -> None:
        """Something that the owner should know; each sentence comes once."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The waits of an encoder, in seconds."""

    first_backoff: float = 0.5
    longest_backoff: float = 10.0
    healthy_after: float = 30.0
    """A run that lasts this long resets the backoff."""
    grace: float = 1.0
    """How long ffmpeg may finish after the end of its input before it is killed."""
    stall: float = 10.0
    """How long ffmpeg may be fed without giving anything before it is killed."""


class Encoder:
    """One ffmpeg for one source: `start`, then `feed_*` as frames come, `aclose` at the end.

    Every method belongs to the event loop that called `start`.
    """

    def __init__(
        self,
        binary: FfmpegBinary,
        ladder: Ladder,
        encoder: str,
        video: VideoHeader | None,
        audio: AudioHeader | None,
        listener: EncoderListener,
        *,
        timing: Timing = Timing(),  # noqa: B008 (immutable)
    ) -> None:
        self._binary = binary
        self._ladder = ladder
        self._encoder = encoder
        self._video, self._audio = video, audio
        self._listener = listener
        self._timing = timing
        self._outputs = [_Rendition(index, listener) for index in range(len(outputs(ladder)))]
        self._videos = [
            made for made, output in zip(self._outputs, outputs(ladder), strict=True) if output.kind == "video"
        ]
        self._adviser = Adviser()
        self._replay = Replay(with_video=video is not None)
        self._run: _Run | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._quick_deaths = 0

    @property
    def encoder(self) -> str:
        """The name of the encoder in use; it changes when a hardware encoder had to be replaced."""
        return self._encoder

    @property
    def pid(self) -> int | None:
        """The process id of the running ffmpeg."""
        return self._run.process.pid if self._run is not None else None

    async def start(self) -> None:
        """Begin. Raises EncoderError when this ffmpeg cannot read the source's codecs, or there is nothing to encode."""
        if not self._outputs:
            raise EncoderError("Every variant is passed through; there is nothing to encode.")
        check_readable(self._binary, self._video, self._audio)
        self._task = asyncio.create_task(self._supervise(), name="encoder")

    async def aclose(self) -> None:
        """End ffmpeg, hand on what it still gives, and return when it is gone, within two seconds."""
        self._closing.set()
        if self._task is not None:
            await self._task
            self._task = None

    def feed_video(self, frame: VideoFrame) -> None:
        """Take one picture of the source. Never blocks."""
        if self._video is None:
            return
        tag = feed.video_tag(self._video.codec, frame)
        self._replay.add(tag, frame.dts, video=True, keyframe=frame.keyframe, delivered=self._delivered())
        if self._run is not None:
            self._run.stdin.push(tag, frame.dts, video=True, keyframe=frame.keyframe)

    def feed_audio(self, frame: AudioFrame) -> None:
        """Take one audio frame of the source. Never blocks."""
        if self._audio is None:
            return
        tag = feed.audio_tag(self._audio.codec, frame)
        self._replay.add(tag, frame.pts, video=False, keyframe=False, delivered=self._delivered())
        if self._run is not None:
            self._run.stdin.push(tag, frame.pts, video=False, keyframe=False)

    def feed_headers(self, video: VideoHeader | None, audio: AudioHeader | None) -> None:
        """Take the source's headers; ffmpeg is started again when they differ from those it was started with."""
        if (video, audio) == (self._video, self._audio):
            return
        self._video, self._audio = video, audio
        self._replay = Replay(with_video=video is not None)
        if self._run is not None:
            self._run.end("The source's codec settings changed.")

    def _delivered(self) -> int | None:
        """Up to where every video output (or, without any, every output) has been handed on; None before that."""
        times = [made.last for made in self._videos or self._outputs]
        return None if None in times else min(time for time in times if time is not None)

    async def _supervise(self) -> None:
        backoff = self._timing.first_backoff
        reason = "asked to"
        loop = asyncio.get_running_loop()
        try:
            while not self._closing.is_set():
                began = loop.time()
                reason, planned = await self._run_once()
                if self._closing.is_set():
                    break
                healthy = loop.time() - began >= self._timing.healthy_after
                log.warning("ffmpeg ended", reason=reason, encoder=self._encoder, healthy=healthy)
                self._listener.on_down(reason)
                if planned:
                    continue
                if healthy:
                    backoff = self._timing.first_backoff
                    self._quick_deaths = 0
                self._quick_deaths += 1
                if self._replace_hardware():
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(backoff):
                        await self._closing.wait()
                backoff = min(backoff * 2, self._timing.longest_backoff)
        finally:
            log.info("closed", what="encoder", reason=reason if not self._closing.is_set() else "asked to")

    def _replace_hardware(self) -> bool:
        """Go over to libx264 when a hardware encoder gave up, and say so."""
        failed, self._failed = self._failed, False
        if self._encoder == SOFTWARE or not (failed or self._quick_deaths >= QUICK_DEATHS):
            return False
        self._advise(
            f"The encoder {self._encoder} failed during the broadcast; libx264 goes on instead, which costs processor time."
        )
        self._encoder = SOFTWARE
        self._quick_deaths = 0
        return True

    _failed = False
