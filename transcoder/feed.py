"""Codec headers and frames → the FLV bytes that ffmpeg reads on its standard input.

Pure. Owns the tags that we write: the legacy ones for AVC, AAC and MP3 (Adobe Flash Video File Format 10.1, annex
E.4), the FourCC ones of Enhanced RTMP v2 for every other codec. It writes no metadata: ffmpeg needs none.
"""

from __future__ import annotations

import struct

from ingest.source import AudioCodec, AudioFrame, AudioHeader, VideoCodec, VideoFrame, VideoHeader

TICKS_PER_MILLISECOND = 90

_AUDIO_TAG = 8
_VIDEO_TAG = 9
_KEY_FRAME = 1 << 4
_INTER_FRAME = 2 << 4
_SEQUENCE_HEADER = 0
_CODED_FRAMES = 1
_AVC = 7
_AAC_STEREO_44K = 0xAF
"""SoundFormat 10; the specification fixes the other bits, the AudioSpecificConfig says the truth."""
_MP3_STEREO_44K = 0x2F
"""SoundFormat 2; ffmpeg reads rate and channels from the frames themselves."""
_EXTENDED_VIDEO = 0x80
_EXTENDED_AUDIO = 9 << 4

_TAG = struct.Struct(">BHBHBBHB")
_SIZE = struct.Struct(">I")
_TAG_BYTES = 11


def file_header(*, video: bool, audio: bool) -> bytes:
    """Return the 13 bytes that open an FLV stream which holds the named tracks."""
    return b"FLV\x01" + bytes([(4 if audio else 0) | (1 if video else 0)]) + b"\x00\x00\x00\x09\x00\x00\x00\x00"


def video_header_tag(header: VideoHeader, time: int) -> bytes:
    """Return the tag of a decoder configuration that holds from `time` (1/90000 s) on."""
    if header.codec is VideoCodec.AVC:
        opening = bytes([_KEY_FRAME | _AVC, _SEQUENCE_HEADER, 0, 0, 0])
    else:
        opening = bytes([_EXTENDED_VIDEO | _KEY_FRAME | _SEQUENCE_HEADER]) + header.codec.encode("ascii")
    return _tag(_VIDEO_TAG, time, opening, header.config)


def audio_header_tag(header: AudioHeader, time: int) -> bytes:
    """Return the tag of a decoder configuration that holds from `time` on; empty for MP3, which has none."""
    if header.codec is AudioCodec.MP3:
        return b""
    if header.codec is AudioCodec.AAC:
        opening = bytes([_AAC_STEREO_44K, _SEQUENCE_HEADER])
    else:
        opening = bytes([_EXTENDED_AUDIO | _SEQUENCE_HEADER]) + header.codec.encode("ascii")
    return _tag(_AUDIO_TAG, time, opening, header.config)


def video_tag(codec: VideoCodec, frame: VideoFrame) -> bytes:
    """Return the tag of a picture; its times are cut to whole milliseconds, which FLV counts in."""
    kind = _KEY_FRAME if frame.keyframe else _INTER_FRAME
    # "SI24: composition time offset", for the codecs that reorder pictures in a length-prefixed stream.
    offset = frame.pts // TICKS_PER_MILLISECOND - frame.dts // TICKS_PER_MILLISECOND
    composition = (offset & 0xFFFFFF).to_bytes(3, "big")
    if codec is VideoCodec.AVC:
        opening = bytes([kind | _AVC, _CODED_FRAMES]) + composition
    else:
        opening = bytes([_EXTENDED_VIDEO | kind | _CODED_FRAMES]) + codec.encode("ascii")
        if codec is VideoCodec.HEVC:
            opening += composition
    return _tag(_VIDEO_TAG, frame.dts, opening, frame.data)


def audio_tag(codec: AudioCodec, frame: AudioFrame) -> bytes:
    """Return the tag of an audio frame."""
    if codec is AudioCodec.AAC:
        opening = bytes([_AAC_STEREO_44K, _CODED_FRAMES])
    elif codec is AudioCodec.MP3:
        opening = bytes([_MP3_STEREO_44K])
    else:
        opening = bytes([_EXTENDED_AUDIO | _CODED_FRAMES]) + codec.encode("ascii")
    return _tag(_AUDIO_TAG, frame.pts, opening, frame.data)


def _tag(kind: int, time: int, opening: bytes, data: bytes) -> bytes:
    size = len(opening) + len(data)
    # The upper byte of the 32-bit milliseconds follows the lower three; they wrap after 49 days, as ffmpeg expects.
    milliseconds = time // TICKS_PER_MILLISECOND & 0xFFFFFFFF
    low, high = milliseconds & 0xFFFFFF, milliseconds >> 24
    opened = _TAG.pack(kind, size >> 8, size & 0xFF, low >> 8, low & 0xFF, high, 0, 0)
    return b"".join((opened, opening, data, _SIZE.pack(_TAG_BYTES + size)))
