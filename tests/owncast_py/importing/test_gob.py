"""Values of Go's encoding/gob: what Go wrote is read, and nothing else brings the reader down."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from owncast_files import gob_text, sample, samples

from owncast_py.importing import gob
from owncast_py.importing.errors import GobError

NAMES = sorted(samples())


def read_or_refuse(octets: bytes) -> None:
    """Any other error than a GobError, which is a sentence, is a fault."""
    sentence = ""
    try:
        gob.decode(octets)
    except GobError as error:
        sentence = str(error)
    assert not sentence or sentence.endswith(".")


def test_what_go_writes_is_read_as_it_was() -> None:
    assert {name: gob.decode(octets) for name, octets in samples().items()} == {
        "string": "Grüße, Owncast",
        "empty": "",
        "number": 2.0,
        "big": 1234567.5,
        "negative": -3.0,
        "true": True,
        "false": False,
        "int": -129,
        "uint": 70_000,
        "bytes": b"\x00\x01\xff",
        "strings": ["admin", "system"],
        "nothing": [],
        "map": {"theme-color-action": "#ff0000"},
        "handles": [
            {"Platform": "github", "URL": "https://github.com/example"},
            {"Platform": "mastodon", "URL": "https://example.org/@me", "Icon": "/img/x.svg"},
        ],
        "variants": [
            {
                "Name": "Best",
                "IsAudioPassthrough": True,
                "VideoBitrate": 2500,
                "ScaledHeight": 720,
                "Framerate": 30,
                "CPUUsageLevel": 2,
            },
            {"IsVideoPassthrough": True, "IsAudioPassthrough": True},
        ],
        "s3": {
            "Endpoint": "https://s3.example.org",
            "AccessKey": "access",
            "Secret": "very secret",
            "Bucket": "bucket",
            "Region": "eu",
            "ACL": "public-read",
            "PathPrefix": "live",
            "ServingEndpoint": "https://cdn.example.org",
            "Enabled": True,
            "ForcePathStyle": True,
        },
        "keys": [{"Key": "key-number-one", "Comment": "OBS"}, {"Key": "key-number-two"}],
        "keypointers": [{"Key": "key-number-one", "Comment": "OBS"}],
        "actions": [
            {
                "URL": "https://example.org/tip",
                "Title": "Tip me",
                "Description": "Give",
                "Color": "#00ff00",
                "OpenExternally": True,
            }
        ],
        "discord": {"Enabled": True, "Webhook": "https://discord.com/api/webhooks/1/abc", "GoLiveMessage": "Live now"},
        "browser": {"Enabled": True, "GoLiveMessage": "We are live"},
        "nulltime": {"Time": bytes.fromhex("010000000edbe7f3d900000000ffff"), "Valid": True},
        "nested": {"a": [1, -2]},
        "array": [True, False, True],
        "zero": {},
        "maps": [{"x": 1.5}],
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_value_that_is_cut_off_anywhere_is_refused(name: str) -> None:
    octets = sample(name)
    for length in range(len(octets)):
        with pytest.raises(GobError):
            gob.decode(octets[:length])


@pytest.mark.parametrize("name", NAMES)
def test_octets_after_a_value_are_refused(name: str) -> None:
    with pytest.raises(GobError, match="follow where a value should end"):
        gob.decode(sample(name) + b"\x00")


@given(st.binary(max_size=200))
def test_octets_from_anywhere_are_read_or_refused_with_a_sentence(octets: bytes) -> None:
    read_or_refuse(octets)


@given(st.sampled_from(NAMES), st.integers(0, 400), st.integers(0, 255))
def test_a_value_with_one_wrong_octet_is_read_or_refused(name: str, at: int, octet: int) -> None:
    octets = bytearray(sample(name))
    octets[at % len(octets)] = octet
    read_or_refuse(bytes(octets))


@given(st.text(max_size=3_000))
def test_any_text_comes_back(text: str) -> None:
    assert gob.decode(gob_text(text)) == text


@given(st.floats(allow_nan=False))
def test_any_number_comes_back(number: float) -> None:
    reversed_octets = struct.pack("<d", number).lstrip(b"\0")
    count = bytes([256 - len(reversed_octets)]) if reversed_octets[:1] > b"\x7f" or len(reversed_octets) > 1 else b""
    inner = b"\x08\x00" + (count + reversed_octets or b"\0")
    assert gob.decode(bytes([len(inner)]) + inner) == number


def test_a_list_that_claims_to_be_huge_is_refused_before_it_is_made() -> None:
    # The type is []string; of its elements a count of 2^56 is all that comes.
    definition = bytes.fromhex("0b7f020102ff8000010c0000")
    value = bytes.fromhex("ff8000f8ffffffffffffffff")
    with pytest.raises(GobError, match="should have 18446744073709551615 elements, but ends before that"):
        gob.decode(definition + bytes([len(value)]) + value)


def test_a_type_that_holds_itself_ends_at_a_depth() -> None:
    # Number 65 is []65: a list of lists of lists.
    definition = bytes.fromhex("ff81020102ff820001ff820000")
    value = bytes.fromhex("ff8200") + b"\x01" * 500
    with pytest.raises(GobError, match="more than 20 levels"):
        gob.decode(bytes([len(definition)]) + definition + b"\xfe" + len(value).to_bytes(2, "big") + value)


def test_a_value_larger_than_any_setting_is_refused() -> None:
    with pytest.raises(GobError, match="no setting has more than 4194304"):
        gob.decode(gob_text("x" * gob.MAX_OCTETS))
