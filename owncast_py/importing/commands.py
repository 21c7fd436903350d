"""`owncast-py import-owncast`, without the command line around it.

Owns what a person is told, the rehearsal, and the backup before something is replaced. Options and exit codes are
`cli`'s.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import orjson

from owncast_py.backup import archive
from owncast_py.backup.commands import database_file
from owncast_py.backup.errors import BackupError
from owncast_py.backup.hourly import FOLDER
from owncast_py.backup.lock import hold
from owncast_py.backup.manifest import CREDENTIALS, DATABASE
from owncast_py.config import Config
from owncast_py.importing.errors import ImportRefused
from owncast_py.importing.report import Report
from owncast_py.importing.source import opened
from owncast_py.importing.takeover import Wishes, take_over

STEP_PERCENT = 10
"""How much must be done before another line of progress is printed, where no terminal shows it."""


class Meter:
    """Progress for people: a line that is written over and over on a terminal, some lines elsewhere."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._rewrites = out.isatty()
        self._last: tuple[str, int] | None = None

    def __call__(self, what: str, done: int, total: int) -> None:
        percent = 100 * done // max(total, 1)
        step = percent if self._rewrites else percent // STEP_PERCENT * STEP_PERCENT
        if (what, step) == self._last:
            return
        if self._rewrites:
            newline = "\n" if self._last is not None and self._last[0] != what else ""
            self._out.write(f"{newline}\r{what}  {step:3} %")
        else:
            self._out.write(f"{what}  {step:3} %\n")
        self._last = what, step
        self._out.flush()

    def end(self) -> None:
        """Leaves the line that was written over."""
        if self._rewrites and self._last is not None:
            self._out.write("\n")
            self._out.flush()
        self._last = None


def import_command(
    config: Config,
    path: Path,
    wishes: Wishes,
    *,
    dry_run: bool,
    as_json: bool,
    echo: Callable[[str], None],
    progress: TextIO,
) -> None:
    """Takes over the Owncast in `path`, or in `dry_run` only says what that would be. Blocks, for minutes perhaps.

    Raises ImportRefused, DataDirectoryInUse when the server runs, BackupError, StorageError and CredentialsError.
    """
    meter = Meter(progress)
    with opened(path) as source:
        report = Report(str(source.path), source.schema, dry_run)
        with _rehearsal(config) if dry_run else _stage(config, wishes, progress) as stage:
            try:
                asyncio.run(take_over(stage, source, wishes, report, meter, lambda: datetime.now(UTC)))
            finally:
                meter.end()
    echo(orjson.dumps(report.view(), option=orjson.OPT_INDENT_2).decode() if as_json else report.text())


@contextmanager
def _stage(config: Config, wishes: Wishes, progress: TextIO) -> Iterator[Config]:
    """The data directory, held. What is replaced is in a backup before."""
    with hold(config.data_dir):
        if wishes.replace and database_file(config).exists():
            file = archive.create(
                config.data_dir, database_file(config), config.data_dir / FOLDER, lambda _what, _done: None, at=_now()
            )
            progress.write(f"What is replaced is in the backup {file}.\n")
        yield config


@contextmanager
def _rehearsal(config: Config) -> Iterator[Config]:
    """A copy of the data directory that is thrown away: the import is a real one, and nothing is changed."""
    try:
        kept = database_file(config)
    except BackupError as error:
        raise ImportRefused(f"An import can only be tried with a database in a file. {error}") from error
    with tempfile.TemporaryDirectory(prefix="owncast-py-import-") as folder:
        copy = Path(folder)
        try:
            if kept.exists():
                with (
                    closing(sqlite3.connect(f"{kept.absolute().as_uri()}?mode=ro", uri=True)) as before,
                    closing(sqlite3.connect(copy / DATABASE)) as after,
                ):
                    before.backup(after)
            if (config.data_dir / CREDENTIALS).exists():
                shutil.copy(config.data_dir / CREDENTIALS, copy)
            if (config.data_dir / "emoji").is_dir():
                shutil.copytree(config.data_dir / "emoji", copy / "emoji", symlinks=True)
        except (OSError, sqlite3.Error) as error:
            raise ImportRefused(f"{config.data_dir} cannot be copied to try the import: {error}.") from error
        yield config.model_copy(update={"data_dir": copy, "database_url": None})


def _now() -> datetime:
    return datetime.now(UTC)
