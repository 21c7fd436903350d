"""The server of `blocking.py`: the real parts, and a note of the moment at which each part is ready.

Prints its addresses, then at the end one line per part of rendition 0: `msn.part`, wall clock in nanoseconds.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
import time
from pathlib import Path

import structlog
import uvloop
from harness import ADMIN_PASSWORD, PASSTHROUGH, STREAM_KEY

from ingest.rtmp.server import RtmpServer
from owncast_py.app.kit import Kit
from owncast_py.app.stage import Stage
from owncast_py.config import Config
from owncast_py.credentials import load_credentials
from owncast_py.events import Events
from owncast_py.setting_groups import VideoSettings
from transcoder.window import LiveWindow, Rendition
from web.hls import Hls
from web.hls_routes import routes as hls_routes
from web.server import Host, WebServer, build_application


class ReadyTimes:
    """Waits for one part after the other, always as the first of all waiters."""

    def __init__(self, stage: Stage) -> None:
        self.lines: list[str] = []
        self._stage = stage

    def watch(self) -> None:
        """Looks for the window until there is one."""
        window = self._stage.window()
        if window is None:
            asyncio.get_running_loop().call_later(0.01, self.watch)
            return
        self._wait(window, window.renditions[0])

    def _wait(self, window: LiveWindow, rendition: Rendition) -> None:
        position = rendition.upcoming

        def ready() -> None:
            self.lines.append("{}.{} {}".format(*position, time.time_ns()))
            if not window.ended:
                self._wait(window, rendition)

        rendition.wait(*position, ready)


async def main() -> None:
    """Serves until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with tempfile.TemporaryDirectory() as home:
        config = Config(stream_key=STREAM_KEY, admin_password=ADMIN_PASSWORD, data_dir=Path(home))
        credentials = load_credentials(config, lambda _box: None)
        video = VideoSettings.model_validate({"variants": PASSTHROUGH})
        stage = Stage(config, credentials, Kit("", None), None, Events(), video=video)
        await stage.start()
        ready = ReadyTimes(stage)
        hls = Hls(stage, stage.viewers)
        host = Host(stage.viewers, list, config.trusted_proxies)
        web = WebServer(build_application(host, {}, hls_routes(hls)), "127.0.0.1", 0, hls)
        rtmp = RtmpServer(stage, host="127.0.0.1", port=0)
        await web.start()
        await rtmp.start()
        print("http://{}:{}".format(*web.address), f"rtmp://127.0.0.1:{rtmp.port}/live/{STREAM_KEY}", flush=True)
        ready.watch()
        await stop.wait()
        print(*ready.lines, sep="\n", flush=True)
        await rtmp.aclose()
        await web.aclose()
        await stage.aclose()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    uvloop.run(main())
