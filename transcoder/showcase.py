"""Pictures of the show on air, put into a store for those who never ask this server.

Owns when they are made anew, and which the store has. Making them is `stills`', bringing them there the store's.
"""

from __future__ import annotations

from transcoder.offload import Offload
from transcoder.stills import KEPT_SECONDS, Still, Stills
from transcoder.window import LiveWindow

SHOWN = (Still.THUMBNAIL, Still.WEBP)
"""The other preview shows the same, and takes five times as many octets."""
SHOWN_SECONDS = KEPT_SECONDS + 1.0


class Showcase:
    """Looks for new pictures when it is told of the time. `now` is in seconds."""

    def __init__(self, stills: Stills) -> None:
        self._stills = stills
        self._looked = float("-inf")
        self._looking = False
        self._there: dict[Still, bytes] = {}

    def due(self, now: float) -> bool:
        """Whether it is time to look; if so, the next time comes later."""
        if self._looking or now - self._looked < SHOWN_SECONDS:
            return False
        self._looked = now
        return True

    async def show(self, offload: Offload, window: LiveWindow) -> None:
        """Gives the store the pictures that it does not have yet, while that window is on air."""
        self._looking = True
        try:
            for still in SHOWN:
                picture = await self._stills.get(still)
                if picture is not None and not window.ended and picture is not self._there.get(still):
                    self._there[still] = picture
                    offload.show(still, picture)
        finally:
            self._looking = False

    def forget(self) -> None:
        """Another show, or another store: it has nothing yet. What is on air is looked for at once."""
        self._there.clear()
        self._looked = float("-inf")
