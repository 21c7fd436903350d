"""The groups of settings: which fields there are, their limits and their defaults.

Owns the models. `settings.Settings` keeps the values in force; `config.py` takes some of the groups, or parts of them,
as seeds for the first start, under the same names.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
)
from pydantic.alias_generators import to_camel

MAX_WORDS = 1_000
"""Names or words in one list."""
MAX_VARIANTS = 8
"""More renditions than this no machine encodes and no viewer chooses from."""
MAX_TAGS = 50
MAX_LINKS = 50
"""Social handles, or external actions."""
MAX_PAGE_CONTENT = 100_000
"""Characters of Markdown, CSS or JavaScript that an owner writes."""
VARIANTS_AUTO, VARIANTS_LIST = "variants:auto", "variants:list"
"""How the two forms of `variants` appear in a fault's location."""


def listed(value: object) -> object:
    """In the environment a list is JSON or, for plain words, separated by commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise ValueError(f'is not valid JSON ({error}); write a list such as ["one", "two"]') from error
    return [word for part in value.split(",") if (word := part.strip())]


def _variants_as_json(value: object) -> object:
    """In the environment the list of variants is JSON."""
    if not isinstance(value, str) or value == "auto":
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"must be auto or a JSON list of variants ({error})") from error


def _not_boolean(value: object) -> object:
    """YAML reads `no` and `off` as false, and false would pass for 0."""
    if isinstance(value, bool):
        raise ValueError("must be a whole number")
    return value


def web_address(value: str) -> str:
    """An http(s) address without credentials and without a trailing slash, or nothing."""
    value = value.strip().rstrip("/")
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
        parts = urlsplit("")
    if not usable or parts.username is not None or re.search(r"[\s\"'<>\\\x00-\x1f]", value):
        raise ValueError("must be an address such as https://live.example.org, without credentials")
    return value


def _link(value: str) -> str:
    """Where a link may lead: the web, mail, or a page of this server; never to a script."""
    value = value.strip()
    if value and not re.match(r"(?:https?://|mailto:|xmpp:|matrix:|/(?!/))[^\s\"'<>\\]*\Z", value, re.IGNORECASE):
        raise ValueError("must be an address such as https://example.org/me")
    return value


Whole = Annotated[int, BeforeValidator(_not_boolean)]
Port = Annotated[Whole, Field(ge=0, le=65535)]
Kilobits = Annotated[Whole, Field(ge=0, le=100_000)]
Pixels = Annotated[Whole, Field(ge=0, le=8192)]
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
Words = Annotated[tuple[Word, ...], BeforeValidator(listed), Field(max_length=MAX_WORDS)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Paragraph = Annotated[str, StringConstraints(max_length=2_000)]
Page = Annotated[str, StringConstraints(max_length=MAX_PAGE_CONTENT)]
WebAddress = Annotated[str, StringConstraints(max_length=2_000), AfterValidator(web_address)]
Link = Annotated[str, StringConstraints(max_length=2_000), AfterValidator(_link)]
LatencyLevel = Annotated[Whole, Field(ge=0, le=4)]
Codec = Literal[
    "auto",
    "libx264",
    "h264_nvenc",
    "h264_qsv",
    "h264_vaapi",
    "h264_videotoolbox",
    "h264_amf",
    "h264_v4l2m2m",
]


class _Part(BaseModel):
    """A piece of a setting. Its names on the wire are Owncast's."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Variant(_Part):
    """One rendition that viewers can choose. Zero means: as the source, or chosen by the server."""

    name: Annotated[str, StringConstraints(max_length=60)] = ""
    video_passthrough: bool = False
    audio_passthrough: bool = True
    video_bitrate: Kilobits = 0
    """kbit/s"""
    audio_bitrate: Kilobits = 0
    """kbit/s"""
    scaled_width: Pixels = 0
    scaled_height: Pixels = 0
    framerate: Annotated[Whole, Field(ge=0, le=120)] = 0
    """frames per second"""
    cpu_usage_level: Annotated[Whole, Field(ge=0, le=4)] = 2
    """0 (least work, worst picture) to 4"""


