"""Owncast's settings → ours, its stream keys and its admin password.

Owns which of its keys means which of our settings, and what is said of those that mean none. It reads values and
returns values; they are kept by `takeover`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar, get_args

from pydantic import ValidationError

from owncast_py.config import key_fault
from owncast_py.credentials import MAX_COMMENT, MAX_STREAM_KEYS, MIN_PASSWORD, StreamKey
from owncast_py.importing import gob
from owncast_py.importing.errors import GobError
from owncast_py.importing.report import Report
from owncast_py.notifications.errors import NotificationError
from owncast_py.notifications.vapid import VapidKeys
from owncast_py.setting_groups import (
    MAX_LINKS,
    MAX_TAGS,
    MAX_VARIANTS,
    MAX_WORDS,
    AppearanceSettings,
    ChatSettings,
    Codec,
    DirectorySettings,
    ExternalAction,
    Group,
    InstanceSettings,
    ListenSettings,
    NotificationSettings,
    PushSettings,
    SocialHandle,
    StorageSettings,
    Variant,
    VideoSettings,
)

Place = tuple[type[Group], str]
Given = TypeVar("Given")
Taken = TypeVar("Taken")

TEXTS: Mapping[str, Place] = {
    "server_name": (InstanceSettings, "name"),
    "stream_title": (InstanceSettings, "title"),
    "server_summary": (InstanceSettings, "summary"),
    "extra_page_content": (InstanceSettings, "page_content"),
    "custom_offline_message": (InstanceSettings, "offline_message"),
    "server_url": (InstanceSettings, "server_url"),
    "custom_styles": (AppearanceSettings, "custom_styles"),
    "custom_javascript": (AppearanceSettings, "custom_javascript"),
    "server_welcome_message": (ChatSettings, "welcome_message"),
    "video_serving_endpoint": (VideoSettings, "serving_endpoint"),
    "websocket_host_override": (ListenSettings, "socket_host"),
    "directory_registration_key": (DirectorySettings, "key"),
}
FLAGS: Mapping[str, Place] = {
    "nsfw": (InstanceSettings, "nsfw"),
    "hide_viewer_count": (InstanceSettings, "hide_viewer_count"),
    "disable_search_indexing": (InstanceSettings, "disable_search_indexing"),
    "chat_disabled": (ChatSettings, "disabled"),
    "chat_join_messages_enabled": (ChatSettings, "join_messages"),
    "chat_established_users_only_mode": (ChatSettings, "established_user_mode"),
    "chat_spam_protection_enabled": (ChatSettings, "rate_limit"),
    "chat_slur_filter_enabled": (ChatSettings, "slur_filter"),
    "directory_enabled": (DirectorySettings, "enabled"),
}
WORDS: Mapping[str, Place] = {
    "blocked_usernames": (ChatSettings, "forbidden_names"),
    "suggested_usernames": (ChatSettings, "suggested_names"),
}
S3 = {
    "Endpoint": "endpoint",
    "AccessKey": "access_key",
    "Secret": "secret",
    "Bucket": "bucket",
    "Region": "region",
    "ACL": "acl",
    "PathPrefix": "path_prefix",
    "ServingEndpoint": "serving_endpoint",
}
SETTLED = frozenset(
    {
        *("DATA_STORE_VERSION", "HAS_POPULATED_DEFAULTS", "HAS_POPULATED_FEDERATION_DEFAULTS"),
        *("has_configured_initial_notifications", "notifications_enabled", "logo_path", "logo_uniqueness"),
        *("favicon_path", "server_init_date", "last_disconnect_time", "peak_viewers_session", "peak_viewers_overall"),
        *("public_key", "private_key", "browser_push_public_key", "http_listen_address"),
    }
)
"""Keys that are nothing to take: Owncast's own notes, and what is read elsewhere."""
MAX_NAMED = 20
"""Keys that are named in one sentence."""
_BCRYPT = re.compile(r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}")

