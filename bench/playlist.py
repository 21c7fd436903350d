"""A media playlist from memory: requests per CPU-second, beside nginx with the same bytes as a static file.

The stream is live meanwhile, so the playlist is rendered anew with every part, and ingest and packaging are paid from
the same CPU time.
"""

from __future__ import annotations

from statistics import median

from harness import Nginx, Server, publishing, wrk, wrk_missing
from report import Verdict, ratios, show, spread

TARGET = 35_000.0
SEGMENTS = 15
WRK_SECONDS = 5


def measure(*, runs: int = 5, seconds: int = WRK_SECONDS, segments: int = SEGMENTS) -> list[Verdict]:
    """Alternates with nginx, `runs` times, when the playlist has its full length."""
    if missing := wrk_missing():
        show("Playlist from memory", ("server", "requests per CPU-second"), [], missing)
        return [Verdict("playlist from memory", "≥ 35 k requests per CPU-s", "not measured", None)]
    missing = Nginx.missing(rtmp=False)
    ours: list[float] = []
    theirs: list[float] = []
    with Server() as server, publishing(server.rtmp, paced=True, loops=10):
        server.wait_segments(segments)
        size = len(server.playlist())
        for _ in range(runs):
            answered, spent = wrk(f"{server.http}/hls/0/stream.m3u8", server.pid, seconds=seconds)
            ours.append(answered / spent)
            if not missing:
                with Nginx(rtmp=False) as nginx:
                    address = nginx.put("stream.m3u8", server.playlist().encode())
                    answered, spent = wrk(address, nginx.pid, seconds=seconds)
                    theirs.append(answered / spent)
    rows = [("owncast-py, live", spread(ours, 0), spread(ratios(ours, theirs)) if theirs else "-")]
    if theirs:
        rows.append(("nginx, static file", spread(theirs, 0), "1"))
    title = f"Playlist of {size} bytes, 64 connections"
    show(title, ("server", "requests per CPU-second", "ratio in pairs"), rows, *filter(None, [missing]))
    target = f"≥ {TARGET:,.0f} requests per CPU-s"
    return [Verdict("playlist from memory", target, spread(ours, 0), median(ours) >= TARGET)]
