"""Sample media and the server fixture of the end-to-end tests."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest
from rig import BUNDLED_FFMPEG, SYSTEM_FFMPEG, ServerFactory, serving

_PICTURE = ("-f", "lavfi", "-i", "testsrc2=size=320x180:rate={rate}:duration={seconds}")
_SOUND = ("-f", "lavfi", "-i", "sine=440:sample_rate=48000:duration={seconds}")
_X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-sc_threshold", "0", "-b:v", "500k")
_AAC = ("-c:a", "aac", "-b:a", "96k", "-ac", "2")


def _make(path: Path, *arguments: str, rate: int = 30, seconds: int = 8, ffmpeg: str = SYSTEM_FFMPEG) -> Path:
    if not path.exists():
        filled = [argument.format(rate=rate, seconds=seconds) for argument in arguments]
        subprocess.run([ffmpeg, "-v", "error", "-y", *filled, str(path)], check=True)
    return path


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a sample by name, once."""
    folder = tmp_path_factory.mktemp("samples")
    gop = ("-g", "60")
    kinds: dict[str, Callable[[Path], Path]] = {
        "plain.flv": lambda p: _make(p, *_PICTURE, *_SOUND, *_X264, "-tune", "zerolatency", *gop, *_AAC),
        "b-frames.flv": lambda p: _make(p, *_PICTURE, *_SOUND, *_X264, "-bf", "3", "-b_strategy", "0", *gop, *_AAC),
        "sixty.flv": lambda p: _make(p, *_PICTURE, *_SOUND, *_X264, "-g", "120", *_AAC, rate=60),
        "audio-only.flv": lambda p: _make(p, *_SOUND, *_AAC),
        "video-only.flv": lambda p: _make(p, *_PICTURE, *_X264, *gop),
        "long-gop.flv": lambda p: _make(p, *_PICTURE, *_SOUND, *_X264, "-g", "250", *_AAC, seconds=24),
        "hevc.flv": lambda p: _make(
            p,
            *(*_PICTURE, *_SOUND, "-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p"),
            *("-x265-params", "keyint=60:scenecut=0:log-level=none", *_AAC),
            ffmpeg=BUNDLED_FFMPEG,
        ),
    }
    return lambda name: kinds[name](folder / name)


@pytest.fixture(scope="session")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first server learned of this machine's encoders; the others need not try again."""
    return tmp_path_factory.mktemp("encoders") / "encoders.json"


@pytest.fixture
async def start(tmp_path: Path, encoders: Path) -> AsyncIterator[ServerFactory]:
    """Starts a server in this test's own folder."""
    data_dir = tmp_path / "data"
    yield partial(serving, data_dir, encoders=encoders)
    learned = data_dir / "encoders.json"
    if learned.exists() and not encoders.exists():
        await asyncio.to_thread(encoders.write_bytes, learned.read_bytes())
