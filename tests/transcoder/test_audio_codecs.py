"""Audio decoder configurations as real encoders write them: names, rates, frame lengths, and what is not one."""

from __future__ import annotations

import functools

import pytest
from encoder_material import audio_of, flv, frames
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.source import AudioCodec, AudioHeader
from transcoder.audio_codecs import AudioInfo, describe_audio, frame_samples
from transcoder.errors import CodecError


@functools.cache
def recorded(encoder: str) -> tuple[AudioHeader, bytes]:
    """What an FLV file holds of a real encoder: its header and its fourth frame."""
    headers, source = frames(flv(video="", audio=encoder, seconds=0.5))
    return next(found for found in headers if isinstance(found, AudioHeader)), audio_of(source)[3].data


# The names are what ffmpeg's own HLS muxer writes, but for "flac", which RFC 9639 registered as fLaC.
@pytest.mark.parametrize(
    ("encoder", "info"),
    [
        ("aac", AudioInfo(AudioCodec.AAC, "mp4a.40.2", 48000, 1, 1024)),
        ("libopus", AudioInfo(AudioCodec.OPUS, "Opus", 48000, 1, 960, bytes.fromhex("00010138 0000bb80 0000 00"))),
        ("ac3", AudioInfo(AudioCodec.AC3, "ac-3", 48000, 1, 1536, bytes.fromhex("1008c0"))),
        ("eac3", AudioInfo(AudioCodec.EAC3, "ec-3", 48000, 1, 1536, bytes.fromhex("0300200200"))),
        ("libmp3lame", AudioInfo(AudioCodec.MP3, "mp4a.40.34", 48000, 1, 1152)),
    ],
)
def test_what_rtmp_carries_is_described(encoder: str, info: AudioInfo) -> None:
    assert describe_audio(*recorded(encoder)) == info


def test_flac_is_described() -> None:
    header, frame = recorded("flac")
    info = describe_audio(header, frame)
    assert (info.name, info.sample_rate, info.channels) == ("fLaC", 48000, 1)
    assert info.samples_per_frame == int.from_bytes(header.config[2:4], "big")
    assert info.box == bytes.fromhex("00000000 80000022") + header.config


@pytest.mark.parametrize(
    ("config", "name", "rate", "channels", "samples"),
    [
        ("1210", "mp4a.40.2", 44100, 2, 1024),
        ("1190", "mp4a.40.2", 48000, 2, 1024),
        ("11b0", "mp4a.40.2", 48000, 6, 1024),
        ("11b8", "mp4a.40.2", 48000, 8, 1024),
        ("1194", "mp4a.40.2", 48000, 2, 960),
        ("1180", "mp4a.40.2", 48000, 2, 1024),  # channels in a program config element
        ("11d8", "mp4a.40.2", 48000, 7, 1024),  # 6.1
        ("11e0", "mp4a.40.2", 48000, 8, 1024),  # 7.1
        ("2b11 88 00", "mp4a.40.5", 24000, 2, 1024),  # explicit SBR: frames are counted at the core's rate
        ("eb09 88 00", "mp4a.40.29", 24000, 1, 1024),
        ("17805dc0 10", "mp4a.40.2", 48000, 2, 1024),  # a frequency in 24 bits
        ("f94640", "mp4a.40.42", 48000, 2, 1024),  # an escaped object type
    ],
)
def test_aac_configurations(config: str, name: str, rate: int, channels: int, samples: int) -> None:
    info = describe_audio(AudioHeader(AudioCodec.AAC, bytes.fromhex(config)))
    assert (info.name, info.sample_rate, info.channels, info.samples_per_frame) == (name, rate, channels, samples)


