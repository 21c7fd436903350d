"""What every ingest protocol hands on: one live source of encoded frames.

Owns the vocabulary between ingest and everything behind it: codec headers, frames, and `LiveSource`, which
carries them from one publisher to one listener. It knows no protocol, no clock and no socket. RTMP and HLS hand on
these objects; SRT or WHIP would hand on the same.

Times are integers in units of 1/90000 s (`TIMESCALE`), on one timeline per source that starts near 0 and is
already sane: per track they never go backwards and never jump (see `ingest.timeline`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

TIMESCALE = 90_000
"""Ticks per second of every time in this interface."""


class VideoCodec(StrEnum):
    """Video codecs by the name of their ISO BMFF sample entry."""

    AVC = "avc1"
    HEVC = "hvc1"
    AV1 = "av01"
    VP9 = "vp09"


class AudioCodec(StrEnum):
    """Audio codecs by the name of their ISO BMFF sample entry; MP3 has none and is only ever transcoded."""

    AAC = "mp4a"
    OPUS = "Opus"
    FLAC = "fLaC"
    AC3 = "ac-3"
    EAC3 = "ec-3"
    MP3 = ".mp3"


@dataclass(frozen=True, slots=True)
class VideoHeader:
    """A video track's decoder configuration, as its ISO BMFF box payload: avcC, hvcC, av1C or vpcC."""

    codec: VideoCodec
    config: bytes


@dataclass(frozen=True, slots=True)
class AudioHeader:
    """An audio track's decoder configuration.

    `config` is the AudioSpecificConfig for AAC, the `OpusHead` packet for Opus, the 34 bytes of STREAMINFO for
    FLAC; empty for AC-3, E-AC-3 and MP3, whose frames describe themselves.
    """

    codec: AudioCodec
    config: bytes


class VideoFrame(NamedTuple):
    """One coded picture: length-prefixed NAL units (AVC, HEVC), or an AV1 or VP9 temporal unit."""

    dts: int
    pts: int
    keyframe: bool
    data: bytes


class AudioFrame(NamedTuple):
    """One coded audio frame without ADTS or any other wrapper."""

    pts: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a source came from. Never holds the stream key."""

    protocol: str
    """`rtmp`, `rtmps` or `hls`."""
    address: str
    """The publisher's IP address, without a port."""
    encoder: str = ""
    """What the encoder calls itself, for people to read."""


class SourceListener(Protocol):
    """Who hears a source. Calls are synchronous, on the event loop, in stream order, and must not block."""

    def on_video_header(self, header: VideoHeader) -> None:
        """The first header, or one that differs from the last; later frames need it."""

    def on_audio_header(self, header: AudioHeader) -> None:
        """The first header, or one that differs from the last; later frames need it."""

    def on_metadata(self, metadata: Mapping[str, object]) -> None:
        """`onMetaData` or its like: width, height, framerate, videocodecid …; values are untrusted. Where the source
        has variants, it has them from now on."""

    def on_video(self, frame: VideoFrame) -> None:
        """A picture. The first of a source, and the first after a header, is a keyframe."""

    def on_audio(self, frame: AudioFrame) -> None:
        """An audio frame."""

    def on_end(self, reason: str) -> None:
        """The publisher left or was dropped; nothing follows. `reason` is a sentence for the log."""


class VariantListener(Protocol):
    """Who hears a variant; as `SourceListener`."""

    def on_video_header(self, header: VideoHeader) -> None:
        """The first header, or one that differs from the last."""

    def on_video(self, frame: VideoFrame) -> None:
        """A picture; never later than the source's own of the same time."""


@dataclass(slots=True, eq=False)
class SourceVariant:
    """The same pictures, encoded by the publisher once more, with keyframes at the same times."""

    bitrate: int
    """Bits per second, as the publisher announces them; 0 when it does not."""
    video: VideoHeader | None = None
    listener: VariantListener | None = None


@dataclass(slots=True, eq=False)
class LiveSource:
    """One publisher's stream, from the moment ingest accepted it until `on_end`.

    Ingest sets `expects_*`, `metadata`, the headers and the counts; the listener reads them. `close` is
    ingest's: calling it with a sentence drops the publisher.
    """

    origin: Origin
    close: Callable[[str], None]
    listener: SourceListener | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    video: VideoHeader | None = None
    audio: AudioHeader | None = None
    expects_video: bool | None = None
    """What the metadata announces: True, False, or None when it says nothing."""
    expects_audio: bool | None = None
    bytes_received: int = 0
    video_frames: int = 0
    """Pictures that were handed on."""
    audio_frames: int = 0
    keyframe_interval: float | None = None
    """Seconds between keyframes, where ingest knows; None when only time will tell."""
    encoded: bool = False
    """Whether the publisher has encoded all there shall be: this source, and `variants` below it."""
    variants: tuple[SourceVariant, ...] = ()
    """Best first, without the source itself."""
    bitrate: int = 0
    """Bits per second of this source, as in `SourceVariant`; only where it is `encoded`."""
