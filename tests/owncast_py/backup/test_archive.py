"""Backups of real databases while they are written, restored whole or not at all, and archives that mean harm."""

from __future__ import annotations

import gzip
import shutil
import sqlite3
import stat
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
from backup_material import FILES, OUTSIDE, Forge, documents, make_database, put, tree
from house import Clock

from owncast_py.backup import archive, swap, unpacking
from owncast_py.backup.errors import BackupError
from owncast_py.backup.lock import hold
from owncast_py.backup.manifest import file_name, time_of
from owncast_py.storage import migrations, sqlite
from owncast_py.storage import settings as repository
from owncast_py.storage.database import Database

ASIDE = "before-restore-2026-03-04T050607Z"


def quiet(what: str, done: float) -> None:
    pass


def backed_up(data_dir: Path, destination: Path, clock: Clock) -> Path:
    return archive.create(data_dir, data_dir / "owncast.db", destination, quiet, at=clock.moment)


def restored(file: Path, data_dir: Path, clock: Clock) -> Path | None:
    return archive.restore(file, data_dir, quiet, at=clock.moment)


def test_a_backup_holds_what_matters_for_its_owner_only(data_dir: Path, tmp_path: Path, clock: Clock) -> None:
    file = backed_up(data_dir, tmp_path / "to", clock)
    assert file == tmp_path / "to" / "owncast-2026-03-04T050607Z.tar.gz"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file], "nothing else is left there"
    with tarfile.open(file) as tar:
        names = tar.getnames()
    assert names == ["owncast.db", *sorted(FILES, key=lambda name: (name[0], name.count("/"))), "manifest.json"]
    with pytest.raises(BackupError, match="exists already"):
        backed_up(data_dir, file, clock)


def test_the_copy_is_of_one_moment_however_much_is_written_meanwhile(
    data_dir: Path, tmp_path: Path, clock: Clock
) -> None:
    database = data_dir / "owncast.db"
    told: list[tuple[str, float]] = []

    def write_and_note(what: str, done: float) -> None:
        told.append((what, done))
        put(database, "title", f"written at step {len(told)}")
        put(database, f"filler more {len(told)}", "y" * 100_000)

    file = archive.create(data_dir, database, tmp_path / "b.tar.gz", write_and_note, at=clock.moment)
    copying = [done for what, done in told if what == "copying the database"]
    assert len(copying) > 3
    assert copying == sorted(copying), "it never began anew"
    assert copying[-1] == 1.0
    assert restored(file, tmp_path / "new", clock) is None
    assert documents(tmp_path / "new" / "owncast.db") == {"title": "old"}
    assert documents(database)["title"].startswith("written at step")


async def test_a_running_server_is_backed_up_and_its_backup_starts(tmp_path: Path, clock: Clock) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    database = Database(sqlite.url(data_dir / "owncast.db"))
    await database.start()
    await database.write(lambda connection: repository.keep(connection, "chat", "{}", clock.moment))
    file = backed_up(data_dir, tmp_path, clock)
    await database.write(lambda connection: repository.keep(connection, "chat", "later", clock.moment))
    await database.aclose()
    restored(file, data_dir, clock)
    again = Database(sqlite.url(data_dir / "owncast.db"))
    await again.start()
    async with again.reading() as connection:
        assert await repository.all_documents(connection) == {"chat": "{}"}
    await again.aclose()


def test_a_restore_brings_back_the_old_and_deletes_nothing(data_dir: Path, tmp_path: Path, clock: Clock) -> None:
    before = tree(data_dir)
    file = backed_up(data_dir, tmp_path, clock)
    writer = sqlite3.connect(data_dir / "owncast.db")
    writer.execute("UPDATE settings SET document = 'new' WHERE \"group\" = 'title'")
    writer.commit()
    shutil.copy(data_dir / "owncast.db-wal", tmp_path / "wal")
    writer.close()
    shutil.copy(tmp_path / "wal", data_dir / "owncast.db-wal")  # as after kill -9
    (data_dir / "credentials.json").write_bytes(b"new")
    (data_dir / "emoji" / "new.png").write_bytes(b"new")
    (data_dir / "branding").mkdir()
    (data_dir / "branding" / "logo.png").write_bytes(b"new")
    changed = tree(data_dir)
    aside = restored(file, data_dir, clock)
    assert aside == data_dir / ASIDE
    after = tree(data_dir)
    assert {name: body for name, body in after.items() if not name.startswith(ASIDE)} == before
    assert tree(aside) == {name: body for name, body in changed.items() if name not in OUTSIDE}
    assert (aside / "owncast.db-wal").exists()
    assert not (data_dir / "owncast.db-wal").exists()
    assert documents(data_dir / "owncast.db") == {"title": "old"}
    assert documents(aside / "owncast.db") == {"title": "new"}
    assert stat.S_IMODE((data_dir / "credentials.json").stat().st_mode) == 0o600
    again = restored(file, data_dir, clock)
    assert again == data_dir / f"{ASIDE}-2"


