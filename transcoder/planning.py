"""Variants asked for + what the source is → the variants to make, and why.

Pure. Owns the rules: never upscale, drop duplicates, even dimensions at the source's aspect, one audio rendition per
distinct audio setting, at least one H.264 variant whatever the source, passthrough only where the source's keyframes
permit it. It runs nothing, knows no ffmpeg argument, and measures no speed: that is handed in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ingest.source import AudioCodec, VideoCodec
from transcoder.errors import LadderError
from transcoder.ladder import (
    DEFAULT_LEVEL,
    LONE_KEYFRAME_SECONDS,
    SHARED_KEYFRAME_SECONDS,
    AudioRung,
    EncodingSpeed,
    Ladder,
    SourceAudio,
    SourceVideo,
    Variant,
    VariantSettings,
    VideoRung,
)

RUNG_SIZES = (1080, 720, 480, 360)
"""The sizes of `auto`, as the shorter side in pixels, largest first."""

SPEED_SHARE = 0.5
"""The part of the measured encoding speed that a ladder may use; the rest is the machine's own and the peaks'."""

DECODE_COST = 0.15
"""What decoding a pixel costs, in encoded pixels."""

DEFAULT_FRAMERATE = 30.0
"""Assumed when the source does not tell."""

SMALL_RUNG = 480
"""Rungs of this size and below are made at no more than 30 frames per second."""

MAX_VARIANTS = 10
"""More variants than any player's menu or any machine is good for."""

FASTEST_LEVEL = 0

_Rung = TypeVar("_Rung")

_BITRATES = ((2160, 14000), (1440, 8000), (1080, 4500), (720, 2500), (480, 1200), (360, 700), (0, 400))
"""kb/s by shorter side at 30 frames per second, when nobody asked for another."""
_HIGH_RATE_FACTOR = 1.5

_AUTO_AUDIO = AudioRung(False, 160)


def plan(
    settings: Sequence[VariantSettings] | None,
    video: SourceVideo | None,
    audio: SourceAudio | None,
    *,
    segment_seconds: float,
    speed: EncodingSpeed,
) -> Ladder:
    """Return the ladder for a source; `settings` None means `auto`. Raises LadderError when nothing can be made."""
    if video is None and audio is None:
        raise LadderError("The source has neither video nor audio; check the encoder's outputs.")
    if video is not None and (video.width < 2 or video.height < 2):
        raise LadderError(f"The source's picture of {video.width}x{video.height} is too small to be encoded.")
    builder = _Builder(video, audio, speed)
    if settings:
        builder.explicit(settings)
    else:
        builder.auto()
    return builder.ladder(segment_seconds)


