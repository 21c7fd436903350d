from __future__ import annotations

from pathlib import Path

import pytest
from encoder_material import BUNDLED

from transcoder.errors import EncoderError
from transcoder.ffmpeg_binary import candidates, find, inspect, parse_version


@pytest.mark.parametrize(
    ("text", "word", "number"),
    [
        ("ffmpeg version 5.1.9-0+deb12u1 Copyright", "5.1.9-0+deb12u1", (5, 1)),
        ("ffmpeg version n9.0.2-17-g2a571b6068-20260930 Copyright", "n9.0.2-17-g2a571b6068-20260930", (9, 0)),
        ("ffmpeg version 7.1 Copyright", "7.1", (7, 1)),
        ("ffmpeg version N-110000-gabcdef Copyright", "N-110000-gabcdef", (999, 0)),
    ],
)
def test_versions(text: str, word: str, number: tuple[int, int]) -> None:
    assert parse_version(text) == (word, number)


def test_something_else_is_not_ffmpeg() -> None:
    with pytest.raises(EncoderError, match="GNU bash"):
        parse_version("GNU bash, version 5.2")


async def test_the_bundled_one_comes_before_the_systems() -> None:
    assert candidates()[0] == BUNDLED
    found = await find()
    assert found.path == BUNDLED
    assert found.number >= (6, 1)


async def test_a_configured_path_is_the_only_candidate(tmp_path: Path) -> None:
    missing = tmp_path / "none"
    with pytest.raises(EncoderError, match=r"none cannot be started: No such file .* set the path"):
        await find(str(missing))


@pytest.mark.parametrize(
    ("script", "fault"),
    [("echo ffmpeg version 4.4.2 Copyright", "is ffmpeg 4.4.2; 5.1 or later"), ("echo hello", "'hello")],
)
async def test_what_will_not_do_is_refused_with_its_fault(tmp_path: Path, script: str, fault: str) -> None:
    stub = tmp_path / "ffmpeg"
    stub.write_text(f"#!/bin/sh\n{script}\n")
    stub.chmod(0o755)
    with pytest.raises(EncoderError, match=fault):
        await inspect(stub)


async def test_one_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transcoder.ffmpeg_binary.VERSION_SECONDS", 0.1)
    stub = tmp_path / "ffmpeg"
    stub.write_text("#!/bin/sh\nexec sleep 600\n")
    stub.chmod(0o755)
    with pytest.raises(EncoderError, match=r"within 0\.1 s"):
        await inspect(stub)
