"""The live window: what stands where, who is woken when, what is kept, and that everything is rendered once."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.source import TIMESCALE
from transcoder import window as window_module
from transcoder.ladder import Variant
from transcoder.schedule import PART_SLACK
from transcoder.segments import Part, RenditionInfo, Segment
from transcoder.window import KEPT_AFTER_LISTING, LiveWindow, Rendition, Standing

HALF = TIMESCALE // 2
VIDEO = RenditionInfo("video", "avc1.64001f", 1280, 720, bitrate=3_000_000)
AUDIO = RenditionInfo("audio", "mp4a.40.2", sample_rate=48_000, channels=2, bitrate=128_000)


def live(
    *renditions: RenditionInfo,
    size: int = 5,
    part_target: int | None = HALF,
    variants: tuple[Variant, ...] = (),
    done: list[tuple[int, int]] | None = None,
) -> LiveWindow:
    def note(_window: LiveWindow, rendition: Rendition, segment: Segment) -> None:
        if done is not None:
            done.append((rendition.number, segment.sequence))

    window = LiveWindow(
        session="s",
        epoch=0.0,
        target_duration=2,
        part_target=part_target,
        size=size,
        renditions=renditions or (VIDEO,),
        variants=variants or (Variant("", 0, None),),
        on_segment=note,
    )
    for rendition in window.renditions:
        rendition.set_init(b"init of %d" % rendition.number)
    return window


def add(rendition: Rendition, sequence: int, number: int, *, data: bytes | None = b"", run: bool = False) -> None:
    """Part `number` of a segment of four."""
    rendition.add_part(
        Part(HALF, number == 0, b"%d.%d" % (sequence, number) if data == b"" else data),
        sequence=sequence,
        start=(sequence * 4 + number) * HALF,
        decode_time=(sequence * 4 + number) * HALF,
        discontinuity=run,
        closes=number == 3,
    )


def fill(rendition: Rendition, until: int, since: int = 0) -> None:
    """Segments from `since` to before `until`, complete."""
    for sequence in range(since, until):
        for number in range(4):
            add(rendition, sequence, number)


class Waiter:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1


def test_positions_in_the_playlist() -> None:
    window = live()
    (video,) = window.renditions
    fill(video, 7)
    add(video, 7, 0)
    add(video, 7, 1)
    assert video.position == (7, 1)
    assert video.upcoming == (7, 2)
    # "…if the client requests a Media Sequence Number that is already in the playlist, or older": at once.
    for sequence, part in ((0, None), (3, 99), (6, None), (6, 3), (6, 4), (7, 0), (7, 1)):
        assert video.standing(sequence, part) is Standing.READY, (sequence, part)
    for sequence, part in ((7, None), (7, 2), (7, 3), (8, None), (8, 0), (9, None), (9, 0)):
        assert video.standing(sequence, part) is Standing.WAIT, (sequence, part)
    # "…greater than the Media Sequence Number of the last Media Segment in the current Playlist plus two" is a 400.
    for sequence, part in ((10, None), (10, 0), (10**11, None)):
        assert video.standing(sequence, part) is Standing.TOO_FAR, (sequence, part)
    limit = window.advance_parts
    assert limit == 3 * TIMESCALE // (HALF + PART_SLACK)
    assert video.standing(7, 2 + limit) is Standing.WAIT
    assert video.standing(7, 3 + limit) is Standing.TOO_FAR


def test_a_part_behind_the_last_of_a_complete_segment_is_the_first_of_the_next() -> None:
    window = live()
    (video,) = window.renditions
    fill(video, 3)
    assert video.standing(2, 3) is Standing.READY
    assert video.standing(2, 4) is Standing.WAIT
    waiter = Waiter()
    assert video.wait(2, 4, waiter)
    add(video, 3, 0)
    assert waiter.calls == 1
    assert video.standing(2, 4) is Standing.READY


def test_before_the_first_part_everything_waits_and_after_the_end_nothing_does() -> None:
    window = live()
    (video,) = window.renditions
    assert video.standing(0, 0) is Standing.WAIT
    assert video.upcoming == (0, 0)
    window.end()
    assert video.standing(0, 0) is Standing.GONE
    other = live()
    fill(other.renditions[0], 1)
    other.end()
    assert other.renditions[0].standing(1, 0) is Standing.GONE
    assert other.renditions[0].standing(0, 3) is Standing.READY


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 12), st.integers(0, 30), st.one_of(st.none(), st.integers(0, 20)))
def test_standing_is_never_undone(parts: int, sequence: int, part: int | None) -> None:
    """What was in the playlist stays answerable; what waits becomes ready; only the end is final."""
    (video,) = live().renditions
    before = Standing.WAIT
    for number in range(40):
        add(video, number // 4, number % 4)
        now = video.standing(sequence, part)
        assert not (before is Standing.READY and now is not Standing.READY)
        assert not (before is Standing.WAIT and now is Standing.TOO_FAR and number > 0)
        before = now
    assert before is not Standing.GONE


def test_waiters_are_woken_once_by_what_they_wait_for() -> None:
    window = live()
    (video,) = window.renditions
    first, segment, later = Waiter(), Waiter(), Waiter()
    assert video.wait(0, 0, first)
    assert video.wait(0, None, segment)
    assert video.wait(1, 0, later)
    add(video, 0, 0)
    assert (first.calls, segment.calls, later.calls) == (1, 0, 0)
    for number in (1, 2, 3):
        add(video, 0, number)
    assert (first.calls, segment.calls, later.calls) == (1, 1, 0)
    video.forget(later)
    add(video, 1, 0)
    assert later.calls == 0


def test_the_end_wakes_everybody() -> None:
    window = live(VIDEO, AUDIO, variants=(Variant("", 0, 1),))
    waiters = [Waiter() for _ in range(3)]
    assert window.renditions[0].wait(9, None, waiters[0])
    assert window.renditions[1].wait(0, 0, waiters[1])
    assert window.wait_playable(waiters[2])
    add(window.renditions[0], 0, 0)
    window.end()
    assert [waiter.calls for waiter in waiters] == [1, 1, 1]
    assert window.ended
    assert window.renditions[0].playlist().plain.endswith(b"s-0.m4s\n#EXT-X-ENDLIST\n")


def test_a_waiter_may_ask_again_while_others_are_woken() -> None:
    (video,) = live().renditions
    order: list[str] = []

    def again() -> None:
        order.append("again")
        if len(order) < 3:
            video.wait(0, 1, again)

    assert video.wait(0, 0, again)
    add(video, 0, 0)
    assert order == ["again"]
    add(video, 0, 1)
    assert order == ["again", "again"]


def test_too_many_waiters_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_module, "MAX_WAITERS", 2)
    window = live()
    (video,) = window.renditions
    assert [video.wait(0, 0, Waiter()) for _ in range(3)] == [True, True, False]
    assert [window.wait_playable(Waiter()) for _ in range(3)] == [True, True, False]


def test_a_playlist_is_rendered_once_per_change() -> None:
    window = live()
    (video,) = window.renditions
    fill(video, 9)
    rendered, delta = video.playlist(), video.playlist(skip=True)
    assert video.playlist() is rendered
    assert video.playlist(skip=True) is delta
    assert rendered.etag != delta.etag
    assert rendered.gzip is rendered.gzip
    assert gzip.decompress(rendered.gzip) == rendered.plain
    assert window.multivariant() is window.multivariant()
    assert window.manifest() is window.manifest()
    add(video, 9, 0)
    assert video.playlist() is not rendered
    assert video.playlist().etag != rendered.etag


def test_equal_tags_mean_equal_bytes() -> None:
    """Whatever happens in the window: two answers with one entity tag are the same."""
    window = live(VIDEO, AUDIO, RenditionInfo("video"), variants=(Variant("a", 0, 1), Variant("b", 2, 1)))
    seen: dict[str, bytes] = {}

    def look() -> None:
        for rendered in (
            *(rendition.playlist(skip=skip) for rendition in window.renditions for skip in (False, True)),
            window.multivariant(),
            window.manifest(),
        ):
            assert seen.setdefault(rendered.etag, rendered.plain) == rendered.plain

    # The tags of different renditions may be alike: they belong to different addresses.
    window.renditions[1]._version += 10_000
    window.renditions[2]._version += 20_000
    for number in range(40):
        for rendition in window.renditions[: 2 if number < 9 else 3]:
            add(rendition, number // 4, number % 4)
            look()
        if number == 9:
            window.renditions[2].describe(RenditionInfo("video", "avc1.42c01e", 640, 360))
            look()
        if number == 5:
            window.settle()
            look()
    window.end()
    look()


def test_old_segments_leave_the_playlist_then_memory() -> None:
    window = live(size=5)
    (video,) = window.renditions
    fill(video, 8)
    assert [segment.sequence for segment in video.listed] == [3, 4, 5, 6, 7]
    assert [segment.sequence for segment in video.segments] == list(range(8))
    add(video, 8, 0)
    assert [segment.sequence for segment in video.listed] == [3, 4, 5, 6, 7, 8]
    fill(video, 20, since=9)
    assert len(video.segments) <= 5 + KEPT_AFTER_LISTING + 1
    assert video.find(10) is None
    found = video.find(19)
    assert found is not None
    assert found.sequence == 19
    assert video.find(20) is None


def test_the_discontinuity_sequence_counts_tags_that_left() -> None:
    (video,) = live(size=3).renditions
    counted = []
    for sequence in range(10):
        for number in range(4):
            add(video, sequence, number, run=number == 0 and sequence in (0, 2, 5))
        text = video.playlist().plain.decode()
        listed = text.count("#EXT-X-DISCONTINUITY\n")
        counted.append((video.discontinuity_sequence, listed))
    # Segment 0 begins the playlist and carries no tag; those of 2 and 5 leave with their segments.
    assert counted == [(0, 0), (0, 0), (0, 1), (0, 1), (0, 1), (1, 1), (1, 1), (1, 1), (2, 0), (2, 0)]


def test_init_sections_stay_as_long_as_a_segment_needs_them() -> None:
    (video,) = live(size=3).renditions
    fill(video, 2)
    video.set_init(b"other")
    video.set_init(b"other")
    for sequence in range(2, 12):
        for number in range(4):
            add(video, sequence, number, run=sequence == 2 and number == 0)
        needed = {segment.init.name for segment in video.segments if segment.init is not None}
        assert needed <= video.inits.keys()
    assert [init.data for init in video.inits.values()] == [b"other"]


def test_a_name_never_comes_back_with_other_bytes() -> None:
    (video,) = live(size=2).renditions
    served: dict[str, bytes] = {}
    for sequence in range(60):
        if sequence % 4 == 0:
            video.set_init(b"settings %d" % sequence)
        for number in range(4):
            add(video, sequence, number, run=sequence % 4 == 0 and number == 0)
        for name, init in video.inits.items():
            assert served.setdefault(name, init.data) == init.data
        for segment in video.segments:
            assert segment.init is not None
            assert video.inits[segment.init.name] is segment.init
    assert len(video.inits) <= 4


def test_gaps_inherit_the_init_section_and_media_after_them_brings_its_own() -> None:
    (video,) = live().renditions
    fill(video, 1)
    for number in range(4):
        add(video, 1, number, data=None)
    video.set_init(b"other")
    for number in range(4):
        add(video, 2, number, data=None if number < 2 else b"", run=False)
    gap, mixed = video.segments[1], video.segments[2]
    assert gap.gap
    assert gap.init is video.segments[0].init
    assert not mixed.gap
    assert mixed.init is not None
    assert mixed.init.data == b"other"
    assert mixed.discontinuity


def test_an_init_section_that_changes_inside_a_segment_waits_for_the_next() -> None:
    (video,) = live().renditions
    add(video, 0, 0)
    video.set_init(b"other")
    for number in (1, 2, 3):
        add(video, 0, number)
    assert [part.data for part in video.segments[0].parts] == [b"0.0", None, None, None]
    add(video, 1, 0)
    assert video.segments[1].discontinuity
    assert video.segments[1].parts[0].data == b"1.0"


def test_it_is_playable_when_every_variant_has_media() -> None:
    window = live(VIDEO, AUDIO, RenditionInfo("video"), variants=(Variant("a", 0, 1), Variant("b", 2, 1)))
    waiter = Waiter()
    assert window.wait_playable(waiter)
    add(window.renditions[0], 0, 0)
    add(window.renditions[1], 0, 0)
    assert not window.playable
    assert waiter.calls == 0
    window.settle()
    assert window.playable
    assert waiter.calls == 1
    assert "NAME=" in window.multivariant().plain.decode()
    assert 'NAME="b"' not in window.multivariant().plain.decode()
    window.renditions[2].describe(RenditionInfo("video", "avc1.42c01e", 640, 360))
    add(window.renditions[2], 0, 0)
    assert 'NAME="b"' in window.multivariant().plain.decode()


def test_nothing_ready_is_not_playable_even_when_settled() -> None:
    window = live(RenditionInfo("video"))
    window.settle()
    assert not window.playable


def test_bandwidth_is_announced_then_measured() -> None:
    window = live()
    (video,) = window.renditions
    assert video.bandwidth == (3_300_000, 3_000_000)
    for number in range(4):
        add(video, 0, number, data=bytes(10_000))
    for number in range(4):
        add(video, 1, number, data=bytes(30_000))
    for number in range(4):
        add(video, 2, number, data=None)
    assert video.bandwidth == (120_000 * 8 // 2, 160_000 * 8 // 4)


def test_finished_segments_are_told_once() -> None:
    done: list[tuple[int, int]] = []
    window = live(VIDEO, AUDIO, done=done, variants=(Variant("", 0, 1),))
    for rendition in window.renditions:
        fill(rendition, 2)
        add(rendition, 2, 0)
    window.end()
    assert done == [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (1, 2)]


def test_a_segment_is_its_parts_and_shares_their_memory() -> None:
    (video,) = live().renditions
    fill(video, 1)
    segment: Segment = video.segments[0]
    assert segment.body() == b"0.00.10.20.3"
    assert segment.body() is segment.body()
    views = segment.chunks()
    assert all(isinstance(view, memoryview) for view in views)
    assert [bytes(view) for view in views] == [b"0.0", b"0.1", b"0.2", b"0.3"]
    assert segment.size == 12


def test_plain_playlists_offer_no_part_target() -> None:
    window = live(part_target=None)
    assert window.part_target is None
    fill(window.renditions[0], 2)
    assert "PART" not in window.renditions[0].playlist().plain.decode()


def test_renditions_by_number() -> None:
    window = live(VIDEO, AUDIO, variants=(Variant("", 0, 1),))
    assert window.rendition(1) is window.renditions[1]
    assert window.rendition(2) is None
    assert window.rendition(-1) is None
