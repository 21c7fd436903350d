"""Frames of one rendition → parts in the live window, cut where the schedule says.

Owns the frames that belong to no finished part yet, and a track's sample durations. It is the same for a passthrough
rendition, whose frames come from the source, and a transcoded one, whose frames come back from ffmpeg a little later;
both are written by `transcoder.fmp4.writer`. A part for which a rendition has no frames becomes silence where that is
known, else a GAP, so that part numbers stay equal in all renditions.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from ingest.source import TIMESCALE, AudioCodec, AudioFrame, VideoFrame
from transcoder.audio_codecs import AudioInfo, frame_samples
from transcoder.fmp4.writer import Sample, audio_fragment, video_fragment
from transcoder.schedule import DEFAULT_FRAME, Boundary, Schedule
from transcoder.segments import Part
from transcoder.window import Rendition

MAX_QUEUED_FRAMES = 2048
"""Frames waiting for a boundary; more than a minute of pictures means that the schedule has stopped."""

AUDIO_RESYNC = TIMESCALE * 60 // 1000
"""How far timestamps may stray from the counted samples before they are believed (FLV rounds to milliseconds)."""

AUDIO_LATE = TIMESCALE
"""How long a part waits for audio after it ended, before silence takes the place of frames that do not come."""


class _Packager:
    """What video and audio share: a place in the schedule, and the way a part is handed over."""

    def __init__(self, schedule: Schedule, rendition: Rendition) -> None:
        self._schedule = schedule
        self._rendition = rendition
        self._cursor = 0
        self._run = -1
        self._last_run = -1
        self.failing = False
        """Frames are not to be expected for now: every part is closed as soon as its end is known."""

    def advance(self) -> None:
        """The schedule has grown, a run has ended or `failing` has changed: closes what can be closed."""
        while (boundary := self._schedule.at(self._cursor)) is not None and boundary.run <= self._last_run:
            end = self._schedule.end_of(boundary)
            if end is None or not self._close(boundary, *end):
                return
            self._cursor = boundary.serial + 1

    def finish(self) -> None:
        """No more frames of the current run will come: closes all its parts. The run must have ended."""
        failing, self.failing = self.failing, True
        self.advance()
        self.failing = failing

    def _close(self, boundary: Boundary, end: int, closes_segment: bool) -> bool:
        raise NotImplementedError

    def _hand_over(self, boundary: Boundary, part: Part, *, start: int, decode_time: int, closes_segment: bool) -> None:
        self._rendition.add_part(
            part,
            sequence=boundary.segment,
            start=start,
            decode_time=decode_time,
            discontinuity=boundary.run != self._run,
            closes=closes_segment,
        )
        self._run = boundary.run


class VideoPackager(_Packager):
    """Packages a video rendition. Frames come in decode order, on the broadcast's timeline.

    `patient` renditions (transcoded ones) wait for pictures however late; to others a part whose end is known without
    a picture that follows it has stalled, and is closed as it is.
    """

    def __init__(self, schedule: Schedule, rendition: Rendition, *, patient: bool = False) -> None:
        super().__init__(schedule, rendition)
        self._patient = patient
        self._frames: list[VideoFrame] = []
        self._offset = 0
        self._frame = DEFAULT_FRAME
        self._need_keyframe = False

    def begin_run(self, run: int, offset: int = 0) -> None:
        """Frames of `run` follow; `offset` is the first picture's composition time, pts - dts. The last is finished."""
        self._last_run = run
        self._offset = offset
        self._frames.clear()
        self._need_keyframe = True

    def feed(self, frame: VideoFrame) -> None:
        """Takes the next frame."""
        frames = self._frames
        if (not frames or len(frames) > MAX_QUEUED_FRAMES) and not self._accepts(frame):
            return
        frames.append(frame)
        if self._schedule.head > self._cursor:
            self.advance()

    def _accepts(self, frame: VideoFrame) -> bool:
        """Whether a frame can begin what is queued: a decoder must be able to start, or to go on, with it."""
        if len(self._frames) > MAX_QUEUED_FRAMES:
            self._frames.clear()
            self._need_keyframe = True
        if self._need_keyframe:
            self._need_keyframe = not frame.keyframe
        if not self._need_keyframe and self._run >= 0 and self._is_late(frame):
            # Its part has gone out as a gap, and what follows cannot be decoded without it.
            self._need_keyframe = True
        return not self._need_keyframe

    def _is_late(self, frame: VideoFrame) -> bool:
        boundary = self._schedule.at(self._cursor)
        return boundary is not None and frame.dts + self._offset < boundary.time - self._schedule.part_target

    def _close(self, boundary: Boundary, end: int, closes_segment: bool) -> bool:
        frames, offset = self._frames, self._offset
        if len(frames) > 1:
            self._frame = min(max(frames[-1].dts - frames[-2].dts, 1), TIMESCALE)
        limit = end - self._frame // 2
        count = len(frames)
        if frames and frames[-1].dts + offset >= limit:
            while count and frames[count - 1].dts + offset >= limit:
                count -= 1
        elif self._patient and not self.failing and not (frames and frames[-1].dts + offset + self._frame >= limit):
            return False
        duration = end - boundary.time
        if not count:
            part = Part(duration, False, None)
            self._hand_over(boundary, part, start=boundary.time, decode_time=0, closes_segment=closes_segment)
            return True
        first = frames[0]
        # The part lasts until the next picture or, where that is not there yet or comes much later, until its end.
        stop = end - offset
        if count < len(frames) and abs(frames[count].dts - stop) <= self._frame:
            stop = frames[count].dts
        samples = []
        for position in range(count):
            frame = frames[position]
            following = frames[position + 1].dts if position + 1 < count else max(stop, frame.dts + 1)
            samples.append(Sample(following - frame.dts, max(frame.pts - frame.dts, 0), frame.keyframe, frame.data))
        del frames[:count]
        data = video_fragment(boundary.serial + 1, first.dts, samples)
        part = Part(duration, first.keyframe, data)
        self._hand_over(boundary, part, start=boundary.time, decode_time=first.dts, closes_segment=closes_segment)
        return True


