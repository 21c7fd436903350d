"""The other end of notifications, in tests: an HTTP server with the manners that a test picks, and an opened service.

The server is written with bare streams, for it must be able to do what no HTTP library does.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from house import Clock
from sqlalchemy import func, select

from owncast_py.notifications.channels import DeliveryChannel, Outcome
from owncast_py.notifications.channels.posting import Poster
from owncast_py.notifications.channels.webhook import Webhook
from owncast_py.notifications.errors import NotificationError
from owncast_py.notifications.model import Attempt, Endpoint, Parcel, Shelf
from owncast_py.notifications.schedule import Schedule
from owncast_py.notifications.service import Notifications
from owncast_py.notifications.subscribing import Subscribed, Wanted
from owncast_py.notifications.targets import connector
from owncast_py.storage import notifications as repository
from owncast_py.storage.database import Database
from owncast_py.storage.notification_rows import notification
from owncast_py.storage.tables import attempts, topic_messages
from owncast_py.storage.tables import notifications as table

PATIENCE = 30.0
QUICK = Schedule(delays=(0.0, 0.01, 0.02))
PROBES = (0.02, 0.05)


@dataclass(frozen=True)
class Request:
    """What came. The names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


Manner = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


def answering(status: int, body: bytes = b"", **headers: str) -> Manner:
    """Answers properly; `_` in a header's name is `-`."""

    async def manner(request: Request, writer: asyncio.StreamWriter) -> None:
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        head = "\r\n".join([f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *lines])
        writer.write(f"{head}\r\n\r\n".encode() + body)

    return manner


