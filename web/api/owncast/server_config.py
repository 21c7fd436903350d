"""Everything that is set, in one document for the owner.

Owns the wire format of `serverconfig`. Secrets: stream keys are shown, because they have to be copied into an encoder;
the admin password is not even known; the secret of the S3 store is masked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from typing_extensions import TypedDict

from owncast_py.broadcast.studio import Studio
from owncast_py.credentials import Credentials
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
from web.addresses import origin
from web.api.owncast import answers
from web.api.owncast.config import ActionView, SocialHandleView, action_views, social_views
from web.api.owncast.storage import StorageView, storage_view
from web.authentication import Authentication
from web.direct_input import direct_input_address
from web.operations import Call, Operation


@dataclass(frozen=True, slots=True)
class Running:
    """What is in force since the start."""

    version: str
    http_host: str
    http_port: int
    rtmp_host: str
    rtmp_port: int


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


class ServerConfigApi:
    """The route of the whole configuration."""

    def __init__(
        self,
        settings: Settings,
        studio: Studio,
        credentials: Credentials,
        authentication: Authentication,
        running: Callable[[], Running],
    ) -> None:
        self._settings = settings
        self._studio = studio
        self._credentials = credentials
        self._authentication = authentication
        self._running = running

    def operations(self) -> list[Operation]:
        """The one."""
        api = answers.api("Settings")
        api.add("GET", "/api/admin/serverconfig", self._config, self._authentication.as_admin)
        return api.operations

    async def _config(self, call: Call[None]) -> ServerConfig:
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
            "directhlsinputurl": direct_input_address(
                instance.server_url or origin(call.request), self._credentials.direct_token
            ),
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
