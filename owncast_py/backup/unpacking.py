"""Reads an archive that may be anything: damaged, or made to harm.

Owns the limits and the proof: only ordinary files with a backup's names, no more than fits, each exactly as the
manifest says. It writes into an empty directory and nowhere else; what is in a file is not its concern.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

from owncast_py.backup.errors import BackupError
from owncast_py.backup.manifest import (
    DATABASE,
    FOLDERS,
    MANIFEST,
    MAX_FILES,
    MAX_MANIFEST_BYTES,
    Entry,
    Manifest,
    check_name,
    read,
)

MAX_UNPACKED = 50 * 1024**3
"""Bytes of all files together, and of what the compressed stream unpacks to."""
CHUNK = 256 * 1024
"""Bytes in one read, of a tar header as well: a larger one, such as a name of gigabytes, is refused unread."""


def unpack(archive: Path, target: Path, progress: Callable[[str, float], None]) -> Manifest:
    """Unpacks into `target`, an empty directory, flushed to the disk. The manifest itself is not written there.

    Raises BackupError for an archive that is not whole or not a backup, and OSError when the disk refuses.
    """
    try:
        with archive.open("rb") as file:
            total = max(os.fstat(file.fileno()).st_size, 1)
            source = _Stream(file, lambda: progress("unpacking", min(file.tell() / total, 1.0)))
            found, content = _unpack_all(source, target)
    except (gzip.BadGzipFile, zlib.error, EOFError, tarfile.TarError, RecursionError, ValueError) as error:
        raise BackupError(f"{archive} is damaged or not a backup: {error}.") from error
    if content is None:
        raise BackupError(f"{archive} has no {MANIFEST} at its end: it is cut off, or not a backup.")
    manifest = read(content)
    _compare(found, manifest)
    progress("unpacking", 1.0)
    return manifest


class _Stream:
    """What tarfile reads: an unpacked stream that only goes forward, in bounded steps, and that ends at a limit."""

    def __init__(self, file: IO[bytes], report: Callable[[], None]) -> None:
        self._unpacked = gzip.GzipFile(fileobj=file, mode="rb")
        self._report = report
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= CHUNK:
            raise BackupError("The archive has a header that no backup has; it was not made by owncast-py.")
        data = self._unpacked.read(size)
        self._position += len(data)
        if self._position > MAX_UNPACKED:
            raise BackupError(f"The archive unpacks to more than {MAX_UNPACKED} bytes; it was not made by owncast-py.")
        self._report()
        return data

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> int:
        if position < self._position:
            raise tarfile.ReadError("it leads backwards")
        while self._position < position and self.read(min(position - self._position, CHUNK)):
            pass
        return self._position


def _unpack_all(source: _Stream, target: Path) -> tuple[dict[str, Entry], bytes | None]:
    """What was written, and the manifest."""
    found: dict[str, Entry] = {}
    content: bytes | None = None
    unpacked = 0
    with tarfile.TarFile(fileobj=cast("IO[bytes]", source), mode="r") as tar:
        for member in tar:
            check_name(member.name)
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
                raise BackupError(f"{member.name} in the archive is a link or no ordinary file, which no backup holds.")
            if content is not None or member.name in found:
                raise BackupError(f"The archive holds {member.name} twice or after its end, which no backup does.")
            unpacked += member.size
            if unpacked > MAX_UNPACKED or len(found) >= MAX_FILES:
                raise BackupError(f"The archive holds more than {MAX_UNPACKED} bytes or {MAX_FILES} files.")
            packed = tar.extractfile(member)
            assert packed is not None  # noqa: S101 - it is an ordinary file
            if member.name == MANIFEST:
                content = _all(packed, member.size)
            else:
                found[member.name] = _write(packed, member, target)
    return found, content


def _all(packed: IO[bytes], size: int) -> bytes:
    if size > MAX_MANIFEST_BYTES:
        raise BackupError(f"The archive's {MANIFEST} has {size} bytes, more than {MAX_MANIFEST_BYTES}.")
    return b"".join(iter(lambda: packed.read(CHUNK), b""))


def _write(packed: IO[bytes], member: tarfile.TarInfo, target: Path) -> Entry:
    path = target / member.name
    path.parent.mkdir(parents=True, exist_ok=True)
    sha256 = hashlib.sha256()
    # What is shown to everybody may be read by a web server in front; the database and the secrets only by this one.
    mode = 0o644 if member.name.split("/")[0] in FOLDERS else 0o600
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        while data := packed.read(CHUNK):
            sha256.update(data)
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return Entry(size=member.size, sha256=sha256.hexdigest())


def _compare(found: dict[str, Entry], manifest: Manifest) -> None:
    if DATABASE not in found:
        raise BackupError(f"The backup holds no {DATABASE}; it is not whole.")
    for name in sorted(found.keys() | manifest.files.keys()):
        if found.get(name) != manifest.files.get(name):
            raise BackupError(f"{name[:200]} in the backup is not what its {MANIFEST} says; restore another backup.")
