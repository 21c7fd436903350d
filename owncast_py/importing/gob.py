"""Reads one value that Go's encoding/gob wrote, which is how Owncast keeps its settings.

Owns the format, as the documentation of encoding/gob gives it: a stream of messages, each a length and a type's number.
A negative number defines a type, a positive one is followed by a value. Values become Python's:

    bool, int, uint, float, string, []byte    bool, int, int, float, str, bytes
    slice, array                              list
    map                                       dict
    struct                                    dict by the fields' names; a field that is zero is not in it
    what encodes itself (time.Time)           bytes

Complex numbers and interfaces occur in no setting and are refused. Input is hostile: every element costs an octet of
it, so a value is never larger than what it was read from, times a constant.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from owncast_py.importing.errors import GobError

MAX_OCTETS = 4 << 20
"""Of one value. The largest setting is a page of text."""
MAX_DEPTH = 20
MAX_TYPES = 200

_FIRST_OWN = 64
"""Numbers of types below are the format's own."""

Value = bool | int | float | str | bytes | list["Value"] | dict["Value", "Value"]


@dataclass(frozen=True, slots=True)
class _Array:
    element: int
    length: int


@dataclass(frozen=True, slots=True)
class _Slice:
    element: int


@dataclass(frozen=True, slots=True)
class _Map:
    key: int
    element: int


@dataclass(frozen=True, slots=True)
class _Struct:
    fields: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class _Opaque:
    """It encodes itself: octets that only its own type understands."""


_Type = _Array | _Slice | _Map | _Struct | _Opaque


def decode(data: bytes) -> Value:
    """The value in `data`. Raises GobError."""
    if len(data) > MAX_OCTETS:
        raise GobError(f"A value has {len(data)} octets; no setting has more than {MAX_OCTETS}.")
    types: dict[int, _Type] = {}
    reader = _Reader(data, types)
    while True:
        message = _Reader(reader.take(reader.unsigned()), types)
        number = message.signed()
        if number < 0:
            if len(types) >= MAX_TYPES:
                raise GobError(f"A value defines more than {MAX_TYPES} types; no setting does.")
            if -number < _FIRST_OWN or -number in types:
                raise GobError(f"A type has the number {-number}, which is taken.")
            types[-number] = message.definition()
            message.end()
            continue
        if not isinstance(types.get(number), _Struct) and message.octet() != 0:
            raise GobError("A value that is no struct does not begin with a zero.")
        value = message.value(number, 0)
        message.end()
        reader.end()
        return value


class _Reader:
    """A place in some octets. Every method raises GobError where the octets end too early."""

    def __init__(self, data: bytes, types: dict[int, _Type]) -> None:
        self._data = data
        self._types = types
        self._at = 0

    def octet(self) -> int:
        return self.take(1)[0]

    def take(self, count: int) -> bytes:
        if count > len(self._data) - self._at:
            raise GobError(f"A value ends after {len(self._data)} octets, in the middle of something.")
        self._at += count
        return self._data[self._at - count : self._at]

    def end(self) -> None:
        if self._at != len(self._data):
            raise GobError(f"{len(self._data) - self._at} octets follow where a value should end.")

    def unsigned(self) -> int:
        first = self.octet()
        if first < 128:
            return first
        if (count := 256 - first) > 8:
            raise GobError(f"A number has {count} octets; none has more than 8.")
        return int.from_bytes(self.take(count), "big")

    def signed(self) -> int:
        number = self.unsigned()
        return ~(number >> 1) if number & 1 else number >> 1

    def text(self) -> str:
        return self.take(self.unsigned()).decode("utf-8", "replace")

    def value(self, number: int, depth: int) -> Value:
        """A value of the type with that number."""
        if depth > MAX_DEPTH:
            raise GobError(f"A value has more than {MAX_DEPTH} levels; no setting has.")
        match self._types.get(number, number):
            case 1:
                return self.unsigned() != 0
            case 2:
                return self.signed()
            case 3:
                return self.unsigned()
            case 4:
                # Its octets come in reverse, so that the zeros of usual numbers need not be written.
                return float(struct.unpack("<d", self.unsigned().to_bytes(8, "big"))[0])
            case 5 | _Opaque():
                return self.take(self.unsigned())
            case 6:
                return self.text()
            case _Array(element, length):
                if self._count() != length:
                    raise GobError(f"An array of {length} elements has another number of them.")
                return [self.value(element, depth + 1) for _ in range(length)]
            case _Slice(element):
                return [self.value(element, depth + 1) for _ in range(self._count())]
            case _Map(key, element):
                return {self._key(key, depth): self.value(element, depth + 1) for _ in range(self._count())}
            case _Struct(fields):
                return {fields[at][0]: self.value(fields[at][1], depth + 1) for at in self._fields(len(fields))}
        raise GobError(f"A value is of the type {number}, which is not defined, or occurs in no setting.")

    def definition(self) -> _Type:
        """A type: a struct with one field, which says the kind."""
        kinds = [self._kind(kind) for kind in self._fields(7)]
        if len(kinds) != 1:
            raise GobError("A type is of several kinds, or of none.")
        return kinds[0]

    def _kind(self, kind: int) -> _Type:
        if kind == 0:
            found = self._numbers(3)
            return _Array(found[1], found[2])
        if kind == 1:
            return _Slice(self._numbers(2)[1])
        if kind == 2:
            fields: tuple[tuple[str, int], ...] = ()
            for at in self._fields(2):
                if at == 0:
                    self._common()
                else:
                    fields = tuple(self._field() for _ in range(self._count()))
            return _Struct(fields)
        if kind == 3:
            found = self._numbers(3)
            return _Map(found[1], found[2])
        self._numbers(1)
        return _Opaque()

    def _numbers(self, count: int) -> list[int]:
        """A struct of what all types have, then numbers."""
        found = [0] * count
        for at in self._fields(count):
            if at == 0:
                self._common()
            else:
                found[at] = self.signed()
        return found

    def _common(self) -> None:
        for at in self._fields(2):
            if at == 0:
                self.text()
            else:
                self.signed()

    def _field(self) -> tuple[str, int]:
        name, number = "", 0
        for at in self._fields(2):
            if at == 0:
                name = self.text()
            else:
                number = self.signed()
        return name, number

    def _fields(self, count: int) -> Iterator[int]:
        """The places of those fields of a struct that are there. Whoever iterates reads each field's value."""
        at = -1
        while step := self.unsigned():
            at += step
            if at >= count:
                raise GobError(f"A struct of {count} fields has one of the number {at}.")
            yield at

    def _count(self) -> int:
        """How many elements follow. Each has an octet at least."""
        count = self.unsigned()
        if count > len(self._data) - self._at:
            raise GobError(f"A value should have {count} elements, but ends before that.")
        return count

    def _key(self, number: int, depth: int) -> Value:
        key = self.value(number, depth + 1)
        if isinstance(key, list | dict):
            raise GobError("A map has keys that are lists or maps; no setting does.")
        return key