def test_links_are_not_followed_and_unusual_files_left_out(data_dir: Path, tmp_path: Path, clock: Clock) -> None:
    (data_dir / "public" / "passwords").symlink_to("/etc/passwd")
    (data_dir / "public" / "loop").symlink_to(data_dir / "public")
    with tarfile.open(backed_up(data_dir, tmp_path, clock)) as tar:
        assert [name for name in tar.getnames() if name.startswith("public")] == ["public/page.html"]


def test_what_cannot_be_backed_up_leaves_nothing_behind(data_dir: Path, tmp_path: Path, clock: Clock) -> None:
    to = tmp_path / "to"
    with pytest.raises(BackupError, match=r"There is no database at .*nothing\.db; start the server once"):
        archive.create(data_dir, tmp_path / "nothing.db", to, quiet, at=clock.moment)
    (tmp_path / "text.db").write_text("no database" * 1000)
    with pytest.raises(BackupError, match="cannot be written: file is not a database"):
        archive.create(data_dir, tmp_path / "text.db", to, quiet, at=clock.moment)
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE mine (x)")
    with pytest.raises(BackupError, match="is not a database of owncast-py"):
        archive.create(data_dir, tmp_path / "other.db", to, quiet, at=clock.moment)
    with pytest.raises(BackupError, match=r"page.html/to/.* cannot be written: Not a directory"):
        backed_up(data_dir, data_dir / "public" / "page.html" / "to", clock)

    def stop(what: str, done: float) -> None:
        raise BackupError("enough")

    with pytest.raises(BackupError, match="enough"):
        archive.create(data_dir, data_dir / "owncast.db", to, stop, at=clock.moment)
    (data_dir / "public" / "back\\slash").write_text("")
    with pytest.raises(BackupError, match="cannot be backed up; rename it"):
        backed_up(data_dir, to, clock)
    assert list(to.iterdir()) == []


def test_the_rest_of_a_killed_backup_is_removed_after_a_day(data_dir: Path, tmp_path: Path, clock: Clock) -> None:
    dead = tmp_path / "to" / ".backup-dead"
    dead.mkdir(parents=True)
    (dead / "owncast.db").write_bytes(b"half")
    clock.turn(dead.stat().st_mtime - clock.moment.timestamp() + 3600)
    backed_up(data_dir, tmp_path / "to", clock)
    assert dead.exists()
    clock.turn(86_400)
    backed_up(data_dir, tmp_path / "to", clock)
    assert not dead.exists()


def test_names_of_backups(clock: Clock) -> None:
    assert time_of(file_name(clock.moment)) == clock.moment
    for name in ("owncast.tar.gz", "owncast-2026-3-4T050607Z.tar.gz", "owncast-2026-13-04T050607Z.tar.gz", ""):
        assert time_of(name) is None


# Archives that are no backups.


def refused(file: Path, data_dir: Path, clock: Clock) -> str:
    """The sentence, after making sure that nothing was changed."""
    before = tree(data_dir.parent)
    with pytest.raises(BackupError) as caught:
        restored(file, data_dir, clock)
    assert tree(data_dir.parent) == before
    assert not (data_dir / swap.STAGING).exists()
    assert documents(data_dir / "owncast.db") == {"title": "old"}
    return str(caught.value)


def test_a_forged_archive_would_be_taken_if_it_were_whole(data_dir: Path, forge: Forge, clock: Clock) -> None:
    restored(forge.write(), data_dir, clock)
    assert documents(data_dir / "owncast.db") == {"title": "forged"}


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../evil", "emoji/../../evil", "emoji//x", "./emoji/x", "emoji", "hls/x", "emoji/a\\b",
     "emoji/a\nb", "before-restore/x", ".restore-ready/swap.json", "swap.json", "emoji/" + "x" * 1000],
)  # fmt: skip
def test_names_that_lead_elsewhere(data_dir: Path, forge: Forge, clock: Clock, name: str) -> None:
    assert "which no backup does" in refused(forge.add(name, b"evil").write(), data_dir, clock)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_folders_and_devices(data_dir: Path, forge: Forge, clock: Clock, kind: bytes) -> None:
    file = forge.add("emoji/x", b"", type=kind, linkname="/etc/passwd").write()
    assert "is a link or no ordinary file" in refused(file, data_dir, clock)


