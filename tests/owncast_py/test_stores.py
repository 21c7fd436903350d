"""Which stores are open: the chosen one and that of the show on air, however often the owner changes the settings."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import boto3
import pytest
from moto_rig import s3_server

from owncast_py.app.stores import Stores
from owncast_py.setting_groups import StorageSettings
from transcoder.segment_store.s3 import WORKERS, S3Store

PATIENCE = 30.0
BUCKET = "tea"


@pytest.fixture
def storage() -> Iterator[StorageSettings]:
    """A store that takes everything."""
    server, address = s3_server()
    found = StorageSettings(
        enabled=True,
        endpoint=address,
        region="us-east-1",
        bucket=BUCKET,
        access_key="key",
        secret="secret",
        force_path_style=True,
    )
    yield found
    server.stop()


def working() -> int:
    """How many open stores have their tasks."""
    return Counter(task.get_name() for task in asyncio.all_tasks())["s3: upload"] // WORKERS


async def test_a_store_that_nobody_needs_is_closed(storage: StorageSettings) -> None:
    stores = Stores(None, lambda _: None)
    on_air, _ = await stores.choose(storage)
    for number in range(5):
        await stores.choose(storage.model_copy(update={"path_prefix": f"try{number}"}))
        await stores.release(on_air)
    assert working() == 2, "that of the show, and the last choice"
    newest = stores.elsewhere[-1]
    await stores.release(newest.store)
    assert stores.elsewhere == [newest], "the next show has begun"
    assert working() == 1
    assert await stores.choose(StorageSettings()) == (None, None)
    await stores.release(None)
    assert stores.elsewhere == []
    assert working() == 0


async def test_what_waits_is_uploaded_before_the_end_and_counted_after_it(storage: StorageSettings) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=storage.endpoint,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    await asyncio.to_thread(client.create_bucket, Bucket=BUCKET)
    stores = Stores(None, lambda _: None)
    store, _ = await stores.choose(storage)
    assert isinstance(store, S3Store)
    keys = [f"s/0/s-{number}.m4s" for number in range(8)]
    for key in keys:
        store.put(key, [b"tea"])
    async with asyncio.timeout(PATIENCE):
        await stores.aclose()
    found = await asyncio.to_thread(client.list_objects_v2, Bucket=BUCKET)
    assert {each["Key"] for each in found["Contents"]} == {f"hls/{key}" for key in keys}
    assert (stores.closed.kept, stores.closed.given_up) == (8, 0)
    assert stores.elsewhere == []
