"""The owner's other routes: the show, the logs, what was measured, users, the store, the directory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from admin_wire import Admin, Json, administered, found_at
from aiohttp import web
from aiohttp.test_utils import TestServer
from house import Clock
from structlog.testing import capture_logs

from owncast_py.broadcast.session import State, Status
from owncast_py.broadcast.studio import Inbound, OutputVariant
from owncast_py.events import StreamStarted
from owncast_py.metrics.playback import CURRENT_SECONDS, PlaybackReport
from owncast_py.setting_groups import DirectorySettings, StorageSettings
from web.addresses import player_id
from web.api.owncast.storage import MASK

BEGAN = datetime(2026, 3, 4, 5, 0, tzinfo=UTC)
LIVE = Status(State.LIVE, 7, 12, 420, BEGAN, None, "Oolong")
SENDER = Inbound("192.0.2.7", BEGAN, "obs-output module", "rtmp", 1280, 720, 30.0, "avc1", 2500, "mp4a", 160, 2.0)
OFFERED = [
    OutputVariant("Source", 1280, 720, 30.0, 2500, 160, video_passthrough=True),
    OutputVariant("Small", 640, 360, 24.0, 700, 96, video_passthrough=False),
]


@pytest.fixture
async def admin(tmp_path: Path) -> AsyncIterator[Admin]:
    async with administered(tmp_path) as opened:
        yield opened


def item(found: object, number: int) -> Json:
    assert isinstance(found, list)
    each = found[number]
    assert isinstance(each, dict)
    return each


# The show.


async def test_the_status_tells_who_publishes_what(admin: Admin) -> None:
    idle = await admin.get("/api/admin/status")
    assert isinstance(idle, dict)
    assert (idle["broadcaster"], idle["currentBroadcast"], idle["health"], idle["online"]) == (None, None, None, False)
    admin.home.status, admin.web.studio.sender, admin.web.studio.offered = LIVE, SENDER, OFFERED
    found = await admin.get("/api/admin/status")
    assert found_at(found, "broadcaster.remoteAddr") == "192.0.2.7"
    assert found_at(found, "broadcaster.time") == "2026-03-04T05:00:00.000Z"
    assert found_at(found, "broadcaster.streamDetails") == {
        "width": 1280,
        "height": 720,
        "frameRate": 30.0,
        "framerate": 30.0,
        "videoBitrate": 2500,
        "videoCodec": "avc1",
        "audioBitrate": 160,
        "audioCodec": "mp4a",
        "encoder": "obs-output module",
        "keyframeInterval": 2.0,
    }
    assert found_at(found, "currentBroadcast.outputSettings.1") == {
        "name": "Small",
        "videoPassthrough": False,
        "videoBitrate": 700,
        "audioBitrate": 96,
        "scaledWidth": 640,
        "scaledHeight": 360,
        "framerate": 24.0,
    }
    assert isinstance(found, dict)
    counts = {name: found[name] for name in ("viewerCount", "overallPeakViewerCount", "sessionPeakViewerCount")}
    assert counts == {"viewerCount": 7, "overallPeakViewerCount": 420, "sessionPeakViewerCount": 12}
    assert (found["online"], found["streamTitle"], found["advice"]) == (True, "Oolong", [])
    admin.web.studio.advised = ["Send a keyframe every 2 s."]
    assert found_at(await admin.get("/api/admin/status"), "advice") == ["Send a keyframe every 2 s."]


async def test_the_publisher_can_be_dropped(admin: Admin) -> None:
    answer = await admin.post("/api/admin/disconnect")
    assert answer == {"success": False, "message": "no inbound stream connected"}
    admin.web.studio.sender = SENDER
    answer = await admin.post("/api/admin/disconnect")
    assert answer["success"] is True
    assert admin.web.studio.disconnected == 1


async def test_variants_are_public(admin: Admin) -> None:
    admin.web.studio.offered = OFFERED
    status, found = await admin.ask("GET", "/api/video/variants", headers=None)
    assert status == 200
    assert item(found, 1) == {
        "index": 1,
        "name": "Small",
        "videoPassthrough": False,
        "videoBitrate": 700,
        "scaledWidth": 640,
        "scaledHeight": 360,
        "framerate": 24.0,
    }


# Logs.


async def test_logs_are_shown_the_oldest_first_and_warnings_apart(admin: Admin) -> None:
    for level, words in (("info", "kettle on"), ("warning", "kettle hot"), ("error", "kettle gone")):
        admin.web.logs(None, level, {"event": words, "level": level, "degrees": 90})
    lines = await admin.get("/api/admin/logs")
    assert [(line["level"], line["message"]) for line in lines if "kettle" in line["message"]] == [  # type: ignore[union-attr]
        ("info", "kettle on degrees=90"),
        ("warning", "kettle hot degrees=90"),
        ("error", "kettle gone degrees=90"),
    ]
    warnings = await admin.get("/api/admin/logs/warnings")
    assert [line["level"] for line in warnings] == ["warning", "error"]  # type: ignore[union-attr]
    assert datetime.fromisoformat(str(item(warnings, 0)["time"])).tzinfo is not None


# What was measured.


async def test_viewers_and_hardware_over_time_survive_a_restart(tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    clock = Clock(now)
    async with administered(tmp_path, clock=clock) as admin:
        for count in (50, 52):
            admin.home.services.samples.add({"viewers": count, "cpu": 23.4, "memory": 65, "disk": 11})
            clock.turn(60)
        await admin.home.services.samples.flush()
    async with administered(tmp_path, clock=clock) as again:
        viewers = await again.get("/api/admin/viewersOverTime")
        assert [point["value"] for point in viewers] == [50, 52]  # type: ignore[union-attr]
        since = int((now + timedelta(seconds=30)).timestamp())
        later = await again.get(f"/api/admin/viewersOverTime?windowStart={since}")
        assert [point["value"] for point in later] == [52]  # type: ignore[union-attr]
        hardware = await again.get("/api/admin/hardwarestats")
        assert found_at(hardware, "cpu.0") == {"time": now.isoformat(timespec="milliseconds")[:-6] + "Z", "value": 23}
        assert [found_at(hardware, f"{name}.1.value") for name in ("cpu", "memory", "disk")] == [23, 65, 11]
        hardware = await again.get(f"/api/admin/hardwarestats?windowStart={since}")
        assert [len(found_at(hardware, name)) for name in ("cpu", "memory", "disk")] == [1, 1, 1]  # type: ignore[arg-type]
        status, sentence = await again.refused("GET", "/api/admin/viewersOverTime?windowStart=yesterday")
        assert status == 400
        assert "windowStart" in sentence


async def test_viewers_are_listed_with_where_they_are(admin: Admin) -> None:
    admin.web.viewers.touch("abc")
    admin.web.viewers.describe("abc", "192.0.2.9", "Player/1")
    admin.home.clock.turn(5)
    found = item(await admin.get("/api/admin/viewers"), 0)
    assert (found["clientID"], found["ipAddress"], found["userAgent"], found["geo"]) == (
        "abc",
        "192.0.2.9",
        "Player/1",
        None,
    )
    first = datetime.fromisoformat(str(found["firstSeen"]))
    assert timedelta(seconds=4) < datetime.now(UTC) - first < timedelta(seconds=60)


async def test_players_report_and_the_owner_sees_it(admin: Admin) -> None:
    admin.home.status, admin.web.studio.offered = LIVE, OFFERED
    for number in range(7):
        report = {"bandwidth": 5_000 + number, "latency": 2.5, "errors": 1, "downloadDuration": 0.4}
        status, _ = await admin.ask("POST", "/api/metrics/playback", report, {"CMCD-Session": f'sid="player-{number}"'})
        assert status == 200
    admin.home.services.playback.tick()
    found = await admin.get("/api/admin/metrics/video")
    assert found_at(found, "errors.0.value") == 7
    assert found_at(found, "medianLatency.0.value") == 2.5
    assert found_at(found, "maxPlayerBitrate.0.value") == 5_006
    assert found_at(found, "medianSegmentDownloadDuration.0.value") == 0.4
    assert found_at(found, "availableBitrates") == [2500, 700]
    assert found_at(found, "representation") == 100
    health = found_at(await admin.get("/api/admin/status"), "health")
    assert isinstance(health, dict)
    assert health["representation"] == 100
    assert isinstance(health["message"], str)
    counts = {name: health[name] for name in ("players", "slow", "failing", "late", "lowestBitrate", "latency")}
    assert counts == {"players": 7, "slow": 0, "failing": 7, "late": 0, "lowestBitrate": 400, "latency": 2.5}


async def test_a_viewer_is_listed_with_what_its_player_reports(admin: Admin) -> None:
    admin.home.status = LIVE
    for name in ("silent", "talking"):
        admin.web.viewers.touch(player_id({"cmcd-session": f'sid="{name}"'}.get, "", ""))
    report = {"bandwidth": 5_000, "latency": 2.5}
    await admin.ask("POST", "/api/metrics/playback", report, {"CMCD-Session": 'sid="talking"'})
    listed = await admin.get("/api/admin/viewers")
    reports = [(item(listed, place)["latency"], item(listed, place)["bandwidth"]) for place in (0, 1)]
    assert reports == [(2.5, 5_000), (None, None)]
    admin.home.clock.turn(CURRENT_SECONDS)
    admin.web.viewers.touch(player_id({"cmcd-session": 'sid="talking"'}.get, "", ""))
    assert item(await admin.get("/api/admin/viewers"), 0)["latency"] is None


async def test_cmcd_is_taken_in_all_its_forms(admin: Admin) -> None:
    admin.home.status = LIVE
    query = "CMCD=" + "br%3D3200%2Cmtp%3D25400%2Csid%3D%22one%22%2Cv%3D2%2Cltc%3D1500"
    assert (await admin.ask("GET", f"/api/metrics/cmcd?{query}", headers=None))[0] == 204
    single, batch = {"sid": "two", "mtp": 9_000}, [{"sid": "three", "mtp": 8_000}, {"sid": "four", "bs": True}]
    assert (await admin.ask("POST", "/api/metrics/cmcd", single, None))[0] == 204
    assert (await admin.ask("POST", "/api/metrics/cmcd", batch, None))[0] == 204
    admin.home.services.playback.tick()
    found = await admin.get("/api/admin/metrics/video")
    assert found_at(found, "maxPlayerBitrate.0.value") == 25_400
    assert found_at(found, "minPlayerBitrate.0.value") == 8_000
    for body in (b"{", b"[1,2]", b'sid="'):
        status, _ = await admin.refused("POST", "/api/metrics/cmcd", body, None)
        assert status == 400


async def test_prometheus_reads_the_same_numbers(admin: Admin) -> None:
    admin.home.status = LIVE
    for method in ("GET", "POST", "PUT", "DELETE"):
        status, text = await admin.ask(method, "/api/admin/prometheus")
        assert status == 200
        assert "owncast_instance_active_viewer_count 7.0" in str(text)


async def test_a_report_that_cannot_be_changes_nothing(admin: Admin) -> None:
    for report in ({"bandwidth": "fast"}, {"latency": []}):
        assert (await admin.refused("POST", "/api/metrics/playback", report, None))[0] == 400
    await admin.ask("POST", "/api/metrics/playback", {"latency": -5, "bandwidth": 1e300, "errors": -3}, None)
    admin.home.services.playback.tick()
    found = await admin.get("/api/admin/metrics/video")
    assert found_at(found, "medianLatency") == []
    assert found_at(found, "maxPlayerBitrate") == []


# Users.


async def test_users_are_found_page_by_page_and_forgotten(tmp_path: Path) -> None:
    async with administered(tmp_path) as admin:
        people = [await admin.post("/api/chat/register", {"displayName": name}) for name in ("Ana", "Anabel", "Ben")]
        await admin.post("/api/admin/accesstokens/create", {"name": "Beep", "scopes": ["CAN_SEND_MESSAGES"]})
        found = await admin.get("/api/admin/users?limit=2")
        assert found_at(found, "total") == 4
        assert len(found_at(found, "results")) == 2  # type: ignore[arg-type]
        rest = await admin.get("/api/admin/users?limit=2&offset=2")
        names = {each["displayName"] for page in (found, rest) for each in page["results"]}  # type: ignore[index]
        assert names == {"Ana", "Anabel", "Ben", "Beep"}
        assert found_at(await admin.get("/api/admin/users?search=ana"), "total") == 2
        assert found_at(await admin.get("/api/admin/users?search=%25"), "total") == 0
        bots = await admin.get("/api/admin/users?status=bot")
        assert found_at(bots, "results.0.displayName") == "Beep"
        await admin.post("/api/admin/chat/users/setenabled", {"userId": people[2]["id"], "enabled": False})
        assert found_at(await admin.get("/api/admin/users?status=disabled"), "results.0.displayName") == "Ben"
        assert (await admin.refused("GET", "/api/admin/users?status=tall"))[0] == 400

        user = await admin.home.foundations.accounts.user(str(people[0]["id"]))
        assert user is not None
        await admin.home.chat.posting.message(user, "secret plans")
        answer = await admin.post("/api/admin/users/delete", {"userId": people[0]["id"]})
        assert answer["message"] == "Ana is deleted"
    async with administered(tmp_path) as again:
        assert found_at(await again.get("/api/admin/users"), "total") == 3
        assert "secret plans" not in str(await again.get("/api/admin/chat/messages"))
        assert (await again.refused("POST", "/api/admin/users/delete", {"userId": people[0]["id"]}))[0] == 400
        assert (await again.refused("POST", "/api/admin/users/delete", {"userId": "admin"}))[0] == 400
        status, _ = await again.ask("GET", f"/api/chat?accessToken={people[0]['accessToken']}", headers=None)
        assert status == 401


# The store.

STORE = {
    "enabled": True,
    "endpoint": "https://s3.example",
    "servingEndpoint": "https://cdn.example",
    "accessKey": "AK",
    "secret": "shh-very-secret",
    "bucket": "video",
    "region": "us-west",
    "acl": "public-read",
    "pathPrefix": "live",
    "forcePathStyle": True,
}


async def test_the_store_is_kept_and_its_secret_masked(tmp_path: Path) -> None:
    async with administered(tmp_path) as admin:
        assert "segments go there with the next broadcast" in await admin.set("s3", STORE)
        assert found_at(await admin.get("/api/admin/serverconfig"), "s3") == STORE | {"secret": MASK}
        # What was shown can be sent back without losing the secret.
        await admin.set("s3", STORE | {"secret": MASK, "bucket": "other"})
    async with administered(tmp_path) as again:
        kept = again.home.settings.get(StorageSettings)
        assert (kept.secret, kept.bucket, kept.force_path_style) == ("shh-very-secret", "other", True)
        assert "shh-very" not in str(await again.get("/api/admin/serverconfig"))
        status, sentence = await again.refused("POST", "/api/admin/config/s3", {"value": {"enabled": True}})
        assert (status, "endpoint, accessKey, secret, bucket, region" in sentence) == (400, True)
        assert "switched off" in await again.set("s3", {"enabled": False})


# The directory.


async def test_the_directory_is_told_while_a_show_is_on(tmp_path: Path) -> None:
    heard: asyncio.Queue[Json] = asyncio.Queue()

    async def ping(request: web.Request) -> web.Response:
        heard.put_nowait(await request.json())
        return web.json_response({"success": True, "key": "key-of-the-directory"})

    directory = web.Application()
    directory.router.add_post("/api/ping", ping)
    async with TestServer(directory) as server:
        options = {"directory_url": str(server.make_url("/")).rstrip("/")}
        async with administered(tmp_path, **options) as admin:
            admin.home.status = LIVE
            await admin.set("serverurl", "https://tea.example")
            await admin.home.services.directory.ping()
            assert heard.empty()  # off by default
            await admin.set("directoryenabled", True)
            async with asyncio.timeout(20):
                assert await heard.get() == {"key": "", "url": "https://tea.example"}
            async with asyncio.timeout(20):
                while not admin.home.settings.get(DirectorySettings).key:
                    await asyncio.sleep(0)
        async with administered(tmp_path, **options) as again:
            again.home.status = LIVE
            again.home.foundations.events.publish(StreamStarted(BEGAN, "Oolong"))
            async with asyncio.timeout(20):
                assert await heard.get() == {"key": "key-of-the-directory", "url": "https://tea.example"}
            assert "key-of-the-directory" not in str(await again.get("/api/admin/serverconfig"))
            assert (await again.post("/api/admin/yp/reset"))["success"] is True
            async with asyncio.timeout(20):
                assert (await heard.get())["key"] == ""
    yp = {"name": "Tea", "streamTitle": "", "online": True, "viewerCount": 7, "overallMaxViewerCount": 420}
    async with administered(tmp_path) as last:
        last.home.status = LIVE
        found = (await last.ask("GET", "/api/yp", headers=None))[1]
        assert isinstance(found, dict)
        assert {name: found[name] for name in yp} == yp


async def test_an_unwilling_directory_is_one_line_in_the_log(tmp_path: Path) -> None:
    async def refuse(_request: web.Request) -> web.Response:
        return web.json_response({"success": False, "error": "no tea here", "errorCode": 3})

    directory = web.Application()
    directory.router.add_post("/api/ping", refuse)
    async with (
        TestServer(directory) as server,
        administered(tmp_path, directory_url=str(server.make_url("/")).rstrip("/")) as admin,
    ):
        admin.home.status = LIVE
        await admin.set("serverurl", "https://tea.example")
        with capture_logs() as lines:
            await admin.home.settings.change(DirectorySettings, enabled=True)
            for _ in range(3):
                await admin.home.services.directory.ping()
        assert admin.home.settings.get(DirectorySettings).key == ""
    assert [line["reason"] for line in lines if line["event"] == "directory"] == [
        "The directory refused this server: no tea here."
    ]


# What is public.


async def test_social_platforms_have_names_and_icons(admin: Admin) -> None:
    found = (await admin.ask("GET", "/api/socialplatforms", headers=None))[1]
    assert isinstance(found, dict)
    assert found["mastodon"] == {"platform": "Mastodon", "icon": "/img/platformlogos/mastodon.svg"}
    for platform in found.values():
        async with admin.session.get(admin.web.server.make_url(platform["icon"])) as response:
            assert response.content_type == "image/svg+xml"
            assert (await response.read()).startswith(b"<svg")
            assert "sandbox" in response.headers["Content-Security-Policy"]
    assert (await admin.ask("GET", "/img/platformlogos/x.svg", headers=None))[0] == 404


async def test_health_needs_reports(admin: Admin) -> None:
    admin.home.status = LIVE
    admin.home.services.playback.report("one", PlaybackReport(latency_seconds=1.0, errors=0))
    health = found_at(await admin.get("/api/admin/status"), "health")
    assert isinstance(health, dict)
    assert health["representation"] == 14


async def test_the_cors_preflight_of_every_api_route_is_answered(admin: Admin) -> None:
    for path in ("/api/metrics/cmcd", "/api/config", "/api/admin/status"):
        async with admin.session.options(admin.web.server.make_url(path)) as response:
            assert response.status == 204
            assert response.headers["Access-Control-Allow-Origin"] == "*"
