"""Ably's own libraries, in JavaScript and Python, against a real server that only has another host and port."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from rig import PATIENCE, Server, serving

pytestmark = pytest.mark.e2e

HERE = Path(__file__).parent
PYTHON = Path(sys.prefix) / ".stamps" / "ably-python" / "bin" / "python"
BOTH = pytest.mark.parametrize("binary", ["no", "yes"], ids=["json", "msgpack"])
CONFIG = "hls: {disk: false}\nbackups: {enabled: false}\nchat: {rate_limit: false}\n"
CUTS = 12


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    if shutil.which("node") is None or not (HERE / "ably_js" / "node_modules" / "ably").is_dir():
        pytest.skip("Ably's library for JavaScript is not installed: `make test` does that.")
    if not PYTHON.exists():
        pytest.skip("Ably's library for Python is not installed: `make test` does that.")
    async with serving(tmp_path / "data", config=CONFIG) as server:
        yield server


async def key_of(server: Server) -> str:
    """A key that may do everything, made while the server runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "owncast_py", "keys", "create", "--data-dir", str(server.data_dir)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode().strip()


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


@asynccontextmanager
async def program(
    command: list[str], key: str, host: str, port: int, binary: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program that uses one of the libraries."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "ABLY_KEY": key, "ABLY_HOST": host, "ABLY_PORT": str(port), "ABLY_BINARY": binary},
        limit=1 << 22,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def says(process: asyncio.subprocess.Process) -> Any:
    """The next value that a program tells."""
    assert process.stdout is not None
    async with asyncio.timeout(2 * PATIENCE):
        line = await process.stdout.readline()
    assert line, "the program ended without a word"
    return json.loads(line)


def script(name: str) -> list[str]:
    folder = HERE / ("ably_js" if name.endswith(".mjs") else "ably_python")
    return ["node" if name.endswith(".mjs") else str(PYTHON), str(folder / name)]


async def outcome(server: Server, name: str, binary: str) -> Any:
    """What a program tells at its end."""
    address = urlsplit(server.http)
    assert address.port is not None
    async with program(script(name), await key_of(server), "localhost", address.port, binary) as process:
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


@BOTH
async def test_nothing_is_lost_when_lines_are_cut(server: Server, binary: str) -> None:
    key, chance = await key_of(server), random.Random(binary)
    async with line_to(server) as line, program(script("resume.mjs"), key, "localhost", line.port, binary) as process:
        assert await says(process) == "ready"
        assert process.stdin is not None
        for _ in range(CUTS):
            # Not before both are there again, so that each cut is one.
            async with asyncio.timeout(PATIENCE):
                while len(line.writers) < 4:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(chance.uniform(0.02, 0.3))
            line.cut()
        process.stdin.write(b"enough\n")
        await process.stdin.drain()
        found = await says(process)
    assert found["heard"] == list(range(found["sent"]))
    assert found["failed"] == 0
    assert found["connections"] == 2
    assert found["members"] == 1


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
async def test_two_of_the_library_for_python_meet_on_a_channel(server: Server, binary: str) -> None:
    # Its realtime knows no port but 80; this address is of this test alone.
    host = f"127.{os.getpid() >> 8 & 255}.{os.getpid() & 255}.{1 if binary == 'yes' else 2}"
    key = await key_of(server)
    try:
        async with line_to(server, host, 80), program(script("realtime.py"), key, host, 80, binary) as process:
            found = await says(process)
    except PermissionError:
        pytest.skip("Only root may listen on port 80, which Ably's library for Python insists on.")
    assert found["heard"] == [["json", {"length": 3}, "ben"], ["own", "echo", "ana"], ["text", "hiss", "ben"]]
    assert found["present"] == [["ben", "coiled"]]
