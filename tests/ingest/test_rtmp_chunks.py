"""The chunk stream: header types, extended timestamps, interleaving, limits, and any split of the bytes."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rtmp_wire import chunk, feed

from ingest.errors import ChunkError
from ingest.rtmp.chunks import MAX_CHUNK_STREAMS, MAX_MEDIA_MESSAGE, MAX_OTHER_MESSAGE, ChunkReader, ChunkWriter
from ingest.rtmp.messages import AUDIO, COMMAND_AMF0, SET_CHUNK_SIZE, VIDEO, Message

Read = list[tuple[int, int, int, bytes]]


def read(data: bytes, step: int = 1 << 20, capacity: int = 8192) -> Read:
    found: Read = []
    reader = ChunkReader(lambda t, ts, sid, view: found.append((t, ts, sid, bytes(view))), capacity=capacity)
    feed(reader, data, step)
    return found


def set_size(size: int) -> bytes:
    return chunk(SET_CHUNK_SIZE, size.to_bytes(4, "big"), stream=2, message_stream=0)


def test_header_types_refer_to_the_message_before() -> None:
    data = (
        chunk(VIDEO, b"first", timestamp=1000)
        + chunk(AUDIO, b"other", timestamp=40, header=1)
        + chunk(AUDIO, b"same!", timestamp=20, header=2)
        + chunk(AUDIO, b"again", header=3)
    )
    assert read(data) == [
        (VIDEO, 1000, 1, b"first"),
        (AUDIO, 1040, 1, b"other"),
        (AUDIO, 1060, 1, b"same!"),
        (AUDIO, 1080, 1, b"again"),
    ]


def test_type_3_after_type_0_repeats_its_timestamp_as_delta() -> None:
    data = chunk(AUDIO, b"x", timestamp=23) + chunk(AUDIO, b"y", header=3)
    assert [message[1] for message in read(data)] == [23, 46]


@pytest.mark.parametrize("repeated", [True, False])
@pytest.mark.parametrize("step", [1, 3, 1000])
def test_extended_timestamps_repeated_or_not(repeated: bool, step: int) -> None:
    payload = bytes(range(256)) * 2
    data = (
        chunk(VIDEO, payload, timestamp=0x01020304, repeat_extended=repeated)
        + chunk(VIDEO, payload, timestamp=0x01000000, header=1, repeat_extended=repeated)
        + chunk(VIDEO, b"z", timestamp=40, header=1)
        + chunk(VIDEO, b"z", header=3)
    )
    assert read(data, step) == [
        (VIDEO, 0x01020304, 1, payload),
        (VIDEO, 0x02020304, 1, payload),
        (VIDEO, 0x0202032C, 1, b"z"),
        (VIDEO, 0x02020354, 1, b"z"),
    ]


def test_timestamps_wrap_at_32_bits() -> None:
    data = chunk(VIDEO, b"x", timestamp=0xFFFFFFF0) + chunk(VIDEO, b"y", timestamp=0x20, header=1)
    assert [message[1] for message in read(data)] == [0xFFFFFFF0, 0x10]


def test_interleaved_messages() -> None:
    video, audio = chunk(VIDEO, b"v" * 300, stream=6, timestamp=5), chunk(AUDIO, b"a" * 200, stream=4, timestamp=6)
    data = video[:140] + audio[:140] + video[140:269] + audio[140:] + video[269:]
    assert read(data) == [(AUDIO, 6, 1, b"a" * 200), (VIDEO, 5, 1, b"v" * 300)]


@pytest.mark.parametrize("prefix", [b"\x00\x00", b"\x00\xff", b"\x01\x01\x02"])
def test_wide_chunk_stream_ids(prefix: bytes) -> None:
    body = chunk(AUDIO, b"wide", timestamp=9)[1:]
    wide = bytes((prefix[0] | 0xC0,)) + prefix[1:]
    assert read(prefix + body + wide + b"next", step=1) == [(AUDIO, 9, 1, b"wide"), (AUDIO, 18, 1, b"next")]


@pytest.mark.parametrize("size", [1, 2, 128, 4096, 65536, 0x7FFFFFFF])
def test_chunk_sizes_of_the_peer(size: int) -> None:
    payloads = [bytes([n]) * length for n, length in enumerate([1, 127, 128, 129, 5000, 40_000])]
    data = set_size(size) + b"".join(chunk(VIDEO, p, size=size) for p in payloads)
    for step in (999, 1 << 20):
        assert [message[3] for message in read(data, step)] == payloads


@pytest.mark.parametrize("size", [0, 0x80000000, 0xFFFFFFFF])
def test_impossible_chunk_sizes_are_refused(size: int) -> None:
    with pytest.raises(ChunkError, match=str(size)):
        read(set_size(size))


@pytest.mark.parametrize(
    ("type_id", "length"), [(VIDEO, MAX_MEDIA_MESSAGE + 1), (VIDEO, 0xFFFFFF), (COMMAND_AMF0, MAX_OTHER_MESSAGE + 1)]
)
def test_oversized_messages_are_refused_at_their_header(type_id: int, length: int) -> None:
    header = b"\x04" + bytes(3) + length.to_bytes(3, "big") + bytes((type_id,)) + bytes(4)
    with pytest.raises(ChunkError, match=str(length)):
        read(header)


def test_unfinished_messages_have_a_common_limit() -> None:
    size = 4 * 1024 * 1024
    data = set_size(size)
    for stream in range(3, 7):
        # All but the last of two chunks: 4 MiB stay unfinished on each stream.
        data += chunk(VIDEO, bytes(size + 1), stream=stream, size=size)[: 12 + size]
    with pytest.raises(ChunkError, match="Unfinished"):
        read(data, capacity=1 << 18)


def test_the_number_of_chunk_streams_has_a_limit() -> None:
    body = chunk(AUDIO, b"x")[1:]
    data = b"".join(bytes((0, n)) + body for n in range(MAX_CHUNK_STREAMS + 1))
    with pytest.raises(ChunkError, match=str(MAX_CHUNK_STREAMS)):
        read(data)


def test_type_3_first_is_refused() -> None:
    with pytest.raises(ChunkError, match="nothing to refer to"):
        read(b"\xc5")


def test_abort_and_new_headers_drop_an_unfinished_message() -> None:
    begun = chunk(VIDEO, b"v" * 300)[:140]
    abort = chunk(2, (4).to_bytes(4, "big"), stream=2, message_stream=0)
    whole = chunk(VIDEO, b"whole", timestamp=7)
    assert read(begun + abort + whole) == [(VIDEO, 7, 1, b"whole")]
    assert read(begun + whole) == [(VIDEO, 7, 1, b"whole")]


def test_short_control_messages_are_refused() -> None:
    with pytest.raises(ChunkError, match="2 bytes"):
        read(chunk(SET_CHUNK_SIZE, b"\0\0", stream=2))


def test_empty_messages_are_messages() -> None:
    assert read(chunk(AUDIO, b"") + chunk(AUDIO, b"", header=3)) == [(AUDIO, 0, 1, b"")] * 2


MESSAGES = st.lists(
    st.tuples(
        st.sampled_from([AUDIO, VIDEO]),
        st.integers(2, 9),
        st.one_of(st.integers(0, 5000), st.integers(0xFFFFF0, 0xFFFFFFFF)),
        st.integers(0, 700),
        st.integers(0, 1),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=200, deadline=None)
@given(MESSAGES, st.integers(1, 400), st.lists(st.integers(1, 900), min_size=1, max_size=20), st.booleans())
def test_any_split_gives_the_same_messages(
    sent: list[tuple[int, int, int, int, int]], size: int, steps: list[int], repeated: bool
) -> None:
    data, expected, clocks = set_size(size), [], {}
    for type_id, stream, time, length, header in sent:
        header = header if stream in clocks else 0
        clocks[stream] = (clocks[stream] + time) % (1 << 32) if header else time
        # A payload that begins like the extended timestamp cannot be told apart; this one never does.
        payload = bytes((200 + n % 50) for n in range(length))
        data += chunk(
            type_id, payload, stream=stream, timestamp=time, size=size, header=header, repeat_extended=repeated
        )
        expected.append((type_id, clocks[stream], 1, payload))
    found: Read = []
    reader = ChunkReader(lambda t, ts, sid, view: found.append((t, ts, sid, bytes(view))), capacity=4096)
    position, turn = 0, 0
    while position < len(data):
        step = steps[turn % len(steps)]
        feed(reader, data[position : position + step])
        position, turn = position + step, turn + 1
    assert found == expected == read(data)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=4000))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    with suppress(ChunkError):
        read(data, step=333)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 300))
def test_what_is_written_is_read_again(length: int, size: int) -> None:
    writer = ChunkWriter()
    writer.chunk_size = size
    payload = bytes(n % 251 for n in range(length))
    data = set_size(size) + writer.write(Message(3, COMMAND_AMF0, 1, payload))
    assert read(data) == [(COMMAND_AMF0, 0, 1, payload)]


def test_growing_keeps_what_is_pending() -> None:
    found: list[bytes] = []
    reader = ChunkReader(lambda t, ts, sid, view: found.append(bytes(view)), capacity=4096)
    data = chunk(VIDEO, b"v" * 100)
    feed(reader, data[:50])
    reader.grow(1 << 16)
    feed(reader, data[50:])
    assert found == [b"v" * 100]
