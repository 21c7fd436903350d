"""The latency levels 0 to 4: how long segments and parts are, and how much of the past a playlist lists."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.source import TIMESCALE


@dataclass(frozen=True, slots=True)
class LatencyLevel:
    """`segment` and `part` in seconds; a `part` of None offers plain HLS only. `size`: segments in a playlist."""

    segment: int
    part: float | None
    size: int

    @property
    def part_ticks(self) -> int:
        """How long parts are made; without low latency they still bound how much is packaged at once."""
        return round((self.part or 1.0) * TIMESCALE)


LEVELS = (
    LatencyLevel(1, 0.2, 25),
    LatencyLevel(2, 1 / 3, 15),
    LatencyLevel(2, 0.5, 15),
    LatencyLevel(2, 1.0, 15),
    LatencyLevel(4, None, 8),
)
