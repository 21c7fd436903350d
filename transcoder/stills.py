"""Thumbnail and animated preview from keyframes in memory.

Owns the last keyframes of a broadcast, decoding them with PyAV in a worker thread, and the pictures made of them. A
picture is made when somebody asks for it, so a stream that nobody looks at costs nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from enum import StrEnum
from io import BytesIO
from typing import TYPE_CHECKING, cast

import structlog

from ingest.source import VideoCodec, VideoHeader
from transcoder.errors import CodecError

if TYPE_CHECKING:
    from PIL import Image

KEPT_SECONDS = 20.0
"""A picture serves for so long before another one is made."""

PREVIEW_FRAMES = 8
"""Keyframes in the animated preview; with one every two seconds it shows the last sixteen."""

PREVIEW_WIDTH = 480
PREVIEW_FRAME_MS = 400
THUMBNAIL_WIDTH = 1280
JPEG_QUALITY = 80
WEBP_QUALITY = 60
GIF_COLOURS = 128
MAX_KEYFRAME = 8 * 1024 * 1024
"""A larger keyframe is not decoded."""
MAX_PIXELS = 8192 * 4320
"""Nor is a picture of more pixels: a hostile header can claim a gigabyte of them in a few bytes."""

_DECODERS = {VideoCodec.AVC: "h264", VideoCodec.HEVC: "hevc", VideoCodec.AV1: "libdav1d", VideoCodec.VP9: "vp9"}

Keyframe = tuple[VideoHeader, bytes]

log = structlog.get_logger(__name__)


class Still(StrEnum):
    """The kinds of pictures, by their file names."""

    THUMBNAIL = "thumbnail.jpg"
    GIF = "preview.gif"
    WEBP = "preview.webp"


class Stills:
    """The last keyframes of a broadcast, and the pictures last made of them. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._keyframes: deque[Keyframe] = deque(maxlen=PREVIEW_FRAMES)
        self._made: dict[Still, tuple[float, bytes | None]] = {}
        self._making = asyncio.Lock()

    def add(self, header: VideoHeader, keyframe: bytes) -> None:
        """Remembers a keyframe; those that are too large are passed over."""
        if len(keyframe) <= MAX_KEYFRAME:
            self._keyframes.append((header, keyframe))

    def forget(self) -> None:
        """A new broadcast begins: its pictures are its own. The last ones stay until there are others."""
        # Not cleared: `get` sees by the deque whether what it has just made is of the past.
        self._keyframes = deque(maxlen=PREVIEW_FRAMES)
        self._made = {still: (float("-inf"), data) for still, (_, data) in self._made.items()}

    async def get(self, still: Still) -> bytes | None:
        """The picture, not much older than `KEPT_SECONDS`; None while there is nothing to make it of."""
        # One at a time: whoever else asks meanwhile gets what the first one's wait has made.
        async with self._making:
            made, data = self._made.get(still, (float("-inf"), None))
            keyframes = self._keyframes
            if not keyframes or self._clock() - made < KEPT_SECONDS:
                return data
            try:
                data = await asyncio.to_thread(render, still, tuple(keyframes))
            except CodecError as error:
                log.warning("no still", reason=str(error))
            # A failure is kept as long as a picture: a stream that cannot be decoded must not keep the thread busy.
            self._made[still] = (self._clock() if keyframes is self._keyframes else float("-inf"), data)
            return data


def render(still: Still, keyframes: Sequence[Keyframe]) -> bytes:
    """Makes a picture: of the newest of `keyframes` the thumbnail, of all the previews. Blocks for some 100 ms.

    Raises:
        CodecError: the newest cannot be decoded.
    """
    buffer = BytesIO()
    newest = _decode(*keyframes[-1], THUMBNAIL_WIDTH if still is Still.THUMBNAIL else PREVIEW_WIDTH)
    if newest is None:
        raise CodecError(f"The last of {len(keyframes)} keyframes could not be decoded into a still.")
    if still is Still.THUMBNAIL:
        newest.save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
        return buffer.getvalue()
    older = [_decode(header, data, PREVIEW_WIDTH) for header, data in keyframes[:-1]]
    frames = [frame for frame in older if frame is not None] + [newest]
    first, *rest = [frame if frame.size == newest.size else frame.resize(newest.size) for frame in frames]
    if still is Still.GIF:
        from PIL import Image

        # The octree is three times as fast as median cut, and with so many colours nobody sees the difference.
        first, *rest = [frame.quantize(GIF_COLOURS, Image.Quantize.FASTOCTREE) for frame in (first, *rest)]
        first.save(buffer, "GIF", save_all=True, append_images=rest, duration=PREVIEW_FRAME_MS, loop=0)
    else:
        options = {"duration": PREVIEW_FRAME_MS, "loop": 0, "quality": WEBP_QUALITY, "method": 0}
        first.save(buffer, "WEBP", save_all=True, append_images=rest, **options)
    return buffer.getvalue()


def _decode(header: VideoHeader, keyframe: bytes, width: int) -> Image.Image | None:
    """The picture, no wider than `width`: scaled before it becomes RGB, since a large one takes many megabytes."""
    import av  # as much memory as the rest of the server, so only once somebody wants to see something

    try:
        context = cast(av.VideoCodecContext, av.CodecContext.create(_DECODERS[header.codec], "r"))
        context.extradata = header.config
        context.thread_count = 1
        context.options = {"max_pixels": str(MAX_PIXELS)}
        for packet in (av.Packet(keyframe), None):
            for frame in context.decode(packet):
                across, down = _size(frame.width, frame.height, width)
                scaled = frame.reformat(width=across, height=down, format="rgb24")
                image: Image.Image = scaled.to_image()  # type: ignore[no-untyped-call]
                return image
    except (av.FFmpegError, ValueError):
        return None
    return None


def _size(width: int, height: int, limit: int) -> tuple[int, int]:
    return (width, height) if width <= limit else (limit, max(height * limit // width, 1))
