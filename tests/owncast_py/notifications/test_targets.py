"""Which addresses are called: judged by their text, and again when the connection is made."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from receiver import receiving

from owncast_py.notifications.channels.posting import Poster
from owncast_py.notifications.errors import TargetRefused
from owncast_py.notifications.targets import MAX_URL_LENGTH, RefusedAddress, check_url, connector, refusal

REFUSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.8.8.8",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.1.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700:4700::1111",
    "64:ff9b::808:808",
    "2002:808:808::1",
    "::ffff:8.8.8.8",
]


class Names(AbstractResolver):
    """A name server in memory, whose answers change from one question to the next."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.closed = False

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in answer
        ]

    async def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("address", REFUSED)
def test_no_address_inside(address: str) -> None:
    assert refusal(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert refusal(ip_address(address)) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127.0.0.1.:80/",
        "http://127.1/",
        "http://0x7f.1/",
        "http://2130706433/",
        "http://017700000001/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[fe80::1%25eth0]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1:8080/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://api.localhost/",
        "http://１２７.0.0.1/",
    ],
)
def test_a_literal_address_inside_is_refused_at_once(url: str) -> None:
    with pytest.raises(TargetRefused, match="does not call; give a public address"):
        check_url(url)
    assert check_url(url, allow_private=True).host


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "//example.org/",
        "/hook",
        "ftp://example.org/",
        "file:///etc/passwd",
        "http://",
        "http:///hook",
        "https://me:secret@example.org/",
        "https://me@example.org/",
        "https://example.org:99999/",
        "https://exam ple.org/",
        "https://example.org/\r\nHost: inside",
        "https://[::1/",
        "https://example.org/" + "x" * MAX_URL_LENGTH,
    ],
)
def test_an_address_that_cannot_be_called(url: str) -> None:
    for allow_private in (False, True):
        with pytest.raises(TargetRefused) as caught:
            check_url(url, allow_private=allow_private)
        assert "secret" not in str(caught.value)
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize("url", ["https://example.org/hook?a=b", "http://example.org:8080/", "https://1.1.1.1/"])
def test_an_address_outside(url: str) -> None:
    assert str(check_url(url)) == url


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        ("innocent.example", ["127.0.0.1"]),
        ("innocent.example", ["::1"]),
        ("innocent.example", ["127.0.0.1", "127.0.0.2", "::ffff:127.0.0.1"]),
    ],
)
async def test_a_name_that_means_an_address_inside_is_refused_when_connecting(host: str, answer: list[str]) -> None:
    async with receiving() as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        async with aiohttp.ClientSession(connector=connector(False, resolver=Names(answer))) as session:
            with pytest.raises(aiohttp.ClientConnectorError, match="does not call; give a public address"):
                await session.post(f"http://{host}:{port}/")
        assert receiver.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "0x7f.1", "2130706433", "127.1", "localhost"])
async def test_with_the_real_resolver_literals_are_refused_when_connecting(host: str) -> None:
    async with receiving() as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        async with aiohttp.ClientSession(connector=connector(False)) as session:
            # Some ways to write an address the library itself refuses before it looks.
            with pytest.raises((aiohttp.ClientConnectorError, aiohttp.InvalidURL)):
                await session.post(f"http://{host}:{port}/")
        assert receiver.requests == []


async def test_a_name_that_changes_its_meaning_is_judged_by_what_is_connected() -> None:
    async with receiving() as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        names = Names(["192.0.2.1"], ["127.0.0.1"])
        async with aiohttp.ClientSession(connector=connector(False, resolver=names)) as session:
            for _ in range(2):
                with pytest.raises(aiohttp.ClientConnectorError) as caught:
                    await session.post(f"http://innocent.example:{port}/")
                assert isinstance(caught.value.os_error, RefusedAddress)
        assert receiver.requests == []
        assert names.closed


async def test_what_is_allowed_is_called() -> None:
    async with receiving() as receiver:
        async with aiohttp.ClientSession(connector=connector(True)) as session:
            response = await session.post(receiver.url.replace("127.0.0.1", "localhost"))
            assert response.status == 204
            response.release()
        assert len(receiver.requests) == 1


async def test_the_poster_tells_it_in_a_sentence() -> None:
    async with receiving() as receiver:
        poster = Poster(connector(False, resolver=Names(["10.0.0.1"])), "test/1", lambda: None)  # type: ignore[arg-type,return-value]
        outcome = await poster.post("http://innocent.example/secret-path", b"{}", {})
        assert outcome.error == "10.0.0.1 is a private address, which this server does not call; give a public address."
        assert (await poster.post(receiver.url, b"{}", {})).status is None
        await poster.aclose()
        assert receiver.requests == []


async def test_a_name_that_nobody_knows() -> None:
    class Nobody(Names):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            raise OSError(None, "no such name")

    poster = Poster(connector(False, resolver=Nobody([])), "test/1", lambda: None)  # type: ignore[arg-type,return-value]
    outcome = await poster.post("http://nobody.example/secret-path", b"{}", {})
    await poster.aclose()
    assert outcome.error == "The host name nobody.example cannot be found."


async def test_names_that_are_looked_up_when_the_connector_closes_hold_nothing_up() -> None:
    before = len(asyncio.all_tasks())
    poster = Poster(connector(False), "test/1", lambda: None)  # type: ignore[arg-type,return-value]
    task = asyncio.create_task(poster.post("http://nobody.invalid/", b"", {}))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await poster.aclose()
    assert len(asyncio.all_tasks()) <= before
