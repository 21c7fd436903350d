"""RTMP's chunk stream (RTMP 1.0, 5.3): bytes to messages and back. Sans-I/O.

Owns the receive buffer, the headers of types 0 to 3 with extended timestamps, reassembly of interleaved messages, and
the two control messages that change how bytes are read: Set Chunk Size and Abort. It knows no other payload.

The reader parses in place. A message that lies in one chunk is delivered as a view of the receive buffer, so its
receiver makes the only copy. Nothing is stored until a header has passed its limits.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Final, TypeAlias

from ingest.errors import ChunkError
from ingest.rtmp.messages import ABORT, AGGREGATE, AUDIO, SET_CHUNK_SIZE, VIDEO, Message

DEFAULT_CHUNK_SIZE: Final = 128
"""RTMP 5.4.1: "The maximum chunk size defaults to 128 bytes"."""
MAX_CHUNK_SIZE: Final = 0x7FFFFFFF
"""RTMP 5.4.1: the first bit of the size must be zero."""
MAX_CHUNK_STREAMS: Final = 64
"""Chunk streams of one connection; encoders use at most eight."""
MAX_MEDIA_MESSAGE: Final = 8 * 1024 * 1024
"""Bytes of one audio or video message: one frame of 8 MiB is beyond every level of every codec in use."""
MAX_OTHER_MESSAGE: Final = 64 * 1024
"""Bytes of one command, data or control message."""
MAX_PARTIAL: Final = 12 * 1024 * 1024
"""Bytes of unfinished messages over all chunk streams of a connection."""

Deliver: TypeAlias = Callable[[int, int, int, memoryview], None]
"""Takes type id, timestamp in ms (32 bits), message stream id and payload; the view is valid during the call only."""

_EXTENDED: Final = 0xFFFFFF
_TWO_WORDS: Final = Struct(">II")
_U32: Final = Struct(">I")
_U32_LITTLE: Final = Struct("<I")


class _ChunkStream:
    """The state that headers of types 1 to 3 refer to, and the message in progress."""

    __slots__ = ("delta", "extended", "length", "message_stream", "partial", "timestamp", "type_id")

    def __init__(self) -> None:
        self.timestamp = 0
        self.delta = 0
        self.extended: bytes | None = None
        """The four bytes of the last extended timestamp field, as long as the stream's headers use one."""
        self.length = 0
        self.type_id = 0
        self.message_stream = 0
        self.partial = bytearray()


