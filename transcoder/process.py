"""Runs the one ffmpeg of a broadcast, and starts another when it dies.

Owns the supervision: start, restart with backoff, end, and the replacement of a hardware encoder by libx264. One run
of ffmpeg with its pipes is `transcoder.run`'s; which flags it gets is `transcoder.command`'s; what becomes of the
frames is the listener's. Nothing here waits for the listener or makes the source wait.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from ingest.source import TIMESCALE, AudioCodec, AudioFrame, AudioHeader, VideoCodec, VideoFrame, VideoHeader
from transcoder import feed
from transcoder.advice import Advice, Adviser
from transcoder.command import SOFTWARE, outputs
from transcoder.errors import EncoderError
from transcoder.ffmpeg_binary import ENHANCED_AUDIO_VERSION, ENHANCED_VIDEO_VERSION, FfmpegBinary
from transcoder.ladder import Ladder
from transcoder.rendition import EncoderListener, Rendition
from transcoder.replay import Replay, Tag
from transcoder.run import Run, RunSettings

QUICK_DEATHS = 2
"""A hardware encoder that dies this often without `Timing.healthy_after` seconds of health is replaced."""

log = structlog.get_logger(__name__)


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


DEFAULT_TIMING = Timing()


def check_readable(binary: FfmpegBinary, video: VideoHeader | None, audio: AudioHeader | None) -> None:
    """Raise EncoderError when this ffmpeg is too old to read one of the codecs in FLV."""
    wanted = []
    if video is not None and video.codec is not VideoCodec.AVC:
        wanted.append((video.codec.name, ENHANCED_VIDEO_VERSION))
    if audio is not None and audio.codec not in (AudioCodec.AAC, AudioCodec.MP3):
        wanted.append((audio.codec.name, ENHANCED_AUDIO_VERSION))
    for name, needed in wanted:
        if binary.number < needed:
            raise EncoderError(
                f"ffmpeg {binary.version} at {binary.path} cannot read {name} from a live source; ffmpeg "
                f"{needed[0]}.{needed[1]} or later can, for example the one that comes with this program."
            )


class Encoder:
    """One ffmpeg for one source: `start`, then `feed_*` as frames come, `aclose` at the end.

    `grid_origin`, in ticks, is where keyframes are counted from when the ladder sets its own. `advise` hears sentences
    for the owner, each once. Every method belongs to the event loop that called `start`.
    Only the tracks that have a rendition to encode are fed to ffmpeg.
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
        grid_origin: int = 0,
        advise: Callable[[str], None] | None = None,
        timing: Timing = DEFAULT_TIMING,
    ) -> None:
        self._binary, self._ladder, self._encoder = binary, ladder, encoder
        self._listener, self._timing = listener, timing
        self._grid_origin = grid_origin
        self._tell = advise
        made = outputs(ladder)
        self._renditions = [Rendition(index, output.kind == "video", listener) for index, output in enumerate(made)]
        self._with_video = any(output.kind == "video" for output in made)
        self._with_audio = any(output.kind == "audio" for output in made)
        self._video = video if self._with_video else None
        self._audio = audio if self._with_audio else None
        self._replay = Replay(with_video=self._with_video)
        self._adviser = Adviser()
        self._run: Run | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._describable = asyncio.Event()
        self._sample: AudioFrame | None = None
        self._quick_deaths = 0

    @property
    def encoder(self) -> str:
        """The name of the encoder in use; it changes when a hardware encoder had to be replaced."""
        return self._encoder

    @property
    def pid(self) -> int | None:
        """The process id of the running ffmpeg, None between two runs."""
        return self._run.pid if self._run is not None else None

    async def start(self) -> None:
        """Begin. Raises EncoderError when this ffmpeg cannot read the source, or nothing is to be encoded."""
        if not self._renditions:
            raise EncoderError("Every variant is passed through; there is nothing to encode.")
        if (self._with_video and self._video is None) or (self._with_audio and self._audio is None):
            raise EncoderError("The ladder asks for a track that the source does not have.")
        check_readable(self._binary, self._video, self._audio)
        self._task = asyncio.create_task(self._supervise(), name="encoder")

    async def aclose(self) -> None:
        """End ffmpeg, hand on what it still gives, and return when it is gone, within two seconds."""
        self._closing.set()
        self._describable.set()
        if self._run is not None:
            self._run.end("asked to")
        if self._task is not None:
            task, self._task = self._task, None
            await task

    def feed_video(self, frame: VideoFrame) -> None:
        """Take one picture of the source. Never blocks."""
        if self._video is not None:
            data = feed.video_tag(self._video.codec, frame)
            self._feed(Tag(data, frame.dts, True, frame.keyframe), frame.pts)

    def feed_audio(self, frame: AudioFrame) -> None:
        """Take one audio frame of the source. Never blocks."""
        if self._audio is not None:
            if self._audio.codec is AudioCodec.MP3:
                self._sample = frame
                self._describable.set()
            self._feed(Tag(feed.audio_tag(self._audio.codec, frame), frame.pts, False, False), frame.pts)

    def _feed(self, tag: Tag, presented: int) -> None:
        self._replay.add(tag, presented, self._delivered())
        if self._run is not None:
            self._run.feed(tag)

    def _delivered(self) -> int | None:
        """Up to where every output has been handed on, sound as well, which often comes late; None before that."""
        times = [made.last for made in self._renditions]
        return min((time for time in times if time is not None), default=None) if None not in times else None

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        backoff = self._timing.first_backoff
        reason = "asked to"
        while not self._closing.is_set():
            await self._until_describable()
            if self._closing.is_set():
                break
            began = loop.time()
            run = self._new_run()
            reason = await run.play(self._ready)
            self._run = None
            if self._closing.is_set():
                break
            self._listener.on_down(reason)
            log.warning("ffmpeg died", reason=reason, encoder=self._encoder, next_try_seconds=backoff)
            if loop.time() - began >= self._timing.healthy_after:
                backoff = self._timing.first_backoff
                self._quick_deaths = 0
            self._quick_deaths += 1
            if self._replace_hardware(run.encoder_failed):
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(backoff):
                    await self._closing.wait()
            backoff = min(backoff * 2, self._timing.longest_backoff)
        log.info("closed", part="encoder", reason="asked to")

    async def _until_describable(self) -> None:
        """Wait until ffmpeg can be told what is in the feed: MP3 has no header, so one frame must have come."""
        if self._audio is not None and self._audio.codec is AudioCodec.MP3 and self._sample is None:
            self._describable.clear()
            if not self._closing.is_set():
                await self._describable.wait()

    def _new_run(self) -> Run:
        firsts = [self._replay.first_picture(made.last) for made in self._renditions]
        settings = RunSettings(
            self._binary.path,
            self._ladder,
            self._encoder,
            self._timing.grace,
            self._timing.stall,
            [0.0 if first is None else max(first - self._grid_origin, 0) / TIMESCALE for first in firsts],
        )
        return Run(settings, self._renditions, self._listener, self._advise)

    def _ready(self, run: Run) -> None:
        """ffmpeg runs: tell it the codecs, and everything that another ffmpeg has not delivered."""
        self._run = run
        if self._closing.is_set():
            run.end("asked to")
            return
        tags = list(self._replay)
        time = tags[0].time if tags else 0
        opening = [feed.file_header(video=self._video is not None, audio=self._audio is not None)]
        if self._video is not None:
            opening.append(feed.video_header_tag(self._video, time))
        if self._audio is not None:
            opening.append(feed.audio_header_tag(self._audio, time))
        if self._audio is not None and self._sample is not None:
            opening.append(feed.audio_tag(self._audio.codec, self._sample._replace(pts=time)))
        run.open_feed(b"".join(opening), tags)

    def _replace_hardware(self, failed: bool) -> bool:
        """Go over to libx264 when a hardware encoder gave up, and say so. True when that happened."""
        if self._encoder == SOFTWARE or not (failed or self._quick_deaths >= QUICK_DEATHS):
            return False
        self._advise(
            Advice(
                f"The encoder {self._encoder} failed during the broadcast, so libx264 goes on in its place; that costs "
                "processor time."
            )
        )
        self._encoder = SOFTWARE
        self._quick_deaths = 0
        return True

    def _advise(self, advice: Advice) -> None:
        if self._adviser.once(advice):
            log.warning("encoder advice", advice=advice.sentence)
            if self._tell is not None:
                self._tell(advice.sentence)
