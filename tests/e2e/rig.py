"""What end-to-end tests stand on: the server as its users start it, and ffmpeg as an encoder.

Every process is started and ended by its own handle; addresses are loopback with ports that the system chose.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import aiohttp
import imageio_ffmpeg

SYSTEM_FFMPEG = "/usr/bin/ffmpeg"
BUNDLED_FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
KEY = "e2e-key"
PASSWORD = "e2e-password"
PATIENCE = 60.0
"""Seconds that anything may take on a busy machine; nothing here is about speed."""

PASSTHROUGH = """
stream:
  variants:
    - {name: Source, video_passthrough: true, audio_passthrough: true}
"""
LADDER = """
stream:
  variants:
    - {name: Middle, video_bitrate: 600, audio_bitrate: 96, scaled_height: 180, cpu_usage_level: 0}
    - {name: Small, video_bitrate: 200, audio_bitrate: 96, scaled_height: 90, cpu_usage_level: 0}
"""
MIXED = """
stream:
  variants:
    - {name: Source, video_passthrough: true, audio_passthrough: true}
    - {name: Small, video_bitrate: 200, audio_passthrough: true, scaled_height: 90, cpu_usage_level: 0}
"""

PORTS = "http_host: 127.0.0.1\nhttp_port: 0\nrtmp_host: 127.0.0.1\nrtmp_port: 0\n"
"""The addresses of the tests as a configuration file has them, over which the owner's choice wins."""

T = TypeVar("T")


async def eventually(look: Callable[[], T | None], what: str) -> T:
    """Looks until there is something to see. Polls, because what is watched is another process."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while True:
                found = look()
                if found:
                    return found
                await asyncio.sleep(0.05)
    raise AssertionError(what)


async def settles(
    ask: Callable[[], Awaitable[T]], holds: Callable[[T], object], what: str, *, seconds: float = PATIENCE
) -> T:
    """Asks until the answer is right, and returns it; `AssertionError` with the last one when it never is."""
    answer: object = "no answer yet"
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                answer = found = await ask()
                if holds(found):
                    return found
                await asyncio.sleep(0.1)
    raise AssertionError(f"After {seconds:g} s still not: {what}. Last: {str(answer)[:500]}")


@dataclass
class Server:
    """A running `owncast-py serve`."""

    process: asyncio.subprocess.Process
    data_dir: Path
    session: aiohttp.ClientSession
    http: str = ""
    rtmp: str = ""
    events: list[dict[str, object]] = field(default_factory=list)
    output: list[str] = field(default_factory=list)

    async def get(self, path: str, **options: object) -> tuple[int, bytes]:
        async with self.session.get(self.http + path, **options) as response:  # type: ignore[arg-type]
            return response.status, await response.read()

    async def text(self, path: str) -> str:
        """The body of a 200; anything else is asked for again until it is one."""
        async with asyncio.timeout(PATIENCE):
            while True:
                status, body = await self.get(path)
                if status == 200:
                    return body.decode()
                await asyncio.sleep(0.1)

    async def playlist(self, number: int, until: Callable[[str], bool]) -> str:
        """The media playlist of a rendition once `until` holds for it."""
        async with asyncio.timeout(PATIENCE):
            while True:
                text = await self.text(f"/hls/{number}/stream.m3u8")
                if until(text):
                    return text
                await asyncio.sleep(0.1)

    async def sent(self, number: int) -> dict[str, str]:
        """Where players are sent for the listed segments of a rendition, by name; those that are here are left out."""
        text = await self.text(f"/hls/{number}/stream.m3u8")
        found = {}
        for name in re.findall(r"^(?!#)\S+\.m4s$", text, re.MULTILINE):
            address = f"{self.http}/hls/{number}/{name}"
            async with self.session.get(address, allow_redirects=False) as response:
                assert response.status in (200, 302, 404), (address, response.status)
                if response.status == 302:
                    found[name] = response.headers["Location"]
        return found

    async def logged(self, event: str, **fields: object) -> dict[str, object]:
        """The first line of the log with this event and these fields."""

        def look() -> dict[str, object] | None:
            for line in self.events:
                if line.get("event") == event and all(line.get(name) == value for name, value in fields.items()):
                    return line
            return None

        return await eventually(look, f"{event} in the log")

    def made(self, label: str) -> str:
        """A secret that the first start made and showed: "Stream key" or "Admin password"."""
        found = re.search(rf"{label}: +(\S+)", "".join(self.output))
        assert found is not None, f"no {label} was shown"
        return found[1]

    async def kill(self) -> None:
        """Ends it as a power cut would."""
        self.process.kill()
        await self.process.wait()

    def children(self) -> list[int]:
        """Process ids of the server's children."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found = {int(pid) for task in path.parents[1].iterdir() for pid in (task / "children").read_text().split()}
        return sorted(found)


