"""Who asks: the client's address behind proxies, and the id that tells one player from another.

Owns no state. `X-Forwarded-For` is believed only from configured proxies; CMCD is CTA-5004 (`sid` identifies one
playback session), `X-Playback-Session-Id` is what Apple's players send.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import unquote

from aiohttp import web

VIEWER_COOKIE = "viewer"
MAX_ID_LENGTH = 128
"""CTA-5004 allows a `sid` 64 characters; the rest is lenience. What is longer is no id."""
MAX_FORWARDED_HOPS = 16

_SESSION_ID = re.compile(rf'(?:^|,)\s*sid="([^"\\]{{1,{MAX_ID_LENGTH}}})"')

_COOKIE = re.compile(rf"(?:^|;)\s*{VIEWER_COOKIE}=([A-Za-z0-9_-]{{1,{MAX_ID_LENGTH}}})\s*(?:;|$)")

Network = IPv4Network | IPv6Network


class TrustedProxies:
    """The networks whose `X-Forwarded-For` is believed."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = tuple(networks)

    def client(self, peer: str, forwarded_for: str) -> str:
        """The address of whoever asked first: `peer`, unless that is a proxy which says for whom it asks.

        Each proxy appends what it saw, so the list is read from its end, and only as far as it was written by
        proxies: everything before that the client could have invented.
        """
        address = _parse(peer)
        if address is None or not forwarded_for or not self._trusts(address):
            return peer
        client = address
        for hop in reversed(forwarded_for.rsplit(",", MAX_FORWARDED_HOPS)[-MAX_FORWARDED_HOPS:]):
            named = _parse(hop.strip())
            if named is None:
                break
            client = named
            if not self._trusts(named):
                break
        return str(client)

    def trusts(self, peer: str) -> bool:
        """Whether that address is one of ours."""
        address = _parse(peer)
        return address is not None and self._trusts(address)

    def _trusts(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._networks)


TRUSTED_PROXIES = web.AppKey("trusted_proxies", TrustedProxies)


def client_address(request: web.Request) -> str:
    """The IP address of whoever asked, through the proxies of the configuration."""
    return request.app[TRUSTED_PROXIES].client(
        request.remote or "", ",".join(request.headers.getall("X-Forwarded-For", ()))
    )


def is_secure(request: web.Request) -> bool:
    """Whether the client speaks TLS, with us or with a proxy that we trust."""
    if request.secure:
        return True
    forwarded = request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip().lower()
    return forwarded == "https" and request.app[TRUSTED_PROXIES].trusts(request.remote or "")


def origin(request: web.Request) -> str:
    """The scheme and host under which the client knows this server, such as https://live.example.org."""
    return f"{'https' if is_secure(request) else 'http'}://{host(request)}"


def host(request: web.Request) -> str:
    """The host under which the client knows this server. Octets of it that are no UTF-8 become question marks."""
    return request.host.encode("utf-8", "replace").decode()


def tells_apart(address: str) -> str | None:
    """The address where it tells one client from another; None for this machine's own.

    Everybody comes from there when a proxy forwards no addresses, and then a limit for each address would be one for
    all.
    """
    parsed = _parse(address)
    return None if parsed is None or parsed.is_loopback else address


def viewer_id(request: web.Request) -> str:
    """The `player_id` of an aiohttp request."""
    return player_id(request.headers.get, request.query_string, client_address(request))


def player_id(header: Callable[[str], str | None], query: str, address: str) -> str:
    """An id that differs between players and stays the same for one: 32 hexadecimal digits that name no address.

    The first that is there counts: the player's own session id (CMCD in a header or in the query, Apple's
    header), the cookie of the page, else the address and what the player calls itself.
    """
    if found := _cmcd(header("cmcd-session")) or _cmcd(header("cmcd")):
        return _digest("cmcd", found)
    if "CMCD=" in query and (found := _cmcd(_query_value(query, "CMCD"))):
        return _digest("cmcd", found)
    if (found := header("x-playback-session-id")) and len(found) <= MAX_ID_LENGTH:
        return _digest("apple", found)
    if (cookies := header("cookie")) and (kept := _COOKIE.search(cookies)):
        return _digest("cookie", kept[1])
    return _digest("address", address + "\n" + (header("user-agent") or ""))


def _query_value(query: str, name: str) -> str | None:
    return next((value for key, _, value in (pair.partition("=") for pair in query.split("&")) if key == name), None)


def _cmcd(fields: str | None) -> str | None:
    if not fields:
        return None
    found = _SESSION_ID.search(fields) or _SESSION_ID.search(unquote(fields))
    return found.group(1) if found else None


@lru_cache(maxsize=4096)
def _digest(kind: str, value: str) -> str:
    return hashlib.blake2b(f"{kind}\n{value}".encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


@lru_cache(maxsize=4096)
def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies write it: bare, in brackets, or (IPv4) with a port."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address
