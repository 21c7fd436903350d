"""PUT requests to an S3-compatible store, signed by botocore and sent by urllib3.

A show puts an object every half second, all alike. For each of them boto3 would find the address, the rules of the
region, the checksums and the shape of the answer anew, at several times the cost of signing and sending. Owns that one
request. What does not fit it, and what meets no working connection, is boto3's to do and to tell (`s3_client`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import parse_qs, quote, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError
from botocore.httpsession import get_cert_path
from botocore.parsers import create_parser
from botocore.utils import get_environ_proxies
from urllib3 import PoolManager, Timeout
from urllib3 import exceptions as failures

_OTHERWISE = frozenset({301, 307, 400})
"""Answers to a request that is not as this store wants it: in another region, or with a checksum."""


class Presigner(Protocol):
    """What is asked of boto3's client."""

    def generate_presigned_url(self, operation: str, Params: Mapping[str, str]) -> str:
        """The address of an operation."""


class SignedPuts:
    """Puts objects into one bucket, from any thread."""

    def __init__(
        self,
        client: Presigner,
        bucket: str,
        credentials: Credentials,
        *,
        timeout: Timeout,
        connections: int,
        certificates: str | None = None,
    ) -> None:
        """`client` says where the bucket is; `certificates` is a file of those to trust, None stands for the usual.

        Raises ValueError or botocore's errors for settings that cannot be used.
        """
        name = "name"
        address = urlsplit(client.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": name}))
        region = parse_qs(address.query)["X-Amz-Credential"][0].split("/")[2]
        self._base = f"{address.scheme}://{address.netloc}{address.path.removesuffix(name)}"
        self._usable = not get_environ_proxies(self._base)
        self._signer = S3SigV4Auth(credentials, "s3", region)
        self._connections = PoolManager(
            maxsize=connections,
            timeout=timeout,
            ca_certs=get_cert_path(certificates or os.environ.get("REQUESTS_CA_BUNDLE") or True),
        )
        self._answers = create_parser("rest-xml")

    def send(self, key: str, body: bytes, headers: Mapping[str, str]) -> bool:
        """Puts an object; False when boto3 has to. Raises botocore's errors."""
        if not self._usable:
            return False
        address = self._base + quote(key, safe="/~")
        request = AWSRequest("PUT", address, dict(headers), body)
        self._signer.add_auth(request)
        try:
            answer = self._connections.urlopen(
                "PUT", address, body=body, headers=dict(request.headers.items()), retries=False, redirect=False
            )
        except failures.NewConnectionError:  # urllib3 counts it among the time-outs below
            return False
        except failures.ConnectTimeoutError as error:
            raise ConnectTimeoutError(endpoint_url=self._base, error=error) from error
        except failures.ReadTimeoutError as error:
            raise ReadTimeoutError(endpoint_url=self._base, error=error) from error
        except failures.HTTPError:
            # Also a kept connection that ends this moment, and a store that refuses without waiting for the octets.
            return False
        if answer.status in _OTHERWISE:
            self._usable = False
            return False
        if answer.status >= 300:
            shown = {"status_code": answer.status, "headers": answer.headers, "body": answer.data}
            raise ClientError(self._answers.parse(shown, None), "PutObject")
        return True
