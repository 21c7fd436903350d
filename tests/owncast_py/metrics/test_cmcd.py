"""Reading what players tell, be it well formed or not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from owncast_py.metrics import cmcd
from owncast_py.metrics.cmcd import CmcdEvent, parse, parse_json, parse_lines, to_report
from owncast_py.metrics.playback import PlaybackReport

T = TypeVar("T")
SESSION = "6e2fb550-c457-11e9-bb97-0800200c9a66"


def test_version_1_as_text() -> None:
    event = parse(f'br=3200,bl=21300,bs,d=4004,mtp=25400,nor="..%2F300kbps%2Ftrack.m4v",ot=v,sid="{SESSION}",tb=6000')
    assert event == CmcdEvent(sid=SESSION, br=3200, mtp=25400, bl=21300, bs=True, d=4004)
    report = to_report(event)
    assert (report.bandwidth_kbps, report.latency_seconds, report.errors, report.quality_changes) == (25400, None, 1, 0)
    assert report.download_seconds == pytest.approx(4.004 * 3200 / 25400)


def test_version_2_as_text() -> None:
    event = parse(
        'bl=(6000;v 4000;a), br=(5000;v  128;a),bs=(?0;v ?1;a),com.example-key="a, \\"b\\"",e=e,ec=("404" "dns"),'
        'ltc=2500,mtp=(15000 900;r="1-2"),pr=1.08,sta=p;x=1,ts=1764000000000,ttlb=300,v=2'
    )
    assert event == CmcdEvent(br=5128, mtp=15000, bl=4000, bs=True, ltc=2500, ttlb=300, e="e", ec=("404", "dns"))
    assert to_report(event) == PlaybackReport(
        bandwidth_kbps=15000, latency_seconds=2.5, errors=3, download_seconds=0.3, quality_changes=0
    )


def test_version_2_as_json() -> None:
    one, two, three = parse_json(
        orjson.dumps(
            [
                {"sid": SESSION, "e": "bc", "br": [5000, 128], "bs": True, "v": 2, "ltc": 1999.5},
                {"e": "e"},
                {"e": "e", "ec": [404, "dns", None], "mtp": 100},
            ]
        )
    )
    assert one == CmcdEvent(sid=SESSION, e="bc", br=5128, bs=True, ltc=1999.5)
    assert to_report(one) == PlaybackReport(latency_seconds=1.9995, errors=1, quality_changes=1)
    assert to_report(two).errors == 1
    assert three.ec == ("404", "dns")
    assert parse_json('{"sid": "a"}') == [CmcdEvent(sid="a")]


def test_lines_are_a_batch() -> None:
    assert parse_lines("e=t,mtp=100\r\n\ne=bc\n") == [CmcdEvent(e="t", mtp=100), CmcdEvent(e="bc")]


def test_values_of_a_wrong_type_are_left_out() -> None:
    assert parse('br="3200",mtp=fast,bl,bs=3,ltc=-5,d=99999999999999,sid=5,e,ec,ttlb=()') == CmcdEvent()
    document = {
        "br": "3200",
        "mtp": {"v": 1},
        "bl": True,
        "bs": 1,
        "ltc": [None, [5]],
        "d": -1,
        "sid": ["a"],
        "e": 5,
        "ec": {"a": 1},
        "ttlb": 1e300,
    }
    assert parse_json(orjson.dumps(document)) == [CmcdEvent()]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "at character 1 is the end, not a key"),
        ("br=", "at character 4 is the end, not a value"),
        ("br=1,", "at character 6 is the end, not a key"),
        ("br=1 mtp=2", "at character 5 is ' mtp=2', not a comma"),
        ('sid="open', "is '\"open', not a value"),
        ("br=(1 2", "is the end, not a space or a closing parenthesis"),
        ("br=(1,2)", "is ',2)', not a space or a closing parenthesis"),
        ("é=1", "not a key"),
    ],
)
def test_text_that_cannot_be_read(text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The CMCD data is not JSON: "),
        (b"{", "The CMCD data is not JSON: "),
        (b"\xff", "The CMCD data is not JSON: "),
        ("\ud800", "The CMCD data is not JSON: "),
        (b"[" * 100_000, "The CMCD data is not JSON: "),
        (b"[]", "holds 1 to 200 of them, not 0."),
        (b"5", "CMCD event 1 is not a JSON object."),
        (b'[{}, "x"]', "CMCD event 2 is not a JSON object."),
    ],
)
def test_json_that_cannot_be_read(body: bytes | str, sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_json(body)
    assert sentence in str(caught.value)


def test_limits() -> None:
    assert len(parse_json(orjson.dumps([{}] * cmcd.MAX_EVENTS))) == cmcd.MAX_EVENTS
    with pytest.raises(ValueError, match="not 201"):
        parse_json(orjson.dumps([{}] * 201))
    with pytest.raises(ValueError, match="not 201"):
        parse_lines("bs\n" * 201)
    with pytest.raises(ValueError, match="may have 262144 characters"):
        parse_json(b" " * (cmcd.MAX_BODY + 1))
    with pytest.raises(ValueError, match="may have 8192 characters, not 9000"):
        parse("a" * 9000)
    long = parse(f'sid="{"s" * 500}",ec=({" ".join(["9"] * 100)})')
    assert long.sid == "s" * cmcd.MAX_STRING
    assert len(long.ec) == cmcd.MAX_ITEMS


def refuses_or_reads(read: Callable[[T], CmcdEvent | list[CmcdEvent]], body: T) -> None:
    with suppress(ValueError):
        events = read(body)
        for event in events if isinstance(events, list) else [events]:
            to_report(event)


PIECES = st.sampled_from(["br", "mtp", "bs", "ec", "=", ",", ";", "(", ")", '"', "\\", " ", "?1", "-1", "9" * 30, "\n"])


@given(st.text() | st.lists(PIECES | st.text(max_size=3)).map("".join))
@settings(max_examples=500, deadline=None)
def test_no_text_raises_anything_but_a_sentence(text: str) -> None:
    refuses_or_reads(parse, text)
    refuses_or_reads(parse_lines, text)
    refuses_or_reads(parse_json, text)


KEYS = st.sampled_from(["sid", "br", "mtp", "bl", "bs", "ltc", "d", "ttlb", "e", "ec"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS | st.text(), inner),
)


@given(st.binary() | JSON.map(orjson.dumps))
@settings(max_examples=500, deadline=None)
def test_no_json_raises_anything_but_a_sentence(body: bytes) -> None:
    refuses_or_reads(parse_json, body)
