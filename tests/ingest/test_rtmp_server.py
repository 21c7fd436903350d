"""The server on real sockets: real encoders, refusals, deadlines, crowds, RTMPS, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import imageio_ffmpeg
import pytest
import structlog
import uvloop
from rtmp_wire import (
    HELLO,
    KEY,
    Answers,
    Gate,
    Listener,
    chunk,
    command,
    connect,
    hello,
    picture,
    publish,
    video_header,
)

from ingest.errors import PublishRefused
from ingest.gate import PublishRequest
from ingest.rtmp import messages
from ingest.rtmp import server as server_module
from ingest.rtmp.server import RtmpLimits, RtmpServer
from ingest.source import AudioCodec, SourceListener, VideoCodec

SYSTEM = shutil.which("ffmpeg") or ""
BUNDLED = imageio_ffmpeg.get_ffmpeg_exe()
SHORT = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=60:d=1", "-f", "lavfi", "-i", "sine=d=1:r=48000"]
PATIENCE = 20.0
"""Seconds until a test gives up waiting for what must happen."""


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def serving(
    gate: Gate | None = None,
    *,
    clock: Callable[[], float] | None = None,
    limits: RtmpLimits | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[RtmpServer]:
    server = RtmpServer(
        gate or Gate(), host="127.0.0.1", port=0, tls=tls, clock=clock or Clock(), limits=limits or RtmpLimits()
    )
    await server.start()
    try:
        yield server
    finally:
        await server.aclose()


class Encoder:
    """A connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.answers = Answers()

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def until_answers(self, count: int) -> None:
        """Reads until so many commands have been answered."""
        async with asyncio.timeout(PATIENCE):
            while len(self.answers.commands) < count:
                data = await self.reader.read(65536)
                assert data, "the server closed the connection"
                self.answers.feed(data)

    async def until_closed(self) -> None:
        """Reads what is left until the server closes."""
        async with asyncio.timeout(PATIENCE):
            try:
                while data := await self.reader.read(65536):
                    self.answers.feed(data)
            except ConnectionError:
                pass

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass


@asynccontextmanager
async def encoder(server: RtmpServer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Encoder]:
    peer = Encoder(*await asyncio.open_connection("127.0.0.1", server.port, ssl=tls))
    try:
        yield peer
    finally:
        await peer.close()


async def publishing(peer: Encoder, key: str = KEY) -> None:
    peer.send(hello(key=key))
    await peer.until_answers(3)
    assert peer.answers.codes[-1] == "NetStream.Publish.Start"


async def ended(listener: Listener) -> str:
    async with asyncio.timeout(PATIENCE):
        await listener.ended.wait()
    (reason,) = listener.ends
    return reason


