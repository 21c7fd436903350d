"""The viewer page in headless Chromium: how soon the picture is there, and how it draws in a flood of chat.

The first frame is timed by the browser: from the navigation's start until the compositor is handed a picture, each time
in a context that has nothing in its cache. In the flood the time between each two frames is taken, and how much memory
JavaScript holds before and after, both times after a collection; the list is full of messages before it begins and
the video plays. Two controls tell what of it is the machine's: the same page without a message, and without one while
a script of a few lines puts as many plain lines into a box over the chat, which is the least that any chat has to do.
"""

from __future__ import annotations

import shutil
import threading
import time
from statistics import median
from typing import TYPE_CHECKING

import crowd
from clock_source import ClockSource
from glass import BROWSERS, FLAGS
from harness import BenchError, Server, fetch, until
from report import Verdict, show, spread

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page

FIRST_FRAME_SECONDS = 1.2
FRAME_MS = 50.0
GROWTH_MEGABYTES = 4.0
"""How much more JavaScript may hold after the flood; 12,000 messages that stay would be ten times as much."""
PER_SECOND = 200
WRITERS = 4
FULL = 3_400
"""More messages than the page keeps."""

WATCH = """
addEventListener("loadedmetadata", ({ target }) => {
  target.requestVideoFrameCallback((now) => { window.firstFrame ??= now });
}, true);
"""
MEASURE = """() => {
  const measured = window.measured = [];
  let last = performance.now();
  requestAnimationFrame(function frame(now) {
    if (measured !== window.measured) return;
    measured.push(now - last);
    last = now;
    requestAnimationFrame(frame);
  });
}"""
PLAIN = f"""() => {{
  const chat = document.querySelector(".chat-scroll").getBoundingClientRect();
  const box = document.body.appendChild(document.createElement("div"));
  const at = `left: ${{chat.left}}px; top: ${{chat.top}}px; width: ${{chat.width}}px; height: ${{chat.height}}px`;
  box.style = `position: fixed; z-index: 9; overflow: hidden; contain: strict; background: #fff; color: #000; ${{at}}`;
  let number = 0;
  const timer = setInterval(() => requestAnimationFrame(() => {{
    for (let line = 0; line < {PER_SECOND} / 10; line++) {{
      const words = `Bench ${{number}}: what a goal 😀 https://tea.example/ ${{"and so on ".repeat(number++ % 12)}}`;
      box.appendChild(document.createElement("p")).textContent = words;
    }}
    while (box.childElementCount > 100) box.firstChild.remove();
    box.scrollTop = box.scrollHeight;
  }}), 100);
  window.endPlain = () => {{ clearInterval(timer); box.remove(); }};
}}"""
NEWEST = "() => [...document.querySelectorAll('.chat-body')].slice(-20).map((body) => body.textContent)"


