"""What the delivery API takes in and pushes out, and what a dead receiver with a long queue costs.

Messages are published over HTTP by a few dozen connections at once, each durable before it is answered. Receivers are
a process of their own that does next to nothing. Four questions: how many messages a second are accepted for a topic
with ten subscriptions; how many a second a receiver gets that comes back to a queue; how long one message takes at a
calm pace; and what 100,000 notifications for an address where nobody listens do to memory, to others, and to the start
after a crash.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import quantiles
from typing import NamedTuple
from urllib.parse import urlsplit

import crowd
from harness import BenchError, Server, cpu_seconds, end, rss_megabytes
from report import Verdict, show, spread

PUBLISHERS = 32
SUBSCRIPTIONS = 10
CALM_RATE = 200
MIN_ACCEPTED = 500
MIN_DELIVERED = 1_500
MAX_DELAY_MS = 250.0
MAX_GROWTH_MB = 50.0
MAX_RETURN_SECONDS = 2.0
PAD = "x" * 200

RECEIVER = """
import asyncio, sys, time

async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            low = head.lower()
            at = low.find(b"content-length:")
            length = int(low[at + 15:].split(b"\\r\\n", 1)[0]) if at >= 0 else 0
            body = await reader.readexactly(length)
            writer.write(b"HTTP/1.1 204 Done\\r\\nWebHook-Allowed-Origin: *\\r\\n\\r\\n")
            if b'"sent":' in body:
                sent = body.split(b'"sent":', 1)[1].split(b",", 1)[0].strip(b"}")
                print(sent.decode(), time.time_ns(), flush=False)
            elif head.startswith(b"GET"):
                sys.stdout.flush()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    print(server.sockets[0].getsockname()[1], flush=True)
    while True:
        await asyncio.sleep(0.1)
        sys.stdout.flush()

asyncio.run(main())
"""


class Run(NamedTuple):
    """What one server did."""

    accepted: float
    accepted_cpu: float
    """Milliseconds of the server's CPU for each message."""
    delivered: float
    delivered_cpu: float
    p50: float
    p99: float
    growth: float
    beside_p99: float
    back: float


def measure(*, runs: int = 5, messages: int = 3_000, seconds: int = 15, queued: int = 100_000) -> list[Verdict]:
    """`runs` servers, each asked all four questions."""
    found = [_one(messages, seconds, queued) for _ in range(runs)]
    rows = [
        ("accepted, messages/s", spread([each.accepted for each in found], 0)),
        ("CPU for each, ms", spread([each.accepted_cpu for each in found])),
        ("delivered to one receiver that comes back, /s", spread([each.delivered for each in found], 0)),
        ("CPU for each, ms", spread([each.delivered_cpu for each in found])),
        (f"published → arrived at {CALM_RATE}/s, p50, ms", spread([each.p50 for each in found], 1)),
        ("the same, p99", spread([each.p99 for each in found], 1)),
        (f"memory for {queued:,} queued to nobody, MB", spread([each.growth for each in found], 1)),
        (f"{CALM_RATE}/s to another beside them, p99, ms", spread([each.beside_p99 for each in found], 1)),
        ("killed and started again → first delivery, s", spread([each.back for each in found])),
    ]
    show(f"Notifications: a topic with {SUBSCRIPTIONS} subscriptions, SQLite", ("what", "measured"), rows)
    return [
        _verdict("notifications accepted, 10 subscriptions", found, "accepted", MIN_ACCEPTED, "/s", least=True),
        _verdict("notifications delivered to one target", found, "delivered", MIN_DELIVERED, "/s", least=True),
        _verdict(f"published → arrived at {CALM_RATE}/s, p99", found, "p99", MAX_DELAY_MS, "ms"),
        _verdict(f"memory for {queued:,} queued", found, "growth", MAX_GROWTH_MB, "MB"),
        _verdict("a live target beside them, p99", found, "beside_p99", MAX_DELAY_MS, "ms"),
        _verdict("restart → first delivery", found, "back", MAX_RETURN_SECONDS, "s"),
    ]


