"""The setters of `/api/admin/config`: one small POST for each thing that the owner can change.

Owns which address changes which setting, in the spelling of each of Owncast's releases, and when a change takes effect.
The limits are `owncast_py.setting_groups`'; what a change does is told to whoever listens for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from functools import cache
from ipaddress import ip_address
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, create_model
from typing_extensions import TypedDict

from owncast_py import page_text
from owncast_py.broadcast.studio import Studio
from owncast_py.chat.moderation import Moderation
from owncast_py.setting_groups import (
    MAX_PAGE_CONTENT,
    AppearanceSettings,
    ChatSettings,
    DirectorySettings,
    ExternalAction,
    Group,
    InstanceSettings,
    ListenSettings,
    NotificationSettings,
    ScheduleSettings,
    SocialHandle,
    Variant,
    VideoSettings,
)
from owncast_py.settings import Settings
from web.api.owncast import answers
from web.api.owncast.answers import Done, done
from web.authentication import Authentication
from web.body import Input
from web.operations import Call, Operation

PREFIX = "/api/admin/config"
MAX_PATH = 1_000
MAX_BODY = 1_000_000
"""Octets of a page, a style sheet or a script."""
Markdown = Annotated[str, Field(max_length=MAX_PAGE_CONTENT)]


class When(Enum):
    """When a change takes effect, and how the answer says so."""

    NOW = ""
    BROADCAST = "; the next broadcast uses it"
    START = "; it takes effect when the server is started again"


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore")


class VariantInput(Variant, _Lenient):
    """A variant as clients send it, perhaps with fields of other releases."""


class SocialHandleInput(SocialHandle, _Lenient):
    """A social handle, perhaps with the icon that we told."""


class ExternalActionInput(ExternalAction, _Lenient):
    """An external action, perhaps with fields of other releases."""


class Discord(_Lenient):
    """How Discord is told that the show begins."""

    enabled: bool
    webhook: str = ""
    goLiveMessage: str = "I've gone live!"


class Browser(_Lenient):
    """How subscribed browsers are told that the show begins."""

    enabled: bool
    goLiveMessage: str = "I've gone live!"


class Shown(TypedDict):
    """What the page shows of something that the owner wrote, as safe HTML."""

    html: str


@dataclass(frozen=True, slots=True)
class Setter:
    """One address, and the setting that it changes."""

    path: str
    group: type[Group]
    field: str
    type: object
    summary: str
    when: When = When.NOW


SETTERS = (
    Setter("name", InstanceSettings, "name", str, "Sets the server's name"),
    Setter("streamtitle", InstanceSettings, "title", str, "Sets the stream's title"),
    Setter("serversummary", InstanceSettings, "summary", str, "Sets the summary of what is streamed here"),
    Setter("pagecontent", InstanceSettings, "page_content", str, "Sets the page's content, as Markdown"),
    Setter("offlinemessage", InstanceSettings, "offline_message", str, "Sets what is shown while nothing is on air"),
    Setter("tags", InstanceSettings, "tags", list[str], "Sets the server's tags"),
    Setter("nsfw", InstanceSettings, "nsfw", bool, "Says whether the content is not safe for work"),
    Setter("serverurl", InstanceSettings, "server_url", str, "Sets the address at which the public reaches the server"),
    Setter("socialhandles", InstanceSettings, "social_handles", list[SocialHandleInput], "Sets the social handles"),
    Setter("externalactions", InstanceSettings, "external_actions", list[ExternalActionInput], "Sets the actions"),
    Setter("hideviewercount", InstanceSettings, "hide_viewer_count", bool, "Says whether the viewer count is hidden"),
    Setter(
        *("disablesearchindexing", InstanceSettings, "disable_search_indexing", bool),
        summary="Says whether search engines are asked to stay away",
    ),
    Setter("customstyles", AppearanceSettings, "custom_styles", str, "Sets the page's own CSS"),
    Setter("customjavascript", AppearanceSettings, "custom_javascript", str, "Sets the page's own JavaScript"),
    Setter("appearance", AppearanceSettings, "variables", dict[str, str], "Sets the page's colours"),
    Setter("welcomemessage", ChatSettings, "welcome_message", str, "Sets the message that greets chatters"),
    Setter("chat/disable", ChatSettings, "disabled", bool, "Says whether chat is switched off"),
    Setter("chat/joinmessagesenabled", ChatSettings, "join_messages", bool, "Says whether joins and parts are shown"),
    Setter(
        *("chat/establishedusermode", ChatSettings, "established_user_mode", bool),
        summary="Says whether only accounts that have been here for a while may write",
    ),
    Setter("chat/establishedafter", ChatSettings, "established_after", int, "Sets how old such an account is, in s"),
    Setter("chat/forbiddenusernames", ChatSettings, "forbidden_names", list[str], "Sets the names nobody may take"),
    Setter("chat/suggestedusernames", ChatSettings, "suggested_names", list[str], "Sets the names for newcomers"),
    Setter("chat/spamprotectionenabled", ChatSettings, "rate_limit", bool, "Says whether fast writers are slowed down"),
    Setter("chat/ratelimitmessages", ChatSettings, "rate_limit_messages", int, "Sets how many messages are too fast"),
    Setter("chat/ratelimitseconds", ChatSettings, "rate_limit_seconds", float, "Sets in how many seconds"),
    Setter("chat/slurfilterenabled", ChatSettings, "slur_filter", bool, "Says whether slurs are refused"),
    Setter("chat/spamfilterenabled", ChatSettings, "spam_filter", bool, "Says whether what looks like spam is refused"),
    Setter("chat/blocklinks", ChatSettings, "block_links", bool, "Says whether links are refused"),
    Setter("chat/blockedwords", ChatSettings, "blocked_words", list[str], "Sets the words that are refused"),
    Setter("chat/slowmodeseconds", ChatSettings, "slow_mode_seconds", int, "Sets the pause between two messages"),
    Setter(
        *("chat/openminutesafterstream", ChatSettings, "open_minutes_after_stream", int | None),
        summary="Sets for how long chat stays open after a show; null keeps it open",
    ),
    Setter(
        *("chat/retentionhours", ChatSettings, "retention_hours", int | None),
        summary="Sets after how many hours messages are deleted; null keeps them",
    ),
    Setter(
        *("video/streamlatencylevel", VideoSettings, "latency_level", int),
        *("Sets the latency level, 0 (least delay) to 4", When.BROADCAST),
    ),
    Setter(
        *("video/streamoutputvariants", VideoSettings, "variants", list[VariantInput]),
        *("Sets the variants that viewers can choose from; none lets the server choose", When.BROADCAST),
    ),
    Setter("video/codec", VideoSettings, "codec", str, "Sets the encoder", When.BROADCAST),
    Setter(
        *("videoservingendpoint", VideoSettings, "serving_endpoint", str),
        *("Sets where players fetch the media instead, such as a CDN", When.BROADCAST),
    ),
    Setter("webserverport", ListenSettings, "http_port", int, "Sets the port for viewers", When.START),
    Setter("webserverip", ListenSettings, "http_host", str, "Sets the address for viewers", When.START),
    Setter("rtmpserverport", ListenSettings, "rtmp_port", int, "Sets the port for encoders", When.START),
    Setter("ffmpegpath", ListenSettings, "ffmpeg_path", str, "Sets which ffmpeg is used", When.BROADCAST),
    Setter("sockethostoverride", ListenSettings, "socket_host", str, "Sets the host that the page's chat connects to"),
    Setter("directoryenabled", DirectorySettings, "enabled", bool, "Says whether Owncast's directory lists the server"),
    Setter("schedule/enabled", ScheduleSettings, "enabled", bool, "Says whether the schedule is shown"),
    Setter("schedule/showcountdown", ScheduleSettings, "show_countdown", bool, "Says whether a countdown is shown"),
    Setter(
        *("schedule/chatopenminutes", ScheduleSettings, "chat_open_minutes", int),
        summary="Sets how many minutes before an event chat opens: 0, 5, 10, 30 or 60",
    ),
    Setter(
        *("schedule/remindermessage", ScheduleSettings, "reminder_message", str),
        summary="Sets what is said in chat ten minutes before an event",
    ),
)

_CONFIGURED = {
    (ListenSettings, "http_port"): ("http_port", ""),
    (ListenSettings, "http_host"): ("http_host", ""),
    (ListenSettings, "rtmp_port"): ("rtmp_port", ""),
    (ListenSettings, "ffmpeg_path"): ("ffmpeg_path", ""),
    (InstanceSettings, "name"): ("name", ""),
    (InstanceSettings, "title"): ("title", ""),
    (InstanceSettings, "summary"): ("summary", ""),
    (InstanceSettings, "tags"): ("tags", ""),
    (VideoSettings, "latency_level"): ("stream", "latency_level"),
    (VideoSettings, "codec"): ("stream", "codec"),
    (VideoSettings, "variants"): ("stream", "variants"),
}
"""Settings that the environment and the command line know as well, by their names there; chat's are all the same."""

