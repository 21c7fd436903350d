"""The two secrets of a server: the stream key for encoders and the admin password for its owner.

Owns where they come from (the configuration, else the data directory, else made at the first start), how they are
kept and how they are compared. A configured one wins and is never stored. The stream key must be shown to the owner
again, so it is kept readable in a file of mode 0600; the password only as an argon2id hash.

Everything here blocks (files, argon2): call it off the event loop.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import argon2
import orjson

from owncast_py.config import MAX_SECRET_LENGTH, Config
from owncast_py.errors import CredentialsError

FILE_NAME = "credentials.json"
MAX_FILE_BYTES = 16 * 1024
STREAM_KEY_BYTES = 18
"""144 random bits: 24 characters to paste into an encoder."""
ADMIN_PASSWORD_BYTES = 15
"""120 random bits: 20 characters."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The secrets in force. Neither appears in its `repr`."""

    stream_key: str = field(repr=False)
    admin_password_hash: str = field(repr=False)

    def verify_stream_key(self, candidate: str) -> bool:
        """Whether `candidate` is the stream key, in a time that does not tell how much of it is right."""
        return hmac.compare_digest(candidate.encode("utf-8", "surrogatepass"), self.stream_key.encode())

    def verify_admin_password(self, candidate: str) -> bool:
        """Whether `candidate` is the admin password. Takes tens of milliseconds of CPU: never on the event loop."""
        if len(candidate) > MAX_SECRET_LENGTH:
            return False
        try:
            return argon2.PasswordHasher().verify(self.admin_password_hash, candidate.encode("utf-8", "surrogatepass"))
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False


def load_credentials(config: Config, announce: Callable[[str], None]) -> Credentials:
    """The secrets of this server; what is neither configured nor kept is made, kept, then handed to `announce`.

    `announce` gets one text to show to a person, and only when something was made. Raises `CredentialsError` when the
    data directory cannot be written or the kept file is damaged.
    """
    path = config.data_dir / FILE_NAME
    kept = _read(path)
    made: dict[str, str] = {}
    stream_key = config.stream_key.get_secret_value() if config.stream_key else kept.get("stream_key")
    if stream_key is None:
        stream_key = made["Stream key"] = kept["stream_key"] = secrets.token_urlsafe(STREAM_KEY_BYTES)
    if config.admin_password:
        admin_password_hash = argon2.PasswordHasher().hash(config.admin_password.get_secret_value())
    elif "admin_password_hash" in kept:
        admin_password_hash = kept["admin_password_hash"]
    else:
        password = made["Admin password"] = secrets.token_urlsafe(ADMIN_PASSWORD_BYTES)
        admin_password_hash = kept["admin_password_hash"] = argon2.PasswordHasher().hash(password)
    if made:
        # Kept before shown: what a person has written down is what the next start accepts.
        _write(path, kept)
        announce(_box(made, path))
    return Credentials(stream_key, admin_password_hash)


def _read(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES)
        path.chmod(0o600)
        document: object = orjson.loads(content)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise CredentialsError(f"The secrets in {path} cannot be read: {error.strerror}.") from error
    except orjson.JSONDecodeError as error:
        raise _damaged(path) from error
    if not isinstance(document, dict) or not set(document) <= {"stream_key", "admin_password_hash"}:
        raise _damaged(path)
    if not all(isinstance(value, str) and value for value in document.values()):
        raise _damaged(path)
    return document


def _damaged(path: Path) -> CredentialsError:
    return CredentialsError(f"The secrets in {path} are damaged; delete that file and the next start makes new ones.")


def _write(path: Path, document: dict[str, str]) -> None:
    """Replaces the file in one step, so that a crash leaves the old one or the new one."""
    temporary = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(orjson.dumps(document, option=orjson.OPT_INDENT_2))
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
