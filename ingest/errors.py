"""The errors of ingest. Messages are sentences that a streamer can act on; a stream key never appears in one.

IngestError
├── ProtocolError          bytes that break RTMP; the connection ends
│   ├── HandshakeError     the peer does not begin as RTMP does
│   ├── ChunkError         a chunk or message that is malformed or too large
│   └── AmfError           a value that is not AMF0
├── FlvError               an audio or video message that cannot be read
│   └── UnsupportedCodec   a codec that this server cannot offer to viewers
├── PlaylistError          a playlist, or a name in one, that cannot be used
├── SegmentError           a segment that cannot be read
└── PublishRefused         the gate, or the session, does not let this publisher in
"""

from __future__ import annotations


class IngestError(Exception):
    """Base of all errors of this package."""


class ProtocolError(IngestError):
    """Bytes that break RTMP."""


class HandshakeError(ProtocolError):
    """The peer does not begin as RTMP does."""


class ChunkError(ProtocolError):
    """A chunk or message that is malformed or larger than its limit."""


class AmfError(ProtocolError):
    """A value that is not AMF0, or one beyond the limits on depth and number of elements."""


class FlvError(IngestError):
    """An audio or video message that cannot be read."""


class UnsupportedCodec(FlvError):
    """A codec that this server cannot offer to viewers."""


class PlaylistError(IngestError):
    """A playlist, or a name in one, that cannot be used."""


class SegmentError(IngestError):
    """A segment that cannot be read."""


class PublishRefused(IngestError):
    """This publisher is not let in; the sentence reaches the encoder."""
