"""Hostile images: what is taken is nothing but its pixels, and what is not is refused with a sentence."""

from __future__ import annotations

import base64
import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence, PngImagePlugin

from owncast_py import images
from owncast_py.errors import ImageRefused
from owncast_py.images import EMOJI, KINDS

clean_image = partial(images.clean_image, limits=EMOJI)
check = partial(images.check, limits=EMOJI)
decode = partial(images.decode, limits=EMOJI)

MARK = b"<script>alert('mark')</script>"
COLORS = ((200, 10, 20), (10, 200, 20), (10, 20, 200))
DURATIONS = [50, 70, 90]


def picture(color: tuple[int, ...] = COLORS[0], size: tuple[int, int] = (32, 24)) -> Image.Image:
    return Image.new("RGB" if len(color) == 3 else "RGBA", size, color)


def saved(kind: str, image: Image.Image | None = None, /, **options: object) -> bytes:
    out = io.BytesIO()
    (image or picture()).save(out, kind, **options)
    return out.getvalue()


def animated(kind: str, **options: object) -> bytes:
    more = [picture(color) for color in COLORS[1:]]
    return saved(kind, None, save_all=True, append_images=more, duration=DURATIONS, loop=0, **options)


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("x.html", MARK)
    return out.getvalue() + MARK


def with_text() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", MARK.decode())
    info.add_itxt("XML:com.adobe.xmp", MARK.decode())
    return info


def exif() -> Image.Exif:
    found = Image.Exif()
    found[0x010E] = MARK.decode()
    found[0x0112] = 6  # turned by a quarter
    return found


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_picture_comes_back_as_it_was(kind: str) -> None:
    clean = clean_image(saved(kind))
    assert clean.suffix == KINDS[kind]
    with Image.open(io.BytesIO(clean.data)) as image:
        assert (image.format, image.size) == (kind, (32, 24))
        shown = image.convert("RGB").getpixel((5, 5))
    assert isinstance(shown, tuple)
    assert all(abs(is_ - was) <= 8 for is_, was in zip(shown, COLORS[0], strict=True))


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP"])
def test_what_is_transparent_stays_so(kind: str) -> None:
    half = picture((0, 0, 0, 0))
    half.paste((200, 10, 20, 255), (0, 0, 16, 24))
    with Image.open(io.BytesIO(clean_image(saved(kind, half)).data)) as image:
        alpha = image.convert("RGBA").getchannel("A")
    assert (alpha.getpixel((5, 5)), alpha.getpixel((25, 5))) == (255, 0)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP"])
def test_an_animation_keeps_its_frames_and_durations(kind: str) -> None:
    with Image.open(io.BytesIO(clean_image(animated(kind)).data)) as image:
        frames = [
            (frame.convert("RGB").getpixel((5, 5)), frame.info["duration"]) for frame in ImageSequence.Iterator(image)
        ]
    assert [duration for _, duration in frames] == DURATIONS
    for (shown, _), was in zip(frames, COLORS, strict=True):
        assert isinstance(shown, tuple)
        assert all(abs(is_ - one) <= 12 for is_, one in zip(shown, was, strict=True))


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP"])
def test_a_frame_does_not_show_through_the_next(kind: str) -> None:
    left, right = picture((0, 0, 0, 0)), picture((0, 0, 0, 0))
    left.paste((200, 10, 20, 255), (0, 0, 8, 24))
    right.paste((200, 10, 20, 255), (24, 0, 32, 24))
    frames_of = {"GIF": {"disposal": 2}, "PNG": {"disposal": 1}, "WEBP": {"kmin": 1, "kmax": 1}}[kind]
    data = saved(kind, left, save_all=True, append_images=[right], duration=50, **frames_of)
    with Image.open(io.BytesIO(clean_image(data).data)) as image:
        alphas = [frame.convert("RGBA").getchannel("A") for frame in ImageSequence.Iterator(image)]
    assert [(alpha.getpixel((2, 5)), alpha.getpixel((30, 5))) for alpha in alphas] == [(255, 0), (0, 255)]