Insists = Callable[[str, str], bool]


class SettingsApi:
    """The setters that change a setting and nothing else."""

    def __init__(
        self,
        settings: Settings,
        studio: Studio,
        moderation: Moderation,
        authentication: Authentication,
        insists: Insists,
        check_target: Callable[[str], None],
    ) -> None:
        """`insists` tells whether the environment or the command line gave a setting; `check_target` raises for an
        address that must not be called.
        """
        self._settings = settings
        self._studio = studio
        self._moderation = moderation
        self._authentication = authentication
        self._insists = insists
        self._check_target = check_target

    def operations(self) -> list[Operation]:
        """One for each setter."""
        admin = self._authentication.as_admin
        api = answers.api("Settings")
        for setter in SETTERS:
            shape = value_shape(setter.path, setter.type)
            api.add(
                *("POST", f"{PREFIX}/{setter.path}", self._setter(setter), admin),
                shape=shape,
                summary=setter.summary,
                max_body=MAX_BODY,
            )
        api.add(
            *("POST", f"{PREFIX}/pagecontent/preview", self._preview, admin),
            shape=value_shape("pagecontent/preview", Markdown),
            max_body=MAX_BODY,
        )
        api.add("POST", f"{PREFIX}/notifications/discord", self._discord, admin, shape=value_shape("discord", Discord))
        api.add("POST", f"{PREFIX}/notifications/browser", self._browser, admin, shape=value_shape("browser", Browser))
        return api.operations

    def _setter(self, setter: Setter) -> Callable[[Call[Input]], Awaitable[Done]]:
        async def change(call: Call[Input]) -> Done:
            value = await self._prepared(setter, _plain(_value(call)))
            await self._settings.change(setter.group, **{setter.field: value})
            await self._moderation.record(call.actor, "change setting", setter.path)
            return done(f"{setter.path} changed{self._effect(setter)}")

        return change

    async def _prepared(self, setter: Setter, value: object) -> object:
        """The value as the setting wants it. Raises HTTPBadRequest or SettingError."""
        match setter.path, value:
            case "tags", list():
                return [str(tag).lstrip("#") for tag in value]
            case "video/streamoutputvariants", []:
                return "auto"
            case "ffmpegpath", str():
                if not value.strip():
                    return None
                if len(value) > MAX_PATH or not value.isprintable():
                    raise web.HTTPBadRequest(text=f"A path has up to {MAX_PATH} characters, and only printable ones.")
                await self._studio.check_ffmpeg(value)
            case "webserverip", str():
                try:
                    return str(ip_address(value.strip()))
                except ValueError:
                    raise web.HTTPBadRequest(text=f"{value[:60]!r} is no IP address, such as 0.0.0.0.") from None
        return value

    def _effect(self, setter: Setter) -> str:
        section, name = _CONFIGURED.get((setter.group, setter.field), ("", ""))
        if setter.group is ChatSettings:
            section, name = "chat", setter.field
        if section and self._insists(section, name):
            return ", but the environment or the command line sets it too, and wins at the next start"
        codec = self._settings.get(VideoSettings).codec
        if setter.field == "codec" and codec != "auto" and codec not in self._studio.codecs():
            return "; where it does not work, another is used and the log says why"
        if setter.when is When.BROADCAST and not self._studio.status().online:
            return ""
        return setter.when.value

    async def _preview(self, call: Call[Input]) -> Shown:
        """What the page would show of that Markdown; nothing is changed."""
        return {"html": await asyncio.to_thread(page_text.render, str(_value(call)))}

    async def _discord(self, call: Call[Input]) -> Done:
        """Sets how Discord is told that the show begins."""
        value = _value(call)
        assert isinstance(value, Discord)  # noqa: S101 - the shape of this operation
        if value.enabled and not value.webhook:
            raise web.HTTPBadRequest(text="Discord needs a webhook's address: copy it from the channel's settings.")
        if value.webhook:
            self._check_target(value.webhook)
        await self._settings.change(
            NotificationSettings,
            discord_enabled=value.enabled,
            discord_webhook=value.webhook,
            discord_message=value.goLiveMessage,
        )
        await self._moderation.record(call.actor, "change setting", "notifications/discord")
        return done("Discord notifications changed")

    async def _browser(self, call: Call[Input]) -> Done:
        """Sets how subscribed browsers are told that the show begins."""
        value = _value(call)
        assert isinstance(value, Browser)  # noqa: S101 - the shape of this operation
        await self._settings.change(
            NotificationSettings, browser_enabled=value.enabled, browser_message=value.goLiveMessage
        )
        await self._moderation.record(call.actor, "change setting", "notifications/browser")
        return done("browser notifications changed")


@cache
def value_shape(name: str, kind: object) -> type[Input]:
    """The model of `{"value": …}` for a value of that type."""
    title = "".join(part.capitalize() for part in name.replace("/", " ").split())
    shape: type[Input] = create_model(f"{title}Value", __base__=Input, value=(kind, Field(...)))  # type: ignore[arg-type]
    return shape


def _value(call: Call[Input]) -> object:
    value: object = getattr(call.input, "value")  # noqa: B009 - every shape of this module has it
    return value


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.model_dump() if isinstance(value, BaseModel) else value
