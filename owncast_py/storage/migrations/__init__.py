"""The steps that lead the tables from any older version to this one, each a file in `versions/`.

Owns nothing but how alembic is called: on the connection that the database already has, without its configuration file.
Revisions are numbers in text, in order: 0001, 0002, …
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

HEAD = "0001"
"""The revision that this code works with; a test compares it with `versions/`."""


def upgrade(connection: Connection) -> None:
    """Runs what is missing up to HEAD, inside the caller's transaction. Blocks."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