async def ffmpeg(program: str, *arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        program, "-hide_banner", "-nostdin", "-v", "error", *arguments, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        _, complaints = await process.communicate()
    return process.returncode or 0, complaints.decode()


def video(data: bytes, timestamp: int = 0, *, key: bool = True) -> bytes:
    return chunk(messages.VIDEO, picture(data, key=key), stream=6, timestamp=timestamp)


@pytest.mark.parametrize(
    ("program", "options", "video_codec", "audio_codec"),
    [
        (SYSTEM, ["-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "30", "-c:a", "aac"], "avc1", "mp4a"),
        (BUNDLED, ["-c:v", "libx265", "-preset", "ultrafast", "-g", "30", "-c:a", "libopus"], "hvc1", "Opus"),
        (BUNDLED, ["-c:v", "libsvtav1", "-preset", "12", "-g", "30", "-c:a", "libopus"], "av01", "Opus"),
        (SYSTEM, ["-vn", "-c:a", "aac"], None, "mp4a"),
        (SYSTEM, ["-an", "-c:v", "libx264", "-preset", "ultrafast", "-g", "30"], "avc1", None),
    ],
)
async def test_real_encoders_publish(
    program: str, options: list[str], video_codec: str | None, audio_codec: str | None
) -> None:
    gate = Gate()
    async with serving(gate) as server:
        url = f"rtmp://127.0.0.1:{server.port}/live/{KEY}"
        code, complaints = await ffmpeg(
            program, *SHORT, *options, "-f", "flv", "-flvflags", "no_duration_filesize", url
        )
        assert code == 0, complaints
        listener = gate.listeners[0]
        assert await ended(listener) == "The encoder ended the stream."
        assert [h.codec for h in listener.video_headers] == ([VideoCodec(video_codec)] if video_codec else [])
        assert [h.codec for h in listener.audio_headers] == ([AudioCodec(audio_codec)] if audio_codec else [])
        assert len(listener.video) == (60 if video_codec else 0)
        assert sum(frame.keyframe for frame in listener.video) == (2 if video_codec else 0)
        if audio_codec:
            assert 0.9 < (listener.audio[-1].pts - listener.audio[0].pts) / 90_000 < 1.1
        assert gate.sources[0].origin.address == "127.0.0.1"


@pytest.mark.parametrize(
    ("path", "sentence"),
    [("live/wrong", "The stream key is not valid. Copy it from the admin page."), ("other/wrong", "must end in /live")],
)
async def test_a_real_encoder_shows_why_it_was_refused(path: str, sentence: str) -> None:
    async with serving() as server:
        url = f"rtmp://127.0.0.1:{server.port}/{path}"
        code, complaints = await ffmpeg(SYSTEM, *SHORT, "-vn", "-c:a", "aac", "-f", "flv", url)
    assert code != 0
    assert sentence in complaints


async def test_publish_is_confirmed_only_after_the_gate() -> None:
    seen: list[bytes] = []

    class Slow(Gate):
        def admit(self, request: PublishRequest) -> SourceListener:
            seen.append(b"asked")
            return super().admit(request)

    gate = Slow()
    async with serving(gate) as server, encoder(server) as peer:
        peer.send(HELLO + connect())
        await peer.until_answers(1)
        assert not seen
        peer.send(publish())
        await peer.until_answers(2)
        assert seen == [b"asked"]
        assert gate.sources[0].listener is gate.listeners[0]


async def test_a_refusal_arrives_before_the_connection_closes_though_media_follows() -> None:
    async with serving() as server, encoder(server) as peer:
        peer.send(hello(key="wrong") + chunk(messages.VIDEO, bytes(60_000)) * 20)
        await peer.until_closed()
        assert peer.answers.codes[-1] == "NetStream.Publish.BadName"


async def test_a_vanished_encoder_ends_its_source_at_once() -> None:
    gate = Gate()
    async with serving(gate) as server:
        async with encoder(server) as peer:
            await publishing(peer)
            peer.send(chunk(messages.VIDEO, video_header(), stream=6) + video(b"last"))
        assert await ended(gate.listeners[0]) == "The encoder closed the connection."
        assert [frame.data for frame in gate.listeners[0].video] == [b"last"]
        async with encoder(server) as peer:
            await publishing(peer)
            assert len(gate.listeners) == 2


async def test_a_gate_lets_a_new_publisher_take_over() -> None:
    class TakeOver(Gate):
        def admit(self, request: PublishRequest) -> SourceListener:
            if self.sources:
                self.sources[-1].close("Another publisher took over.")
                assert self.listeners[-1].ends == ["Another publisher took over."]
            return super().admit(request)

    gate = TakeOver()
    async with serving(gate) as server, encoder(server) as first, encoder(server) as second:
        await publishing(first)
        await publishing(second)
        await first.until_closed()
        assert gate.listeners[1].ends == []


async def test_an_error_of_the_listener_ends_only_its_publisher() -> None:
    class Broken(Listener):
        def on_video(self, frame: object) -> None:
            raise ZeroDivisionError

    class BrokenGate(Gate):
        def admit(self, request: PublishRequest) -> SourceListener:
            super().admit(request)
            if len(self.listeners) == 1:
                self.listeners[0] = Broken()
            return self.listeners[-1]

    gate = BrokenGate()
    async with serving(gate) as server, encoder(server) as bad, encoder(server) as good:
        await publishing(bad)
        await publishing(good)
        with structlog.testing.capture_logs() as logs:
            bad.send(chunk(messages.VIDEO, video_header(), stream=6) + video(b"x"))
            await bad.until_closed()
        assert gate.listeners[0].ends == ["The server failed to process the stream."]
        assert [entry["log_level"] for entry in logs] == ["error", "info"]
        assert gate.listeners[1].ends == []


async def test_connections_that_do_not_publish_in_time_are_dropped() -> None:
    clock = Clock()
    async with serving(clock=clock) as server, encoder(server) as silent, encoder(server) as slow:
        slow.send(HELLO)
        silent.send(b"\x03")
        slow.send(connect())
        await slow.until_answers(1)
        clock.now += 9.9
        server.check_connections()
        slow.send(command("createStream", 2.0, None))
        await slow.until_answers(2)  # a byte now and then does not help
        clock.now += 0.2
        with structlog.testing.capture_logs() as logs:
            server.check_connections()
            await slow.until_closed()
            await silent.until_closed()
        assert [entry["reason"] for entry in logs] == ["The connection did not publish within 10 s."] * 2


async def test_a_publisher_that_falls_silent_is_dropped() -> None:
    clock = Clock()
    gate = Gate()
    async with serving(gate, clock=clock) as server, encoder(server) as peer:
        await publishing(peer)
        for _ in range(4):
            clock.now += 20
            peer.send(chunk(messages.VIDEO, video_header(), stream=6) + video(b"x"))
            gate.listeners[0].heard.clear()
            async with asyncio.timeout(PATIENCE):
                await gate.listeners[0].heard.wait()
            server.check_connections()
        assert gate.listeners[0].ends == []
        clock.now += 30
        server.check_connections()
        assert await ended(gate.listeners[0]) == "The encoder sent nothing for 30 s."


async def test_hundreds_of_half_open_connections_hurt_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "TICK", 0.001)  # the timer runs many times during the burst
    gate = Gate()
    with structlog.testing.capture_logs() as logs:
        async with serving(gate) as server, encoder(server) as first:
            await publishing(first)
            sockets = []
            for _ in range(500):
                half_open = socket.socket()
                half_open.setblocking(False)
                sockets.append(half_open)
                await asyncio.get_running_loop().sock_connect(half_open, ("127.0.0.1", server.port))
            async with encoder(server) as second:
                await publishing(second)
            assert await ended(gate.listeners[1]) == "The encoder closed the connection."
            first.send(chunk(messages.VIDEO, video_header(), stream=6) + video(b"still here"))
            async with asyncio.timeout(PATIENCE):
                await gate.listeners[0].heard.wait()
            assert gate.listeners[0].ends == []
            for half_open in sockets:
                half_open.close()
    bursts = [entry for entry in logs if entry["log_level"] == "warning"]
    assert [entry["address"] for entry in bursts] == ["127.0.0.1"]


async def test_a_burst_that_arrives_in_one_turn_of_the_loop_is_held_to_the_limit() -> None:
    async with serving(limits=RtmpLimits(pending_per_address=8)) as server:
        sockets = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
        async with asyncio.timeout(PATIENCE):
            while sum(was_dropped(half_open) for half_open in sockets) < 92:
                assert len(server._pending) <= 8
                await asyncio.sleep(0)
        # The newest stay.
        assert [was_dropped(half_open) for half_open in sockets] == [True] * 92 + [False] * 8
        for half_open in sockets:
            half_open.close()


def was_dropped(peer: socket.socket) -> bool:
    peer.setblocking(False)
    try:
        return peer.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


async def test_the_timer_runs_only_while_there_are_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "TICK", 0.001)
    clock = Clock()
    async with serving(clock=clock) as server:
        assert server._timer is None
        for _ in range(2):  # it starts again with the next connection
            async with encoder(server) as half_open:
                await until(lambda: server._timer is not None)
                clock.now += 10
                await half_open.until_closed()
            await until(lambda: server._timer is None)
            assert not server._connections


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0)


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x00" * 5000, HELLO + b"\xff" * 3000])
async def test_garbage_is_logged_once_and_leaves_a_publisher_untouched(garbage: bytes) -> None:
    gate = Gate()
    async with serving(gate) as server, encoder(server) as good:
        await publishing(good)
        with structlog.testing.capture_logs() as logs:
            async with encoder(server) as bad:
                bad.send(garbage)
                await bad.until_closed()
        assert [(entry["event"], entry["address"]) for entry in logs] == [("closed", "127.0.0.1")]
        assert gate.listeners[0].ends == []