def test_files_that_are_not_what_the_manifest_says(data_dir: Path, forge: Forge, clock: Clock) -> None:
    forge.add("emoji/x", b"right")
    forge.entries["emoji/x"] = {"size": 5, "sha256": "0" * 64}
    assert "emoji/x in the backup is not what its manifest.json says" in refused(forge.write(), data_dir, clock)
    del forge.entries["emoji/x"]
    assert "emoji/x in the backup is not" in refused(forge.write(), data_dir, clock)
    forge.members.pop()
    forge.entries["emoji/gone"] = {"size": 5, "sha256": "0" * 64}
    assert "emoji/gone in the backup is not" in refused(forge.write(), data_dir, clock)
    assert "manifest.json is damaged: revision: " in refused(forge.write(revision="new"), data_dir, clock)
    assert "manifest.json is damaged: files.emoji/gone: " in refused(
        forge.write(files={"emoji/gone": 1}), data_dir, clock
    )
    assert "has format 2, this version reads up to 1" in refused(forge.write(format=2, extra=1), data_dir, clock)


def test_what_is_there_twice_or_in_each_others_way(data_dir: Path, forge: Forge, clock: Clock) -> None:
    forge.add("emoji/x", b"1").add("emoji/x", b"2")
    assert "holds emoji/x twice" in refused(forge.write(), data_dir, clock)
    forge.members.pop()
    forge.add("emoji/x/y", b"2")
    assert "cannot be restored" in refused(forge.write(), data_dir, clock)


def test_archives_that_are_cut_off_or_no_archives(data_dir: Path, forge: Forge, tmp_path: Path, clock: Clock) -> None:
    whole = forge.write().read_bytes()
    cut = tmp_path / "cut.tar.gz"
    for length in (0, 1, 10, 11, len(whole) // 2, len(whole) - 40):
        cut.write_bytes(whole[:length])
        assert "is damaged or not a backup" in refused(cut, data_dir, clock), length
    middle = len(whole) // 2
    cut.write_bytes(
        whole[:middle] + bytes(byte ^ 0xFF for byte in whole[middle : middle + 100]) + whole[middle + 100 :]
    )
    refused(cut, data_dir, clock)
    tar = gzip.decompress(whole)
    cut.write_bytes(gzip.compress(tar[: tar.index(b"manifest.json")]))
    assert "has no manifest.json at its end" in refused(cut, data_dir, clock)
    cut.write_text("Dear Sir or Madam")
    assert "is damaged or not a backup" in refused(cut, data_dir, clock)
    assert "No such file" in refused(tmp_path / "gone.tar.gz", data_dir, clock)


def test_a_bomb_is_refused_before_it_is_unpacked(
    data_dir: Path, forge: Forge, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "MAX_UNPACKED", 4 << 20)
    file = forge.add("public/zeros", bytes(8 << 20)).write()
    assert file.stat().st_size < 1 << 20
    assert "more than 4194304 bytes" in refused(file, data_dir, clock)
    forge.members.pop()
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 2 << 20
    file.write_bytes(gzip.compress(header.tobuf() + bytes(2 << 20)))
    assert "has a header that no backup has" in refused(file, data_dir, clock)
    monkeypatch.setattr(unpacking, "MAX_MANIFEST_BYTES", 100)
    assert "manifest.json has " in refused(forge.write(), data_dir, clock)
    monkeypatch.setattr(unpacking, "MAX_FILES", 1)
    assert "or 1 files" in refused(forge.add("emoji/x", b"").write(), data_dir, clock)


def test_sparse_files_are_refused(data_dir: Path, forge: Forge, clock: Clock) -> None:
    forge.add("public/hole", b"", pax_headers={"GNU.sparse.map": "0,0", "GNU.sparse.size": str(1 << 40)})
    assert "no ordinary file" in refused(forge.write(), data_dir, clock)


def test_databases_that_are_newer_damaged_or_missing(
    data_dir: Path, forge: Forge, tmp_path: Path, database_bytes: bytes, clock: Clock
) -> None:
    newer = f"{int(migrations.HEAD) + 1:04}"
    assert f"newer version (revision {newer}, " in refused(forge.write(revision=newer), data_dir, clock)
    file = tmp_path / "newer.db"
    file.write_bytes(database_bytes)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (newer,))
        connection.commit()
    lying = Forge(tmp_path / "lying.tar.gz").add("owncast.db", file.read_bytes()).write()
    assert f"newer version (revision {newer}, " in refused(lying, data_dir, clock)
    holes = database_bytes[:8192] + bytes(len(database_bytes) - 8192)
    damaged = Forge(tmp_path / "damaged.tar.gz").add("owncast.db", holes).write()
    assert "The database in the backup is damaged" in refused(damaged, data_dir, clock)
    text = Forge(tmp_path / "text.tar.gz").add("owncast.db", b"text" * 1000).write()
    assert "The database in the backup is damaged: file is not a database" in refused(text, data_dir, clock)
    nothing = Forge(tmp_path / "nothing.tar.gz").add("emoji/x", b"").write()
    assert "holds no owncast.db" in refused(nothing, data_dir, clock)


