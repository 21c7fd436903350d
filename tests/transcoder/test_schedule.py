"""Where parts and segments begin, for the frame rates, keyframes and clocks that encoders have."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.source import TIMESCALE
from transcoder.schedule import (
    GRID_SLACK,
    MAX_BOUNDARIES,
    PART_SLACK,
    STALL_SLACK,
    Boundary,
    Schedule,
)

MS = TIMESCALE // 1000
HALF = TIMESCALE // 2
THIRD = TIMESCALE // 3


def schedule(part: float = 0.5, segment: int = 2, target: int | None = None) -> Schedule:
    return Schedule(
        part_target=round(part * TIMESCALE), segment_target=segment * TIMESCALE, target_duration=target or segment
    )


def boundaries(subject: Schedule) -> list[Boundary]:
    found = [subject.at(serial) for serial in range(subject.head + 1)]
    return [boundary for boundary in found if boundary is not None]


def play(subject: Schedule, times: Iterable[int], keyframes: Iterable[int] = (), *, reorder: int = 0) -> list[Boundary]:
    """Feeds pictures decoded at `times`, of which the `keyframes` (by number) are such; all shown `reorder` later."""
    keys = set(keyframes)
    if not subject.open:
        subject.begin_run()
    for number, time in enumerate(times):
        before = subject.head
        assert subject.video(time, time + reorder, number in keys) is (subject.head > before)
    return boundaries(subject)


def flv_times(rate: float, seconds: float) -> list[int]:
    """Decode times of a constant frame rate as FLV rounds them: whole milliseconds."""
    return [round(n * 1000 / rate) * MS for n in range(round(seconds * rate))]


def part_durations(found: list[Boundary]) -> list[int]:
    return [after.time - before.time for before, after in pairwise(found)]


def segment_starts(found: list[Boundary]) -> list[int]:
    return [boundary.time for boundary in found if boundary.part == 0]


def segment_durations(subject: Schedule, found: list[Boundary]) -> list[int]:
    """Those of all complete segments: the sums of their parts as they are announced."""
    sums: dict[int, int] = {}
    for boundary in found:
        end = subject.end_of(boundary)
        if end is not None:
            sums[boundary.segment] = sums.get(boundary.segment, 0) + end[0] - boundary.time
    return [length for segment, length in sums.items() if segment != found[-1].segment or not subject.open]


def check_promises(subject: Schedule, found: list[Boundary]) -> None:
    """What PART-TARGET and TARGETDURATION promise, and what numbering means."""
    for boundary in found:
        end = subject.end_of(boundary)
        if end is not None:
            assert 0 < end[0] - boundary.time <= subject.part_target + PART_SLACK
    for length in segment_durations(subject, found):
        # "EXTINF … rounded to the nearest integer, MUST be less than or equal to the Target Duration"
        assert int(length / TIMESCALE + 0.5) <= subject.target_duration
    for before, after in pairwise(found):
        assert after.serial == before.serial + 1
        assert after.time > before.time or after.run > before.run
        follows = (before.segment, before.part + 1), (before.segment + 1, 0)
        assert (after.segment, after.part) in follows
        assert after.run == before.run or after.part == 0


@pytest.mark.parametrize(
    ("rate", "part", "segment", "parts", "longest"),
    [
        (30, 0.5, 2, 4, 0.501),
        (60, 0.5, 2, 4, 0.501),
        (25, 0.5, 2, 4, 0.521),
        (24000 / 1001, 0.5, 2, 4, 0.502),
        (30, 1 / 3, 2, 6, 0.334),
        (60, 1 / 3, 2, 6, 0.334),
        (30, 0.2, 1, 5, 0.201),
        (60, 0.2, 1, 5, 0.201),
        (30, 1.0, 2, 2, 1.001),
    ],
)
def test_every_segment_has_the_same_parts(rate: float, part: float, segment: int, parts: int, longest: float) -> None:
    subject = schedule(part, segment)
    group = round(rate * segment)
    found = play(subject, flv_times(rate, 20), range(0, 10_000, group))
    check_promises(subject, found)
    complete = [boundary for boundary in found if boundary.segment < found[-1].segment]
    assert [boundary.part for boundary in complete] == [*range(parts)] * (len(complete) // parts)
    assert len(complete) // parts in (20 // segment - 1, 20 // segment - 2)
    assert max(part_durations(found)) <= longest * TIMESCALE
    keyframe_times = set(flv_times(rate, 20)[::group])
    assert set(segment_starts(found)) <= keyframe_times


def test_half_seconds_of_25_pictures_are_rounded_up() -> None:
    subject = schedule(0.5)
    found = play(subject, flv_times(25, 9), range(0, 225, 50))
    assert part_durations(found)[:8] == [520 * MS, 520 * MS, 520 * MS, 440 * MS] * 2


@pytest.mark.parametrize("jitter", [0, 1])
@pytest.mark.parametrize("rate", [24000 / 1001, 24, 25, 30000 / 1001, 30, 50, 60000 / 1001, 60])
@pytest.mark.parametrize(("part", "segment"), [(0.2, 1), (1 / 3, 2), (0.5, 2), (1.0, 2)])
def test_parts_have_at_least_85_percent_of_part_target(part: float, segment: int, rate: float, jitter: int) -> None:
    """Except the last of a segment (draft-pantos-hls-rfc8216bis §4.4.4.9)."""
    subject = schedule(part, segment)
    times = [time + n % 2 * jitter * MS for n, time in enumerate(flv_times(rate, 20))]
    found = play(subject, times, range(0, len(times), round(rate * segment)))
    check_promises(subject, found)
    least = 0.85 * (subject.part_target + PART_SLACK)
    assert all(after.time - before.time >= least for before, after in pairwise(found) if after.part)


def test_reordering_shifts_everything_by_the_first_picture_s_offset() -> None:
    plain, shifted = schedule(), schedule()
    times = flv_times(30, 8)
    expected = [boundary._replace(time=boundary.time + 66 * MS) for boundary in play(plain, times, range(0, 240, 60))]
    assert play(shifted, times, range(0, 240, 60), reorder=66 * MS) == expected


def test_a_part_closes_at_half_a_frame_before_its_target() -> None:
    subject = schedule(0.5)
    # 0.5 s is not a whole number of frames of 23.976/s: 12 frames are 500.5 ms, as FLV counts them.
    found = play(subject, flv_times(24000 / 1001, 4), [0, 48])
    assert set(part_durations(found)) <= {500 * MS, 501 * MS, 502 * MS}


def test_frames_off_the_grid_as_gstreamer_sends_them() -> None:
    subject = schedule(0.5)
    times = [(9 + round(n * 1000 / 30) + (1 if n % 3 == 2 else 0)) * MS for n in range(300)]
    assert times[:4] == [9 * MS, 42 * MS, 77 * MS, 109 * MS]
    found = play(subject, times, range(0, 300, 60))
    check_promises(subject, found)
    assert segment_starts(found) == times[0:300:60]
    assert [boundary.part for boundary in found[:8]] == [0, 1, 2, 3, 0, 1, 2, 3]


@pytest.mark.parametrize("interval", [0.5, 0.8, 1.0, 1.2, 1.5, 1.9, 2.0, 2.2, 2.4])
def test_segments_begin_at_keyframes_whenever_they_come_in_time(interval: float) -> None:
    subject = schedule(0.5, 2)
    times = flv_times(30, 40)
    group = round(interval * 30)
    found = play(subject, times, range(0, len(times), group))
    check_promises(subject, found)
    assert set(segment_starts(found)) <= set(times[::group])


@pytest.mark.parametrize("interval", [2.6, 4.0, 8.3, 100.0])
def test_without_a_keyframe_in_time_the_target_duration_holds(interval: float) -> None:
    subject = schedule(0.5, 2)
    times = flv_times(30, 40)
    found = play(subject, times, range(0, len(times), round(interval * 30)))
    check_promises(subject, found)
    assert max(segment_durations(subject, found)) > 2 * TIMESCALE


def test_a_longer_target_duration_is_used_for_longer_keyframe_intervals() -> None:
    subject = schedule(0.5, 2, target=4)
    times = flv_times(30, 40)
    found = play(subject, times, range(0, len(times), 120))
    check_promises(subject, found)
    assert segment_starts(found) == times[::120]


@pytest.mark.parametrize("rate", [60, 30, 24000 / 1001, 15, 10])
def test_own_segments_lie_on_an_absolute_grid(rate: float) -> None:
    subject = schedule(0.5, 2)
    start = 12345 * MS
    subject.begin_run(own_grid=True)
    times = [start + time for time in flv_times(rate, 30)]
    for number, time in enumerate(times):
        subject.video(time, time, number == 7)
    found = boundaries(subject)
    check_promises(subject, found)
    starts = segment_starts(found)
    # ffmpeg forces a keyframe at the first frame at or after each point of the grid; its clock never drifts from ours.
    for number, begin in enumerate(starts):
        point = start + number * 2 * TIMESCALE
        assert begin == next(time for time in times if time >= point - GRID_SLACK)


def test_sound_leads_when_there_is_no_picture() -> None:
    subject = schedule(0.5, 2)
    subject.begin_run()
    for number in range(1000):
        subject.audio(number * 1024 * TIMESCALE // 48000)
    found = boundaries(subject)
    check_promises(subject, found)
    assert len(segment_starts(found)) == 11
    assert all(length <= HALF + 1920 for length in part_durations(found))


def begun(own_grid: bool = False, **numbers: float) -> Schedule:
    subject = schedule(**numbers)  # type: ignore[arg-type]
    subject.begin_run(own_grid=own_grid)
    return subject


def test_sound_closes_parts_when_pictures_stall() -> None:
    subject = begun()
    for time in flv_times(30, 1):
        subject.video(time, time, time == 0)
    cut = [subject.audio_passed(n * 20 * MS) for n in range(50, 200)]  # sound from 1 s to 4 s
    assert sum(cut) == 4
    found = boundaries(subject)
    check_promises(subject, found)
    assert [boundary.time // MS for boundary in found] == [0, 500, 1000, 1500, 2000, 2500]
    first_cut = 50 + cut.index(True)
    assert first_cut * 20 * MS == 500 * MS + HALF + STALL_SLACK
    # The picture is back: it continues in the newest part or in one of its own.
    subject.video(4000 * MS, 4000 * MS, True)
    check_promises(subject, boundaries(subject))
    assert subject.part_start <= 4000 * MS


def test_sound_closes_nothing_while_pictures_come() -> None:
    subject = begun()
    for number, time in enumerate(flv_times(30, 10)):
        assert not subject.audio_passed(time + 300 * MS)
        subject.video(time, time, number % 60 == 0)


def test_a_long_stall_without_sound_is_filled_with_nominal_parts() -> None:
    subject = begun()
    subject.video(0, 0, True)
    subject.video(10 * TIMESCALE, 10 * TIMESCALE, False)
    found = boundaries(subject)
    check_promises(subject, found)
    assert set(part_durations(found)[:-1]) == {HALF}


@pytest.mark.parametrize("rate", [1, 2, 5])
def test_slow_slides_keep_their_promises(rate: int) -> None:
    part = max(0.5, 1 / rate)  # the lineup never asks for parts shorter than a frame
    subject = begun(part=part)
    found = play(subject, flv_times(rate, 30), range(0, 200, 2 * rate))
    check_promises(subject, found)


def test_runs_follow_each_other_and_segments_go_on() -> None:
    subject = begun()
    play(subject, flv_times(30, 3), [0, 60])
    assert subject.open
    subject.end_run()
    assert not subject.open
    end = subject.end_time
    assert abs(end - 3 * TIMESCALE) <= 2 * MS
    last = boundaries(subject)[-1]
    assert subject.end_of(last) == (end, True)
    assert subject.begin_run() == 1
    subject.video(end + 90, end + 90, True)
    newest = boundaries(subject)[-1]
    assert newest == Boundary(last.serial + 1, end + 90, last.segment + 1, 0, 1)
    # The old run still ends where it ended, and the new part is open.
    assert subject.end_of(last) == (end, True)
    assert subject.end_of(newest) is None
    assert subject.at_segment_start


def test_a_run_of_one_picture_lasts_one_frame() -> None:
    subject = begun()
    subject.video(900, 900, True)
    subject.end_run()
    assert subject.end_of(boundaries(subject)[0]) == (900 + TIMESCALE // 30, True)
    subject.end_run()


def test_a_run_that_ends_in_a_stall_has_no_part_that_ends_before_it_begins() -> None:
    subject = begun()
    subject.video(0, 0, True)
    assert subject.audio_passed(3 * TIMESCALE)
    subject.end_run()
    check_promises(subject, boundaries(subject))
    assert subject.end_time == 2 * HALF


def test_a_run_without_a_picture_leaves_no_trace() -> None:
    subject = begun()
    assert not subject.audio_passed(10 * TIMESCALE)
    subject.end_run()
    assert subject.head == -1
    assert subject.begin_run() == 1
    subject.video(0, 0, True)
    (boundary,) = boundaries(subject)
    assert (boundary.segment, boundary.run) == (0, 1)


def test_an_open_run_cannot_be_begun_again() -> None:
    subject = begun()
    with pytest.raises(RuntimeError, match="A run is still open"):
        subject.begin_run()


def test_no_boundary_beyond_the_limit_is_kept() -> None:
    subject = begun(part=0.2, segment=1)
    for number in range(MAX_BOUNDARIES + 100):
        subject.video(number * 18000, number * 18000, number % 5 == 0)
    oldest = subject.at(0)
    assert oldest is not None
    assert oldest.serial == subject.head - MAX_BOUNDARIES + 1
    assert subject.at(subject.head + 1) is None


@settings(max_examples=150, deadline=None)
@given(
    level=st.sampled_from([(0.2, 1), (1 / 3, 2), (0.5, 2), (1.0, 2), (1.0, 4)]),
    target=st.sampled_from([0, 2, 4]),
    own=st.booleans(),
    steps=st.lists(st.integers(1, 12_000), min_size=1, max_size=300),
    keyframes=st.sets(st.integers(0, 300)),
    reorder=st.integers(0, 12_000),
)
def test_any_pictures_at_all_keep_the_promises(
    level: tuple[float, int], target: int, own: bool, steps: list[int], keyframes: set[int], reorder: int
) -> None:
    part, segment = level
    subject = begun(own, part=part, segment=segment, target=max(target, segment))
    time = 0
    for number, step in enumerate(steps):
        subject.video(time, time + reorder, number in keyframes or number == 0)
        time += step
    subject.end_run()
    check_promises(subject, boundaries(subject))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_stalls_and_sound_and_runs_keep_the_promises(data: st.DataObject) -> None:
    subject = begun(part=0.5, segment=2)
    time = 0
    for _ in range(data.draw(st.integers(1, 60))):
        match data.draw(st.sampled_from(["pictures", "pictures", "stall", "sound", "break"])):
            case "pictures":
                for number in range(data.draw(st.integers(1, 40))):
                    time += 33 * MS
                    subject.video(time, time, number == 0)
            case "stall":
                time += data.draw(st.integers(1, 12 * TIMESCALE))
            case "sound":
                ahead = data.draw(st.integers(0, 8 * TIMESCALE))
                for at in range(time, time + ahead, 20 * MS):
                    subject.audio_passed(at)
            case _:
                subject.end_run()
                time = max(time, subject.end_time)
                subject.begin_run()
    subject.end_run()
    check_promises(subject, boundaries(subject))


@settings(max_examples=60, deadline=None)
@given(st.integers(10, 60), st.lists(st.integers(-6, 6), min_size=200, max_size=200), st.sampled_from([1, 2]))
def test_jitter_of_a_few_milliseconds_moves_no_segment_off_its_keyframe(
    rate: int, jitter: list[int], seconds: int
) -> None:
    times = [(round(n * 1000 / rate) + (jitter[n % 200] if rate <= 60 else 0)) * MS for n in range(rate * 12)]
    times = [max(time, 0) + n for n, time in enumerate(times)]
    subject = begun(part=0.5, segment=2)
    found = play(subject, times, range(0, len(times), rate * seconds))
    check_promises(subject, found)
    assert set(segment_starts(found)) <= {times[n] for n in range(0, len(times), rate * seconds)}
