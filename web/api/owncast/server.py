"""What the owner knows of the server: who publishes, how it is configured, what it logged.

Owns those routes' wire format. Secrets: stream keys are shown, because they have to be copied into an encoder; the
admin password is not even known; the secret of the S3 store is masked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from typing_extensions import TypedDict

from owncast_py.broadcast.studio import Inbound, OutputVariant, Studio
from owncast_py.chat.content import timestamp
from owncast_py.chat.moderation import Moderation
from owncast_py.credentials import Credentials
from owncast_py.metrics.playback import Playback
from owncast_py.recent_logs import LogLine, RecentLogs
from owncast_py.setting_groups import (
    AppearanceSettings,
    ChatSettings,
    DirectorySettings,
    InstanceSettings,
    ListenSettings,
    NotificationSettings,
    ScheduleSettings,
    StorageSettings,
    Variant,
    VideoSettings,
)
from owncast_py.settings import Settings
from web.api.owncast import answers
from web.api.owncast.answers import Done, done
from web.api.owncast.config import ActionView, SocialHandleView, action_views, social_views
from web.api.owncast.storage import StorageView, storage_view
from web.authentication import Authentication
from web.operations import Call, Operation


@dataclass(frozen=True, slots=True)
class Running:
    """What is in force since the start."""

    version: str
    http_host: str
    http_port: int
    rtmp_host: str
    rtmp_port: int


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


class Details(TypedDict):
    """How the server presents itself, as it was written: Markdown is Markdown."""

    name: str
    summary: str
    logo: str
    tags: list[str]
    socialHandles: list[SocialHandleView]
    extraPageContent: str
    offlineMessage: str
    welcomeMessage: str
    streamTitle: str
    title: str
    nsfw: bool
    customStyles: str
    customJavascript: str
    appearanceVariables: dict[str, str]
    version: str


class QualityView(TypedDict):
    """A variant as it is asked for."""

    name: str
    videoPassthrough: bool
    audioPassthrough: bool
    videoBitrate: int
    audioBitrate: int
    scaledWidth: int
    scaledHeight: int
    framerate: int
    cpuUsageLevel: int


class VideoView(TypedDict):
    """How the next broadcast is made. No variants: the server chooses them."""

    videoQualityVariants: list[QualityView]
    latencyLevel: int


class YpView(TypedDict):
    """Whether Owncast's directory lists the server, and where it sends people."""

    enabled: bool
    instanceUrl: str


class KeyView(TypedDict):
    """A stream key."""

    key: str
    comment: str


class GoLive(TypedDict):
    """How subscribed browsers are told that the show begins."""

    enabled: bool
    goLiveMessage: str


class DiscordView(GoLive):
    """How Discord is told that the show begins."""

    webhook: str


class NotificationsConfig(TypedDict):
    """Who is told that the show begins."""

    browser: GoLive
    discord: DiscordView


class FederationConfig(TypedDict):
    """The Fediverse; this server is not part of it."""

    enabled: bool
    isPrivate: bool
    username: str
    goLiveMessage: str
    showEngagement: bool
    blockedDomains: list[str]


class ScheduleConfig(TypedDict):
    """How the schedule is shown, and what it does."""

    enabled: bool
    showCountdown: bool
    chatOpenMinutesBefore: int
    reminderMessage: str


class ChatRules(TypedDict):
    """The rules of chat that Owncast does not have."""

    slowModeSeconds: int
    blockLinks: bool
    blockedWords: list[str]
    spamFilterEnabled: bool
    rateLimitMessages: int
    rateLimitSeconds: float
    establishedAfter: int
    openMinutesAfterStream: int | None
    retentionHours: int | None


class ServerConfig(TypedDict):
    """Everything that is set. `adminPassword` is always empty: nobody knows it but you."""

    instanceDetails: Details
    ffmpegPath: str
    webServerPort: int
    webServerIP: str
    rtmpServerPort: int
    rtmpServerAddress: str
    directhlsinputurl: str
    s3: StorageView
    videoSettings: VideoView
    videoCodec: str
    supportedCodecs: list[str]
    videoServingEndpoint: str
    yp: YpView
    streamKeys: list[KeyView]
    streamKeyOverridden: bool
    adminPassword: str
    adminPasswordOverridden: bool
    externalActions: list[ActionView]
    chatDisabled: bool
    chatJoinMessagesEnabled: bool
    chatEstablishedUserMode: bool
    chatSpamProtectionEnabled: bool
    chatSlurFilterEnabled: bool
    chatRequireAuthentication: bool
    chat: ChatRules
    forbiddenUsernames: list[str]
    suggestedUsernames: list[str]
    socketHostOverride: str
    hideViewerCount: bool
    disableSearchIndexing: bool
    notifications: NotificationsConfig
    federation: FederationConfig
    schedule: ScheduleConfig