_ACTION = {
    "URL": "url",
    "HTML": "html",
    "Title": "title",
    "Description": "description",
    "Icon": "icon",
    "Color": "color",
    "OpenExternally": "open_externally",
}
_VARIANT = {
    "Name": "name",
    "IsVideoPassthrough": "video_passthrough",
    "IsAudioPassthrough": "audio_passthrough",
    "VideoBitrate": "video_bitrate",
    "AudioBitrate": "audio_bitrate",
    "ScaledWidth": "scaled_width",
    "ScaledHeight": "scaled_height",
    "Framerate": "framerate",
    "CPUUsageLevel": "cpu_usage_level",
}
DEFAULT_FRAMERATE = 24
"""What Owncast encodes where no frame rate is set."""


@dataclass
class Configuration:
    """What was found."""

    fields: dict[type[Group], dict[str, object]] = field(default_factory=dict)
    stream_keys: list[StreamKey] = field(default_factory=list)
    password: str = ""
    """The admin's, in plain text; empty where it is not known."""

    def put(self, place: Place, value: object) -> None:
        """Notes a setting."""
        self.fields.setdefault(place[0], {})[place[1]] = value


class _Values:
    """Owncast's values, each read when it is asked for."""

    def __init__(self, values: Mapping[str, bytes], report: Report) -> None:
        self._values = values
        self._report = report
        self.asked: set[str] = set()

    def get(self, key: str, *kinds: type[gob.Value]) -> gob.Value | None:
        """The value of that key, where it is of one of those kinds."""
        self.asked.add(key)
        if key not in self._values:
            return None
        try:
            value = gob.decode(self._values[key])
        except GobError as error:
            self._report.leave(f"The setting {key} is damaged: {error} Set it again in the admin pages.")
            return None
        # True is an int too.
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            self._report.leave(f"The setting {key} is of the kind {type(value).__name__}; set it in the admin pages.")
            return None
        return value

    def text(self, key: str) -> str | None:
        """A text."""
        value = self.get(key, str)
        return value if isinstance(value, str) else None

    def number(self, key: str) -> int | None:
        """A whole number. Owncast keeps them as floats."""
        value = self.get(key, int, float)
        return int(value) if isinstance(value, int | float) and abs(value) < 1e15 else None

    def words(self, key: str) -> list[str] | None:
        """A list of words; older releases separate them by commas."""
        value = self.get(key, list, str)
        if isinstance(value, str):
            value = list(value.split(","))
        return [word.strip() for word in value if isinstance(word, str)] if isinstance(value, list) else None

    def record(self, key: str) -> dict[str, gob.Value] | None:
        """A struct, or a map of texts."""
        value = self.get(key, dict)
        return _record(value) if isinstance(value, dict) else None

    def records(self, key: str) -> list[dict[str, gob.Value]] | None:
        """A list of structs."""
        value = self.get(key, list)
        return [_record(each) for each in value if isinstance(each, dict)] if isinstance(value, list) else None

    def unasked(self) -> list[str]:
        """Keys that nobody asked for."""
        return sorted(self._values.keys() - self.asked)


def read(values: Mapping[str, bytes], report: Report) -> Configuration:
    """What Owncast's values mean here. What cannot be taken is said in the report, without its value if secret."""
    found, given = Configuration(), _Values(values, report)
    for key, place in TEXTS.items():
        if (text := given.text(key)) is not None and (text or place[1] != "name"):
            found.put(place, text)
    for key, place in FLAGS.items():
        if (flag := given.get(key, bool)) is not None:
            found.put(place, flag)
    for key, place in WORDS.items():
        if words := _short(given.words(key), key, MAX_WORDS, report):
            found.put(place, words)
    if (tags := given.words("server_metadata_tags")) is not None:
        found.put((InstanceSettings, "tags"), _short(tags, "server_metadata_tags", MAX_TAGS, report))
    _links(given, found, report)
    _video(given, found, report)
    _storage(given, found)
    _notifications(given, found, report)
    _secrets(given, found, report)
    _leave(given, report)
    return found


