"""The bytes of passthrough media: read back by our reader, by PyAV and by ffprobe, frame for frame."""

from __future__ import annotations

import functools
import hashlib
import shutil
import struct
import subprocess
from io import BytesIO
from itertools import pairwise

import av
import pytest
from encoder_material import HEIGHT, WIDTH, audio_of, flv, frames, video_of
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.source import TIMESCALE, AudioFrame, AudioHeader, VideoCodec, VideoFrame, VideoHeader
from transcoder.audio_codecs import describe_audio, frame_samples
from transcoder.fmp4.boxes import children, find
from transcoder.fmp4.reader import FragmentReader
from transcoder.fmp4.writer import (
    DEPENDENT_SAMPLE,
    SYNC_SAMPLE,
    Sample,
    audio_fragment,
    audio_init,
    box,
    video_fragment,
    video_init,
)
from transcoder.video_codecs import describe_video

PART = 7
"""Frames in each part here: no divisor of anything, so keyframes fall inside parts."""

VIDEOS = {"libx264": 2, "libx265": 2, "libsvtav1": 0, "libvpx-vp9": 0}
"""Encoders and how many B-frames they make."""


@functools.cache
def video_source(encoder: str) -> tuple[VideoHeader, list[VideoFrame]]:
    headers, found = frames(flv(video=encoder, audio="", seconds=2.0, bframes=VIDEOS[encoder]))
    return next(header for header in headers if isinstance(header, VideoHeader)), video_of(found)


@functools.cache
def audio_source(encoder: str) -> tuple[AudioHeader, list[AudioFrame]]:
    headers, found = frames(flv(video="", audio=encoder, seconds=2.0))
    return next(header for header in headers if isinstance(header, AudioHeader)), audio_of(found)


def video_samples(source: list[VideoFrame]) -> list[Sample]:
    lengths = [after.dts - before.dts for before, after in pairwise(source)]
    return [
        Sample(length, frame.pts - frame.dts, frame.keyframe, frame.data)
        for frame, length in zip(source, [*lengths, lengths[-1]], strict=True)
    ]