def saying(raw: bytes) -> Manner:
    """Answers with those octets and hangs up."""

    async def manner(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        writer.close()

    return manner


async def resetting(request: Request, writer: asyncio.StreamWriter) -> None:
    """Breaks the connection."""
    writer.transport.abort()


async def endless(request: Request, writer: asyncio.StreamWriter) -> None:
    """Never stops to answer."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x" * 65536)
        await writer.drain()


@dataclass
class Receiver:
    """A server on loopback."""

    manner: Manner = field(default_factory=lambda: answering(204))
    requests: list[Request] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def hang(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """A manner: says nothing until the test is over."""
        await self.over.wait()

    @property
    def ids(self) -> list[str]:
        """The webhook-ids that came."""
        return [request.headers["webhook-id"] for request in self.requests]

    @property
    def bodies(self) -> set[bytes]:
        """The bodies that came."""
        return {request.body for request in self.requests}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while not self.over.is_set():
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                lines = [line.partition(": ") for line in head[1:] if line]
                headers = {name.lower(): value for name, _, value in lines}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                method, path, _ = head[0].split()
                request = Request(method, path, headers, body)
                self.requests.append(request)
                await self.manner(request, writer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving(manner: Manner | None = None) -> AsyncIterator[Receiver]:
    """A receiver that listens."""
    receiver = Receiver(manner or answering(204))
    running: set[asyncio.Task[None]] = set()
    writers: set[asyncio.StreamWriter] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        task.add_done_callback(running.discard)
        writers.add(writer)
        await receiver.serve(reader, writer)
        writers.discard(writer)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield receiver
    finally:
        receiver.over.set()
        server.close()
        await server.wait_closed()
        for writer in list(writers):
            writer.close()
        if running:
            await asyncio.wait(running, timeout=PATIENCE)


@asynccontextmanager
async def posting(*, seconds: float = PATIENCE, answer_seconds: float = PATIENCE) -> AsyncIterator[Poster]:
    """A poster that may call this machine."""
    poster = Poster(connector(True), "test/1", now, head_seconds=seconds, answer_seconds=answer_seconds)
    try:
        yield poster
    finally:
        await poster.aclose()
        await asyncio.sleep(0)


Answer = Callable[[Endpoint, Parcel], Awaitable[Outcome]]


@dataclass
class Channel:
    """A delivery channel that does what the test says, and remembers."""

    answer: Answer | None = None
    refused: str = ""
    """Why nobody wants to hear from this server."""
    authenticates: bool = True
    lasting: bool = True
    greeted: list[Endpoint] = field(default_factory=list)
    delivered: list[tuple[str, str, bytes]] = field(default_factory=list)
    """(endpoint's id, notification's id, body) each."""

    def check(self, endpoint: Endpoint) -> None:
        if "impossible" in endpoint.url:
            raise NotificationError("That cannot be.")

    async def greet(self, endpoint: Endpoint) -> str:
        self.greeted.append(endpoint)
        return self.refused

    async def deliver(self, endpoint: Endpoint, parcel: Parcel) -> Outcome:
        self.delivered.append((endpoint.id, parcel.notification_id, parcel.body))
        return await self.answer(endpoint, parcel) if self.answer else Outcome(status=204)

    def to(self, endpoint: Endpoint) -> list[bytes]:
        """What was delivered there."""
        return [body for endpoint_id, _, body in self.delivered if endpoint_id == endpoint.id]


def always(outcome: Outcome) -> Answer:
    """The same answer to everything."""

    async def answer(endpoint: Endpoint, parcel: Parcel) -> Outcome:
        return outcome

    return answer


@dataclass
class Post:
    """The service with the database under it."""

    database: Database
    notifications: Notifications
    now: Callable[[], datetime]


@asynccontextmanager
async def opened(
    address: str,
    channel: DeliveryChannel | None = None,
    *,
    clock: Clock | None = None,
    schedule: Schedule = QUICK,
    probes: tuple[float, ...] = PROBES,
) -> AsyncIterator[Post]:
    """The service; opened twice at one address it is a restart. Without a channel it posts for real."""
    async with posting() as poster:
        database = Database(address)
        await database.start()
        try:
            notifications = Notifications(
                database,
                {"webhook": channel or Webhook(poster, now, lambda: "stream.example", allow_private=True)},
                clock.now if clock else now,
                clock.monotonic if clock else time.monotonic,
                random.Random(7),
                schedule=schedule,
                probes=probes,
            )
            await notifications.start()
            try:
                yield Post(database, notifications, clock.now if clock else now)
            finally:
                await notifications.aclose()
        finally:
            await database.aclose()


async def queue(post: Post, topic: str, bodies: list[bytes]) -> None:
    """Records many events in one transaction."""
    events = [(topic, post.now(), body) for body in bodies]
    await post.database.write(
        lambda connection: post.notifications.record(connection, events), lambda committed: committed()
    )


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Returns once that is so."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = condition()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.005)


async def quiet(post: Post) -> None:
    """Returns once nothing pends."""

    async def empty() -> bool:
        return await pending(post) == 0

    await until(empty)


async def tried(post: Post, notification_id: str) -> list[Attempt]:
    """Every attempt of a notification, oldest first."""
    async with post.database.reading() as connection:
        return await repository.attempts_of(connection, notification_id, 1_000)


async def listened(post: Post, **wanted: object) -> Subscribed:
    """A subscription to a topic of its own that anybody may publish to."""
    subscribing = post.notifications.subscribing
    topic = await subscribing.create_topic("test", f"topic {len(post.notifications._directory.topics)}")
    values = {"url": "https://example.org/", "token": "t", "active": True} | wanted
    return await subscribing.subscribe(Wanted(topic.id, **values))  # type: ignore[arg-type]


async def pending(post: Post, endpoint: Endpoint | None = None) -> int:
    """How many notifications are queued, for that endpoint or for all."""
    async with post.database.reading() as connection:
        queued = await repository.counts(connection, [Shelf.QUEUE])
    return sum(queued.values()) if endpoint is None else queued[endpoint.id]


def now() -> datetime:
    return datetime.now(UTC)


async def states(post: Post, endpoint: Endpoint) -> Counter[str]:
    async with post.database.reading() as connection:
        query = select(table).where(table.c.endpoint_id == endpoint.id)
        return Counter(notification(row).state.value for row in await connection.execute(query))


async def all_ids(post: Post) -> list[str]:
    async with post.database.reading() as connection:
        return [row.id for row in await connection.execute(select(table.c.id).order_by(table.c.id))]


async def rows(post: Post) -> tuple[int, int, int]:
    """Messages, notifications, attempts."""
    async with post.database.reading() as connection:
        counts = [
            (await connection.execute(select(func.count()).select_from(each))).scalar_one()
            for each in (topic_messages, table, attempts)
        ]
    return counts[0], counts[1], counts[2]


def numbered(many: int) -> list[bytes]:
    return [b"%d" % number for number in range(many)]


async def hook(post: Post, url: str = "https://example.org/", *topics: str) -> Endpoint:
    return await post.notifications.endpoints.create("webhook", url, {}, topics or ["CHAT"])


async def recorded(post: Post, number: int) -> bool:
    return (await rows(post))[2] == number
