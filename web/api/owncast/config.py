"""`GET /api/config`: what a page must know about this server before it draws itself.

Owns the wire format: the 0.0.7 document's `InstanceDetails` and what later releases added. Serialised once for each
change of a setting.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NotRequired

import orjson
from typing_extensions import TypedDict

from owncast_py import page_text
from owncast_py.chat.rendering import MAX_BODY_BYTES
from owncast_py.setting_groups import (
    AppearanceSettings,
    ChatSettings,
    ExternalAction,
    Group,
    InstanceSettings,
    ListenSettings,
    NotificationSettings,
    ScheduleSettings,
    SocialHandle,
)
from owncast_py.settings import Settings
from web.api.owncast import answers
from web.api.owncast.social_platforms import icon_of
from web.operations import Call, Operation, Rendered

READ = (
    InstanceSettings,
    AppearanceSettings,
    ChatSettings,
    ListenSettings,
    NotificationSettings,
    ScheduleSettings,
)
"""The groups that the document is made of."""


class SocialHandleView(TypedDict):
    """A link to the owner's page elsewhere."""

    platform: str
    url: str
    icon: str


class ActionView(TypedDict):
    """A button below the video."""

    title: str
    url: str
    html: str
    description: str
    icon: str
    color: str
    openExternally: bool


class BrowserView(TypedDict):
    """Whether a browser can subscribe to notifications, and by which key."""

    enabled: bool
    publicKey: NotRequired[str]


class NotificationsView(TypedDict):
    """How viewers can be notified."""

    browser: BrowserView


class FederationView(TypedDict):
    """Whether the server is part of the Fediverse."""

    enabled: bool


class AuthenticationView(TypedDict):
    """How chatters can prove who they are."""

    indieAuthEnabled: bool


class ScheduleView(TypedDict):
    """How the schedule is shown."""

    enabled: bool
    showCountdown: bool
    chatOpenMinutesBefore: int


class ConfigView(TypedDict):
    """What a page must know. `extraPageContent` and `offlineMessage` are safe HTML."""

    name: str
    summary: str
    logo: str
    tags: list[str]
    socialHandles: list[SocialHandleView]
    extraPageContent: str
    offlineMessage: str
    streamTitle: str
    version: str
    nsfw: bool
    externalActions: list[ActionView]
    customStyles: str
    appearanceVariables: dict[str, str]
    socketHostOverride: str
    maxSocketPayloadSize: int
    hideViewerCount: bool
    chatDisabled: bool
    chatSpamProtectionDisabled: bool
    chatRequireAuthentication: bool
    slowModeSeconds: int
    notifications: NotificationsView
    federation: FederationView
    authentication: AuthenticationView
    schedule: ScheduleView


class ConfigDocument:
    """The configuration as bytes."""

    def __init__(self, settings: Settings, version: str, push_key: Callable[[], str]) -> None:
        """`push_key` is asked only where browsers may be notified."""
        self._settings = settings
        self._push_key = push_key
        self._version = version
        self._rendered_from: tuple[Group, ...] = ()
        self._body = b""

    def body(self) -> bytes:
        """JSON as of now."""
        source = tuple(self._settings.get(group) for group in READ)
        if any(new is not old for new, old in zip(source, self._rendered_from, strict=False)) or not self._body:
            self._body, self._rendered_from = orjson.dumps(self.view()), source
        return self._body

    def operations(self) -> list[Operation]:
        """Its route."""
        api = answers.api("Server")
        api.add("GET", "/api/config", self._get)
        return api.operations

    async def _get(self, _call: Call[None]) -> Rendered[ConfigView]:
        """What a page must know about this server before it draws itself."""
        return Rendered(self.body(), "no-cache")

    def view(self) -> ConfigView:
        """The document."""
        instance, chat = self._settings.get(InstanceSettings), self._settings.get(ChatSettings)
        looks, schedule = self._settings.get(AppearanceSettings), self._settings.get(ScheduleSettings)
        return {
            "name": instance.name,
            "summary": instance.summary,
            "logo": "/logo",
            "tags": list(instance.tags),
            "socialHandles": social_views(instance.social_handles),
            "extraPageContent": page_text.render(instance.page_content),
            "offlineMessage": page_text.render(instance.offline_message),
            "streamTitle": instance.title,
            "version": f"owncast-py v{self._version}",
            "nsfw": instance.nsfw,
            "externalActions": action_views(instance.external_actions, page_text.render),
            "customStyles": looks.custom_styles,
            "appearanceVariables": dict(looks.variables),
            "socketHostOverride": self._settings.get(ListenSettings).socket_host,
            "maxSocketPayloadSize": MAX_BODY_BYTES,
            "hideViewerCount": instance.hide_viewer_count,
            "chatDisabled": chat.disabled,
            "chatSpamProtectionDisabled": not chat.rate_limit,
            "chatRequireAuthentication": False,
            "slowModeSeconds": chat.slow_mode_seconds,
            "notifications": {"browser": self._browser()},
            "federation": {"enabled": False},
            "authentication": {"indieAuthEnabled": False},
            "schedule": {
                "enabled": schedule.enabled,
                "showCountdown": schedule.show_countdown,
                "chatOpenMinutesBefore": schedule.chat_open_minutes,
            },
        }

    def _browser(self) -> BrowserView:
        if not self._settings.get(NotificationSettings).browser_enabled:
            return {"enabled": False}
        return {"enabled": True, "publicKey": self._push_key()}


def social_views(handles: tuple[SocialHandle, ...]) -> list[SocialHandleView]:
    """Those handles."""
    return [{"platform": each.platform, "url": each.url, "icon": icon_of(each.platform)} for each in handles]


def action_views(actions: tuple[ExternalAction, ...], shown: Callable[[str], str] = str) -> list[ActionView]:
    """Those actions. `shown` makes of the owner's HTML what a page may show; without it, it is as it was written."""
    return [
        {
            "title": each.title,
            "url": each.url,
            "html": shown(each.html) if each.html else "",
            "description": each.description,
            "icon": each.icon,
            "color": each.color,
            "openExternally": each.open_externally,
        }
        for each in actions
    ]
