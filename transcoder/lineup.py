"""One live window with the packagers that fill it, arranged as a ladder says.

Owns which frames go to which rendition: the source's own to passthrough renditions, ffmpeg's to transcoded ones, the
slate's to all of them while the encoder is away. It decides nothing about when; that is `transcoder.pipeline`'s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from ingest.source import TIMESCALE, AudioFrame, AudioHeader, VideoFrame, VideoHeader
from transcoder.audio_codecs import AudioInfo, describe_audio
from transcoder.command import outputs
from transcoder.errors import CodecError
from transcoder.fmp4.writer import audio_init, video_init
from transcoder.ladder import AudioRung, Ladder, VideoRung
from transcoder.levels import LatencyLevel
from transcoder.made import Made
from transcoder.opening import Opening
from transcoder.packager import AudioPackager, VideoPackager
from transcoder.schedule import Schedule
from transcoder.segments import RenditionInfo, Segment
from transcoder.slate import Slate, SlatePlayer
from transcoder.video_codecs import VideoInfo, describe_video
from transcoder.window import LiveWindow, Rendition

PASSTHROUGH_BITRATE = 6_000_000
"""Announced for a passthrough video rendition until it was measured, when the encoder does not tell."""

KEYFRAME_JITTER = 0.25
"""Seconds by which a keyframe interval may exceed a whole number and still round down to it."""

PASSTHROUGH_AUDIO_BITRATE = 160_000

log = structlog.get_logger(__name__)


class Lineup:
    """The renditions of one window. Video renditions come first, in the ladder's order, then audio."""

    def __init__(
        self,
        ladder: Ladder,
        opening: Opening,
        level: LatencyLevel,
        *,
        session: str,
        epoch: float,
        base: str = "",
        on_segment: Callable[[LiveWindow, Rendition, Segment], None],
        made: Made | None = None,
    ) -> None:
        video, audio = opening.source_video, opening.source_audio
        source_rate = video.framerate if video else None
        slowest = 1 / source_rate if source_rate else 0.0
        target_duration = max(level.segment, _longest_keyframe_interval(ladder, opening))
        part_ticks = max(level.part_ticks, round(slowest * TIMESCALE))
        self.schedule = Schedule(
            part_target=part_ticks, segment_target=level.segment * TIMESCALE, target_duration=target_duration
        )
        infos = [
            RenditionInfo(
                "video",
                width=rung.width,
                height=rung.height,
                framerate=rung.framerate or source_rate,
                bitrate=rung.bitrate * 1000 or PASSTHROUGH_BITRATE,
            )
            for rung in ladder.videos
        ] + [
            RenditionInfo(
                "audio",
                sample_rate=audio.sample_rate if audio else 0,
                channels=audio.channels if audio else 0,
                bitrate=rung.bitrate * 1000 or PASSTHROUGH_AUDIO_BITRATE,
            )
            for rung in ladder.audios
        ]
        first_audio = len(ladder.videos)
        self.window = LiveWindow(
            session=session,
            epoch=epoch,
            base=base,
            target_duration=target_duration,
            part_target=None if level.part is None else part_ticks,
            size=level.size,
            renditions=infos,
            variants=[
                replace(variant, audio=None if variant.audio is None else variant.audio + first_audio)
                for variant in ladder.variants
            ],
            on_segment=on_segment,
            made=made,
        )
        renditions = self.window.renditions
        self.ladder = ladder
        self.has_video = first_audio > 0
        """Whether pictures lead; else sound does."""
        self._videos = [
            VideoPackager(self.schedule, rendition, patient=not rung.passthrough)
            for rendition, rung in zip(renditions[:first_audio], ladder.videos, strict=True)
        ]
        self._audios = [
            AudioPackager(self.schedule, rendition, patient=not rung.passthrough)
            for rendition, rung in zip(renditions[first_audio:], ladder.audios, strict=True)
        ]
        self._video_headers: dict[int, tuple[VideoHeader, VideoInfo]] = {}
        self._audio_headers: dict[int, tuple[AudioHeader, AudioInfo]] = {}
        self.direct_videos: list[VideoPackager] = []
        self.variants: dict[int, VideoPackager] = {}
        """Where the pictures of the source's own variants go, by encoding."""
        self.direct_audios: list[AudioPackager] = []
        self.followers: list[VideoPackager | AudioPackager] = []

    def fits(self, ladder: Ladder, opening: Opening) -> bool:
        """Whether a source with this ladder can go on in the same window: the same renditions, made the same way, and
        segments that TARGETDURATION, which "MUST NOT change" (RFC 8216 §6.2.1), still permits."""
        permitted = _longest_keyframe_interval(ladder, opening) <= self.window.target_duration
        return permitted and _shape(ladder) == _shape(self.ladder)

    # Runs of a source.

    def begin_run(self, ladder: Ladder, opening: Opening) -> int:
        """Starts a run of the source that `opening` describes; `ladder` fits. Returns the run's number."""
        self.ladder = ladder
        run = self.schedule.begin_run(own_grid=ladder.keyframes == "own")
        self.direct_videos, self.direct_audios, self.variants = [], [], {}
        first = opening.first_keyframe
        brought = {variant.number: variant for variant in opening.variants}
        for number, video_rung in enumerate(ladder.videos):
            if video_rung.encoding:
                variant = brought[video_rung.encoding]
                self._describe_video(number, variant.header, variant.info)
                self._videos[number].begin_run(run, variant.composition)
                self.variants[variant.number] = self._videos[number]
            elif video_rung.passthrough and opening.video is not None and opening.video_info is not None:
                self._describe_video(number, opening.video, opening.video_info)
                self._videos[number].begin_run(run, first.pts - first.dts if first else 0)
                self.direct_videos.append(self._videos[number])
        for number, audio_rung in enumerate(ladder.audios):
            if audio_rung.passthrough and opening.audio is not None and opening.audio_info is not None:
                self._describe_audio(number, opening.audio, opening.audio_info)
                self._audios[number].begin_run(run, opening.audio_info)
                self.direct_audios.append(self._audios[number])
        self.followers = [*self._videos, *self._audios]
        return run

    def end_run(self) -> None:
        """Ends the run and finishes the renditions that do not wait for ffmpeg."""
        self.schedule.end_run()
        for packager in (*self.direct_videos, *self.variants.values(), *self.direct_audios):
            packager.finish()
        self.direct_videos, self.direct_audios, self.variants = [], [], {}

    def advance(self) -> None:
        """A part began: closes what can be closed everywhere."""
        for packager in self.followers:
            packager.advance()

    def lag(self, rendition: Rendition) -> float | None:
        """How many seconds a rendition is behind the source, the part that is being filled included; None before its
        first."""
        if not rendition.segments:
            return None
        newest = rendition.segments[-1]
        return max(0.0, (self.schedule.last_time - newest.start - newest.duration) / TIMESCALE)

    def set_silence(self, silences: Mapping[int, bytes | None]) -> None:
        """Coded silence by index of the audio rendition."""
        for number, silence in silences.items():
            self._audios[number].set_silence(silence)

    @property
    def audio_formats(self) -> dict[int, tuple[AudioHeader, AudioInfo]]:
        """What is known of the audio renditions, by index."""
        return dict(self._audio_headers)

    @property
    def video_formats(self) -> dict[int, VideoInfo]:
        """What is known of the video renditions, by index."""
        return {number: info for number, (_, info) in self._video_headers.items()}

    # What ffmpeg makes: an EncoderListener, bound to one run.

    def begin_encoded(self, run: int) -> None:
        """Frames of `run` will come from ffmpeg."""
        for packager in self._encoded():
            if isinstance(packager, VideoPackager):
                packager.begin_run(run)
            else:
                packager.begin_run(run, None)

    def finish_encoded(self) -> None:
        """ffmpeg has given all it had of the run that ended."""
        for packager in self._encoded():
            packager.finish()

    def fail_encoded(self, failing: bool) -> None:
        """ffmpeg is down (or up again): its renditions have gaps meanwhile, and wait for nothing."""
        for packager in self._encoded():
            packager.failing = failing
            packager.advance()

    def _encoded(self) -> list[VideoPackager | AudioPackager]:
        return [self._videos[o.index] if o.kind == "video" else self._audios[o.index] for o in outputs(self.ladder)]

    def encoded_video_header(self, output: int, header: VideoHeader) -> None:
        """ffmpeg says how the pictures of this output are coded."""
        number = outputs(self.ladder)[output].index
        try:
            self._describe_video(number, header, describe_video(header))
        except CodecError as error:
            log.error("ffmpeg's output cannot be described", rendition=number, reason=str(error))

    def encoded_audio_header(self, output: int, header: AudioHeader) -> None:
        """ffmpeg says how the sound of this output is coded."""
        number = outputs(self.ladder)[output].index
        try:
            info = describe_audio(header)
        except CodecError as error:
            log.error("ffmpeg's output cannot be described", rendition=number, reason=str(error))
            return
        self._describe_audio(number, header, info)
        self._audios[number].describe(info)

    def encoded_video(self, output: int, frame: VideoFrame) -> None:
        """ffmpeg made a picture."""
        self._videos[outputs(self.ladder)[output].index].feed(frame)

    def encoded_audio(self, output: int, frame: AudioFrame) -> None:
        """ffmpeg made an audio frame."""
        self._audios[outputs(self.ladder)[output].index].feed(frame)

    # The slate.

    def begin_slate(self, slates: Mapping[int, Slate], silences: Mapping[int, bytes | None]) -> None:
        """Starts a run in which all renditions show the slate; those without one have a gap."""
        run = self.schedule.begin_run(own_grid=True)
        for number, video in enumerate(self._videos):
            slate = slates.get(number)
            video.failing = slate is None
            video.begin_run(run)
            if slate is not None:
                self.window.renditions[number].set_init(video_init(slate.header, describe_video(slate.header)))
        for number, audio in enumerate(self._audios):
            known = self._audio_headers.get(number)
            audio.failing = silences.get(number) is None
            audio.begin_run(run, known[1] if known else None)
        self.followers = [*self._videos, *self._audios]

    def play_slate(
        self, player: SlatePlayer, number: int, slates: Mapping[int, Slate], silences: Mapping[int, bytes | None]
    ) -> None:
        """Shows picture `number` of the slate run."""
        time = player.time(number)
        cut = self.schedule.video(time, time, False)
        for index, slate in slates.items():
            self._videos[index].feed(player.picture(slate, number))
        for index, silence in silences.items():
            if silence is not None:
                for frame in player.silence(self._audio_headers[index][1], silence, number):
                    self._audios[index].feed(frame)
        if cut:
            self.advance()

    def end_slate(self) -> None:
        """Ends the slate's run."""
        self.schedule.end_run()
        for packager in (*self._videos, *self._audios):
            packager.finish()
            packager.failing = False
        for number, described in self._video_headers.items():
            # The source comes back as it was unless it says otherwise.
            self.window.renditions[number].set_init(video_init(*described))

    def _describe_video(self, number: int, header: VideoHeader, info: VideoInfo) -> None:
        rendition = self.window.renditions[number]
        self._video_headers[number] = header, info
        rendition.set_init(video_init(header, info))
        # What ffmpeg writes about the frame rate comes from its millisecond clock; the ladder knows better.
        passthrough = self.ladder.videos[number].passthrough
        framerate = info.framerate if passthrough else rendition.info.framerate
        rendition.describe(
            replace(rendition.info, codec=info.name, width=info.width, height=info.height, framerate=framerate)
        )

    def _describe_audio(self, number: int, header: AudioHeader, info: AudioInfo) -> None:
        rendition = self.window.renditions[len(self._videos) + number]
        self._audio_headers[number] = header, info
        rendition.set_init(audio_init(header, info))
        rendition.describe(
            replace(rendition.info, codec=info.name, sample_rate=info.sample_rate, channels=info.channels)
        )


def _longest_keyframe_interval(ladder: Ladder, opening: Opening) -> int:
    """Whole seconds between keyframes, as far as it is known; 0 when it is not."""
    video = opening.source_video
    interval = video.keyframe_interval if video and ladder.keyframes == "source" else None
    return math.ceil((interval or 0) - KEYFRAME_JITTER)


def _shape(ladder: Ladder) -> tuple[object, ...]:
    def making(rung: VideoRung | AudioRung) -> tuple[bool, int]:
        return rung.passthrough, rung.encoding if isinstance(rung, VideoRung) else 0

    return (
        tuple(map(making, ladder.videos)),
        tuple(map(making, ladder.audios)),
        tuple((variant.video, variant.audio) for variant in ladder.variants),
        ladder.keyframes,
    )