Variants = Annotated[
    Annotated[Literal["auto"], Tag(VARIANTS_AUTO)]
    | Annotated[tuple[Variant, ...], Field(min_length=1, max_length=MAX_VARIANTS), Tag(VARIANTS_LIST)],
    Discriminator(lambda value: VARIANTS_AUTO if isinstance(value, str) else VARIANTS_LIST),
    BeforeValidator(_variants_as_json),
]


class SocialHandle(_Part):
    """A link to the owner's page elsewhere."""

    platform: Word
    url: Annotated[Link, Field(min_length=1)]


class ExternalAction(_Part):
    """A button below the video."""

    title: Annotated[Line, Field(min_length=1)]
    url: Link = ""
    html: Annotated[str, StringConstraints(max_length=10_000)] = ""
    """Shown instead of the page at `url`."""
    description: Line = ""
    icon: Link = ""
    color: Annotated[str, StringConstraints(pattern=r"^[#A-Za-z0-9(),.% -]{0,40}$")] = ""
    open_externally: bool = False


class Group(BaseModel):
    """One document of settings. Every field has a default, so that a new version can add some."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    group: ClassVar[str]


class InstanceSettings(Group):
    """How the server presents itself."""

    group: ClassVar[str] = "instance"

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)] = "owncast-py"
    title: Line = ""
    summary: Paragraph = ""
    tags: Annotated[tuple[Word, ...], Field(max_length=MAX_TAGS)] = ()
    page_content: Page = ""
    """Markdown below the video."""
    offline_message: Paragraph = ""
    """Markdown in place of the video."""
    nsfw: bool = False
    social_handles: Annotated[tuple[SocialHandle, ...], Field(max_length=MAX_LINKS)] = ()
    external_actions: Annotated[tuple[ExternalAction, ...], Field(max_length=MAX_LINKS)] = ()
    hide_viewer_count: bool = False
    disable_search_indexing: bool = False
    server_url: WebAddress = ""
    """Where the public reaches this server."""


Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,99}$")]
VariableValue = Annotated[str, StringConstraints(pattern=r"^[^;{}<>\\]{0,200}$")]


class AppearanceSettings(Group):
    """How the page looks."""

    group: ClassVar[str] = "appearance"

    custom_styles: Page = ""
    custom_javascript: Page = ""
    variables: Annotated[dict[Variable, VariableValue], Field(max_length=200)] = {}
    """CSS variables by their names without the two dashes."""


class ChatSettings(Group):
    """The rules of chat."""

    group: ClassVar[str] = "chat"

    disabled: bool = False
    join_messages: bool = True
    """Whether joins and parts are shown."""
    welcome_message: Paragraph = ""
    """Sent to each chatter alone, as Markdown. Empty sends none."""
    forbidden_names: Words = ("owncast", "operator", "admin", "system")
    suggested_names: Words = ()
    """For chatters who bring no name; empty takes from a list that comes with the server."""
    established_user_mode: bool = False
    established_after: Annotated[int, Field(ge=0, le=31 * 86_400)] = 15 * 60
    """Seconds that an account must be old to write in established-user mode."""
    rate_limit: bool = True
    rate_limit_messages: Annotated[int, Field(ge=1, le=1_000)] = 3
    rate_limit_seconds: Annotated[float, Field(gt=0, le=3_600, allow_inf_nan=False)] = 2.0
    slow_mode_seconds: Annotated[int, Field(ge=0, le=3_600)] = 0
    """Seconds between two messages of one chatter; 0 is off."""
    block_links: bool = False
    spam_filter: bool = False
    slur_filter: bool = False
    """Whether messages with well-known slurs are refused."""
    blocked_words: Words = ()
    open_minutes_after_stream: Annotated[int, Field(ge=0, le=10_080)] | None = 5
    """How long chat stays open after a show has ended; None keeps it open."""
    retention_hours: Annotated[int, Field(ge=1, le=100 * 8_766)] | None = 24
    """Older messages are deleted; None keeps them for ever."""


class PinnedMessage(Group):
    """The message above the chat."""

    group: ClassVar[str] = "pinned_message"

    id: str | None = None


class VideoSettings(Group):
    """How the broadcast is made. In force from the next broadcast on."""

    group: ClassVar[str] = "video"

    latency_level: LatencyLevel = 2
    codec: Codec = "auto"
    variants: Variants = "auto"
    serving_endpoint: WebAddress = ""
    """Where players fetch the media instead, such as a CDN before this server."""


class ListenSettings(Group):
    """Where the server listens, and which ffmpeg it uses. None leaves it to the configuration."""

    group: ClassVar[str] = "listen"

    http_host: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    http_port: Annotated[Whole, Field(ge=1, le=65535)] | None = None
    rtmp_port: Annotated[Whole, Field(ge=1, le=65535)] | None = None
    ffmpeg_path: Annotated[str, StringConstraints(min_length=1, max_length=1_000)] | None = None
    socket_host: Annotated[str, StringConstraints(pattern=r"^(wss?://)?[A-Za-z0-9.:\[\]-]{0,255}$")] = ""
    """Where the page opens its chat socket instead of the host that it came from."""


class StorageSettings(Group):
    """The S3-compatible store of segments."""

    group: ClassVar[str] = "storage"

    enabled: bool = False
    endpoint: WebAddress = ""
    serving_endpoint: WebAddress = ""
    access_key: Line = ""
    secret: Line = ""
    bucket: Line = ""
    region: Line = ""
    acl: Line = ""
    path_prefix: Line = ""
    force_path_style: bool = False

    @property
    def serving_address(self) -> str:
        """The address below which players fetch what is in the bucket, without a slash at its end.

        Without a serving endpoint that is the store itself, which has to let everybody read.
        """
        base = self.serving_endpoint.rstrip("/")
        if not base:
            store = urlsplit(self.endpoint)
            host = f"{store.netloc}/{self.bucket}" if self.force_path_style else f"{self.bucket}.{store.netloc}"
            base = f"{store.scheme}://{host}"
        return "/".join(part for part in (base, self.path_prefix.strip("/")) if part)


class DirectorySettings(Group):
    """Whether the server is listed in Owncast's directory."""

    group: ClassVar[str] = "directory"

    enabled: bool = False
    key: Line = ""
    """By which the directory knows this server; it gives it at the first registration."""


