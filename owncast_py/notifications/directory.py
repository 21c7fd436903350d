"""Topics, endpoints and subscriptions in memory, and how much waits for each endpoint.

Owns no row: the service keeps them in the database and tells this afterwards. A message in a hot path asks here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from owncast_py.notifications.model import Endpoint, Subscription, Topic

MAX_ENDPOINTS = 1_000
MAX_TOPICS = 1_000
MAX_PENDING = 1_000_000
"""Notifications that wait, for all endpoints together. What one commit holds may go beyond."""
MAX_PENDING_OF_ENDPOINT = 100_000


class Directory:
    """All of them, as of the last commit."""

    def __init__(self) -> None:
        self.topics: dict[str, Topic] = {}
        """By name."""
        self.endpoints: dict[str, Endpoint] = {}
        """By id, oldest first."""
        self._subscriptions: dict[str, dict[str, Subscription]] = {}
        self._routes: dict[str, tuple[Subscription, ...]] = {}

    def load(
        self, topics: Iterable[Topic], endpoints: Iterable[Endpoint], subscriptions: Iterable[Subscription]
    ) -> None:
        """Forgets everything and takes these."""
        self.topics = {topic.name: topic for topic in topics}
        self.endpoints = {endpoint.id: endpoint for endpoint in endpoints}
        names = {topic.id: topic.name for topic in self.topics.values()}
        self._subscriptions = {endpoint_id: {} for endpoint_id in self.endpoints}
        for subscription in subscriptions:
            if subscription.topic_id in names:
                self._subscriptions[subscription.endpoint_id][names[subscription.topic_id]] = subscription
        self._route()

    def put(
        self, endpoint: Endpoint, topics: Iterable[Topic] = (), subscriptions: Mapping[str, Subscription] | None = None
    ) -> None:
        """A new or changed endpoint, new topics, and new subscriptions of that endpoint by the name of their topic."""
        self.topics.update((topic.name, topic) for topic in topics)
        self.endpoints[endpoint.id] = endpoint
        self._subscriptions.setdefault(endpoint.id, {}).update(subscriptions or {})
        self._route()

    def used(self, endpoint_id: str, at: datetime) -> None:
        """An endpoint took something."""
        if (endpoint := self.endpoints.get(endpoint_id)) is not None:
            self.endpoints[endpoint_id] = replace(endpoint, last_used_at=at)

    def unsubscribe(self, endpoint_id: str, names: Iterable[str]) -> dict[str, Subscription]:
        """Ends an endpoint's subscriptions to those topics; returns them."""
        known = self._subscriptions.get(endpoint_id, {})
        ended = {name: known.pop(name) for name in names if name in known}
        self._route()
        return ended

    def remove(self, endpoint_id: str) -> None:
        """Forgets an endpoint and its subscriptions."""
        self.endpoints.pop(endpoint_id, None)
        self._subscriptions.pop(endpoint_id, None)
        self._route()

    def subscriptions_of(self, endpoint_id: str) -> dict[str, Subscription]:
        """An endpoint's subscriptions by the name of their topic."""
        return dict(self._subscriptions.get(endpoint_id, {}))

    def routes(self, topic: str) -> tuple[Subscription, ...]:
        """The subscriptions of active endpoints to a topic."""
        return self._routes.get(topic, ())

    def _route(self) -> None:
        routes: dict[str, list[Subscription]] = {}
        for endpoint_id, subscriptions in self._subscriptions.items():
            if self.endpoints[endpoint_id].active:
                for name, subscription in subscriptions.items():
                    routes.setdefault(name, []).append(subscription)
        self._routes = {name: tuple(found) for name, found in routes.items()}


class Backlog:
    """How many notifications wait."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self.total = 0

    def load(self, counts: Mapping[str, int]) -> None:
        """Forgets everything and takes these."""
        self._counts = Counter({endpoint_id: count for endpoint_id, count in counts.items() if count})
        self.total = self._counts.total()

    def add(self, endpoint_id: str, number: int) -> None:
        """So many more, or fewer."""
        self._counts[endpoint_id] += number
        self.total += number

    def remove(self, endpoint_id: str) -> None:
        """An endpoint is no more, nor is what waited for it."""
        self.total -= self._counts.pop(endpoint_id, 0)

    def of(self, endpoint_id: str) -> int:
        """How many wait for that endpoint."""
        return max(0, self._counts[endpoint_id])

    def waiting(self) -> list[str]:
        """The endpoints for which something waits."""
        return [endpoint_id for endpoint_id, count in self._counts.items() if count > 0]

    def full(self, endpoint_id: str) -> str:
        """Why nothing more is queued for that endpoint, as a sentence; empty while there is room."""
        if self.total >= MAX_PENDING:
            return f"{MAX_PENDING} notifications wait already, which is the most; see which endpoints take nothing."
        if self._counts[endpoint_id] >= MAX_PENDING_OF_ENDPOINT:
            return (
                f"{MAX_PENDING_OF_ENDPOINT} notifications wait already for endpoint {endpoint_id}, which is the most; "
                "see why it takes nothing, or remove it."
            )
        return ""
