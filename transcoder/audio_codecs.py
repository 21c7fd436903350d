"""Reads audio decoder configurations: sample rate, channels, samples per frame, and the codec's name for a playlist.

Owns the parsing of AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1), OpusHead and Opus packets (RFC 7845, RFC 6716
§3.1), FLAC's STREAMINFO (RFC 9639 §8.2), and AC-3 and E-AC-3 sync frames (ETSI TS 102 366). It decodes no sound.
"""

from __future__ import annotations

from dataclasses import dataclass

from ingest.source import AudioCodec, AudioHeader
from transcoder.bits import BitReader
from transcoder.errors import CodecError

AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
"""Sampling frequencies by index (ISO/IEC 14496-3 table 1.18)."""

AAC_CHANNELS = (2, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 24, 8, 0)
"""Channels by channel configuration (ibid. table 1.19); 0 is reserved, except the first: those channels are described
in the stream, and are taken for two."""

AC3_RATES = (48000, 44100, 32000)
AC3_CHANNELS = (2, 1, 2, 3, 3, 4, 4, 5)
EAC3_BLOCKS = (1, 2, 3, 6)

_AOT_SBR, _AOT_PS = 5, 29
_OPUS_RATE = 48_000


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a playlist and a sample entry need to know of an audio track."""

    codec: AudioCodec
    name: str
    """The RFC 6381 codecs string."""
    sample_rate: int
    """Samples per second; also the track's timescale."""
    channels: int
    samples_per_frame: int
    """Samples in one frame; for Opus those of the first frame, see `frame_samples`."""
    box: bytes = b""
    """The payload of the sample entry's configuration box, where it is not the header's own bytes."""


def describe_audio(header: AudioHeader, frame: bytes = b"") -> AudioInfo:
    """Reads `header`; AC-3 and E-AC-3 have none, so their first `frame` is read instead.

    Raises:
        CodecError: the configuration is malformed, or the codec cannot be put into fMP4.
    """
    try:
        match header.codec:
            case AudioCodec.AAC:
                return _describe_aac(header.config)
            case AudioCodec.OPUS:
                return _describe_opus(header.config, frame)
            case AudioCodec.FLAC:
                return _describe_flac(header.config)
            case AudioCodec.AC3:
                return _describe_ac3(frame)
            case AudioCodec.EAC3:
                return _describe_eac3(frame)
            case AudioCodec.MP3:
                return _describe_mp3(frame)
    except IndexError:
        raise CodecError(f"The {header.codec} configuration of {len(header.config)} bytes is cut short.") from None


def frame_samples(info: AudioInfo, frame: bytes) -> int:
    """How many samples, at `info.sample_rate`, this frame holds. Only Opus packets differ in length."""
    return _opus_samples(frame) if info.codec is AudioCodec.OPUS and frame else info.samples_per_frame


def _object_type(bits: BitReader) -> int:
    kind = bits.read(5)
    return 32 + bits.read(6) if kind == 31 else kind


def _frequency(bits: BitReader) -> int:
    index = bits.read(4)
    if index == 15:
        return bits.read(24)
    if index >= len(AAC_RATES):
        raise CodecError(f"The AAC configuration has sampling frequency index {index}, which is reserved.")
    return AAC_RATES[index]


def _describe_aac(config: bytes) -> AudioInfo:
    bits = BitReader(config)
    kind, rate, channel_config = _object_type(bits), _frequency(bits), bits.read(4)
    name = f"mp4a.40.{kind}"
    if kind in (_AOT_SBR, _AOT_PS):
        # Explicit SBR: the second frequency is the output's. Frames are counted at the core rate, 1024 each.
        _frequency(bits)
        kind = _object_type(bits)
    short = kind in (1, 2, 3, 4, 6, 7, 17, 19, 20, 21, 22, 23) and bits.flag()
    if not 1000 <= rate <= 192_000:
        raise CodecError(f"The AAC configuration has a sampling rate of {rate} Hz, outside 1000 to 192000.")
    channels = AAC_CHANNELS[channel_config]
    if not channels:
        raise CodecError(f"The AAC configuration has channel configuration {channel_config}, which is reserved.")
    return AudioInfo(AudioCodec.AAC, name, rate, channels, 960 if short else 1024)


def _opus_samples(packet: bytes) -> int:
    """Samples at 48 kHz in an Opus packet (RFC 6716 §3.1)."""
    config, code = packet[0] >> 3, packet[0] & 3
    if config < 12:
        size = (480, 960, 1920, 2880)[config & 3]
    elif config < 16:
        size = (480, 960)[config & 1]
    else:
        size = (120, 240, 480, 960)[config & 3]
    frames = 1 if code == 0 else 2 if code in (1, 2) else packet[1] & 0x3F if len(packet) > 1 else 1
    return size * max(frames, 1)


