"""An S3-compatible store as few blocking calls, by boto3.

Owns how boto3 is set up, and what its errors mean to a person. Everything here blocks: call it in a thread.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
)
from urllib3 import Timeout
from urllib3.exceptions import NameResolutionError

from transcoder.segment_store.s3_put import SignedPuts

CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
CONNECTIONS = 8
FOLDER = "hls"

_MEANINGS = {
    "AccessControlListNotSupported": "the bucket takes no ACLs; leave the ACL empty and use a policy of the bucket",
    "AccessDenied": "the access key may not do this in the bucket",
    "AuthorizationHeaderMalformed": "the region is probably wrong",
    "InvalidArgument": "it does not understand a setting; check the ACL and the region",
    "InvalidAccessKeyId": "the access key is not known there",
    "InvalidBucketName": "no bucket can have that name",
    "NoSuchBucket": "there is no such bucket",
    "PermanentRedirect": "the bucket is in another region, or at another endpoint",
    "RequestTimeTooSkewed": "the clock of this machine or of the store is wrong",
    "SignatureDoesNotMatch": "the secret is not the access key's",
    "SlowDown": "it asks for fewer requests",
}


@dataclass(frozen=True, slots=True)
class S3Place:
    """Where objects go. The secret appears in no `repr`."""

    endpoint: str
    region: str
    bucket: str
    access_key: str
    secret: str
    acl: str = ""
    path_prefix: str = ""
    force_path_style: bool = False

    def key(self, own: str) -> str:
        """The key in the bucket of an object of ours."""
        return "/".join(part for part in (self.path_prefix.strip("/"), FOLDER, own) if part)

    def own(self, key: str) -> str:
        """The other way round."""
        return key.removeprefix(self.key("") + "/")

    def __repr__(self) -> str:
        return f"S3Place({self.endpoint!r}, bucket={self.bucket!r}, path_prefix={self.path_prefix!r})"


class S3Client(Protocol):
    """What is asked of a store. Each raises OSError with a sentence."""

    def put(self, key: str, body: bytes, content_type: str, cache_control: str) -> None:
        """Keeps an object."""

    def get(self, key: str) -> bytes | None:
        """An object; None when there is none."""

    def delete(self, keys: Sequence[str]) -> None:
        """Removes objects, 1,000 at most; those that are not there are passed over."""

    def list(self, prefix: str) -> Sequence[str]:
        """All keys that begin so."""


def connect(place: S3Place) -> S3Client:
    """A client; nothing is sent yet."""
    return _Boto(place)


class _Boto:
    """boto3's client, and beside it the short way for what is put."""

    def __init__(self, place: S3Place) -> None:
        self._place = place
        session = botocore.session.get_session()
        self._client = boto3.session.Session(botocore_session=session).client(
            "s3",
            endpoint_url=place.endpoint,
            region_name=place.region or None,
            aws_access_key_id=place.access_key,
            aws_secret_access_key=place.secret,
            config=Config(
                signature_version="s3v4",
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                max_pool_connections=CONNECTIONS,
                retries={"mode": "standard", "total_max_attempts": 1},
                s3={"addressing_style": "path" if place.force_path_style else "auto"},
                # Stores other than Amazon's often know no trailing checksums.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
        with _told():
            self._puts = SignedPuts(
                self._client,
                place.bucket,
                Credentials(place.access_key, place.secret),
                timeout=Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
                connections=CONNECTIONS,
                certificates=session.get_config_variable("ca_bundle"),
            )

    def put(self, key: str, body: bytes, content_type: str, cache_control: str) -> None:
        headers = {"Content-Type": content_type, "Cache-Control": cache_control}
        acl = self._place.acl
        with _told():
            if self._puts.send(key, body, headers | ({"x-amz-acl": acl} if acl else {})):
                return
            self._client.put_object(
                Bucket=self._place.bucket,
                Key=key,
                Body=body,
                ContentType=content_type,
                CacheControl=cache_control,
                **({"ACL": acl} if acl else {}),
            )

    def get(self, key: str) -> bytes | None:
        with _told():
            try:
                found: bytes = self._client.get_object(Bucket=self._place.bucket, Key=key)["Body"].read()
                return found
            except self._client.exceptions.NoSuchKey:
                return None

    def delete(self, keys: Sequence[str]) -> None:
        objects = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        with _told():
            self._client.delete_objects(Bucket=self._place.bucket, Delete=objects)

    def list(self, prefix: str) -> Sequence[str]:
        with _told():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._place.bucket, Prefix=prefix)
            return [each["Key"] for page in pages for each in page.get("Contents", ())]


def _of_tls(error: SSLError) -> str:
    """What went wrong before anything was said."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        found = cause.args[0] if cause.args and isinstance(cause.args[0], BaseException) else None
        cause = found or cause.__cause__ or cause.__context__
    if cause is None:
        return "it does not speak TLS there; check whether the endpoint begins with https"
    return f"its certificate is not valid: {cause.verify_message.rstrip('.')}"


@contextmanager
def _told() -> Iterator[None]:
    """Turns what boto3 raises into an OSError that says what is wrong."""
    try:
        yield
    except ClientError as error:
        details = error.response.get("Error", {})
        code = str(details.get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", "?")
        meaning = _MEANINGS.get(code, str(details.get("Message", "")) or "it does not say why")
        raise OSError(f"it answers {status} {code}: {meaning}.") from error
    except EndpointConnectionError as error:
        unknown = isinstance(error.kwargs.get("error"), NameResolutionError)
        reason = "its name is not found; check the endpoint" if unknown else "nothing answers there"
        raise OSError(f"it cannot be reached: {reason}.") from error
    except SSLError as error:
        raise OSError(f"it cannot be reached: {_of_tls(error)}.") from error
    except (ConnectTimeoutError, ReadTimeoutError) as error:
        raise OSError("it cannot be reached: there was no answer in time.") from error
    except BotoCoreError as error:
        raise OSError(f"it cannot be reached: {error}.") from error
    except ValueError as error:
        raise OSError(f"its settings cannot be used: {error}.") from error