def _short(words: list[str] | None, key: str, most: int, report: Report) -> tuple[str, ...]:
    usable = [word for word in words or () if word and len(word) <= 60]
    kept = tuple(dict.fromkeys(usable))[:most]
    if lost := len([word for word in words or () if word]) - len(usable) + len(usable[most:]):
        report.leave(f"{lost} words of {key} are too long or too many; a list has {most} of at most 60 characters.")
    return kept


def _links(given: _Values, found: Configuration, report: Report) -> None:
    handles = given.records("social_handles")
    if handles is not None:

        def handle(each: dict[str, gob.Value]) -> SocialHandle:
            return SocialHandle.model_validate({"platform": each.get("Platform"), "url": each.get("URL")})

        place = InstanceSettings, "social_handles"
        found.put(place, _valid(handles, handle, MAX_LINKS, "links to pages elsewhere", report))
    actions = given.records("external_actions")
    if actions is not None:

        def action(each: dict[str, gob.Value]) -> ExternalAction:
            return ExternalAction.model_validate(_renamed(each, _ACTION))

        place = InstanceSettings, "external_actions"
        found.put(place, _valid(actions, action, MAX_LINKS, "external actions", report))
    colors = given.record("custom_color_variable_values")
    if colors is not None:

        def variable(pair: tuple[str, gob.Value]) -> tuple[str, str]:
            ((name, value),) = AppearanceSettings.model_validate({"variables": dict([pair])}).variables.items()
            return name, value

        variables = _valid(list(colors.items()), variable, 200, "colours of the page", report)
        found.put((AppearanceSettings, "variables"), dict(variables))


def _video(given: _Values, found: Configuration, report: Report) -> None:
    if (level := given.number("video_latency_level")) is not None:
        found.put((VideoSettings, "latency_level"), min(max(level, 0), 4))
    codec = given.text("video_codec")
    if codec in get_args(Codec):
        found.put((VideoSettings, "codec"), codec)
    elif codec:
        report.leave(f"The codec {codec[:40]!r} is not known here; the server chooses one that works.")
    variants = given.records("video_stream_output_variants")
    if variants:
        taken = _valid(variants, _variant, MAX_VARIANTS, "variants of the video", report)
        if taken:
            found.put((VideoSettings, "variants"), taken)


def _variant(each: dict[str, gob.Value]) -> Variant:
    # A field that is zero was not written.
    given: dict[str, object] = {"audio_passthrough": False, "cpu_usage_level": 0} | _renamed(each, _VARIANT)
    if given["audio_passthrough"] or not given.get("audio_bitrate"):
        given |= {"audio_passthrough": True, "audio_bitrate": 0}
    if given.get("video_passthrough"):
        given = {name: given[name] for name in ("name", "video_passthrough", "audio_passthrough") if name in given}
        return Variant.model_validate(given | {"audio_bitrate": _renamed(each, _VARIANT).get("audio_bitrate", 0)})
    level = given["cpu_usage_level"]
    given["cpu_usage_level"] = min(level, 4) if isinstance(level, int) else level
    return Variant.model_validate({"framerate": DEFAULT_FRAMERATE} | given)


def _storage(given: _Values, found: Configuration) -> None:
    store = given.record("s3_storage_config")
    if not store:
        return
    for name, ours in S3.items():
        found.put((StorageSettings, ours), store.get(name, ""))
    found.put((StorageSettings, "enabled"), bool(store.get("Enabled")))
    found.put((StorageSettings, "force_path_style"), bool(store.get("ForcePathStyle")))
    # Since 0.1.1 this stands apart, and is where the bucket is read from as long as there is one.
    apart = found.fields.get(VideoSettings, {}).get("serving_endpoint")
    if store.get("Enabled") and apart:
        found.put((StorageSettings, "serving_endpoint"), apart)
        found.put((VideoSettings, "serving_endpoint"), "")


def _notifications(given: _Values, found: Configuration, report: Report) -> None:
    for key, prefix in (("discord_configuration", "discord"), ("browser_push_configuration", "browser")):
        if (document := given.record(key)) is None:
            continue
        found.put((NotificationSettings, f"{prefix}_enabled"), bool(document.get("Enabled")))
        if message := document.get("GoLiveMessage"):
            found.put((NotificationSettings, f"{prefix}_message"), message)
        if prefix == "discord":
            found.put((NotificationSettings, "discord_webhook"), document.get("Webhook", ""))
    if private := given.text("browser_push_private_key"):
        try:
            found.put((PushSettings, "private_key"), VapidKeys.from_text(private).to_text())
        except NotificationError:
            report.leave("The key for browser pushes is damaged; a new one is made, and browsers have to ask again.")


