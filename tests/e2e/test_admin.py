"""The owner's end from outside: settings, secrets and sessions, the broadcast, and what is measured of it.

What is set singly, and what is refused, is tested in process (tests/web/test_admin_*.py). Here real servers are
started again over their data, and real encoders and viewers learn what changed. A minute has to pass until most things
are measured: one broadcast with two viewers, `on_air`, lasts as long as this file, and the last test looks at it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil
import pytest
import pytest_asyncio
from owner import ADMIN, Json, Owner, at, basic, public
from owner_settings import CONFIG, MASK, S3, SEEN, SERVER, SMALL, SOURCE, STATUS, seen, set_all
from rig import (
    KEY,
    PASSTHROUGH,
    PASSWORD,
    PATIENCE,
    SYSTEM_FFMPEG,
    Server,
    ServerFactory,
    publishing,
    refused,
    segments,
    serving,
    settles,
)

Samples = Callable[[str], Path]

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

SHOW = "/api/admin/status"
MINUTES = 150.0
"""Seconds in which something is measured that is measured once a minute."""
REPORTS = {
    "Desk": {"latency": 3, "bandwidth": 8000, "downloadDuration": 0.2, "errors": 0},
    "Phone": {"latency": 5, "bandwidth": 4000, "downloadDuration": 0.6, "errors": 0},
}
"""What each viewer tells of its playback."""


@dataclass
class OnAir:
    """A broadcast that is watched."""

    server: Server
    encoder: asyncio.subprocess.Process
    viewers: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def owner(self) -> Owner:
        return Owner(self.server, ADMIN)

    async def leave(self) -> None:
        """The viewers close their players. Whatever went wrong for one is raised."""
        for viewer in self.viewers:
            viewer.cancel()
        for viewer in self.viewers:
            with suppress(asyncio.CancelledError):
                await viewer
        self.viewers.clear()


async def watch(server: Server, viewer: str) -> None:
    """A player: fetches the playlists and the newest segment, reports, and begins again after a second."""
    headers = {"CMCD-Session": f'sid="{viewer}"', "User-Agent": f"{viewer}/1.0"}
    changes = 1
    while True:
        status, _ = await server.get("/hls/stream.m3u8", headers=headers)
        if status == 200:
            _, playlist = await server.get("/hls/0/stream.m3u8", headers=headers)
            for name in re.findall(r"^\S+\.m4s$", playlist.decode(), re.MULTILINE)[-1:]:
                assert (await server.get(f"/hls/0/{name}", headers=headers))[0] == 200, name
            report = REPORTS[viewer] | {"qualityVariantChanges": changes}
            address = server.http + "/api/metrics/playback"
            async with server.session.post(address, json=report, headers=headers) as answer:
                assert answer.status == 200
            changes = 0
        await asyncio.sleep(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on_air(tmp_path_factory: pytest.TempPathFactory, samples: Samples, encoders: Path) -> AsyncIterator[OnAir]:
    async with AsyncExitStack() as stack:
        data_dir = tmp_path_factory.mktemp("on-air") / "data"
        server = await stack.enter_async_context(serving(data_dir, config=PASSTHROUGH, encoders=encoders))
        encoder = await stack.enter_async_context(publishing(server, samples("plain.flv"), repeats=100))
        opened = OnAir(server, encoder)
        stack.push_async_callback(opened.leave)
        opened.viewers += [asyncio.create_task(watch(server, name)) for name in REPORTS]
        await settles(lambda: opened.owner.get(SHOW), lambda found: found["health"], "players report")
        yield opened


async def test_the_owner_sees_what_comes_in_and_who_watches(on_air: OnAir) -> None:
    owner = on_air.owner
    found = await settles(
        lambda: owner.get(SHOW), lambda found: at(found, "health.representation") == 100, "all report"
    )
    assert (found["online"], found["viewerCount"]) == (True, 2)
    assert (found["sessionPeakViewerCount"], found["overallPeakViewerCount"]) == (2, 2)
    assert at(found, "health.healthPercentage") == 100
    assert (at(found, "broadcaster.remoteAddr"), at(found, "broadcaster.protocol")) == ("127.0.0.1", "rtmp")
    details = at(found, "broadcaster.streamDetails")
    shown = {name: details[name] for name in ("width", "height", "framerate", "videoCodec", "audioCodec")}
    assert shown == {"width": 320, "height": 180, "framerate": 30, "videoCodec": "avc1", "audioCodec": "mp4a"}
    assert "Lavf" in details["encoder"]
    # 500 and 96 kbit/s were asked of the encoder; the pace of a busy machine is not even.
    assert 80 <= details["audioBitrate"] <= 110
    measured = await settles(
        lambda: owner.get(SHOW),
        lambda found: 200 < at(found, "broadcaster.streamDetails.videoBitrate") < 1500,
        "the bit rate is measured",
    )
    assert at(measured, "currentBroadcast.outputSettings.0.name") == "Source"
    viewers = await owner.listing("/api/admin/viewers")
    assert {str(each["userAgent"]) for each in viewers} == {"Desk/1.0", "Phone/1.0"}
    assert {str(each["ipAddress"]) for each in viewers} == {"127.0.0.1"}


async def test_the_owner_reads_the_log(on_air: OnAir) -> None:
    owner = on_air.owner
    lines = [str(line["message"]) for line in await owner.listing("/api/admin/logs")]
    assert [line for line in lines if line.startswith(("ready", "on air"))] != []
    assert any("publisher connected" in line and "Lavf" in line for line in lines)
    # An encoder that no machine of a test has.
    assert "another is used" in await owner.set("video/codec", "h264_v4l2m2m")
    warnings = await settles(
        lambda: owner.listing("/api/admin/logs/warnings"),
        lambda found: any("encoder replaced" in str(line["message"]) for line in found),
        "a warning",
    )
    assert {line["level"] for line in warnings} <= {"warning", "error"}
    await owner.set("video/codec", "auto")


async def test_a_browser_signs_in_and_acts_with_its_token_alone(on_air: OnAir) -> None:
    address, change, running = "/api/admin/session", "/api/admin/config/name", on_air.server
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        owner = Owner(Server(running.process, running.data_dir, browser, running.http), {})
        assert (await owner.refused("POST", address, {"password": "wrong"}))[0] == 401
        assert (await owner.refused("GET", SHOW))[0] == 401
        token = str((await owner.post(address, {"password": PASSWORD}))["csrfToken"])
        (cookie,) = browser.cookie_jar
        assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
        assert (await owner.get(SHOW))["online"] is True
        for headers in ({}, {"X-CSRF-Token": "guessed"}, {"X-CSRF-Token": token, "Origin": "https://evil.example"}):
            assert (await owner.refused("POST", change, {"value": "Not me"}, headers))[0] == 403
        owner.headers = {"X-CSRF-Token": token}
        await owner.set("name", "By a browser")
        assert (await public(running, CONFIG))["name"] == "By a browser"
        assert (await owner.ask("DELETE", address))[0] == 200
        assert len(browser.cookie_jar) == 0
        stolen = {"Cookie": f"{cookie.key}={cookie.value}", "X-CSRF-Token": token}
        assert (await owner.refused("POST", change, {"value": "Not me"}, stolen))[0] == 401
        assert (await public(running, CONFIG))["name"] == "By a browser"


async def test_secrets_of_the_command_line_are_not_changed_here(on_air: OnAir) -> None:
    for name in ("key", "adminpass"):
        body = {"value": "another-secret"}
        status, sentence = await on_air.owner.refused("POST", f"/api/admin/config/{name}", body)
        assert (status, "configuration" in sentence) == (409, True), sentence
    assert "stays valid" in await on_air.owner.set("streamkeys", [{"key": "second", "comment": ""}])
    assert [each["key"] for each in at(await on_air.owner.get(SERVER), "streamKeys")] == [KEY, "second"]


def free_port(host: str) -> int:
    """A port of that address that the system had to give away."""
    with socket.create_server((host, 0)) as found:
        port: int = found.getsockname()[1]
        return port


async def test_what_is_set_is_seen_everywhere_and_after_a_restart(start: ServerFactory, samples: Samples) -> None:
    """The ports are among it: nobody insists on them here, so the owner's word counts from the next start on."""
    http, rtmp = free_port("127.0.0.2"), free_port("127.0.0.1")
    async with start(secrets=False, ports=False) as server:
        owner = Owner(server, basic(server.made("Admin password")))
        before = await seen(owner)
        assert [name for name in SEEN if before[name] == SEEN[name]] == [], "these prove nothing"
        await set_all(owner)
        for name, address in {"webserverip": "127.0.0.2", "webserverport": http, "rtmpserverport": rtmp}.items():
            assert "started again" in await owner.set(name, address), name
        assert await seen(owner) == SEEN
        assert (await server.get("/healthz"))[0] == 200, "it still listens where it did"
    async with start(secrets=False, ports=False) as server:
        assert (server.http, server.rtmp) == (f"http://127.0.0.2:{http}", f"rtmp://127.0.0.1:{rtmp}/live")
        owner.server = server
        assert await seen(owner) == SEEN
        assert "secret" in (await owner.refused("POST", "/api/admin/config/s3", {"value": S3 | {"secret": ""}}))[1]
        await owner.set("s3", S3 | {"secret": MASK})
        assert S3["secret"] not in "".join(server.output)
        key = at(await owner.get(SERVER), "streamKeys.0.key")
        async with publishing(server, samples("plain.flv"), key=key):
            await server.playlist(0, lambda text: bool(segments(text)))


