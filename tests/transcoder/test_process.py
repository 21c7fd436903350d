from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import pytest
import uvloop
from encoder_material import (
    BINARIES,
    BUNDLED,
    HEIGHT,
    SYSTEM,
    WIDTH,
    Frame,
    Recorder,
    audio_of,
    binary,
    flv,
    frames,
    video_of,
)

from ingest.source import TIMESCALE, AudioCodec, AudioHeader, VideoCodec, VideoFrame, VideoHeader
from transcoder.errors import EncoderError
from transcoder.ffmpeg_binary import FfmpegBinary
from transcoder.ladder import AudioRung, Ladder, Variant, VideoRung
from transcoder.process import Encoder, Timing, check_readable

LIMIT = 20.0
RUNG = VideoRung(False, 160, 90, None, 200, 0)
SMALL = VideoRung(False, 128, 72, None, 100, 0)
SOUND = AudioRung(False, 96)
FAST = Timing(first_backoff=0.01, longest_backoff=0.05)


def ladder(
    *videos: VideoRung,
    audio: bool = False,
    keyframes: Literal["source", "own"] = "source",
    keyframe_seconds: float = 1.0,
) -> Ladder:
    variants = tuple(Variant(str(i), i, 0 if audio else None) for i in range(len(videos)))
    return Ladder(videos, (SOUND,) if audio else (), variants, (), keyframes, keyframe_seconds)


async def until(recorder: Recorder, condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT):
        while not condition():
            recorder.changed.clear()
            await recorder.changed.wait()


def feed(encoder: Encoder, items: Sequence[Frame]) -> None:
    for item in items:
        if isinstance(item, VideoFrame):
            encoder.feed_video(item)
        else:
            encoder.feed_audio(item)


def header(data: bytes, kind: type[VideoHeader] | type[AudioHeader]) -> VideoHeader | AudioHeader | None:
    return next((found for found in frames(data)[0] if isinstance(found, kind)), None)


def make(data: bytes, wanted: Ladder, recorder: Recorder, path: Path = BUNDLED, **more: object) -> Encoder:
    video, audio = header(data, VideoHeader), header(data, AudioHeader)
    assert isinstance(video, VideoHeader | None)
    assert isinstance(audio, AudioHeader | None)
    options = {"timing": FAST, "encoder": "libx264"} | more
    return Encoder(binary(path), wanted, video=video, audio=audio, listener=recorder, **options)  # type: ignore[arg-type]


async def encode(data: bytes, wanted: Ladder, path: Path = BUNDLED) -> Recorder:
    recorder = Recorder()
    encoder = make(data, wanted, recorder, path)
    await encoder.start()
    feed(encoder, frames(data)[1])
    last = max(frame.pts for frame in frames(data)[1]) - TIMESCALE // 5
    await until(recorder, lambda: bool(recorder.video or recorder.audio))
    made = recorder.video if wanted.videos else recorder.audio
    await until(recorder, lambda: all(found[-1].pts >= last for found in made.values()))
    await encoder.aclose()
    return recorder


@pytest.mark.parametrize("path", BINARIES, ids=lambda path: path.name[:12])
@pytest.mark.parametrize(
    ("rate", "bframes", "start"),
    [("30", 0, 0), ("30", 2, 3600), ("24", 2, 0), ("25", 0, 3600), ("30000/1001", 2, 0), ("60", 2, 0)],
)
async def test_every_picture_keeps_its_time_and_keyframes_stay_where_the_source_has_them(
    path: Path, rate: str, bframes: int, start: int
) -> None:
    data = flv(rate=rate, bframes=bframes, start=start, audio="")
    source = video_of(frames(data)[1])
    assert any(frame.pts != frame.dts for frame in source) is (bframes > 0)
    recorder = await encode(data, ladder(RUNG, SMALL), path)
    for made in recorder.video.values():
        assert [frame.pts for frame in made] == sorted(frame.pts for frame in source)
        assert [frame.pts for frame in made if frame.keyframe] == [frame.pts for frame in source if frame.keyframe]
        assert all(frame.dts == frame.pts for frame in made)
    assert recorder.events == ["up"]
    assert [(output, type(found)) for output, found in sorted(recorder.headers, key=lambda pair: pair[0])] == [
        (0, VideoHeader),
        (1, VideoHeader),
    ]


