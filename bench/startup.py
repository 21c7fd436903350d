"""How long from the server's accepting the encoder's connection until a viewer can fetch the first media.

A relay between encoder and server knows when the connection was accepted. Playable means that the multivariant
playlist, a media playlist with a part, and that part have been fetched; for nginx-rtmp, a playlist and its segment.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from urllib.parse import urljoin, urlsplit

from harness import REQUEST_SECONDS, Nginx, Server, fetch, publishing, until
from report import Verdict, show, spread

TARGET_PASSTHROUGH = 0.8
TARGET_TRANSCODED = 1.5
POLL_SECONDS = 0.005
CHUNK = 1 << 18
TRANSCODED: list[dict[str, object]] = [
    {"name": "720p", "scaled_height": 720, "video_bitrate": 2500, "audio_passthrough": False, "audio_bitrate": 128}
]


def measure(*, runs: int = 5) -> list[Verdict]:
    """Passthrough, transcoded and nginx-rtmp in turns, `runs` times."""
    missing = Nginx.missing()
    passthrough: list[float] = []
    transcoded: list[float] = []
    peer: list[float] = []
    for _ in range(runs):
        with Server() as server:
            passthrough.append(_seconds(server.rtmp, f"{server.http}/hls/stream.m3u8"))
        with Server(variants=TRANSCODED) as server:
            transcoded.append(_seconds(server.rtmp, f"{server.http}/hls/stream.m3u8"))
        if not missing:
            with Nginx() as nginx:
                peer.append(_seconds(nginx.rtmp, f"{nginx.http}/stream.m3u8"))
    rows = [
        ("owncast-py, passthrough", spread(passthrough)),
        ("owncast-py, transcoded to 720p", spread(transcoded)),
        *([("nginx-rtmp, first segment", spread(peer))] if peer else []),
    ]
    show("RTMP accept to first media playable", ("server", "seconds"), rows, *filter(None, [missing]))
    return [
        _verdict("start-up, passthrough", TARGET_PASSTHROUGH, passthrough),
        _verdict("start-up, transcoded", TARGET_TRANSCODED, transcoded),
    ]


def _verdict(what: str, target: float, seconds: list[float]) -> Verdict:
    return Verdict(what, f"≤ {target} s", spread(seconds, unit="s"), median(seconds) <= target)


def _seconds(rtmp: str, playlist: str) -> float:
    with _relay(rtmp) as (address, accepted), publishing(address, paced=True):
        if not accepted.wait(REQUEST_SECONDS):
            raise RuntimeError("The publisher did not connect.")
        until(lambda: _playable(playlist), "the first media", pause=POLL_SECONDS)
        return time.monotonic() - accepted.at


def _playable(address: str) -> bytes | None:
    """The first media below a playlist, if there is any."""
    text = (fetch(address) or b"").decode()
    if "#EXT-X-STREAM-INF" in text:
        return _playable(urljoin(address, text.splitlines()[-1]))
    found = re.search(r'#EXT-X-PART:.*URI="([^"]+)"|^([^#\s]+\.ts)$', text, re.MULTILINE)
    return fetch(urljoin(address, found[1] or found[2])) if found else None


class _Accepted(threading.Event):
    at = 0.0


@contextmanager
def _relay(rtmp: str) -> Iterator[tuple[str, _Accepted]]:
    """Passes one connection on to `rtmp` and notes when the server accepted it; gives the address to publish to."""
    url = urlsplit(rtmp)
    accepted = _Accepted()
    ends: list[socket.socket] = []

    def serve() -> None:
        try:
            client, _ = listener.accept()
            ends.append(client)
            server = socket.create_connection((url.hostname or "", url.port or 0), REQUEST_SECONDS)
        except OSError:
            return
        accepted.at = time.monotonic()
        accepted.set()
        ends.append(server)
        for one in ends:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_pump, args=(server, client), daemon=True).start()
        _pump(client, server)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        port = listener.getsockname()[1]
        try:
            yield url._replace(netloc=f"127.0.0.1:{port}").geturl(), accepted
        finally:
            for one in ends:
                one.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(CHUNK):
            sink.sendall(data)
    except OSError:
        pass
