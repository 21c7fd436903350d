"""What players report about playing: errors, latency, downloads, bandwidth; minute by minute, and in words.

Owns what is believed of a report, the players in memory and the points of a day. It has no task and no wire format:
the sampler calls `tick` once a minute, `metrics.cmcd` and the web hand in reports. Nothing here outlives the process.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Final

from owncast_py.metrics.samples import Sample

MAX_CLIENTS: Final = 20_000
"""Players remembered at once; a flood of invented ones pushes out the longest silent."""
FORGET_SECONDS: Final = 300.0
"""After so much silence a player is forgotten."""
CURRENT_SECONDS: Final = 120.0
"""Who reported within this time is watching; players report every few seconds, at most once a minute."""
MAX_POINTS: Final = 24 * 60
"""Points in memory: a day."""
MAX_KBPS: Final = 10_000_000.0
MAX_LATENCY_SECONDS: Final = 3_600.0
MAX_DOWNLOAD_SECONDS: Final = 600.0
"""What is above one of these three was not measured but made up."""
MAX_COUNT: Final = 1_000
"""Errors, and quality changes, that one player can have in one minute."""
LATENCY_LIMIT: Final = 20.0
"""Seconds behind the streamer that make a conversation with the chat impossible."""
HEALTHY_PERCENT: Final = 90
"""With fewer players without trouble than this the stream is not healthy: a few always have a bad network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackReport:
    """What one player says of the time since its last report; None is what it does not say."""

    bandwidth_kbps: float | None = None
    latency_seconds: float | None = None
    errors: float | None = None
    download_seconds: float | None = None
    quality_changes: float | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """How the stream plays, for the streamer. Percentages are whole, from 0 to 100.

    Of `players` that reported lately, `slow` have less bandwidth than the `lowest_bitrate` of the variants (kbit/s),
    `failing` are interrupted, and `late` are far behind; `latency` is their median in seconds, None when none says it.
    """

    healthy: bool
    health_percentage: int
    message: str
    representation: int
    players: int
    slow: int
    failing: int
    late: int
    lowest_bitrate: int
    latency: float | None


@dataclass(slots=True)
class PlaybackHistory:
    """The last day: sums of the minute; latency and download durations in seconds, bitrates in kbit/s."""

    errors: list[Sample] = field(default_factory=list)
    quality_changes: list[Sample] = field(default_factory=list)
    median_latency: list[Sample] = field(default_factory=list)
    highest_latency: list[Sample] = field(default_factory=list)
    lowest_latency: list[Sample] = field(default_factory=list)
    median_download: list[Sample] = field(default_factory=list)
    longest_download: list[Sample] = field(default_factory=list)
    shortest_download: list[Sample] = field(default_factory=list)
    median_bitrate: list[Sample] = field(default_factory=list)
    highest_bitrate: list[Sample] = field(default_factory=list)
    lowest_bitrate: list[Sample] = field(default_factory=list)


@dataclass(slots=True)
class _Client:
    """One player: its last measurements, and its counts since the last tick. Times are monotonic."""

    seen: float = 0.0
    bandwidth: float | None = None
    latency: float | None = None
    download: float | None = None
    errors: int = 0
    quality_changes: int = 0
    failed_at: float | None = None
    fresh: bool = True


@dataclass(frozen=True, slots=True)
class _Spread:
    median: float
    highest: float
    lowest: float


@dataclass(frozen=True, slots=True)
class _Point:
    at: datetime
    errors: int
    quality_changes: int
    latency: _Spread | None
    download: _Spread | None
    bitrate: _Spread | None


