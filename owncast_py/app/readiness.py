"""Whether the server can do its work now, and what is wrong where it cannot.

Owns the sentences behind `/readyz`, which are put together from what the parts know of themselves at the moment; and
the task that looks at the two things that only the system knows, space on the disk and that ffmpeg is still there.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog

from ingest.rtmp.server import RtmpServer
from owncast_py.app.kit import Kit
from owncast_py.app.stores import Stores
from owncast_py.storage.database import Database

LOOK_SECONDS: Final = 10.0
"""From one look at the disk and at ffmpeg to the next."""
SPARE_OCTETS: Final = 200_000_000
"""With less space than this the server counts as not ready: its database, logs and segments soon fail."""

log = structlog.get_logger(__name__)


class Readiness:
    """Looks around, from `start` to `aclose`."""

    def __init__(
        self,
        data_dir: Path,
        kit: Kit,
        database: Database,
        stores: Stores,
        *,
        free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`free` is called in a thread and gives the bytes that are left where that directory lies."""
        self.stopping = False
        """Set once the server ends."""
        self.listeners: list[RtmpServer] = []
        """Those for encoders, as they are started."""
        self._data_dir = data_dir
        self._kit = kit
        self._database = database
        self._stores = stores
        self._free = free
        self._sleep = sleep
        self._left: int | None = None
        self._ffmpeg_gone = ""
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins with a look."""
        await self.look()
        self._task = asyncio.create_task(self._looking(), name="readiness")

    async def aclose(self) -> None:
        """Ends the task; what was seen last stays."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def reasons(self) -> list[str]:
        """Why no stream can be accepted now, one sentence each; empty when one can."""
        found = ["The server is stopping."] if self.stopping else []
        if self._kit.toolbox is None:
            found.append("There is no working ffmpeg; run `owncast-py check` to see why.")
        elif self._ffmpeg_gone:
            found.append(f"The ffmpeg at {self._ffmpeg_gone} is gone; put it back, or restart to look for another.")
        if self._database.problem:
            found.append(self._database.problem)
        if not self.listeners or not all(each.listening for each in self.listeners):
            found.append("The port for encoders is not open; see the log.")
        if self._left is not None and self._left < SPARE_OCTETS:
            found.append(
                f"The disk that holds {self._data_dir} has {self._left // 1_000_000} MB left; "
                f"free at least {SPARE_OCTETS // 1_000_000} MB."
            )
        return found

    def warnings(self) -> list[str]:
        """What is wrong and keeps no stream away."""
        return [self._stores.problem] if self._stores.problem else []

    async def look(self) -> None:
        """Looks at the disk and at ffmpeg, now."""
        try:
            self._left, self._ffmpeg_gone = await asyncio.to_thread(self._ask)
        except OSError as error:
            log.warning("the disk does not tell how full it is", path=str(self._data_dir), reason=str(error))
            self._left = None

    def _ask(self) -> tuple[int, str]:
        path = self._kit.in_use
        return self._free(self._data_dir), path if path and not os.access(path, os.X_OK) else ""

    async def _looking(self) -> None:
        while True:
            await self._sleep(LOOK_SECONDS)
            await self.look()
