"""One ffmpeg after the other for one broadcast.

Owns the order of changes: a rendition has received all that the old ffmpeg gives before the first frame of the new
one, and a window ends when the last of its ffmpegs has. It decides none of these changes; `transcoder.pipeline` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from ingest.source import AudioFrame, AudioHeader, VideoFrame, VideoHeader
from transcoder.command import outputs
from transcoder.encoders import EncoderChoice
from transcoder.errors import EncoderError
from transcoder.ffmpeg_binary import FfmpegBinary
from transcoder.ladder import Ladder
from transcoder.lineup import Lineup
from transcoder.opening import Opening
from transcoder.process import Encoder

DOWN_SECONDS = 4.0
"""How long renditions wait for an ffmpeg that died: a new one makes up for what was missed, unless it takes longer."""


@dataclass(frozen=True, slots=True)
class Toolbox:
    """A working ffmpeg and the encoder chosen for it."""

    binary: FfmpegBinary
    choice: EncoderChoice


@dataclass(slots=True, eq=False)
class _Encoding:
    """One ffmpeg and the lineup that its frames are for (an EncoderListener)."""

    lane: EncoderLane
    lineup: Lineup
    clock: Callable[[], float]
    encoder: Encoder | None = None
    down_since: float | None = None

    def on_video_header(self, output: int, header: VideoHeader) -> None:
        self.lineup.encoded_video_header(output, header)

    def on_audio_header(self, output: int, header: AudioHeader) -> None:
        self.lineup.encoded_audio_header(output, header)

    def on_video(self, output: int, frame: VideoFrame) -> None:
        self.lineup.encoded_video(output, frame)

    def on_audio(self, output: int, frame: AudioFrame) -> None:
        self.lineup.encoded_audio(output, frame)

    def on_down(self, reason: str) -> None:
        self.down_since = self.clock()
        self.lane.restarts += 1

    def on_up(self) -> None:
        self.down_since = None
        self.lineup.fail_encoded(False)


class EncoderLane:
    """Starts and ends the ffmpegs of a broadcast, in order, beside the frames."""

    def __init__(self, toolbox: Toolbox | None, advise: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._toolbox = toolbox
        self._advise = advise
        self._clock = clock
        self._current: _Encoding | None = None
        self.starts = 0
        """Sources for which ffmpeg was started."""
        self.restarts = 0
        """How often one died on air, and another took its place."""
        self._last: asyncio.Task[None] | None = None

    def use(self, toolbox: Toolbox | None) -> None:
        """Encodes with that ffmpeg from the next beginning on."""
        self._toolbox = toolbox

    @property
    def running(self) -> bool:
        """Whether there is an ffmpeg for what is on air."""
        return self._current is not None and self._current.encoder is not None and self._current.encoder.pid is not None

    @property
    def in_use(self) -> str:
        """The name of the encoder on air, else of the next one; empty when there is none."""
        if self._current is not None and self._current.encoder is not None:
            return self._current.encoder.encoder
        return self._toolbox.choice.name if self._toolbox is not None else ""

    def begin(self, lineup: Lineup, ladder: Ladder, opening: Opening, run: int, shift: int) -> Encoder | None:
        """The encoder for `run`, to be fed from now on; ffmpeg starts when its turn comes. None: nothing to encode,
        or nothing to encode it with."""
        if not outputs(ladder):
            return None
        encoding = self._current = _Encoding(self, lineup, self._clock)
        if self._toolbox is not None:
            first = opening.first_keyframe
            encoding.encoder = Encoder(
                self._toolbox.binary,
                ladder,
                self._toolbox.choice.name,
                opening.video if opening.video_info is not None else None,
                opening.audio if opening.audio_info is not None else None,
                encoding,
                grid_origin=first.pts + shift if first is not None else 0,
                advise=self._advise,
            )
        self._queue(self._start(encoding, run))
        return encoding.encoder

    def end(self) -> None:
        """The run is over: ffmpeg gives what it still has, and ends."""
        encoding, self._current = self._current, None
        if encoding is not None:
            self._queue(self._finish(encoding))

    def close_window(self, lineup: Lineup) -> None:
        """Ends the window of `lineup` when all its renditions are complete."""
        self._queue(self._close(lineup))

    async def settled(self) -> None:
        """Returns when everything asked for until now is done."""
        if self._last is not None:
            await asyncio.shield(self._last)

    def tick(self, now: float) -> None:
        """Time passes: renditions whose ffmpeg is away for too long wait no more."""
        encoding = self._current
        if encoding is not None and encoding.down_since is not None and now - encoding.down_since >= DOWN_SECONDS:
            encoding.lineup.fail_encoded(True)

    def _queue(self, work: Coroutine[None, None, None]) -> None:
        self._last = asyncio.create_task(_after(self._last, work), name="encoder lane")

    async def _start(self, encoding: _Encoding, run: int) -> None:
        encoding.lineup.begin_encoded(run)
        if encoding.encoder is None:
            self._advise("There is no working ffmpeg, so only what needs no transcoding is shown.")
            encoding.lineup.fail_encoded(True)
            return
        try:
            await encoding.encoder.start()
            self.starts += 1
        except EncoderError as error:
            self._advise(str(error))
            encoding.lineup.fail_encoded(True)

    async def _finish(self, encoding: _Encoding) -> None:
        if encoding.encoder is not None:
            await encoding.encoder.aclose()
        encoding.lineup.fail_encoded(False)
        encoding.lineup.finish_encoded()

    async def _close(self, lineup: Lineup) -> None:
        lineup.window.end()


async def _after(previous: asyncio.Task[None] | None, work: Coroutine[None, None, None]) -> None:
    if previous is not None:
        await asyncio.wait([previous])
    await work
