"""Occupancy: which connections are attached to which channels, what for, and how many that are.

Owns the count, in memory: an attachment ends with its connection. It carries no message; `broker` does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Flag, auto
from typing import NamedTuple

from owncast_py.realtime.messages import Address


class Mode(Flag):
    """What a connection is attached for."""

    PRESENCE = auto()
    """Being a member."""
    PUBLISH = auto()
    SUBSCRIBE = auto()
    PRESENCE_SUBSCRIBE = auto()


ALL = Mode.PRESENCE | Mode.PUBLISH | Mode.SUBSCRIBE | Mode.PRESENCE_SUBSCRIBE


class Occupancy(NamedTuple):
    """How many connections are attached to a channel, and how many of these for what."""

    connections: int = 0
    publishers: int = 0
    subscribers: int = 0
    presence_connections: int = 0
    presence_subscribers: int = 0


@dataclass(slots=True)
class _Channel:
    modes: dict[str, Mode] = field(default_factory=dict)
    counts: Counter[Mode] = field(default_factory=Counter)
    watchers: list[Callable[[], None]] = field(default_factory=list)


class Attachments:
    """Those of every channel."""

    def __init__(self) -> None:
        self._channels: dict[Address, _Channel] = {}
        self._connections: Counter[str] = Counter()
        """By app."""

    def attach(self, address: Address, connection_id: str, modes: Mode) -> None:
        """A connection is attached, or attached for something else."""
        channel = self._channels.get(address)
        if channel is None:
            channel = self._channels[address] = _Channel()
        before = channel.modes.get(connection_id)
        if before == modes:
            return
        channel.counts.subtract(before or ())
        channel.counts.update(modes)
        channel.modes[connection_id] = modes
        self._changed(channel)

    def detach(self, address: Address, connection_id: str) -> None:
        """A connection is attached no more."""
        channel = self._channels.get(address)
        before = channel.modes.pop(connection_id, None) if channel is not None else None
        if channel is None or before is None:
            return
        channel.counts.subtract(before)
        self._changed(channel)
        self._forget(address, channel)

    def of(self, address: Address) -> Occupancy:
        """That of one channel."""
        channel = self._channels.get(address)
        if channel is None:
            return Occupancy()
        counts = channel.counts
        return Occupancy(
            connections=len(channel.modes),
            publishers=counts[Mode.PUBLISH],
            subscribers=counts[Mode.SUBSCRIBE],
            presence_connections=counts[Mode.PRESENCE],
            presence_subscribers=counts[Mode.PRESENCE_SUBSCRIBE],
        )

    def channels(self, app: str) -> list[str]:
        """The channels of an app to which anybody is attached, in the order of their names."""
        return sorted(each.channel for each, channel in self._channels.items() if each.app == app and channel.modes)

    def connect(self, app: str, number: int = 1) -> None:
        """There are so many connections more."""
        self._connections[app] += number

    def gauges(self) -> dict[str, dict[str, int]]:
        """How many connections and active channels each app has, by the names of statistics."""
        channels = Counter(address.app for address, channel in self._channels.items() if channel.modes)
        apps = {*channels, *self._connections}
        return {app: {"connections.all": self._connections[app], "channels": channels[app]} for app in apps}

    def watch(self, address: Address, changed: Callable[[], None]) -> Callable[[], None]:
        """Calls `changed` after each change there, until the function that is returned is called."""
        channel = self._channels.setdefault(address, _Channel())
        channel.watchers.append(changed)

        def stop() -> None:
            channel.watchers.remove(changed)
            self._forget(address, channel)

        return stop

    def _changed(self, channel: _Channel) -> None:
        for changed in tuple(channel.watchers):
            changed()

    def _forget(self, address: Address, channel: _Channel) -> None:
        if not channel.modes and not channel.watchers and self._channels.get(address) is channel:
            del self._channels[address]
