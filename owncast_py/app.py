"""The composition root: builds every part, starts them in order, ends them in reverse. The only file that knows all.

Owns the glue between the parts: an encoder that asks to publish is judged by `broadcast.admission`, its source goes to
`transcoder.pipeline`, what becomes of it is told to `broadcast.session`, and `web` reads the result. No rule of its
own lives here.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
import ssl
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import structlog

from ingest.errors import PublishRefused
from ingest.rtmp.server import PublishRequest, RtmpServer
from ingest.source import LiveSource, SourceListener
from owncast_py import check
from owncast_py.broadcast.admission import Current, Verdict, decide
from owncast_py.broadcast.session import Broadcast, Status
from owncast_py.broadcast.viewers import Viewers
from owncast_py.chat.chat import Chat
from owncast_py.config import Config, Variant
from owncast_py.credentials import Credentials
from owncast_py.errors import SettingError, StartError, StorageError
from owncast_py.events import Events, SettingChanged, StreamStarted, StreamStopped, StreamTitleChanged
from owncast_py.foundations import Foundations, open_foundations
from owncast_py.setting_groups import ChatSettings, Group, InstanceSettings
from owncast_py.settings import Settings
from owncast_py.storage.database import address_of
from transcoder import encoders, ffmpeg_binary
from transcoder.encoder_lane import Toolbox
from transcoder.errors import EncoderError
from transcoder.ladder import VariantSettings
from transcoder.pipeline import Pipeline, PipelineSettings
from transcoder.segment_store.disk import DiskStore
from transcoder.stills import Still
from transcoder.window import LiveWindow
from web.api.owncast.config import Instance
from web.api.owncast.dialect import mount_chat
from web.authentication import Authentication
from web.hls import Hls
from web.hls import routes as hls_routes
from web.server import Services, WebServer, build_application

PAGES = Path(__file__).parent.parent / "static" / "dist"
LINGER_SECONDS = 60.0
"""How long the end of a show can still be fetched by players that are watching it."""

VERSION = version("owncast-py")

TICK_SECONDS = 1.0
"""How often stalls are looked for, peaks noted, and a hold checked for its end."""

log = structlog.get_logger(__name__)


class Stage:
    """The one show of this server, between those who publish and those who watch.

    A PublishGate for ingest, a PipelineListener for the transcoder, the Media for the web.
    """

    def __init__(
        self,
        config: Config,
        credentials: Credentials,
        toolbox: Toolbox | None,
        store: DiskStore | None,
        events: Events,
        title: str = "",
    ) -> None:
        self.viewers = Viewers(time.monotonic)
        self.broadcast = Broadcast(
            monotonic=time.monotonic,
            now=_now,
            grace=config.stream.reconnect_grace,
            viewers=self.viewers.count,
            title=title,
        )
        self._events = events
        events.subscribe(SettingChanged, self._on_setting_changed)
        self.pipeline = Pipeline(
            PipelineSettings(config.stream.latency_level, _variants(config)), toolbox, store, listener=self
        )
        self._config = config
        self._credentials = credentials
        self._store = store
        self._source: LiveSource | None = None
        self._key = ""
        self._ended_at = float("-inf")
        self._ending: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to keep time."""
        self._watch = asyncio.create_task(self._watching(), name="stage")

    async def aclose(self) -> None:
        """Ends the show."""
        for task in (self._watch, self._ending):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await self.pipeline.aclose()

    # Those who publish.

    def admit(self, request: PublishRequest) -> SourceListener:
        """Judges an encoder that asks to publish. Raises PublishRefused with the sentence for its user."""
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
            raise PublishRefused(decision.reason)
        previous, self._source, self._key = self._source, source, request.key
        listener = _Attached(self, source, self.pipeline.attach(source))
        if previous is not None:
            log.info("takeover", reason=decision.reason, address=source.origin.address)
            previous.close("Another encoder took over.")
        return listener

    def left(self, source: LiveSource) -> None:
        """A publisher's connection ended."""
        if source is self._source:
            self._source = None
            if self.broadcast.state == "live":
                self.on_hold("The encoder's connection ended.")

    # What becomes of it.

    def on_live(self) -> None:
        """Media flows."""
        if self.broadcast.begin():
            self.viewers.clear()
            log.info("on air")
            self._events.publish(StreamStarted(_now(), self.broadcast.title))

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

    def _on_setting_changed(self, event: SettingChanged) -> None:
        if isinstance(event.after, InstanceSettings) and event.after.title != self.broadcast.title:
            self.broadcast.title = event.after.title
            self._events.publish(StreamTitleChanged(_now(), event.after.title))

    def _end_if_over(self) -> None:
        if self._source is not None:
            return  # an encoder is there again, even if it has not shown anything yet
        self.broadcast.expire()
        window = self.pipeline.window
        if self.broadcast.status().online or window is None or window.ended or self._ending is not None:
            return
        self._ended_at = time.monotonic()
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
            self.broadcast.status()
            self._end_if_over()

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
        return await self._store.get(key) if self._store is not None else None


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


def _variants(config: Config) -> tuple[VariantSettings, ...] | None:
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

    variants = config.stream.variants
    return None if variants == "auto" else tuple(convert(v) for v in variants if isinstance(v, Variant))


