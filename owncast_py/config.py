"""What must be known before anything starts: the settings, their limits and their defaults.

Owns the model. It does not read files, the environment or flags: `owncast_py.config_sources` gathers those and
says where a faulty value stands. `config.yaml` at the root shows every setting with its default, and
docs/configuration.md explains each; tests hold the three together.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    PrivateAttr,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from owncast_py.setting_groups import (
    MAX_TAGS,
    ChatSettings,
    Codec,
    Group,
    InstanceSettings,
    LatencyLevel,
    Line,
    Port,
    StorageSettings,
    Variants,
    VideoSettings,
    WebAddress,
    listed,
)

MAX_PROXIES = 256
MAX_SECRET_LENGTH = 256
MAX_STORE_SECRET = 200
NEEDED_OF_A_STORE = ("endpoint", "region", "bucket", "access_key", "secret")

Host = Annotated[str, StringConstraints(min_length=1, max_length=255, strip_whitespace=True)]
Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]


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
    latency_level: LatencyLevel = 2
    codec: Codec = "auto"
    variants: Variants = "auto"


class Hls(BaseModel):
    """How segments are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    disk: bool = True


class S3(BaseModel):
    """The S3-compatible store that viewers fetch finished segments from. Off unless it is enabled."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = False
    endpoint: WebAddress = ""
    region: Line = ""
    bucket: Line = ""
    access_key: Line = ""
    secret: SecretStr | None = None
    acl: Line = ""
    path_prefix: Line = ""
    force_path_style: bool = False
    serving_endpoint: WebAddress = ""

    @field_validator("secret")
    @classmethod
    def _usable_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not 1 <= len(value.get_secret_value()) <= MAX_STORE_SECRET:
            raise ValueError(f"must have 1 to {MAX_STORE_SECRET} characters")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        missing = [name for name in NEEDED_OF_A_STORE if not getattr(self, name)] if self.enabled else []
        if missing:
            raise ValueError(f"needs {', '.join(missing)} when it is enabled")
        return self

    def as_setting(self) -> Mapping[str, object]:
        """The values of `StorageSettings`."""
        secret = self.secret.get_secret_value() if self.secret is not None else ""
        return self.model_dump() | {"secret": secret}


class Storage(BaseModel):
    """Where segments go beside this machine's memory and disk."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    s3: S3 = S3()


def key_fault(key: str) -> str | None:
    """Why that cannot be a stream key, as the end of a sentence; None when it can."""
    if not 1 <= len(key) <= MAX_SECRET_LENGTH:
        return f"must have 1 to {MAX_SECRET_LENGTH} characters"
    # A key is also the last part of rtmp://host/live/KEY, where these characters mean something else.
    if any(character in "/?&#" or character.isspace() or not character.isprintable() for character in key):
        return "must not contain spaces or any of / ? & #, because encoders put it into an address"
    return None


def is_loopback(host: str) -> bool:
    """Whether who listens there is reached from this machine alone."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Backups(BaseModel):
    """Copies of the database and all that belongs to it, below the data directory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = True


class Smtp(BaseModel):
    """The mail server that notifications by email are handed to. Off until a host is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Host | None = None
    port: Port = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: SecretStr | None = None
    sender: Annotated[str, StringConstraints(max_length=254, pattern=r"^([^@\s]+@[^@\s]+)?$")] = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.host is not None and not self.sender:
            raise ValueError("needs a sender, the address that mails come from, such as live@example.org")
        if bool(self.username) != (self.password is not None):
            raise ValueError("needs both username and password, or neither")
        return self


class Fcm(BaseModel):
    """Firebase Cloud Messaging, for pushes to Android. Off until a service account is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    service_account: Path | None = None


class Apns(BaseModel):
    """Apple's push service. Off until a key is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Path | None = None
    key_id: Annotated[str, StringConstraints(max_length=20, pattern=r"^[A-Za-z0-9]*$")] = ""
    team_id: Annotated[str, StringConstraints(max_length=20, pattern=r"^[A-Za-z0-9]*$")] = ""
    topic: Annotated[str, StringConstraints(max_length=155, pattern=r"^[A-Za-z0-9.-]*$")] = ""
    sandbox: bool = False

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for name in ("key_id", "team_id", "topic") if self.key is not None else ():
            if not getattr(self, name):
                raise ValueError(f"needs {name} beside the key")
        return self


class Notifications(BaseModel):
    """How webhooks and the like are sent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow_private_targets: bool = False
    received_days: Annotated[float, Field(gt=0, le=3650)] = 30
    smtp: Smtp = Smtp()
    fcm: Fcm = Fcm()
    apns: Apns = Apns()


class Channels(BaseModel):
    """Channels for overlays, games and other programs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Clients that come back within ten minutes go on where they were, so that much has to be there.
    kept_hours: Annotated[float, Field(ge=1, le=87_600)] = 72
    sandbox: bool = False


class Accounts(BaseModel):
    """Accounts with a password."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    registration: Literal["open", "closed"] = "closed"
    server_name: Annotated[str, StringConstraints(max_length=200, pattern=r"^[A-Za-z0-9.:\[\]-]*$")] = ""


class Metrics(BaseModel):
    """A listener of its own for those who watch the server. Off until a port is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Host = "127.0.0.1"
    port: Port | None = None


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
    log_requests: bool = False
    rtmps: Rtmps = Rtmps()
    stream: Stream = Stream()
    hls: Hls = Hls()
    storage: Storage = Storage()
    backups: Backups = Backups()
    notifications: Notifications = Notifications()
    channels: Channels = Channels()
    accounts: Accounts = Accounts()
    metrics: Metrics = Metrics()
    directory_url: WebAddress = "https://directory.owncast.online"
    chat: ChatSettings = ChatSettings()

    _insisted: Mapping[str, object] = PrivateAttr(default_factory=dict)

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
        fault = key_fault(value.get_secret_value()) if value is not None else None
        if fault is not None:
            raise ValueError(fault)
        return value

    def insist(self, given: Mapping[str, object]) -> None:
        """Notes what the environment and the command line gave: it wins over what the owner changed meanwhile."""
        self._insisted = given

    def insists_on(self, section: str, name: str = "") -> bool:
        """Whether that setting, or that one of a section, was given in the environment or on the command line.

        A section in a section is `storage.s3`.
        """
        found: object = self._insisted
        for part in (*section.split("."), *([name] if name else [])):
            if not isinstance(found, Mapping) or part not in found:
                return False
            found = found[part]
        return True

    def first_settings(self) -> dict[type[Group], Mapping[str, object]]:
        """With what values, by group, the owner's settings begin at the first start."""
        return {
            InstanceSettings: self.model_dump(include={"name", "title", "summary", "tags"}),
            ChatSettings: self.chat.model_dump(),
            VideoSettings: self.stream.model_dump(include={"latency_level", "codec", "variants"}),
            StorageSettings: self.storage.s3.as_setting(),
        }

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