async def test_refused_connections_that_stay_are_counted_too() -> None:
    async with serving(limits=RtmpLimits(pending_per_address=4)) as server:
        peers = [Encoder(*await asyncio.open_connection("127.0.0.1", server.port)) for _ in range(20)]
        for peer in peers[-4:]:
            peer.send(hello(key="wrong"))
            await peer.until_answers(3)
        assert len(server._connections) <= 5
        async with encoder(server) as good:
            await publishing(good)
        for peer in peers:
            await peer.close()


async def test_what_was_absorbed_is_logged_once() -> None:
    clock = Clock()
    gate = Gate()
    with structlog.testing.capture_logs() as logs:
        async with serving(gate, clock=clock) as server, encoder(server) as peer:
            await publishing(peer)
            (listener,) = gate.listeners
            sound = b"\xaf\x01sound"
            peer.send(chunk(messages.VIDEO, video_header(), stream=6))
            peer.send(chunk(messages.VIDEO, b"\x96\x03avc1\x01other track", stream=6))
            for stamp in range(10):
                peer.send(video(b"no keyframe", stamp * 1000, key=False))
            peer.send(chunk(messages.AUDIO, b"\xaf\x00\x12\x08") + chunk(messages.AUDIO, sound))
            async with asyncio.timeout(PATIENCE):
                await listener.heard.wait()
            for _ in range(20):
                clock.now += 1
                server.check_connections()
            for stamp in range(0, 100_000, 10_000):
                peer.send(video(b"key", stamp) + chunk(messages.AUDIO, sound, timestamp=stamp))
            async with asyncio.timeout(PATIENCE):
                while len(listener.video) < 10:
                    listener.heard.clear()
                    await listener.heard.wait()
            for _ in range(3):
                clock.now += 1
                server.check_connections()
    warnings = [entry["event"].split(",")[0] for entry in logs if entry["log_level"] == "warning"]
    assert warnings == ["tracks ignored", "no keyframe", "timestamps jumped and were put right"]


