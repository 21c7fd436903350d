"""One process at a time in a data directory: a lock that ends with its process, however that ends.

Owns the file `.lock`. Servers and restores hold it; a backup needs none, for it only reads.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from owncast_py.backup import swap
from owncast_py.backup.errors import BackupError, DataDirectoryInUse

FILE_NAME = ".lock"

log = structlog.get_logger(__name__)


@contextmanager
def hold(data_dir: Path) -> Iterator[None]:
    """Holds the data directory, which is made where it is missing, and completes a restore that was interrupted in it.

    Blocks for a moment, never for another holder: raises DataDirectoryInUse when there is one, BackupError when the
    directory cannot be locked at all.
    """
    path = data_dir / FILE_NAME
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BackupError(
            f"{data_dir} cannot be used as data directory: {error.strerror}. "
            "Make it writable, or choose another with --data-dir."
        ) from error
    try:
        _lock(descriptor, data_dir)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        if swap.finish(data_dir) is not None:
            log.warning("an interrupted restore was completed", directory=str(data_dir))
        try:
            yield
        finally:
            # The file stays: one that is removed could be locked by two who opened it at different times.
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, data_dir: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise BackupError(
                f"{data_dir} cannot be locked: {error.strerror}. Choose a directory on a disk of this machine."
            ) from error
        content = os.pread(descriptor, 20, 0).strip()
        process = content.decode() if content.isdigit() else "unknown"
        raise DataDirectoryInUse(
            f"{data_dir} is in use by a running server (process {process}); stop it first, "
            "or choose another directory with --data-dir."
        ) from None
