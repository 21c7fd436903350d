"""Thumbnail and animated preview from keyframes in memory.

Owns decoding single keyframes with PyAV and turning them into a JPEG, a GIF and a WebP. Everything here blocks and is
meant for a worker thread; `Stills` itself only remembers keyframes and finished pictures.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import cast

import av
from PIL import Image

from ingest.source import VideoCodec, VideoHeader
from transcoder.errors import CodecError

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


@dataclass(frozen=True, slots=True)
class Pictures:
    """Finished stills."""

    thumbnail: bytes
    """JPEG."""
    gif: bytes
    webp: bytes


class Stills:
    """The last keyframes of a broadcast, and the pictures last made of them."""

    def __init__(self) -> None:
        self.pictures: Pictures | None = None
        self._keyframes: deque[tuple[VideoHeader, bytes]] = deque(maxlen=PREVIEW_FRAMES)

    def add(self, header: VideoHeader, keyframe: bytes) -> None:
        """Remembers a keyframe; those that are too large are passed over."""
        if len(keyframe) <= MAX_KEYFRAME:
            self._keyframes.append((header, keyframe))

    def forget(self) -> None:
        """A new broadcast begins: its stills are its own. The last pictures stay until there are others."""
        self._keyframes.clear()

    @property
    def keyframes(self) -> Sequence[tuple[VideoHeader, bytes]]:
        """A copy of what is remembered, oldest first."""
        return tuple(self._keyframes)


def render(keyframes: Sequence[tuple[VideoHeader, bytes]]) -> Pictures:
    """Decodes `keyframes` and makes the stills: the newest as thumbnail, all as preview.

    Raises:
        CodecError: none of them can be decoded.
    """
    frames = [frame for header, data in keyframes[:-1] if (frame := _decode(header, data, PREVIEW_WIDTH)) is not None]
    newest = _decode(*keyframes[-1], THUMBNAIL_WIDTH) if keyframes else None
    if newest is None:
        raise CodecError(f"The last of {len(keyframes)} keyframes could not be decoded into a still.")
    thumbnail = BytesIO()
    newest.save(thumbnail, "JPEG", quality=JPEG_QUALITY, optimize=True)
    size = _size(newest.width, newest.height, PREVIEW_WIDTH)
    frames = [frame if frame.size == size else frame.resize(size) for frame in [*frames, newest]]
    gif, webp = BytesIO(), BytesIO()
    reduced = [frame.quantize(GIF_COLOURS) for frame in frames]
    reduced[0].save(gif, "GIF", save_all=True, append_images=reduced[1:], duration=PREVIEW_FRAME_MS, loop=0)
    frames[0].save(
        webp, "WEBP", save_all=True, append_images=frames[1:], duration=PREVIEW_FRAME_MS, loop=0, quality=WEBP_QUALITY
    )
    return Pictures(thumbnail.getvalue(), gif.getvalue(), webp.getvalue())


def _decode(header: VideoHeader, keyframe: bytes, width: int) -> Image.Image | None:
    """The picture, no wider than `width`: scaled before it becomes RGB, since a large one takes many megabytes."""
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
