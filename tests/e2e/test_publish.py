"""Real encoders in, real players out: ffmpeg publishes, ffprobe, ffmpeg and streamlink read every variant."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rig import (
    BUNDLED_FFMPEG,
    KEY,
    LADDER,
    MIXED,
    PASSTHROUGH,
    SYSTEM_FFMPEG,
    Server,
    ServerFactory,
    publishing,
    run,
    segments,
)

Samples = Callable[[str], Path]

pytestmark = pytest.mark.e2e


async def probe(server: Server, path: str) -> list[dict[str, str]]:
    """What ffprobe finds at a playlist; it must have nothing to complain of."""
    code, output = await run(
        *("/usr/bin/ffprobe", "-v", "error", "-of", "json", "-show_entries"),
        *("stream=codec_name,codec_type,width,height,avg_frame_rate,channels", server.http + path),
    )
    assert code == 0, output
    found = json.loads(output[output.index("{") :])
    return list(found["streams"])


async def decode(server: Server, path: str, *, ffmpeg: str = SYSTEM_FFMPEG, seconds: int = 3) -> None:
    """ffmpeg plays some seconds of a playlist to the end without an error."""
    code, output = await run(ffmpeg, "-v", "error", "-i", server.http + path, "-t", str(seconds), "-f", "null", "-")
    assert (code, output) == (0, "")


async def streamlink(server: Server) -> dict[str, object]:
    code, output = await run(sys.executable, "-m", "streamlink", "--json", f"hls://{server.http}/hls/stream.m3u8")
    assert code == 0, output
    found = json.loads(output)
    return dict(found["streams"])


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ("plain.flv", {("video", "h264", 320, 180), ("audio", "aac", None, None)}),
        ("b-frames.flv", {("video", "h264", 320, 180), ("audio", "aac", None, None)}),
        ("sixty.flv", {("video", "h264", 320, 180), ("audio", "aac", None, None)}),
        ("video-only.flv", {("video", "h264", 320, 180)}),
        ("audio-only.flv", {("audio", "aac", None, None)}),
    ],
)
async def test_a_source_passed_through_is_played_by_all(
    start: ServerFactory, samples: Samples, sample: str, expected: set[tuple[object, ...]]
) -> None:
    async with start(config=PASSTHROUGH) as server, publishing(server, samples(sample)):
        text = await server.playlist(0, lambda text: len(segments(text)) >= 2)
        assert all(round(duration) <= 2 for _, duration in segments(text))
        found = await probe(server, "/hls/stream.m3u8")
        assert {(s["codec_type"], s["codec_name"], s.get("width"), s.get("height")) for s in found} == expected
        await decode(server, "/hls/stream.m3u8")
        await decode(server, "/hls/stream.m3u8", ffmpeg=BUNDLED_FFMPEG)
        if sample != "audio-only.flv":
            assert "best" in await streamlink(server)
        assert server.children() == [], "passthrough needs no ffmpeg"


async def test_a_ladder_of_two_variants(start: ServerFactory, samples: Samples) -> None:
    async with start(config=LADDER) as server, publishing(server, samples("plain.flv")):
        await server.playlist(0, lambda text: len(segments(text)) >= 2)
        master = await server.text("/hls/stream.m3u8")
        assert "RESOLUTION=320x180" in master
        assert "RESOLUTION=160x90" in master
        for number, size in ((0, (320, 180)), (1, (160, 90))):
            found = await probe(server, f"/hls/{number}/stream.m3u8")
            assert [(s["width"], s["height"]) for s in found] == [size]
            await decode(server, f"/hls/{number}/stream.m3u8")
        texts = await asyncio.gather(*(server.text(f"/hls/{number}/stream.m3u8") for number in (0, 1)))
        both = [dict(segments(text)) for text in texts]
        shared = both[0].keys() & both[1].keys()
        assert {both[0][n] for n in shared} == {2.0}
        assert [both[0][n] for n in shared] == [both[1][n] for n in shared]
        streams = await streamlink(server)
        assert {"best", "worst"} <= streams.keys()


async def test_hevc_by_enhanced_rtmp_is_offered_beside_h264(start: ServerFactory, samples: Samples) -> None:
    async with (
        start(config=PASSTHROUGH) as server,
        publishing(server, samples("hevc.flv"), ffmpeg=BUNDLED_FFMPEG),
    ):
        await server.playlist(0, lambda text: len(segments(text)) >= 1)
        await server.playlist(1, lambda text: len(segments(text)) >= 1)
        master = await server.text("/hls/stream.m3u8")
        assert 'CODECS="hvc1.1.6.L' in master
        assert 'CODECS="avc1.' in master
        names = [(await probe(server, f"/hls/{number}/stream.m3u8"))[0]["codec_name"] for number in (0, 1)]
        assert names == ["hevc", "h264"]
        await decode(server, "/hls/0/stream.m3u8", ffmpeg=BUNDLED_FFMPEG)


async def test_a_source_with_rare_keyframes_is_encoded_and_the_owner_told(
    start: ServerFactory, samples: Samples
) -> None:
    """OBS left alone sends a keyframe every 250 frames."""
    async with start(config=PASSTHROUGH) as server, publishing(server, samples("long-gop.flv")):
        text = await server.playlist(0, lambda text: len(segments(text)) >= 3)
        assert "#EXT-X-TARGETDURATION:2\n" in text
        assert {round(duration, 1) for _, duration in segments(text)} == {2.0}
        assert text.count("INDEPENDENT=YES") >= 3
        advice = [str(line["text"]) for line in server.events if line.get("event") == "advice"]
        assert any("Keyframe interval: 2 s" in sentence for sentence in advice)


async def test_dash_players_read_the_same_segments(start: ServerFactory, samples: Samples) -> None:
    async with start(config=MIXED) as server, publishing(server, samples("plain.flv")):
        for number in (0, 1):
            await server.playlist(number, lambda text: len(segments(text)) >= 3)
        await decode(server, "/hls/stream.mpd", seconds=2)
        found = await probe(server, "/hls/stream.mpd")
        assert sorted(s["codec_type"] for s in found) == ["audio", "video", "video"]


async def test_both_ways_to_write_the_address(start: ServerFactory, samples: Samples) -> None:
    async with start(config=PASSTHROUGH) as server:
        code, output = await run(
            *(SYSTEM_FFMPEG, "-v", "error", "-i", str(samples("plain.flv")), "-c", "copy", "-f", "flv"),
            *("-rtmp_app", f"live/{KEY}", "-rtmp_playpath", "", server.rtmp),
        )
        assert code == 0, output
        await server.logged("on air")


async def test_a_wrong_key_is_refused_with_a_sentence_and_never_logged(start: ServerFactory, samples: Samples) -> None:
    async with start(config=PASSTHROUGH) as server:
        code, output = await run(
            *(SYSTEM_FFMPEG, "-v", "error", "-i", str(samples("plain.flv")), "-c", "copy", "-f", "flv"),
            f"{server.rtmp}/wrong-secret",
        )
        assert code != 0
        assert "stream key is wrong" in output
        assert (await server.get("/hls/stream.m3u8"))[0] == 404
        assert "wrong-secret" not in "".join(server.output)
        assert "127.0.0.1" in "".join(line for line in server.output if "wrong" in line)


async def test_stills_are_made_of_the_stream(start: ServerFactory, samples: Samples) -> None:
    async with start(config=PASSTHROUGH) as server, publishing(server, samples("plain.flv")):
        for path, start_of_file in (
            ("/thumbnail.jpg", b"\xff\xd8"),
            ("/preview.gif", b"GIF89a"),
            ("/preview.webp", b"RIFF"),
        ):
            async with asyncio.timeout(60):
                while (found := await server.get(path))[0] != 200:
                    await asyncio.sleep(0.1)
            assert found[1].startswith(start_of_file)
