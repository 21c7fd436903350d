"""AMF0: every type of the specification, limits, and nothing but AmfError for any bytes."""

from __future__ import annotations

import math
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import AmfError
from ingest.rtmp.amf0 import MAX_DEPTH, MAX_ELEMENTS, AmfValue, Date, decode, encode, finite

VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20) | st.builds(Date, st.floats(0, 1e12)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(VALUES, max_size=5))
def test_what_is_encoded_is_decoded_again(values: list[AmfValue]) -> None:
    assert decode(encode(*values)) == values


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        ("00 3ff0000000000000", 1.0),
        ("01 01", True),
        ("02 0003 616263", "abc"),
        ("0c 00000003 616263", "abc"),
        ("0f 00000004 3c612f3e", "<a/>"),
        ("05", None),
        ("06", None),
        ("0d", None),
        ("0b 4270000000000000 003c", Date(1099511627776.0)),
        ("0a 00000002 05 0101", [None, True]),
        ("03 0001 61 0101 0000 09", {"a": True}),
        ("08 00000063 0001 61 0101 0000 09", {"a": True}),
        ("10 0004 4e616d65 0001 61 0101 0000 09", {"a": True}),
        ("03 0000 0101 0000 09", {"": True}),
        ("02 0002 c328", "\ufffd("),
    ],
)
def test_types_on_the_wire(wire: str, value: AmfValue) -> None:
    data = bytes.fromhex(wire.replace(" ", ""))
    assert decode(data) == [value]
    for cut in range(1, len(data)):
        with pytest.raises(AmfError):
            decode(data[:cut])


def test_long_strings_take_a_32_bit_length() -> None:
    text = "x" * 70_000
    assert encode(text)[0] == 0x0C
    assert decode(encode(text)) == [text]


@pytest.mark.parametrize(
    ("marker", "name"), [(0x04, "movie clip"), (0x07, "reference"), (0x11, "AMF3"), (0x42, "0x42")]
)
def test_types_not_offered_are_named(marker: int, name: str) -> None:
    with pytest.raises(AmfError, match=name):
        decode(bytes((marker, 0, 0, 0)))


def test_nesting_has_a_limit() -> None:
    nested = b"\x0a\x00\x00\x00\x01" * MAX_DEPTH
    assert decode(nested + b"\x05")
    for opening in (b"\x0a\x00\x00\x00\x01", b"\x03\x00\x01a", b"\x08\x00\x00\x00\x00\x00\x01a"):
        with pytest.raises(AmfError, match=f"{MAX_DEPTH} levels"):
            decode(opening * 1000)


def test_the_number_of_values_has_a_limit() -> None:
    with pytest.raises(AmfError, match=str(MAX_ELEMENTS)):
        decode(b"\x05" * (MAX_ELEMENTS + 1))
    with pytest.raises(AmfError, match="4294967295"):
        decode(b"\x0a\xff\xff\xff\xff")


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=200)
    | st.lists(st.sampled_from([b"\x03\0\1a", b"\x0a\0\0\0\2", b"\x08", b"\x00", b"\x09"])).map(b"".join)
)
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    with suppress(AmfError):
        decode(data)


def test_numbers_that_cannot_be_reckoned_with() -> None:
    assert finite(2.5) == 2.5
    assert finite(math.nan) is None
    assert finite(math.inf) is None
    assert finite("2.5") is None
