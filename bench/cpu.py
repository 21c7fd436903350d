"""CPU per stream-minute: one paced 6 Mb/s 1080p30 passthrough stream, RTMP in and HLS out, against nginx-rtmp.

Everything that the server's process tree spends is counted: ingest, packaging, and the stills that it renders every
20 s. A measurement begins `WARM_UP` seconds after the publisher and lasts a multiple of those 20 s.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from harness import Nginx, Server, cpu_seconds, publishing
from report import Verdict, ratios, show, spread

WARM_UP = 4.0
TARGET_MEMORY = 0.75
TARGET_DISK = 1.1


def measure(*, runs: int = 5, seconds: float = 20.0) -> list[Verdict]:
    """Runs the candidates in turns, `runs` times."""
    candidates: dict[str, Callable[[], AbstractContextManager[Server | Nginx]]] = {"memory": Server}
    missing = Nginx.missing()
    if not missing:
        candidates["nginx"] = Nginx
    candidates["disk"] = lambda: Server(disk=True)
    spent: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(runs):
        for name, start in candidates.items():
            with start() as server, publishing(server.rtmp, paced=True):
                spent[name].append(_per_minute(server.pid, seconds))
    names = {"memory": "owncast-py, LL-HLS from memory", "disk": "owncast-py, segments also on disk"}
    rows = [(names.get(name, "nginx-rtmp, HLS on disk"), spread(values, 3)) for name, values in spent.items()]
    if missing:
        show("CPU seconds per stream-minute", ("server", "CPU s"), rows, missing)
        return [Verdict("CPU per stream-minute", f"≤ {TARGET_MEMORY} × nginx-rtmp", rows[0][1] + " s", None)]
    shown, verdicts = [], []
    for (label, figure), (name, values) in zip(rows, spent.items(), strict=True):
        ratio = ratios(values, spent["nginx"])
        shown.append((label, figure, "1" if name == "nginx" else spread(ratio)))
        if name != "nginx":
            target = TARGET_MEMORY if name == "memory" else TARGET_DISK
            what = "CPU per stream-minute" + (", with disk" if name == "disk" else "")
            verdicts.append(Verdict(what, f"≤ {target} × nginx-rtmp", spread(ratio) + " ×", _median(ratio) <= target))
    show("CPU seconds per stream-minute", ("server", "CPU s", "ratio in pairs"), shown)
    return verdicts


def _median(values: list[float]) -> float:
    from statistics import median

    return median(values)


def _per_minute(pid: int, seconds: float) -> float:
    time.sleep(WARM_UP)
    before, began = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(pid) - before) / (time.monotonic() - began) * 60
