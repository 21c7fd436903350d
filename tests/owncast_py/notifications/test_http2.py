"""Posting over HTTP/2, to a server that speaks nothing else."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from owncast_py.errors import ConfigError
from owncast_py.notifications.channels.http2 import MISSING, Http2Poster


@pytest.mark.parametrize("package", ["httpx", "h2"])
def test_where_packages_are_missing_the_start_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError) as caught:
        Http2Poster()
    assert str(caught.value) == f"notifications.apns: {MISSING}"


@dataclass
class Apple:
    """What a server over HTTP/2 was sent."""

    port: int = 0
    status: int = 200
    answer: bytes = b""
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from h2.config import H2Configuration
        from h2.connection import H2Connection
        from h2.events import DataReceived, RequestReceived, StreamEnded

        connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        heads: dict[int, dict[str, str]] = {}
        bodies: dict[int, bytes] = {}
        writer.write(connection.data_to_send())
        while data := await reader.read(65536):
            for event in connection.receive_data(data):
                if isinstance(event, RequestReceived):
                    heads[event.stream_id], bodies[event.stream_id] = dict(event.headers), b""
                elif isinstance(event, DataReceived):
                    bodies[event.stream_id] += event.data
                elif isinstance(event, StreamEnded):
                    self.requests.append((heads[event.stream_id], bodies[event.stream_id]))
                    connection.send_headers(event.stream_id, [(":status", str(self.status))])
                    connection.send_data(event.stream_id, self.answer, end_stream=True)
            writer.write(connection.data_to_send())
            await writer.drain()
        writer.close()


def certificate(directory: Path) -> tuple[Path, Path]:
    """Of 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "apple")])
    today = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = directory / "certificate.pem", directory / "key.pem"
    files[0].write_bytes(signed.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


@asynccontextmanager
async def apple(directory: Path) -> AsyncIterator[tuple[Apple, ssl.SSLContext]]:
    """A server, and what its certificate is trusted by."""
    cert, key = certificate(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.set_alpn_protocols(["h2"])
    found = Apple()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0, ssl=context)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found, ssl.create_default_context(cafile=str(cert))
    finally:
        server.close()
        await server.wait_closed()


async def test_it_posts_over_http_2_and_tells_what_came_back(tmp_path: Path) -> None:
    async with apple(tmp_path) as (server, trust):
        poster = Http2Poster(trust)
        try:
            address = f"https://127.0.0.1:{server.port}/3/device/abc"
            good = await poster.post(address, b'{"aps":{}}', {"apns-topic": "org.tea.app"})
            server.status, server.answer = 410, b'{"reason":"Unregistered"}'
            gone = await poster.post(address, b"{}", {})
        finally:
            await poster.aclose()
    assert (good.received, good.status, good.error) == (True, 200, "")
    assert (gone.received, gone.status, gone.answer) == (False, 410, '{"reason":"Unregistered"}')
    assert gone.error == f"127.0.0.1:{server.port} answered 410."
    head, body = server.requests[0]
    assert (head[":method"], head[":path"], head["apns-topic"]) == ("POST", "/3/device/abc", "org.tea.app")
    assert body == b'{"aps":{}}'


async def test_what_does_not_answer_or_is_not_trusted_is_a_sentence(tmp_path: Path) -> None:
    async with apple(tmp_path) as (server, _):
        poster = Http2Poster()
        try:
            untrusted = await poster.post(f"https://127.0.0.1:{server.port}/", b"", {})
            nobody = await poster.post("https://127.0.0.1:1/", b"", {})
        finally:
            await poster.aclose()
    assert (untrusted.status, nobody.status) == (None, None)
    assert untrusted.error.startswith(f"Nothing was sent to 127.0.0.1:{server.port}:")
    assert nobody.error.startswith("Nothing was sent to 127.0.0.1:1:")
    assert server.requests == []
