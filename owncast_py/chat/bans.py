"""Banned addresses: which networks may not chat.

Owns the list, in memory for every question and in the database for the next start. An address is looked up once for
each length of prefix that is banned, so ten thousand bans cost no more than ten.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from owncast_py.chat.errors import ChatRefused
from owncast_py.storage import moderation as repository
from owncast_py.storage.database import Database
from owncast_py.storage.moderation import Ban

MAX_BANS = 10_000
MAX_NOTE_LENGTH = 200
MIN_PREFIX = {4: 8, 6: 16}
"""A shorter prefix would ban half of the world by one wrong digit."""

Network = IPv4Network | IPv6Network


class Bans:
    """The banned networks."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        """`now` is aware, in UTC."""
        self._database = database
        self._now = now
        self._bans: dict[Network, Ban] = {}
        self._prefixes: dict[tuple[int, int], int] = defaultdict(int)
        """How many networks there are of each version and prefix length."""

    async def start(self) -> None:
        """Reads what is kept."""
        async with self._database.reading() as connection:
            for ban in await repository.bans(connection):
                self._remember(ip_network(ban.network), ban)

    def banned(self, address: str) -> bool:
        """Whether that address lies in a banned network. What is no address is not banned."""
        if not self._bans:
            return False
        parsed = _address(address)
        if parsed is None:
            return False
        return any(
            ip_network((parsed, prefix), strict=False) in self._bans
            for (version, prefix), count in self._prefixes.items()
            if count and version == parsed.version
        )

    def listing(self) -> list[Ban]:
        """All bans, the oldest first."""
        return list(self._bans.values())

    async def add(self, text: str, note: str = "") -> Network:
        """Bans an address, or a network in CIDR notation. Raises ChatRefused for what is neither."""
        network = parse_network(text)
        if network.prefixlen < MIN_PREFIX[network.version]:
            raise ChatRefused(
                f"{network} is too large to ban; use a prefix of at least /{MIN_PREFIX[network.version]}."
            )
        if network not in self._bans and len(self._bans) >= MAX_BANS:
            raise ChatRefused(f"There are {MAX_BANS} bans already; remove some, or ban whole networks.")
        ban = Ban(str(network), note[:MAX_NOTE_LENGTH], self._now())
        await self._database.write(lambda connection: repository.add_ban(connection, ban))
        self._remember(network, ban)
        return network

    async def remove(self, text: str) -> Network:
        """Lifts a ban. Raises ChatRefused when there is none."""
        network = parse_network(text)
        if network not in self._bans:
            raise ChatRefused(f"{network} is not banned.")
        await self._database.write(lambda connection: repository.remove_ban(connection, str(network)))
        if self._bans.pop(network, None) is not None:
            self._prefixes[network.version, network.prefixlen] -= 1
        return network

    def _remember(self, network: Network, ban: Ban) -> None:
        if network not in self._bans:
            self._prefixes[network.version, network.prefixlen] += 1
        self._bans[network] = ban


def parse_network(text: str) -> Network:
    """A network from `203.0.113.7`, `203.0.113.0/24` or their like in IPv6. Raises ChatRefused with a sentence."""
    try:
        network = ip_network(text.strip(), strict=False)
    except ValueError:
        raise ChatRefused(f"{text[:60]!r} is neither an IP address nor a network such as 203.0.113.0/24.") from None
    if isinstance(network, IPv6Network) and network.prefixlen >= 96 and network.network_address.ipv4_mapped:
        return ip_network((network.network_address.ipv4_mapped, network.prefixlen - 96), strict=False)
    return network


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