class ServerApi:
    """The routes of the server itself."""

    def __init__(
        self,
        settings: Settings,
        studio: Studio,
        playback: Playback,
        logs: RecentLogs,
        credentials: Credentials,
        moderation: Moderation,
        authentication: Authentication,
        running: Callable[[], Running],
    ) -> None:
        self._settings = settings
        self._studio = studio
        self._playback = playback
        self._logs = logs
        self._credentials = credentials
        self._moderation = moderation
        self._authentication = authentication
        self._running = running

    def operations(self) -> list[Operation]:
        """All of them."""
        admin = self._authentication.as_admin
        api = answers.api("Server administration")
        api.add("GET", "/api/admin/status", self._status, admin)
        api.add("GET", "/api/admin/serverconfig", self._config, admin)
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
            "versionNumber": self._running().version,
            "streamTitle": status.title,
        }

    def _current(self) -> CurrentBroadcast:
        return {
            "outputSettings": [_variant(variant) for variant in self._studio.variants()],
            "latencyLevel": {
                "level": self._settings.get(VideoSettings).latency_level,
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

    async def _config(self, _call: Call[None]) -> ServerConfig:
        """Everything that is set."""
        instance, chat = self._settings.get(InstanceSettings), self._settings.get(ChatSettings)
        video, listen = self._settings.get(VideoSettings), self._settings.get(ListenSettings)
        running = self._running()
        return {
            "instanceDetails": self._details(instance, chat),
            "ffmpegPath": self._studio.ffmpeg_path(),
            "webServerPort": listen.http_port or running.http_port,
            "webServerIP": listen.http_host or running.http_host,
            "rtmpServerPort": listen.rtmp_port or running.rtmp_port,
            "rtmpServerAddress": running.rtmp_host,
            "directhlsinputurl": "",
            "s3": storage_view(self._settings.get(StorageSettings)),
            "videoSettings": {
                "videoQualityVariants": [_quality(each) for each in video.variants if isinstance(each, Variant)],
                "latencyLevel": video.latency_level,
            },
            "videoCodec": video.codec,
            "supportedCodecs": list(self._studio.codecs()),
            "videoServingEndpoint": video.serving_endpoint,
            "yp": {
                "enabled": self._settings.get(DirectorySettings).enabled,
                "instanceUrl": instance.server_url,
            },
            "streamKeys": [{"key": each.key, "comment": each.comment} for each in self._credentials.stream_keys],
            "streamKeyOverridden": self._credentials.key_is_configured,
            "adminPassword": "",
            "adminPasswordOverridden": self._credentials.password_is_configured,
            "externalActions": action_views(instance.external_actions),
            "chatDisabled": chat.disabled,
            "chatJoinMessagesEnabled": chat.join_messages,
            "chatEstablishedUserMode": chat.established_user_mode,
            "chatSpamProtectionEnabled": chat.rate_limit,
            "chatSlurFilterEnabled": chat.slur_filter,
            "chatRequireAuthentication": False,
            "chat": {
                "slowModeSeconds": chat.slow_mode_seconds,
                "blockLinks": chat.block_links,
                "blockedWords": list(chat.blocked_words),
                "spamFilterEnabled": chat.spam_filter,
                "rateLimitMessages": chat.rate_limit_messages,
                "rateLimitSeconds": chat.rate_limit_seconds,
                "establishedAfter": chat.established_after,
                "openMinutesAfterStream": chat.open_minutes_after_stream,
                "retentionHours": chat.retention_hours,
            },
            "forbiddenUsernames": list(chat.forbidden_names),
            "suggestedUsernames": list(chat.suggested_names),
            "socketHostOverride": listen.socket_host,
            "hideViewerCount": instance.hide_viewer_count,
            "disableSearchIndexing": instance.disable_search_indexing,
            "notifications": self._notifications(),
            "federation": {
                "enabled": False,
                "isPrivate": False,
                "username": "",
                "goLiveMessage": "",
                "showEngagement": False,
                "blockedDomains": [],
            },
            "schedule": self._schedule(),
        }

    def _details(self, instance: InstanceSettings, chat: ChatSettings) -> Details:
        looks = self._settings.get(AppearanceSettings)
        return {
            "name": instance.name,
            "summary": instance.summary,
            "logo": "/logo",
            "tags": list(instance.tags),
            "socialHandles": social_views(instance.social_handles),
            "extraPageContent": instance.page_content,
            "offlineMessage": instance.offline_message,
            "welcomeMessage": chat.welcome_message,
            "streamTitle": instance.title,
            "title": instance.name,
            "nsfw": instance.nsfw,
            "customStyles": looks.custom_styles,
            "customJavascript": looks.custom_javascript,
            "appearanceVariables": dict(looks.variables),
            "version": f"owncast-py v{self._running().version}",
        }

    def _notifications(self) -> NotificationsConfig:
        found = self._settings.get(NotificationSettings)
        return {
            "browser": {"enabled": found.browser_enabled, "goLiveMessage": found.browser_message},
            "discord": {
                "enabled": found.discord_enabled,
                "webhook": found.discord_webhook,
                "goLiveMessage": found.discord_message,
            },
        }

    def _schedule(self) -> ScheduleConfig:
        found = self._settings.get(ScheduleSettings)
        return {
            "enabled": found.enabled,
            "showCountdown": found.show_countdown,
            "chatOpenMinutesBefore": found.chat_open_minutes,
            "reminderMessage": found.reminder_message,
        }


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


def _quality(variant: Variant) -> QualityView:
    return {
        "name": variant.name,
        "videoPassthrough": variant.video_passthrough,
        "audioPassthrough": variant.audio_passthrough,
        "videoBitrate": variant.video_bitrate,
        "audioBitrate": variant.audio_bitrate,
        "scaledWidth": variant.scaled_width,
        "scaledHeight": variant.scaled_height,
        "framerate": variant.framerate,
        "cpuUsageLevel": variant.cpu_usage_level,
    }


def _lines(lines: Sequence[LogLine]) -> list[LogView]:
    return [{"time": timestamp(line.at), "level": line.level, "message": line.message} for line in reversed(lines)]
