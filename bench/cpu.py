"""CPU per stream-minute: one paced 6 Mb/s 1080p30 passthrough stream, RTMP in and HLS out, against nginx-rtmp.

Everything that the server's process tree spends is counted: ingest, packaging, and the stills that are rendered every
20 s in a worker thread; what the event loop alone spends is shown beside it. A measurement begins `WARM_UP` seconds
after the publisher and should last a multiple of those 20 s.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from statistics import median

from harness import Nginx, Server, cpu_seconds, main_thread_seconds, publishing
from report import Verdict, ratios, show, spread

WARM_UP = 4.0
TARGETS = {"memory": 0.75, "disk": 1.1}
LABELS = {
    "memory": "owncast-py, LL-HLS from memory",
    "nginx": "nginx-rtmp, HLS on disk",
    "disk": "owncast-py, segments also on disk",
}


def measure(*, runs: int = 5, seconds: float = 20.0) -> list[Verdict]:
    """Runs the candidates in turns, `runs` times."""
    missing = Nginx.missing()
    candidates: dict[str, Callable[[], AbstractContextManager[Server | Nginx]]] = {"memory": Server}
    if not missing:
        candidates["nginx"] = Nginx
    candidates["disk"] = lambda: Server(disk=True)
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in candidates}
    for _ in range(runs):
        for name, start in candidates.items():
            with start() as server, publishing(server.rtmp, paced=True):
                spent[name].append(_per_minute(server.pid, seconds))
    rows, verdicts = [], []
    for name, pairs in spent.items():
        everything, loop = [whole for whole, _ in pairs], [main for _, main in pairs]
        ratio = ratios(everything, [whole for whole, _ in spent["nginx"]]) if "nginx" in spent else []
        loop_ratio = ratios(loop, [whole for whole, _ in spent["nginx"]]) if "nginx" in spent else []
        loop_cells = ("", "") if name == "nginx" else (spread(loop, 3), spread(loop_ratio) if ratio else "-")
        rows.append((LABELS[name], spread(everything, 3), spread(ratio) if ratio else "-", *loop_cells))
        if name in TARGETS:
            what = "CPU per stream-minute" + (", with disk" if name == "disk" else "")
            measured = spread(ratio) + " ×" if ratio else spread(everything, 3) + " s"
            met = median(ratio) <= TARGETS[name] if ratio else None
            verdicts.append(Verdict(what, f"≤ {TARGETS[name]} × nginx-rtmp", measured, met))
    columns = ("server", "CPU s", "ratio in pairs", "event loop only", "ratio in pairs")
    show("CPU seconds per stream-minute", columns, rows, *filter(None, [missing]))
    return verdicts


def _per_minute(pid: int, seconds: float) -> tuple[float, float]:
    time.sleep(WARM_UP)
    everything, loop, began = cpu_seconds(pid), main_thread_seconds(pid), time.monotonic()
    time.sleep(seconds)
    minutes = (time.monotonic() - began) / 60
    return (cpu_seconds(pid) - everything) / minutes, (main_thread_seconds(pid) - loop) / minutes
