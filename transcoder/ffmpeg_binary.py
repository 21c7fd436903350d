"""Finds the ffmpeg that this machine shall use and learns its version.

Owns the order of the search: the configured path, then the one that comes with imageio-ffmpeg, then the system's.
It starts ffmpeg once, with `-version`, and encodes nothing.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import structlog

from transcoder.errors import EncoderError

MINIMUM_VERSION = (5, 1)
"""The first release with `-fps_mode`, which exact timestamps need."""

ENHANCED_VIDEO_VERSION = (6, 1)
"""The first release that reads HEVC, AV1 and VP9 in FLV (Enhanced RTMP)."""

ENHANCED_AUDIO_VERSION = (8, 0)
"""The first release that reads Opus, FLAC and AC-3 in FLV (Enhanced RTMP v2)."""

VERSION_SECONDS = 10.0
"""How long `ffmpeg -version` may take."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FfmpegBinary:
    """An ffmpeg that works: where it is, what it calls its version, and that version as numbers.

    A development build without a number in its version counts as the newest: (999, 0).
    """

    path: Path
    version: str
    number: tuple[int, int]


def parse_version(text: str) -> tuple[str, tuple[int, int]]:
    """Return the version word and its major and minor number from the output of `ffmpeg -version`.

    Raises EncoderError when the text is not ffmpeg's.
    """
    match = re.match(r"ffmpeg version (\S{1,100})", text)
    if match is None:
        raise EncoderError(f"The program answered {text[:60]!r} to -version, which is not how ffmpeg answers.")
    word = match[1]
    digits = re.match(r"n?(\d{1,3})\.(\d{1,3})", word)
    return word, (int(digits[1]), int(digits[2])) if digits else (999, 0)


def candidates(configured: str = "") -> Sequence[Path]:
    """Return the paths worth a try, in order. A configured path or name is the only candidate when it is given."""
    if configured:
        return [Path(shutil.which(configured) or configured)]
    found = []
    try:
        found.append(Path(imageio_ffmpeg.get_ffmpeg_exe()))
    except RuntimeError:  # a platform for which the package has no binary
        pass
    system = shutil.which("ffmpeg")
    return [*found, Path(system)] if system else found


async def find(configured: str = "") -> FfmpegBinary:
    """Return the first candidate that runs and is new enough. Raises EncoderError that names each one's fault."""
    faults = []
    for path in candidates(configured):
        try:
            return await inspect(path)
        except EncoderError as error:
            faults.append(str(error))
            log.info("ffmpeg refused", path=str(path), reason=str(error))
    remedy = "Install ffmpeg 5.1 or later, or set the path to one."
    raise EncoderError(" ".join([*faults, remedy] if faults else ["No ffmpeg was found.", remedy]))


async def inspect(path: Path) -> FfmpegBinary:
    """Ask the binary at `path` for its version. Raises EncoderError when it does not run or is too old."""
    try:
        process = await asyncio.create_subprocess_exec(
            str(path),
            "-version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise EncoderError(f"{path} cannot be started: {error.strerror}.") from error
    try:
        async with asyncio.timeout(VERSION_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        raise EncoderError(f"{path} did not answer -version within {VERSION_SECONDS:g} s.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    version, number = parse_version(output.decode("utf-8", "replace"))
    if number < MINIMUM_VERSION:
        raise EncoderError(f"{path} is ffmpeg {version}; {MINIMUM_VERSION[0]}.{MINIMUM_VERSION[1]} or later is needed.")
    return FfmpegBinary(path, version, number)
