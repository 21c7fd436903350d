"""Backups by the owner's hand: made, listed, fetched, gone back to, deleted."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from admin_wire import administered, found_at
from house import ADMIN

from owncast_py.backup.lock import hold

LIST = "/api/admin/backups"


async def test_a_backup_is_made_fetched_and_gone_back_to(tmp_path: Path) -> None:
    async with administered(tmp_path) as admin:
        await admin.set("name", "Before")
        assert await admin.get(LIST) == {"step": None, "backups": []}
        await admin.post(f"{LIST}/create")
        await admin.set("name", "After")
        found = await admin.get(LIST)
        name = str(found_at(found, "backups.0.name"))
        assert found_at(found, "backups.0.size") == (tmp_path / "backups" / name).stat().st_size
        async with admin.session.get(admin.web.server.make_url(f"{LIST}/{name}"), headers=ADMIN) as response:
            assert name in response.headers["Content-Disposition"]
            with tarfile.open(fileobj=io.BytesIO(await response.read())) as archive:
                assert {"owncast.db", "manifest.json"} <= set(archive.getnames())
        assert "started again" in str((await admin.post(f"{LIST}/restore", {"name": name}))["message"])
        assert found_at(await admin.get("/api/config"), "name") == "After"
        assert "waits already" in (await admin.refused("POST", f"{LIST}/restore", {"name": name}))[1]
    with hold(tmp_path):
        pass
    async with administered(tmp_path) as again:
        assert found_at(await again.get("/api/config"), "name") == "Before"
        await again.post(f"{LIST}/delete", {"name": name})
        assert found_at(await again.get(LIST), "backups") == []


@pytest.mark.parametrize("name", ["nothing", "../owncast.db", "owncast-2026-01-01T000000Z.tar.gz", "x" * 5_000])
async def test_names_of_no_backup(tmp_path: Path, name: str) -> None:
    async with administered(tmp_path) as admin:
        for act in ("delete", "restore"):
            status, sentence = await admin.refused("POST", f"{LIST}/{act}", {"name": name})
            assert (status, "no backup" in sentence) == (400, True)
        (tmp_path / "backups").mkdir()
        (tmp_path / "backups" / "owncast-2026-01-01T000000Z.tar.gz").write_bytes(b"broken")
        status, sentence = await admin.refused("POST", f"{LIST}/restore", {"name": "owncast-2026-01-01T000000Z.tar.gz"})
        assert (status, "damaged" in sentence) == (400, True)


async def test_the_encoders_of_this_machine_are_told(tmp_path: Path) -> None:
    async with administered(tmp_path) as admin:
        found = await admin.get("/api/admin/video/encoders")
        assert (found_at(found, "inUse"), found_at(found, "pixelsPerSecond")) == ("libx264", 55_296_000)
        assert found_at(found, "encoders.0") == {
            "name": "h264_nvenc",
            "works": False,
            "why": "There is no such device.",
        }
