"""The session: what encoders send, what they are answered, and every way to be refused."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rtmp_wire import (
    AAC_CONFIG,
    AVCC,
    HELLO,
    KEY,
    Answers,
    Gate,
    chunk,
    command,
    connect,
    feed,
    hello,
    picture,
    publish,
    session,
    video_header,
)

from ingest.rtmp import messages
from ingest.rtmp.amf0 import AmfValue, encode
from ingest.rtmp.session import MAX_KEY_LENGTH, MAX_OUTPUT, MIN_ACK_WINDOW, RtmpSession
from ingest.source import AudioHeader, VideoHeader


def talk(data: bytes, gate: Gate | None = None, step: int = 1 << 20) -> tuple[RtmpSession, Answers]:
    rtmp = session(gate or Gate())
    answers = Answers()
    feed(rtmp, data, step)
    answers.feed(rtmp.take_output())
    return rtmp, answers


def metadata(properties: dict[str, AmfValue], type_id: int = messages.DATA_AMF0) -> bytes:
    prefix = b"\0" if type_id == messages.DATA_AMF3 else b""
    return chunk(type_id, prefix + encode("@setDataFrame", "onMetaData", properties))


@pytest.mark.parametrize("step", [1, 100, 1 << 20])
def test_from_handshake_to_media(step: int) -> None:
    gate = Gate()
    media = (
        metadata({"width": 1280.0, "audiocodecid": 10.0})
        + chunk(messages.AUDIO, b"\xaf\x00" + AAC_CONFIG)
        + chunk(messages.VIDEO, video_header(), stream=6)
        + chunk(messages.VIDEO, picture(b"v" * 1000, key=True, composition=66), stream=6, timestamp=500)
        + chunk(messages.AUDIO, b"\xaf\x01sound", timestamp=510)
    )
    rtmp, answers = talk(hello() + media, gate, step)
    assert rtmp.finished is None
    assert answers.codes == ["NetConnection.Connect.Success", "NetStream.Publish.Start"]
    assert [type_id for type_id, _, _ in answers.messages] == [5, 6, 20, 20, 4, 20]
    (listener,) = gate.listeners
    assert [(f.dts, f.pts, f.keyframe, f.data) for f in listener.video] == [(0, 66 * 90, True, b"v" * 1000)]
    assert [(f.pts, f.data) for f in listener.audio] == [(900, b"sound")]
    (source,) = gate.sources
    assert isinstance(source.video, VideoHeader)
    assert isinstance(source.audio, AudioHeader)
    assert source.metadata["width"] == 1280.0
    assert source.bytes_received == rtmp.bytes_received == len(hello() + media)


def test_create_stream_is_answered_with_its_transaction() -> None:
    _, answers = talk(HELLO + connect() + command("createStream", 4.0, None))
    assert (answers.commands[-1].name, answers.commands[-1].transaction) == ("_result", 4.0)
    assert answers.commands[-1].argument(1) == 1.0


def test_enhanced_rtmp_is_announced_to_those_who_ask() -> None:
    _, answers = talk(HELLO + connect(capsEx=7.0, fourCcList=["hvc1", "*"]))
    properties = answers.commands[0].argument(0)
    assert isinstance(properties, dict)
    assert {"avc1", "hvc1", "av01", "vp09", "Opus"} <= set(properties["fourCcList"])
    assert properties["videoFourCcInfoMap"] == dict.fromkeys(["avc1", "hvc1", "av01", "vp09"], 4.0)
    assert properties["audioFourCcInfoMap"]["fLaC"] == 4.0
    assert properties["capsEx"] == 14.0
    _, answers = talk(HELLO + connect())
    assert "fourCcList" not in answers.commands[0].argument(0)


@pytest.mark.parametrize(
    ("app", "name", "key"),
    [
        ("live", KEY, KEY),
        ("live/", f"{KEY}?bandwidth=1", KEY),
        (f"live/{KEY}", "", KEY),
        (f"live/{KEY}?x=y", "", KEY),
        ("live/first", "second", "first/second"),
    ],
)
def test_where_the_key_may_stand(app: str, name: str, key: str) -> None:
    gate = Gate()
    talk(hello(app, name), gate)
    assert [request.key for request in gate.requests] == [key]


def test_the_key_is_in_no_representation() -> None:
    gate = Gate()
    rtmp, _ = talk(hello(f"live/{KEY}", ""), gate)
    assert KEY not in repr(gate.requests) + repr(gate.sources) + repr(vars(rtmp).get("source"))


@pytest.mark.parametrize("app", ["", "other", "other/live", f"{KEY}", "liverpool"])
def test_other_applications_are_rejected_without_being_repeated(app: str) -> None:
    rtmp, answers = talk(HELLO + connect(app))
    assert answers.commands[-1].name == "_error"
    assert answers.codes == ["NetConnection.Connect.Rejected"]
    assert answers.description == rtmp.finished == "The server address must end in /live, as in rtmp://HOST/live."


def test_a_wrong_key_gets_the_gates_sentence() -> None:
    gate = Gate()
    rtmp, answers = talk(hello(key="wrong") + chunk(messages.VIDEO, video_header()), gate)
    assert answers.codes[-1] == "NetStream.Publish.BadName"
    assert answers.description == rtmp.finished == "The stream key is not valid. Copy it from the admin page."
    assert rtmp.source is None
    assert not gate.listeners


@pytest.mark.parametrize("key", ["", "?only=query", "k" * (MAX_KEY_LENGTH + 1)])
def test_keys_of_impossible_length_do_not_reach_the_gate(key: str) -> None:
    gate = Gate()
    rtmp, answers = talk(hello(key=key), gate)
    assert answers.codes[-1] == "NetStream.Publish.BadName"
    assert "stream key" in str(rtmp.finished)
    assert not gate.requests


def test_publish_before_connect() -> None:
    rtmp, answers = talk(HELLO + publish())
    assert answers.codes == ["NetStream.Publish.BadName"]
    assert rtmp.finished == "The encoder must send connect before publish."


def test_a_second_publish_ends_the_first() -> None:
    gate = Gate()
    rtmp, answers = talk(hello() + publish(), gate)
    assert answers.codes[-1] == "NetStream.Publish.BadName"
    assert gate.listeners[0].ends == [rtmp.finished]


def test_play_is_refused_with_the_address_to_watch() -> None:
    rtmp, answers = talk(HELLO + connect() + command("play", 0.0, None, KEY, message_stream=1))
    assert answers.codes[-1] == "NetStream.Play.Failed"
    assert "/hls/stream.m3u8" in answers.description
    assert rtmp.finished == answers.description


@pytest.mark.parametrize("transaction", [0.0, 3.0])
def test_transaction_0_asks_for_no_answer(transaction: float) -> None:
    names = ["releaseStream", "FCPublish"]
    _, answers = talk(HELLO + connect() + b"".join(command(name, transaction, None, KEY) for name in names))
    assert [answer.transaction for answer in answers.commands[1:]] == [transaction] * (2 if transaction else 0)


@pytest.mark.parametrize(
    ("name", "argument"), [("FCUnpublish", KEY), ("deleteStream", 1.0), ("deleteStream", KEY), ("closeStream", None)]
)
def test_every_way_to_end_a_stream(name: str, argument: AmfValue) -> None:
    gate = Gate()
    rtmp, answers = talk(hello() + command(name, 0.0, None, argument), gate)
    assert rtmp.finished == "The encoder ended the stream."
    assert answers.codes[-1] == "NetStream.Unpublish.Success"
    feed(rtmp, command("deleteStream", 0.0, None, 1.0))
    assert gate.listeners[0].ends == ["The encoder ended the stream."]


def test_metadata_may_be_repeated() -> None:
    gate = Gate()
    rates = [metadata({"width": 640.0, "videodatarate": float(n // 10)}) for n in range(25)]
    talk(hello() + b"".join(rates), gate)
    assert [m["videodatarate"] for m in gate.listeners[0].metadata] == [0.0, 1.0, 2.0]
    assert (gate.sources[0].expects_video, gate.sources[0].expects_audio) == (True, False)


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"audiocodecid": 10.0}, (False, True)),
        ({"videocodecid": "avc1", "audiocodecid": "mp4a"}, (True, True)),
        ({"width": 0.0, "encoder": "x"}, (None, None)),
        ({"width": float("nan")}, (None, None)),
    ],
)
def test_metadata_announces_tracks(properties: dict[str, AmfValue], expected: tuple[bool | None, bool | None]) -> None:
    gate = Gate()
    talk(hello() + metadata(properties, messages.DATA_AMF3), gate)
    assert (gate.sources[0].expects_video, gate.sources[0].expects_audio) == expected


def test_pings_are_answered_and_large_reads_acknowledged() -> None:
    window = chunk(messages.WINDOW_ACK_SIZE, (1).to_bytes(4, "big"), stream=2, message_stream=0)
    ping = chunk(messages.USER_CONTROL, b"\x00\x06\x11\x22\x33\x44", stream=2, message_stream=0)
    sound = chunk(messages.AUDIO, b"\xaf\x01" + bytes(60_000))
    rtmp, answers = talk(hello() + window + ping + sound * 2, step=4096)
    assert (messages.USER_CONTROL, 0, b"\x00\x07\x11\x22\x33\x44") in answers.messages
    acknowledged = [int.from_bytes(p, "big") for t, _, p in answers.messages if t == messages.ACKNOWLEDGEMENT]
    # However small the window that is asked for.
    assert len(acknowledged) == rtmp.bytes_received // MIN_ACK_WINDOW


def test_a_flood_of_pings_ends_the_session() -> None:
    ping = chunk(messages.USER_CONTROL, b"\x00\x06\x11\x22\x33\x44", stream=2, message_stream=0)
    rtmp, _ = talk(hello() + bytes(0))
    feed(rtmp, ping * 10_000)
    assert "answers" in str(rtmp.finished)
    assert len(rtmp.take_output()) < MAX_OUTPUT + 1000


def test_aggregates_are_taken_apart() -> None:
    gate = Gate()
    tags = b""
    for time, tag in ((1000, picture(b"key", key=True)), (1040, picture(b"next"))):
        tags += bytes((messages.VIDEO,)) + len(tag).to_bytes(3, "big") + time.to_bytes(3, "big") + bytes(4) + tag
        tags += bytes(4)
    media = chunk(messages.VIDEO, video_header()) + chunk(messages.AGGREGATE, tags, stream=5, timestamp=9000)
    talk(hello() + media, gate)
    assert [(frame.dts // 90, frame.data) for frame in gate.listeners[0].video] == [(0, b"key"), (40, b"next")]
    rtmp, _ = talk(hello() + chunk(messages.AGGREGATE, tags[:15]))
    assert "aggregate" in str(rtmp.finished)


def test_media_before_publish_is_ignored_and_bounded() -> None:
    gate = Gate()
    rtmp, _ = talk(HELLO + connect() + chunk(messages.VIDEO, video_header()), gate)
    assert rtmp.finished is None
    claim = b"\x04" + bytes(3) + (70_000).to_bytes(3, "big") + bytes((messages.VIDEO,)) + bytes(4)
    feed(rtmp, claim)
    assert "70000" in str(rtmp.finished)


def test_a_message_that_claims_16_mb_is_refused_before_its_data() -> None:
    gate = Gate()
    claim = b"\x04" + bytes(3) + b"\xff\xff\xff" + bytes((messages.VIDEO,)) + bytes(4)
    rtmp, answers = talk(hello() + claim, gate)
    assert "16777215" in answers.description
    assert gate.listeners[0].ends == [rtmp.finished] == [answers.description]


@pytest.mark.parametrize(
    "data",
    [
        chunk(messages.COMMAND_AMF0, encode("publish", 1.0) + b"\x0a\x00\x00\x00\x01" * 1000),
        chunk(messages.COMMAND_AMF0, encode(1.0, "connect")),
        command("connect", 1.0, "not an object"),
        command("connect", 1.0),
        command("connect", 1.0, {"app": 5.0}),
        connect() + connect(),
        connect() + command("publish", 1.0, None, 5.0),
        connect() + command("publish", 1.0),
        chunk(messages.SET_CHUNK_SIZE, b"\x80\x00\x00\x00", stream=2),
        chunk(messages.COMMAND_AMF3, encode("connect", 1.0)),
    ],
)
def test_malformed_input_ends_the_session_with_a_sentence_for_the_encoder(data: bytes) -> None:
    gate = Gate()
    rtmp, answers = talk(HELLO + data, gate)
    assert answers.description == rtmp.finished
    assert not gate.listeners


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", bytes(3000), b"\xff" * 5000, b"\x16\x03\x01"])
def test_garbage_instead_of_a_handshake_is_answered_with_silence(garbage: bytes) -> None:
    rtmp = session(Gate())
    feed(rtmp, garbage)
    assert str(rtmp.finished).startswith("The peer ")
    assert rtmp.take_output() == b""


def test_unsupported_codecs_end_the_stream_with_a_sentence() -> None:
    gate = Gate()
    rtmp, answers = talk(hello() + chunk(messages.VIDEO, b"\x12data!"), gate)
    assert answers.codes[-1] == "NetStream.Failed"
    assert "H.263" in answers.description
    assert gate.listeners[0].ends == [rtmp.finished]


def test_the_owner_can_close_a_source_from_within_a_call() -> None:
    gate = Gate()
    wakes: list[str] = []
    rtmp = session(gate, wakes)
    feed(rtmp, hello() + chunk(messages.VIDEO, video_header()))
    source, listener = gate.sources[0], gate.listeners[0]
    keep = listener.on_video
    listener.on_video = lambda frame: (keep(frame), source.close("Enough."))  # type: ignore[method-assign]
    feed(rtmp, chunk(messages.VIDEO, picture(b"k", key=True)) * 5)
    assert len(listener.video) == 1
    assert listener.ends == ["Enough."]
    assert rtmp.finished == "Enough."
    assert not wakes


def test_the_owner_can_close_a_source_at_any_time() -> None:
    gate = Gate()
    wakes: list[str] = []
    rtmp = session(gate, wakes)
    feed(rtmp, hello())
    gate.sources[0].close("Taken over.")
    gate.sources[0].close("Again.")
    rtmp.end("The encoder closed the connection.")
    assert gate.listeners[0].ends == ["Taken over."]
    assert wakes == ["wake"]


def test_a_finished_session_takes_bytes_without_end() -> None:
    gate = Gate()
    rtmp, _ = talk(hello() + chunk(messages.VIDEO, b"\x12data!") + bytes(100_000), gate)
    feed(rtmp, bytes(1_000_000))
    assert len(rtmp.get_buffer()) > 0


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=6), st.integers(1, 300))
def test_whatever_follows_the_handshake_nothing_is_raised(pieces: list[bytes], step: int) -> None:
    gate = Gate()
    rtmp = session(gate)
    feed(rtmp, hello() + chunk(messages.VIDEO, video_header()))
    for piece in pieces:
        feed(rtmp, piece, step)
    rtmp.end("The test is over.")
    assert gate.listeners[0].ends == [rtmp.finished]


COMMANDS = ["connect", "publish", "createStream", "deleteStream", "play", "FCPublish", "releaseStream", "_checkbw"]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(COMMANDS),
            st.none() | st.floats() | st.text(max_size=5),
            st.lists(
                st.none()
                | st.booleans()
                | st.floats()
                | st.text(max_size=9)
                | st.lists(st.none(), max_size=2)
                | st.dictionaries(st.sampled_from(["app", "flashVer", "capsEx"]), st.none() | st.just("live")),
                max_size=4,
            ),
        ),
        max_size=6,
    )
)
def test_commands_with_wrong_types_raise_nothing(calls: list[tuple[str, AmfValue, list[AmfValue]]]) -> None:
    rtmp = session(Gate())
    feed(rtmp, HELLO)
    for name, transaction, arguments in calls:
        feed(rtmp, chunk(messages.COMMAND_AMF0, encode(name, transaction, *arguments)))
    assert rtmp.finished is None or rtmp.finished.endswith((".", "?"))


def test_jumping_timestamps_reach_the_listener_sane() -> None:
    gate = Gate()
    stamps = [0, 33, 66, 3_600_000, 3_600_033, 5, 38, 0xFFFFFFF0, 0x10]
    media = b"".join(chunk(messages.VIDEO, picture(b"k", key=True), timestamp=stamp) for stamp in stamps)
    talk(hello() + chunk(messages.VIDEO, video_header(AVCC)) + media, gate)
    times = [frame.dts for frame in gate.listeners[0].video]
    assert len(times) == len(stamps)
    assert all(0 < b - a <= 67 * 90 for a, b in pairwise(times))
