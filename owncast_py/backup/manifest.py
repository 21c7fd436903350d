"""What is in a backup: the names it may hold, and the list that proves that it is whole.

Owns the format of `manifest.json`, which is the last file of every archive, so that one that was cut off has none.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from owncast_py.backup.errors import BackupError
from owncast_py.storage import migrations

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "owncast.db"
CREDENTIALS = "credentials.json"
FOLDERS = ("emoji", "branding", "public")
CONTENTS = (DATABASE, CREDENTIALS, *FOLDERS)
"""What a backup takes from the data directory and a restore replaces there; the rest is not touched."""

MAX_FILES = 100_000
MAX_MANIFEST_BYTES = 32 * 1024 * 1024
MAX_NAME_BYTES = 1_000
SUFFIX = ".tar.gz"
_UNUSABLE = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")
"""Characters of no name: control characters, what separates folders elsewhere, and what is no UTF-8."""
_NAME = "owncast-%Y-%m-%dT%H%M%SZ" + SUFFIX


class Entry(BaseModel):
    """One file: its size in bytes and the SHA-256 of what is in it, in hexadecimal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Manifest(BaseModel):
    """The list. `files` has every file of the archive but the manifest itself, by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    created_at: AwareDatetime
    revision: Annotated[str, StringConstraints(pattern=r"^\d{4}$")]
    """How new the database's tables are; see `storage.migrations`."""
    files: Annotated[dict[str, Entry], Field(max_length=MAX_FILES)]


class _AnyFormat(BaseModel):
    format: int


def read(content: bytes) -> Manifest:
    """A manifest from an archive. Raises BackupError when it is damaged or this version cannot read its format."""
    try:
        found = _AnyFormat.model_validate_json(content).format
        if found > FORMAT:
            raise BackupError(
                f"The backup has format {found}, this version reads up to {FORMAT}; install the version that made it."
            )
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part)[:60] for part in fault["loc"])
        raise BackupError(
            f"The backup's {MANIFEST} is damaged: {where or 'its start'}: {fault['msg'][:200]}."
        ) from None


def check_revision(revision: str) -> None:
    """Raises BackupError for tables that are newer than what this version knows."""
    if not (len(revision) == len(migrations.HEAD) and revision.isascii() and revision.isdigit()):
        raise BackupError(f"The backup's database has the revision {revision[:60]!r}, which no version ever wrote.")
    if revision > migrations.HEAD:
        raise BackupError(
            f"The backup was made by a newer version (revision {revision}, this one knows {migrations.HEAD}); "
            "install that version, then restore."
        )


def check_name(name: str) -> None:
    """Raises BackupError for a name that is none of a backup's, above all for one that leads elsewhere."""
    parts = PurePosixPath(name).parts
    plain = "/".join(parts) == name and ".." not in parts and not _UNUSABLE.search(name)
    inside = name in (MANIFEST, DATABASE, CREDENTIALS) or (len(parts) > 1 and parts[0] in FOLDERS)
    if not plain or not inside or len(name.encode(errors="replace")) > MAX_NAME_BYTES:
        raise BackupError(f"The archive holds {name[:100]!r}, which no backup does; it was not made by owncast-py.")


def file_name(at: datetime) -> str:
    """What a backup that was made at that time (UTC) is called, to the second."""
    return at.strftime(_NAME)


def time_of(name: str) -> datetime | None:
    """When the backup with that name was made, aware; None when it is not called like one."""
    try:
        time = datetime.strptime(name, _NAME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return time if file_name(time) == name else None
