"""Unthrottled ingest with packaging: how many megabytes of FLV a CPU-second takes in, against nginx-rtmp.

The publisher sends the sample five times over, as fast as it is taken. Counted is the whole process from before the
connection until the end of the stream was noticed; a still that falls into that time counts too.
"""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

from harness import STOP_SECONDS, Nginx, Server, cpu_seconds, publishing, sample, until
from report import Verdict, ratios, show, spread

LOOPS = 5
TARGET = 900.0
PUBLISH_SECONDS = 120.0
SEGMENT_SECONDS = 2


def measure(*, runs: int = 5) -> list[Verdict]:
    """Alternates with nginx-rtmp, `runs` times."""
    missing = Nginx.missing()
    size = LOOPS * sample().stat().st_size / 1e6
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(runs):
        with Server() as server:
            before = cpu_seconds(server.pid)
            with publishing(server.rtmp, paced=False, loops=LOOPS) as publisher:
                publisher.wait(PUBLISH_SECONDS)
                server.event("holding", seconds=STOP_SECONDS)
                ours.append(size / (cpu_seconds(server.pid) - before))
            last = server.segments()[-1]
            if int(last.rpartition("-")[2].removesuffix(".m4s")) < LOOPS * 60 // SEGMENT_SECONDS - 2:
                raise RuntimeError(f"The server packaged only up to {last}.")
        if not missing:
            theirs.append(size / _nginx())
    rows = [("owncast-py, LL-HLS in memory", spread(ours, 0), spread(ratios(ours, theirs), 1) if theirs else "-")]
    if theirs:
        rows.append(("nginx-rtmp, HLS on disk", spread(theirs, 0), "1"))
    title = f"Unthrottled ingest of {size:.0f} MB with packaging"
    show(title, ("server", "MB per CPU-second", "ratio in pairs"), rows, *filter(None, [missing]))
    return [
        Verdict("unthrottled ingest", f"≥ {TARGET:.0f} MB per CPU-s", spread(ours, 0), median(ours) >= TARGET),
    ]


def _nginx() -> float:
    with Nginx() as nginx:
        before = cpu_seconds(nginx.pid)
        with publishing(nginx.rtmp, paced=False, loops=LOOPS) as publisher:
            publisher.wait(PUBLISH_SECONDS)
        playlist = Path(nginx.home / "files" / "stream.m3u8")
        last, since = -1.0, time.monotonic()

        def settled() -> float | None:
            nonlocal last, since
            spent = cpu_seconds(nginx.pid)
            if spent != last:
                last, since = spent, time.monotonic()
            return spent if time.monotonic() - since > 0.5 and playlist.exists() else None

        return until(settled, "nginx to finish") - before
