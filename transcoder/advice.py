"""ffmpeg's complaints → sentences that a streamer understands.

Pure. Owns the table of complaints and the rule that each advice is given once. Lines that it does not know are for
the debug log only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MAX_LINE = 500
"""Characters of a complaint that are looked at and logged."""


@dataclass(frozen=True, slots=True)
class Advice:
    """`sentence` is for the owner; `encoder_failed` says that the encoder itself, often a hardware one, gave up."""

    sentence: str
    encoder_failed: bool = False


_NO_MORE_SESSIONS = Advice(
    "The graphics card permits no further encoding session; close other programs that encode on it (OBS with NVENC "
    "counts), ask for fewer variants, or choose the codec libx264.",
    True,
)

_COMPLAINTS: tuple[tuple[str, Advice], ...] = (
    (
        r"OpenEncodeSessionEx failed: (out of memory|incompatible client key)|No capable devices found",
        _NO_MORE_SESSIONS,
    ),
    (
        r"Cannot load (libcuda|nvcuda|libnvidia-encode|nvEncodeAPI)|Driver does not support the required nvenc",
        Advice("The NVIDIA driver is missing or too old for this ffmpeg; install or update it.", True),
    ),
    (
        r"Error (creating|initializing) (a|an|the)? ?(internal )?MFX session",
        Advice(
            "Intel Quick Sync does not answer; install Intel's media driver (intel-media-va-driver) and oneVPL.", True
        ),
    ),
    (
        r"(Failed to initialise VAAPI|No VA display found|Device creation failed|vaInitialize failed)",
        Advice(
            "The VA-API device cannot be opened; install its driver and let this user read /dev/dri (group render).",
            True,
        ),
    ),
    (
        r"DLL libamfrt\S* failed to open|Failed to create +hardware device context \(AMF\)",
        Advice("AMD's encoder runtime (AMF) is not installed.", True),
    ),
    (r"Could not find a valid device", Advice("No V4L2 encoder device was found under /dev/video*.", True)),
    (
        r"Error while opening encoder|Could not open encoder|Error initializing output stream",
        Advice("The video encoder could not be opened with these settings.", True),
    ),
    (
        r"Unknown encoder '|Unrecognized option '",
        Advice("This ffmpeg was built without the wanted encoder; choose another codec or another ffmpeg.", True),
    ),
    (
        r"\[h264_(nvenc|qsv|vaapi|videotoolbox|amf|v4l2m2m)[ @].*(fail|error|lost|device)",
        Advice("The hardware encoder reported an error.", True),
    ),
    (
        r"error while decoding MB|concealing \d+|Invalid NAL unit size|missing picture in access unit",
        Advice(
            "The incoming video is damaged in places. If this repeats, lower the bit rate in the streaming program or "
            "use a cable instead of wireless."
        ),
    ),
    (
        r"Cannot allocate memory|Out of memory",
        Advice("This machine has too little free memory to encode; ask for fewer or smaller variants."),
    ),
    (
        r"Video codec \(\w+\) is not implemented|Unsupported video codec|dimensions not set|Unknown codec",
        Advice("This ffmpeg cannot read the source's codec; use the bundled ffmpeg, or stream in H.264 with AAC."),
    ),
    (r"No space left on device", Advice("The disk is full; free some space.")),
    (
        r"Non-monotonous DTS|non monotonically increasing dts",
        Advice("The source's timestamps go backwards; restart the streaming program if picture and sound drift apart."),
    ),
)

_COMPILED = tuple((re.compile(pattern, re.IGNORECASE), advice) for pattern, advice in _COMPLAINTS)


def translate(line: str) -> Advice | None:
    """Return the advice for one line of ffmpeg's, or None when it has nothing to say to a streamer."""
    line = line[:MAX_LINE]
    return next((advice for pattern, advice in _COMPILED if pattern.search(line)), None)


@dataclass(slots=True)
class Adviser:
    """Translates lines and gives each advice once in its life; the table bounds what it remembers."""

    _given: set[str] = field(default_factory=set)

    def once(self, advice: Advice) -> bool:
        """True the first time that this advice comes."""
        if advice.sentence in self._given:
            return False
        self._given.add(advice.sentence)
        return True