class _Queued(NamedTuple):
    """An audio frame with its place on the track's own, gapless, timeline."""

    start: int
    samples: int
    data: bytes


class AudioPackager(_Packager):
    """Packages an audio rendition. Samples are counted: frames follow each other without rounding.

    `patient` renditions (transcoded ones) wait for frames however late; others get silence after `AUDIO_LATE`.
    """

    def __init__(self, schedule: Schedule, rendition: Rendition, *, patient: bool = False) -> None:
        super().__init__(schedule, rendition)
        self._patient = patient
        self._arrived: list[AudioFrame] = []
        self._queue: list[_Queued] = []
        self._info: AudioInfo | None = None
        self._silence: bytes | None = None
        self._next = 0
        self._tolerance = 0
        self._frame_samples = 0
        self._anchored = False

    def begin_run(self, run: int, info: AudioInfo | None) -> None:
        """Frames of `run` follow, as `info` describes them (None: not known yet). The last run is finished."""
        self._last_run = run
        self._arrived.clear()
        self._queue.clear()
        self._anchored = False
        self._info = None
        if info is not None:
            self.describe(info)

    def describe(self, info: AudioInfo) -> None:
        """The frames of the current run are like this; for renditions whose encoder says so only when it starts."""
        self._info = info
        self._tolerance = AUDIO_RESYNC * info.sample_rate // TIMESCALE
        self._frame_samples = 0 if info.codec is AudioCodec.OPUS else info.samples_per_frame

    def set_silence(self, frame: bytes | None) -> None:
        """A coded frame of silence that fits what is fed, if there is one."""
        self._silence = frame

    def feed(self, frame: AudioFrame) -> None:
        """Takes the next frame."""
        self._arrived.append(frame)
        if self._schedule.head > self._cursor or len(self._arrived) > MAX_QUEUED_FRAMES:
            self.advance()

    def advance(self) -> None:
        """See `_Packager`; first gives what has arrived its place in the track."""
        if self._arrived:
            self._place()
        super().advance()

    def _place(self) -> None:
        info, queue = self._info, self._queue
        arrived, self._arrived = self._arrived, []
        if info is None:
            return
        rate, tolerance = info.sample_rate, self._tolerance
        for pts, data in arrived:
            at = pts * rate // TIMESCALE
            start = self._next
            stray = at - start
            if not self._anchored:
                self._anchored = True
                start = at
            elif stray > tolerance:
                self._fill(at)
                start = at if at - self._next > tolerance else self._next
            elif stray < -tolerance:
                continue
            samples = self._frame_samples or frame_samples(info, data)
            queue.append(_Queued(start, samples, data))
            self._next = start + samples
        if len(queue) > MAX_QUEUED_FRAMES:
            del queue[:-MAX_QUEUED_FRAMES]

    def _fill(self, until: int) -> None:
        """Puts silence where frames are missing, up to half a frame before `until` (in samples)."""
        info, silence = self._info, self._silence
        if info is None or silence is None:
            return
        step = info.samples_per_frame
        while self._next + step // 2 < until and len(self._queue) < MAX_QUEUED_FRAMES:
            self._queue.append(_Queued(self._next, step, silence))
            self._next += step

    def _close(self, boundary: Boundary, end: int, closes_segment: bool) -> bool:
        info = self._info
        if info is None:
            if not self.failing:
                return False
            part = Part(end - boundary.time, False, None)
            self._hand_over(boundary, part, start=boundary.time, decode_time=0, closes_segment=closes_segment)
            return True
        queue, rate = self._queue, info.sample_rate
        # A frame belongs to the part in which most of it is heard: the border is half a frame before the end.
        limit = end * rate // TIMESCALE - info.samples_per_frame // 2
        if not (queue and queue[-1].start + queue[-1].samples >= limit):
            if not self.failing and (self._patient or self._schedule.part_start - end < AUDIO_LATE):
                return False
            if self._anchored:
                self._fill(end * rate // TIMESCALE)
        if boundary.run != self._run:  # sound from before the first picture has nothing to go with
            earliest = max(boundary.time * rate // TIMESCALE - info.samples_per_frame // 2, 0)
            while queue and queue[0].start < earliest:
                del queue[0]
        count = next((n for n, frame in enumerate(queue) if frame.start >= limit), len(queue))
        if not count:
            part = Part(end - boundary.time, False, None)
            self._hand_over(boundary, part, start=boundary.time, decode_time=0, closes_segment=closes_segment)
            return True
        frames = queue[:count]
        del queue[:count]
        first = frames[0].start
        stop = frames[-1].start + frames[-1].samples
        samples = [Sample(following.start - frame.start, 0, True, frame.data) for frame, following in pairwise(frames)]
        samples.append(Sample(frames[-1].samples, 0, True, frames[-1].data))
        part = Part((stop - first) * TIMESCALE // rate, True, audio_fragment(boundary.serial + 1, first, samples))
        start = first * TIMESCALE // rate
        self._hand_over(boundary, part, start=start, decode_time=first, closes_segment=closes_segment)
        return True
