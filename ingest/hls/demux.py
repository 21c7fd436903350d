"""One segment → its frames and how they are coded, with libav (PyAV).

Owns what a segment may be: MPEG-TS, or fragmented MP4 after its initialization section. Of MPEG-TS the pictures are
remuxed to MP4, which turns start codes into lengths and parameter sets into a decoder configuration; sound loses its
ADTS headers. What is in fragmented MP4 is taken as it is. Everything here blocks, some tens of milliseconds for a
segment: never on the event loop. libav is told the format, so that no other of its readers ever sees these bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Final

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from ingest.errors import SegmentError
from ingest.hls.chunk import SYNC, Chunk, Pictures, Sound
from ingest.source import (
    TIMESCALE,
    AudioCodec,
    AudioFrame,
    AudioHeader,
    VideoCodec,
    VideoFrame,
    VideoHeader,
)

MAX_FRAMES: Final = 30_000
"""Frames of one track in a segment: more than a minute of anything real."""

_TS_PACKET: Final = 188
_PICTURES = {"h264": VideoCodec.AVC, "hevc": VideoCodec.HEVC, "av1": VideoCodec.AV1}
_SOUNDS = {
    "aac": AudioCodec.AAC,
    "ac3": AudioCodec.AC3,
    "eac3": AudioCodec.EAC3,
    "opus": AudioCodec.OPUS,
    "flac": AudioCodec.FLAC,
}
_WITHOUT_CONFIG = (AudioCodec.AC3, AudioCodec.EAC3)
_REMUX = {"movflags": "empty_moov+default_base_moof+delay_moov+frag_keyframe"}


def read_segment(init: bytes, data: bytes) -> Chunk:
    """The frames of one segment; `init` is empty for MPEG-TS. Raises SegmentError."""
    try:
        if init:
            with av.open(io.BytesIO(init + data), "r", format="mp4") as container:
                return _fragments(container)
        if data[:1] != bytes((SYNC,)) or data[_TS_PACKET : _TS_PACKET + 1] not in (b"", bytes((SYNC,))):
            raise SegmentError(
                "It is neither MPEG-TS nor fragmented MP4 with an EXT-X-MAP; let the encoder write one of these."
            )
        with av.open(io.BytesIO(data), "r", format="mpegts") as container:
            return _transport_stream(container)
    except (av.FFmpegError, ValueError, EOFError) as error:
        reason = error.strerror if isinstance(error, av.FFmpegError) else str(error)
        raise SegmentError(f"It cannot be read: {reason}.") from error


def _fragments(container: InputContainer) -> Chunk:
    video = next(iter(container.streams.video), None)
    audio = next(iter(container.streams.audio), None)
    pictures: list[VideoFrame] = []
    sound: list[AudioFrame] = []
    for packet in _packets(container):
        if packet.stream is video:
            pictures.append(_picture(packet, bytes(packet)))
        elif packet.stream is audio:
            sound.append(AudioFrame(_ticks(packet, packet.pts), bytes(packet)))
    return _chunk(
        Pictures(_picture_header(video.codec_context), (video.width, video.height), pictures)
        if video is not None and pictures
        else None,
        Sound(_sound_header(audio.codec_context), sound) if audio is not None and sound else None,
    )


def _transport_stream(container: InputContainer) -> Chunk:
    video = next(iter(container.streams.video), None)
    audio = next(iter(container.streams.audio), None)
    remuxed = io.BytesIO()
    times: list[VideoFrame] = []
    frames: list[AudioFrame] = []
    sound: AudioHeader | None = None
    with av.open(remuxed, "w", format="mp4", options=_REMUX) as output:
        if video is not None:
            _picture_codec(video.codec_context.name)
            into = output.add_stream_from_template(video)
        for packet in _packets(container):
            if packet.stream is video:
                # Muxing gives a packet other times.
                times.append(_picture(packet, b""))
                packet.stream = into
                output.mux(packet)
            elif packet.stream is audio:
                data = bytes(packet)
                if audio.codec_context.name == "aac":
                    header, data = _without_adts(data)
                else:
                    header = _sound_header(audio.codec_context)
                sound = sound or header
                frames.append(AudioFrame(_ticks(packet, packet.pts), data))
    return _chunk(_pictures(remuxed, times), Sound(sound, frames) if sound is not None else None)


def _pictures(remuxed: io.BytesIO, times: list[VideoFrame]) -> Pictures | None:
    """What was remuxed, with the times that it had before: MP4's own begin elsewhere."""
    if not times:
        return None
    with av.open(io.BytesIO(remuxed.getvalue()), "r", format="mp4") as container:
        stream = container.streams.video[0]
        header, size = _picture_header(stream.codec_context), (stream.width, stream.height)
        frames = [before._replace(data=bytes(after)) for before, after in zip(times, _packets(container), strict=True)]
    return Pictures(header, size, frames)


