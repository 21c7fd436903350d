"""Thumbnail and preview from real keyframes of every codec, and from what is none."""

from __future__ import annotations

import functools
from io import BytesIO

import pytest
from encoder_material import flv, frames, video_of
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ingest.source import VideoCodec, VideoHeader
from transcoder import stills as stills_module
from transcoder.errors import CodecError
from transcoder.stills import MAX_KEYFRAME, PREVIEW_FRAMES, Stills, render


@functools.cache
def keyframes(encoder: str = "libx264") -> list[tuple[VideoHeader, bytes]]:
    headers, found = frames(flv(video=encoder, audio="", seconds=2.0, gop=15))
    header = next(item for item in headers if isinstance(item, VideoHeader))
    return [(header, frame.data) for frame in video_of(found) if frame.keyframe]


@pytest.mark.parametrize("encoder", ["libx264", "libx265", "libsvtav1", "libvpx-vp9"])
def test_every_codec_becomes_pictures(encoder: str) -> None:
    pictures = render(keyframes(encoder))
    thumbnail = Image.open(BytesIO(pictures.thumbnail))
    assert (thumbnail.format, thumbnail.size) == ("JPEG", (320, 180))
    assert len(thumbnail.convert("RGB").getcolors(1 << 20) or []) > 1000
    for data, name in ((pictures.gif, "GIF"), (pictures.webp, "WEBP")):
        preview = Image.open(BytesIO(data))
        assert (preview.format, preview.size) == (name, (320, 180))
        assert getattr(preview, "n_frames", 1) == len(keyframes(encoder)) >= 2
        assert preview.info["loop"] == 0


def test_large_pictures_are_made_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stills_module, "THUMBNAIL_WIDTH", 160)
    monkeypatch.setattr(stills_module, "PREVIEW_WIDTH", 80)
    pictures = render(keyframes())
    assert Image.open(BytesIO(pictures.thumbnail)).size == (160, 90)
    assert Image.open(BytesIO(pictures.gif)).size == (80, 45)


def test_what_cannot_be_decoded_is_left_out() -> None:
    header, good = keyframes()[0]
    pictures = render([(header, b"\0\0\0\x04junk"), (header, b""), (header, good)])
    assert getattr(Image.open(BytesIO(pictures.webp)), "n_frames", 1) == 1
    with pytest.raises(CodecError, match="The last of 2 keyframes could not be decoded"):
        render([(header, good), (VideoHeader(VideoCodec.AVC, b""), b"junk")])
    with pytest.raises(CodecError, match="The last of 0 keyframes"):
        render([])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["libx264", "libx265", "libsvtav1", "libvpx-vp9"]), st.data())
def test_damaged_keyframes_raise_nothing_but_codec_errors(encoder: str, data: st.DataObject) -> None:
    header, good = keyframes(encoder)[0]
    broken = bytearray(good)
    for _ in range(data.draw(st.integers(1, 20))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    try:
        pictures = render([(header, bytes(broken[: data.draw(st.integers(0, len(broken)))]))])
    except CodecError:
        return
    assert pictures.thumbnail.startswith(b"\xff\xd8")


@pytest.mark.parametrize("encoder", ["libx264", "libx265", "libvpx-vp9"])
def test_a_picture_of_too_many_pixels_is_not_decoded(encoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stills_module, "MAX_PIXELS", 320 * 176)
    with pytest.raises(CodecError, match="could not be decoded"):
        render(keyframes(encoder))


def test_a_picture_that_claims_to_be_huge_is_passed_over() -> None:
    header, good = keyframes("libvpx-vp9")[0]
    # VP9 §7.2: frame marker, profile, show flags, sync code, colour, then 16 bits of width - 1 and of height - 1.
    bits = bin(int.from_bytes(b"\x01" + good, "big"))[3:]
    assert (int(bits[36:52], 2) + 1, int(bits[52:68], 2) + 1) == (320, 180)
    huge = bits[:36] + f"{16383:016b}" * 2 + bits[68:]
    frame = int(huge, 2).to_bytes(len(good), "big")
    with pytest.raises(CodecError, match="The last of 1 keyframes"):
        render([(header, frame)])


def test_the_last_keyframes_are_remembered() -> None:
    stills = Stills()
    header = keyframes()[0][0]
    for number in range(PREVIEW_FRAMES + 3):
        stills.add(header, b"%d" % number)
    stills.add(header, bytes(MAX_KEYFRAME + 1))
    assert [data for _, data in stills.keyframes] == [b"%d" % n for n in range(3, PREVIEW_FRAMES + 3)]
    stills.forget()
    assert stills.keyframes == ()
