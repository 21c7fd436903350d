"""The live window as a DASH manifest: the same segments, described for players that do not read HLS.

Follows ISO/IEC 23009-1 (isoff-live profile): a dynamic MPD with one period per uninterrupted run of media, and
SegmentTimeline with $Number$. Pure text from values; the window renders it once per change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from ingest.source import TIMESCALE
from transcoder.segments import Segment

if TYPE_CHECKING:
    from transcoder.window import LiveWindow, Rendition

DELAY_SEGMENTS = 3
"""suggestedPresentationDelay, in target durations."""


def manifest(window: LiveWindow) -> str:
    """The MPD of `window` as of now. A window without complete segments gives a manifest without periods."""
    listed = {
        rendition.number: [segment for segment in rendition.listed if segment.complete and segment.init is not None]
        for rendition in window.renditions
        if rendition.info.codec
    }
    depth = max((sum(s.duration for s in segments) for segments in listed.values()), default=0) / TIMESCALE
    attributes = {
        "xmlns": "urn:mpeg:dash:schema:mpd:2011",
        "profiles": "urn:mpeg:dash:profile:isoff-live:2011",
        "type": "dynamic",
        "availabilityStartTime": _moment(window.epoch),
        "publishTime": _moment(window.epoch + max(map(_end, listed.values()), default=0)),
        "minimumUpdatePeriod": f"PT{window.target_duration}S",
        "minBufferTime": f"PT{window.target_duration}S",
        "timeShiftBufferDepth": f"PT{depth:.3f}S",
        "suggestedPresentationDelay": f"PT{DELAY_SEGMENTS * window.target_duration}S",
        "maxSegmentDuration": f"PT{window.target_duration}S",
    }
    if window.ended:
        del attributes["minimumUpdatePeriod"]
        attributes["mediaPresentationDuration"] = f"PT{max(map(_end, listed.values()), default=0):.3f}S"
    lines = ['<?xml version="1.0" encoding="utf-8"?>', f"<MPD {_attributes(attributes)}>"]
    for first, last in _periods(listed.values()):
        start = min(segments[0].start for segments in _within(listed.values(), first, last))
        lines.append(f'<Period id="{first}" start="PT{start / TIMESCALE:.5f}S">')
        for kind in ("video", "audio"):
            of_kind = [r for r in window.renditions if r.info.kind == kind and listed.get(r.number)]
            lines += _adaptation_set(window.session, kind, of_kind, first, last, start)
        lines.append("</Period>")
    # Players read the server's clock from the Date header of the manifest itself.
    lines.append('<UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-head:2014" value="stream.mpd"/>')
    lines.append("</MPD>")
    return "\n".join(lines) + "\n"


def _end(segments: Sequence[Segment]) -> float:
    return (segments[-1].start + segments[-1].duration) / TIMESCALE if segments else 0.0


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _attributes(values: dict[str, str]) -> str:
    return " ".join(f"{name}={quoteattr(value)}" for name, value in values.items())


def _periods(renditions: Iterable[Sequence[Segment]]) -> list[tuple[int, int]]:
    """First and last sequence number of each run that some rendition lists."""
    sequences: set[int] = set()
    breaks: set[int] = set()
    for segments in renditions:
        sequences.update(segment.sequence for segment in segments)
        breaks.update(segment.sequence for segment in segments if segment.discontinuity)
    if not sequences:
        return []
    starts = sorted({min(sequences), *(breaks & sequences)})
    ends = [start - 1 for start in starts[1:]] + [max(sequences)]
    return list(zip(starts, ends, strict=True))


def _within(renditions: Iterable[Sequence[Segment]], first: int, last: int) -> list[list[Segment]]:
    chosen = ([segment for segment in segments if first <= segment.sequence <= last] for segments in renditions)
    return [segments for segments in chosen if segments]


def _adaptation_set(
    session: str, kind: str, renditions: Sequence[Rendition], first: int, last: int, period_start: int
) -> list[str]:
    lines = []
    for rendition in renditions:
        found = _within([rendition.listed], first, last)
        segments = [segment for segment in found[0] if segment.complete and segment.init] if found else []
        if segments:
            lines += _representation(session, rendition, segments, period_start)
    if not lines:
        return []
    return [
        f'<AdaptationSet contentType="{kind}" mimeType="{kind}/mp4" segmentAlignment="true">',
        *lines,
        "</AdaptationSet>",
    ]


def _representation(session: str, rendition: Rendition, segments: Sequence[Segment], period_start: int) -> list[str]:
    info = rendition.info
    attributes = {"id": str(rendition.number), "codecs": info.codec, "bandwidth": str(max(rendition.bandwidth[0], 1))}
    if info.kind == "video":
        timescale = TIMESCALE
        attributes |= {"width": str(info.width), "height": str(info.height)}
        if info.framerate:
            attributes["frameRate"] = f"{round(info.framerate * 1000)}/1000"
    else:
        timescale = info.sample_rate
        attributes["audioSamplingRate"] = str(info.sample_rate)
    init = segments[0].init
    name = init.name if init is not None else ""
    template = {
        "timescale": str(timescale),
        "presentationTimeOffset": str(period_start * timescale // TIMESCALE),
        "initialization": f"{rendition.number}/{name}",
        "media": f"{rendition.number}/{session}-$Number$.m4s",
        "startNumber": str(segments[0].sequence),
    }
    lines = [f"<Representation {_attributes(attributes)}>", f"<SegmentTemplate {_attributes(template)}>"]
    lines.append("<SegmentTimeline>")
    # Rounded up, because `start` was rounded down: this gives back the very sample that tfdt names.
    starts = [-(-segment.start * timescale // TIMESCALE) for segment in segments]
    end = -(-(segments[-1].start + segments[-1].duration) * timescale // TIMESCALE)
    lines += [f'<S t="{start}" d="{following - start}"/>' for start, following in pairwise([*starts, end])]
    return [*lines, "</SegmentTimeline>", "</SegmentTemplate>", "</Representation>"]
