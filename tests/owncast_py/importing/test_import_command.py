"""The command `owncast-py import-owncast`: begun twice, broken off, tried, refused; and what it costs."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from owncast_files import BCRYPT, BROWSER, OLD, SETTINGS, Said, build, command, gob_text, sample, take_over

from owncast_py.backup.lock import hold
from owncast_py.credentials import MIN_PASSWORD
from owncast_py.importing.commands import Meter
from owncast_py.setting_groups import MAX_TAGS
from owncast_py.storage import sqlite
from owncast_py.storage.database import Database

ANN = {"id": "ann", "display_name": "Ann", "display_color": 3, "created_at": "2023-05-06 07:08:09.123456789-07:00"}
BEE = {"id": "bee", "display_name": "Beep", "display_color": 1, "type": "API", "scopes": "CAN_SEND_MESSAGES"}
LATELY = "2024-02-03 04:05:06.789+00:00"
MORE = f"""
INSERT INTO ip_bans (ip_address, notes) VALUES ('203.0.113.7', 'rude'), ('not an address', ''), ('0.0.0.0/0', '');
INSERT INTO webhooks (url, events) VALUES ('https://hook.example.org/a', 'CHAT,STREAM_STARTED'),
    ('https://hook.example.org/a', 'USER_JOINED'), ('ftp://hook.example.org/', 'CHAT');
INSERT INTO notifications (channel, destination) VALUES ('BROWSER_PUSH_NOTIFICATION', '{BROWSER}'),
    ('BROWSER_PUSH_NOTIFICATION', 'x');
INSERT INTO ap_followers (iri, inbox, username, request) VALUES ('a', 'b', 'c', 'd'), ('e', 'b', 'c', 'd');
"""


def said(count: int, first: int = 0) -> list[Said]:
    """Messages of Ann's, three of each second and every tenth hidden."""
    return [
        Said(
            f"m{number:06d}",
            "ann",
            f"<p>line {number}</p>",
            f"2024-02-03 {number // 10_800 % 24:02d}:{number // 180 % 60:02d}:{number // 3 % 60:02d}+00:00",
            "2024-02-04 00:00:00+00:00" if number % 10 == 0 else None,
        )
        for number in range(first, first + count)
    ]


