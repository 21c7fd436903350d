from __future__ import annotations

import asyncio
import os

import pytest

from ingest.source import TIMESCALE
from transcoder import pipes
from transcoder.pipes import MAX_QUEUE_BYTES, MAX_QUEUE_SECONDS, FeedPipe, OutputPipe, pipe
from transcoder.replay import Tag

CHUNK = 256 * 1024


def picture(number: int, key: bool = False) -> Tag:
    """Ten to the second; each fills a quarter of the pipe with its own number."""
    return Tag(bytes([number % 251]) * CHUNK, number * TIMESCALE // 10, True, key)


async def turn() -> None:
    """Let the loop run what is scheduled."""
    for _ in range(3):
        await asyncio.sleep(0)


async def read_all(descriptor: int, count: int) -> bytes:
    return await asyncio.to_thread(lambda: b"".join(iter(_reader(descriptor, count), b"")))


def _reader(descriptor: int, count: int):  # type: ignore[no-untyped-def]
    left = count

    def read() -> bytes:
        nonlocal left
        data = os.read(descriptor, min(left, CHUNK)) if left else b""
        left -= len(data)
        return data

    return read


async def test_a_reader_that_keeps_up_gets_everything_in_order() -> None:
    reading, writing = pipe()
    overloads: list[bool] = []
    feeding = FeedPipe(writing, lambda: overloads.append(True))
    tags = [picture(number, number == 0) for number in range(20)]
    collecting = asyncio.create_task(read_all(reading, 20 * CHUNK))
    for tag in tags:
        feeding.push(tag)
    assert await collecting == b"".join(tag.data for tag in tags)
    assert not overloads
    feeding.close()
    os.close(reading)


async def test_a_reader_that_lags_makes_it_skip_to_a_keyframe_after_a_whole_tag() -> None:
    reading, writing = pipe()
    overloads: list[bool] = []
    feeding = FeedPipe(writing, lambda: overloads.append(True))
    feeding.push(picture(0, True))
    await turn()
    for number in range(1, 60):
        feeding.push(picture(number))
        await turn()
    assert overloads == [True]
    feeding.push(picture(60, True))
    feeding.push(picture(61))
    await turn()
    read = os.read(reading, 100 * CHUNK)
    while len(read) < CHUNK or read[-1] != 61 or len(read) % CHUNK:
        read += await asyncio.to_thread(os.read, reading, CHUNK)
    numbers = [read[start] for start in range(0, len(read), CHUNK)]
    # Every tag is whole, and after what the pipe held comes the keyframe.
    assert all(read[start : start + CHUNK] == bytes([read[start]]) * CHUNK for start in range(0, len(read), CHUNK))
    held = numbers.index(60)
    assert numbers == [*range(held), 60, 61]
    assert held < 10 * MAX_QUEUE_SECONDS
    feeding.close()
    os.close(reading)


async def test_the_bytes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipes, "MAX_QUEUE_BYTES", 8 * CHUNK)
    reading, writing = pipe()
    overloads: list[bool] = []
    feeding = FeedPipe(writing, lambda: overloads.append(True))
    for _ in range(40):
        feeding.push(picture(0, True))
        await turn()
    assert overloads
    assert feeding._queued <= 9 * CHUNK
    assert MAX_QUEUE_BYTES > 8 * CHUNK
    feeding.close()
    os.close(reading)


async def test_a_replay_does_not_count_as_a_lag() -> None:
    reading, writing = pipe()
    overloads: list[bool] = []
    feeding = FeedPipe(writing, lambda: overloads.append(True))
    feeding.replay([picture(number, number == 0) for number in range(100)])
    feeding.push(picture(100))
    await turn()
    assert not overloads
    data = await read_all(reading, 101 * CHUNK)
    assert [data[start] for start in range(0, len(data), CHUNK)] == list(range(101))
    feeding.close()
    os.close(reading)


async def test_a_reader_that_is_gone_is_no_error() -> None:
    reading, writing = pipe()
    feeding = FeedPipe(writing, lambda: None)
    os.close(reading)
    feeding.push(picture(0, True))
    await turn()
    feeding.push(picture(1))
    feeding.close()


async def test_an_output_hands_on_everything_until_its_end() -> None:
    reading, writing = pipe()
    received: list[bytes] = []
    output = OutputPipe(reading, received.append)
    os.write(writing, b"one")
    await turn()
    os.write(writing, b"two")
    os.close(writing)
    output.drain()
    assert b"".join(received) == b"onetwo"
    with pytest.raises(OSError):
        os.fstat(reading)
    output.close()
