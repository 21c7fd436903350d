"""`owncast-py backup` and `owncast-py restore`, without the command line around them.

Owns what a person is asked and told. Options and exit codes are `cli`'s. Everything here blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.engine import make_url

from owncast_py.backup import archive
from owncast_py.backup.errors import BackupError
from owncast_py.backup.hourly import FOLDER
from owncast_py.backup.lock import hold
from owncast_py.backup.manifest import DATABASE, FOLDERS
from owncast_py.config import Config
from owncast_py.storage.database import address_of

STEP_PERCENT = 10
"""How much must be done before another line of progress is printed."""


def backup_command(config: Config, to: Path | None, echo: Callable[[str], None]) -> None:
    """Makes a backup, also while the server runs: into the file or directory `to`, else where the hourly ones are.

    Raises BackupError.
    """
    source = database_file(config)
    file = archive.create(config.data_dir, source, to or config.data_dir / FOLDER, _Lines(echo), at=_now())
    echo(f"The backup is {file} ({_megabytes(file)}). It holds secrets: keep it where only you can read it.")


def restore_command(config: Config, file: Path, echo: Callable[[str], None], confirm: Callable[[str], bool]) -> None:
    """Restores a backup into the data directory of a server that does not run. `confirm` is asked once.

    Raises BackupError, also when the server runs.
    """
    target = config.data_dir / DATABASE
    if database_file(config).absolute() != target.absolute():
        raise BackupError(
            f"A backup is restored to {target}, but database_url names {database_file(config)}; "
            "leave out database_url, restore, then move the file there."
        )
    if not file.is_file():
        raise BackupError(f"There is no backup {file}.")
    with hold(config.data_dir):
        question = (
            f"This replaces the database, the secrets and {', '.join(FOLDERS)} in {config.data_dir} "
            f"with those of {file.name}. What is there now is moved aside, not deleted. Go on?"
        )
        if not confirm(question):
            echo("Nothing was changed.")
            return
        aside = archive.restore(file, config.data_dir, _Lines(echo), at=_now())
    if aside is not None:
        echo(f"What was there before is in {aside}; delete it when you do not need it any more.")
    echo("The backup is restored. Start the server again.")


def database_file(config: Config) -> Path:
    """The file that holds the database. Raises BackupError when it is not SQLite's, or in no file."""
    url = make_url(address_of(config.database_url.get_secret_value() if config.database_url else None, config.data_dir))
    if url.get_backend_name() != "sqlite":
        raise BackupError(
            f"The database is {url.get_backend_name()}; back it up with its own tools, such as pg_dump and pg_restore, "
            f"and copy credentials.json, {', '.join(FOLDERS)} from {config.data_dir} yourself."
        )
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise BackupError(f"The database {url.render_as_string()} is not a plain file and cannot be backed up.")
    return Path(url.database)


class _Lines:
    """Progress as lines, one for each step of ten percent."""

    def __init__(self, echo: Callable[[str], None]) -> None:
        self._echo = echo
        self._last: tuple[str, int] | None = None

    def __call__(self, what: str, done: float) -> None:
        line = what, int(done * 100) // STEP_PERCENT * STEP_PERCENT
        if line != self._last:
            self._last = line
            self._echo(f"{what}  {line[1]:3} %")


def _megabytes(file: Path) -> str:
    return f"{file.stat().st_size / 1_000_000:.1f} MB"


def _now() -> datetime:
    return datetime.now(UTC)
