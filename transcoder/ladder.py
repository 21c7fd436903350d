"""What is made of a source: its variants, the renditions behind them, and why.

Pure. Owns the values that say so, and the ladder of a source that needs no plan since it is encoded already. What is
made of any other source is planned in `planning`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ingest.source import AudioCodec, VideoCodec
from transcoder.errors import LadderError

SHARED_KEYFRAME_SECONDS = 2.0
"""Longest keyframe interval at which a passthrough variant may stand beside others: a player that changes variant
waits for a keyframe, and with longer ones it stalls."""

LONE_KEYFRAME_SECONDS = 4.0
"""Longest keyframe interval of a passthrough variant that is the only one."""

DEFAULT_LEVEL = 2


@dataclass(frozen=True, slots=True)
class VariantSettings:
    """One variant as the owner asks for it. Bit rates in kb/s; 0 as a dimension or a rate means the source's."""

    name: str = ""
    video_passthrough: bool = False
    audio_passthrough: bool = False
    video_bitrate: int = 1200
    audio_bitrate: int = 128
    scaled_width: int = 0
    scaled_height: int = 0
    framerate: int = 0
    cpu_usage_level: int = DEFAULT_LEVEL


@dataclass(frozen=True, slots=True)
class EncodingSpeed:
    """How fast this machine encodes: pixels per second at the default `cpu_usage_level`, all cores busy."""

    pixels_per_second: float


@dataclass(frozen=True, slots=True)
class SourceVideo:
    """The source's picture. `keyframe_interval`: seconds, the longest seen; None while it is not known."""

    codec: VideoCodec
    width: int
    height: int
    framerate: float | None = None
    keyframe_interval: float | None = None
    rare_profile: bool = False
    """H.264 of a profile that browsers do not decode: more than 8 bits, 4:2:2 or 4:4:4."""

    @property
    def plays_everywhere(self) -> bool:
        """Whether every player can take it as it is."""
        return self.codec is VideoCodec.AVC and not self.rare_profile


@dataclass(frozen=True, slots=True)
class SourceAudio:
    """The source's sound; the rate in Hz."""

    codec: AudioCodec
    sample_rate: int
    channels: int


@dataclass(frozen=True, slots=True)
class VideoRung:
    """One video rendition. `framerate` is a cap, None is every frame; `bitrate` in kb/s, 0 where it is not known.

    `encoding` says what is passed through: 0 is the source itself, then come the variants that it brings along.
    """

    passthrough: bool
    width: int
    height: int
    framerate: float | None
    bitrate: int
    cpu_usage_level: int
    encoding: int = 0


@dataclass(frozen=True, slots=True)
class AudioRung:
    """One audio rendition; `bitrate` in kb/s, 0 for passthrough."""

    passthrough: bool
    bitrate: int


@dataclass(frozen=True, slots=True)
class Variant:
    """What a viewer chooses: indices into the ladder's `videos` and `audios`, None where the source has none."""

    name: str
    video: int | None
    audio: int | None


@dataclass(frozen=True, slots=True)
class Ladder:
    """Everything to make of one source, best variant first. `reasons` are sentences for the owner.

    `keyframes`: "source" when the renditions must have keyframes where the source has them, "own" when nothing is
    passed through and keyframes come every `keyframe_seconds`.
    """

    videos: tuple[VideoRung, ...]
    audios: tuple[AudioRung, ...]
    variants: tuple[Variant, ...]
    reasons: tuple[str, ...]
    keyframes: Literal["source", "own"]
    keyframe_seconds: float


def given(videos: Sequence[tuple[int, SourceVideo, int]], audio: SourceAudio | None) -> Ladder:
    """The ladder of a source that is encoded already: nothing is made of it.

    `videos`: which encoding, its picture, and its bits per second as far as they are announced. Raises LadderError when
    there is nothing.
    """
    if not videos and audio is None:
        raise LadderError("The source has neither video nor audio; check the encoder's outputs.")
    rungs = [
        VideoRung(True, video.width, video.height, None, bitrate // 1000, DEFAULT_LEVEL, encoding)
        for encoding, video, bitrate in videos
    ]
    sizes = [min(rung.width, rung.height) for rung in rungs]
    names = [
        f"{size}p" if sizes.count(size) == 1 else f"{size}p {rung.bitrate} kb/s"
        for size, rung in zip(sizes, rungs, strict=True)
    ]
    sound = None if audio is None else 0
    variants = tuple(Variant(name, number, sound) for number, name in enumerate(names)) or (Variant("Audio", None, 0),)
    reason = "The stream is shown as the encoder made it; nothing is encoded here."
    return Ladder(
        tuple(rungs),
        () if audio is None else (AudioRung(True, 0),),
        variants,
        (reason,),
        "source" if rungs else "own",
        SHARED_KEYFRAME_SECONDS,
    )
