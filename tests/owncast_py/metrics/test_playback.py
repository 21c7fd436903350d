"""What players report, folded by the minute, and said in words."""

from __future__ import annotations

import pytest
from house import Clock
from hypothesis import given, settings
from hypothesis import strategies as st

from owncast_py.metrics import playback as module
from owncast_py.metrics.playback import Playback, PlaybackHistory, PlaybackReport
from owncast_py.metrics.samples import Sample


def build(clock: Clock, *bitrates: int) -> Playback:
    return Playback(clock.monotonic, clock.now, lambda: bitrates)


def numbers(samples: list[Sample]) -> list[float]:
    return [sample.value for sample in samples]


def test_a_minute_is_folded_into_one_point(clock: Clock) -> None:
    playback = build(clock)
    for latency, bandwidth in ((2.0, 1000.0), (4.0, 3000.0), (30.0, 8000.0)):
        playback.report(
            str(latency),
            PlaybackReport(
                bandwidth_kbps=bandwidth,
                latency_seconds=latency,
                errors=1,
                download_seconds=latency / 10,
                quality_changes=2,
            ),
        )
    playback.report("2.0", PlaybackReport(errors=3))
    playback.tick()
    history = playback.over_time()
    assert history.errors == [Sample(clock.now(), 6)]
    assert numbers(history.quality_changes) == [6]
    assert numbers(history.median_latency + history.highest_latency + history.lowest_latency) == [4, 30, 2]
    assert numbers(history.median_download + history.longest_download + history.shortest_download) == [0.4, 3, 0.2]
    assert numbers(history.median_bitrate + history.highest_bitrate + history.lowest_bitrate) == [3000, 8000, 1000]
    assert playback.error_count == 6


def test_counts_begin_anew_each_minute_and_silence_makes_no_point(clock: Clock) -> None:
    playback = build(clock)
    playback.report("a", PlaybackReport(errors=2, latency_seconds=3))
    playback.tick()
    clock.turn(60)
    playback.tick()
    clock.turn(60)
    playback.report("a", PlaybackReport(quality_changes=1))
    playback.tick()
    history = playback.over_time()
    assert numbers(history.errors) == [2, 0]
    assert numbers(history.median_latency) == [3, 3]
    assert history.median_bitrate == []


def test_impossible_values_are_left_out_and_counts_are_cut(clock: Clock) -> None:
    playback = build(clock)
    playback.report("a", PlaybackReport(bandwidth_kbps=5000, latency_seconds=3, download_seconds=0.5))
    for absurd in (-1.0, float("nan"), float("inf"), float("-inf"), 1e300):
        playback.report(
            "a", PlaybackReport(bandwidth_kbps=absurd, latency_seconds=absurd, download_seconds=absurd, errors=absurd)
        )
    playback.report("b", PlaybackReport(quality_changes=float("nan"), errors=-3))
    playback.tick()
    history = playback.over_time()
    assert numbers(history.median_bitrate + history.highest_latency + history.longest_download) == [5000, 3, 0.5]
    assert numbers(history.errors + history.quality_changes) == [module.MAX_COUNT, 0]


def test_a_day_of_points_is_kept(clock: Clock) -> None:
    playback = build(clock)
    for _ in range(module.MAX_POINTS + 10):
        playback.report("a", PlaybackReport(errors=1))
        playback.tick()
        clock.turn(60)
    assert len(playback.over_time().errors) == module.MAX_POINTS
    clock.turn(86_400)
    playback.tick()
    assert playback.over_time() == PlaybackHistory()


