"""Payloads of messages: commands and metadata in both encodings, control messages byte by byte."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import AmfError
from ingest.rtmp import messages
from ingest.rtmp.amf0 import encode


def test_commands_in_both_encodings() -> None:
    payload = encode("publish", 5.0, None, "name", "live")
    for type_id, wire in ((messages.COMMAND_AMF0, payload), (messages.COMMAND_AMF3, b"\0" + payload)):
        command = messages.read_command(type_id, wire)
        assert (command.name, command.transaction) == ("publish", 5.0)
        assert [command.argument(n) for n in range(4)] == [None, "name", "live", None]


@pytest.mark.parametrize("payload", [b"", encode(5.0), encode(None, 1.0)])
def test_commands_need_a_name(payload: bytes) -> None:
    with pytest.raises(AmfError, match="no name"):
        messages.read_command(messages.COMMAND_AMF0, payload)


def test_amf3_needs_its_format_byte() -> None:
    with pytest.raises(AmfError, match="format byte"):
        messages.read_command(messages.COMMAND_AMF3, encode("connect", 1.0))


@pytest.mark.parametrize("transaction", ["one", float("nan"), None])
def test_a_transaction_that_is_no_number_is_0(transaction: float | str | None) -> None:
    assert messages.read_command(messages.COMMAND_AMF0, encode("x", transaction)).transaction == 0.0


def test_metadata_bare_or_behind_set_data_frame() -> None:
    properties = {"width": 1280.0}
    assert messages.read_metadata(18, encode("@setDataFrame", "onMetaData", properties)) == properties
    assert messages.read_metadata(18, encode("onMetaData", properties)) == properties
    assert messages.read_metadata(15, b"\0" + encode("onMetaData", properties)) == properties
    for other in (encode("onTextData", properties), encode("onMetaData"), encode("onMetaData", 1.0), b""):
        assert messages.read_metadata(18, other) is None


def test_control_messages_on_the_wire() -> None:
    assert messages.set_chunk_size(65536) == (2, 1, 0, b"\x00\x01\x00\x00")
    assert messages.acknowledgement((1 << 32) + 5) == (2, 3, 0, b"\x00\x00\x00\x05")
    assert messages.window_ack_size(5_000_000) == (2, 5, 0, b"\x00\x4c\x4b\x40")
    assert messages.set_peer_bandwidth(5_000_000) == (2, 6, 0, b"\x00\x4c\x4b\x40\x02")
    assert messages.user_control(messages.STREAM_BEGIN, 1) == (2, 4, 0, b"\x00\x00\x00\x00\x00\x01")


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([15, 17, 18, 20]), st.binary(max_size=100))
def test_no_bytes_raise_anything_else(type_id: int, payload: bytes) -> None:
    for read in (messages.read_command, messages.read_metadata):
        with suppress(AmfError):
            read(type_id, payload)
