from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from transcoder.command import PRESETS, Output, live_command, outputs, trial_command
from transcoder.ladder import AudioRung, Ladder, Variant, VideoRung

FFMPEG = Path("/opt/ffmpeg")
GOLDEN = Path(__file__).parent / "golden"

PASSED = VideoRung(True, 1920, 1080, None, 0, 2)
MIDDLE = VideoRung(False, 1280, 720, None, 2500, 2)
SMALL = VideoRung(False, 640, 360, 30.0, 700, 0)
VARIANTS = (Variant("a", 0, 0), Variant("b", 1, 1), Variant("c", 2, 1))
BESIDE = Ladder((PASSED, MIDDLE, SMALL), (AudioRung(True, 0), AudioRung(False, 128)), VARIANTS, (), "source", 2.0)
OWN = Ladder((MIDDLE, SMALL), (AudioRung(False, 96),), VARIANTS[:2], (), "own", 1.5)
SOUND = Ladder((), (AudioRung(False, 96),), (Variant("", None, 0),), (), "own", 2.0)


def golden(name: str, command: list[str]) -> None:
    """The file holds one argument per line, quoted as a shell would need it."""
    expected = [shlex.split(line)[0] for line in (GOLDEN / f"{name}.txt").read_text().splitlines() if line]
    assert command == expected


def test_the_outputs_of_a_ladder() -> None:
    assert outputs(BESIDE) == (Output("video", 1), Output("video", 2), Output("audio", 1))
    assert outputs(Ladder((PASSED,), (AudioRung(True, 0),), (Variant("", 0, 0),), (), "source", 2.0)) == ()


@pytest.mark.parametrize(
    ("name", "ladder", "encoder", "descriptors", "after"),
    [
        ("beside_passthrough", BESIDE, "libx264", [7, 8, 9], ()),
        ("own_keyframes", OWN, "libx264", [7, 8, 9], ()),
        ("resumed", OWN, "libx264", [7, 8, 9], [12.3455, 12.3005, None]),
        ("audio_only", SOUND, "libx264", [7], ()),
        ("nvenc", OWN, "h264_nvenc", [7, 8, 9], ()),
        ("vaapi", OWN, "h264_vaapi", [7, 8, 9], ()),
        ("qsv", OWN, "h264_qsv", [7, 8, 9], ()),
    ],
)
def test_the_arguments(
    name: str, ladder: Ladder, encoder: str, descriptors: list[int], after: list[float | None]
) -> None:
    golden(name, live_command(FFMPEG, ladder, encoder, descriptors, after))


def test_the_arguments_of_a_trial() -> None:
    golden("trial", trial_command(FFMPEG, "libx264", MIDDLE, 10))


@pytest.mark.parametrize("encoder", ["libx264", "h264_nvenc", "h264_vaapi", "h264_qsv", "h264_amf", "h264_v4l2m2m"])
def test_a_trial_encodes_as_a_broadcast_does(encoder: str) -> None:
    live = live_command(FFMPEG, OWN, encoder, [7, 8, 9])
    trial = trial_command(FFMPEG, encoder, MIDDLE, 10)
    first = live[live.index("0:v:0") + 1 : live.index("pipe:7")]
    made = trial[trial.index("0:v:0") + 1 : trial.index("pipe:1")]
    extra = made.index("-frames:v")
    assert made[extra + 1] == "10"
    del made[extra : extra + 2]
    # Where keyframes are forced is the only difference.
    for arguments in (first, made):
        del arguments[arguments.index("-force_key_frames") + 1]
    assert made == first


@pytest.mark.parametrize("level", [-1, 0, 1, 2, 3, 4, 9])
def test_the_preset_follows_the_cpu_usage_level(level: int) -> None:
    command = trial_command(FFMPEG, "libx264", VideoRung(False, 640, 360, None, 500, level), None)
    assert command[command.index("-preset") + 1] == PRESETS[min(max(level, 0), 4)]
