"""RTMP messages: types, the control messages a server sends, commands (RTMP 1.0, 5.4, 6.2, 7). Sans-I/O.

Owns the shape of payloads, not when they are sent (`session`) nor how they are cut into chunks (`chunks`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final, NamedTuple

from ingest.errors import AmfError
from ingest.rtmp.amf0 import AmfValue, decode, encode, finite

SET_CHUNK_SIZE: Final = 1
ABORT: Final = 2
ACKNOWLEDGEMENT: Final = 3
USER_CONTROL: Final = 4
WINDOW_ACK_SIZE: Final = 5
SET_PEER_BANDWIDTH: Final = 6
AUDIO: Final = 8
VIDEO: Final = 9
DATA_AMF3: Final = 15
COMMAND_AMF3: Final = 17
DATA_AMF0: Final = 18
COMMAND_AMF0: Final = 20
AGGREGATE: Final = 22

STREAM_BEGIN: Final = 0
PING_REQUEST: Final = 6
PING_RESPONSE: Final = 7

CONTROL_CHUNK_STREAM: Final = 2
"""RTMP 5.4: control messages "MUST have message stream ID 0 […] and be sent in chunk stream ID 2"."""
COMMAND_CHUNK_STREAM: Final = 3

_U32: Final = Struct(">I")
_PEER_BANDWIDTH: Final = Struct(">IB")
_USER_CONTROL: Final = Struct(">HI")
_DYNAMIC_LIMIT: Final = 2


class Message(NamedTuple):
    """A message to send."""

    chunk_stream: int
    type_id: int
    stream_id: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Command:
    """A command as received: name, transaction id (0 when absent), and everything after these."""

    name: str
    transaction: float
    arguments: Sequence[AmfValue]
    """The command object first, which is None for most commands."""

    def argument(self, index: int) -> AmfValue:
        """The argument, or None when the encoder sent fewer."""
        return self.arguments[index] if index < len(self.arguments) else None


def read_command(type_id: int, payload: bytes) -> Command:
    """Decodes a command of either type. Raises `AmfError`."""
    values = _values(type_id == COMMAND_AMF3, payload)
    name = values[0] if values else None
    if not isinstance(name, str):
        raise AmfError(f"A command message of {len(payload)} bytes has no name. Use an RTMP encoder.")
    transaction = finite(values[1]) if len(values) > 1 else None
    return Command(name, transaction or 0.0, values[2:])


def read_metadata(type_id: int, payload: bytes) -> dict[str, AmfValue] | None:
    """The properties of `onMetaData`, sent bare or behind `@setDataFrame`; None for any other data message.

    Raises `AmfError`.
    """
    values = _values(type_id == DATA_AMF3, payload)
    if values and values[0] == "@setDataFrame":
        values = values[1:]
    if len(values) < 2 or values[0] != "onMetaData":
        return None
    properties = values[1]
    return properties if isinstance(properties, dict) else None


def set_chunk_size(size: int) -> Message:
    """Announces the size of the chunks that follow."""
    return Message(CONTROL_CHUNK_STREAM, SET_CHUNK_SIZE, 0, _U32.pack(size))


def acknowledgement(received: int) -> Message:
    """Tells how many bytes have arrived; the field has 32 bits and wraps."""
    return Message(CONTROL_CHUNK_STREAM, ACKNOWLEDGEMENT, 0, _U32.pack(received & 0xFFFFFFFF))


def window_ack_size(size: int) -> Message:
    """Asks for an acknowledgement every `size` bytes of ours."""
    return Message(CONTROL_CHUNK_STREAM, WINDOW_ACK_SIZE, 0, _U32.pack(size))


def set_peer_bandwidth(size: int) -> Message:
    """Tells the encoder how much it may have unacknowledged."""
    return Message(CONTROL_CHUNK_STREAM, SET_PEER_BANDWIDTH, 0, _PEER_BANDWIDTH.pack(size, _DYNAMIC_LIMIT))


def user_control(event: int, value: int) -> Message:
    """Stream Begin, Ping Response and their like."""
    return Message(CONTROL_CHUNK_STREAM, USER_CONTROL, 0, _USER_CONTROL.pack(event, value))


def command(name: str, transaction: float, *arguments: AmfValue, stream_id: int = 0) -> Message:
    """A command or the answer to one."""
    return Message(COMMAND_CHUNK_STREAM, COMMAND_AMF0, stream_id, encode(name, transaction, *arguments))


def on_status(level: str, code: str, description: str, *, stream_id: int) -> Message:
    """What became of a request on a stream."""
    info: dict[str, AmfValue] = {"level": level, "code": code, "description": description}
    return command("onStatus", 0.0, None, info, stream_id=stream_id)


def _values(amf3: bool, payload: bytes) -> list[AmfValue]:
    """Enhanced RTMP: types 15 and 17 start "with a format selector byte. Currently, only format 0 is defined"."""
    if amf3:
        if payload[:1] != b"\0":
            raise AmfError(f"A message of {len(payload)} bytes has no AMF0 format byte. Set the encoder to AMF0.")
        payload = payload[1:]
    return decode(payload)
