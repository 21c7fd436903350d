"""What the owner knows of the show and of the log: who publishes what, how it plays, what was said about it.

Owns those routes' wire format.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    """What the encoder sends; bit rates in kbit/s. `frameRate` is the 0.0.7 document's name for `framerate`."""

    width: int
    height: int
    frameRate: float
    framerate: float
    videoBitrate: int
    videoCodec: str
    audioBitrate: int
    audioCodec: str
    encoder: str


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
    """How well players play, in words and per cent. `representation`: how many per cent of them report."""

    healthy: bool
    healthPercentage: int
    message: str
    representation: int


class AdminStatus(TypedDict):
    """The show, for its owner."""

    broadcaster: Broadcaster | None
    currentBroadcast: CurrentBroadcast | None
    health: HealthView | None
    online: bool
    viewerCount: int
    overallPeakViewerCount: int
    sessionPeakViewerCount: int
    versionNumber: str
    streamTitle: str


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
        version: str,
    ) -> None:
        self._studio = studio
        self._playback = playback
        self._logs = logs
        self._moderation = moderation
        self._authentication = authentication
        self._version = version

    def operations(self) -> list[Operation]:
        """All of them."""
        admin = self._authentication.as_admin
        api = answers.api("Show")
        api.add("GET", "/api/admin/status", self._status, admin)
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
            }
            if health
            else None,
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
