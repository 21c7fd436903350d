"""How late the event loop is, with a clock that a test turns."""

from __future__ import annotations

import asyncio

import pytest

from owncast_py.metrics.loop_lag import INTERVAL, LoopLag


async def test_what_a_sleep_took_too_long_is_counted_and_nothing_else() -> None:
    now, lateness = 100.0, iter((0.0, 0.004, 3.0))
    done = asyncio.Event()

    async def sleep(seconds: float) -> None:
        nonlocal now
        late = next(lateness, None)
        if late is None:
            done.set()
            await asyncio.Event().wait()
        else:
            now += seconds + late

    lag = LoopLag(lambda: now, sleep)
    before = asyncio.all_tasks()
    await lag.start()
    await done.wait()
    buckets = dict(lag.seconds.buckets)
    assert (buckets["0.001"], buckets["0.0025"], buckets["0.005"], buckets["2.5"], buckets["+Inf"]) == (1, 1, 2, 2, 3)
    assert lag.seconds.sum == pytest.approx(3.004, abs=1e-6)
    assert now == pytest.approx(100 + 3 * INTERVAL + 3.004)
    await lag.aclose()
    assert asyncio.all_tasks() == before
