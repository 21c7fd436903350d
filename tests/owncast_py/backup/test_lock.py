"""The lock of a data directory, between processes, and the commands that need it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from backup_material import documents, put

from owncast_py.backup.commands import backup_command, database_file, restore_command
from owncast_py.backup.errors import BackupError, DataDirectoryInUse
from owncast_py.backup.lock import hold
from owncast_py.config import Config

HOLDER = """
import sys
from pathlib import Path
from owncast_py.backup.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_holder_at_a_time_and_the_next_one_after(tmp_path: Path) -> None:
    data_dir = tmp_path / "new" / "data"
    with hold(data_dir):
        assert (data_dir / ".lock").read_text() == f"{os.getpid()}\n"
        with pytest.raises(DataDirectoryInUse) as caught, hold(data_dir):
            pass
        assert str(caught.value) == (
            f"{data_dir} is in use by a running server (process {os.getpid()}); stop it first, "
            "or choose another directory with --data-dir."
        )
    with hold(data_dir):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(DataDirectoryInUse, match=f"process {process.pid}"), hold(tmp_path):
            pass
        process.kill()
        process.wait()
    with hold(tmp_path):
        pass


def test_a_directory_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackupError, match="cannot be used as data directory: "), hold(tmp_path / "file" / "data"):
        pass


def test_the_commands_back_up_and_restore(data_dir: Path, tmp_path: Path) -> None:
    said: list[str] = []
    asked: list[str] = []
    config = Config(data_dir=data_dir)
    backup_command(config, tmp_path / "mine.tar.gz", said.append)
    assert said[0].startswith("copying the database  ")
    assert "copying the database  100 %" in said
    assert said[-1].startswith(f"The backup is {tmp_path / 'mine.tar.gz'} (")
    assert len(said) < 30
    backup_command(config, None, said.append)
    assert len(list((data_dir / "backups").iterdir())) == 1
    put(data_dir / "owncast.db", "title", "new")

    def answer(question: str) -> bool:
        asked.append(question)
        return len(asked) > 1

    restore_command(config, tmp_path / "mine.tar.gz", said.append, answer)
    assert said[-1] == "Nothing was changed."
    assert documents(data_dir / "owncast.db") == {"title": "new"}
    restore_command(config, tmp_path / "mine.tar.gz", said.append, answer)
    assert said[-1] == "The backup is restored. Start the server again."
    assert "What was there before is in" in said[-2]
    assert documents(data_dir / "owncast.db") == {"title": "old"}
    assert "What is there now is moved aside, not deleted." in asked[0]


def test_what_the_commands_refuse(data_dir: Path, tmp_path: Path) -> None:
    def never(_: str) -> bool:
        raise AssertionError

    config = Config(data_dir=data_dir)
    with pytest.raises(BackupError, match=r"There is no backup .*gone"):
        restore_command(config, tmp_path / "gone.tar.gz", print, never)
    file = tmp_path / "b.tar.gz"
    backup_command(config, file, lambda _: None)
    with hold(data_dir), pytest.raises(DataDirectoryInUse):
        restore_command(config, file, print, never)
    postgres = Config.model_validate({"data_dir": data_dir, "database_url": "postgresql+asyncpg://me:secret@h/db"})
    with pytest.raises(BackupError, match=r"The database is postgresql; .* pg_dump") as caught:
        backup_command(postgres, None, print)
    assert "secret" not in str(caught.value)
    memory = Config.model_validate({"data_dir": data_dir, "database_url": "sqlite+aiosqlite://"})
    with pytest.raises(BackupError, match="is not a plain file"):
        database_file(memory)
    elsewhere = Config.model_validate(
        {"data_dir": data_dir, "database_url": f"sqlite+aiosqlite:///{tmp_path}/elsewhere.db"}
    )
    assert database_file(elsewhere) == tmp_path / "elsewhere.db"
    with pytest.raises(BackupError, match="but database_url names"):
        restore_command(elsewhere, file, print, never)
