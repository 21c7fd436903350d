from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.source import AudioCodec, VideoCodec
from transcoder.errors import LadderError
from transcoder.ladder import (
    EncodingSpeed,
    Ladder,
    SourceAudio,
    SourceVideo,
    VariantSettings,
)
from transcoder.planning import MAX_VARIANTS, plan

FAST = EncodingSpeed(1e9)
SLOW = EncodingSpeed(1e6)
AAC = SourceAudio(AudioCodec.AAC, 48000, 2)


def avc(
    width: int = 1920, height: int = 1080, framerate: float | None = 30.0, interval: float | None = 2.0
) -> SourceVideo:
    return SourceVideo(VideoCodec.AVC, width, height, framerate, interval)


def sizes(ladder: Ladder) -> list[tuple[bool, int, int]]:
    return [(rung.passthrough, rung.width, rung.height) for rung in ladder.videos]


def made(
    asked: list[VariantSettings] | None,
    video: SourceVideo | None,
    audio: SourceAudio | None = AAC,
    speed: EncodingSpeed = FAST,
    segment_seconds: float = 2.0,
) -> Ladder:
    return plan(asked, video, audio, segment_seconds=segment_seconds, speed=speed)


def test_auto_passes_a_good_source_through_and_makes_every_rung_below_it() -> None:
    ladder = made(None, avc())
    assert sizes(ladder) == [(True, 1920, 1080), (False, 1280, 720), (False, 854, 480), (False, 640, 360)]
    assert [variant.name for variant in ladder.variants] == ["Source", "720p", "480p", "360p"]
    assert {variant.audio for variant in ladder.variants} == {0}
    assert ladder.audios[0].passthrough
    assert ladder.keyframes == "source"


def test_auto_spends_no_more_than_half_of_the_measured_speed() -> None:
    # 720p, 480p and 360p at 30/s are 27.6, 12.3 and 6.9 Mpx/s, decoding 1080p counts as 9.3.
    assert sizes(made(None, avc(), speed=EncodingSpeed(2 * 57e6)))[1:] == [
        (False, 1280, 720),
        (False, 854, 480),
        (False, 640, 360),
    ]
    assert sizes(made(None, avc(), speed=EncodingSpeed(2 * 55e6)))[1:] == [(False, 854, 480), (False, 640, 360)]
    ladder = made(None, avc(), speed=SLOW)
    assert sizes(ladder) == [(True, 1920, 1080)]
    assert any("too slow" in reason for reason in ladder.reasons)


def test_auto_with_the_keyframes_of_obs_left_alone_encodes_everything_and_names_the_setting() -> None:
    ladder = made(None, avc(interval=8.333))
    assert sizes(ladder)[0] == (False, 1920, 1080)
    assert not any(rung.passthrough for rung in ladder.videos)
    assert ladder.keyframes == "own"
    assert any("every 8.3 s" in reason and "Keyframe interval: 2 s" in reason for reason in ladder.reasons)


@pytest.mark.parametrize(("speed", "alone"), [(SLOW, True), (FAST, False)])
def test_auto_passes_keyframes_of_four_seconds_through_only_alone(speed: EncodingSpeed, alone: bool) -> None:
    ladder = made(None, avc(interval=4.0), speed=speed)
    assert (sizes(ladder) == [(True, 1920, 1080)]) is alone
    assert ladder.keyframes == ("source" if alone else "own")


@pytest.mark.parametrize("codec", [VideoCodec.HEVC, VideoCodec.AV1, VideoCodec.VP9])
@pytest.mark.parametrize("speed", [FAST, SLOW])
def test_a_source_that_is_not_h264_is_offered_as_it_is_and_as_h264(codec: VideoCodec, speed: EncodingSpeed) -> None:
    ladder = made(None, SourceVideo(codec, 1920, 1080, 30.0, 2.0), speed=speed)
    assert ladder.videos[0].passthrough
    assert not ladder.videos[1].passthrough
    if speed is SLOW:
        assert sizes(ladder)[1:] == [(False, 640, 360)]
        assert ladder.videos[1].cpu_usage_level == 0