def _secrets(given: _Values, found: Configuration, report: Report) -> None:
    old = given.text("stream_key")
    keys = given.records("stream_keys")
    if keys is None:
        # Before 0.1 the stream key was the admin's password as well.
        keys = [{"Key": old, "Comment": "from Owncast"}] if old else []
    taken: dict[str, StreamKey] = {}
    for each in keys:
        key, comment = each.get("Key"), each.get("Comment", "")
        if isinstance(key, str) and key_fault(key) is None and len(taken) < MAX_STREAM_KEYS:
            taken.setdefault(key, StreamKey(key, str(comment)[:MAX_COMMENT]))
        else:
            report.leave(
                "A stream key is left: it is empty, one too many, or has spaces or any of / ? & #. Make another in the "
                "admin pages."
            )
    found.stream_keys = list(taken.values())
    password = given.text("admin_password_key") or old or ""
    if _BCRYPT.fullmatch(password):
        report.leave(
            "The admin password: Owncast keeps it as a bcrypt hash, from which nobody can tell it. The next start "
            "makes a new one and shows it; or set OWNCAST_ADMIN_PASSWORD."
        )
    elif 0 < len(password) < MIN_PASSWORD:
        report.leave(
            f"The admin password: it is too short, for here it needs {MIN_PASSWORD} characters. The next start makes a "
            "new one and shows it; or set OWNCAST_ADMIN_PASSWORD."
        )
    else:
        found.password = password


def _leave(given: _Values, report: Report) -> None:
    """Says what has no counterpart."""
    web, rtmp, ffmpeg = (
        *(given.number("http_port_number"), given.number("rtmp_port_number")),
        given.text("ffmpeg_path"),
    )
    options = [
        *([f"--http-port {web}"] if web and web != 8080 else []),
        *([f"--rtmp-port {rtmp}"] if rtmp and rtmp != 1935 else []),
    ]
    if options:
        report.leave(
            "Where Owncast listened, because it may still run on this machine. To listen there instead of it, start "
            f"with {' '.join(options)}."
        )
    if ffmpeg:
        report.leave(
            f"The path of ffmpeg, {ffmpeg[:200]!r}; where this server needs another, set it in the admin pages."
        )
    if given.get("chat_require_authentication", bool):
        report.leave("Chat for authenticated users alone: there is no such mode; established-user mode comes closest.")
    if given.get("federation_enabled", bool):
        report.leave("Federation, with its name and messages: this server is not part of the Fediverse.")
    unknown = [
        key for key in given.unasked() if key not in SETTLED and not key.startswith("federation_") and key.isprintable()
    ]
    if unknown:
        named = ", ".join(key[:60] for key in unknown[:MAX_NAMED])
        more = f" and {len(unknown) - MAX_NAMED} more" if len(unknown) > MAX_NAMED else ""
        report.leave(f"Settings that mean nothing here: {named}{more}.")


def _valid(
    given: list[Given], take: Callable[[Given], Taken], most: int, what: str, report: Report
) -> tuple[Taken, ...]:
    taken: list[Taken] = []
    for each in given:
        try:
            if len(taken) < most:
                taken.append(take(each))
        except ValidationError:
            continue
    if lost := len(given) - len(taken):
        report.leave(f"{lost} of {len(given)} {what}: they have values that are not taken here, or are too many.")
    return tuple(taken)


def _record(value: dict[gob.Value, gob.Value]) -> dict[str, gob.Value]:
    return {name: each for name, each in value.items() if isinstance(name, str)}


def _renamed(given: dict[str, gob.Value], names: Mapping[str, str]) -> dict[str, object]:
    return {ours: given[theirs] for theirs, ours in names.items() if theirs in given}
