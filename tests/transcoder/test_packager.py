"""From frames to parts: nothing lost, nothing twice, the same numbers everywhere, and what stalls and breaks do."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from encoder_material import flv, frames
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.source import TIMESCALE, AudioCodec, AudioFrame, AudioHeader, VideoFrame, VideoHeader
from transcoder.audio_codecs import AudioInfo, describe_audio
from transcoder.fmp4.reader import FragmentReader
from transcoder.fmp4.writer import audio_init, video_init
from transcoder.packager import AUDIO_LATE, MAX_QUEUED_FRAMES, AudioPackager, VideoPackager
from transcoder.schedule import Schedule
from transcoder.segments import Part, RenditionInfo, Segment
from transcoder.video_codecs import describe_video
from transcoder.window import LiveWindow

MS = TIMESCALE // 1000
AAC = AudioHeader(AudioCodec.AAC, bytes.fromhex("1190"))
AAC_INFO = describe_audio(AAC)
RATE = 48_000
SILENCE = b"\x21\x10\x04silence"


@functools.cache
def avc() -> VideoHeader:
    headers, _ = frames(flv(seconds=1.0))
    return next(header for header in headers if isinstance(header, VideoHeader))


def pictures(times: Sequence[int], keyframes: int = 60, reorder: int = 0) -> list[VideoFrame]:
    """Pictures decoded at `times`, every so many a keyframe, each with bytes of its own."""
    return [VideoFrame(time, time + reorder, n % keyframes == 0, b"picture %d" % n) for n, time in enumerate(times)]


def clock(count: int, rate: float = 30, start: int = 0) -> list[int]:
    """Times as FLV rounds them."""
    return [start + round(n * 1000 / rate) * MS for n in range(count)]


def sound(count: int, start: int = 0, rate: int = RATE) -> list[AudioFrame]:
    """AAC frames with times in whole milliseconds, as FLV has them, each with bytes of its own."""
    return [AudioFrame(start + n * 1024 * 1000 // rate * MS, b"sound %d" % n) for n in range(count)]


@dataclass
class Stage:
    """A schedule, one video and one audio rendition, put together as the lineup does it."""

    level: tuple[float, int] = (0.5, 2)
    patient: bool = False
    schedule: Schedule = field(init=False)

    def __post_init__(self) -> None:
        part, segment = round(self.level[0] * TIMESCALE), self.level[1]
        self.schedule = Schedule(part_target=part, segment_target=segment * TIMESCALE, target_duration=segment)
        self.window = LiveWindow(
            session="s",
            epoch=0.0,
            target_duration=segment,
            part_target=part,
            size=1000,
            renditions=[RenditionInfo("video"), RenditionInfo("audio")],
            variants=[],
        )
        self.video = VideoPackager(self.schedule, self.window.renditions[0], patient=self.patient)
        self.audio = AudioPackager(self.schedule, self.window.renditions[1], patient=self.patient)
        self.window.renditions[0].set_init(video_init(avc(), describe_video(avc())))
        self.window.renditions[1].set_init(audio_init(AAC, AAC_INFO))

    def begin(self, *, offset: int = 0, info: AudioInfo | None = AAC_INFO) -> None:
        run = self.schedule.begin_run()
        self.video.begin_run(run, offset)
        self.audio.begin_run(run, info)

    def see(self, frame: VideoFrame) -> None:
        cut = self.schedule.video(frame.dts, frame.pts, frame.keyframe)
        self.video.feed(frame)
        if cut:
            self.advance()

    def hear(self, frame: AudioFrame) -> None:
        cut = self.schedule.audio_passed(frame.pts)
        self.audio.feed(frame)
        if cut:
            self.advance()

    def advance(self) -> None:
        self.video.advance()
        self.audio.advance()

    def play(self, seen: Sequence[VideoFrame], heard: Sequence[AudioFrame]) -> None:
        """Feeds both as they are interleaved by time."""
        merged: list[VideoFrame | AudioFrame] = sorted(
            [*seen, *heard], key=lambda frame: frame.dts if isinstance(frame, VideoFrame) else frame.pts
        )
        for frame in merged:
            if isinstance(frame, VideoFrame):
                self.see(frame)
            else:
                self.hear(frame)

    def end(self) -> None:
        self.schedule.end_run()
        self.video.finish()
        self.audio.finish()

    def segments(self, number: int) -> list[Segment]:
        return list(self.window.renditions[number].segments)

    def parts(self, number: int) -> list[tuple[int, int, Part]]:
        return [
            (segment.sequence, index, part)
            for segment in self.segments(number)
            for index, part in enumerate(segment.parts)
        ]

    def positions(self, number: int) -> list[tuple[int, int]]:
        return [(sequence, index) for sequence, index, _ in self.parts(number)]

    def gaps(self, number: int) -> list[tuple[int, int]]:
        return [(sequence, index) for sequence, index, part in self.parts(number) if part.data is None]

    def media(self, number: int) -> bytes:
        return b"".join(bytes(part.data) for _, _, part in self.parts(number) if part.data is not None)

    def seen(self) -> list[VideoFrame]:
        """The pictures that a player would get."""
        reader = FragmentReader()
        reader.feed(video_init(avc(), describe_video(avc())))
        return [frame for frame in reader.feed(self.media(0)) if isinstance(frame, VideoFrame)]

    def heard(self) -> list[tuple[int, bytes]]:
        """The sound that a player would get: start in samples, and bytes."""
        reader = FragmentReader()
        reader.feed(audio_init(AAC, AAC_INFO))
        return [
            (round(frame.pts * RATE / TIMESCALE), frame.data)
            for frame in reader.feed(self.media(1))
            if isinstance(frame, AudioFrame)
        ]


def check_tiling(stage: Stage, number: int) -> None:
    """Parts follow each other without holes, within one video frame or one audio frame."""
    for before, after in pairwise(stage.segments(number)):
        assert after.sequence == before.sequence + 1
        if not after.discontinuity:
            assert abs(before.start + before.duration - after.start) <= (0 if number == 0 else 2048 * TIMESCALE // RATE)


@pytest.mark.parametrize("audio_rate", [48_000, 44_100])
@pytest.mark.parametrize("rate", [24000 / 1001, 24, 25, 30, 50, 60])
@pytest.mark.parametrize("level", [(0.2, 1), (1 / 3, 2), (0.5, 2), (1.0, 2)])
def test_parts_of_whole_frames_keep_to_part_target(level: tuple[float, int], rate: float, audio_rate: int) -> None:
    stage = Stage(level)
    info = describe_audio(AudioHeader(AudioCodec.AAC, bytes.fromhex("1190" if audio_rate == 48_000 else "1210")))
    assert info.sample_rate == audio_rate
    stage.begin(info=info)
    stage.play(
        pictures(clock(round(rate * 40), rate), round(rate * level[1])), sound(audio_rate * 40 // 1024, rate=audio_rate)
    )
    assert stage.window.part_target is not None
    for number in (0, 1):
        assert len(stage.parts(number)) > 38 / level[0]
        assert max(part.duration for _, _, part in stage.parts(number)) <= stage.window.part_target


@pytest.mark.parametrize("reorder", [0, 66 * MS])
@pytest.mark.parametrize("rate", [24000 / 1001, 25, 30, 60])
@pytest.mark.parametrize("level", [(0.2, 1), (1 / 3, 2), (0.5, 2), (1.0, 4)])
def test_nothing_is_lost_nothing_comes_twice(rate: float, level: tuple[float, int], reorder: int) -> None:
    stage = Stage(level)
    stage.begin(offset=reorder)
    seen, heard = pictures(clock(int(rate * 9), rate), round(rate * level[1]), reorder), sound(430)
    stage.play(seen, heard)
    stage.end()
    assert stage.seen() == seen
    # Sound from before the first picture is shown has nothing to go with.
    early = sum(frame.pts < reorder - 512 * TIMESCALE // RATE for frame in heard)
    assert [data for _, data in stage.heard()] == [frame.data for frame in heard[early:]][: len(stage.heard())]
    assert len(stage.heard()) >= (9 * RATE - reorder) // 1024 - 3 - early
    assert stage.positions(0) == stage.positions(1)
    assert stage.gaps(0) == stage.gaps(1) == []
    for number in (0, 1):
        check_tiling(stage, number)
    for segment in stage.segments(0):
        assert segment.parts[0].independent
        assert segment.complete


def test_durations_announced_are_the_durations_of_the_samples() -> None:
    stage = Stage()
    stage.begin()
    stage.play(pictures(clock(300)), sound(470))
    announced, at = [], 0
    for segment in stage.segments(0):
        for part in segment.parts:
            announced.append(at)
            at += part.duration
    reader = FragmentReader()
    reader.feed(video_init(avc(), describe_video(avc())))
    begun = [next(iter(reader.feed(bytes(part.data or b"")))) for _, _, part in stage.parts(0)]
    assert [frame.dts for frame in begun if isinstance(frame, VideoFrame)] == announced
    # Sound is counted: whole frames, no rounding, no drift.
    starts = [start for start, _ in stage.heard()]
    assert starts == [n * 1024 for n in range(len(starts))]
    assert sum(part.duration for _, _, part in stage.parts(1)) == pytest.approx(
        len(starts) * 1024 * TIMESCALE / RATE, abs=len(stage.parts(1))
    )


def test_audio_parts_end_at_the_frame_nearest_to_the_picture_s() -> None:
    stage = Stage()
    stage.begin()
    stage.play(pictures(clock(300)), sound(470))
    video, audio = stage.segments(0), stage.segments(1)
    assert len(audio) > 3
    for seen, heard in zip(video, audio, strict=False):
        assert abs(seen.start - heard.start) <= 512 * TIMESCALE // RATE + 1


def test_a_part_goes_out_with_the_first_picture_that_follows_it() -> None:
    stage = Stage()
    stage.begin()
    for frame in pictures(clock(15)):
        stage.see(frame)
    assert stage.positions(0) == []
    stage.see(pictures(clock(16))[15])
    assert stage.positions(0) == [(0, 0)]


def test_the_segment_is_complete_as_soon_as_its_last_part() -> None:
    stage = Stage()
    stage.begin()
    for frame in pictures(clock(61)):
        stage.see(frame)
    (segment,) = stage.segments(0)
    assert segment.complete
    assert segment.duration == 2 * TIMESCALE
    assert [part.independent for part in segment.parts] == [True, False, False, False]


def test_sound_just_before_the_first_picture() -> None:
    stage = Stage()
    stage.begin()
    stage.play(pictures(clock(40)), sound(80, start=-5 * MS))
    assert stage.seen() == pictures(clock(40))[:30]
    assert stage.heard()[0][0] >= 0


def test_sound_long_before_the_first_picture_is_dropped() -> None:
    stage = Stage()
    stage.begin()
    stage.play(pictures(clock(60, start=2000 * MS)), sound(200))
    starts = [start for start, _ in stage.heard()]
    assert abs(starts[0] - 2 * RATE) <= 512
    assert starts == [starts[0] + n * 1024 for n in range(len(starts))]


def test_silence_takes_the_place_of_sound_that_stays_away() -> None:
    stage = Stage()
    stage.begin()
    stage.audio.set_silence(SILENCE)
    seen, heard = pictures(clock(300)), sound(470)
    stage.play(seen, [frame for frame in heard if not 3 * TIMESCALE < frame.pts < 6 * TIMESCALE])
    stage.end()
    assert stage.positions(0) == stage.positions(1)
    assert stage.gaps(1) == []
    starts = [start for start, _ in stage.heard()]
    assert [b - a for a, b in pairwise(starts)] == [1024] * (len(starts) - 1)
    quiet = [start for start, data in stage.heard() if data == SILENCE]
    assert len(quiet) == pytest.approx(3 * RATE / 1024, abs=2)
    assert 3 * RATE - 1024 <= quiet[0] <= 3 * RATE + 1024


def test_sound_that_stays_away_is_waited_for_a_second_of_media() -> None:
    stage = Stage()
    stage.begin()
    stage.audio.set_silence(SILENCE)
    for frame in sound(10):
        stage.hear(frame)
    waited = []
    for frame in pictures(clock(120)):
        stage.see(frame)
        if stage.positions(1):
            waited.append(frame.dts)
    assert waited[0] == 500 * MS + AUDIO_LATE


def test_without_silence_there_is_a_gap_with_the_same_numbers() -> None:
    stage = Stage()
    stage.begin()
    seen, heard = pictures(clock(300)), sound(470)
    stage.play(seen, [frame for frame in heard if not 3 * TIMESCALE < frame.pts < 6 * TIMESCALE])
    stage.end()
    assert stage.positions(0) == stage.positions(1)
    gaps = stage.gaps(1)
    assert (1, 3) in gaps
    assert (2, 0) in gaps
    assert gaps == [position for position in stage.positions(1) if position in gaps]
    # What comes after the gap is where it belongs: its time is the source's.
    original = {frame.data: frame.pts * RATE // TIMESCALE for frame in heard}
    for start, data in stage.heard():
        assert abs(start - original[data]) <= 60 * RATE // 1000


def test_sound_that_comes_late_after_a_gap_is_not_played_at_another_time() -> None:
    """A burst of old sound, after its parts went out as gaps, must not move into parts of a later time."""
    stage = Stage()
    stage.begin()
    seen, heard = pictures(clock(300)), sound(470)
    held = [frame for frame in heard if 3 * TIMESCALE < frame.pts < 6 * TIMESCALE]
    for frame in seen[:200]:
        stage.see(frame)
        for sounding in [s for s in heard if frame.dts - 33 * MS < s.pts <= frame.dts and s not in held]:
            stage.hear(sounding)
    for frame in held:
        stage.hear(frame)
    stage.play(seen[200:], [frame for frame in heard if frame.pts > seen[199].dts])
    stage.end()
    assert stage.positions(0) == stage.positions(1)
    for segment, own in zip(stage.segments(0), stage.segments(1), strict=True):
        if not own.gap:
            first = own.decode_time * TIMESCALE // RATE
            assert segment.start - 30 * MS <= first <= segment.start + segment.duration
    starts = [start for start, _ in stage.heard()]
    assert starts == sorted(starts)


def test_small_errors_of_the_source_s_clock_are_not_believed() -> None:
    stage = Stage()
    stage.begin()
    shaken = [AudioFrame(max(frame.pts + (n % 5 - 2) * 9 * MS, 0), frame.data) for n, frame in enumerate(sound(470))]
    for frame in pictures(clock(300)):
        stage.see(frame)
        while shaken and shaken[0].pts <= frame.dts + 40 * MS:
            stage.hear(shaken.pop(0))
    starts = [start for start, _ in stage.heard()]
    assert [b - a for a, b in pairwise(starts)] == [1024] * (len(starts) - 1)


def test_sound_that_runs_ahead_is_brought_back() -> None:
    """A source whose frames come 1 % too fast by count: now and then one is dropped, and it never strays far."""
    stage = Stage()
    stage.begin()
    fast = [AudioFrame(n * 1014 * 1000 // RATE * MS, b"sound %d" % n) for n in range(900)]
    stage.play(pictures(clock(500)), fast)
    original = {frame.data: frame.pts * RATE // TIMESCALE for frame in fast}
    assert all(abs(start - original[data]) <= 62 * RATE // 1000 for start, data in stage.heard())
    dropped = int(stage.heard()[-1][1].split()[1]) + 1 - len(stage.heard())
    assert 4 <= dropped <= 8


def test_pictures_that_come_late_after_a_gap_wait_for_a_keyframe() -> None:
    stage = Stage()
    stage.begin()
    seen = pictures(clock(300))
    for frame in seen[:120]:
        stage.schedule.video(frame.dts, frame.pts, frame.keyframe)
        stage.video.feed(frame)
    stage.advance()
    for frame in seen[120:]:
        stage.schedule.video(frame.dts, frame.pts, frame.keyframe)
    stage.video.failing = True  # nothing is to be expected: everything that is due goes out as a gap
    stage.video.advance()
    assert (3, 0) in stage.gaps(0)
    stage.video.failing = False
    newest = stage.positions(0)[-1]
    for frame in seen[120:]:
        stage.video.feed(frame)
    stage.end()
    resumed = [position for position in stage.positions(0) if position > newest and position not in stage.gaps(0)]
    kept = stage.seen()
    assert kept[:119] == seen[:119]
    later = [frame for frame in kept if frame not in seen[:121]]
    assert later == [] or later[0].keyframe
    assert resumed == [] or len(later) > 0


def test_the_part_of_a_stalled_picture_closes_while_sound_goes_on() -> None:
    stage = Stage()
    stage.begin()
    stage.play(pictures(clock(36)), sound(56))
    assert stage.positions(0) == [(0, 0), (0, 1)]
    for frame in sound(300)[56:]:
        stage.hear(frame)  # sound from 1.2 s to 6.4 s, and not one picture
    assert stage.positions(0)[-1] >= (2, 0)
    assert stage.gaps(0)[0] == (0, 3)
    assert set(stage.positions(1)) >= set(stage.positions(0)[:-1])


def test_a_run_that_ends_gives_everything_it_had() -> None:
    stage = Stage()
    stage.begin()
    stage.play(pictures(clock(100)), sound(150))
    stage.end()
    assert len(stage.seen()) == 100
    assert stage.segments(0)[-1].complete
    assert stage.segments(1)[-1].complete
    assert sum(segment.duration for segment in stage.segments(0)) == stage.schedule.end_time


def test_runs_are_separated_by_a_discontinuity_in_every_rendition() -> None:
    stage = Stage()
    for number in range(3):
        stage.begin()
        start = stage.schedule.end_time + (90 if number else 0)
        stage.play(pictures(clock(90, start=start)), sound(140, start=start))
        stage.end()
    for number in (0, 1):
        breaks = [segment.sequence for segment in stage.segments(number) if segment.discontinuity]
        assert breaks == [2, 4]
        assert [segment.sequence for segment in stage.segments(number)] == [0, 1, 2, 3, 4, 5]
    assert stage.positions(0) == stage.positions(1)
    assert len(stage.seen()) == 270


def test_a_run_without_sound_in_a_rendition_of_sound_is_a_gap() -> None:
    stage = Stage()
    stage.begin(info=None)
    stage.audio.failing = True
    stage.play(pictures(clock(130)), [])
    stage.end()
    assert stage.positions(1) == stage.positions(0)
    assert stage.gaps(1) == stage.positions(1)


def test_patient_renditions_wait_for_what_ffmpeg_makes() -> None:
    stage = Stage(patient=True)
    stage.begin()
    stage.audio.set_silence(SILENCE)
    for frame in pictures(clock(300)):
        stage.see(frame)
    assert stage.positions(1) == []
    for sounding in sound(440):
        stage.audio.feed(sounding)
    assert stage.positions(1) == stage.positions(0)[: len(stage.positions(1))]
    assert len(stage.positions(1)) >= len(stage.positions(0)) - 2
    assert all(data != SILENCE for _, data in stage.heard())


def test_frames_without_boundaries_are_bounded() -> None:
    stage = Stage(patient=True)
    stage.begin()
    for sounding in sound(MAX_QUEUED_FRAMES * 2):
        stage.audio.feed(sounding)
    for frame in pictures(clock(MAX_QUEUED_FRAMES * 2)):
        stage.video.feed(frame)
    assert len(stage.audio._queue) <= MAX_QUEUED_FRAMES
    assert len(stage.video._frames) <= MAX_QUEUED_FRAMES


@settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(st.integers(5, 120), min_size=30, max_size=200),
    keyframes=st.integers(1, 90),
    reorder=st.integers(0, 200),
    level=st.sampled_from([(0.2, 1), (0.5, 2), (1.0, 4)]),
)
def test_any_picture_rate_loses_nothing(
    steps: list[int], keyframes: int, reorder: int, level: tuple[float, int]
) -> None:
    stage = Stage(level)
    stage.begin(offset=reorder * MS)
    times = [sum(steps[:n]) * MS for n in range(len(steps))]
    seen = pictures(times, keyframes, reorder * MS)
    stage.play(seen, sound(times[-1] * RATE // TIMESCALE // 1024))
    stage.end()
    assert stage.seen() == seen
    assert stage.positions(0) == stage.positions(1)
    assert stage.gaps(0) == []
    check_tiling(stage, 0)
