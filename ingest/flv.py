"""Reads the payload of RTMP audio and video messages, which are the bodies of FLV tags.

Owns: legacy tags (FLV 10.1, E.4.2 and E.4.3) and Enhanced RTMP v1/v2 tags (FourCC codecs, ModEx, Multitrack). It hands
headers and frames to a `FlvSink` with the timestamps as received; making those sane is `ingest.timeline`'s. It looks
into no codec's bitstream, except to strip what ISO BMFF forbids: the temporal delimiter of AV1.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Final, Protocol

from ingest.errors import FlvError, UnsupportedCodec
from ingest.source import AudioCodec, AudioHeader, VideoCodec, VideoHeader

MAX_HEADER_SIZE: Final = 64 * 1024
"""Bytes of one decoder configuration; real ones have fewer than 200."""

MAX_MODEX_PACKETS: Final = 16
"""ModEx packets before one frame; the specification defines a single kind."""

MAX_TRACKS: Final = 32
"""Tracks in one multitrack message."""

_VIDEO_CODECS: Final = {
    b"avc1": VideoCodec.AVC,
    b"hvc1": VideoCodec.HEVC,
    b"av01": VideoCodec.AV1,
    b"vp09": VideoCodec.VP9,
}
_AUDIO_CODECS: Final = {
    b"mp4a": AudioCodec.AAC,
    b"Opus": AudioCodec.OPUS,
    b"fLaC": AudioCodec.FLAC,
    b"ac-3": AudioCodec.AC3,
    b"ec-3": AudioCodec.EAC3,
    b".mp3": AudioCodec.MP3,
}
VIDEO_FOURCCS: Final = tuple(code.decode() for code in _VIDEO_CODECS)
"""The video codecs that a server may announce."""
AUDIO_FOURCCS: Final = tuple(code.decode() for code in _AUDIO_CODECS)
"""The audio codecs that a server may announce."""

_LEGACY_VIDEO: Final = {7: VideoCodec.AVC, 12: VideoCodec.HEVC}  # 12: never standardised, yet sent by many cameras
_REFUSED_VIDEO: Final = {
    2: "Sorenson H.263",
    3: "Screen video",
    4: "On2 VP6",
    5: "On2 VP6 with alpha",
    6: "Screen video 2",
}
_REFUSED_AUDIO: Final = {
    0: "PCM",
    1: "ADPCM",
    3: "PCM",
    4: "Nellymoser",
    5: "Nellymoser",
    6: "Nellymoser",
    7: "G.711 A-law",
    8: "G.711 mu-law",
    11: "Speex",
    15: "a device-specific codec",
}
_SELF_DESCRIBING: Final = frozenset({AudioCodec.AC3, AudioCodec.EAC3, AudioCodec.MP3})
_CONFIG_STARTS: Final = {VideoCodec.AVC: (1, 7), VideoCodec.HEVC: (1, 23), VideoCodec.AV1: (0x81, 4)}
"""First byte and least length of avcC, hvcC (configurationVersion 1) and av1C (marker and version)."""

_VIDEO_REMEDY: Final = "Set the encoder to H.264 (or HEVC, AV1, VP9 by Enhanced RTMP)."
_AUDIO_REMEDY: Final = "Set the encoder to AAC (or Opus, FLAC, AC-3, MP3)."

# FLV E.4.3.1 and Enhanced RTMP, VideoFrameType.
_KEYFRAME: Final = 1
_COMMAND_FRAME: Final = 5
# Enhanced RTMP, VideoPacketType and AudioPacketType; those not named here carry nothing for us.
_SEQUENCE_START: Final = 0
_CODED_FRAMES: Final = 1
_CODED_FRAMES_X: Final = 3
_METADATA: Final = 4
_MULTITRACK: Final = 5
_VIDEO_MULTITRACK: Final = 6
_MODEX: Final = 7
# Enhanced RTMP, AvMultitrackType and ModEx types.
_ONE_TRACK: Final = 0
_MANY_CODECS: Final = 2
_TIMESTAMP_OFFSET_NANO: Final = 0

_VIDEO_HEAD: Final = Struct(">BI")  # frame type and codec, packet type, 24 bits of composition time
_OBU_TEMPORAL_DELIMITER: Final = 2


class FlvSink(Protocol):
    """Who takes what was read; `ingest.timeline.Timeline` is the one in use."""

    def video_header(self, header: VideoHeader) -> None:
        """A video decoder configuration, repeats included."""

    def audio_header(self, header: AudioHeader) -> None:
        """An audio decoder configuration, repeats included."""

    def video(self, timestamp: int, keyframe: bool, composition: int, data: bytes, nanoseconds: int = 0) -> None:
        """A picture; times in ms as received."""

    def audio(self, timestamp: int, data: bytes, nanoseconds: int = 0) -> None:
        """An audio frame; time in ms as received."""


class FlvReader:
    """Reads the tags of one publisher. A frame whose codec has had no header yet is dropped.

    Both readers take the message's timestamp in ms and its payload, of which they keep no reference. They raise
    `FlvError` for a tag that cannot be read and `UnsupportedCodec` for a codec that viewers could not be offered.
    """

    __slots__ = ("_audio_codec", "_audio_track", "_sink", "_video_codec", "_video_track", "ignored_tracks")

    def __init__(self, sink: FlvSink) -> None:
        self._sink = sink
        self._video_codec: VideoCodec | None = None
        self._audio_codec: AudioCodec | None = None
        self._video_track: int | None = None
        self._audio_track: int | None = None
        self.ignored_tracks: list[str] = []
        """Tracks of multitrack messages that are not used, such as `video 1`; for the owner of the reader to report."""

    def video(self, timestamp: int, tag: memoryview) -> None:
        """Reads the payload of a video message."""
        if len(tag) < 5:
            self._short_video(tag)
            return
        first, word = _VIDEO_HEAD.unpack_from(tag)
        if first & 0x80:
            self._enhanced_video(timestamp, tag)
            return
        frame_type = first >> 4
        codec = _LEGACY_VIDEO.get(first & 0x0F)
        if codec is None:
            raise _refused_video(first & 0x0F)
        packet_type = word >> 24
        if frame_type == _COMMAND_FRAME:
            return
        if packet_type == 1:
            if codec is not self._video_codec or self._video_track or len(tag) == 5:
                return
            # SI24: sign extension of the composition time.
            composition = ((word & 0xFFFFFF) ^ 0x800000) - 0x800000
            self._sink.video(timestamp, frame_type == _KEYFRAME, composition, bytes(tag[5:]))
        elif packet_type == 0 and self._uses_video(0):
            self._start_video(codec, tag[5:])

    def audio(self, timestamp: int, tag: memoryview) -> None:
        """Reads the payload of an audio message; an empty one means silence and is dropped."""
        if not tag:
            return
        sound_format = tag[0] >> 4
        if sound_format == 10:
            if len(tag) < 3:
                return
            if tag[1] == 1:
                if self._audio_codec is AudioCodec.AAC and not self._audio_track:
                    self._sink.audio(timestamp, bytes(tag[2:]))
            elif tag[1] == 0 and self._uses_audio(0):
                self._start_audio(AudioCodec.AAC, tag[2:])
        elif sound_format == 9:
            self._enhanced_audio(timestamp, tag)
        elif sound_format in (2, 14):
            if self._uses_audio(0):
                self._audio_frame(timestamp, AudioCodec.MP3, tag[1:], 0)
        else:
            name = _REFUSED_AUDIO.get(sound_format, f"FLV sound format {sound_format}")
            raise UnsupportedCodec(f"The audio codec {name} cannot be shown to viewers. {_AUDIO_REMEDY}")

    def _short_video(self, tag: memoryview) -> None:
        """Tags without room for a frame: empty ones and commands are absorbed, an unknown codec is still refused."""
        if not tag or tag[0] & 0x80 or tag[0] >> 4 == _COMMAND_FRAME:
            return
        if tag[0] & 0x0F not in _LEGACY_VIDEO:
            raise _refused_video(tag[0] & 0x0F)

    def _enhanced_video(self, timestamp: int, tag: memoryview) -> None:
        frame_type = tag[0] >> 4 & 7
        packet_type, position, nanoseconds = _mod_ex(tag)
        # "if (videoPacketType != Metadata && videoFrameType == Command)": one byte of command follows, no FourCC.
        if packet_type == _METADATA or frame_type == _COMMAND_FRAME:
            return
        chosen = _chosen(tag, packet_type, position, packet_type == _VIDEO_MULTITRACK, self._uses_video)
        if chosen is None:
            return
        packet_type, fourcc, body = chosen
        codec = _VIDEO_CODECS.get(fourcc)
        if codec is None:
            raise UnsupportedCodec(f"The video codec {_printable(fourcc)} cannot be shown to viewers. {_VIDEO_REMEDY}")
        if packet_type == _SEQUENCE_START:
            self._start_video(codec, body)
        elif packet_type in (_CODED_FRAMES, _CODED_FRAMES_X) and codec is self._video_codec:
            composition = 0
            if packet_type == _CODED_FRAMES and codec in (VideoCodec.AVC, VideoCodec.HEVC):
                composition = int.from_bytes(_take(body, 0, 3), "big", signed=True)
                body = body[3:]
            data = _strip_delimiters(body) if codec is VideoCodec.AV1 else bytes(body)
            if data:
                self._sink.video(timestamp, frame_type == _KEYFRAME, composition, data, nanoseconds)

    def _enhanced_audio(self, timestamp: int, tag: memoryview) -> None:
        packet_type, position, nanoseconds = _mod_ex(tag)
        chosen = _chosen(tag, packet_type, position, packet_type == _MULTITRACK, self._uses_audio)
        if chosen is None:
            return
        packet_type, fourcc, body = chosen
        codec = _AUDIO_CODECS.get(fourcc)
        if codec is None:
            raise UnsupportedCodec(f"The audio codec {_printable(fourcc)} cannot be shown to viewers. {_AUDIO_REMEDY}")
        if packet_type == _SEQUENCE_START:
            self._start_audio(codec, body)
        elif packet_type == _CODED_FRAMES:
            self._audio_frame(timestamp, codec, body, nanoseconds)

    def _audio_frame(self, timestamp: int, codec: AudioCodec, body: memoryview, nanoseconds: int) -> None:
        if not body:
            return
        if codec is not self._audio_codec:
            if codec not in _SELF_DESCRIBING:
                return
            self._start_audio(codec, body[:0])
        self._sink.audio(timestamp, bytes(body), nanoseconds)

    def _start_video(self, codec: VideoCodec, body: memoryview) -> None:
        config = bytes(body)
        if not config:
            return
        if codec is VideoCodec.VP9 and config[:4] != b"\x01\0\0\0":
            # Senders disagree on whether the record begins with the version and flags of the vpcC box.
            config = b"\x01\0\0\0" + config
        start, least = _CONFIG_STARTS.get(codec, (config[0], 12))
        if config[0] != start or not least <= len(config) <= MAX_HEADER_SIZE:
            raise FlvError(
                f"The decoder configuration for {codec.value} has {len(config)} bytes and begins with "
                f"{config[0]:#04x}, which is not valid. Restart the stream in the encoder."
            )
        self._video_codec = codec
        self._sink.video_header(VideoHeader(codec, config))

    def _start_audio(self, codec: AudioCodec, body: memoryview) -> None:
        config = b"" if codec in _SELF_DESCRIBING else bytes(body)
        if codec is AudioCodec.FLAC:
            config = _stream_info(config)
        if len(config) > MAX_HEADER_SIZE or (codec is AudioCodec.AAC and len(config) < 2):
            raise FlvError(
                f"The decoder configuration for {codec.value} has {len(config)} bytes, which is not valid. "
                "Restart the stream in the encoder."
            )
        self._audio_codec = codec
        self._sink.audio_header(AudioHeader(codec, config))

    def _uses_video(self, track: int) -> bool:
        """Whether this is the track in use, which is the first one seen; messages without multitrack are track 0."""
        if self._video_track is None:
            self._video_track = track
        return track == self._video_track or self._ignore(f"video {track}")

    def _uses_audio(self, track: int) -> bool:
        """As `_uses_video`, for audio."""
        if self._audio_track is None:
            self._audio_track = track
        return track == self._audio_track or self._ignore(f"audio {track}")

    def _ignore(self, name: str) -> bool:
        if name not in self.ignored_tracks:  # at most 512: two kinds of 8-bit track ids
            self.ignored_tracks.append(name)
        return False


def _take(view: memoryview, position: int, count: int) -> bytes:
    taken = bytes(view[position : position + count])
    if len(taken) < count:
        raise FlvError(f"An Enhanced RTMP message of {len(view)} bytes ends inside its header. Update the encoder.")
    return taken


def _mod_ex(tag: memoryview) -> tuple[int, int, int]:
    """Skips ModEx packets; returns packet type, position after it, and the nanoseconds found."""
    packet_type, position, nanoseconds = tag[0] & 0x0F, 1, 0
    for _ in range(MAX_MODEX_PACKETS):
        if packet_type != _MODEX:
            return packet_type, position, nanoseconds
        size = _take(tag, position, 1)[0] + 1
        position += 1
        if size == 256:  # "If maximum 8-bit size is not sufficient, use a 16-bit value"
            size = int.from_bytes(_take(tag, position, 2), "big") + 1
            position += 2
        data = _take(tag, position, size)
        position += size
        kinds = _take(tag, position, 1)[0]
        position += 1
        packet_type = kinds & 0x0F
        if kinds >> 4 == _TIMESTAMP_OFFSET_NANO and size >= 3:
            # "maximum value (i.e., 999,999 ns)": more would be a millisecond, which the timestamp counts.
            nanoseconds = min(int.from_bytes(data[:3], "big"), 999_999)
    raise FlvError(f"A message has more than {MAX_MODEX_PACKETS} ModEx packets. Update the encoder.")


def _chosen(
    tag: memoryview, packet_type: int, position: int, multitrack: bool, uses: Callable[[int], bool]
) -> tuple[int, bytes, memoryview] | None:
    """Packet type, FourCC and body of the track in use; None when the message is for others only."""
    if multitrack:
        packet_type, tracks = _tracks(tag, position)
    else:
        tracks = [(_take(tag, position, 4), 0, tag[position + 4 :])]
    mine = [(fourcc, body) for fourcc, track, body in tracks if uses(track)]
    return (packet_type, *mine[0]) if mine else None


def _tracks(tag: memoryview, position: int) -> tuple[int, list[tuple[bytes, int, memoryview]]]:
    """A multitrack body: packet type, then FourCC, track id and bytes of each track."""
    kinds = _take(tag, position, 1)[0]
    position += 1
    multitrack_type, packet_type = kinds >> 4, kinds & 0x0F
    fourcc = b""
    if multitrack_type != _MANY_CODECS:
        fourcc = _take(tag, position, 4)
        position += 4
    tracks: list[tuple[bytes, int, memoryview]] = []
    while position < len(tag):
        if len(tracks) == MAX_TRACKS:
            raise FlvError(f"A multitrack message has more than {MAX_TRACKS} tracks. Send fewer tracks.")
        if multitrack_type == _MANY_CODECS:
            fourcc = _take(tag, position, 4)
            position += 4
        track = _take(tag, position, 1)[0]
        position += 1
        size = len(tag) - position
        if multitrack_type != _ONE_TRACK:
            size = int.from_bytes(_take(tag, position, 3), "big")
            position += 3
            if size > len(tag) - position:
                raise FlvError(
                    f"Track {track} of a multitrack message claims {size} bytes of {len(tag) - position}. "
                    "Update the encoder."
                )
        tracks.append((fourcc, track, tag[position : position + size]))
        position += size
    return packet_type, tracks


def _strip_delimiters(body: memoryview) -> bytes:
    """AV1 in ISO BMFF, 2.4: "OBUs of type OBU_TEMPORAL_DELIMITER […] SHOULD NOT be present" in a sample."""
    position, length = 0, len(body)
    while position < length and body[position] >> 3 & 0x0F == _OBU_TEMPORAL_DELIMITER:
        # obu_header: has_extension is bit 2, has_size is bit 1; a delimiter's size is always 0, so one byte.
        position += 1 + (body[position] >> 2 & 1) + (body[position] >> 1 & 1)
    return bytes(body[position:])


def _stream_info(config: bytes) -> bytes:
    """The 34 bytes of STREAMINFO, of which senders put the `fLaC` marker and block header in front or not.

    Frame sizes, number of samples and MD5 are set to 0, "unknown": they describe a finished file, and ffmpeg sends
    them as a changed header when it ends.
    """
    start = 4 if config.startswith(b"fLaC") else 0
    if config[start : start + 4] in (b"\x00\x00\x00\x22", b"\x80\x00\x00\x22"):
        start += 4
    info = config[start : start + 34]
    if len(info) < 34:
        raise FlvError(f"The FLAC header has {len(config)} bytes, fewer than STREAMINFO needs. Update the encoder.")
    return info[:4] + bytes(6) + info[10:13] + bytes((info[13] & 0xF0,)) + bytes(20)


def _refused_video(codec_id: int) -> UnsupportedCodec:
    name = _REFUSED_VIDEO.get(codec_id, f"FLV codec {codec_id}")
    return UnsupportedCodec(f"The video codec {name} cannot be shown to viewers. {_VIDEO_REMEDY}")


def _printable(fourcc: bytes) -> str:
    return repr(fourcc.decode("ascii", "replace")) if fourcc.isascii() else fourcc.hex()
