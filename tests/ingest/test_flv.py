"""FLV tags, legacy and Enhanced RTMP: what is read, what is absorbed, what is refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rtmp_wire import AAC_CONFIG, AVCC, picture, video_header

from ingest.errors import FlvError, UnsupportedCodec
from ingest.flv import MAX_HEADER_SIZE, FlvReader
from ingest.source import AudioCodec, AudioHeader, VideoCodec, VideoHeader

HVCC = b"\x01" + bytes(22)
AV1C = b"\x81\x00\x0c\x00"
VPCC = b"\x00\x0b\x82\x02\x02\x02\x00\x00"
OPUS_HEAD = b"OpusHead\x01\x02\x38\x01\x80\xbb\x00\x00\x00\x00\x00"
STREAM_INFO = bytes.fromhex("100010000000000000000bb800f0") + bytes(20)


class Sink:
    def __init__(self) -> None:
        self.heard: list[object] = []

    def video_header(self, header: VideoHeader) -> None:
        self.heard.append(header)

    def audio_header(self, header: AudioHeader) -> None:
        self.heard.append(header)

    def video(self, timestamp: int, keyframe: bool, composition: int, data: bytes, nanoseconds: int = 0) -> None:
        self.heard.append((timestamp, keyframe, composition, data, nanoseconds))

    def audio(self, timestamp: int, data: bytes, nanoseconds: int = 0) -> None:
        self.heard.append((timestamp, data, nanoseconds))


def read_video(*tags: bytes) -> list[object]:
    sink = Sink()
    reader = FlvReader(sink)
    for tag in tags:
        reader.video(7, memoryview(tag))
    return sink.heard


def read_audio(*tags: bytes) -> list[object]:
    sink = Sink()
    reader = FlvReader(sink)
    for tag in tags:
        reader.audio(7, memoryview(tag))
    return sink.heard


def enhanced(frame_type: int, packet_type: int, fourcc: bytes, body: bytes = b"") -> bytes:
    return bytes((0x80 | frame_type << 4 | packet_type,)) + fourcc + body


def sound(packet_type: int, fourcc: bytes, body: bytes = b"") -> bytes:
    return bytes((0x90 | packet_type,)) + fourcc + body


@pytest.mark.parametrize("composition", [0, 66, -1, -0x800000, 0x7FFFFF])
def test_avc_with_signed_composition_time(composition: int) -> None:
    tags = video_header(), picture(b"key", key=True, composition=composition), picture(b"delta")
    assert read_video(*tags) == [
        VideoHeader(VideoCodec.AVC, AVCC),
        (7, True, composition, b"key", 0),
        (7, False, 0, b"delta", 0),
    ]


def test_avc_what_is_absorbed() -> None:
    end_of_sequence, command, empty = b"\x17\x02\0\0\0", b"\x57\x00", picture(b"")
    assert read_video(picture(b"before the header", key=True), b"", end_of_sequence, command, empty, b"\x17\x01") == []
    assert read_video(b"\x57\x01\0\0\0data", video_header(b"")) == []


@pytest.mark.parametrize("config", [b"\x00" * 20, b"\x01\x02", b"\x01" * (MAX_HEADER_SIZE + 1)])
def test_invalid_avcc_is_refused(config: bytes) -> None:
    with pytest.raises(FlvError, match="decoder configuration"):
        read_video(video_header(config))


@pytest.mark.parametrize(
    ("codec_id", "name"), [(2, "H.263"), (3, "Screen"), (4, "VP6"), (5, "alpha"), (6, "Screen"), (9, "codec 9")]
)
@pytest.mark.parametrize("length", [1, 40])
def test_unsupported_video_is_named(codec_id: int, name: str, length: int) -> None:
    with pytest.raises(UnsupportedCodec, match=name):
        read_video(bytes((0x10 | codec_id,)) * length)


@pytest.mark.parametrize(
    ("fourcc", "codec", "config", "composition"),
    [
        (b"avc1", VideoCodec.AVC, AVCC, True),
        (b"hvc1", VideoCodec.HEVC, HVCC, True),
        (b"av01", VideoCodec.AV1, AV1C, False),
        (b"vp09", VideoCodec.VP9, b"\x01\0\0\0" + VPCC, False),
    ],
)
def test_enhanced_video(fourcc: bytes, codec: VideoCodec, config: bytes, composition: bool) -> None:
    heard = read_video(
        enhanced(1, 0, fourcc, config),
        enhanced(1, 1, fourcc, (b"\xff\xff\xfe" if composition else b"") + b"\x0akey"),
        enhanced(2, 3, fourcc, b"\x0adelta"),
        enhanced(1, 2, fourcc),
        enhanced(1, 4, b"\x02\x00\x09colorInfo"),
        enhanced(1, 5, fourcc, b"descriptor"),
        enhanced(2, 3, fourcc),
        enhanced(5, 1, b"\x00\x00\x00\x00"),
    )
    assert heard == [
        VideoHeader(codec, config),
        (7, True, -2 if composition else 0, b"\x0akey", 0),
        (7, False, 0, b"\x0adelta", 0),
    ]


def test_vp9_headers_with_and_without_the_boxs_version_are_the_same() -> None:
    with_version = read_video(enhanced(1, 0, b"vp09", b"\x01\0\0\0" + VPCC))
    assert read_video(enhanced(1, 0, b"vp09", VPCC)) == with_version


def test_frames_of_another_codec_than_the_headers_are_dropped() -> None:
    assert len(read_video(video_header(), enhanced(1, 3, b"hvc1", b"frame"))) == 1


def test_av1_temporal_delimiters_are_stripped() -> None:
    header = enhanced(1, 0, b"av01", AV1C)
    for delimiter in (b"\x12\x00", b"\x12\x00\x12\x00", b"\x16\x00\x00", b"\x10"):
        assert read_video(header, enhanced(1, 1, b"av01", delimiter + b"\x0a\x01\x00"))[1] == (
            7,
            True,
            0,
            b"\x0a\x01\x00",
            0,
        )
    assert len(read_video(header, enhanced(1, 1, b"av01", b"\x12\x00"))) == 1


def test_unknown_fourccs_are_named() -> None:
    with pytest.raises(UnsupportedCodec, match="'vvc1'"):
        read_video(enhanced(1, 0, b"vvc1", b"x"))
    with pytest.raises(UnsupportedCodec, match="ff00ff00"):
        read_audio(sound(0, b"\xff\x00\xff\x00"))


def test_mod_ex_gives_nanoseconds() -> None:
    offset = b"\x02" + (123_456).to_bytes(3, "big")
    long = b"\xff\x01\x03" + bytes(260)  # UI8 says 256, so the size is UI16 + 1
    body = b"hvc1frame"
    tags = [
        enhanced(1, 0, b"hvc1", HVCC),
        bytes((0x97,)) + offset + b"\x03" + body,
        bytes((0x97,)) + long + b"\x17" + offset + b"\x03" + body,
    ]
    assert read_video(*tags)[1:] == [(7, True, 0, b"frame", 123_456)] * 2
    opus = sound(0, b"Opus", OPUS_HEAD), bytes((0x97,)) + offset + b"\x01Opussound"
    assert read_audio(*opus)[1] == (7, b"sound", 123_456)


def test_endless_mod_ex_is_refused() -> None:
    with pytest.raises(FlvError, match="ModEx"):
        read_video(bytes((0x97,)) + b"\x00\x00\x07" * 100)


def multitrack(kind: int, packet_type: int, *tracks: tuple[bytes, int, bytes]) -> bytes:
    out = bytes((0x96, kind << 4 | packet_type))
    if kind != 2:
        out += tracks[0][0]
    for fourcc, track, body in tracks:
        out += (fourcc if kind == 2 else b"") + bytes((track,))
        out += (len(body).to_bytes(3, "big") if kind else b"") + body
    return out


def test_the_first_track_is_used_and_the_others_are_named_once() -> None:
    sink = Sink()
    reader = FlvReader(sink)
    for tag in (
        multitrack(1, 0, (b"hvc1", 3, HVCC), (b"hvc1", 1, HVCC + b"x")),
        multitrack(1, 3, (b"hvc1", 1, b"other"), (b"hvc1", 3, b"mine")),
        multitrack(2, 3, (b"av01", 2, b"other"), (b"hvc1", 3, b"mine")),
        multitrack(0, 3, (b"hvc1", 3, b"mine")),
        multitrack(0, 3, (b"hvc1", 1, b"other")),
        enhanced(1, 3, b"hvc1", b"other"),
    ):
        reader.video(7, memoryview(tag))
    assert sink.heard == [VideoHeader(VideoCodec.HEVC, HVCC), *[(7, True, 0, b"mine", 0)] * 3]
    assert reader.ignored_tracks == ["video 1", "video 2", "video 0"]


def test_legacy_messages_are_track_0() -> None:
    tags = video_header(), multitrack(0, 0, (b"avc1", 1, AVCC + b"x")), multitrack(0, 3, (b"avc1", 1, b"other"))
    assert read_video(*tags, picture(b"mine")) == [VideoHeader(VideoCodec.AVC, AVCC), (7, False, 0, b"mine", 0)]


def test_a_track_larger_than_its_message_is_refused() -> None:
    tag = multitrack(1, 3, (b"hvc1", 1, b"data"))
    with pytest.raises(FlvError, match="claims 4 bytes of 3"):
        read_video(tag[:-1])
    with pytest.raises(FlvError, match="tracks"):
        read_video(multitrack(1, 3, *[(b"hvc1", n, b"") for n in range(100)]))


@pytest.mark.parametrize(
    ("first", "frame", "header"),
    [
        (b"\xaf\x00" + AAC_CONFIG, b"\xaf\x01sound", AudioHeader(AudioCodec.AAC, AAC_CONFIG)),
        (b"", b"\x2fsound", AudioHeader(AudioCodec.MP3, b"")),
        (b"", b"\xeesound", AudioHeader(AudioCodec.MP3, b"")),
        (sound(0, b"mp4a", AAC_CONFIG), sound(1, b"mp4a", b"sound"), AudioHeader(AudioCodec.AAC, AAC_CONFIG)),
        (sound(0, b"Opus", OPUS_HEAD), sound(1, b"Opus", b"sound"), AudioHeader(AudioCodec.OPUS, OPUS_HEAD)),
        (sound(0, b"fLaC", STREAM_INFO), sound(1, b"fLaC", b"sound"), AudioHeader(AudioCodec.FLAC, STREAM_INFO)),
        (
            sound(0, b"fLaC", b"fLaC\x80\x00\x00\x22" + STREAM_INFO),
            sound(1, b"fLaC", b"sound"),
            AudioHeader(AudioCodec.FLAC, STREAM_INFO),
        ),
        (sound(4, b"ac-3", b"\x00\x02"), sound(1, b"ac-3", b"sound"), AudioHeader(AudioCodec.AC3, b"")),
        (b"", sound(1, b"ec-3", b"sound"), AudioHeader(AudioCodec.EAC3, b"")),
        (b"", sound(1, b".mp3", b"sound"), AudioHeader(AudioCodec.MP3, b"")),
    ],
)
def test_audio_codecs(first: bytes, frame: bytes, header: AudioHeader) -> None:
    assert read_audio(first, frame, frame) == [header, (7, b"sound", 0), (7, b"sound", 0)]


def test_audio_that_is_absorbed() -> None:
    assert read_audio(b"", b"\xaf", b"\xaf\x01", b"\xaf\x01no header", sound(1, b"Opus", b"no header"), b"\x2f") == []


@pytest.mark.parametrize(("sound_format", "name"), [(3, "PCM"), (6, "Nellymoser"), (11, "Speex"), (12, "format 12")])
def test_unsupported_audio_is_named(sound_format: int, name: str) -> None:
    with pytest.raises(UnsupportedCodec, match=name):
        read_audio(bytes((sound_format << 4,)) + b"data")


def test_invalid_audio_headers_are_refused() -> None:
    with pytest.raises(FlvError, match="1 bytes"):
        read_audio(b"\xaf\x00\x12")
    with pytest.raises(FlvError, match="FLAC"):
        read_audio(sound(0, b"fLaC", b"short"))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0x17, 0x27, 0x80, 0x90, 0x91, 0x93, 0x96, 0x97, 0xAF]), st.binary(max_size=60)))
)
def test_no_bytes_raise_anything_else(tags: list[tuple[int, bytes]]) -> None:
    reader = FlvReader(Sink())
    for first, rest in tags:
        for read in (reader.video, reader.audio):
            with suppress(FlvError):
                read(7, memoryview(bytes((first,)) + rest))
