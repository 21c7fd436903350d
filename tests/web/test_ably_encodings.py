"""Data: one form in which it is kept, whatever format it came in, and the same for readers of both."""

from __future__ import annotations

from base64 import b64decode, b64encode

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from owncast_py.realtime.messages import ABSENT
from web.api.ably.encodings import MAX_ENCODING, Payload, shown, stored
from web.api.ably.errors import AblyError

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ciphers = st.sampled_from(
    ["", "cipher+aes-128-cbc", "utf-8/cipher+aes-256-cbc", "json/utf-8/cipher+aes-128-cbc", "x-own"]
)
documents = st.recursive(
    texts | st.integers(-(2**53), 2**53) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
).filter(lambda value: isinstance(value, (dict, list, int)))


def meaning(data: str | bytes | None, encoding: str | None) -> tuple[object, str]:
    """What a client library makes of data: it undoes the steps that it knows, the last one first."""
    steps = encoding.split("/") if encoding else []
    value: object = data
    while steps:
        match steps[-1]:
            case "base64":
                assert isinstance(value, str)
                value = b64decode(value, validate=True)
            case "utf-8":
                value = value.decode() if isinstance(value, bytes) else value
            case "json":
                assert isinstance(value, (str, bytes))
                value = orjson.loads(value)
            case _:
                break
        steps.pop()
    return value, "/".join(steps)


def by_both(payload: Payload) -> tuple[object, str]:
    """What readers of both formats make of it, which is the same."""
    text, octets = shown(*payload, binary=False), shown(*payload, binary=True)
    assert isinstance(text.data, str)
    assert meaning(*text) == meaning(*octets)
    return meaning(*octets)


@given(texts, ciphers)
@settings(max_examples=100, deadline=None)
def test_texts_come_out_as_they_went_in(data: str, encoding: str) -> None:
    payload = stored(data, encoding)
    assert shown(*payload, binary=True) == shown(*payload, binary=False) == (data, encoding or None)


@given(st.binary(max_size=40), ciphers)
@settings(max_examples=100, deadline=None)
def test_octets_are_the_same_from_either_format_for_either_reader(data: bytes, encoding: str) -> None:
    in_text = stored(b64encode(data).decode(), f"{encoding}/base64" if encoding else "base64")
    assert stored(data, encoding) == in_text
    assert shown(*in_text, binary=True) == (data, encoding or None)
    assert by_both(in_text) == meaning(data, encoding)


@given(documents)
@settings(max_examples=100, deadline=None)
def test_documents_are_the_same_whether_the_client_wrote_their_json_or_not(document: object) -> None:
    whole = stored(document)
    assert by_both(whole) == (document, "")
    assert by_both(stored(orjson.dumps(document).decode(), "json")) == (document, "")
    assert by_both(stored(orjson.dumps(document), "json/utf-8")) == (document, "")
    assert shown(*whole, binary=True) == (orjson.dumps(document).decode(), "json")


@given(st.none() | texts | st.binary(max_size=20) | documents, st.none() | st.text(max_size=20) | st.integers())
@settings(max_examples=200, deadline=None)
def test_whatever_is_taken_can_be_shown(data: object, encoding: object) -> None:
    try:
        payload = stored(data, encoding)
    except AblyError as error:
        assert (error.code, error.status) == (40013, 400)  # noqa: PT017 - either outcome is good
        return
    text = shown(*payload, binary=False)
    # JSON knows it, and a client that sends it on as it got it changes nothing of it.
    assert orjson.loads(orjson.dumps([*text])) == [*text]
    assert shown(*stored(*text), binary=False) == text
    assert shown(*stored(*shown(*payload, binary=True)), binary=True) == shown(*payload, binary=True)


def test_nothing_is_not_an_empty_text() -> None:
    assert stored(None, "json") == (b"", ABSENT)
    assert shown(b"", ABSENT, binary=True) == (None, None)
    assert shown(*stored(""), binary=False) == ("", None)
    assert shown(*stored(b""), binary=False) == ("", "base64")


@pytest.mark.parametrize(
    ("data", "encoding", "words"),
    [
        ("%%%", "base64", "not in base64"),
        ("YQ", "cipher+aes-128-cbc/base64", "not in base64"),
        ("é", "base64", "not in base64"),
        (b"\xff", "utf-8", "no UTF-8"),
        ("/w==", "json/base64", "no UTF-8"),
        ({"a": 1}, "cipher+aes-128-cbc", "cannot be an object"),
        (5, "utf-8", "cannot be a number"),
        ({"a": b"octets"}, None, "only data as a whole can be octets"),
        ("a", 7, "must be a text"),
        ("a", "json//utf-8", "the step ''"),
        ("a", "json/ä", "the step 'ä'"),
        (b"a", ABSENT, "the step 'absent'"),
        ("a", "x" * (MAX_ENCODING + 1), f"at most {MAX_ENCODING} characters"),
    ],
)
def test_what_cannot_be_is_refused(data: object, encoding: object, words: str) -> None:
    with pytest.raises(AblyError, match=words) as refused:
        stored(data, encoding)
    assert (refused.value.code, refused.value.status) == (40013, 400)