@pytest.mark.parametrize("path", BINARIES, ids=lambda path: path.name[:12])
async def test_own_keyframes_come_at_their_interval_and_once_after_a_gap(path: Path) -> None:
    data = flv(rate="30", seconds=4.0, gop=300, audio="")
    source = video_of(frames(data)[1])
    assert sum(frame.keyframe for frame in source) == 1
    recorder = Recorder()
    encoder = make(data, ladder(RUNG, keyframes="own"), recorder, path)
    await encoder.start()
    # The second half comes five seconds late.
    shifted = [f if f.dts < 2 * TIMESCALE else f._replace(dts=f.dts + 450_000, pts=f.pts + 450_000) for f in source]
    feed(encoder, list(shifted))
    await until(recorder, lambda: recorder.video.get(0, shifted)[-1].pts >= shifted[-4].pts and 0 in recorder.video)
    await encoder.aclose()
    keys = [frame.pts / TIMESCALE for frame in recorder.video[0] if frame.keyframe]
    assert keys == [0.0, 1.0, 7.0, 8.0]


@pytest.mark.parametrize("path", BINARIES, ids=lambda path: path.name[:12])
async def test_a_framerate_cap_leaves_pictures_out_and_moves_none(path: Path) -> None:
    data = flv(rate="60", bframes=2, audio="", gop=45)
    source = video_of(frames(data)[1])
    capped = VideoRung(False, 160, 90, 30.0, 200, 0)
    recorder = await encode(data, ladder(capped), path)
    made = recorder.video[0]
    assert {frame.pts for frame in made} <= {frame.pts for frame in source}
    # Every keyframe is kept, also those between two pictures of the slower rate.
    assert [frame.pts for frame in made if frame.keyframe] == [frame.pts for frame in source if frame.keyframe]
    assert 58 <= len(made) <= 63


@pytest.mark.parametrize("path", BINARIES, ids=lambda path: path.name[:12])
async def test_audio_keeps_its_time_and_a_hole_is_filled_with_silence(path: Path) -> None:
    data = flv(video="", seconds=3.0)
    source = audio_of(frames(data)[1])
    recorder = Recorder()
    encoder = make(data, ladder(audio=True), recorder, path)
    await encoder.start()
    feed(encoder, [frame for frame in source if not 90_000 <= frame.pts < 180_000])
    await until(recorder, lambda: bool(recorder.audio) and recorder.audio[0][-1].pts >= source[-8].pts)
    await encoder.aclose()
    times = [frame.pts for frame in recorder.audio[0]]
    assert times[0] == 0
    steps = [after - before for before, after in itertools.pairwise(times)]
    # 1024 samples at 48 kHz are 1920 ticks; a resampler may set the first one after a hole a few samples off.
    assert all(abs(step - 1920) < 180 for step in steps)
    assert recorder.headers[0][1].codec is AudioCodec.AAC


@pytest.mark.parametrize("video", ["libx265", "libsvtav1", "libvpx-vp9"])
async def test_codecs_of_enhanced_rtmp_become_h264(video: str) -> None:
    data = flv(video=video, audio="", seconds=2.0, bframes=2)
    source = video_of(frames(data)[1])
    recorder = await encode(data, ladder(RUNG))
    assert recorder.headers[0][1].codec is VideoCodec.AVC
    assert [frame.pts for frame in recorder.video[0]] == sorted(frame.pts for frame in source)


@pytest.mark.parametrize("audio", ["libopus", "flac", "ac3", "libmp3lame"])
async def test_every_audio_codec_becomes_aac(audio: str) -> None:
    data = flv(video="", audio=audio, seconds=1.0)
    recorder = await encode(data, ladder(audio=True))
    assert recorder.headers[0][1].codec is AudioCodec.AAC
    assert recorder.audio[0][-1].pts - recorder.audio[0][0].pts > 0.7 * TIMESCALE


