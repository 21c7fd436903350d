"""A show through nginx and Caddy with the files of `deploy/`: TLS, HTTP/2, answers that wait, sockets, cookies."""

from __future__ import annotations

import asyncio
import io
import os
import re
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import httpx
import pytest
from hosting import ROOT, command
from owner import ADMIN
from rig import PASSTHROUGH, PASSWORD, PATIENCE, Server, ServerFactory, publishing, segments, settles

pytestmark = pytest.mark.e2e

Samples = Callable[[str], Path]

NGINX = ROOT / "deploy" / "nginx" / "owncast-py.conf"
CADDY = ROOT / "deploy" / "caddy"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"There is no {name}: `make test` installs it where it may.")
    return found


@asynccontextmanager
async def process(*words: str, **environment: str) -> AsyncIterator[None]:
    """A program that serves until the end."""
    started = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, env={**os.environ, **environment}
    )
    try:
        yield
    finally:
        if started.returncode is None:
            started.terminate()
        async with asyncio.timeout(PATIENCE):
            await started.wait()


def nginx_before(server: Server, folder: Path, port: int) -> tuple[list[str], Path]:
    """nginx with our file, apart from its ports and paths; the command, and the certificate to believe."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    made = command(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
        *("-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate),
    )
    assert made.returncode == 0, made.stderr
    text = NGINX.read_text()
    exchanged = {
        "server 127.0.0.1:8080;": f"server {server.http.removeprefix('http://')};",
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "live.example.org;": "localhost;",
        "/etc/letsencrypt/live/live.example.org/fullchain.pem": str(certificate),
        "/etc/letsencrypt/live/live.example.org/privkey.pem": str(key),
    }
    for old, new in exchanged.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "owncast-py.conf").write_text(text)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    user = "user root;" if os.getuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; pid {folder}/pid; error_log {folder}/error.log;\nevents {{}}\n"
        f"http {{ access_log off; {places} include {folder}/owncast-py.conf; }}\n"
    )
    words = [program("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    tested = command(*words, "-t")
    assert tested.returncode == 0, tested.stderr
    assert "[warn]" not in tested.stderr
    return words, certificate


def caddy_before(server: Server, folder: Path, port: int) -> tuple[list[str], Path]:
    """Caddy with our file below a few lines that keep it in the folder; it signs for localhost by itself."""
    (folder / "sites").mkdir()
    shutil.copy(CADDY / "store.caddy", folder / "sites")
    ours = ("admin off", f"http_port {free_port()}", f"https_port {port}", "skip_install_trust")
    quiet = "{{\n{}\n}}\n".format("\n".join([*ours, "auto_https disable_redirects"]))
    (folder / "Caddyfile").write_text(quiet + (CADDY / "Caddyfile").read_text())
    words = [program("caddy"), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    return words, folder / "caddy" / "pki" / "authorities" / "local" / "root.crt"


BEFORE = {"nginx": nginx_before, "caddy": caddy_before}


@asynccontextmanager
async def proxied(name: str, server: Server, folder: Path) -> AsyncIterator[tuple[str, ssl.SSLContext]]:
    """The server behind that proxy: its address, and what makes its certificate believed."""
    folder.mkdir()
    port = free_port()
    words, certificate = BEFORE[name](server, folder, port)
    surroundings = {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "HOME": str(folder)}
    surroundings |= {"OWNCAST_UPSTREAM": server.http.removeprefix("http://")}
    async with process(*words, **surroundings):
        url = f"https://localhost:{port}"

        async def answers() -> object:
            if not certificate.exists():
                return "no certificate yet"
            try:
                context = ssl.create_default_context(cafile=certificate)
                async with server.session.get(f"{url}/healthz", ssl=context) as response:
                    return response.status
            except (aiohttp.ClientError, ssl.SSLError) as error:
                return error

        await settles(answers, lambda answer: answer == 200, f"{name} answers")
        yield url, ssl.create_default_context(cafile=certificate)


@pytest.mark.parametrize("name", BEFORE)
async def test_a_show_is_watched_through_the_proxy(
    name: str, start: ServerFactory, samples: Samples, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(start(config=PASSTHROUGH))
        url, context = await stack.enter_async_context(proxied(name, server, tmp_path / "proxy"))
        await stack.enter_async_context(publishing(server, samples("plain.flv")))
        await server.playlist(0, lambda text: bool(segments(text)))
        viewer = await stack.enter_async_context(httpx.AsyncClient(http2=True, verify=context, timeout=PATIENCE))
        playlist = (await viewer.get(f"{url}/hls/0/stream.m3u8")).text
        found = re.search(r"#EXT-X-MEDIA-SEQUENCE:(\d+)", playlist)
        assert found is not None
        coming = int(found[1]) + len(segments(playlist)) + 1
        # Asked for before it is there: the answer waits, and holds it when it comes.
        answer = await viewer.get(f"{url}/hls/0/stream.m3u8?_HLS_msn={coming}&_HLS_part=0")
        assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
        assert int(re.findall(r"#EXT-X-MEDIA-SEQUENCE:(\d+)", answer.text)[0]) + len(segments(answer.text)) >= coming
        media = next(line for line in answer.text.splitlines() if line.endswith(".m4s"))
        through = await viewer.get(httpx.URL(f"{url}/hls/0/stream.m3u8").join(media))
        assert through.status_code == 200
        status, directly = await server.get(httpx.URL(f"{url}/hls/0/stream.m3u8").join(media).raw_path.decode())
        assert (status, directly) == (200, through.content)


@pytest.mark.parametrize("name", BEFORE)
async def test_chat_and_the_owner_s_session_pass_the_proxy(name: str, start: ServerFactory, tmp_path: Path) -> None:
    async with start(config=PASSTHROUGH) as server, proxied(name, server, tmp_path / "proxy") as (url, context):
        async with server.session.post(f"{url}/api/chat/register", json={}, ssl=context) as response:
            token = (await response.json())["accessToken"]
        async with server.session.ws_connect(f"{url}/ws?accessToken={token}", ssl=context) as chat:
            await chat.send_json({"type": "CHAT", "body": "through the proxy"})
            async with asyncio.timeout(PATIENCE):
                heard = ""
                while "through the proxy" not in heard:
                    heard = (await chat.receive()).data
        # The page's origin is the host that is asked, and the cookie is kept to TLS.
        signing_in = {"password": PASSWORD}
        headers = {"Origin": url}
        async with server.session.post(
            f"{url}/api/admin/session", json=signing_in, headers=headers, ssl=context
        ) as response:
            assert response.status == 200, await response.text()
            cookie = response.headers["Set-Cookie"]
        assert "Secure" in cookie


@pytest.mark.parametrize("name", BEFORE)
async def test_segments_of_an_encoder_pass_the_proxy(name: str, start: ServerFactory, tmp_path: Path) -> None:
    async with start(config=PASSTHROUGH) as server, proxied(name, server, tmp_path / "proxy") as (url, context):
        async with server.session.get(f"{server.http}/api/admin/serverconfig", headers=ADMIN) as response:
            path = urlsplit((await response.json())["directhlsinputurl"]).path
        folder = url + path.rpartition("/")[0]
        # The first octet is that of MPEG-TS; more than a page's upload may have.
        segment = b"G" + bytes(20 << 20)
        async with server.session.put(f"{folder}/a.ts", data=io.BytesIO(segment), ssl=context) as response:
            assert response.status == 201, await response.text()
        async with server.session.put(f"{folder}/b.ts", data=io.BytesIO(segment * 4), ssl=context) as response:
            assert response.status == 413


@pytest.mark.parametrize("name", BEFORE)
async def test_link_previews_name_the_address_that_was_asked(name: str, start: ServerFactory, tmp_path: Path) -> None:
    async with start(config=PASSTHROUGH) as server, proxied(name, server, tmp_path / "proxy") as (url, context):
        async with httpx.AsyncClient(http2=True, verify=context, timeout=PATIENCE) as viewer:
            page = await viewer.get(url)
        assert page.http_version == "HTTP/2"
        assert f'content="{url}' in page.text


async def test_the_store_s_address_is_for_reading_alone(start: ServerFactory, tmp_path: Path) -> None:
    async with start(config=PASSTHROUGH) as server, proxied("caddy", server, tmp_path / "proxy") as (url, context):
        port = url.rpartition(":")[2]
        connector = aiohttp.TCPConnector(resolver=Local())
        async with aiohttp.ClientSession(connector=connector) as session:
            for method, expected in (("GET", 502), ("PUT", 405), ("POST", 405), ("DELETE", 405)):
                address = f"https://store.localhost:{port}/owncast/hls/x"
                async with session.request(method, address, ssl=context) as response:
                    assert (method, response.status) == (method, expected), "502: there is no store here"


class Local(aiohttp.abc.AbstractResolver):
    """Every name is this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": family, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        pass
