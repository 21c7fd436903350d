"""The pages as one server shows them: their heads for link previews, their policy, the embeds, what the owner adds.

Owns `/`, `/embed/*`, `/admin`, `/robots.txt`, `/customjavascript`, `/customstyles`, `/public/*`, the manifest and
oEmbed. The pages themselves are what Vite built, and `web.shell` fills them. A media player that opens `/` is sent to
the stream.
"""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

import orjson
from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from owncast_py import page_text
from owncast_py.branding import Branding
from owncast_py.setting_groups import (
    AppearanceSettings,
    InstanceSettings,
    ListenSettings,
    StorageSettings,
    VideoSettings,
)
from owncast_py.settings import Settings
from web.addresses import VIEWER_COOKIE, origin
from web.body import Query
from web.operations import Api, Call, Media, Operation, Wrapper
from web.pages import MISSING, Page
from web.shell import Filling, Shell

PLAYERS = re.compile(
    r"\b(?:vlc|libvlc|mpv|libmpv|lavf|ffmpeg|ffplay|gstreamer|applecoremedia|kodi|xbmc|stagefright|exoplayer|roku|"
    r"itunes|mplayer|quicktime|streamlink|avpro|winamp|foobar2000|libquvi|nsplayer)\b",
    re.IGNORECASE,
)
"""Programs that play a stream and show no page, by a word of how they call themselves."""
STREAM = "/hls/stream.m3u8"
WIDTH, HEIGHT = 1280, 720
"""Pixels of an embedded player whose size nobody says."""
MAX_SIZE = 10_000
PLAYER_SCRIPT = re.compile(r"/assets/hls[\w-]*\.js")
"""The files of the build that play: fetched beside the page's own scripts when there is something to play."""
FRAMED = re.compile(r"(https?://[A-Za-z0-9.-]+(?::\d{1,5})?)(?:[/?#]|$)", re.IGNORECASE)
"""An address whose origin is a source of CSP level 3 §2.3.1: anything else could be read as more of the policy."""

VIEWER, ADMIN = "viewer", "admin"
APPS = {VIEWER: "/index.html", ADMIN: "/admin.html"}
"""The pages of the build."""
WORDS = {VIEWER: ("kit", "viewer", "chat"), ADMIN: ("kit", "admin")}
"""The folders that each page has its words from."""


class EmbedQuery(Query):
    """The page to embed, and how large it may be."""

    url: str = Field("", max_length=1_000)
    format: str = Field("json", max_length=10, json_schema_extra={"enum": ["json"]})
    maxwidth: int = Field(WIDTH, ge=1, le=MAX_SIZE)
    maxheight: int = Field(HEIGHT, ge=1, le=MAX_SIZE)


class Embed(TypedDict):
    """oEmbed 1.0 §2.3.4.2: a player to put into a page."""

    version: str
    type: str
    provider_name: str
    provider_url: str
    title: str
    thumbnail_url: str
    thumbnail_width: int
    thumbnail_height: int
    html: str
    width: int
    height: int


