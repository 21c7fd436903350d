"""Ably's own libraries, in JavaScript and Python, against a real server that only has another host and port."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from playwright.async_api import expect
from programs import need, program, says, script, tell
from rig import PATIENCE, Server, keys, serving
from viewer_browser import chromium, open_page, send_words

pytestmark = pytest.mark.e2e

BOTH = pytest.mark.parametrize("binary", ["no", "yes"], ids=["json", "msgpack"])
CONFIG = "hls: {disk: false}\nbackups: {enabled: false}\nchat: {rate_limit: false}\n"
CUTS = 12
HOSTS = itertools.count(1)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    need("ably", "ably")
    async with serving(tmp_path / "data", config=CONFIG) as server:
        yield server


async def key_of(server: Server) -> str:
    """A key that may do everything, made while the server runs."""
    return await keys(server, "create")


@dataclass
class Line:
    """A way to the server that can be cut: every connection through it at once."""

    host: str
    port: int
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self) -> None:
        """Cuts all of them."""
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()


@asynccontextmanager
async def line_to(server: Server, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Line]:
    """A line at that address. Raises OSError where it cannot be had."""
    target = urlsplit(server.http)
    line = Line(host, port)

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            line.writers.discard(writer)
            writer.transport.abort()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection(target.hostname, target.port)
        except OSError:
            writer.transport.abort()
            return
        line.writers |= {writer, there_writer}
        await asyncio.gather(carry(reader, there_writer), carry(there_reader, writer))

    listener = await asyncio.start_server(connected, host, port)
    line.port = listener.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        listener.close()
        line.cut()
        await listener.wait_closed()


def client(name: str, key: str, host: str, port: int, binary: str) -> AbstractAsyncContextManager[Process]:
    """A program that uses one of the libraries."""
    address = {"ABLY_KEY": key, "ABLY_HOST": host, "ABLY_PORT": str(port), "ABLY_BINARY": binary}
    return program(script("ably", name), **address)


async def outcome(server: Server, name: str, binary: str) -> Any:
    """What a program tells at its end."""
    address = urlsplit(server.http)
    assert address.port is not None
    async with client(name, await key_of(server), "localhost", address.port, binary) as process:
        return await says(process)


@BOTH
async def test_the_library_for_javascript_asks_for_everything(server: Server, binary: str) -> None:
    found = await outcome(server, "rest.mjs", binary)
    assert found["serials"] == 3
    assert found["pages"] == [
        [["text", "one", None], ["json", {"two": [2, None, "zwei"]}, None], ["octets", [0, 1, 254, 255], None]],
        [["same", "once", None]],
    ]
    assert (found["hidden"], found["raw"].startswith("json/utf-8/cipher")) == ({"treasure": "tea"}, True)
    assert found["allowed"] is None
    assert (found["denied"]["code"], found["denied"]["statusCode"]) == (40160, 401)
    assert found["whose"] == ["ben"]
    assert json.loads(found["capability"]) == {"a:*": ["publish", "subscribe"]}
    assert (found["latest"], found["versions"], found["changed"]) == (["uno", "message.update"], ["uno", "one"], True)
    assert found["batch"] == [2, 1, [None, None, 40010]]
    assert (found["status"], found["time"], found["nowhere"], found["stats"]) == (True, True, 40400, True)


@BOTH
async def test_two_of_them_meet_on_a_channel(server: Server, binary: str) -> None:
    found = await outcome(server, "realtime.mjs", binary)
    assert found["serials"] == 1
    said = [["move", {"x": 1}, "ana"], ["octets", [7, 8], "ben"], ["a", "one", "ana"], ["b", "two", "ana"]]
    assert found["heard"] == {"ana": said, "ben": [each for each in said if each[2] != "ben"]}
    assert found["seen"] == [["enter", "ana", "here"], ["update", "ana", "there"], ["leave", "ana", "bye"]]
    assert found["present"] == [["ana", "there", "present"]]
    assert found["rewound"] == ["a", "b"]
    codes = {name: refused["code"] for name, refused in found["refusals"].items()}
    assert codes == {"name": 40010, "mode": 91001, "large": 40009, "client": 40012}


async def cut_again_and_again(line: Line, process: Process, chance: random.Random) -> Any:
    """Cuts the lines of a program's two clients while they talk. What it tells at its end."""
    assert await says(process) == "ready"
    for _ in range(CUTS):
        # Not before both are there again, so that each cut is one.
        async with asyncio.timeout(PATIENCE):
            while len(line.writers) < 4:
                await asyncio.sleep(0.01)
        await asyncio.sleep(chance.uniform(0.02, 0.3))
        line.cut()
    await tell(process, "enough")
    return await says(process)


@BOTH
async def test_nothing_is_lost_when_lines_are_cut(server: Server, binary: str) -> None:
    key = await key_of(server)
    async with line_to(server) as line, client("resume.mjs", key, "localhost", line.port, binary) as process:
        found = await cut_again_and_again(line, process, random.Random(binary))
    assert found["heard"] == list(range(found["sent"]))
    assert found["failed"] == 0
    assert found["connections"] == 2
    assert found["members"] == 1


