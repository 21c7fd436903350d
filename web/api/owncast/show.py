"""What the owner knows of the show and of the log: who publishes what, how it plays, what was said about it.

Owns those routes' wire format.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from typing_extensions import TypedDict

from owncast_py.broadcast.studio import Inbound, OutputVariant, Studio
from owncast_py.chat.content import timestamp
from owncast_py.chat.moderation import Moderation
from owncast_py.metrics.playback import Playback
from owncast_py.recent_logs import LogLine, RecentLogs
from web.api.owncast import answers
from web.api.owncast.answers import Done, done
from web.authentication import Authentication
from web.operations import Call, Operation


class StreamDetails(TypedDict):
    """What the encoder sends; bit rates in kbit/s. `frameRate` is the 0.0.7 document's name for `framerate`.

    `keyframeInterval` is the longest seen, in seconds; 0 until it is known.
    """

    width: int
    height: int
    frameRate: float
    framerate: float
    videoBitrate: int
    videoCodec: str
    audioBitrate: int
    audioCodec: str
    encoder: str
    keyframeInterval: float


class Broadcaster(TypedDict):
    """Who publishes."""

    remoteAddr: str
    time: str
    protocol: str
    streamDetails: StreamDetails


class VariantView(TypedDict):
    """A variant of the broadcast on air."""

    name: str
    videoPassthrough: bool
    videoBitrate: int
    audioBitrate: int
    scaledWidth: int
    scaledHeight: int
    framerate: float


class Latency(TypedDict):
    """How long segments are, in seconds."""

    level: int
    secondsPerSegment: int


class CurrentBroadcast(TypedDict):
    """What is made of what comes in."""

    outputSettings: list[VariantView]
    latencyLevel: Latency


class HealthView(TypedDict):
    """How well players play, in words and per cent. `representation`: how many per cent of them report.

    Of `players` that report, `slow` have less bandwidth than `lowestBitrate` (kbit/s), `failing` are interrupted and
    `late` are far behind; `latency` is the median of their seconds behind the encoder.
    """

    healthy: bool
    healthPercentage: int
    message: str
    representation: int
    players: int
    slow: int
    failing: int
    late: int
    lowestBitrate: int
    latency: float | None


class AdminStatus(TypedDict):
    """The show, for its owner. `advice`: why it is made as it is, in sentences.

    `storeTrouble`: what is wrong with the store of segments, empty while it works or there is none.
    """

    broadcaster: Broadcaster | None
    currentBroadcast: CurrentBroadcast | None
    health: HealthView | None
    advice: list[str]
    storeTrouble: str
    online: bool
    viewerCount: int
    overallPeakViewerCount: int
    sessionPeakViewerCount: int
    versionNumber: str
    streamTitle: str


class EncoderView(TypedDict):
    """An encoder that was tried here, and what is wrong with it if it does not work."""

    name: str
    works: bool
    why: str


class EncodersView(TypedDict):
    """What the next show is encoded with. `pixelsPerSecond` was measured with all `cores` busy; 0: not known."""

    ffmpeg: str
    inUse: str
    encoders: list[EncoderView]
    pixelsPerSecond: int
    cores: int


class LogView(TypedDict):
    """A line of the log."""

    time: str
    level: str
    message: str


class ShowApi:
    """The routes of the show and the log."""

    def __init__(
        self,
        studio: Studio,
        playback: Playback,
        logs: RecentLogs,
        moderation: Moderation,
        authentication: Authentication,
        store_trouble: Callable[[], str],
        version: str,
    ) -> None:
        """`store_trouble` says what is wrong with the store of segments; empty where nothing is."""
        self._studio = studio
        self._playback = playback
        self._logs = logs
        self._moderation = moderation
        self._authentication = authentication
        self._store_trouble = store_trouble
        self._version = version

    def operations(self) -> list[Operation]:
        """All of them."""
        admin = self._authentication.as_admin
        api = answers.api("Show")
        api.add("GET", "/api/admin/status", self._status, admin)
        api.add("GET", "/api/admin/video/encoders", self._encoders, admin)
        api.add("POST", "/api/admin/disconnect", self._disconnect, admin)
        api.add("GET", "/api/admin/logs", self._all_logs, admin)
        api.add("GET", "/api/admin/logs/warnings", self._warnings, admin)
        return api.operations

    async def _status(self, _call: Call[None]) -> AdminStatus:
        """The show: who publishes what, who watches, and how well players play."""
        status, inbound = self._studio.status(), self._studio.inbound()
        health = self._playback.health(status.viewer_count, status.online)
        return {
            "broadcaster": _broadcaster(inbound) if inbound else None,
            "currentBroadcast": self._current() if status.online else None,
            "health": {
                "healthy": health.healthy,
                "healthPercentage": health.health_percentage,
                "message": health.message,
                "representation": health.representation,
                "players": health.players,
                "slow": health.slow,
                "failing": health.failing,
                "late": health.late,
                "lowestBitrate": health.lowest_bitrate,
                "latency": health.latency,
            }
            if health
            else None,
            "advice": list(self._studio.advice()),
            "storeTrouble": self._store_trouble(),
            "online": status.online,
            "viewerCount": status.viewer_count,
            "overallPeakViewerCount": status.overall_max_viewer_count,
            "sessionPeakViewerCount": status.session_max_viewer_count,
            "versionNumber": self._version,
            "streamTitle": status.title,
        }

    def _current(self) -> CurrentBroadcast:
        return {
            "outputSettings": [_variant(variant) for variant in self._studio.variants()],
            "latencyLevel": {
                "level": self._studio.latency_level(),
                "secondsPerSegment": self._studio.segment_seconds(),
            },
        }

    async def _encoders(self, _call: Call[None]) -> EncodersView:
        """Which encoders work on this machine, and how fast the one in use is."""
        found = self._studio.encoders()
        return {
            "ffmpeg": self._studio.ffmpeg_path(),
            "inUse": found.in_use,
            "encoders": [{"name": each.name, "works": each.works, "why": each.why} for each in found.tried],
            "pixelsPerSecond": round(found.pixels_per_second),
            "cores": found.cores,
        }

    async def _disconnect(self, call: Call[None]) -> Done:
        """Drops the encoder and ends the show."""
        if not self._studio.disconnect():
            return {"success": False, "message": "no inbound stream connected"}
        await self._moderation.record(call.actor, "disconnect", "stream")
        return done("inbound stream disconnected")

    async def _all_logs(self, _call: Call[None]) -> list[LogView]:
        """The newest lines of the log, the oldest of them first."""
        return _lines(self._logs.lines())

    async def _warnings(self, _call: Call[None]) -> list[LogView]:
        """The newest warnings and errors, the oldest of them first."""
        return _lines(self._logs.warnings())


def _broadcaster(inbound: Inbound) -> Broadcaster:
    return {
        "remoteAddr": inbound.address,
        "time": timestamp(inbound.since),
        "protocol": inbound.protocol,
        "streamDetails": {
            "width": inbound.width,
            "height": inbound.height,
            "frameRate": inbound.framerate,
            "framerate": inbound.framerate,
            "videoBitrate": inbound.video_bitrate,
            "videoCodec": inbound.video_codec,
            "audioBitrate": inbound.audio_bitrate,
            "audioCodec": inbound.audio_codec,
            "encoder": inbound.encoder,
            "keyframeInterval": inbound.keyframe_interval,
        },
    }


def _variant(variant: OutputVariant) -> VariantView:
    return {
        "name": variant.name,
        "videoPassthrough": variant.video_passthrough,
        "videoBitrate": variant.video_bitrate,
        "audioBitrate": variant.audio_bitrate,
        "scaledWidth": variant.width,
        "scaledHeight": variant.height,
        "framerate": variant.framerate,
    }


def _lines(lines: Sequence[LogLine]) -> list[LogView]:
    return [{"time": timestamp(line.at), "level": line.level, "message": line.message} for line in reversed(lines)]
