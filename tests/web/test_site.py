"""The page as a server shows it: its head, its policy, embeds, pictures, and what the owner adds."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from admin_wire import Admin, administered, found_at
from aiohttp import web
from aiohttp.test_utils import TestServer
from house import ADMIN, ADMIN_PASSWORD
from PIL import Image

from owncast_py.branding import FAVICON
from owncast_py.broadcast.session import State, Status
from web.pages import Page

HTML = (
    b'<!doctype html><html lang="en"><head><title>Live stream</title>'
    b'<meta name="description" content="Live stream" />'
    b'<link rel="icon" href="/favicon.svg" type="image/svg+xml" />'
    b'<script type="module" src="/assets/index.js"></script></head><body><noscript>x</noscript></body></html>'
)
PAGE = Page(HTML, None, "text/html; charset=utf-8", "x", "no-cache")
WORDS = {
    f"/words/{app}/{language}.json": Page(f'{{"in": "{language}"}}'.encode(), None, "application/json", "x", "no-cache")
    for app in ("viewer", "admin", "kit")
    for language in ("de", "en", "fr")
}
PAGES = {"/index.html": PAGE, "/admin.html": PAGE, **WORDS}
LIVE = Status(State.LIVE, 3, 4, 5, None, None, "Oolong")


@pytest.fixture
async def admin(tmp_path: Path) -> AsyncIterator[Admin]:
    async with administered(tmp_path, pages=PAGES) as opened:
        yield opened


async def fetch(admin: Admin, path: str, **headers: str) -> tuple[int, aiohttp.typedefs.LooseHeaders, bytes]:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    async with admin.session.get(admin.web.server.make_url(path), headers=names, allow_redirects=False) as response:
        return response.status, response.headers, await response.read()


def picture(kind: str = "PNG", size: tuple[int, int] = (40, 20)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (10, 200, 30)).save(out, kind)
    return out.getvalue()


def data_url(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


# The page.


async def test_the_head_is_this_servers_and_every_script_has_the_nonce(admin: Admin) -> None:
    await admin.set("name", 'Tea & "Cake"')
    await admin.set("serversummary", "<script>alert(1)</script>")
    await admin.set("serverurl", "https://tea.example")
    await admin.set("customjavascript", "let tea = 1")
    await admin.set("customstyles", "p{}")
    nonces = set()
    for _ in range(2):
        status, headers, body = await fetch(admin, "/")
        html, policy = body.decode(), headers["Content-Security-Policy"]
        assert status == 200
        nonce = re.search(r"'nonce-([^']+)'", policy)
        assert nonce is not None
        nonces.add(nonce[1])
        assert html.count("<script") == html.count(f'<script nonce="{nonce[1]}"') == 3
        assert "unsafe-inline" not in policy.replace("style", "")
        assert "unsafe-eval" not in policy
        assert "frame-ancestors 'self'" in policy
    assert len(nonces) == 2
    assert "<title>Tea &amp; &quot;Cake&quot;</title>" in html
    assert "<script>alert" not in html
    assert '<meta property="og:title" content="Tea &amp; &quot;Cake&quot;">' in html
    assert '<meta property="og:image" content="https://tea.example/logo/external">' in html
    assert '<link rel="stylesheet" href="/customstyles">' in html
    assert 'content="Live stream"' not in html
    assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


def state_of(html: str) -> dict[str, Any]:
    """What the page begins with."""
    found = re.search(r'<script[^>]*type="application/json" id="state">(.*?)</script>', html)
    assert found is not None
    state: dict[str, Any] = json.loads(found[1])
    return state


async def test_the_page_begins_with_the_state_that_the_api_tells(admin: Admin) -> None:
    admin.home.status = LIVE
    await admin.set("name", "</script><!-- <script>alert(1)</script>")
    state = state_of((await fetch(admin, "/"))[2].decode())
    assert state["config"] == await admin.get("/api/config")
    told = await admin.get("/api/status")
    assert isinstance(told, dict)
    assert state["status"] | {"serverTime": ""} == told | {"serverTime": ""}
    assert (state["language"], state["languages"], state["words"]) == ("en", ["de", "en", "fr"], {"in": "en"})


@pytest.mark.parametrize(
    ("accepted", "cookie", "language"),
    [
        ("", "", "en"),
        ("de-AT,de;q=0.9,en;q=0.5", "", "de"),
        ("xx, fr;q=0.2, de;q=0.8", "", "de"),
        ("de;q=0, fr;q=0.001", "", "fr"),
        ("fr;q=x", "", "en"),
        ("*", "", "en"),
        ("de", "fr", "fr"),
        ("de", "xx", "de"),
        ("," * 5_000 + "de", "", "en"),
    ],
)
async def test_the_language_is_the_browsers_unless_somebody_chose(
    admin: Admin, accepted: str, cookie: str, language: str
) -> None:
    headers = {"Accept_Language": accepted} | ({"Cookie": f"language={cookie}"} if cookie else {})
    html = (await fetch(admin, "/admin/settings/general", **headers))[2].decode()
    assert f'<html lang="{language}" dir="ltr">' in html
    assert state_of(html)["words"] == {"in": language}


async def test_the_theme_is_the_systems_unless_somebody_chose(admin: Admin) -> None:
    for cookie, attribute in (("dark", ' data-theme="dark"'), ("light", ' data-theme="light"'), ('"><x', "")):
        html = (await fetch(admin, "/", Cookie=f"theme={cookie}"))[2].decode()
        assert f'<html lang="en" dir="ltr"{attribute}>' in html


async def test_the_owners_page_is_for_no_frame_and_no_search_engine(admin: Admin) -> None:
    await admin.set("customjavascript", "let tea = 1")
    for path in ("/admin", "/admin/chat/users"):
        status, headers, body = await fetch(admin, path)
        assert status == 200
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert b"noindex" in body
        assert b"customjavascript" not in body
        assert "Set-Cookie" not in headers
        assert state_of(body.decode())["csrfToken"] == ""
    address = admin.web.server.make_url("/api/admin/session")
    async with admin.session.post(address, json={"password": ADMIN_PASSWORD}) as response:
        cookie, token = response.headers["Set-Cookie"].partition(";")[0], (await response.json())["csrfToken"]
    assert state_of((await fetch(admin, "/admin", Cookie=cookie))[2].decode())["csrfToken"] == token
    assert "csrfToken" not in state_of((await fetch(admin, "/", Cookie=cookie))[2].decode())


async def test_without_scripts_there_is_a_page_to_read(admin: Admin) -> None:
    await admin.set("pagecontent", "# Menu <script>alert(1)</script>")
    await admin.set("serversummary", "Kettles & leaves")
    noscript = re.search(r"<noscript>(.*)</noscript>", (await fetch(admin, "/"))[2].decode(), re.DOTALL)
    assert noscript is not None
    assert "<h1>Menu </h1>" in noscript[1]
    assert "Kettles &amp; leaves" in noscript[1]
    assert 'href="/hls/stream.m3u8"' in noscript[1]
    assert "alert" not in noscript[1]


async def test_the_manifest_is_this_servers(admin: Admin) -> None:
    await admin.set("name", "Tea house")
    found = json.loads((await fetch(admin, "/manifest.webmanifest"))[2])
    assert (found["name"], found["start_url"], found["icons"][0]["src"]) == ("Tea house", "/", "/logo/external")


async def test_the_head_follows_the_show_and_the_settings(admin: Admin) -> None:
    assert b"noindex" not in (await fetch(admin, "/"))[2]
    admin.home.status = LIVE
    await admin.set("streamtitle", "Oolong")
    await admin.set("disablesearchindexing", True)
    html = (await fetch(admin, "/"))[2].decode()
    assert "<title>Oolong · Tea</title>" in html
    assert "/thumbnail.jpg" in html
    assert "noindex" in html


async def test_media_from_elsewhere_is_allowed_by_name_only(admin: Admin) -> None:
    policy = (await fetch(admin, "/"))[1]["Content-Security-Policy"]
    assert "connect-src 'self';" in policy
    await admin.set("videoservingendpoint", "https://cdn.example/video")
    await admin.set("sockethostoverride", "chat.example")
    policy = (await fetch(admin, "/"))[1]["Content-Security-Policy"]
    assert "connect-src 'self' https://cdn.example ws://chat.example wss://chat.example;" in policy
    assert "media-src 'self' blob: https://cdn.example;" in policy


async def test_pages_of_the_owners_buttons_may_be_framed_and_no_others(admin: Admin) -> None:
    assert "frame-src 'self';" in (await fetch(admin, "/"))[1]["Content-Security-Policy"]
    urls = [
        "https://tip.example/jar?a=b",
        "http://10.0.0.2:8080#x",
        "/public/menu.html",
        "https://a.example;script-src/*",
        "https://[::1]/",
        "https://[",
        "https://ana@b.example/",
        "mailto:ana@tea.example",
    ]
    actions = [{"title": "Open", "url": url} for url in urls]
    actions.append({"title": "Tab", "url": "https://tab.example/", "openExternally": True})
    actions.append({"title": "Words", "url": "https://words.example/", "html": "<p>Hello</p>"})
    await admin.set("externalactions", actions)
    policy = (await fetch(admin, "/"))[1]["Content-Security-Policy"]
    assert "frame-src 'self' http://10.0.0.2:8080 https://tip.example;" in policy
    assert policy.count("script-src") == 1


async def test_what_plays_is_fetched_early_when_there_is_something_to_play(tmp_path: Path) -> None:
    script = Page(b"", None, "text/javascript", "x", "")
    pages = {**PAGES, "/assets/hls-engine-1a.js": script, "/assets/hlsjs-2_b-.js": script, "/assets/chat-3c.js": script}
    async with administered(tmp_path, pages=pages) as admin:
        assert b"modulepreload" not in (await fetch(admin, "/"))[2]
        admin.home.status = LIVE
        for path, links in {"/": 2, "/embed/video": 2, "/embed/chat/readonly": 0, "/admin": 0}.items():
            assert (await fetch(admin, path))[2].count(b'<link rel="modulepreload" href="/assets/hls') == links, path


async def test_each_browser_gets_its_own_cookie_once(admin: Admin) -> None:
    cookies = {(await fetch(admin, "/"))[1]["Set-Cookie"] for _ in range(2)}
    assert len(cookies) == 2
    assert all("HttpOnly" in cookie and "SameSite=Lax" in cookie for cookie in cookies)
    assert "Set-Cookie" not in (await fetch(admin, "/", Cookie="viewer=abc"))[1]


@pytest.mark.parametrize(
    "agent", ["VLC/3.0.18 LibVLC/3.0.18", "mpv 0.36", "Lavf/60.3.100", "AppleCoreMedia/1.0.0", "GStreamer souphttpsrc"]
)
async def test_a_media_player_is_sent_to_the_stream(admin: Admin, agent: str) -> None:
    status, headers, _ = await fetch(admin, "/", User_Agent=agent)
    assert (status, headers["Location"]) == (307, "/hls/stream.m3u8")


@pytest.mark.parametrize("agent", ["Mozilla/5.0 (X11; Linux x86_64) Chrome/140", "Googlebot/2.1", "curl/8", ""])
async def test_everybody_else_gets_the_page(admin: Admin, agent: str) -> None:
    assert (await fetch(admin, "/", User_Agent=agent))[0] == 200


async def test_embeds_may_stand_in_other_pages(admin: Admin) -> None:
    for path in ("/embed/video", "/embed/chat/readonly", "/embed/chat/readwrite"):
        status, headers, _ = await fetch(admin, path)
        assert status == 200
        assert "frame-ancestors *" in headers["Content-Security-Policy"]
    status, headers, _ = await fetch(admin, "/embed/chat")
    assert (status, headers["Location"]) == (307, "/embed/chat/readonly")


async def test_oembed_gives_a_player_that_fits(admin: Admin) -> None:
    await admin.set("serverurl", "https://tea.example")
    found = await admin.get("/api/oembed?url=https://tea.example&maxwidth=640&maxheight=200")
    assert (found_at(found, "width"), found_at(found, "height")) == (355, 199)
    assert '<iframe src="https://tea.example/embed/video" width="355" height="199"' in str(found_at(found, "html"))
    assert (await admin.refused("GET", "/api/oembed?format=xml"))[0] == 501
    assert (await admin.refused("GET", "/api/oembed?maxwidth=-1"))[0] == 400


async def test_without_a_build_the_page_says_what_to_do(tmp_path: Path) -> None:
    async with administered(tmp_path) as admin:
        status, headers, body = await fetch(admin, "/")
        assert (status, headers["Retry-After"]) == (503, "30")
        assert b"run `make setup`" in body


# Pictures.


async def test_the_logo_is_set_seen_and_kept(tmp_path: Path) -> None:
    async with administered(tmp_path) as admin:
        status, headers, body = await fetch(admin, "/logo")
        assert (status, headers["Content-Type"]) == (200, "image/svg+xml")
        shared = (await fetch(admin, "/logo/external"))[2]
        for size in ((40, 20), (60, 60)):
            await admin.set("logo", data_url(picture(size=size)))
            _, headers, body = await fetch(admin, "/logo")
            assert Image.open(io.BytesIO(body)).size == size
            assert "sandbox" in headers["Content-Security-Policy"]
            assert (await fetch(admin, "/logo", If_None_Match=headers["ETag"]))[0] == 304
            assert (await fetch(admin, "/logo/external"))[2] != shared
        await admin.set("logo", data_url(picture("GIF"), "gif"))
    async with administered(tmp_path) as again:
        _, headers, body = await fetch(again, "/logo")
        assert headers["Content-Type"] == "image/gif"
        assert [path.name for path in (tmp_path / "branding").iterdir()] == ["logo.gif"]


async def test_a_logo_may_lie_here_or_elsewhere(tmp_path: Path) -> None:
    elsewhere = web.Application()

    async def serve(_request: web.Request) -> web.Response:
        return web.Response(body=picture(size=(33, 33)))

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(1 << 20))

    elsewhere.add_routes([web.get("/logo.png", serve), web.get("/endless", endless)])
    (tmp_path / "public").mkdir()
    (tmp_path / "public/mine.png").write_bytes(picture(size=(44, 44)))
    async with TestServer(elsewhere) as server, administered(tmp_path) as admin:
        await admin.set("logo", str(server.make_url("/logo.png")))
        assert Image.open(io.BytesIO((await fetch(admin, "/logo"))[2])).size == (33, 33)
        await admin.set("logo", "/public/mine.png")
        assert Image.open(io.BytesIO((await fetch(admin, "/logo"))[2])).size == (44, 44)
        status, sentence = await admin.refused(
            "POST", "/api/admin/config/logo", {"value": str(server.make_url("/endless"))}
        )
        assert (status, "more than 5000 kB" in sentence) == (400, True)
        status, sentence = await admin.refused(
            "POST", "/api/admin/config/logo", {"value": str(server.make_url("/none"))}
        )
        assert (status, "answered 404" in sentence) == (400, True)
    async with administered(tmp_path, allow_private=False) as guarded:
        for address in ("http://127.0.0.1:1/logo.png", "http://169.254.169.254/latest/meta-data", "http://[::1]/x"):
            status, sentence = await guarded.refused("POST", "/api/admin/config/logo", {"value": address})
            assert (status, "does not call" in sentence) == (400, True)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "no image",
        "data:image/png;base64,AAAA",
        data_url(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "svg+xml"),
        "/public/../credentials.json",
        "/etc/passwd",
        "file:///etc/passwd",
        data_url(picture(size=(4097, 1))),
    ],
)
async def test_what_is_no_logo(admin: Admin, value: str) -> None:
    before = (await fetch(admin, "/logo"))[2]
    assert (await admin.refused("POST", "/api/admin/config/logo", {"value": value}))[0] == 400
    assert (await fetch(admin, "/logo"))[2] == before


async def test_the_logo_is_taken_back(tmp_path: Path) -> None:
    path = "/api/admin/config/logo"
    async with administered(tmp_path) as admin:
        own, shared = (await fetch(admin, "/logo"))[2], (await fetch(admin, "/logo/external"))[2]
        assert (await admin.ask("DELETE", path))[0] == 200  # there is nothing to take back, and that is no fault
        await admin.set("logo", data_url(picture("PNG", (64, 32))))
        assert (await fetch(admin, "/logo"))[2] != own
        assert (await admin.ask("DELETE", path))[0] == 200
    async with administered(tmp_path) as again:
        assert ((await fetch(again, "/logo"))[2], (await fetch(again, "/logo/external"))[2]) == (own, shared)


async def test_the_favicon_is_set_seen_kept_and_taken_back(tmp_path: Path) -> None:
    path = "/api/admin/config/favicon"
    async with administered(tmp_path, pages=PAGES) as admin:
        assert b'href="/favicon.svg"' in (await fetch(admin, "/"))[2]
        own = (await fetch(admin, "/favicon.ico"))[2]
        form = aiohttp.FormData()
        form.add_field("other", "x")
        form.add_field("favicon", io.BytesIO(picture("PNG", (32, 32))), filename="a.png", content_type="image/png")
        assert (await admin.ask("POST", path, form))[0] == 200
        assert Image.open(io.BytesIO((await fetch(admin, "/favicon.ico"))[2])).size == (32, 32)
        page = (await fetch(admin, "/"))[2]
        assert (b'<link rel="icon" href="/favicon.ico?' in page, b"/favicon.svg" in page) == (True, False)
        assert (await admin.ask("POST", path, picture("ICO", (16, 16))))[0] == 200
    async with administered(tmp_path) as again:
        assert Image.open(io.BytesIO((await fetch(again, "/favicon.ico"))[2])).size == (16, 16)
        for body in (b"", b"no icon", b"\0\0\1\0garbage", picture("PNG", (513, 513)), bytes(FAVICON.max_bytes + 1)):
            assert (await again.refused("POST", path, body))[0] == 400
        assert (await again.refused("POST", path, bytes(1 << 20)))[0] == 413
        headers = ADMIN | {"Content-Type": "multipart/form-data"}
        assert (await again.refused("POST", path, b"--x", headers))[0] == 400
        assert (await again.ask("DELETE", path))[0] == 200
        assert (await fetch(again, "/favicon.ico"))[2] == own


# What the owner puts there.


async def test_public_files_are_served_and_nothing_else(admin: Admin, tmp_path: Path) -> None:
    (tmp_path / "public/deep").mkdir(parents=True)
    (tmp_path / "public/deep/tea.txt").write_text("tea")
    (tmp_path / "public/link").symlink_to(tmp_path / "owncast.db")
    status, headers, body = await fetch(admin, "/public/deep/tea.txt")
    assert (status, body, headers["Content-Type"]) == (200, b"tea", "text/plain")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert (await fetch(admin, "/public/deep/tea.txt", If_None_Match=headers["ETag"]))[0] == 304
    for path in ("link", "deep", "../owncast.db", "%2e%2e/owncast.db", "..%2fowncast.db", "%00", "", "x" * 3_000):
        async with admin.session.get(f"{admin.web.server.make_url('/')}public/{path}") as response:
            assert response.status == 404, path
