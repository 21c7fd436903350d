"""Which H.264 encoders this machine has, each proved by encoding, and how fast the chosen one is.

Owns the candidates and their order, the trial, the speed measurement, and the cache of both. A trial uses the very
arguments of a broadcast (`transcoder.command`). It does not watch an encoder during a broadcast: that is
`transcoder.process`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from ingest.source import VideoFrame, VideoHeader
from transcoder.advice import translate
from transcoder.command import SOFTWARE, trial_command
from transcoder.errors import BoxError, EncoderError
from transcoder.ffmpeg_binary import FfmpegBinary
from transcoder.fmp4.reader import FragmentReader
from transcoder.ladder import DEFAULT_LEVEL, EncodingSpeed, VideoRung

AUTO = "auto"

CANDIDATES = (
    "h264_nvenc",
    "h264_qsv",
    "h264_vaapi",
    "h264_videotoolbox",
    "h264_amf",
    "h264_v4l2m2m",
    SOFTWARE,
)
"""Best first."""

TRIAL_FRAMES = 10
TRIAL_SECONDS = 10.0
"""How long one trial may take; a driver that hangs counts as one that does not work."""
TRIAL_CONCURRENCY = 2
TRIAL_RUNG = VideoRung(False, 640, 360, None, 1000, DEFAULT_LEVEL)

SPEED_SECONDS = 1.0
SPEED_RUNG = VideoRung(False, 1280, 720, None, 2500, DEFAULT_LEVEL)

MAX_COMPLAINT_BYTES = 8192
MAX_CACHE_BYTES = 65536
MAX_CACHED_MACHINES = 8
_CHUNK = 65536
_CACHE_FORMAT = 1
_DEVICE_PATTERNS = ("dri/render*", "dri/card*", "nvidia*", "video*")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Trial:
    """One encoder tried; `why` is the sentence about its failure, empty when it works."""

    name: str
    works: bool
    why: str


@dataclass(frozen=True, slots=True)
class EncoderChoice:
    """The encoder to use. `warning` is a sentence for the owner when it is not the one that was asked for."""

    name: str
    tried: tuple[Trial, ...]
    speed: EncodingSpeed
    warning: str = ""


@dataclass(slots=True)
class _Findings:
    """What is known about one ffmpeg on one set of devices."""

    trials: dict[str, Trial]
    speeds: dict[str, float]


async def select(
    ffmpeg: FfmpegBinary, wanted: str = AUTO, cache: Path | None = None, *, clock: Callable[[], float] = time.monotonic
) -> EncoderChoice:
    """Return the encoder to use: the best that works for `auto`, else the wanted one, else libx264 with a warning.

    `cache` is a JSON file that may not exist; findings are kept in it by ffmpeg's path and version and the devices.
    Raises EncoderError when not even libx264 works.
    """
    machine = await asyncio.to_thread(_machine, ffmpeg)
    cached = await asyncio.to_thread(_read_cache, cache)
    found = cached.get(machine) or _Findings({}, {})
    before = (dict(found.trials), dict(found.speeds))
    if wanted == AUTO:
        names = [name for name in CANDIDATES if name not in found.trials]
    else:
        # A failure is not believed for ever: its cause, a driver or a right, may have been mended.
        named = found.trials.get(wanted)
        names = [wanted] if wanted in CANDIDATES and (named is None or not named.works) else []
    await _try_all(ffmpeg, names, found)
    name, warning = _choose(wanted, found)
    if name is None:
        if SOFTWARE not in found.trials or not found.trials[SOFTWARE].works:
            await _try_all(ffmpeg, [SOFTWARE], found)
        if not found.trials[SOFTWARE].works:
            raise EncoderError(f"libx264 does not work with {ffmpeg.path}: {found.trials[SOFTWARE].why}")
        name = SOFTWARE
    speed = found.speeds.get(name) or await measure(ffmpeg, name, clock=clock)
    if speed:
        found.speeds[name] = speed
    if (found.trials, found.speeds) != before:
        cached = {machine: found} | {key: value for key, value in cached.items() if key != machine}
        await asyncio.to_thread(_write_cache, cache, cached)
    if warning:
        log.warning("encoder replaced", wanted=wanted, used=name, reason=warning)
    log.info("encoder chosen", name=name, pixels_per_second=round(speed))
    return EncoderChoice(name, tuple(found.trials.values()), EncodingSpeed(speed), warning)


def _choose(wanted: str, found: _Findings) -> tuple[str | None, str]:
    if wanted == AUTO:
        working = (name for name in CANDIDATES if name in found.trials and found.trials[name].works)
        return next(working, None), ""
    if wanted not in CANDIDATES:
        known = ", ".join((AUTO, *CANDIDATES))
        return None, f"The codec {wanted!r} is not known, so libx264 is used; choose one of {known}."
    trial = found.trials[wanted]
    if trial.works:
        return wanted, ""
    return None, f"The codec {wanted} does not work here, so libx264 is used: {trial.why}"


async def _try_all(ffmpeg: FfmpegBinary, names: list[str], found: _Findings) -> None:
    gate = asyncio.Semaphore(TRIAL_CONCURRENCY)

    async def one(name: str) -> Trial:
        async with gate:
            return await attempt(ffmpeg, name)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(name)) for name in names]
    for task in tasks:
        trial = task.result()
        found.trials[trial.name] = trial


async def attempt(ffmpeg: FfmpegBinary, name: str) -> Trial:
    """Encode a few frames with the encoder `name`; it works when a decodable header, a keyframe and frames come out."""
    complaints = bytearray()
    pictures = 0
    header = False
    try:
        async with (
            asyncio.timeout(TRIAL_SECONDS),
            contextlib.aclosing(
                _encoded(trial_command(ffmpeg.path, name, TRIAL_RUNG, TRIAL_FRAMES), complaints)
            ) as encoded,
        ):
            async for frame in encoded:
                if isinstance(frame, VideoHeader):
                    header = True
                elif pictures or frame.keyframe:
                    pictures += 1
    except TimeoutError:
        return Trial(name, False, f"It made no picture within {TRIAL_SECONDS:g} s.")
    except (BoxError, OSError) as error:
        return Trial(name, False, f"What it made cannot be read: {error}")
    # The last frame may stay in an encoder that was told to end.
    if header and pictures >= TRIAL_FRAMES - 1:
        return Trial(name, True, "")
    return Trial(name, False, _explain(complaints.decode("utf-8", "replace")))


async def measure(ffmpeg: FfmpegBinary, name: str, *, clock: Callable[[], float] = time.monotonic) -> float:
    """Return how many pixels per second the encoder makes of a 720p test picture, over about a second.

    Counted from the first frame to the last, so that starting ffmpeg is not part of it; 0.0 when nothing came out.
    """
    complaints = bytearray()
    frames = 0
    first = last = 0.0
    try:
        async with (
            asyncio.timeout(TRIAL_SECONDS),
            contextlib.aclosing(_encoded(trial_command(ffmpeg.path, name, SPEED_RUNG, None), complaints)) as encoded,
        ):
            async for frame in encoded:
                if isinstance(frame, VideoHeader):
                    continue
                last = clock()
                if not frames:
                    first = last
                frames += 1
                if last - first >= SPEED_SECONDS:
                    break
    except (TimeoutError, BoxError, OSError) as error:
        log.warning("encoding speed not measured", encoder=name, reason=str(error) or "timeout")
    if frames < 2 or last <= first:
        return 0.0
    return (frames - 1) * SPEED_RUNG.width * SPEED_RUNG.height / (last - first)


async def _encoded(command: list[str], complaints: bytearray) -> AsyncGenerator[VideoHeader | VideoFrame, None]:
    """Run ffmpeg, yield what it encodes, and end it whatever happens. Raises BoxError, OSError."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    if process.stdout is None or process.stderr is None:  # both were asked for; this tells mypy
        raise EncoderError("ffmpeg was started without pipes.")
    listening = asyncio.create_task(_listen(process.stderr, complaints))
    try:
        reader = FragmentReader()
        while data := await process.stdout.read(_CHUNK):
            for event in reader.feed(data):
                if isinstance(event, VideoHeader | VideoFrame):
                    yield event
        await listening
    finally:
        listening.cancel()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()


