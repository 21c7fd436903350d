from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from encoder_material import BINARIES, BUNDLED, binary

from transcoder import encoders
from transcoder.encoders import CANDIDATES, Trial, attempt, measure, select
from transcoder.errors import EncoderError
from transcoder.ffmpeg_binary import FfmpegBinary


class Clock:
    """Each look at it takes half a second."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.5
        return self.now


def counting(tmp_path: Path) -> tuple[FfmpegBinary, Path]:
    """An ffmpeg that notes each of its starts."""
    log = tmp_path / "starts"
    log.touch()
    stub = tmp_path / "ffmpeg"
    stub.write_text(f'#!/bin/sh\necho "$*" >> {log}\nexec {BUNDLED} "$@"\n')
    stub.chmod(0o755)
    return FfmpegBinary(stub, "9.0", (9, 0)), log


def running(pid_file: Path) -> bool:
    return Path(f"/proc/{pid_file.read_text().strip()}").exists()


@pytest.mark.parametrize("path", BINARIES, ids=lambda path: path.name[:12])
async def test_libx264_works_and_what_is_not_there_fails_with_a_reason(path: Path) -> None:
    assert await attempt(binary(path), "libx264") == Trial("libx264", True, "")
    trial = await attempt(binary(path), "h264_v4l2m2m")
    assert not trial.works
    assert "/dev/video" in trial.why


async def test_auto_takes_the_best_that_works_and_keeps_what_it_found(tmp_path: Path) -> None:
    ffmpeg, starts = counting(tmp_path)
    cache = tmp_path / "data" / "encoders.json"
    choice = await select(ffmpeg, "auto", cache, clock=Clock())
    assert choice.name == next(trial.name for trial in choice.tried if trial.works)
    assert [trial.name for trial in choice.tried] == list(CANDIDATES)
    assert all(trial.why for trial in choice.tried if not trial.works)
    assert not choice.warning
    # Frames at 0.5 s, 1.0 s and 1.5 s: two in a second.
    assert choice.speed.pixels_per_second == 2 * 1280 * 720
    before = starts.read_text()
    assert len(before.splitlines()) == len(CANDIDATES) + 1
    assert await select(ffmpeg, "auto", cache) == choice
    assert starts.read_text() == before


async def test_a_named_codec_that_fails_gives_way_to_libx264_and_says_why(tmp_path: Path) -> None:
    ffmpeg, starts = counting(tmp_path)
    cache = tmp_path / "encoders.json"
    choice = await select(ffmpeg, "h264_v4l2m2m", cache, clock=Clock())
    assert choice.name == "libx264"
    assert "h264_v4l2m2m does not work here" in choice.warning
    assert "/dev/video" in choice.warning
    # The failure is tried again at the next start, and nothing else is.
    tries = len(starts.read_text().splitlines())
    await select(ffmpeg, "h264_v4l2m2m", cache)
    assert [line for line in starts.read_text().splitlines()[tries:] if "h264_v4l2m2m" not in line] == []


async def test_an_unknown_codec_gives_way_to_libx264() -> None:
    choice = await select(binary(BUNDLED), "h265_magic", clock=Clock())
    assert choice.name == "libx264"
    assert "'h265_magic' is not known" in choice.warning


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"format": 1}',
        b'{"format": 1, "machines": {"x": {"trials": {"rm -rf": ""}, "speeds": {}}}}',
        b'{"format": 1, "machines": {"x": {"trials": {}, "speeds": {"libx264": -1}}}}',
        b"[" * 5000,
        b" " * (encoders.MAX_CACHE_BYTES + 1),
    ],
)
async def test_a_damaged_cache_is_replaced(tmp_path: Path, content: bytes) -> None:
    cache = tmp_path / "encoders.json"
    cache.write_bytes(content)
    choice = await select(binary(BUNDLED), "libx264", cache, clock=Clock())
    assert choice.name == "libx264"
    assert list(json.loads(cache.read_text())["machines"].values())[0]["trials"] == {"libx264": ""}  # noqa: RUF015


async def test_no_encoder_at_all_is_an_error(tmp_path: Path) -> None:
    stub = tmp_path / "ffmpeg"
    stub.write_text("#!/bin/sh\necho \"Unknown encoder 'libx264'\" >&2\nexit 1\n")
    stub.chmod(0o755)
    with pytest.raises(EncoderError, match="built without the wanted encoder"):
        await select(FfmpegBinary(stub, "9.0", (9, 0)), "auto")


async def test_an_encoder_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "TRIAL_SECONDS", 0.1)
    stub = tmp_path / "ffmpeg"
    stub.write_text("#!/bin/sh\necho $$ > $0.pid\nexec sleep 600\n")
    stub.chmod(0o755)
    trial = await attempt(FfmpegBinary(stub, "9.0", (9, 0)), "h264_nvenc")
    assert trial == Trial("h264_nvenc", False, "It made no picture within 0.1 s.")
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert not running(tmp_path / "ffmpeg.pid")


async def test_the_measured_speed_is_of_this_world() -> None:
    assert 1e6 < await measure(binary(BUNDLED), "libx264") < 1e11
