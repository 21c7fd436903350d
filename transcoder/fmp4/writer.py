"""Writes fragmented MP4 (CMAF): one init section per track, and one moof + mdat per part.

Owns the bytes of ISO/IEC 14496-12 boxes for single-track fragments. It is sans-I/O and keeps no state; where a part
begins and ends is `transcoder.packager`'s decision.

Video composition offsets are positive and tfdt is the decode time of the first sample. Negative offsets, as ffmpeg's
own `cmaf` flag writes them, make ffmpeg-based readers shift the picture by the largest of them (34–67 ms measured).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from ingest.source import TIMESCALE, AudioCodec, AudioHeader, VideoCodec, VideoHeader
from transcoder.audio_codecs import AudioInfo
from transcoder.video_codecs import VideoInfo, vpcc_record

TRACK_ID = 1

SYNC_SAMPLE = 0x02000000
"""sample_depends_on = 2: the sample needs no other (ISO/IEC 14496-12 §8.8.3.1)."""

DEPENDENT_SAMPLE = 0x01010000
"""sample_depends_on = 1 and sample_is_non_sync_sample."""

_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_CONFIG_BOX = {VideoCodec.AVC: b"avcC", VideoCodec.HEVC: b"hvcC", VideoCodec.AV1: b"av1C", VideoCodec.VP9: b"vpcC"}
_AUDIO_BOX = {AudioCodec.OPUS: b"dOps", AudioCodec.FLAC: b"dfLa", AudioCodec.AC3: b"dac3", AudioCodec.EAC3: b"dec3"}
_OBJECT_TYPE_AAC = 0x40

# moof(8) + mfhd(16) + traf(8) + tfhd(16) + tfdt(20) + trun(20) up to the first sample of the run.
_HEAD = struct.Struct(">I4sI4sIII4sI4sIII4sIQI4sIII")
_TFHD_DEFAULT_BASE_IS_MOOF = 0x020000
_TFDT_VERSION_1 = 0x01000000
_TRUN_VIDEO = 0x01000F01
"""Version 1; data offset, and per sample duration, size, flags and composition offset."""
_TRUN_AUDIO = 0x00000301
"""Data offset, and per sample duration and size; flags come from trex."""


class Sample(NamedTuple):
    """One coded frame as a fragment holds it, in its track's timescale."""

    duration: int
    offset: int
    """Presentation minus decode time; 0 for audio."""
    sync: bool
    data: bytes


def video_fragment(sequence: int, decode_time: int, samples: Sequence[Sample]) -> bytes:
    """One moof + mdat with video `samples`, the first of which is decoded at `decode_time` (1/90000 s)."""
    fields: list[int] = []
    for duration, offset, sync, data in samples:
        fields += (duration, len(data), SYNC_SAMPLE if sync else DEPENDENT_SAMPLE, offset)
    table = struct.pack(f">{len(fields)}I", *fields)
    return _fragment(sequence, decode_time, _TRUN_VIDEO, table, samples)


def audio_fragment(sequence: int, decode_time: int, samples: Sequence[Sample]) -> bytes:
    """One moof + mdat with audio `samples`, the first of which starts at `decode_time` (in samples)."""
    fields: list[int] = []
    for sample in samples:
        fields += (sample.duration, len(sample.data))
    table = struct.pack(f">{len(fields)}I", *fields)
    return _fragment(sequence, decode_time, _TRUN_AUDIO, table, samples)


def _fragment(sequence: int, decode_time: int, trun_flags: int, table: bytes, samples: Sequence[Sample]) -> bytes:
    moof = _HEAD.size + len(table)
    head = _HEAD.pack(
        *(moof, b"moof"),
        *(16, b"mfhd", 0, sequence & 0xFFFFFFFF),
        *(moof - 24, b"traf"),
        *(16, b"tfhd", _TFHD_DEFAULT_BASE_IS_MOOF, TRACK_ID),
        *(20, b"tfdt", _TFDT_VERSION_1, decode_time),
        *(20 + len(table), b"trun", trun_flags, len(samples), moof + 8),
    )
    chunks = [sample.data for sample in samples]
    body = sum(map(len, chunks))
    return b"".join((head, table, struct.pack(">I4s", body + 8, b"mdat"), *chunks))


