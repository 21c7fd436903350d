"""The steps that lead the tables from any older version to this one, each a file in `versions/`.

Owns nothing but how alembic is called: on the connection that the database already has, without its configuration file.
Revisions are numbers in text, in order: 0001, 0002, …
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, text

from owncast_py.storage.tables import metadata

HEAD = "0005"
"""The revision that this code works with; a test compares it with `versions/`."""


def create(connection: Connection) -> None:
    """Makes the newest tables in an empty database, as if every step had been run. Blocks."""
    metadata.create_all(connection, checkfirst=False)
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:head)"), {"head": HEAD})


def upgrade(connection: Connection) -> None:
    """Runs what is missing up to HEAD, inside the caller's transaction. Blocks."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
