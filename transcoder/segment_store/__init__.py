"""Where finished segments live beside the memory of the live window.

A store works behind the media path: `put` and `delete` only queue, in order, and never make the caller wait. The
stores are `disk` and `s3`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from transcoder.segments import Segment, segment_name
from transcoder.window import LiveWindow, Rendition

STORED_WINDOWS = 3
"""Segments stay in the store for this many playlists' lengths."""


class SegmentStore(Protocol):
    """Keeps segments and init sections under keys like `SESSION/RENDITION/NAME`, which are never reused."""

    def put(self, key: str, chunks: Sequence[bytes | memoryview]) -> None:
        """Queues `chunks` to be kept as one object. Dropped, with one line in the log, when the queue is full."""

    def delete(self, keys: Sequence[str]) -> None:
        """Queues objects for deletion; those that are not there are passed over."""

    def drop(self, session: str) -> None:
        """Queues everything of a session for deletion."""

    async def get(self, key: str) -> bytes | None:
        """The whole object, None when there is none."""

    async def start(self) -> None:
        """Sweeps what an earlier process left and begins to work."""

    async def aclose(self) -> None:
        """Finishes what is queued, for a bounded time, and stops."""


def keep(store: SegmentStore, window: LiveWindow, rendition: Rendition, segment: Segment) -> None:
    """Gives `store` a segment that was just completed, with its init section where that is new, and takes back the one
    that is too old by now."""
    folder = f"{window.session}/{rendition.number}"
    if segment.init is not None and not segment.gap:
        if segment.init is not rendition.stored_init:
            rendition.stored_init = segment.init
            store.put(f"{folder}/{segment.init.name}", [segment.init.data])
        store.put(f"{folder}/{segment_name(window.session, segment.sequence)}", segment.chunks())
    old = segment.sequence - STORED_WINDOWS * window.size
    if old >= 0:
        store.delete([f"{folder}/{segment_name(window.session, old)}"])
