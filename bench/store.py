"""What an S3 store costs: CPU against segments on disk, and memory while the store is gone.

Two renditions, nobody watches: both of 6 Mb/s and passed through, where the store's own cost is most of what there is;
and one of them encoded, as a second variant mostly is. The store is `sink.py`, another process. It is gone when it is
stopped: connections are then taken by nobody, as with a machine that hangs. `minutes` is how long; the target says ten.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from harness import PASSTHROUGH, BenchError, Server, cpu_seconds, end, fetch, publishing, rss_megabytes
from report import Verdict, ratios, show, spread

TARGET = 1.3
BOUND = 64 * 1.048576
"""Megabytes that the queue of uploads may hold, as docs/storage.md says."""
OWN = 40.0
"""Megabytes more for what else grows: threads of the pool, the allocator."""
WARM_UP = 6.0
SETTLED = 30.0
"""After so long the live window is full."""
LOOK_SECONDS = 0.5
SINK = Path(__file__).with_name("sink.py")
TWICE = [PASSTHROUGH[0], PASSTHROUGH[0] | {"name": "again"}]
SMALL = {"name": "small", "video_bitrate": 1500, "audio_passthrough": True, "scaled_height": 480, "cpu_usage_level": 0}
LADDERS = {"both passed through": TWICE, "one encoded": [PASSTHROUGH[0], SMALL]}


def measure(*, runs: int = 5, seconds: float = 30.0, minutes: float = 2.0) -> list[Verdict]:
    """Disk and store in turns, `runs` times; then one server whose store is gone for `minutes`."""
    rows, verdicts = [], []
    for label, variants in LADDERS.items():
        disk, store = [], []
        for _ in range(runs):
            with Server(variants=variants, disk=True) as server, publishing(server.rtmp, paced=True, loops=20):
                disk.append(_per_minute(server, seconds))
            with (
                _sink() as (_, settings),
                Server(variants=variants, private_targets=True, s3=settings) as server,
                publishing(server.rtmp, paced=True, loops=20),
            ):
                store.append(_per_minute(server, seconds))
                # Whoever is sent to the sink gets nothing, since it keeps nothing.
                if not any(fetch(f"{server.http}/hls/0/{name}") == b"" for name in server.segments()):
                    raise BenchError("No segment was kept in the store, so nothing was measured.")
        ratio = ratios(store, disk)
        rows.append((label, spread(disk, 3), spread(store, 3), spread(ratio)))
        what = f"S3 mode, CPU, two variants, {label}"
        verdicts.append(Verdict(what, f"≤ {TARGET} × disk", spread(ratio) + " ×", median(ratio) <= TARGET))
    columns = ("two variants", "on disk", "in the store", "ratio in pairs")
    show("Segments on disk and in a store, CPU s per stream-minute", columns, rows)
    before, peak, after = _gone(minutes)
    rows = [("before", f"{before:.1f}"), ("peak", f"{peak:.1f}"), ("at its end", f"{after:.1f}")]
    show(f"Resident memory, the store gone for {minutes:g} min", ("when", "MB"), rows)
    bound = BOUND + OWN
    return [
        *verdicts,
        Verdict(
            f"memory while the store is gone for {minutes:g} min",
            f"≤ {bound:.0f} MB more",
            f"{peak - before:.1f} MB more",
            peak - before <= bound,
        ),
    ]


def _per_minute(server: Server, seconds: float) -> float:
    time.sleep(WARM_UP)
    before, began = cpu_seconds(server.pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(server.pid) - before) / (time.monotonic() - began) * 60


def _gone(minutes: float) -> tuple[float, float, float]:
    """Megabytes before the store went, the most meanwhile, and at the end."""
    loops = int(minutes) + 3
    with (
        _sink() as (sink, settings),
        Server(variants=TWICE, private_targets=True, s3=settings) as server,
        publishing(server.rtmp, paced=True, loops=loops),
    ):
        time.sleep(SETTLED)
        before = peak = after = rss_megabytes(server.pid)
        sink.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + minutes * 60
        while time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
            after = rss_megabytes(server.pid)
            peak = max(peak, after)
        sink.send_signal(signal.SIGCONT)
        if not server.segments():
            raise BenchError("Nothing was on air any more.")
    return before, peak, after


@contextmanager
def _sink() -> Iterator[tuple[subprocess.Popen[bytes], dict[str, object]]]:
    """The store, and the settings for it."""
    process = subprocess.Popen([sys.executable, str(SINK)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        address = f"http://127.0.0.1:{int(process.stdout.readline())}"
        yield (
            process,
            {
                "enabled": True,
                "endpoint": address,
                "serving_endpoint": f"{address}/bench",
                "region": "us-east-1",
                "bucket": "bench",
                "access_key": "key",
                "secret": "secret",
                "force_path_style": True,
            },
        )
    finally:
        process.send_signal(signal.SIGCONT)
        end(process)