@pytest.mark.parametrize(
    ("codec", "config", "frame", "sentence"),
    [
        (AudioCodec.AAC, "", "", "ends 5 bits too early"),
        (AudioCodec.AAC, "1690", "", "sampling frequency index 13, which is reserved"),
        (AudioCodec.AAC, "17800001 90", "", "sampling rate of 3 Hz, outside 1000 to 192000"),
        (AudioCodec.AAC, "11c0", "", "channel configuration 8, which is reserved"),
        (AudioCodec.OPUS, "4f70757348656164", "", "Opus header of 8 bytes is cut short"),
        (AudioCodec.OPUS, "00" * 19, "", "instead of OpusHead"),
        (AudioCodec.OPUS, b"OpusHead".hex() + "01" + "00" * 10, "", "0 channels"),
        (AudioCodec.OPUS, b"OpusHead".hex() + "0106" + "00" * 8 + "01", "", "channel mapping"),
        (AudioCodec.FLAC, "00" * 33, "", "34 bytes; 33 came"),
        (AudioCodec.FLAC, "00" * 34, "", "sampling rate of 0 Hz"),
        (AudioCodec.AC3, "", "", "instead of the sync word"),
        (AudioCodec.AC3, "", "0b77 0000 c0 40 00 00 00", "reserved sampling rate"),
        (AudioCodec.AC3, "", "0b77 0000", "too early"),
        (AudioCodec.EAC3, "", "770b", "instead of the sync word"),
        (AudioCodec.EAC3, "", "0b77 00ff c0 00 00", "reduced sampling rate"),
        (AudioCodec.MP3, "", "fffb", "no MPEG audio header"),
    ],
)
def test_malformed_configurations_are_refused_with_a_sentence(
    codec: AudioCodec, config: str, frame: str, sentence: str
) -> None:
    with pytest.raises(CodecError, match=sentence):
        describe_audio(AudioHeader(codec, bytes.fromhex(config)), bytes.fromhex(frame))


def test_opus_head_in_surround_keeps_its_mapping() -> None:
    config = b"OpusHead" + bytes.fromhex("01 06 3801 80bb0000 0000 01 04 02 000401020305")
    info = describe_audio(AudioHeader(AudioCodec.OPUS, config))
    assert info.channels == 6
    assert info.box.hex() == "0006" + "0138" + "0000bb80" + "0000" + "01" + "0402" + "000401020305"


@pytest.mark.parametrize(
    ("packet", "samples"),
    [
        ("00", 480),  # SILK, 10 ms
        ("18", 2880),  # SILK, 60 ms
        ("68", 960),  # hybrid, 20 ms
        ("e0", 120),  # CELT, 2.5 ms
        ("f8", 960),  # CELT, 20 ms
        ("f9", 1920),  # two frames of the same size
        ("fa", 1920),  # two frames of different sizes
        ("fb03", 2880),  # three frames, by count
        ("fb00", 960),  # malformed: a count of 0
        ("fb", 960),  # malformed: no count
    ],
)
def test_opus_packets_say_how_long_they_are(packet: str, samples: int) -> None:
    header, _ = recorded("libopus")
    info = describe_audio(header, bytes.fromhex(packet))
    assert info.samples_per_frame == samples
    assert frame_samples(info, bytes.fromhex(packet)) == samples
    assert frame_samples(info, b"") == samples


def test_other_codecs_have_frames_of_one_length() -> None:
    header, frame = recorded("aac")
    assert frame_samples(describe_audio(header), frame) == 1024


def test_ac3_in_surround_counts_the_low_frequency_channel() -> None:
    # 48 kHz, 384 kb/s, bsid 8, acmod 7 (3/2): centre and surround mix levels stand before the flag.
    frame = bytes.fromhex("0b77 0000 1c 40 e1 0000")
    info = describe_audio(AudioHeader(AudioCodec.AC3, b""), frame)
    assert (info.sample_rate, info.channels) == (48000, 6)
    assert info.box == (8 << 17 | 7 << 11 | 1 << 10 | 14 << 5).to_bytes(3, "big")


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(list(AudioCodec)), st.binary(max_size=48), st.binary(max_size=24), st.booleans())
def test_random_bytes_raise_nothing_but_codec_errors(
    codec: AudioCodec, config: bytes, frame: bytes, likely: bool
) -> None:
    if likely:
        config = {AudioCodec.OPUS: b"OpusHead"}.get(codec, b"") + config
        frame = {AudioCodec.AC3: b"\x0b\x77", AudioCodec.EAC3: b"\x0b\x77", AudioCodec.MP3: b"\xff\xfb"}.get(
            codec, b""
        ) + frame
    try:
        info = describe_audio(AudioHeader(codec, config), frame)
    except CodecError:
        return
    assert info.sample_rate > 0
    assert 0 < info.channels < 65536
    assert info.samples_per_frame > 0
    assert frame_samples(info, frame) > 0


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["aac", "libopus", "flac", "ac3", "eac3"]), st.integers(0, 30))
def test_every_truncation_is_refused_or_harmless(encoder: str, length: int) -> None:
    header, frame = recorded(encoder)
    whole = describe_audio(header, frame)
    try:
        info = describe_audio(AudioHeader(header.codec, header.config[:length]), frame[:length])
    except CodecError:
        return
    assert (info.sample_rate, info.channels) == (whole.sample_rate, whole.channels)
