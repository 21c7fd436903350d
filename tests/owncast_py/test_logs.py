"""Logs: one line per event, and no secret in any."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Literal

import orjson
import pytest
import structlog

from owncast_py import logs

SECRET = "s3cr3t-stream-key"


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def configured(log_format: Literal["text", "json"], level: Literal["debug", "info"] = "info") -> io.StringIO:
    stream = io.StringIO()
    logs.configure(log_format, level, [SECRET], stream)
    return stream


def test_json_is_one_object_per_line() -> None:
    stream = configured("json")
    log = structlog.get_logger("some.module")
    log.info("publisher connected", address="192.0.2.1", frames=3)
    log.debug("too fine")
    (line,) = stream.getvalue().splitlines()
    event = orjson.loads(line)
    assert (event["event"], event["address"], event["frames"], event["level"]) == (
        "publisher connected",
        "192.0.2.1",
        3,
        "info",
    )
    assert event["timestamp"].endswith("Z")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_secret_reaches_a_log(log_format: Literal["text", "json"]) -> None:
    stream = configured(log_format)
    log = structlog.get_logger("some.module")
    log.info(f"publish live/{SECRET}", url=f"rtmp://h/live/{SECRET}", nested={"a": [SECRET], "password": "other"})
    log.info("named", stream_key="unknown-key", Authorization="Basic xyz", error=ValueError(SECRET))
    try:
        raise RuntimeError(f"cannot publish {SECRET}")
    except RuntimeError:
        log.exception("failed")
    logging.getLogger("aiohttp.server").error("from a library: %s", SECRET)
    text = stream.getvalue()
    assert SECRET not in text
    assert "unknown-key" not in text
    assert "Basic xyz" not in text
    assert "other" not in text
    assert text.count(logs.REDACTED) >= 8
    assert "RuntimeError: cannot publish" in text
    assert "from a library" in text


def test_libraries_do_not_chat_at_debug() -> None:
    stream = configured("text", "debug")
    structlog.get_logger("x").debug("ours")
    logging.getLogger("asyncio").debug("theirs")
    assert "ours" in stream.getvalue()
    assert "theirs" not in stream.getvalue()