async def _listen(stream: asyncio.StreamReader, complaints: bytearray) -> None:
    while data := await stream.read(_CHUNK):
        complaints += data[: MAX_COMPLAINT_BYTES - len(complaints)]


def _explain(complaints: str) -> str:
    lines = [line.strip() for line in complaints.splitlines() if line.strip()]
    for line in lines:
        advice = translate(line)
        if advice is not None:
            return advice.sentence
    return f"ffmpeg says: {lines[0][:200]}" if lines else "It made no picture and gave no reason."


def _machine(ffmpeg: FfmpegBinary) -> str:
    """What the findings depend on, as one key."""
    devices = sorted(str(path) for pattern in _DEVICE_PATTERNS for path in Path("/dev").glob(pattern))
    return "|".join([str(ffmpeg.path), ffmpeg.version, str(os.cpu_count()), *devices])


def _read_cache(path: Path | None) -> dict[str, _Findings]:
    """Return what the file says; a file that is missing, too large or damaged says nothing."""
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            text = file.read(MAX_CACHE_BYTES + 1)
        if len(text) > MAX_CACHE_BYTES:
            raise ValueError(f"it is larger than {MAX_CACHE_BYTES} bytes")
        document = json.loads(text)
        if document["format"] != _CACHE_FORMAT:
            return {}
        return {str(key): _findings(value) for key, value in document["machines"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        log.warning("encoder cache ignored", path=str(path), reason=str(error))
        return {}


def _findings(value: dict[str, dict[str, object]]) -> _Findings:
    trials = {}
    for name, why in value["trials"].items():
        if name not in CANDIDATES or not isinstance(why, str):
            raise ValueError(f"it names an encoder {name!r} that is not known")
        trials[name] = Trial(name, not why, why)
    speeds = {}
    for name, speed in value["speeds"].items():
        if not isinstance(speed, int | float) or isinstance(speed, bool) or not 0 < speed < 1e13:
            raise ValueError(f"it holds the impossible speed {speed!r}")
        speeds[name] = float(speed)
    return _Findings(trials, speeds)


def _write_cache(path: Path | None, cached: dict[str, _Findings]) -> None:
    """Replace the file in one step; failing to costs only the next start's time."""
    if path is None:
        return
    machines = {
        key: {"trials": {trial.name: trial.why for trial in found.trials.values()}, "speeds": found.speeds}
        for key, found in list(cached.items())[:MAX_CACHED_MACHINES]
    }
    temporary = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps({"format": _CACHE_FORMAT, "machines": machines}, indent=1), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        log.warning("encoder cache not written", path=str(path), reason=error.strerror)
