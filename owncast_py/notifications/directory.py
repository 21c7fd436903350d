"""Topics, endpoints and subscriptions in memory, and how much waits for each endpoint.

Owns no row: whoever changes something keeps it in the database and tells this afterwards. A message in a hot path asks
here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from owncast_py.notifications.model import DOMAIN, Endpoint, Subscription, Topic

MAX_ENDPOINTS = 10_000
MAX_TOPICS = 1_000
MAX_PENDING = 1_000_000
"""Notifications that wait, for all endpoints together. What one commit holds may go beyond."""
MAX_PENDING_OF_ENDPOINT = 100_000
MAX_DEAD_OF_ENDPOINT = 100_000
"""Dead letters of one endpoint."""


class Directory:
    """All of them, as of the last commit."""

    def __init__(self) -> None:
        self.topics: dict[str, Topic] = {}
        """By id."""
        self.endpoints: dict[str, Endpoint] = {}
        """By id, oldest first."""
        self.subscriptions: dict[str, Subscription] = {}
        """By id, oldest first."""
        self._muted: set[str] = set()
        self._addresses: dict[tuple[str, str], str] = {}
        self._names: dict[tuple[str, str], Topic] = {}
        self._of_endpoint: dict[str, dict[str, Subscription]] = defaultdict(dict)
        self._of_topic: dict[str, dict[str, Subscription]] = defaultdict(dict)
        self._routes: dict[str, tuple[Subscription, ...]] = {}

    def load(
        self, topics: Iterable[Topic], endpoints: Iterable[Endpoint], subscriptions: Iterable[Subscription]
    ) -> None:
        """Takes what the database has."""
        self.put_topics(topics)
        for endpoint in endpoints:
            self.put_endpoint(endpoint)
        self.put_subscriptions(subscriptions)

    def topic_named(self, name: str, domain: str = DOMAIN) -> Topic | None:
        """The topic of that name."""
        return self._names.get((domain, name))

    def of_endpoint(self, endpoint_id: str) -> list[Subscription]:
        """An endpoint's subscriptions, oldest first."""
        return list(self._of_endpoint.get(endpoint_id, {}).values())

    def of_topic(self, topic_id: str) -> list[Subscription]:
        """A topic's subscriptions, oldest first."""
        return list(self._of_topic.get(topic_id, {}).values())

    def routes(self, topic_id: str) -> tuple[Subscription, ...]:
        """The active subscriptions of active endpoints to a topic."""
        found = self._routes.get(topic_id)
        if found is None:
            found = self._routes[topic_id] = tuple(
                each
                for each in self._of_topic.get(topic_id, {}).values()
                if each.active and self._listens(self.endpoints[each.endpoint_id])
            )
        return found

    def at(self, channel: str, url: str) -> Endpoint | None:
        """The newest endpoint of a channel with that address."""
        return self.endpoints.get(self._addresses.get((channel, url), ""))

    def mute(self, channel: str, muted: bool) -> None:
        """Leaves a channel's endpoints out of all routes, or takes them in again."""
        (self._muted.add if muted else self._muted.discard)(channel)
        self._routes.clear()

    def put_topics(self, topics: Iterable[Topic]) -> None:
        """New ones."""
        for topic in topics:
            self.topics[topic.id] = self._names[topic.domain, topic.name] = topic

    def put_endpoint(self, endpoint: Endpoint) -> None:
        """A new or changed one. Its last use is kept."""
        before = self.endpoints.get(endpoint.id)
        self.endpoints[endpoint.id] = replace(endpoint, last_used_at=before.last_used_at) if before else endpoint
        if before is not None and before.url != endpoint.url:
            self._addresses.pop((before.channel, before.url), None)
        self._addresses[endpoint.channel, endpoint.url] = endpoint.id
        for each in self._of_endpoint.get(endpoint.id, {}).values():
            self._routes.pop(each.topic_id, None)

    def put_subscriptions(self, subscriptions: Iterable[Subscription]) -> None:
        """New or changed ones, of endpoints and topics that are known."""
        for each in subscriptions:
            before = self.subscriptions.get(each.id)
            if before is not None and before.topic_id != each.topic_id:
                self._of_topic[before.topic_id].pop(each.id, None)
                self._routes.pop(before.topic_id, None)
            self.subscriptions[each.id] = each
            self._of_endpoint[each.endpoint_id][each.id] = each
            self._of_topic[each.topic_id][each.id] = each
            self._routes.pop(each.topic_id, None)

    def used(self, endpoint_id: str, at: datetime) -> None:
        """An endpoint took something."""
        if (endpoint := self.endpoints.get(endpoint_id)) is not None:
            self.endpoints[endpoint_id] = replace(endpoint, last_used_at=at)

    def remove_subscriptions(self, subscriptions: Iterable[Subscription]) -> None:
        """They are no more."""
        for each in subscriptions:
            self.subscriptions.pop(each.id, None)
            self._of_endpoint[each.endpoint_id].pop(each.id, None)
            self._of_topic[each.topic_id].pop(each.id, None)
            self._routes.pop(each.topic_id, None)

    def remove_endpoint(self, endpoint_id: str) -> None:
        """It is no more, nor are its subscriptions."""
        self.remove_subscriptions(self.of_endpoint(endpoint_id))
        self._of_endpoint.pop(endpoint_id, None)
        if (endpoint := self.endpoints.pop(endpoint_id, None)) is not None:
            self._addresses.pop((endpoint.channel, endpoint.url), None)

    def remove_topic(self, topic_id: str) -> None:
        """It is no more, nor are its subscriptions."""
        self.remove_subscriptions(self.of_topic(topic_id))
        self._of_topic.pop(topic_id, None)
        self._routes.pop(topic_id, None)
        if (topic := self.topics.pop(topic_id, None)) is not None:
            del self._names[topic.domain, topic.name]

    def _listens(self, endpoint: Endpoint) -> bool:
        return endpoint.active and endpoint.channel not in self._muted


