"""The newest lines of the log: in order, bounded, on one line each, and without secrets."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterator

import pytest
import structlog
from house import Clock

from owncast_py import logs
from owncast_py.recent_logs import MAX_LINES, MAX_MESSAGE, MAX_WARNINGS, LogLine, RecentLogs

SECRET = "s3cr3t-stream-key"


@pytest.fixture
def recent(clock: Clock) -> Iterator[RecentLogs]:
    """What is remembered of a log that is set up as in the program."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    remembered = RecentLogs(clock.now)
    logs.configure("text", "debug", [SECRET], io.StringIO(), remembered)
    yield remembered
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def messages(lines: list[LogLine]) -> list[str]:
    return [line.message for line in lines]


def test_lines_of_every_logger_are_remembered_newest_first(recent: RecentLogs, clock: Clock) -> None:
    log = structlog.get_logger("some.module")
    log.debug("too fine")
    log.info("publisher connected", address="192.0.2.1", frames=3)
    clock.turn(1)
    logging.getLogger("aiohttp.server").error("from a %s", "library")
    log.warning("hardware", warning="Full.")
    warning, error, info = recent.lines()
    assert info == LogLine(clock.now().replace(second=7), "info", "publisher connected address=192.0.2.1 frames=3")
    assert error == LogLine(clock.now(), "error", "from a library logger=aiohttp.server")
    assert (warning.level, warning.message) == ("warning", "hardware warning=Full.")
    assert recent.warnings() == [warning, error]


def test_secrets_of_before_and_after_the_start_are_not_remembered(recent: RecentLogs) -> None:
    log = structlog.get_logger("some.module")
    log.info(f"publish live/{SECRET}", url=f"rtmp://h/live/{SECRET}", stream_key="other", inner={"token": "abc"})
    log.info("before", path="late-secret")
    logs.add_secret("late-secret")
    logs.add_secret("late-secret-and-more")
    logs.add_secret("abc")  # too short to be replaced
    log.info("after abc", path="late-secret", other="late-secret-and-more")
    logging.getLogger("aiohttp").warning("late-secret")
    library, after, before, publish = messages(recent.lines())
    assert publish == (
        "publish live/[redacted] url=rtmp://h/live/[redacted] stream_key=[redacted] inner={'token': '[redacted]'}"
    )
    assert before == "before path=late-secret"
    assert after == "after abc path=[redacted] other=[redacted]"
    assert library.startswith("[redacted]")


def test_a_line_is_one_short_line(recent: RecentLogs) -> None:
    log = structlog.get_logger("some.module")
    log.info("first\nsecond\r\x1b[31m\u2028", text="x" * 5000)
    (line,) = messages(recent.lines())
    assert line.startswith("first second  [31m  text=xxx")
    assert line.isprintable()
    assert len(line) == MAX_MESSAGE
    assert line.endswith("…")


def test_an_exception_is_named_without_its_traceback(recent: RecentLogs) -> None:
    try:
        raise RuntimeError(f"cannot publish {SECRET}")
    except RuntimeError:
        structlog.get_logger("some.module").exception("failed", attempt=2)
        logging.getLogger("aiohttp").exception("failed too")
    second, first = messages(recent.warnings())
    assert first == "failed attempt=2 exception=RuntimeError: cannot publish [redacted]"
    assert "exception=RuntimeError: cannot publish [redacted]" in second


def test_chatter_does_not_push_warnings_out(recent: RecentLogs) -> None:
    log = structlog.get_logger("some.module")
    for number in range(MAX_WARNINGS + 5):
        log.warning("warned", number=number)
    for number in range(MAX_LINES + 5):
        log.info("said", number=number)
    assert len(recent.lines()) == MAX_LINES
    assert messages(recent.lines())[0] == f"said number={MAX_LINES + 4}"
    assert len(recent.warnings()) == MAX_WARNINGS
    assert messages(recent.warnings())[-1] == "warned number=5"


def test_lines_come_from_any_thread() -> None:
    recent = RecentLogs()

    def talk() -> None:
        for number in range(500):
            recent(None, "warning", {"event": "x", "number": number})
            recent.lines()

    threads = [threading.Thread(target=talk) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(recent.lines()) == MAX_LINES
    assert recent.lines()[0].at.tzinfo is not None
