"""The command as its users run it: first start, signals, taken ports, RTMPS."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rig import LADDER, PASSTHROUGH, PATIENCE, ServerFactory, eventually, publishing, run, segments

Samples = Callable[[str], Path]

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_everything(start: ServerFactory, samples: Samples, number: signal.Signals) -> None:
    async with start(config=LADDER) as server, publishing(server, samples("plain.flv")):
        await server.playlist(0, lambda text: bool(segments(text)))
        children = await eventually(server.children, "ffmpeg runs")
        began = time.monotonic()
        server.process.send_signal(number)
        async with asyncio.timeout(PATIENCE):
            assert await server.process.wait() == 0
        # The promise is five seconds on a machine of one's own; a busy one gets some more.
        assert time.monotonic() - began < 15
        assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
        assert any(line.get("event") == "closed" and line.get("what") == "server" for line in server.events)


async def test_the_first_start_makes_secrets_and_shows_them_once(tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "owncast_py", "serve", "--data-dir", str(tmp_path / "data"), "--log-format", "json"),
        *("--http-host", "127.0.0.1", "--http-port", "0", "--rtmp-host", "127.0.0.1", "--rtmp-port", "0"),
    ]
    outputs = []
    for _ in range(2):
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=tmp_path
        )
        assert process.stdout is not None
        lines = []
        async with asyncio.timeout(PATIENCE):
            while not (lines and '"ready"' in lines[-1]):
                line = (await process.stdout.readline()).decode()
                assert line, lines
                lines.append(line)
        process.terminate()
        async with asyncio.timeout(PATIENCE):
            await process.communicate()
        outputs.append("".join(lines))
    kept = json.loads((tmp_path / "data" / "credentials.json").read_bytes())
    assert os.stat(tmp_path / "data" / "credentials.json").st_mode & 0o777 == 0o600
    ((stream_key, _),) = kept["stream_keys"]
    assert stream_key in outputs[0]
    assert "Admin password" in outputs[0]
    assert kept["admin_password_hash"].startswith("$argon2id$")
    assert stream_key not in outputs[1]
    assert "Admin password" not in outputs[1]


@pytest.mark.parametrize(("option", "purpose"), [("--http-port", "HTTP"), ("--rtmp-port", "RTMP")])
async def test_a_taken_port_is_explained(tmp_path: Path, option: str, purpose: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = {"--http-port": "0", "--rtmp-port": "0"} | {option: str(port)}
        code, output = await run(
            *(sys.executable, "-m", "owncast_py", "serve", "--data-dir", str(tmp_path / "data"), "--stream-key", "k"),
            *("--admin-password", "p", "--http-host", "127.0.0.1", "--rtmp-host", "127.0.0.1"),
            *(word for pair in ports.items() for word in pair),
        )
    assert code != 0
    assert f"Port {port} for {purpose} is taken" in output
    assert str(os.getpid()) in output, "it says by whom"
    assert option in output
    assert "Traceback" not in output


async def test_rtmps_carries_a_show(start: ServerFactory, samples: Samples, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    code, output = await run(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
        *("-keyout", str(key), "-out", str(certificate)),
    )
    assert code == 0, output
    settings = PASSTHROUGH + f"rtmps: {{certificate: {certificate}, key: {key}, host: 127.0.0.1, port: 0}}\n"
    async with start(config=settings) as server:
        address = (await server.logged("ready"))["rtmps"]
        server.rtmp = f"rtmps://{address}/live"
        async with publishing(server, samples("plain.flv")):
            await server.playlist(0, lambda text: bool(segments(text)))
            await server.logged("publisher connected", protocol="rtmps")


async def test_every_viewer_counts_once(start: ServerFactory, samples: Samples) -> None:
    """Two players behind one address are two, and one that fetches two playlists is one."""
    async with start(config=LADDER) as server, publishing(server, samples("plain.flv")):
        await server.playlist(1, lambda text: bool(segments(text)))

        async def count(*players: dict[str, str]) -> int:
            for headers in players:
                for number in (0, 1):
                    status, _ = await server.get(f"/hls/{number}/stream.m3u8", headers=headers)
                    assert status == 200
            async with server.session.get(server.http + "/api/status") as response:
                found: int = (await response.json())["viewerCount"]
                return found

        alone = await count()
        first, second = {"CMCD-Session": 'sid="one"'}, {"CMCD-Session": 'sid="two"'}
        apple = {"X-Playback-Session-Id": "A-1"}
        vlc = {"User-Agent": "VLC/3.0.24 LibVLC/3.0.24"}
        assert await count(first, first) == alone + 1
        assert await count(first, second) == alone + 2
        assert await count(apple, vlc) == alone + 4


async def test_health_and_readiness(start: ServerFactory) -> None:
    async with start(config=PASSTHROUGH) as server:
        assert await server.get("/healthz") == (200, b"ok\n")
        code, body = await server.get("/readyz")
        assert (code, json.loads(body)) == (200, {"ready": True, "reasons": [], "warnings": []})
        port = server.http.rpartition(":")[2]
        code, said = await run(sys.executable, "-m", "owncast_py", "health", "--http-port", port)
        assert (code, said) == (0, f"http://127.0.0.1:{port}/healthz answers.\n")
    async with start("--log-format", "json", config=PASSTHROUGH + "ffmpeg_path: /nonexistent/ffmpeg\n") as server:
        code, body = await server.get("/readyz")
        assert code == 503
        assert "ffmpeg" in json.loads(body)["reasons"][0]