class ChunkReader:
    """Reads chunks out of a buffer that a transport fills: `get_buffer`, write into it, `received`.

    `received` delivers every complete message in order and raises `ChunkError` for what cannot be accepted, after
    which the reader must not be used.
    """

    __slots__ = (
        "_buffer",
        "_chunk_size",
        "_deliver",
        "_end",
        "_open",
        "_open_left",
        "_partial_bytes",
        "_start",
        "_streams",
        "_view",
        "media_limit",
    )

    def __init__(self, deliver: Deliver, *, capacity: int, media_limit: int = MAX_MEDIA_MESSAGE) -> None:
        self._deliver = deliver
        self._buffer = bytearray(capacity)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0
        self._chunk_size = DEFAULT_CHUNK_SIZE
        self.media_limit = media_limit
        """Bytes that an audio or video message may have."""
        self._streams: dict[int, _ChunkStream] = {}
        self._partial_bytes = 0
        # A chunk too large to wait for is taken as it comes: the stream it belongs to and how much is missing.
        self._open: _ChunkStream | None = None
        self._open_left = 0

    def get_buffer(self) -> memoryview:
        """The free part of the buffer, never empty: at least a quarter of the capacity."""
        capacity = len(self._buffer)
        if capacity - self._end < capacity >> 2:
            # What is left is less than half, since longer chunks are taken piecemeal.
            left = self._end - self._start
            self._view[:left] = self._view[self._start : self._end]
            self._start, self._end = 0, left
        return self._view[self._end :]

    def pending(self, count: int = 0) -> memoryview:
        """What arrived and was not consumed, after `count` new bytes: what comes before the first chunk."""
        self._end += count
        return self._view[self._start : self._end]

    def skip(self, count: int) -> None:
        """Consumes pending bytes that are not chunks: the handshake."""
        self._start += count

    def discard(self) -> None:
        """Forgets what arrived, so that the buffer can take, unread, what a dropped encoder still sends."""
        self._start = self._end = 0

    def grow(self, capacity: int) -> None:
        """Gives an accepted publisher a larger buffer. Not to be called while delivering."""
        left = bytes(self.pending())
        self._buffer = bytearray(capacity)
        self._view = memoryview(self._buffer)
        self._buffer[: len(left)] = left
        self._start, self._end = 0, len(left)

    def received(self, count: int) -> None:
        """Reads what `count` new bytes in the buffer complete."""
        self._end = end = self._end + count
        buffer, view, streams, deliver = self._buffer, self._view, self._streams, self._deliver
        position = self._start
        patience = len(buffer) >> 1
        if self._open is not None:
            position = self._continue_open(position, end)
        while position < end and self._open is None:
            first = buffer[position]
            cursor = position + 1
            chunk_stream = first & 0x3F
            if chunk_stream < 2:
                # RTMP 5.3.1.1: ids 64 to 319 take a second byte, ids up to 65599 a third, least significant first.
                if end - cursor <= chunk_stream:
                    break
                wide = chunk_stream
                chunk_stream = buffer[cursor] + 64
                if wide:
                    chunk_stream += buffer[cursor + 1] << 8
                cursor += 1 + wide
            header_type = first >> 6
            stream = streams.get(chunk_stream)
            if stream is None:
                stream = self._new_stream(chunk_stream, header_type)
            extended = stream.extended
            if header_type < 2:
                if end - cursor < 11 - 4 * header_type:
                    break
                word, second = _TWO_WORDS.unpack_from(buffer, cursor - 1)
                field = word & 0xFFFFFF
                length = second >> 8
                type_id = second & 0xFF
                if header_type:
                    message_stream = stream.message_stream
                    cursor += 7
                else:
                    message_stream = _U32_LITTLE.unpack_from(buffer, cursor + 7)[0]
                    cursor += 11
            else:
                length, type_id, message_stream = stream.length, stream.type_id, stream.message_stream
                field = 0
                if header_type == 2:
                    if end - cursor < 3:
                        break
                    field = _U32.unpack_from(buffer, cursor - 1)[0] & 0xFFFFFF
                    cursor += 3
            if header_type < 3:
                if field == _EXTENDED:
                    if end - cursor < 4:
                        break
                    extended = bytes(view[cursor : cursor + 4])
                    field = _U32.unpack(extended)[0]
                    cursor += 4
                else:
                    extended = None
            elif extended is not None:
                # RTMP 5.3.1.3 repeats the field in type 3 chunks; some encoders do not. Its value tells.
                repeated = bytes(view[cursor : min(cursor + 4, end)])
                if repeated == extended:
                    cursor += 4
                elif len(repeated) < 4 and extended.startswith(repeated):
                    break
            if length > MAX_OTHER_MESSAGE:
                self._check_length(type_id, length)
            partial = stream.partial
            if header_type < 3 and partial:
                # A new header amid a message: the encoder gave that message up.
                self._partial_bytes -= len(partial)
                partial.clear()
            needed = length - len(partial)
            if needed > self._chunk_size:
                needed = self._chunk_size
            available = end - cursor
            if needed > available and needed <= patience:
                break

            # From here on the chunk is taken, so the state may change.
            if not partial:
                if header_type == 0:
                    stream.timestamp = field
                    # RTMP 5.3.1.2.4: a type 3 chunk after a type 0 has "the same" delta "as the timestamp" of it.
                    stream.delta = field
                else:
                    if header_type != 3:
                        stream.delta = field
                    stream.timestamp = (stream.timestamp + stream.delta) & 0xFFFFFFFF
                stream.extended = extended
                stream.length = length
                stream.type_id = type_id
                stream.message_stream = message_stream
                if needed == length <= available:
                    position = cursor + length
                    if type_id <= ABORT:
                        self._control(type_id, view[cursor:position])
                    else:
                        deliver(type_id, stream.timestamp, message_stream, view[cursor:position])
                    continue
            if needed > available:
                self._open, self._open_left = stream, needed - available
                needed = available
            position = cursor + needed
            self._append(stream, view[cursor:position])
            if stream.partial and extended is None and first & 0x3F > 1:
                position = self._append_run(stream, 0xC0 | first, position, end)
        if position == end:
            self._start = self._end = 0
        else:
            self._start = position

    def _continue_open(self, position: int, end: int) -> int:
        stream = self._open
        assert stream is not None  # noqa: S101 - the caller looked
        taken = min(self._open_left, end - position)
        self._open_left -= taken
        if not self._open_left:
            self._open = None
        self._append(stream, self._view[position : position + taken])
        return position + taken

    def _append_run(self, stream: _ChunkStream, header: int, position: int, end: int) -> int:
        """The short way for whole type 3 chunks that follow one another: all but the last of a message."""
        buffer, view, partial, size = self._buffer, self._view, stream.partial, self._chunk_size
        before = len(partial)
        missing = stream.length - before
        while missing > size and end - position > size and buffer[position] == header:
            partial += view[position + 1 : position + 1 + size]
            position += 1 + size
            missing -= size
        self._count_partial(len(partial) - before)
        return position

    def _count_partial(self, count: int) -> None:
        self._partial_bytes += count
        if self._partial_bytes > MAX_PARTIAL:
            raise ChunkError(
                f"Unfinished messages hold more than {MAX_PARTIAL} bytes. The encoder must finish one before the next."
            )

    def _append(self, stream: _ChunkStream, piece: memoryview) -> None:
        """Adds to a message in progress and delivers it when it is whole."""
        self._count_partial(len(piece))
        stream.partial += piece
        if len(stream.partial) < stream.length:
            return
        message, stream.partial = stream.partial, bytearray()
        self._partial_bytes -= len(message)
        if stream.type_id <= ABORT:
            self._control(stream.type_id, memoryview(message))
        else:
            self._deliver(stream.type_id, stream.timestamp, stream.message_stream, memoryview(message))

    def _new_stream(self, chunk_stream: int, header_type: int) -> _ChunkStream:
        if header_type == 3:
            raise ChunkError(
                f"Chunk stream {chunk_stream} begins with a type 3 header, which has nothing to refer to. "
                "Restart the encoder."
            )
        if len(self._streams) == MAX_CHUNK_STREAMS:
            raise ChunkError(f"The encoder opened more than {MAX_CHUNK_STREAMS} chunk streams. Use an RTMP encoder.")
        stream = self._streams[chunk_stream] = _ChunkStream()
        return stream

    def _check_length(self, type_id: int, length: int) -> None:
        limit = self.media_limit if type_id in (AUDIO, VIDEO, AGGREGATE) else MAX_OTHER_MESSAGE
        if length > limit:
            raise ChunkError(
                f"A message of type {type_id} claims {length} bytes; {limit} are accepted here. Lower the bit rate."
            )

    def _control(self, type_id: int, payload: memoryview) -> None:
        if len(payload) < 4:
            raise ChunkError(f"A control message of type {type_id} has {len(payload)} bytes instead of 4.")
        value: int = _U32.unpack_from(payload)[0]
        if type_id == SET_CHUNK_SIZE:
            if not 0 < value <= MAX_CHUNK_SIZE:
                raise ChunkError(f"A chunk size of {value} is outside 1 to {MAX_CHUNK_SIZE}. Use 4096.")
            self._chunk_size = value
        elif type_id == ABORT and (stream := self._streams.get(value)) is not None:
            self._partial_bytes -= len(stream.partial)
            stream.partial.clear()


class ChunkWriter:
    """Cuts outgoing messages into chunks; always writes type 0 headers, since a server says little."""

    __slots__ = ("chunk_size",)

    def __init__(self) -> None:
        self.chunk_size = DEFAULT_CHUNK_SIZE
        """To be raised after `Set Chunk Size` was written."""

    def write(self, message: Message) -> bytes:
        """The bytes of a message with timestamp 0."""
        payload = message.payload
        out = bytearray((message.chunk_stream,))
        out += bytes(3) + len(payload).to_bytes(3, "big") + bytes((message.type_id,))
        out += _U32_LITTLE.pack(message.stream_id)
        for position in range(0, len(payload), self.chunk_size):
            if position:
                out.append(0xC0 | message.chunk_stream)
            out += payload[position : position + self.chunk_size]
        return bytes(out)
