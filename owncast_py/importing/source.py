"""Owncast's database, read and never changed.

Owns how its file is found and opened, what it is judged by, and rows of it as plain values. What the rows mean is the
neighbours' to know. Everything here blocks: call it in a thread. One thread at a time may use a source.

Columns came and went between releases, so every row is asked for by names, and a column that is not there is None. A
cell may hold anything whatever its column is declared as; `text`, `whole` and `moment` read what they can of it.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import quote

from owncast_py.importing.errors import ImportRefused
from owncast_py.realtime.messages import EPOCH

FILE_NAME = "owncast.db"
BATCH = 500
"""Rows that are in memory at a time."""
MAX_CELL = 1_000_000
"""Characters of one cell; a longer one counts as empty."""
MAX_SETTING = 4 << 20
"""Octets of a setting's value."""
MAX_SETTINGS = 1_000
MAX_SETTINGS_OCTETS = 32 << 20
"""Of all values together."""
BUSY_SECONDS = 5.0
_MAGIC = b"SQLite format 3\0"
_WAL = 2
"""The number in a database's header that says it is in WAL mode."""
_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)? ?(?:(Z)|([+-])(\d\d):?(\d\d))?(?![\d:])"
)

Cell = str | int | float | bytes | None
Row = tuple[Cell, ...]


