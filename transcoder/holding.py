"""Keeps viewers company while the encoder is away.

Owns the task that shows the slate, in real time on the broadcast's timeline, and that timeline's clock. When to show
it and when to stop is `transcoder.pipeline`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from ingest.source import TIMESCALE
from transcoder.encoder_lane import EncoderLane
from transcoder.errors import EncoderError
from transcoder.levels import LatencyLevel
from transcoder.lineup import Lineup
from transcoder.slate import FRAMERATE, Slate, SlatePlayer, make_silence, make_slate, offers


class Holding:
    """Shows the slate on a lineup, one at a time."""

    def __init__(self, lane: EncoderLane, level: LatencyLevel, text: str, clock: Callable[[], float]) -> None:
        self._lane = lane
        self._level = level
        self._text = text
        self._clock = clock
        self._epoch = 0.0
        self._task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._lineup: Lineup | None = None

    def use(self, level: LatencyLevel, text: str) -> None:
        """Shows that text from the next time on."""
        self._level, self._text = level, text

    def begin_broadcast(self, epoch: float) -> None:
        """Media time 0 is at `epoch` on the clock."""
        self._epoch = epoch

    def media_now(self) -> int:
        """Where the broadcast's timeline stands now, in ticks."""
        return round((self._clock() - self._epoch) * TIMESCALE)

    @property
    def showing(self) -> bool:
        """Whether the slate is shown, or about to be."""
        return self._task is not None

    def show(self, lineup: Lineup) -> None:
        """Begins to show the slate as soon as ffmpeg has given its last frames of what was on air."""
        self.stop()
        self._lineup = lineup
        self._task = asyncio.create_task(self._play(lineup), name="slate")
        self._tasks.add(self._task)
        self._task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """Ends the slate; a no-op when there is none."""
        if self._task is None or self._lineup is None:
            return
        self._task.cancel()
        self._task = None
        if self._lineup.schedule.open:
            self._lineup.end_slate()

    async def aclose(self) -> None:
        """Returns when nothing of it runs any more."""
        self.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _play(self, lineup: Lineup) -> None:
        await self._lane.settled()
        slates: dict[int, Slate] = {}
        for number, info in lineup.video_formats.items():
            if offers(info.codec):
                with contextlib.suppress(EncoderError):
                    slates[number] = await asyncio.to_thread(
                        make_slate, info.codec, info.width, info.height, self._level.segment, self._text
                    )
        silences = {
            number: await asyncio.to_thread(make_silence, header, info)
            for number, (header, info) in lineup.audio_formats.items()
        }
        start = -(-lineup.schedule.end_time // 90) * 90
        lineup.begin_slate(slates, silences)
        player = SlatePlayer(start, self._level.segment * FRAMERATE)
        while True:
            for number in player.due(self.media_now()):
                lineup.play_slate(player, number, slates, silences)
            await asyncio.sleep(1 / FRAMERATE)
