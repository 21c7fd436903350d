"""Segments that come in one piece → frames that flow, on one sane timeline. Sans-I/O; clocks are handed in.

Owns the pace: frames leave at the speed of their own time, so that viewers get even parts although the encoder sends
seconds at once. Late segments push the pace back, what piles up is let go a little faster. Variants leave together,
the smaller before the best, so that whoever cuts the best one finds the others there already.

Owns the timeline as well. Encoders count on from anything (MPEG-TS wraps after 26.5 hours) and begin anew after a
restart. All tracks share what is added to their times, so that sound and pictures and variants stay together; a jump
of more than `FORWARD` is absorbed, a shorter one is a gap.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from ingest.hls.chunk import Chunk
from ingest.source import (
    TIMESCALE,
    AudioFrame,
    AudioHeader,
    LiveSource,
    SourceVariant,
    VideoFrame,
    VideoHeader,
)

FORWARD: Final = 10 * TIMESCALE
"""A longer step forward is a jump of the encoder's clock."""
BACKWARD: Final = TIMESCALE
"""A longer step back is one as well."""
COMPOSITION: Final = 5 * TIMESCALE
"""Pictures shown further from where they are decoded than this are not believed."""
CATCH_UP: Final = 1.1
"""How much faster than real time frames leave when more than `AHEAD` segments have piled up."""
AHEAD: Final = 2
OVERFULL: Final = 5
"""Beyond so many segments all but two leave at once."""
MAX_WAITING: Final = 40_000
"""Frames of one track that wait; an encoder that sends faster than this loses the oldest."""
LATE_SEGMENTS: Final = 2
"""How many segments a variant may be behind the others before they go on without it."""
BEGIN: Final = TIMESCALE
"""Where the first segment that comes is put on the timeline: what belongs to it may begin a little earlier."""
SOON: Final = 0.02
"""Frames within so many seconds leave together."""


@dataclass(slots=True)
class _Track:
    """The frames of one kind of one encoding that wait, in order."""

    rank: int
    """Of frames for the same time the lower goes first."""
    waiting: deque[tuple[int, VideoHeader | AudioHeader | VideoFrame | AudioFrame]] = field(default_factory=deque)
    end: int | None = None
    """The decode time of the newest frame that ever came."""
    lead: int = 0
    """From decoding to showing its first picture: encodings with other B-frames are compared by when they are shown."""
    offset: int | None = None
    header: object = None
    step: int = TIMESCALE // 30
    wants_keyframe: bool = True

    @property
    def reach(self) -> int | None:
        """Up to when there is something to show."""
        return None if self.end is None else self.end + self.lead


