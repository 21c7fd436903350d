"""The two documents that every page polls: requests per CPU-second, beside nginx with the same bytes as static files.

A stream is live meanwhile: ingest and packaging are paid from the same CPU time, and the status is rendered anew every
second. In the third row the owner changes the stream's title once a second, which renders the configuration anew,
writes to the database and tells the chat; it is compared with the row of the configuration that stays as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import crowd
from harness import BenchError, Nginx, Server, fetch, publishing, wrk, wrk_missing
from report import Verdict, ratios, show, spread

TARGET = 20_000.0
PATHS = ("/api/status", "/api/config")
CHANGED = "/api/config, changed every second"
CHANGE_SECONDS = 1.0
WRK_SECONDS = 5


def measure(*, runs: int = 5, seconds: int = WRK_SECONDS) -> list[Verdict]:
    """The documents, the changing one, and nginx in turns, `runs` times."""
    if missing := wrk_missing():
        show("Status and configuration", ("server", "requests per CPU-second"), [], missing)
        return [Verdict(path, f"≥ {TARGET:,.0f} requests per CPU-s", "not measured", None) for path in PATHS]
    missing = Nginx.missing(rtmp=False)
    ours: dict[str, list[float]] = {name: [] for name in (*PATHS, CHANGED)}
    theirs: dict[str, list[float]] = {path: [] for path in PATHS}
    with Server() as server, publishing(server.rtmp, paced=True, loops=10):
        server.wait_segments(1)
        for _ in range(runs):
            for path in PATHS:
                ours[path].append(_per_cpu_second(f"{server.http}{path}", server.pid, seconds))
                if not missing:
                    theirs[path].append(_nginx(server, path, seconds))
            with _changing(server):
                ours[CHANGED].append(_per_cpu_second(f"{server.http}{PATHS[1]}", server.pid, seconds))
        sizes = {path: len(fetch(server.http + path) or b"") for path in PATHS}
    rows = [
        (f"{path}, {sizes[path]} bytes", spread(ours[path], 0), *_beside(ours[path], theirs[path])) for path in PATHS
    ]
    steady = spread(ratios(ours[CHANGED], ours[PATHS[1]]))
    rows.append((CHANGED, spread(ours[CHANGED], 0), "", f"{steady} of the unchanged one"))
    columns = ("document", "requests per CPU-second", "nginx, static file", "ratio in pairs")
    show("Status and configuration, 64 connections", columns, rows, *filter(None, [missing]))
    target = f"≥ {TARGET:,.0f} requests per CPU-s"
    return [Verdict(name, target, spread(found, 0), median(found) >= TARGET) for name, found in ours.items()]


def _per_cpu_second(url: str, pid: int, seconds: int) -> float:
    answered, spent = wrk(url, pid, seconds=seconds)
    return answered / spent


def _nginx(server: Server, path: str, seconds: int) -> float:
    with Nginx(rtmp=False) as nginx:
        address = nginx.put("document.json", fetch(server.http + path) or b"")
        return _per_cpu_second(address, nginx.pid, seconds)


def _beside(ours: list[float], theirs: list[float]) -> tuple[str, str]:
    """What nginx did, and ours as a part of it."""
    return (spread(theirs, 0), spread(ratios(ours, theirs))) if theirs else ("-", "-")


@contextmanager
def _changing(server: Server) -> Iterator[None]:
    """The owner changes the title every CHANGE_SECONDS meanwhile. Raises BenchError when that had no effect."""
    api = crowd.Api(server.http)
    over = threading.Event()
    titles: list[str] = []

    def change() -> None:
        title = f"Title {len(titles)}"
        api.admin("config/streamtitle", {"value": title})
        titles.append(title)

    def go_on() -> None:
        while not over.wait(CHANGE_SECONDS):
            change()

    change()  # the first look at a password costs more than all that follows
    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if len(titles) < 2 or titles[-1] not in (fetch(f"{server.http}{PATHS[1]}") or b"").decode():
        raise BenchError("The title was not changed.")
