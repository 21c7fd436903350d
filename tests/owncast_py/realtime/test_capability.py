"""Capabilities: what they allow, what two of them have in common, and what is none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from owncast_py.realtime.capability import (
    EVERYTHING,
    MAX_RESOURCE,
    MAX_RESOURCES,
    MAX_TEXT,
    OPERATIONS,
    Capability,
)
from owncast_py.realtime.errors import CapabilityError

BRIEF = ["publish", "subscribe", "presence", "*"]
RESOURCES = ["*", "[*]*", "a", "a:b", "a:*", "a:b:*", ":*", "b:*", "[meta]*", "[meta]a", "[*]a:*", "[queue]a:*", "[*]a"]
CHANNELS = ["a", "b", "a:b", "a:b:c", "a:", "b:x", ":x", "[meta]a", "[meta]a:b", "[queue]a:b", "[meta]b", "*"]

grants = st.dictionaries(
    st.sampled_from(RESOURCES), st.lists(st.sampled_from(BRIEF), min_size=1, max_size=4), min_size=1, max_size=5
)
capabilities = grants.map(Capability.parse)
asked = st.tuples(st.sampled_from(CHANNELS), st.sampled_from(BRIEF[:3]))


@pytest.mark.parametrize(
    ("resource", "matching"),
    [
        ("game", {"game"}),
        ("game:*", {"game:1", "game:1:log"}),
        ("*", {"game", "game:1", "game:1:log", "games"}),
        ("[meta]game", {"[meta]game", "[meta?rewind=1]game"}),
        ("[meta]*", {"[meta]game", "[meta?rewind=1]game"}),
        ("[queue]*", {"[queue]game:1"}),
        ("[*]game:*", {"game:1", "game:1:log", "[queue]game:1"}),
        ("game*", set()),
        (
            "[*]*",
            {"game", "game:1", "game:1:log", "games", "[meta]game", "[meta?rewind=1]game", "[queue]game:1"},
        ),
    ],
)
def test_a_resource_matches_the_channels_that_it_means(resource: str, matching: set[str]) -> None:
    channels = ["game", "game:1", "game:1:log", "games", "[meta]game", "[meta?rewind=1]game", "[queue]game:1"]
    capability = Capability.parse({resource: ["publish"]})
    assert {channel for channel in channels if capability.allows(channel, "publish")} == matching
    assert not any(capability.allows(channel, "subscribe") for channel in channels)


def test_a_channel_has_the_operations_of_all_resources_that_match_it() -> None:
    capability = Capability.parse('{"game:*": ["subscribe"], "game:1": ["publish"], "[meta]*": ["*"]}')
    assert {each for each in OPERATIONS if capability.allows("game:1", each)} == {"subscribe", "publish"}
    assert {each for each in OPERATIONS if capability.allows("[meta]game:1", each)} == OPERATIONS
    assert not capability.allows("game", "subscribe")


def test_the_canonical_text_is_sorted_and_has_every_operation_once() -> None:
    text = '{"b": ["subscribe", "publish", "publish"], "a": ["*", "publish"], "ä": ["history"]}'
    assert Capability.parse(text).canonical() == '{"a":["*"],"b":["publish","subscribe"],"ä":["history"]}'
    assert Capability.parse(json.loads(text)) == Capability.parse(text)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ({"*": ["*"]}, {"game": ["publish"]}, {"game": ["publish"]}),
        ({"game": ["*"]}, {"*": ["subscribe", "publish"]}, {"game": ["publish", "subscribe"]}),
        ({"game:*": ["publish"]}, {"game:1": ["publish", "presence"]}, {"game:1": ["publish"]}),
        ({"game:*": ["publish"]}, {"game:1:*": ["*"]}, {"game:1:*": ["publish"]}),
        ({"[*]*": ["*"]}, {"[meta]*": ["subscribe"]}, {"[meta]*": ["subscribe"]}),
        ({"[*]game:*": ["*"]}, {"[meta]*": ["subscribe"]}, {"[meta]game:*": ["subscribe"]}),
        ({"*": ["*"]}, {"[meta]*": ["subscribe"]}, {}),
        ({"a": ["publish"]}, {"b": ["publish"]}, {}),
        ({"a": ["publish"]}, {"a": ["subscribe"]}, {}),
        (
            {"c:*": ["publish"], "c:p": ["presence", "publish"]},
            {"c:*": ["publish"], "c:p": ["presence", "publish"]},
            {"c:*": ["publish"], "c:p": ["presence", "publish"]},
        ),
    ],
)
def test_what_two_have_in_common(one: dict[str, list[str]], other: dict[str, list[str]], both: object) -> None:
    for found in (
        Capability.parse(one).intersect(Capability.parse(other)),
        Capability.parse(other).intersect(Capability.parse(one)),
    ):
        assert json.loads(found.canonical()) == both
        assert bool(found) is bool(both)


@settings(max_examples=300, deadline=None)
@given(capabilities, capabilities, asked)
def test_the_intersection_allows_exactly_what_both_do(
    one: Capability, other: Capability, what: tuple[str, str]
) -> None:
    both = one.intersect(other)
    assert both.allows(*what) is (one.allows(*what) and other.allows(*what))
    assert both.within(one)
    assert both.within(other)


@settings(max_examples=200, deadline=None)
@given(capabilities, capabilities, asked)
def test_who_is_within_another_may_do_no_more(one: Capability, other: Capability, what: tuple[str, str]) -> None:
    if one.within(other) and one.allows(*what):
        assert other.allows(*what)
    assert one.within(one)
    assert one.within(EVERYTHING)


@settings(max_examples=100, deadline=None)
@given(capabilities)
def test_the_canonical_text_stays_as_it_is(capability: Capability) -> None:
    again = Capability.parse(capability.canonical())
    assert again.canonical() == capability.canonical()
    assert hash(again) == hash(capability)


@pytest.mark.parametrize(
    ("given_text", "word"),
    [
        ("", "not JSON"),
        ("notjson", "not JSON"),
        ('{"a": ["publish"]', "not JSON"),
        ("{}", "at least one channel"),
        ("[]", "JSON object"),
        ("null", "JSON object"),
        ("1", "JSON object"),
        ('{"a": []}', "no list of operations"),
        ('{"a": "publish"}', "no list of operations"),
        ('{"a": {"publish": true}}', "no list of operations"),
        ('{"a": ["shout"]}', "no operation 'shout'"),
        ('{"a": [1]}', "no operation '1'"),
        ('{"": ["publish"]}', "cannot name ''"),
        ('{"[meta]": ["publish"]}', "cannot name"),
        ('{"[meta?rewind=1]a": ["publish"]}', "cannot name"),
        ('{"[meta": ["publish"]}', "cannot name"),
        (json.dumps({"x" * (MAX_RESOURCE + 1): ["publish"]}), "cannot name"),
        (json.dumps({str(number): ["publish"] for number in range(MAX_RESOURCES + 1)}), "at most 100 channels"),
        (" " * (MAX_TEXT + 1), "too long"),
        ('{"a": [' + "[" * 5_000 + "]}", "not JSON"),
    ],
)
def test_what_is_no_capability_is_told_in_a_sentence(given_text: str, word: str) -> None:
    with pytest.raises(CapabilityError) as refused:
        Capability.parse(given_text)
    assert word in str(refused.value)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("given_value", [{"\ud800": ["publish"]}, {1: ["publish"]}, {"a": b"publish"}, b"{}", None])
def test_values_that_no_json_has_are_none_either(given_value: object) -> None:
    with pytest.raises(CapabilityError):
        Capability.parse(given_value)


def test_a_mapping_can_be_too_long_as_well() -> None:
    with pytest.raises(CapabilityError, match="too long"):
        Capability.parse({"x" * 200 + str(number): ["publish", "subscribe"] for number in range(MAX_RESOURCES)})
