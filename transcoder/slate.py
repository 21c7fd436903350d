"""The holding slate: what viewers see while the encoder is away, and the silence that goes with it.

Owns making both with PyAV, blocking and meant for a worker thread: one loop of "Be right back" per codec and size, and
one coded frame of silence per audio format. Playing them in time is `transcoder.holding`'s. PyAV and Pillow are
imported when they are first needed: they take as much memory as the rest of the server.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, cast

from ingest.source import TIMESCALE, AudioCodec, AudioFrame, AudioHeader, VideoCodec, VideoFrame, VideoHeader
from transcoder.audio_codecs import AudioInfo
from transcoder.errors import EncoderError
from transcoder.fmp4.reader import FragmentReader

if TYPE_CHECKING:
    from PIL.Image import Image

FRAMERATE = 10
"""A still picture needs no more frames per second than parts want."""

FRAME_TICKS = TIMESCALE // FRAMERATE

CRF = "28"
BACKGROUND, FOREGROUND, ACCENT = (22, 24, 29), (236, 238, 242), (229, 72, 77)

SILENT_FRAMES = 8
"""Frames encoded to get one from the middle, past the encoder's start."""

_ENCODERS = {VideoCodec.AVC: "libx264", VideoCodec.HEVC: "libx265"}
_OPTIONS = {
    VideoCodec.AVC: {"preset": "ultrafast", "tune": "zerolatency", "crf": CRF},
    VideoCodec.HEVC: {"preset": "ultrafast", "tune": "zerolatency", "crf": CRF, "x265-params": "log-level=none"},
}
_MOVFLAGS = {"movflags": "cmaf+frag_every_frame+empty_moov+default_base_moof"}


@dataclass(frozen=True, slots=True)
class Slate:
    """A loop of pictures that starts at time 0 with a keyframe, `FRAME_TICKS` apart, without reordering."""

    header: VideoHeader
    frames: tuple[VideoFrame, ...]


def offers(codec: VideoCodec) -> bool:
    """Whether a slate can be made in this codec."""
    return codec in _ENCODERS


@lru_cache(maxsize=16)
def make_slate(codec: VideoCodec, width: int, height: int, seconds: int, text: str) -> Slate:
    """Encodes `text` as a loop of `seconds`. Blocks for up to about a second.

    Raises:
        EncoderError: this codec or size cannot be encoded here.
    """
    if codec not in _ENCODERS:
        raise EncoderError(f"No slate can be made in {codec}; viewers of such a rendition see a gap instead.")
    import av
    from av.video.stream import VideoStream

    width, height = width - width % 2, height - height % 2
    picture = _picture(width, height, text)
    buffer = BytesIO()
    try:
        with av.open(buffer, "w", format="mp4", options=_MOVFLAGS) as container:
            options = _OPTIONS[codec] | {"g": str(seconds * FRAMERATE)}
            stream = cast(VideoStream, container.add_stream(_ENCODERS[codec], rate=FRAMERATE, options=options))
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.codec_tag = codec.value
            frame = av.VideoFrame.from_image(picture)  # type: ignore[no-untyped-call]
            for number in range(seconds * FRAMERATE):
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    except (av.FFmpegError, ValueError, IndexError) as error:
        raise EncoderError(f"The slate of {width}x{height} in {codec} could not be encoded: {error}.") from error
    header, frames = None, []
    for event in FragmentReader().feed(buffer.getvalue()):
        if isinstance(event, VideoHeader):
            header = event
        elif isinstance(event, VideoFrame):
            frames.append(event)
    if header is None or len(frames) != seconds * FRAMERATE or not frames[0].keyframe:
        raise EncoderError(f"The slate in {codec} came back with {len(frames)} of {seconds * FRAMERATE} frames.")
    return Slate(header, tuple(frames))


