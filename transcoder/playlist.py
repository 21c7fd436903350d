"""The live window as HLS playlists: text from values, nothing else.

Follows RFC 8216 and draft-pantos-hls-rfc8216bis (low latency: §4.4.3.7–8, §4.4.4.9, §4.4.5, §6.2.5). Owns no state;
`transcoder.window` renders each playlist once per change and shares the bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ingest.source import TIMESCALE
from transcoder.ladder import Variant
from transcoder.segments import RenditionInfo, Segment, part_name, segment_name

VERSION = 9
"""Delta updates need protocol version 9 (§8)."""

PART_SEGMENTS = 3
"""Complete segments at the end of the playlist whose parts are listed; §6.2.2 asks for three target durations."""

HOLD_BACK = 3
"""HOLD-BACK and PART-HOLD-BACK in target durations; both "MUST be at least three times" / "SHOULD" (§4.4.3.8)."""

SKIP_UNTIL = 6
"""CAN-SKIP-UNTIL in target durations: the least that is allowed (§4.4.3.8)."""


@dataclass(frozen=True, slots=True)
class Report:
    """Where another rendition stands, for EXT-X-RENDITION-REPORT."""

    number: int
    sequence: int
    part: int


@dataclass(frozen=True, slots=True)
class MediaPlaylist:
    """Everything a media playlist is made of."""

    session: str
    segments: Sequence[Segment]
    """The listed ones, oldest first; only the last may be incomplete."""
    target_duration: int
    """Seconds; never changes within a session."""
    part_target: int | None
    """Ticks; None offers no parts (plain HLS)."""
    discontinuity_sequence: int
    epoch: float
    """Unix time of media time 0."""
    ended: bool
    reports: Sequence[Report] = ()
    base: str = ""
    """What comes before the names of files that do not lie beside the playlist."""
    blocking: bool = True
    """Whether whoever serves it lets players wait for what comes next, and skips what they know."""

    def render(self, *, skip: bool = False) -> str:
        """The playlist; with `skip` as a delta update, if anything can be skipped."""
        segments = [segment for segment in self.segments if segment.complete or self.part_target is not None]
        skipped = self._skippable(segments) if skip else 0
        lines = [
            "#EXTM3U",
            f"#EXT-X-VERSION:{VERSION}",
            f"#EXT-X-TARGETDURATION:{self.target_duration}",
        ]
        if self.blocking:
            lines.append(self._server_control())
        if self.part_target is not None:
            lines.append(f"#EXT-X-PART-INF:PART-TARGET={_seconds(self.part_target)}")
        if segments:
            lines.append(f"#EXT-X-MEDIA-SEQUENCE:{segments[0].sequence}")
        lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{self.discontinuity_sequence}")
        lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
        if skipped:
            lines.append(f"#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}")
        complete = sum(segment.complete for segment in segments)
        init = segments[skipped - 1].init if skipped else None
        for position, segment in enumerate(segments[skipped:], skipped):
            with_parts = self.part_target is not None and position >= complete - PART_SEGMENTS
            self._segment(lines, segment, with_parts=with_parts, new_init=segment.init is not init)
            init = segment.init or init
        if self.ended:
            lines.append("#EXT-X-ENDLIST")
        elif self.part_target is not None and segments:
            sequence, part = following(segments[-1])
            lines.append(f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{part_name(self.session, sequence, part)}"')
            lines += (
                f'#EXT-X-RENDITION-REPORT:URI="../{report.number}/stream.m3u8",'
                f"LAST-MSN={report.sequence},LAST-PART={report.part}"
                for report in self.reports
            )
        return "\n".join(lines) + "\n"

    def _server_control(self) -> str:
        hold_back = f"HOLD-BACK={float(HOLD_BACK * self.target_duration)}"
        skip_until = f"CAN-SKIP-UNTIL={float(SKIP_UNTIL * self.target_duration)}"
        if self.part_target is None:
            return f"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,{skip_until},{hold_back}"
        part_hold_back = f"PART-HOLD-BACK={_seconds(HOLD_BACK * self.part_target)}"
        return f"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,{part_hold_back},{skip_until},{hold_back}"

    def _skippable(self, segments: Sequence[Segment]) -> int:
        """How many segments lie before the skip boundary: CAN-SKIP-UNTIL seconds from the end of the playlist."""
        left = SKIP_UNTIL * self.target_duration * TIMESCALE
        for position in range(len(segments) - 1, -1, -1):
            left -= segments[position].duration
            if left <= 0:
                return position
        return 0

    def _segment(self, lines: list[str], segment: Segment, *, with_parts: bool, new_init: bool) -> None:
        if segment.discontinuity:
            lines.append("#EXT-X-DISCONTINUITY")
        if segment.init is not None and (new_init or segment.discontinuity):
            lines.append(f'#EXT-X-MAP:URI="{self.base}{segment.init.name}"')
        moment = datetime.fromtimestamp(self.epoch + segment.start / TIMESCALE, UTC)
        lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{moment.isoformat(timespec='milliseconds')[:-6]}Z")
        if with_parts:
            for number, part in enumerate(segment.parts):
                name = part_name(self.session, segment.sequence, number)
                flag = ",GAP=YES" if part.data is None else ",INDEPENDENT=YES" if part.independent else ""
                lines.append(f'#EXT-X-PART:DURATION={_seconds(part.duration)},URI="{name}"{flag}')
        if segment.complete:
            if segment.gap:
                lines.append("#EXT-X-GAP")
            lines.append(f"#EXTINF:{_seconds(segment.duration)},")
            lines.append(self.base + segment_name(self.session, segment.sequence))


def following(segment: Segment) -> tuple[int, int]:
    """Sequence and number of the part that comes after all that `segment` holds."""
    return (segment.sequence + 1, 0) if segment.complete else (segment.sequence, len(segment.parts))


def multivariant(
    variants: Sequence[Variant],
    renditions: Mapping[int, RenditionInfo],
    bandwidth: Mapping[int, tuple[int, int]],
    base: str = "",
) -> str:
    """The multivariant playlist. `bandwidth` holds peak and average bits per second by rendition number; `base` is put
    before every address."""
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    grouped = sorted({v.audio for v in variants if v.audio is not None and v.video is not None})
    for number in grouped:
        info = renditions[number]
        lines.append(
            f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio{number}",NAME="{info.bitrate // 1000} kb/s",'
            f'DEFAULT=YES,AUTOSELECT=YES,CHANNELS="{info.channels}",URI="{base}{number}/stream.m3u8"'
        )
    for variant in variants:
        numbers = [number for number in (variant.video, variant.audio) if number is not None]
        peak = sum(bandwidth[number][0] for number in numbers)
        average = sum(bandwidth[number][1] for number in numbers)
        attributes = [f"BANDWIDTH={peak}", f"AVERAGE-BANDWIDTH={average}"]
        attributes.append(f'CODECS="{",".join(renditions[number].codec for number in numbers)}"')
        if variant.video is not None:
            video = renditions[variant.video]
            attributes.append(f"RESOLUTION={video.width}x{video.height}")
            if video.framerate:
                attributes.append(f"FRAME-RATE={video.framerate:.3f}")
            if variant.audio is not None:
                attributes.append(f'AUDIO="audio{variant.audio}"')
        if variant.name:
            attributes.append(f'NAME="{_quotable(variant.name)}"')
        lines.append("#EXT-X-STREAM-INF:" + ",".join(attributes))
        lines.append(f"{base}{numbers[0]}/stream.m3u8")
    return "\n".join(lines) + "\n"


def _quotable(text: str) -> str:
    """`text` as a quoted-string may hold it: no line feed, carriage return or double quote (§4.2)."""
    return text.replace('"', "'").replace("\n", " ").replace("\r", " ")


def _seconds(ticks: int) -> str:
    return f"{ticks / TIMESCALE:.5f}"
