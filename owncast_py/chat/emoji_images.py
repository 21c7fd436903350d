"""Uploaded emoji images: what arrives → a clean image of a known kind, or a sentence why not.

Owns the judgement of hostile files. Every image is decoded and encoded anew, so that nothing but its pixels, frames and
their durations survives: no trailing archive, no script, no metadata. Everything here blocks.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
import warnings
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from PIL import Image, ImageOps, ImageSequence

from owncast_py.chat.errors import EmojiRefused

MAX_BYTES = 1_000_000
MAX_SIDE = 1024
"""Pixels."""
MAX_FRAMES = 300
MAX_TOTAL_PIXELS = 12_000_000
"""Of all frames together: 300 of 200 × 200, or 11 of 1024 × 1024. They take up to about 12 octets each for a while."""
KINDS = {"PNG": "png", "GIF": "gif", "WEBP": "webp", "JPEG": "jpg"}
"""Formats by their names in Pillow, with the suffix of their files."""

T = TypeVar("T")

_DATA_URL = re.compile(r"data:[\w.+/-]*(?:;[\w=.+-]+)*;base64,")


class CleanImage(NamedTuple):
    """An image that is nothing else."""

    data: bytes
    suffix: str


def decode(data: str) -> bytes:
    """The octets of an image from base64, bare or as a `data:` URL. Raises EmojiRefused."""
    found = _DATA_URL.match(data)
    encoded = data[found.end() :] if found else data
    if len(encoded) > MAX_BYTES * 4 // 3 + 4:
        raise EmojiRefused(f"The image is too large: an emoji can have {MAX_BYTES // 1000} kB.")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise EmojiRefused("The image is not valid base64; send it as data:image/png;base64,… .") from None


def clean_image(data: bytes) -> CleanImage:
    """The image anew. Raises EmojiRefused for what is no PNG, GIF, WebP or JPEG, or too large in any way."""
    if len(data) > MAX_BYTES:
        raise EmojiRefused(f"The image has {len(data) // 1000} kB; an emoji can have {MAX_BYTES // 1000}.")
    return _open(data, _again)


def check(data: bytes) -> None:
    """Raises EmojiRefused for what is no image that could be an emoji, judged without decoding its pixels."""
    _open(data, _verify)


def _open(data: bytes, use: Callable[[Image.Image], T]) -> T:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=list(KINDS)) as image:
                return use(image)
    except EmojiRefused:
        raise
    # A hostile file makes decoders fail in any way, with IndexError and struct.error among them.
    except Exception as error:
        if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
            raise EmojiRefused("SVG images can hold scripts and are not taken; send PNG, GIF, WebP or JPEG.") from error
        raise EmojiRefused("That is no image that can be read; send a PNG, GIF, WebP or JPEG.") from error


def _frames(image: Image.Image) -> int:
    """How many frames it has. Raises EmojiRefused when it is too large; looks at the header, decodes nothing."""
    width, height = image.size
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise EmojiRefused(f"The image has {width} × {height} pixels; an emoji can have {MAX_SIDE} × {MAX_SIDE}.")
    frames = int(getattr(image, "n_frames", 1))
    if frames > MAX_FRAMES or frames * width * height > MAX_TOTAL_PIXELS:
        raise EmojiRefused(f"The animation has {frames} frames of {width} × {height} pixels, which is too much.")
    return frames


def _verify(image: Image.Image) -> None:
    _frames(image)
    image.verify()


def _again(image: Image.Image) -> CleanImage:
    frames = _frames(image)
    # A photograph with a second picture in it, as phones take them: the first is an ordinary JPEG.
    kind = "JPEG" if image.format == "MPO" else image.format or ""
    out = io.BytesIO()
    if frames > 1 and kind in ("GIF", "WEBP", "PNG"):
        durations = []
        pictures = []
        for frame in ImageSequence.Iterator(image):
            pictures.append(frame.convert("RGBA"))
            # Known only now: a WebP says how long a frame lasts when its pixels are read.
            durations.append(int(frame.info.get("duration", 100)) or 100)
            _bare(pictures[-1])
        loop = int(image.info.get("loop", 0))
        # Every picture is whole: what was there before must not shine through. WebP's encoder cuts frames to what has
        # changed, and forgets that the rest was transparent, unless each of them is a keyframe.
        options = {"GIF": {"disposal": 2}, "PNG": {"disposal": 1, "blend": 0}}.get(kind, {})
        if kind == "WEBP" and any(map(_is_transparent, pictures)):
            options = {"kmin": 1, "kmax": 1}
        pictures[0].save(out, kind, save_all=True, append_images=pictures[1:], duration=durations, loop=loop, **options)
    else:
        _bare(ImageOps.exif_transpose(image).convert("RGB" if kind == "JPEG" else "RGBA")).save(out, kind)
    if out.tell() > 2 * MAX_BYTES:
        raise EmojiRefused("The image is too large; make it smaller, or give it fewer frames.")
    return CleanImage(out.getvalue(), KINDS[kind])


def _is_transparent(picture: Image.Image) -> bool:
    return picture.getchannel("A").getextrema() != (255, 255)


def _bare(picture: Image.Image) -> Image.Image:
    """The picture without comment, colour profile and whatever else would be written along with its pixels."""
    picture.info = {}
    return picture
