"""Where viewers are, roughly, if the owner put a GeoLite2-City.mmdb into the data directory.

Owns the file and the looking up. Nothing leaves this machine, and what is found is kept nowhere. To replace the file
while the server runs, rename the new one over it: it is mapped into memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Final

import maxminddb
import structlog
from maxminddb.types import Record

MAX_CACHED: Final = 10_000
"""Addresses whose place is remembered."""
MAX_ADDRESS: Final = 64
"""Characters of an address; the longest of IPv6 has 45."""
MAX_NAME: Final = 100
"""Characters taken of each name in the file."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Geo:
    """A place; what the file does not tell is empty. Names are English, `country_code` is ISO 3166-1's."""

    country_code: str
    region_name: str
    time_zone: str


class GeoIp:
    """Places of addresses, from `start` to `aclose`. Without a usable file there are none."""

    def __init__(self, path: Path) -> None:
        """`path` is that of a MaxMind database with cities."""
        self._path = path
        self._reader: maxminddb.Reader | None = None
        self._damaged = False
        self._find_cached: Callable[[str], Geo | None] = lru_cache(MAX_CACHED)(self._find)

    @property
    def enabled(self) -> bool:
        """Whether there is a file to look in."""
        return self._reader is not None

    async def start(self) -> None:
        """Opens the file. None there is no fault; one that cannot be used is logged."""
        try:
            self._reader = await asyncio.to_thread(maxminddb.open_database, self._path)
        except FileNotFoundError:
            return
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
            log.warning("viewers' places are unknown", path=str(self._path), reason=str(error))
            return
        log.info("viewers' places are known", path=str(self._path))

    async def aclose(self) -> None:
        """Closes the file."""
        reader, self._reader = self._reader, None
        if reader is not None:
            await asyncio.to_thread(reader.close)

    def lookup(self, address: str) -> Geo | None:
        """The place of an IP address. None for a private one, for what is no address, and for what is not known."""
        if self._reader is None or len(address) > MAX_ADDRESS:
            return None
        return self._find_cached(address)

    def _find(self, address: str) -> Geo | None:
        try:
            ip = ip_address(address)
        except ValueError:
            return None
        if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        if not ip.is_global or self._reader is None:
            return None
        try:
            record = self._reader.get(ip)
        except ValueError:
            # An address of IPv6 in a file that knows only IPv4.
            return None
        except maxminddb.InvalidDatabaseError as error:
            if not self._damaged:
                self._damaged = True
                log.warning("the file of places is damaged", path=str(self._path), reason=str(error))
            return None
        geo = Geo(
            _text(record, "country", "iso_code"),
            _text(record, "subdivisions", 0, "names", "en"),
            _text(record, "location", "time_zone"),
        )
        return geo if geo.country_code or geo.region_name or geo.time_zone else None


def _text(record: Record | None, *path: str | int) -> str:
    """The string at the end of that path, or nothing."""
    found: object = record
    for step in path:
        if isinstance(found, dict):
            found = found.get(step)
        elif isinstance(found, list) and isinstance(step, int) and step < len(found):
            found = found[step]
        else:
            return ""
    return found[:MAX_NAME] if isinstance(found, str) else ""
