"""Runs benchmarks: `python bench/run.py [--quick] [--runs N] [NAME …]`. Prints tables, writes nothing.

Without names it runs all of them, about three quarters of an hour on two cores.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys
from collections.abc import Callable

from harness import BenchError
from report import Verdict, summarise

NAMES = (
    "cpu",
    "throughput",
    "startup",
    "glass",
    "pages",
    "playlist",
    "documents",
    "blocking",
    "segment",
    "memory",
    "fanout",
    "sockets",
    "accepted",
    "webhooks",
    "backlog",
    "notifications",
    "notification_lists",
    "channels",
    "devices",
    "proxy",
    "store",
)
QUICK: dict[str, dict[str, float]] = {
    "cpu": {"runs": 1},
    "throughput": {"runs": 1},
    "startup": {"runs": 1},
    "glass": {"runs": 0, "seconds": 20},
    "pages": {"runs": 1, "seconds": 5},
    "playlist": {"runs": 1, "seconds": 2, "segments": 3},
    "documents": {"runs": 1, "seconds": 2},
    "blocking": {"runs": 1},
    "segment": {"runs": 1, "seconds": 2},
    "memory": {"runs": 1, "minutes": 10},
    "fanout": {"runs": 1, "seconds": 3},
    "sockets": {"runs": 1},
    "accepted": {"runs": 1, "seconds": 3},
    "webhooks": {"runs": 1, "seconds": 2, "sockets": 500, "turns": 1},
    "backlog": {"runs": 1, "seconds": 5},
    "notifications": {"runs": 1, "messages": 500, "seconds": 2, "queued": 2_000},
    "notification_lists": {"runs": 5, "stored": 20_000},
    "channels": {"runs": 1, "sockets": 300, "seconds": 2, "messages": 1_000, "stored": 20_000, "cuts": 3},
    "devices": {"runs": 1, "seconds": 2, "people": 40, "many": 200},
    "proxy": {"runs": 1, "seconds": 4, "viewers": 50},
    "store": {"runs": 1, "seconds": 10, "minutes": 0.5},
}
"""One short run each: whether everything works, not how well."""


def main() -> int:
    """Returns the exit code: 1 when a benchmark could not be run, whatever the numbers are."""
    parser = argparse.ArgumentParser(description="Benchmarks of owncast-py; see docs/benchmarks.md.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="any of: " + ", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="one short run each, to see that everything works")
    parser.add_argument("--runs", type=int, help="runs of each instead of its own number")
    parser.add_argument("--seconds", type=int, help="length of a run, where it can be chosen")
    parser.add_argument("--minutes", type=float, help="the same for what lasts minutes: memory, store")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in NAMES]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    verdicts: list[Verdict] = []
    failed = False
    for name in arguments.names or NAMES:
        measure: Callable[..., list[Verdict]] = importlib.import_module(name).measure
        options = dict(QUICK[name]) if arguments.quick else {}
        for option in ("runs", "seconds", "minutes"):
            value = getattr(arguments, option)
            if value is not None and option in inspect.signature(measure).parameters:
                options[option] = value
        try:
            verdicts += measure(**options)
        except BenchError as error:
            failed = True
            verdicts.append(Verdict(name, "", f"failed: {error}", None))
            print(f"{name}: {error}", file=sys.stderr, flush=True)
    summarise(verdicts)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
