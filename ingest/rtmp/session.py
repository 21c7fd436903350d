"""The server's side of one RTMP connection that publishes (RTMP 1.0, 7; Enhanced RTMP v2). Sans-I/O.

Owns the order of things: handshake, connect, publish, media, end; what is answered, what is refused and with which
sentence. Bytes come in through `get_buffer` and `received`, answers go out through `take_output`, media goes to the
listener that the gate returns. It owns no socket, clock or log, and it never keeps or shows a stream key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ingest.errors import AmfError, ChunkError, FlvError, IngestError, PublishRefused
from ingest.flv import AUDIO_FOURCCS, VIDEO_FOURCCS, FlvReader
from ingest.gate import PublishGate, PublishRequest
from ingest.rtmp import messages
from ingest.rtmp.amf0 import AmfValue, finite
from ingest.rtmp.chunks import MAX_MEDIA_MESSAGE, MAX_OTHER_MESSAGE, ChunkReader, ChunkWriter
from ingest.rtmp.handshake import Handshake
from ingest.rtmp.messages import Command
from ingest.source import LiveSource, Origin
from ingest.timeline import Timeline

APPLICATION: Final = "live"
CHUNK_SIZE: Final = 65536
"""Announced: ffmpeg sends chunks of the size that its server announces."""
WINDOW: Final = 5_000_000
"""Window and peer bandwidth announced, in bytes."""
MIN_ACK_WINDOW: Final = 64 * 1024
"""However small a window the encoder asks for, it gets no acknowledgement for less."""
DEFAULT_ACK_WINDOW: Final = 2_500_000
"""Bytes between acknowledgements for an encoder that asks for none."""
EARLY_BUFFER: Final = 8 * 1024
"""Receive buffer of a connection that does not publish yet, in bytes."""
PUBLISHER_BUFFER: Final = 256 * 1024
"""Receive buffer of a publisher, in bytes."""
MAX_OUTPUT: Final = 64 * 1024
"""Bytes of answers to one read."""
MAX_KEY_LENGTH: Final = 512
"""Characters of a stream key."""
MAX_ENCODER_NAME: Final = 100
"""Characters kept of what the encoder calls itself."""

_ENHANCED_FIELDS: Final = ("fourCcList", "videoFourCcInfoMap", "audioFourCcInfoMap", "capsEx")
_CAN_FORWARD: Final = 4.0
_CAPABILITIES: Final = 2.0 + 4.0 + 8.0  # CapsExMask: Multitrack, ModEx, TimestampNanoOffset
_MESSAGE_STREAM: Final = 1.0
_TAG_HEADER: Final = 11


class RtmpSession:
    """One connection. `wake` is called when the session ends outside of `received`."""

    def __init__(
        self, gate: PublishGate, *, protocol: str, address: str, random: bytes, wake: Callable[[], None]
    ) -> None:
        self._gate = gate
        self._protocol = protocol
        self._address = address
        self._wake = wake
        self._handshake: Handshake | None = Handshake(random)
        self._reader = ChunkReader(self._on_message, capacity=EARLY_BUFFER, media_limit=MAX_OTHER_MESSAGE)
        self._writer = ChunkWriter()
        self._output = bytearray()
        self._receiving = False
        self._grow = False
        self._connected = False
        self._key_in_app = ""
        self._encoder = ""
        self._flv: FlvReader | None = None
        self.timeline: Timeline | None = None
        """Of a publisher; for the owner to report what was absorbed."""
        self._published_on = 0
        self._ack_window = DEFAULT_ACK_WINDOW
        self._acknowledged = 0
        self.bytes_received = 0
        self.source: LiveSource | None = None
        """Set once the gate has let the publisher in."""
        self.finished: str | None = None
        """Why the session is over, as a sentence; None while it lives."""

    @property
    def ignored_tracks(self) -> list[str]:
        """Tracks of multitrack messages that are not used."""
        return self._flv.ignored_tracks if self._flv is not None else []

    def get_buffer(self) -> memoryview:
        """Where the next bytes are to be written."""
        return self._reader.get_buffer()

    def received(self, count: int) -> None:
        """Acts on `count` bytes written to the buffer. Ends the session, rather than raise, on bad input."""
        self.bytes_received += count
        if self.finished is not None:
            return
        self._receiving = True
        try:
            if self._handshake is not None:
                count = self._shake(self._handshake, count)
            if self._handshake is None:
                self._reader.received(count)
        except FlvError as error:
            self._fail("NetStream.Failed", error)
        except IngestError as error:
            self._fail("NetConnection.Call.Failed", error)
        finally:
            self._receiving = False
        if self.finished is not None:
            self._reader.discard()
            return
        if self._grow:
            self._grow = False
            self._reader.grow(PUBLISHER_BUFFER)
        if self.source is not None:
            self.source.bytes_received = self.bytes_received
        if self.bytes_received - self._acknowledged >= self._ack_window:
            self._acknowledged = self.bytes_received
            self._send(messages.acknowledgement(self.bytes_received))

    def take_output(self) -> bytes:
        """What is to be sent now; each byte is returned once."""
        output = bytes(self._output)
        self._output.clear()
        return output

    def end(self, reason: str) -> None:
        """Ends the session; tells the listener once. `reason` is a sentence."""
        if self.finished is not None:
            return
        self.finished = reason
        self._flv = None
        if self.source is not None and self.source.listener is not None:
            self.source.listener.on_end(reason)
        if not self._receiving:
            self._wake()

    def _shake(self, handshake: Handshake, count: int) -> int:
        """Feeds the handshake; what is left over belongs to the chunk stream and is not new any more."""
        consumed, answer = handshake.receive(self._reader.pending(count))
        self._reader.skip(consumed)
        self._output += answer
        if handshake.complete:
            self._handshake = None
        return 0

    def _on_message(self, type_id: int, timestamp: int, stream_id: int, payload: memoryview) -> None:
        flv = self._flv
        if flv is not None:
            if type_id == messages.VIDEO:
                flv.video(timestamp, payload)
                return
            if type_id == messages.AUDIO:
                flv.audio(timestamp, payload)
                return
            if type_id == messages.AGGREGATE:
                self._on_aggregate(timestamp, payload)
                return
        elif self.finished is not None:
            return
        if type_id in (messages.COMMAND_AMF0, messages.COMMAND_AMF3):
            self._on_command(messages.read_command(type_id, bytes(payload)), stream_id)
        elif type_id in (messages.DATA_AMF0, messages.DATA_AMF3):
            self._on_metadata(messages.read_metadata(type_id, bytes(payload)))
        elif type_id == messages.WINDOW_ACK_SIZE and len(payload) >= 4:
            self._ack_window = max(int.from_bytes(payload[:4], "big"), MIN_ACK_WINDOW)
        elif (
            type_id == messages.USER_CONTROL
            and len(payload) >= 6
            and int.from_bytes(payload[:2], "big") == messages.PING_REQUEST
        ):
            self._send(messages.user_control(messages.PING_RESPONSE, int.from_bytes(payload[2:6], "big")))

    def _on_aggregate(self, timestamp: int, payload: memoryview) -> None:
        """RTMP 7.1.6: FLV tags one after another; their times count from the message's by the first tag's time."""
        position, first = 0, -1
        while position + _TAG_HEADER <= len(payload):
            header = bytes(payload[position : position + _TAG_HEADER])
            time = header[7] << 24 | int.from_bytes(header[4:7], "big")
            first = time if first < 0 else first
            start = position + _TAG_HEADER
            position = start + int.from_bytes(header[1:4], "big")
            if position > len(payload):
                raise ChunkError(
                    f"An aggregate message of {len(payload)} bytes ends inside a tag. Restart the encoder."
                )
            if header[0] in (messages.AUDIO, messages.VIDEO):
                self._on_message(header[0], (timestamp + time - first) & 0xFFFFFFFF, 0, payload[start:position])
            position += 4  # back pointer

    def _on_metadata(self, metadata: dict[str, AmfValue] | None) -> None:
        source = self.source
        if metadata is None or source is None or metadata == source.metadata:
            return
        source.metadata = metadata
        video = _announces(metadata, ("videocodecid", "width", "height", "framerate", "videodatarate"))
        audio = _announces(metadata, ("audiocodecid", "audiosamplerate", "audiochannels", "audiodatarate"))
        source.expects_video = video if video or audio else None
        source.expects_audio = audio if video or audio else None
        if source.listener is not None:
            source.listener.on_metadata(metadata)

    def _on_command(self, command: Command, stream_id: int) -> None:
        name = command.name
        if name == "connect":
            self._connect(command)
        elif name == "publish":
            self._publish(command, stream_id)
        elif name in ("play", "play2"):
            sentence = (
                "This server does not play over RTMP. Open /hls/stream.m3u8 on its web address in the player instead."
            )
            self._refuse("NetStream.Play.Failed", sentence, stream_id)
        elif name == "createStream":
            self._send(messages.command("_result", command.transaction, None, _MESSAGE_STREAM))
        elif name in ("FCUnpublish", "deleteStream", "closeStream"):
            # Some encoders name the key instead of the stream's number here; one connection has one stream anyway.
            if self.source is not None:
                text = "The encoder ended the stream."
                self._send(messages.on_status("status", "NetStream.Unpublish.Success", text, stream_id=stream_id))
                self.end(text)
        elif name in ("releaseStream", "FCPublish") and command.transaction:
            # Transaction 0 asks for no answer (RTMP 7.2.1.1 numbers calls from 1).
            self._send(messages.command("_result", command.transaction, None))

    def _connect(self, command: Command) -> None:
        properties = command.argument(0)
        if self._connected or not isinstance(properties, dict):
            raise AmfError("The connect command came twice or without properties. Use an RTMP encoder.")
        app = properties.get("app")
        parts = _path(app) if isinstance(app, str) else []
        if not parts or parts[0] != APPLICATION:
            # What stands there is not shown: people paste keys in the wrong field.
            sentence = f"The server address must end in /{APPLICATION}, as in rtmp://HOST/{APPLICATION}."
            info: dict[str, AmfValue] = {
                "level": "error",
                "code": "NetConnection.Connect.Rejected",
                "description": sentence,
            }
            self._send(messages.command("_error", command.transaction, None, info))
            self.end(sentence)
            return
        self._connected = True
        self._key_in_app = "/".join(parts[1:])
        encoder = properties.get("flashVer")
        if isinstance(encoder, str):
            self._encoder = "".join(c for c in encoder[:MAX_ENCODER_NAME] if c.isprintable())
        self._send(messages.window_ack_size(WINDOW))
        self._send(messages.set_peer_bandwidth(WINDOW))
        self._send(messages.set_chunk_size(CHUNK_SIZE))
        self._writer.chunk_size = CHUNK_SIZE
        answer: dict[str, AmfValue] = {"fmsVer": "FMS/3,0,1,123", "capabilities": 31.0}
        if any(name in properties for name in _ENHANCED_FIELDS):
            answer["fourCcList"] = [*VIDEO_FOURCCS, *AUDIO_FOURCCS]
            answer["videoFourCcInfoMap"] = dict.fromkeys(VIDEO_FOURCCS, _CAN_FORWARD)
            answer["audioFourCcInfoMap"] = dict.fromkeys(AUDIO_FOURCCS, _CAN_FORWARD)
            answer["capsEx"] = _CAPABILITIES
        info = {
            "level": "status",
            "code": "NetConnection.Connect.Success",
            "description": "Connected.",
            "objectEncoding": 0.0,
        }
        self._send(messages.command("_result", command.transaction, answer, info))

    def _publish(self, command: Command, stream_id: int) -> None:
        if not self._connected:
            self._refuse("NetStream.Publish.BadName", "The encoder must send connect before publish.", stream_id)
            return
        if self.source is not None:
            self._refuse(
                "NetStream.Publish.BadName", "One connection publishes one stream. Open another connection.", stream_id
            )
            return
        name = command.argument(1)
        key = "/".join(filter(None, [self._key_in_app, *(_path(name) if isinstance(name, str) else [])]))
        if not key or len(key) > MAX_KEY_LENGTH:
            sentence = (
                f"The stream key has {len(key)} characters; 1 to {MAX_KEY_LENGTH} are accepted. "
                "Enter the stream key in the encoder's settings."
            )
            self._refuse("NetStream.Publish.BadName", sentence, stream_id)
            return
        source = LiveSource(Origin(self._protocol, self._address, self._encoder), self.end)
        source.bytes_received = self.bytes_received
        try:
            source.listener = self._gate.admit(PublishRequest(key, source))
        except PublishRefused as error:
            self._refuse("NetStream.Publish.BadName", str(error), stream_id)
            return
        self.source = source
        self.timeline = Timeline(source)
        self._flv = FlvReader(self.timeline)
        self._published_on = stream_id
        self._reader.media_limit = MAX_MEDIA_MESSAGE
        self._grow = True
        self._send(messages.user_control(messages.STREAM_BEGIN, stream_id))
        self._send(messages.on_status("status", "NetStream.Publish.Start", "Publishing.", stream_id=stream_id))

    def _refuse(self, code: str, sentence: str, stream_id: int) -> None:
        self._send(messages.on_status("error", code, sentence, stream_id=stream_id))
        self.end(sentence)

    def _fail(self, code: str, error: IngestError) -> None:
        """Bad input after the handshake is told to the encoder; one that cannot shake hands could not read it."""
        if self._handshake is None and self.finished is None:
            status = messages.on_status("error", code, str(error), stream_id=self._published_on)
            self._output += self._writer.write(status)
        self.end(str(error))

    def _send(self, message: messages.Message) -> None:
        self._output += self._writer.write(message)
        if len(self._output) > MAX_OUTPUT:
            raise ChunkError(
                f"The encoder asks for more than {MAX_OUTPUT} bytes of answers at once. Use an RTMP encoder."
            )


def _path(text: str) -> list[str]:
    """The parts of an application or stream name, without empty ones and without a query string."""
    return [part for part in text.partition("?")[0].split("/") if part]


def _announces(metadata: dict[str, AmfValue], names: tuple[str, ...]) -> bool:
    """Whether any of the properties has a value that says something."""
    return any(isinstance(value := metadata.get(name), str) or finite(value) for name in names)
