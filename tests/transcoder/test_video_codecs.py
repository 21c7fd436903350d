"""Video decoder configurations as real encoders write them: names, sizes, rates, and what is not one."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from io import BytesIO

import av
import pytest
from encoder_material import HEIGHT, WIDTH, flv, frames, video_of
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.source import VideoCodec, VideoHeader
from transcoder.errors import CodecError
from transcoder.fmp4.boxes import children, find
from transcoder.video_codecs import (
    MAX_NAL_UNITS,
    describe_video,
    keyframe_interval_hint,
    nal_length_size,
    with_parameter_sets,
)

ENCODERS = {
    VideoCodec.AVC: ("libx264", b"avcC"),
    VideoCodec.HEVC: ("libx265", b"hvcC"),
    VideoCodec.AV1: ("libsvtav1", b"av1C"),
    VideoCodec.VP9: ("libvpx-vp9", b"vpcC"),
}
FAST = {
    VideoCodec.AVC: {"preset": "ultrafast"},
    VideoCodec.HEVC: {"preset": "ultrafast", "x265-params": "log-level=none"},
    VideoCodec.AV1: {"preset": "12", "svtav1-params": "lp=1"},
    VideoCodec.VP9: {"deadline": "realtime", "cpu-used": "8"},
}
SPS_720P = bytes.fromhex("6764001facd9405005bb011000000300100000030320f1831960")
"""High profile, level 3.1, 1280x720, 25 pictures per second (x264)."""
PPS = bytes.fromhex("68ebecb22c")


def encoded(
    codec: VideoCodec, width: int, height: int, pixels: str = "yuv420p", rate: int = 30, **options: str
) -> tuple[VideoHeader, bytes]:
    """The configuration and the first picture that a real encoder makes of this size."""
    name, kind = ENCODERS[codec]
    buffer = BytesIO()
    flags = {"movflags": "empty_moov+delay_moov+default_base_moof"}
    with av.open(buffer, "w", format="mp4", options=flags) as container:
        stream = container.add_stream(name, rate=rate, options=FAST[codec] | options)
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.codec_context.time_base = Fraction(1, rate)
        if codec is VideoCodec.HEVC:
            stream.codec_context.codec_tag = "hvc1"
        picture = av.VideoFrame(width, height, pixels)
        for plane in picture.planes:
            plane.update(bytes(plane.buffer_size))
        packets = []
        for number in range(3):
            picture.pts = number
            packets += stream.encode(picture)
        packets += stream.encode()
        first = bytes(packets[0])
        for packet in packets:
            container.mux(packet)
    data = buffer.getvalue()
    moov = find(data, 0, len(data), b"moov")
    assert moov is not None
    stsd = find(data, moov.payload, moov.end, b"trak", b"mdia", b"minf", b"stbl", b"stsd")
    assert stsd is not None
    entry = next(children(data, stsd.payload + 8, stsd.end))
    box = find(data, entry.payload + 78, entry.end, kind)
    assert box is not None
    return VideoHeader(codec, data[box.payload : box.end]), first


def length_prefixed(*nals: bytes) -> bytes:
    return b"".join(len(nal).to_bytes(4, "big") + nal for nal in nals)


# The names are what ffmpeg's own HLS muxer writes for the same streams; it writes none for HEVC.
@pytest.mark.parametrize(
    ("encoder", "name"),
    [
        ("libx264", "avc1.42c00d"),
        ("libx265", "hvc1.1.6.L60.90"),
        ("libsvtav1", "av01.0.00M.08"),
        ("libvpx-vp9", "vp09.00.11.08"),
    ],
)
def test_what_rtmp_carries_is_described(encoder: str, name: str) -> None:
    headers, _ = frames(flv(video=encoder, seconds=1.0))
    header = next(found for found in headers if isinstance(found, VideoHeader))
    info = describe_video(header, width=WIDTH, height=HEIGHT)
    assert (info.codec, info.name, info.width, info.height) == (header.codec, name, WIDTH, HEIGHT)


@pytest.mark.parametrize("codec", [VideoCodec.AVC, VideoCodec.HEVC, VideoCodec.AV1])
@pytest.mark.parametrize(("width", "height"), [(640, 360), (322, 182), (1280, 720), (854, 480), (1080, 1920)])
def test_sizes_that_blocks_do_not_fill_are_cropped(codec: VideoCodec, width: int, height: int) -> None:
    header, _ = encoded(codec, width, height)
    info = describe_video(header)
    assert (info.width, info.height) == (width, height)


@pytest.mark.parametrize(
    ("pixels", "profile", "name"),
    [("yuv422p", "high422", "avc1.7a"), ("yuv444p", "high444", "avc1.f4"), ("yuv420p10le", "high10", "avc1.6e")],
)
def test_chroma_and_depth_change_the_unit_of_cropping(pixels: str, profile: str, name: str) -> None:
    header, _ = encoded(VideoCodec.AVC, 322, 182, pixels, profile=profile)
    info = describe_video(header)
    assert (info.width, info.height) == (322, 182)
    assert info.name.startswith(name)


def test_interlaced_pictures_are_counted_in_fields() -> None:
    header, _ = encoded(VideoCodec.AVC, 1920, 1080, flags="+ildct+ilme", profile="main", preset="veryfast")
    info = describe_video(header)
    assert (info.width, info.height) == (1920, 1080)


def test_scaling_lists_are_skipped() -> None:
    header, _ = encoded(VideoCodec.AVC, 640, 360, profile="high", preset="veryfast", **{"x264-params": "cqm=jvt"})
    info = describe_video(header)
    assert (info.width, info.height) == (640, 360)


@pytest.mark.parametrize("rate", [24, 30, 50, 60])
def test_the_frame_rate_of_avc_is_read(rate: int) -> None:
    header, _ = encoded(VideoCodec.AVC, 320, 180, rate=rate)
    assert describe_video(header).framerate == rate


def test_hevc_of_ten_bits_names_its_profile() -> None:
    header, _ = encoded(VideoCodec.HEVC, 320, 180, "yuv420p10le")
    assert describe_video(header).name == "hvc1.2.4.L60.90"


def test_hevc_in_main_tier_and_high_tier() -> None:
    config = bytes.fromhex("0121600000000000000000007b") + bytes(10)
    with pytest.raises(CodecError, match="hvc1 picture is 0x0"):
        describe_video(VideoHeader(VideoCodec.HEVC, config))
    info = describe_video(VideoHeader(VideoCodec.HEVC, config), width=1920, height=1080)
    assert info.name == "hvc1.1.6.H123"


def test_vp9_needs_a_size_from_elsewhere() -> None:
    header, _ = encoded(VideoCodec.VP9, 320, 180)
    with pytest.raises(CodecError, match="vp09 picture is 0x0"):
        describe_video(header)
    bare = VideoHeader(VideoCodec.VP9, header.config[4:])
    assert describe_video(bare, width=320, height=180) == describe_video(header, width=320, height=180)


@pytest.mark.parametrize("width", [-1, 16_385, 10**9])
def test_sizes_that_cannot_be_are_refused(width: int) -> None:
    header, _ = encoded(VideoCodec.VP9, 320, 180)
    with pytest.raises(CodecError, match=f"vp09 picture is {width}x180; sizes from 1 to 16384"):
        describe_video(header, width=width, height=180)


@pytest.mark.parametrize("codec", [VideoCodec.AVC, VideoCodec.HEVC, VideoCodec.AV1])
def test_every_truncation_is_refused_or_harmless(codec: VideoCodec) -> None:
    header, _ = encoded(codec, 640, 360)
    for length in range(len(header.config)):
        try:
            info = describe_video(VideoHeader(codec, header.config[:length]))
        except CodecError:
            pass
        else:
            assert (info.width, info.height) == (640, 360)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(list(VideoCodec)), st.binary(max_size=80), st.integers(-1, 10), st.integers(-1, 10))
def test_random_bytes_raise_nothing_but_codec_errors(codec: VideoCodec, config: bytes, width: int, height: int) -> None:
    try:
        info = describe_video(VideoHeader(codec, config), width=width, height=height)
    except CodecError:
        return
    assert info.width > 0
    assert info.height > 0


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_configurations_raise_nothing_but_codec_errors(data: st.DataObject) -> None:
    codec = data.draw(st.sampled_from([VideoCodec.AVC, VideoCodec.HEVC, VideoCodec.AV1]))
    headers, _ = frames(flv(video=ENCODERS[codec][0], seconds=1.0))
    config = bytearray(next(found for found in headers if isinstance(found, VideoHeader)).config)
    for _ in range(data.draw(st.integers(1, 6))):
        config[data.draw(st.integers(0, len(config) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(CodecError):
        assert describe_video(VideoHeader(codec, bytes(config))).width > 0


def test_how_long_nal_lengths_are() -> None:
    assert nal_length_size(encoded(VideoCodec.AVC, 320, 180)[0]) == 4
    assert nal_length_size(encoded(VideoCodec.HEVC, 320, 180)[0]) == 4
    assert nal_length_size(VideoHeader(VideoCodec.AVC, b"\x01\x64\x00\x1f\xfc\xe1")) == 1
    assert nal_length_size(VideoHeader(VideoCodec.AV1, b"")) == 0
    with pytest.raises(CodecError, match="avc1 configuration of 4 bytes is cut short"):
        nal_length_size(VideoHeader(VideoCodec.AVC, b"\x01\x64\x00\x1f"))


def test_x264_tells_its_keyframe_interval() -> None:
    _, source = frames(flv(seconds=1.0, gop=30))
    assert keyframe_interval_hint(video_of(source)[0].data) == 30
    assert keyframe_interval_hint(video_of(source)[1].data) is None


def test_parameter_sets_in_front_of_a_picture_replace_the_header() -> None:
    header, _ = encoded(VideoCodec.AVC, 320, 180, preset="veryfast")
    larger, _ = encoded(VideoCodec.AVC, 640, 360, preset="veryfast")
    sps_length = int.from_bytes(larger.config[6:8], "big")
    sps = larger.config[8 : 8 + sps_length]
    start = 8 + sps_length + 3
    pps = larger.config[start : start + int.from_bytes(larger.config[start - 2 : start], "big")]
    picture = length_prefixed(b"\x09\xf0", sps, pps, b"\x65" + bytes(20))
    renewed = with_parameter_sets(header, picture)
    assert describe_video(renewed).width == 640
    assert renewed.config == larger.config
    assert with_parameter_sets(renewed, picture) is renewed


def test_repeated_or_late_parameter_sets_change_nothing() -> None:
    header = VideoHeader(
        VideoCodec.AVC,
        b"\x01\x64\x00\x1f\xff\xe1" + len(SPS_720P).to_bytes(2, "big") + SPS_720P + b"\x01\x00\x05" + PPS,
    )
    assert describe_video(header).width == 1280
    same = length_prefixed(SPS_720P, PPS, b"\x65" + bytes(20))
    assert with_parameter_sets(header, same) is header
    other = SPS_720P[:-1] + b"\x61"
    after_the_slice = length_prefixed(b"\x65" + bytes(20), other, PPS)
    assert with_parameter_sets(header, after_the_slice) is header
    without_pps = length_prefixed(other, b"\x65" + bytes(20))
    assert with_parameter_sets(header, without_pps) is header
    hevc = VideoHeader(VideoCodec.HEVC, bytes(23))
    assert with_parameter_sets(hevc, same) is hevc


def test_parameter_sets_that_cannot_be_read_change_nothing() -> None:
    header, _ = encoded(VideoCodec.AVC, 320, 180)
    broken = length_prefixed(b"\x67\x64\x00\x1f", PPS, b"\x65" + bytes(20))
    assert with_parameter_sets(header, broken) is header


def test_a_picture_made_of_nothing_but_parameter_sets_is_given_up_early() -> None:
    header, _ = encoded(VideoCodec.AVC, 320, 180)
    many = length_prefixed(*(SPS_720P + number.to_bytes(3, "big") for number in range(MAX_NAL_UNITS * 20)), PPS)
    assert with_parameter_sets(header, many) is header
    assert with_parameter_sets(header, bytes(1_000_000)) is header


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40).map(lambda tail: b"\x67\x64" + tail), max_size=4), st.binary(max_size=60))
def test_hostile_pictures_give_a_header_or_nothing(sets: list[bytes], tail: bytes) -> None:
    header = VideoHeader(VideoCodec.AVC, b"\x01\x64\x00\x1f\xff\xe0\x00")
    renewed = with_parameter_sets(header, length_prefixed(*sets, PPS) + tail)
    assert renewed is header or renewed.config[0] == 1
