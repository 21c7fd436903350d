"""How busy this machine is: processor, memory, and the disk that holds the data directory.

Owns the reading, off the loop, and the sentences that warn the owner. When to read, and where numbers and warnings go,
is for `metrics.sampler`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

CPU_LIMIT: Final = 85.0
MEMORY_LIMIT: Final = 85.0
DISK_LIMIT: Final = 90.0
RELIEF: Final = 5.0
"""A warning is given again only after the value fell by this much below its limit. All four are percent."""
FIRST_SECONDS: Final = 0.2
"""How long the first reading watches the processor; each later one covers the time since the one before."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How much is in use, in percent from 0 to 100."""

    cpu: float
    memory: float
    disk: float


class Hardware:
    """Reads this machine, and remembers of what it has warned."""

    def __init__(self, data_dir: Path, read: Callable[[Path], Reading] | None = None) -> None:
        """`read` is called in a thread, one call at a time, with `data_dir`; by default it asks psutil."""
        self._data_dir = data_dir
        self._read = read or Machine()
        self._reading = asyncio.Lock()
        self._warned: set[str] = set()

    async def measure(self) -> Reading:
        """The state of the machine now. Raises OSError when the system does not tell."""
        async with self._reading:
            return await asyncio.to_thread(self._read, self._data_dir)

    def warnings(self, reading: Reading) -> list[str]:
        """A sentence for each value that went over its limit since the last call."""
        found = (
            (
                "cpu",
                reading.cpu,
                CPU_LIMIT,
                f"The processor is {reading.cpu:.0f} % busy, so the stream may stutter: "
                "use fewer or smaller output variants, or a lighter encoder preset.",
            ),
            (
                "memory",
                reading.memory,
                MEMORY_LIMIT,
                f"The memory is {reading.memory:.0f} % full: close other programs, or use fewer output variants.",
            ),
            (
                "disk",
                reading.disk,
                DISK_LIMIT,
                f"The disk that holds {self._data_dir} is {reading.disk:.0f} % full: "
                "delete what is not needed there, or nothing more can be kept.",
            ),
        )
        return [sentence for name, value, limit, sentence in found if self._rises(name, value, limit)]

    def _rises(self, name: str, value: float, limit: float) -> bool:
        if value > limit and name not in self._warned:
            self._warned.add(name)
            return True
        if value < limit - RELIEF:
            self._warned.discard(name)
        return False


class Machine:
    """Asks psutil. Blocks; for one thread at a time."""

    def __init__(self) -> None:
        self._before: tuple[float, float] | None = None

    def __call__(self, data_dir: Path) -> Reading:
        """The state of the machine; `data_dir` is on the disk that counts. Raises OSError."""
        return Reading(self._cpu(), psutil.virtual_memory().percent, psutil.disk_usage(str(data_dir)).percent)

    def _cpu(self) -> float:
        """Percent of all processors since the last call."""
        # psutil.cpu_percent remembers the last call of each thread apart, and the pool's threads change.
        before = self._before
        if before is None:
            before = _cpu_seconds()
            time.sleep(FIRST_SECONDS)
        self._before = total, idle = _cpu_seconds()
        passed = total - before[0]
        if passed <= 0:
            return 0.0
        return min(100.0, max(0.0, 100.0 * (1 - (idle - before[1]) / passed)))


def _cpu_seconds() -> tuple[float, float]:
    """Seconds of all processors since boot: all of them, and those without work."""
    times = psutil.cpu_times()
    # Linux counts the time of guests in that of users already, and waiting for a disk is not work.
    guests = sum(float(getattr(times, name, 0.0)) for name in ("guest", "guest_nice"))
    return sum(times) - guests, times.idle + float(getattr(times, "iowait", 0.0))
