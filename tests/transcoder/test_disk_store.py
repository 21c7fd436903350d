"""Segments on disk: whole or not at all, in order, bounded, and gone when nobody needs them."""

from __future__ import annotations

import asyncio
import shutil
import threading
from pathlib import Path

import pytest
import structlog

from transcoder.segment_store import disk
from transcoder.segment_store.disk import DiskStore


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_what_is_put_is_kept_whole(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "hls")
    await store.start()
    whole = b"0123456789" * 1000
    store.put("s/0/s-1.m4s", [whole[:10], memoryview(whole)[10:5000], whole[5000:]])
    store.put("s/1/s-init0.mp4", [b"init"])
    store.put("s/0/s-2.m4s", [])
    store.put("s/0/s-1.m4s", [b"again"])
    await store.aclose()
    assert files(tmp_path / "hls") == {"s/0/s-1.m4s": b"again", "s/1/s-init0.mp4": b"init", "s/0/s-2.m4s": b""}


async def test_what_was_put_can_be_got(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    await store.start()
    store.put("s/0/s-1.m4s", [b"ab", b"cd"])
    while await store.get("s/0/s-1.m4s") is None:
        await asyncio.sleep(0)
    assert await store.get("s/0/s-1.m4s") == b"abcd"
    assert await store.get("s/0/s-2.m4s") is None
    assert await store.get("s/0") is None
    await store.aclose()


@pytest.mark.parametrize("key", ["../secret", "s/../../secret", "/etc/passwd", "s/0/../../../secret"])
async def test_names_that_leave_the_folder_are_not_found(tmp_path: Path, key: str) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    store = DiskStore(tmp_path / "hls")
    await store.start()
    assert await store.get(key) is None
    await store.aclose()


async def test_a_segment_of_many_small_pieces(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    await store.start()
    store.put("s/0/s-1.m4s", [b"%4d" % n for n in range(3000)])
    await store.aclose()
    assert files(tmp_path)["s/0/s-1.m4s"] == b"".join(b"%4d" % n for n in range(3000))


async def test_a_reader_never_sees_half_a_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[str]] = []
    replace = Path.replace

    def watched(path: Path, target: Path) -> Path:
        seen.append(set(files(tmp_path)))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", watched)
    store = DiskStore(tmp_path)
    await store.start()
    store.put("s/0/s-1.m4s", [b"abc"])
    await store.aclose()
    assert seen == [{"s/0/s-1.m4s.part"}]
    assert set(files(tmp_path)) == {"s/0/s-1.m4s"}


async def test_deleted_objects_and_empty_folders_go(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    await store.start()
    for key in ("s/0/1.m4s", "s/0/2.m4s", "s/1/1.m4s"):
        store.put(key, [b"x"])
    store.delete(["s/0/1.m4s", "s/0/never.m4s", "other/0/1.m4s"])
    store.delete(["s/1/1.m4s"])
    await store.aclose()
    assert files(tmp_path) == {"s/0/2.m4s": b"x"}
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["0"]


async def test_a_dropped_session_goes_with_what_was_queued_before(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    await store.start()
    for key in ("old/0/1.m4s", "old/1/init0.mp4", "new/0/1.m4s"):
        store.put(key, [b"x"])
    store.drop("old")
    store.drop("never")
    store.put("new/0/2.m4s", [b"y"])
    await store.aclose()
    assert files(tmp_path) == {"new/0/1.m4s": b"x", "new/0/2.m4s": b"y"}
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


async def test_leftovers_are_swept_at_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "hls"
    (folder / "old/0").mkdir(parents=True)
    (folder / "old/0/old-1.m4s").write_bytes(b"x")
    (folder / "half.part").write_bytes(b"x")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"x")
    (folder / "link").symlink_to(outside)
    store = DiskStore(folder)
    await store.start()
    await store.aclose()
    assert list(folder.iterdir()) == []
    assert (outside / "precious").exists()


async def test_a_disk_that_is_too_slow_loses_segments_with_one_line(tmp_path: Path) -> None:
    gate = threading.Event()
    store = DiskStore(tmp_path, max_queued_bytes=100)
    await store.start()
    store._pool.submit(gate.wait, 30)
    with structlog.testing.capture_logs() as logs:
        for number in range(10):
            store.put(f"s/0/{number}.m4s", [bytes(40)])
    gate.set()
    await store.aclose()
    assert set(files(tmp_path)) == {"s/0/0.m4s", "s/0/1.m4s"}
    assert [(line["log_level"], line["problem"]) for line in logs] == [
        ("warning", f"The disk under {tmp_path} is too slow: a segment of 40 bytes was not written.")
    ]
    assert store.waiting_bytes == 0


async def test_small_jobs_are_bounded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "MAX_QUEUED_JOBS", 5)
    gate = threading.Event()
    store = DiskStore(tmp_path)
    await store.start()
    store._pool.submit(gate.wait, 30)
    for number in range(10):
        store.put(f"s/0/{number}.m4s", [])
        store.delete([f"s/1/{number}.m4s"])
    assert store._queue.qsize() == 5
    gate.set()
    await store.aclose()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device to write to")
async def test_a_full_disk_costs_segments_and_not_the_broadcast(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    await store.start()
    (tmp_path / "s/0").mkdir(parents=True)
    (tmp_path / "s/0/1.m4s.part").symlink_to("/dev/full")
    with structlog.testing.capture_logs() as logs:
        store.put("s/0/1.m4s", [b"x"])
        store.put("s/0/2.m4s", [b"x"])
        while store.waiting_bytes:
            await asyncio.sleep(0)
    assert [line["problem"] for line in logs] == [
        f"A segment could not be kept under {tmp_path}: No space left on device."
    ]
    await store.aclose()
    assert files(tmp_path) == {"s/0/2.m4s": b"x"}


async def test_a_folder_that_cannot_be_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        await DiskStore(tmp_path / "file" / "hls").start()


async def test_a_folder_that_vanishes_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "hls"
    store = DiskStore(folder)
    await store.start()
    shutil.rmtree(folder)
    store.put("s/0/1.m4s", [b"x"])
    await store.aclose()
    assert files(folder) == {"s/0/1.m4s": b"x"}


async def test_the_end_leaves_no_task_and_waits_only_so_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "CLOSE_SECONDS", 0.01)
    before = asyncio.all_tasks()
    gate = threading.Event()
    store = DiskStore(tmp_path)
    await store.start()
    store._pool.submit(gate.wait, 30)
    store.put("s/0/1.m4s", [b"x"])
    await store.aclose()
    assert asyncio.all_tasks() == before
    gate.set()
    assert await store.get("s/0/1.m4s") is None
    await DiskStore(tmp_path).aclose()
