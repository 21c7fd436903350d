"""What came in since the start, over all publishers.

Owns the sums of those that have left; what the present one has sent, its source knows.
"""

from __future__ import annotations

from dataclasses import dataclass

from ingest.source import LiveSource


@dataclass(frozen=True, slots=True)
class Received:
    """Sums."""

    octets: int = 0
    video_frames: int = 0
    audio_frames: int = 0

    def plus(self, source: LiveSource | None) -> Received:
        """With what that source has sent."""
        if source is None:
            return self
        return Received(
            self.octets + source.bytes_received,
            self.video_frames + source.video_frames,
            self.audio_frames + source.audio_frames,
        )
