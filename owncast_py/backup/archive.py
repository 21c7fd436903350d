"""Backups as files: made while the server writes, and restored so that a crash leaves the old or the new.

Owns what goes into an archive and in which order, and what is checked before a restore touches anything. The list
inside is `manifest`'s, the reading of archives, which are hostile, `unpacking`'s, the exchange of files `swap`'s.

Everything here blocks, for minutes where much is stored: call it in a thread.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sqlite3
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from owncast_py.backup import swap
from owncast_py.backup.errors import BackupError
from owncast_py.backup.manifest import (
    CREDENTIALS,
    DATABASE,
    FOLDERS,
    MANIFEST,
    MAX_FILES,
    SUFFIX,
    Entry,
    Manifest,
    check_name,
    check_revision,
    file_name,
)
from owncast_py.backup.unpacking import unpack

PAGES_AT_ONCE = 256
"""Of the database, between two reports of progress: 1 MiB as a rule."""
COMPRESSION = 6
UNFINISHED = ".backup-"
"""How the temporary directory of a backup in the making begins."""
ABANDONED = timedelta(days=1)
"""An unfinished backup that is older has no process any more."""
BUSY_SECONDS = 5.0

Progress = Callable[[str, float], None]
"""Is told what is being done and how much of it is done, 0 to 1. What it raises ends the work."""


def create(data_dir: Path, database_file: Path, destination: Path, progress: Progress, *, at: datetime) -> Path:
    """Writes a backup and returns its file, which has mode 0600 and is there whole or not at all.

    `destination` is a directory, made where it is missing, or the file itself if it ends with .tar.gz. `at` names the
    backup. The database is copied as of one moment, however much is written meanwhile. Raises BackupError.
    """
    explicit = destination.name.endswith(SUFFIX)
    file = destination if explicit else destination / file_name(at.astimezone(UTC))
    if not database_file.is_file():
        raise BackupError(f"There is no database at {database_file}; start the server once, or give its --data-dir.")
    with _sentences(f"The backup {file} cannot be written"):
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists():
            raise BackupError(f"{file} exists already; move it away or choose another name.")
        _sweep(file.parent, at)
        with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=file.parent) as unfinished:
            copy, packed = Path(unfinished, DATABASE), Path(unfinished, "packed")
            revision = _copy_database(database_file, copy, progress)
            files = [_Source(DATABASE, copy, copy.stat().st_size), *_sources(data_dir)]
            _pack(packed, files, Manifest(created_at=at, revision=revision, files={}), progress)
            packed.rename(file)
        swap.fsync_directory(file.parent)
    return file


def restore(archive: Path, data_dir: Path, progress: Progress, *, at: datetime) -> Path | None:
    """Puts what is in the archive in the place of what is in the data directory, which nothing else may be using.

    Nothing is touched before all of the archive is unpacked, on the same disk, and proved whole. What was there before
    is moved to `before-restore-<at>` in the data directory, which is returned; None when nothing was there. A crash
    in between leaves the old, or a rest that `swap.finish` completes, as `lock.hold` does before a server starts.
    Raises BackupError.
    """
    with _sentences(f"{archive} cannot be restored to {data_dir}"):
        data_dir.mkdir(parents=True, exist_ok=True)
        swap.finish(data_dir)
        prepare(archive, data_dir, progress, at=at)
        return swap.finish(data_dir)


def prepare(archive: Path, data_dir: Path, progress: Progress, *, at: datetime) -> None:
    """Decides for what is in the archive: whoever uses the data directory next, has it. Until then nothing changes.

    The archive is proved whole first. Raises BackupError, also when another one has been decided for.
    """
    if (data_dir / swap.READY).exists():
        raise BackupError("A restore waits already; start the server again, and it is done.")
    with _sentences(f"{archive} cannot be restored to {data_dir}"):
        staging = data_dir / swap.STAGING
        if staging.exists():
            shutil.rmtree(staging)
        staging.mkdir(mode=0o700)
        try:
            manifest = unpack(archive, staging, progress)
            check_revision(manifest.revision)
            _check_database(staging / DATABASE, progress)
            swap.commit(data_dir, at)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise


@dataclass(frozen=True, slots=True)
class _Source:
    name: str
    path: Path
    size: int


class _Hashed:
    """A file that is hashed and counted while it is read."""

    def __init__(self, file: BinaryIO, count: Callable[[int], None]) -> None:
        self._file = file
        self._count = count
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.sha256.update(data)
        self._count(len(data))
        return data


def _copy_database(source: Path, target: Path, progress: Progress) -> str:
    """Copies the database as of now; returns its revision."""

    def report(_status: int, remaining: int, total: int) -> None:
        progress("copying the database", 1 - remaining / max(total, 1))

    address = f"{source.absolute().as_uri()}?mode=rw"
    with (
        closing(sqlite3.connect(address, uri=True, isolation_level=None, timeout=BUSY_SECONDS)) as reading,
        closing(sqlite3.connect(target, isolation_level=None)) as writing,
    ):
        writing.execute("PRAGMA synchronous=OFF")
        # One transaction around all steps: without it, the copy would begin anew with every write of the server.
        reading.execute("BEGIN")
        revision = _revision(reading, source)
        reading.backup(writing, pages=PAGES_AT_ONCE, progress=report)
        reading.execute("ROLLBACK")
        writing.execute("PRAGMA journal_mode=DELETE")
    return revision


def _check_database(file: Path, progress: Progress) -> None:
    """Raises BackupError when an unpacked database is damaged or too new."""
    progress("checking the database", 0.0)
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            connection.execute("PRAGMA trusted_schema=OFF")
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if verdict != "ok":
                raise BackupError(f"The database in the backup is damaged: {verdict}. Restore another backup.")
            check_revision(_revision(connection, file))
    except sqlite3.Error as error:
        raise BackupError(f"The database in the backup is damaged: {error}. Restore another backup.") from error
    progress("checking the database", 1.0)


def _revision(connection: sqlite3.Connection, file: Path) -> str:
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        row = None
    if row is None:
        raise BackupError(f"{file} is not a database of owncast-py: it has no revision.")
    return str(row[0])


def _sources(data_dir: Path) -> Iterator[_Source]:
    """What is backed up beside the database, ordinary files only."""
    candidates = [data_dir / CREDENTIALS]
    for folder in FOLDERS:
        for place, folders, names in os.walk(data_dir / folder):
            folders.sort()
            candidates += [Path(place, name) for name in sorted(names)]
            if len(candidates) > MAX_FILES - 2:
                raise BackupError(f"There are more than {MAX_FILES} files in {data_dir}; a backup takes no more.")
    for path in candidates:
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        if stat.S_ISREG(status.st_mode):
            name = path.relative_to(data_dir).as_posix()
            try:
                check_name(name)
            except BackupError:
                raise BackupError(f"The file {name!r} in {data_dir} cannot be backed up; rename it.") from None
            yield _Source(name, path, status.st_size)


def _pack(packed: Path, sources: list[_Source], manifest: Manifest, progress: Progress) -> None:
    total = sum(source.size for source in sources)
    done = 0

    def count(size: int) -> None:
        nonlocal done
        done += size
        progress("packing", min(done / max(total, 1), 1.0))

    entries: dict[str, Entry] = {}
    descriptor = os.open(packed, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=COMPRESSION) as tar:
            for source in sources:
                entry = _add(tar, source, count)
                if entry is not None:
                    entries[source.name] = entry
            content = manifest.model_copy(update={"files": entries}).model_dump_json(indent=1).encode()
            tar.addfile(_info(MANIFEST, len(content), manifest.created_at.timestamp()), io.BytesIO(content))
        file.flush()
        os.fsync(file.fileno())


def _add(tar: tarfile.TarFile, source: _Source, count: Callable[[int], None]) -> Entry | None:
    """Packs one file as it is now; None when it is gone."""
    try:
        descriptor = os.open(source.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        hashed = _Hashed(file, count)
        tar.addfile(_info(source.name, status.st_size, status.st_mtime), hashed)
    return Entry(size=status.st_size, sha256=hashed.sha256.hexdigest())


def _info(name: str, size: int, modified: float) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, int(modified), 0o600
    return info


def _sweep(folder: Path, at: datetime) -> None:
    """Removes what backups left that were killed."""
    for path in folder.glob(UNFINISHED + "*"):
        if path.stat().st_mtime < (at - ABANDONED).timestamp():
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _sentences(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackupError(f"{what}: {error.strerror or error}.") from error
    except (sqlite3.Error, tarfile.TarError) as error:
        raise BackupError(f"{what}: {error}.") from error