def _packets(container: InputContainer) -> Iterator[Packet[Stream]]:
    """The packets with data and a time, as many as a segment can have."""
    counts: dict[int, int] = {}
    for packet in container.demux():
        if not packet.size or packet.dts is None or packet.pts is None:
            continue
        index = packet.stream.index
        counts[index] = counts.get(index, 0) + 1
        if counts[index] > MAX_FRAMES:
            raise SegmentError(f"It has more than {MAX_FRAMES:,} frames; let segments last 1 to 10 seconds.")
        yield packet


def _picture(packet: Packet[Stream], data: bytes) -> VideoFrame:
    return VideoFrame(_ticks(packet, packet.dts), _ticks(packet, packet.pts), packet.is_keyframe, data)


def _ticks(packet: Packet[Stream], time: int | None) -> int:
    base = packet.time_base
    return (time or 0) * TIMESCALE * base.numerator // base.denominator


def _picture_codec(name: str) -> VideoCodec:
    codec = _PICTURES.get(name)
    if codec is None:
        raise SegmentError(f"Its pictures are coded as {name}, which HLS cannot carry; use H.264, HEVC or AV1.")
    return codec


def _picture_header(context: av.VideoCodecContext) -> VideoHeader:
    config = context.extradata
    if not config:
        raise SegmentError("Its pictures have no decoder configuration; let every segment begin with a keyframe.")
    return VideoHeader(_picture_codec(context.name), config)


def _sound_header(context: av.AudioCodecContext) -> AudioHeader:
    codec = _SOUNDS.get(context.name)
    if codec is None:
        raise SegmentError(f"Its sound is coded as {context.name}, which browsers cannot take here; use AAC.")
    config = context.extradata or b""
    if not config and codec not in _WITHOUT_CONFIG:
        raise SegmentError(f"Its {context.name} sound has no decoder configuration; use AAC, or fragmented MP4.")
    return AudioHeader(codec, b"" if codec in _WITHOUT_CONFIG else config)


def _without_adts(data: bytes) -> tuple[AudioHeader, bytes]:
    """The AudioSpecificConfig (ISO 14496-3 §1.6.2.1) that an ADTS header (§1.A.2.2) stands for, and the frame."""
    if len(data) < 7 or data[0] != 0xFF or data[1] & 0xF6 != 0xF0:
        raise SegmentError("Its AAC frames have no ADTS headers; let the encoder write plain AAC.")
    channels = (data[2] & 1) << 2 | data[3] >> 6
    if not channels:
        raise SegmentError("Its AAC sound has a layout of channels of its own; use stereo.")
    config = ((data[2] >> 6) + 1) << 11 | (data[2] >> 2 & 0xF) << 7 | channels << 3
    return AudioHeader(AudioCodec.AAC, config.to_bytes(2, "big")), data[7 if data[1] & 1 else 9 :]


def _chunk(pictures: Pictures | None, sound: Sound | None) -> Chunk:
    if pictures is None and sound is None:
        raise SegmentError("There is neither a picture nor sound in it.")
    return Chunk(pictures, sound)
