"""Prepares the S3-compatible store of compose.yaml: the bucket, who may read it, and the server's settings.

Everything comes from the environment: STORE_ENDPOINT, STORE_ACCESS_KEY, STORE_SECRET_KEY, STORE_BUCKET,
STORE_ADDRESS (where players find the bucket), OWNCAST_URL and OWNCAST_ADMIN_PASSWORD. May run again and again.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import urllib.error
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

NAMES = (
    *("STORE_ENDPOINT", "STORE_ACCESS_KEY", "STORE_SECRET_KEY", "STORE_BUCKET", "STORE_ADDRESS"),
    *("OWNCAST_URL", "OWNCAST_ADMIN_PASSWORD"),
)
REGION = "us-east-1"
PATIENCE = 15
MAX_ANSWER = 2_000
ATTEMPTS = 8
"""Of each request, further and further apart: a store that starts is waited for, about a minute."""


def main() -> None:
    """Does it, or ends with a sentence."""
    if missing := [name for name in NAMES if not os.environ.get(name)]:
        sys.exit(f"The store is not prepared: set {' and '.join(missing)}, in the file .env beside compose.yaml.")
    try:
        prepare_bucket()
        set_server()
    except (ClientError, BotoCoreError) as error:
        sys.exit(f"The store at {os.environ['STORE_ENDPOINT']} does not take this: {error}.")
    except urllib.error.HTTPError as error:
        said = error.read(MAX_ANSWER).decode(errors="replace").strip()
        sys.exit(f"The server at {os.environ['OWNCAST_URL']} answers {error.code}, {said!r}: mend what it says.")
    except OSError as error:
        sys.exit(f"The server at {os.environ['OWNCAST_URL']} is not reached: {error}.")
    print(f"Players find the bucket at {os.environ['STORE_ADDRESS']}; the next broadcast uses it.")


def prepare_bucket() -> None:
    """Makes the bucket, which everybody may then read below `hls/`, also a page of another origin."""
    bucket = os.environ["STORE_BUCKET"]
    store = boto3.client(
        "s3",
        endpoint_url=os.environ["STORE_ENDPOINT"],
        region_name=REGION,
        aws_access_key_id=os.environ["STORE_ACCESS_KEY"],
        aws_secret_access_key=os.environ["STORE_SECRET_KEY"],
        config=Config(
            s3={"addressing_style": "path"},
            connect_timeout=PATIENCE,
            read_timeout=PATIENCE,
            retries={"total_max_attempts": ATTEMPTS},
        ),
    )
    if bucket not in [each["Name"] for each in store.list_buckets()["Buckets"]]:
        store.create_bucket(Bucket=bucket)
    resource = f"arn:aws:s3:::{bucket}/hls/*"
    reading = {"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["s3:GetObject"], "Resource": [resource]}
    store.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [reading]}))
    rule = {"AllowedMethods": ["GET", "HEAD"], "AllowedOrigins": ["*"], "AllowedHeaders": ["Range"]}
    try:
        store.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    except ClientError as error:
        # MinIO has no rules for a bucket; it allows every origin by itself.
        if error.response["Error"]["Code"] != "NotImplemented":
            raise


def set_server() -> None:
    """Tells the server of the store."""
    value = {
        "enabled": True,
        "endpoint": os.environ["STORE_ENDPOINT"],
        "region": REGION,
        "bucket": os.environ["STORE_BUCKET"],
        "accessKey": os.environ["STORE_ACCESS_KEY"],
        "secret": os.environ["STORE_SECRET_KEY"],
        "servingEndpoint": os.environ["STORE_ADDRESS"],
        "forcePathStyle": True,
    }
    user = base64.b64encode(f"admin:{os.environ['OWNCAST_ADMIN_PASSWORD']}".encode()).decode()
    request = urllib.request.Request(
        f"{os.environ['OWNCAST_URL']}/api/admin/config/s3",
        json.dumps({"value": value}).encode(),
        {"Authorization": f"Basic {user}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        answer.read()


if __name__ == "__main__":
    main()
