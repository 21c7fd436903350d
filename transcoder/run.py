"""One run of ffmpeg, from its start until the process is reaped and every pipe is closed.

Owns the child process and our ends of its pipes: FLV in, one fragmented MP4 per rendition out, complaints out. When
to run again is `transcoder.process`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from transcoder.advice import MAX_LINE, Advice, translate
from transcoder.command import live_command
from transcoder.errors import BoxError
from transcoder.ladder import Ladder
from transcoder.pipes import FeedPipe, OutputPipe, pipe
from transcoder.rendition import EncoderListener, Rendition
from transcoder.replay import Tag

MAX_LOGGED_LINES = 200
"""Lines of ffmpeg's in the debug log per run; a damaged source makes it complain without end."""

_OVERLOADED = Advice(
    "This machine is too slow for the variants asked for, so pictures are left out; ask for fewer or smaller variants, "
    "a lower framerate, or a lower CPU usage level."
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What to run; `grace` and `stall` in seconds, as in `transcoder.process.Timing`; `grid` as in
    `transcoder.command.live_command`."""

    binary: Path
    ladder: Ladder
    encoder: str
    grace: float
    stall: float
    grid: Sequence[float]


class Run:
    """One ffmpeg. `play` it once; between its call of `ready` and its return, `feed` it."""

    def __init__(
        self,
        settings: RunSettings,
        renditions: list[Rendition],
        listener: EncoderListener,
        advise: Callable[[Advice], None],
    ) -> None:
        self.encoder_failed = False
        self.pid: int | None = None
        self._settings = settings
        self._renditions = renditions
        self._listener = listener
        self._advise = advise
        self._loop = asyncio.get_running_loop()
        self._stdin: FeedPipe | None = None
        self._wake = asyncio.Event()
        self._fault = ""
        self._unanswered_since: float | None = None
        self._up = False
        self._complaints = _Lines(self._complaint)
        self._lines = 0
        self._last_line = ""

    async def play(self, ready: Callable[[Run], None]) -> str:
        """Start ffmpeg, call `ready`, and return a sentence why it ended, when nothing of it is left."""
        ours: list[OutputPipe] = []
        with contextlib.ExitStack() as closing:
            after = [rendition.begin() for rendition in self._renditions]
            stdin, feeding = pipe()
            self._stdin = FeedPipe(feeding, lambda: self._advise(_OVERLOADED))
            closing.callback(self._stdin.close)
            theirs = [stdin]
            try:
                for receive in [*(self._receiver(made) for made in self._renditions), self._complaints.receive]:
                    reading, writing = pipe()
                    theirs.append(writing)
                    ours.append(OutputPipe(reading, receive))
                    closing.callback(ours[-1].close)
                *writers, errors = theirs[1:]
                settings = self._settings
                process = await asyncio.create_subprocess_exec(
                    *live_command(settings.binary, settings.ladder, settings.encoder, writers, after, settings.grid),
                    stdin=stdin,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=errors,
                    pass_fds=writers,
                    # A Ctrl-C at the terminal is for the server, which ends ffmpeg in order.
                    start_new_session=True,
                )
            except OSError as error:
                return f"{self._settings.binary} cannot be started: {error.strerror}."
            finally:
                for descriptor in theirs:
                    os.close(descriptor)
            self.pid = process.pid
            try:
                ready(self)
                await self._watch(process)
            finally:
                if process.returncode is None:
                    _kill(process)
                    await process.wait()
            # ffmpeg is gone, so nothing can be written any more: this ends.
            for output in ours:
                output.drain()
        return self._fault or self._describe(process.returncode or 0)

    def open_feed(self, opening: bytes, tags: list[Tag]) -> None:
        """Write the headers and what to resume from, before anything else."""
        if self._stdin is not None:
            self._stdin.replay([Tag(opening, tags[0].time if tags else 0, False, False), *tags])

    def feed(self, tag: Tag) -> None:
        """Give ffmpeg the next tag."""
        if self._stdin is not None:
            self._stdin.push(tag)
            if self._unanswered_since is None:
                self._unanswered_since = self._loop.time()

    def end(self, reason: str) -> None:
        """Close ffmpeg's input so that it finishes; `play` returns `reason` soon."""
        self._stop(reason)

    def _stop(self, reason: str) -> None:
        self._fault = self._fault or reason
        self._wake.set()

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Return when the process has ended, or has had its time to."""
        ended = asyncio.create_task(process.wait(), name="ffmpeg")
        ended.add_done_callback(lambda _: self._wake.set())
        try:
            while not self._wake.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._settings.stall / 4):
                        await self._wake.wait()
                since = self._unanswered_since
                if since is not None and self._loop.time() - since > self._settings.stall:
                    self._fault = f"ffmpeg gave nothing for {self._settings.stall:g} s."
                    self.encoder_failed = True
                    _kill(process)
                    break
            if self._stdin is not None:
                self._stdin.close()
            await asyncio.wait([ended], timeout=self._settings.grace)
        finally:
            if not ended.done():
                _kill(process)
            await ended

    def _receiver(self, rendition: Rendition) -> Callable[[bytes], None]:
        def receive(data: bytes) -> None:
            try:
                frames = rendition.receive(data)
            except BoxError as error:
                self._stop(f"ffmpeg's output cannot be read: {error}")
                return
            if frames:
                self._unanswered_since = None
                if not self._up:
                    self._up = True
                    self._listener.on_up()

        return receive

    def _complaint(self, line: str) -> None:
        self._last_line = line
        advice = translate(line)
        if advice is not None:
            self.encoder_failed = self.encoder_failed or advice.encoder_failed
            self._advise(advice)
        self._lines += 1
        if self._lines <= MAX_LOGGED_LINES:
            log.debug("ffmpeg says", line=line)

    def _describe(self, code: int) -> str:
        if code < 0:
            return f"ffmpeg was ended by {signal.Signals(-code).name}."
        said = f": {self._last_line}" if self._last_line else "."
        return f"ffmpeg ended with code {code}{said}"


class _Lines:
    """Splits bytes into lines and cuts what is longer than `MAX_LINE`."""

    def __init__(self, receive: Callable[[str], None]) -> None:
        self._receive = receive
        self._rest = b""

    def receive(self, data: bytes) -> None:
        """Take the next bytes."""
        *lines, rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        self._rest = rest[:MAX_LINE]
        for line in lines:
            text = line[:MAX_LINE].decode("utf-8", "replace").strip()
            if text:
                self._receive(text)


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