async def test_keys_and_passwords_are_other_ones_at_once_and_for_good(start: ServerFactory, samples: Samples) -> None:
    source = samples("plain.flv")
    async with start(secrets=False, config=PASSTHROUGH) as server:
        old_key, old = server.made("Stream key"), basic(server.made("Admin password"))
        owner = Owner(server, old)
        async with publishing(server, source, key=old_key) as encoder:
            await server.playlist(0, lambda text: bool(segments(text)))
            await owner.set("streamkeys", [{"key": "oolong", "comment": "mine"}, {"key": "sencha", "comment": ""}])
            newest = segments(await server.text("/hls/0/stream.m3u8"))[-1]
            await server.playlist(0, lambda text: segments(text)[-1] > newest)
            assert encoder.returncode is None, "what is on air goes on"
            await owner.post("/api/admin/disconnect")
        assert await refused(server, source, old_key)
        await owner.set("adminpass", "a-new-password")
        assert (await owner.ask("GET", SHOW))[0] == 401
        owner.headers = basic("a-new-password")
        assert (await owner.get(SHOW))["online"] is False
        async with publishing(server, source, key="oolong"):
            await settles(lambda: owner.get(SHOW), lambda found: found["online"], "a new key publishes")
    kept = json.loads((server.data_dir / "credentials.json").read_bytes())
    assert "a-new-password" not in json.dumps(kept)
    async with start(secrets=False, config=PASSTHROUGH) as server:
        assert "Made just now" not in "".join(server.output)
        owner.server = server
        assert (await owner.ask("GET", SHOW, headers=old))[0] == 401
        assert at(await owner.get(SERVER), "streamKeys.0") == {"key": "oolong", "comment": "mine"}
        assert await refused(server, source, old_key)
        async with publishing(server, source, key="sencha"):
            await settles(lambda: owner.get(SHOW), lambda found: found["online"], "a kept key publishes")
        log = "".join(server.output)
        assert [secret for secret in ("oolong", "sencha", old_key, "a-new-password") if secret in log] == []


