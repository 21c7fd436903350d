"""An S3 server that checks signatures: OpenStack Swift, with a bucket that viewers may read."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import boto3
import pytest
from aiohttp.test_utils import unused_port
from botocore.config import Config

PYTHON = Path(sys.prefix) / ".stamps" / "swift-python" / "bin" / "python"
SERVER = Path(__file__).parent / "swift_python" / "server.py"
ACCESS_KEY = "tea:owner"
SECRET = "quite-secret-of-swift"
BUCKET = "tea"


@dataclass(frozen=True)
class Swift:
    """A running one."""

    address: str

    @property
    def serving(self) -> str:
        """Where viewers find the bucket's content."""
        return f"{self.address}/v1/AUTH_tea/{BUCKET}"

    def setting(self, endpoint: str = "", **changes: object) -> dict[str, object]:
        """The bucket as `config/s3` takes it, reached by `endpoint` where that is not Swift itself."""
        return {
            "enabled": True,
            "endpoint": endpoint or self.address,
            "servingEndpoint": self.serving,
            "region": "us-east-1",
            "bucket": BUCKET,
            "accessKey": ACCESS_KEY,
            "secret": SECRET,
            "pathPrefix": "live",
            "forcePathStyle": True,
        } | changes

    def client(self) -> Any:
        """The owner's client."""
        return boto3.client(
            "s3",
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET,
            config=Config(s3={"addressing_style": "path"}),
        )

    def names(self) -> set[str]:
        """All keys in the bucket."""
        return {each["Key"] for each in self.client().list_objects_v2(Bucket=BUCKET).get("Contents", ())}

    async def let_pages_read(self, origins: str = "*") -> None:
        """Gives the bucket its CORS rule, which Swift has its own way for; of no origins, it has none."""
        login = {"X-Auth-User": ACCESS_KEY, "X-Auth-Key": SECRET}
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{self.address}/auth/v1.0", headers=login) as answer:
                token = {"X-Auth-Token": answer.headers["X-Auth-Token"]}
            rule = {"X-Container-Meta-Access-Control-Allow-Origin": origins}
            async with session.post(self.serving, headers=token | rule) as answer:
                assert answer.status == 204


@contextmanager
def swift(folder: Path) -> Iterator[Swift]:
    """Starts one with an empty bucket below `folder`, and ends it."""
    memcached = shutil.which("memcached")
    if memcached is None or not PYTHON.exists():
        pytest.skip("Swift and memcached are not installed: `make test` does that.")
    port = unused_port()
    cache = subprocess.Popen([memcached, "-l", "127.0.0.1", "-p", str(port), "-m", "8", "-u", getpass.getuser()])
    server = subprocess.Popen(
        [str(PYTHON), "-W", "ignore", str(SERVER), str(folder), str(port)],
        env=os.environ | {"SWIFT_SECRET": SECRET},
        stdout=subprocess.PIPE,
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line, "Swift ended without a word"
        found = Swift(json.loads(line)["address"])
        found.client().create_bucket(Bucket=BUCKET)
        found.client().put_bucket_acl(Bucket=BUCKET, ACL="public-read")
        yield found
    finally:
        for process in (server, cache):
            process.kill()
            process.wait()
        if server.stdout is not None:
            server.stdout.close()


def configured(store: Swift, endpoint: str = "") -> str:
    """The store in a configuration file; `endpoint` is where the server finds it, when that is not its own address."""
    return f"""
storage:
  s3:
    enabled: true
    endpoint: {endpoint or store.address}
    serving_endpoint: {store.serving}
    region: us-east-1
    bucket: {BUCKET}
    access_key: {ACCESS_KEY}
    secret: {SECRET}
    path_prefix: live
    force_path_style: true
"""
