"""The pieces of a rendition: init sections, parts, segments, and what a playlist says of the rendition itself.

Owns plain data and the names under which it is served. Times and durations are integers in 1/90000 s.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RenditionInfo:
    """What the multivariant playlist says of a rendition."""

    kind: str
    """`video` or `audio`."""
    codec: str = ""
    """RFC 6381 codecs string, empty until the encoder said."""
    width: int = 0
    height: int = 0
    framerate: float | None = None
    sample_rate: int = 0
    channels: int = 0
    bitrate: int = 0
    """Bits per second as configured or announced; stands in until enough was measured."""


@dataclass(frozen=True, slots=True)
class Init:
    """An init section under its versioned file name."""

    name: str
    data: bytes


@dataclass(slots=True)
class Part:
    """A partial segment; `data` is None for a gap, a stretch of time in which this rendition has nothing."""

    duration: int
    independent: bool
    data: bytes | memoryview | None


@dataclass(slots=True, eq=False)
class Segment:
    """Parts that together make a segment. Nothing of it changes once it is `complete`."""

    sequence: int
    start: int
    """Presentation time of its first part."""
    decode_time: int
    """Decode time of its first sample, in the track's own timescale (tfdt)."""
    init: Init | None
    discontinuity: bool
    parts: list[Part] = field(default_factory=list)
    duration: int = 0
    complete: bool = False
    _body: bytes | None = None

    @property
    def gap(self) -> bool:
        """Whether nothing of it can be played."""
        return all(part.data is None for part in self.parts)

    @property
    def size(self) -> int:
        """Bytes of media so far."""
        return sum(len(part.data) for part in self.parts if part.data is not None)

    def chunks(self) -> list[bytes | memoryview]:
        """The media of its parts, in order; concatenated they are the segment."""
        return [part.data for part in self.parts if part.data is not None]

    def body(self) -> bytes:
        """A complete segment as one piece: joined on first use, after which the parts are views of the whole."""
        if self._body is None:
            whole = b"".join(self.chunks())
            view, position = memoryview(whole), 0
            for part in self.parts:
                if part.data is not None:
                    end = position + len(part.data)
                    part.data, position = view[position:end], end
            self._body = whole
        return self._body


def init_name(session: str, version: int) -> str:
    """The file name of an init section."""
    return f"{session}-init{version}.mp4"


def segment_name(session: str, sequence: int) -> str:
    """The file name of a segment."""
    return f"{session}-{sequence}.m4s"


def part_name(session: str, sequence: int, part: int) -> str:
    """The file name of a part."""
    return f"{session}-{sequence}.{part}.m4s"
