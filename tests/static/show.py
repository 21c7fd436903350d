"""A show for the viewer page: real segments, encoded once, put on the air as a sliding window by the real web server.

Owns what a test turns: on, off, broken, and what the status and the configuration say. It is plain HLS with two video
variants and one separate audio rendition; low latency delivery is the real server's, and is tested with it.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer
from fake_chat import FakeChat

from owncast_py.broadcast.session import State, Status
from owncast_py.setting_groups import ChatSettings, Group, InstanceSettings
from web.api.owncast.config import ConfigDocument
from web.api.owncast.status import StatusDocument
from web.operations import mount
from web.pages import load_pages
from web.server import Host, build_application
from web.site import Site

DIST = Path(os.environ.get("OWNCAST_DIST", Path(__file__).parents[2] / "static" / "dist"))
SEGMENT_SECONDS = 1
MEDIA_SECONDS = 120
WINDOW = 24
"""Segments in a playlist: so long that what a slow machine goes back to is still there when it asks."""
PUSH_KEY = "BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM"
"""Some server's, for browsers that ask to be notified."""
BEGAN = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)

INSTANCE = InstanceSettings(
    name="Tea", summary="Kettles, leaves and water, live from a small kitchen.", tags=("tea", "water")
)

_SEGMENT = re.compile(r"#EXTINF:([\d.]+),.*\n(\S+)")


def encode(directory: Path) -> Path:
    """Encodes the media into `directory`: v0 (180 lines), v1 (90 lines), v2 (sound), and their master playlist."""
    command = ["ffmpeg", "-v", "error", "-nostdin"]
    command += ["-f", "lavfi", "-i", f"testsrc2=size=320x180:rate=15:duration={MEDIA_SECONDS}"]
    command += ["-f", "lavfi", "-i", f"sine=frequency=440:duration={MEDIA_SECONDS}"]
    command += ["-map", "0:v", "-map", "0:v", "-map", "1:a", "-filter:v:1", "scale=160:90"]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-g", "15", "-b:v:0", "300k", "-b:v:1", "100k"]
    command += ["-c:a", "aac", "-b:a", "64k", "-pix_fmt", "yuv420p"]
    command += [
        "-f",
        "hls",
        "-hls_time",
        str(SEGMENT_SECONDS),
        "-hls_playlist_type",
        "vod",
        "-hls_segment_type",
        "fmp4",
    ]
    command += ["-master_pl_name", "stream.m3u8", "-hls_segment_filename", str(directory / "v%v/%d.m4s")]
    command += ["-var_stream_map", "v:0,agroup:sound v:1,agroup:sound a:0,agroup:sound,default:yes"]
    command += [str(directory / "v%v/stream.m3u8")]
    subprocess.run(command, check=True, timeout=120)
    return directory