class Site:
    """The pages and what belongs to them."""

    def __init__(
        self,
        pages: Mapping[str, Page],
        settings: Settings,
        branding: Branding,
        online: Callable[[], bool],
        state: Callable[[], Mapping[str, bytes]],
        session: Callable[[web.Request], Awaitable[str]],
        wrapper: Wrapper,
        socket: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None,
    ) -> None:
        """`pages` is what was built; nothing until it is. `state` is what a page begins with, as JSON by name.

        `session` gives the CSRF token of the admin's session, empty when there is none. `socket` serves WebSockets that
        come to the page's own address, where the libraries of channels look for them.
        """
        self._shells = {app: Shell(pages[path], WORDS[app], pages) for app, path in APPS.items() if path in pages}
        self._player = sorted(path for path in pages if PLAYER_SCRIPT.fullmatch(path))
        self._settings = settings
        self._branding = branding
        self._online = online
        self._state = state
        self._session = session
        self._wrapper = wrapper
        self._socket = socket

    def operations(self) -> list[Operation]:
        """All of them."""
        page = Media("text/html", "The page.")
        text = Media("text/plain", "The file.")
        api = Api("Site", self._wrapper)
        api.add("GET", "/", self._index, media=page)
        api.add("GET", "/embed/video", self._embed, media=page)
        api.add("GET", "/embed/chat/readonly", self._embed, media=page)
        api.add("GET", "/embed/chat/readwrite", self._embed, media=page)
        api.add("GET", "/embed/chat", self._embed_chat, media=page)
        api.add("GET", "/admin", self._admin, media=page)
        api.add("GET", "/admin/{path:.*}", self._admin, media=page)
        api.add("GET", "/manifest.webmanifest", self._manifest, media=Media("application/manifest+json", "The app."))
        api.add("GET", "/api/oembed", self._oembed)
        api.add("GET", "/robots.txt", self._robots, media=text)
        api.add("GET", "/customjavascript", self._script, media=Media("text/javascript", "The owner's JavaScript."))
        api.add("GET", "/customstyles", self._styles, media=Media("text/css", "The owner's CSS and colours."))
        api.add("GET", "/public/{path:.*}", self._public, media=Media("application/octet-stream", "The file."))
        return api.operations

    # The pages.

    async def _index(self, call: Call[None]) -> web.StreamResponse:
        """The page to watch and to chat; a media player is sent to the stream instead, a WebSocket to the channels."""
        if self._socket is not None and call.request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._socket(call.request)
        if PLAYERS.search(call.request.headers.get("User-Agent", "")):
            raise web.HTTPTemporaryRedirect(STREAM)
        return self._respond(call.request, VIEWER, self._state(), framed_by="'self'")

    async def _embed(self, call: Call[None]) -> web.Response:
        """The player, or the chat, to put into pages of other sites."""
        return self._respond(call.request, VIEWER, self._state(), framed_by="*")

    async def _embed_chat(self, _call: Call[None]) -> web.Response:
        """The chat to read, where 0.0.7 had it."""
        raise web.HTTPTemporaryRedirect("/embed/chat/readonly")

    async def _admin(self, call: Call[None]) -> web.Response:
        """The page to run the show. Whoever opens it signs in there."""
        token = await self._session(call.request)
        state = {**self._state(), "csrfToken": orjson.dumps(token)}
        return self._respond(call.request, ADMIN, state, framed_by="'none'")

    def _respond(self, request: web.Request, app: str, state: Mapping[str, bytes], framed_by: str) -> web.Response:
        shell = self._shells.get(app)
        if shell is None:
            return web.Response(status=503, text=MISSING, headers={"Cache-Control": "no-store", "Retry-After": "30"})
        nonce = secrets.token_urlsafe(16)
        body = shell.fill(shell.taste(request), self._filling(request, app, state))
        body = body.replace(b"<script", f'<script nonce="{nonce}"'.encode())
        headers = {
            "Content-Security-Policy": policy(
                nonce, framed_by, self._media_origins(), self._socket_origins(), self._framed_origins()
            ),
            "Referrer-Policy": "strict-origin-when-cross-origin",
            "Cache-Control": "no-store",
        }
        response = web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)
        if app == VIEWER and VIEWER_COOKIE not in request.cookies:
            # Tells two browsers behind one address apart; gone when the browser closes, and readable by no script.
            response.set_cookie(VIEWER_COOKIE, secrets.token_urlsafe(12), httponly=True, samesite="Lax")
        response.enable_compression()
        return response

    def _media_origins(self) -> list[str]:
        """Where media comes from beside this server."""
        storage = self._settings.get(StorageSettings)
        elsewhere = [self._settings.get(VideoSettings).serving_endpoint]
        if storage.enabled:
            elsewhere.append(storage.serving_address)
        return sorted({"{0.scheme}://{0.netloc}".format(urlsplit(each)) for each in elsewhere if each})

    def _socket_origins(self) -> list[str]:
        """Where the chat's socket leads, unless it is here."""
        host = self._settings.get(ListenSettings).socket_host
        return [host] if "://" in host else [f"ws://{host}", f"wss://{host}"] if host else []

    def _framed_origins(self) -> list[str]:
        """Where the pages are that the owner's buttons open over this one."""
        actions = self._settings.get(InstanceSettings).external_actions
        opened = (FRAMED.match(each.url) for each in actions if not each.html and not each.open_externally)
        return sorted({address[1] for address in opened if address is not None})

    def _filling(self, request: web.Request, app: str, state: Mapping[str, bytes]) -> Filling:
        instance, icon = self._settings.get(InstanceSettings), self._branding.favicon
        title = f"{instance.title} · {instance.name}" if instance.title else instance.name
        where = instance.server_url or origin(request)
        shown = app == VIEWER
        plays = shown and self._online() and not request.path.startswith("/embed/chat")
        preloads = "".join(f'<link rel="modulepreload" href="{path}">' for path in self._player) if plays else ""
        return Filling(
            title=title if shown else f"Admin · {instance.name}",
            head=preloads + self._meta(instance, where, title) + _additions(self._settings.get(AppearanceSettings))
            if shown
            else '<meta name="robots" content="noindex, nofollow">',
            plain=_plain(instance, title) if shown else "",
            icon=f"/favicon.ico?{icon.etag}" if icon is not None else "",
            state=state,
        )

    def _meta(self, instance: InstanceSettings, where: str, title: str) -> str:
        """OpenGraph (ogp.me), Twitter's cards and oEmbed's discovery."""
        picture = f"{where}/thumbnail.jpg" if self._online() else f"{where}/logo/external"
        named = {"description": instance.summary, "twitter:card": "player" if self._online() else "summary"}
        named["twitter:player"], named["twitter:image"] = f"{where}/embed/video", picture
        if instance.disable_search_indexing:
            named["robots"] = "noindex, nofollow"
        properties = {
            "og:title": title,
            "og:site_name": instance.name,
            "og:url": where,
            "og:description": instance.summary,
            "og:type": "video.other",
            "og:image": picture,
            "og:video": f"{where}{STREAM}",
            "og:video:type": "application/x-mpegURL",
        }
        discovery = f"{where}/api/oembed?url={where}"
        return "".join(
            [
                *(f'<meta name="{name}" content="{html.escape(text)}">' for name, text in named.items() if text),
                *(f'<meta property="{name}" content="{html.escape(text)}">' for name, text in properties.items()),
                f'<link rel="alternate" type="application/json+oembed" href="{html.escape(discovery)}">',
                '<link rel="manifest" href="/manifest.webmanifest">',
                '<link rel="apple-touch-icon" href="/logo/external">',
            ]
        )

    async def _manifest(self, _call: Call[None]) -> web.Response:
        """How the page is installed as an app (W3C, Web Application Manifest)."""
        instance = self._settings.get(InstanceSettings)
        manifest = {
            "name": instance.name,
            "short_name": instance.name,
            "description": instance.summary,
            "start_url": "/",
            "display": "minimal-ui",
            "icons": [{"src": "/logo/external", "sizes": "512x512", "type": "image/png"}],
        }
        headers = {"Cache-Control": "public, max-age=300", "Content-Type": "application/manifest+json"}
        return web.Response(body=orjson.dumps(manifest), headers=headers)

    async def _oembed(self, call: Call[EmbedQuery]) -> Embed:
        """How to put the player into another page (oEmbed 1.0)."""
        if call.input.format != "json":
            # §2.3.6: "501 Not Implemented: The provider cannot return a response in the requested format."
            raise web.HTTPNotImplemented(text="Only the format json is answered.")
        instance = self._settings.get(InstanceSettings)
        where = instance.server_url or origin(call.request)
        width = min(call.input.maxwidth, WIDTH, call.input.maxheight * WIDTH // HEIGHT)
        height = width * HEIGHT // WIDTH
        source = html.escape(f"{where}/embed/video")
        return {
            "version": "1.0",
            "type": "video",
            "provider_name": instance.name,
            "provider_url": where,
            "title": instance.title or instance.name,
            "thumbnail_url": f"{where}/thumbnail.jpg" if self._online() else f"{where}/logo/external",
            "thumbnail_width": WIDTH,
            "thumbnail_height": HEIGHT,
            "html": f'<iframe src="{source}" width="{width}" height="{height}" allowfullscreen></iframe>',
            "width": width,
            "height": height,
        }

    # What the owner adds.

    async def _robots(self, _call: Call[None]) -> web.Response:
        """What search engines may look at."""
        hidden = self._settings.get(InstanceSettings).disable_search_indexing
        rules = "User-agent: *\nDisallow: /\n" if hidden else "User-agent: *\nDisallow: /api/\nDisallow: /hls/\n"
        return web.Response(text=rules, headers={"Cache-Control": "public, max-age=300"})

    async def _script(self, _call: Call[None]) -> web.Response:
        """The owner's JavaScript, which the page runs."""
        text = self._settings.get(AppearanceSettings).custom_javascript
        return web.Response(text=text, content_type="text/javascript", headers={"Cache-Control": "no-cache"})

    async def _styles(self, _call: Call[None]) -> web.Response:
        """The owner's colours and CSS, which the page uses."""
        looks = self._settings.get(AppearanceSettings)
        variables = "".join(f"--{name}:{value};" for name, value in looks.variables.items())
        text = (f":root{{{variables}}}\n" if variables else "") + looks.custom_styles
        return web.Response(text=text, content_type="text/css", headers={"Cache-Control": "no-cache"})

    async def _public(self, call: Call[None]) -> web.Response:
        """A file that the owner put into `public/` in the data directory."""
        file = await self._branding.public_file(call.part("path"))
        if file is None:
            raise web.HTTPNotFound(text="There is no such file.")
        etag = f'"{file.etag}"'
        headers = {"Cache-Control": "public, max-age=300", "ETag": etag, "Content-Type": file.content_type}
        if call.request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=file.data, headers=headers)