def test_players_are_bounded_and_forgotten(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CLIENTS", 50)
    playback = build(clock)
    for number in range(500):
        playback.report(str(number), PlaybackReport(latency_seconds=1))
        playback.report("real", PlaybackReport(latency_seconds=1))
    assert playback.representation(50) == 100
    assert playback.representation(200) == 25
    clock.turn(module.CURRENT_SECONDS)
    assert playback.representation(200) == 0
    clock.turn(module.FORGET_SECONDS - module.CURRENT_SECONDS)
    playback.tick()
    assert len(playback._clients) == 0


def test_nobody_to_judge_by(clock: Clock) -> None:
    playback = build(clock, 1000)
    assert playback.health(10, True) is None
    playback.report("a", PlaybackReport(latency_seconds=1))
    assert playback.health(10, False) is None
    assert playback.health(0, True) is None
    assert playback.representation(0) == 0
    assert playback.health(10, True) is not None


def test_all_is_well(clock: Clock) -> None:
    playback = build(clock, 5000, 1000)
    playback.report("a", PlaybackReport(bandwidth_kbps=1000, latency_seconds=module.LATENCY_LIMIT))
    health = playback.health(4, True)
    assert health is not None
    assert (health.healthy, health.health_percentage, health.representation) == (True, 100, 25)
    assert health.message == "The only player that reports is playing without trouble."
    playback.report("b", PlaybackReport())
    health = playback.health(1, True)
    assert health is not None
    assert (health.message, health.representation) == ("All 2 players that report are playing without trouble.", 100)


def test_troubles_are_said_the_most_common_first(clock: Clock) -> None:
    playback = build(clock, 5000, 1200)
    for number in range(10):
        playback.report(
            str(number),
            PlaybackReport(bandwidth_kbps=900 if number < 3 else 9000, latency_seconds=21 if number == 0 else 2),
        )
    playback.report("9", PlaybackReport(errors=1))
    health = playback.health(20, True)
    assert health is not None
    assert (health.healthy, health.health_percentage, health.representation) == (False, 60, 50)
    first, second, third = (health.message.find(part) for part in ("slower than", "interrupted by", "more than 20 s"))
    assert health.message.startswith(
        "3 of 10 players that report are slower than real time: the network brings less than the 1200 kbit/s "
        "of the lowest variant. "
    )
    assert "1 of 10 players that report is interrupted" in health.message
    assert first < second < third
    clock.turn(module.CURRENT_SECONDS)
    playback.report("9", PlaybackReport())
    health = playback.health(20, True)
    assert health is not None
    assert (health.healthy, health.health_percentage) == (True, 100)


def test_one_bad_network_among_many_is_healthy(clock: Clock) -> None:
    playback = build(clock, 1200)
    for number in range(20):
        playback.report(str(number), PlaybackReport(bandwidth_kbps=100 if number == 0 else 9000))
    health = playback.health(20, True)
    assert health is not None
    assert (health.healthy, health.health_percentage) == (True, 95)
    assert health.message.startswith("1 of 20 players that report is slower")


numbers_of_any_kind = st.none() | st.floats() | st.floats(0, 100)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c", "tick"]),
            st.builds(
                PlaybackReport,
                bandwidth_kbps=numbers_of_any_kind,
                latency_seconds=numbers_of_any_kind,
                errors=numbers_of_any_kind,
                download_seconds=numbers_of_any_kind,
                quality_changes=numbers_of_any_kind,
            ),
            st.floats(0, 400),
        )
    )
)
@settings(max_examples=150, deadline=None)
def test_no_report_breaks_the_numbers(events: list[tuple[str, PlaybackReport, float]]) -> None:
    clock = Clock()
    playback = build(clock, 1200)
    for who, report, pause in events:
        clock.turn(pause)
        if who == "tick":
            playback.tick()
        else:
            playback.report(who, report)
        health = playback.health(2, True)
        assert health is None or (0 <= health.health_percentage <= 100 and 0 < health.representation <= 100)
    history = playback.over_time()
    for low, middle, high in zip(history.lowest_latency, history.median_latency, history.highest_latency, strict=True):
        assert 0 <= low.value <= middle.value <= high.value <= module.MAX_LATENCY_SECONDS
