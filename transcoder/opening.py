"""The first moments of a source: what is in it, decided before anything is packaged.

Owns the frames that come before it is known which tracks there are, and the reading of their codec headers.
Sans-I/O: media time passes with the frames, wall time with `expire`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ingest.source import (
    TIMESCALE,
    AudioFrame,
    AudioHeader,
    LiveSource,
    VideoCodec,
    VideoFrame,
    VideoHeader,
)
from transcoder.audio_codecs import AudioInfo, describe_audio
from transcoder.errors import CodecError
from transcoder.ladder import SourceAudio, SourceVideo
from transcoder.video_codecs import VideoInfo, describe_video, keyframe_interval_hint

UNANNOUNCED_WAIT = TIMESCALE
"""How long, in media time, to wait for a track that the metadata does not mention."""

ANNOUNCED_WAIT = 3 * TIMESCALE
"""How long to wait for a track that the metadata promises."""

MAX_FRAMES = 4096
"""Frames kept at most; three seconds of anything real are far fewer."""

COMMON_PROFILES = ("avc1.42", "avc1.4d", "avc1.58", "avc1.64")
"""Baseline, Main, Extended and High: 8 bits, 4:2:0."""

MIN_FRAMERATE, MAX_FRAMERATE = 1.0, 240.0
"""Frames per second that are believed; parts are made long enough for one frame, so less would make them endless."""


@dataclass(frozen=True, slots=True)
class OpeningVariant:
    """One of the variants that a source brings along, as far as it has been seen."""

    number: int
    """Counts the source's encodings; the source itself is 0."""
    header: VideoHeader
    info: VideoInfo
    composition: int
    """Ticks from decoding to showing its first picture."""
    bitrate: int


class Opening:
    """Collects headers and frames until the source can be planned for.

    `ready` tells when; then `source_video`, `source_audio` and `frames` hold what is known. Of a track that cannot be
    used there is nothing, and `problem` says why.
    """

    def __init__(self, source: LiveSource, *, keyframe_interval: float | None = None) -> None:
        self.frames: list[VideoFrame | AudioFrame] = []
        self.video: VideoHeader | None = source.video
        self.audio: AudioHeader | None = source.audio
        self.video_info: VideoInfo | None = None
        self.audio_info: AudioInfo | None = None
        self.problem = ""
        self.variants: list[OpeningVariant] = []
        """What the source brings along, where that can be used; filled in by whoever hears it."""
        self._source = source
        self._interval = keyframe_interval
        self._expired = False
        self._first_keyframe: VideoFrame | None = None
        self._first_audio: AudioFrame | None = None
        self._began: int | None = None
        self._now = 0

    def on_video(self, frame: VideoFrame) -> None:
        """A picture; those before the first keyframe are dropped."""
        if self._first_keyframe is None:
            if not frame.keyframe or self.video is None:
                return
            self._first_keyframe = frame
        self._keep(frame, frame.dts)

    def on_audio(self, frame: AudioFrame) -> None:
        """An audio frame."""
        self._first_audio = self._first_audio or frame
        self._keep(frame, frame.pts)

    def expire(self) -> None:
        """Enough wall time has passed: what is there will have to do."""
        self._expired = True

    def ready(self) -> bool:
        """Whether the tracks are known and at least one has begun."""
        has_video, has_audio = self._first_keyframe is not None, self._first_audio is not None
        if not (has_video or has_audio):
            return False
        if not (has_video and has_audio) and not self._expired:
            missing_video = not has_video and self._awaited(self._source.expects_video)
            missing_audio = not has_audio and self._awaited(self._source.expects_audio)
            if missing_video or missing_audio:
                return False
        self._describe()
        if self.video_info is None:
            self.frames = [frame for frame in self.frames if isinstance(frame, AudioFrame)]
        if self.audio_info is None:
            self.frames = [frame for frame in self.frames if isinstance(frame, VideoFrame)]
        return bool(self.frames or self.problem)

    @property
    def source_video(self) -> SourceVideo | None:
        """The picture as the ladder needs to know it."""
        return None if self.video_info is None else self._as_source(self.video_info)

    @property
    def encodings(self) -> list[tuple[int, SourceVideo, int]]:
        """The source's own picture and those of its variants, as `ladder.given` takes them."""
        video = self.source_video
        own = [] if video is None else [(0, video, self._source.bitrate)]
        return own + [(each.number, self._as_source(each.info), each.bitrate) for each in self.variants]

    @property
    def source_audio(self) -> SourceAudio | None:
        """The sound as the ladder needs to know it."""
        info = self.audio_info
        return None if info is None else SourceAudio(info.codec, info.sample_rate, info.channels)

    @property
    def first_keyframe(self) -> VideoFrame | None:
        """The picture everything starts with."""
        return self._first_keyframe

    def _as_source(self, info: VideoInfo) -> SourceVideo:
        rare = info.codec is VideoCodec.AVC and not info.name.startswith(COMMON_PROFILES)
        return SourceVideo(info.codec, info.width, info.height, info.framerate, self._keyframe_interval(), rare)

    def _keep(self, frame: VideoFrame | AudioFrame, time: int) -> None:
        self._began = time if self._began is None else self._began
        self._now = max(self._now, time)
        self.frames.append(frame)
        if len(self.frames) > MAX_FRAMES:
            self._expired = True

    def _awaited(self, expected: bool | None) -> bool:
        if expected is False or self._began is None:
            return False
        return self._now - self._began < (ANNOUNCED_WAIT if expected else UNANNOUNCED_WAIT)

    def _describe(self) -> None:
        metadata = self._source.metadata
        try:
            if self.video is not None and self._first_keyframe is not None:
                width, height = (int(_number(metadata, key)) for key in ("width", "height"))
                info = describe_video(self.video, width=width, height=height)
                framerate = info.framerate or _number(metadata, "framerate", "videoframerate")
                known = framerate if MIN_FRAMERATE <= framerate <= MAX_FRAMERATE else None
                self.video_info = VideoInfo(info.codec, info.name, info.width, info.height, known)
        except CodecError as error:
            self.problem = f"The picture cannot be used: {error}"
        try:
            if self.audio is not None and self._first_audio is not None:
                self.audio_info = describe_audio(self.audio, self._first_audio.data)
        except CodecError as error:
            self.problem = f"The sound cannot be used: {error}"

    def _keyframe_interval(self) -> float | None:
        """Seconds between keyframes, as measured, told by ingest or declared by x264; None when only time will tell."""
        told = [each for each in (self._interval, self._source.keyframe_interval) if each is not None]
        if told or self._first_keyframe is None or self.video_info is None:
            return max(told, default=None)
        frames = keyframe_interval_hint(self._first_keyframe.data)
        return None if frames is None else frames / (self.video_info.framerate or 30.0)


def _number(metadata: Mapping[str, object], *keys: str) -> float:
    """The first of `keys` that is a sane number, else 0."""
    for key in keys:
        value = metadata.get(key)
        if isinstance(value, int | float) and 0 < value < 1e6:
            return float(value)
    return 0.0
