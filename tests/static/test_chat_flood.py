"""The page's chat in a flood: it stays in order, draws smoothly, and its memory stays as it is.

The figures are printed. Smoothness is asserted as the CPU's time, which other work on the machine hardly changes; the
frames themselves only by `OWNCAST_FLOOD_SECONDS=60`, on a machine that has nothing else to do.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from fake_chat import FakeChat, chatter
from playwright.async_api import Browser, CDPSession, Page, expect
from show import DIST, serve_chat
from viewer_browser import open_page, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECONDS = int(os.environ.get("OWNCAST_FLOOD_SECONDS", "5"))
PER_SECOND = 200
BEFORE = 10_000
"""Messages that were said before: more than are kept."""
MAX_FRAME_MS = 50 if SECONDS >= 60 else float("inf")
MAX_BUSY = 0.004
"""Seconds of the main thread for each message: at most four fifths of it at this rate; 0.001 on a desktop."""
MAX_GROWTH = 4_000_000
"""Octets of JavaScript's heap; what is kept of 2,000 messages alone would be as much."""

MEASURE = """() => {
  window.measured = { gaps: [], tasks: [] };
  new PerformanceObserver(list => { for (const entry of list.getEntries()) measured.tasks.push(entry.duration) })
    .observe({ type: 'longtask' });
  let last = performance.now();
  requestAnimationFrame(function frame(now) {
    measured.gaps.push(now - last);
    last = now;
    requestAnimationFrame(frame);
  });
}"""
DRAWN = (
    """() => Array.from(document.querySelectorAll('.chat-message .chat-body'), body => parseInt(body.textContent))"""
)

STANDS = """async () => {
  const edge = document.querySelector('.chat-scroll').getBoundingClientRect().top;
  const bodies = Array.from(document.querySelectorAll('.chat-message'));
  const first = () => bodies.find(body => body.getBoundingClientRect().top > edge);
  const place = () => `${first().textContent} at ${Math.round(first().getBoundingClientRect().top)}`;
  // The wheel's own movement has ended when two frames show the same.
  for (let last = ''; last !== place(); ) {
    last = place();
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
  }
  return place();
}"""
"""The first message in view, and where it is, as soon as that rests."""


@pytest.fixture
def chat() -> FakeChat:
    return FakeChat()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, chat: FakeChat) -> AsyncIterator[Page]:
    if not (DIST / "index.html").is_file():
        pytest.skip("The pages have not been built: run `make setup`.")
    async with serve_chat(chat) as server:
        yield_page = open_page(browser, str(server.make_url("/embed/chat/readwrite")))
        async with yield_page as page:
            await chat.wait_connected()
            yield page
        await chat.cut()


async def _memory(protocol: CDPSession) -> tuple[int, int]:
    """Octets of the heap, and nodes of the document, after what is not needed has been collected."""
    await protocol.send("HeapProfiler.collectGarbage")
    usage = await protocol.send("Runtime.getHeapUsage")
    counters = await protocol.send("Memory.getDOMCounters")
    return int(usage["usedSize"]), int(counters["nodes"])


async def _busy(protocol: CDPSession) -> float:
    """Seconds of the CPU that the page's main thread has had."""
    metrics = await protocol.send("Performance.getMetrics")
    return next(float(each["value"]) for each in metrics["metrics"] if each["name"] == "TaskDuration")


async def _drawn_to(page: Page, number: int) -> list[int]:
    await until(page, f"[...document.querySelectorAll('.chat-body')].at(-1)?.textContent.startsWith('{number} ')")
    drawn: list[int] = await page.evaluate(DRAWN)
    return drawn


async def test_a_flood_is_drawn_in_order_and_smoothly_in_memory_that_stays(page: Page, chat: FakeChat) -> None:
    protocol = await page.context.new_cdp_session(page)
    for first in range(0, BEFORE, 500):
        await chat.tell(*(chatter(number) for number in range(first, first + 500)))
    await _drawn_to(page, BEFORE - 1)
    heap, nodes = await _memory(protocol)

    await protocol.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = await _busy(protocol)
    await page.evaluate(MEASURE)
    count = SECONDS * PER_SECOND
    await chat.flood(BEFORE, count, PER_SECOND)
    drawn = await _drawn_to(page, BEFORE + count - 1)
    measured = await page.evaluate("measured")
    busy = await _busy(protocol) - before
    heap_after, nodes_after = await _memory(protocol)

    gaps, tasks = sorted(measured["gaps"]), sorted(measured["tasks"])
    print(
        f"\n{count} messages in {SECONDS} s: {len(gaps)} frames, median {gaps[len(gaps) // 2]:.1f} ms, "
        f"99 % {gaps[len(gaps) * 99 // 100]:.1f} ms, longest {gaps[-1]:.1f} ms; "
        f"{len(tasks)} tasks over 50 ms{f', longest {tasks[-1]:.0f} ms' if tasks else ''}; "
        f"{busy / count * 1000:.2f} ms of CPU for each message; "
        f"heap {heap / 1e6:.2f} -> {heap_after / 1e6:.2f} MB, nodes {nodes} -> {nodes_after}"
    )
    assert drawn == list(range(BEFORE + count - len(drawn), BEFORE + count)), "nothing is missing, all in order"
    assert len(drawn) == 100
    assert busy / count <= MAX_BUSY
    assert gaps[-1] <= MAX_FRAME_MS
    assert heap_after - heap < MAX_GROWTH
    assert nodes_after < 2 * nodes


async def test_a_reader_further_up_is_left_alone_by_a_flood_and_finds_everything_that_is_kept(
    page: Page, chat: FakeChat
) -> None:
    await chat.tell(*(chatter(number) for number in range(2_000)))
    await _drawn_to(page, 1_999)
    log = page.get_by_role("log")
    await page.mouse.move(200, 300)
    await page.mouse.wheel(0, -400)
    pill = page.get_by_role("button", name="To the newest")
    await expect(pill).to_be_visible()
    before, drawn = await page.evaluate(STANDS), await page.evaluate(DRAWN)
    for first in range(2_000, 8_000, 500):
        await chat.tell(*(chatter(number) for number in range(first, first + 500)))
    await expect(page.get_by_role("button", name="6,000 new")).to_be_visible()
    assert await page.evaluate(STANDS) == before
    assert await page.evaluate(DRAWN) == drawn

    # Upwards: every step draws more of what was before, and keeps in view what was in view.
    await log.evaluate("box => { box.scrollTop = 0 }")
    await until(page, f"({DRAWN})()[0] < {drawn[0]}")
    grown: list[int] = await page.evaluate(DRAWN)
    assert grown == list(range(grown[0], grown[-1] + 1))
    assert await log.evaluate("box => box.scrollTop") > 0

    await page.get_by_role("button", name="6,000 new").click()
    newest = await _drawn_to(page, 7_999)
    assert newest == list(range(7_900, 8_000))
    await expect(page.get_by_role("log").get_by_text("7999 ")).to_be_in_viewport()