CARRIERS: dict[str, Callable[[], bytes]] = {
    "png with text": lambda: saved("PNG", pnginfo=with_text()),
    "png with a profile": lambda: saved("PNG", icc_profile=MARK),
    "png with exif": lambda: saved("PNG", exif=exif()),
    "jpeg with a comment": lambda: saved("JPEG", comment=MARK),
    "jpeg with a profile": lambda: saved("JPEG", icc_profile=MARK),
    "jpeg with exif": lambda: saved("JPEG", exif=exif()),
    "gif with a comment": lambda: saved("GIF", comment=MARK),
    "gif in motion with a comment": lambda: animated("GIF", comment=MARK),
    "webp with a profile": lambda: saved("WEBP", icc_profile=MARK),
    "webp with exif": lambda: saved("WEBP", exif=exif()),
    "webp with xmp": lambda: saved("WEBP", xmp=MARK),
    "webp in motion with a profile": lambda: animated("WEBP", icc_profile=MARK),
    "apng with a profile": lambda: animated("PNG", icc_profile=MARK),
}


def unpacked(data: bytes) -> bytes:
    """The octets, and what is in the compressed chunks of a PNG."""
    found = [data]
    at = 8
    while data.startswith(b"\x89PNG") and at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if name in (b"iCCP", b"zTXt"):
            found.append(zlib.decompressobj().decompress(data[at + 8 : at + 8 + size].split(b"\0", 1)[1][1:]))
        at += size + 12
    return b"".join(found)


@pytest.mark.parametrize("kind", list(KINDS))
def test_an_archive_behind_the_picture_is_cut_off(kind: str) -> None:
    data = saved(kind) + archive()
    assert MARK in data
    clean = clean_image(data).data
    assert MARK not in clean


@pytest.mark.parametrize("carrier", list(CARRIERS))
def test_nothing_but_pixels_survives(carrier: str) -> None:
    data = CARRIERS[carrier]()
    assert MARK in unpacked(data)
    clean = clean_image(data).data
    assert MARK not in unpacked(clean)


def test_a_photograph_that_was_turned_stays_upright() -> None:
    with Image.open(io.BytesIO(clean_image(saved("JPEG", exif=exif())).data)) as image:
        assert image.size == (24, 32)


def test_a_photograph_with_a_second_picture_is_a_jpeg() -> None:
    clean = clean_image(saved("MPO", save_all=True, append_images=[picture(COLORS[1])]))
    assert clean.suffix == "jpg"
    with Image.open(io.BytesIO(clean.data)) as image:
        assert image.format == "JPEG"


@pytest.mark.parametrize(
    "data",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"\xef\xbb\xbf<?xml version='1.0'?><svg/>",
        b"\n\t <!DOCTYPE svg><svg/>",
    ],
)
def test_svg_is_refused_for_what_it_is(data: bytes) -> None:
    for judge in (clean_image, check):
        with pytest.raises(ImageRefused, match="SVG"):
            judge(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"\x89PNG\r\n\x1a\n",
        b"MZ" + bytes(100),
        b"%PDF-1.7",
        b"RIFF\xff\xff\xff\xffWEBPVP8X",
        saved("BMP"),
        saved("TIFF"),
        saved("ICO"),
        saved("PPM"),
        archive(),
        saved("PNG")[:60],
    ],
)
def test_what_is_no_image_that_may_be(data: bytes) -> None:
    with pytest.raises(ImageRefused, match="no image that can be read"):
        clean_image(data)


