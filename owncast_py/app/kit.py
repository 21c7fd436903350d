"""The kit: the ffmpeg of this machine and the encoders that work with it.

Owns which ffmpeg is asked for and what was found out about it. Choosing takes seconds the first time and is kept in
`encoders.json`; `transcoder` does the trying.
"""

from __future__ import annotations

from pathlib import Path

import structlog

from transcoder import encoders, ffmpeg_binary
from transcoder.encoder_lane import Toolbox
from transcoder.errors import EncoderError

log = structlog.get_logger(__name__)


class Kit:
    """What the next show is encoded with."""

    def __init__(self, configured: str, cache: Path | None) -> None:
        """`configured` is the path to the ffmpeg that the configuration names; empty finds one."""
        self.path: str | None = None
        """Another path, which the owner has chosen since."""
        self.toolbox: Toolbox | None = None
        self._configured = configured
        self._cache = cache

    async def select(self, codec: str) -> Toolbox | None:
        """Finds ffmpeg and the encoder to use; None, and a line in the log, when there is none."""
        try:
            binary = await ffmpeg_binary.find(self.path or self._configured)
            choice = await encoders.select(binary, codec, self._cache)
        except EncoderError as error:
            log.error("no transcoding", reason=str(error))
            self.toolbox = None
        else:
            self.toolbox = Toolbox(binary, choice)
        return self.toolbox

    @property
    def working(self) -> list[str]:
        """The encoders that were tried and work, best first."""
        if self.toolbox is None:
            return []
        return [trial.name for trial in self.toolbox.choice.tried if trial.works]

    @property
    def in_use(self) -> str:
        """The path of the ffmpeg in use; empty when there is none."""
        return str(self.toolbox.binary.path) if self.toolbox is not None else ""
