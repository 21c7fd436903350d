"""The store of segments as its owner meets it: tried before it is used, its troubles told, its secret shown nowhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
from admin_wire import Json, administered, found_at
from aiohttp import web
from aiohttp.test_utils import TestServer
from moto_rig import s3_server

from owncast_py.events import StoreRecovered, StoreTroubled
from owncast_py.setting_groups import StorageSettings
from web.api.owncast.storage import MASK

PATIENCE = 30.0
TEST = "/api/admin/config/s3/test"
SECRET = "shh-very-secret"
AT = datetime(2026, 11, 21, 8, 44, 42, 514_000, tzinfo=UTC)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of an S3 server with the bucket `tea`."""
    server, address = s3_server()
    client(address).create_bucket(Bucket="tea")
    yield address
    server.stop()


def client(address: str):  # type: ignore[no-untyped-def]
    return boto3.client(
        "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )


def setting(address: str, **changes: object) -> Json:
    return {
        "enabled": True,
        "endpoint": address,
        "accessKey": "AK",
        "secret": SECRET,
        "bucket": "tea",
        "region": "us-east-1",
        "acl": "public-read",
        "pathPrefix": "live",
        "forcePathStyle": True,
    } | changes


def went(answer: Json) -> dict[str, bool]:
    steps = answer["steps"]
    assert isinstance(steps, list)
    assert SECRET not in str(answer)
    return {step["name"]: step["ok"] for step in steps}


async def test_a_store_is_tried_without_being_set(tmp_path: Path, s3: str) -> None:
    async with administered(tmp_path, allow_private=True) as admin:
        answer = await admin.post(TEST, {"value": setting(s3)})
        assert went(answer) == {"write": True, "read": True, "cors": True, "delete": True}, answer
        assert (answer["success"], answer["message"]) == (
            True,
            "The store works: viewers can read what is written there.",
        )
        assert admin.home.settings.get(StorageSettings) == StorageSettings(), "nothing was set"
        assert SECRET in admin.web.hidden, "no log shows the secret"
        found = await asyncio.to_thread(client(s3).list_objects_v2, Bucket="tea")
        assert "Contents" not in found


async def test_what_is_left_out_is_as_it_is_set(tmp_path: Path, s3: str) -> None:
    async with administered(tmp_path, allow_private=True) as admin:
        status, sentence = await admin.refused("POST", TEST)
        assert (status, "needs endpoint, accessKey, secret, bucket, region" in sentence) == (400, True)
        await admin.set("s3", setting(s3))
        assert (await admin.post(TEST))["success"] is True
        other = await admin.post(TEST, {"value": {"bucket": "coffee", "secret": MASK}})
        assert went(other) == {"write": False}
        assert other["message"] == (
            f"Nothing can be written to the store at {s3}: it answers 404 NoSuchBucket: there is no such bucket."
        )
        assert admin.home.settings.get(StorageSettings).bucket == "tea"


async def test_a_serving_endpoint_of_another_bucket_is_found_out(tmp_path: Path, s3: str) -> None:
    async with administered(tmp_path, allow_private=True) as admin:
        answer = await admin.post(TEST, {"value": setting(s3, servingEndpoint=f"{s3}/coffee")})
        assert went(answer) == {"write": True, "read": False, "delete": True}
        assert "what is written does not appear there" in str(answer["message"])


async def test_addresses_that_could_not_be_set_are_not_tried(tmp_path: Path, s3: str) -> None:
    async with administered(tmp_path, allow_private=False) as admin:
        status, sentence = await admin.refused("POST", TEST, {"value": setting(s3)})
        assert (status, "127.0.0.1" in sentence) == (400, True)
        status, sentence = await admin.refused("POST", TEST, {"value": setting("https://s3.example", secret="x" * 201)})
        assert (status, "xxx" in sentence) == (400, False), "not even a bad secret is repeated"
        assert (await admin.refused("POST", TEST, {"value": setting("https://s3.example")}, None))[0] == 401


async def test_the_answer_says_when_the_environment_wins(tmp_path: Path) -> None:
    def insists(section: str, name: str) -> bool:
        return (section, name) == ("storage.s3", "secret")

    async with administered(tmp_path, insists=insists) as admin:
        assert "wins at the next start" in await admin.set("s3", setting("https://s3.example"))


@asynccontextmanager
async def receiver(heard: asyncio.Queue[Json]) -> AsyncIterator[str]:
    async def take(request: web.Request) -> web.Response:
        heard.put_nowait(await request.json())
        return web.Response()

    application = web.Application()
    application.router.add_post("/", take)
    async with TestServer(application) as server:
        yield str(server.make_url("/"))


async def test_trouble_and_its_end_reach_webhooks_and_the_dashboard(tmp_path: Path) -> None:
    heard: asyncio.Queue[Json] = asyncio.Queue()
    async with receiver(heard) as url, administered(tmp_path, allow_private=True) as admin:
        events = ["STORAGE_TROUBLE", "STORAGE_RECOVERED"]
        await admin.post("/api/admin/webhooks/create", {"url": url, "events": events})
        assert found_at(await admin.get("/api/admin/status"), "storeTrouble") == ""
        admin.home.foundations.events.publish(StoreTroubled(AT, "The store of segments fails: it is on fire."))
        async with asyncio.timeout(PATIENCE):
            assert await heard.get() == {
                "type": "STORAGE_TROUBLE",
                "eventData": {
                    "id": "1795250682514-storage",
                    "timestamp": "2026-11-21T08:44:42.514Z",
                    "type": "STORAGE_TROUBLE",
                    "message": "The store of segments fails: it is on fire.",
                },
            }
        told = "The store of segments fails: it is on fire."
        assert found_at(await admin.get("/api/admin/status"), "storeTrouble") == told
        admin.home.foundations.events.publish(StoreRecovered(AT, "The store works again."))
        async with asyncio.timeout(PATIENCE):
            assert found_at(await heard.get(), "eventData.message") == "The store works again."
        assert found_at(await admin.get("/api/admin/status"), "storeTrouble") == ""


async def test_another_store_begins_without_the_trouble_of_the_last(tmp_path: Path) -> None:
    async with administered(tmp_path) as admin:
        admin.home.foundations.events.publish(StoreTroubled(AT, "It is on fire."))
        await admin.set("s3", setting("https://s3.example"))
        assert found_at(await admin.get("/api/admin/status"), "storeTrouble") == ""
