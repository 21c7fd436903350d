"""Settings that an Owncast server had, as the admin sees them here after an import."""

from __future__ import annotations

import asyncio
from pathlib import Path

from admin_wire import administered, found_at
from owncast_files import BROWSER, SETTINGS, build, gob_text, take_over

from owncast_py.notifications.vapid import VapidKeys
from owncast_py.setting_groups import StorageSettings

PRIVATE = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"


async def test_storage_video_and_notifications_are_as_they_were(tmp_path: Path) -> None:
    asked = f"INSERT INTO notifications (channel, destination) VALUES ('BROWSER_PUSH_NOTIFICATION', '{BROWSER}');"
    settings = {**SETTINGS, "video_serving_endpoint": gob_text("https://apart.example.org")}
    build(tmp_path / "owncast.db", settings=settings, more=asked)
    data_dir = tmp_path / "data"
    done = await asyncio.to_thread(take_over, tmp_path, data_dir)
    assert done.returncode == 0, done.stderr
    async with administered(data_dir) as admin:
        config = await admin.get("/api/admin/serverconfig")
        for path, value in (
            ("s3.enabled", True),
            ("s3.endpoint", "https://s3.example.org"),
            ("s3.accessKey", "access"),
            ("s3.bucket", "bucket"),
            ("s3.acl", "public-read"),
            ("s3.pathPrefix", "live"),
            ("s3.forcePathStyle", True),
            # Since 0.1.1 this is a setting of its own, which then counts.
            ("s3.servingEndpoint", "https://apart.example.org"),
            ("videoServingEndpoint", ""),
            ("videoSettings.videoQualityVariants.0.name", "Best"),
            ("videoSettings.videoQualityVariants.0.videoBitrate", 2500),
            ("videoSettings.videoQualityVariants.0.scaledHeight", 720),
            ("videoSettings.videoQualityVariants.0.framerate", 30),
            ("videoSettings.videoQualityVariants.0.audioPassthrough", True),
            ("videoSettings.videoQualityVariants.0.cpuUsageLevel", 2),
            ("videoSettings.videoQualityVariants.1.videoPassthrough", True),
            ("notifications.discord.enabled", True),
            ("notifications.discord.goLiveMessage", "Live now"),
            ("notifications.browser.enabled", True),
            ("notifications.browser.goLiveMessage", "We are live"),
        ):
            assert found_at(config, path) == value, path
        public = await admin.get("/api/config")
        assert found_at(public, "notifications.browser.publicKey") == VapidKeys.from_text(PRIVATE).public_key
        assert found_at(public, "customStyles") == "body { color: green }"
        assert admin.home.services.go_live.browsers == 1
        assert admin.home.settings.get(StorageSettings).secret == "very secret"
        bodies = [found_at(public, name) for name in ("extraPageContent", "offlineMessage")]
        assert "Menu</h1>" in str(bodies[0])
        assert "We sleep." in str(bodies[1])
