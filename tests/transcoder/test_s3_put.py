"""The short way of putting an object, and when boto3 goes the long one instead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from transcoder.segment_store.s3_client import S3Place, connect


@dataclass
class Store:
    """A store that does what a test says, by who asks."""

    address: str = ""
    refusal: int = 0
    """What the short way is answered, if not 200."""
    ends: int = 0
    """How many requests are taken without an answer."""
    asked: list[str] = field(default_factory=list)
    """`boto3` or `short`, by request."""
    objects: dict[str, tuple[bytes, str]] = field(default_factory=dict)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        by_boto3 = "Boto3" in request.headers.get("User-Agent", "")
        self.asked.append("boto3" if by_boto3 else "short")
        if self.ends:
            self.ends -= 1
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if self.refusal and not by_boto3:
            return web.Response(status=self.refusal, text="<Error><Code>InvalidRequest</Code></Error>")
        self.objects[request.raw_path] = body, request.headers.get("x-amz-acl", "")
        return web.Response()


@asynccontextmanager
async def serving(**state: int) -> AsyncIterator[Store]:
    store = Store(**state)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", store.handle)
    async with TestServer(application) as server:
        store.address = str(server.make_url("/"))
        yield store


def place(store: Store, acl: str = "", endpoint: str = "") -> S3Place:
    return S3Place(endpoint or store.address, "", "tea", "key", "a-secret", acl=acl, force_path_style=True)


async def put(where: S3Place, *names: str) -> None:
    client = connect(where)
    for name in names:
        await asyncio.to_thread(client.put, name, b"tea", "text/plain", "no-store")


async def test_objects_go_the_short_way_with_their_names_and_the_acl() -> None:
    async with serving() as store:
        await put(place(store, acl="public-read"), "a b+c/ü~.txt", "b")
    assert store.objects == {
        "/tea/a%20b%2Bc/%C3%BC~.txt": (b"tea", "public-read"),
        "/tea/b": (b"tea", "public-read"),
    }
    assert store.asked == ["short", "short"]


@pytest.mark.parametrize("refusal", [400, 307])
async def test_a_store_that_wants_more_is_asked_by_boto3_from_then_on(refusal: int) -> None:
    async with serving(refusal=refusal) as store:
        await put(place(store), "a", "b")
    assert set(store.objects) == {"/tea/a", "/tea/b"}
    assert store.asked == ["short", "boto3", "boto3"]


async def test_a_connection_that_ends_is_no_failure_of_the_store() -> None:
    async with serving(ends=1) as store:
        await put(place(store), "a", "b")
    assert set(store.objects) == {"/tea/a", "/tea/b"}
    assert store.asked == ["short", "boto3", "short"]


async def test_a_proxy_of_the_environment_is_boto3s(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as store:
        monkeypatch.setenv("http_proxy", store.address)
        await put(place(store, endpoint="http://s3.invalid"), "a")
    assert store.asked == ["boto3"]


async def test_a_refusal_is_not_asked_for_twice() -> None:
    async with serving(refusal=503) as store:
        with pytest.raises(OSError, match="it answers 503 InvalidRequest"):
            await put(place(store), "a")
    assert store.asked == ["short"]
