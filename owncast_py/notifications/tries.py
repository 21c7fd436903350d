"""One try: a notification is handed to its delivery channel, and its outcome becomes a verdict.

Owns what an outcome means for the notification: received, tried again and when, or given up. What it means for the
others of the same endpoint is up to the lanes.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from owncast_py.notifications.channels import DeliveryChannel, Outcome
from owncast_py.notifications.directory import Directory
from owncast_py.notifications.model import Attempt, Endpoint, Message, Notification, Parcel, State, Verdict
from owncast_py.notifications.schedule import Schedule

MAX_DELIVERY_SECONDS = 60.0
"""A channel that takes longer broke its word."""
MAX_ERROR = 2_000
"""Characters of an error that are kept."""
TRIMMED = 1 / 20
"""The part of failed probes after which old attempts are deleted. By chance, so that each notification has its turn."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a try."""

    outcome: Outcome
    verdict: Verdict
    seconds: float
    """How long it took."""


class Tries:
    """Makes the tries of every lane."""

    def __init__(
        self,
        channels: Mapping[str, DeliveryChannel],
        directory: Directory,
        schedule: Schedule,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        chance: random.Random,
    ) -> None:
        """`now` is aware UTC, `monotonic` in seconds."""
        self._channels = channels
        self._directory = directory
        self._schedule = schedule
        self._now = now
        self._monotonic = monotonic
        self._chance = chance

    def obstacle(self, notification: Notification, message: Message | None) -> Verdict | None:
        """Why it is not even tried, if so."""
        at = self._now()
        if message is None or message.topic_id not in self._directory.topics:
            state, sentence = State.FAILED, "Its message is no more."
        elif at >= self._schedule.deadline(notification.queued_at):
            state, sentence = State.EXPIRED, "Its time was over before it could be tried again."
        else:
            return None
        attempt = Attempt(notification.id, at, 0, None, sentence, "")
        return Verdict(notification.endpoint_id, attempt, state, notification.tries, notification.due_at)

    async def make(self, endpoint: Endpoint, notification: Notification, message: Message, *, probe: bool) -> Tried:
        """Tries it. A failed `probe` costs the notification none of its tries, and leaves its due time."""
        at, began = self._now(), self._monotonic()
        outcome = await self._deliver(endpoint, notification, message)
        took = self._monotonic() - began
        attempt = Attempt(
            notification.id, at, round(took * 1000), outcome.status, outcome.error[:MAX_ERROR], outcome.answer
        )
        return Tried(outcome, self._verdict(endpoint, notification, outcome, attempt, probe=probe), took)

    def rest(self, tries: int) -> float:
        """Seconds from a failed try to the next, after `tries` of them."""
        return self._schedule.delay(tries, self._chance.random())

    async def _deliver(self, endpoint: Endpoint, notification: Notification, message: Message) -> Outcome:
        topic = self._directory.topics[message.topic_id]
        parcel = Parcel(notification.id, topic, message.at, message.body, message.entity)
        try:
            async with asyncio.timeout(MAX_DELIVERY_SECONDS):
                return await self._channels[endpoint.channel].deliver(endpoint, parcel)
        except TimeoutError:
            return Outcome(error=f"The delivery took more than {MAX_DELIVERY_SECONDS:g} seconds.")
        except Exception:
            log.exception("a delivery channel failed", channel=endpoint.channel, notification=notification.id)
            return Outcome(error="This server made a mistake; its log has the details.")

    def _verdict(
        self, endpoint: Endpoint, notification: Notification, outcome: Outcome, attempt: Attempt, *, probe: bool
    ) -> Verdict:
        state, tries, due_at = State.PENDING, notification.tries, notification.due_at
        if outcome.received:
            state, tries = State.RECEIVED, tries + 1
        elif outcome.gone:
            state, tries = State.FAILED, tries + 1
        elif not probe:
            tries += 1
            following = self._schedule.next_try(
                notification.queued_at, tries, self._now(), outcome.retry_after, self._chance.random()
            )
            if following is None:
                state = State.EXPIRED
            elif not endpoint.ordered:
                due_at = following
        trim = probe and self._chance.random() < TRIMMED
        return Verdict(notification.endpoint_id, attempt, state, tries, due_at, trim)
