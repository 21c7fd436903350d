"""What must be known before anything starts: the settings, their limits and their defaults.

Owns the model. It does not read files, the environment or flags: `owncast_py.config_sources` gathers those and
says where a faulty value stands. `config.yaml` at the root shows every setting with its default, and
docs/configuration.md explains each; tests hold the three together.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, Self

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    IPvAnyNetwork,
    SecretStr,
    StringConstraints,
    Tag,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from owncast_py.setting_groups import ChatSettings, listed

MAX_VARIANTS = 8
"""More renditions than this no machine encodes and no viewer chooses from."""
MAX_TAGS = 50
MAX_PROXIES = 256
MAX_SECRET_LENGTH = 256

VARIANTS_AUTO, VARIANTS_LIST = "variants:auto", "variants:list"
"""How the two forms of `stream.variants` appear in a fault's location."""


def _not_boolean(value: object) -> object:
    """YAML reads `no` and `off` as false, and false would pass for 0."""
    if isinstance(value, bool):
        raise ValueError("must be a whole number")
    return value


Whole = Annotated[int, BeforeValidator(_not_boolean)]
Port = Annotated[Whole, Field(ge=0, le=65535)]
Host = Annotated[str, StringConstraints(min_length=1, max_length=255, strip_whitespace=True)]
Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Kilobits = Annotated[Whole, Field(ge=0, le=100_000)]
Pixels = Annotated[Whole, Field(ge=0, le=8192)]


class Variant(BaseModel):
    """One rendition that viewers can choose. Zero means: as the source, or chosen by the server."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

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
]


class Rtmps(BaseModel):
    """RTMP inside TLS, for encoders that cross the open internet. Off until a certificate is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    certificate: Path | None = None
    key: Path | None = None
    host: Host = "0.0.0.0"  # noqa: S104 - encoders connect from other machines
    port: Port = 1936

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            missing = "key" if self.key is None else "certificate"
            raise ValueError(f"needs both certificate and key, but {missing} is missing")
        return self

    @property
    def enabled(self) -> bool:
        """Whether a certificate and its key are configured."""
        return self.certificate is not None


class Stream(BaseModel):
    """How the broadcast is made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reconnect_grace: Seconds = 60.0
    silence_takeover: Seconds = 5.0
    latency_level: Annotated[Whole, Field(ge=0, le=4)] = 2
    codec: Literal[
        "auto",
        "libx264",
        "h264_nvenc",
        "h264_qsv",
        "h264_vaapi",
        "h264_videotoolbox",
        "h264_amf",
        "h264_v4l2m2m",
    ] = "auto"
    variants: Variants = "auto"

    @field_validator("variants", mode="before")
    @classmethod
    def _variants_as_json(cls, value: object) -> object:
        if not isinstance(value, str) or value == "auto":
            return value
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise ValueError(f"must be auto or a JSON list of variants ({error})") from error


class Hls(BaseModel):
    """How segments are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    disk: bool = True


class Config(BaseSettings):
    """Every setting. Constructing one reads nothing around it: `config_sources.load` does that."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix="OWNCAST_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        enable_decoding=False,
        hide_input_in_errors=True,
    )

    name: Annotated[str, StringConstraints(min_length=1, max_length=100)] = "owncast-py"
    title: Annotated[str, StringConstraints(max_length=200)] = ""
    summary: Annotated[str, StringConstraints(max_length=2000)] = ""
    tags: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=60)], ...],
        BeforeValidator(listed),
        Field(max_length=MAX_TAGS),
    ] = ()
    http_host: Host = "0.0.0.0"  # noqa: S104 - viewers connect from other machines
    http_port: Port = 8080
    rtmp_host: Host = "0.0.0.0"  # noqa: S104
    rtmp_port: Port = 1935
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], BeforeValidator(listed), Field(max_length=MAX_PROXIES)] = (
        IPv4Network("127.0.0.0/8"),
        IPv6Network("::1/128"),
    )
    data_dir: Path = Path("data")
    stream_key: SecretStr | None = None
    admin_password: SecretStr | None = None
    ffmpeg_path: Path | None = None
    database_url: SecretStr | None = None
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    rtmps: Rtmps = Rtmps()
    stream: Stream = Stream()
    hls: Hls = Hls()
    chat: ChatSettings = ChatSettings()

    @field_validator("stream_key", "admin_password")
    @classmethod
    def _usable_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        secret = value.get_secret_value()
        if not secret or len(secret) > MAX_SECRET_LENGTH:
            raise ValueError(f"must have 1 to {MAX_SECRET_LENGTH} characters, or be left out to have one made")
        return value

    @field_validator("stream_key")
    @classmethod
    def _key_fits_an_address(cls, value: SecretStr | None) -> SecretStr | None:
        # A key is also the last part of rtmp://host/live/KEY, where these characters mean something else.
        if value is not None and any(
            character in "/?&#" or character.isspace() for character in value.get_secret_value()
        ):
            raise ValueError("must not contain spaces or any of / ? & #, because encoders put it into an address")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is handed in; `load` asks the other sources itself, to know where each value stands."""
        return (init_settings,)
