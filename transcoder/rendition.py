"""One rendition that ffmpeg makes, across all the ffmpegs that a broadcast may need.

Owns what has been delivered of it and so what of a new ffmpeg's output is a repetition. Pure: bytes in, calls to the
listener out.
"""

from __future__ import annotations

from typing import Protocol

from ingest.source import TIMESCALE, AudioFrame, AudioHeader, VideoFrame, VideoHeader
from transcoder.command import OUTPUT_ORIGIN
from transcoder.fmp4.reader import FragmentReader

AUDIO_TOLERANCE = 900
"""10 ms, half an AAC frame: one that begins no later than this after the last one repeats it."""

_HALF_MILLISECOND = 0.0005


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
        """An encoded picture; the first one after a start or a restart is a keyframe."""

    def on_audio(self, output: int, frame: AudioFrame) -> None:
        """An encoded audio frame."""

    def on_down(self, reason: str) -> None:
        """ffmpeg died; a restart follows. `reason` is a sentence."""

    def on_up(self) -> None:
        """The first output after a start or a restart."""


class Rendition:
    """The output `index`; `last` is the presentation time (1/90000 s) up to which it was delivered."""

    def __init__(self, index: int, video: bool, listener: EncoderListener) -> None:
        self.video = video
        self.last: int | None = None
        self._index = index
        self._listener = listener
        self._reader = FragmentReader(origin=OUTPUT_ORIGIN)
        self._header: VideoHeader | AudioHeader | None = None
        self._begun = False

    def begin(self) -> float | None:
        """A new ffmpeg starts. Return after which time (seconds) it shall encode pictures; None is from its first."""
        self._reader = FragmentReader(origin=OUTPUT_ORIGIN)
        self._begun = False
        return self.last / TIMESCALE + _HALF_MILLISECOND if self.video and self.last is not None else None

    def receive(self, data: bytes) -> int:
        """Hand on what the bytes complete and return how many frames that was. Raises BoxError."""
        frames = 0
        for event in self._reader.feed(data):
            match event:
                case VideoFrame():
                    frames += self._picture(event)
                case AudioFrame():
                    frames += self._sound(event)
                case VideoHeader():
                    if event != self._header:
                        self._header = event
                        self._listener.on_video_header(self._index, event)
                case AudioHeader():
                    if event != self._header:
                        self._header = event
                        self._listener.on_audio_header(self._index, event)
        return frames

    def _picture(self, frame: VideoFrame) -> bool:
        if self.last is not None and frame.pts <= self.last:
            return False
        if not self._begun and not frame.keyframe:
            return False
        self._begun = True
        self.last = frame.pts
        self._listener.on_video(self._index, frame)
        return True

    def _sound(self, frame: AudioFrame) -> bool:
        # An AAC encoder's first frame lies before the source's beginning and holds no sound.
        if frame.pts < 0 or (self.last is not None and frame.pts <= self.last + AUDIO_TOLERANCE):
            return False
        self.last = frame.pts
        self._listener.on_audio(self._index, frame)
        return True
