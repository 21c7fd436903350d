"""JSON, MessagePack, JSONP, HTML and forms: what goes in comes out, and what cannot be is refused with a sentence."""

from __future__ import annotations

import struct

import msgpack  # type: ignore[import-untyped]
import orjson
import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given, settings
from hypothesis import strategies as st

from web.api.ably.formats import FORM, MAX_BODY, MAX_DEPTH, Format, FormatError, decode, encode, wanted

MSGPACK = "application/x-msgpack"
JSON = "application/json"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | texts | st.floats(allow_nan=False, width=32)
values = st.recursive(
    scalars.filter(lambda each: each not in (float("inf"), float("-inf"))),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(values)
@settings(max_examples=150, deadline=None)
def test_what_is_written_is_read_again(value: object) -> None:
    assert decode(encode(Format.JSON, value), JSON) == value
    assert decode(encode(Format.MSGPACK, value), MSGPACK) == value


@given(st.binary(max_size=60), st.sampled_from([JSON, MSGPACK, FORM, ""]))
@settings(max_examples=200, deadline=None)
def test_any_octets_are_read_or_refused(body: bytes, media: str) -> None:
    try:
        value = decode(body, media)
    except FormatError:
        return
    # What was taken can be written again, so nothing strange got in.
    assert decode(encode(Format.MSGPACK, value), MSGPACK) == value


def test_octets_of_messagepack_stay_octets() -> None:
    assert decode(msgpack.packb({"data": b"\x00\xff"}), MSGPACK) == {"data": b"\x00\xff"}
    assert decode(msgpack.packb({"data": b"text"}), "application/msgpack; x=y") == {"data": b"text"}


def test_the_old_type_of_messagepack_is_a_text_where_it_can_be_one() -> None:
    old = msgpack.packb({"name": "é" * 40, "data": b"\xff\xfe"}, use_bin_type=False)
    assert decode(old, MSGPACK) == {"name": "é" * 40, "data": b"\xff\xfe"}


@pytest.mark.parametrize(
    ("body", "media", "sentence"),
    [
        (b"{", JSON, "not valid JSON"),
        (b"[NaN]", JSON, "not valid JSON"),
        (b"[1e999]", JSON, "not valid JSON"),
        (b'["\\ud800"]', JSON, "not valid JSON"),
        (b'"\xff"', JSON, "not valid JSON"),
        (b"[" * 5_000, JSON, "not valid JSON"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), JSON, f"deeper than {MAX_DEPTH}"),
        (b"\x91" * (MAX_DEPTH + 1) + b"\x01", MSGPACK, f"deeper than {MAX_DEPTH}"),
        (b"\x91" * 5_000, MSGPACK, "not valid MessagePack"),
        (b"\xc1", MSGPACK, "not valid MessagePack"),
        (b"\x01\x02", MSGPACK, "not valid MessagePack (ExtraData)"),
        (b"\xdd\xff\xff\xff\xff", MSGPACK, "not valid MessagePack"),
        (b"\xc6\xff\xff\xff\xff", MSGPACK, "not valid MessagePack"),
        (b"\x81\x01\x02", MSGPACK, "not valid MessagePack"),
        (b"\x81\xc4\x01a\x01", MSGPACK, "A key in the body is no text"),
        (b"\x81\xa1\xff\x01", MSGPACK, "A key in the body is no text"),
        (b"\xcb" + struct.pack(">d", float("nan")), MSGPACK, "the number nan"),
        (b"\x91\xcb" + struct.pack(">d", float("-inf")), MSGPACK, "the number -inf"),
        (b"\xd6\xff\x00\x00\x00\x01", MSGPACK, "type Timestamp"),
        (b"\xd4\x05a", MSGPACK, "type ExtType"),
        (b"a=%ff", FORM, "not UTF-8"),
        (b"&".join(b"a=1" for _ in range(1_001)), FORM, "more than 1000 fields"),
        (b" " * (MAX_BODY + 1), JSON, f"at most {MAX_BODY}"),
    ],
)
def test_what_cannot_be_is_refused(body: bytes, media: str, sentence: str) -> None:
    with pytest.raises(FormatError, match=sentence.replace("(", r"\(").replace(")", r"\)")):
        decode(body, media)


def test_what_is_at_the_limit_is_taken() -> None:
    deep = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert orjson.dumps(decode(deep, JSON)) == deep
    assert decode(b" " * (MAX_BODY - 1) + b"1", JSON) == 1


def test_of_a_key_that_comes_twice_the_last_counts() -> None:
    assert decode(b'{"a": 1, "a": 2}', JSON) == {"a": 2}
    assert decode(b"\x82\xa1a\x01\xa1a\x02", MSGPACK) == {"a": 2}
    assert decode(b"a=1&a=2", FORM) == {"a": "2"}


def test_forms_are_texts_and_nothing_is_none() -> None:
    assert decode(b"name=a+b&data=%C3%A9&empty=", FORM + "; charset=utf-8") == {"name": "a b", "data": "é", "empty": ""}
    assert (decode(b"", JSON), decode(b"", MSGPACK), decode(b"", FORM)) == (None, None, {})


@pytest.mark.parametrize(
    ("query", "accept", "format"),
    [
        ("", "", Format.JSON),
        ("", "*/*", Format.JSON),
        ("", "application/x-msgpack", Format.MSGPACK),
        ("", "application/x-msgpack,application/json", Format.MSGPACK),
        ("", "application/x-msgpack;q=0.5, application/json", Format.JSON),
        ("", "application/x-msgpack;q=0", Format.JSON),
        ("", "application/x-msgpack;q=nan", Format.JSON),
        ("", "application/x-msgpack;q=many", Format.JSON),
        ("", "text/html,application/xhtml+xml,*/*;q=0.8", Format.HTML),
        ("?format=msgpack", "application/json", Format.MSGPACK),
        ("?format=json", "application/x-msgpack", Format.JSON),
        ("?format=jsonp", "", Format.JSONP),
        ("?format=html", "", Format.HTML),
    ],
)
def test_the_format_that_is_asked_for(query: str, accept: str, format: Format) -> None:
    assert wanted(make_mocked_request("GET", f"/time{query}", headers={"Accept": accept})) is format


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(FormatError, match="'yaml' is not one of json, msgpack, html, jsonp"):
        wanted(make_mocked_request("GET", "/time?format=yaml"))


def test_jsonp_calls_the_callback_and_nothing_else() -> None:
    assert encode(Format.JSONP, ["\u2028"], "a.b_1") == b'/**/a.b_1(["\\u2028"]);'
    for callback in ("", "alert(1)//", "a b", "é", "a" * 65, "a;b"):
        with pytest.raises(FormatError, match="no name of a function"):
            encode(Format.JSONP, [], callback)


def test_pages_show_markup_as_text() -> None:
    page = encode(Format.HTML, {"name": "<script>"}).decode()
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
