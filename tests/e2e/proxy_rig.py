"""nginx with the recipe of `deploy/nginx`, before a server under test, and many simulated low-latency viewers.

Owns the process, its folder and the viewers' connections. The recipe is taken as it is, but for addresses and paths.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp.test_utils import unused_port
from rig import PATIENCE, eventually

RECIPE = Path(__file__).parents[2] / "deploy" / "nginx" / "owncast-py-cache.conf"
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
MODULES = [Path("/usr/lib/nginx/modules") / each for each in ("ndk_http_module.so", "ngx_http_lua_module.so")]
NAME = "live.example.org"

UNCOUNTED, COUNTED = "set $owncast_count_players 0;", "set $owncast_count_players 1;"
"""The recipe's switch, for `nginx`."""

Position = tuple[int, int]


@dataclass(frozen=True)
class Nginx:
    """A running one."""

    plain: str
    """Its address without TLS, for the many."""
    tls: str
    """Its address as in the recipe: with TLS and HTTP/2."""
    pid: int
    folder: Path

    def complaints(self) -> str:
        """What it wrote in its log of errors."""
        return (self.folder / "error.log").read_text()


def recipe(folder: Path, origin: str, ports: tuple[int, int, int], *changes: tuple[str, str]) -> str:
    """The recipe with these addresses and a certificate from `folder`. What is changed has to be there exactly once."""
    plain, tls, inner = ports
    places = {
        "server 127.0.0.1:8080;": f"server {urlsplit(origin).netloc};",
        "/dev/shm/owncast-py": f"{folder}/cache",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{tls} ssl http2; listen 127.0.0.1:{plain};",
        "/etc/letsencrypt/live/live.example.org/fullchain.pem": f"{folder}/cert.pem",
        "/etc/letsencrypt/live/live.example.org/privkey.pem": f"{folder}/key.pem",
    }
    text = RECIPE.read_text().replace("8079", str(inner))
    for place, ours in [*places.items(), *changes]:
        assert text.count(place) == 1, place
        text = text.replace(place, ours)
    return text


@asynccontextmanager
async def nginx(folder: Path, origin: str, *changes: tuple[str, str]) -> AsyncIterator[Nginx]:
    """nginx with the recipe before the server at `origin`, in `folder`; ended by its id."""
    if not Path(NGINX).exists() or not MODULES[-1].exists():
        pytest.skip("nginx and its Lua module are not installed: `make test` does that.")
    folder.mkdir()
    folder.chmod(0o755)
    names = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={NAME}"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    await asyncio.to_thread(subprocess.run, ["openssl", "req", *names, *files], check=True, capture_output=True)
    ports = unused_port(), unused_port(), unused_port()
    (folder / "owncast-py-cache.conf").write_text(recipe(folder, origin, ports, *changes))
    modules = "".join(f"load_module {each};\n" for each in MODULES if each.exists())
    temporary = "".join(f"{each}_temp_path {folder}/{each}; " for each in ("proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"""{"user root;" if os.geteuid() == 0 else ""}
{modules}worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}/body; {temporary}
  include {folder}/owncast-py-cache.conf;
}}
"""
    )
    command = [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)
    found = Nginx(f"http://127.0.0.1:{ports[0]}", f"https://127.0.0.1:{ports[1]}", process.pid, folder)
    try:
        await eventually(lambda: process.returncode is not None or (folder / "pid").exists(), "nginx runs")
        assert process.returncode is None, found.complaints()
        yield found
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
    assert "lua" not in found.complaints(), found.complaints()


@lru_cache(maxsize=64)
def listed(playlist: bytes) -> tuple[tuple[tuple[Position, bytes], ...], Position]:
    """The parts of a playlist by position, with their names, and the position of the part to come."""
    found = re.findall(rb'#EXT-X-PART:[^\n]*URI="(\w+-(\d+)\.(\d+)\.m4s)"', playlist)
    hint = re.search(rb'#EXT-X-PRELOAD-HINT:[^\n]*URI="\w+-(\d+)\.(\d+)\.m4s"', playlist)
    assert hint is not None, playlist
    return tuple(((int(msn), int(part)), name) for name, msn, part in found), (int(hint[1]), int(hint[2]))


class Line(asyncio.Protocol):
    """One connection that asks one thing after the other. Far lighter than a client library; 500 of them fit."""

    def __init__(self, host: str, name: str = "") -> None:
        self._host = host
        self._head = f"HTTP/1.1\r\nHost: {host}\r\n" + (f"User-Agent: {name}\r\n" if name else "") + "\r\n"
        self._received = bytearray()
        self._wanted = 0
        self._answer: asyncio.Future[bytes] | None = None

    @classmethod
    async def to(cls, address: str, name: str = "") -> Line:
        """A line to that server, over which a player with this name asks."""
        url, loop = urlsplit(address), asyncio.get_running_loop()
        _, line = await loop.create_connection(lambda: cls(url.netloc, name), url.hostname, url.port or 80)
        return line

    async def get(self, path: str) -> bytes:
        """The body of a 200. `AssertionError` for anything else."""
        self._answer = asyncio.get_running_loop().create_future()
        self._received.clear()
        self._wanted = 0
        self.transport.write(f"GET {path} {self._head}".encode())
        async with asyncio.timeout(PATIENCE):
            return await self._answer

    def close(self) -> None:
        self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._wanted:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._received[:end])
            length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
            if not head.startswith(b"HTTP/1.1 200 ") or length is None:
                self._end(AssertionError(head.decode(errors="replace")))
                return
            self._begin = end + 4
            self._wanted = self._begin + int(length[1])
        if len(self._received) >= self._wanted:
            body = bytes(self._received[self._begin :])
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(body)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(ConnectionError(f"The line to {self._host} was cut."))

    def _end(self, why: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(why)


@dataclass
class Viewer:
    """One low-latency player of a rendition: it waits for each part in turn, as the protocol has it, and fetches it."""

    line: Line
    rendition: str = "/hls/0/"
    parts: dict[Position, bytes] = field(default_factory=dict)
    edges: list[tuple[Position, Position]] = field(default_factory=list)
    """What it asked for, and the newest part that the answer had."""

    async def watch(self, parts: int) -> None:
        """From the next part on, until it has so many, one after the other."""
        _, wanted = listed(await self.line.get(f"{self.rendition}stream.m3u8"))
        first = wanted
        while len(self.parts) < parts:
            target = f"{self.rendition}stream.m3u8?_HLS_msn={wanted[0]}&_HLS_part={wanted[1]}"
            there, coming = listed(await self.line.get(target))
            self.edges.append((wanted, there[-1][0]))
            for position, name in there:
                if position >= first and position not in self.parts:
                    self.parts[position] = await self.line.get(self.rendition + name.decode())
            wanted = coming


async def crowd(address: str, viewers: int, parts: int, *, name: str = "") -> list[Viewer]:
    """So many viewers at once, each with so many parts at the end. Their players are called `name`, with a number."""
    names = [f"{name} {number}" if name else "" for number in range(viewers)]
    lines = await asyncio.gather(*(Line.to(address, each) for each in names))
    found = [Viewer(line) for line in lines]
    try:
        await asyncio.gather(*(viewer.watch(parts) for viewer in found))
    finally:
        for line in lines:
            line.close()
    return found
