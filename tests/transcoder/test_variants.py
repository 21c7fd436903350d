"""A source that brings its own variants along: each becomes a rendition of the same window, cut at the same times."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from encoder_material import video_of
from test_pipeline import Frame, Material, Show, decoded, material, media, show, time_of

from ingest.source import (
    TIMESCALE,
    AudioCodec,
    LiveSource,
    Origin,
    SourceVariant,
    VideoCodec,
    VideoFrame,
    VideoHeader,
)
from transcoder.errors import LadderError
from transcoder.ladder import DEFAULT_LEVEL, AudioRung, SourceAudio, SourceVideo, VideoRung, given
from transcoder.window import LiveWindow


class Encoder:
    """Sends a source and one variant of it, the variant's pictures never later than the source's."""

    def __init__(self, subject: Show, best: Material, below: Material, *, interval: float | None = 1.0) -> None:
        self.show = subject
        self.best, self.below = best, below
        self.variant = SourceVariant(300_000)
        self.source = LiveSource(
            Origin("hls", "192.0.2.1"),
            subject.closed.append,
            encoded=True,
            bitrate=900_000,
            keyframe_interval=interval,
            expects_video=True,
            expects_audio=True,
        )
        listener = self.source.listener = subject.pipeline.attach(self.source)
        self.listener = listener
        self.source.variants = (self.variant,)
        listener.on_metadata({})
        self.header(below.video)
        assert best.video is not None
        assert best.audio is not None
        self.source.video, self.source.audio = best.video, best.audio
        listener.on_video_header(best.video)
        listener.on_audio_header(best.audio)

    def header(self, header: VideoHeader | None) -> None:
        assert header is not None
        assert self.variant.listener is not None
        self.variant.video = header
        self.variant.listener.on_video_header(header)

    def send(self, start: float, end: float, *, below: Material | None = None, silent: bool = False) -> None:
        """What both have from `start` to `end` (seconds); `silent`: the variant sends nothing."""
        # Both were recorded apart, so they are put together by when their first pictures are shown.
        sent = below or self.below
        first, first_below = video_of(self.best.frames)[0], video_of(sent.frames)[0]
        lead, shift = first.pts - first.dts, first.pts - first_below.pts
        smaller: list[tuple[int, int, Frame]] = [
            (time_of(frame) + shift, 0, frame._replace(dts=frame.dts + shift, pts=frame.pts + shift))
            for frame in video_of(sent.frames)
            if start * TIMESCALE <= time_of(frame) + shift - lead < end * TIMESCALE
        ]
        own = [(time_of(frame) + lead, 1, frame) for frame in self.best.during(start, end)]
        assert self.variant.listener is not None
        for _, rank, frame in sorted(([] if silent else smaller) + own, key=lambda item: item[:2]):
            if rank == 0:
                assert isinstance(frame, VideoFrame)
                self.variant.listener.on_video(frame)
            elif isinstance(frame, VideoFrame):
                self.show.now += 1 / 30
                self.listener.on_video(frame)
            else:
                self.listener.on_audio(frame)

    def leave(self) -> None:
        self.listener.on_end("The encoder ended its stream.")


@asynccontextmanager
async def encoding(**options: float | None) -> AsyncIterator[tuple[Show, Encoder]]:
    async with show() as live:
        yield live, Encoder(live, material(bframes=2), material(), **options)


def whole(window: LiveWindow, number: int) -> list[tuple[int, int, bool]]:
    """Every complete segment: its number, its length in ticks, whether something is missing in it."""
    return [
        (
            each.sequence,
            sum(part.duration for part in each.parts),
            each.gap or any(part.data is None for part in each.parts),
        )
        for each in window.renditions[number].segments
        if each.complete
    ]


async def test_the_variant_is_a_rendition_cut_where_the_source_is() -> None:
    async with encoding() as (live, encoder):
        encoder.send(0, 8)
        assert live.events == ["live"]
        assert [(v.name, v.video, v.audio) for v in live.window.variants] == [
            ("180p 900 kb/s", 0, 2),
            ("180p 300 kb/s", 1, 2),
        ]
        encoder.leave()
        best, below = whole(live.window, 0), whole(live.window, 1)
        assert len(best) == 4
        assert best == below
        assert not any(gap for _, _, gap in below)
        assert len(decoded(media(live, 0))) == len(decoded(media(live, 1))) == 240
        assert "The stream is shown as the encoder made it; nothing is encoded here." in live.advice


async def test_a_variant_that_stops_has_gaps_and_the_source_goes_on() -> None:
    async with encoding() as (live, encoder):
        encoder.send(0, 2)
        encoder.send(2, 6, silent=True)
        encoder.send(6, 8)
        encoder.leave()
        assert [gap for _, _, gap in whole(live.window, 0)] == [False] * 4
        assert [gap for _, _, gap in whole(live.window, 1)] == [False, True, True, False]


async def test_a_variant_with_nothing_to_show_is_left_out() -> None:
    async with encoding() as (live, encoder):
        encoder.send(0, 4, silent=True)
        assert len(live.window.variants) == 1
        sentence = "Variant 2 of the encoder is left out: no picture of it came together with the best variant's."
        assert sentence in live.advice


async def test_a_variant_that_cannot_be_read_is_left_out_and_its_owner_told() -> None:
    async with encoding() as (live, encoder):
        encoder.header(VideoHeader(VideoCodec.AVC, b"\x01garbage"))
        encoder.send(0, 4)
        assert len(live.window.variants) == 1
        told = [each for each in live.advice if each.startswith("Variant 2 of the encoder is left out, for its")]
        assert len(told) == 1
        encoder.leave()
        Encoder(live, encoder.best, encoder.below).send(0, 4)
        assert len(live.window.variants) == 2, "with settings that can be read it is there"


async def test_other_codec_settings_of_the_variant_begin_a_new_run_of_everything() -> None:
    other = material(pixels="yuv444p")
    async with encoding() as (live, encoder):
        encoder.send(0, 4)
        encoder.header(other.video)
        encoder.send(4, 8, below=other)
        encoder.leave()
        assert live.breaks(0) == live.breaks(1) == [2]
        assert len(decoded(media(live, 1, first=2))) == len(decoded(media(live, 0, first=2))) == 120


async def test_a_source_that_comes_back_goes_on_in_the_same_window_with_its_variant() -> None:
    async with encoding() as (live, encoder):
        encoder.send(0, 4)
        encoder.leave()
        again = Encoder(live, encoder.best, encoder.below)
        again.send(0, 4)
        again.leave()
        assert live.windows == 1
        assert len(live.breaks(0)) == 1, "there is no ffmpeg here that could make a slate"
        assert live.breaks(0) == live.breaks(1)
        last = live.breaks(1)[-1]
        assert len(decoded(media(live, 1, first=last))) == 120


async def test_keyframes_further_apart_than_promised_begin_a_window_that_permits_them() -> None:
    best, below = material(seconds=24.0, gop=30), material(seconds=24.0, gop=30)

    def rarer(source: Material) -> Material:
        return Material(
            source.video,
            source.audio,
            [
                frame._replace(keyframe=frame.keyframe and round(frame.dts / TIMESCALE) % 5 == 0)
                if isinstance(frame, VideoFrame)
                else frame
                for frame in source.frames
            ],
        )

    async with show() as live:
        encoder = Encoder(live, rarer(best), rarer(below), interval=None)
        encoder.send(0, 24)
        assert live.windows >= 2
        assert live.window.target_duration >= 5
        assert len(live.window.variants) == 2
        assert not any(gap for _, _, gap in whole(live.window, 1))


def test_the_ladder_of_what_is_encoded_already_makes_nothing() -> None:
    def video(width: int, height: int) -> SourceVideo:
        return SourceVideo(VideoCodec.AVC, width, height, 30.0, 2.0)

    ladder = given(
        [(0, video(1280, 720), 3_000_000), (2, video(640, 360), 800_000)], SourceAudio(AudioCodec.AAC, 48000, 2)
    )
    assert ladder.videos == (
        VideoRung(True, 1280, 720, None, 3000, DEFAULT_LEVEL, 0),
        VideoRung(True, 640, 360, None, 800, DEFAULT_LEVEL, 2),
    )
    assert ladder.audios == (AudioRung(True, 0),)
    assert [(each.name, each.video, each.audio) for each in ladder.variants] == [("720p", 0, 0), ("360p", 1, 0)]
    sound = given([], SourceAudio(AudioCodec.AAC, 48000, 2))
    assert [(each.video, each.audio) for each in sound.variants] == [(None, 0)]
    with pytest.raises(LadderError, match=r"neither video nor audio"):
        given([], None)
