"""What the tests of RTMP share: an encoder's side of the wire, a listener that remembers, a gate that knows one key."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from ingest.errors import PublishRefused
from ingest.gate import PublishRequest
from ingest.rtmp import messages
from ingest.rtmp.amf0 import AmfValue
from ingest.rtmp.chunks import MAX_MEDIA_MESSAGE, ChunkReader
from ingest.rtmp.messages import Command, read_command
from ingest.rtmp.session import RtmpSession
from ingest.source import AudioFrame, AudioHeader, LiveSource, SourceListener, VideoFrame, VideoHeader

KEY = "correct-horse"
HELLO = b"\x03" + bytes(1536) + bytes(1536)
"""C0, C1 and C2."""
AVCC = bytes.fromhex("0142c00dffe100176742c00dda05067e7c044000000300400000 0f03c50aa8010004 68ce0fc8".replace(" ", ""))
AAC_CONFIG = b"\x12\x08"


def chunk(
    type_id: int,
    payload: bytes,
    *,
    stream: int = 4,
    timestamp: int = 0,
    message_stream: int = 1,
    size: int = 128,
    header: int = 0,
    repeat_extended: bool = True,
) -> bytes:
    """One message as chunks, with a header of type 0 to 3; `timestamp` is the delta for types 1 and 2."""
    assert 2 <= stream < 64
    extended = timestamp.to_bytes(4, "big") if timestamp >= 0xFFFFFF else b""
    field = (0xFFFFFF if extended else timestamp).to_bytes(3, "big")
    out = bytearray((header << 6 | stream,))
    if header < 3:
        out += field
    if header < 2:
        out += len(payload).to_bytes(3, "big") + bytes((type_id,))
    if header == 0:
        out += message_stream.to_bytes(4, "little")
    if header < 3 or repeat_extended:
        out += extended
    for position in range(0, len(payload), size):
        if position:
            out.append(0xC0 | stream)
            out += extended if repeat_extended else b""
        out += payload[position : position + size]
    return bytes(out)


def command(name: str, transaction: float, *arguments: AmfValue, stream: int = 3, message_stream: int = 0) -> bytes:
    """A command as an encoder sends it, in chunks of 128 bytes."""
    message = messages.command(name, transaction, *arguments)
    return chunk(messages.COMMAND_AMF0, message.payload, stream=stream, message_stream=message_stream)


def connect(app: str = "live", **properties: AmfValue) -> bytes:
    return command("connect", 1.0, {"app": app, "tcUrl": f"rtmp://127.0.0.1/{app}", **properties})


def publish(key: str = KEY) -> bytes:
    return command("publish", 5.0, None, key, "live", message_stream=1)


def hello(app: str = "live", key: str = KEY) -> bytes:
    """Everything from the first byte to publish."""
    return HELLO + connect(app) + command("createStream", 4.0, None) + publish(key)


def video_header(config: bytes = AVCC) -> bytes:
    return b"\x17\x00\x00\x00\x00" + config


def picture(data: bytes, *, key: bool = False, composition: int = 0) -> bytes:
    return (b"\x17" if key else b"\x27") + b"\x01" + (composition & 0xFFFFFF).to_bytes(3, "big") + data


class Listener:
    """Remembers everything it hears."""

    def __init__(self) -> None:
        self.video_headers: list[VideoHeader] = []
        self.audio_headers: list[AudioHeader] = []
        self.metadata: list[Mapping[str, object]] = []
        self.video: list[VideoFrame] = []
        self.audio: list[AudioFrame] = []
        self.ends: list[str] = []
        self.ended = asyncio.Event()
        self.heard = asyncio.Event()

    def on_video_header(self, header: VideoHeader) -> None:
        self.video_headers.append(header)

    def on_audio_header(self, header: AudioHeader) -> None:
        self.audio_headers.append(header)

    def on_metadata(self, metadata: Mapping[str, object]) -> None:
        self.metadata.append(metadata)

    def on_video(self, frame: VideoFrame) -> None:
        self.video.append(frame)
        self.heard.set()

    def on_audio(self, frame: AudioFrame) -> None:
        self.audio.append(frame)
        self.heard.set()

    def on_end(self, reason: str) -> None:
        self.ends.append(reason)
        self.ended.set()

    def everything(self) -> tuple[Sequence[object], ...]:
        return self.video_headers, self.audio_headers, self.metadata, self.video, self.audio, self.ends


class Gate:
    """Admits `KEY`, each publisher with a listener of its own."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self.sources: list[LiveSource] = []
        self.requests: list[PublishRequest] = []

    def admit(self, request: PublishRequest) -> SourceListener:
        self.requests.append(request)
        if request.key != KEY:
            raise PublishRefused("The stream key is not valid. Copy it from the admin page.")
        self.listeners.append(Listener())
        self.sources.append(request.source)
        return self.listeners[-1]


def session(gate: Gate, wakes: list[str] | None = None) -> RtmpSession:
    return RtmpSession(
        gate,
        protocol="rtmp",
        address="192.0.2.7",
        random=bytes(1528),
        wake=lambda: wakes.append("wake") if wakes is not None else None,
    )


def feed(target: RtmpSession | ChunkReader, data: bytes, step: int = 1 << 20) -> None:
    """Writes bytes as a transport would, at most `step` at a time."""
    position = 0
    while position < len(data):
        buffer = target.get_buffer()
        count = min(step, len(buffer), len(data) - position)
        buffer[:count] = data[position : position + count]
        position += count
        target.received(count)


class Answers:
    """Reads what a server sends: the handshake, then messages."""

    def __init__(self) -> None:
        self.messages: list[tuple[int, int, bytes]] = []
        self._greeting = 1 + 2 * 1536
        self._reader = ChunkReader(
            lambda type_id, _, stream, payload: self.messages.append((type_id, stream, bytes(payload))),
            capacity=1 << 18,
            media_limit=MAX_MEDIA_MESSAGE,
        )

    def feed(self, data: bytes) -> None:
        skipped = min(self._greeting, len(data))
        self._greeting -= skipped
        feed(self._reader, data[skipped:])

    @property
    def commands(self) -> list[Command]:
        return [
            read_command(type_id, payload) for type_id, _, payload in self.messages if type_id == messages.COMMAND_AMF0
        ]

    @property
    def codes(self) -> list[AmfValue]:
        """The codes of all status answers, in order."""
        found = []
        for answer in self.commands:
            info = answer.argument(1)
            if isinstance(info, dict):
                found.append(info.get("code"))
        return found

    @property
    def description(self) -> str:
        """The sentence of the last status answer."""
        info = self.commands[-1].argument(1)
        assert isinstance(info, dict)
        return str(info["description"])