ServerFactory = Callable[..., AbstractAsyncContextManager[Server]]
"""Starts a server in a test's own folder, with options and settings as for `serving`."""


@asynccontextmanager
async def serving(
    data_dir: Path,
    *options: str,
    config: str = "",
    encoders: Path | None = None,
    secrets: bool = True,
    ports: bool = True,
) -> AsyncIterator[Server]:
    """Starts a server with these options and settings, and ends it with SIGTERM.

    Without `secrets` it makes its own; without `ports` the command line names none, and `config` begins with PORTS.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    if encoders is not None and encoders.exists():
        (data_dir / "encoders.json").write_bytes(encoders.read_bytes())
    settings = data_dir / "config.yaml"
    settings.write_text(config if ports else PORTS + config)
    addresses = ("--http-host", "127.0.0.1", "--http-port", "0", "--rtmp-host", "127.0.0.1", "--rtmp-port", "0")
    credentials = ("--stream-key", KEY, "--admin-password", PASSWORD)
    command = [
        *(sys.executable, "-m", "owncast_py", "serve", "--config", str(settings), "--data-dir", str(data_dir)),
        *(*(addresses if ports else ()), *(credentials if secrets else ()), "--log-format", "json", *options),
    ]
    async with running(command, data_dir) as server:
        yield server


@asynccontextmanager
async def running(
    command: Sequence[str], data_dir: Path, *, cwd: Path | None = None, **environment: str
) -> AsyncIterator[Server]:
    """Starts a server by any command that ends in one, which logs JSON, and ends it with SIGTERM.

    Nothing of `OWNCAST_` is in its environment but what is given.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OWNCAST_")}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**inherited, **environment},
        cwd=cwd,
        limit=1 << 20,
    )
    async with aiohttp.ClientSession() as session:
        server = Server(process, data_dir, session)
        reader = asyncio.create_task(_read_log(server))
        try:
            ready = await server.logged("ready")
            server.http = f"http://{ready['http']}"
            server.rtmp = f"rtmp://{ready['rtmp']}/live"
            yield server
        finally:
            if process.returncode is None:
                process.terminate()
            async with asyncio.timeout(PATIENCE):
                await process.wait()
                await reader


async def _read_log(server: Server) -> None:
    assert server.process.stdout is not None
    while line := await server.process.stdout.readline():
        server.output.append(line.decode(errors="replace"))
        if line.startswith(b"{"):
            server.events.append(json.loads(line))


@asynccontextmanager
async def publishing(
    server: Server,
    source: Path,
    *,
    key: str = KEY,
    live: bool = True,
    ffmpeg: str = SYSTEM_FFMPEG,
    loop: bool = True,
    repeats: int = 20,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """ffmpeg sends `source` as an encoder would, over and over; killed at the end."""
    pace = ("-re",) if live else ()
    repeat = ("-stream_loop", str(repeats)) if loop else ()
    to = ("-c", "copy", "-f", "flv", f"{server.rtmp}/{key}")
    async with encoding(ffmpeg, "-v", "error", *pace, *repeat, "-i", str(source), *to) as process:
        yield process


@asynccontextmanager
async def encoding(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """An encoder that is killed at the end."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def refused(server: Server, source: Path, key: str) -> bool:
    """Whether ffmpeg is turned away with that stream key, and told that it is wrong."""
    code, output = await run(
        *(SYSTEM_FFMPEG, "-v", "error", "-i", str(source), "-c", "copy", "-f", "flv", f"{server.rtmp}/{key}")
    )
    return code != 0 and "stream key is wrong" in output


async def run(*command: str) -> tuple[int, str]:
    """Runs a program to its end; its exit code and all that it said."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(PATIENCE):
        output, _ = await process.communicate()
    return process.returncode or 0, output.decode(errors="replace")


async def keys(server: Server, *words: str) -> str:
    """What the command `owncast-py keys` says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "owncast_py", "keys", *words, "--data-dir", str(server.data_dir)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode().strip()


def media_sequence(playlist: str) -> int:
    """EXT-X-MEDIA-SEQUENCE."""
    found = re.search(r"#EXT-X-MEDIA-SEQUENCE:(\d+)", playlist)
    assert found is not None, playlist
    return int(found[1])


def segments(playlist: str) -> list[tuple[int, float]]:
    """Number and duration of each complete segment."""
    found = re.findall(r"#EXTINF:([\d.]+),\n\w+-(\d+)\.m4s", playlist)
    return [(int(number), float(duration)) for duration, number in found]
