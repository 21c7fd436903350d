from __future__ import annotations

import struct

import pytest
from encoder_material import frames
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.source import AudioCodec, AudioFrame, AudioHeader, VideoCodec, VideoFrame, VideoHeader
from transcoder import feed


def test_the_bytes_of_the_legacy_tags() -> None:
    assert feed.file_header(video=True, audio=False).hex() == "464c5601010000000900000000"
    header = feed.video_header_tag(VideoHeader(VideoCodec.AVC, b"\x01\x64"), 0)
    assert header.hex() == "09000007" + "00000000" + "000000" + "1700000000" + "0164" + "00000012"
    # A picture shown 67 ms after it is decoded, at 2**24 ms and 5: the upper byte of the time stands behind.
    tag = feed.video_tag(VideoCodec.AVC, VideoFrame((2**24 + 5) * 90, (2**24 + 72) * 90, False, b"\xaa"))
    assert tag.hex() == "09000006" + "00000501" + "000000" + "2701000043" + "aa" + "00000011"
    tag = feed.audio_tag(AudioCodec.AAC, AudioFrame(90, b"\xbb"))
    assert tag.hex() == "08000003" + "00000100" + "000000" + "af01" + "bb" + "0000000e"


def test_the_bytes_of_the_enhanced_tags() -> None:
    assert feed.video_header_tag(VideoHeader(VideoCodec.AV1, b"\x81"), 0)[11:16] == b"\x90av01"
    tag = feed.video_tag(VideoCodec.HEVC, VideoFrame(0, -90, True, b"\xaa"))
    assert tag[11:-4] == b"\x91hvc1\xff\xff\xff\xaa"
    assert feed.video_tag(VideoCodec.VP9, VideoFrame(0, 0, False, b"\xaa"))[11:-4] == b"\xa1vp09\xaa"
    assert feed.audio_header_tag(AudioHeader(AudioCodec.OPUS, b"\xcc"), 0)[11:-4] == b"\x90Opus\xcc"
    assert feed.audio_tag(AudioCodec.AC3, AudioFrame(0, b"\xcc"))[11:-4] == b"\x91ac-3\xcc"
    assert feed.audio_header_tag(AudioHeader(AudioCodec.MP3, b""), 0) == b""


@pytest.mark.parametrize("codec", list(VideoCodec))
@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(-(2**22), 2**22), st.booleans(), st.binary(min_size=6, max_size=300))
def test_a_picture_is_read_back_as_it_was(codec: VideoCodec, time: int, shift: int, key: bool, data: bytes) -> None:
    reorders = codec in (VideoCodec.AVC, VideoCodec.HEVC)
    frame = VideoFrame(time * 90, (time + shift * reorders) * 90, key, data)
    _, read = frames(feed.file_header(video=True, audio=False) + feed.video_tag(codec, frame))
    assert read == [frame]


@pytest.mark.parametrize("codec", list(AudioCodec))
def test_an_audio_frame_is_read_back_as_it_was(codec: AudioCodec) -> None:
    frame = AudioFrame(90 * 21, b"sound")
    data = feed.file_header(video=False, audio=True) + feed.audio_header_tag(AudioHeader(codec, b"cfg"), 0)
    headers, read = frames(data + feed.audio_tag(codec, frame))
    assert read == [frame]
    assert [header.codec for header in headers] == [codec]


def test_every_tag_ends_with_its_size() -> None:
    tag = feed.video_tag(VideoCodec.AVC, VideoFrame(0, 0, True, bytes(70_000)))
    assert struct.unpack(">I", tag[-4:])[0] == len(tag) - 4