class Playback:
    """All players that report."""

    def __init__(
        self,
        monotonic: Callable[[], float],
        now: Callable[[], datetime],
        bitrates: Callable[[], Sequence[int]] = lambda: (),
    ) -> None:
        """`monotonic` counts seconds, `now` is aware UTC, `bitrates` are those of the variants now, in kbit/s."""
        self._monotonic = monotonic
        self._now = now
        self._bitrates = bitrates
        self._clients: OrderedDict[str, _Client] = OrderedDict()
        self._points: deque[_Point] = deque(maxlen=MAX_POINTS)

    @property
    def error_count(self) -> int:
        """Errors in the newest minute that is folded."""
        return self._points[-1].errors if self._points else 0

    def report(self, client: str, report: PlaybackReport) -> None:
        """Takes one player's report. Values that cannot be are left out, counts are cut to MAX_COUNT a minute."""
        known = self._clients.get(client)
        if known is None:
            known = self._clients[client] = _Client()
            if len(self._clients) > MAX_CLIENTS:
                self._clients.popitem(last=False)
        else:
            self._clients.move_to_end(client)
        known.seen = self._monotonic()
        known.fresh = True
        known.bandwidth = _measured(report.bandwidth_kbps, MAX_KBPS, known.bandwidth)
        known.latency = _measured(report.latency_seconds, MAX_LATENCY_SECONDS, known.latency)
        known.download = _measured(report.download_seconds, MAX_DOWNLOAD_SECONDS, known.download)
        errors = _counted(report.errors)
        if errors:
            known.failed_at = known.seen
        known.errors = min(MAX_COUNT, known.errors + errors)
        known.quality_changes = min(MAX_COUNT, known.quality_changes + _counted(report.quality_changes))

    def tick(self) -> None:
        """Folds what was reported since the last call into a point. Call it once a minute; silence makes no point."""
        oldest_allowed = self._monotonic() - FORGET_SECONDS
        while self._clients and next(iter(self._clients.values())).seen <= oldest_allowed:
            self._clients.popitem(last=False)
        fresh = [client for client in self._clients.values() if client.fresh]
        now = self._now()
        while self._points and self._points[0].at <= now - timedelta(minutes=MAX_POINTS):
            self._points.popleft()
        if not fresh:
            return
        self._points.append(
            _Point(
                at=now,
                errors=sum(client.errors for client in fresh),
                quality_changes=sum(client.quality_changes for client in fresh),
                latency=_spread(client.latency for client in fresh),
                download=_spread(client.download for client in fresh),
                bitrate=_spread(client.bandwidth for client in fresh),
            )
        )
        for client in fresh:
            client.errors = client.quality_changes = 0
            client.fresh = False

    def over_time(self) -> PlaybackHistory:
        """The last day's points, oldest first. A series lacks the minutes in which nobody reported its value."""
        history = PlaybackHistory()
        for point in self._points:
            at = point.at
            history.errors.append(Sample(at, point.errors))
            history.quality_changes.append(Sample(at, point.quality_changes))
            if point.latency is not None:
                history.median_latency.append(Sample(at, point.latency.median))
                history.highest_latency.append(Sample(at, point.latency.highest))
                history.lowest_latency.append(Sample(at, point.latency.lowest))
            if point.download is not None:
                history.median_download.append(Sample(at, point.download.median))
                history.longest_download.append(Sample(at, point.download.highest))
                history.shortest_download.append(Sample(at, point.download.lowest))
            if point.bitrate is not None:
                history.median_bitrate.append(Sample(at, point.bitrate.median))
                history.highest_bitrate.append(Sample(at, point.bitrate.highest))
                history.lowest_bitrate.append(Sample(at, point.bitrate.lowest))
        return history

    def representation(self, viewers: int) -> int:
        """How many percent of the present viewers report, 0 to 100."""
        return _percent(sum(1 for _ in self._current()), viewers)

    def health(self, viewers: int, online: bool) -> Health | None:
        """How the stream plays now. None when nothing is streamed, or nobody who watches reports."""
        players = list(self._current())
        if not online or viewers <= 0 or not players:
            return None
        lowest = min((bitrate for bitrate in self._bitrates() if bitrate > 0), default=0)
        failed_after = self._monotonic() - CURRENT_SECONDS
        slow = {id(player) for player in players if player.bandwidth is not None and player.bandwidth < lowest}
        failing = {id(player) for player in players if player.failed_at is not None and player.failed_at > failed_after}
        late = {id(player) for player in players if player.latency is not None and player.latency > LATENCY_LIMIT}
        total = len(players)
        troubles = [
            (
                len(slow),
                f"{_share(len(slow), total)} slower than real time: the network brings less than the {lowest} kbit/s "
                "of the lowest variant. Add a variant with a lower bitrate.",
            ),
            (
                len(failing),
                f"{_share(len(failing), total)} interrupted by errors or an empty buffer. "
                "See whether this server's processor or its upload is at its limit.",
            ),
            (
                len(late),
                f"{_share(len(late), total)} more than {LATENCY_LIMIT:.0f} s behind. "
                "Choose a lower latency level, or a lower bitrate.",
            ),
        ]
        well = total - len(slow | failing | late)
        percentage = _percent(well, total)
        # The most common trouble first; sorting is stable, so the order above decides between equals.
        sentences = [sentence for count, sentence in sorted(troubles, key=lambda trouble: -trouble[0]) if count]
        message = " ".join(sentences) or f"{_share(total, total)} playing without trouble."
        latency = _spread(player.latency for player in players)
        return Health(
            healthy=percentage >= HEALTHY_PERCENT,
            health_percentage=percentage,
            message=message,
            representation=_percent(total, viewers),
            players=total,
            slow=len(slow),
            failing=len(failing),
            late=len(late),
            lowest_bitrate=lowest,
            latency=latency.median if latency is not None else None,
        )

    def latest(self, client: str) -> PlaybackReport:
        """What that player said last of its bandwidth, latency and downloads, unless that is long ago."""
        known = self._clients.get(client)
        if known is None or known.seen <= self._monotonic() - CURRENT_SECONDS:
            return PlaybackReport()
        return PlaybackReport(
            bandwidth_kbps=known.bandwidth, latency_seconds=known.latency, download_seconds=known.download
        )

    def _current(self) -> Iterator[_Client]:
        """Players that reported lately."""
        oldest_allowed = self._monotonic() - CURRENT_SECONDS
        for client in reversed(self._clients.values()):
            if client.seen <= oldest_allowed:
                return
            yield client


def _measured(value: float | None, highest: float, before: float | None) -> float | None:
    """The new value, or the one before when the new one is missing or impossible."""
    return value if value is not None and math.isfinite(value) and 0 <= value <= highest else before


def _counted(value: float | None) -> int:
    return int(min(value, MAX_COUNT)) if value is not None and value > 0 else 0


def _spread(values: Iterable[float | None]) -> _Spread | None:
    known = [value for value in values if value is not None]
    return _Spread(median(known), max(known), min(known)) if known else None


def _percent(part: int, whole: int) -> int:
    """Rounded down, so that 100 means all."""
    return min(100, 100 * part // whole) if whole > 0 else 0


def _share(part: int, total: int) -> str:
    if total == 1:
        return "The only player that reports is"
    if part == total:
        return f"All {total} players that report are"
    return f"{part} of {total} players that report {'is' if part == 1 else 'are'}"
