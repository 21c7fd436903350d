"""Recordings of real encoders: what the session hands on is what PyAV reads from the same stream as a file."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rtmp_wire import Gate, Listener, feed, session

from ingest.source import AudioCodec, VideoCodec

FIXTURES = Path(__file__).parent / "fixtures"
CODECS = {
    "h264_bframes_aac": (VideoCodec.AVC, AudioCodec.AAC),
    "h264_60fps": (VideoCodec.AVC, None),
    "aac_only": (None, AudioCodec.AAC),
    "hevc_aac": (VideoCodec.HEVC, AudioCodec.AAC),
    "av1_opus": (VideoCodec.AV1, AudioCodec.OPUS),
    "vp9_flac": (VideoCodec.VP9, AudioCodec.FLAC),
    "two_audio_tracks": (VideoCodec.AVC, AudioCodec.AAC),
}


def replay(data: bytes, step: int = 1 << 20) -> Listener:
    gate = Gate()
    rtmp = session(gate)
    feed(rtmp, data, step)
    rtmp.end("The recording is over.")
    return gate.listeners[0] if gate.listeners else Listener()


def recording(name: str) -> bytes:
    return (FIXTURES / f"{name}.rtmp").read_bytes()


def reference(name: str, kind: str) -> list[tuple[float, float, bytes]]:
    """dts and pts in ms and the bytes of each packet of the file's first track of that kind."""
    with av.open(str(FIXTURES / f"{name}.flv")) as container:
        tracks = [track for track in container.streams if track.type == kind]
        if not tracks:
            return []
        return [
            (float(p.dts * p.time_base * 1000), float(p.pts * p.time_base * 1000), bytes(p))
            for p in container.demux(tracks[0])
            if p.dts is not None
        ]


def without_delimiter(data: bytes) -> bytes:
    return data.removeprefix(b"\x12\x00")


@pytest.mark.parametrize("name", CODECS)
def test_every_frame_arrives_with_its_bytes_and_its_time(name: str) -> None:
    listener = replay(recording(name))
    video, audio = reference(name, "video"), reference(name, "audio")
    assert [frame.data for frame in listener.video] == [without_delimiter(data) for _, _, data in video]
    assert [frame.data for frame in listener.audio] == [data for _, _, data in audio]
    # One constant takes the file's times to ours, for both tracks.
    offsets = {round(frame.dts / 90 - dts, 3) for frame, (dts, _, _) in zip(listener.video, video, strict=True)}
    offsets |= {round(frame.pts / 90 - pts, 3) for frame, (_, pts, _) in zip(listener.video, video, strict=True)}
    offsets |= {round(frame.pts / 90 - pts, 3) for frame, (_, pts, _) in zip(listener.audio, audio, strict=True)}
    assert len(offsets) == 1
    assert min([frame.dts for frame in listener.video] + [frame.pts for frame in listener.audio]) == 0


@pytest.mark.parametrize("name", CODECS)
def test_headers_and_metadata_are_reported_once(name: str) -> None:
    gate = Gate()
    rtmp = session(gate)
    feed(rtmp, recording(name))
    listener, source = gate.listeners[0], gate.sources[0]
    video, audio = CODECS[name]
    assert [header.codec for header in listener.video_headers] == ([video] if video else [])
    assert [header.codec for header in listener.audio_headers] == ([audio] if audio else [])
    assert (source.expects_video, source.expects_audio) == (video is not None, audio is not None)
    assert listener.metadata == [source.metadata]
    assert listener.ends == ["The encoder ended the stream."]
    if video:
        assert source.metadata["width"] == 160.0
        assert listener.video[0].keyframe
    assert source.origin.encoder.startswith("FMLE/3.0 (compatible; Lavf")


def test_b_frames_keep_their_composition_times() -> None:
    listener = replay(recording("h264_bframes_aac"))
    shown = [frame.pts for frame in listener.video]
    assert shown != sorted(shown)
    assert all(frame.pts >= frame.dts for frame in listener.video)
    assert [frame.keyframe for frame in listener.video].count(True) == 3


def test_av1_carries_no_temporal_delimiter() -> None:
    assert not any(frame.data.startswith(b"\x12\x00") for frame in replay(recording("av1_opus")).video)


def test_flac_header_is_streaminfo_without_what_only_a_finished_file_knows() -> None:
    (header,) = replay(recording("vp9_flac")).audio_headers
    assert len(header.config) == 34
    assert int.from_bytes(header.config[10:13], "big") >> 4 == 48000
    assert header.config[18:] == bytes(16)


def test_other_tracks_are_named_and_left_out() -> None:
    gate = Gate()
    rtmp = session(gate)
    data = recording("two_audio_tracks")
    feed(rtmp, data[: len(data) * 3 // 4])
    assert rtmp.ignored_tracks == ["audio 1"]
    assert gate.listeners[0].audio[0].pts != gate.listeners[0].audio[1].pts


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(CODECS)), step=st.integers(1, 5000))
def test_any_split_of_the_bytes_gives_the_same(name: str, step: int) -> None:
    assert replay(recording(name), step).everything() == replay(recording(name)).everything()


@settings(max_examples=100, deadline=None)
@given(name=st.sampled_from(sorted(CODECS)), cut=st.floats(0, 1))
def test_a_truncated_recording_gives_a_prefix_and_one_end(name: str, cut: float) -> None:
    whole = replay(recording(name))
    data = recording(name)
    part = replay(data[: int(len(data) * cut)])
    assert part.video == whole.video[: len(part.video)]
    assert part.audio == whole.audio[: len(part.audio)]
    assert len(part.ends) <= 1


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(sorted(CODECS)),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_damaged_recordings_end_the_session_with_a_sentence_or_are_absorbed(
    name: str, changes: list[tuple[float, int]]
) -> None:
    data = bytearray(recording(name))
    for place, value in changes:
        data[int(len(data) * place)] = value
    gate = Gate()
    rtmp = session(gate)
    feed(rtmp, bytes(data), 1500)
    rtmp.end("The recording is over.")
    assert rtmp.finished is not None
    assert rtmp.finished.endswith(".")
    for listener in gate.listeners:
        assert listener.ends == [rtmp.finished]
        times = [frame.dts for frame in listener.video]
        assert all(a < b for a, b in pairwise(times))
