"""From a live source to a live window: the one place that knows what is on air.

Owns the current source, the lineup it fills, its ffmpeg, and what happens at the seams: a source that starts, breaks
off, stalls, changes its codec settings, comes back or is replaced. Frames go straight through, synchronously:
source → schedule → packagers → window; ffmpeg gets the same frames beside that, and nothing ever waits for it.

Changes of ffmpeg are `transcoder.encoder_lane`'s, the slate is `transcoder.holding`'s.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from ingest.source import TIMESCALE, AudioHeader, LiveSource, VideoFrame, VideoHeader
from transcoder.encoder_lane import EncoderLane, Toolbox
from transcoder.errors import LadderError
from transcoder.holding import Holding
from transcoder.input import SourceInput
from transcoder.ladder import (
    LONE_KEYFRAME_SECONDS,
    EncodingSpeed,
    Ladder,
    SourceAudio,
    SourceVideo,
    VariantSettings,
    given,
)
from transcoder.levels import LEVELS
from transcoder.lineup import Lineup
from transcoder.made import Made
from transcoder.offload import Offload
from transcoder.opening import Opening
from transcoder.planning import plan
from transcoder.segment_store import SegmentStore, keep
from transcoder.segments import Segment
from transcoder.showcase import Showcase
from transcoder.slate import make_silence
from transcoder.stills import Stills
from transcoder.window import LiveWindow, Rendition

OPENING_SECONDS = 3.0
"""Wall time after which a source is taken as it is, whatever its metadata promised."""

STALL_SECONDS = 3.0
"""A source that is connected and silent for this long is treated as gone until it speaks again."""

SETTLE_SECONDS = 3.0
"""How long the multivariant playlist waits for renditions that ffmpeg makes."""

KEYFRAME_STRIKES = 3
"""Late keyframes forgiven to a source that has kept its interval before."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """What the owner decides. `variants` None lets the ladder choose."""

    latency_level: int = 2
    variants: Sequence[VariantSettings] | None = None
    slate_text: str = "Be right back"
    serving_endpoint: str = ""
    """Where players shall fetch the media, as an address without a trailing slash; empty: from here."""


class PipelineListener(Protocol):
    """Who hears what becomes of the broadcast. Calls are synchronous and must not block."""

    def on_live(self) -> None:
        """A source's media flows into the window, for the first time or again."""

    def on_hold(self, reason: str) -> None:
        """The source is gone or silent; the slate is shown until another comes or the broadcast is ended."""

    def on_advice(self, sentence: str) -> None:
        """Something the owner should know or do; each sentence comes once."""