@functools.cache
def video_file(encoder: str) -> bytes:
    header, source = video_source(encoder)
    samples = video_samples(source)
    parts = [video_fragment(n // PART + 1, source[n].dts, samples[n : n + PART]) for n in range(0, len(samples), PART)]
    return video_init(header, describe_video(header, width=WIDTH, height=HEIGHT)) + b"".join(parts)


@functools.cache
def audio_file(encoder: str) -> bytes:
    header, source = audio_source(encoder)
    info = describe_audio(header, source[0].data)
    written, time = [audio_init(header, info)], 0
    for n in range(0, len(source), PART):
        samples = [Sample(frame_samples(info, frame.data), 0, True, frame.data) for frame in source[n : n + PART]]
        written.append(audio_fragment(n // PART + 1, time, samples))
        time += sum(sample.duration for sample in samples)
    return b"".join(written)


def content(frame: av.VideoFrame | av.AudioFrame) -> str:
    """The MD5 of what is seen or heard, without what pads lines and planes."""
    digest = hashlib.md5()
    if isinstance(frame, av.VideoFrame):
        for plane in frame.planes:
            data = bytes(plane)
            for line in range(plane.height):
                digest.update(data[line * plane.line_size :][: plane.width])
    else:
        size = frame.samples * frame.format.bytes * (1 if frame.format.is_planar else len(frame.layout.channels))
        for sound in frame.planes:
            digest.update(bytes(sound)[:size])
    return digest.hexdigest()


def decoded(data: bytes, container: str) -> list[tuple[float, str]]:
    """Time in ms and MD5 of every picture or block of sound."""
    with av.open(BytesIO(data), format=container) as opened:
        stream = opened.streams[0]
        packets = [packet for packet in opened.demux(stream) if packet.size]
        found = [frame for packet in [*packets, None] for frame in stream.codec_context.decode(packet)]
        return sorted((round(float(frame.pts * stream.time_base) * 1000, 1), content(frame)) for frame in found)


@pytest.mark.parametrize("encoder", VIDEOS)
def test_every_picture_is_decoded_as_from_the_source(encoder: str) -> None:
    wanted = decoded(flv(video=encoder, audio="", seconds=2.0, bframes=VIDEOS[encoder]), "flv")
    got = decoded(video_file(encoder), "mp4")
    assert [md5 for _, md5 in got] == [md5 for _, md5 in wanted]
    assert len(got) == 60
    # Some demuxers count from the first picture on: one constant may lie between both.
    assert len({round(a - b) for (a, _), (b, _) in zip(got, wanted, strict=True)}) == 1


@pytest.mark.parametrize("encoder", ["aac", "libopus", "flac", "ac3", "eac3"])
def test_every_sound_is_decoded_as_from_the_source(encoder: str) -> None:
    wanted = [md5 for _, md5 in decoded(flv(video="", audio=encoder, seconds=2.0), "flv")]
    got = [md5 for _, md5 in decoded(audio_file(encoder), "mp4")]
    assert len(got) > 20
    # The demuxers differ in what they cut off as the encoder's start, at most the first block.
    assert got[1:] == wanted[-len(got) + 1 :]
    assert abs(len(got) - len(wanted)) <= 1


@pytest.mark.parametrize("encoder", VIDEOS)
def test_picture_times_and_flags_are_the_source_s(encoder: str) -> None:
    _, source = video_source(encoder)
    with av.open(BytesIO(video_file(encoder)), format="mp4") as opened:
        packets = [packet for packet in opened.demux(opened.streams[0]) if packet.dts is not None]
        assert opened.streams[0].time_base.denominator == TIMESCALE
        assert (opened.streams[0].codec_context.width, opened.streams[0].codec_context.height) == (WIDTH, HEIGHT)
    assert [bytes(packet) for packet in packets] == [frame.data for frame in source]
    assert [packet.dts for packet in packets] == [frame.dts for frame in source]
    assert [packet.pts for packet in packets] == [frame.pts for frame in source]
    assert [packet.is_keyframe for packet in packets] == [frame.keyframe for frame in source]


@pytest.mark.parametrize("encoder", ["libx264", "libx265"])
def test_our_reader_gives_pictures_back(encoder: str) -> None:
    header, source = video_source(encoder)
    assert FragmentReader().feed(video_file(encoder)) == [header, *source]


def test_our_reader_gives_sound_back() -> None:
    header, source = audio_source("aac")
    found, *sound = FragmentReader().feed(audio_file("aac"))
    assert found == header
    assert [item.data for item in sound if isinstance(item, AudioFrame)] == [item.data for item in source]
    # Counted samples, not the container's milliseconds.
    times = [item.pts for item in sound if isinstance(item, AudioFrame)]
    assert times == [n * 1024 * TIMESCALE // 48000 for n in range(len(source))]


@pytest.mark.parametrize("name", [*VIDEOS, "aac", "libopus", "flac", "ac3", "eac3"])
def test_ffprobe_reads_it_without_a_word(name: str) -> None:
    program = shutil.which("ffprobe")
    if program is None:
        pytest.skip("ffprobe is not installed")
    data = video_file(name) if name in VIDEOS else audio_file(name)
    command = [program, "-v", "warning", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"]
    answer = subprocess.run([*command, "-"], input=data, capture_output=True, check=True, timeout=30)
    assert answer.stderr.decode() == ""
    frames_read = int(answer.stdout.strip(b",\n"))
    source = video_source(name)[1] if name in VIDEOS else audio_source(name)[1]
    assert abs(frames_read - len(source)) <= (name not in VIDEOS)


@pytest.mark.parametrize("name", [*VIDEOS, "aac", "libopus"])
def test_later_parts_can_be_read_alone_with_the_init_section(name: str) -> None:
    data = video_file(name) if name in VIDEOS else audio_file(name)
    moofs = [b.payload - 8 for b in children(data, 0, len(data)) if b.type == b"moof"]
    init = data[: moofs[0]]
    header_bytes = [b.type for b in children(init, 0, len(init))]
    assert header_bytes == [b"ftyp", b"moov"]
    with av.open(BytesIO(init + data[moofs[3] :]), format="mp4") as opened:
        first = next(packet for packet in opened.demux(opened.streams[0]) if packet.dts is not None)
    if name in VIDEOS:
        assert first.dts == video_source(name)[1][3 * PART].dts
    else:
        step = 1024 if name == "aac" else 960
        assert first.dts == 3 * PART * step


def test_a_file_is_as_long_as_its_samples() -> None:
    samples = [Sample(3000, 0, True, b"key"), Sample(3003, 6000, False, b"other"), Sample(2997, 0, False, b"")]
    data = video_fragment(2**32 + 5, 2**33, samples)
    moof, mdat = children(data, 0, len(data))
    assert (moof.type, mdat.type) == (b"moof", b"mdat")
    assert data[mdat.payload :] == b"keyother"
    mfhd = find(data, moof.payload, moof.end, b"mfhd")
    tfdt = find(data, moof.payload, moof.end, b"traf", b"tfdt")
    trun = find(data, moof.payload, moof.end, b"traf", b"trun")
    assert mfhd is not None
    assert tfdt is not None
    assert trun is not None
    assert struct.unpack_from(">II", data, mfhd.payload) == (0, 5)
    assert struct.unpack_from(">IQ", data, tfdt.payload) == (0x01000000, 2**33)
    assert struct.unpack_from(">III", data, trun.payload) == (0x01000F01, 3, mdat.payload)
    assert struct.unpack_from(">12I", data, trun.payload + 12) == (
        *(3000, 3, SYNC_SAMPLE, 0),
        *(3003, 5, DEPENDENT_SAMPLE, 6000),
        *(2997, 0, DEPENDENT_SAMPLE, 0),
    )


def test_anamorphic_pictures_keep_their_shape() -> None:
    """The sample entry must not contradict the aspect ratio that the stream itself declares."""
    buffer = BytesIO()
    with av.open(buffer, "w", format="mp4", options={"movflags": "frag_every_frame+empty_moov+cmaf"}) as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast", "x264-params": "sar=4/3"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        picture = av.VideoFrame(320, 240, "yuv420p")
        for plane in picture.planes:
            plane.update(bytes(plane.buffer_size))
        for number in range(2):
            picture.pts = number
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    header, first, _ = FragmentReader().feed(buffer.getvalue())
    assert isinstance(header, VideoHeader)
    assert isinstance(first, VideoFrame)
    data = video_init(header, describe_video(header)) + video_fragment(1, 0, [Sample(3000, 0, True, first.data)])
    with av.open(BytesIO(data), format="mp4") as opened:
        assert str(opened.streams[0].sample_aspect_ratio) == "4/3"


def test_vp9_configurations_come_with_and_without_their_version() -> None:
    header, _ = video_source("libvpx-vp9")
    info = describe_video(header, width=WIDTH, height=HEIGHT)
    bare = VideoHeader(VideoCodec.VP9, header.config[4:])
    assert len(header.config) == 12
    assert video_init(bare, info) == video_init(header, info)


def test_rates_that_a_sample_entry_cannot_hold() -> None:
    header = AudioHeader(audio_source("aac")[0].codec, bytes.fromhex("1010"))  # 96000 Hz
    info = describe_audio(header)
    assert info.sample_rate == 96_000
    init = audio_init(header, info)
    assert FragmentReader().feed(init) == [header]
    with av.open(BytesIO(init + audio_fragment(1, 0, [Sample(1024, 0, True, b"\0" * 8)])), format="mp4") as opened:
        assert opened.streams[0].time_base.denominator == 96_000


def test_a_box_is_its_size_its_type_and_its_payload() -> None:
    assert box(b"free", b"ab", b"c") == b"\x00\x00\x00\x0bfreeabc"


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 2**40),
    st.lists(
        st.builds(Sample, st.integers(1, 10**6), st.integers(0, 10**6), st.booleans(), st.binary(min_size=1)),
        min_size=1,
        max_size=40,
    ),
)
def test_any_samples_are_read_back_as_they_were(start: int, samples: list[Sample]) -> None:
    header, _ = video_source("libx264")
    reader = FragmentReader()
    reader.feed(video_init(header, describe_video(header)))
    time, wanted = start, []
    for sample in samples:
        wanted.append(VideoFrame(time, time + sample.offset, sample.sync, sample.data))
        time += sample.duration
    assert reader.feed(video_fragment(1, start, samples)) == wanted