class NotificationSettings(Group):
    """Who is told that the show begins."""

    group: ClassVar[str] = "notifications"

    discord_enabled: bool = False
    discord_webhook: WebAddress = ""
    discord_message: Line = "I've gone live!"
    browser_enabled: bool = False
    browser_message: Line = "I've gone live!"


class PushSettings(Group):
    """By what browsers' push services know this server. No API shows or changes it."""

    group: ClassVar[str] = "push"

    private_key: Annotated[str, StringConstraints(max_length=2_000)] = ""
    """For VAPID, in base64url; empty until it is made."""


class ScheduleSettings(Group):
    """Whether the schedule is shown, and what it does."""

    group: ClassVar[str] = "schedule"

    enabled: bool = False
    show_countdown: bool = True
    chat_open_minutes: Literal[0, 5, 10, 30, 60] = 0
    """How long before an event chat opens."""
    reminder_message: Paragraph = ""
    """Said in chat ten minutes before an event; empty says nothing."""


GROUPS: tuple[type[Group], ...] = (
    InstanceSettings,
    AppearanceSettings,
    ChatSettings,
    PinnedMessage,
    VideoSettings,
    ListenSettings,
    StorageSettings,
    DirectorySettings,
    NotificationSettings,
    PushSettings,
    ScheduleSettings,
)
