"""Real encoded sources for the tests of the encoder: made once per session by ffmpeg, taken apart into frames."""

from __future__ import annotations

import asyncio
import functools
import shutil
import subprocess
from pathlib import Path

import imageio_ffmpeg

from ingest.source import AudioCodec, AudioFrame, AudioHeader, VideoCodec, VideoFrame, VideoHeader
from transcoder.ffmpeg_binary import FfmpegBinary, parse_version

BUNDLED = Path(imageio_ffmpeg.get_ffmpeg_exe())
SYSTEM = Path(shutil.which("ffmpeg") or "/usr/bin/ffmpeg")
BINARIES = [BUNDLED, SYSTEM] if SYSTEM.exists() else [BUNDLED]
WIDTH, HEIGHT = 320, 180

Header = VideoHeader | AudioHeader
Frame = VideoFrame | AudioFrame


@functools.cache
def binary(path: Path) -> FfmpegBinary:
    answer = subprocess.run([str(path), "-version"], check=True, capture_output=True, text=True).stdout
    return FfmpegBinary(path, *parse_version(answer))


@functools.cache
def flv(
    rate: str = "30",
    seconds: float = 2.0,
    bframes: int = 0,
    start: int = 0,
    gop: int = 30,
    video: str = "libx264",
    audio: str = "aac",
    pixels: str = "yuv420p",
) -> bytes:
    """An FLV file; "" as a codec leaves that track out; `start` in seconds."""
    command = [str(BUNDLED), "-v", "error", "-nostdin"]
    if video:
        command += ["-f", "lavfi", "-i", f"testsrc2=s={WIDTH}x{HEIGHT}:r={rate}:d={seconds}"]
    if audio:
        command += ["-f", "lavfi", "-i", f"sine=r=48000:d={seconds}"]
    if video:
        command += ["-c:v", video, "-g", str(gop), "-pix_fmt", pixels]
        if video == "libx264":
            command += ["-preset", "ultrafast", "-bf", str(bframes), "-b_strategy", "0"]
        if video == "libx265":
            command += ["-preset", "ultrafast", "-x265-params", f"log-level=none:bframes={bframes}"]
        if video == "libsvtav1":
            command += ["-preset", "11"]
        if video == "libvpx-vp9":
            command += ["-deadline", "realtime", "-cpu-used", "8"]
    if audio:
        command += ["-c:a", audio, "-strict", "-2"]
    command += ["-output_ts_offset", str(start), "-f", "flv", "pipe:1"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def frames(data: bytes) -> tuple[list[Header], list[Frame]]:
    """Take an FLV file apart; enough of the format for what `flv` writes."""
    headers: list[Header] = []
    found: list[Frame] = []
    offset = 13
    while offset + 11 <= len(data):
        kind = data[offset]
        size = int.from_bytes(data[offset + 1 : offset + 4], "big")
        time = (int.from_bytes(data[offset + 4 : offset + 7], "big") | data[offset + 7] << 24) * 90
        body = data[offset + 11 : offset + 11 + size]
        offset += size + 15
        if kind == 9 and len(body) > 5:
            _video(body, time, headers, found)
        elif kind == 8 and len(body) > 2:
            _audio(body, time, headers, found)
    return headers, found


def _video(body: bytes, time: int, headers: list[Header], found: list[Frame]) -> None:
    key = body[0] >> 4 & 7 == 1
    if body[0] & 0x80:
        codec, packet, rest, cts = VideoCodec(body[1:5].decode()), body[0] & 15, body[5:], 0
        if packet == 1 and codec is VideoCodec.HEVC:
            cts, rest = int.from_bytes(rest[:3], "big", signed=True), rest[3:]
    else:
        codec, packet, rest = VideoCodec.AVC, body[1], body[5:]
        cts = int.from_bytes(body[2:5], "big", signed=True)
    if packet == 0:
        headers.append(VideoHeader(codec, rest))
    elif packet in (1, 3) and rest:
        found.append(VideoFrame(time, time + cts * 90, key, rest))


def _audio(body: bytes, time: int, headers: list[Header], found: list[Frame]) -> None:
    if body[0] >> 4 == 9:
        codec, packet, rest = AudioCodec(body[1:5].decode()), body[0] & 15, body[5:]
    elif body[0] >> 4 == 2:
        if not any(isinstance(header, AudioHeader) for header in headers):
            headers.append(AudioHeader(AudioCodec.MP3, b""))
        codec, packet, rest = AudioCodec.MP3, 1, body[1:]
    else:
        codec, packet, rest = AudioCodec.AAC, body[1], body[2:]
    if packet == 0:
        headers.append(AudioHeader(codec, rest))
    elif packet == 1 and rest:
        found.append(AudioFrame(time, rest))


def video_of(items: list[Frame]) -> list[VideoFrame]:
    return [item for item in items if isinstance(item, VideoFrame)]


def audio_of(items: list[Frame]) -> list[AudioFrame]:
    return [item for item in items if isinstance(item, AudioFrame)]


class Recorder:
    """A listener that keeps everything and can be waited on."""

    def __init__(self) -> None:
        self.headers: list[tuple[int, Header]] = []
        self.video: dict[int, list[VideoFrame]] = {}
        self.audio: dict[int, list[AudioFrame]] = {}
        self.events: list[str] = []
        self.changed = asyncio.Event()

    def on_video_header(self, output: int, header: VideoHeader) -> None:
        self.headers.append((output, header))

    def on_audio_header(self, output: int, header: AudioHeader) -> None:
        self.headers.append((output, header))

    def on_video(self, output: int, frame: VideoFrame) -> None:
        self.video.setdefault(output, []).append(frame)
        self.changed.set()

    def on_audio(self, output: int, frame: AudioFrame) -> None:
        self.audio.setdefault(output, []).append(frame)
        self.changed.set()

    def on_down(self, reason: str) -> None:
        self.events.append(f"down: {reason}")
        self.changed.set()

    def on_up(self) -> None:
        self.events.append("up")
        self.changed.set()