def measure(*, runs: int = 9, seconds: int = 60) -> list[Verdict]:
    """`runs` visits to a live page, and a flood of `seconds`."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        missing = "Chromium is not installed (Debian: apt-get install chromium)."
        show("The viewer page", ("what",), [], missing)
        return [Verdict("first frame", f"≤ {FIRST_FRAME_SECONDS} s", "not measured", None)]
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=program, args=FLAGS) as browser:
        return [*_visits(browser, runs), *_flood(browser, seconds)]


def _visits(browser: Browser, runs: int) -> list[Verdict]:
    with Server() as server, ClockSource(server.rtmp, keyframe_seconds=2):
        _check_built(server)
        server.wait_segments(3)
        found = [_visit(browser, server.http) for _ in range(runs)]
    drawn, frames = ([visit[column] / 1_000 for visit in found] for column in range(2))
    rows = [("page drawn", spread(drawn)), ("first frame", spread(frames))]
    show("From the navigation's start, nothing in the cache", ("until", "s"), rows)
    met = median(frames) <= FIRST_FRAME_SECONDS
    return [Verdict("first frame after navigation", f"≤ {FIRST_FRAME_SECONDS} s", spread(frames, unit="s"), met)]


def _visit(browser: Browser, base: str) -> tuple[float, float]:
    """Milliseconds until something was drawn, and until the first frame."""
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(base + "/")
    frame = until(lambda: page.evaluate("() => window.firstFrame ?? null"), "the first frame", pause=0.05)
    drawn = page.evaluate("() => performance.getEntriesByName('first-contentful-paint')[0].startTime")
    context.close()
    return float(drawn), float(frame)


def _flood(browser: Browser, seconds: int) -> list[Verdict]:
    with Server() as server, ClockSource(server.rtmp, keyframe_seconds=2):
        server.wait_segments(3)
        api = crowd.Api(server.http)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        protocol = page.context.new_cdp_session(page)
        page.goto(server.http + "/")
        page.locator(".chat-composer").wait_for()
        tokens = [api.bot() for _ in range(WRITERS)]
        _write(page, [Writer(server.http, token, number) for number, token in enumerate(tokens)], FULL, 2 * PER_SECOND)
        page.wait_for_function("() => document.querySelector('video')?.currentTime > 1")
        quiet = _watch(page, seconds)
        page.evaluate(PLAIN)
        plain = _watch(page, seconds)
        page.evaluate("() => window.endPlain()")
        # Other sockets than before: one that does not answer the server's pings is closed by now.
        writers = [Writer(server.http, token, number) for number, token in enumerate(tokens, WRITERS)]
        before = _heap(protocol)
        page.evaluate(MEASURE)
        _write(page, writers, seconds * PER_SECOND, PER_SECOND)
        busy = sorted(page.evaluate("() => window.measured"))
        after = _heap(protocol)
        page.close()
    found = (("none", quiet), ("none, plain lines", plain), (f"{PER_SECOND}/s", busy))
    rows = [(name, *_frames(frames)) for name, frames in found]
    columns = ("messages", "frames", "median ms", "99 % ms", "longest ms", f"over {FRAME_MS:.0f} ms")
    note = f"JavaScript's heap before the messages {before:.2f} MB, after them {after:.2f} MB."
    show(f"Frames of the page in {seconds} s with video and chat", columns, rows, note)
    long, noise, least = (sum(frame > FRAME_MS for frame in frames) for frames in (busy, quiet, plain))
    counts = f"{long}; {noise} without, {least} with plain lines"
    grown = after - before
    return [
        Verdict(f"frames over {FRAME_MS:.0f} ms in {seconds} s of flood", "0", counts, long == 0),
        Verdict("heap after the flood", "flat", f"{grown:+.2f} MB", grown <= GROWTH_MEGABYTES),
    ]


def _watch(page: Page, seconds: int) -> list[float]:
    """The time between each two frames, shortest first, while nothing else is done."""
    page.evaluate(MEASURE)
    page.wait_for_timeout(seconds * 1_000)
    return sorted(page.evaluate("() => window.measured"))


def _frames(ordered: list[float]) -> tuple[str, ...]:
    long = sum(frame > FRAME_MS for frame in ordered)
    percentile = ordered[len(ordered) * 99 // 100]
    return f"{len(ordered):,}", f"{median(ordered):.1f}", f"{percentile:.1f}", f"{ordered[-1]:.1f}", f"{long}"


class Writer:
    """A bot's socket that writes numbered messages."""

    def __init__(self, base: str, token: str, number: int) -> None:
        self._socket = crowd.open_socket(base, f"/ws?accessToken={token}")
        self.name = number

    def write(self, count: int, per_second: float) -> None:
        """Sends so many at that pace."""
        began = time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, began + number / per_second - time.monotonic()))
            words = "and so on " * (number % 12)
            crowd.say(self._socket, f"{self.name}-{number}: what a **goal** 😀 https://tea.example/ {words}".encode())
        crowd.say(self._socket, b"%d has said it all" % self.name)


def _write(page: Page, writers: list[Writer], count: int, per_second: float) -> None:
    """Has them write so many in all; returns when the page shows the last of each."""
    each = count // len(writers)
    threads = [threading.Thread(target=one.write, args=(each, per_second / len(writers))) for one in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    def shown() -> bool | None:
        newest = page.evaluate(NEWEST)
        return all(f"{writer.name} has said it all" in newest for writer in writers) or None

    until(shown, "the page to show the last messages", pause=0.1)
    time.sleep(1)


def _heap(protocol: CDPSession) -> float:
    """Megabytes that JavaScript holds after what is not needed has been collected."""
    for _ in range(3):  # what ends in one collection may free more for the next
        protocol.send("HeapProfiler.collectGarbage")
    return float(protocol.send("Runtime.getHeapUsage")["usedSize"]) / 1e6


def _check_built(server: Server) -> None:
    if b"<script" not in (fetch(server.http + "/") or b""):
        raise BenchError("The viewer page is not built: run `make setup`.")
