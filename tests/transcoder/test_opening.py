"""The first moments of a source: what is waited for, for how long, and what is known then."""

from __future__ import annotations

import functools

import pytest
from encoder_material import HEIGHT, WIDTH, Frame, flv, frames

from ingest.source import (
    TIMESCALE,
    AudioCodec,
    AudioFrame,
    AudioHeader,
    LiveSource,
    Origin,
    VideoCodec,
    VideoFrame,
    VideoHeader,
)
from transcoder.ladder import SourceAudio, SourceVideo
from transcoder.opening import ANNOUNCED_WAIT, MAX_FRAMES, UNANNOUNCED_WAIT, Opening

AAC = AudioHeader(AudioCodec.AAC, bytes.fromhex("1190"))


@functools.cache
def recorded(video: str = "libx264", audio: str = "aac") -> tuple[VideoHeader, AudioHeader, list[Frame]]:
    headers, found = frames(flv(video=video, audio=audio, seconds=1.0))
    seen = next(header for header in headers if isinstance(header, VideoHeader))
    heard = next(header for header in headers if isinstance(header, AudioHeader))
    return seen, heard, found


def first_keyframe(video: str = "libx264") -> VideoFrame:
    return next(frame for frame in recorded(video)[2] if isinstance(frame, VideoFrame))


def opening(*, video: bool = True, audio: bool = True, interval: float | None = None, **fields: object) -> Opening:
    source = LiveSource(Origin("rtmp", "192.0.2.1"), lambda _reason: None, **fields)  # type: ignore[arg-type]
    source.video = recorded()[0] if video else None
    source.audio = AAC if audio else None
    return Opening(source, keyframe_interval=interval)


def sound(time: int) -> AudioFrame:
    return AudioFrame(time, b"sound")


def test_both_tracks_and_what_is_known_of_them() -> None:
    subject = opening()
    assert not subject.ready()
    subject.on_audio(sound(0))
    assert not subject.ready()
    subject.on_video(first_keyframe())
    assert subject.ready()
    assert subject.source_video == SourceVideo(VideoCodec.AVC, WIDTH, HEIGHT, 30.0, 1.0)
    assert subject.source_audio == SourceAudio(AudioCodec.AAC, 48_000, 2)
    assert subject.frames == [sound(0), first_keyframe()]
    assert subject.problem == ""


def test_pictures_before_the_first_keyframe_are_dropped() -> None:
    subject = opening()
    subject.on_video(VideoFrame(0, 0, False, b"late comer"))
    keyframe = first_keyframe()
    subject.on_video(keyframe)
    subject.on_audio(sound(90))
    assert subject.ready()
    assert subject.frames == [keyframe, sound(90)]
    assert subject.first_keyframe is keyframe


@pytest.mark.parametrize(
    ("expects", "wait"), [(None, UNANNOUNCED_WAIT), (True, ANNOUNCED_WAIT), (False, 0)], ids=["silent", "yes", "no"]
)
def test_how_long_a_missing_picture_is_waited_for(expects: bool | None, wait: int) -> None:
    subject = opening(video=False, expects_video=expects, expects_audio=True)
    ready_at = None
    for time in range(0, 4 * TIMESCALE, 1800):
        subject.on_audio(sound(time))
        if subject.ready():
            ready_at = time
            break
    assert ready_at == wait
    assert subject.source_video is None
    assert subject.source_audio is not None


@pytest.mark.parametrize(
    ("expects", "wait"), [(None, UNANNOUNCED_WAIT), (True, ANNOUNCED_WAIT), (False, 0)], ids=["silent", "yes", "no"]
)
def test_how_long_missing_sound_is_waited_for(expects: bool | None, wait: int) -> None:
    subject = opening(audio=False, expects_audio=expects)
    keyframe = first_keyframe()
    for time in range(0, 4 * TIMESCALE, 3000):
        subject.on_video(keyframe._replace(dts=time, pts=time, keyframe=time == 0))
        if subject.ready():
            assert time == wait
            break
    assert subject.source_audio is None
    assert subject.source_video is not None


def test_wall_time_ends_every_wait() -> None:
    subject = opening(video=False, expects_video=True)
    subject.expire()
    assert not subject.ready()
    subject.on_audio(sound(0))
    assert subject.ready()


def test_a_flood_ends_every_wait() -> None:
    subject = opening(video=False, expects_video=True)
    for _ in range(MAX_FRAMES + 1):
        subject.on_audio(sound(0))
    assert subject.ready()


def test_metadata_tells_what_the_header_does_not() -> None:
    header, _, found = recorded("libvpx-vp9")
    subject = opening(audio=False, expects_audio=False, metadata={"width": 320.0, "height": 180.0, "framerate": 25.0})
    subject.video = header
    subject.on_video(next(frame for frame in found if isinstance(frame, VideoFrame)))
    assert subject.ready()
    assert subject.source_video == SourceVideo(VideoCodec.VP9, 320, 180, 25.0, None)


@pytest.mark.parametrize("value", ["30", None, -30.0, 0.0, float("nan"), float("inf"), 1e9, 0.5, 241, [30]])
def test_metadata_is_not_believed_blindly(value: object) -> None:
    header, _, found = recorded("libx265")
    subject = opening(audio=False, expects_audio=False, metadata={"width": value, "framerate": value})
    subject.video = header
    subject.on_video(next(frame for frame in found if isinstance(frame, VideoFrame)))
    assert subject.ready()
    video = subject.source_video
    assert video is not None
    assert (video.width, video.height) == (WIDTH, HEIGHT)
    assert video.framerate is None


def test_a_measured_keyframe_interval_is_believed_first() -> None:
    subject = opening(interval=8.3)
    subject.on_video(first_keyframe())
    subject.on_audio(sound(0))
    assert subject.ready()
    assert subject.source_video is not None
    assert subject.source_video.keyframe_interval == 8.3


def test_a_track_that_cannot_be_used_is_left_out_and_said() -> None:
    subject = opening()
    subject.audio = AudioHeader(AudioCodec.AAC, b"\x16\x90")
    subject.on_audio(sound(0))
    subject.on_video(first_keyframe())
    assert subject.ready()
    assert subject.source_audio is None
    assert subject.frames == [first_keyframe()]
    assert subject.problem.startswith("The sound cannot be used: The AAC configuration has sampling frequency index 13")


def test_a_source_of_which_nothing_can_be_used_is_ready_with_its_problem() -> None:
    subject = opening(audio=False, expects_audio=False)
    subject.video = VideoHeader(VideoCodec.AVC, bytes(7))
    subject.on_video(first_keyframe())
    assert subject.ready()
    assert subject.frames == []
    assert subject.source_video is None
    assert subject.problem == "The picture cannot be used: The avcC configuration has no sequence parameter set."


def test_audio_that_describes_itself() -> None:
    _, header, found = recorded(audio="ac3")
    subject = opening(video=False, expects_video=False)
    subject.audio = header
    subject.on_audio(next(frame for frame in found if isinstance(frame, AudioFrame)))
    assert subject.ready()
    assert subject.source_audio == SourceAudio(AudioCodec.AC3, 48_000, 1)
