"""The way in for encoders that send HLS: which file belongs to which publisher, and whether that one may publish.

Owns the current publisher. There is no connection to tell encoders apart, so a publisher is an address with a stream
key; whoever was dropped stays out until it has paused, or it would take the show back with its next file.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from ingest.errors import PublishRefused, SegmentError
from ingest.gate import PublishGate, PublishRequest
from ingest.hls.chunk import looks_like_segment
from ingest.hls.m3u8 import Media, clean_name, read_playlist
from ingest.hls.publisher import HlsPublisher
from ingest.source import LiveSource, Origin

PAUSE_SECONDS: Final = 10.0
"""How long an encoder that was dropped must send nothing before it is let in again."""
MAX_DROPPED: Final = 64
MAX_ENCODER_NAME: Final = 100


class HlsInlet:
    """Takes files; every call names the stream key, which the caller has found to be right, and the address."""

    def __init__(self, gate: PublishGate, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._gate = gate
        self._clock = clock
        self._publisher: HlsPublisher | None = None
        self._key = ""
        self._dropped: dict[tuple[str, str], float] = {}

    def check(self, key: str, address: str, name: str) -> None:
        """Before a file is read: raises PublishRefused or PlaylistError when it would not be taken anyway."""
        clean_name(name)
        self._refuse_dropped(key, address)
        publisher = self._current(key, address)
        if publisher is not None:
            publisher.touch()

    def put(self, key: str, address: str, encoder: str, name: str, data: bytes) -> None:
        """Takes a file, and its sender as the publisher if there is none. Raises PublishRefused, PlaylistError, and
        SegmentError for a first file that is nothing of HLS."""
        self._refuse_dropped(key, address)
        publisher = self._current(key, address)
        if publisher is None:
            if name.endswith((".m3u8", ".m3u")):
                playlist = read_playlist(name, data)
                if isinstance(playlist, Media) and playlist.ended:
                    return  # the last words of one that has left
            elif not looks_like_segment(data):
                raise SegmentError(f"{name} is neither a playlist nor a segment in MPEG-TS or fragmented MP4.")
            publisher = self._admit(key, address, encoder)
        publisher.put(name, data)

    def delete(self, key: str, address: str, name: str) -> None:
        """The encoder has deleted a file. Raises PlaylistError for a name that is none."""
        clean_name(name)
        publisher = self._current(key, address)
        if publisher is not None:
            publisher.delete(name)

    async def aclose(self) -> None:
        """Ends the publisher."""
        if self._publisher is not None:
            await self._publisher.aclose()

    def _current(self, key: str, address: str) -> HlsPublisher | None:
        publisher = self._publisher
        if publisher is None or publisher.ended or (key, address) != (self._key, publisher.source.origin.address):
            return None
        return publisher

    def _admit(self, key: str, address: str, encoder: str) -> HlsPublisher:
        source = LiveSource(Origin("hls", address, encoder[:MAX_ENCODER_NAME]), close=lambda sentence: drop(sentence))
        publisher = HlsPublisher(source, clock=self._clock)

        def drop(sentence: str) -> None:
            if not publisher.ended:
                self._dropped[key, address] = self._clock()
                while len(self._dropped) > MAX_DROPPED:
                    del self._dropped[next(iter(self._dropped))]
            publisher.end(sentence)

        source.listener = self._gate.admit(PublishRequest(key, source))
        self._publisher, self._key = publisher, key
        publisher.start()
        return publisher

    def _refuse_dropped(self, key: str, address: str) -> None:
        since = self._dropped.pop((key, address), None)
        if since is None or self._clock() - since >= PAUSE_SECONDS:
            return
        self._dropped[key, address] = self._clock()
        raise PublishRefused(
            f"This encoder was dropped from the show; stop it for {PAUSE_SECONDS:g} s before it publishes again."
        )
