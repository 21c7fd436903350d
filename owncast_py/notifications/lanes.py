"""Delivery: one lane for each endpoint, so that none waits for another.

Owns the tasks that read what is due and have it tried, and what an outcome means for the others of its endpoint.
Memory does not grow with the queue: a lane holds one small page of it. The order of a lane is that of due times,
loosely kept. A lane that has nothing unread in the database is handed what is queued for it, and reads nothing.

A lane that is down sends probes. They take the pending notifications in turn, the longest due first: one that its
endpoint never accepts must not keep the others from being tried. A failed probe is kept among the attempts of its
notification, of which about MAX_ATTEMPTS_KEPT remain, but costs it none of its tries and leaves its due time. The first
success after that wakes the lane, and all that is pending becomes due; so does the first success after a start.

A lane whose endpoint is `ordered` sends one at a time, the oldest first, and after a failure the same one again: the
due times of its notifications stay as they were made, and the lane itself rests until the next try.

Half of the deliveries that may be under way at once belong to lanes that do well; those that do not, or are not known
yet, share the other half. So many silent endpoints slow only each other.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from owncast_py.notifications.channels import DeliveryChannel, Outcome
from owncast_py.notifications.directory import Directory
from owncast_py.notifications.health import PROBES, Health
from owncast_py.notifications.ledger import Ledger, Messages
from owncast_py.notifications.model import Endpoint, Message, Method, Notification, State
from owncast_py.notifications.schedule import Schedule
from owncast_py.notifications.tries import Tries
from owncast_py.storage import notifications as repository
from owncast_py.storage.database import Database

MAX_FLYING = 64
"""Deliveries under way at once."""
MAX_FLYING_OF_DOUBTFUL = MAX_FLYING // 2
"""Of these, those of lanes that are slow, failing, or new."""
PAGE = 100
"""Notifications that a lane reads at once."""
MAX_IN_HAND = 500
"""Notifications of a lane that are under way or not written down yet."""
MAX_SLEEP = 900.0
"""Seconds after which a lane looks at the clock again, as that may have been set."""
TROUBLE_SECONDS = 5.0
"""How long a lane waits after the database, or a fault of ours, stopped it."""
CLOSE_SECONDS = 5.0
"""For deliveries under way when the server stops; later ones are cut off and delivered again after the next start."""
MAX_HASTENED = 1_000
"""Notifications made due in one write."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Lane:
    endpoint_id: str
    health: Health
    news: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: deque[Notification] = field(default_factory=deque)
    in_hand: set[str] = field(default_factory=set)
    flying: int = 0
    unread: bool = True
    """Whether the database may have something for it that is neither waiting nor in hand, nor due at `next_due`."""
    next_due: datetime | None = None
    """When the first one after `waiting` is due."""
    probed: tuple[datetime, str] | None = None
    """The place of the last probe in the order of due times."""
    task: asyncio.Task[None] | None = None
    deliveries: set[asyncio.Task[None]] = field(default_factory=set)
    error: str = ""
    """What the last delivery failed with; empty after one that went through."""

    def forget(self) -> None:
        """The page in memory is not to be trusted any more."""
        self.waiting.clear()
        self.unread = True