def _picture(width: int, height: int, text: str) -> Image:
    from PIL import Image as Images
    from PIL import ImageDraw, ImageFont

    image = Images.new("RGB", (width, height), BACKGROUND)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=max(min(width // 12, height // 6), 10))
    draw.text((width / 2, height / 2), text, font=font, fill=FOREGROUND, anchor="mm")
    bar = max(height // 90, 2)
    draw.rectangle((width * 2 // 5, height * 5 // 8, width * 3 // 5, height * 5 // 8 + bar), fill=ACCENT)
    return image


@lru_cache(maxsize=16)
def make_silence(header: AudioHeader, info: AudioInfo) -> bytes | None:
    """One coded frame of silence for a track of this kind, None where that is not possible.

    AAC frames fit only a track of the same object type (Low Complexity, as encoders send it), and FLAC numbers its
    frames, so it has no reusable one.
    """
    if header.codec is AudioCodec.AAC:
        return _silent_aac(info)
    name = {AudioCodec.OPUS: "libopus", AudioCodec.AC3: "ac3"}.get(header.codec)
    layout = {1: "mono", 2: "stereo", 6: "5.1"}.get(info.channels)
    if name is None or layout is None:
        return None
    import av

    try:
        context = cast(av.AudioCodecContext, av.CodecContext.create(name, "w"))
        context.sample_rate, context.layout = info.sample_rate, av.AudioLayout(layout)
        context.format = (context.codec.audio_formats or [])[0]
        context.open()
        packets = []
        for number in range(SILENT_FRAMES):
            frame = av.AudioFrame(format=context.format.name, layout=layout, samples=context.frame_size)
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            frame.sample_rate, frame.pts = info.sample_rate, number * context.frame_size
            packets += context.encode(frame)
    except (av.FFmpegError, ValueError, IndexError):
        return None
    if len(packets) < 2 or context.frame_size != info.samples_per_frame:
        return None
    return bytes(packets[len(packets) // 2])


_SINGLE, _PAIR, _LOW = "000", "001", "011"
_AAC_ELEMENTS = {1: (_SINGLE,), 2: (_PAIR,), 6: (_SINGLE, _PAIR, _PAIR, _LOW)}
"""Syntactic elements by channel configuration (ISO/IEC 14496-3 table 1.19)."""


def _silent_aac(info: AudioInfo) -> bytes | None:
    """A raw_data_block in which no band holds anything (ISO/IEC 14496-3 §4.4.2.1): silence at any sampling rate."""
    elements = _AAC_ELEMENTS.get(info.channels)
    if info.name != "mp4a.40.2" or elements is None:
        return None
    gain, tools = "00000000", "000"  # no pulse data, no temporal noise shaping, no gain control
    window = "0" + "00" + "0" + "000000" + "0"  # one long window, max_sfb 0: no section data and no spectrum follow
    bits, tags = "", dict.fromkeys(elements, 0)
    for element in elements:
        bits += element + f"{tags[element]:04b}"
        tags[element] += 1
        if element == _PAIR:
            bits += "1" + window + "00" + 2 * (gain + tools)  # a common window, no mid/side
        else:
            bits += gain + window + tools
    bits += "111"  # ID_END
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


class SlatePlayer:
    """Hands out the frames of a slate run in real time. Sans-I/O: `until` says how far.

    `start` is where the run begins on the broadcast's timeline. Video frames repeat with the loop; silence follows its
    own frame length.
    """

    def __init__(self, start: int, loop: int) -> None:
        self._start = start
        self._loop = loop
        self._position = 0

    @property
    def end(self) -> int:
        """Where the frames handed out so far end."""
        return self._start + self._position * FRAME_TICKS

    def due(self, until: int) -> list[int]:
        """The numbers of the frames that begin before `until` and were not handed out yet, in order."""
        count = max((until - self.end + FRAME_TICKS - 1) // FRAME_TICKS, 0)
        numbers = list(range(self._position, self._position + count))
        self._position += count
        return numbers

    def time(self, number: int) -> int:
        """When frame `number` of the run is shown."""
        return self._start + number * FRAME_TICKS

    def picture(self, slate: Slate, number: int) -> VideoFrame:
        """Frame `number` of the run."""
        frame = slate.frames[number % self._loop]
        time = self.time(number)
        return VideoFrame(time, time, frame.keyframe, frame.data)

    def silence(self, info: AudioInfo, frame: bytes, number: int) -> list[AudioFrame]:
        """The silent frames that begin while frame `number` of the run is shown."""
        step = info.samples_per_frame * TIMESCALE / info.sample_rate
        first = -(-number * FRAME_TICKS // step)
        last = -(-(number + 1) * FRAME_TICKS // step)
        return [AudioFrame(self._start + round(n * step), frame) for n in range(int(first), int(last))]
