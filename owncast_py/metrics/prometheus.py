"""The numbers of this server as Prometheus reads them.

Owns Owncast's own gauges, which its tools know by name, and the text of all families. The numbers are asked for at
every scrape; none is kept here. The registry is its own, so what other libraries register globally stays out.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS_TYPE
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from owncast_py.metrics.families import Family, gauge

PREFIX: Final = "owncast_instance_"
OPENMETRICS: Final = "application/openmetrics-text"
GZIP_LEVEL: Final = 1
"""The text repeats itself so much that more gains little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Where each number comes from; every one answers from memory. None means not known, and is left out.

    `cpu`, `memory` and `disk` are percent; `playback_errors` are those of the last minute.
    """

    online: Callable[[], bool]
    viewers: Callable[[], int]
    chatters: Callable[[], int]
    users: Callable[[], int | None]
    messages: Callable[[], int | None]
    playback_errors: Callable[[], int]
    cpu: Callable[[], float | None]
    memory: Callable[[], float | None]
    disk: Callable[[], float | None]


@dataclass(frozen=True, slots=True)
class Scrape:
    """An answer to Prometheus."""

    body: bytes
    headers: Mapping[str, str]


class Exposition:
    """Renders the numbers of the server, and those of this process."""

    def __init__(self, numbers: Numbers) -> None:
        self._families = owncast_gauges(numbers)
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        GCCollector(registry=self._process)
        self._rendering = asyncio.Lock()

    def add(self, families: Iterable[Family]) -> None:
        """Renders these as well, from now on. Raises ValueError when one has a name that is taken."""
        taken = {family.name for family in self._families}
        for family in families:
            if family.name in taken:
                raise ValueError(f"There is a family {family.name} already; give it another name.")
            taken.add(family.name)
            self._families.append(family)

    async def render(self, accept: str = "", *, compress: bool = False) -> Scrape:
        """The text of now: OpenMetrics where the header `accept` names it, compressed by gzip if `compress`.

        The numbers are read at once, on the event loop; the text is made beside it, one at a time.
        """
        async with self._rendering:
            metrics = [family.read() for family in self._families]
            return await asyncio.to_thread(self._write, metrics, modern=OPENMETRICS in accept, compress=compress)

    def _write(self, metrics: Sequence[Metric], *, modern: bool, compress: bool) -> Scrape:
        everything = _Collected([*metrics, *self._process.collect()])
        body: bytes = generate_openmetrics(everything) if modern else generate_latest(everything)  # type: ignore[no-untyped-call]
        headers = {
            "Content-Type": OPENMETRICS_TYPE if modern else CONTENT_TYPE_PLAIN_0_0_4,
            "Cache-Control": "no-store",
            "Vary": "Accept, Accept-Encoding",
        }
        if compress:
            body = gzip.compress(body, GZIP_LEVEL, mtime=0)
            headers["Content-Encoding"] = "gzip"
        return Scrape(body, headers)


class _Collected(Collector):
    """What was read already."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        return iter(self._metrics)


def owncast_gauges(numbers: Numbers) -> list[Family]:
    """Those that Owncast has."""
    gauges: tuple[tuple[str, str, Callable[[], float | None]], ...] = (
        ("stream_online", "1 while there is something to watch, else 0.", numbers.online),
        ("active_viewer_count", "Players that watch.", numbers.viewers),
        ("active_chat_client_count", "Connections to the chat.", numbers.chatters),
        ("total_chat_users", "Users that the chat ever had.", numbers.users),
        ("current_chat_message_count", "Messages in the chat's history.", numbers.messages),
        ("playback_error_count", "Errors that players reported in the last minute.", numbers.playback_errors),
        ("cpu_usage", "Processor in use, in percent.", numbers.cpu),
        ("memory_usage", "Memory in use, in percent.", numbers.memory),
        ("disk_usage", "Disk of the data directory in use, in percent.", numbers.disk),
    )
    return [gauge(PREFIX + name, explanation, ask) for name, explanation, ask in gauges]