def session_of(playlist: str) -> str:
    """What all segments of one broadcast begin with."""
    found = re.search(r'#EXT-X-MAP:URI="(\w+)-', playlist)
    assert found is not None, playlist[:300]
    return found[1]


async def current(owner: Owner) -> Json:
    """What `admin/status` says is made of what comes in."""
    found: Json = at(await owner.get(SHOW), "currentBroadcast")
    return found


async def test_the_next_broadcast_is_made_another_way_and_this_one_is_not(
    start: ServerFactory, samples: Samples
) -> None:
    config = PASSTHROUGH + "  reconnect_grace: 0\n"
    async with start(config=config) as server:
        owner = Owner(server, ADMIN)
        async with publishing(server, samples("plain.flv")) as encoder:
            first = await server.playlist(0, lambda text: bool(segments(text)))
            master = await server.text("/hls/stream.m3u8")
            for name, value in {
                "video/streamlatencylevel": 4,
                "video/streamoutputvariants": [SOURCE, SMALL],
                "ffmpegpath": SYSTEM_FFMPEG,
            }.items():
                assert "next broadcast" in await owner.set(name, value), name
            assert (await owner.refused("POST", "/api/admin/config/ffmpegpath", {"value": "/nowhere"}))[0] == 400
            await settles(lambda: owner.get(SERVER), lambda found: found["ffmpegPath"] == SYSTEM_FFMPEG, "it is tried")
            then = segments(await server.text("/hls/0/stream.m3u8"))[-1][0]
            later = await server.playlist(0, lambda text: segments(text)[-1][0] > then + 1)
            assert session_of(later) == session_of(first)
            assert "#EXT-X-PART-INF" in later
            assert "#EXT-X-DISCONTINUITY\n" not in later
            assert (await server.text("/hls/stream.m3u8")).count("#EXT-X-STREAM-INF") == master.count(
                "#EXT-X-STREAM-INF"
            )
            assert server.children() == []
            assert (await current(owner))["latencyLevel"] == {"level": 2, "secondsPerSegment": 2}
            assert (await owner.post("/api/admin/disconnect"))["success"] is True
            async with asyncio.timeout(PATIENCE):
                await encoder.wait()
        async with publishing(server, samples("plain.flv")):
            text = await server.playlist(0, lambda text: session_of(text) != session_of(first) and bool(segments(text)))
            assert "#EXT-X-TARGETDURATION:4\n" in text
            assert "#EXT-X-PART" not in text
            assert "RESOLUTION=160x90" in await server.text("/hls/stream.m3u8")
            found = await current(owner)
            assert found["latencyLevel"] == {"level": 4, "secondsPerSegment": 4}
            assert [at(found, "outputSettings.0.name"), at(found, "outputSettings.1.name")] == ["Source", "Small"]
            (child,) = server.children()
            assert os.readlink(f"/proc/{child}/exe") == str(Path(SYSTEM_FFMPEG).resolve())
        await settles(lambda: public(server, STATUS), lambda found: found["online"] is False, "the show is over")