class Pipeline:
    """What is on air. `attach` a source, read `window`; `end_broadcast` when the show is over."""

    def __init__(
        self,
        settings: PipelineSettings,
        toolbox: Toolbox | None,
        store: SegmentStore | None,
        listener: PipelineListener,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        session: Callable[[], str] = lambda: secrets.token_hex(4),
    ) -> None:
        self.stills = Stills(clock)
        self._showcase = Showcase(self.stills)
        self.made = Made(clock)
        self._settings = settings
        self._level = LEVELS[settings.latency_level]
        self._toolbox = toolbox
        self._next: tuple[PipelineSettings, Toolbox | None] | None = None
        self._opened: Opening | None = None
        self._store = store
        self._offload: Offload | None = None
        self._next_store: tuple[SegmentStore | None, Offload | None] | None = None
        self._listener = listener
        self._clock, self._wall, self._session = clock, wall, session
        self._input: SourceInput | None = None
        self._lineup: Lineup | None = None
        self._lane = EncoderLane(toolbox, self._advise, clock)
        self._holding = Holding(self._lane, self._level, settings.slate_text, clock)
        self._jobs: set[asyncio.Task[None]] = set()
        self._window_began = 0.0
        self._interval: float | None = None
        self._strikes = 0
        self._advised: set[str] = set()

    @property
    def window(self) -> LiveWindow | None:
        """The window to serve; None before the first broadcast. It stays after the end, with its ENDLIST."""
        return self._lineup.window if self._lineup is not None else None

    @property
    def lineup(self) -> Lineup | None:
        """The window with what fills it; None before the first broadcast."""
        return self._lineup

    @property
    def store(self) -> SegmentStore | None:
        """Where the broadcast on air is kept, or was the last one."""
        return self._store

    @property
    def encoders(self) -> EncoderLane:
        """The ffmpegs, one after the other."""
        return self._lane

    @property
    def holding(self) -> bool:
        """Whether the slate is shown, or about to be."""
        return self._holding.showing

    @property
    def silent_for(self) -> float:
        """Seconds since the current source was heard, 0 without one."""
        return self._clock() - self._input.last_heard if self._input is not None and not self._input.heard else 0.0

    @property
    def source_video(self) -> SourceVideo | None:
        """The pictures of the source on air, or of the last one."""
        return self._opened.source_video if self._opened is not None else None

    @property
    def keyframe_interval(self) -> float:
        """The longest distance between keyframes of the source on air, in seconds; 0 until it is known."""
        return self._input.longest_gap / TIMESCALE if self._input is not None else 0.0

    @property
    def source_audio(self) -> SourceAudio | None:
        """The sound of the source on air, or of the last one."""
        return self._opened.source_audio if self._opened is not None else None

    @property
    def ladder(self) -> Ladder | None:
        """What is made of it; None before the first broadcast."""
        return self._lineup.ladder if self._lineup is not None else None

    @property
    def latency_level(self) -> int:
        """The level of the broadcast on air, else of the next one."""
        return self._settings.latency_level

    def prepare(self, settings: PipelineSettings, toolbox: Toolbox | None) -> None:
        """Gives the next broadcast other settings; one that is on air goes on as it is."""
        self._next = settings, toolbox
        self._adopt()

    def use_store(self, store: SegmentStore | None, offload: Offload | None) -> None:
        """Has the next broadcast kept in another store; one that is on air stays where it is."""
        self._next_store = store, offload
        self._adopt()

    def _adopt(self) -> None:
        """Takes the settings and the store that wait, unless a broadcast is on air."""
        if self._lineup is not None and not self._lineup.window.ended:
            return
        if self._next_store is not None:
            self._leave_store()
            (self._store, self._offload), self._next_store = self._next_store, None
        if self._next is None:
            return
        (self._settings, self._toolbox), self._next = self._next, None
        self._level = LEVELS[self._settings.latency_level]
        self._lane.use(self._toolbox)
        self._holding.use(self._level, self._settings.slate_text)

    async def aclose(self) -> None:
        """Ends the broadcast and everything that runs for it."""
        await self.end_broadcast("the server stops")
        await self._holding.aclose()
        for job in list(self._jobs):
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)

    def attach(self, source: LiveSource) -> SourceInput:
        """Makes `source` the one on air as soon as its tracks are known; an earlier one is heard no more."""
        if self._input is not None:
            self._input.go_off_air(None, self._clock())
        # Another source, or the same one set up anew, may need the same advice.
        self._advised.clear()
        opening = Opening(source, keyframe_interval=self._interval)
        self._input = SourceInput(self, source, opening, self._clock())
        return self._input

    async def end_broadcast(self, reason: str) -> None:
        """The show is over: the window gets its ENDLIST, and ffmpeg ends."""
        lineup = self._lineup
        self._holding.stop()
        self._end_run()
        if self._input is not None:
            self._input.go_off_air(None, self._clock())
            self._input = None
        await self._lane.settled()
        if lineup is not None and not lineup.window.ended:
            lineup.window.end()
            if self._offload is not None:
                self._offload.end(lineup.window)
            log.info("closed", what="broadcast", session=lineup.window.session, reason=reason)

    async def stored(self, key: str) -> bytes | None:
        """A segment of the window that is no longer in memory."""
        return await self._store.get(key) if self._store is not None else None

    # Seams.

    def try_open(self, origin: SourceInput) -> None:
        """Opens a source whose tracks are known by now."""
        if origin is self._input and origin.opening is not None and origin.opening.ready():
            self._open(origin, origin.opening)

    def renew(self, origin: SourceInput, video: VideoHeader | None, audio: AudioHeader | None) -> None:
        """The source's codec settings changed: a new run begins with its next keyframe."""
        if origin is self._input:
            log.info("codec settings changed", address=origin.source.origin.address)
            self._begin_anew(origin, video, audio)

    def _begin_anew(self, origin: SourceInput, video: VideoHeader | None, audio: AudioHeader | None) -> None:
        self._end_run()
        opening = Opening(origin.source, keyframe_interval=self._interval)
        opening.video, opening.audio = video, audio
        origin.go_off_air(opening, self._clock())

    def lose(self, origin: SourceInput, reason: str) -> None:
        """A source ended."""
        if origin is not self._input:
            return
        self._hold(reason)
        self._input = None

    def _open(self, origin: SourceInput, opening: Opening, *, afresh: bool = False) -> None:
        self._adopt()
        if opening.first_keyframe is not None:
            opening.variants = origin.describe_variants(opening.first_keyframe.pts)
        try:
            ladder = self._plan(origin.source, opening)
        except LadderError as error:
            origin.source.close(opening.problem or str(error))
            return
        self._holding.stop()
        self._end_run()
        first = opening.frames[0]
        first_time = first.dts if isinstance(first, VideoFrame) else first.pts
        if opening.first_keyframe is not None:
            first_time = opening.first_keyframe.dts
        buffered = max((f.dts if isinstance(f, VideoFrame) else f.pts) for f in opening.frames) - first_time
        lineup = self._lineup
        if lineup is None or afresh or lineup.window.ended or not lineup.fits(ladder, opening):
            lineup = self._new_lineup(ladder, opening, buffered)
            shift = -first_time
        else:
            start = max(lineup.schedule.end_time, self._holding.media_now() - buffered)
            shift = -(-start // 90) * 90 - first_time  # ffmpeg is fed whole milliseconds
        run = lineup.begin_run(ladder, opening)
        encoder = self._lane.begin(lineup, ladder, opening, run, shift)
        self._strikes = 0
        self._opened = opening
        origin.go_on_air(lineup, encoder, shift)
        self._spawn(self._make_silence(lineup))
        self._listener.on_live()
        for sentence in (opening.problem, *origin.left_out, *ladder.reasons):
            self._advise(sentence)
        for frame in opening.frames:
            if isinstance(frame, VideoFrame):
                origin.on_video(frame)
            else:
                origin.on_audio(frame)

    def _plan(self, source: LiveSource, opening: Opening) -> Ladder:
        if source.encoded:
            return given(opening.encodings, opening.source_audio)
        speed = self._toolbox.choice.speed if self._toolbox is not None else EncodingSpeed(0.0)
        return plan(
            self._settings.variants,
            opening.source_video,
            opening.source_audio,
            segment_seconds=float(self._level.segment),
            speed=speed,
        )

    def _new_lineup(self, ladder: Ladder, opening: Opening, buffered: int) -> Lineup:
        old = self._lineup
        if old is not None and not old.window.ended:
            self._lane.close_window(old)
        self._holding.begin_broadcast(self._clock() - buffered / TIMESCALE)
        lineup = Lineup(
            ladder,
            opening,
            self._level,
            session=self._session(),
            epoch=self._wall() - buffered / TIMESCALE,
            base=f"{self._settings.serving_endpoint}/hls/" if self._settings.serving_endpoint else "",
            on_segment=self._keep,
            made=self.made,
        )
        if old is not None:
            self._leave_store()
        self._lineup = lineup
        self._window_began = self._clock()
        self.stills.forget()
        self._showcase.forget()
        if self._offload is not None:
            self._offload.begin(lineup.window)
        log.info("broadcast", session=lineup.window.session, variants=[v.name for v in ladder.variants])
        return lineup

    def _leave_store(self) -> None:
        """Nobody needs what is kept of the last broadcast any more."""
        if self._store is not None and self._lineup is not None:
            self._store.drop(self._lineup.window.session)

    def _end_run(self) -> None:
        """Ends what is on air; a no-op when nothing is. Passthrough renditions are complete at once, others when
        ffmpeg has given what it has."""
        lineup = self._lineup
        if lineup is None or not lineup.schedule.open:
            return
        lineup.end_run()
        self._lane.end()
        if self._input is not None and self._input.on_air and self._input.longest_gap:
            self._interval = self._input.longest_gap / TIMESCALE

    def _hold(self, reason: str) -> None:
        """Nothing comes any more: the slate takes over."""
        lineup = self._lineup
        if lineup is not None and not lineup.window.ended and not self._holding.showing:
            self._end_run()
            self._holding.show(lineup)
        self._listener.on_hold(reason)

    # Keyframes.

    def note_keyframe(self, header: VideoHeader, keyframe: bytes) -> None:
        """A keyframe went by."""
        self.stills.add(header, keyframe)

    def keyframe_missing(self, origin: SourceInput) -> None:
        """A passthrough segment had to begin without a keyframe."""
        self._strikes += 1
        lineup = self._lineup
        if lineup is None or (origin.longest_gap and self._strikes < KEYFRAME_STRIKES):
            return
        # What comes next must fit: the longest interval that may still be passed through, else anything longer.
        target = lineup.window.target_duration
        self._interval = LONE_KEYFRAME_SECONDS if target < LONE_KEYFRAME_SECONDS else target + 0.5
        if origin.source.encoded:
            # Its variants' pictures are gone, so it begins with the next keyframe instead of the last one.
            self._begin_anew(origin, origin.source.video, origin.source.audio)
            return
        opening = Opening(origin.source, keyframe_interval=self._interval)
        for frame in origin.group:
            if isinstance(frame, VideoFrame):
                opening.on_video(frame)
            else:
                opening.on_audio(frame)
        opening.expire()
        if opening.ready():
            log.info("keyframes too far apart", longer_than=lineup.window.target_duration)
            self._open(origin, opening, afresh=True)

    # What runs beside the frames.

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        job = asyncio.create_task(work)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def _make_silence(self, lineup: Lineup) -> None:
        silences = {
            number: await asyncio.to_thread(make_silence, header, info)
            for number, (header, info) in lineup.audio_formats.items()
        }
        lineup.set_silence(silences)

    def tick(self) -> None:
        """What depends on the time that passes; to be called about once a second."""
        now = self._clock()
        origin, lineup = self._input, self._lineup
        if origin is not None:
            if origin.heard:
                origin.heard, origin.last_heard = False, now
            if origin.opening is not None:
                if now - origin.began >= OPENING_SECONDS:
                    origin.opening.expire()
                    self.try_open(origin)
                silent = origin.opening is not None and now - origin.began >= STALL_SECONDS
            else:
                silent = now - origin.last_heard >= STALL_SECONDS
            if silent:
                self._wait_for(origin)
        if lineup is not None and not lineup.window.settled and now - self._window_began >= SETTLE_SECONDS:
            lineup.window.settle()
        self._lane.tick(now)
        if self._offload is not None and lineup is not None and not lineup.window.ended and self._showcase.due(now):
            self._spawn(self._showcase.show(self._offload, lineup.window))

    def _wait_for(self, origin: SourceInput) -> None:
        """A source is connected and gives nothing to show: the slate, until its next keyframe."""
        lineup = self._lineup
        if lineup is None or lineup.window.ended or self._holding.showing:
            return
        if origin.opening is None:
            self._begin_anew(origin, origin.source.video, origin.source.audio)
        self._end_run()
        self._holding.show(lineup)
        self._listener.on_hold("The encoder is connected but sends nothing that can be shown.")

    def _keep(self, window: LiveWindow, rendition: Rendition, segment: Segment) -> None:
        # ffmpeg may complete segments of a window that was replaced meanwhile; the store has dropped that session.
        if self._store is not None and window is self.window:
            keep(self._store, window, rendition, segment)

    def _advise(self, sentence: str) -> None:
        if sentence and sentence not in self._advised:
            self._advised.add(sentence)
            self._listener.on_advice(sentence)
