"""The stage: the one show of this server, between those who publish and those who watch.

Owns the glue: an encoder that asks to publish is judged by `broadcast.admission`, its source goes to
`transcoder.pipeline`, what becomes of it is told to `broadcast.session` and its record. No rule of its own lives here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from datetime import UTC, datetime

import structlog

from ingest.errors import PublishRefused
from ingest.gate import PublishRequest
from ingest.source import LiveSource, SourceListener
from owncast_py.app.kit import Kit
from owncast_py.app.rate import Rate
from owncast_py.app.received import Received
from owncast_py.app.stores import Stores
from owncast_py.broadcast.admission import Current, Verdict, decide
from owncast_py.broadcast.record import ShowRecord
from owncast_py.broadcast.session import Broadcast, State, Status
from owncast_py.broadcast.viewers import Viewers
from owncast_py.config import Config
from owncast_py.credentials import Credentials
from owncast_py.errors import OwncastError
from owncast_py.events import (
    Events,
    SettingChanged,
    StoreRecovered,
    StoreTroubled,
    StreamStarted,
    StreamStopped,
    StreamTitleChanged,
)
from owncast_py.setting_groups import InstanceSettings, ListenSettings, StorageSettings, Variant, VideoSettings
from transcoder.ladder import VariantSettings
from transcoder.pipeline import Pipeline, PipelineSettings
from transcoder.segment_store.disk import DiskStore
from transcoder.stills import Still
from transcoder.window import LiveWindow

LINGER_SECONDS = 60.0
"""How long the end of a show can still be fetched by players that are watching it."""

MAX_ADVICE = 10
"""Sentences about one publisher that are remembered, the newest."""

TICK_SECONDS = 1.0
"""How often stalls are looked for, peaks noted, and a hold checked for its end."""

log = structlog.get_logger(__name__)


class Stage:
    """The one show of this server, between those who publish and those who watch.

    A PublishGate for ingest, a PipelineListener for the transcoder, the Media for the web; `app.studio` shows it to its
    owner.
    """

    def __init__(
        self,
        config: Config,
        credentials: Credentials,
        kit: Kit,
        store: DiskStore | None,
        events: Events,
        *,
        video: VideoSettings,
        title: str = "",
        storage: StorageSettings | None = None,
        record: ShowRecord | None = None,
    ) -> None:
        """`store` is on this machine, `storage` is where the owner wants segments instead.

        `record` outlives the process; without one, peaks and times are those since the start.
        """
        self.viewers = Viewers(time.monotonic)
        self.broadcast = Broadcast(
            monotonic=time.monotonic,
            now=_now,
            grace=config.stream.reconnect_grace,
            viewers=self.viewers.count,
            title=title,
        )
        self._events = events
        self.video = video
        self._storage = storage or StorageSettings()
        self._kit = kit
        self._record = record
        if record is not None:
            self.broadcast.remember(record.overall_peak, record.last_started, record.last_ended)
        self.pipeline = Pipeline(_pipeline_settings(video), kit.toolbox, store, listener=self)
        self._config = config
        self._credentials = credentials
        self.stores = Stores(store, self._on_store)
        self._jobs: set[asyncio.Task[None]] = set()
        self._preparing = asyncio.Lock()
        self.published_since = _now()
        self.rate = Rate()
        self.advice: list[str] = []
        """What was said to the owner since this publisher came."""
        events.subscribe(SettingChanged, self._on_setting_changed)
        self.broadcasts = 0
        """Shows that began since the start; one that goes on after a break is the same."""
        self.refused = 0
        """Publishers that were turned away."""
        self._left = Received()
        """What those who have left had sent."""
        self._source: LiveSource | None = None
        self._key = ""
        self._ended_at = float("-inf")
        self._stopping = False
        self._ending: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to keep time, and opens the owner's store."""
        await self._use_store(self._storage)
        self._watch = asyncio.create_task(self._watching(), name="stage")

    async def conclude(self) -> None:
        """The server stops: the show is over, and whoever wants to know that is told while they still can be."""
        self._stopping = True
        for task in (self._watch, self._ending):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if self.broadcast.state is not State.OFFLINE:
            self.broadcast.end()
            self._note_end()
            self._events.publish(StreamStopped(_now(), self.broadcast.title))

    async def aclose(self) -> None:
        """Ends what is left."""
        await self.conclude()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        await self.pipeline.aclose()
        await self.stores.aclose()

    # Those who publish.

    def admit(self, request: PublishRequest) -> SourceListener:
        """Judges an encoder that asks to publish. Raises PublishRefused with the sentence for its user."""
        if self._stopping:
            raise PublishRefused("The server is stopping.")
        source = request.source
        key_ok = self._credentials.verify_stream_key(request.key)
        current = None
        if key_ok and self._source is not None:
            current = Current(
                same_key=request.key == self._key,
                same_address=source.origin.address == self._source.origin.address,
                silent_for=self.pipeline.silent_for,
            )
        decision = decide(
            key_ok=key_ok,
            current=current,
            silence_takeover=self._config.stream.silence_takeover,
        )
        if decision.verdict is Verdict.REFUSE:
            self.refused += 1
            raise PublishRefused(decision.reason)
        previous, self._source, self._key = self._source, source, request.key
        self.published_since, self.rate, self.advice = _now(), Rate(), []
        listener = _Attached(self, source, self.pipeline.attach(source))
        if previous is not None:
            log.info("takeover", reason=decision.reason, address=source.origin.address)
            previous.close("Another encoder took over.")
        return listener

    def left(self, source: LiveSource) -> None:
        """A publisher's connection ended."""
        self._left = self._left.plus(source)
        if source is self._source:
            self._source = None
            if self.broadcast.state == "live":
                self.on_hold("The encoder's connection ended.")

    # What becomes of it.

    def on_live(self) -> None:
        """Media flows."""
        if not self._stopping and self.broadcast.begin():
            self.viewers.clear()
            self.broadcasts += 1
            log.info("on air")
            if self._record is not None:
                self._spawn(self._record.began(self.broadcast.title))
            self._events.publish(StreamStarted(_now(), self.broadcast.title))
            self._spawn(self.stores.release(self.pipeline.store))

    def on_hold(self, reason: str) -> None:
        """The encoder is away."""
        was_on = self.broadcast.status().online
        self.broadcast.lose()
        if was_on:
            log.info("holding", reason=reason, grace=self._config.stream.reconnect_grace)
            self._end_if_over()

    def on_advice(self, sentence: str) -> None:
        """Something for the owner."""
        log.info("advice", text=sentence)
        self.advice = [*self.advice[1 - MAX_ADVICE :], sentence]

    def _on_setting_changed(self, event: SettingChanged) -> None:
        if isinstance(event.after, InstanceSettings) and event.after.title != self.broadcast.title:
            self.broadcast.title = event.after.title
            self._events.publish(StreamTitleChanged(_now(), event.after.title))
        if isinstance(event.after, StorageSettings) and event.after != event.before:
            self._spawn(self._use_store(event.after))
        if isinstance(event.after, VideoSettings):
            self.video = event.after
            # A show that begins this moment has them already; only which encoder works takes a while to find out.
            self.pipeline.prepare(_pipeline_settings(event.after), self._kit.toolbox)
            self._spawn(self._prepare(event.after))
        if isinstance(event.after, ListenSettings) and event.after.ffmpeg_path != self._kit.path:
            self._kit.path = event.after.ffmpeg_path
            self._spawn(self._prepare(self.video))

    async def _use_store(self, storage: StorageSettings) -> None:
        """Keeps the next show there."""
        async with self._preparing:
            self.pipeline.use_store(*await self.stores.choose(storage))
        await self.stores.release(self.pipeline.store)

    def _on_store(self, sentence: str) -> None:
        """The store elsewhere is in trouble, or works again."""
        if sentence:
            self._events.publish(StoreTroubled(_now(), sentence))
        else:
            sentence = "The store of segments works again; viewers fetch from there."
            self._events.publish(StoreRecovered(_now(), sentence))
        self.on_advice(sentence)

    async def _prepare(self, video: VideoSettings) -> None:
        """Gives the next show other settings. Which encoder works is found out again where that may have changed."""
        # One after the other: of two changes that come together, the tools of the later one stay.
        async with self._preparing:
            toolbox = await self._kit.select(video.codec)
            if video == self.video:
                self.pipeline.prepare(_pipeline_settings(video), toolbox)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        job = asyncio.create_task(_logged(work), name="stage: job")
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    def _end_if_over(self) -> None:
        if self._source is not None:
            return  # an encoder is there again, even if it has not shown anything yet
        self.broadcast.expire()
        window = self.pipeline.window
        if self.broadcast.status().online or window is None or window.ended or self._ending is not None:
            return
        self._ended_at = time.monotonic()
        self._note_end()
        self._events.publish(StreamStopped(_now(), self.broadcast.title))
        self._ending = asyncio.create_task(self._end_broadcast(), name="end of broadcast")

    async def _end_broadcast(self) -> None:
        try:
            await self.pipeline.end_broadcast("the encoder did not come back in time")
            log.info("off air")
        finally:
            self._ending = None

    async def _watching(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.pipeline.tick()
            status = self.broadcast.status()
            if self._record is not None and status.online:
                self._spawn(self._record.note(status.session_max_viewer_count))
            if self._source is not None:
                self.rate.note(self._source.bytes_received, time.monotonic())
            self._end_if_over()

    def _note_end(self) -> None:
        if self._record is not None:
            self._spawn(self._record.ended(self.broadcast.status().session_max_viewer_count))

    def disconnect(self) -> bool:
        """Ends the show and drops its publisher, without the grace of one that broke off."""
        source = self._source
        if source is None and not self.broadcast.status().online:
            return False
        log.info("disconnect", reason="the owner asked for it")
        if source is not None:
            source.close("The owner of this server ended the broadcast.")
        self._source = None
        self.broadcast.end()
        self._end_if_over()
        return True

    @property
    def source(self) -> LiveSource | None:
        """What comes in now."""
        return self._source

    @property
    def received(self) -> Received:
        """What came in since the start."""
        return self._left.plus(self._source)

    # Those who watch.

    def status(self) -> Status:
        """The show as viewers know it."""
        return self.broadcast.status()

    def window(self) -> LiveWindow | None:
        """The window on air, or for a while the one that has ended."""
        window = self.pipeline.window
        if window is not None and window.ended and time.monotonic() - self._ended_at > LINGER_SECONDS:
            return None
        return window

    async def still(self, name: str) -> bytes | None:
        """A picture of the stream by its file name."""
        return await self.pipeline.stills.get(Still(name))

    async def stored(self, key: str) -> bytes | None:
        """A segment from the store."""
        return await self.pipeline.stored(key)


class _Attached:
    """A source's listener: the pipeline's, and the stage learns of the end."""

    def __init__(self, stage: Stage, source: LiveSource, listener: SourceListener) -> None:
        self._stage = stage
        self._source = source
        self._listener = listener
        self.on_video_header = listener.on_video_header
        self.on_audio_header = listener.on_audio_header
        self.on_metadata = listener.on_metadata
        self.on_video = listener.on_video
        self.on_audio = listener.on_audio

    def on_end(self, reason: str) -> None:
        self._listener.on_end(reason)
        self._stage.left(self._source)


def _now() -> datetime:
    return datetime.now(UTC)


async def _logged(work: Coroutine[None, None, None]) -> None:
    try:
        await work
    except OwncastError as error:
        log.error("not done", reason=str(error))


def _pipeline_settings(video: VideoSettings) -> PipelineSettings:
    def convert(variant: Variant) -> VariantSettings:
        # 0 kb/s means that the server chooses, which is what VariantSettings has defaults for.
        rates = {
            name: value
            for name, value in (("video_bitrate", variant.video_bitrate), ("audio_bitrate", variant.audio_bitrate))
            if value
        }
        return VariantSettings(
            name=variant.name,
            video_passthrough=variant.video_passthrough,
            audio_passthrough=variant.audio_passthrough,
            scaled_width=variant.scaled_width,
            scaled_height=variant.scaled_height,
            framerate=variant.framerate,
            cpu_usage_level=variant.cpu_usage_level,
            **rates,
        )

    asked = video.variants
    variants = None if asked == "auto" else tuple(convert(each) for each in asked if isinstance(each, Variant))
    return PipelineSettings(video.latency_level, variants, serving_endpoint=video.serving_endpoint)
