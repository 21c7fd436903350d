"""What breaks while a show is on, and how it goes on: the encoder, ffmpeg, and hostile neighbours."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from rig import (
    KEY,
    LADDER,
    MIXED,
    PASSTHROUGH,
    SYSTEM_FFMPEG,
    Server,
    ServerFactory,
    eventually,
    media_sequence,
    publishing,
    run,
    segments,
)

Samples = Callable[[str], Path]

pytestmark = pytest.mark.e2e


def last(text: str) -> int:
    """The number of the newest complete segment, -1 before the first."""
    return max((number for number, _ in segments(text)), default=-1)


async def status(server: Server) -> dict[str, object]:
    async with server.session.get(server.http + "/api/status") as response:
        found: dict[str, object] = await response.json()
        return found


async def test_the_show_survives_its_encoder(start: ServerFactory, samples: Samples) -> None:
    """Killed without a goodbye, then back: one playlist, a slate between two discontinuities, no number lost."""
    async with start(config=MIXED) as server:
        async with publishing(server, samples("b-frames.flv")) as encoder:
            await server.playlist(1, lambda text: last(text) >= 1)
            encoder.kill()
            await encoder.wait()
        await server.logged("holding")
        held = await server.playlist(0, lambda text: text.count("#EXT-X-DISCONTINUITY\n") == 1 and last(text) >= 4)
        assert (await status(server))["online"] is True
        assert "#EXT-X-ENDLIST" not in held
        async with publishing(server, samples("plain.flv")):
            back = await server.playlist(0, lambda text: text.count("#EXT-X-DISCONTINUITY\n") == 2)
            edge = last(back)
            texts = [await server.playlist(n, lambda text: last(text) >= edge + 2) for n in (0, 1, 2)]
            for text in texts:
                numbers = [number for number, _ in segments(text)]
                first = media_sequence(text)
                assert numbers == list(range(first, first + len(numbers))), "no number is lost"
                assert text.count("#EXT-X-DISCONTINUITY\n") == 2
                assert all(round(duration) <= 2 for _, duration in segments(text))
            # Both sources and the slate between them differ in their parameter sets, so each brings its own.
            assert texts[0].count("#EXT-X-MAP") == 3
            code, output = await run(
                *(SYSTEM_FFMPEG, "-v", "fatal", "-live_start_index", "0", "-i", f"{server.http}/hls/0/stream.m3u8"),
                *("-t", "8", "-f", "null", "-"),
            )
            assert (code, output) == (0, "")


async def test_the_show_ends_when_the_grace_is_over(start: ServerFactory, samples: Samples) -> None:
    settings = PASSTHROUGH + "  reconnect_grace: 1\n"
    async with start(config=settings) as server:
        async with publishing(server, samples("plain.flv")):
            await server.playlist(0, lambda text: last(text) >= 0)
            blocked = asyncio.create_task(server.get("/hls/0/stream.m3u8?_HLS_msn=2&_HLS_part=3"))
        await server.logged("off air")
        assert (await server.text("/hls/0/stream.m3u8")).endswith("#EXT-X-ENDLIST\n")
        assert (await blocked)[0] == 200, "whoever waited has an answer"
        found = await status(server)
        assert found["online"] is False
        assert found["lastDisconnectTime"] is not None
        assert (await server.get("/hls/stream.m3u8"))[0] == 404, "nobody starts to watch what is over"
        async with publishing(server, samples("plain.flv")):
            text = await server.playlist(0, lambda text: "ENDLIST" not in text and last(text) >= 0)
            assert media_sequence(text) == 0, "a new show has numbers of its own"


async def test_ffmpeg_is_killed_and_comes_back(start: ServerFactory, samples: Samples) -> None:
    async with start(config=MIXED) as server, publishing(server, samples("plain.flv")):
        await server.playlist(1, lambda text: last(text) >= 0)
        (child,) = await eventually(server.children, "ffmpeg runs")
        os.kill(child, signal.SIGKILL)
        await server.logged("ffmpeg died")
        (other,) = await eventually(lambda: [pid for pid in server.children() if pid != child], "another ffmpeg")
        before = await server.text("/hls/0/stream.m3u8")
        text = await server.playlist(1, lambda text: last(text) >= last(before) + 2)
        assert other != child
        assert "#EXT-X-DISCONTINUITY\n" not in text
        assert "GAP" not in text, "what was missed was made up for"
        assert {round(duration, 1) for _, duration in segments(text)} == {2.0}


async def test_everything_transcoded_also_survives_ffmpeg(start: ServerFactory, samples: Samples) -> None:
    async with start(config=LADDER) as server, publishing(server, samples("plain.flv")):
        await server.playlist(1, lambda text: last(text) >= 0)
        (child,) = await eventually(server.children, "ffmpeg runs")
        os.kill(child, signal.SIGKILL)
        await server.logged("ffmpeg died")
        texts = [await server.playlist(number, lambda text: last(text) >= 4) for number in (0, 1)]
        for text in texts:
            assert {round(duration, 1) for _, duration in segments(text)} == {2.0}
            starts = re.findall(r"PROGRAM-DATE-TIME:\S+\n#EXT-X-PART:DURATION=[\d.]+,URI=\"\S+?\",(\w+)", text)
            assert set(starts) == {"INDEPENDENT"}, "segments begin with keyframes as before"


async def test_a_second_encoder_is_refused_or_takes_over(start: ServerFactory, samples: Samples) -> None:
    async with (
        start(
            config=PASSTHROUGH,
        ) as server,
        publishing(server, samples("plain.flv")) as first,
    ):
        await server.logged("on air")
        code, output = await run(
            *(SYSTEM_FFMPEG, "-v", "error", "-i", str(samples("plain.flv")), "-c", "copy", "-f", "flv"),
            f"{server.rtmp}/not-the-key",
        )
        assert code != 0, output
        assert first.returncode is None, "the one on air does not notice"
        async with publishing(server, samples("plain.flv")):
            await server.logged("takeover")
            async with asyncio.timeout(60):
                await first.wait()
            await server.playlist(0, lambda text: text.count("#EXT-X-DISCONTINUITY\n") == 1)


GARBAGE = {
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 100,
    "noise": bytes(range(256)) * 50,
    "version": b"\x06" + bytes(1536),
    "nothing": b"",
}


async def test_hostile_neighbours_leave_the_show_alone(start: ServerFactory, samples: Samples) -> None:
    async with start(config=PASSTHROUGH) as server, publishing(server, samples("plain.flv")) as encoder:
        await server.playlist(0, lambda text: last(text) >= 0)
        host, port = server.rtmp.removeprefix("rtmp://").removesuffix("/live").split(":")
        half_open = []
        for _ in range(300):
            connection = socket.create_connection((host, int(port)), timeout=10)
            connection.setblocking(False)
            half_open.append(connection)
        for data in GARBAGE.values():
            with socket.create_connection((host, int(port)), timeout=10) as connection:
                connection.sendall(data)
        for path, answer in (
            ("/hls/../../etc/passwd", 404),
            ("/hls/%2e%2e/%2e%2e/etc/passwd", 404),
            ("/hls/0/../../../etc/passwd", 404),
            ("/hls/0/stream.m3u8?_HLS_msn=abc", 400),
            ("/hls/0/stream.m3u8?_HLS_msn=-1", 400),
            ("/hls/0/stream.m3u8?_HLS_part=1", 400),
            ("/hls/0/stream.m3u8?_HLS_msn=99999", 400),
            ("/hls/77/stream.m3u8", 404),
            ("/hls/0/deadbeef-0.m4s", 404),
        ):
            reader, writer = await asyncio.open_connection(*_address(server))
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            found = await reader.read()
            writer.close()
            assert found.startswith(f"HTTP/1.1 {answer} ".encode()), (path, found[:200])
            assert b"root:" not in found
        edge = last(await server.text("/hls/0/stream.m3u8"))
        text = await server.playlist(0, lambda text: last(text) >= edge + 2)
        assert encoder.returncode is None
        assert "DISCONTINUITY\n" not in text
        assert "GAP" not in text
        for connection in half_open:
            connection.close()
        assert KEY not in "".join(server.output)


def _address(server: Server) -> tuple[str, int]:
    host, port = server.http.removeprefix("http://").split(":")
    return host, int(port)
