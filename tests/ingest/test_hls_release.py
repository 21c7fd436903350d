"""Segments become frames that flow: at their own speed, on one timeline, all variants together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from ingest.hls.chunk import Chunk, Pictures, Sound
from ingest.hls.release import BEGIN, Release
from ingest.source import (
    TIMESCALE,
    AudioCodec,
    AudioFrame,
    AudioHeader,
    LiveSource,
    Origin,
    SourceVariant,
    VideoCodec,
    VideoFrame,
    VideoHeader,
)

STEP = TIMESCALE // 30
HEADER = VideoHeader(VideoCodec.AVC, b"config")
SOUND = AudioHeader(AudioCodec.AAC, b"\x11\x90")


@dataclass
class Ears:
    """Everything that is heard, in one list for all: (who, what)."""

    name: str
    heard: list[tuple[str, object]] = field(default_factory=list)

    def on_video_header(self, header: VideoHeader) -> None:
        self.heard.append((self.name, header))

    on_audio_header = on_video_header  # type: ignore[assignment]

    def on_metadata(self, metadata: Mapping[str, object]) -> None: ...

    def on_video(self, frame: VideoFrame) -> None:
        self.heard.append((self.name, frame))

    def on_audio(self, frame: AudioFrame) -> None:
        self.heard.append((self.name, frame))

    def on_end(self, reason: str) -> None: ...


def chunk(
    start: int, seconds: float = 2.0, *, sound: bool = True, header: VideoHeader = HEADER, lead: int = STEP
) -> Chunk:
    """Pictures at 30 a second, a keyframe every second, and sound, all shown from `start` + STEP on."""
    pictures = [
        VideoFrame(start + (n + 1) * STEP - lead, start + (n + 1) * STEP, n % 30 == 0, b"p")
        for n in range(round(seconds * 30))
    ]
    frames = [AudioFrame(start + n * 1920, b"s") for n in range(int(seconds * TIMESCALE) // 1920)]
    return Chunk(Pictures(header, (320, 180), pictures), Sound(SOUND, frames) if sound else None)


def release_of(variants: int = 0) -> tuple[Release, list[tuple[str, object]], LiveSource]:
    ears = Ears("source")
    below = tuple(SourceVariant(0, listener=Ears(f"variant {n}", ears.heard)) for n in range(1, variants + 1))
    source = LiveSource(Origin("hls", "192.0.2.1"), close=print, listener=ears, variants=below)
    return Release(source), ears.heard, source


def frames(heard: list[tuple[str, object]], name: str = "source") -> list[VideoFrame]:
    return [item for who, item in heard if who == name and isinstance(item, VideoFrame)]


def run(release: Release, until: float, start: float = 0.0) -> float:
    """Lets the clock go as the caller would; returns where it stands."""
    now = start
    while now < until:
        now += min(release.due(now), until - now) or 1e-6
    release.due(now)
    return now


def test_frames_leave_at_the_speed_of_their_own_time() -> None:
    release, heard, _ = release_of()
    release.add(0, chunk(5_000_000), broken=False, name="")
    release.add(0, chunk(5_000_000 + 2 * TIMESCALE), broken=False, name="")
    for tenth in range(1, 39):
        run(release, tenth / 10, (tenth - 1) / 10)
        assert len(frames(heard)) == pytest.approx(tenth * 3, abs=2)
    assert frames(heard)[0].dts == BEGIN
    assert {after.dts - before.dts for before, after in pairwise(frames(heard))} == {STEP}
    assert all(frame.pts - frame.dts == STEP for frame in frames(heard))


def test_the_header_comes_first_and_only_once() -> None:
    release, heard, source = release_of(1)
    for number in range(3):
        for encoding in (0, 1):
            release.add(encoding, chunk(number * 2 * TIMESCALE), broken=False, name="")
    run(release, 7)
    for name in ("source", "variant 1"):
        said = [item for who, item in heard if who == name and not isinstance(item, AudioFrame)]
        assert said[0] == HEADER
        assert sum(item == HEADER for item in said) == 1
    assert sum(item == SOUND for _, item in heard) == 1
    assert (source.video, source.audio, source.variants[0].video) == (HEADER, SOUND, HEADER)


def test_a_variant_is_never_later_than_the_source() -> None:
    release, heard, _ = release_of(2)
    for number in range(4):
        for encoding in (2, 0, 1):
            release.add(encoding, chunk(number * 2 * TIMESCALE, sound=encoding == 0), broken=False, name="")
    release.finish()
    run(release, 9)
    seen = {"variant 1": -1, "variant 2": -1}
    for who, item in heard:
        if isinstance(item, VideoFrame):
            if who == "source":
                assert min(seen.values()) >= item.dts
            else:
                seen[who] = item.dts
    assert len(frames(heard)) == len(frames(heard, "variant 1")) == len(frames(heard, "variant 2")) == 240


def test_encodings_with_other_b_frames_are_compared_by_what_is_shown() -> None:
    release, heard, _ = release_of(1)
    for number in range(2):
        release.add(1, chunk(number * 2 * TIMESCALE, sound=False, lead=0), broken=False, name="")
        release.add(0, chunk(number * 2 * TIMESCALE, lead=3 * STEP), broken=False, name="")
    release.finish()
    run(release, 6)
    shown = -1
    for who, item in heard:
        if isinstance(item, VideoFrame):
            if who == "source":
                assert shown >= item.dts + 3 * STEP
            else:
                shown = item.pts
    assert [frame.pts for frame in frames(heard)] == [frame.pts for frame in frames(heard, "variant 1")]


def test_nobody_waits_long_for_a_variant_that_does_not_come() -> None:
    release, heard, _ = release_of(1)
    release.add(0, chunk(0), broken=False, name="")
    run(release, 3)
    assert frames(heard) == [], "it may still come"
    for number in (1, 2):
        release.add(0, chunk(number * 2 * TIMESCALE), broken=False, name="")
    run(release, 6, 3)
    assert frames(heard)


def test_a_variant_that_stops_holds_the_others_up_for_two_segments_at_most() -> None:
    release, heard, _ = release_of(1)
    release.add(1, chunk(0), broken=False, name="")
    for number in range(6):
        release.add(0, chunk(number * 2 * TIMESCALE), broken=False, name="")
    run(release, 14)
    assert len(frames(heard)) >= 357, "the last pictures may wait for sound"
    assert len(frames(heard, "variant 1")) == 60


def test_a_late_segment_pushes_the_pace_back_instead_of_causing_a_burst() -> None:
    release, heard, _ = release_of()
    release.add(0, chunk(0), broken=False, name="")
    now = run(release, 5)
    assert len(frames(heard)) >= 57, "and nothing more for three seconds"
    release.add(0, chunk(2 * TIMESCALE), broken=False, name="")
    run(release, now + 1, now)
    assert len(frames(heard)) == pytest.approx(90, abs=3)


def test_what_piles_up_is_let_go_faster_and_a_flood_at_once() -> None:
    release, heard, _ = release_of()
    for number in range(4):
        release.add(0, chunk(number * 2 * TIMESCALE), broken=False, name="")
    run(release, 2)
    assert len(frames(heard)) == pytest.approx(66, abs=3), "a tenth faster"
    release, heard, _ = release_of()
    for number in range(30):
        release.add(0, chunk(number * 2 * TIMESCALE), broken=False, name="")
    release.due(0.0)
    assert len(frames(heard)) > 28 * 60 - 60


@pytest.mark.parametrize("jump", [-(1 << 33) + 1234, 400 * TIMESCALE, -5 * TIMESCALE])
def test_a_jump_of_the_clock_is_absorbed_by_all_tracks_alike(jump: int) -> None:
    release, heard, _ = release_of(1)
    start = (1 << 33) - 2 * TIMESCALE
    for encoding in (0, 1):
        release.add(encoding, chunk(start), broken=False, name="")
    for encoding in (0, 1):
        release.add(encoding, chunk(start + 2 * TIMESCALE + jump), broken=False, name="")
        release.add(encoding, chunk(start + 4 * TIMESCALE + jump), broken=False, name="")
    run(release, 8)
    own, below = frames(heard), frames(heard, "variant 1")
    assert [frame.dts for frame in own] == [frame.dts for frame in below]
    assert {after.dts - before.dts for before, after in pairwise(own)} == {STEP}
    sound = [item.pts for _, item in heard if isinstance(item, AudioFrame)]
    assert max(after - before for before, after in pairwise(sound)) <= 2 * STEP


def test_a_missing_segment_is_a_gap_after_which_a_keyframe_comes() -> None:
    release, heard, _ = release_of()
    release.add(0, chunk(0), broken=False, name="")
    late = chunk(4 * TIMESCALE)
    assert late.pictures is not None
    headless = Chunk(Pictures(HEADER, (320, 180), late.pictures.frames[5:]), late.sound)
    release.add(0, headless, broken=True, name="")
    run(release, 8)
    after = frames(heard)[60]
    assert (after.keyframe, after.dts) == (True, BEGIN + 4 * TIMESCALE + 30 * STEP)


def test_frames_that_go_back_a_little_are_kept_in_order() -> None:
    release, heard, _ = release_of()
    release.add(0, chunk(0), broken=False, name="")
    release.add(0, chunk(2 * TIMESCALE - 5 * STEP), broken=False, name="")
    run(release, 5)
    assert all(after.dts > before.dts for before, after in pairwise(frames(heard)))


def test_other_codec_settings_are_told_before_the_keyframe_that_needs_them() -> None:
    release, heard, _ = release_of()
    other = VideoHeader(VideoCodec.HEVC, b"other")
    release.add(0, chunk(0), broken=False, name="init0")
    release.add(0, chunk(2 * TIMESCALE, header=other), broken=False, name="init1")
    run(release, 5)
    pictures = [item for _, item in heard if isinstance(item, VideoHeader | VideoFrame)]
    place = pictures.index(other)
    following = pictures[place + 1]
    assert place == 61
    assert isinstance(following, VideoFrame)
    assert following.keyframe


def test_sound_apart_is_heard_with_the_pictures() -> None:
    release, heard, source = release_of(1)
    pictures = chunk(7_000_000, sound=False)
    only = chunk(7_000_000 - 1920).sound
    release.add(0, pictures, broken=False, name="")
    release.add(1, pictures, broken=False, name="")
    release.add(2, Chunk(None, only), broken=False, name="")
    run(release, 3)
    sound = [item.pts for _, item in heard if isinstance(item, AudioFrame)]
    assert sound[0] == frames(heard)[0].dts - 1920
    assert source.audio == SOUND


def test_the_end_lets_everything_go() -> None:
    release, heard, _ = release_of(1)
    release.add(0, chunk(0), broken=False, name="")
    release.finish()
    run(release, 4)
    assert len(frames(heard)) == 60
    assert release.empty
