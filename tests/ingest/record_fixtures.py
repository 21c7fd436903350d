"""Makes the recordings in `fixtures/`: `NAME.flv` as ffmpeg muxed it, `NAME.rtmp` as it sent the same to our server.

Run it by hand, as `python tests/ingest/record_fixtures.py`, with ffmpeg on the PATH; the bundled ffmpeg sends what the
system's is too old for. The tests compare both files packet by packet.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import imageio_ffmpeg
from rtmp_wire import KEY, Gate

from ingest.rtmp.session import RtmpSession

FIXTURES = Path(__file__).parent / "fixtures"
SYSTEM = shutil.which("ffmpeg") or "ffmpeg"
BUNDLED = imageio_ffmpeg.get_ffmpeg_exe()
VIDEO = ["-f", "lavfi", "-i", "testsrc2=s=160x90:r=30:d=1.2"]
FAST = ["-f", "lavfi", "-i", "testsrc2=s=160x90:r=60:d=0.8"]
AUDIO = ["-f", "lavfi", "-i", "sine=d=1.2:r=48000"]
X264 = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "45", "-pix_fmt", "yuv420p", "-g", "12"]
AAC = ["-c:a", "aac", "-b:a", "32k"]
SECOND_AUDIO = ["-f", "lavfi", "-i", "sine=f=880:d=1.2:r=48000", "-map", "0", "-map", "1", "-map", "2"]
X265 = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "info=0:log-level=0:crf=45:keyint=12"]
AV1 = ["-c:v", "libsvtav1", "-preset", "12", "-crf", "60", "-g", "12"]
VP9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-crf", "60", "-b:v", "0"]
RECIPES: dict[str, tuple[str, list[str]]] = {
    "h264_bframes_aac": (SYSTEM, [*VIDEO, *AUDIO, *X264, "-bf", "2", *AAC]),
    "h264_60fps": (SYSTEM, [*FAST, *X264, "-bf", "0"]),
    "aac_only": (SYSTEM, [*AUDIO, *AAC]),
    "hevc_aac": (BUNDLED, [*VIDEO, *AUDIO, *X265, *AAC]),
    "av1_opus": (BUNDLED, [*VIDEO, *AUDIO, *AV1, "-c:a", "libopus", "-b:a", "32k"]),
    "vp9_flac": (BUNDLED, [*VIDEO, *AUDIO, *VP9, "-c:a", "flac"]),
    "two_audio_tracks": (BUNDLED, [*VIDEO, *AUDIO, *SECOND_AUDIO, *X264, "-bf", "0", *AAC]),
}


class Recorder(asyncio.Protocol):
    def __init__(self) -> None:
        self.data = bytearray()
        self.session = RtmpSession(Gate(), protocol="rtmp", address="", random=bytes(1528), wake=lambda: None)
        self.done = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        while data:
            buffer = self.session.get_buffer()
            part, data = data[: len(buffer)], data[len(buffer) :]
            buffer[: len(part)] = part
            self.session.received(len(part))
        self.transport.write(self.session.take_output())

    def connection_lost(self, exc: Exception | None) -> None:
        self.done.set()


async def run(program: str, *arguments: str) -> None:
    command = [program, "-hide_banner", "-v", "error", "-nostdin", "-y", *arguments]
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, "SVT_LOG": "0"})
    if await process.wait():
        raise SystemExit(f"{program} failed")


async def main() -> None:
    FIXTURES.mkdir(exist_ok=True)
    for name, (program, arguments) in RECIPES.items():
        recorder = Recorder()
        server = await asyncio.get_running_loop().create_server(lambda r=recorder: r, "127.0.0.1", 0)
        flv = FIXTURES / f"{name}.flv"
        exact = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"]
        await run(program, *arguments, *exact, str(flv))
        url = f"rtmp://127.0.0.1:{server.sockets[0].getsockname()[1]}/live/{KEY}"
        await run(program, "-i", str(flv), "-map", "0", "-c", "copy", "-f", "flv", url)
        await recorder.done.wait()
        (FIXTURES / f"{name}.rtmp").write_bytes(recorder.data)
        server.close()
        print(name, flv.stat().st_size, len(recorder.data))


if __name__ == "__main__":
    asyncio.run(main())
