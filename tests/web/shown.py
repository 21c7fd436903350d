"""A live window with media that tests can recognise, for those who serve it."""

from __future__ import annotations

from ingest.source import TIMESCALE
from transcoder.ladder import Variant
from transcoder.segments import Part, RenditionInfo
from transcoder.window import LiveWindow, Rendition

HALF = TIMESCALE // 2


def live(*, target_duration: int = 2, part_target: int | None = HALF) -> LiveWindow:
    """An empty window with a video and an audio rendition."""
    window = LiveWindow(
        session="abcd",
        epoch=0.0,
        target_duration=target_duration,
        part_target=part_target,
        size=5,
        renditions=[
            RenditionInfo("video", "avc1.64001f", 1280, 720, 30.0, bitrate=3_000_000),
            RenditionInfo("audio", "mp4a.40.2", sample_rate=48_000, channels=2, bitrate=128_000),
        ],
        variants=[Variant("Source", 0, 1)],
    )
    for rendition in window.renditions:
        rendition.set_init(b"init of %d" % rendition.number)
    return window


def add(rendition: Rendition, sequence: int, number: int, data: bytes | None = b"") -> None:
    """Part `number` of a segment of four; its own text unless other `data` is given."""
    time = (sequence * 4 + number) * HALF
    rendition.add_part(
        Part(HALF, number == 0, b"part %d.%d" % (sequence, number) if data == b"" else data),
        sequence=sequence,
        start=time,
        decode_time=time,
        discontinuity=False,
        closes=number == 3,
    )