def box(kind: bytes, *payload: bytes) -> bytes:
    """One box with a 32-bit size."""
    return b"".join((struct.pack(">I4s", 8 + sum(map(len, payload)), kind), *payload))


def _full(kind: bytes, *payload: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *payload)


def video_init(header: VideoHeader, info: VideoInfo) -> bytes:
    """The init section of a video track: ftyp and a moov without samples."""
    config = header.config
    if header.codec is VideoCodec.VP9:
        config = b"\x01\0\0\0" + vpcc_record(config)
    entry = box(
        header.codec.encode(),
        struct.pack(">6xH16xHHII4xH32sHh", 1, info.width, info.height, 0x480000, 0x480000, 1, b"", 24, -1),
        box(_CONFIG_BOX[header.codec], config),  # no pasp: the pixels' shape is what the stream itself says
    )
    size = struct.pack(">II", info.width << 16, info.height << 16)
    return _init(TIMESCALE, b"vide", b"VideoHandler", _full(b"vmhd", bytes(8), flags=1), entry, size, 0)


def audio_init(header: AudioHeader, info: AudioInfo) -> bytes:
    """The init section of an audio track: ftyp and a moov without samples. MP3 cannot be written."""
    config = _esds(header.config) if header.codec is AudioCodec.AAC else box(_AUDIO_BOX[header.codec], info.box)
    rate = info.sample_rate if info.sample_rate < 65536 else 0
    entry = box(header.codec.encode(), struct.pack(">6xH8xHH4xI", 1, info.channels, 16, rate << 16), config)
    return _init(info.sample_rate, b"soun", b"SoundHandler", _full(b"smhd", bytes(4)), entry, bytes(8), 0x0100)


def _descriptor(tag: int, payload: bytes) -> bytes:
    """An MPEG-4 descriptor with its length in four bytes (ISO/IEC 14496-1 §8.3.3)."""
    size = len(payload)
    return bytes((tag, 0x80 | size >> 21, 0x80 | size >> 14 & 0x7F, 0x80 | size >> 7 & 0x7F, size & 0x7F)) + payload


def _esds(config: bytes) -> bytes:
    decoder = struct.pack(">BB3xII", _OBJECT_TYPE_AAC, 0x15, 0, 0) + _descriptor(5, config)
    return _full(b"esds", _descriptor(3, struct.pack(">HB", 0, 0) + _descriptor(4, decoder) + _descriptor(6, b"\x02")))


def _init(
    timescale: int, handler: bytes, name: bytes, media_header: bytes, entry: bytes, size: bytes, volume: int
) -> bytes:
    movie_header = _full(b"mvhd", struct.pack(">8xI4xIH10x", 1000, 0x10000, 0x0100), _MATRIX, struct.pack(">24xI", 2))
    track_header = _full(b"tkhd", struct.pack(">8xI16xHHH2x", TRACK_ID, 0, 0, volume), _MATRIX, size, flags=3)
    table = box(
        b"stbl",
        _full(b"stsd", struct.pack(">I", 1), entry),
        *(_full(kind, bytes(4)) for kind in (b"stts", b"stsc")),
        _full(b"stsz", bytes(8)),
        _full(b"stco", bytes(4)),
    )
    references = box(b"dinf", _full(b"dref", struct.pack(">I", 1), _full(b"url ", flags=1)))
    media = box(
        b"mdia",
        _full(b"mdhd", struct.pack(">8xI4xHH", timescale, 0x55C4, 0)),  # language: und
        _full(b"hdlr", struct.pack(">4x4s12x", handler), name + b"\0"),
        box(b"minf", media_header, references, table),
    )
    defaults = struct.pack(">IIIII", TRACK_ID, 1, 0, 0, SYNC_SAMPLE)
    return box(b"ftyp", b"iso6", bytes(4), b"iso6cmfcmp41") + box(
        b"moov", movie_header, box(b"trak", track_header, media), box(b"mvex", _full(b"trex", defaults))
    )