def test_sizes_at_their_limits_and_beyond() -> None:
    assert clean_image(saved("PNG", picture(size=(EMOJI.max_side, EMOJI.max_side))))
    for size in ((EMOJI.max_side + 1, 1), (1, EMOJI.max_side + 1)):
        for judge in (clean_image, check):
            with pytest.raises(ImageRefused, match="pixels"):
                judge(saved("PNG", picture(size=size)))
    with pytest.raises(ImageRefused, match="an emoji can have 1000"):
        clean_image(saved("PNG") + bytes(EMOJI.max_bytes))


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def test_decompression_bombs_are_not_decompressed(monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(_image: Image.Image) -> None:
        raise AssertionError("the pixels were decoded")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", loaded)
    for side in (EMOJI.max_side + 1, 12_000, 60_000, 2**31 - 1):
        header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
        bomb = (
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(bytes(900_000)))
            + chunk(b"IEND", b"")
        )
        for judge in (clean_image, check):
            with pytest.raises(ImageRefused):
                judge(bomb)


def test_text_that_unpacks_without_end_is_refused() -> None:
    bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(20_000_000), 9))
    data = saved("PNG")
    with pytest.raises(ImageRefused):
        clean_image(data[:33] + bomb + data[33:])


def test_animations_at_their_limits_and_beyond(monkeypatch: pytest.MonkeyPatch) -> None:
    def moving(frames: int) -> bytes:
        more = [picture((index % 256, index // 256, 0), (2, 2)) for index in range(1, frames)]
        return saved("GIF", picture((0, 0, 0), (2, 2)), save_all=True, append_images=more, duration=20)

    with Image.open(io.BytesIO(clean_image(moving(EMOJI.max_frames)).data)) as image:
        assert getattr(image, "n_frames", 1) == EMOJI.max_frames
    with pytest.raises(ImageRefused, match="301 frames"):
        clean_image(moving(EMOJI.max_frames + 1))
    with pytest.raises(ImageRefused, match="10 frames of 2 × 2"):
        images.clean_image(moving(10), replace(EMOJI, max_total_pixels=39))


def test_an_image_that_grows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = Image.effect_noise((128, 128), 200).convert("1")
    data = saved("PNG", noise)
    with pytest.raises(ImageRefused, match="too large"):
        images.clean_image(data, replace(EMOJI, max_bytes=len(data)))


SEEDS = (
    [saved(kind) for kind in KINDS]
    + [animated(kind) for kind in ("PNG", "GIF", "WEBP")]
    + [saved("MPO", save_all=True)]
)


@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6),
    st.none() | st.integers(0, 10_000),
)
@settings(max_examples=600, deadline=None)
def test_a_damaged_image_is_taken_or_refused(seed: bytes, damage: list[tuple[int, int]], cut: int | None) -> None:
    data = bytearray(seed)
    for at, value in damage:
        data[at % len(data)] = value
    if cut is not None:
        del data[cut % len(data) :]
    for judge in (clean_image, check):
        with suppress(ImageRefused):
            judge(bytes(data))


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_octets_are_taken_or_refused(data: bytes) -> None:
    with pytest.raises(ImageRefused):
        clean_image(data)


def test_base64_bare_and_as_a_data_url() -> None:
    encoded = base64.b64encode(b"octets").decode()
    for prefix in ("", "data:image/png;base64,", "data:;base64,", "data:image/svg+xml;charset=utf-8;base64,"):
        assert decode(prefix + encoded) == b"octets"


@pytest.mark.parametrize(
    "data", ["!", "data:image/png,abc", "data:image/png;base64,%%", "YQ", "ü", "data:" + ";a=b" * 10_000]
)
def test_what_is_no_base64(data: str) -> None:
    with pytest.raises(ImageRefused, match="base64"):
        decode(data)


def test_base64_of_the_greatest_size_and_beyond() -> None:
    assert len(decode(base64.b64encode(bytes(EMOJI.max_bytes)).decode())) == EMOJI.max_bytes
    with pytest.raises(ImageRefused, match="1000 kB"):
        decode("data:image/png;base64," + "A" * (2 * EMOJI.max_bytes))
