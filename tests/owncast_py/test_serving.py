"""The serving endpoint as viewers meet it: asked for the newest object, and what is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from owncast_py.serving import AGAIN_SECONDS, FAILURES, WATCH_SECONDS, ServingWatch

PATIENCE = 30.0
WELL = True, ""


@dataclass
class Endpoint:
    """Answers each request with the next status, the last one from then on."""

    statuses: list[int]
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and range."""
    told: list[tuple[bool, str]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    server: TestServer | None = None

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.path, request.headers.get("Range", "")))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return web.Response(status=status, body=b"x" * 100_000, headers={"Location": "/again"})

    def hear(self, readable: bool, problem: str) -> None:
        self.told.append((readable, problem))
        self.changed.set()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    async def until_told(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while len(self.told) < count:
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def watched(*statuses: int) -> AsyncIterator[tuple[Endpoint, ServingWatch, str]]:
    endpoint = Endpoint(list(statuses))
    application = web.Application()
    application.router.add_get("/{path:.*}", endpoint.answer)
    async with TestServer(application) as server:
        endpoint.server, address = server, str(server.make_url("")).rstrip("/")
        watch = ServingWatch(f"{address}/hls/", endpoint.hear, sleep=endpoint.sleep)
        await watch.start()
        try:
            yield endpoint, watch, address
        finally:
            await watch.aclose()


async def test_the_first_octet_of_the_newest_object_is_asked_for() -> None:
    async with watched(206) as (endpoint, watch, _):
        watch.note("s/0/s-1.m4s")
        watch.note("s/0/s-2.m4s")
        await endpoint.until_told(1)
        watch.note("s/0/s-3.m4s")
        await endpoint.until_told(2)
        assert endpoint.asked == [("/hls/s/0/s-2.m4s", "bytes=0-0"), ("/hls/s/0/s-3.m4s", "bytes=0-0")]
        assert endpoint.told == [WELL, WELL]
        assert set(endpoint.slept) == {WATCH_SECONDS}, "and nothing is asked for when nothing new comes"


async def test_an_endpoint_without_ranges_is_as_good() -> None:
    async with watched(200) as (endpoint, watch, _):
        watch.note("a")
        await endpoint.until_told(1)
        assert endpoint.told == [WELL]


async def test_one_failure_is_none() -> None:
    async with watched(502, 200) as (endpoint, watch, _):
        watch.note("a")
        await endpoint.until_told(1)
        assert endpoint.told == [WELL]
        assert endpoint.slept[0] == AGAIN_SECONDS


async def test_what_fails_is_told_and_asked_for_until_it_works() -> None:
    async with watched(404, 404, 404, 200) as (endpoint, watch, address):
        watch.note("a")
        await endpoint.until_told(3)
        sentence = f"Viewers cannot read from {address}: it answers 404, so what is written does not appear there. "
        readable, told = endpoint.told[0]
        assert not readable
        assert told.startswith(sentence)
        assert endpoint.told[1:] == [endpoint.told[0], WELL]
        assert endpoint.slept[:3] == [AGAIN_SECONDS] * (FAILURES - 1) + [WATCH_SECONDS] * (4 - FAILURES)


async def test_one_that_leads_around_in_circles_is_none_for_viewers() -> None:
    async with watched(302) as (endpoint, watch, _):
        watch.note("a")
        await endpoint.until_told(1)
        readable, told = endpoint.told[0]
        assert not readable
        assert told.endswith("it redirects more than 3 times.")


async def test_an_endpoint_that_was_never_reached_may_be_by_viewers() -> None:
    endpoint, nowhere = Endpoint([200]), f"http://127.0.0.1:{unused_port()}"
    watch = ServingWatch(f"{nowhere}/hls/", endpoint.hear, sleep=endpoint.sleep)
    await watch.start()
    try:
        watch.note("a")
        await endpoint.until_told(1)
    finally:
        await watch.aclose()
    readable, told = endpoint.told[0]
    assert readable
    assert told.startswith(f"This server cannot read from {nowhere}, where viewers are sent: no connection could be")


async def test_an_endpoint_that_is_reached_no_more_is_not_by_viewers_either() -> None:
    async with watched(200) as (endpoint, watch, _):
        watch.note("a")
        await endpoint.until_told(1)
        assert endpoint.server is not None
        await endpoint.server.close()
        watch.note("b")
        await endpoint.until_told(2)
        readable, told = endpoint.told[1]
        assert not readable
        assert "no connection could be made" in told