def _describe_opus(config: bytes, frame: bytes) -> AudioInfo:
    if config[:8] != b"OpusHead":
        raise CodecError(f"The Opus header begins with {config[:8]!r} instead of OpusHead.")
    if len(config) < 19:
        raise CodecError(f"The Opus header of {len(config)} bytes is cut short; it has at least 19.")
    channels = config[9]
    if not channels:
        raise CodecError("The Opus header has 0 channels.")
    size = 21 + channels if config[18] else 19  # a channel mapping family other than 0 brings its table
    if len(config) < size:
        raise CodecError(f"The Opus header of {len(config)} bytes lacks the channel mapping of {channels} channels.")
    # dOps (Opus in ISOBMFF §4.3.2) holds the fields of OpusHead in big-endian order, and version 0.
    box = bytes((0, channels)) + config[10:12][::-1] + config[12:16][::-1] + config[16:18][::-1] + config[18:size]
    return AudioInfo(AudioCodec.OPUS, "Opus", _OPUS_RATE, channels, _opus_samples(frame) if frame else 960, box)


def _describe_flac(config: bytes) -> AudioInfo:
    if len(config) < 34:
        raise CodecError(f"FLAC's STREAMINFO has 34 bytes; {len(config)} came.")
    bits = BitReader(config[2:18])
    block = bits.read(16)
    bits.read(48)
    rate, channels = bits.read(20), bits.read(3) + 1
    if not rate or not block:
        raise CodecError(f"FLAC's STREAMINFO has a sampling rate of {rate} Hz and blocks of {block} samples.")
    # dfLa (FLAC in ISOBMFF §3.3.2): a FullBox with the metadata blocks; 0x80 marks the last one, type 0.
    return AudioInfo(AudioCodec.FLAC, "fLaC", rate, channels, block, b"\0\0\0\0\x80\0\0\x22" + config[:34])


def _describe_ac3(frame: bytes) -> AudioInfo:
    if frame[:2] != b"\x0b\x77":
        raise CodecError(f"An AC-3 frame begins with {frame[:2].hex()} instead of the sync word 0b77.")
    bits = BitReader(frame[4:16])
    rate_code, size_code, bsid, bsmod, acmod = bits.read(2), bits.read(6), bits.read(5), bits.read(3), bits.read(3)
    if rate_code > 2:
        raise CodecError("An AC-3 frame has the reserved sampling rate code 3.")
    if acmod & 1 and acmod != 1:
        bits.read(2)
    if acmod & 4:
        bits.read(2)
    if acmod == 2:
        bits.read(2)
    lfe = bits.read(1)
    fields = rate_code << 22 | bsid << 17 | bsmod << 14 | acmod << 11 | lfe << 10 | (size_code >> 1) << 5
    channels = AC3_CHANNELS[acmod] + lfe
    return AudioInfo(AudioCodec.AC3, "ac-3", AC3_RATES[rate_code], channels, 1536, fields.to_bytes(3, "big"))


def _describe_eac3(frame: bytes) -> AudioInfo:
    if frame[:2] != b"\x0b\x77":
        raise CodecError(f"An E-AC-3 frame begins with {frame[:2].hex()} instead of the sync word 0b77.")
    bits = BitReader(frame[2:16])
    bits.read(5)
    size = (bits.read(11) + 1) * 2
    rate_code, block_code = bits.read(2), bits.read(2)
    if rate_code > 2:
        raise CodecError("An E-AC-3 frame has a reduced sampling rate, which cannot be served; send 48000 Hz.")
    acmod, lfe, bsid = bits.read(3), bits.read(1), bits.read(5)
    rate, samples = AC3_RATES[rate_code], EAC3_BLOCKS[block_code] * 256
    kbits = min(size * 8 * rate // samples // 1000, 0x1FFF)
    # dec3 (ETSI TS 102 366 §F.6): data_rate, num_ind_sub - 1, then one independent substream.
    head = (kbits << 3).to_bytes(2, "big")
    substream = (rate_code << 22 | bsid << 17 | acmod << 9 | lfe << 8).to_bytes(3, "big")
    return AudioInfo(AudioCodec.EAC3, "ec-3", rate, AC3_CHANNELS[acmod] + lfe, samples, head + substream)


def _describe_mp3(frame: bytes) -> AudioInfo:
    if len(frame) < 4 or frame[0] != 0xFF or frame[1] & 0xE0 != 0xE0 or frame[2] >> 2 & 3 == 3:
        raise CodecError(f"An MP3 frame begins with {frame[:4].hex()}, which is no MPEG audio header.")
    mpeg1 = frame[1] >> 3 & 3 == 3
    rate = (44100, 48000, 32000)[frame[2] >> 2 & 3] // (1 if mpeg1 else 2 if frame[1] >> 3 & 3 == 2 else 4)
    return AudioInfo(AudioCodec.MP3, "mp4a.40.34", rate, 1 if frame[3] >> 6 == 3 else 2, 1152 if mpeg1 else 576)