# Crashes.


class PowerCut(BaseException):
    """Nothing that comes after it is done."""


def test_a_crash_between_any_two_steps_leaves_the_old_or_leads_to_the_new(
    data_dir: Path, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = backed_up(data_dir, tmp_path, clock)
    (data_dir / "owncast.db-wal").write_bytes(b"")
    (data_dir / "branding").mkdir()
    (data_dir / "branding" / "logo.png").write_bytes(b"old")
    put(data_dir / "owncast.db", "title", "changed")
    (data_dir / "owncast.db-shm").write_bytes(b"")
    (data_dir / "credentials.json").write_bytes(b"changed")
    changed = tree(data_dir)
    outcomes: list[str] = []
    while not outcomes or outcomes[-1] != "through":
        work = tmp_path / f"cut {len(outcomes)}"
        shutil.copytree(data_dir, work)
        left = len(outcomes)

        def move_or_crash(source: Path, target: Path) -> None:
            nonlocal left
            if left == 0:
                raise PowerCut
            left -= 1
            source.rename(target)

        with monkeypatch.context() as patch:
            patch.setattr(swap, "_move", move_or_crash)
            try:
                restored(file, work, clock)
                outcome = "through"
            except PowerCut:
                outcome = "cut"
        decided = not outcomes or outcome == "through" or (work / swap.READY).exists() or (work / swap.DONE).exists()
        assert decided, "only the first step may leave the old"
        with hold(work):
            pass
        names = {path.name for path in work.iterdir()}
        assert not names & {swap.READY, swap.DONE, swap.STAGING, "owncast.db-wal", "owncast.db-shm"} or not outcomes
        if not outcomes:
            assert documents(work / "owncast.db") == {"title": "changed"}
            assert tree(work) == changed
        else:
            assert documents(work / "owncast.db") == {"title": "old"}
            assert documents(work / ASIDE / "owncast.db") == {"title": "changed"}
            assert tree(work / ASIDE) == {name: body for name, body in changed.items() if name not in OUTSIDE}
            here = {name: body for name, body in tree(work).items() if not name.startswith(ASIDE)}
            assert here == FILES | OUTSIDE
        outcomes.append(outcome)
    assert len(outcomes) > 10


def test_a_crash_while_unpacking_is_cleared_away_by_the_next_restore(
    data_dir: Path, forge: Forge, clock: Clock
) -> None:
    staging = data_dir / swap.STAGING
    staging.mkdir()
    (staging / "owncast.db").write_bytes(b"half")
    restored(forge.write(), data_dir, clock)
    assert not staging.exists()
    assert documents(data_dir / "owncast.db") == {"title": "forged"}


def test_a_step_that_fails_waits_to_be_finished(
    data_dir: Path, forge: Forge, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(source: Path, target: Path) -> None:
        if source.name == "emoji":
            raise PermissionError(13, "Permission denied")
        source.rename(target)

    file = forge.write()
    with monkeypatch.context() as patch:
        patch.setattr(swap, "_move", fail)
        with pytest.raises(BackupError, match="could not be completed: Permission denied"):
            restored(file, data_dir, clock)
    assert swap.finish(data_dir) == data_dir / ASIDE
    assert documents(data_dir / "owncast.db") == {"title": "forged"}
    assert swap.finish(data_dir) is None


def test_an_older_backup_is_restored_and_left_to_the_migrations(tmp_path: Path, clock: Clock) -> None:
    old = tmp_path / "old"
    make_database(old / "owncast.db", rows=1)
    with closing(sqlite3.connect(old / "owncast.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
        connection.commit()
    file = backed_up(old, tmp_path, clock)
    restored(file, tmp_path / "new", clock)
    with closing(sqlite3.connect(tmp_path / "new" / "owncast.db")) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)