def _verdict(what: str, found: Sequence[Run], name: str, target: float, unit: str, *, least: bool = False) -> Verdict:
    values = [float(getattr(each, name)) for each in found]
    middle = sorted(values)[len(values) // 2]
    met = middle >= target if least else middle <= target
    return Verdict(what, f"{'≥' if least else '≤'} {target:g} {unit}", spread(values, 2, unit), met)


def _one(messages: int, seconds: int, queued: int) -> Run:
    with Server(private_targets=True) as server, _receiver() as (port, heard):
        desk = _Desk(server)
        many, one, calm = (desk.topic(name) for name in ("many", "one", "calm"))
        for _ in range(SUBSCRIPTIONS):
            desk.subscribe(many, deliveryMethod="pull", deliveryChannel="desk")
        desk.publish(many, PUBLISHERS * 4)
        accepted, accepted_cpu = desk.publish(many, messages)

        with _receiver() as (there, _):
            desk.subscribe(one, **_push(there))
        desk.publish(one, messages)
        before = cpu_seconds(server.pid)
        with _receiver(there) as (_, returned):
            returned.wait(messages)
            spent = cpu_seconds(server.pid) - before
            delivered = messages / ((returned.last - returned.first) / 1e9)

        desk.subscribe(calm, **_push(port))
        p50, p99 = _delays(desk, calm, heard, seconds)

        dead = desk.topic("dead")
        with _receiver() as (greeter, _):
            desk.subscribe(dead, **_push(greeter))
        desk.publish(dead, 200)
        memory = rss_megabytes(server.pid)
        desk.publish(dead, queued - 200)
        growth = rss_megabytes(server.pid) - memory
        _, beside = _delays(desk, calm, heard, seconds)

        server.crash()
        began = time.monotonic()
        with _receiver(greeter) as (_, back):
            server.start()
            back.wait(1)
            until_first = time.monotonic() - began
        return Run(
            *(accepted, accepted_cpu, delivered, spent / messages * 1000, p50, p99, growth, beside, until_first),
        )


def _push(port: int) -> dict[str, object]:
    endpoint = {"recipientUrl": f"http://127.0.0.1:{port}/", "token": "t"}
    return {"deliveryMethod": "push", "deliveryChannel": "webhook", "endpoint": endpoint}


def _delays(desk: _Desk, topic: str, heard: _Heard, seconds: int) -> tuple[float, float]:
    first = len(heard.delays)
    desk.publish(topic, seconds * CALM_RATE, CALM_RATE)
    heard.wait(first + seconds * CALM_RATE)
    found = quantiles(heard.delays[first:], n=100)
    return found[49], found[98]


class _Heard:
    """What a receiver has got: the delays in milliseconds, in the order of arrival."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.delays: list[float] = []
        self.first = self.last = 0
        """When the first and the last one came, in Unix nanoseconds."""
        self._process = process
        self._more = threading.Condition()
        # Read all the time: a receiver whose pipe is full would stand still.
        threading.Thread(target=self._read, daemon=True).start()

    def wait(self, number: int, seconds: float = 120) -> None:
        """Returns once so many have come in all."""
        with self._more:
            if not self._more.wait_for(lambda: len(self.delays) >= number, seconds):
                raise BenchError(f"Only {len(self.delays)} of {number} notifications came within {seconds:g} s.")

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            sent, at = line.split()
            with self._more:
                self.first, self.last = self.first or int(at), int(at)
                self.delays.append((int(at) - int(sent)) / 1e6)
                self._more.notify()


@contextmanager
def _receiver(port: int = 0) -> Iterator[tuple[int, _Heard]]:
    process = subprocess.Popen([sys.executable, "-c", RECEIVER, str(port)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline()), _Heard(process)
    finally:
        end(process)  # type: ignore[arg-type]  # text or octets make no difference here


class _Desk:
    """A client of the API with an access token."""

    def __init__(self, server: Server) -> None:
        self._server = server
        made = crowd.Api(server.http).admin("accesstokens/create", {"name": "Bench", "scopes": ["data/full"]})
        self._token = str(made["token"])

    def topic(self, name: str) -> str:
        """The id of a new topic."""
        return str(self._ask("topics", {"name": name, "domain": "bench.example"})["_id"])

    def subscribe(self, topic: str, **values: object) -> str:
        """The id of a new subscription."""
        links = {"apiture:topic": {"href": topic}, "apiture:subscriber": {"href": "urn:bench"}}
        return str(self._ask("subscriptions", {"_links": links, **values})["_id"])

    def switch(self, subscription: str, *, active: bool) -> None:
        """Makes a subscription active or inactive."""
        self._ask(f"{'active' if active else 'inactive'}Subscriptions?subscription={subscription}", {})

    def publish(self, topic: str, number: int, rate: float = 0) -> tuple[float, float]:
        """So many messages, as fast as they are taken or at that rate. Returns messages/s, and ms of CPU for each."""
        before, began = cpu_seconds(self._server.pid), time.monotonic()
        asyncio.run(self._publishing(topic, number, rate))
        took = time.monotonic() - began
        return number / took, (cpu_seconds(self._server.pid) - before) / number * 1000

    async def _publishing(self, topic: str, number: int, rate: float) -> None:
        url = urlsplit(self._server.http)
        numbers = iter(range(number))
        began = time.monotonic()

        async def one() -> None:
            reader, writer = await asyncio.open_connection(url.hostname, url.port)
            for each in numbers:
                if rate:
                    await asyncio.sleep(max(0.0, began + each / rate - time.monotonic()))
                links = {"apiture:topic": {"href": topic}}
                body = json.dumps({"body": {"pad": PAD, "sent": time.time_ns()}, "_links": links}).encode()
                head = (
                    f"POST /notifications/messages HTTP/1.1\r\nHost: {url.netloc}\r\nAPI-Key: {self._token}\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n"
                )
                writer.write(head.encode() + body)
                answer = await reader.readuntil(b"\r\n\r\n")
                if b" 202 " not in answer.split(b"\r\n", 1)[0]:
                    raise BenchError(f"A message was answered {answer[:60]!r}.")
                length = int(answer.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
                await reader.readexactly(length)
            writer.close()

        await asyncio.gather(*(one() for _ in range(PUBLISHERS)))

    def _ask(self, path: str, body: object) -> dict[str, object]:
        api = crowd.Api(self._server.http)
        return api.post(f"/notifications/{path}", body, {"API-Key": self._token}, status=(200, 201))