async def test_mp3_that_begins_late_is_waited_for() -> None:
    data = flv(audio="libmp3lame", seconds=3.0)
    items = frames(data)[1]
    recorder = Recorder()
    encoder = make(data, ladder(RUNG, audio=True), recorder)
    await encoder.start()
    feed(encoder, [item for item in items if isinstance(item, VideoFrame) or item.pts > TIMESCALE])
    await until(recorder, lambda: 0 in recorder.video and 1 in recorder.audio)
    await until(recorder, lambda: recorder.video[0][-1].pts > 2.8 * TIMESCALE)
    await encoder.aclose()
    assert recorder.events == ["up"]
    assert [frame.pts for frame in recorder.video[0]] == [frame.pts for frame in video_of(items)]


async def test_ten_bits_become_eight() -> None:
    data = flv(audio="", seconds=1.0, pixels="yuv420p10le")
    recorder = await encode(data, ladder(RUNG))
    # avcC: byte 1 is the profile, 100 is High (8 bits), 110 is High 10; baseline is 66.
    assert recorder.headers[0][1].config[1] in (66, 77, 100)


async def test_only_the_tracks_with_a_rendition_are_fed() -> None:
    data = flv()
    passed = VideoRung(True, WIDTH, HEIGHT, None, 0, 2)
    recorder = await encode(data, Ladder((passed,), (SOUND,), (Variant("", 0, 0),), (), "source", 2.0))
    assert not recorder.video
    assert list(recorder.audio) == [0]


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_killed_ffmpeg_comes_back_on_the_same_timeline_without_a_hole(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def scenario() -> None:
        data = flv(seconds=4.0, bframes=2)
        items = frames(data)[1]
        half = items[: len(items) * 5 // 8]
        recorder = Recorder()
        encoder = make(data, ladder(RUNG, SMALL, audio=True), recorder)
        await encoder.start()
        feed(encoder, half)
        await until(recorder, lambda: all(len(recorder.video.get(n, [])) > 40 for n in (0, 1)) and 2 in recorder.audio)
        assert encoder.pid is not None
        os.kill(encoder.pid, signal.SIGKILL)
        await until(recorder, lambda: len(recorder.events) == 2)
        feed(encoder, items[len(half) :])
        await until(recorder, lambda: all(recorder.video[n][-1].pts > 3.8 * TIMESCALE for n in (0, 1)))
        await encoder.aclose()
        assert recorder.events == ["up", "down: ffmpeg was ended by SIGKILL.", "up"]
        source = sorted(frame.pts for frame in video_of(items))
        for made in recorder.video.values():
            assert [frame.pts for frame in made] == source
        sound = [frame.pts for frame in recorder.audio[2]]
        assert sound == sorted(set(sound))
        assert max(b - a for a, b in itertools.pairwise(sound)) < 2 * 1920

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(scenario())


async def test_a_hardware_encoder_that_fails_is_replaced_during_the_broadcast() -> None:
    data = flv(seconds=2.0, audio="")
    recorder = Recorder()
    advice: list[str] = []
    # There is no NVIDIA card here, so this encoder fails as one does whose driver went away.
    encoder = make(data, ladder(RUNG), recorder, encoder="h264_nvenc", advise=advice.append)
    await encoder.start()
    feed(encoder, frames(data)[1])
    await until(recorder, lambda: len(recorder.video.get(0, [])) >= 55)
    assert encoder.encoder == "libx264"
    await encoder.aclose()
    assert recorder.video[0][0].keyframe
    assert recorder.video[0][0].pts == 0
    assert any("h264_nvenc failed during the broadcast" in sentence for sentence in advice)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_closing_leaves_no_process_descriptor_or_task(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def scenario() -> None:
        data = flv(seconds=1.0)
        warm = make(data, ladder(RUNG, audio=True), Recorder())
        await warm.start()
        await warm.aclose()  # whatever the loop keeps for child processes exists now
        before = set(os.listdir("/proc/self/fd"))
        recorder = Recorder()
        encoder = make(data, ladder(RUNG, audio=True), recorder)
        await encoder.start()
        feed(encoder, frames(data)[1])
        await until(recorder, lambda: bool(recorder.video))
        pid = encoder.pid
        assert pid is not None
        began = asyncio.get_running_loop().time()
        await encoder.aclose()
        assert asyncio.get_running_loop().time() - began < 2.0
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert set(os.listdir("/proc/self/fd")) == before
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(scenario())


async def test_an_ffmpeg_that_hangs_is_killed_and_one_that_ignores_its_end_too(tmp_path: Path) -> None:
    stub = tmp_path / "ffmpeg"
    stub.write_text("#!/bin/sh\ntrap '' TERM\nexec sleep 600\n")
    stub.chmod(0o755)
    data = flv(seconds=1.0, audio="")
    recorder = Recorder()
    found = header(data, VideoHeader)
    assert isinstance(found, VideoHeader)
    hung = FfmpegBinary(stub, "6.0", (6, 0))
    timing = Timing(first_backoff=0.01, grace=0.1, stall=0.2)
    encoder = Encoder(hung, ladder(RUNG), "libx264", found, None, recorder, timing=timing)
    await encoder.start()
    async with asyncio.timeout(LIMIT):
        while not recorder.events:
            feed(encoder, video_of(frames(data)[1])[:1])
            recorder.changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.02):
                    await recorder.changed.wait()
    assert recorder.events[0] == "down: ffmpeg gave nothing for 0.2 s."
    await encoder.aclose()
    assert encoder.pid is None


async def test_an_ffmpeg_that_is_gone_is_tried_again_with_a_sentence(tmp_path: Path) -> None:
    data = flv(seconds=1.0, audio="")
    found = header(data, VideoHeader)
    assert isinstance(found, VideoHeader)
    recorder = Recorder()
    gone = FfmpegBinary(tmp_path / "ffmpeg", "6.0", (6, 0))
    encoder = Encoder(gone, ladder(RUNG), "libx264", found, None, recorder, timing=FAST)
    await encoder.start()
    await until(recorder, lambda: len(recorder.events) >= 3)
    await encoder.aclose()
    assert recorder.events[0] == f"down: {tmp_path / 'ffmpeg'} cannot be started: No such file or directory."


async def test_ffmpeg_ends_when_its_server_is_killed(tmp_path: Path) -> None:
    data = flv(seconds=1.0)
    source = tmp_path / "source.flv"
    source.write_bytes(data)
    script = tmp_path / "server.py"
    script.write_text(
        "import asyncio, sys\n"
        f"sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[2])]!r}\n"
        "import encoder_material, test_process\n"
        "async def main():\n"
        f"    data = open({str(source)!r}, 'rb').read()\n"
        "    recorder = encoder_material.Recorder()\n"
        "    encoder = test_process.make(data, test_process.ladder(test_process.RUNG, audio=True), recorder)\n"
        "    await encoder.start()\n"
        "    test_process.feed(encoder, encoder_material.frames(data)[1])\n"
        "    await test_process.until(recorder, lambda: bool(recorder.video))\n"
        "    print(encoder.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    server = await asyncio.create_subprocess_exec(
        sys.executable, str(script), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert server.stdout is not None
    lines = [line async for line in _lines_until_number(server.stdout)]
    pid = int(lines[-1])
    child = os.pidfd_open(pid)
    server.kill()
    await server.wait()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(child, ended.set)
    async with asyncio.timeout(LIMIT):
        await ended.wait()
    asyncio.get_running_loop().remove_reader(child)
    os.close(child)


async def _lines_until_number(stream: asyncio.StreamReader):  # type: ignore[no-untyped-def]
    async for line in stream:
        yield line
        if line.strip().isdigit():
            return


def test_an_old_ffmpeg_is_refused_for_codecs_that_it_cannot_read() -> None:
    old = FfmpegBinary(SYSTEM, "5.1.9", (5, 1))
    with pytest.raises(EncoderError, match=r"5\.1\.9 at .* cannot read HEVC .* 6\.1 or later"):
        check_readable(old, VideoHeader(VideoCodec.HEVC, b"x"), None)
    with pytest.raises(EncoderError, match=r"cannot read OPUS .* 8\.0 or later"):
        check_readable(old, None, AudioHeader(AudioCodec.OPUS, b"x"))
    check_readable(old, VideoHeader(VideoCodec.AVC, b"x"), AudioHeader(AudioCodec.MP3, b""))


async def test_a_ladder_without_anything_to_encode_is_refused() -> None:
    encoder = make(flv(), ladder(VideoRung(True, WIDTH, HEIGHT, None, 0, 2)), Recorder())
    with pytest.raises(EncoderError, match="passed through"):
        await encoder.start()
