"""Makes a publisher's timestamps sane before anyone sees them.

Owns: the 32-bit wrap, the rebase to 0, jumps, steps back, the wait for a keyframe and the suppression of repeated
headers. It does not parse (`ingest.flv` calls it) and holds no frames.

The rules. Timestamps are 32-bit milliseconds compared by signed difference. Each track is followed by its own last
timestamp, so tracks may be interleaved with any offset. Only a step that is out of range by both tracks is a jump of
the source's clock; then time continues where the track would have gone on. A pause of one track is not a jump.
"""

from __future__ import annotations

from typing import Final

from ingest.source import AudioFrame, AudioHeader, LiveSource, VideoFrame, VideoHeader

FORWARD_LIMIT_MS: Final = 2_000
"""A larger step forward is a jump of the source's clock and is absorbed."""

BACKWARD_LIMIT_MS: Final = 1_000
"""A larger step back is a jump of the source's clock and is absorbed."""

COMPOSITION_LIMIT_MS: Final = 5_000
"""Composition offsets beyond this, in either direction, are clamped: no encoder reorders over five seconds."""

_TICKS_PER_MS: Final = 90
_WRAP: Final = 1 << 32
_HALF: Final = 1 << 31


class _Track:
    """Where one track stands: last timestamp as received, the position it got, and the last plausible step, in ms."""

    __slots__ = ("last", "position", "raw", "started", "step")

    def __init__(self) -> None:
        self.started = False
        self.raw = 0
        self.position = 0
        self.step = 0
        self.last = -1
        """The last time handed on, in ticks."""


class Timeline:
    """Turns the raw headers and frames of one publisher into the calls of its `SourceListener`.

    Times out are 1/90000 s, start at 0 with the first frame handed on, strictly increase for video dts and never
    decrease for audio. A pts lies within `COMPOSITION_LIMIT_MS` of its dts, before it only if the encoder said so.
    """

    __slots__ = ("_audio", "_based", "_source", "_video", "jumps", "wants_keyframe")

    def __init__(self, source: LiveSource) -> None:
        self._source = source
        self._video = _Track()
        self._audio = _Track()
        self._based = False
        self.wants_keyframe = True
        """Whether pictures are being dropped until the next keyframe."""
        self.jumps = 0
        """How many jumps were absorbed."""

    def video_header(self, header: VideoHeader) -> None:
        """A decoder configuration; an identical repeat is dropped, another one waits for the next keyframe."""
        source = self._source
        if header == source.video:
            return
        source.video = header
        self.wants_keyframe = True
        if source.listener is not None:
            source.listener.on_video_header(header)

    def audio_header(self, header: AudioHeader) -> None:
        """A decoder configuration; an identical repeat is dropped."""
        source = self._source
        if header == source.audio:
            return
        source.audio = header
        if source.listener is not None:
            source.listener.on_audio_header(header)

    def video(self, timestamp: int, keyframe: bool, composition: int, data: bytes, nanoseconds: int = 0) -> None:
        """One picture: `timestamp` and `composition` in ms as received, `nanoseconds` added to the timestamp."""
        track = self._video
        if self.wants_keyframe:
            if not keyframe:
                if self._based:
                    self._advance(track, self._audio, timestamp)
                return
            self.wants_keyframe = False
        step = (timestamp - track.raw) & 0xFFFFFFFF
        if step <= FORWARD_LIMIT_MS and track.started:
            track.raw = timestamp
            track.step = step
            track.position += step
        else:
            self._advance(track, self._audio, timestamp)
        dts = pts = track.position * _TICKS_PER_MS
        if nanoseconds:
            dts = pts = dts + nanoseconds * 9 // 100_000
        if composition:
            if composition > COMPOSITION_LIMIT_MS:
                composition = COMPOSITION_LIMIT_MS
            elif composition < -COMPOSITION_LIMIT_MS:
                composition = -COMPOSITION_LIMIT_MS
            pts += composition * _TICKS_PER_MS
        if dts <= track.last:
            dts = track.last + 1
            if pts < dts and composition >= 0:
                pts = dts
        track.last = dts
        self._source.video_frames += 1
        listener = self._source.listener
        if listener is not None:
            listener.on_video(VideoFrame(dts, pts, keyframe, data))

    def audio(self, timestamp: int, data: bytes, nanoseconds: int = 0) -> None:
        """One audio frame: `timestamp` in ms as received, `nanoseconds` added to it."""
        track = self._audio
        step = (timestamp - track.raw) & 0xFFFFFFFF
        if step <= FORWARD_LIMIT_MS and track.started:
            track.raw = timestamp
            track.step = step
            track.position += step
        else:
            self._advance(track, self._video, timestamp)
        pts = track.position * _TICKS_PER_MS
        if nanoseconds:
            pts += nanoseconds * 9 // 100_000
        if pts < 0:
            return  # Sound from before the first picture, sent after it: there is nothing to show with it.
        if pts < track.last:
            pts = track.last
        track.last = pts
        self._source.audio_frames += 1
        listener = self._source.listener
        if listener is not None:
            listener.on_audio(AudioFrame(pts, data))

    def _advance(self, track: _Track, other: _Track, timestamp: int) -> None:
        """The rare steps: the first frames, steps back, wide gaps and jumps. Moves `track` to its new position."""
        if track.started:
            step = _signed(timestamp - track.raw)
            if -BACKWARD_LIMIT_MS <= step <= FORWARD_LIMIT_MS:
                self._move(track, timestamp, track.position + step)
                return
        if other.started:
            step = _signed(timestamp - other.raw)
            if -BACKWARD_LIMIT_MS <= step <= FORWARD_LIMIT_MS:
                self._move(track, timestamp, other.position + step)
                return
        if track.started:
            self.jumps += 1
            self._move(track, timestamp, track.position + track.step)
        elif other.started:
            self.jumps += 1
            self._move(track, timestamp, other.position)
        else:
            self._based = True
            self._move(track, timestamp, 0)

    @staticmethod
    def _move(track: _Track, timestamp: int, position: int) -> None:
        track.started = True
        track.raw = timestamp
        track.position = position


def _signed(difference: int) -> int:
    """A difference of two 32-bit times as the shorter way round: RTMP's timestamps wrap after 49.7 days."""
    return (difference + _HALF) % _WRAP - _HALF
