"""One source as the pipeline hears it, and the shortest way of its frames to those who package and encode them.

Owns the source's place on the broadcast's timeline and the frames since its last keyframe. What happens at the seams
(a start, other codec settings, keyframes too far apart, the end) it leaves to the `Director`, which is the pipeline.

This is the one path that every frame of every broadcast takes, several thousand times a second when a source comes
unpaced, so it does without calls where it can.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ingest.source import AudioFrame, AudioHeader, LiveSource, VideoFrame, VideoHeader
from transcoder.lineup import Lineup
from transcoder.opening import Opening, OpeningVariant
from transcoder.process import Encoder
from transcoder.variants import VariantInput
from transcoder.video_codecs import with_parameter_sets

MAX_GROUP_FRAMES = 1024
"""Frames since the last keyframe that are kept in case the passthrough has to be given up."""


class Director(Protocol):
    """Who decides what a source's events mean."""

    def try_open(self, origin: SourceInput) -> None:
        """The source may have told enough to begin."""

    def renew(self, origin: SourceInput, video: VideoHeader | None, audio: AudioHeader | None) -> None:
        """The source's codec settings changed: it begins anew with its next keyframe."""

    def keyframe_missing(self, origin: SourceInput) -> None:
        """A passthrough segment had to begin without a keyframe."""

    def note_keyframe(self, header: VideoHeader, keyframe: bytes) -> None:
        """A keyframe went by."""

    def lose(self, origin: SourceInput, reason: str) -> None:
        """The source ended."""


class SourceInput:
    """A SourceListener. Deaf from `silence` on, when another source has taken its place."""

    def __init__(self, director: Director, source: LiveSource, opening: Opening, began: float) -> None:
        self.source = source
        self.opening: Opening | None = opening
        """What is being learned of the source; None while it is on air."""
        self.began = began
        """When the opening began, on the pipeline's clock."""
        self.heard = True
        """Whether a frame came since somebody last looked; whoever looks, resets it."""
        self.last_heard = began
        self.longest_gap = 0
        """The longest distance between keyframes while on air, in ticks; 0 before the second."""
        self._director = director
        self._lineup: Lineup | None = None
        self._encoder: Encoder | None = None
        self._shift = 0
        self._group: list[VideoFrame | AudioFrame] = []
        self._grouping = False
        self._last_keyframe: int | None = None
        self._variants: list[VariantInput] = []

    def go_on_air(self, lineup: Lineup, encoder: Encoder | None, shift: int) -> None:
        """From now on frames go to `lineup` and `encoder`, `shift` ticks later than the source says."""
        self.opening = None
        self._lineup, self._encoder, self._shift = lineup, encoder, shift
        self._group = []
        self._grouping = bool(lineup.direct_videos)
        self._last_keyframe = None
        self.longest_gap = 0
        for variant in self._variants:
            variant.go_on_air(lineup.variants.get(variant.number), shift)

    def go_off_air(self, opening: Opening | None, now: float) -> None:
        """Frames go to `opening` again, or nowhere."""
        self.opening, self.began = opening, now
        self._lineup = self._encoder = None
        for variant in self._variants:
            variant.go_off_air()

    def describe_variants(self, begin: int) -> list[OpeningVariant]:
        """The source's variants that a run can begin with, at the source's time `begin`."""
        return [found for variant in self._variants if (found := variant.describe(begin)) is not None]

    @property
    def left_out(self) -> list[str]:
        """Why variants of the source are not on air, in sentences for the owner."""
        return [variant.problem for variant in self._variants if variant.problem]

    @property
    def on_air(self) -> bool:
        """Whether frames go to a lineup."""
        return self._lineup is not None

    @property
    def group(self) -> list[VideoFrame | AudioFrame]:
        """The frames since the last keyframe, in the source's own time; kept while anything is passed through."""
        return list(self._group)

    def on_metadata(self, metadata: Mapping[str, object]) -> None:
        """Read from the source when it is needed; its variants are known from now on."""
        if not self._variants:
            self._variants = [
                VariantInput(number, variant, self._renew) for number, variant in enumerate(self.source.variants, 1)
            ]
            for listener, variant in zip(self._variants, self.source.variants, strict=True):
                variant.listener = listener

    def on_video_header(self, header: VideoHeader) -> None:
        if self.opening is not None:
            self.opening.video = header
        elif self._lineup is not None:
            self._director.renew(self, header, self.source.audio)

    def on_audio_header(self, header: AudioHeader) -> None:
        if self.opening is not None:
            self.opening.audio = header
        elif self._lineup is not None:
            self._director.renew(self, self.source.video, header)

    def on_end(self, reason: str) -> None:
        self._director.lose(self, reason)

    def on_video(self, frame: VideoFrame) -> None:
        self.heard = True
        lineup = self._lineup
        if lineup is None:
            if self.opening is not None:
                self.opening.on_video(frame)
                self._director.try_open(self)
            return
        keyframe = frame.keyframe
        if keyframe and not self._note_keyframe(frame):
            return
        if self._grouping and len(self._group) < MAX_GROUP_FRAMES:
            self._group.append(frame)
        shift = self._shift
        if shift:
            frame = VideoFrame(frame.dts + shift, frame.pts + shift, keyframe, frame.data)
        schedule = lineup.schedule
        time = frame.dts + schedule.offset
        if time < schedule.quiet_until and not keyframe:
            schedule.last_time = time
            cut = False
        else:
            cut = schedule.video(frame.dts, frame.pts, keyframe)
        for packager in lineup.direct_videos:
            packager.feed(frame)
        if self._encoder is not None:
            self._encoder.feed_video(frame)
        if cut:
            lineup.advance()
            if self._grouping and not keyframe and schedule.at_segment_start:
                self._director.keyframe_missing(self)

    def on_audio(self, frame: AudioFrame) -> None:
        self.heard = True
        lineup = self._lineup
        if lineup is None:
            if self.opening is not None:
                self.opening.on_audio(frame)
                self._director.try_open(self)
            return
        if self._grouping and len(self._group) < MAX_GROUP_FRAMES:
            self._group.append(frame)
        if self._shift:
            frame = AudioFrame(frame.pts + self._shift, frame.data)
        schedule = lineup.schedule
        if not lineup.has_video:
            cut = schedule.audio(frame.pts)
        else:
            cut = frame.pts >= schedule.overdue and schedule.audio_passed(frame.pts)
        for packager in lineup.direct_audios:
            packager.feed(frame)
        if self._encoder is not None:
            self._encoder.feed_audio(frame)
        if cut:
            lineup.advance()

    def _renew(self) -> None:
        if self._lineup is not None:
            self._director.renew(self, self.source.video, self.source.audio)

    def _note_keyframe(self, frame: VideoFrame) -> bool:
        """Whether this keyframe goes on with what is on air. False: it brought other parameter sets than the header,
        and has begun something new."""
        header = self.source.video
        if header is None:
            return True
        renewed = with_parameter_sets(header, frame.data)
        if renewed is not header:
            self.source.video = renewed
            self._director.renew(self, renewed, self.source.audio)
            self.on_video(frame)
            return False
        if self._last_keyframe is not None:
            self.longest_gap = max(self.longest_gap, frame.pts - self._last_keyframe)
        self._last_keyframe = frame.pts
        self._group.clear()
        self._director.note_keyframe(header, frame.data)
        return True
