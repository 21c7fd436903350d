"""Fields of messages, members and frames: what is taken, what is refused and with which code."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from owncast_py.realtime.errors import Reason
from owncast_py.realtime.messages import ABSENT, Action, Address, Draft, Member, Message, serial_at
from owncast_py.realtime.occupancy import ALL, Mode
from web.api.ably.errors import BY_REASON, REMEDIES, AblyError
from web.api.ably.messages import (
    MAX_MESSAGES,
    MAX_NAME,
    MAX_PRESENCE,
    MAX_SIZE,
    PresenceAction,
    drafts,
    identity,
    member_view,
    members,
    message_view,
)
from web.api.ably.names import MAX_CHANNEL, ChannelName, parse_channel
from web.api.ably.protocol import MAX_SERIAL, Flag, ProtocolAction, ProtocolMessage, flags_of, modes_of, parse, render
from web.api.ably.revising import is_revision, parse_revision

AT = datetime(2026, 3, 4, 5, 6, 7, 250_000, tzinfo=UTC)
MESSAGE = Message(
    address=Address("owncast", "game"),
    version=serial_at(1_772_600_767_250, 3),
    serial=serial_at(1_772_600_000_000),
    action=Action.CREATE,
    id="abc:0",
    name="move",
    data=b'{"x":1}',
    encoding="json/utf-8",
    client_id="ann",
    at=AT,
)
junk = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**64) | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("action", "name", "data", "encoding", "clientId", "id", "extras", "serial", "version", "flags", "channel")
OTHERS = ("channelSerial", "msgSerial", "messages", "presence", "params", "auth", "connectionId", "timestamp")


def refusal(value: object, granted: str = "") -> int:
    with pytest.raises(AblyError) as refused:
        drafts(value, granted)
    assert refused.value.status == 400
    assert refused.value.code in REMEDIES
    return refused.value.code


def test_a_message_becomes_a_draft() -> None:
    sent = {
        "name": "move",
        "data": {"x": 1},
        "id": "abc:0",
        "clientId": "ann",
        "extras": {"headers": {"a": 1}},
        "size": 9,
    }
    assert drafts(sent, "", connection_id="c1") == [
        Draft("move", b'{"x":1}', "json/utf-8", "ann", "abc:0", "c1", b'{"headers":{"a":1}}')
    ]
    assert drafts([{"action": 0}, {"data": None, "name": None, "id": None, "clientId": None}], "bob") == [
        Draft("", b"", ABSENT, "bob"),
        Draft("", b"", ABSENT, "bob"),
    ]


def test_messages_of_a_frame_get_their_ids_from_it() -> None:
    assert [draft.id for draft in drafts([{}, {}], "", base_id="c1:7")] == ["c1:7:0", "c1:7:1"]
    assert drafts({"id": "own"}, "", base_id="c1:7")[0].id == "own"


def test_what_is_ephemeral_is_not_kept() -> None:
    (draft,) = drafts({"extras": {"ephemeral": True}}, "")
    assert draft.transient
    assert not drafts({"extras": {"ephemeral": "yes"}}, "")[0].transient


@pytest.mark.parametrize(
    ("granted", "stated", "is_"),
    [
        ("", None, ""),
        ("", "ann", "ann"),
        ("*", None, ""),
        ("*", "ann", "ann"),
        ("ann", None, "ann"),
        ("ann", "ann", "ann"),
    ],
)
def test_who_may_be_whom(granted: str, stated: object, is_: str) -> None:
    assert identity(stated, granted) == is_


def test_the_client_id_of_another_is_refused() -> None:
    assert refusal({"clientId": "bob"}, "ann") == 40012
    assert refusal({"clientId": "*"}, "*") == 40012
    assert refusal({"clientId": "*"}) == 40012
    assert refusal({"clientId": 5}) == 40012


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, 40001),
        ("text", 40001),
        ([], 40030),
        ([{}, 5], 40001),
        ([{}] * (MAX_MESSAGES + 1), 40009),
        ({"name": "n" * (MAX_NAME + 1)}, 40016),
        ({"name": "a\x00b"}, 40016),
        ({"name": ["a"]}, 40016),
        ({"id": "i" * 201}, 40007),
        ({"clientId": "c" * 201}, 40012),
        ({"extras": "text"}, 40032),
        ({"extras": {"a": b"octets"}}, 40032),
        ({"action": 1}, 40003),
        ({"action": True}, 40003),
        ({"data": "a", "encoding": 5}, 40013),
        ([{"id": "a"}, {"id": "b"}], 40031),
        ([{"id": "a:0"}, {}], 40031),
        ([{"id": "a:0"}, {"id": "b:1"}], 40031),
        ([{"id": "a:1"}, {"id": "a:0"}], 40031),
        ({"data": "d" * (MAX_SIZE + 1)}, 40009),
        ([{"data": "d" * (MAX_SIZE // 2)}, {"data": "d" * (MAX_SIZE // 2), "name": "n"}], 40009),
    ],
)
def test_messages_that_cannot_be(value: object, code: int) -> None:
    assert refusal(value) == code


def test_what_is_at_the_limits_is_taken() -> None:
    assert len(drafts({"data": "d" * (MAX_SIZE - 3), "name": "n", "clientId": "é"}, "")[0].data) == MAX_SIZE - 3
    assert len(drafts([{"id": f"a:{index}"} for index in range(MAX_MESSAGES)], "")) == MAX_MESSAGES


def test_a_message_as_it_is_shown() -> None:
    version = {"serial": MESSAGE.version, "timestamp": 1_772_600_767_250}
    plain = {
        "id": "abc:0",
        "name": "move",
        "data": '{"x":1}',
        "encoding": "json",
        "clientId": "ann",
        "timestamp": 1_772_600_000_000,
        "serial": MESSAGE.serial,
        "action": 0,
        "version": version,
    }
    assert message_view(MESSAGE, binary=False) == message_view(MESSAGE, binary=True) == plain
    changed = replace(
        MESSAGE,
        action=Action.UPDATE,
        operation=b'{"clientId":"bob","description":"typo"}',
        data=b"\xff",
        encoding="",
        connection_id="c1",
        extras=b'{"a":1}',
    )
    expected = plain | {
        "action": 1,
        "connectionId": "c1",
        "extras": {"a": 1},
        "version": version | {"clientId": "bob", "description": "typo"},
        "data": "/w==",
        "encoding": "base64",
    }
    assert message_view(changed, binary=False) == expected
    del expected["encoding"]
    assert message_view(changed, binary=True) == expected | {"data": b"\xff"}


def test_what_moderators_removed_has_no_data() -> None:
    hidden = message_view(replace(MESSAGE, action=Action.DELETE, extras=b'{"a":1}'), binary=False)
    assert hidden["action"] == 2
    assert {"data", "encoding", "extras"}.isdisjoint(hidden)
    assert "data" in message_view(replace(MESSAGE, action=Action.DELETE, operation=b"{}"), binary=False)


def test_members_come_with_ids_in_order() -> None:
    sent = [{"action": 2, "data": "hi"}, {"action": 4, "clientId": "ann", "data": b"\x00"}, {"action": 3}]
    assert members(sent, "ann", connection_id="c1", base_id="c1:5") == [
        (PresenceAction.ENTER, Member("c1", "ann", data=b"hi", encoding="utf-8", id="c1:5:0")),
        (PresenceAction.UPDATE, Member("c1", "ann", data=b"\x00", encoding="", id="c1:5:1")),
        (PresenceAction.LEAVE, Member("c1", "ann", id="c1:5:2")),
    ]
    member = Member("c1", "ann", data=b"\x00", encoding="", id="c1:5:1", at=AT)
    assert member_view(member, PresenceAction.PRESENT, binary=False) == {
        "id": "c1:5:1",
        "action": 1,
        "clientId": "ann",
        "connectionId": "c1",
        "data": "AA==",
        "encoding": "base64",
        "timestamp": 1_772_600_767_250,
    }


@pytest.mark.parametrize(
    ("value", "granted", "code"),
    [
        (None, "ann", 40000),
        ([], "ann", 40000),
        ([5], "ann", 40001),
        ([{}], "ann", 40000),
        ([{"action": 0}], "ann", 40000),
        ([{"action": True}], "ann", 40000),
        ([{"action": 9}], "ann", 40000),
        ([{"action": 2}], "", 91000),
        ([{"action": 2}], "*", 91000),
        ([{"action": 2, "clientId": "bob"}], "ann", 40012),
        ([{"action": 2, "data": "d" * (MAX_SIZE + 1)}], "ann", 40009),
        ([{"action": 2}] * (MAX_PRESENCE + 1), "ann", 40009),
    ],
)
def test_members_that_cannot_be(value: object, granted: str, code: int) -> None:
    with pytest.raises(AblyError) as refused:
        members(value, granted, connection_id="c1", base_id="c1:0")
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("game", ChannelName("game")),
        ("a:b/c ü?x", ChannelName("a:b/c ü?x")),
        ("game]", ChannelName("game]")),
        ("[meta]occupancy", ChannelName("occupancy", "meta")),
        ("[?rewind=1]game", ChannelName("game", "", "rewind=1")),
        ("[filter=name == `x`]game", ChannelName("game", "filter=name == `x`")),
        ("[filter=x?rewind=1]a", ChannelName("a", "filter=x", "rewind=1")),
    ],
)
def test_names_of_channels(name: str, parsed: ChannelName) -> None:
    assert parse_channel(name) == parsed
    assert parsed.channel == (name if parsed.qualifier == "meta" else parsed.name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ":a",
        "[a",
        "[]a",
        "[foo]a",
        "[meta]",
        "[meta]:a",
        "[meta][meta]a",
        "a\x00",
        "a\n",
        "\ud800",
        "n" * (MAX_CHANNEL + 1),
        None,
        5,
    ],
)
def test_names_that_no_channel_has(name: object) -> None:
    with pytest.raises(AblyError) as refused:
        parse_channel(name)
    assert (refused.value.code, refused.value.status) == (40010, 400)


def test_a_frame_is_read_and_written() -> None:
    frame = {
        "action": 10,
        "channel": "game",
        "channelSerial": "1-2",
        "flags": 1 << 16 | 1 << 18,
        "params": {"rewind": "1"},
        "id": "x",
        "msgSerial": 3,
        "messages": [{"name": "a"}],
        "presence": [],
        "auth": {"accessToken": "t"},
    }
    message = parse(frame)
    assert message == ProtocolMessage(
        action=ProtocolAction.ATTACH,
        id="x",
        channel="game",
        channel_serial="1-2",
        msg_serial=3,
        flags=Flag.PRESENCE | Flag.SUBSCRIBE,
        messages=[{"name": "a"}],
        presence=[],
        params={"rewind": "1"},
        access_token="t",
    )
    assert render(message) == frame
    assert modes_of(message) == Mode.PRESENCE | Mode.SUBSCRIBE
    assert parse({"action": 15.0, "msgSerial": None, "channel": None}) == ProtocolMessage(ProtocolAction.MESSAGE)


def test_modes_by_name_come_before_flags() -> None:
    named = ProtocolMessage(ProtocolAction.ATTACH, flags=flags_of(ALL), params={"modes": " Publish,annotation_publish"})
    assert modes_of(named) == Mode.PUBLISH
    assert modes_of(ProtocolMessage(ProtocolAction.ATTACH, flags=Flag.HAS_PRESENCE)) == Mode(0)
    with pytest.raises(AblyError, match="'fly'"):
        modes_of(ProtocolMessage(ProtocolAction.ATTACH, params={"modes": "fly"}))


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"action": "10"},
        {"action": 22},
        {"action": -1},
        {"action": 18.5},
        {"action": True},
        {"action": float("nan")},
        {"action": 15, "msgSerial": MAX_SERIAL + 1},
        {"action": 15, "msgSerial": -1},
        {"action": 15, "messages": {}},
        {"action": 15, "messages": [{}] * 1_001},
        {"action": 14, "presence": "x"},
        {"action": 10, "channel": 5},
        {"action": 10, "channel": "c" * 2_001},
        {"action": 10, "flags": 2**32},
        {"action": 10, "params": []},
        {"action": 10, "params": {"rewind": 1}},
        {"action": 10, "params": {str(index): "" for index in range(33)}},
        {"action": 17, "auth": "token"},
        {"action": 17, "auth": {"accessToken": 5}},
        {"action": 10, "channelSerial": "s" * 201},
    ],
)
def test_frames_that_cannot_be(value: object) -> None:
    with pytest.raises(AblyError) as refused:
        parse(value)
    assert (refused.value.code, refused.value.status) == (40000, 400)


@given(st.dictionaries(st.sampled_from(FIELDS + OTHERS), junk, max_size=8) | junk)
@settings(max_examples=200, deadline=None)
def test_nonsense_is_refused_and_never_breaks_anything(value: object) -> None:
    for taking in (
        lambda: drafts(value, "ann"),
        lambda: members([value], "ann", connection_id="c", base_id="b"),
        lambda: render(parse(value)),
        lambda: is_revision(value) and parse_revision(value, "ann", "1-2"),
        lambda: parse_revision(value, "ann", "1-2"),
    ):
        try:
            taking()
        except AblyError as error:
            assert error.code in REMEDIES  # noqa: PT017 - either outcome is good


def test_a_change_says_what_and_who() -> None:
    sent = {"action": 2, "data": "x", "version": {"clientId": "ann", "description": "why", "metadata": {"a": "b"}}}
    revision = parse_revision(sent, "*", "1-2")
    assert (revision.serial, revision.action, revision.append, revision.actor) == ("1-2", Action.DELETE, False, "ann")
    after = revision.apply(MESSAGE)
    assert (after.name, after.data, after.encoding) == ("move", b"x", "utf-8")
    assert orjson.loads(after.operation) == sent["version"]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, 40001),
        ({"action": 0}, 40003),
        ({"action": 4}, 40003),
        ({"action": "1"}, 40003),
        ({"action": True}, 40003),
        ({"serial": "other"}, 40003),
        ({"version": 5}, 40001),
        ({"version": {"clientId": "bob"}}, 40012),
        ({"version": {"description": "d" * 1_001}}, 40000),
        ({"version": {"metadata": {str(index): "" for index in range(51)}}}, 40000),
        ({"version": {"metadata": {"a": 1}}}, 40000),
        ({"name": 5}, 40016),
        ({"extras": 5}, 40032),
    ],
)
def test_changes_that_cannot_be(value: object, code: int) -> None:
    with pytest.raises(AblyError) as refused:
        parse_revision(value, "ann", "1-2")
    assert refused.value.code == code


def test_what_is_appended_joins_what_was_there() -> None:
    text = replace(MESSAGE, data=b"a", encoding="utf-8")
    assert parse_revision({"action": 5, "data": "b"}, "", "1-2").apply(text).data == b"ab"
    assert parse_revision({"action": 5}, "", "1-2").apply(text).data == b"a"
    with pytest.raises(AblyError) as refused:
        parse_revision({"action": 5, "data": b"b"}, "", "1-2").apply(text)
    assert refused.value.code == 40013
    with pytest.raises(AblyError) as refused:
        parse_revision({"action": 5, "data": "b" * MAX_SIZE}, "", "1-2").apply(text)
    assert refused.value.code == 40009


def test_every_reason_and_every_code_has_its_remedy() -> None:
    assert set(BY_REASON) == set(Reason)
    assert {code for code, _ in BY_REASON.values()} <= set(REMEDIES)
