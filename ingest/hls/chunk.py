"""What is in one segment that an encoder sent, and how such a file begins.

Owns the shapes between `demux`, which reads a segment, and `release`, which lets its frames flow. Knows no library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ingest.source import TIMESCALE, AudioFrame, AudioHeader, VideoFrame, VideoHeader

SYNC: Final = 0x47
"""The first octet of each MPEG-TS packet."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """The video of a segment; times in 1/90000 s on the encoder's own clock."""

    header: VideoHeader
    size: tuple[int, int]
    frames: list[VideoFrame]

    @property
    def framerate(self) -> float:
        """Frames per second, 0 for a single one."""
        span = self.frames[-1].dts - self.frames[0].dts
        return (len(self.frames) - 1) * TIMESCALE / span if span > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Sound:
    """The audio of a segment; times as in `Pictures`."""

    header: AudioHeader
    frames: list[AudioFrame]


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is in a segment: at least one of the two."""

    pictures: Pictures | None
    sound: Sound | None


def looks_like_segment(data: bytes) -> bool:
    """Whether these bytes begin as a segment or an initialization section does."""
    return data[4:8] in (b"ftyp", b"styp", b"moof", b"sidx", b"prft", b"emsg") or data[:1] == bytes((SYNC,))
