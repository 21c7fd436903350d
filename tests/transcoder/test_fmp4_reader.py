from __future__ import annotations

import functools
import struct
import subprocess

import pytest
from encoder_material import BUNDLED, flv, frames, video_of
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.source import AudioCodec, AudioFrame, AudioHeader, VideoCodec, VideoFrame, VideoHeader
from transcoder.errors import BoxError
from transcoder.fmp4.boxes import children, find
from transcoder.fmp4.reader import MAX_BOX_BYTES, MAX_SAMPLES, FragmentReader


@functools.cache
def remuxed(track: str, flags: str = "+cmaf+frag_every_frame+frag_discont", video: str = "libx264") -> bytes:
    """A source's track as fragmented MP4, not encoded again, so that its frames are known."""
    command = [str(BUNDLED), "-v", "error", "-copyts", "-i", "pipe:0", "-map", f"0:{track}:0", "-c", "copy"]
    tag = ["-tag:v", "hvc1"] if video == "libx265" else []
    command += [*tag, "-video_track_timescale", "90000", "-movflags", flags, "-f", "mp4", "pipe:1"]
    source = flv(seconds=1.0, bframes=2, video=video)
    return subprocess.run(command, input=source, check=True, capture_output=True).stdout


@pytest.mark.parametrize("flags", ["+cmaf+frag_every_frame+frag_discont", "+cmaf+frag_keyframe+frag_discont"])
def test_pictures_come_out_as_they_went_in(flags: str) -> None:
    header, *read = FragmentReader().feed(remuxed("v", flags))
    headers, source = frames(flv(seconds=1.0, bframes=2))
    assert header == next(found for found in headers if isinstance(found, VideoHeader))
    pictures = [item for item in read if isinstance(item, VideoFrame)]
    assert [item.data for item in pictures] == [item.data for item in video_of(source)]
    assert [item.pts for item in pictures] == [item.pts for item in video_of(source)]
    assert [item.keyframe for item in pictures] == [item.keyframe for item in video_of(source)]


def test_hevc_and_its_header() -> None:
    header, *read = FragmentReader().feed(remuxed("v", video="libx265"))
    assert isinstance(header, VideoHeader)
    assert header.codec is VideoCodec.HEVC
    assert header.config[0] == 1
    assert len(read) == 30


def test_sound_comes_out_as_it_went_in() -> None:
    header, *read = FragmentReader().feed(remuxed("a"))
    headers, source = frames(flv(seconds=1.0, bframes=2))
    wanted = next(found for found in headers if isinstance(found, AudioHeader))
    assert isinstance(header, AudioHeader)
    assert header.codec is AudioCodec.AAC
    assert header.config[:2] == wanted.config[:2]
    sound = [item for item in source if isinstance(item, AudioFrame)]
    heard = [item for item in read if isinstance(item, AudioFrame)]
    assert [item.data for item in heard] == [item.data for item in sound]
    assert all(abs(item.pts - was.pts) <= 90 for item, was in zip(heard, sound, strict=True))


def test_the_origin_is_taken_off_every_time() -> None:
    _, first, *_ = FragmentReader(origin=90_000).feed(remuxed("v"))
    _, same, *_ = FragmentReader().feed(remuxed("v"))
    assert isinstance(first, VideoFrame)
    assert isinstance(same, VideoFrame)
    assert (first.pts, first.dts) == (same.pts - 90_000, same.dts - 90_000)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, len(remuxed("a"))), max_size=40), st.sampled_from(["v", "a"]))
def test_any_split_gives_the_same(cuts: list[int], track: str) -> None:
    data = remuxed(track)
    edges = [0, *sorted(cuts), len(data)]
    reader = FragmentReader()
    events = [event for low, high in zip(edges, edges[1:], strict=False) for event in reader.feed(data[low:high])]  # noqa: RUF007
    assert events == FragmentReader().feed(data)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["v", "a"]),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=8),
    st.integers(0, 4000),
)
def test_damaged_bytes_raise_nothing_but_box_error(track: str, changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(remuxed(track)[:6000])
    for position, value in changes:
        data[position % len(data)] = value
    for damaged in (bytes(data), bytes(data[:cut]), bytes(data[cut:])):
        try:
            FragmentReader().feed(damaged)
        except BoxError:
            pass


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_noise_raises_nothing_but_box_error(noise: bytes) -> None:
    reader = FragmentReader()
    try:
        reader.feed(noise)
        reader.feed(noise)
    except BoxError:
        pass


def test_a_truncated_stream_waits() -> None:
    data = remuxed("v")
    reader = FragmentReader()
    whole = len(FragmentReader().feed(data))
    assert len(reader.feed(data[:-2000])) < whole
    reader.feed(data[-2000:])


def box(kind: bytes, payload: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def opening() -> bytes:
    data = remuxed("v")
    moof = next(found for found in children(data, 0, len(data)) if found.type == b"moof")
    return data[: moof.payload - 8]


def fragment(trun: bytes, mdat: bytes = b"abcd", tfdt: bytes = bytes(8)) -> bytes:
    traf = box(b"traf", box(b"tfhd", bytes(8)) + box(b"tfdt", tfdt) + box(b"trun", trun))
    return box(b"moof", traf) + box(b"mdat", mdat)


def test_the_limits() -> None:
    with pytest.raises(BoxError, match="larger than the limit"):
        FragmentReader().feed(struct.pack(">I4s", MAX_BOX_BYTES + 1, b"mdat"))
    with pytest.raises(BoxError, match=f"{MAX_SAMPLES + 1} is over|of {MAX_SAMPLES + 1} samples"):
        FragmentReader().feed(opening() + fragment(struct.pack(">III", 1, MAX_SAMPLES + 1, 0)))
    with pytest.raises(BoxError, match="less than its own header"):
        FragmentReader().feed(struct.pack(">I4s", 0, b"mdat"))


def test_what_a_fragment_must_have() -> None:
    with pytest.raises(BoxError, match="before the moov"):
        FragmentReader().feed(fragment(struct.pack(">II", 0, 1)))
    with pytest.raises(BoxError, match="where its data is"):
        FragmentReader().feed(opening() + fragment(struct.pack(">II", 0, 1)))
    with pytest.raises(BoxError, match="outside its mdat"):
        # One sample of 5 bytes, where the mdat holds 4.
        FragmentReader().feed(opening() + fragment(struct.pack(">IIiI", 0x201, 1, 80, 5)))
    with pytest.raises(BoxError, match="no traf"):
        FragmentReader().feed(opening() + box(b"moof") + box(b"mdat"))


def test_a_time_before_zero_and_an_impossible_one() -> None:
    trun = struct.pack(">IIiI", 0x201, 1, 84, 4)
    early = fragment(trun, tfdt=b"\x01\x00\x00\x00" + struct.pack(">q", -900))
    (_, frame) = FragmentReader().feed(opening() + early)
    assert isinstance(frame, VideoFrame)
    assert frame.dts == -900
    late = fragment(trun, tfdt=b"\x01\x00\x00\x00" + struct.pack(">q", 2**62))
    with pytest.raises(BoxError, match=r"time of .* cannot be"):
        FragmentReader().feed(opening() + late)


def test_find_follows_a_path() -> None:
    data = opening()
    moov = find(data, 0, len(data), b"moov", b"trak", b"mdia", b"mdhd")
    assert moov is not None
    assert moov.type == b"mdhd"
    assert find(data, 0, len(data), b"moov", b"none") is None