class Source:
    """An open database, as of one moment."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        self.tables = frozenset(str(name) for (name,) in names)

    @property
    def schema(self) -> int | None:
        """The version of its tables, by which releases differ; 7 is that of 0.1 and 0.2."""
        found = [row for batch in self.rows("config", ("key", "value")) for row in batch]
        return next((whole(value) for key, value in found if key == "version"), None)

    def columns(self, table: str) -> frozenset[str]:
        """The names of a table's columns; none of a table that is not there."""
        return frozenset(str(row[1]) for row in self._connection.execute(f"PRAGMA table_info({_quoted(table)})"))

    def count(self, table: str, where: str = "1") -> int:
        """How many rows of a table there are. `where` is SQL of ours."""
        if table not in self.tables:
            return 0
        query = f"SELECT count(*) FROM {_quoted(table)} WHERE {where}"  # noqa: S608 - names and conditions are ours
        with _readable(self.path):
            return int(self._connection.execute(query).fetchone()[0])

    def rows(self, table: str, columns: Sequence[str], order: str = "") -> Iterator[list[Row]]:
        """A table's rows in batches, in the order of the times in the column `order`, else as they lie.

        Raises ImportRefused where the file is damaged or locked.
        """
        if table not in self.tables:
            return
        there = self.columns(table)
        cells = ", ".join(_cell(name) if name in there else "NULL" for name in columns)
        by = f"moment({_quoted(order)}), rowid" if order in there else "rowid"
        # What SQLite sorts it maps into memory as a whole, so it sorts nothing but numbers.
        places = self._connection.cursor()
        with _readable(self.path):
            places.execute(f"SELECT rowid FROM {_quoted(table)} ORDER BY {by}")  # noqa: S608 - names are ours
        while True:
            with _readable(self.path):
                batch = [int(place) for (place,) in places.fetchmany(BATCH)]
                marks = ", ".join("?" * len(batch))
                query = f"SELECT rowid, {cells} FROM {_quoted(table)} WHERE rowid IN ({marks})"  # noqa: S608 - names are ours
                found = {row[0]: row[1:] for row in self._connection.execute(query, batch)}
            if not batch:
                return
            yield [found[place] for place in batch if place in found]

    def settings(self) -> dict[str, bytes]:
        """The values of Owncast's settings by their keys, as encoding/gob wrote them."""
        query = (
            f"SELECT key, CASE WHEN length(value) <= {MAX_SETTING} THEN value END "  # noqa: S608 - a number of ours
            f"FROM datastore LIMIT {MAX_SETTINGS}"
        )
        found: dict[str, bytes] = {}
        total = 0
        with _readable(self.path):
            for key, value in self._connection.execute(query):
                if isinstance(key, str) and isinstance(value, bytes):
                    found[key] = value
                    total += len(value)
                if total > MAX_SETTINGS_OCTETS:
                    raise ImportRefused(
                        f"The settings in {self.path} have more than {MAX_SETTINGS_OCTETS >> 20} MB; Owncast's never "
                        "do. Import a backup of it from before."
                    )
        return found


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """The database in that file, or in that data directory of Owncast's.

    Raises ImportRefused with a sentence for what is none.
    """
    file = locate(path)
    try:
        with file.open("rb") as octets:
            header = octets.read(100)
    except OSError as error:
        raise ImportRefused(f"{file} cannot be read: {error.strerror}.") from error
    if not header.startswith(_MAGIC):
        raise ImportRefused(f"{file} is no SQLite database; give Owncast's {FILE_NAME}, or the directory it lies in.")
    # A database in WAL mode whose log is gone was closed for good: reading it needs no lock and leaves no file behind.
    log = file.with_name(file.name + "-wal")
    closed = header[18:20] == bytes((_WAL, _WAL)) and not log.exists()
    address = f"file:{quote(str(file.absolute()))}?mode=ro{'&immutable=1' if closed else ''}"
    with _readable(file):
        connection = sqlite3.connect(
            address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
    try:
        connection.text_factory = lambda octets: octets.decode("utf-8", "replace")
        connection.create_function("moment", 1, _milliseconds, deterministic=True)
        with _readable(file):
            connection.execute("PRAGMA query_only = ON")
            # Sorting a million messages goes to a file, not to memory.
            connection.execute("PRAGMA temp_store = FILE")
            connection.execute("BEGIN")
            source = Source(file, connection)
            _judge(source)
        yield source
    finally:
        connection.close()


def locate(path: Path) -> Path:
    """The file that is meant by a file, Owncast's data directory, or the directory that has it."""
    candidates = (path, path / FILE_NAME, path / "data" / FILE_NAME)
    found = next((each for each in candidates if each.is_file()), None)
    if found is None:
        raise ImportRefused(f"There is no {FILE_NAME} at {path}; give that file, or Owncast's data directory.")
    return found


def text(cell: Cell, most: int = MAX_CELL) -> str:
    """A cell as text. Owncast declares columns as `string`, which SQLite takes for numbers where they look like one."""
    if isinstance(cell, bytes):
        cell = cell.decode("utf-8", "replace")
    return "" if cell is None else str(cell)[:most]


def whole(cell: Cell) -> int | None:
    """A cell as a whole number; None where it is none."""
    try:
        return int(float(cell)) if isinstance(cell, str | int | float) else None
    except (ValueError, OverflowError):
        return None


def moment(cell: Cell) -> datetime | None:
    """A cell as a time, aware and in UTC, to the millisecond; None where it is none.

    Owncast writes most times with their offset. Those without one are of SQLite's, in UTC.
    """
    if isinstance(cell, bool | bytes) or cell is None:
        return None
    if isinstance(cell, int | float):
        # Seconds since 1970, or milliseconds.
        seconds = cell / 1000 if abs(cell) > 1e11 else cell
        try:
            return EPOCH + timedelta(milliseconds=round(seconds * 1000))
        except (ValueError, OverflowError):
            return None
    found = _MOMENT.match(cell)
    if found is None:
        return None
    *parts, fraction, _, sign, hours, minutes = found.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        zone = timezone(-offset if sign == "-" else offset)
        year, month, day, hour, minute, second = map(int, parts)
        at = datetime(year, month, day, hour, minute, second, int((fraction or "0").ljust(6, "0")[:3]) * 1000, zone)
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _milliseconds(cell: Cell) -> int | None:
    at = moment(cell)
    return None if at is None else (at - EPOCH) // timedelta(milliseconds=1)


def _judge(source: Source) -> None:
    """Raises ImportRefused unless that is a database of Owncast's."""
    if "alembic_version" in source.tables and "channel_messages" in source.tables:
        raise ImportRefused(
            f"{source.path} is a database of owncast-py, not of Owncast; to move it, use owncast-py backup and restore."
        )
    if not {"key", "value"} <= source.columns("datastore"):
        raise ImportRefused(
            f"{source.path} is a database, but none of Owncast's: it has no table of settings. Give Owncast's "
            f"{FILE_NAME}, or the directory it lies in."
        )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What SQLite raises, as a sentence."""
    try:
        yield
    except sqlite3.Error as error:
        remedy = (
            "Stop Owncast, then try again."
            if "locked" in str(error)
            else "Give a copy of the whole directory that you can write to, or one of Owncast's backups."
        )
        raise ImportRefused(f"{path} cannot be read as a database: {error}. {remedy}") from error


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _cell(name: str) -> str:
    return f"CASE WHEN length({_quoted(name)}) <= {MAX_CELL} THEN {_quoted(name)} END"