async def test_what_was_measured_is_told_and_kept(on_air: OnAir, encoders: Path) -> None:
    owner, server = on_air.owner, on_air.server
    over_time = "/api/admin/viewersOverTime"
    counts = await settles(
        lambda: owner.listing(over_time),
        lambda found: any(sample["value"] == 2 for sample in found),
        "two viewers in a minute",
        seconds=MINUTES,
    )
    video = await settles(
        lambda: owner.get("/api/admin/metrics/video"),
        lambda found: found["highestLatency"] and at(found, "highestLatency.-1.value") == 5,
        "a minute of playback",
        seconds=MINUTES,
    )
    values = {
        name: [sample["value"] for sample in samples if isinstance(sample, dict)][-1]
        for name, samples in video.items()
        if isinstance(samples, list) and name not in ("availableBitrates", "qualityVariantChanges")
    }
    assert values == {
        "errors": 0,
        "highestLatency": 5,
        "medianLatency": 4,
        "lowestLatency": 3,
        "medianSegmentDownloadDuration": 0.4,
        "maximumSegmentDownloadDuration": 0.6,
        "minimumSegmentDownloadDuration": 0.2,
        "minPlayerBitrate": 4000,
        "medianPlayerBitrate": 6000,
        "maxPlayerBitrate": 8000,
    }
    changes = video["qualityVariantChanges"]
    assert isinstance(changes, list)
    assert sum(sample["value"] for sample in changes) == 2
    assert (video["segmentLength"], video["representation"]) == (2, 100)
    hardware = await owner.get("/api/admin/hardwarestats")
    assert abs(at(hardware, "disk.0.value") - psutil.disk_usage(str(server.data_dir)).percent) < 10
    assert abs(at(hardware, "memory.0.value") - psutil.virtual_memory().percent) < 40
    assert 0 <= at(hardware, "cpu.0.value") <= 100
    status, exposed = await owner.ask("GET", "/api/admin/prometheus")
    assert (status, "active_viewer_count 2.0" in str(exposed)) == (200, True)

    await on_air.leave()
    assert on_air.encoder.returncode is None
    assert (await owner.post("/api/admin/disconnect"))["message"] == "inbound stream disconnected"
    async with asyncio.timeout(PATIENCE):
        await on_air.encoder.wait()
    before = await settles(lambda: public(server, STATUS), lambda found: found["online"] is False, "the show is over")
    assert (await owner.get(SHOW))["broadcaster"] is None
    assert (await owner.post("/api/admin/disconnect"))["success"] is False
    await server.playlist(0, lambda text: text.endswith("#EXT-X-ENDLIST\n"))
    port = free_port("127.0.0.1")
    assert "wins at the next start" in await owner.set("webserverport", port)
    server.process.terminate()
    async with asyncio.timeout(PATIENCE):
        await server.process.wait()
    async with serving(server.data_dir, config=PASSTHROUGH, encoders=encoders) as again:
        assert not again.http.endswith(f":{port}"), "the command line insists"
        owner = Owner(again, ADMIN)
        found = await owner.get(SHOW)
        assert (found["overallPeakViewerCount"], found["sessionPeakViewerCount"]) == (2, 0)
        after = await public(again, STATUS)
        kept = ("lastConnectTime", "lastDisconnectTime", "overallMaxViewerCount")
        assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
        assert (await owner.listing(over_time))[: len(counts)] == counts
