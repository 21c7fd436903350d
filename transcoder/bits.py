"""Reads bit fields, big end first, from parameter sets and configuration records. Owns no format."""

from __future__ import annotations

from transcoder.errors import CodecError

MAX_GOLOMB_ZEROS = 32
"""An Exp-Golomb code longer than this stands for no 32-bit value (H.264 §9.1)."""


class BitReader:
    """Takes bits off the front of `data`; raises `CodecError` past its end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def read(self, count: int) -> int:
        """The next `count` bits as an unsigned number."""
        if count > self._left:
            raise CodecError(f"A parameter set ends {count - self._left} bits too early.")
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def flag(self) -> bool:
        """The next bit."""
        return self.read(1) == 1

    def golomb(self) -> int:
        """The next ue(v): an unsigned Exp-Golomb code (H.264 §9.1, H.265 §9.2)."""
        zeros = 0
        while not self.flag():
            zeros += 1
            if zeros > MAX_GOLOMB_ZEROS:
                raise CodecError(f"An Exp-Golomb code starts with more than {MAX_GOLOMB_ZEROS} zero bits.")
        return (1 << zeros) - 1 + self.read(zeros)

    def signed_golomb(self) -> int:
        """The next se(v): a signed Exp-Golomb code."""
        code = self.golomb()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def strip_emulation(nal: bytes) -> bytes:
    """A NAL unit's payload without its emulation prevention bytes (H.264 §7.4.1)."""
    return nal.replace(b"\x00\x00\x03", b"\x00\x00")
