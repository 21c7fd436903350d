"""The sandbox on a real server: only where nobody else can come."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import aiohttp
import pytest
from rig import PATIENCE, ServerFactory

pytestmark = pytest.mark.e2e

CONFIG = "hls: {disk: false}\nbackups: {enabled: false}\nchannels: {sandbox: true}\n"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
async def test_a_server_that_others_can_reach_does_not_start_with_it(tmp_path: Path, host: str) -> None:
    settings = tmp_path / "config.yaml"
    settings.write_text(CONFIG + "rtmp_host: 127.0.0.1\nrtmp_port: 0\nhttp_port: 0\n")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "owncast_py", "serve", "--config", str(settings), "--data-dir", str(tmp_path / "data")),
        *("--http-host", host, "--log-format", "json"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(PATIENCE):
        output, _ = await process.communicate()
    assert process.returncode == 2, output
    said = output.decode()
    assert f"not '{host}'" in said
    assert "switch the sandbox off" in said


async def test_an_app_of_the_sandbox_works_until_it_is_thrown_away(start: ServerFactory) -> None:
    async with start(config=CONFIG) as server:
        wanted = {"keys": [{}], "channels": [{"name": "a", "presence": [{"clientId": "ann"}]}]}
        async with server.session.post(f"{server.http}/apps", json=wanted) as response:
            assert response.status == 201
            app = await response.json()
        assert f"http://{app['endpoint']}:{app['port']}" == server.http
        headers = {"Authorization": aiohttp.encode_basic_auth(*app["keys"][0]["keyStr"].split(":"))}
        status, body = await server.get("/channels/a/presence", headers=headers)
        assert (status, b'"clientId":"ann"' in body) == (200, True)
        async with server.session.delete(f"{server.http}/apps/{app['appId']}", headers=headers) as response:
            assert response.status == 204
        assert (await server.get("/channels/a/presence", headers=headers))[0] == 404
