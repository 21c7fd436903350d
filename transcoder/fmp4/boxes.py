"""Walks the boxes of an ISO base media file (ISO/IEC 14496-12 §4.2) that lies in memory.

Owns the box header: where a box begins and ends, and the refusal of sizes that cannot be. It does not know what any
box means, and builds none.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from transcoder.errors import BoxError

BOX_HEADER = 8
"""Bytes of a box header with a 32-bit size."""

LARGE_BOX_HEADER = 16
"""Bytes of a box header whose 32-bit size is 1: a 64-bit size follows the type."""

FULL_BOX_HEADER = 4
"""Bytes of version and flags that open the payload of a full box."""

_HEADER = struct.Struct(">I4s")
_LARGE_SIZE = struct.Struct(">Q")


class Box(NamedTuple):
    """A box inside a buffer: its four-character type, where its payload begins, and where the box ends."""

    type: bytes
    payload: int
    end: int


def header_at(data: bytes | bytearray, offset: int) -> Box | None:
    """Read the box header at `offset`; the box itself may end behind the buffer.

    Returns None while the header is incomplete. Raises BoxError when the size is impossible, or 0 ("box extends to
    end of file"), which a live stream cannot have.
    """
    if len(data) - offset < BOX_HEADER:
        return None
    size, kind = _HEADER.unpack_from(data, offset)
    header = BOX_HEADER
    if size == 1:
        if len(data) - offset < LARGE_BOX_HEADER:
            return None
        (size,) = _LARGE_SIZE.unpack_from(data, offset + BOX_HEADER)
        header = LARGE_BOX_HEADER
    if size < header:
        raise BoxError(f"Box {kind!r} claims a size of {size} bytes, less than its own header; the stream is damaged.")
    return Box(kind, offset + header, offset + size)


def children(data: bytes | bytearray, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes that lie between `start` and `end`, which they must fill exactly.

    Raises BoxError when one crosses `end` or is cut off.
    """
    offset = start
    while offset < end:
        box = header_at(data, offset)
        if box is None or box.end > end:
            raise BoxError(f"A box at byte {offset} does not fit its parent, which ends at {end}; the data is damaged.")
        yield box
        offset = box.end


def find(data: bytes | bytearray, start: int, end: int, *path: bytes) -> Box | None:
    """Return the first box along `path` below the range, or None when a step of it is missing. Raises BoxError."""
    found: Box | None = None
    for kind in path:
        found = next((box for box in children(data, start, end) if box.type == kind), None)
        if found is None:
            return None
        start, end = found.payload, found.end
    return found
