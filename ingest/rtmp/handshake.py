"""The RTMP handshake, server side (RTMP 1.0, 5.2): C0 C1 in, S0 S1 S2 out, C2 in. Sans-I/O.

Only the plain handshake. Encoders that begin the digest variant (a version in the second field of C1) accept the
plain answer; the content of C2 says nothing that a server needs, so it is only counted.
"""

from __future__ import annotations

from typing import Final

from ingest.errors import HandshakeError

VERSION: Final = 3
PACKET_SIZE: Final = 1536
"""Bytes of C1, C2, S1 and S2."""


class Handshake:
    """One handshake. `random` gives the 1528 bytes that S1 fills its packet with."""

    __slots__ = ("_greeted", "_random", "_remaining", "complete")

    def __init__(self, random: bytes) -> None:
        if len(random) != PACKET_SIZE - 8:
            raise ValueError(f"S1 needs {PACKET_SIZE - 8} random bytes, not {len(random)}.")
        self._random = random
        self._greeted = False
        self._remaining = PACKET_SIZE
        self.complete = False

    def receive(self, data: memoryview) -> tuple[int, bytes]:
        """Takes what has arrived; returns how many bytes of it were consumed and what to send.

        Raises `HandshakeError` when the first byte is not version 3.
        """
        if self.complete or not data:
            return 0, b""
        answer = b""
        consumed = 0
        if not self._greeted:
            if data[0] != VERSION:
                raise HandshakeError(_not_rtmp(data[0]))
            if len(data) < 1 + PACKET_SIZE:
                return 0, b""
            self._greeted = True
            consumed = 1 + PACKET_SIZE
            # S1 has time 0 and four zero bytes; S2 returns C1's time and random data, with our own time 0 between.
            client = bytes(data[1:consumed])
            answer = bytes([VERSION]) + bytes(8) + self._random + client[:4] + bytes(4) + client[8:]
        taken = min(self._remaining, len(data) - consumed)
        self._remaining -= taken
        self.complete = self._remaining == 0
        return consumed + taken, answer


def _not_rtmp(first: int) -> str:
    if first == 0x16:
        return "The peer speaks TLS on the port for plain RTMP. Use rtmp:// here, or rtmps:// with the RTMPS port."
    if 0x41 <= first <= 0x5A:
        return "The peer speaks HTTP or another text protocol on the RTMP port. Use an rtmp:// address in an encoder."
    if first in (6, 8):
        return f"The peer asks for encrypted RTMPE (version {first}), which is not offered. Use rtmp:// or rtmps://."
    return f"The peer began with byte {first:#04x} instead of RTMP's version {VERSION}. Use an RTMP encoder."
