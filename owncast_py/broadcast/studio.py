"""The studio: what the owner may know and do of the running broadcast.

Owns the vocabulary between the admin API and whoever runs the show; the composition root implements `Studio`. Nothing
here decides or keeps anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from owncast_py.broadcast.session import Status


@dataclass(frozen=True, slots=True)
class Inbound:
    """The encoder that publishes and what it sends. Bit rates in kbit/s, measured; zeros where nothing is known.

    `keyframe_interval` is the longest seen, in seconds.
    """

    address: str
    since: datetime
    encoder: str
    protocol: str
    width: int
    height: int
    framerate: float
    video_codec: str
    video_bitrate: int
    audio_codec: str
    audio_bitrate: int
    keyframe_interval: float = 0.0


@dataclass(frozen=True, slots=True)
class OutputVariant:
    """What viewers can choose: of the broadcast on air, else of the settings. Bit rates in kbit/s."""

    name: str
    width: int
    height: int
    framerate: float
    video_bitrate: int
    audio_bitrate: int
    video_passthrough: bool


@dataclass(frozen=True, slots=True)
class Encoder:
    """An encoder that was tried on this machine. `why` says what is wrong with one that does not work."""

    name: str
    works: bool
    why: str


@dataclass(frozen=True, slots=True)
class Encoders:
    """What this machine encodes with. `pixels_per_second` is measured, with `cores` busy; 0 where nothing is known."""

    in_use: str
    tried: Sequence[Encoder]
    pixels_per_second: float
    cores: int


class Studio(Protocol):
    """The show, for its owner."""

    def status(self) -> Status:
        """The show as viewers know it."""

    def inbound(self) -> Inbound | None:
        """Who publishes now."""

    def advice(self) -> Sequence[str]:
        """Why the show on air is made as it is, and what the publisher could do better, in sentences."""

    def variants(self) -> Sequence[OutputVariant]:
        """What viewers can choose."""

    def disconnect(self) -> bool:
        """Ends the show and drops its publisher. Returns whether there was one."""

    def latency_level(self) -> int:
        """The latency level, on air or in the next show."""

    def segment_seconds(self) -> int:
        """How long a segment is, on air or in the next show."""

    def codecs(self) -> Sequence[str]:
        """The encoders that work on this machine."""

    def encoders(self) -> Encoders:
        """Which encoder the next show has, which others were tried, and how fast it is."""

    def ffmpeg_path(self) -> str:
        """The ffmpeg in use; empty when there is none."""

    async def check_ffmpeg(self, path: str) -> None:
        """Raises SettingError with a sentence when that is no usable ffmpeg."""
