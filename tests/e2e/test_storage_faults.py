"""A store that fails while a show is on: whatever it does, players go on playing, and go back to it afterwards.

Between the server and the store stands a proxy that does what a test says; players read where viewers do, at the
serving endpoint.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import aiohttp
import pytest
from owner import ADMIN, Owner
from rig import PASSTHROUGH, PATIENCE, Server, ServerFactory, publishing, settles
from swift_rig import SECRET, Swift, configured, swift
from viewer_browser import chromium, open_page, watch

T = TypeVar("T")
Samples = Callable[[str], Path]

pytestmark = pytest.mark.e2e

BUSY = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
FAULTS = ("busy", "hanging", "refusing", "slow", "gone")
TRICKLE = 2_000
"""Octets per second of a slow store: a tenth of what the show brings."""
BACKLOG = 4
"""Segments that a player has in its buffer before it begins."""


@dataclass
class Proxy:
    """A way to the store with faults. `fault` is one of FAULTS, or empty."""

    target: str
    fault: str = ""
    address: str = ""
    met: int = 0
    """Requests that the fault met."""
    _lines: set[asyncio.StreamWriter] = field(default_factory=set)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Proxy]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            self.turn("")
            server.close()
            for line in tuple(self._lines):
                line.transport.abort()
            await server.wait_closed()

    def turn(self, fault: str) -> None:
        """Does this from now on, also to what hangs."""
        self.fault, self.met = fault, 0
        self._released.set()
        self._released = asyncio.Event()
        for line in tuple(self._lines):
            line.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._lines.add(writer)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._exchange(reader, writer)
        finally:
            self._lines.discard(writer)
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request and its answer: a line is not used again."""
        fault, released = self.fault, self._released
        if fault:
            self.met += 1
        if fault == "gone":
            return
        head = await reader.readuntil(b"\r\n\r\n")
        if fault == "hanging":
            await released.wait()
            return
        length = int((re.search(rb"content-length: *(\d+)", head, re.IGNORECASE) or [b"", b"0"])[1])
        if b"100-continue" in head.lower():
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            head = re.sub(rb"expect:.*\r\n", b"", head, flags=re.IGNORECASE)
        body = b""
        while len(body) < length:
            chunk = await reader.read(min(65_536, length - len(body)))
            if not chunk:
                return
            body += chunk
            if fault == "slow":
                with suppress(TimeoutError):
                    await asyncio.wait_for(released.wait(), len(chunk) / TRICKLE)
        if fault == "busy":
            writer.write(
                b"HTTP/1.1 503 Slow Down\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(BUSY) + BUSY
            )
            await writer.drain()
            return
        if fault == "refusing":  # the store itself refuses a signature that is not right
            head = re.sub(rb"Signature=[0-9a-f]{4}", b"Signature=0000", head)
        parts = urlsplit(self.target)
        there, onward = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            onward.write(
                re.sub(rb"connection:.*\r\n", b"", head[:-2], flags=re.IGNORECASE) + b"Connection: close\r\n\r\n"
            )
            onward.write(body)
            while chunk := await there.read(65_536):
                writer.write(chunk)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        finally:
            onward.transport.abort()


@dataclass
class Player:
    """A plain HLS player: fetches every segment in order from where the playlist says, and plays them."""

    address: str
    fetched: list[tuple[int, str]] = field(default_factory=list)
    """Number and address of each segment."""
    bad: list[tuple[str, object]] = field(default_factory=list)
    """What was answered with anything but the media, or not at all."""
    stalls: list[float] = field(default_factory=list)
    """By how many seconds a segment came after the one before had ended."""
    _ends: float = 0.0

    @asynccontextmanager
    async def playing(self) -> AsyncIterator[Player]:
        task = asyncio.create_task(self._play())
        try:
            yield self
            assert not task.done(), task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def until(self, holds: Callable[[list[tuple[int, str]]], bool], what: str, seconds: float = 90.0) -> None:
        """Plays on until that holds for what was fetched."""

        async def look() -> list[tuple[int, str]]:
            return self.fetched

        await settles(look, holds, what, seconds=seconds)

    async def _play(self) -> None:
        loop = asyncio.get_running_loop()
        async with aiohttp.ClientSession() as session:
            while True:
                text = (await self._get(session, self.address))[0].decode()
                listed = re.findall(r"#EXTINF:([\d.]+),\n(\S+-(\d+)\.m4s)", text)
                for seconds, name, number in listed[-BACKLOG:] if not self.fetched else listed:
                    if self.fetched and int(number) <= self.fetched[-1][0]:
                        continue
                    address = urljoin(self.address, name)
                    body, origin = await self._get(session, address)
                    if body:
                        self.fetched.append((int(number), origin))
                        now = loop.time()
                        if len(self.fetched) > BACKLOG and now > self._ends:
                            self.stalls.append(now - self._ends)
                        self._ends = max(self._ends, now) + float(seconds)
                await asyncio.sleep(0.3)

    async def _get(self, session: aiohttp.ClientSession, address: str) -> tuple[bytes, str]:
        """What lies there, and where it was found in the end."""
        try:
            async with session.get(address, timeout=aiohttp.ClientTimeout(total=20)) as answer:
                body = await answer.read()
                if answer.status == 200:
                    return body, str(answer.url)
                self.bad.append((address, answer.status))
        except (aiohttp.ClientError, TimeoutError) as error:
            self.bad.append((address, error))
        return b"", address


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swift]:
    with swift(tmp_path_factory.mktemp("swift")) as found:
        yield found


