"""Glass to glass: from drawing a picture until the viewer page shows it, in headless Chromium.

The page is the real one at `/`; the time in each picture (see `clock_source.py`) is read back when the browser hands
the picture to its compositor, and compared with when it will be on screen. Encoder, RTMP, server and player are all
in the delay; a network and a real encoder's lookahead are not. The first seconds, while the player finds its distance
from the edge, are left out.
"""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from clock_source import BAND_HEIGHT, BITS, BLOCK_WIDTH, WIDTH, ClockSource
from harness import BenchError, Server, fetch, until
from report import Verdict, show, spread

if TYPE_CHECKING:
    from playwright.sync_api import Page

SETTLE_SECONDS = 8
SHORT_SECONDS = 20
DEFAULT_LEVEL, LOWEST_LEVEL = 2, 0
TARGETS = {DEFAULT_LEVEL: (2.0, 2.5), LOWEST_LEVEL: (1.5, None)}
KEYFRAME_SECONDS = {DEFAULT_LEVEL: 2, LOWEST_LEVEL: 1}
MAX_SECONDS = 60.0
"""A delay beyond this is a picture that was read wrongly."""

MIN_PICTURES_PER_SECOND = 5
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]

WATCH = f"""() => {{
  const video = document.querySelector("video");
  const canvas = document.createElement("canvas");
  canvas.width = {WIDTH}; canvas.height = {BAND_HEIGHT};
  const context = canvas.getContext("2d", {{ willReadFrequently: true }});
  const seen = window.seen = {{ delays: [], waits: 0, dropped: 0 }};
  video.addEventListener("waiting", () => seen.waits++);
  const onPicture = (now, picture) => {{
    const shown = Date.now() + picture.expectedDisplayTime - performance.now();
    context.drawImage(video, 0, 0, {WIDTH}, {BAND_HEIGHT}, 0, 0, {WIDTH}, {BAND_HEIGHT});
    const row = context.getImageData(0, {BAND_HEIGHT // 2}, {WIDTH}, 1).data;
    let drawn = 0;
    for (let bit = 0; bit < {BITS}; bit++)
      drawn = drawn * 2 + (row[4 * (bit * {BLOCK_WIDTH} + {BLOCK_WIDTH // 2})] > 127 ? 1 : 0);
    seen.delays.push(((shown % 2 ** 32) - drawn + 2 ** 32) % 2 ** 32);
    video.requestVideoFrameCallback(onPicture);
  }};
  video.requestVideoFrameCallback(onPicture);
}}"""
RESET = "() => { seen.delays = []; seen.waits = 0; seen.stalls = window.owncast.player.stalls(); }"
READ = "() => ({ ...seen, stalls: window.owncast.player.stalls() - seen.stalls })"


def measure(*, runs: int = 4, seconds: int = 60) -> list[Verdict]:
    """One run of `seconds` and `runs` shorter ones for each of two latency levels."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        missing = "Chromium is not installed (Debian: apt-get install chromium)."
        show("Glass to glass", ("level",), [], missing)
        return [Verdict("glass to glass", "p50 ≤ 2.0 s", "not measured", None)]
    rows, verdicts = [], []
    for level, (p50_target, p95_target) in TARGETS.items():
        found = [_one(program, level, length) for length in [seconds] + [SHORT_SECONDS] * runs]
        p50, p95, rebufferings = ([run[column] for run in found] for column in range(3))
        long_p50, long_p95, long_rebufferings = found[0]
        rows.append((f"{level}, {seconds} s", f"{long_p50:.2f}", f"{long_p95:.2f}", f"{long_rebufferings:.0f}"))
        rows.append((f"{level}, all runs", spread(p50), spread(p95), spread(rebufferings, 0)))
        what = f"glass to glass, level {level}"
        verdicts.append(Verdict(f"{what}, p50", f"≤ {p50_target} s", spread(p50, unit="s"), long_p50 <= p50_target))
        if p95_target is not None:
            verdicts.append(Verdict(f"{what}, p95", f"≤ {p95_target} s", spread(p95, unit="s"), long_p95 <= p95_target))
        count = f"{long_rebufferings:.0f}"
        verdicts.append(Verdict(f"{what}, rebufferings in {seconds} s", "0", count, long_rebufferings == 0))
    show("Glass to glass, hls.js in headless Chromium", ("latency level", "p50 s", "p95 s", "rebufferings"), rows)
    return verdicts


def _one(program: str, level: int, seconds: int) -> tuple[float, float, float]:
    """p50 and p95 in seconds, and how often playback ran dry."""
    from playwright.sync_api import sync_playwright

    with Server(latency_level=level) as server:
        if b'id="app"' not in (page := fetch(server.http + "/") or b"") and b"<script" not in page:
            raise BenchError("The viewer page is not built: run `make setup`.")
        with (
            ClockSource(server.rtmp, keyframe_seconds=KEYFRAME_SECONDS[level]),
            sync_playwright() as playwright,
            playwright.chromium.launch(executable_path=program, args=FLAGS) as browser,
        ):
            until(lambda: server.segments()[1:] or None, "the first segments", pause=0.1)
            tab = browser.new_page()
            tab.goto(server.http + "/")
            return _watch(tab, seconds)


def _watch(tab: Page, seconds: int) -> tuple[float, float, float]:
    deadline = time.monotonic() + 20
    while tab.evaluate("() => window.owncast?.player.state()") != "playing":
        if time.monotonic() > deadline:
            raise BenchError("The viewer page did not begin to play within 20 s.")
        time.sleep(0.05)
    tab.evaluate(WATCH)
    time.sleep(SETTLE_SECONDS)
    tab.evaluate(RESET)
    time.sleep(seconds)
    seen = tab.evaluate(READ)
    delays = sorted(delay / 1000 for delay in seen["delays"])
    credible = [delay for delay in delays if delay < MAX_SECONDS]
    if len(credible) < seconds * MIN_PICTURES_PER_SECOND or len(delays) > 1.02 * len(credible):
        raise BenchError(f"Only {len(credible)} of {len(delays)} pictures in {seconds} s could be read.")
    stops = float(max(seen["waits"], seen["stalls"]))
    return credible[len(credible) // 2], credible[len(credible) * 95 // 100], stops
