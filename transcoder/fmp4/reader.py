"""Turns one fragmented-MP4 pipe of ffmpeg back into frames.

Sans-I/O: bytes in any split give the same headers and frames. Reads what our own ffmpeg command writes: one track
per pipe, `moof` directly before its `mdat`, offsets counted from the `moof` (ISO/IEC 14496-12 §8.8; CMAF, ISO/IEC
23000-19 §7.5). It follows no edit lists and reads no file that was not fragmented.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from ingest.source import TIMESCALE, AudioCodec, AudioFrame, AudioHeader, VideoCodec, VideoFrame, VideoHeader
from transcoder.errors import BoxError
from transcoder.fmp4.boxes import FULL_BOX_HEADER, Box, children, find, header_at

Event = VideoHeader | AudioHeader | VideoFrame | AudioFrame
"""What a pipe yields."""

MAX_BOX_BYTES = 32 * 1024 * 1024
"""Largest top-level box: more than one second of the highest bit rate that an encoder here is asked for."""

MAX_SAMPLES = 4096
"""Most samples in one fragment; ours hold one."""

MAX_TICKS = 1 << 53
"""Largest time, in ticks: 3000 years. Beyond it the data is damaged."""

# ISO/IEC 14496-12 §8.8.7 and §8.8.8: which optional fields follow.
_TFHD_BASE_DATA_OFFSET = 0x000001
_TFHD_SAMPLE_DESCRIPTION = 0x000002
_TFHD_DURATION = 0x000008
_TFHD_SIZE = 0x000010
_TFHD_FLAGS = 0x000020
_TRUN_DATA_OFFSET = 0x000001
_TRUN_FIRST_FLAGS = 0x000004
_TRUN_DURATION = 0x000100
_TRUN_SIZE = 0x000200
_TRUN_FLAGS = 0x000400
_TRUN_CTS = 0x000800
_SAMPLE_IS_NON_SYNC = 0x00010000

# ISO/IEC 14496-1 §7.2.2: tags of the descriptors inside esds.
_ES_DESCRIPTOR = 0x03
_DECODER_CONFIG_DESCRIPTOR = 0x04
_DECODER_SPECIFIC_INFO = 0x05

_VISUAL_SAMPLE_ENTRY = 78
"""Bytes of a VisualSampleEntry before its boxes (ISO/IEC 14496-12 §12.1.3)."""
_AUDIO_SAMPLE_ENTRY = 28
"""Bytes of an AudioSampleEntry before its boxes (ISO/IEC 14496-12 §12.2.3)."""
_VIDEO_CONFIGURATIONS = {b"avc1": (VideoCodec.AVC, b"avcC"), b"hvc1": (VideoCodec.HEVC, b"hvcC")}

_U32 = struct.Struct(">I")
_I32 = struct.Struct(">i")
_I64 = struct.Struct(">q")


@dataclass(frozen=True, slots=True)
class _Track:
    video: bool
    timescale: int
    duration: int
    size: int
    flags: int


class _Sample(NamedTuple):
    offset: int
    size: int
    dts: int
    cts: int
    sync: bool


class FragmentReader:
    """One pipe's bytes → its codec header once, then its frames.

    `origin` is subtracted from every time (1/90000 s): what the writer's clock shows when the source's shows 0.
    """

    def __init__(self, *, origin: int = 0) -> None:
        self._origin = origin
        self._buffer = bytearray()
        self._track: _Track | None = None
        self._samples: list[_Sample] = []

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes and return the headers and frames that they complete, in order.

        Raises BoxError when they are not the fragmented MP4 of one track; the reader is of no use afterwards.
        """
        buffer = self._buffer
        buffer += data
        events: list[Event] = []
        offset = 0
        while True:
            box = header_at(buffer, offset)
            if box is None:
                break
            if box.end - offset > MAX_BOX_BYTES:
                raise BoxError(
                    f"Box {box.type!r} of {box.end - offset} bytes is larger than the limit of {MAX_BOX_BYTES}."
                )
            if box.end > len(buffer):
                break
            if box.type == b"moof":
                self._samples = self._read_moof(offset, box)
            elif box.type == b"mdat":
                self._read_mdat(offset, box, events)
            elif box.type == b"moov":
                events.append(self._read_moov(box))
            offset = box.end
        if offset:
            del buffer[:offset]
        return events

    def _read_moof(self, start: int, moof: Box) -> list[_Sample]:
        """Return the samples of a moof; their offsets count from the end of it."""
        track = self._track
        if track is None:
            raise BoxError("A fragment came before the moov box that describes it.")
        buffer = self._buffer
        traf = find(buffer, moof.payload, moof.end, b"traf")
        if traf is None:
            raise BoxError("A moof box holds no traf box.")
        duration, size, flags, dts = track.duration, track.size, track.flags, None
        samples: list[_Sample] = []
        offset: int | None = None
        for box in children(buffer, traf.payload, traf.end):
            fields = _Fields(buffer, box)
            if box.type == b"tfhd":
                present = fields.u32() & 0xFFFFFF
                fields.u32()  # track_ID: a pipe carries one track
                if present & _TFHD_BASE_DATA_OFFSET:
                    raise BoxError("A fragment counts its data from the start of the file, which a live pipe has not.")
                if present & _TFHD_SAMPLE_DESCRIPTION:
                    fields.u32()
                duration = fields.u32() if present & _TFHD_DURATION else duration
                size = fields.u32() if present & _TFHD_SIZE else size
                flags = fields.u32() if present & _TFHD_FLAGS else flags
            elif box.type == b"tfdt":
                # ffmpeg writes a time before 0 as a 64-bit two's complement.
                dts = fields.i64() if fields.u32() >> 24 else fields.u32()
            elif box.type == b"trun":
                if dts is None:
                    raise BoxError("A fragment has no decode time (tfdt) before its samples.")
                present = fields.u32() & 0xFFFFFF
                count = fields.u32()
                if count > MAX_SAMPLES - len(samples):
                    raise BoxError(f"A fragment of {count} samples is over the limit of {MAX_SAMPLES}.")
                if present & _TRUN_DATA_OFFSET:
                    offset = fields.i32() - (moof.end - start)
                elif offset is None:
                    raise BoxError("A fragment does not say where its data is (trun without a data offset).")
                first_flags = fields.u32() if present & _TRUN_FIRST_FLAGS else None
                for index in range(count):
                    sample_duration = fields.u32() if present & _TRUN_DURATION else duration
                    sample_size = fields.u32() if present & _TRUN_SIZE else size
                    sample_flags = fields.u32() if present & _TRUN_FLAGS else flags
                    # "version 0: unsigned", but no writer means an offset of 2**31 and more: read signed in both.
                    cts = fields.i32() if present & _TRUN_CTS else 0
                    if index == 0 and first_flags is not None:
                        sample_flags = first_flags
                    samples.append(_Sample(offset, sample_size, dts, cts, not sample_flags & _SAMPLE_IS_NON_SYNC))
                    dts += sample_duration
                    offset += sample_size
        return samples

    def _read_mdat(self, start: int, mdat: Box, events: list[Event]) -> None:
        track, samples, self._samples = self._track, self._samples, []
        if track is None:
            raise BoxError("Media data came before the moov box that describes it.")
        for offset, size, dts, cts, sync in samples:
            first = start + offset
            if first < mdat.payload or first + size > mdat.end:
                raise BoxError(
                    f"A sample of {size} bytes at {offset} lies outside its mdat box, which ends at {mdat.end - start}."
                )
            if not size:  # a muxer's mark of the end, nothing to decode
                continue
            data = bytes(self._buffer[first : first + size])
            decode, present = self._ticks(dts, track.timescale), self._ticks(dts + cts, track.timescale)
            events.append(VideoFrame(decode, present, sync, data) if track.video else AudioFrame(present, data))

    def _ticks(self, value: int, timescale: int) -> int:
        ticks = value if timescale == TIMESCALE else (value * TIMESCALE + timescale // 2) // timescale
        if not -MAX_TICKS < ticks < MAX_TICKS:
            raise BoxError(f"A sample's time of {value}/{timescale} s cannot be; the data is damaged.")
        return ticks - self._origin

    def _read_moov(self, moov: Box) -> VideoHeader | AudioHeader:
        buffer = self._buffer
        tracks = [box for box in children(buffer, moov.payload, moov.end) if box.type == b"trak"]
        if len(tracks) != 1:
            raise BoxError(f"A moov box holds {len(tracks)} tracks; one pipe carries exactly one.")
        trak = tracks[0]
        mdhd = _Fields(buffer, _required(buffer, trak, b"mdia", b"mdhd"))
        mdhd.skip(16 if mdhd.u32() >> 24 else 8)  # creation and modification time
        timescale = mdhd.u32()
        if not timescale:
            raise BoxError("A track has a timescale of 0 ticks per second.")
        duration = size = flags = 0
        trex = find(buffer, moov.payload, moov.end, b"mvex", b"trex")
        if trex is not None:
            fields = _Fields(buffer, trex)
            fields.skip(12)  # version and flags, track_ID, default_sample_description_index
            duration, size, flags = fields.u32(), fields.u32(), fields.u32()
        header = self._read_sample_entry(_required(buffer, trak, b"mdia", b"minf", b"stbl", b"stsd"))
        self._track = _Track(isinstance(header, VideoHeader), timescale, duration, size, flags)
        self._samples = []
        return header

    def _read_sample_entry(self, stsd: Box) -> VideoHeader | AudioHeader:
        buffer = self._buffer
        entries = list(children(buffer, stsd.payload + FULL_BOX_HEADER + 4, stsd.end))
        if len(entries) != 1:
            raise BoxError(f"A track has {len(entries)} sample descriptions; exactly one is expected.")
        entry = entries[0]
        if entry.type in _VIDEO_CONFIGURATIONS:
            codec, kind = _VIDEO_CONFIGURATIONS[entry.type]
            box = find(buffer, entry.payload + _VISUAL_SAMPLE_ENTRY, entry.end, kind)
            if box is None or box.end - box.payload < 7:
                raise BoxError(f"A track {entry.type!r} has no decoder configuration ({kind!r}).")
            return VideoHeader(codec, bytes(buffer[box.payload : box.end]))
        if entry.type == b"mp4a":
            box = find(buffer, entry.payload + _AUDIO_SAMPLE_ENTRY, entry.end, b"esds")
            if box is None:
                raise BoxError("An AAC track has no decoder configuration (esds).")
            return AudioHeader(AudioCodec.AAC, _audio_specific_config(_Fields(buffer, box)))
        raise BoxError(f"A track of type {entry.type!r} came from the encoder; avc1, hvc1 and mp4a are understood.")


def _required(data: bytearray, parent: Box, *path: bytes) -> Box:
    box = find(data, parent.payload, parent.end, *path)
    if box is None:
        raise BoxError(f"A track lacks the box {b'/'.join(path).decode('latin-1')}.")
    return box


def _audio_specific_config(esds: _Fields) -> bytes:
    """Return the DecoderSpecificInfo of an esds box (ISO/IEC 14496-14 §6.7.2)."""
    esds.skip(FULL_BOX_HEADER)
    esds.descriptor(_ES_DESCRIPTOR)
    flags = esds.skip(2).u8()  # ES_ID, then the flags that announce optional fields
    esds.skip(2 if flags & 0x80 else 0)
    esds.skip(esds.u8() if flags & 0x40 else 0)
    esds.skip(2 if flags & 0x20 else 0)
    esds.descriptor(_DECODER_CONFIG_DESCRIPTOR)
    esds.skip(13)
    return esds.take(esds.descriptor(_DECODER_SPECIFIC_INFO))


class _Fields:
    """Reads the fields of one box in order and never beyond its end. Raises BoxError when it is too short."""

    __slots__ = ("_at", "_box", "_data")

    def __init__(self, data: bytearray, box: Box) -> None:
        self._data, self._box, self._at = data, box, box.payload

    def skip(self, count: int) -> _Fields:
        at = self._at
        if at + count > self._box.end:
            raise BoxError(f"Box {self._box.type!r} is too short for the fields that it announces.")
        self._at = at + count
        return self

    def take(self, count: int) -> bytes:
        return bytes(self._data[self._at : self.skip(count)._at])

    def u8(self) -> int:
        self.skip(1)
        return self._data[self._at - 1]

    def u32(self) -> int:
        self.skip(4)
        return int(_U32.unpack_from(self._data, self._at - 4)[0])

    def i32(self) -> int:
        self.skip(4)
        return int(_I32.unpack_from(self._data, self._at - 4)[0])

    def i64(self) -> int:
        self.skip(8)
        return int(_I64.unpack_from(self._data, self._at - 8)[0])

    def descriptor(self, tag: int) -> int:
        """Enter the descriptor `tag` and return its length, written in up to four bytes of seven bits."""
        found = self.u8()
        if found != tag:
            raise BoxError(f"Box {self._box.type!r} holds descriptor {found:#x} where {tag:#x} is expected.")
        length = 0
        for _ in range(4):
            byte = self.u8()
            length = length << 7 | byte & 0x7F
            if not byte & 0x80:
                break
        return length
