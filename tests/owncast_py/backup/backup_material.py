"""What backups are tested with: real databases, the files around them, and archives as somebody hostile makes them."""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

from sqlalchemy import create_engine

from owncast_py.storage import migrations

FILES = {
    "credentials.json": b'{"stream_key": "the key"}',
    "emoji/tea.png": b"picture",
    "emoji/more/\N{WOMAN}\N{ZERO WIDTH JOINER}\N{ROCKET}.png": b"astronaut",
    "public/page.html": b"<p>",
}
OUTSIDE = {"hls/0/segment.m4s": b"media", "notes.txt": b"mine"}
"""What is in the directory too and belongs to no backup."""


def make_database(file: Path, rows: int = 200) -> None:
    """A real database with rows in it that fill some hundred pages."""
    file.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        migrations.create(connection)
    engine.dispose()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executemany(
            "INSERT INTO settings VALUES (?, ?, 0)", [(f"filler {number}", "x" * 20_000) for number in range(rows)]
        )
        connection.commit()


def documents(file: Path) -> dict[str, str]:
    """What the settings table holds but the filler."""
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute('SELECT "group", document FROM settings WHERE "group" NOT LIKE \'filler%\'')
        return dict(rows.fetchall())


def put(file: Path, group: str, document: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?, 0)", (group, document))
        connection.commit()


def tree(directory: Path) -> dict[str, bytes]:
    """Every file below, without databases, which differ in bytes, and without the lock."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and not path.name.startswith(("owncast.db", ".lock"))
    }


class Forge:
    """Makes archives of any kind; `manifest` of the files that were added is right unless it is given."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.members: list[tuple[tarfile.TarInfo, bytes]] = []
        self.entries: dict[str, dict[str, object]] = {}

    def add(self, name: str, content: bytes, **attributes: object) -> Forge:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        for attribute, value in attributes.items():
            setattr(info, attribute, value)
        self.members.append((info, content))
        self.entries[name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        return self

    def write(self, **manifest: object) -> Path:
        document = {
            "format": 1,
            "created_at": "2026-03-04T05:06:07Z",
            "revision": migrations.HEAD,
            "files": self.entries,
        } | manifest
        content = json.dumps(document).encode()
        with tarfile.open(self.path, "w:gz") as tar:
            for info, body in self.members:
                tar.addfile(info, io.BytesIO(body))
            info = tarfile.TarInfo("manifest.json")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        return self.path
