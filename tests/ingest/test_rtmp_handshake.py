"""The handshake: the answer's layout, any split, and what is said to those who speak something else."""

from __future__ import annotations

import pytest

from ingest.errors import HandshakeError
from ingest.rtmp.handshake import PACKET_SIZE, Handshake

RANDOM = bytes(range(256)) * 5 + bytes(range(248))
C1 = b"\x00\x01\x02\x03" + b"\x80\x00\x07\x02" + bytes(reversed(RANDOM))
C2 = b"\x5a" * PACKET_SIZE


def test_the_answer_returns_the_clients_packet() -> None:
    handshake = Handshake(RANDOM)
    consumed, answer = handshake.receive(memoryview(b"\x03" + C1))
    assert consumed == 1 + PACKET_SIZE
    assert answer[0] == 3
    assert answer[1:9] == bytes(8)
    assert answer[9 : 1 + PACKET_SIZE] == RANDOM
    assert answer[1 + PACKET_SIZE :] == C1[:4] + bytes(4) + C1[8:]
    assert not handshake.complete


@pytest.mark.parametrize("step", [1, 7, 1536, 1537, 5000])
def test_any_split_completes_and_leaves_what_follows(step: int) -> None:
    handshake = Handshake(RANDOM)
    data = b"\x03" + C1 + C2 + b"chunks"
    pending, answers = b"", b""
    for position in range(0, len(data), step):
        pending += data[position : position + step]
        consumed, answer = handshake.receive(memoryview(pending))
        pending, answers = pending[consumed:], answers + answer
    assert handshake.complete
    assert len(answers) == 1 + 2 * PACKET_SIZE
    assert pending == b"chunks"


@pytest.mark.parametrize(
    ("first", "sentence"),
    [(b"GET / HTTP/1.1", "HTTP"), (b"\x16\x03\x01", "TLS"), (b"\x06", "RTMPE"), (b"\x00", "0x00")],
)
def test_other_protocols_are_told_apart_at_the_first_byte(first: bytes, sentence: str) -> None:
    with pytest.raises(HandshakeError, match=sentence):
        Handshake(RANDOM).receive(memoryview(first))


def test_the_random_part_must_fill_its_packet() -> None:
    with pytest.raises(ValueError, match="1528"):
        Handshake(b"short")
