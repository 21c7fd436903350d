"""Where players fetch finished segments: from the store elsewhere while that works, from memory while it does not.

Owns the decision for the window on air, and the plain playlists for those who never ask this server. Low-latency
playlists stay here, with their parts; who asks here for a segment that is in the store is sent there, and both give the
same octets for as long as it is listed. When the store is in trouble nobody is sent anywhere from that moment on, and
nobody has to wait for anything that this server does not have. The same holds until somebody has tried to read what is
kept where players would, and while players cannot.

Plain playlists list only what is there already. They lie beside the sessions: `stream.m3u8` and `N/stream.m3u8`, with
the segments of rendition N in `SESSION/N/`, and the thumbnail.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from transcoder.playlist import MediaPlaylist
from transcoder.segments import Segment, segment_name
from transcoder.window import LiveWindow, Rendition

MULTIVARIANT = "stream.m3u8"
RATES_EVERY = 20
"""How many segments of all renditions are kept until other bit rates alone are worth another multivariant playlist."""
_RATES = re.compile(r"BANDWIDTH=\d+")


class Offload:
    """Listens to a store (`segment_store.s3.StoreListener`) for one window after the other."""

    def __init__(
        self,
        serving: str,
        publish: Callable[[str, bytes], None],
        told: Callable[[str], None],
        kept: Callable[[str], None] = lambda _key: None,
    ) -> None:
        """`serving` is the address below which sessions lie for players, with a slash at its end.

        `publish` is given the key and the text of a playlist; `told` hears of trouble, and the empty text of its end;
        `kept` the key of every object of the window on air that is there.
        """
        self._serving = serving
        self._publish = publish
        self._told = told
        self._kept = kept
        self._writing = ""
        """What is wrong with the store, as a sentence; empty while it works."""
        self._reading = ""
        """The same of reading what is kept."""
        self._readable = False
        """Whether players can read it, as far as is known; nobody is sent there before it was tried."""
        self._problem = ""
        self._window: LiveWindow | None = None
        self._multivariant = ""
        """What the last one says, without its rates."""
        self._since_multivariant = 0

    def begin(self, window: LiveWindow) -> None:
        """This window is on air from now on."""
        self._window = window
        self._multivariant = ""
        self._direct()

    def end(self, window: LiveWindow) -> None:
        """The show is over: plain playlists end, too."""
        if window is self._window:
            for rendition in window.renditions:
                self._publish_rendition(window, rendition)

    def show(self, name: str, picture: bytes) -> None:
        """Puts a picture of the show beside the plain playlists, in place of the one before."""
        self._publish(name, picture)

    def on_kept(self, key: str) -> None:
        """See `StoreListener`."""
        session, number, name = key.split("/")
        window = self._window
        if window is None or window.session != session or (rendition := window.rendition(int(number))) is None:
            return
        rendition.kept.add(name)
        self._kept(key)
        self._publish_rendition(window, rendition)

    def on_trouble(self, sentence: str) -> None:
        """See `StoreListener`."""
        self._writing = sentence
        self._direct()

    def on_recovery(self) -> None:
        """See `StoreListener`."""
        self._writing = ""
        self._direct()

    def on_read(self, readable: bool, problem: str) -> None:
        """What is kept was asked for where players would: whether they can read it, and what is wrong in a sentence."""
        self._readable, self._reading = readable, problem
        self._direct()

    @property
    def problem(self) -> str:
        """What is wrong elsewhere, as a sentence; empty while nothing is."""
        return self._writing or self._reading

    def _direct(self) -> None:
        """Sends players where they should be now."""
        if self._window is not None:
            self._window.serve_from(self._serving if self._readable and not self._writing else "")
        if self.problem != self._problem:
            self._problem = self.problem
            self._told(self._problem)

    def _publish_rendition(self, window: LiveWindow, rendition: Rendition) -> None:
        there = _there(window, rendition)
        if not there:
            return
        text = MediaPlaylist(
            session=window.session,
            segments=there,
            target_duration=window.target_duration,
            part_target=None,
            discontinuity_sequence=rendition.discontinuity_sequence
            + sum(segment.discontinuity for segment in rendition.listed if segment.sequence < there[0].sequence),
            epoch=window.epoch,
            ended=window.ended,
            base=f"../{window.session}/{rendition.number}/",
            blocking=False,
        ).render()
        self._publish(f"{rendition.number}/{MULTIVARIANT}", text.encode())
        if all(_there(window, each) for each in window.renditions if each.segments):
            self._publish_multivariant(window.multivariant_text(""))

    def _publish_multivariant(self, text: str) -> None:
        said = _RATES.sub("", text)
        self._since_multivariant += 1
        if said != self._multivariant or self._since_multivariant >= RATES_EVERY:
            self._multivariant, self._since_multivariant = said, 0
            self._publish(MULTIVARIANT, text.encode())


def _there(window: LiveWindow, rendition: Rendition) -> list[Segment]:
    """The newest listed segments that can be fetched elsewhere and follow each other, each with its init section."""
    found: list[Segment] = []
    for segment in reversed([each for each in rendition.listed if each.complete]):
        name = segment_name(window.session, segment.sequence)
        whole = segment.gap or (
            name in rendition.kept and segment.init is not None and segment.init.name in rendition.kept
        )
        if whole:
            found.append(segment)
        elif found:
            break
    return found[::-1]