@dataclass
class Show:
    """The server's side of the page, as a test wants it."""

    media: Path
    online: bool = False
    broken: bool = False
    """Nothing below /hls/ is found, as when a server has just been started anew."""
    title: str = "Kettles of the world"
    viewers: int = 3
    ever: bool = True
    """Whether there was a show before."""
    groups: list[Group] = field(default_factory=list)
    """Settings in place of the usual ones."""
    status_says: dict[str, object] = field(default_factory=dict)
    config_says: dict[str, object] = field(default_factory=dict)
    """Fields of the two documents in place of true ones, also such that no server of ours would write."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and `CMCD-Session` of every request for media and of every heartbeat."""
    _shows: int = 0
    _began: float = 0.0
    _ended: float | None = None

    def begin(self) -> None:
        """A new show is on the air."""
        self.online = True
        self._shows += 1
        self._began = asyncio.get_running_loop().time()
        self._ended = None

    def end(self) -> None:
        """The playlists end and the status says offline."""
        self.online = False
        self._ended = asyncio.get_running_loop().time()

    def go_on(self, seconds: float) -> None:
        """So much of the show passes at once."""
        self._began -= seconds

    def status(self) -> Status:
        """What `/api/status` says."""
        connected = BEGAN + timedelta(hours=self._shows) if self._shows or self.ever else None
        return Status(
            state=State.LIVE if self.online else State.OFFLINE,
            viewer_count=self.viewers if self.online else 0,
            session_max_viewer_count=self.viewers,
            overall_max_viewer_count=self.viewers,
            last_connect_time=connected,
            last_disconnect_time=None if self.online or connected is None else connected + timedelta(minutes=30),
            title=self.title,
        )

    def now(self) -> datetime:
        """The server's clock: two and a half hours after the last show ended, or 64:22 into this one."""
        connected = BEGAN + timedelta(hours=self._shows)
        return connected + (timedelta(hours=1, minutes=4, seconds=22) if self.online else timedelta(hours=3))

    def routes(self) -> list[web.RouteDef]:
        """The media."""
        return [
            web.get("/hls/stream.m3u8", self._master),
            web.get("/hls/{rendition:v\\d}/stream.m3u8", self._playlist),
            web.get("/hls/{rendition:v\\d}/{name:[\\w.]+}", self._file),
            web.get("/thumbnail.jpg", self._thumbnail),
        ]

    async def _master(self, request: web.Request) -> web.Response:
        self._admit(request)
        return _m3u8((self.media / "stream.m3u8").read_text())

    async def _playlist(self, request: web.Request) -> web.Response:
        self._admit(request)
        vod = (self.media / request.match_info["rendition"] / "stream.m3u8").read_text()
        segments = _SEGMENT.findall(vod)
        until = self._ended if self._ended is not None else asyncio.get_running_loop().time()
        last = min(len(segments), WINDOW + int((until - self._began) / SEGMENT_SECONDS))
        first = last - WINDOW
        head = vod[: vod.index("#EXTINF")].replace("#EXT-X-PLAYLIST-TYPE:VOD\n", "")
        head = re.sub(r"(?<=MEDIA-SEQUENCE:)\d+", str(first), head)
        body = "".join(f"#EXTINF:{duration},\n{name}\n" for duration, name in segments[first:last])
        return _m3u8(head + body + ("#EXT-X-ENDLIST\n" if self._ended is not None else ""))

    async def _file(self, request: web.Request) -> web.Response:
        self._admit(request)
        path = self.media / request.match_info["rendition"] / request.match_info["name"]
        if not path.is_file():
            raise web.HTTPNotFound
        return web.Response(body=path.read_bytes(), content_type="video/mp4")

    async def _thumbnail(self, _request: web.Request) -> web.Response:
        still = self.media / "thumbnail.jpg"
        if not still.is_file():
            raise web.HTTPNotFound
        return web.Response(body=still.read_bytes(), content_type="image/jpeg")

    def _admit(self, request: web.Request) -> None:
        self.asked.append((request.path, request.headers.get("CMCD-Session", "")))
        if self.broken or not self._shows:
            raise web.HTTPNotFound

    def touch(self, viewer_id: str) -> bool:
        """A heartbeat; `asked` holds the id that the web made of it."""
        self.asked.append(("/api/ping", viewer_id))
        return False

    def describe(self, viewer_id: str, address: str, user_agent: str) -> None:
        """Nobody asks who watches here."""


def _m3u8(text: str) -> web.Response:
    return web.Response(text=text, content_type="application/vnd.apple.mpegurl", headers={"Cache-Control": "no-cache"})


class ShowSettings:
    """The settings of a show: its own groups, else the usual ones."""

    def __init__(self, show: Show, *usual: Group) -> None:
        self._show = show
        self._usual = usual

    def get(self, group: type[Group]) -> Group:
        for each in (*self._show.groups, *self._usual):
            if isinstance(each, group):
                return each
        return group()


class Documents:
    """What the page is told, in itself and when it asks."""

    def __init__(self, show: Show, settings: ShowSettings) -> None:
        self._show = show
        self._status = StatusDocument(show.status, show.now, "0.1.0")
        self._config = ConfigDocument(settings, "0.1.0", lambda: PUSH_KEY)

    def status(self) -> bytes:
        return orjson.dumps(orjson.loads(self._status.body()) | self._show.status_says)

    def config(self) -> bytes:
        return orjson.dumps(orjson.loads(self._config.body()) | self._show.config_says)

    def routes(self) -> list[web.RouteDef]:
        async def status(_request: web.Request) -> web.Response:
            return web.Response(body=self.status(), content_type="application/json")

        async def config(_request: web.Request) -> web.Response:
            return web.Response(body=self.config(), content_type="application/json")

        return [web.get("/api/status", status), web.get("/api/config", config)]


def serve(show: Show, chat: FakeChat | None = None) -> TestServer:
    """The real application with the real pages, on a free port of loopback; without a chat, that is switched off."""
    settings = ShowSettings(show, INSTANCE, ChatSettings(disabled=chat is None))
    documents = Documents(show, settings)
    pages = load_pages(DIST)
    routes = [*show.routes(), *documents.routes(), *(chat.routes() if chat is not None else [])]
    application = build_application(Host(show, list, []), pages, routes)

    async def nobody(_request: web.Request) -> str:
        return ""

    site = Site(
        pages,
        settings,
        SimpleNamespace(favicon=None),
        lambda: show.online,
        lambda: {"status": documents.status(), "config": documents.config()},
        nobody,
        lambda handler: handler,
    )
    mount(application, site.operations())
    return TestServer(application)


def serve_chat(chat: FakeChat) -> TestServer:
    """The same while offline, with a chat."""
    return serve(Show(Path("/nonexistent")), chat)
