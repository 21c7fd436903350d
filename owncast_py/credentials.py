"""The secrets of a server: the stream keys for encoders and the admin password for its owner.

Owns where they come from (the configuration, else the data directory, else made at the first start), how they are kept,
compared and changed, and the token that follows from a stream key for encoders that send HLS. A configured one wins and
is never stored. Stream keys must be shown to the owner again, so they are kept readable in a file of mode 0600; the
password only as an argon2id hash.

Everything here blocks (files, argon2) apart from `verify_stream_key`: call it off the event loop.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import argon2
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from owncast_py.config import MAX_SECRET_LENGTH, Config, key_fault
from owncast_py.errors import CredentialsError

FILE_NAME = "credentials.json"
MAX_FILE_BYTES = 256 * 1024
MAX_STREAM_KEYS = 100
MAX_COMMENT = 200
MIN_PASSWORD = 8
CONFIGURED = "from the configuration"
"""The comment of a stream key that cannot be changed here."""
STREAM_KEY_BYTES = 18
"""144 random bits: 24 characters to paste into an encoder."""
ADMIN_PASSWORD_BYTES = 15
"""120 random bits: 20 characters."""
DIRECT_TOKEN_BYTES = 18
"""144 bits of the HMAC: 24 characters of an address."""


class StreamKey(NamedTuple):
    """A key that lets an encoder publish, and what the owner notes about it."""

    key: str
    comment: str


class _Kept(BaseModel):
    """The file. `stream_key` is how the first versions kept their only key."""

    model_config = ConfigDict(extra="forbid", strict=True)

    stream_key: Annotated[str, Field(min_length=1)] | None = None
    stream_keys: list[StreamKey] | None = None
    admin_password_hash: Annotated[str, Field(min_length=1)] | None = None
    direct_salt: Annotated[str, Field(min_length=1, max_length=64)] | None = None


class Credentials:
    """The secrets in force. None appears in its `repr`."""

    def __init__(
        self,
        path: Path,
        stream_keys: Sequence[StreamKey],
        admin_password_hash: str,
        *,
        configured_key: str | None = None,
        password_is_configured: bool = False,
        direct_salt: str = "",
    ) -> None:
        """`path` is the file that keeps what is changed; `configured_key` is valid beside the others.

        `direct_salt` is what else the direct tokens are made of.
        """
        self._path = path
        self._keys = tuple(stream_keys)
        self._configured_key = configured_key
        self._hash = admin_password_hash
        self._direct_salt = direct_salt
        self.key_is_configured = configured_key is not None
        self.password_is_configured = password_is_configured

    @property
    def stream_keys(self) -> tuple[StreamKey, ...]:
        """Every valid stream key, a configured one first."""
        if self._configured_key is None:
            return self._keys
        return (StreamKey(self._configured_key, CONFIGURED), *self._keys)

    @property
    def secrets(self) -> list[str]:
        """What must appear in no log."""
        return [*(each.key for each in self.stream_keys), *self._direct_tokens(), self._hash]

    @property
    def direct_token(self) -> str:
        """What stands in the address to which encoders send HLS: it follows from the first stream key."""
        return self._direct_tokens()[0]

    def key_of_direct_token(self, candidate: str) -> str | None:
        """The stream key that this token of an address stands for, found in a time that tells nothing of it."""
        given = candidate.encode("utf-8", "surrogatepass")
        found = None
        for each, token in zip(self.stream_keys, self._direct_tokens(), strict=True):
            if hmac.compare_digest(given, token.encode()):
                found = each.key
        return found

    def renew_direct_tokens(self) -> None:
        """Makes the addresses that were given away worthless. Blocks. Raises CredentialsError."""
        salt = secrets.token_urlsafe(DIRECT_TOKEN_BYTES)
        self._keep(self._keys, self._hash, salt)
        self._direct_salt = salt

    def _direct_tokens(self) -> list[str]:
        salt = f"direct HLS input {self._direct_salt}".encode()
        made = [hmac.digest(each.key.encode(), salt, hashlib.sha256) for each in self.stream_keys]
        return [base64.urlsafe_b64encode(each[:DIRECT_TOKEN_BYTES]).decode() for each in made]

    def verify_stream_key(self, candidate: str) -> bool:
        """Whether `candidate` is a stream key, in a time that does not tell how much of it is right."""
        given = candidate.encode("utf-8", "surrogatepass")
        found = [hmac.compare_digest(given, each.key.encode()) for each in self.stream_keys]
        return any(found)

    def verify_admin_password(self, candidate: str) -> bool:
        """Whether `candidate` is the admin password. Takes tens of milliseconds of CPU: never on the event loop."""
        if len(candidate) > MAX_SECRET_LENGTH:
            return False
        try:
            return argon2.PasswordHasher().verify(self._hash, candidate.encode("utf-8", "surrogatepass"))
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False

    def set_stream_keys(self, keys: Sequence[StreamKey]) -> None:
        """Makes these the stream keys, beside a configured one. Blocks. Raises CredentialsError."""
        wanted = self._checked(keys)
        self._keep(wanted, self._hash)
        self._keys = wanted

    def set_admin_password(self, password: str) -> None:
        """Makes this the admin password. Blocks. Raises CredentialsError."""
        hashed = self._hashed(password)
        self._keep(self._keys, hashed)
        self._hash = hashed

    def set_both(self, secret: str) -> None:
        """Makes this the admin password and the only stream key. Blocks. Raises CredentialsError; then both stay."""
        wanted, hashed = self._checked([StreamKey(secret, "")]), self._hashed(secret)
        self._keep(wanted, hashed)
        self._keys, self._hash = wanted, hashed

    def _checked(self, keys: Sequence[StreamKey]) -> tuple[StreamKey, ...]:
        wanted = tuple(dict.fromkeys(each for each in keys if each.key != self._configured_key))
        if not wanted and self._configured_key is None:
            raise CredentialsError("There must be at least one stream key, or no encoder could publish.")
        if len(wanted) > MAX_STREAM_KEYS:
            raise CredentialsError(f"There can be {MAX_STREAM_KEYS} stream keys; these are {len(wanted)}.")
        if len({each.key for each in wanted}) < len(wanted):
            raise CredentialsError("A stream key stands in the list twice; every key needs to be another one.")
        for each in wanted:
            if (fault := key_fault(each.key)) is not None:
                raise CredentialsError(f"A stream key {fault}.")
            if len(each.comment) > MAX_COMMENT:
                raise CredentialsError(f"A stream key's comment can have {MAX_COMMENT} characters.")
        return wanted

    def _hashed(self, password: str) -> str:
        if self.password_is_configured:
            raise CredentialsError(
                "The admin password comes from this server's configuration (admin_password); change it there."
            )
        if not MIN_PASSWORD <= len(password) <= MAX_SECRET_LENGTH:
            raise CredentialsError(f"The admin password must have {MIN_PASSWORD} to {MAX_SECRET_LENGTH} characters.")
        return argon2.PasswordHasher().hash(password.encode("utf-8", "surrogatepass"))

    def _keep(self, keys: Sequence[StreamKey], hashed: str, salt: str | None = None) -> None:
        kept = self._kept_hash(hashed)
        salt = self._direct_salt if salt is None else salt
        _write(self._path, _Kept(stream_keys=list(keys), admin_password_hash=kept, direct_salt=salt or None))

    def _kept_hash(self, hashed: str) -> str | None:
        """What stays in the file: a configured password is never stored, one that was kept before is not lost."""
        return _read(self._path).admin_password_hash if self.password_is_configured else hashed


def load_credentials(config: Config, announce: Callable[[str], None]) -> Credentials:
    """The secrets of this server; what is neither configured nor kept is made, kept, then handed to `announce`.

    `announce` gets one text to show to a person, and only when something was made. Raises `CredentialsError` when the
    data directory cannot be written or the kept file is damaged.
    """
    path = config.data_dir / FILE_NAME
    kept = _read(path)
    made: dict[str, str] = {}
    configured_key = config.stream_key.get_secret_value() if config.stream_key else None
    keys = kept.stream_keys or ([StreamKey(kept.stream_key, "")] if kept.stream_key else [])
    if configured_key is None and not keys:
        made["Stream key"] = secrets.token_urlsafe(STREAM_KEY_BYTES)
        keys = [StreamKey(made["Stream key"], "made at the first start")]
    if config.admin_password:
        admin_password_hash = argon2.PasswordHasher().hash(config.admin_password.get_secret_value())
        kept_hash = kept.admin_password_hash
    elif kept.admin_password_hash:
        admin_password_hash = kept_hash = kept.admin_password_hash
    else:
        password = made["Admin password"] = secrets.token_urlsafe(ADMIN_PASSWORD_BYTES)
        admin_password_hash = kept_hash = argon2.PasswordHasher().hash(password)
    if made:
        # Kept before shown: what a person has written down is what the next start accepts.
        _write(path, _Kept(stream_keys=keys or None, admin_password_hash=kept_hash, direct_salt=kept.direct_salt))
        announce(_box(made, path))
    return Credentials(
        path,
        keys,
        admin_password_hash,
        configured_key=configured_key,
        password_is_configured=config.admin_password is not None,
        direct_salt=kept.direct_salt or "",
    )


def keep_credentials(config: Config, stream_keys: Sequence[StreamKey], password: str) -> None:
    """Keeps these for a server that does not run, each in place of what was kept; what is empty stays as it is.

    Raises CredentialsError.
    """
    path = config.data_dir / FILE_NAME
    kept = _read(path)
    checker = Credentials(path, (), "")
    _write(
        path,
        _Kept(
            stream_key=None if stream_keys else kept.stream_key,
            stream_keys=list(checker._checked(stream_keys)) if stream_keys else kept.stream_keys,
            admin_password_hash=checker._hashed(password) if password else kept.admin_password_hash,
            direct_salt=kept.direct_salt,
        ),
    )


def _read(path: Path) -> _Kept:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES)
        path.chmod(0o600)
        return _Kept.model_validate_json(content)
    except FileNotFoundError:
        return _Kept()
    except OSError as error:
        raise CredentialsError(f"The secrets in {path} cannot be read: {error.strerror}.") from error
    except ValidationError:
        raise _damaged(path) from None


def _damaged(path: Path) -> CredentialsError:
    return CredentialsError(f"The secrets in {path} are damaged; delete that file and the next start makes new ones.")


def _write(path: Path, document: _Kept) -> None:
    """Replaces the file in one step, so that a crash leaves the old one or the new one."""
    temporary = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(document.model_dump_json(indent=2, exclude_none=True).encode())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise CredentialsError(
            f"The secrets cannot be kept in {path}: {error.strerror}. "
            "Make the directory writable, choose another with --data-dir, or configure both secrets."
        ) from error


def _box(made: dict[str, str], path: Path) -> str:
    lines = [f"{label + ':':<16}{secret}" for label, secret in made.items()]
    lines += ["", "Made just now and shown only this once: write it down."]
    if "Stream key" in made:
        lines.append(f"The stream key is also kept in {path}.")
    width = max(map(len, lines))
    frame = [
        "┏" + "━" * (width + 4) + "┓",
        *(f"┃  {line:<{width}}  ┃" for line in lines),
        "┗" + "━" * (width + 4) + "┛",
    ]
    return "\n".join(frame)
