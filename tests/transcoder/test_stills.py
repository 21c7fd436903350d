"""Thumbnail and preview from real keyframes of every codec, and from what is none."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO

import pytest
import structlog
from encoder_material import flv, frames, video_of
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ingest.source import VideoCodec, VideoHeader
from transcoder import stills as stills_module
from transcoder.errors import CodecError
from transcoder.stills import KEPT_SECONDS, MAX_KEYFRAME, PREVIEW_FRAMES, Still, Stills, render

DEADLINE = 20.0
"""Seconds after which a test that waits has failed."""
HEADER = VideoHeader(VideoCodec.AVC, b"")


@functools.cache
def keyframes(encoder: str = "libx264") -> list[tuple[VideoHeader, bytes]]:
    headers, found = frames(flv(video=encoder, audio="", seconds=2.0, gop=15))
    header = next(item for item in headers if isinstance(item, VideoHeader))
    return [(header, frame.data) for frame in video_of(found) if frame.keyframe]


@pytest.mark.parametrize("encoder", ["libx264", "libx265", "libsvtav1", "libvpx-vp9"])
def test_every_codec_becomes_pictures(encoder: str) -> None:
    thumbnail = Image.open(BytesIO(render(Still.THUMBNAIL, keyframes(encoder))))
    assert (thumbnail.format, thumbnail.size) == ("JPEG", (320, 180))
    assert len(thumbnail.convert("RGB").getcolors(1 << 20) or []) > 1000
    for still, name in ((Still.GIF, "GIF"), (Still.WEBP, "WEBP")):
        preview = Image.open(BytesIO(render(still, keyframes(encoder))))
        assert (preview.format, preview.size) == (name, (320, 180))
        assert getattr(preview, "n_frames", 1) == len(keyframes(encoder)) >= 2
        assert preview.info["loop"] == 0


def test_large_pictures_are_made_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stills_module, "THUMBNAIL_WIDTH", 160)
    monkeypatch.setattr(stills_module, "PREVIEW_WIDTH", 80)
    assert Image.open(BytesIO(render(Still.THUMBNAIL, keyframes()))).size == (160, 90)
    for still in (Still.GIF, Still.WEBP):
        assert Image.open(BytesIO(render(still, keyframes()))).size == (80, 45)


def test_what_cannot_be_decoded_is_left_out() -> None:
    header, good = keyframes()[0]
    for still in (Still.GIF, Still.WEBP):
        preview = render(still, [(header, b"\0\0\0\x04junk"), (header, b""), (header, good)])
        assert getattr(Image.open(BytesIO(preview)), "n_frames", 1) == 1
    for still in Still:
        with pytest.raises(CodecError, match="The last of 2 keyframes could not be decoded"):
            render(still, [(header, good), (VideoHeader(VideoCodec.AVC, b""), b"junk")])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["libx264", "libx265", "libsvtav1", "libvpx-vp9"]), st.data())
def test_damaged_keyframes_raise_nothing_but_codec_errors(encoder: str, data: st.DataObject) -> None:
    header, good = keyframes(encoder)[0]
    broken = bytearray(good)
    for _ in range(data.draw(st.integers(1, 20))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    try:
        thumbnail = render(Still.THUMBNAIL, [(header, bytes(broken[: data.draw(st.integers(0, len(broken)))]))])
    except CodecError:
        return
    assert Image.open(BytesIO(thumbnail)).format == "JPEG"


@pytest.mark.parametrize("encoder", ["libx264", "libx265", "libvpx-vp9"])
def test_a_picture_of_too_many_pixels_is_not_decoded(encoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stills_module, "MAX_PIXELS", 320 * 176)
    with pytest.raises(CodecError, match="could not be decoded"):
        render(Still.THUMBNAIL, keyframes(encoder))


def test_a_picture_that_claims_to_be_huge_is_passed_over() -> None:
    header, good = keyframes("libvpx-vp9")[0]
    # VP9 §7.2: frame marker, profile, show flags, sync code, colour, then 16 bits of width - 1 and of height - 1.
    bits = bin(int.from_bytes(b"\x01" + good, "big"))[3:]
    assert (int(bits[36:52], 2) + 1, int(bits[52:68], 2) + 1) == (320, 180)
    huge = bits[:36] + f"{16383:016b}" * 2 + bits[68:]
    frame = int(huge, 2).to_bytes(len(good), "big")
    with pytest.raises(CodecError, match="The last of 1 keyframes"):
        render(Still.THUMBNAIL, [(header, frame)])


@dataclass
class Studio:
    """Stills whose clock stands still and whose pictures tell what they were made of. `gate` holds a picture up."""

    now: float = 1000.0
    made: list[tuple[Still, list[bytes]]] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)
    at_once: int = 0
    most_at_once: int = 0
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()
        self.stills = Stills(lambda: self.now)

    def add(self, *names: bytes) -> None:
        for name in names:
            self.stills.add(HEADER, name)

    def render(self, still: Still, frames: Sequence[tuple[VideoHeader, bytes]]) -> bytes:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.threads.add(threading.get_ident())
        names = [data for _, data in frames]
        self.made.append((still, names))
        assert self.gate.wait(DEADLINE)
        self.at_once -= 1
        if names[-1] == b"bad":
            raise CodecError("The last of 1 keyframes could not be decoded into a still.")
        return b"%s of %s, %d" % (still.encode(), names[-1], len(self.made))


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch) -> Studio:
    made = Studio()
    monkeypatch.setattr(stills_module, "render", made.render)
    return made


async def test_a_real_picture_is_made_of_the_newest_keyframe() -> None:
    stills = Stills(lambda: 0.0)
    for header, data in keyframes():
        stills.add(header, data)
    assert await stills.get(Still.THUMBNAIL) == render(Still.THUMBNAIL, keyframes()[-1:])
    assert await stills.get(Still.WEBP) == render(Still.WEBP, keyframes())


async def test_the_last_keyframes_are_remembered(studio: Studio) -> None:
    names = [b"%d" % number for number in range(PREVIEW_FRAMES + 3)]
    studio.add(*names, bytes(MAX_KEYFRAME + 1))
    await studio.stills.get(Still.GIF)
    assert studio.made == [(Still.GIF, names[3:])]


async def test_without_keyframes_there_is_no_picture(studio: Studio) -> None:
    for still in Still:
        assert await studio.stills.get(still) is None
    assert studio.made == []


async def test_each_kind_is_made_when_asked_for_and_kept_for_a_while(studio: Studio) -> None:
    studio.add(b"a")
    assert studio.made == []
    first = await studio.stills.get(Still.THUMBNAIL)
    assert first == b"thumbnail.jpg of a, 1"
    studio.add(b"b")
    studio.now += KEPT_SECONDS - 0.01
    assert await studio.stills.get(Still.THUMBNAIL) is first
    assert await studio.stills.get(Still.GIF) == b"preview.gif of b, 2"
    studio.now += 0.01
    assert await studio.stills.get(Still.THUMBNAIL) == b"thumbnail.jpg of b, 3"
    assert await studio.stills.get(Still.GIF) == b"preview.gif of b, 2"
    assert threading.get_ident() not in studio.threads


async def test_pictures_are_made_one_at_a_time_and_shared(studio: Studio) -> None:
    studio.add(b"a")
    studio.gate.clear()
    wanted = [Still.THUMBNAIL, Still.THUMBNAIL, Still.GIF, Still.GIF, Still.THUMBNAIL]
    asking = [asyncio.create_task(studio.stills.get(still)) for still in wanted]
    async with asyncio.timeout(DEADLINE):
        while not studio.made:  # the loop runs on while the thread works
            await asyncio.sleep(0)
        studio.gate.set()
        found = await asyncio.gather(*asking)
    assert found == [b"%s of a, %d" % (still.encode(), 1 + (still is Still.GIF)) for still in wanted]
    assert studio.most_at_once == 1


async def test_the_last_pictures_stay_until_there_are_others(studio: Studio) -> None:
    studio.add(b"old")
    last = await studio.stills.get(Still.THUMBNAIL)
    studio.stills.forget()
    studio.now += 10 * KEPT_SECONDS
    assert await studio.stills.get(Still.THUMBNAIL) is last
    assert await studio.stills.get(Still.GIF) is None
    studio.add(b"new")
    assert await studio.stills.get(Still.THUMBNAIL) == b"thumbnail.jpg of new, 2"
    assert studio.made[-1] == (Still.THUMBNAIL, [b"new"])


async def test_a_picture_of_the_last_show_does_not_serve_the_next(studio: Studio) -> None:
    studio.add(b"old")
    studio.gate.clear()
    asking = asyncio.create_task(studio.stills.get(Still.THUMBNAIL))
    async with asyncio.timeout(DEADLINE):
        while not studio.made:
            await asyncio.sleep(0)
        studio.stills.forget()
        studio.add(b"new")
        studio.gate.set()
        assert await asking == b"thumbnail.jpg of old, 1"
    assert await studio.stills.get(Still.THUMBNAIL) == b"thumbnail.jpg of new, 2"


async def test_a_failure_leaves_the_last_picture_and_is_not_repeated_at_once(studio: Studio) -> None:
    studio.add(b"bad")
    with structlog.testing.capture_logs() as logs:
        for _ in range(5):
            assert await studio.stills.get(Still.THUMBNAIL) is None
    assert [(line["event"], line["reason"]) for line in logs] == [
        ("no still", "The last of 1 keyframes could not be decoded into a still.")
    ]
    studio.now += KEPT_SECONDS
    studio.add(b"good")
    last = await studio.stills.get(Still.THUMBNAIL)
    assert last == b"thumbnail.jpg of good, 2"
    studio.now += KEPT_SECONDS
    studio.add(b"bad")
    assert await studio.stills.get(Still.THUMBNAIL) is last
    assert await studio.stills.get(Still.THUMBNAIL) is last
    assert len(studio.made) == 3