def policy(nonce: str, framed_by: str, media: Sequence[str], sockets: Sequence[str], frames: Sequence[str] = ()) -> str:
    """The page's Content-Security-Policy (CSP level 3): no script runs that the page does not name."""
    origins, framed = " ".join(["", *media]), " ".join(["'self'", *frames])
    return (
        f"default-src 'self'; script-src 'self' 'nonce-{nonce}'; connect-src 'self'{' '.join(['', *media, *sockets])}; "
        # hls.js feeds media through blob: URLs; a script of the owner's may make a worker from one.
        f"media-src 'self' blob:{origins}; worker-src 'self' blob:; "
        # What the owner writes below the video may show pictures from elsewhere.
        f"img-src 'self' data: blob: https:; frame-src {framed}; "
        f"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors {framed_by}"
    )


def _additions(looks: AppearanceSettings) -> str:
    styles = '<link rel="stylesheet" href="/customstyles">' if looks.custom_styles or looks.variables else ""
    return styles + ('<script src="/customjavascript" defer></script>' if looks.custom_javascript else "")


_about = lru_cache(maxsize=1)(page_text.render)
"""Every page that is opened has it, and Markdown takes its time."""


def _plain(instance: InstanceSettings, title: str) -> str:
    """The page for a browser without scripts: what is on, what it is about, and the way to the stream."""
    about = _about(instance.page_content)
    return (
        f'<main class="noscript"><h1>{html.escape(title)}</h1><p>{html.escape(instance.summary)}</p>'
        "<p>This page needs JavaScript to play. The stream itself does not: open "
        f'<a href="{STREAM}">{STREAM}</a> in VLC, mpv or any other player that reads HLS.</p>{about}</main>'
    )
