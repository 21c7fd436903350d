"""Serving: the order in which everything is built, started and ended.

Owns no rule. Where a part needs something of another, it is handed in here.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import ssl
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import TypeVar

import structlog

from ingest.hls.inlet import HlsInlet
from ingest.rtmp.server import RtmpServer
from owncast_py import check
from owncast_py.app import numbers, numbers_media, numbers_service
from owncast_py.app.direct_input import Direct
from owncast_py.app.kit import Kit
from owncast_py.app.readiness import Readiness
from owncast_py.app.stage import Stage
from owncast_py.app.stores import StoreObjects
from owncast_py.app.studio import StageStudio
from owncast_py.backup.commands import database_file
from owncast_py.backup.errors import BackupError
from owncast_py.backup.hourly import HourlyBackups
from owncast_py.broadcast.record import ShowRecord
from owncast_py.config import Config, Notifications, is_loopback
from owncast_py.credentials import Credentials
from owncast_py.delivery_channels import Carriers
from owncast_py.errors import SettingError, StartError, StorageError
from owncast_py.events import StreamStopped
from owncast_py.foundations import Foundations, open_foundations
from owncast_py.logs import add_secret
from owncast_py.metrics.prometheus import Exposition
from owncast_py.notifications.channels.mail_server import SmtpSettings
from owncast_py.notifications.channels.push_apns import Provider
from owncast_py.notifications.channels.push_fcm import ServiceAccount
from owncast_py.recent_logs import RecentLogs
from owncast_py.service_manager import ServiceManager
from owncast_py.services import Surroundings, open_services
from owncast_py.setting_groups import (
    ChatSettings,
    Group,
    InstanceSettings,
    ListenSettings,
    StorageSettings,
    VideoSettings,
)
from owncast_py.storage.database import address_of
from owncast_py.store_trial import StoreTrial
from transcoder import encoders, ffmpeg_binary
from transcoder.errors import EncoderError
from transcoder.segment_store.disk import DiskStore
from web import openapi
from web.api.ably.dialect import Ably
from web.api.apiture.dialect import mount_apiture
from web.api.matrix.dialect import Matrix
from web.api.owncast.dialect import Owncast, mount_owncast
from web.api.owncast.server_config import Running
from web.authentication import Authentication
from web.direct_input import direct_input_routes
from web.hls import Hls
from web.hls_routes import routes as hls_routes
from web.hot import HotDocument
from web.pages import BUILT, load_pages
from web.scraping import ScrapeServer, metrics_route
from web.server import Host, WebServer, build_application
from web.traffic import Traffic

VERSION = version("owncast-py")

T = TypeVar("T")

log = structlog.get_logger(__name__)


async def run(config: Config, credentials: Credentials, logs: RecentLogs) -> None:
    """Serves until SIGTERM or SIGINT. Raises StartError when a port is taken or a file cannot be used."""
    _raise_descriptor_limit()
    manager = ServiceManager.taken_from(os.environ, os.getpid())
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # Those who watch are told to the end that there is one: their listener closes last.
    async with AsyncExitStack() as watching, AsyncExitStack() as stack:
        store = DiskStore(config.data_dir / "hls") if config.hls.disk else None
        if store is not None:
            try:
                await store.start()
            except OSError as error:
                raise StartError(f"Segments cannot be kept under {config.data_dir}: {error.strerror}.") from error
            stack.push_async_callback(store.aclose)
        foundations = await _foundations(config, stack)
        foundations.logins.admin = credentials
        settings = foundations.settings
        add_secret(settings.get(StorageSettings).secret)
        listen = _listening(config, settings.get(ListenSettings))
        if config.channels.sandbox and not is_loopback(listen.http_host):
            raise StartError(
                f"channels.sandbox lets anybody make apps, so it needs an http_host of this machine alone, such as "
                f"127.0.0.1, not {listen.http_host!r}. Change http_host, or switch the sandbox off."
            )
        kit = Kit(str(config.ffmpeg_path or ""), config.data_dir / "encoders.json")
        if not config.insists_on("ffmpeg_path"):
            kit.path = settings.get(ListenSettings).ffmpeg_path
        await kit.select(settings.get(VideoSettings).codec)
        record = ShowRecord(foundations.database, _now)
        await record.start()
        stage = Stage(
            config,
            credentials,
            kit,
            store,
            foundations.events,
            video=settings.get(VideoSettings),
            storage=settings.get(StorageSettings),
            title=settings.get(InstanceSettings).title,
            record=record,
        )
        stack.push_async_callback(stage.aclose)
        studio = StageStudio(stage, kit)
        services = await open_services(
            stack,
            foundations,
            Surroundings(
                data_dir=config.data_dir,
                version=VERSION,
                status=stage.status,
                bitrates=lambda: [variant.video_bitrate for variant in studio.variants()],
                carriers=_carriers(config.notifications),
                received_kept=timedelta(days=config.notifications.received_days),
                directory_url=config.directory_url,
                now=_now,
                monotonic=time.monotonic,
            ),
        )
        # Whoever hears of its store is there by now.
        await stage.start()
        if record.interrupted:
            # Every show that was announced ends for its listeners, also one that the server did not live to end.
            foundations.events.publish(StreamStopped(_now(), settings.get(InstanceSettings).title))
        exposition = Exposition(await numbers.measure(stack, config.data_dir, stage, services, _now))
        readiness = Readiness(config.data_dir, kit, foundations.database, stage.stores)
        await readiness.start()
        stack.push_async_callback(readiness.aclose)
        backups = await _back_up(config, stack)

        store_trial = StoreTrial(StoreObjects.open)
        stack.callback(store_trial.aclose)
        host = Host(
            *(stage.viewers, readiness.reasons, config.trusted_proxies, readiness.warnings, config.log_requests)
        )
        traffic = Traffic()
        hls = Hls(stage, stage.viewers, traffic)
        inlet = HlsInlet(stage)
        stack.push_async_callback(inlet.aclose)
        pages = await asyncio.to_thread(load_pages, BUILT)
        routes = [*hls_routes(hls), *direct_input_routes(Direct(inlet, credentials))]
        application = build_application(host, pages, routes, traffic)
        running = [Running(VERSION, listen.http_host, listen.http_port, config.rtmp_host, listen.rtmp_port)]
        authentication = Authentication(foundations.accounts, credentials.verify_admin_password, time.monotonic)
        ably = Ably(services, _now, time.monotonic, sandbox=config.channels.sandbox)
        documents = mount_owncast(
            application,
            Owncast(
                services=services,
                studio=studio,
                viewers=stage.viewers,
                exposition=exposition,
                logs=logs,
                backups=backups,
                store_trial=store_trial,
                credentials=credentials,
                authentication=authentication,
                running=lambda: running[0],
                insists=config.insists_on,
                hide=add_secret,
                pages=pages,
                channel_socket=ably.sockets.serve,
                now=_now,
                monotonic=time.monotonic,
            ),
        )
        mount_apiture(application, services.notifications, foundations.events, authentication, _now)
        ably.mount(application)
        Matrix(
            *(foundations, services.chat.people.name_for, time.monotonic),
            server_name=config.accounts.server_name,
            open_registration=config.accounts.registration == "open",
        ).mount(application)
        openapi.mount(application, "owncast-py", VERSION)
        application.add_routes([metrics_route(exposition, authentication.admin)])
        hot = {
            "/api/status": HotDocument(documents.status.body, "no-store"),
            "/api/config": HotDocument(documents.config.body, "no-cache"),
        }
        web = WebServer(application, listen.http_host, listen.http_port, hls, hot)
        exposition.add(
            [
                *numbers_media.media(stage, kit, readiness.listeners),
                *numbers_service.http(traffic, web),
                *numbers_service.talk(services, documents.chat_fanout, ably),
                *numbers_service.deliveries(services),
                *numbers.storage(foundations.database),
                *numbers.process(VERSION, readiness, await numbers.watch_loop(stack)),
            ]
        )
        await _listen(stack, web, "HTTP", listen.http_host, listen.http_port, "--http-port")
        rtmp = RtmpServer(stage, host=config.rtmp_host, port=listen.rtmp_port)
        await _listen(stack, rtmp, "RTMP", config.rtmp_host, listen.rtmp_port, "--rtmp-port")
        readiness.listeners.append(rtmp)
        running[0] = Running(VERSION, web.address[0], web.address[1], config.rtmp_host, rtmp.port)
        addresses = {"http": "{}:{}".format(*web.address), "rtmp": f"{config.rtmp_host}:{rtmp.port}"}
        if config.rtmps.enabled:
            rtmps = RtmpServer(stage, host=config.rtmps.host, port=config.rtmps.port, tls=_tls(config))
            await _listen(stack, rtmps, "RTMPS", config.rtmps.host, config.rtmps.port, "rtmps.port")
            readiness.listeners.append(rtmps)
            addresses["rtmps"] = f"{config.rtmps.host}:{rtmps.port}"
        if config.metrics.port is not None:
            metrics = ScrapeServer(host, exposition, config.metrics.host, config.metrics.port)
            await _listen(watching, metrics, "metrics", config.metrics.host, config.metrics.port, "metrics.port")
            addresses["metrics"] = "{}:{}".format(*metrics.address)
        # What was made until now stays: the collector need not look at it again while media flows.
        gc.collect()
        gc.freeze()
        log.info("ready", **addresses)
        where = f"Viewers at {addresses['http']}, encoders at {addresses['rtmp']}."
        manager.start(" ".join([where, *readiness.reasons()]))
        stack.push_async_callback(manager.aclose)
        await stop.wait()
        log.info("stopping")
        manager.stopping()
        readiness.stopping = True
        await stage.conclude()
    log.info("closed", what="server", reason="asked to")


async def _foundations(config: Config, stack: AsyncExitStack) -> Foundations:
    """The database and what rests on it. Raises StartError when the configuration does not lead to one."""
    configured = config.database_url.get_secret_value() if config.database_url else None
    seeds = config.first_settings()
    sections: dict[type[Group], str] = {
        InstanceSettings: "",
        ChatSettings: "chat",
        VideoSettings: "stream",
        StorageSettings: "storage.s3",
    }
    firm: dict[type[Group], Mapping[str, object]] = {
        group: {
            name: value
            for name, value in seeds[group].items()
            if (config.insists_on(section, name) if section else config.insists_on(name))
        }
        for group, section in sections.items()
    }
    try:
        await asyncio.to_thread(config.data_dir.mkdir, parents=True, exist_ok=True)
        kept = timedelta(hours=config.channels.kept_hours)
        foundations = await open_foundations(
            *(stack, address_of(configured, config.data_dir), seeds, _now, time.monotonic), kept
        )
        for group, given in firm.items():
            await foundations.settings.change(group, **given)
    except OSError as error:
        raise StartError(f"The data directory {config.data_dir} cannot be used: {error.strerror}.") from error
    except (SettingError, StorageError) as error:
        raise StartError(str(error)) from error
    return foundations


@dataclass(frozen=True, slots=True)
class _Listening:
    http_host: str
    http_port: int
    rtmp_port: int


def _listening(config: Config, owner: ListenSettings) -> _Listening:
    """Where to listen: what the environment and the command line say, then the owner, then the configuration file."""

    def choose(name: str, configured: T, wanted: T | None) -> T:
        return configured if wanted is None or config.insists_on(name) else wanted

    return _Listening(
        http_host=choose("http_host", config.http_host, owner.http_host),
        http_port=choose("http_port", config.http_port, owner.http_port),
        rtmp_port=choose("rtmp_port", config.rtmp_port, owner.rtmp_port),
    )


async def _back_up(config: Config, stack: AsyncExitStack) -> HourlyBackups | None:
    """Begins to make backups, where the database is one that this program can copy."""
    try:
        file = database_file(config)
    except BackupError as error:
        log.info("no backups", reason=str(error))
        return None
    backups = HourlyBackups(config.data_dir, file, _now, hourly=config.backups.enabled)
    await backups.start()
    stack.push_async_callback(backups.aclose)
    return backups


def _carriers(notifications: Notifications) -> Carriers:
    """What notifications are sent by. Raises ConfigError for an account that cannot be used."""
    smtp, fcm, apns = notifications.smtp, notifications.fcm, notifications.apns
    password = smtp.password.get_secret_value() if smtp.password is not None else ""
    return Carriers(
        smtp=SmtpSettings(smtp.host, smtp.port, smtp.sender, smtp.security, smtp.username, password)
        if smtp.host is not None
        else None,
        fcm=ServiceAccount.read(fcm.service_account) if fcm.service_account is not None else None,
        apns=Provider.read(apns.key, team=apns.team_id, key_id=apns.key_id, topic=apns.topic)
        if apns.key is not None
        else None,
        apns_sandbox=apns.sandbox,
        private_targets=notifications.allow_private_targets,
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _raise_descriptor_limit() -> None:
    """Every viewer is a file descriptor, and the usual soft limit of 1024 is soon reached."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _listen(
    stack: AsyncExitStack,
    server: WebServer | RtmpServer | ScrapeServer,
    purpose: str,
    host: str,
    port: int,
    option: str,
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
