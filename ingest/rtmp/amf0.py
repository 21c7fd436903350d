"""AMF0, the encoding of RTMP's commands and metadata (Action Message Format, AMF 0, December 2007). Sans-I/O.

Owns decoding and encoding with limits on depth and number of elements. Not offered: references and AMF3 values behind
the avmplus marker; no encoder sends either, and both are refused with a sentence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from struct import Struct
from typing import Final, TypeAlias

from ingest.errors import AmfError

MAX_DEPTH: Final = 16
"""Objects and arrays inside one another."""

MAX_ELEMENTS: Final = 4096
"""Values in one message, all levels together."""

AmfValue: TypeAlias = "bool | float | str | Date | list[AmfValue] | dict[str, AmfValue] | None"
"""Undefined and null are None, numbers are floats, objects and ECMA arrays are dicts, XML is its text."""


@dataclass(frozen=True, slots=True)
class Date:
    """A point in time, in ms since 1970, UTC."""

    milliseconds: float


_NUMBER: Final = 0x00
_BOOLEAN: Final = 0x01
_STRING: Final = 0x02
_OBJECT: Final = 0x03
_NULL: Final = 0x05
_UNDEFINED: Final = 0x06
_ECMA_ARRAY: Final = 0x08
_OBJECT_END: Final = 0x09
_STRICT_ARRAY: Final = 0x0A
_DATE: Final = 0x0B
_LONG_STRING: Final = 0x0C
_UNSUPPORTED: Final = 0x0D
_XML_DOCUMENT: Final = 0x0F
_TYPED_OBJECT: Final = 0x10
_REFUSED: Final = {0x04: "movie clip", 0x07: "reference", 0x0E: "record set", 0x11: "AMF3 value"}

_DOUBLE: Final = Struct(">d")
_U16: Final = Struct(">H")
_U32: Final = Struct(">I")


def decode(data: bytes) -> list[AmfValue]:
    """All values of a message body. Raises `AmfError` for anything that is not AMF0 or beyond the limits."""
    decoder = _Decoder(data)
    values: list[AmfValue] = []
    while decoder.position < len(data):
        values.append(decoder.value(0))
    return values


def encode(*values: AmfValue) -> bytes:
    """The values one after another. Lists become strict arrays, dicts become objects."""
    out = bytearray()
    for value in values:
        _write(out, value)
    return bytes(out)


class _Decoder:
    __slots__ = ("_data", "_elements", "position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._elements = 0
        self.position = 0

    def value(self, depth: int) -> AmfValue:
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise AmfError(f"An AMF message holds more than {MAX_ELEMENTS} values. Send less metadata.")
        marker = self._take(1)[0]
        if marker == _NUMBER:
            return self._double()
        if marker == _BOOLEAN:
            return self._take(1)[0] != 0
        if marker == _STRING:
            return self._short_string()
        if marker in (_NULL, _UNDEFINED, _UNSUPPORTED):
            return None
        if marker in (_LONG_STRING, _XML_DOCUMENT):
            return self._text(self._count())
        if marker == _DATE:
            milliseconds = self._double()
            self._take(2)  # "reserved, not supported, should be set to 0x0000": the time zone
            return Date(milliseconds)
        if marker in (_OBJECT, _ECMA_ARRAY, _TYPED_OBJECT, _STRICT_ARRAY):
            if depth == MAX_DEPTH:
                raise AmfError(f"An AMF message nests more than {MAX_DEPTH} levels deep. Send simpler metadata.")
            if marker == _STRICT_ARRAY:
                return self._strict_array(depth)
            if marker == _ECMA_ARRAY:
                self._count()  # A hint that encoders get wrong; the end marker decides.
            elif marker == _TYPED_OBJECT:
                self._short_string()
            return self._properties(depth)
        kind = _REFUSED.get(marker, "value of unknown type")
        raise AmfError(f"An AMF message holds a {kind} (marker {marker:#04x}). Set the encoder to AMF0.")

    def _strict_array(self, depth: int) -> list[AmfValue]:
        count = self._count()
        if count > MAX_ELEMENTS:
            raise AmfError(f"An AMF array claims {count} values, more than {MAX_ELEMENTS}. Send less metadata.")
        return [self.value(depth + 1) for _ in range(count)]

    def _properties(self, depth: int) -> dict[str, AmfValue]:
        properties: dict[str, AmfValue] = {}
        while True:
            name = self._short_string()
            if not name:
                if self._take(1)[0] == _OBJECT_END:
                    return properties
                self.position -= 1  # An empty name is a name like any other when a value follows.
            properties[name] = self.value(depth + 1)

    def _take(self, count: int) -> bytes:
        start = self.position
        taken = self._data[start : start + count]
        if len(taken) < count:
            raise AmfError(f"An AMF value needs {count} bytes where {len(taken)} are left. Restart the encoder.")
        self.position = start + count
        return taken

    def _count(self) -> int:
        count: int = _U32.unpack(self._take(4))[0]
        return count

    def _double(self) -> float:
        number: float = _DOUBLE.unpack(self._take(8))[0]
        return number

    def _short_string(self) -> str:
        return self._text(_U16.unpack(self._take(2))[0])

    def _text(self, length: int) -> str:
        return self._take(length).decode("utf-8", "replace")


def _write(out: bytearray, value: AmfValue) -> None:
    if value is None:
        out.append(_NULL)
    elif isinstance(value, bool):
        out += bytes((_BOOLEAN, value))
    elif isinstance(value, float | int):
        out.append(_NUMBER)
        out += _DOUBLE.pack(value)
    elif isinstance(value, str):
        text = value.encode("utf-8", "replace")
        if len(text) > 0xFFFF:
            out.append(_LONG_STRING)
            out += _U32.pack(len(text))
        else:
            out.append(_STRING)
            out += _U16.pack(len(text))
        out += text
    elif isinstance(value, Date):
        out.append(_DATE)
        out += _DOUBLE.pack(value.milliseconds) + bytes(2)
    elif isinstance(value, list):
        out.append(_STRICT_ARRAY)
        out += _U32.pack(len(value))
        for item in value:
            _write(out, item)
    else:
        out.append(_OBJECT)
        for name, item in value.items():
            text = name.encode("utf-8", "replace")
            if len(text) > 0xFFFF:
                raise AmfError(f"A property name of {len(text)} bytes does not fit AMF0. Use a shorter one.")
            out += _U16.pack(len(text)) + text
            _write(out, item)
        out += bytes((0, 0, _OBJECT_END))


def finite(value: AmfValue) -> float | None:
    """The value as a number that can be reckoned with, or None: NaN and infinities come off the wire too."""
    return value if isinstance(value, float) and math.isfinite(value) else None
