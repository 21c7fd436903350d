"""A webhook that is away with 1,000 deliveries queued: what another one notices, and how soon all arrive afterwards.

Chat messages are the events. First only the healthy webhook gets them; then the dead one is added, where nothing
listens, and gets its queue; then the healthy one's delays are measured again while the dead one gets the same events.
At last that one listens. By then its lane is probed on a schedule, every 10 seconds here and every 60 after longer, so
the time is told twice: from its listening, which comes at another moment of the schedule in each run, and from the
first delivery that went through. Every event must arrive there.
"""

from __future__ import annotations

import time
from statistics import median
from typing import NamedTuple

import crowd
from harness import BenchError, Server, until
from report import Verdict, ratios, show, spread
from targets import Arrival, Target

QUEUED = 1_000
QUEUE_RATE = 200
RATE = 10
SECONDS = 20
WARM_UP_SECONDS = 2
MAX_CHANGE = 0.05
DRAIN_SECONDS = 10.0
PROBE_SECONDS = 10.0
"""Between two probes at the time of the return."""
RETURN_SECONDS = 90.0
"""The longest pause between two probes, and some more."""


class Run(NamedTuple):
    """What one server did. Delays are (p50, p99) in milliseconds; the rest is seconds and numbers."""

    alone: tuple[float, float]
    beside: tuple[float, float]
    from_listening: float
    from_first: float
    owed: int
    repeated: int


def measure(*, runs: int = 5, seconds: int = SECONDS, queued: int = QUEUED) -> list[Verdict]:
    """`runs` servers, each with both cases."""
    found = [_one(seconds, queued, PROBE_SECONDS * run / runs) for run in range(runs)]
    change = [ratios([run.beside[at] for run in found], [run.alone[at] for run in found]) for at in (0, 1)]
    rows = [
        ("without a dead one", *(spread([run.alone[at] for run in found], 1) for at in (0, 1))),
        (f"beside {queued:,} queued", *(spread([run.beside[at] for run in found], 1) for at in (0, 1))),
        ("ratio in pairs", *(spread(change[at]) for at in (0, 1))),
    ]
    show("A healthy webhook, message sent → delivered", ("milliseconds", "p50", "p99"), rows)
    listening, first = [run.from_listening for run in found], [run.from_first for run in found]
    owed, repeated = found[0].owed, max(run.repeated for run in found)
    columns = ("seconds until all have arrived", "from listening", "from the first delivery", "lost", "more than once")
    show("The dead webhook returns", columns, [(f"{owed:,}", spread(listening), spread(first), "0", str(repeated))])
    p50s, p99s = change
    return [
        Verdict("healthy webhook beside a dead one, p50", "no effect", spread(p50s) + " ×", _unchanged(p50s)),
        Verdict("healthy webhook beside a dead one, p99", "no effect", spread(p99s) + " ×", _unchanged(p99s)),
        Verdict(
            f"{owed:,} deliveries after the return, from the first",
            f"≤ {DRAIN_SECONDS:.0f} s, none lost",
            spread(first, unit="s"),
            median(first) <= DRAIN_SECONDS,
        ),
    ]


def _unchanged(change: list[float]) -> bool:
    return median(change) <= 1 + MAX_CHANGE


def _one(seconds: int, queued: int, away: float) -> Run:
    """`away` is how many seconds the dead one stays so when all is measured."""
    with (
        Server(private_targets=True) as server,
        Target() as healthy,
        Target(listening=False) as dead,
    ):
        api = crowd.Api(server.http)
        events = _Events(server, api, healthy)
        api.add_webhook(healthy.url)
        events.send(WARM_UP_SECONDS * RATE, RATE)
        alone = events.send(seconds * RATE, RATE)
        began = events.count
        api.add_webhook(dead.url)
        events.send(queued, QUEUE_RATE)
        beside = events.send(seconds * RATE, RATE)
        if dead.arrivals:
            raise BenchError("Something arrived where nothing listens.")
        time.sleep(away)
        dead.listen()
        listening = time.time_ns()
        events.send(1, RATE)
        owed = set(range(began, events.count))
        until(lambda: dead.numbers() >= owed or None, "the dead webhook's queue", seconds=RETURN_SECONDS, pause=0.05)
        events.close()
        first, last = min(one.at for one in dead.arrivals), _all_there(dead.arrivals)
        repeated = len(dead.arrivals) - len({one.id for one in dead.arrivals})
        return Run(
            _quantiles(alone), _quantiles(beside), (last - listening) / 1e9, (last - first) / 1e9, len(owed), repeated
        )


class _Events:
    """A bot that writes numbered messages, and a webhook by which they are seen to arrive."""

    def __init__(self, server: Server, api: crowd.Api, target: Target) -> None:
        self._sender = crowd.open_socket(server.http, f"/ws?accessToken={api.bot()}")
        self._target = target
        self.count = 0

    def send(self, number: int, rate: float) -> list[Arrival]:
        """Sends so many, waits until all have arrived, and returns these arrivals."""
        first = self.count
        began = time.monotonic()
        for each in range(number):
            time.sleep(max(0.0, began + each / rate - time.monotonic()))
            crowd.say(self._sender, b"%%%%%d:%d%%%%" % (self.count, time.time_ns()))
            self.count += 1
        wanted = set(range(first, self.count))
        until(lambda: self._target.numbers() >= wanted or None, "the healthy webhook's events", pause=0.05)
        return [arrival for arrival in self._target.arrivals if arrival.number in wanted]

    def close(self) -> None:
        """Ends the bot's connection."""
        self._sender.close()


def _all_there(arrivals: list[Arrival]) -> int:
    """When the last message came for the first time."""
    firsts: dict[int, int] = {}
    for arrival in arrivals:
        firsts.setdefault(arrival.number, arrival.at)
    return max(firsts.values())


def _quantiles(arrivals: list[Arrival]) -> tuple[float, float]:
    delays = sorted(arrival.delay for arrival in arrivals)
    return delays[len(delays) // 2], delays[int(len(delays) * 0.99)]
