"""Segments in an S3 store: a real server, a store that answers HTTP, ffprobe and a browser that fetch from it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import boto3
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from moto.server import ThreadedMotoServer
from moto_rig import s3_server
from owner import ADMIN, Owner
from rig import PASSTHROUGH, Server, ServerFactory, publishing, run, settles
from viewer_browser import chromium, open_page, watch

Samples = Callable[[str], Path]

pytestmark = pytest.mark.e2e

BUCKET = "tea"
REFUSED = (
    "it answers 403, so objects are not public. Set the ACL to public-read, or let everybody read by a policy of the "
    "bucket."
)
PRIVATE = "notifications:\n  allow_private_targets: true\n"
"""The store is on this machine."""


@dataclass
class Store:
    """A store that can go and come back; what it has stays."""

    server: ThreadedMotoServer
    address: str

    @property
    def base(self) -> str:
        """Below which players find our files."""
        return f"{self.address}/{BUCKET}/live/hls"

    def setting(self) -> dict[str, object]:
        return {
            "enabled": True,
            "endpoint": self.address,
            "region": "us-east-1",
            "bucket": BUCKET,
            "accessKey": "key",
            "secret": "secret",
            "acl": "public-read",
            "pathPrefix": "live",
            "forcePathStyle": True,
        }

    def go(self) -> None:
        self.server.stop()

    def come_back(self) -> None:
        port = int(self.address.rsplit(":", 1)[1])
        self.server = ThreadedMotoServer("127.0.0.1", port=port, verbose=False)
        self.server.start()


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    found = Store(*s3_server())
    client = boto3.client(
        "s3", endpoint_url=found.address, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    await asyncio.to_thread(client.create_bucket, Bucket=BUCKET)
    yield found
    found.go()


@asynccontextmanager
async def on_air(start: ServerFactory, samples: Samples, store: Store, config: str) -> AsyncIterator[Server]:
    """A show in that store."""
    async with start(config=config + PRIVATE) as server:
        await choose(server, store.setting())
        async with publishing(server, samples("plain.flv"), repeats=100):
            yield server


async def choose(server: Server, setting: dict[str, object]) -> None:
    """The owner's store is another from now on."""
    assert "segments go there" in await Owner(server, ADMIN).set("s3", setting)


async def there(server: Server, store: Store, count: int) -> dict[str, str]:
    """The segments that players fetch from the store, once there are so many: addresses by name."""
    found = await settles(
        lambda: server.sent(0), lambda found: len(found) >= count, f"{count} segments are in the store"
    )
    for name, address in found.items():
        assert re.fullmatch(rf"{re.escape(store.base)}/\w+/0/{name}", address)
    return found


async def test_finished_segments_come_from_the_store_and_parts_from_here(
    start: ServerFactory, samples: Samples, store: Store
) -> None:
    async with on_air(start, samples, store, PASSTHROUGH) as server, aiohttp.ClientSession() as session:
        found = await there(server, store, 3)
        playlist = await server.text("/hls/0/stream.m3u8")
        assert store.address not in playlist, "a listed segment keeps its address"
        for name, address in found.items():
            async with session.get(address) as elsewhere:
                octets = await elsewhere.read()
                assert (elsewhere.status, elsewhere.headers["Cache-Control"]) == (
                    200,
                    "public, max-age=31536000, immutable",
                )
            parts = re.findall(rf'URI="({name.removesuffix(".m4s")}\.\d+\.m4s)"', playlist.split(f"{name}\n")[0])
            if parts:  # Those of older segments are not listed any more.
                here = [await server.get(f"/hls/0/{part}", allow_redirects=False) for part in parts]
                assert {status for status, _ in here} == {200}, "parts stay here"
                assert b"".join(data for _, data in here) == octets, "both give the same"
        code, said = await run(
            "ffprobe", "-v", "error", "-show_entries", "stream=codec_type", f"{store.base}/stream.m3u8"
        )
        assert code == 0, said
        assert {"codec_type=video", "codec_type=audio"} <= set(said.split())


