"""Segments of encoders: their frames, octet for octet, and what becomes of those that are none."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import av
import pytest

from ingest.errors import SegmentError
from ingest.hls.chunk import Chunk, looks_like_segment
from ingest.hls.demux import read_segment
from ingest.source import TIMESCALE, AudioCodec, AudioHeader, VideoCodec

Hls = Callable[[str], Path]


def init_of(folder: Path, variant: int) -> bytes:
    return (folder / f"init_{variant}.mp4").read_bytes()


def decoded(path: Path) -> int:
    """Pictures in a file, as a decoder counts them."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_a_transport_stream_becomes_frames_with_lengths_and_a_configuration(hls: Hls) -> None:
    chunk = read_segment(b"", (hls("ts") / "v00.ts").read_bytes())
    assert chunk.pictures is not None
    assert chunk.sound is not None
    assert chunk.pictures.header.codec is VideoCodec.AVC
    assert chunk.pictures.header.config[0] == 1, "avcC (ISO 14496-15)"
    assert chunk.pictures.size == (320, 180)
    assert chunk.pictures.framerate == pytest.approx(30, abs=0.1)
    assert len(chunk.pictures.frames) == decoded(hls("ts") / "v00.ts") == 60
    assert [n for n, frame in enumerate(chunk.pictures.frames) if frame.keyframe] == [0, 30]
    for frame in chunk.pictures.frames:
        position, data = 0, frame.data
        while position < len(data):
            position += 4 + int.from_bytes(data[position : position + 4], "big")
        assert position == len(data), "NAL units with lengths of four octets"
    assert all(after.dts - before.dts == TIMESCALE // 30 for before, after in pairwise(chunk.pictures.frames))
    assert chunk.sound.header == AudioHeader(AudioCodec.AAC, bytes.fromhex("1190")), "AAC-LC, 48 kHz, stereo"
    assert all(frame.data[:2] != b"\xff\xf1" for frame in chunk.sound.frames), "no ADTS"


def test_both_containers_hold_the_same_frames_at_the_same_distances(hls: Hls) -> None:
    """The same encoder with the same input: only what is around the frames differs."""

    def read(kind: str, number: int) -> Chunk:
        folder = hls(kind)
        if kind == "ts":
            return read_segment(b"", (folder / f"v0{number}.ts").read_bytes())
        return read_segment(init_of(folder, 0), (folder / f"v0{number}.m4s").read_bytes())

    first = {kind: read(kind, 0).pictures for kind in ("ts", "fmp4")}
    for number in range(3):
        ts, fmp4 = read("ts", number), read("fmp4", number)
        assert ts.pictures is not None
        assert fmp4.pictures is not None
        for index, (one, other) in enumerate(zip(ts.pictures.frames, fmp4.pictures.frames, strict=True)):
            assert one.data.endswith(other.data[-200:]), f"picture {index} of segment {number}"
            begin_ts, begin_fmp4 = first["ts"], first["fmp4"]
            assert begin_ts is not None
            assert begin_fmp4 is not None
            drift = (one.pts - begin_ts.frames[0].pts) - (other.pts - begin_fmp4.frames[0].pts)
            assert abs(drift) <= 90, "within a millisecond"
        assert ts.sound is not None
        assert fmp4.sound is not None
        apart = (ts.sound.frames[0].pts - ts.pictures.frames[0].pts) - (
            fmp4.sound.frames[0].pts - fmp4.pictures.frames[0].pts
        )
        assert abs(apart) < TIMESCALE // 100, "sound and pictures stay together"


def test_hevc_and_ac3_are_taken_as_well(hls: Hls) -> None:
    chunk = read_segment(b"", (hls("hevc") / "v00.ts").read_bytes())
    assert chunk.pictures is not None
    assert chunk.sound is not None
    assert chunk.pictures.header.codec is VideoCodec.HEVC
    assert chunk.pictures.header.config[0] == 1, "hvcC (ISO 14496-15)"
    assert chunk.sound.header == AudioHeader(AudioCodec.AC3, b"")


def test_sound_alone_is_a_segment(hls: Hls) -> None:
    folder = hls("sound-apart")
    chunk = read_segment(b"", (folder / "v00.ts").read_bytes())
    assert chunk.pictures is None
    assert chunk.sound is not None
    assert len(chunk.sound.frames) > 90


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 5000, b"GIF89a" + b"x" * 5000, b"G" * 5000, b"#EXTM3U\n", b"ftyp" * 1000]
)
def test_what_is_no_segment_is_refused_with_a_sentence(data: bytes) -> None:
    for init in (b"", b"\0\0\0\x18ftypiso5\0\0\0\0iso5iso6"):
        with pytest.raises(SegmentError, match=r"\.$"):
            read_segment(init, data)


@pytest.mark.parametrize("kind", ["ts", "fmp4"])
def test_damage_gives_frames_or_a_sentence_and_nothing_else(hls: Hls, kind: str) -> None:
    folder = hls(kind)
    init = b"" if kind == "ts" else init_of(folder, 1)
    whole = (folder / ("v10.ts" if kind == "ts" else "v10.m4s")).read_bytes()
    dice = random.Random(9)
    outcomes = set()
    for _ in range(60):
        data, start = bytearray(whole), bytearray(init)
        for _ in range(dice.choice((1, 5, 200))):
            target = start if start and dice.random() < 0.3 else data
            target[dice.randrange(len(target))] = dice.randrange(256)
        cut = dice.choice((len(data), dice.randrange(len(data))))
        try:
            read_segment(bytes(start), bytes(data[:cut]))
            outcomes.add("frames")
        except SegmentError:
            outcomes.add("refused")
    assert "frames" in outcomes, "or nothing was tried but garbage"


def test_files_are_known_by_their_first_octets(hls: Hls) -> None:
    assert looks_like_segment((hls("ts") / "v00.ts").read_bytes())
    assert looks_like_segment((hls("fmp4") / "v00.m4s").read_bytes())
    assert looks_like_segment(init_of(hls("fmp4"), 0))
    assert not looks_like_segment(b"<html>")
    assert not looks_like_segment(b"")