async def test_an_encoder_that_never_reads_is_dropped() -> None:
    ping = chunk(messages.USER_CONTROL, b"\x00\x06\x11\x22\x33\x44", stream=2, message_stream=0) * 500
    loop = asyncio.get_running_loop()

    async def flood(deaf: socket.socket) -> None:
        while True:
            await loop.sock_sendall(deaf, ping)
            for _ in range(3):  # lets the server answer each batch by itself
                await asyncio.sleep(0)

    with structlog.testing.capture_logs() as logs:
        async with serving(limits=RtmpLimits(write_buffer=1000)) as server, asyncio.timeout(PATIENCE):
            with socket.socket() as deaf:
                deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                deaf.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                deaf.setblocking(False)
                await loop.sock_connect(deaf, ("127.0.0.1", server.port))
                await loop.sock_sendall(deaf, hello())
                with pytest.raises(ConnectionError):
                    await flood(deaf)
    assert "1000 bytes of answers unread" in logs[-1]["reason"]


async def test_the_key_is_never_logged() -> None:
    with structlog.testing.capture_logs() as logs:
        async with serving() as server:
            for key in (KEY, "wrong-secret"):
                async with encoder(server) as peer:
                    peer.send(hello(f"live/{key}", ""))
                    await peer.until_answers(3)
            async with encoder(server) as peer:
                peer.send(HELLO + connect(KEY))
                await peer.until_closed()
    assert [entry["event"] for entry in logs].count("closed") == 3
    assert KEY not in str(logs)
    assert "wrong-secret" not in str(logs)