async def run(config: Config, credentials: Credentials) -> None:
    """Serves until SIGTERM or SIGINT. Raises StartError when a port is taken or a file cannot be used."""
    _raise_descriptor_limit()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        toolbox, obstacles = await _toolbox(config), list[str]()
        if toolbox is None:
            obstacles.append("There is no working ffmpeg; run `owncast-py check` to see why.")
        store = DiskStore(config.data_dir / "hls") if config.hls.disk else None
        if store is not None:
            try:
                await store.start()
            except OSError as error:
                raise StartError(f"Segments cannot be kept under {config.data_dir}: {error.strerror}.") from error
            stack.push_async_callback(store.aclose)
        foundations = await _foundations(config, stack)
        settings = foundations.settings
        title = settings.get(InstanceSettings).title
        stage = Stage(config, credentials, toolbox, store, foundations.events, title)
        await stage.start()
        stack.push_async_callback(stage.aclose)
        chat = Chat(foundations, config.data_dir / "emoji", stage.status, _now, time.monotonic)
        await chat.start()
        stack.push_async_callback(chat.aclose)
        services = Services(
            status=stage.status,
            instance=lambda: _instance(settings),
            version=VERSION,
            viewers=stage.viewers,
            obstacles=lambda: obstacles,
            now=_now,
            trusted_proxies=config.trusted_proxies,
            pages=PAGES,
        )
        hls = Hls(stage, stage.viewers.touch)
        application = await asyncio.to_thread(build_application, services, hls_routes(hls))
        authentication = Authentication(foundations.accounts, credentials.verify_admin_password, time.monotonic)
        mount_chat(application, chat, authentication, time.monotonic)
        web = WebServer(application, config.http_host, config.http_port, hls)
        await _listen(stack, web, "HTTP", config.http_host, config.http_port, "--http-port")
        rtmp = RtmpServer(stage, host=config.rtmp_host, port=config.rtmp_port)
        await _listen(stack, rtmp, "RTMP", config.rtmp_host, config.rtmp_port, "--rtmp-port")
        addresses = {"http": "{}:{}".format(*web.address), "rtmp": f"{config.rtmp_host}:{rtmp.port}"}
        if config.rtmps.enabled:
            rtmps = RtmpServer(stage, host=config.rtmps.host, port=config.rtmps.port, tls=_tls(config))
            await _listen(stack, rtmps, "RTMPS", config.rtmps.host, config.rtmps.port, "rtmps.port")
            addresses["rtmps"] = f"{config.rtmps.host}:{rtmps.port}"
        # What was made until now stays: the collector need not look at it again while media flows.
        gc.collect()
        gc.freeze()
        log.info("ready", **addresses)
        await stop.wait()
        log.info("stopping")
    log.info("closed", what="server", reason="asked to")


async def _foundations(config: Config, stack: AsyncExitStack) -> Foundations:
    """The database and what rests on it. Raises StartError when the configuration does not lead to one."""
    configured = config.database_url.get_secret_value() if config.database_url else None
    seeds: dict[type[Group], Mapping[str, object]] = {
        InstanceSettings: config.model_dump(include={"name", "title", "summary", "tags"}),
        ChatSettings: config.chat.model_dump(),
    }
    try:
        await asyncio.to_thread(config.data_dir.mkdir, parents=True, exist_ok=True)
        return await open_foundations(stack, address_of(configured, config.data_dir), seeds, _now)
    except OSError as error:
        raise StartError(f"The data directory {config.data_dir} cannot be used: {error.strerror}.") from error
    except (SettingError, StorageError) as error:
        raise StartError(str(error)) from error


def _now() -> datetime:
    return datetime.now(UTC)


def _instance(settings: Settings) -> Instance:
    instance, chat = settings.get(InstanceSettings), settings.get(ChatSettings)
    return Instance(
        name=instance.name,
        summary=instance.summary,
        tags=instance.tags,
        version=VERSION,
        chat_disabled=chat.disabled,
        slow_mode_seconds=chat.slow_mode_seconds,
    )


def _raise_descriptor_limit() -> None:
    """Every viewer is a file descriptor, and the usual soft limit of 1024 is soon reached."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _listen(
    stack: AsyncExitStack, server: WebServer | RtmpServer, purpose: str, host: str, port: int, option: str
) -> None:
    try:
        await server.start()
    except OSError as error:
        raise StartError(check.describe_bind_error(error, purpose, host, port, option)) from error
    stack.push_async_callback(server.aclose)


def _tls(config: Config) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate, key = config.rtmps.certificate, config.rtmps.key
    try:
        context.load_cert_chain(str(certificate), str(key))
    except (OSError, ssl.SSLError) as error:
        raise StartError(
            f"The certificate {certificate} with the key {key} cannot be used for RTMPS: {error}."
        ) from error
    return context


async def _toolbox(config: Config) -> Toolbox | None:
    try:
        binary = await ffmpeg_binary.find(str(config.ffmpeg_path or ""))
        choice = await encoders.select(binary, config.stream.codec, config.data_dir / "encoders.json")
    except EncoderError as error:
        log.error("no transcoding", reason=str(error))
        return None
    return Toolbox(binary, choice)


async def probe_machine(config: Config) -> check.FfmpegReport:
    """What `owncast-py check` says of ffmpeg: every encoder is tried anew."""
    try:
        binary = await ffmpeg_binary.find(str(config.ffmpeg_path or ""))
    except EncoderError as error:
        return check.FfmpegReport(None, problem=str(error))
    try:
        choice = await encoders.select(binary, config.stream.codec)
    except EncoderError as error:
        return check.FfmpegReport(str(binary.path), binary.version, problem=str(error))
    trials = [check.EncoderTrial(trial.name, trial.works, trial.why) for trial in choice.tried]
    return check.FfmpegReport(str(binary.path), binary.version, trials, choice.name, choice.warning)
