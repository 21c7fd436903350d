"""What an ffmpeg needs to see first so that it can go on where another one died.

Sans-I/O. Keeps the FLV tags since the last keyframe, and the groups of pictures before it as long as not everything
in them has been delivered. It does not know FLV, nor who reads the tags.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ingest.source import TIMESCALE

MAX_REPLAY_BYTES = 16 * 1024 * 1024
MAX_REPLAY_SECONDS = 12
"""Longer than OBS's own keyframe interval of 8.3 s. A source beyond either limit resumes at its next keyframe."""

AUDIO_GROUP_SECONDS = 1
"""Without video any audio frame is a place to begin."""


class Tag(NamedTuple):
    """One FLV tag and its decode time (1/90000 s)."""

    data: bytes
    time: int
    video: bool
    keyframe: bool


@dataclass(slots=True)
class _Group:
    start: int
    tags: list[Tag] = field(default_factory=list)
    pictures: list[int] = field(default_factory=list)
    """Presentation times."""
    size: int = 0


class Replay:
    """The memory of one source. `with_video` says whether its groups begin with a keyframe or anywhere."""

    def __init__(self, *, with_video: bool) -> None:
        self._with_video = with_video
        self._groups: deque[_Group] = deque()
        self._size = 0

    def add(self, tag: Tag, presented: int, delivered: int | None) -> None:
        """Remember a tag that is shown at `presented`; forget the groups that end before `delivered`, if any was."""
        groups = self._groups
        if self._begins_group(tag):
            groups.append(_Group(presented))
        elif not groups:
            return
        group = groups[-1]
        group.tags.append(tag)
        if tag.video:
            group.pictures.append(presented)
        group.size += len(tag.data)
        self._size += len(tag.data)
        while len(groups) > 1 and delivered is not None and groups[1].start <= delivered:
            self._size -= groups.popleft().size
        # A single group over the limits goes as well: what is left would not begin with a keyframe.
        while groups and (self._size > MAX_REPLAY_BYTES or tag.time - groups[0].start > MAX_REPLAY_SECONDS * TIMESCALE):
            self._size -= groups.popleft().size

    def first_picture(self, after: int | None) -> int | None:
        """When the first picture remembered, or the first after that time, is shown; None when there is none."""
        pictures = (time for group in self._groups for time in group.pictures if after is None or time > after)
        return min(pictures, default=None)

    def _begins_group(self, tag: Tag) -> bool:
        if self._with_video:
            return tag.keyframe
        return not self._groups or tag.time - self._groups[-1].start >= AUDIO_GROUP_SECONDS * TIMESCALE

    def __iter__(self) -> Iterator[Tag]:
        for group in self._groups:
            yield from group.tags
