"""Channels as Server-Sent Events: where streams begin, what they carry, who may read them, and how they end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from house import Clock, House, Web, house, webbed
from structlog.testing import capture_logs

from owncast_py.realtime.messages import CHAT, DEFAULT_APP, Action, Address, Draft, Message, serial_at
from owncast_py.realtime.tokens import TokenRequest
from web.api.ably import feeds, sse
from web.api.ably.errors import AblyError
from web.api.ably.feeds import Reader

PATIENCE = 30.0
Frame = dict[str, str]


@dataclass
class Stream:
    """A reader of one stream."""

    response: aiohttp.ClientResponse

    async def frame(self) -> Frame:
        """The next frame, by its fields; a comment is the field without a name. Empty at the end."""
        fields: Frame = {}
        async with asyncio.timeout(PATIENCE):
            while line := (await self.response.content.readline()).decode().rstrip("\n"):
                name, _, value = line.partition(": ")
                fields[name] = f"{fields[name]}\n{value}" if name in fields else value
        return fields

    async def event(self) -> Frame:
        """The next frame that is an event."""
        while "event" not in (found := await self.frame()):
            assert found, "the stream ended"
        return found

    async def said(self) -> object:
        """The data of the next message."""
        found = await self.event()
        assert found["event"] == "message", found
        return json.loads(found["data"])["data"]

    async def live(self) -> str:
        """The position from which it goes on live."""
        while found := await self.frame():
            if found.keys() == {"id"}:
                return found["id"]
        raise AssertionError("the stream ended")

    async def ended(self) -> bool:
        """Whether nothing more comes."""
        async with asyncio.timeout(PATIENCE):
            return not await self.response.content.read()


@dataclass
class Desk:
    """The server, and a key to all of it."""

    home: House
    web: Web
    session: aiohttp.ClientSession
    key: str

    @asynccontextmanager
    async def reading(self, query: str, *, path: str = "/sse", key: str = "", **headers: str) -> AsyncIterator[Stream]:
        """A stream of what the query says."""
        address = f"{self.web.server.make_url(path)}?key={key or self.key}&{query}"
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.get(address, headers=sent) as response:
            assert (response.status, response.content_type) == (200, "text/event-stream"), await response.text()
            stream = Stream(response)
            assert await stream.frame() == {"retry": "3000"}
            yield stream

    async def refused(self, query: str, *, key: str = "", **headers: str) -> tuple[int, int]:
        """Status and code of what is refused."""
        address = f"{self.web.server.make_url('/sse')}?{f'key={key or self.key}&' if key != '-' else ''}{query}"
        async with self.session.get(address, headers=headers) as response:
            found = (await response.json())["error"]
            assert found["message"].endswith("."), found
            return response.status, found["code"]

    async def publish(self, channel: str, *texts: str) -> list[Message]:
        """Each is published by itself."""
        drafts = [Draft("", text.encode(), "utf-8") for text in texts]
        return await self.home.foundations.channels.publish(Address(DEFAULT_APP, channel), *drafts)


@asynccontextmanager
async def opened(directory: Path, clock: Clock | None = None) -> AsyncIterator[Desk]:
    async with house(directory, clock=clock) as home, webbed(home) as served, aiohttp.ClientSession() as session:
        key = await home.foundations.keyring.create_key()
        yield Desk(home, served, session, key.text)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with opened(tmp_path) as found:
        yield found


async def test_a_message_comes_as_it_is_shown_elsewhere(desk: Desk) -> None:
    async with desk.reading("channels=game%3A1,other") as stream:
        begun = await stream.live()
        draft = Draft("move", b'{"x":1}', "json/utf-8", client_id="ann", extras=b'{"headers":{"a":1}}')
        [made] = await desk.home.foundations.channels.publish(Address(DEFAULT_APP, "game:1"), draft)
        found = await stream.event()
    assert (found["id"], found["event"]) == (made.version, "message")
    assert made.version > begun
    assert json.loads(found["data"]) == {
        "id": made.id,
        "channel": "game:1",
        "name": "move",
        "clientId": "ann",
        "data": '{"x":1}',
        "encoding": "json",
        "extras": {"headers": {"a": 1}},
        "timestamp": int(made.at.timestamp() * 1000),
        "serial": made.serial,
        "action": 0,
        "version": {"serial": made.version, "timestamp": int(made.at.timestamp() * 1000)},
    }


async def test_without_an_envelope_there_is_the_data_alone(desk: Desk) -> None:
    channel = Address(DEFAULT_APP, "game")
    async with desk.reading("channel=game&enveloped=false", path="/event-stream") as stream:
        await stream.live()
        [first] = await desk.publish("game", "one\r\ntwo\rthree\n")
        assert await stream.event() == {"id": first.version, "event": "message", "data": "one\ntwo\nthree\n"}
        await desk.home.foundations.channels.publish(channel, Draft("", b"\x00\xff", ""))
        assert (await stream.event())["data"] == "AP8="
        await desk.home.foundations.channels.revise(channel, [first.serial], Action.DELETE)
        await desk.publish("game", "event: error")
        assert (await stream.event())["data"] == "event: error"


async def test_names_may_be_parted_by_something_else(desk: Desk) -> None:
    async with desk.reading("separator=|&channels=a,b|c%2Fd") as stream:
        await stream.live()
        await desk.publish("a", "not asked for")
        await desk.publish("a,b", "1")
        await desk.publish("c/d", "2")
        assert [await stream.said(), await stream.said()] == ["1", "2"]


@pytest.mark.parametrize("how", ["header", "parameter"])
async def test_a_stream_goes_on_after_the_event_that_is_named(desk: Desk, how: str) -> None:
    # More than is read of a channel at once, and of one far more than of the other.
    made = await asyncio.gather(
        *(desk.publish("a" if number % 7 else "b", str(number)) for number in range(3 * sse.PAGE))
    )
    versions = [message.version for [message] in made]
    query, headers = "channels=a,b", {}
    if how == "header":
        headers = {"Last_Event_ID": versions[9]}
    else:
        query += f"&lastEvent={versions[9]}"
    async with desk.reading(query, **headers) as stream:
        found = [await stream.said() for _ in range(10, 3 * sse.PAGE)]
        assert found == [str(number) for number in range(10, 3 * sse.PAGE)]
        assert await stream.live() == versions[-1]
        await desk.publish("b", "live")
        assert await stream.said() == "live"


async def test_nothing_is_missed_or_comes_twice_while_others_publish(desk: Desk) -> None:
    [first] = await desk.publish("a", "0")
    await desk.publish("a", *(str(number) for number in range(1, 100)))

    async def go_on() -> None:
        for number in range(100, 140):
            await desk.publish("a" if number % 2 else "b", str(number))

    publishing = asyncio.create_task(go_on())
    position, found = first.version, ["0"]
    # The line is cut again and again, and each time it goes on with what was heard last.
    while len(found) < 140:
        async with desk.reading(f"channels=a,b&lastEvent={position}") as stream:
            for _ in range(min(7, 140 - len(found))):
                event = await stream.event()
                position = event["id"]
                found.append(json.loads(event["data"])["data"])
    await publishing
    assert found == [str(number) for number in range(140)]


async def test_the_past_can_come_first(desk: Desk) -> None:
    await desk.publish("a", "1", "2", "3")
    await desk.publish("b", "4", "5")
    async with desk.reading("channels=a,b&rewind=1") as stream:
        assert [await stream.said(), await stream.said()] == ["3", "5"]
    async with desk.reading("channels=%5B%3Frewind%3D2%5Da,b") as stream:
        assert [await stream.said(), await stream.said()] == ["2", "3"]
        await stream.live()
        await desk.publish("b", "6")
        assert await stream.said() == "6"
    desk.home.clock.turn(60)
    await desk.publish("a", "7")
    async with desk.reading("channels=a&rewind=30s") as stream:
        assert await stream.said() == "7"


async def test_what_moderators_removed_is_not_in_the_past(desk: Desk) -> None:
    channels = desk.home.foundations.channels
    hidden, _ = await desk.publish("chat", "rude", "kind")
    await channels.revise(CHAT, [hidden.serial], Action.DELETE)
    async with desk.reading(f"channels=chat&lastEvent={serial_at(int(hidden.serial[:13]) - 1)}") as stream:
        assert await stream.said() == "kind"
        removed = json.loads((await stream.event())["data"])
        assert (removed["serial"], removed["action"], "data" in removed) == (hidden.serial, 2, False)
        # And a removal that is seen live says nothing either.
        await stream.live()
        [again] = await desk.publish("chat", "rude again")
        assert await stream.said() == "rude again"
        await channels.revise(CHAT, [again.serial], Action.DELETE)
        assert "data" not in json.loads((await stream.event())["data"])


async def test_a_position_of_long_ago_is_no_position(desk: Desk) -> None:
    [old] = await desk.publish("a", "old")
    desk.home.clock.turn(601)
    await desk.publish("a", "missed")
    async with desk.reading(f"channels=a&lastEvent={old.version}") as stream:
        told = await stream.event()
        assert (told["event"], json.loads(told["data"])["code"]) == ("discontinuity", 80018)
        await stream.live()
        await desk.publish("a", "new")
        assert await stream.said() == "new"


async def test_silence_moves_the_position(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.01)
    async with desk.reading("channels=quiet") as stream:
        begun = await stream.live()
        [elsewhere] = await desk.publish("loud", "x")
        # What came while it was silent counts once it must have arrived.
        while (found := await stream.frame()) != {"": "still here", "id": elsewhere.version}:
            assert found == {"": "still here", "id": begun}


async def test_who_may_read_what(desk: Desk) -> None:
    keyring = desk.home.foundations.keyring
    some = (await keyring.create_key(capability={"game:*": ["subscribe"], "other": ["publish"]})).text
    assert await desk.refused("channels=game", key="-") == (401, 40101)
    assert await desk.refused("channels=game", key=some) == (401, 40160)
    assert await desk.refused("channels=game:1,other", key=some) == (401, 40160)
    async with desk.reading("channels=game:1", key=some) as stream:
        await stream.live()
        await desk.publish("game:1", "x")
        assert await stream.said() == "x"


async def test_an_app_hears_its_own_channels_only(desk: Desk) -> None:
    keyring = desk.home.foundations.keyring
    app = await keyring.create_app("another")
    key = await keyring.create_key(app.id)
    async with desk.reading("channels=a&rewind=5", key=key.text) as stream:
        await stream.live()
        await desk.publish("a", "of the server")
        await desk.home.foundations.channels.publish(Address(app.id, "a"), Draft("", b"of the app", "utf-8"))
        assert await stream.said() == "of the app"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", 40003),
        ("channels=,", 40003),
        ("channels=" + ",".join(str(number) for number in range(sse.MAX_CHANNELS + 1)), 40003),
        ("channels=:a", 40010),
        ("channels=[a", 40010),
        ("channels=" + "a" * 201, 40010),
        ("channels=a&rewind=yesterday", 40000),
        ("channels=a&lastEvent=12", 40000),
        ("channels=a&enveloped=perhaps", 40000),
        ("channels=a&separator=", 40000),
    ],
)
async def test_what_no_stream_can_be_of(desk: Desk, query: str, code: int) -> None:
    assert await desk.refused(query) == (400, code)


async def test_there_are_only_so_many_streams(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_STREAMS", 1)
    async with desk.reading("channels=a") as stream:
        await stream.live()
        assert await desk.refused("channels=a") == (503, 50003)


async def test_readers_are_subscribers(desk: Desk) -> None:
    occupancy = desk.home.foundations.occupancy
    async with desk.reading("channels=a,b") as stream:
        await stream.live()
        assert occupancy.channels(DEFAULT_APP) == ["a", "b"]
        found = occupancy.of(Address(DEFAULT_APP, "a"))
        assert (found.connections, found.subscribers, found.publishers) == (1, 1, 0)
    # That a reader has left shows when it is written to.
    async with asyncio.timeout(PATIENCE):
        while occupancy.channels(DEFAULT_APP):
            await desk.publish("a", "x")


async def test_a_stream_ends_with_its_token(desk: Desk) -> None:
    keyring, key = desk.home.foundations.keyring, await desk.home.foundations.keyring.create_key()
    by = await keyring.verify_key(key.text)
    issued = await keyring.request_token(TokenRequest(key.name, ttl=60_000), by)
    address = desk.web.server.make_url(f"/sse?access_token={issued.token}&channels=a")
    async with desk.session.get(address) as response:
        stream = Stream(response)
        await stream.live()
        await desk.publish("a", "in time")
        assert await stream.said() == "in time"
        desk.home.clock.turn(61)
        await desk.publish("a", "too late")
        told = await stream.event()
        assert (told["event"], json.loads(told["data"])["code"]) == ("error", 40142)
        assert await stream.ended()
    async with desk.session.get(address) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (401, 40142)


async def test_a_stream_ends_at_once_when_its_key_is_revoked(desk: Desk) -> None:
    key = await desk.home.foundations.keyring.create_key()
    async with desk.reading("channels=a", key=key.text) as stream:
        await stream.live()
        with capture_logs() as logs:
            await desk.home.foundations.keyring.revoke_key(key.name)
            told = await stream.event()
            assert (told["event"], json.loads(told["data"])["code"]) == ("error", 40131)
            assert await stream.ended()
    assert [line["event"] for line in logs if line["event"].startswith("events closed")] == [
        f"events closed: The key {key.name!r} was revoked."
    ]
    assert key.secret not in str(logs)


async def test_streams_end_with_the_server(tmp_path: Path) -> None:
    async with house(tmp_path) as home, aiohttp.ClientSession() as session:
        key = (await home.foundations.keyring.create_key()).text
        async with webbed(home) as served:
            response = await session.get(served.server.make_url(f"/sse?key={key}&channels=a"))
            stream = Stream(response)
            await stream.live()
        told = await stream.event()
        assert (told["event"], json.loads(told["data"])["code"]) == ("error", 80003)
        assert await stream.ended()


def test_a_reader_that_is_too_slow_is_over() -> None:
    reader = Reader(serial_at(5), enveloped=True)
    reader.put(serial_at(5), b"before it came")
    reader.put(serial_at(6), b"a" * (feeds.MAX_WAITING - 1))
    reader.put(serial_at(7), b"b")
    assert (reader.over, len(reader.take())) == (None, feeds.MAX_WAITING)
    reader.put(serial_at(8), b"c" * (feeds.MAX_WAITING + 1))
    assert isinstance(reader.over, AblyError)
    assert (reader.over.code, "too slow" in reader.over.sentence, reader.take()) == (80020, True, b"")
    reader.put(serial_at(9), b"d")
    reader.end(AblyError(80003, 503, "Another reason."))
    assert (reader.over.code, reader.take()) == (80020, b"")


async def test_a_reader_that_takes_nothing_is_dropped_and_nobody_waits_for_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "SLOW_SECONDS", 0.05)
    # Its end of the line is not read at all.
    asked = f"GET /sse?key={desk.key}&channels=a HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.web.server.port, limit=1)
    writer.write(asked)
    await writer.drain()
    async with desk.reading("channels=a") as stream:
        await stream.live()
        occupancy = desk.home.foundations.occupancy
        with capture_logs() as logs:
            async with asyncio.timeout(PATIENCE):
                count = 0
                while occupancy.of(Address(DEFAULT_APP, "a")).connections == 2 or count == 0:
                    await desk.publish("a", str(count) + "x" * 60_000)
                    assert str(await stream.said()).startswith(str(count))
                    count += 1
    reasons = [line["event"] for line in logs]
    assert any(each == "events closed: the reader stalled" or "too slow" in each for each in reasons), reasons
    del reader
    writer.close()