async def test_the_page_plays_from_the_store(start: ServerFactory, samples: Samples, store: Store) -> None:
    config = PASSTHROUGH.rstrip() + "\n  latency_level: 4\n"
    async with on_air(start, samples, store, config) as server:
        await there(server, store, 3)
        asked: list[str] = []
        async with chromium() as browser, open_page(browser, server.http) as page:
            page.on("requestfinished", lambda request: asked.append(request.url))
            await page.reload()
            await watch(page, 6)
            assert len([url for url in asked if url.startswith(store.base) and url.endswith(".m4s")]) >= 2


async def test_while_the_store_is_gone_everything_comes_from_here(
    start: ServerFactory, samples: Samples, store: Store
) -> None:
    async with on_air(start, samples, store, PASSTHROUGH) as server:
        before = await there(server, store, 2)
        store.go()
        assert await settles(lambda: server.sent(0), lambda found: not found, "nobody is sent there") == {}
        gone = await server.playlist(0, lambda text: len(_names(text)) >= 4)
        assert set(_names(gone)) & set(before), "the same show goes on"
        assert {(await server.get(f"/hls/0/{name}"))[0] for name in _names(gone)} == {200}
        logged = await server.logged("segment store")
        assert "fails" in str(logged["problem"])
        store.come_back()
        await there(server, store, 3)


async def test_nobody_is_sent_to_a_serving_endpoint_that_does_not_serve(
    start: ServerFactory, samples: Samples, store: Store
) -> None:
    status = 403

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": f"{store.address}/{BUCKET}{request.path}"})

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    async with TestServer(application) as cdn, start(config=PASSTHROUGH + PRIVATE) as server:
        address, owner = str(cdn.make_url("")).rstrip("/"), Owner(server, ADMIN)
        await choose(server, store.setting() | {"servingEndpoint": address})
        async with publishing(server, samples("plain.flv"), repeats=100):
            logged = await server.logged("advice", text=f"Viewers cannot read from {address}: {REFUSED}")
            assert (await owner.get("/api/admin/status"))["storeTrouble"] == logged["text"]
            await server.playlist(0, lambda text: text.count("#EXTINF") >= 2)
            assert await server.sent(0) == {}
            status = 302
            found = await settles(lambda: server.sent(0), bool, "viewers are sent there")
            assert all(each.startswith(f"{address}/live/hls/") for each in found.values())
            assert (await owner.get("/api/admin/status"))["storeTrouble"] == ""
            status = 502
            await settles(lambda: server.sent(0), lambda found: not found, "nobody is sent there")


async def test_a_change_is_for_the_next_show_and_the_store_before_is_closed_then(
    start: ServerFactory, samples: Samples, store: Store
) -> None:
    config = PASSTHROUGH.rstrip() + "\n  reconnect_grace: 0\n" + PRIVATE
    async with start(config=config) as server:
        await choose(server, store.setting())
        async with publishing(server, samples("plain.flv"), repeats=100):
            before = await there(server, store, 1)
            for prefix in ("other", "next"):
                await choose(server, store.setting() | {"pathPrefix": prefix})
            await server.logged("closed", what="segment store", prefix="other")
            await there(server, store, len(before) + 2)
            assert not [line for line in server.events if line.get("prefix") == "live"], "the show is in it"
        await server.logged("off air")
        async with publishing(server, samples("plain.flv"), repeats=100):
            next_one = f"{store.address}/{BUCKET}/next/hls/"
            await settles(
                lambda: server.sent(0), lambda found: next_one in str(found), "the next show is in the next store"
            )
            await server.logged("closed", what="segment store", prefix="live")


def _names(playlist: str) -> list[str]:
    """The segments that are listed."""
    return re.findall(r"^(\w+-\d+\.m4s)$", playlist, re.MULTILINE)
