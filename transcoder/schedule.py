"""Decides where every rendition is cut: once, from the source's frames, before anyone packages them.

Owns the list of boundaries of a broadcast. A boundary starts a part; some also start a segment, and some of those a
new run (a source after a break, or the slate), which becomes a discontinuity. All renditions cut at the same
boundaries, so media sequence and part numbers agree everywhere and each rendition needs no clock of its own.

The rules were measured: a part closes when its duration plus half a frame reaches the target; a segment begins at a
keyframe, as late as the target duration allows. Sans-I/O: times come in with the frames, in 1/90000 s.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from ingest.source import TIMESCALE

SEGMENT_SLACK = TIMESCALE * 49 // 100
"""EXTINF "rounded to the nearest integer" may not exceed TARGETDURATION (RFC 8216 §4.3.3.1): 0.49 s are left."""

GRID_SLACK = TIMESCALE // 100
"""How much earlier than its grid point a forced keyframe may come; ffmpeg's expression uses the same value."""

PART_SLACK = TIMESCALE * 341 // 10_000
"""How far a part may exceed its target; PART-TARGET is declared with it. Audio parts end up to a frame late: beside 13
pictures of 25/s stand 23 AAC frames of 44100 Hz, 534.06 ms. More would put pictures of 199 ms, as FLV rounds 0.2 s,
below 85 % of PART-TARGET."""

STALL_SLACK = TIMESCALE
"""How far audio may run ahead of the open video part before the part is closed without another picture."""

DEFAULT_FRAME = TIMESCALE // 30
MAX_BOUNDARIES = 4096
"""Boundaries kept for renditions that lag; at half a second each this is more than half an hour."""

MAX_RUNS = 64
"""Finished runs whose ends are kept for renditions that lag."""


class Boundary(NamedTuple):
    """Where a part starts."""

    serial: int
    """Counts all boundaries of the broadcast."""
    time: int
    """Presentation time of the part's first sample, on the broadcast's timeline."""
    segment: int
    """Media sequence number of the segment that the part belongs to."""
    part: int
    """The part's number in its segment."""
    run: int
    """Which uninterrupted run of media it belongs to."""


