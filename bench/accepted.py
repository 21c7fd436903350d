"""From accepted to everywhere: when the last of 2,000 clients has what a chatter sent, by way of the disk.

Nobody hears of a message before it is committed, so its arrival shows that it is in the database as well.
"""

from __future__ import annotations

from statistics import median

import crowd
from harness import BenchError, Server
from report import Verdict, show, spread

SOCKETS = 2_000
RATE = 5
SECONDS = 12
TARGET_MS = 100.0


def measure(*, runs: int = 5, seconds: int = SECONDS, sockets: int = SOCKETS) -> list[Verdict]:
    """`runs` servers, `RATE` messages a second to each."""
    halves: list[float] = []
    worst: list[float] = []
    for _ in range(runs):
        with Server() as server:
            api = crowd.Api(server.http)
            listeners = crowd.Crowd(server.http, [f"/ws?accessToken={api.register()}" for _ in range(sockets)])
            sender = crowd.open_socket(server.http, f"/ws?accessToken={api.bot()}")
            try:
                listeners.quiet()
                listeners.reset()
                sent = listeners.listen(RATE, seconds, lambda stamp: crowd.say(sender, stamp))  # noqa: B023 - called at once
                if len(listeners.latencies) < sent * sockets * 0.9 or listeners.disorder:
                    raise BenchError("Messages did not come one by one.")
                # The latest arrival of each message: latencies come message by message.
                lasts = sorted(
                    max(listeners.latencies[at : at + sockets]) for at in range(0, len(listeners.latencies), sockets)
                )
                halves.append(median(lasts) * 1e3)
                worst.append(lasts[min(int(len(lasts) * 0.99), len(lasts) - 1)] * 1e3)
            finally:
                listeners.close()
                sender.close()
    show(
        f"Sent → the last of {sockets} clients has it",
        ("milliseconds", "p50", "p99"),
        [("sender's socket → rules → commit → everybody", spread(halves, 1), spread(worst, 1))],
    )
    what = f"accepted → database and all {sockets} clients"
    return [Verdict(what, f"p99 ≤ {TARGET_MS:.0f} ms", spread(worst, 1, "ms"), median(worst) <= TARGET_MS)]
