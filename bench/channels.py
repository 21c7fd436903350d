"""Channels: fan-out beside the chat's own, publishing over HTTP, presence, a long history, and cut lines.

Fan-out alternates between the chat's sockets and sockets of the realtime protocol on one server. The cuts are of
clients that come back with what they know: the connection's key, and where they were in the channel.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import sqlite3
import time
from base64 import b64encode
from collections.abc import Iterator
from functools import partial
from statistics import median, quantiles
from typing import NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import crowd
from fanout import RATES, FanOut, fan_out
from harness import BenchError, Server, cpu_seconds
from report import Verdict, show, spread
from websockets.asyncio.client import ClientConnection, connect

SOCKETS = 2_000
SECONDS = 8
MIN_SHARE = 0.8
MAX_P99_MS = 50.0
MIN_PUBLISHED = 2_000
PUBLISHERS = 200
MEMBERS = 1_000
MAX_SYNC_MS = 500.0
STORED = 1_000_000
PAGES = 200
MAX_PAGE_MS = 50.0
CLIENTS, CUTS = 50, 100
RATE = 100
"""Messages a second while lines are cut."""


class Run(NamedTuple):
    """What one server did."""

    chat: dict[float, FanOut]
    channel: dict[float, FanOut]
    published: float
    published_cpu: float
    sync: float
    enter_few: float
    enter_many: float
    page_p50: float
    page_p99: float
    disorder: int
    cut: int


def measure(
    *,
    runs: int = 3,
    sockets: int = SOCKETS,
    seconds: int = SECONDS,
    messages: int = 10_000,
    stored: int = STORED,
    cuts: int = CUTS,
) -> list[Verdict]:
    """`runs` servers, each asked everything."""
    found = [_one(sockets, seconds, messages, stored, cuts) for _ in range(runs)]
    rows: list[tuple[str, str]] = []
    verdicts = []
    for rate, _ in RATES:
        shares = [run.channel[rate].per_cpu_second / run.chat[rate].per_cpu_second for run in found]
        rows.append((f"deliveries per CPU-s, {rate}/s", spread([run.channel[rate].per_cpu_second for run in found], 0)))
        rows.append((f"against the chat's sockets, {rate}/s", spread(shares, 2)))
        rows.append((f"p99 at {rate}/s, ms", spread([run.channel[rate].p99 for run in found], 1)))
        met = median(shares) >= MIN_SHARE
        verdicts.append(
            Verdict(f"fan-out to {sockets} sockets, {rate}/s", f"≥ {MIN_SHARE} × chat's", spread(shares, 2), met)
        )
    slow = [run.channel[RATES[0][0]].p99 for run in found]
    verdicts.append(Verdict("its p99 at 10/s", f"≤ {MAX_P99_MS:g} ms", spread(slow, 1), median(slow) <= MAX_P99_MS))
    rows += [
        ("published over HTTP, /s", spread([run.published for run in found], 0)),
        ("CPU for each, ms", spread([run.published_cpu for run in found], 2)),
        (f"{MEMBERS} members synced, ms", spread([run.sync for run in found], 1)),
        ("CPU ms of an enter and leave among 10", spread([run.enter_few for run in found], 2)),
        (f"among {MEMBERS}", spread([run.enter_many for run in found], 2)),
        (f"history, 1,000 of {stored:,}, p50, ms", spread([run.page_p50 for run in found], 1)),
        ("p99, ms", spread([run.page_p99 for run in found], 1)),
        ("lines cut", spread([float(run.cut) for run in found], 0)),
        ("lost, doubled or out of order", spread([float(run.disorder) for run in found], 0)),
    ]
    show("Channels", ("what", "measured"), rows)
    for what, name, target, unit, least in (
        ("published over HTTP, one channel", "published", MIN_PUBLISHED, "/s", True),
        (f"{MEMBERS} members synced", "sync", MAX_SYNC_MS, "ms", False),
        (f"history of 1,000 from {stored:,}, p99", "page_p99", MAX_PAGE_MS, "ms", False),
        ("lost, doubled or out of order", "disorder", 0, "", False),
    ):
        values = [float(getattr(run, name)) for run in found]
        middle = median(values)
        met = middle >= target if least else middle <= target
        verdicts.append(Verdict(what, f"{'≥' if least else '≤'} {target:g} {unit}", spread(values, 1, unit), met))
    return verdicts


def _one(sockets: int, seconds: int, messages: int, stored: int, cuts: int) -> Run:
    with Server(chat={"join_messages": False}) as server:
        api = crowd.Api(server.http)
        key = str(api.admin("channels/keys/create", {"name": "bench", "capability": {"[*]*": ["*"]}})["value"])
        chat, channel = _fan_outs(server, api, key, sockets, seconds)
        published, published_cpu = asyncio.run(_publishing(server, key, messages))
        sync, few, many = asyncio.run(_presence(server, key))
        disorder, cut = asyncio.run(_cutting(server, key, cuts))
        server.stop()
        _store(server, stored)
        server.start()
        p50, p99 = asyncio.run(_paging(server, key, stored))
        return Run(chat, channel, published, published_cpu, sync, few, many, p50, p99, disorder, cut)


# Fan-out.


def _fan_outs(
    server: Server, api: crowd.Api, key: str, sockets: int, seconds: int
) -> tuple[dict[float, FanOut], dict[float, FanOut]]:
    chat, channel = dict[float, FanOut](), dict[float, FanOut]()
    sender = crowd.open_socket(server.http, f"/ws?accessToken={api.bot()}")
    listeners = crowd.Crowd(server.http, [f"/ws?accessToken={api.register()}" for _ in range(sockets)])
    for rate, _ in RATES:
        chat[rate] = fan_out(listeners, server.pid, rate, seconds, partial(crowd.say, sender))
    listeners.close()
    sender.close()
    path = "/?" + urlencode({"key": key, "v": "6", "format": "json", "heartbeats": "false"})
    listeners = crowd.Crowd(server.http, [path] * sockets, b"}]}", hello=b'{"action":10,"channel":"bench"}')
    publisher = crowd.open_socket(server.http, path)
    numbers = iter(range(10**9))
    for rate, _ in RATES:
        channel[rate] = fan_out(listeners, server.pid, rate, seconds, partial(_say, publisher, numbers))
    listeners.close()
    publisher.close()
    return chat, channel


def _say(publisher: socket.socket, numbers: Iterator[int], stamp: bytes) -> None:
    message = {"name": "line", "data": stamp.decode() + " how about another cup of tea before the show goes on?"}
    frame = {"action": 15, "channel": "bench", "msgSerial": next(numbers), "messages": [message]}
    crowd.send_text(publisher, json.dumps(frame).encode())
    crowd.discard(publisher)


# Publishing over HTTP.


async def _publishing(server: Server, key: str, messages: int) -> tuple[float, float]:
    url = urlsplit(server.http)
    basic = b64encode(key.encode()).decode()
    numbers = iter(range(messages))
    head = f"POST /channels/rest/messages HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Basic {basic}\r\n"

    async def one() -> None:
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        for number in numbers:
            body = json.dumps({"name": "line", "data": str(number)}).encode()
            writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            if b" 201 " not in answer.split(b"\r\n", 1)[0]:
                raise BenchError(f"A message was answered {answer[:60]!r}.")
            await reader.readexactly(int(answer.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]))
        writer.close()

    before, began = cpu_seconds(server.pid), time.monotonic()
    await asyncio.gather(*(one() for _ in range(PUBLISHERS)))
    took = time.monotonic() - began
    return messages / took, (cpu_seconds(server.pid) - before) / messages * 1000


# Presence.


async def _presence(server: Server, key: str) -> tuple[float, float, float]:
    address = _socket_of(server, key)
    async with connect(address, max_size=None) as few, connect(address, max_size=None) as many:
        await _entering(few, "few", 10)
        await _entering(many, "many", MEMBERS)
        costs = []
        for socket_, channel in ((few, "few"), (many, "many")):
            before = cpu_seconds(server.pid)
            for number in range(100):
                await _frame(socket_, channel, 2 * number + 5_000, 2, "probe")
                await _frame(socket_, channel, 2 * number + 5_001, 3, "probe")
            costs.append((cpu_seconds(server.pid) - before) * 10)
        async with connect(address, max_size=None) as late:
            began = time.monotonic()
            await late.send(json.dumps({"action": 10, "channel": "many"}))
            seen = 0
            while seen < MEMBERS:
                frame = json.loads(await late.recv())
                seen += len(frame.get("presence", ())) if frame["action"] == 16 else 0
            return (time.monotonic() - began) * 1000, costs[0], costs[1]


async def _entering(socket_: ClientConnection, channel: str, number: int) -> None:
    await socket_.send(json.dumps({"action": 10, "channel": channel, "flags": 1 << 16}))
    for start in range(0, number, 100):
        members = [{"action": 2, "clientId": f"c{each}"} for each in range(start, min(number, start + 100))]
        frame = {"action": 14, "channel": channel, "msgSerial": start // 100, "presence": members}
        await socket_.send(json.dumps(frame))
        await _acknowledged(socket_)


async def _frame(socket_: ClientConnection, channel: str, serial: int, action: int, client: str) -> None:
    member = {"action": action, "clientId": client}
    await socket_.send(json.dumps({"action": 14, "channel": channel, "msgSerial": serial, "presence": [member]}))
    await _acknowledged(socket_)


async def _acknowledged(socket_: ClientConnection) -> None:
    while (frame := json.loads(await socket_.recv()))["action"] not in (1, 2):
        pass
    if frame["action"] == 2:
        raise BenchError(f"A member was refused: {frame['error']}")


# Cut lines.


async def _cutting(server: Server, key: str, cuts: int) -> tuple[int, int]:
    """How many clients did not hear everything once and in order, and how many lines were cut."""
    over, enough, chance = asyncio.Event(), list[int](), random.Random(7)
    clients = [asyncio.create_task(_coming_back(server, key, cuts, chance, enough, over)) for _ in range(CLIENTS)]
    sent, began = 0, time.monotonic()
    async with connect(_socket_of(server, key), max_size=None) as publisher:
        while len(enough) < CLIENTS:
            if failed := [client for client in clients if client.done()]:
                failed[0].result()
            frame = {"action": 15, "channel": "cut", "msgSerial": sent, "messages": [{"data": str(sent)}]}
            await publisher.send(json.dumps(frame))
            sent += 1
            await asyncio.sleep(max(0.0, began + sent / RATE - time.monotonic()))
        while json.loads(await publisher.recv()).get("msgSerial") != sent - 1:
            pass
    over.set()
    heard = [await client for client in clients]
    return sum(each != list(range(each[0], sent)) for each in heard), CLIENTS * cuts


async def _coming_back(
    server: Server, key: str, cuts: int, chance: random.Random, enough: list[int], over: asyncio.Event
) -> list[int]:
    """What a client hears whose line is cut so often. It listens until all is `over`, and a little longer."""
    heard = list[int]()
    resume = place = ""
    for cut in range(cuts + 1):
        address = _socket_of(server, key) + (f"&resume={quote(resume)}" if resume else "")
        async with connect(address, max_size=None) as line:
            await line.send(json.dumps({"action": 10, "channel": "cut"} | ({"channelSerial": place} if place else {})))
            if cut == cuts:
                enough.append(cut)
            until = time.monotonic() + chance.uniform(0.05, 0.3)
            while True:
                if cut == cuts and not over.is_set():
                    until = time.monotonic() + 2
                try:
                    async with asyncio.timeout(max(0.001, until - time.monotonic())):
                        frame = json.loads(await line.recv())
                except TimeoutError:
                    break
                if frame["action"] == 4:
                    resume = frame["connectionDetails"]["connectionKey"]
                elif frame["action"] == 11:
                    place = place or frame["channelSerial"]
                elif frame["action"] == 15:
                    place = frame["channelSerial"]
                    heard += [int(message["data"]) for message in frame["messages"]]
            line.transport.abort()
    return heard


# A long history.


def _store(server: Server, stored: int) -> None:
    """So many messages in one channel, written into the database of a server that does not run."""
    database = sqlite3.connect(server.home / "data" / "owncast.db")
    began = int(time.time() * 1000) - stored
    rows = (
        ("owncast", "long", f"{began + n:013d}-000000", f"{began + n:013d}-000000", 0, 1, f"{began + n:013d}-000000",
         "line", b"%d: how about another cup of tea?" % n, "utf-8", "ana", "", b"", None, began + n)
        for n in range(stored)
    )  # fmt: skip
    columns = "app,channel,version,serial,action,latest,id,name,data,encoding,client_id,connection_id,extras,text,at"
    with database:
        database.executemany(
            f"INSERT INTO channel_messages ({columns}) VALUES ({','.join('?' * 15)})",
            rows,
        )
    database.close()


async def _paging(server: Server, key: str, stored: int) -> tuple[float, float]:
    url = urlsplit(server.http)
    basic = b64encode(key.encode()).decode()
    reader, writer = await asyncio.open_connection(url.hostname, url.port, limit=1 << 22)
    chance, now, times = random.Random(7), int(time.time() * 1000), list[float]()
    for _ in range(PAGES):
        end = now - chance.randrange(stored - 2_000)
        began = time.perf_counter()
        writer.write(
            f"GET /channels/long/messages?limit=1000&end={end} HTTP/1.1\r\nHost: {url.netloc}\r\n"
            f"Authorization: Basic {basic}\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]))
        times.append((time.perf_counter() - began) * 1000)
        if body.count(b'"serial"') < 1_000:
            raise BenchError(f"A page has fewer messages than asked for: {head[:100]!r}")
    writer.close()
    found = quantiles(times, n=100)
    return found[49], found[98]


def _socket_of(server: Server, key: str) -> str:
    query = urlencode({"key": key, "v": "6", "format": "json", "heartbeats": "false"})
    return f"{server.http.replace('http', 'ws', 1)}/?{query}"
