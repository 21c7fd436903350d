"""Which segments of a rendition can be fetched elsewhere as well, and who waits for one of them.

Owns the names and the waiters. Where elsewhere is, and whether players are sent there, is the window's.
"""

from __future__ import annotations

from collections.abc import Callable

MAX_WAITERS = 5_000
"""Whoever comes with more waits for nothing."""


class Kept:
    """The names, each from when its object is there until it has left memory here."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._waiters: dict[Callable[[], None], str] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __len__(self) -> int:
        return len(self._names)

    def add(self, name: str) -> None:
        """That file can be fetched elsewhere from now on."""
        self._names.add(name)
        for waiter in [waiter for waiter, wanted in self._waiters.items() if wanted == name]:
            del self._waiters[waiter]
            waiter()

    def discard(self, name: str) -> None:
        """That file is no longer here."""
        self._names.discard(name)

    def wait(self, name: str, waiter: Callable[[], None]) -> bool:
        """Calls `waiter` once, when that file is there or `release` is called. False: too many wait already."""
        if len(self._waiters) >= MAX_WAITERS:
            return False
        self._waiters[waiter] = name
        return True

    def forget(self, waiter: Callable[[], None]) -> None:
        """Takes a waiter back, if it was not called yet."""
        self._waiters.pop(waiter, None)

    def release(self) -> None:
        """Wakes all: nothing is worth waiting for."""
        waiting, self._waiters = self._waiters, {}
        for waiter in waiting:
            waiter()
