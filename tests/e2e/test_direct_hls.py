"""A show that an encoder sends as HLS over HTTP: real ffmpeg, real players."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import encode_basic_auth
from rig import (
    BUNDLED_FFMPEG,
    PASSWORD,
    PATIENCE,
    SYSTEM_FFMPEG,
    Server,
    ServerFactory,
    encoding,
    media_sequence,
    publishing,
    run,
    segments,
)
from viewer_browser import chromium, open_page, until

Samples = Callable[[str], Path]

pytestmark = pytest.mark.e2e

OWNER = {"Authorization": encode_basic_auth("admin", PASSWORD)}
TWO_VARIANTS = (
    *("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30", "-f", "lavfi", "-i", "sine=440:sample_rate=48000"),
    *("-filter_complex", "[0:v]split=2[a][b];[b]scale=160:90[c]"),
    *("-map", "[a]", "-map", "1:a", "-map", "[c]", "-map", "1:a"),
    *("-c:v", "libx264", "-preset", "ultrafast", "-g", "60", "-sc_threshold", "0", "-pix_fmt", "yuv420p"),
    *("-b:v:0", "400k", "-b:v:1", "150k", "-c:a", "aac", "-ac", "2"),
)
HLS = ("-f", "hls", "-hls_time", "2", "-hls_list_size", "5", "-hls_flags", "delete_segments", "-http_persistent", "1")


async def address(server: Server) -> str:
    """What the owner copies into an encoder."""
    async with server.session.get(server.http + "/api/admin/serverconfig", headers=OWNER) as response:
        found: str = (await response.json())["directhlsinputurl"]
    return found


@asynccontextmanager
async def sending(
    target: str, *options: str, method: str = "PUT", seconds: int = 600, ffmpeg: str = SYSTEM_FFMPEG
) -> AsyncIterator[asyncio.subprocess.Process]:
    """ffmpeg sends two variants below the folder of `target`; killed at the end."""
    folder = target.rsplit("/", 1)[0]
    async with encoding(
        *(ffmpeg, "-v", "error", "-re", *TWO_VARIANTS, "-t", str(seconds), *HLS, *options, "-method", method),
        *("-master_pl_name", "master.m3u8", "-var_stream_map", "v:0,a:0 v:1,a:1", f"{folder}/v%v.m3u8"),
    ) as process:
        yield process


async def frames(server: Server, number: int) -> list[str]:
    """How a player reads a rendition: codec and size of its stream, and that a decoder has nothing to say."""
    playlist = f"{server.http}/hls/{number}/stream.m3u8"
    code, output = await run(
        *("ffprobe", "-v", "error", "-read_intervals", "%+4", "-count_packets", "-show_entries"),
        *("stream=codec_name,width,height,nb_read_packets", "-of", "csv=p=0", playlist),
    )
    assert code == 0, output
    code, complaints = await run(
        *(SYSTEM_FFMPEG, "-v", "error", "-xerror", "-t", "4", "-i", playlist, "-f", "null", "-")
    )
    assert (code, complaints) == (0, "")
    return output.split("\n")[0].split(",")[:4]


@pytest.mark.parametrize(
    ("options", "method", "ffmpeg"),
    [((), "PUT", SYSTEM_FFMPEG), (("-hls_segment_type", "fmp4"), "POST", BUNDLED_FFMPEG)],
    ids=["ts", "fmp4"],
)
async def test_two_variants_are_played_in_low_latency_by_all(
    start: ServerFactory, options: tuple[str, ...], method: str, ffmpeg: str
) -> None:
    async with (
        start() as server,
        chromium() as browser,
        sending(await address(server), *options, method=method, ffmpeg=ffmpeg),
    ):
        await server.playlist(0, lambda text: len(segments(text)) >= 3)
        master = await server.text("/hls/stream.m3u8")
        assert re.findall(r"RESOLUTION=(\w+)", master) == ["320x180", "160x90"]
        rates = [int(rate) for rate in re.findall(r"[:,]BANDWIDTH=(\d+)", master)]
        assert rates[0] > rates[1] > 0
        assert server.children() == [], "nothing is encoded here"
        both = [await server.text(f"/hls/{number}/stream.m3u8") for number in (0, 1)]
        assert all("#EXT-X-PART:" in text and "GAP" not in text for text in both)
        common = set(segments(both[0])) & set(segments(both[1]))
        assert len(common) >= 2, "the same segments, cut at the same times"
        for number, size in ((0, ["h264", "320", "180"]), (1, ["h264", "160", "90"])):
            codec, width, height, count = await frames(server, number)
            assert [codec, width, height] == size
            assert int(count) >= 60
        async with open_page(browser, server.http) as page:
            await until(page, "window.owncast.player.currentTime() > 2")
            await until(page, "window.owncast.player.lowLatency()")
            assert await page.evaluate("document.querySelector('video').videoWidth") in (320, 160)
        async with server.session.get(server.http + "/thumbnail.jpg") as picture:
            assert (await picture.read())[:2] == b"\xff\xd8"
        async with server.session.get(server.http + "/api/admin/status", headers=OWNER) as response:
            inbound = (await response.json())["broadcaster"]["streamDetails"]
        assert (inbound["width"], inbound["height"], inbound["framerate"]) == (320, 180, 30)


async def test_the_show_survives_a_break_and_ends_with_its_last_playlist(start: ServerFactory) -> None:
    async with start(config="stream:\n  reconnect_grace: 30\n") as server:
        target = await address(server)
        async with sending(target) as encoder:
            await server.playlist(0, lambda text: len(segments(text)) >= 2)
            encoder.kill()
            await encoder.wait()
        await server.playlist(0, lambda text: text.count("#EXT-X-DISCONTINUITY\n") == 1)
        async with sending(target, seconds=10) as encoder:
            text = await server.playlist(0, lambda text: text.count("#EXT-X-DISCONTINUITY\n") == 2)
            assert media_sequence(text) == 0, "the same window"
            assert "#EXT-X-DISCONTINUITY\n" in await server.text("/hls/1/stream.m3u8")
            async with asyncio.timeout(PATIENCE):
                assert await encoder.wait() == 0
        ended = await server.logged("hls input ended", reason="The encoder ended its stream.")
        assert ended["address"] == "127.0.0.1"


async def test_one_publisher_at_a_time_whatever_the_way_in(start: ServerFactory, samples: Samples) -> None:
    async with start(config="stream:\n  silence_takeover: 60\n") as server:
        target = await address(server)
        async with publishing(server, samples("plain.flv")):
            await server.playlist(0, lambda text: bool(segments(text)))
            stranger = {"X-Forwarded-For": "192.0.2.9"}
            segment = b"G" + bytes(187) + b"G" + bytes(187)
            folder = target.rsplit("/", 1)[0]
            async with server.session.put(f"{folder}/a.ts", data=segment, headers=stranger) as response:
                assert response.status == 409
                assert "Someone else is live" in await response.text()
        async with sending(target):
            await server.logged("hls input", variants=2)
            async with publishing(server, samples("plain.flv"), key="e2e-key"):
                await server.logged("hls input ended", reason="Another encoder took over.")
                async with server.session.put(f"{folder}/a.ts", data=segment) as response:
                    assert response.status == 409
                    assert "stop it for 10 s" in await response.text()


async def test_a_renewed_address_shuts_the_old_one_out(start: ServerFactory) -> None:
    async with start() as server:
        old = await address(server)
        async with server.session.post(
            server.http + "/api/admin/config/directhlsinput/renew", headers=OWNER
        ) as response:
            assert (await response.json())["success"] is True
        new = await address(server)
        assert old != new
        playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n"
        async with server.session.put(old, data=playlist) as response:
            assert response.status == 403
        async with server.session.put(new, data=playlist) as response:
            assert response.status == 201
    async with start() as server:
        assert (await address(server)).rsplit("/", 2)[1:] == new.rsplit("/", 2)[1:], "kept over a restart"
        said = "".join(server.output)
        assert old.rsplit("/", 2)[1] not in said
        assert new.rsplit("/", 2)[1] not in said


async def test_bad_uploads_harm_nobody(start: ServerFactory) -> None:
    async with start() as server:
        target = await address(server)
        folder = target.rsplit("/", 1)[0]
        async with sending(target):
            await server.playlist(0, lambda text: bool(segments(text)))

            async def flood() -> AsyncIterator[bytes]:
                for _ in range(100):
                    yield bytes(1 << 20)

            async with server.session.put(f"{folder}/big.ts", data=flood()) as response:
                assert response.status == 413
                assert "64 MB" in await response.text()
            async with server.session.put(f"{folder}/%2e%2e/up.ts", data=b"G") as response:
                assert response.status in (400, 403, 404), await response.text()
            async with server.session.put(f"{folder}/a%5cb.ts", data=b"G") as response:
                assert response.status == 400
            async with server.session.put(f"{folder}/garbage.ts", data=b"\0" * 5000) as response:
                assert response.status == 201, "kept until somebody names it"
            async with server.session.put(f"{folder}/junk.m3u8", data=b"\xff\xfe") as response:
                assert response.status == 400
            async with server.session.delete(f"{folder}/never-sent.ts") as response:
                assert response.status == 204
            wrong = f"{server.http}/direct/{'A' * 24}/a.ts"
            async with server.session.put(wrong, data=b"G") as response:
                assert response.status == 403
            edge = max(number for number, _ in segments(await server.text("/hls/0/stream.m3u8")))
            text = await server.playlist(0, lambda text: max(n for n, _ in segments(text)) > edge + 2)
            assert "DISCONTINUITY\n" not in text
            assert "GAP" not in text


async def test_sound_of_its_own_is_heard_with_every_variant(start: ServerFactory) -> None:
    async with start() as server:
        folder = (await address(server)).rsplit("/", 1)[0]
        async with encoding(
            *(SYSTEM_FFMPEG, "-v", "error", "-re", *TWO_VARIANTS[:10], "-map", "[a]", "-map", "[c]", "-map", "1:a"),
            *(*TWO_VARIANTS[18:], *HLS, "-method", "PUT", "-master_pl_name", "master.m3u8"),
            *("-var_stream_map", "a:0,agroup:sound,default:yes v:0,agroup:sound v:1,agroup:sound"),
            f"{folder}/v%v.m3u8",
        ):
            await server.playlist(2, lambda text: len(segments(text)) >= 2)
            master = await server.text("/hls/stream.m3u8")
            assert master.count("mp4a.40.2") == 2
            code, output = await run(
                *(SYSTEM_FFMPEG, "-v", "info", "-t", "4", "-i", server.http + "/hls/stream.m3u8"),
                *("-map", "0:a", "-af", "volumedetect", "-f", "null", "-"),
            )
            assert code == 0
            volume = re.search(r"mean_volume: (-?[\d.]+) dB", output)
            assert volume is not None
            assert float(volume[1]) > -40, "a tone is heard"