@pytest.mark.parametrize("codec", [codec for codec in AudioCodec if codec is not AudioCodec.AAC])
def test_auto_encodes_every_other_audio_to_aac(codec: AudioCodec) -> None:
    ladder = made(None, avc(), SourceAudio(codec, 48000, 2))
    assert [rung.passthrough for rung in ladder.audios] == [False]
    assert {variant.audio for variant in ladder.variants} == {0}


def test_a_portrait_source_is_measured_by_its_shorter_side() -> None:
    assert sizes(made(None, avc(1080, 1920))) == [
        (True, 1080, 1920),
        (False, 720, 1280),
        (False, 480, 854),
        (False, 360, 640),
    ]


def test_small_rungs_are_capped_at_thirty_frames() -> None:
    ladder = made(None, avc(framerate=60.0))
    assert [rung.framerate for rung in ladder.videos] == [None, None, 30.0, 30.0]
    assert ladder.videos[1].bitrate > made(None, avc()).videos[1].bitrate


def test_nothing_is_made_larger_than_the_source() -> None:
    ladder = made([VariantSettings(name="big", scaled_width=3840, scaled_height=2160)], avc(1280, 720))
    assert sizes(ladder) == [(False, 1280, 720)]
    assert "'big' stays at 1280x720" in ladder.reasons[0]


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(0, 0, (1920, 1080)), (1280, 0, (1280, 720)), (0, 480, (854, 480)), (640, 640, (640, 360)), (853, 0, (852, 480))],
)
def test_one_dimension_is_enough_and_two_are_a_box(width: int, height: int, expected: tuple[int, int]) -> None:
    assert sizes(made([VariantSettings(scaled_width=width, scaled_height=height)], avc())) == [(False, *expected)]


def test_duplicates_are_dropped_and_said() -> None:
    ladder = made(
        [
            VariantSettings(name="one", scaled_height=2000),
            VariantSettings(name="two"),
            VariantSettings(name="three", audio_bitrate=64),
        ],
        avc(),
    )
    assert [(variant.name, variant.video, variant.audio) for variant in ladder.variants] == [
        ("one", 0, 0),
        ("three", 0, 1),
    ]
    assert any("'two' is dropped" in reason for reason in ladder.reasons)


def test_one_audio_rendition_per_distinct_setting() -> None:
    asked = [
        VariantSettings(video_bitrate=3000, audio_passthrough=True),
        VariantSettings(video_bitrate=2000, audio_passthrough=True, audio_bitrate=64),
        VariantSettings(video_bitrate=1000, audio_bitrate=96),
        VariantSettings(video_bitrate=500, audio_bitrate=96),
    ]
    ladder = made(asked, avc())
    assert len(ladder.audios) == 2
    assert [variant.audio for variant in ladder.variants] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("interval", "beside", "refused"), [(2.0, True, False), (3.0, True, True), (4.0, False, False)]
)
def test_explicit_passthrough_is_encoded_when_keyframes_are_too_far_apart(
    interval: float, beside: bool, refused: bool
) -> None:
    asked = [VariantSettings(video_passthrough=True)] + [VariantSettings(scaled_height=360)] * beside
    ladder = made(asked, avc(interval=interval))
    assert ladder.videos[0].passthrough is not refused
    assert (ladder.videos[0].width, ladder.videos[0].height) == (1920, 1080)
    assert any("Keyframe interval: 2 s" in reason for reason in ladder.reasons) is refused
    assert ladder.keyframes == ("own" if refused else "source")


def test_an_explicit_passthrough_of_hevc_and_opus_gets_a_variant_for_everybody() -> None:
    ladder = made(
        [VariantSettings(video_passthrough=True, audio_passthrough=True)],
        SourceVideo(VideoCodec.HEVC, 1280, 720, 30.0, 2.0),
        SourceAudio(AudioCodec.OPUS, 48000, 2),
    )
    assert [rung.passthrough for rung in ladder.videos] == [True, False]
    assert [rung.passthrough for rung in ladder.audios] == [True, False]
    assert (ladder.variants[1].video, ladder.variants[1].audio) == (1, 1)
    assert any("H.264 and AAC was added" in reason for reason in ladder.reasons)


def test_mp3_is_never_passed_through() -> None:
    ladder = made([VariantSettings(audio_passthrough=True)], avc(), SourceAudio(AudioCodec.MP3, 44100, 2))
    assert not ladder.audios[0].passthrough
    assert any("MP3" in reason for reason in ladder.reasons)


