"""The transcoder's errors.

TranscoderError
├── MediaError           bytes that are not what their format says
│   ├── BoxError         an ISO BMFF box that cannot be read
│   └── CodecError       a decoder configuration that cannot be understood
├── LadderError          variants that cannot be made from this source
└── EncoderError         ffmpeg or one of its encoders does not work
"""

from __future__ import annotations


class TranscoderError(Exception):
    """Base of all errors of this package; the message is a sentence that a person can act on."""


class MediaError(TranscoderError):
    """Bytes that are not what their format says."""


class BoxError(MediaError):
    """An ISO BMFF box that cannot be read."""


class CodecError(MediaError):
    """A decoder configuration that cannot be understood."""


class LadderError(TranscoderError):
    """Variants that cannot be made from this source."""


class EncoderError(TranscoderError):
    """ffmpeg, or one of its encoders, does not work here."""