@pytest.mark.skipif(not hasattr(socket, "SO_RCVLOWAT"), reason="this system has no low-water mark")
async def test_the_low_water_mark_follows_the_rate_and_keeps_nothing_back() -> None:
    clock = Clock()
    gate = Gate()
    async with serving(gate, clock=clock) as server, encoder(server) as peer:
        await publishing(peer)
        (connection,) = server._connections
        (listener,) = gate.listeners
        peer.send(chunk(messages.VIDEO, video_header(), stream=6))
        frame = chunk(messages.VIDEO, picture(bytes(12_000), key=True), stream=6)
        async with asyncio.timeout(PATIENCE):
            for n in range(1, 31):  # ten frames in 150 ms: 800 kB/s
                peer.send(frame * 10)
                # The kernel may keep back what is below the mark, which is below five frames.
                while len(listener.video) < 10 * n - 5:
                    listener.heard.clear()
                    await listener.heard.wait()
                clock.now += 0.15
                server.check_connections()
            assert connection._socket is not None
            mark = connection._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT)
            assert 0.7 * 48_000 < mark < 1.1 * 48_000
            # The first of these ticks may have seen bytes; the second is silent and lowers the mark.
            for _ in range(2):
                clock.now += 0.15
                server.check_connections()
            while len(listener.video) < 300:
                listener.heard.clear()
                await listener.heard.wait()


async def test_a_stream_ends_at_once_in_spite_of_the_low_water_mark() -> None:
    gate = Gate()
    async with serving(gate) as server:
        async with encoder(server) as peer:
            await publishing(peer)
            (connection,) = server._connections
            connection._set_low_water(100_000)
            peer.send(chunk(messages.VIDEO, video_header(), stream=6) + video(b"tail"))
        await ended(gate.listeners[0])
        assert gate.listeners[0].video[-1].data == b"tail"


async def test_nothing_is_left_behind() -> None:
    files = len(os.listdir("/proc/self/fd"))
    tasks = asyncio.all_tasks()
    gate = Gate()
    peers = []
    async with serving(gate) as server:
        for n in range(5):
            peers.append(Encoder(*await asyncio.open_connection("127.0.0.1", server.port)))
            if n < 3:
                await publishing(peers[-1])
    assert [listener.ends for listener in gate.listeners] == [["The server is shutting down."]] * 3
    for peer in peers:
        await peer.until_closed()
        await peer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)
    assert asyncio.all_tasks() == tasks
    assert len(os.listdir("/proc/self/fd")) == files


async def test_a_taken_port_is_an_os_error() -> None:
    async with serving() as server:
        second = RtmpServer(Gate(), host="127.0.0.1", port=server.port)
        with pytest.raises(OSError, match="in use"):
            await second.start()
        await second.aclose()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    command_line = ["openssl", "req", *options, *names, "-keyout", str(path), "-out", str(path) + ".crt"]
    subprocess.run(command_line, check=True, capture_output=True)
    path.write_text(path.read_text() + Path(str(path) + ".crt").read_text())
    return path


async def test_rtmps(certificate: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    trust = ssl.create_default_context(cafile=str(certificate))
    gate = Gate()
    async with serving(gate, tls=tls) as server, encoder(server, trust) as peer:
        await publishing(peer)
        peer.send(chunk(messages.VIDEO, video_header(), stream=6) + video(b"x" * 200_000))
        async with asyncio.timeout(PATIENCE):
            await gate.listeners[0].heard.wait()
        assert gate.listeners[0].video[0].data == b"x" * 200_000
        assert gate.sources[0].origin.protocol == "rtmps"
        async with encoder(server, trust) as refused:
            refused.send(hello(key="wrong"))
            await refused.until_closed()
            assert refused.answers.codes[-1] == "NetStream.Publish.BadName"


def test_uvloop() -> None:
    async def scenario() -> None:
        gate = Gate()
        async with serving(gate) as server:
            async with encoder(server) as peer:
                await publishing(peer)
                (connection,) = server._connections
                connection._set_low_water(100_000)
                peer.send(chunk(messages.VIDEO, video_header(), stream=6) + video(b"x" * 200_000) + video(b"y"))
            await ended(gate.listeners[0])
            assert [len(frame.data) for frame in gate.listeners[0].video] == [200_000, 1]
            async with encoder(server) as refused:
                refused.send(hello(key="wrong"))
                await refused.until_closed()
                assert refused.answers.codes[-1] == "NetStream.Publish.BadName"

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())


def test_the_interface_offers_what_a_gate_needs() -> None:
    assert issubclass(PublishRefused, Exception)
    with pytest.raises(RuntimeError, match="before it was started"):
        _ = RtmpServer(Gate(), host="127.0.0.1", port=0).port
