"""The timeline: rebase, wrap, jumps, steps back, interleaving, keyframes and headers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rtmp_wire import Listener

from ingest.source import AudioCodec, AudioHeader, LiveSource, Origin, VideoCodec, VideoHeader
from ingest.timeline import BACKWARD_LIMIT_MS, COMPOSITION_LIMIT_MS, FORWARD_LIMIT_MS, Timeline

AVC = VideoHeader(VideoCodec.AVC, b"\x01one")
AAC = AudioHeader(AudioCodec.AAC, b"\x12\x08")


def make() -> tuple[Timeline, Listener]:
    listener = Listener()
    source = LiveSource(Origin("rtmp", "192.0.2.7"), lambda reason: None, listener)
    return Timeline(source), listener


def video_times(*stamps: int) -> list[float]:
    timeline, listener = make()
    for stamp in stamps:
        timeline.video(stamp % (1 << 32), True, 0, b"x")
    return [frame.dts / 90 for frame in listener.video]


def test_times_start_at_0_for_both_tracks_together() -> None:
    timeline, listener = make()
    timeline.audio(5000, b"a")
    timeline.video(5010, True, 66, b"v")
    assert listener.audio[0].pts == 0
    assert (listener.video[0].dts, listener.video[0].pts) == (10 * 90, 76 * 90)


def test_sound_from_before_the_first_picture_is_dropped_when_it_comes_after_it() -> None:
    timeline, listener = make()
    timeline.video(100, True, 0, b"v")
    timeline.audio(80, b"early")
    timeline.audio(101, b"a")
    assert [frame.pts for frame in listener.audio] == [90]


def test_timestamps_wrap_without_a_jump() -> None:
    assert video_times(0xFFFFFFF0, 0xFFFFFFFF, 0x10, 0x30) == [0, 15, 32, 64]


def test_the_limit_itself_is_no_jump() -> None:
    assert video_times(0, 40, 40 + FORWARD_LIMIT_MS) == [0, 40, 40 + FORWARD_LIMIT_MS]


@pytest.mark.parametrize("jump", [FORWARD_LIMIT_MS + 1, 1_000_000, -BACKWARD_LIMIT_MS - 100, -6000, 1 << 31])
def test_jumps_are_absorbed_for_both_tracks_together(jump: int) -> None:
    timeline, listener = make()
    for n in range(60):
        shift = jump if n >= 30 else 0
        timeline.video((10_000 + 40 * n + shift) % (1 << 32), True, 0, b"v")
        timeline.audio((10_000 + 40 * n + 20 + shift) % (1 << 32), b"a")
    assert [frame.dts // 90 for frame in listener.video] == [40 * n for n in range(60)]
    assert [frame.pts // 90 for frame in listener.audio] == [40 * n + 20 for n in range(60)]
    assert timeline.jumps == 1


def test_tracks_that_jump_one_after_the_other_stay_together() -> None:
    timeline, listener = make()
    for n in range(50):
        timeline.video(40 * n + (500_000 if n >= 20 else 0), True, 0, b"v")
        timeline.audio(40 * n + (500_000 if n >= 25 else 0), b"a")
    assert timeline.jumps == 1
    assert [frame.dts for frame in listener.video] == [frame.pts for frame in listener.audio]


def test_a_pause_of_one_track_is_no_jump() -> None:
    timeline, listener = make()
    for n in range(250):
        timeline.video(40 * n, True, 0, b"v")
        if not 50 <= n < 200:
            timeline.audio(40 * n, b"a")
    assert timeline.jumps == 0
    assert listener.audio[-1].pts == listener.video[-1].dts == 40 * 249 * 90


def test_tracks_interleaved_far_apart_do_not_jump() -> None:
    timeline, listener = make()
    for n in range(100):
        timeline.video(40 * n, True, 0, b"v")
        timeline.audio(40 * n + 1500, b"a")
    assert timeline.jumps == 0
    assert listener.audio[-1].pts - listener.video[-1].dts == 1500 * 90


def test_small_steps_back_never_run_backwards() -> None:
    assert video_times(0, 500, 490, 520) == [0, 500, 500 + 1 / 90, 520]
    timeline, listener = make()
    for stamp in (0, 500, 490, 520):
        timeline.audio(stamp, b"a")
    assert [frame.pts // 90 for frame in listener.audio] == [0, 500, 500, 520]


def test_nanoseconds_refine_the_millisecond() -> None:
    timeline, listener = make()
    timeline.video(0, True, 0, b"v", 0)
    timeline.video(33, False, 0, b"v", 333_333)
    timeline.audio(21, b"a", 500_000)
    assert listener.video[1].dts == 33 * 90 + 29
    assert listener.audio[0].pts == 21 * 90 + 45


def test_composition_times_are_bounded() -> None:
    timeline, listener = make()
    for stamp, composition in ((0, -33), (40, 0x7FFFFF), (80, -0x800000)):
        timeline.video(stamp, True, composition, b"v")
    assert [(frame.pts - frame.dts) // 90 for frame in listener.video] == [
        -33,
        COMPOSITION_LIMIT_MS,
        -COMPOSITION_LIMIT_MS,
    ]


def test_pictures_before_the_first_keyframe_are_dropped_and_sound_is_kept() -> None:
    timeline, listener = make()
    for n in range(1000):
        timeline.video(33 * n, n == 999, 0, b"v")
        timeline.audio(33 * n + 1, b"a")
    assert [frame.dts for frame in listener.video] == [(33 * 999 - 1) * 90]
    assert len(listener.audio) == 1000
    assert timeline.jumps == 0


def test_a_changed_header_waits_for_a_keyframe_and_a_repeated_one_is_silent() -> None:
    timeline, listener = make()
    other = VideoHeader(VideoCodec.AVC, b"\x01two")
    timeline.video_header(AVC)
    timeline.audio_header(AAC)
    timeline.video(0, True, 0, b"k")
    timeline.video_header(AVC)
    timeline.audio_header(AAC)
    timeline.video(40, False, 0, b"p")
    timeline.video_header(other)
    for n in range(2, 100):
        timeline.video(40 * n, n == 99, 0, b"q")
    assert listener.video_headers == [AVC, other]
    assert listener.audio_headers == [AAC]
    assert [frame.dts // 90 for frame in listener.video] == [0, 40, 40 * 99]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 0xFFFFFFFF), st.booleans(), st.integers(-(1 << 23), (1 << 23) - 1)),
        max_size=60,
    )
)
def test_whatever_the_timestamps_each_track_only_goes_forward(messages: list[tuple[bool, int, bool, int]]) -> None:
    timeline, listener = make()
    for is_video, stamp, keyframe, composition in messages:
        if is_video:
            timeline.video(stamp, keyframe, composition, b"v")
        else:
            timeline.audio(stamp, b"a")
    dts = [frame.dts for frame in listener.video]
    pts = [frame.pts for frame in listener.audio]
    assert all(a < b for a, b in pairwise(dts))
    assert all(a <= b for a, b in pairwise(pts))
    assert all(time >= 0 for time in dts + pts)
    step = FORWARD_LIMIT_MS * 90
    assert max(dts + pts, default=0) <= step * len(messages)