@BOTH
async def test_a_device_that_the_library_activates_is_pushed_to(server: Server, binary: str) -> None:
    found = await outcome(server, "push.mjs", binary)
    assert found["registered"] == ["ann", "browser", "desktop", "ACTIVE"]
    assert found["arrived"] == [
        ["__ably_push__", "to the device", None],
        ["__ably_push__", "to the client", {"a": "b"}],
        ["__ably_push__", "through the channel", None],
    ]
    assert found["listed"] == [["news", False, "ann"], ["news", True, None]]
    assert (found["channels"], found["forgotten"], found["gone"]) == (["news"], True, 40400)


@BOTH
async def test_the_library_for_python_asks_for_everything(server: Server, binary: str) -> None:
    found = await outcome(server, "rest.py", binary)
    assert found["pages"] == [
        [["text", "one"], ["json", {"two": [2, None, "zwei"]}]],
        [["octets", [0, 1, 254, 255]], ["a", "3"]],
        [["b", "4"]],
    ]
    assert found["denied"] == [40160, 401]
    assert (found["time"], found["present"], found["active"]) == (True, [], True)


@BOTH
async def test_the_library_for_python_pushes(server: Server, binary: str) -> None:
    found = await outcome(server, "push.py", binary)
    assert found["saved"] == ["ann", "embedded", "ACTIVE"]
    assert found["listed"] == [["lamp"], ["dusk"], ["dusk"]]
    assert [[name, json.loads(data)] for name, data in found["arrived"]] == [
        ["__ably_push__", {"notification": {"title": "on"}}],
        ["__ably_push__", {"data": {"dim": "yes"}}],
    ]
    assert (found["unsubscribed"], found["gone"]) == (0, 40400)


@asynccontextmanager
async def line_at_port_80(server: Server) -> AsyncIterator[Line]:
    """For the realtime of the library for Python, which knows no other port. The address is of this process alone."""
    host = f"127.{os.getpid() >> 8 & 255}.{os.getpid() & 255}.{next(HOSTS)}"
    try:
        async with line_to(server, host, 80) as line:
            yield line
    except PermissionError:
        pytest.skip("Only root may listen on port 80, which Ably's library for Python insists on.")


@BOTH
async def test_two_of_the_library_for_python_meet_on_a_channel(server: Server, binary: str) -> None:
    key = await key_of(server)
    async with (
        line_at_port_80(server) as line,
        client("realtime.py", key, line.host, 80, binary) as process,
    ):
        found = await says(process)
    assert found["heard"] == [["json", {"length": 3}, "ben"], ["own", "echo", "ana"], ["text", "hiss", "ben"]]
    assert found["present"] == [["ben", "coiled"]]


@BOTH
async def test_the_library_for_python_goes_on_when_lines_are_cut(server: Server, binary: str) -> None:
    key = await key_of(server)
    async with line_at_port_80(server) as line, client("resume.py", key, line.host, 80, binary) as process:
        found = await cut_again_and_again(line, process, random.Random(binary))
    # The library may send what it sends again after what is new: the order is that of the log.
    assert found["heard"] == found["kept"]
    assert sorted(found["kept"]) == list(range(found["sent"]))
    # What the library could not write it sends again, and yet tells its caller so.
    assert set(found["failed"]) <= {"no close frame received or sent"}
    assert found["connections"] == 2


async def test_a_client_of_the_library_and_a_browser_talk(server: Server) -> None:
    address = urlsplit(server.http)
    assert address.port is not None
    key = await key_of(server)
    async with (
        chromium() as browser,
        open_page(browser, server.http) as page,
        client("chat.mjs", key, "localhost", address.port, "no") as ann,
    ):
        assert await says(ann) == "ready"
        await tell(ann, "Hello from *Ably*")
        assert await says(ann) == ["Ann", "Hello from *Ably*", "<p>Hello from <em>Ably</em></p>"]
        log = page.get_by_role("log")
        await expect(log.get_by_text("Hello from Ably")).to_be_visible()
        assert await log.locator("em").inner_text() == "Ably"
        assert "Ann" in await log.inner_text()
        await page.get_by_role("textbox", name="Message").fill("Hello from the page")
        await send_words(page)
        name = await page.locator(".chat-me .chat-name").inner_text()
        assert await says(ann) == [name, "Hello from the page", "<p>Hello from the page</p>"]
        history = await server.session.get(server.http + "/api/chat")
        first, second = [each["id"] for each in await history.json()]
        hidden = await server.session.post(
            server.http + "/api/admin/chat/messagevisibility",
            json={"visible": False, "idArray": [first, second]},
            headers={"Authorization": aiohttp.encode_basic_auth("admin", "e2e-password")},
        )
        assert hidden.status == 200
        assert [await says(ann), await says(ann)] == [["gone", "Hello from *Ably*"], ["gone", "Hello from the page"]]
        await expect(log.get_by_text("Hello from")).to_have_count(0)