@dataclass(slots=True)
class _Builder:
    video: SourceVideo | None
    audio: SourceAudio | None
    speed: EncodingSpeed
    videos: list[VideoRung] = field(default_factory=list)
    audios: list[AudioRung] = field(default_factory=list)
    variants: list[Variant] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def auto(self) -> None:
        sound = AudioRung(True, 0) if self._audio_is_aac() else _AUTO_AUDIO
        if self.audio is not None:
            if sound.passthrough:
                self.reasons.append("The audio is passed through as it is.")
            else:
                self.reasons.append(
                    f"The audio is encoded to AAC, because few players take {_spoken(self.audio.codec)}."
                )
        video = self.video
        if video is None:
            self._add(VariantSettings(), None, sound)
            return
        for rung in self._auto_rungs(video):
            self._add(VariantSettings(), rung, sound)

    def _auto_rungs(self, video: SourceVideo) -> list[VideoRung]:
        budget, sizes = self._budget(video), _sizes_below(video)
        below = self._affordable([self._sized(video, size) for size in sizes], budget)
        interval = video.keyframe_interval
        native = video.plays_everywhere
        if not native:
            return self._foreign_rungs(video, sizes, budget)
        if interval is None or interval <= SHARED_KEYFRAME_SECONDS:
            self.reasons.append("The source is passed through on top: it is H.264, and its keyframes are close enough.")
            self._explain_rungs(sizes, below)
            return [_passed(video), *below]
        if interval <= LONE_KEYFRAME_SECONDS:
            top = self._sized(video, min(video.width, video.height))
            rest = self._affordable([self._sized(video, size) for size in sizes], budget - self._cost(top))
            if not rest or self._cost(top) > budget:
                self.reasons.append(
                    f"The source is passed through alone: with a keyframe only every {interval:.1f} s it cannot stand "
                    f"beside other variants. {_KEYFRAME_ADVICE}"
                )
                return [_passed(video)]
        self.reasons.append(_too_long(interval))
        return self._encoded_rungs(video, sizes, budget)

    def _foreign_rungs(self, video: SourceVideo, sizes: list[int], budget: float) -> list[VideoRung]:
        """The rungs of a source that is not H.264: itself where its keyframes permit, and H.264 for everybody else."""
        encoded = self._encoded_rungs(video, sizes, budget)
        interval = video.keyframe_interval
        if interval is not None and interval > SHARED_KEYFRAME_SECONDS:
            self.reasons.append(_too_long(interval))
            return encoded
        self.reasons.append(
            f"The source is passed through for players that take {_spoken(video.codec)}, and encoded to H.264 for all."
        )
        return [_passed(video), *encoded]

    def _encoded_rungs(self, video: SourceVideo, sizes: list[int], budget: float) -> list[VideoRung]:
        """The rungs when the source's own size has to be encoded: the largest that fits, then as many as fit below."""
        choices = [self._sized(video, size) for size in (min(video.width, video.height), *sizes)]
        top = next((rung for rung in choices if self._cost(rung) <= budget), None)
        if top is None:
            least = replace(choices[-1], cpu_usage_level=FASTEST_LEVEL)
            self.reasons.append(
                f"Only {least.width}x{least.height} is encoded, with the least effort: this machine is slow for more."
            )
            return [least]
        if top is not choices[0]:
            self.reasons.append(
                f"The largest variant is {top.width}x{top.height}: encoding {video.width}x{video.height} would take "
                "more than half of this machine."
            )
        below = [rung for rung in choices if rung.height < top.height]
        return [top, *self._affordable(below, budget - self._cost(top))]

    def _budget(self, video: SourceVideo) -> float:
        """Pixels per second that may be encoded."""
        decoding = DECODE_COST * _pixel_rate(video.width, video.height, video.framerate)
        return self.speed.pixels_per_second * SPEED_SHARE - decoding

    def _cost(self, rung: VideoRung) -> float:
        source_rate = self.video.framerate if self.video is not None else None
        return _pixel_rate(rung.width, rung.height, rung.framerate or source_rate)

    def _affordable(self, rungs: list[VideoRung], budget: float) -> list[VideoRung]:
        """As many rungs as the budget allows: the small ones first, since they cost least and help most."""
        chosen = []
        for rung in reversed(rungs):
            if self._cost(rung) > budget:
                break
            budget -= self._cost(rung)
            chosen.append(rung)
        return chosen[::-1]

    def _explain_rungs(self, sizes: list[int], chosen: list[VideoRung]) -> None:
        if not sizes:
            self.reasons.append("Nothing is encoded below it: the source is small already.")
        elif not chosen:
            self.reasons.append("Nothing is encoded below it: this machine is too slow for that.")
        else:
            named = ", ".join(f"{rung.width}x{rung.height}" for rung in chosen)
            self.reasons.append(f"Below it, {named} is encoded: as much as half of this machine's speed allows.")

    def _sized(self, video: SourceVideo, size: int) -> VideoRung:
        short = min(video.width, video.height)
        width, height = _fit(video, video.width * size / short, video.height * size / short)
        framerate = (
            DEFAULT_FRAMERATE if size <= SMALL_RUNG and _rate(video.framerate) > DEFAULT_FRAMERATE * 1.05 else None
        )
        rate = next(kilobits for least, kilobits in _BITRATES if size >= least)
        if _rate(video.framerate) > DEFAULT_FRAMERATE * 1.2 and framerate is None:
            rate = int(rate * _HIGH_RATE_FACTOR)
        return VideoRung(False, width, height, framerate, rate, DEFAULT_LEVEL)

    def explicit(self, settings: Sequence[VariantSettings]) -> None:
        if len(settings) > MAX_VARIANTS:
            self.reasons.append(f"Of {len(settings)} variants the first {MAX_VARIANTS} are made; remove the others.")
        settings = settings[:MAX_VARIANTS]
        refused = self._passthrough_refused(settings)
        if refused:
            self.reasons.append(refused)
        for wanted in settings:
            self._add(wanted, self._video_rung(wanted, bool(refused)), self._audio_rung(wanted))
        self._ensure_playable()

    def _passthrough_refused(self, settings: Sequence[VariantSettings]) -> str:
        """Why no variant may pass the video through; empty when it may."""
        video = self.video
        if video is None or video.keyframe_interval is None or not any(s.video_passthrough for s in settings):
            return ""
        # A foreign codec never stands alone: an H.264 variant is added to it.
        alone = video.plays_everywhere and all(wanted.video_passthrough for wanted in settings)
        limit = LONE_KEYFRAME_SECONDS if alone else SHARED_KEYFRAME_SECONDS
        return _too_long(video.keyframe_interval) if video.keyframe_interval > limit else ""

    def _video_rung(self, wanted: VariantSettings, refused: bool) -> VideoRung | None:
        video = self.video
        if video is None:
            return None
        if wanted.video_passthrough:
            return self._sized(video, min(video.width, video.height)) if refused else _passed(video)
        width, height = _fit(video, wanted.scaled_width or math.inf, wanted.scaled_height or math.inf)
        if wanted.scaled_width > video.width or wanted.scaled_height > video.height:
            self.reasons.append(
                f"{_title(wanted)} stays at {width}x{height}: a picture is never made larger than the source's "
                f"{video.width}x{video.height}."
            )
        cap = float(wanted.framerate) if wanted.framerate > 0 else None
        if cap is not None and video.framerate is not None and cap >= video.framerate * 0.98:
            cap = None
        level = min(max(wanted.cpu_usage_level, 0), 4)
        return VideoRung(False, width, height, cap, max(wanted.video_bitrate, 50), level)

    def _audio_rung(self, wanted: VariantSettings) -> AudioRung:
        if not wanted.audio_passthrough:
            return AudioRung(False, min(max(wanted.audio_bitrate, 16), 512))
        if self.audio is not None and self.audio.codec is AudioCodec.MP3:
            self.reasons.append(f"{_title(wanted)}: MP3 cannot be passed through, so its audio is encoded to AAC.")
            return AudioRung(False, min(max(wanted.audio_bitrate, 16), 512))
        return AudioRung(True, 0)

    def _ensure_playable(self) -> None:
        """Add what plays everywhere, H.264 with AAC, when no variant is that."""
        video = self.video
        for variant in self.variants:
            seen = variant.video is None or not self.videos[variant.video].passthrough or self._video_plays_everywhere()
            heard = variant.audio is None or not self.audios[variant.audio].passthrough or self._audio_is_aac()
            if seen and heard:
                return
        rung = None
        if video is not None and video.plays_everywhere:
            rung = self.videos[0]
        elif video is not None:
            rung = self._encoded_rungs(video, _sizes_below(video), self._budget(video))[0]
        self.reasons.append("A variant in H.264 and AAC was added, because not every player takes the source's codecs.")
        self._add(VariantSettings(), rung, AudioRung(True, 0) if self._audio_is_aac() else _AUTO_AUDIO)

    def _add(self, wanted: VariantSettings, video: VideoRung | None, audio: AudioRung) -> None:
        video_index = _index(self.videos, video) if video is not None else None
        audio_index = _index(self.audios, audio) if self.audio is not None else None
        if any((made.video, made.audio) == (video_index, audio_index) for made in self.variants):
            self.reasons.append(f"{_title(wanted)} is dropped: for this source it is the same as another.")
            return
        name = wanted.name or (_rung_name(video) if video is not None else "Audio")
        self.variants.append(Variant(name, video_index, audio_index))

    def _video_plays_everywhere(self) -> bool:
        return self.video is not None and self.video.plays_everywhere

    def _audio_is_aac(self) -> bool:
        return self.audio is not None and self.audio.codec is AudioCodec.AAC

    def ladder(self, segment_seconds: float) -> Ladder:
        own = not any(rung.passthrough for rung in self.videos)
        # A segment begins with a keyframe; more of them only so that a change of variant need not wait over 2 s.
        seconds = segment_seconds / math.ceil(segment_seconds / SHARED_KEYFRAME_SECONDS)
        return Ladder(
            tuple(self.videos),
            tuple(self.audios),
            tuple(self.variants),
            tuple(self.reasons),
            "own" if own else "source",
            seconds,
        )


