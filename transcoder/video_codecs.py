"""Reads video decoder configurations: picture size, frame rate, and the codec's name for a playlist.

Owns the parsing of avcC and hvcC (ISO/IEC 14496-15), av1C (AV1 in ISOBMFF §2.3) and vpcC (VP in ISOBMFF), and the
`codecs` strings of RFC 6381 that follow from them. It decodes no picture and keeps no state.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ingest.source import VideoCodec, VideoHeader
from transcoder.bits import BitReader, strip_emulation
from transcoder.errors import CodecError

MAX_DIMENSION = 16_384
"""The largest width or height believed; anything larger is hostile or broken."""

X264_OPTIONS = re.compile(rb"x264 - core.{1,4000}?\bkeyint=(\d{1,6})\b", re.DOTALL)
"""x264 writes its settings into a user data SEI in front of the first picture."""

SEI_SEARCH_BYTES = 4096

MAX_NAL_UNITS = 64
"""NAL units looked at in front of a picture's first slice: a delimiter, a few parameter sets and messages are usual."""

_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_HEVC_SPS = 33
_AV1_SEQUENCE_HEADER = 1


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a playlist and a sample entry need to know of a video track."""

    codec: VideoCodec
    name: str
    """The RFC 6381 codecs string."""
    width: int
    height: int
    framerate: float | None = None
    """Frames per second as the stream declares them, None when it does not."""


def describe_video(header: VideoHeader, *, width: int = 0, height: int = 0) -> VideoInfo:
    """Reads `header`. `width` and `height` serve where the configuration holds no picture size (VP9).

    Raises:
        CodecError: the configuration is malformed, or no picture size is known.
    """
    try:
        info = _READERS[header.codec](header.config)
    except IndexError:
        raise CodecError(f"The {header.codec} configuration of {len(header.config)} bytes is cut short.") from None
    if not info.width or not info.height:
        info = VideoInfo(info.codec, info.name, width, height, info.framerate)
    if not (0 < info.width <= MAX_DIMENSION and 0 < info.height <= MAX_DIMENSION):
        raise CodecError(
            f"The {header.codec} picture is {info.width}x{info.height}; sizes from 1 to {MAX_DIMENSION} can be served."
        )
    return info


def nal_length_size(header: VideoHeader) -> int:
    """How many bytes (1, 2 or 4) hold each NAL unit's length in AVC and HEVC frames; 0 for other codecs."""
    offset = {VideoCodec.AVC: 4, VideoCodec.HEVC: 21}.get(header.codec)
    if offset is None:
        return 0
    if len(header.config) <= offset:
        raise CodecError(f"The {header.codec} configuration of {len(header.config)} bytes is cut short.")
    return (header.config[offset] & 3) + 1


def keyframe_interval_hint(keyframe: bytes) -> int | None:
    """The longest distance between keyframes, in frames, if x264 left its settings in this keyframe."""
    found = X264_OPTIONS.search(keyframe[:SEI_SEARCH_BYTES])
    return int(found[1]) if found else None


def with_parameter_sets(header: VideoHeader, keyframe: bytes) -> VideoHeader:
    """`header` with the SPS and PPS that an AVC `keyframe` carries itself, when they differ from the header's.

    Some encoders change resolution without a new sequence header and send the parameter sets in front of the next
    IDR picture only. Other codecs come back unchanged, and so does a header whose replacement cannot be read.
    """
    if header.codec is not VideoCodec.AVC:
        return header
    size = nal_length_size(header)
    sets: dict[int, list[bytes]] = {7: [], 8: []}
    position = 0
    for _ in range(MAX_NAL_UNITS):
        if position + size >= len(keyframe):
            break
        length = int.from_bytes(keyframe[position : position + size], "big")
        position += size
        kind = keyframe[position] & 0x1F if length else 0
        if kind in sets:
            nal = keyframe[position : position + length]
            if nal not in sets[kind]:
                sets[kind].append(nal)
        elif 1 <= kind <= 5:  # a slice: parameter sets for this picture stand before it
            break
        position += length
    sps, pps = sets[7], sets[8]
    if not sps or not pps or len(sps) > 31 or len(pps) > 255 or len(sps[0]) < 4:
        return header
    if all(nal in header.config for nal in sps + pps):
        return header
    config = bytearray((1, sps[0][1], sps[0][2], sps[0][3], 0xFC | (size - 1), 0xE0 | len(sps)))
    for nal in sps:
        config += len(nal).to_bytes(2, "big") + nal
    config.append(len(pps))
    for nal in pps:
        config += len(nal).to_bytes(2, "big") + nal
    if sps[0][1] in _HIGH_PROFILES:
        try:
            chroma, depth_luma, depth_chroma = _avc_chroma(BitReader(strip_emulation(sps[0][4:])))
        except CodecError:
            return header
        config += bytes((0xFC | chroma, 0xF8 | depth_luma, 0xF8 | depth_chroma, 0))
    return VideoHeader(VideoCodec.AVC, bytes(config))


