"""Segments in a store that checks signatures (OpenStack Swift): what works, what it refuses, and players that read."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest
from owner import ADMIN, Owner, at
from rig import PASSTHROUGH, PATIENCE, ServerFactory, publishing, run, settles
from swift_rig import ACCESS_KEY, BUCKET, SECRET, Swift, configured, swift

from transcoder.segment_store.s3_client import S3Place, connect

Samples = Callable[[str], Path]

pytestmark = pytest.mark.e2e

TEST = "/api/admin/config/s3/test"
PRIVATE = "notifications: {allow_private_targets: true}\n"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swift]:
    with swift(tmp_path_factory.mktemp("swift")) as found:
        yield found


@pytest.fixture
async def store(running: Swift) -> AsyncIterator[Swift]:
    """An empty bucket that viewers and pages may read."""
    await running.let_pages_read()
    yield running
    for name in await asyncio.to_thread(running.names):
        await asyncio.to_thread(running.client().delete_object, Bucket=BUCKET, Key=name)
    await asyncio.to_thread(running.client().put_bucket_acl, Bucket=BUCKET, ACL="public-read")


async def test_requests_are_signed_as_the_store_demands(store: Swift) -> None:
    place = S3Place(store.address, "us-east-1", BUCKET, ACCESS_KEY, SECRET, path_prefix="live", force_path_style=True)
    client = connect(place)
    await asyncio.to_thread(client.put, "live/hls/a b+c.txt", b"tea", "text/plain", "no-store")
    assert await asyncio.to_thread(client.get, "live/hls/a b+c.txt") == b"tea"
    assert await asyncio.to_thread(client.list, "live/") == ["live/hls/a b+c.txt"]
    await asyncio.to_thread(client.delete, ["live/hls/a b+c.txt", "live/hls/none"])
    assert await asyncio.to_thread(client.list, "") == []


async def test_the_trial_says_what_is_wrong_and_leaves_nothing(start: ServerFactory, running: Swift) -> None:
    def went(answer: dict[str, object]) -> dict[str, bool]:
        assert SECRET not in str(answer)
        assert answer["success"] is all(step["ok"] for step in answer["steps"])  # type: ignore[attr-defined]
        return {step["name"]: step["ok"] for step in answer["steps"]}  # type: ignore[attr-defined]

    async with start(config=PASSTHROUGH + PRIVATE) as server:
        owner = Owner(server, ADMIN)

        async def tried(**changes: object) -> dict[str, object]:
            answer = await owner.post(TEST, {"value": running.setting(**changes)})
            assert isinstance(answer, dict)
            return answer

        await running.let_pages_read("")
        answer = await tried()
        assert went(answer) == {"write": True, "read": True, "cors": False, "delete": True}
        assert "Access-Control-Allow-Origin is missing" in str(answer["message"])
        await running.let_pages_read()
        answer = await tried()
        assert went(answer) == {"write": True, "read": True, "cors": True, "delete": True}, answer
        for changes in ({"secret": "another-secret"}, {"accessKey": "tea:nobody"}):
            answer = await tried(**changes)
            assert went(answer) == {"write": False}
            assert "SignatureDoesNotMatch: the secret is not the access key's." in str(answer["message"])
        answer = await tried(bucket="coffee")
        assert "NoSuchBucket: there is no such bucket." in str(answer["message"])
        answer = await tried(servingEndpoint=f"{running.address}/v1/AUTH_tea/coffee")
        assert went(answer) == {"write": True, "read": False, "delete": True}
        await asyncio.to_thread(running.client().put_bucket_acl, Bucket=BUCKET, ACL="private")
        answer = await tried()
        assert went(answer) == {"write": True, "read": False, "delete": True}
        assert "so objects are not public. Set the ACL to public-read" in str(answer["message"])
        assert await asyncio.to_thread(running.names) == set()
        assert (await owner.get("/api/admin/serverconfig"))["s3"]["enabled"] is False
        assert "another-secret" not in "".join(server.output)
    await asyncio.to_thread(running.client().put_bucket_acl, Bucket=BUCKET, ACL="public-read")


async def test_a_configured_store_serves_ffprobe_and_streamlink(
    start: ServerFactory, samples: Samples, store: Swift
) -> None:
    base = f"{store.serving}/live/hls"
    async with start(config=PASSTHROUGH + configured(store)) as server, aiohttp.ClientSession() as session:
        async with publishing(server, samples("plain.flv"), repeats=100):
            found = await settles(lambda: server.sent(0), lambda found: len(found) >= 3, "segments are in the store")
            assert all(address.startswith(f"{base}/") for address in found.values())
            code, said = await run(
                "ffprobe", "-v", "error", "-show_entries", "stream=codec_type", f"{base}/stream.m3u8"
            )
            assert code == 0, said
            assert {"codec_type=video", "codec_type=audio"} <= set(said.split())
            assert len(await streamed(f"{base}/stream.m3u8", 100_000)) >= 100_000

            async def picture() -> bytes:
                async with session.get(f"{base}/thumbnail.jpg") as answer:
                    return await answer.read() if answer.status == 200 else b""

            assert (await settles(picture, bool, "a thumbnail is there")).startswith(b"\xff\xd8")
        shown = at(await Owner(server, ADMIN).get("/api/admin/serverconfig"), "s3.accessKey")
        assert shown == ACCESS_KEY
        assert SECRET not in "".join(server.output)
    # What is out of the last playlist is gone when the server has stopped; what it lists is still there.
    async with aiohttp.ClientSession() as session, session.get(f"{base}/0/stream.m3u8") as answer:
        ended = await answer.text()
    assert ended.endswith("#EXT-X-ENDLIST\n")
    listed = {f"live/hls/{name}" for name in re.findall(r"^\.\./(\S+\.m4s)$", ended, re.MULTILINE)}
    assert listed <= await asyncio.to_thread(store.names)


async def streamed(address: str, octets: int) -> bytes:
    """The first octets that streamlink gives of a stream."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streamlink", "--stdout", "--quiet", "--no-config", f"hls://{address}", "best"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            return await process.stdout.readexactly(octets)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
