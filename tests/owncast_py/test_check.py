"""The check of the machine: findings in plain words, from real ports and directories."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from owncast_py import check
from owncast_py.check import EncoderTrial, FfmpegReport, check_machine, port_problem
from owncast_py.config import Config, Stream

GOOD = FfmpegReport(
    path="/opt/ffmpeg",
    version="7.1",
    trials=[EncoderTrial("h264_nvenc", False, "no NVIDIA driver."), EncoderTrial("libx264", True)],
    chosen="libx264",
)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port: int = listener.getsockname()[1]
        yield port


async def findings(config: Config, report: FfmpegReport = GOOD) -> list[tuple[bool, str]]:
    async def probe(_config: Config) -> FfmpegReport:
        return report

    return [(finding.ok, finding.text) for finding in await check_machine(config, probe)]


def config_in(directory: Path, **values: object) -> Config:
    return Config.model_validate({"data_dir": directory, "http_port": 0, "rtmp_port": 0, **values})


async def test_a_good_machine_has_no_problem(tmp_path: Path) -> None:
    found = await findings(config_in(tmp_path))
    assert all(ok for ok, _ in found)
    texts = [text for _, text in found]
    assert "ffmpeg 7.1 at /opt/ffmpeg" in texts
    assert "encoder h264_nvenc does not work here: no NVIDIA driver" in texts
    assert "encoder libx264 works" in texts
    assert "transcoded variants will use libx264" in texts
    assert f"data directory {tmp_path} can be written" in texts
    assert os.listdir(tmp_path) == []


async def test_an_encoder_asked_for_by_name_must_work(tmp_path: Path) -> None:
    found = await findings(config_in(tmp_path, stream=Stream(codec="h264_nvenc")))
    assert [text for ok, text in found if not ok] == [
        "encoder h264_nvenc does not work here: no NVIDIA driver; set stream.codec to auto, or mend its driver"
    ]


async def test_no_ffmpeg_and_no_encoder_are_problems(tmp_path: Path) -> None:
    found = await findings(config_in(tmp_path), FfmpegReport(path=None, problem="/x is not ffmpeg."))
    assert [text for ok, text in found if not ok] == ["ffmpeg: /x is not ffmpeg. Install it, or set ffmpeg_path."]
    found = await findings(config_in(tmp_path), FfmpegReport(path="/f", version="7"))
    assert [text for ok, text in found if not ok] == [
        "no H.264 encoder works: install an ffmpeg with libx264, or set ffmpeg_path to one"
    ]


async def test_a_taken_port_names_its_holder(tmp_path: Path, taken_port: int) -> None:
    found = await findings(config_in(tmp_path, rtmp_host="127.0.0.1", rtmp_port=taken_port))
    (problem,) = [text for ok, text in found if not ok]
    assert problem.startswith(f"Port {taken_port} for RTMP is taken by another program (pid {os.getpid()}, ")
    assert problem.endswith("); stop it or choose another with --rtmp-port.")


def test_addresses_that_are_not_here_are_explained() -> None:
    assert port_problem("HTTP", "192.0.2.1", 0, "--http-port") == (
        "This machine has no address 192.0.2.1 for HTTP; write one of its own, such as 0.0.0.0."
    )


async def test_a_data_directory_that_cannot_be_is_a_problem(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    problems = [text for ok, text in await findings(config_in(blocker / "data")) if not ok]
    assert problems == [
        f"data directory {blocker / 'data'} cannot be written (it is not a directory): "
        "change its owner or choose --data-dir"
    ]


async def test_little_space_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "MIN_FREE_BYTES", 1 << 80)
    (problem,) = [text for ok, text in await findings(config_in(tmp_path)) if not ok]
    assert problem.startswith("only ")
    assert problem.endswith("make room for 1 GB, or set hls.disk to false")


async def test_a_clock_in_the_past_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check.time, "time", lambda: 3600.0)
    (problem,) = [text for ok, text in await findings(config_in(tmp_path)) if not ok]
    assert problem.startswith("the clock says 1970-01-01 01:00:00 UTC, which is past")