class Release:
    """The frames of one publisher. `add` what was in a segment, call `due` whenever it says."""

    def __init__(self, source: LiveSource) -> None:
        self._source = source
        self._outputs: tuple[LiveSource | SourceVariant, ...] = (source, *source.variants)
        count = len(self._outputs)
        # The smallest first, then the source itself, then its sound.
        self._videos = [_Track(count - 1 - number) for number in range(count)]
        self._audio = _Track(count)
        self._offset: int | None = None
        self._finished = False
        self._longest = TIMESCALE
        self._media = 0.0
        """Up to where frames have left."""
        self._then: float | None = None
        """The clock when that was so; None before the first frame."""

    @property
    def begun(self) -> bool:
        """Whether every encoding has sent something, or the best one so much that nobody waits for the others."""
        ends = self._reaches()
        everything = all(track.end is not None for track in self._videos)
        return bool(ends) and (everything or self._finished or max(ends) - BEGIN >= LATE_SEGMENTS * self._longest)

    @property
    def empty(self) -> bool:
        """Whether everything has left."""
        return not any(track.waiting for track in (*self._videos, self._audio))

    def finish(self) -> None:
        """Nothing more comes: nothing waits for anything any more."""
        self._finished = True

    def add(self, number: int, chunk: Chunk, *, broken: bool, name: str) -> None:
        """Takes a segment of encoding `number`, or of sound alone when there is no such encoding.

        `broken`: something before it is missing, so that its pictures begin with a keyframe. `name` is the one of its
        initialization section: with another one the codecs may have changed.
        """
        if number < len(self._videos) and chunk.pictures is not None:
            self._add_pictures(number, chunk, broken, name)
        if chunk.sound is not None and (number == 0 or number >= len(self._videos)):
            self._add_sound(chunk)

    def due(self, now: float) -> float:
        """Hands on what is due at `now` (seconds); returns after how many seconds more may be."""
        if not self.begun:
            return 1.0
        horizon = self._horizon()
        if self._then is None:
            self._then = now
            self._media = float(min(t.waiting[0][0] for t in (*self._videos, self._audio) if t.waiting))
        ahead = horizon - self._media
        if ahead > OVERFULL * self._longest:
            self._media = float(horizon - AHEAD * self._longest)
        speed = CATCH_UP if ahead > AHEAD * self._longest else 1.0
        self._media = min(self._media + (now - self._then) * TIMESCALE * speed, float(horizon))
        self._then = now
        limit = self._media + SOON * TIMESCALE
        while True:
            first = self._first()
            if first is None or first.waiting[0][0] > min(limit, horizon):
                break
            self._hand_on(first)
        return 1.0 if first is None else max((first.waiting[0][0] - self._media) / TIMESCALE, SOON)

    def _add_pictures(self, number: int, chunk: Chunk, broken: bool, name: str) -> None:
        pictures = chunk.pictures
        if pictures is None or not pictures.frames:
            return
        track = self._videos[number]
        track.wants_keyframe = track.wants_keyframe or broken
        first = pictures.frames[0].dts
        offset = self._place(track, first)
        described = (pictures.header.codec, pictures.size, name)
        if track.header != described:
            track.header, track.wants_keyframe = described, True
            before, track.lead = track.reach, min(max(pictures.frames[0].pts - first, 0), COMPOSITION)
            track.waiting.append((first + offset if before is None else before, pictures.header))
        if number == 0:
            self._note_keyframes(pictures.frames)
        for frame in pictures.frames:
            if track.wants_keyframe and not frame.keyframe:
                continue
            track.wants_keyframe = False
            dts = frame.dts + offset
            composition = min(max(frame.pts - frame.dts, -COMPOSITION), COMPOSITION)
            if track.end is not None:
                track.step = min(max(dts - track.end, 1), TIMESCALE)
                dts = max(dts, track.end + 1)
            track.end = dts
            track.waiting.append((dts + track.lead, VideoFrame(dts, dts + composition, frame.keyframe, frame.data)))
        self._bound(track)
        last = pictures.frames[-1].dts
        self._longest = max(self._longest, min(last - first, FORWARD))

    def _add_sound(self, chunk: Chunk) -> None:
        sound = chunk.sound
        if sound is None or not sound.frames:
            return
        track = self._audio
        offset = self._place(track, sound.frames[0].pts)
        if track.header != sound.header:
            track.header = sound.header
            track.waiting.append((sound.frames[0].pts + offset if track.end is None else track.end, sound.header))
        for frame in sound.frames:
            pts = frame.pts + offset
            if track.end is not None:
                track.step = max(pts - track.end, 1)
                pts = max(pts, track.end)
            track.end = pts
            track.waiting.append((pts, AudioFrame(pts, frame.data)))
        self._bound(track)
        self._longest = max(self._longest, min(sound.frames[-1].pts - sound.frames[0].pts, FORWARD))

    def _place(self, track: _Track, first: int) -> int:
        """What is added to the times of a segment whose first frame is at `first`."""
        if self._offset is None:
            self._offset = BEGIN - first
        expected = None if track.end is None else track.end + track.step
        for offset in (track.offset, self._offset):
            if offset is not None and (expected is None or -BACKWARD <= first + offset - expected <= FORWARD):
                track.offset = offset
                return offset
        offset = (BEGIN if expected is None else expected) - first
        track.offset = self._offset = offset
        return offset

    def _note_keyframes(self, frames: list[VideoFrame]) -> None:
        """The longest distance between keyframes; a segment's own length where it has but one."""
        times = [frame.dts for frame in frames if frame.keyframe]
        times.append(frames[-1].dts)
        longest = max((after - before for before, after in pairwise(times)), default=0) / TIMESCALE
        self._source.keyframe_interval = max(self._source.keyframe_interval or 0.0, longest)

    def _bound(self, track: _Track) -> None:
        while len(track.waiting) > MAX_WAITING:
            track.waiting.popleft()

    def _horizon(self) -> int:
        """Up to where all that can be expected to come has come."""
        ends = self._reaches()
        newest = max(ends)
        return newest if self._finished else min(end for end in ends if newest - end <= LATE_SEGMENTS * self._longest)

    def _reaches(self) -> list[int]:
        return [reach for track in (*self._videos, self._audio) if (reach := track.reach) is not None]

    def _first(self) -> _Track | None:
        tracks = [track for track in (*self._videos, self._audio) if track.waiting]
        return min(tracks, key=lambda track: (track.waiting[0][0], track.rank), default=None)

    def _hand_on(self, track: _Track) -> None:
        _, item = track.waiting.popleft()
        source = self._source
        if isinstance(item, AudioFrame | AudioHeader):
            listener = source.listener
            if isinstance(item, AudioHeader):
                source.audio = item
                if listener is not None:
                    listener.on_audio_header(item)
            else:
                source.bytes_received += len(item.data)
                source.audio_frames += 1
                if listener is not None:
                    listener.on_audio(item)
            return
        output = self._outputs[self._videos.index(track)]
        if isinstance(item, VideoHeader):
            output.video = item
            if output.listener is not None:
                output.listener.on_video_header(item)
            return
        if output is source:
            source.bytes_received += len(item.data)
            source.video_frames += 1
        if output.listener is not None:
            output.listener.on_video(item)