def rows(data_dir: Path, *tables: str) -> dict[str, list[tuple[object, ...]]]:
    """What stands in those tables of ours, in order."""
    with closing(sqlite3.connect(data_dir / "owncast.db")) as ours:
        return {table: ours.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3").fetchall() for table in tables}


def counted(report: str) -> dict[str, tuple[int, int]]:
    """The report of `--json`: how many were taken, and were there."""
    return {each["what"]: (each["taken"], each["there"]) for each in json.loads(report)["taken"]}


def left(report: str) -> str:
    """What the report of `--json` says was not taken."""
    return "\n".join(json.loads(report)["left"])


KEPT = ("users", "devices", "channel_messages", "ip_bans", "endpoints", "subscriptions", "topics")


def test_everything_is_counted_and_what_is_left_is_said_with_its_reason(tmp_path: Path) -> None:
    build(
        tmp_path / "owncast.db",
        people=[ANN, BEE, {"id": "x" * 41, "display_name": "Long", "display_color": 1}],
        tokens=[("a" * 44, "ann"), ("b" * 44, "bee"), ("c" * 44, "nobody"), ("d" * 200, "ann")],
        messages=[
            *said(10),
            Said("follow", None, "<p>x</p>", LATELY, kind="FEDIVERSE_ENGAGEMENT_FOLLOW"),
            Said("stranger", "gone", "<p>x</p>", LATELY),
            Said("never", "ann", "<p>x</p>", "no time"),
            Said("later", "ann", "<p>x</p>", "2999-01-01 00:00:00+00:00"),
            Said("empty", "ann", "<script>x</script>", LATELY),
            Said("system", None, "<p>hello</p>", LATELY, kind="SYSTEM"),
        ],
        more=MORE,
    )
    done = take_over(tmp_path, tmp_path / "data", "--json")
    assert done.returncode == 0, done.stderr
    assert counted(done.stdout) == {
        "settings": (36, 0),
        "stream keys": (2, 0),
        "users": (2, 0),
        "access tokens": (2, 0),
        "messages": (11, 0),
        "banned addresses": (1, 0),
        "webhooks": (1, 0),
        "browsers to tell of a show": (1, 0),
    }
    for sentence in (
        "1 users: they have no id",
        "2 access tokens: nobody has them",
        "1 messages: nobody knows any more who wrote them.",
        "1 lines of chat about the Fediverse",
        "3 messages: they have no time, no words",
        "2 banned addresses: they are no addresses",
        "1 webhooks: their address cannot be called",
        "1 browsers that want to be told: they gave no address",
        "2 followers in the Fediverse",
        "Settings that mean nothing here: never_heard_of.",
    ):
        assert sentence in left(done.stdout)
    assert "messages  100 %" in done.stderr
    endpoints = rows(tmp_path / "data", "endpoints")["endpoints"]
    assert sorted(str(row[3]) for row in endpoints) == [
        "https://hook.example.org/a",
        "https://push.example.org/send/abc",
    ]
    # Two webhooks with one address are one, that wants the events of both.
    assert len(rows(tmp_path / "data", "subscriptions")["subscriptions"]) == 4


def test_the_same_import_again_changes_nothing(tmp_path: Path) -> None:
    build(tmp_path / "owncast.db", people=[ANN, BEE], tokens=[("a" * 44, "ann")], messages=said(1_300), more=MORE)
    data_dir = tmp_path / "data"
    assert take_over(tmp_path, data_dir).returncode == 0
    before, secrets = rows(data_dir, *KEPT), (data_dir / "credentials.json").read_bytes()
    with closing(sqlite3.connect(data_dir / "owncast.db")) as ours, ours:
        # What the owner has changed since is theirs.
        ours.execute('UPDATE settings SET document = \'{"name":"Mine"}\' WHERE "group" = \'instance\'')
    again = take_over(tmp_path, data_dir, "--json")
    assert counted(again.stdout)["messages"] == (0, 1_300)
    assert rows(data_dir, *KEPT) == before
    assert (data_dir / "credentials.json").read_bytes() == secrets
    assert ("instance", '{"name":"Mine"}') in [row[:2] for row in rows(data_dir, "settings")["settings"]]


def test_a_later_import_adds_what_came_since_in_the_order_of_its_time(tmp_path: Path) -> None:
    build(tmp_path / "owncast.db", people=[ANN], messages=said(20))
    data_dir = tmp_path / "data"
    assert take_over(tmp_path, data_dir).returncode == 0
    (tmp_path / "owncast.db").unlink()
    build(
        tmp_path / "owncast.db",
        people=[ANN, BEE],
        messages=[*said(24), Said("between", "bee", "<p>hi</p>", said(5)[4].at)],
    )
    done = take_over(tmp_path, data_dir, "--json")
    assert counted(done.stdout)["messages"] == (5, 20)
    assert counted(done.stdout)["users"] == (1, 1)
    found = {row[6]: str(row[3]) for row in rows(data_dir, "channel_messages")["channel_messages"]}
    order = sorted(found, key=lambda each: found[each])
    # Three messages share a second: what is new of it comes after what was there.
    assert order == [*(f"m{n:06d}" for n in range(6)), "between", *(f"m{n:06d}" for n in range(6, 24))]


def test_an_import_that_is_killed_and_begun_again_ends_like_one_that_was_not(tmp_path: Path) -> None:
    build(tmp_path / "owncast.db", people=[ANN, BEE], tokens=[("a" * 44, "ann")], messages=said(12_000), more=MORE)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert take_over(tmp_path, whole).returncode == 0
    with subprocess.Popen(
        command(tmp_path, broken), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if re.match(r"messages  +[1-9]\d %", line):
                run.kill()
                break
    there = len(rows(broken, "channel_messages")["channel_messages"])
    assert 0 < there < len(rows(whole, "channel_messages")["channel_messages"])
    done = take_over(tmp_path, broken, "--json")
    assert counted(done.stdout)["messages"][1] > 0
    assert sum(counted(done.stdout)["messages"]) == 12_000
    same = ("users", "channel_messages", "ip_bans")
    assert rows(broken, *same) == rows(whole, *same)


@pytest.mark.parametrize("begun", [False, True])
def test_a_dry_run_tells_the_same_and_changes_nothing(tmp_path: Path, begun: bool) -> None:
    build(tmp_path / "owncast" / "owncast.db", people=[ANN], messages=said(30), more=MORE)
    data_dir = tmp_path / "data"
    if begun:
        asyncio.run(begin(data_dir))
    before = contents(tmp_path)
    tried = take_over(tmp_path / "owncast", data_dir, "--dry-run", "--json")
    assert tried.returncode == 0, tried.stderr
    assert contents(tmp_path) == before
    real = take_over(tmp_path / "owncast", data_dir, "--json")
    assert counted(tried.stdout) == counted(real.stdout)
    assert contents(tmp_path) != before


async def begin(data_dir: Path, *statements: str) -> None:
    """A server of ours that was started once."""
    data_dir.mkdir(parents=True)
    database = Database(sqlite.url(data_dir / "owncast.db"))
    await database.start()
    await database.aclose()
    with closing(sqlite3.connect(data_dir / "owncast.db")) as ours, ours:
        for statement in statements:
            ours.execute(statement)


def contents(directory: Path) -> dict[str, str]:
    """Every file below a directory with its hash; what SQLite keeps of readers aside."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file() and not path.name.endswith(("-shm", "-wal", ".lock"))
    }


OWN = (
    "INSERT INTO users (id, kind, display_name, name_key, color, created_at, previous_names, scopes, moderator, "
    "authenticated) VALUES ('own', 'chatter', 'Own', 'own', 1, 1, '[]', '[]', 0, 0)"
)


def test_a_server_with_people_of_its_own_is_not_imported_into(tmp_path: Path) -> None:
    build(tmp_path / "owncast.db", people=[ANN], messages=said(3))
    data_dir = tmp_path / "data"
    asyncio.run(begin(data_dir, OWN))
    before = rows(data_dir, *KEPT, "settings")
    refused = take_over(tmp_path, data_dir)
    assert refused.returncode == 2
    assert "This server has users of its own already. Import into an empty data directory" in refused.stderr
    assert rows(data_dir, *KEPT, "settings") == before


def test_replacing_makes_a_backup_of_what_was_there_first(tmp_path: Path) -> None:
    build(tmp_path / "owncast.db", people=[ANN], messages=said(3))
    data_dir = tmp_path / "data"
    asyncio.run(begin(data_dir, OWN))
    done = take_over(tmp_path, data_dir, "--replace")
    assert done.returncode == 0, done.stderr
    assert [row[0] for row in rows(data_dir, "users")["users"]] == ["ann"]
    found = re.search(r"What is replaced is in the backup (\S+)\.\n", done.stderr)
    assert found is not None
    restored = subprocess.run(
        [*command(tmp_path, data_dir)[:3], "restore", found[1], "--yes", "--data-dir", str(tmp_path / "restored")],
        capture_output=True,
        text=True,
    )
    assert restored.returncode == 0, restored.stderr
    assert [row[0] for row in rows(tmp_path / "restored", "users")["users"]] == ["own"]


def test_another_owncast_does_not_mix_with_the_one_that_was_imported(tmp_path: Path) -> None:
    build(tmp_path / "one" / "owncast.db", people=[ANN])
    build(tmp_path / "two" / "owncast.db", people=[BEE], settings={**SETTINGS, "private_key": gob_text("other")})
    assert take_over(tmp_path / "one", tmp_path / "data").returncode == 0
    refused = take_over(tmp_path / "two", tmp_path / "data")
    assert refused.returncode == 2
    assert "This server has users of another Owncast already" in refused.stderr


def test_nothing_is_imported_under_a_running_server_but_it_can_be_tried(tmp_path: Path) -> None:
    build(tmp_path / "owncast.db", people=[ANN])
    data_dir = tmp_path / "data"
    asyncio.run(begin(data_dir))
    with hold(data_dir):
        refused = take_over(tmp_path, data_dir)
        tried = take_over(tmp_path, data_dir, "--dry-run", "--json")
    assert refused.returncode == 2
    assert f"{data_dir} is in use by a running server (process {os.getpid()}); stop it first" in refused.stderr
    assert counted(tried.stdout)["users"] == (1, 0)
    assert [row[0] for row in rows(data_dir, "users")["users"]] == []


def test_what_is_damaged_or_of_a_wrong_kind_is_left_and_the_rest_is_taken(tmp_path: Path) -> None:
    wrong: dict[str, bytes] = {
        **SETTINGS,
        "server_name": sample("keys")[:40],
        "nsfw": gob_text("yes"),
        "video_stream_output_variants": b"\xff" * 9,
        "social_handles": sample("strings"),
        "s3_storage_config": sample("s3").replace(b"https://s3.example.org", b"script://s3.example.or"),
        "discord_configuration": sample("discord").replace(b"https://discord.com", b"xfile://discord.com"),
        "server_metadata_tags": gob_text(",".join(f"tag{n}" for n in range(MAX_TAGS + 5))),
        "stream_title": gob_text("t" * 5_000),
        "admin_password_key": gob_text(BCRYPT),
    }
    more = """
INSERT INTO users (id, display_name, display_color, created_at, disabled_at, previous_names) VALUES
    (7, x'ff', 'blue', 'then', 'yes', 12), ('admin', 'Boss', 1, 1, NULL, NULL), ('guest-1', 'G', 1, 1, NULL, NULL);
INSERT INTO messages (id, user_id, body, eventType, timestamp) VALUES
    (1e3, 7, 12.5, 'CHAT', 1700000000), (x'00ff', 7, '<p>a</p>', 9, 1700000000), (NULL, 7, 'b', 'CHAT', 1700000000);
""".replace("(NULL, 7", "('', 7")
    build(tmp_path / "owncast.db", settings=wrong, more=more)
    done = take_over(tmp_path, tmp_path / "data", "--json")
    assert done.returncode == 0, done.stderr
    counts = counted(done.stdout)
    assert (counts["users"], counts["messages"]) == ((1, 0), (1, 0))
    sentences = left(done.stdout)
    for sentence in (
        "The setting server_name is damaged: A value ends after",
        "The setting nsfw is of the kind str; set it in the admin pages.",
        "The setting video_stream_output_variants is damaged",
        "The setting storage.endpoint: storage.endpoint cannot be 'script://",
        "The setting notifications.discord_webhook: it is not what is taken here.",
        "5 words of server_metadata_tags are too long or too many; a list has 50",
        "The setting instance.title: ",
        "The admin password: Owncast keeps it as a bcrypt hash",
        "2 users: they have no id, or one that is not taken here.",
    ):
        assert sentence in sentences
    for secret in ("very secret", "key-number-one", BCRYPT, "discord.com/api"):
        assert secret not in done.stdout + done.stderr
    (user,) = (row for row in rows(tmp_path / "data", "users")["users"] if row[0] != "admin")
    assert user[0] == "7"
    assert user[3] == "\N{REPLACEMENT CHARACTER}"
    assert "admin_password_hash" not in (tmp_path / "data" / "credentials.json").read_text()


def test_a_password_that_is_too_short_here_is_left_with_what_to_do(tmp_path: Path) -> None:
    build(tmp_path / "owncast.db", settings={**SETTINGS, "admin_password_key": gob_text("abc123")})
    done = take_over(tmp_path, tmp_path / "data", "--json")
    assert f"it is too short, for here it needs {MIN_PASSWORD} characters" in left(done.stdout)
    assert "abc123" not in done.stdout + done.stderr


def test_a_database_from_before_there_were_users_gives_its_settings(tmp_path: Path) -> None:
    file = build(tmp_path / "owncast.db", tables=OLD, version=0, settings={"server_name": gob_text("Old")})
    with closing(sqlite3.connect(file)) as owncast, owncast:
        owncast.execute("DROP TABLE users")
    done = take_over(tmp_path, tmp_path / "data", "--json")
    assert counted(done.stdout)["settings"] == (1, 0)
    assert "Users and messages: this database is of a release before 0.0.8" in left(done.stdout)


def test_old_messages_stay_if_the_owner_asks_for_that(tmp_path: Path) -> None:
    build(tmp_path / "owncast.db", people=[ANN], messages=said(4))
    warned = take_over(tmp_path, tmp_path / "data", "--json")
    (note,) = json.loads(warned.stdout)["notes"]
    assert note.startswith("4 messages are older than the 24 hours that chat keeps them")
    kept = take_over(tmp_path, tmp_path / "other", "--json", "--keep-messages")
    assert json.loads(kept.stdout)["notes"] == []
    documents = {str(row[0]): json.loads(str(row[1])) for row in rows(tmp_path / "other", "settings")["settings"]}
    assert documents["chat"]["retention_hours"] is None


def test_messages_of_whoever_owncast_has_disabled_are_hidden_as_there(tmp_path: Path) -> None:
    disabled = {**ANN, "id": "bad", "disabled_at": "2024-02-03 00:00:05+00:00"}
    build(tmp_path / "owncast.db", people=[ANN, disabled], messages=[*said(2), Said("bad", "bad", "<p>x</p>", LATELY)])
    assert take_over(tmp_path, tmp_path / "data").returncode == 0
    with closing(sqlite3.connect(tmp_path / "data" / "owncast.db")) as ours:
        found = ours.execute("SELECT id, action FROM channel_messages WHERE latest ORDER BY id").fetchall()
    # The first of Ann's is one that Owncast had hidden; 2 is a removal.
    assert found == [("bad", 2), ("m000000", 2), ("m000001", 0)]


def test_settings_of_more_octets_than_any_owncast_has_are_refused(tmp_path: Path) -> None:
    build(tmp_path / "owncast.db", settings={f"page{n}": gob_text("x" * 4_000_000) for n in range(9)})
    refused = take_over(tmp_path, tmp_path / "data")
    assert refused.returncode == 2
    assert "have more than 32 MB" in refused.stderr


def test_on_a_terminal_progress_is_a_line_that_is_written_over() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, file = Terminal(), io.StringIO()
    for out in (terminal, file):
        meter = Meter(out)
        for done in (0, 1, 5, 10, 1_000):
            meter("users", done, 1_000)
        meter("messages", 5, 5)
        meter.end()
    assert terminal.getvalue() == "\rusers    0 %\rusers    1 %\rusers  100 %\n\rmessages  100 %\n"
    assert file.getvalue() == "users    0 %\nusers  100 %\nmessages  100 %\n"


# The kernel counts for each program by itself here; what it tells of children holds the memory of their parent.
MEASURED = """
import sys
from owncast_py.cli import main
main(sys.argv[1:], standalone_mode=False)
sys.stderr.write(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def peak(path: Path, data_dir: Path) -> int:
    """The most memory that an import has at a time, in octets."""
    python, _, _, *words = command(path, data_dir)
    done = subprocess.run([python, "-c", MEASURED, *words], capture_output=True, text=True)
    found = re.search(r"VmHWM:\s+(\d+) kB", done.stderr)
    assert found is not None, done.stderr
    return int(found[1]) * 1024


def test_forty_thousand_messages_take_no_more_memory_than_four_thousand(tmp_path: Path) -> None:
    build(tmp_path / "few" / "owncast.db", people=[ANN], messages=said(4_000))
    build(tmp_path / "many" / "owncast.db", people=[ANN], messages=said(40_000))
    few, many = peak(tmp_path / "few", tmp_path / "a"), peak(tmp_path / "many", tmp_path / "b")
    with closing(sqlite3.connect(tmp_path / "b" / "owncast.db")) as ours:
        (count,) = ours.execute("SELECT count(DISTINCT serial) FROM channel_messages").fetchone()
    assert count == 40_000
    # All of them at once would be some 40 MB.
    assert many - few < 10_000_000, (few, many)