def _describe_avc(config: bytes) -> VideoInfo:
    name = f"avc1.{config[1]:02x}{config[2]:02x}{config[3]:02x}"
    if not config[5] & 0x1F:
        raise CodecError("The avcC configuration has no sequence parameter set.")
    length = int.from_bytes(config[6:8], "big")
    sps = config[8 : 8 + length]
    if len(sps) < 4 or len(sps) != length:
        raise CodecError(f"The avcC configuration promises {length} bytes of SPS and has {len(sps)}.")
    width, height, framerate = _avc_sps(BitReader(strip_emulation(sps[4:])), profile=sps[1])
    return VideoInfo(VideoCodec.AVC, name, width, height, framerate)


def _avc_chroma(bits: BitReader) -> tuple[int, int, int]:
    """chroma_format_idc and both bit depths minus 8, from an SPS of a high profile after its first four bytes."""
    bits.golomb()
    chroma = bits.golomb()
    if chroma == 3:
        bits.flag()
    if chroma > 3:
        raise CodecError(f"The SPS has chroma_format_idc {chroma}; the specification ends at 3.")
    depths = bits.golomb(), bits.golomb()
    if max(depths) > 6:
        raise CodecError(f"The SPS has {8 + max(depths)} bits per sample; the specification ends at 14.")
    return chroma, *depths


def _skip_scaling_list(bits: BitReader, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed_golomb()) % 256
        last = following or last


def _avc_sps(bits: BitReader, *, profile: int) -> tuple[int, int, float | None]:
    """Width, height and frame rate of a sequence parameter set (H.264 §7.3.2.1.1)."""
    bits.golomb()  # seq_parameter_set_id
    chroma = 1
    if profile in _HIGH_PROFILES:
        chroma = bits.golomb()
        if chroma == 3:
            bits.flag()
        bits.golomb(), bits.golomb(), bits.flag()
        if bits.flag():
            for index in range(12 if chroma == 3 else 8):
                if bits.flag():
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    bits.golomb()  # log2_max_frame_num_minus4
    order_type = bits.golomb()
    if order_type == 0:
        bits.golomb()
    elif order_type == 1:
        bits.flag(), bits.signed_golomb(), bits.signed_golomb()
        cycle = bits.golomb()
        if cycle > 255:
            raise CodecError(f"The SPS has {cycle} reference frames in its order cycle; the specification ends at 255.")
        for _ in range(cycle):
            bits.signed_golomb()
    bits.golomb(), bits.flag()
    width_mbs, height_units = bits.golomb() + 1, bits.golomb() + 1
    frame_mbs_only = bits.flag()
    if not frame_mbs_only:
        bits.flag()
    bits.flag()
    left = right = top = bottom = 0
    if bits.flag():
        left, right, top, bottom = (bits.golomb() for _ in range(4))
    unit_x = 2 if chroma in (1, 2) else 1
    unit_y = (2 if chroma == 1 else 1) * (1 if frame_mbs_only else 2)
    width = width_mbs * 16 - unit_x * (left + right)
    height = height_units * 16 * (1 if frame_mbs_only else 2) - unit_y * (top + bottom)
    return width, height, _avc_framerate(bits) if bits.flag() else None


def _avc_framerate(bits: BitReader) -> float | None:
    """The frame rate of VUI parameters (H.264 §E.1.1), None when they hold no timing."""
    if bits.flag() and bits.read(8) == 255:
        bits.read(32)
    if bits.flag():
        bits.flag()
    if bits.flag():
        bits.read(4)
        if bits.flag():
            bits.read(24)
    if bits.flag():
        bits.golomb(), bits.golomb()
    if not bits.flag():
        return None
    units, scale = bits.read(32), bits.read(32)
    return scale / (2 * units) if units and 1 <= scale / (2 * units) <= 1000 else None


