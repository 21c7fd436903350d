"""Where finished segments live beside the memory of the live window.

A store works behind the media path: `put` and `delete` only queue, in order, and never make the caller wait. The
first store is `disk`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class SegmentStore(Protocol):
    """Keeps segments and init sections under keys like `SESSION/RENDITION/NAME`, which are never reused."""

    def put(self, key: str, chunks: Sequence[bytes | memoryview]) -> None:
        """Queues `chunks` to be kept as one object. Dropped, with one line in the log, when the queue is full."""

    def delete(self, keys: Sequence[str]) -> None:
        """Queues objects for deletion; those that are not there are passed over."""

    async def get(self, key: str) -> bytes | None:
        """The whole object, None when there is none."""

    async def start(self) -> None:
        """Sweeps what an earlier process left and begins to work."""

    async def aclose(self) -> None:
        """Finishes what is queued, for a bounded time, and stops."""
