"""A 1.5 MB segment from memory: megabytes per CPU-second, against nginx sending the same bytes from a file.

nginx uses sendfile and the file is in the page cache, so nginx alone need not copy the bytes into the socket; the
third row is nginx without it, as it must work behind TLS. Each round takes the newest segment of a live stream.
"""

from __future__ import annotations

from statistics import median

from harness import BenchError, Nginx, Server, fetch, publishing, wrk, wrk_missing
from report import Verdict, ratios, show, spread

TARGET = 1.0
WRK_SECONDS = 4


def measure(*, runs: int = 5, seconds: int = WRK_SECONDS) -> list[Verdict]:
    """Alternates with nginx, `runs` times."""
    if missing := wrk_missing():
        show("Segment from memory", ("server", "MB per CPU-second"), [], missing)
        return [Verdict("segment from memory", "≥ 1.0 × nginx", "not measured", None)]
    missing = Nginx.missing(rtmp=False)
    ours: list[float] = []
    theirs: list[float] = []
    copying: list[float] = []
    with Server() as server, publishing(server.rtmp, paced=True, loops=10):
        for _ in range(runs):
            name = server.wait_segments(2)[-1]
            address = f"{server.http}/hls/0/{name}"
            data = fetch(address)
            if data is None:
                raise BenchError(f"{address} cannot be fetched.")
            answered, spent = wrk(address, server.pid, seconds=seconds)
            ours.append(answered * len(data) / 1e6 / spent)
            if not missing:
                theirs.append(_nginx(name, data, seconds, sendfile=True))
                copying.append(_nginx(name, data, seconds, sendfile=False))
    ratio = ratios(ours, theirs) if theirs else []
    rows = [("owncast-py, from memory", spread(ours, 0), spread(ratio) if ratio else "-")]
    if theirs:
        rows.append(("nginx, sendfile", spread(theirs, 0), "1"))
        rows.append(("nginx, read and write", spread(copying, 0), spread(ratios(copying, theirs))))
    title = f"Segment of {len(data) / 1e6:.2f} MB, 64 connections"
    show(title, ("server", "MB per CPU-second", "× nginx with sendfile"), rows, *filter(None, [missing]))
    measured = spread(ratio) + " ×" if ratio else spread(ours, 0) + " MB per CPU-s"
    met = median(ratio) >= TARGET if ratio else None
    return [Verdict("segment from memory", f"≥ {TARGET} × nginx's MB per CPU-s", measured, met)]


def _nginx(name: str, data: bytes, seconds: int, *, sendfile: bool) -> float:
    with Nginx(rtmp=False, sendfile=sendfile) as nginx:
        answered, spent = wrk(nginx.put(name, data), nginx.pid, seconds=seconds)
    return answered * len(data) / 1e6 / spent
