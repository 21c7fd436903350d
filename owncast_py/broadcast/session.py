"""The show as viewers know it: offline, live, or holding on for an encoder that vanished.

Owns the states, their times, the title and the peaks of viewers. It does not own tasks or timers (the shell asks
`expire` every second or so), nor who may publish (`admission`), nor the media.

            begin                 lose                    expire, end
  OFFLINE ─────────► LIVE ─────────────────► HOLDING ─────────────────► OFFLINE
                      ▲                         │
                      └──────── begin ──────────┘   the same show goes on
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    """Where the show stands."""

    OFFLINE = "offline"
    LIVE = "live"
    HOLDING = "holding"


@dataclass(frozen=True, slots=True)
class Status:
    """What the public may know about the show at one moment. Times are aware, in UTC."""

    state: State
    viewer_count: int
    session_max_viewer_count: int
    overall_max_viewer_count: int
    last_connect_time: datetime | None
    last_disconnect_time: datetime | None
    title: str

    @property
    def online(self) -> bool:
        """Viewers have something to watch: the show itself, or the slate that waits for its encoder."""
        return self.state is not State.OFFLINE


class Broadcast:
    """The state of the one show of this server."""

    def __init__(
        self,
        *,
        monotonic: Callable[[], float],
        now: Callable[[], datetime],
        grace: float,
        viewers: Callable[[], int],
        title: str = "",
    ) -> None:
        """`monotonic` counts seconds, `now` is aware UTC, `grace` is in seconds, `viewers` counts who watches."""
        self.title = title
        self._monotonic = monotonic
        self._now = now
        self._grace = grace
        self._viewers = viewers
        self._state = State.OFFLINE
        self._deadline: float | None = None
        self._connected: datetime | None = None
        self._disconnected: datetime | None = None
        self._session_max = 0
        self._overall_max = 0

    @property
    def state(self) -> State:
        """Where the show stands now."""
        return self._state

    def remember(self, overall_max: int, connected: datetime | None, disconnected: datetime | None) -> None:
        """What is known of shows before this process began."""
        self._overall_max = max(self._overall_max, overall_max)
        self._connected, self._disconnected = connected, disconnected

    def begin(self) -> bool:
        """An encoder publishes. Returns True for a new show, False when a running one goes on."""
        new = self._state is State.OFFLINE or self.expire()
        self._state = State.LIVE
        self._deadline = None
        if new:
            self._connected = self._now()
            self._disconnected = None
            self._session_max = 0
        return new

    def lose(self) -> None:
        """The encoder vanished. The show holds on for the grace, or ends at once when that is 0."""
        if self._state is not State.LIVE:
            return
        if self._grace <= 0:
            self.end()
            return
        self._state = State.HOLDING
        self._deadline = self._monotonic() + self._grace

    def expire(self) -> bool:
        """Ends the show if its grace is over. Returns whether that happened now."""
        if self._deadline is None or self._monotonic() < self._deadline:
            return False
        self.end()
        return True

    def end(self) -> None:
        """The show is over, whatever it was waiting for."""
        if self._state is State.OFFLINE:
            return
        self._state = State.OFFLINE
        self._deadline = None
        self._disconnected = self._now()

    def status(self) -> Status:
        """The show as of now; the peaks follow from being asked, so ask at least every few seconds."""
        # Whoever still polls an ended show is not watching it.
        watching = 0 if self._state is State.OFFLINE else self._viewers()
        self._session_max = max(self._session_max, watching)
        self._overall_max = max(self._overall_max, watching)
        return Status(
            state=self._state,
            viewer_count=watching,
            session_max_viewer_count=self._session_max,
            overall_max_viewer_count=self._overall_max,
            last_connect_time=self._connected,
            last_disconnect_time=self._disconnected,
            title=self.title,
        )