class Lanes:
    """Every lane of this server."""

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, DeliveryChannel],
        directory: Directory,
        ledger: Ledger,
        gone: Callable[[str], Awaitable[None]],
        met: Callable[[str, bool], Awaitable[None]],
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        chance: random.Random,
        *,
        schedule: Schedule,
        probes: Sequence[float] = PROBES,
    ) -> None:
        """`gone` is awaited with the id of an endpoint that wants nothing any more, `met` with that of one, and whether
        it knows us, when that is news. `now` is aware UTC.
        """
        self._database = database
        self._channels = channels
        self._tries = Tries(channels, directory, schedule, now, monotonic, chance)
        self._directory = directory
        self._ledger = ledger
        self._gone = gone
        self._met = met
        self._now = now
        self._monotonic = monotonic
        self._probes = probes
        self._messages = Messages(database)
        self._lanes: dict[str, _Lane] = {}
        self._places = asyncio.Semaphore(MAX_FLYING)
        self._doubtful_places = asyncio.Semaphore(MAX_FLYING_OF_DOUBTFUL)
        self._closing = False

    def nudge(self, endpoint_id: str) -> None:
        """Something may be due for that endpoint."""
        if (lane := self._awake(endpoint_id)) is not None:
            lane.unread = True

    def offer(self, endpoint_id: str, fresh: Sequence[Notification]) -> bool:
        """Those have just been queued for that endpoint, in that order. Returns whether they are sent soon."""
        lane = self._awake(endpoint_id)
        if lane is None:
            return False
        if lane.unread or len(lane.waiting) + len(fresh) > PAGE or lane.health.down:
            lane.unread = True
            return False
        # A page that was read meanwhile may have them already.
        held = lane.in_hand | {each.id for each in lane.waiting}
        lane.waiting.extend(each for each in fresh if each.id not in held)
        return True

    def remember(self, messages: Sequence[Message]) -> None:
        """Notifications of these are about to be sent."""
        for message in messages:
            self._messages.keep(message)

    def _awake(self, endpoint_id: str) -> _Lane | None:
        """That endpoint's lane, which looks for work; None where nothing is pushed."""
        endpoint = self._directory.endpoints.get(endpoint_id)
        if self._closing or endpoint is None or not endpoint.active or endpoint.method is Method.PULL:
            return None
        lane = self._lanes.get(endpoint_id)
        if lane is None:
            lane = self._lanes[endpoint_id] = _Lane(endpoint_id, Health(self._probes))
        lane.news.set()
        if lane.task is None:
            lane.task = asyncio.create_task(self._run(lane), name=f"notifications: lane {endpoint_id}")
        return lane

    def report(self, endpoint_id: str) -> tuple[str, str]:
        """How an endpoint's lane does, one of `well slow probing resting`, and what its last delivery failed with."""
        lane = self._lanes.get(endpoint_id)
        if lane is None:
            return "well", ""
        if lane.health.down:
            return "probing", lane.error
        if lane.health.rest(self._monotonic()) > 0:
            return "resting", lane.error
        return "well" if lane.health.brisk or not lane.error else "slow", lane.error

    async def renew(self, endpoint_id: str) -> None:
        """That endpoint was changed: what was learnt about it is void, and all that is pending is due."""
        if (lane := self._lanes.get(endpoint_id)) is not None:
            lane.health = Health(self._probes)
            lane.forget()
        await self._hasten(endpoint_id)
        self.nudge(endpoint_id)

    async def halt(self, endpoint_id: str) -> None:
        """Ends a lane at once, with what is under way; a delivery that asks for it comes to its own end."""
        lane = self._lanes.pop(endpoint_id, None)
        if lane is not None:
            tasks = [*lane.deliveries, *([lane.task] if lane.task else [])]
            tasks = [task for task in tasks if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def aclose(self) -> None:
        """Starts nothing more, and waits for what is under way at most CLOSE_SECONDS."""
        self._closing = True
        runners = [lane.task for lane in self._lanes.values() if lane.task is not None]
        for task in runners:
            task.cancel()
        await asyncio.gather(*runners, return_exceptions=True)
        deliveries = [task for lane in self._lanes.values() for task in lane.deliveries]
        if deliveries:
            _, late = await asyncio.wait(deliveries, timeout=CLOSE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*deliveries, return_exceptions=True)
        log.info("lanes closed: the server is stopping", lanes=len(self._lanes), under_way=len(deliveries))

    # A lane's own task.

    async def _run(self, lane: _Lane) -> None:
        while True:
            lane.news.clear()
            try:
                wait = await self._advance(lane)
            except Exception:
                log.exception("a lane is stuck for a while", endpoint=lane.endpoint_id)
                lane.unread = True
                wait = TROUBLE_SECONDS
            if wait is None:
                lane.task = None
                return
            try:
                async with asyncio.timeout(max(0.001, min(wait, MAX_SLEEP))):
                    await lane.news.wait()
            except TimeoutError:
                pass

    async def _advance(self, lane: _Lane) -> float | None:
        """Sends what may be sent now. Returns the seconds until there may be more; None when nothing is left."""
        if self._serviceable(lane) is None:
            return None
        due = lane.unread or (lane.next_due is not None and lane.next_due <= self._now())
        if due and not lane.waiting and self._room(lane) > 0 and len(lane.in_hand) < MAX_IN_HAND:
            await self._read(lane)
            if self._serviceable(lane) is None:
                return None
        while lane.waiting and self._room(lane) > 0:
            self._send(lane, lane.waiting.popleft())
        if not (lane.waiting or lane.in_hand or lane.unread or lane.next_due or lane.news.is_set()):
            return None
        if (rest := lane.health.rest(self._monotonic())) > 0:
            # By then the page may be old, and another notification more urgent.
            lane.forget()
            return rest
        if self._room(lane) > 0 and lane.next_due is not None and len(lane.in_hand) < MAX_IN_HAND:
            return (lane.next_due - self._now()).total_seconds()
        return MAX_SLEEP

    def _serviceable(self, lane: _Lane) -> Endpoint | None:
        endpoint = self._directory.endpoints.get(lane.endpoint_id)
        if (
            endpoint is None
            or not endpoint.active
            or endpoint.method is Method.PULL
            or endpoint.channel not in self._channels
        ):
            lane.forget()
            return None
        return endpoint

    def _room(self, lane: _Lane) -> int:
        if lane.health.rest(self._monotonic()) > 0:
            return 0
        endpoint = self._directory.endpoints.get(lane.endpoint_id)
        if endpoint is not None and endpoint.ordered:
            # After a failure the queue is read again, once that is written down.
            return 0 if lane.flying or (lane.in_hand and lane.error) else 1
        return lane.health.room(lane.flying)

    async def _read(self, lane: _Lane) -> None:
        """Fills `waiting` with what is due, or with the next probe."""
        endpoint = self._directory.endpoints.get(lane.endpoint_id)
        ordered = endpoint is not None and endpoint.ordered
        probing = lane.health.down and not ordered
        # What is queued from now on is offered, or says that there is something unread.
        lane.next_due, lane.unread = None, False
        async with self._database.reading() as connection:
            if probing:
                after, without = lane.probed, set(lane.in_hand)
                found = await repository.page(connection, lane.endpoint_id, 1, without=without, after=after)
                if not found and after is not None:
                    found = await repository.page(connection, lane.endpoint_id, 1, without=without)
            else:
                found = await repository.page(connection, lane.endpoint_id, PAGE, without=set(lane.in_hand))
        if probing:
            lane.probed = (found[0].due_at, found[0].id) if found else None
            lane.waiting = deque(found)
            lane.unread = lane.unread or bool(found)
            return
        now = self._now()
        due = [each for each in found if each.due_at <= now]
        if len(found) == PAGE:
            # What was offered meanwhile comes after what is unread.
            lane.waiting, lane.unread = deque(due), True
        else:
            offered, read = lane.waiting, {each.id for each in due}
            lane.waiting = deque([*due, *(each for each in offered if each.id not in read)])
        lane.next_due = next((each.due_at for each in found if each.due_at > now), None)

    # One delivery.

    def _send(self, lane: _Lane, notification: Notification) -> None:
        lane.flying += 1
        lane.in_hand.add(notification.id)
        upcoming = [each.message_id for each in lane.waiting]
        task = asyncio.create_task(
            self._deliver(lane, notification, upcoming, probe=lane.health.down),
            name=f"notifications: {notification.id}",
        )
        lane.deliveries.add(task)
        task.add_done_callback(lane.deliveries.discard)

    async def _deliver(self, lane: _Lane, notification: Notification, upcoming: Sequence[str], *, probe: bool) -> None:
        landed = woken = done = False
        outcome: Outcome | None = None
        try:
            async with AsyncExitStack() as until_settled:
                async with self._place(doubtful=not lane.health.brisk):
                    await until_settled.enter_async_context(self._ledger.places)
                    message = await self._messages.get(notification.message_id, upcoming)
                    endpoint = self._serviceable(lane)
                    if endpoint is None:
                        return
                    verdict = self._tries.obstacle(notification, message)
                    if verdict is None and message is not None:
                        tried = await self._tries.make(endpoint, notification, message, probe=probe)
                        outcome, verdict = tried.outcome, tried.verdict
                        woken = self._note(lane, outcome, tried.seconds, probe=probe)
                        if endpoint.ordered and verdict.state is State.PENDING:
                            self._hold(lane, verdict.tries, probe=probe)
                lane.flying -= 1
                landed = True
                lane.news.set()
                if verdict is not None:
                    await self._ledger.settle(verdict)
            if woken:
                await self._hasten(lane.endpoint_id)
                lane.unread = True
            if outcome is not None:
                done = outcome.received
                await self._learn(lane.endpoint_id, outcome)
        except Exception:
            log.exception("a delivery is stuck for a while", notification=notification.id, endpoint=lane.endpoint_id)
            lane.health.pause(self._monotonic(), TROUBLE_SECONDS)
        finally:
            if not landed:
                lane.flying -= 1
            lane.in_hand.discard(notification.id)
            # When one that failed is due again, only the database knows.
            lane.unread = lane.unread or not done
            lane.news.set()

    def _note(self, lane: _Lane, outcome: Outcome, took: float, *, probe: bool) -> bool:
        """Learns from an outcome. Returns whether it woke the lane."""
        lane.error = outcome.error
        if outcome.received:
            if lane.health.down:
                log.info("an endpoint is back", endpoint=lane.endpoint_id)
            woken = lane.health.succeeded(took)
            if woken:
                lane.probed = None
                lane.forget()
            return woken
        if outcome.gone:
            # Until it is switched off; if that fails, the next one asks again.
            lane.health.pause(self._monotonic(), TROUBLE_SECONDS)
        if lane.health.failed(self._monotonic(), probe=probe, retry_after=outcome.retry_after):
            lane.forget()
            log.warning("an endpoint takes nothing; it is probed", endpoint=lane.endpoint_id, error=outcome.error)
        return False

    def _hold(self, lane: _Lane, tries: int, *, probe: bool) -> None:
        """Keeps an ordered lane from sending anything before it may try the same again."""
        lane.forget()
        if not probe:
            lane.health.pause(self._monotonic(), self._tries.rest(tries))

    async def _learn(self, endpoint_id: str, outcome: Outcome) -> None:
        if outcome.gone:
            await self._gone(endpoint_id)
        endpoint = self._directory.endpoints.get(endpoint_id)
        telling = outcome.received or outcome.unauthenticated
        if telling and endpoint is not None and endpoint.authenticated != outcome.received:
            await self._met(endpoint_id, outcome.received)

    async def _hasten(self, endpoint_id: str) -> None:
        moment = self._now()
        while True:
            number = await self._database.write(
                lambda connection: repository.hasten(connection, endpoint_id, moment, MAX_HASTENED)
            )
            if number < MAX_HASTENED:
                return

    @asynccontextmanager
    async def _place(self, *, doubtful: bool) -> AsyncIterator[None]:
        if not doubtful:
            async with self._places:
                yield
        else:
            async with self._doubtful_places, self._places:
                yield
