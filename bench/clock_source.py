"""A publisher whose every picture shows the time at which it was drawn, for `glass.py`.

The wall clock in milliseconds, its low 32 bits, is drawn as 32 black or white blocks: bit 31 is the leftmost. Blocks
of 20 × 40 pixels survive any encoder. Pictures are drawn at 30 per second and encoded by x264 without lookahead.
"""

from __future__ import annotations

import random
import subprocess
import threading
import time
from typing import Self

from harness import end, ffmpeg

WIDTH, HEIGHT, RATE = 640, 360, 30
BITS, BLOCK_WIDTH, BAND_HEIGHT = 32, WIDTH // 32, 40
BLACK, WHITE = b"\x10" * BLOCK_WIDTH, b"\xeb" * BLOCK_WIDTH


class ClockSource:
    """Publishes to `url` from `__enter__` to `__exit__`; keyframes every `keyframe_seconds`."""

    def __init__(self, url: str, *, keyframe_seconds: int) -> None:
        # Something to look at below the band: grain that scrolls, so that the encoder has work.
        grain = random.Random(0)
        self._picture = bytes(grain.randrange(96, 160) for _ in range(WIDTH)) * (HEIGHT - BAND_HEIGHT + RATE)
        command = [ffmpeg(), "-hide_banner", "-loglevel", "error", "-nostdin", "-fflags", "nobuffer"]
        command += ["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(RATE), "-i", "pipe:0"]
        command += ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-pix_fmt", "yuv420p"]
        command += ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-b:v", "1500k"]
        command += ["-g", str(RATE * keyframe_seconds), "-sc_threshold", "0", "-c:a", "aac", "-b:a", "96k"]
        self._command = [*command, "-flush_packets", "1", "-f", "flv", url]
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._thread = threading.Thread(target=self._draw, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        end(self._process)

    def _draw(self) -> None:
        sink = self._process.stdin
        assert sink is not None
        began = time.monotonic()
        number = 0
        try:
            while not self._stop.wait(max(began + number / RATE - time.monotonic(), 0)):
                shift = number % RATE
                sink.write(_band(time.time_ns() // 1_000_000))
                sink.write(self._picture[shift * 7 : shift * 7 + WIDTH * (HEIGHT - BAND_HEIGHT)])
                sink.flush()
                number += 1
            sink.close()
        except BrokenPipeError:
            return


def _band(milliseconds: int) -> bytes:
    row = b"".join(WHITE if milliseconds >> bit & 1 else BLACK for bit in range(BITS - 1, -1, -1))
    return row * BAND_HEIGHT
