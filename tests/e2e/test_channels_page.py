"""`docs/channels.md`: its pages and its commands do what it says, word for word."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import aiohttp
import pytest
from rig import PATIENCE, Server, keys, serving

pytestmark = pytest.mark.e2e

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "channels.md").read_text()
LIBRARY = HERE / "ably_js"
CONFIG = "hls: {disk: false}\nbackups: {enabled: false}\nchat: {rate_limit: false}\n"


def blocks(kind: str) -> list[str]:
    """The examples of a kind, in their order."""
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def script(number: int) -> str:
    """What a page of the examples runs."""
    [found] = re.findall(r'<script type="module">\n(.*?)</script>', blocks("html")[number], re.DOTALL)
    return str(found)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with serving(tmp_path / "data", config=CONFIG) as server:
        yield server


async def key_of(server: Server) -> str:
    """A key, by the command of the page."""
    [command, *_] = [line for line in blocks("sh")[0].splitlines() if line.startswith("owncast-py keys create")]
    name, capability = command.split("--name ")[1].split(" --capability ")
    return await keys(server, "create", "--name", name, "--capability", capability.strip("'"))


@asynccontextmanager
async def running(*command: str, **environment: str) -> AsyncIterator[asyncio.StreamReader]:
    """What a program writes until the test is done with it."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
        limit=1 << 20,
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def shown(output: asyncio.StreamReader, element: str, text: str) -> None:
    """Returns once that element shows that."""
    async with asyncio.timeout(PATIENCE):
        while True:
            line = await output.readline()
            assert line, "the page ended"
            if json.loads(line) == [element, text]:
                return


async def commands(server: Server, key: str) -> list[object]:
    """What the commands of the page answer."""
    script = blocks("sh")[2].replace("curl ", "curl -sS -w '\\n' ")
    async with running("bash", "-euc", script, API=server.http, KEY=key) as output:
        async with asyncio.timeout(PATIENCE):
            return [json.loads(line) for line in (await output.read()).splitlines()]


async def test_the_commands_of_the_page_work(server: Server) -> None:
    if shutil.which("curl") is None:
        pytest.skip("There is no curl.")
    key = await key_of(server)
    published, history, present, token = await commands(server, key)
    assert isinstance(published, dict)
    assert len(published["serials"]) == 1
    assert [(each["name"], each["data"], each["clientId"]) for each in history] == [("vote", "red", "ann")]  # type: ignore[attr-defined]
    assert present == []
    assert isinstance(token, dict)
    assert (token["clientId"], token["expires"] - token["issued"]) == ("ann", 600_000)
    async with running("bash", "-euc", blocks("sh")[3], API=server.http, KEY=key) as output:
        async with asyncio.timeout(PATIENCE):
            while not (line := await output.readline()).startswith(b"data: "):
                assert line, "the stream ended"
    assert json.loads(line.removeprefix(b"data: "))["data"] == "red"


async def test_the_overlay_of_the_page_shows_what_happens(server: Server, tmp_path: Path) -> None:
    if shutil.which("node") is None or not (LIBRARY / "node_modules" / "ably").is_dir():
        pytest.skip("Ably's library for JavaScript is not installed: `make test` does that.")
    key, address = await key_of(server), urlsplit(server.http)
    overlay = tmp_path / "overlay.mjs"
    overlay.write_text(script(0))
    (tmp_path / "node_modules").symlink_to(LIBRARY / "node_modules")
    search = "?" + urlencode({"key": key, "endpoint": "localhost", "port": address.port})
    everything = await keys(server, "create")
    async with running("node", "--import", str(LIBRARY / "page.mjs"), str(overlay), PAGE_SEARCH=search) as output:
        await shown(output, "present", "1")
        await say(server, everything, "poll", {"name": "vote", "data": "red", "clientId": "ann"})
        await shown(output, "red", "1")
        await say(server, everything, "poll", {"name": "vote", "data": "blue", "clientId": "ben"})
        await shown(output, "blue", "1")
        # Somebody changes their mind.
        await say(server, everything, "poll", {"name": "vote", "data": "blue", "clientId": "ann"})
        await shown(output, "red", "0")
        await shown(output, "blue", "2")
        await say(server, everything, "chat", {"data": "hello", "clientId": "ann"})
        await shown(output, "chat", "ann: hello")
    # Who comes later sees what was.
    async with running("node", "--import", str(LIBRARY / "page.mjs"), str(overlay), PAGE_SEARCH=search) as output:
        await shown(output, "chat", "ann: hello")
        await shown(output, "blue", "2")


async def test_the_overlay_without_a_library_shows_what_happens(server: Server, tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("There is no node.")
    overlay = tmp_path / "overlay.mjs"
    overlay.write_text(script(1))
    everything = await keys(server, "create")
    search = "?" + urlencode({"key": everything, "server": server.http})
    await say(server, everything, "poll", {"name": "vote", "data": "red"})
    preload = ("--experimental-eventsource", "--no-warnings", "--import", str(LIBRARY / "page.mjs"))
    async with running("node", *preload, str(overlay), PAGE_SEARCH=search) as output:
        await shown(output, "last", "poll vote: red")
        await say(server, everything, "poll", {"name": "vote", "data": "blue"})
        await shown(output, "last", "poll vote: blue")
        await keys(server, "revoke", everything.partition(":")[0])
        async with asyncio.timeout(PATIENCE):
            told = json.loads(await output.readline())
        assert told[0] == "last"
        assert "was revoked" in told[1]


async def say(server: Server, key: str, channel: str, message: object) -> None:
    """Publishes a message."""
    headers = {"Authorization": aiohttp.encode_basic_auth(*key.split(":"))}
    async with server.session.post(
        f"{server.http}/channels/{channel}/messages", json=message, headers=headers
    ) as found:
        assert found.status == 201, await found.text()
