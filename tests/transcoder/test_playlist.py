"""The exact text of playlists."""

from __future__ import annotations

from dataclasses import replace

from ingest.source import TIMESCALE
from transcoder.ladder import Variant
from transcoder.playlist import MediaPlaylist, Report, following, multivariant
from transcoder.segments import Init, Part, RenditionInfo, Segment

EPOCH = 1_767_225_600.25  # 2026-01-01T00:00:00.250Z
HALF = TIMESCALE // 2
FIRST, SECOND = Init("s-init0.mp4", b"first"), Init("s-init1.mp4", b"second")


def segment(
    sequence: int,
    parts: int = 4,
    *,
    init: Init | None = FIRST,
    discontinuity: bool = False,
    gaps: tuple[int, ...] = (),
    closed: bool = True,
) -> Segment:
    """One of 2 s, in parts of 0.5 s."""
    made = Segment(sequence, sequence * 2 * TIMESCALE, sequence * 2 * TIMESCALE, init, discontinuity)
    made.parts = [Part(HALF, n == 0 and n not in gaps, None if n in gaps else b"x") for n in range(parts)]
    made.duration, made.complete = parts * HALF, closed
    return made


def playlist(*segments: Segment, part_target: int | None = HALF, **fields: object) -> MediaPlaylist:
    made = MediaPlaylist(
        session="s",
        segments=segments,
        target_duration=2,
        part_target=part_target,
        discontinuity_sequence=0,
        epoch=EPOCH,
        ended=False,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


HEAD = """\
#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.50000,CAN-SKIP-UNTIL=12.0,HOLD-BACK=6.0
#EXT-X-PART-INF:PART-TARGET=0.50000
"""


def test_the_first_part() -> None:
    text = playlist(segment(0, 1, closed=False)).render()
    assert (
        text
        == HEAD
        + """\
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI="s-init0.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.250Z
#EXT-X-PART:DURATION=0.50000,URI="s-0.0.m4s",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="s-0.1.m4s"
"""
    )


def test_several_segments_list_parts_at_the_end_only() -> None:
    text = playlist(
        *(segment(n) for n in range(7, 11)),
        segment(11, 2, closed=False),
        reports=[Report(1, 11, 1), Report(2, 10, 3)],
    ).render()
    listed = "".join(
        f"""\
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:{2 * n}.250Z
#EXT-X-PART:DURATION=0.50000,URI="s-{n}.0.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.50000,URI="s-{n}.1.m4s"
#EXT-X-PART:DURATION=0.50000,URI="s-{n}.2.m4s"
#EXT-X-PART:DURATION=0.50000,URI="s-{n}.3.m4s"
#EXTINF:2.00000,
s-{n}.m4s
"""
        for n in range(8, 11)
    )
    assert (
        text
        == HEAD
        + """\
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI="s-init0.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:14.250Z
#EXTINF:2.00000,
s-7.m4s
"""
        + listed
        + """\
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:22.250Z
#EXT-X-PART:DURATION=0.50000,URI="s-11.0.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.50000,URI="s-11.1.m4s"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="s-11.2.m4s"
#EXT-X-RENDITION-REPORT:URI="../1/stream.m3u8",LAST-MSN=11,LAST-PART=1
#EXT-X-RENDITION-REPORT:URI="../2/stream.m3u8",LAST-MSN=10,LAST-PART=3
"""
    )


def test_a_complete_segment_hints_at_the_first_part_of_the_next() -> None:
    assert following(segment(4)) == (5, 0)
    assert following(segment(4, 3, closed=False)) == (4, 3)
    text = playlist(segment(3), segment(4)).render()
    assert text.endswith('s-4.m4s\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI="s-5.0.m4s"\n')


def test_a_delta_update_skips_what_lies_before_the_boundary() -> None:
    """CAN-SKIP-UNTIL is 12 s: the open segment has 1 s, so the skip boundary falls into the sixth from the end."""
    window = playlist(*(segment(n) for n in range(20, 35)), segment(35, 2, closed=False))
    full, delta = window.render().splitlines(), window.render(skip=True).splitlines()
    assert delta[:8] == full[:8]
    assert delta[8] == "#EXT-X-SKIP:SKIPPED-SEGMENTS=9"
    first = full.index("#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:58.250Z")
    assert full[first - 1] == "s-28.m4s"
    # No MAP again: the last one skipped is still in force.
    assert delta[9:] == full[first:]


def test_nothing_to_skip_gives_the_whole_playlist() -> None:
    window = playlist(*(segment(n) for n in range(6)))
    assert window.render(skip=True) == window.render()


def test_a_delta_update_names_the_map_that_begins_after_the_boundary() -> None:
    segments = [segment(n, init=FIRST if n < 12 else SECOND, discontinuity=n == 12) for n in range(15)]
    delta = playlist(*segments).render(skip=True)
    assert delta.count("#EXT-X-MAP") == 1
    assert '#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI="s-init1.mp4"\n' in delta


def test_a_discontinuity_brings_its_map_even_if_it_is_the_same() -> None:
    text = playlist(segment(0), segment(1, init=SECOND, discontinuity=True), segment(2, discontinuity=True)).render()
    assert [line for line in text.splitlines() if "MAP" in line or "DISCONTINUITY" in line or line.endswith("m4s")] == [
        "#EXT-X-DISCONTINUITY-SEQUENCE:0",
        '#EXT-X-MAP:URI="s-init0.mp4"',
        "s-0.m4s",
        "#EXT-X-DISCONTINUITY",
        '#EXT-X-MAP:URI="s-init1.mp4"',
        "s-1.m4s",
        "#EXT-X-DISCONTINUITY",
        '#EXT-X-MAP:URI="s-init0.mp4"',
        "s-2.m4s",
    ]


def test_gaps() -> None:
    text = playlist(segment(0, gaps=(1, 2)), segment(1, gaps=(0, 1, 2, 3)), segment(2, 1, closed=False)).render()
    assert (
        """\
#EXT-X-PART:DURATION=0.50000,URI="s-0.0.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.50000,URI="s-0.1.m4s",GAP=YES
#EXT-X-PART:DURATION=0.50000,URI="s-0.2.m4s",GAP=YES
#EXT-X-PART:DURATION=0.50000,URI="s-0.3.m4s"
#EXTINF:2.00000,
s-0.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:02.250Z
#EXT-X-PART:DURATION=0.50000,URI="s-1.0.m4s",GAP=YES
#EXT-X-PART:DURATION=0.50000,URI="s-1.1.m4s",GAP=YES
#EXT-X-PART:DURATION=0.50000,URI="s-1.2.m4s",GAP=YES
#EXT-X-PART:DURATION=0.50000,URI="s-1.3.m4s",GAP=YES
#EXT-X-GAP
#EXTINF:2.00000,
s-1.m4s
"""
        in text
    )


def test_a_gap_before_any_media_has_no_map() -> None:
    text = playlist(segment(0, init=None, gaps=(0, 1, 2, 3)), segment(1)).render()
    assert text.index("s-0.m4s\n") < text.index("#EXT-X-MAP")


def test_the_end() -> None:
    text = playlist(segment(0), segment(1, 2), ended=True, reports=[Report(1, 1, 1)]).render()
    assert text.endswith("#EXTINF:1.00000,\ns-1.m4s\n#EXT-X-ENDLIST\n")
    assert "PRELOAD" not in text
    assert "REPORT" not in text


def test_without_low_latency_there_are_no_parts() -> None:
    text = playlist(segment(3), segment(4, 2, closed=False), part_target=None, reports=[Report(1, 3, 3)]).render()
    assert text == (
        """\
#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.0,HOLD-BACK=6.0
#EXT-X-MEDIA-SEQUENCE:3
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI="s-init0.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:06.250Z
#EXTINF:2.00000,
s-3.m4s
"""
    )


def test_odd_durations_keep_five_decimals() -> None:
    odd = segment(0, 0)
    odd.parts, odd.duration = [Part(45_045, True, b"x"), Part(44_999, False, b"x")], 90_044
    text = playlist(odd).render()
    assert "DURATION=0.50050" in text
    assert "DURATION=0.49999" in text
    assert "#EXTINF:1.00049," in text


def test_the_multivariant_playlist() -> None:
    renditions = {
        0: RenditionInfo("video", "avc1.64001f", 1280, 720, 30.0),
        1: RenditionInfo("video", "avc1.42c01e", 640, 360, 24000 / 1001),
        2: RenditionInfo("audio", "mp4a.40.2", sample_rate=48000, channels=2, bitrate=128_000),
    }
    bandwidth = {0: (3_100_000, 2_900_000), 1: (800_000, 700_000), 2: (132_000, 128_000)}
    variants = [Variant("Source", 0, 2), Variant('360p "small"\n', 1, 2)]
    assert multivariant(variants, renditions, bandwidth) == (
        """\
#EXTM3U
#EXT-X-VERSION:9
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio2",NAME="128 kb/s",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="2/stream.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=3232000,AVERAGE-BANDWIDTH=3028000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,"""
        """FRAME-RATE=30.000,AUDIO="audio2",NAME="Source"
0/stream.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=932000,AVERAGE-BANDWIDTH=828000,CODECS="avc1.42c01e,mp4a.40.2",RESOLUTION=640x360,"""
        """FRAME-RATE=23.976,AUDIO="audio2",NAME="360p 'small' "
1/stream.m3u8
"""
    )


def test_sound_alone_is_a_variant_and_pictures_alone_have_no_group() -> None:
    sound = {0: RenditionInfo("audio", "mp4a.40.2", sample_rate=48000, channels=2, bitrate=160_000)}
    assert multivariant([Variant("", None, 0)], sound, {0: (1000, 900)}) == (
        "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        '#EXT-X-STREAM-INF:BANDWIDTH=1000,AVERAGE-BANDWIDTH=900,CODECS="mp4a.40.2"\n0/stream.m3u8\n'
    )
    picture = {0: RenditionInfo("video", "avc1.64001f", 1280, 720)}
    assert multivariant([Variant("", 0, None)], picture, {0: (1000, 900)}) == (
        "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        '#EXT-X-STREAM-INF:BANDWIDTH=1000,AVERAGE-BANDWIDTH=900,CODECS="avc1.64001f",RESOLUTION=1280x720\n'
        "0/stream.m3u8\n"
    )
