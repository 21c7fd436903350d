"""The picture of the show on air, put into a store for those who never ask this server.

Owns when it is made anew, and which the store has. Making it is `stills`', bringing it there the store's. The animated
preview stays here, where it is made only for those who ask: it costs as much as passing a stream through.
"""

from __future__ import annotations

from transcoder.offload import Offload
from transcoder.stills import KEPT_SECONDS, Still, Stills
from transcoder.window import LiveWindow

SHOWN_SECONDS = KEPT_SECONDS + 1.0


class Showcase:
    """Looks for a new picture when it is told of the time. `now` is in seconds."""

    def __init__(self, stills: Stills) -> None:
        self._stills = stills
        self._looked = float("-inf")
        self._looking = False
        self._there: bytes | None = None

    def due(self, now: float) -> bool:
        """Whether it is time to look; if so, the next time comes later."""
        if self._looking or now - self._looked < SHOWN_SECONDS:
            return False
        self._looked = now
        return True

    async def show(self, offload: Offload, window: LiveWindow) -> None:
        """Gives the store the picture if it does not have it yet, while that window is on air."""
        self._looking = True
        try:
            picture = await self._stills.get(Still.THUMBNAIL)
            if picture is not None and not window.ended and picture is not self._there:
                self._there = picture
                offload.show(Still.THUMBNAIL, picture)
        finally:
            self._looking = False

    def forget(self) -> None:
        """Another show, or another store: it has nothing yet. What is on air is looked for at once."""
        self._there = None
        self._looked = float("-inf")