def _describe_hevc(config: bytes) -> VideoInfo:
    space, tier, profile = config[1] >> 6, config[1] >> 5 & 1, config[1] & 0x1F
    compatibility = int(f"{int.from_bytes(config[2:6], 'big'):032b}"[::-1], 2)
    constraints = config[6:12].rstrip(b"\x00")
    parts = [
        f"hvc1.{('', 'A', 'B', 'C')[space]}{profile}",
        f"{compatibility:X}",
        f"{'LH'[tier]}{config[12]}",
        *(f"{byte:X}" for byte in constraints),
    ]
    width, height = _hevc_size(config)
    return VideoInfo(VideoCodec.HEVC, ".".join(parts), width, height)


def _hevc_size(config: bytes) -> tuple[int, int]:
    position = 23
    for _ in range(config[22]):
        kind, count = config[position] & 0x3F, int.from_bytes(config[position + 1 : position + 3], "big")
        position += 3
        for _ in range(count):
            length = int.from_bytes(config[position : position + 2], "big")
            if kind == _HEVC_SPS:
                return _hevc_sps(config[position + 2 : position + 2 + length])
            position += 2 + length
            if position > len(config):
                raise CodecError(f"The hvcC configuration of {len(config)} bytes is cut short.")
    return 0, 0


def _hevc_sps(nal: bytes) -> tuple[int, int]:
    """Width and height of a sequence parameter set (H.265 §7.3.2.2.1)."""
    bits = BitReader(strip_emulation(nal[2:]))
    bits.read(4)
    sub_layers = bits.read(3)
    bits.read(1)
    bits.read(96)  # profile_tier_level, the general part
    present = [(bits.flag(), bits.flag()) for _ in range(sub_layers)]
    if sub_layers:
        bits.read(2 * (8 - sub_layers))
    for has_profile, has_level in present:
        bits.read(88 * has_profile + 8 * has_level)
    bits.golomb()
    chroma = bits.golomb()
    if chroma == 3:
        bits.flag()
    width, height = bits.golomb(), bits.golomb()
    if bits.flag():
        left, right, top, bottom = (bits.golomb() for _ in range(4))
        width -= (2 if chroma in (1, 2) else 1) * (left + right)
        height -= (2 if chroma == 1 else 1) * (top + bottom)
    return width, height


def _describe_av1(config: bytes) -> VideoInfo:
    profile, level = config[1] >> 5, config[1] & 0x1F
    tier, high, twelve = config[2] >> 7, config[2] >> 6 & 1, config[2] >> 5 & 1
    depth = 12 if twelve else 10 if high else 8
    name = f"av01.{profile}.{level:02d}{'MH'[tier]}.{depth:02d}"
    width, height = _av1_size(config[4:])
    return VideoInfo(VideoCodec.AV1, name, width, height)


def _av1_size(obus: bytes) -> tuple[int, int]:
    """The largest frame size of the sequence header OBU (AV1 §5.5), or 0 x 0 when there is none."""
    if not obus or obus[0] >> 3 & 0xF != _AV1_SEQUENCE_HEADER:
        return 0, 0
    start = 1 + (obus[0] >> 2 & 1)
    if obus[0] & 2:  # obu_has_size_field: skip the leb128
        while obus[start] & 0x80:
            start += 1
        start += 1
    bits = BitReader(obus[start:])
    bits.read(4)  # seq_profile, still_picture
    if bits.flag():  # reduced_still_picture_header
        bits.read(5)
    else:
        decoder_model = False
        delay_bits = 0
        if bits.flag():  # timing_info_present_flag
            bits.read(64)
            if bits.flag():
                bits.golomb()
            decoder_model = bits.flag()
            if decoder_model:
                delay_bits = bits.read(5) + 1
                bits.read(42)
        initial_delay = bits.flag()
        for _ in range(bits.read(5) + 1):
            bits.read(12)
            if bits.read(5) > 7:
                bits.flag()
            if decoder_model and bits.flag():
                bits.read(2 * delay_bits + 1)
            if initial_delay and bits.flag():
                bits.read(4)
    width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
    return bits.read(width_bits) + 1, bits.read(height_bits) + 1


def vpcc_record(config: bytes) -> bytes:
    """A VPCodecConfigurationRecord without the FullBox header that some encoders send in front of it."""
    return config[4:] if len(config) >= 12 and config[:4] == b"\x01\x00\x00\x00" else config


def _describe_vp9(config: bytes) -> VideoInfo:
    record = vpcc_record(config)
    return VideoInfo(VideoCodec.VP9, f"vp09.{record[0]:02d}.{record[1]:02d}.{record[2] >> 4:02d}", 0, 0)


_READERS = {
    VideoCodec.AVC: _describe_avc,
    VideoCodec.HEVC: _describe_hevc,
    VideoCodec.AV1: _describe_av1,
    VideoCodec.VP9: _describe_vp9,
}