_KEYFRAME_ADVICE = "In OBS, set Settings > Output > Keyframe interval: 2 s."


def _too_long(interval: float) -> str:
    return (
        f"The source sends a keyframe only every {interval:.1f} s, so it is encoded again with keyframes of our own "
        f"instead of being passed through, which costs processor time and quality. {_KEYFRAME_ADVICE}"
    )


def _passed(video: SourceVideo) -> VideoRung:
    return VideoRung(True, video.width, video.height, None, 0, DEFAULT_LEVEL)


def _fit(video: SourceVideo, width: float, height: float) -> tuple[int, int]:
    """The nearest even dimensions inside width x height at the source's aspect, never above the source's."""
    scale = min(width / video.width, height / video.height, 1.0)
    across, down = round(video.width * scale / 2) * 2, round(video.height * scale / 2) * 2
    return max(2, min(across, video.width // 2 * 2)), max(2, min(down, video.height // 2 * 2))


def _sizes_below(video: SourceVideo) -> list[int]:
    return [size for size in RUNG_SIZES if size < min(video.width, video.height)]


def _rate(framerate: float | None) -> float:
    return framerate if framerate is not None and framerate > 0 else DEFAULT_FRAMERATE


def _pixel_rate(width: int, height: int, framerate: float | None) -> float:
    return width * height * _rate(framerate)


def _index(items: list[_Rung], item: _Rung) -> int:
    """Where `item` is in `items`; it is added when it is not there."""
    if item not in items:
        items.append(item)
    return items.index(item)


def _title(wanted: VariantSettings) -> str:
    return f"Variant {wanted.name!r}" if wanted.name else "A variant without a name"


def _rung_name(rung: VideoRung) -> str:
    return "Source" if rung.passthrough else f"{min(rung.width, rung.height)}p"


def _spoken(codec: VideoCodec | AudioCodec) -> str:
    """A codec's name as people write it."""
    names: dict[VideoCodec | AudioCodec, str] = {
        AudioCodec.AC3: "AC-3",
        AudioCodec.EAC3: "E-AC-3",
        AudioCodec.OPUS: "Opus",
    }
    return names.get(codec, codec.name)