@asynccontextmanager
async def on_air(
    start: ServerFactory, samples: Samples, store: Swift, settings: str = PASSTHROUGH
) -> AsyncIterator[tuple[Server, Proxy, Player, Callable[[str], bool]]]:
    """A show in that store, watched by a player that fetches from there; and whether an address is there."""
    async with Proxy(store.address).listening() as proxy:
        config = configured(store, proxy.address)

        def there(address: str) -> bool:
            return address.startswith(store.serving)

        async with start(config=settings + config) as server, publishing(server, samples("plain.flv"), repeats=100):
            await settles(lambda: server.sent(0), lambda found: len(found) >= BACKLOG, "segments are in the store")
            async with Player(f"{server.http}/hls/0/stream.m3u8").playing() as player:
                await player.until(lambda found: len(found) >= BACKLOG, "it plays")
                assert there(player.fetched[0][1])
                yield server, proxy, player, there


def newest(count: int, holds: Callable[[str], bool]) -> Callable[[list[tuple[int, str]]], bool]:
    return lambda found: len(found) >= count and all(holds(address) for _, address in found[-count:])


SAID = {
    "busy": "it asks for fewer requests",
    "hanging": "there was no answer in time",
    "refusing": "the secret is not the access key's",
    "slow": "slower than the stream",
    "gone": "The store of segments fails",
}


def told_by(server: Server) -> Callable[[], Awaitable[str]]:
    """What the owner reads of the store."""
    owner = Owner(server, ADMIN)

    async def trouble() -> str:
        return str((await owner.get("/api/admin/status"))["storeTrouble"])

    return trouble


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_show_goes_on_and_players_go_back_to_the_store(
    fault: str, start: ServerFactory, samples: Samples, store: Swift
) -> None:
    async with on_air(start, samples, store) as (server, proxy, player, there):
        trouble = told_by(server)
        proxy.turn(fault)
        said = await settles(trouble, bool, "the owner is told of trouble")
        assert SAID[fault] in said or (fault == "slow" and "no answer in time" in said), said
        assert proxy.met > 0
        await player.until(newest(3, lambda address: not there(address)), "players fetch from the server")
        proxy.turn("")
        assert await settles(trouble, lambda text: not text, "the owner is told of its end") == ""
        await player.until(newest(2, there), "players fetch from the store again")
        numbers = [number for number, _ in player.fetched]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "every segment, once and in order"
        assert player.bad == []
        assert player.stalls == []
        assert SECRET not in "".join(server.output)


async def test_the_page_plays_on_through_all_of_it(start: ServerFactory, samples: Samples, store: Swift) -> None:
    await store.let_pages_read()
    # A page that is close to the edge fetches parts, which are here; one further back fetches from the store.
    settings = PASSTHROUGH.rstrip() + "\n  latency_level: 4\n"
    async with on_air(start, samples, store, settings) as (server, proxy, _, there):
        trouble, asked, complaints = told_by(server), list[str](), list[str]()
        async with chromium() as browser, open_page(browser, server.http) as page:
            page.on("requestfinished", lambda request: asked.append(request.url))
            page.on("console", lambda message: complaints.append(message.text))
            await watch(page, 4)
            for fault in FAULTS:
                proxy.turn(fault)
                await settles(trouble, bool, f"the owner is told of {fault}")
                await watch(page, 4)
                proxy.turn("")
                await settles(trouble, lambda text: not text, f"the owner is told of the end of {fault}")
                asked.clear()
                await settles(
                    lambda: _async(any(map(there, asked))), bool, f"after {fault} the page is at the store again"
                )
                await watch(page, 4)
        assert not [text for text in complaints if "Parsing" in text], "no playlist changed what it had said"


async def test_the_server_stops_in_order_while_the_store_hangs(
    start: ServerFactory, samples: Samples, store: Swift
) -> None:
    async with on_air(start, samples, store) as (server, proxy, _, _):
        proxy.turn("hanging")
        await settles(lambda: _async(proxy.met), bool, "something hangs")
        server.process.terminate()
        async with asyncio.timeout(PATIENCE):
            assert await server.process.wait() == 0


async def _async(value: T) -> T:
    return value
