"""Segments in an S3-compatible store: there before anybody is told, tried again, bounded, and gone when old."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import boto3
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from moto_rig import s3_server

from transcoder.segment_store.s3 import (
    BACKOFF_SECONDS,
    DELETE_SECONDS,
    PICTURE_CACHE,
    PLAYLIST_CACHE,
    SEGMENT_CACHE,
    S3Store,
)
from transcoder.segment_store.s3_client import S3Client, S3Place, connect

PATIENCE = 30.0
BUCKET = "tea"


@dataclass
class Listener:
    """Whoever hears what becomes of the uploads."""

    kept: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def on_kept(self, key: str) -> None:
        self.kept.append(key)
        self.changed.set()

    def on_trouble(self, sentence: str) -> None:
        self.told.append(sentence)
        self.changed.set()

    def on_recovery(self) -> None:
        self.told.append("recovered")
        self.changed.set()

    async def until_kept(self, *keys: str) -> None:
        await self.until(lambda: set(keys) <= set(self.kept))

    async def until(self, condition: object) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():  # type: ignore[operator]
                self.changed.clear()
                await self.changed.wait()


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        if seconds in BACKOFF_SECONDS:
            self.seconds += seconds
            self.slept.append(seconds)
        await asyncio.sleep(0 if seconds in BACKOFF_SECONDS else 0.005)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """The address of an S3 server."""
    server, address = s3_server()
    yield address
    server.stop()


@pytest.fixture
def place(moto: str) -> Iterator[S3Place]:
    """An empty bucket."""
    client = admin(moto)
    client.create_bucket(Bucket=BUCKET)
    yield S3Place(moto, "us-east-1", BUCKET, "key", "secret", path_prefix="live/", force_path_style=True)
    for each in client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        client.delete_object(Bucket=BUCKET, Key=each["Key"])
    client.delete_bucket(Bucket=BUCKET)


def admin(endpoint: str):  # type: ignore[no-untyped-def]
    return boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )


async def names(place: S3Place) -> set[str]:
    found = await asyncio.to_thread(admin(place.endpoint).list_objects_v2, Bucket=BUCKET)
    return {each["Key"] for each in found.get("Contents", ())}


@asynccontextmanager
async def opened(place: S3Place, **options: object) -> AsyncIterator[tuple[S3Store, Listener, Clock]]:
    listener, clock = Listener(), Clock()
    store = S3Store(place, listener, clock=clock, sleep=clock.sleep, **options)  # type: ignore[arg-type]
    await store.start()
    try:
        yield store, listener, clock
    finally:
        await store.aclose()


async def test_a_segment_is_there_before_anybody_is_told(place: S3Place) -> None:
    async with opened(place) as (store, listener, _):
        store.put("abcd/0/abcd-1.m4s", [b"me", memoryview(b"dia")])
        store.put("abcd/0/abcd-init0.mp4", [b"init"])
        await listener.until_kept("abcd/0/abcd-1.m4s", "abcd/0/abcd-init0.mp4")
        assert await names(place) == {"live/hls/abcd/0/abcd-1.m4s", "live/hls/abcd/0/abcd-init0.mp4"}
        found = await asyncio.to_thread(
            admin(place.endpoint).get_object, Bucket=BUCKET, Key="live/hls/abcd/0/abcd-1.m4s"
        )
        assert found["Body"].read() == b"media"
        assert (found["ContentType"], found["CacheControl"]) == ("video/iso.segment", SEGMENT_CACHE)
        assert await store.get("abcd/0/abcd-1.m4s") == b"media"
        assert await store.get("abcd/0/abcd-2.m4s") is None


async def test_of_a_playlist_the_newest_is_there(place: S3Place) -> None:
    async with opened(place) as (store, _, _):
        for number in range(50):
            store.publish("0/stream.m3u8", b"#EXTM3U %d" % number)
        async with asyncio.timeout(PATIENCE):
            while await store.get("0/stream.m3u8") != b"#EXTM3U 49":
                await asyncio.sleep(0)
    found = await asyncio.to_thread(admin(place.endpoint).get_object, Bucket=BUCKET, Key="live/hls/0/stream.m3u8")
    assert (found["ContentType"], found["CacheControl"]) == ("application/vnd.apple.mpegurl", PLAYLIST_CACHE)


async def test_what_is_old_and_what_a_session_left_is_deleted(place: S3Place) -> None:
    async with opened(place) as (store, listener, _):
        keys = [f"abcd/0/abcd-{number}.m4s" for number in range(20)]
        for key in keys:
            store.put(key, [b"x"])
        await listener.until_kept(*keys)
        store.delete([keys[0], "abcd/0/abcd-99.m4s"])
        await until_names(place, {f"live/hls/{key}" for key in keys[1:]})
        store.drop("abcd")
        await until_names(place, set())


async def until_names(place: S3Place, wanted: set[str]) -> None:
    async with asyncio.timeout(PATIENCE):
        while await names(place) != wanted:
            await asyncio.sleep(0.02)


async def test_what_a_crash_left_is_swept_and_nothing_else(place: S3Place) -> None:
    client = admin(place.endpoint)
    others = {"live/hls/README.txt", "live/other/0/other-1.m4s", "hls/abcd/0/abcd-1.m4s"}
    for key in (*others, "live/hls/dead/0/dead-1.m4s", "live/hls/dead/1/dead-init0.mp4"):
        await asyncio.to_thread(client.put_object, Bucket=BUCKET, Key=key, Body=b"x")
    async with opened(place) as (store, listener, _):
        store.put("abcd/0/abcd-1.m4s", [b"x"])
        await listener.until_kept("abcd/0/abcd-1.m4s")
        await until_names(place, others | {"live/hls/abcd/0/abcd-1.m4s"})


async def test_playlists_of_a_show_that_is_gone_are_swept_and_new_ones_stay(place: S3Place) -> None:
    client = admin(place.endpoint)
    for key in ("stream.m3u8", "0/stream.m3u8", "1/stream.m3u8", "thumbnail.jpg"):
        await asyncio.to_thread(client.put_object, Bucket=BUCKET, Key=f"live/hls/{key}", Body=b"old")
    async with opened(place) as (store, _, _):
        store.publish("0/stream.m3u8", b"new")
        await until_names(place, {"live/hls/0/stream.m3u8"})
        assert await store.get("0/stream.m3u8") == b"new"


async def test_a_picture_is_kept_by_caches_for_seconds(place: S3Place) -> None:
    async with opened(place) as (store, _, _):
        store.publish("thumbnail.jpg", b"jpeg")
        await until_names(place, {"live/hls/thumbnail.jpg"})
    found = await asyncio.to_thread(admin(place.endpoint).get_object, Bucket=BUCKET, Key="live/hls/thumbnail.jpg")
    assert (found["ContentType"], found["CacheControl"]) == ("image/jpeg", PICTURE_CACHE)


# A store that does what a test says.


@dataclass
class Faulty:
    """A client of a store in memory that fails while it is told to, and uploads only what it is let."""

    fault: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    tried: int = 0
    gate: threading.Event = field(default_factory=threading.Event)

    def put(self, key: str, body: bytes, _content_type: str, _cache_control: str) -> None:
        self.gate.wait(PATIENCE)
        self.tried += 1
        if self.fault:
            raise OSError(self.fault)
        self.objects[key] = body

    def get(self, key: str) -> bytes | None:
        if self.fault:
            raise OSError(self.fault)
        return self.objects.get(key)

    def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.objects.pop(key, None)

    def list(self, _prefix: str) -> Sequence[str]:
        return []


NOWHERE = S3Place("http://127.0.0.1:9", "", BUCKET, "key", "a-secret")


def faulty(**state: object) -> tuple[Faulty, dict[str, object]]:
    client = Faulty(**state)  # type: ignore[arg-type]
    client.gate.set()

    def connected(_place: S3Place) -> S3Client:
        return client

    return client, {"connect": connected}


async def test_a_store_that_comes_back_gets_what_waited(place: S3Place) -> None:
    client, options = faulty(fault="it answers 503 SlowDown.")
    async with opened(NOWHERE, **options) as (store, listener, clock):
        keys = [f"s/0/s-{number}.m4s" for number in range(6)]
        for key in keys:
            store.put(key, [key.encode()])
        await listener.until(lambda: listener.told)
        assert listener.told == ["The store of segments fails: it answers 503 SlowDown."]
        assert listener.kept == []
        async with asyncio.timeout(PATIENCE):
            while max(clock.slept, default=0.0) < BACKOFF_SECONDS[-1]:
                await asyncio.sleep(0)
        client.fault = ""
        await listener.until_kept(*keys)
        await listener.until(lambda: listener.told[-1] == "recovered")
        assert client.objects == {f"hls/{key}": key.encode() for key in keys}
        assert len(listener.told) == 2, "trouble is told once"
    assert clock.slept[: len(BACKOFF_SECONDS)] == sorted(clock.slept[: len(BACKOFF_SECONDS)])


async def test_of_too_much_the_oldest_is_given_up() -> None:
    client, options = faulty()
    client.gate.clear()
    async with opened(NOWHERE, max_queued_bytes=10_000, **options) as (store, listener, _):
        for number in range(100):
            store.put(f"s/0/s-{number}.m4s", [b"x" * 1_000])
        assert listener.told == ["The store of segments takes less than the stream brings; some were not uploaded."]
        client.gate.set()
        await listener.until_kept("s/0/s-99.m4s")
        assert sum(map(len, client.objects.values())) <= 10_000
        assert f"hls/s/0/s-{99}.m4s" in client.objects
    assert len(client.objects) == len(listener.kept) == 10


async def test_what_is_deleted_before_it_was_uploaded_is_never_there() -> None:
    client, options = faulty()
    client.gate.clear()
    async with opened(NOWHERE, **options) as (store, listener, _):
        keys = [f"s/0/s-{number}.m4s" for number in range(12)]
        for key in keys:
            store.put(key, [b"x"])
        await asyncio.sleep(0)
        store.delete(keys[:11])
        client.gate.set()
        await listener.until_kept(keys[11])
        assert listener.kept == [keys[11]]
        async with asyncio.timeout(PATIENCE):
            while set(client.objects) != {f"hls/{keys[11]}"}:
                await asyncio.sleep(DELETE_SECONDS / 1_000)


@pytest.mark.parametrize(
    ("code", "status", "meaning"),
    [
        (
            "SignatureDoesNotMatch",
            403,
            "it answers 403 SignatureDoesNotMatch: the secret is not the access key's.",
        ),
        ("InvalidAccessKeyId", 403, "it answers 403 InvalidAccessKeyId: the access key is not known there."),
        (
            "RequestTimeTooSkewed",
            403,
            "it answers 403 RequestTimeTooSkewed: the clock of this machine or of the store is wrong.",
        ),
        ("NoSuchBucket", 404, "it answers 404 NoSuchBucket: there is no such bucket."),
        ("Odd", 500, "it answers 500 Odd: Something."),
    ],
)
async def test_what_a_store_refuses_is_said_in_a_sentence(code: str, status: int, meaning: str) -> None:
    async def refuse(_request: web.Request) -> web.Response:
        body = f"<Error><Code>{code}</Code><Message>Something</Message></Error>"
        return web.Response(status=status, text=body, content_type="application/xml")

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", refuse)
    async with TestServer(application) as server:
        client = connect(S3Place(str(server.make_url("")), "", BUCKET, "key", "a-secret", force_path_style=True))
        with pytest.raises(OSError, match="it answers") as raised:
            await asyncio.to_thread(client.put, "x", b"y", "text/plain", "no-store")
    assert str(raised.value) == meaning
    assert "a-secret" not in repr(raised.value)


async def test_a_store_that_is_not_there_is_said_to_be(place: S3Place) -> None:
    with pytest.raises(OSError, match=r"it cannot be reached: nothing answers there\.") as raised:
        await asyncio.to_thread(connect(NOWHERE).put, "x", b"y", "text/plain", "no-store")
    assert "a-secret" not in str(raised.value)
    nameless = replace(NOWHERE, endpoint="http://s3.invalid")
    with pytest.raises(OSError, match=r"it cannot be reached: its name is not found; check the endpoint\."):
        await asyncio.to_thread(connect(nameless).put, "x", b"y", "text/plain", "no-store")
    mute = replace(NOWHERE, endpoint=place.endpoint.replace("http:", "https:"))
    with pytest.raises(OSError, match="it does not speak TLS there; check whether the endpoint begins with https"):
        await asyncio.to_thread(connect(mute).put, "x", b"y", "text/plain", "no-store")
    assert "a-secret" not in repr(NOWHERE)


async def test_the_end_leaves_no_task() -> None:
    client, options = faulty()
    async with opened(NOWHERE, **options) as (store, listener, _):
        store.put("s/0/s-1.m4s", [b"x"])
        await listener.until_kept("s/0/s-1.m4s")
    assert client.objects
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("s3")] == []


async def test_what_is_too_old_at_the_end_is_deleted_before_it() -> None:
    client, options = faulty()
    listener = Listener()
    store = S3Store(NOWHERE, listener, **options)  # type: ignore[arg-type]
    await store.start()
    keys = [f"s/0/s-{number}.m4s" for number in range(2_500)]
    for key in keys:
        store.put(key, [b"x"])
    await listener.until_kept(*keys)
    store.delete(keys[:2_400])
    await store.aclose()
    assert set(client.objects) == {f"hls/{key}" for key in keys[2_400:]}
