"""A variant that the publisher encoded itself, on its short way to the rendition that shows it.

Owns the pictures that come before the source is on air, and between two of its runs. When a run begins is decided by
the source's own pictures; variants follow it.
"""

from __future__ import annotations

from collections.abc import Callable

from ingest.source import TIMESCALE, SourceVariant, VideoFrame, VideoHeader
from transcoder.errors import CodecError
from transcoder.opening import OpeningVariant
from transcoder.packager import VideoPackager
from transcoder.video_codecs import describe_video

MAX_FRAMES = 1024
"""Pictures kept while the source is off the air, the newest group of them."""

JITTER = TIMESCALE // 50
"""How far keyframes of the same moment may be apart."""


class VariantInput:
    """A VariantListener for encoding `number` of a source."""

    def __init__(self, number: int, variant: SourceVariant, renewed: Callable[[], None]) -> None:
        """`renewed` is called when the codec settings change while on air."""
        self.number = number
        self.problem = ""
        """Why the last run went on without it, as a sentence; empty when it is there."""
        self._variant = variant
        self._renewed = renewed
        self._frames: list[VideoFrame] = []
        self._packager: VideoPackager | None = None
        self._shift = 0

    def describe(self, begin: int) -> OpeningVariant | None:
        """What is known of it for a run that begins at `begin` (the source's time); None: nothing that can be used."""
        header = self._variant.video
        self._frames = _from_keyframe(self._frames, begin)
        if header is None or not self._frames:
            self.problem = f"{_title(self.number)} is left out: no picture of it came together with the best variant's."
            return None
        try:
            info = describe_video(header)
        except CodecError as error:
            self.problem = f"{_title(self.number)} is left out, for its picture cannot be used: {error}"
            return None
        self.problem = ""
        first = self._frames[0]
        return OpeningVariant(self.number, header, info, first.pts - first.dts, self._variant.bitrate)

    def go_on_air(self, packager: VideoPackager | None, shift: int) -> None:
        """From now on pictures go to `packager`, `shift` ticks later than the source says; None: nowhere."""
        frames, self._frames = self._frames, []
        self._packager, self._shift = packager, shift
        if packager is not None:
            for frame in frames:
                self.on_video(frame)

    def go_off_air(self) -> None:
        """Pictures are kept for the next run."""
        self._packager = None

    def on_video_header(self, header: VideoHeader) -> None:
        self._frames.clear()
        if self._packager is not None:
            self._packager = None
            self._renewed()

    def on_video(self, frame: VideoFrame) -> None:
        if self._packager is not None:
            shift = self._shift
            self._packager.feed(VideoFrame(frame.dts + shift, frame.pts + shift, frame.keyframe, frame.data))
            return
        if frame.keyframe and len(self._frames) > MAX_FRAMES:
            self._frames.clear()
        if self._frames or frame.keyframe:
            self._frames.append(frame)
            if len(self._frames) > 2 * MAX_FRAMES:
                self._frames.clear()


def _title(number: int) -> str:
    return f"Variant {number + 1} of the encoder"


def _from_keyframe(frames: list[VideoFrame], begin: int) -> list[VideoFrame]:
    """Those from the first keyframe on that is not before `begin`."""
    for position, frame in enumerate(frames):
        if frame.keyframe and frame.pts >= begin - JITTER:
            return frames[position:]
    return []
