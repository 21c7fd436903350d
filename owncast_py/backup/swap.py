"""Exchanges the contents of a data directory so that a crash at any point leaves the old or leads to the new.

Owns the order of renames. What is new lies in STAGING, on the same file system because it is inside the data directory
(which is often a mount of its own). One rename, from STAGING to READY, decides: before it, everything old is in place.
After it, `finish` moves old things aside and new things in, and can be stopped and begun again after any of its steps:
what still lies in READY has not been moved in, so what has its name outside is old. Whoever uses the data directory
calls `finish` first; `lock.hold` does. Nothing old is ever deleted.
"""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from owncast_py.backup.errors import BackupError
from owncast_py.backup.manifest import CONTENTS, DATABASE

STAGING = ".restore-unpacking"
READY = ".restore-ready"
DONE = ".restore-done"
_JOURNAL = "swap.json"
_COMPANIONS = tuple(DATABASE + ending for ending in ("-wal", "-shm", "-journal"))
"""What SQLite keeps beside a database. With another database they would destroy it, so they leave first."""


class _Journal(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    aside: str
    """Where old things go, in the data directory."""
    names: tuple[str, ...]
    """The new things."""


def commit(data_dir: Path, at: datetime) -> None:
    """Decides for what lies in STAGING; `finish` does the rest. Raises OSError, and then nothing is decided."""
    staging = data_dir / STAGING
    names = tuple(name for name in CONTENTS if (staging / name).exists())
    journal = _Journal(aside=_free(data_dir, at), names=names)
    with (staging / _JOURNAL).open("x") as file:
        file.write(journal.model_dump_json())
        file.flush()
        os.fsync(file.fileno())
    for place, _, _ in os.walk(staging, topdown=False):
        fsync_directory(Path(place))
    _move(staging, data_dir / READY)
    fsync_directory(data_dir)


def finish(data_dir: Path) -> Path | None:
    """Completes an exchange that was decided; returns where old things went, None when there were none or no exchange.

    Raises BackupError when a step fails; the exchange then waits to be finished.
    """
    ready = data_dir / READY
    try:
        if (data_dir / DONE).exists():
            shutil.rmtree(data_dir / DONE)
        if not ready.exists():
            return None
        journal = _Journal.model_validate_json((ready / _JOURNAL).read_bytes())
        aside = data_dir / journal.aside
        for name in (*_COMPANIONS, *CONTENTS):
            old = data_dir / name
            if os.path.lexists(old) and (name not in journal.names or (ready / name).exists()):
                aside.mkdir(mode=0o700, exist_ok=True)
                _move(old, aside / name)
                fsync_directory(aside)
        # What is old is out of the way on the disk too before anything new takes its name.
        fsync_directory(data_dir)
        for name in CONTENTS:
            if (ready / name).exists():
                _move(ready / name, data_dir / name)
        fsync_directory(data_dir)
        _move(ready, data_dir / DONE)
        fsync_directory(data_dir)
        shutil.rmtree(data_dir / DONE)
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its journal is damaged"
        raise BackupError(
            f"A restore in {data_dir} could not be completed: {reason}. What is missing lies in {ready}; "
            "see that the directory can be written, then start the server or restore again, and it goes on."
        ) from error
    return aside if aside.exists() else None


def fsync_directory(path: Path) -> None:
    """Makes the names in a directory outlive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _free(data_dir: Path, at: datetime) -> str:
    """A name for old things that nothing has yet."""
    wanted = at.astimezone(UTC).strftime("before-restore-%Y-%m-%dT%H%M%SZ")
    name, number = wanted, 1
    while os.path.lexists(data_dir / name):
        number += 1
        name = f"{wanted}-{number}"
    return name


def _move(source: Path, target: Path) -> None:
    source.rename(target)