class Backlog:
    """How many notifications wait for each endpoint, to be pushed or pulled, and how many dead letters it has."""

    def __init__(self) -> None:
        self._pending: Counter[str] = Counter()
        self._dead: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        """Events that were not queued for an endpoint since the start, for it had no room."""
        self.total = 0
        """Pending ones of all."""

    def load(self, pending: Mapping[str, int], dead: Mapping[str, int]) -> None:
        """Takes what the database has."""
        self._pending, self._dead = Counter(pending), Counter(dead)
        self.total = self._pending.total()

    def add(self, endpoint_id: str, number: int) -> None:
        """So many more pending, or fewer."""
        self._pending[endpoint_id] += number
        self.total += number

    def bury(self, endpoint_id: str, number: int) -> None:
        """So many more dead letters, or fewer."""
        self._dead[endpoint_id] += number

    def remove(self, endpoint_id: str) -> None:
        """An endpoint is no more, nor is anything of it."""
        self.total -= self._pending.pop(endpoint_id, 0)
        self._dead.pop(endpoint_id, None)
        self.left_out.pop(endpoint_id, None)

    def of(self, endpoint_id: str) -> int:
        """How many wait for that endpoint."""
        return max(0, self._pending[endpoint_id])

    def dead(self, endpoint_id: str) -> int:
        """How many dead letters it has."""
        return max(0, self._dead[endpoint_id])

    def waiting(self) -> list[str]:
        """The endpoints for which something waits."""
        return [endpoint_id for endpoint_id, count in self._pending.items() if count > 0]

    def full(self, endpoint_id: str) -> str:
        """Why nothing more is queued for that endpoint, as a sentence; empty while there is room."""
        if self.total >= MAX_PENDING:
            return f"{MAX_PENDING} notifications wait already, which is the most; see which endpoints take nothing."
        if self._pending[endpoint_id] >= MAX_PENDING_OF_ENDPOINT:
            return (
                f"{MAX_PENDING_OF_ENDPOINT} notifications wait already for endpoint {endpoint_id}, which is the most; "
                "see why it takes nothing, or remove it."
            )
        if self._dead[endpoint_id] >= MAX_DEAD_OF_ENDPOINT:
            return (
                f"Endpoint {endpoint_id} has {MAX_DEAD_OF_ENDPOINT} dead letters, which is the most; deliver them "
                "again, or delete them."
            )
        return ""
