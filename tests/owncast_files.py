"""Owncast's databases as its releases make them, to import from: tables with its columns, settings as gob.

Column names, their declared types and the keys of settings are Owncast's; the values are made up here.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

COMMON = """
CREATE TABLE config ("key" string NOT NULL PRIMARY KEY, "value" TEXT);
CREATE TABLE datastore ("key" string NOT NULL PRIMARY KEY, "value" BLOB, "timestamp" DATE DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE webhooks ("id" INTEGER PRIMARY KEY AUTOINCREMENT, "url" string NOT NULL, "events" TEXT NOT NULL,
    "timestamp" DATETIME DEFAULT CURRENT_TIMESTAMP, "last_used" DATETIME);
"""
NEW = (
    COMMON
    + """
CREATE TABLE users ("id" TEXT PRIMARY KEY, "display_name" TEXT NOT NULL, "display_color" INTEGER NOT NULL,
    "created_at" TIMESTAMP DEFAULT CURRENT_TIMESTAMP, "disabled_at" TIMESTAMP, "previous_names" TEXT DEFAULT '',
    "namechanged_at" TIMESTAMP, "authenticated_at" TIMESTAMP, "scopes" TEXT, "type" TEXT DEFAULT 'STANDARD',
    "last_used" DATETIME DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE user_access_tokens ("token" TEXT NOT NULL PRIMARY KEY, "user_id" TEXT NOT NULL,
    "timestamp" DATE DEFAULT CURRENT_TIMESTAMP NOT NULL);
CREATE TABLE messages ("id" string NOT NULL, "user_id" TEXT, "body" TEXT, "eventType" TEXT, "hidden_at" DATETIME,
    "timestamp" DATETIME, "title" TEXT, "subtitle" TEXT, "image" TEXT, "link" TEXT, PRIMARY KEY (id));
CREATE TABLE ip_bans ("ip_address" TEXT NOT NULL PRIMARY KEY, "notes" TEXT,
    "created_at" TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE notifications ("id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "channel" TEXT NOT NULL,
    "destination" TEXT NOT NULL, "created_at" TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE auth ("id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "user_id" TEXT NOT NULL, "token" TEXT NOT NULL,
    "type" TEXT NOT NULL, "timestamp" DATE DEFAULT CURRENT_TIMESTAMP NOT NULL);
CREATE TABLE ap_followers ("iri" TEXT NOT NULL PRIMARY KEY, "inbox" TEXT NOT NULL, "name" TEXT,
    "username" TEXT NOT NULL, "image" TEXT, "request" TEXT NOT NULL, "created_at" TIMESTAMP, "approved_at" TIMESTAMP,
    "disabled_at" TIMESTAMP, "request_object" BLOB);
"""
)
"""0.1 and 0.2: version 7 of the tables."""
OLD = (
    COMMON
    + """
CREATE TABLE users ("id" TEXT PRIMARY KEY, "access_token" string NOT NULL, "display_name" TEXT NOT NULL,
    "display_color" NUMBER NOT NULL, "created_at" TIMESTAMP DEFAULT CURRENT_TIMESTAMP, "disabled_at" TIMESTAMP,
    "previous_names" TEXT DEFAULT '', "namechanged_at" TIMESTAMP, "scopes" TEXT, "type" TEXT DEFAULT 'STANDARD',
    "last_used" DATETIME DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE messages ("id" string NOT NULL PRIMARY KEY, "user_id" INTEGER, "body" TEXT, "eventType" TEXT,
    "hidden_at" DATE, "timestamp" DATE);
"""
)
"""0.0.8 to 0.0.10: version 1 to 4. A user has one access token, and a colour is an angle."""

_GOB = Path(__file__).with_name("gob_values.txt")


def sample(name: str) -> bytes:
    """What Go's own encoding/gob wrote for the value of that name in gob_values.txt."""
    return samples()[name]


@cache
def samples() -> Mapping[str, bytes]:
    """All of them."""
    lines = [line for line in _GOB.read_text().splitlines() if not line.startswith("#")]
    return {name: bytes.fromhex(octets) for name, octets in (line.split() for line in lines)}


def gob_text(text: str) -> bytes:
    """A string as encoding/gob writes it: its type's number, a zero, its length, its octets."""
    octets = text.encode()
    inner = b"\x0c\x00" + _count(len(octets)) + octets
    return _count(len(inner)) + inner


def _count(number: int) -> bytes:
    octets = number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")
    return octets if number < 128 else bytes([256 - len(octets)]) + octets


SETTINGS: Mapping[str, bytes] = {
    "server_name": gob_text("Tea house"),
    "stream_title": gob_text("Brewing"),
    "server_summary": gob_text("All about **tea**"),
    "server_metadata_tags": gob_text("tea,music"),
    "extra_page_content": gob_text("# Menu"),
    "custom_offline_message": gob_text("We sleep."),
    "custom_styles": gob_text("body { color: green }"),
    "custom_javascript": gob_text("console.log('tea')"),
    "server_welcome_message": gob_text("Welcome in"),
    "nsfw": sample("true"),
    "hide_viewer_count": sample("true"),
    "video_latency_level": sample("number"),
    "video_stream_output_variants": sample("variants"),
    "video_codec": gob_text("libx264"),
    "social_handles": sample("handles"),
    "external_actions": sample("actions"),
    "custom_color_variable_values": sample("map"),
    "blocked_usernames": sample("strings"),
    "chat_established_users_only_mode": sample("false"),
    "chat_join_messages_enabled": sample("false"),
    "s3_storage_config": sample("s3"),
    "stream_keys": sample("keys"),
    "discord_configuration": sample("discord"),
    "browser_push_configuration": sample("browser"),
    "browser_push_private_key": gob_text("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"),
    "server_init_date": sample("nulltime"),
    "federation_enabled": sample("true"),
    "http_port_number": sample("number"),
    "never_heard_of": sample("true"),
}
BCRYPT = "$2a$10$" + "a" * 53

BROWSER = (
    '{"endpoint":"https://push.example.org/send/abc","expirationTime":null,"keys":{"p256dh":'
    '"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4","auth":'
    '"BTBZMqHH6r4Tts7J_aSIgg"}}'
)
"""The subscription of RFC 8291's example."""


@dataclass(frozen=True)
class Said:
    """A message as Owncast keeps it."""

    id: str
    user_id: str | None
    body: str
    at: str
    hidden_at: str | None = None
    kind: str = "CHAT"


def build(
    file: Path,
    *,
    tables: str = NEW,
    version: int = 7,
    settings: Mapping[str, bytes] = SETTINGS,
    people: Iterable[Mapping[str, object]] = (),
    tokens: Iterable[tuple[str, str]] = (),
    messages: Iterable[Said] = (),
    more: str = "",
    wal: bool = True,
) -> Path:
    """Makes a database in `file` and returns it. `people` are rows of users by column; `more` is SQL."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file)) as owncast, owncast:
        if wal:
            owncast.execute("PRAGMA journal_mode = WAL")
        owncast.executescript(tables)
        owncast.execute("INSERT INTO config VALUES ('version', ?)", (str(version),))
        owncast.executemany("INSERT INTO datastore (key, value) VALUES (?, ?)", settings.items())
        for person in people:
            columns = ", ".join(person)
            marks = ", ".join("?" * len(person))
            owncast.execute(f"INSERT INTO users ({columns}) VALUES ({marks})", list(person.values()))
        for each in tokens:
            owncast.execute("INSERT INTO user_access_tokens (token, user_id) VALUES (?, ?)", each)
        owncast.executemany(
            "INSERT INTO messages (id, user_id, body, eventType, hidden_at, timestamp) VALUES (?, ?, ?, ?, ?, ?)",
            ((each.id, each.user_id, each.body, each.kind, each.hidden_at, each.at) for each in messages),
        )
        owncast.executescript(more)
    return file


def take_over(
    path: Path, data_dir: Path, *options: str, config: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs the real command on that Owncast and our data directory."""
    return subprocess.run(command(path, data_dir, *options, config=config), capture_output=True, text=True, env=_ENV)


def command(path: Path, data_dir: Path, *options: str, config: Path | None = None) -> list[str]:
    """The command line of an import."""
    given = ["--config", str(config)] if config is not None else []
    program = [sys.executable, "-m", "owncast_py", "import-owncast"]
    return [*program, str(path), "--data-dir", str(data_dir), *given, *options]


_ENV = {name: value for name, value in os.environ.items() if not name.startswith("OWNCAST_")}
