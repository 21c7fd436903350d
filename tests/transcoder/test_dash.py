"""The DASH manifest: valid XML that describes the same segments."""

from __future__ import annotations

from xml.etree import ElementTree

from ingest.source import TIMESCALE
from transcoder.dash import manifest
from transcoder.ladder import Variant
from transcoder.segments import Part, RenditionInfo
from transcoder.window import LiveWindow

MPD = "{urn:mpeg:dash:schema:mpd:2011}"
RATE = 44_100


def live(sequences: int, *, breaks: tuple[int, ...] = (), size: int = 10) -> LiveWindow:
    """Segments of 2 s of pictures, and of whole AAC frames of sound that come close to it."""
    window = LiveWindow(
        session="s",
        epoch=1_767_225_600.0,
        target_duration=2,
        part_target=None,
        size=size,
        renditions=[
            RenditionInfo("video", "avc1.64001f", 1280, 720, 30000 / 1001, bitrate=3_000_000),
            RenditionInfo("audio", "mp4a.40.2", sample_rate=RATE, channels=2, bitrate=128_000),
        ],
        variants=[Variant("", 0, 1)],
    )
    video, audio = window.renditions
    counted = 0
    for sequence in range(sequences):
        run = sequence in breaks
        if run or not sequence:
            video.set_init(b"video %d" % sequence)
            audio.set_init(b"audio %d" % sequence)
        start = sequence * 2 * TIMESCALE
        part = Part(2 * TIMESCALE, True, bytes(1000))
        video.add_part(part, sequence=sequence, start=start, decode_time=start, discontinuity=run, closes=True)
        frames = ((sequence + 1) * 2 * RATE + 512) // 1024 - counted // 1024
        length = frames * 1024
        audio.add_part(
            Part(length * TIMESCALE // RATE, True, bytes(100)),
            sequence=sequence,
            start=counted * TIMESCALE // RATE,
            decode_time=counted,
            discontinuity=run,
            closes=True,
        )
        counted += length
    return window


def parsed(window: LiveWindow) -> ElementTree.Element:
    return ElementTree.fromstring(manifest(window))


def test_the_whole_manifest() -> None:
    assert manifest(live(2)) == (
        """\
<?xml version="1.0" encoding="utf-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011" type="dynamic" """
        """availabilityStartTime="2026-01-01T00:00:00.000Z" publishTime="2026-01-01T00:00:04.000Z" """
        """minimumUpdatePeriod="PT2S" minBufferTime="PT2S" timeShiftBufferDepth="PT4.000S" """
        """suggestedPresentationDelay="PT6S" maxSegmentDuration="PT2S">
<Period id="0" start="PT0.00000S">
<AdaptationSet contentType="video" mimeType="video/mp4" segmentAlignment="true">
<Representation id="0" codecs="avc1.64001f" bandwidth="4000" width="1280" height="720" frameRate="29970/1000">
<SegmentTemplate timescale="90000" presentationTimeOffset="0" initialization="0/s-init0.mp4" """
        """media="0/s-$Number$.m4s" startNumber="0">
<SegmentTimeline>
<S t="0" d="180000"/>
<S t="180000" d="180000"/>
</SegmentTimeline>
</SegmentTemplate>
</Representation>
</AdaptationSet>
<AdaptationSet contentType="audio" mimeType="audio/mp4" segmentAlignment="true">
<Representation id="1" codecs="mp4a.40.2" bandwidth="400" audioSamplingRate="44100">
<SegmentTemplate timescale="44100" presentationTimeOffset="0" initialization="1/s-init0.mp4" """
        """media="1/s-$Number$.m4s" startNumber="0">
<SegmentTimeline>
<S t="0" d="88064"/>
<S t="88064" d="88064"/>
</SegmentTimeline>
</SegmentTemplate>
</Representation>
</AdaptationSet>
</Period>
<UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-head:2014" value="stream.mpd"/>
</MPD>
"""
    )


def test_times_are_those_inside_the_segments() -> None:
    """Rounding to 1/90000 s and back must not move sound by a sample: players look for tfdt at exactly S@t."""
    window = live(200, size=200)
    audio = parsed(window).findall(f".//{MPD}AdaptationSet")[1]
    wanted = [segment.decode_time for segment in window.renditions[1].listed]
    found = [int(entry.attrib["t"]) for entry in audio.iter(f"{MPD}S")]
    assert found == wanted
    ends = [int(entry.attrib["t"]) + int(entry.attrib["d"]) for entry in audio.iter(f"{MPD}S")]
    assert ends[:-1] == wanted[1:]


def test_numbers_lead_to_the_segments() -> None:
    window = live(17, size=5)
    for template in parsed(window).iter(f"{MPD}SegmentTemplate"):
        number = int(template.attrib["startNumber"])
        assert number == 12
        assert len(list(template.iter(f"{MPD}S"))) == 5


def test_every_run_is_a_period_with_its_own_init_section() -> None:
    window = live(9, breaks=(3, 6))
    periods = parsed(window).findall(f"{MPD}Period")
    assert [period.attrib["id"] for period in periods] == ["0", "3", "6"]
    for position, period in enumerate(periods):
        names = [template.attrib["initialization"] for template in period.iter(f"{MPD}SegmentTemplate")]
        assert names == [f"0/s-init{position}.mp4", f"1/s-init{position}.mp4"]
        for template in period.iter(f"{MPD}SegmentTemplate"):
            # What plays at the start of the period lies at this time in the media.
            scale, offset = int(template.attrib["timescale"]), int(template.attrib["presentationTimeOffset"])
            assert abs(offset / scale - float(period.attrib["start"][2:-1])) < 0.0001


def test_an_id_stays_while_the_window_slides() -> None:
    before, after = live(8, breaks=(5,), size=4), live(9, breaks=(5,), size=4)
    ids = [[p.attrib["id"] for p in parsed(window).findall(f"{MPD}Period")] for window in (before, after)]
    assert ids[0][-1] == ids[1][-1] == "5"


def test_nothing_complete_gives_no_period() -> None:
    assert parsed(live(0)).findall(f"{MPD}Period") == []


def test_the_end_has_a_duration_and_no_update() -> None:
    window = live(3)
    window.end()
    attributes = parsed(window).attrib
    assert attributes["mediaPresentationDuration"] == "PT6.000S"
    assert "minimumUpdatePeriod" not in attributes
