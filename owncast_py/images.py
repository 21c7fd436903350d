"""Uploaded images: what arrives → a clean image of a known kind, or a sentence why not.

Owns the judgement of hostile files, for emoji, logos and icons alike. Every image is decoded and encoded anew, so that
nothing but its pixels, frames and their durations survives: no trailing archive, no script, no metadata. Everything
here blocks.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from owncast_py.errors import ImageRefused

if TYPE_CHECKING:
    from PIL import Image

KINDS = {"PNG": "png", "GIF": "gif", "WEBP": "webp", "JPEG": "jpg"}
"""Formats by their names in Pillow, with the suffix of their files."""
CONTENT_TYPES = {
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
}
"""What the files may be, by their suffix."""


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """How large an image may be. `what` names it in sentences, such as "an emoji"."""

    what: str
    max_bytes: int
    max_side: int
    """Pixels."""
    max_frames: int
    max_total_pixels: int
    """Of all frames together. They take up to about 12 octets each for a while."""


EMOJI = ImageLimits("an emoji", 1_000_000, 1024, 300, 12_000_000)
LOGO = ImageLimits("a logo", 5_000_000, 4096, 100, 17_000_000)

T = TypeVar("T")

_DATA_URL = re.compile(r"data:[\w.+/-]*(?:;[\w=.+-]+)*;base64,")


class CleanImage(NamedTuple):
    """An image that is nothing else."""

    data: bytes
    suffix: str


def decode(data: str, limits: ImageLimits) -> bytes:
    """The octets of an image from base64, bare or as a `data:` URL. Raises ImageRefused."""
    found = _DATA_URL.match(data)
    encoded = data[found.end() :] if found else data
    if len(encoded) > limits.max_bytes * 4 // 3 + 4:
        raise ImageRefused(f"The image is too large: {limits.what} can have {limits.max_bytes // 1000} kB.")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ImageRefused("The image is not valid base64; send it as data:image/png;base64,… .") from None


def clean_image(data: bytes, limits: ImageLimits) -> CleanImage:
    """The image anew. Raises ImageRefused for what is no PNG, GIF, WebP or JPEG, or too large in any way."""
    if len(data) > limits.max_bytes:
        raise ImageRefused(f"The image has {len(data) // 1000} kB; {limits.what} can have {limits.max_bytes // 1000}.")
    return _open(data, lambda image: _again(image, limits))


def check(data: bytes, limits: ImageLimits) -> None:
    """Raises ImageRefused for what is no image within the limits, judged without decoding its pixels."""
    _open(data, lambda image: _verify(image, limits))


def _open(data: bytes, use: Callable[[Image.Image], T]) -> T:
    # Pillow is large; a server whose owner uploads nothing does without it.
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=list(KINDS)) as image:
                return use(image)
    except ImageRefused:
        raise
    # A hostile file makes decoders fail in any way, with IndexError and struct.error among them.
    except Exception as error:
        if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
            raise ImageRefused("SVG images can hold scripts and are not taken; send PNG, GIF, WebP or JPEG.") from error
        raise ImageRefused("That is no image that can be read; send a PNG, GIF, WebP or JPEG.") from error


def _frames(image: Image.Image, limits: ImageLimits) -> int:
    """How many frames it has. Raises ImageRefused when it is too large; looks at the header, decodes nothing."""
    width, height = image.size
    if not (0 < width <= limits.max_side and 0 < height <= limits.max_side):
        raise ImageRefused(
            f"The image has {width} × {height} pixels; {limits.what} can have {limits.max_side} × {limits.max_side}."
        )
    frames = int(getattr(image, "n_frames", 1))
    if frames > limits.max_frames or frames * width * height > limits.max_total_pixels:
        raise ImageRefused(f"The animation has {frames} frames of {width} × {height} pixels, which is too much.")
    return frames


def _verify(image: Image.Image, limits: ImageLimits) -> None:
    _frames(image, limits)
    image.verify()


def _again(image: Image.Image, limits: ImageLimits) -> CleanImage:
    from PIL import ImageOps, ImageSequence

    frames = _frames(image, limits)
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
    if out.tell() > 2 * limits.max_bytes:
        raise ImageRefused("The image is too large; make it smaller, or give it fewer frames.")
    return CleanImage(out.getvalue(), KINDS[kind])


def _is_transparent(picture: Image.Image) -> bool:
    return picture.getchannel("A").getextrema() != (255, 255)


def _bare(picture: Image.Image) -> Image.Image:
    """The picture without comment, colour profile and whatever else would be written along with its pixels."""
    picture.info = {}
    return picture