def test_audio_alone_and_video_alone() -> None:
    sound = made(None, None)
    assert [(variant.video, variant.audio) for variant in sound.variants] == [(None, 0)]
    picture = made(None, avc(), None)
    assert not picture.audios
    assert {variant.audio for variant in picture.variants} == {None}
    many = made([VariantSettings(), VariantSettings(scaled_height=360), VariantSettings(audio_bitrate=64)], None)
    assert [(variant.video, variant.audio) for variant in many.variants] == [(None, 0), (None, 1)]


def test_a_framerate_at_or_above_the_sources_is_no_cap() -> None:
    asked = [VariantSettings(framerate=30), VariantSettings(framerate=24), VariantSettings(framerate=60)]
    assert [rung.framerate for rung in made(asked, avc(framerate=29.97)).videos] == [None, 24.0]


@pytest.mark.parametrize(("segment", "expected"), [(1.0, 1.0), (2.0, 2.0), (3.0, 1.5), (4.0, 2.0), (6.0, 2.0)])
def test_own_keyframes_divide_a_segment(segment: float, expected: float) -> None:
    assert made([VariantSettings()], avc(), segment_seconds=segment).keyframe_seconds == expected


def test_a_source_without_tracks_is_refused() -> None:
    with pytest.raises(LadderError, match="neither video nor audio"):
        made(None, None, None)
    with pytest.raises(LadderError, match="0x1080"):
        made(None, avc(width=0))


def test_more_variants_than_anybody_needs_are_cut() -> None:
    ladder = made([VariantSettings(video_bitrate=500 + n) for n in range(MAX_VARIANTS + 3)], avc())
    assert len(ladder.variants) == MAX_VARIANTS
    assert "remove the others" in ladder.reasons[0]


asked_for = st.builds(
    VariantSettings,
    video_passthrough=st.booleans(),
    audio_passthrough=st.booleans(),
    video_bitrate=st.integers(-1, 60000),
    audio_bitrate=st.integers(-1, 999),
    scaled_width=st.integers(0, 9000),
    scaled_height=st.integers(0, 9000),
    framerate=st.integers(0, 240),
    cpu_usage_level=st.integers(-3, 9),
)
pictures = st.builds(
    SourceVideo,
    st.sampled_from(VideoCodec),
    st.integers(2, 8192),
    st.integers(2, 8192),
    st.none() | st.floats(1, 240),
    st.none() | st.floats(0.1, 60),
)
sounds = st.builds(SourceAudio, st.sampled_from(AudioCodec), st.sampled_from([44100, 48000]), st.integers(1, 8))


@settings(max_examples=200, deadline=None)
@given(st.none() | st.lists(asked_for, min_size=1, max_size=6), pictures | st.none(), sounds, st.floats(0, 1e10))
def test_every_ladder_is_consistent(
    asked: list[VariantSettings] | None, video: SourceVideo | None, audio: SourceAudio, speed: float
) -> None:
    ladder = made(asked, video, audio, EncodingSpeed(speed))
    assert ladder.variants
    assert len({(variant.video, variant.audio) for variant in ladder.variants}) == len(ladder.variants)
    assert len(set(ladder.videos)) == len(ladder.videos)
    assert {variant.video for variant in ladder.variants} - {None} == set(range(len(ladder.videos)))
    assert {variant.audio for variant in ladder.variants} == set(range(len(ladder.audios)))
    for rung in ladder.videos:
        assert video is not None
        assert 2 <= rung.width <= video.width
        assert 2 <= rung.height <= video.height
        assert rung.passthrough or (rung.width % 2 == 0 and rung.height % 2 == 0 and rung.bitrate > 0)
        assert 0 <= rung.cpu_usage_level <= 4
    playable = [
        variant
        for variant in ladder.variants
        if (variant.video is None or not ladder.videos[variant.video].passthrough or video.codec is VideoCodec.AVC)  # type: ignore[union-attr]
        and (variant.audio is None or not ladder.audios[variant.audio].passthrough or audio.codec is AudioCodec.AAC)
    ]
    assert playable
    assert (ladder.keyframes == "source") is any(rung.passthrough for rung in ladder.videos)
