"""Which addresses this server calls for others: a guard against requests forged through it (SSRF).

Owns the verdict on an address and a connector that keeps to it when it connects, after the name was looked up: a name
that means another address the next time is refused the next time. It knows nothing of notifications; everything that
fetches from an address that somebody typed in uses it.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import AddressValueError, IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from owncast_py.notifications.errors import TargetRefused

MAX_URL_LENGTH = 2048
MAX_CONNECTIONS = 100
"""Open connections of one connector."""
KEEP_ALIVE_SECONDS = 4.0
"""Shorter than the 5 seconds after which common servers hang up, so that a request seldom meets a closed door."""
DNS_CACHE_SECONDS = 10
DNS_THREADS = 16
"""Names that are looked up at once. They have threads of their own, for a name server that is silent holds one."""

IpAddress = IPv4Address | IPv6Address

_METADATA = frozenset(
    ip_address(text) for text in ("169.254.169.254", "100.100.100.200", "168.63.129.16", "fd00:ec2::254")
)
_SHARED = ip_network("100.64.0.0/10")
_NAT64 = IPv6Network("64:ff9b::/96")
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
_COMPATIBLE = IPv6Network("::/96")


class RefusedAddress(OSError):
    """A connection that is not made; an OSError, for to the one who connects it is a connection that failed."""

    def __init__(self, sentence: str) -> None:
        super().__init__(errno.EACCES, sentence)

    def __str__(self) -> str:
        return str(self.strerror)


def refusal(address: IpAddress) -> str | None:
    """What speaks against calling that address, as a noun phrase; None for a public one."""
    if isinstance(address, IPv6Address):
        if address in _LOCAL_NAT64 or address.teredo is not None:
            return "an address of a tunnel"
        embedded = address.ipv4_mapped or address.sixtofour or _translated(address)
        if embedded is not None:
            return refusal(embedded)
    if address in _METADATA:
        return "a cloud's metadata service"
    kinds = (
        (address.is_unspecified, "the unspecified address"),
        (address.is_loopback, "this machine itself"),
        (address.is_link_local, "a link-local address"),
        (address in _SHARED, "a provider's internal address"),
        (address.is_multicast, "a multicast address"),
        (address.is_reserved or address in _COMPATIBLE, "a reserved address"),
        (address.is_private or (isinstance(address, IPv6Address) and address.is_site_local), "a private address"),
        (not address.is_global, "not a public address"),
    )
    return next((words for applies, words in kinds if applies), None)


def check_url(url: str, *, allow_private: bool = False) -> URL:
    """That URL, if it may be called as far as its text tells. Raises TargetRefused.

    A name is not looked up; the connector judges what it turns out to mean.
    """
    if len(url) > MAX_URL_LENGTH:
        raise TargetRefused(f"The address has {len(url)} characters; give one of at most {MAX_URL_LENGTH}.")
    if any(character <= " " or character == "\x7f" for character in url):
        raise TargetRefused("The address has a space or a control character in it; write it without.")
    try:
        parsed = URL(url)
        host = parsed.host
    except ValueError:
        raise TargetRefused("That is no address; give one like https://example.org/hook.") from None
    if parsed.scheme not in ("http", "https") or not host:
        raise TargetRefused(
            f"The address begins with {url[:12]!r}; give a whole one that begins with https:// or http://."
        )
    if parsed.user is not None or parsed.password is not None:
        raise TargetRefused("The address has a user name or password in it; give it without.")
    if not allow_private:
        literal = _literal(host)
        reason = refusal(literal) if literal is not None else None
        if reason is None and (host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost")):
            reason = "this machine itself"
        if reason is not None:
            raise TargetRefused(_sentence(host, reason))
    return parsed


class _Resolver(AbstractResolver):
    """Looks names up in threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(DNS_THREADS, thread_name_prefix="name look-up")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        look_up = partial(
            socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=found_family,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for found_family, _, proto, _, address in found
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Connector(aiohttp.TCPConnector):
    """Ends its resolver with itself."""

    def __init__(self, resolver: AbstractResolver, *, allow_private: bool) -> None:
        super().__init__(
            resolver=resolver,
            limit=MAX_CONNECTIONS,
            ttl_dns_cache=DNS_CACHE_SECONDS,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            socket_factory=None if allow_private else _guarded_socket,
        )
        self._names = resolver

    async def close(self, *, abort_ssl: bool = False) -> None:
        await super().close(abort_ssl=abort_ssl)
        await self._names.close()


def connector(allow_private: bool, *, resolver: AbstractResolver | None = None) -> aiohttp.TCPConnector:
    """For a ClientSession that calls only what `refusal` allows, or everything if `allow_private`.

    Call it in a running loop; the session closes it. A refused connection is an aiohttp.ClientConnectorError whose
    `os_error` is a RefusedAddress, or tells of several.
    """
    return _Connector(resolver or _Resolver(), allow_private=allow_private)


def _guarded_socket(info: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
    family, kind, protocol, _, where = info
    text = str(where[0])
    try:
        reason = refusal(ip_address(text))
    except ValueError:
        reason = "no address of the Internet"
    if reason is not None:
        raise RefusedAddress(_sentence(text, reason))
    return socket.socket(family, kind, protocol)


def _literal(host: str) -> IpAddress | None:
    """The address that a host is, also in the old ways to write one that resolvers still take: 0x7f.1, 2130706433."""
    text = host.rstrip(".")
    try:
        return ip_address(text)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(text))
    except (OSError, UnicodeError, AddressValueError):
        return None


def _translated(address: IPv6Address) -> IPv4Address | None:
    return IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else None


def _sentence(host: str, reason: str) -> str:
    return f"{host[:200]} is {reason}, which this server does not call; give a public address."
