"""The numbers of this server as Prometheus reads them.

Owns the names and the text. The numbers are asked for at every scrape; none is kept here. The registry is its own, so
what other libraries register globally stays out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

PREFIX: Final = "owncast_instance_"


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


class Exposition:
    """Renders the numbers, and those of this process."""

    def __init__(self, numbers: Numbers) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Gauges(numbers))
        ProcessCollector(registry=self._registry)

    def render(self) -> tuple[bytes, str]:
        """The text of now, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4


class _Gauges(Collector):
    def __init__(self, numbers: Numbers) -> None:
        self._gauges: tuple[tuple[str, str, Callable[[], float | None]], ...] = (
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

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, explanation, ask in self._gauges:
            value = ask()
            if value is not None:
                yield GaugeMetricFamily(PREFIX + name, explanation, value=float(value))
