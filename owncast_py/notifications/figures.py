"""The delivery queue in numbers, for whoever watches it.

Owns the sums over endpoints, by what they are delivered with, and the counts of tries. All of it is in memory, apart
from the age of the oldest notification, which is looked up now and then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import func, select

from owncast_py.notifications.directory import Backlog, Directory
from owncast_py.notifications.ids import moment_of
from owncast_py.notifications.lanes import Lanes
from owncast_py.notifications.model import Method, Shelf, State, Verdict
from owncast_py.storage.database import Database
from owncast_py.storage.tables import notifications

PULLED = "pull"
"""Stands for the channel of what is fetched."""


class Figures:
    """Numbers as of now; the keys are names of delivery channels."""

    def __init__(
        self, database: Database, directory: Directory, backlog: Backlog, lanes: Lanes, now: Callable[[], datetime]
    ) -> None:
        """`now` is aware UTC."""
        self.tries: Counter[tuple[str, str]] = Counter()
        """Tries since the start, by channel and outcome: `received`, `failed` when there will be another, `given_up`
        when not."""
        self.left_out = 0
        """Events that were not queued for an endpoint since the start, for it had no room."""
        self._oldest: datetime | None = None
        self._database = database
        self._directory = directory
        self._backlog = backlog
        self._lanes = lanes
        self._now = now

    def note(self, verdicts: Sequence[Verdict]) -> None:
        """These are written down."""
        outcomes = {State.RECEIVED: "received", State.PENDING: "failed"}
        for verdict in verdicts:
            if (endpoint := self._directory.endpoints.get(verdict.endpoint_id)) is not None:
                self.tries[endpoint.channel, outcomes.get(verdict.state, "given_up")] += 1

    def waiting(self) -> Counter[str]:
        """Notifications that wait."""
        return self._by_channel(self._backlog.of)

    def dead(self) -> Counter[str]:
        """Dead letters."""
        return self._by_channel(self._backlog.dead)

    def lanes(self) -> Counter[str]:
        """How many endpoints that are pushed to are `well`, `slow`, `probing`, `resting` or `off`."""
        states = Counter[str]()
        for endpoint in self._directory.endpoints.values():
            if endpoint.method is not Method.PULL:
                states[self._lanes.report(endpoint.id)[0] if endpoint.active else "off"] += 1
        return states

    async def look(self) -> None:
        """Looks up the oldest notification that waits to be pushed. Raises StorageError."""
        async with self._database.reading() as connection:
            query = select(func.min(notifications.c.id)).where(notifications.c.shelf == Shelf.QUEUE)
            oldest: str | None = (await connection.execute(query)).scalar()
        self._oldest = moment_of(oldest) if oldest else None

    def oldest_seconds(self) -> float:
        """How long ago the oldest one was queued first, as far as it is known; 0 when nothing waits."""
        if self._oldest is None or not self._backlog.total:
            return 0.0
        return max(0.0, (self._now() - self._oldest).total_seconds())

    def _by_channel(self, count: Callable[[str], int]) -> Counter[str]:
        found = Counter[str]()
        for endpoint in self._directory.endpoints.values():
            found[PULLED if endpoint.method is Method.PULL else endpoint.channel] += count(endpoint.id)
        return found
