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
from owner import ADMIN, Owner
from rig import PASSTHROUGH, Server, ServerFactory, publishing, run
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
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    found = Store(server, f"http://{host}:{port}")
    client = boto3.client(
        "s3", endpoint_url=found.address, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    await asyncio.to_thread(client.create_bucket, Bucket=BUCKET)
    yield found
    for each in client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        client.delete_object(Bucket=BUCKET, Key=each["Key"])
    client.delete_bucket(Bucket=BUCKET)
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


def there(playlist: str, store: Store) -> list[str]:
    """The segments that players fetch from the store."""
    return re.findall(rf"^{re.escape(store.base)}/\w+/\d/\w+-\d+\.m4s$", playlist, re.MULTILINE)


async def test_finished_segments_come_from_the_store_and_parts_from_here(
    start: ServerFactory, samples: Samples, store: Store
) -> None:
    async with on_air(start, samples, store, PASSTHROUGH) as server, aiohttp.ClientSession() as session:
        playlist = await server.playlist(0, lambda text: len(there(text, store)) >= 3)
        assert f'#EXT-X-MAP:URI="{store.base}/' in playlist
        assert re.search(r'#EXT-X-PART:DURATION=[\d.]+,URI="\w+-\d+\.\d+\.m4s"', playlist), "parts stay here"
        for address in there(playlist, store):
            async with session.get(address) as elsewhere:
                octets = await elsewhere.read()
                assert (elsewhere.status, elsewhere.headers["Cache-Control"]) == (
                    200,
                    "public, max-age=31536000, immutable",
                )
            status, here = await server.get(f"/hls/0/{address.rsplit('/', 1)[1]}")
            assert (status, here) == (200, octets), "both addresses give the same"
        code, said = await run(
            "ffprobe", "-v", "error", "-show_entries", "stream=codec_type", f"{store.base}/stream.m3u8"
        )
        assert code == 0, said
        assert {"codec_type=video", "codec_type=audio"} <= set(said.split())


async def test_the_page_plays_from_the_store(start: ServerFactory, samples: Samples, store: Store) -> None:
    config = PASSTHROUGH.rstrip() + "\n  latency_level: 4\n"
    async with on_air(start, samples, store, config) as server:
        await server.playlist(0, lambda text: len(there(text, store)) >= 3)
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
        before = await server.playlist(0, lambda text: len(there(text, store)) >= 2)
        store.go()
        gone = await server.playlist(0, lambda text: store.base not in text and len(_names(text)) >= 4)
        assert set(_names(gone)) & set(_names(before)), "the same show goes on"
        status, _ = await server.get(f"/hls/0/{_names(gone)[-1]}")
        assert status == 200
        logged = await server.logged("segment store")
        assert "fails" in str(logged["problem"])
        store.come_back()
        await server.playlist(0, lambda text: len(there(text, store)) >= 3)


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
            assert address not in await server.playlist(0, lambda text: text.count("#EXTINF") >= 2)
            status = 302
            await server.playlist(0, lambda text: f"{address}/live/hls/" in text)
            assert (await owner.get("/api/admin/status"))["storeTrouble"] == ""
            status = 502
            await server.playlist(0, lambda text: address not in text)


async def test_a_change_is_for_the_next_show_and_the_store_before_is_closed_then(
    start: ServerFactory, samples: Samples, store: Store
) -> None:
    config = PASSTHROUGH.rstrip() + "\n  reconnect_grace: 0\n" + PRIVATE
    async with start(config=config) as server:
        await choose(server, store.setting())
        async with publishing(server, samples("plain.flv"), repeats=100):
            before = await server.playlist(0, lambda text: len(there(text, store)) >= 1)
            for prefix in ("other", "next"):
                await choose(server, store.setting() | {"pathPrefix": prefix})
            await server.logged("closed", what="segment store", prefix="other")
            await server.playlist(0, lambda text: len(set(there(text, store)) - set(there(before, store))) >= 2)
            assert not [line for line in server.events if line.get("prefix") == "live"], "the show is in it"
        await server.logged("off air")
        async with publishing(server, samples("plain.flv"), repeats=100):
            await server.playlist(0, lambda text: f"{store.address}/{BUCKET}/next/hls/" in text)
            await server.logged("closed", what="segment store", prefix="live")


def _names(playlist: str) -> list[str]:
    """The segments that are listed, wherever they are."""
    return re.findall(r"^(?:http.*/)?(\w+-\d+\.m4s)$", playlist, re.MULTILINE)
