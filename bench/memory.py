"""Resident memory over one hour of a 6 Mb/s passthrough stream, published as fast as it is taken.

The minute of media is told from the media sequence, so that samples compare whatever the machine's speed. Memory that
grows with the hour is a leak; memory that is large but flat is the live window.
"""

from __future__ import annotations

import time
from statistics import median

from harness import BenchError, Server, publishing, rss_megabytes, sample
from report import Verdict, show, spread

TARGET = 120.0
FLAT_MEGABYTES = 5.0
"""How much more than at minute 10 may be resident at the end: the allocator's own movement."""

MINUTES = (10, 30, 59)
HOUR_SECONDS = 300.0
SAMPLE_SECONDS = 0.1
SEGMENTS_PER_MINUTE = 30


def measure(*, runs: int = 5, minutes: float = 60) -> list[Verdict]:
    """Publishes `minutes` of media, `runs` times, each to a fresh server."""
    marks = sorted({min(mark, minutes) for mark in MINUTES})
    resident: dict[int, list[float]] = {mark: [] for mark in marks}
    peaks: list[float] = []
    for _ in range(runs):
        found, peak = _one(marks, minutes)
        peaks.append(peak)
        for mark in marks:
            resident[mark].append(found[mark])
    growth = [last - first for last, first in zip(resident[marks[-1]], resident[marks[0]], strict=True)]
    rows = [(f"minute {mark}", spread(values, 1)) for mark, values in resident.items()]
    rows += [("peak", spread(peaks, 1)), (f"minute {marks[-1]} − minute {marks[0]}", spread(growth, 1))]
    show(f"Resident memory, {minutes} min of media", ("when", "MB"), rows)
    return [
        Verdict("memory, peak over one hour", f"≤ {TARGET:.0f} MB", spread(peaks, 1, "MB"), median(peaks) <= TARGET),
        Verdict("memory, growth", "flat", spread(growth, 1, "MB"), median(growth) <= FLAT_MEGABYTES),
    ]


def _one(marks: list[int], minutes: int) -> tuple[dict[int, float], float]:
    found: dict[int, float] = {}
    peak = 0.0
    loops = minutes * 60 // 60
    sample()
    with Server() as server, publishing(server.rtmp, paced=False, loops=loops) as publisher:
        deadline = time.monotonic() + HOUR_SECONDS
        while publisher.poll() is None and time.monotonic() < deadline:
            resident = rss_megabytes(server.pid)
            peak = max(peak, resident)
            names = server.segments()
            minute = _sequence(names[-1]) // SEGMENTS_PER_MINUTE if names else 0
            for mark in marks:
                if minute >= mark and mark not in found:
                    found[mark] = resident
            time.sleep(SAMPLE_SECONDS)
        if publisher.poll() is None:
            raise BenchError(f"{minutes} minutes of media were not published within {HOUR_SECONDS:.0f} s.")
        for mark in marks:  # the last minutes may pass between two looks
            found.setdefault(mark, resident)
        return found, peak


def _sequence(name: str) -> int:
    return int(name.rpartition("-")[2].removesuffix(".m4s"))