class Schedule:
    """Turns the leading track's frames into boundaries.

    `part_target` and `segment_target` are in ticks; without parts (latency level 4) parts are still cut, because
    memory and playlists are organised by them, but not offered.
    """

    def __init__(self, *, part_target: int, segment_target: int, target_duration: int) -> None:
        self.part_target = part_target
        self.segment_target = segment_target
        self.target_duration = target_duration
        self._boundaries: deque[Boundary] = deque(maxlen=MAX_BOUNDARIES)
        self.head = -1
        """The serial of the newest boundary."""
        self.part_start = 0
        """The time of the newest boundary."""
        self.overdue = 0
        """When audio reaches this time, the pictures have stalled: see `audio_passed`."""
        self.quiet_until = 0
        """No picture before this time, unless it is a keyframe, can start a part: it need not be shown to `video`,
        as long as `last_time` is kept up."""
        self.last_time = 0
        """Presentation time of the leading track's last frame."""
        self.offset = 0
        """What is added to a decode time to get the time that the schedule counts in."""
        self._next_segment = 0
        self._run = -1
        self._ended = True
        self._first = True
        self._run_ends: dict[int, int] = {}
        self._origin = 0
        self._own_grid = False
        self._frame = DEFAULT_FRAME
        self._segment_start = 0
        self._keyframe_time = 0
        self._longest_gap = 0
        self._bare = False

    @property
    def open(self) -> bool:
        """Whether a run is under way."""
        return not self._ended

    @property
    def at_segment_start(self) -> bool:
        """Whether the newest part is the first of its segment."""
        return self._boundaries[-1].part == 0

    @property
    def end_time(self) -> int:
        """Where the last finished run ended, 0 before any; the next one may start here or later."""
        return max(self._run_ends.values(), default=0)

    def at(self, serial: int) -> Boundary | None:
        """The boundary with this serial, or the oldest one kept; None while it is still to come."""
        if serial > self.head:
            return None
        return self._boundaries[max(serial - self.head - 1 + len(self._boundaries), 0)]

    def end_of(self, boundary: Boundary) -> tuple[int, bool] | None:
        """When the part that starts at `boundary` ends, and whether its segment ends with it; None while open."""
        following = self.at(boundary.serial + 1)
        if following is not None and following.run == boundary.run:
            return following.time, following.segment != boundary.segment
        if boundary.run < self._run or self._ended:
            return self._run_ends.get(boundary.run, boundary.time + self.part_target), True
        return None

    def begin_run(self, *, own_grid: bool = False) -> int:
        """Starts a run and returns its number. `own_grid`: segments follow the clock and ffmpeg's forced keyframes
        instead of the source's keyframes."""
        if not self._ended:
            raise RuntimeError("A run is still open; end it before the next one begins.")
        self._run += 1
        self._ended = False
        self._own_grid = own_grid
        self._frame = DEFAULT_FRAME
        self._longest_gap = 0
        self._first = True
        self.quiet_until = -1
        return self._run

    def video(self, dts: int, pts: int, keyframe: bool) -> bool:
        """Takes a picture of the leading track; returns whether it starts a new part."""
        if self._first:
            self.offset = pts - dts
        time = dts + self.offset
        if not self._first:
            self._note_distance(time - self.last_time)
        return self._advance(time, keyframe)

    def audio(self, pts: int) -> bool:
        """Takes a frame of an audio track that leads, because there is no video."""
        if not self._first:
            self._note_distance(pts - self.last_time)
        return self._advance(pts, True)

    def audio_passed(self, pts: int) -> bool:
        """Audio reached `pts`, not before `overdue`, on a track that follows: it closes the open part in the pictures'
        place. Returns whether it did."""
        if self._ended or self._first or pts < self.overdue:
            return False
        self._cut_without_picture()
        return True

    def end_run(self) -> None:
        """Ends the run where the leading track's last frame ends."""
        if not self._ended:
            self._ended = True
            end = self.end_time
            if not self._first:
                # How long the last frame lasts is a guess, which must not break what was promised.
                most = min(self.part_start + self.part_target + PART_SLACK, self._segment_start + self._limit())
                end = max(min(self.last_time + self._frame, most), self.last_time + 1, end)
                if self.last_time < self.part_start:  # pictures have stalled, sound went on
                    end = max(end, self.part_start + self.part_target)
            self._run_ends = {self._run: end} | {
                run: end for run, end in self._run_ends.items() if run > self._run - MAX_RUNS
            }

    def _note_distance(self, distance: int) -> None:
        if distance <= self.part_target + PART_SLACK:  # a stall says nothing about the frame rate
            self._frame = max(distance, 1)

    def _limit(self) -> int:
        return self.target_duration * TIMESCALE + SEGMENT_SLACK

    def _advance(self, time: int, keyframe: bool) -> bool:
        self.last_time = time
        if self._first:
            self._first = False
            self._origin = self._keyframe_time = time
            self._cut(time, True)
            return True
        if time <= self.part_start:  # sound has closed its part meanwhile
            return False
        before = self.head
        longest = self.part_target + PART_SLACK
        while time - self.part_start > longest or time - self._segment_start > self._limit():
            self._cut_without_picture()
        if self._bare and not self._own_grid:
            # The open part has no picture yet: this is its first, and to cut here would leave it empty.
            self._bare = False
            if keyframe:
                self._note_gap(time)
            return self.head > before
        elapsed = time - self.part_start
        if self._segment_due(time, keyframe):
            self._cut(time, True)
        elif elapsed + self._frame // 2 > self.part_target or elapsed + self._frame * 5 // 4 > longest:
            # The next picture may come a quarter of a frame late, and the part must not exceed PART-TARGET then.
            self._cut(time, False)
        return self.head > before

    def _segment_due(self, time: int, keyframe: bool) -> bool:
        elapsed = time - self._segment_start
        if self._own_grid:
            return self._grid(time) > self._grid(self._segment_start)
        if keyframe:
            self._note_gap(time)
            # Before a gap was seen the next one is taken to be as long as a segment.
            expected = self._longest_gap or self.segment_target
            return elapsed + GRID_SLACK >= self.segment_target or elapsed + expected > self._limit()
        # No keyframe in time: TARGETDURATION is a promise, a keyframe at the start of a segment is a courtesy.
        return elapsed + self._frame > self._limit()

    def _note_gap(self, time: int) -> None:
        self._longest_gap = max(self._longest_gap, time - self._keyframe_time)
        self._keyframe_time = time

    def _grid(self, time: int) -> int:
        return (time - self._origin + GRID_SLACK) // self.segment_target

    def _cut_without_picture(self) -> None:
        """Closes the open part at its nominal end, because the next picture is too late for it or its segment."""
        time = min(self.part_start + self.part_target, self._segment_start + self._limit())
        late = time + self.part_target + PART_SLACK - self._segment_start > self._limit()
        self._cut(time, late or (self._own_grid and self._grid(time) > self._grid(self._segment_start)))
        self._bare, self.quiet_until = True, -1

    def _cut(self, time: int, segment: bool) -> None:
        if segment:
            number, part = self._next_segment, 0
            self._next_segment += 1
            self._segment_start = time
        else:
            number, part = self._boundaries[-1].segment, self._boundaries[-1].part + 1
        self._bare = False
        self.head += 1
        self.part_start = time
        self.overdue = time + self.part_target + STALL_SLACK
        self._boundaries.append(Boundary(self.head, time, number, part, self._run))
        # Two frames early, because the distance between frames may change meanwhile.
        quiet = min(time + self.part_target, self._segment_start + self._limit()) - 2 * self._frame
        if self._own_grid:
            next_cell = self._grid(self._segment_start) + 1
            quiet = min(quiet, self._origin + next_cell * self.segment_target - GRID_SLACK)
        self.quiet_until = quiet
