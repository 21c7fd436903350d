"""Channels by request, in JSON and in MessagePack: publishing, history, versions, presence, batches."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from ably_wire import JSON, MSGPACK, Answer, Rest, rest
from house import Clock
from yarl import URL

from owncast_py.realtime.messages import DEFAULT_APP, Action, Address, Draft, Member
from owncast_py.realtime.occupancy import ALL, Mode
from web.api.ably.batch import MAX_CHANNELS
from web.api.ably.formats import MAX_BODY
from web.api.ably.messages import MAX_SIZE, milliseconds

GAME = Address(DEFAULT_APP, "game")
MESSAGES = "/channels/game/messages"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=[JSON, MSGPACK], ids=["json", "msgpack"])
async def client(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Rest]:
    async with rest(tmp_path, clock) as opened:
        opened.media = request.param
        yield opened


def data(answers: list[dict[str, object]]) -> list[object]:
    return [each.get("data") for each in answers]


def published(answer: dict[str, object]) -> list[str]:
    found = answer["serials"]
    assert isinstance(found, list)
    return found


def results(answer: Answer) -> list[dict[str, object]]:
    """What a batch answers, with its counts checked."""
    assert isinstance(answer.value, dict)
    found = answer.value["results"]
    assert isinstance(found, list)
    failures = sum("error" in each for each in found)
    counts = (answer.value["successCount"], answer.value["failureCount"])
    assert counts == (len(found) - failures, failures)
    return found


async def test_the_time_is_for_everybody(client: Rest) -> None:
    assert (await client.ask("GET", "/time", key="")).value == [milliseconds(client.home.clock.now())]
    client.home.clock.turn(1.5)
    answer = await client.ask("GET", "/time?format=json", key="")
    assert (answer.value, answer.headers["Content-Type"]) == ([milliseconds(client.home.clock.now())], JSON)


async def test_what_is_published_is_in_the_history_of_either_format(client: Rest) -> None:
    sent = {"name": "move", "data": {"x": 1}, "clientId": "ann", "extras": {"headers": {"a": "b"}}}
    answer = await client.publish("game", sent)
    (serial,) = published(answer)
    assert answer == {"channel": "game", "messageId": serial, "serials": [serial]}
    at = milliseconds(client.home.clock.now())
    expected = {
        "id": serial,
        "name": "move",
        "data": '{"x":1}',
        "encoding": "json",
        "clientId": "ann",
        "timestamp": at,
        "serial": serial,
        "action": 0,
        "version": {"serial": serial, "timestamp": at},
        "extras": {"headers": {"a": "b"}},
    }
    for media in (JSON, MSGPACK):
        answer = await client.ask("GET", MESSAGES, media=media)
        assert (answer.status, answer.headers["Content-Type"], answer.value) == (200, media, [expected])
        assert (await client.ask("GET", f"{MESSAGES}/{serial}", media=media)).value == expected


async def test_octets_are_base64_in_json_and_octets_in_messagepack(client: Rest) -> None:
    octets = b"\x00\xff"
    if client.media == JSON:
        await client.publish("game", {"data": b64encode(octets).decode(), "encoding": "cipher+aes-128-cbc/base64"})
    else:
        await client.publish("game", {"data": octets, "encoding": "cipher+aes-128-cbc"})
    (text,) = await client.get(MESSAGES, media=JSON)
    assert (text["data"], text["encoding"]) == ("AP8=", "cipher+aes-128-cbc/base64")
    (binary,) = await client.get(MESSAGES, media=MSGPACK)
    assert (binary["data"], binary["encoding"]) == (octets, "cipher+aes-128-cbc")


async def test_forms_are_published_too(client: Rest) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    await client.publish("game", b"name=hi&data=a+%C3%A9", headers=form)
    (message,) = await client.get(MESSAGES)
    assert (message["name"], message["data"], "encoding" in message) == ("hi", "a é", False)


async def test_what_is_sent_again_is_published_once_also_after_a_restart(tmp_path: Path, clock: Clock) -> None:
    async with rest(tmp_path, clock) as client:
        once = await client.publish("game", [{"data": "a", "id": "xyz:0"}, {"data": "b", "id": "xyz:1"}])
        again = await client.publish("game", [{"data": "a", "id": "xyz:0"}, {"data": "b", "id": "xyz:1"}])
        assert once == again
        assert once["messageId"] == "xyz"
    async with rest(tmp_path, clock) as client:
        assert await client.publish("game", [{"data": "a", "id": "xyz:0"}, {"data": "b", "id": "xyz:1"}]) == once
        assert data(await client.get(MESSAGES)) == ["b", "a"]


async def test_names_in_addresses(client: Rest) -> None:
    for path, name in (
        ("a%2Fb%20%C3%BC", "a/b ü"),
        ("a+b", "a b"),
        ("a%2Bb", "a+b"),
        ("%7Bx%7D%25", "{x}%"),
        ("x:y", "x:y"),
        ("a%2fpresence", "a/presence"),
        ("%3Frewind=1", "?rewind=1"),
        ("%5B%3Frewind%3D1%5Dplain", "plain"),
    ):
        assert (await client.publish(path, {"data": name}))["channel"] == name
        assert data(await client.get(f"/channels/{path}/messages")) == [name]
        assert len(await client.home.foundations.channels.history(Address(DEFAULT_APP, name), limit=9)) == 1


async def test_only_the_address_of_a_channel_itself_may_have_bare_slashes(client: Rest) -> None:
    for path in ("a/b", "a%2Fb", "a/b%20c+d", "messages", "a/messages/b/c/d"):
        answer = await client.ask("GET", f"/channels/{path}")
        assert isinstance(answer.value, dict), answer
        assert answer.value["channelId"] == URL(f"/{path}", encoded=True).path[1:]
    assert (await client.ask("POST", "/channels/a/b/messages", {})).error == (404, 40400)


async def test_names_that_no_channel_has(client: Rest) -> None:
    for path in ("%3Aa", "%5Bfoo%5Da", "%5Bmeta%5D", "a%00", "a%0Ab", "%FF", "n" * 201):
        assert (await client.ask("POST", f"/channels/{path}/messages", {"data": "x"})).error == (400, 40010), path
        assert (await client.ask("GET", f"/channels/{path}")).error == (400, 40010), path


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], 40030),
        ("text", 40001),
        ({"data": "x" * (MAX_SIZE + 1)}, 40009),
        ({"name": "n" * 201}, 40016),
        ({"data": "%", "encoding": "base64"}, 40013),
        ([{"id": "a"}, {"id": "b"}], 40031),
        ({"clientId": "*"}, 40012),
    ],
)
async def test_what_cannot_be_published_is_not(client: Rest, body: object, code: int) -> None:
    assert (await client.ask("POST", MESSAGES, body)).error == (400, code)
    assert await client.get(MESSAGES) == []


async def test_bodies_that_are_malformed_or_too_large(client: Rest) -> None:
    assert (await client.ask("POST", MESSAGES, b"\xc1")).error == (400, 40000)
    assert (await client.ask("POST", MESSAGES, b" " * (MAX_BODY + 1))).error == (413, 40009)
    assert (await client.ask("POST", MESSAGES)).error == (400, 40001)
    await client.publish("game", {"data": "x" * MAX_SIZE})
    assert [len(str(each)) for each in data(await client.get(MESSAGES))] == [MAX_SIZE]


async def test_methods_that_there_are_not_are_not_found(client: Rest) -> None:
    for method, path in (("DELETE", MESSAGES), ("PUT", "/channels/game"), ("POST", "/time"), ("GET", "/messages")):
        assert (await client.ask(method, path)).error == (404, 40400)


async def test_nobody_does_what_their_key_does_not_allow(client: Rest) -> None:
    key = await client.key_for({"game": ["publish"], "seen": ["history", "channel-metadata"]})
    assert (await client.ask("POST", "/channels/seen/messages", {"data": "x"}, key=key)).error == (401, 40160)
    for path in (MESSAGES, f"{MESSAGES}/1-1", f"{MESSAGES}/1-1/versions", "/channels/game/presence"):
        assert (await client.ask("GET", path, key=key)).error == (401, 40160), path
    for path in ("/channels/game/presence/history", "/channels/game", "/channels", "/channels/seen/presence"):
        assert (await client.ask("GET", path, key=key)).error == (401, 40160), path
    assert (await client.ask("GET", "/channels/seen", key=key)).status == 200
    assert await client.get("/channels/seen/messages", key=key) == []
    assert (await client.ask("GET", MESSAGES, key="")).error == (401, 40101)
    assert await client.get("/channels/seen/messages") == []


async def test_a_request_may_say_whose_it_is(client: Rest) -> None:
    ann = {"X-Ably-ClientId": b64encode(b"ann").decode()}
    await client.publish("game", {"data": "x"}, headers=ann)
    assert [each["clientId"] for each in await client.get(MESSAGES)] == ["ann"]
    assert (await client.ask("POST", MESSAGES, {"clientId": "bob"}, headers=ann)).error == (400, 40012)


async def test_history_in_pages_by_its_links(client: Rest) -> None:
    for number in range(5):
        await client.publish("game", {"data": str(number)})
        client.home.clock.turn(1)
    for direction, expected in (("backwards", "43210"), ("forwards", "01234")):
        seen, link = "", f"messages?direction={direction}&limit=2"
        while link:
            answer = await client.ask("GET", f"/channels/game/{link}")
            assert isinstance(answer.value, list)
            seen += "".join(str(each["data"]) for each in answer.value)
            assert answer.links["first"] == f"./messages?direction={direction}&limit=2"
            assert answer.links["current"].startswith("./messages?")
            # What comes in the meantime is not in the way.
            link = answer.links.get("next", "").removeprefix("./")
        assert seen == expected


async def test_links_do_not_repeat_credentials(client: Rest) -> None:
    answer = await client.ask("GET", f"{MESSAGES}?key={client.key}&limit=5", key="")
    assert answer.links == {"first": "./messages?limit=5", "current": "./messages?limit=5"}
    assert (await client.ask("GET", MESSAGES)).links["first"] == "./messages?limit=100"


async def test_history_between_two_times(client: Rest) -> None:
    times = []
    for number in range(4):
        times.append(milliseconds(client.home.clock.now()))
        await client.publish("game", {"data": str(number)})
        client.home.clock.turn(1)
    between = f"start={times[1]}&end={times[2]}"
    assert data(await client.get(f"{MESSAGES}?{between}")) == ["2", "1"]
    assert data(await client.get(f"{MESSAGES}?{between}&direction=forwards")) == ["1", "2"]
    assert data(await client.get(f"{MESSAGES}?start={times[3]}&end=now")) == ["3"]
    serial = (await client.get(f"{MESSAGES}?start={times[1]}&end={times[1]}"))[0]["serial"]
    assert data(await client.get(f"{MESSAGES}?from_serial={serial}")) == ["1", "0"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=x",
        "start=2&end=1",
        "start=-1",
        "start=99999999999999",
        "direction=up",
        "cursor=x",
    ],
)
async def test_pages_that_cannot_be(client: Rest, query: str) -> None:
    assert (await client.ask("GET", f"{MESSAGES}?{query}")).error == (400, 40000)
    assert (await client.ask("GET", f"/channels/game/presence/history?{query}")).error == (400, 40000)


async def test_a_message_is_updated_appended_to_and_deleted(client: Rest) -> None:
    (serial,) = published(await client.publish("game", {"name": "say", "data": "one", "clientId": "ann"}))
    path, versions = f"{MESSAGES}/{serial}", [serial]
    why = {"clientId": "bob", "description": "typo", "metadata": {"by": "hand"}}
    for sent in (
        {"action": 1, "serial": serial, "data": "two", "version": why},
        {"action": 5, "data": " and more"},
        {"action": 2, "data": ""},
    ):
        client.home.clock.turn(1)
        answer = await client.ask("PATCH", path, sent)
        assert answer.status == 200, answer
        assert isinstance(answer.value, dict)
        versions.append(answer.value["versionSerial"])
    assert versions == sorted(set(versions))
    shown = await client.get(f"{path}/versions?direction=forwards")
    assert [(each["action"], each["data"]) for each in shown] == [(0, "one"), (1, "two"), (1, "two and more"), (2, "")]
    assert [each["version"]["serial"] for each in shown] == versions  # type: ignore[index]
    assert {key: shown[1]["version"][key] for key in why} == why  # type: ignore[index]
    assert {(each["serial"], each["clientId"], each["name"], each["timestamp"]) for each in shown} == {
        (serial, "ann", "say", shown[0]["timestamp"])
    }
    assert await client.get(MESSAGES) == shown[-1:]
    assert (await client.ask("GET", path)).value == shown[-1]
    first = await client.ask("GET", f"{path}/versions?limit=3")
    assert first.value == shown[:0:-1]
    assert await client.get(path + first.links["next"].removeprefix(".")) == shown[:1]


async def test_many_additions_at_once_all_count(client: Rest) -> None:
    (serial,) = published(await client.publish("game", {"data": ""}))
    path = f"{MESSAGES}/{serial}"
    answers = await asyncio.gather(*(client.ask("PATCH", path, {"action": 5, "data": letter}) for letter in "abcdefgh"))
    assert {answer.status for answer in answers} == {200}
    (message,) = await client.get(MESSAGES)
    assert sorted(str(message["data"])) == list("abcdefgh")


async def test_a_change_that_changes_nothing_is_no_version(client: Rest) -> None:
    (serial,) = published(await client.publish("game", {"data": "a"}))
    once = await client.ask("PATCH", f"{MESSAGES}/{serial}", {"data": "b"})
    again = await client.ask("PATCH", f"{MESSAGES}/{serial}", {"data": "b"})
    assert once.value == again.value
    assert len(await client.get(f"{MESSAGES}/{serial}/versions")) == 2


async def test_messages_that_there_are_not(client: Rest) -> None:
    for path in (f"{MESSAGES}/0-0", f"{MESSAGES}/0-0/versions"):
        assert (await client.ask("GET", path)).error == (404, 40400)
    assert (await client.ask("PATCH", f"{MESSAGES}/0-0", {"data": "x"})).error == (404, 40400)
    (serial,) = published(await client.publish("other", {"data": "x"}))
    assert (await client.ask("GET", f"{MESSAGES}/{serial}")).error == (404, 40400)


async def test_who_may_change_whose_messages(client: Rest) -> None:
    own = await client.key_for({"game": ["publish", "message-update-own", "message-delete-any"]})
    publisher = await client.key_for({"game": ["publish"]})
    (serial,) = published(await client.publish("game", {"data": "x", "clientId": "ann"}))
    path = f"{MESSAGES}/{serial}"
    ann, bob = ({"X-Ably-ClientId": b64encode(name).decode()} for name in (b"ann", b"bob"))
    assert (await client.ask("PATCH", path, {"data": "y"}, key=publisher, headers=ann)).error == (401, 40160)
    assert (await client.ask("PATCH", path, {"data": "y"}, key=own)).error == (401, 40160)
    assert (await client.ask("PATCH", path, {"data": "y"}, key=own, headers=bob)).error == (401, 40160)
    assert (await client.ask("PATCH", f"{MESSAGES}/0-0", {"data": "y"}, key=publisher)).error == (401, 40160)
    assert data(await client.get(MESSAGES)) == ["x"]
    assert (await client.ask("PATCH", path, {"data": "y"}, key=own, headers=ann)).status == 200
    assert data(await client.get(MESSAGES)) == ["y"]
    assert (await client.ask("PATCH", path, {"action": 2}, key=own, headers=bob)).status == 200
    assert [each["action"] for each in await client.get(MESSAGES)] == [2]


async def test_what_moderators_hide_shows_no_data_in_any_version(client: Rest) -> None:
    channels = client.home.foundations.channels
    (message,) = await channels.publish(GAME, Draft("say", b"rude", "utf-8"))
    await channels.revise(GAME, [message.serial], Action.DELETE)
    path = f"{MESSAGES}/{message.serial}"
    for found in (await client.get(MESSAGES), await client.get(f"{path}/versions")):
        assert [(each["action"], "data" in each) for each in found] == [(2, False)]
    assert (await client.ask("PATCH", path, {"data": "back"})).error == (404, 40400)


async def test_the_servers_own_channels_have_rules(client: Rest) -> None:
    for channel in ("stream", "%5Bmeta%5Dlog"):
        answer = await client.ask("POST", f"/channels/{channel}/messages", {"data": "x"})
        assert answer.error in ((401, 40160), (403, 40300))
        assert await client.get(f"/channels/{channel}/messages") == []
    (message,) = await client.home.foundations.channels.publish(Address(DEFAULT_APP, "chat"), Draft("say", b'"a"'))
    answer = await client.ask("PATCH", f"/channels/chat/messages/{message.serial}", {"data": "b"})
    assert answer.error == (403, 40300)
    assert data(await client.get("/channels/chat/messages")) == ['"a"']


async def test_who_is_present_and_who_was(client: Rest) -> None:
    for number, name in enumerate(("ann", "bob", "cyd")):
        await client.members.enter(GAME, Member(f"c{number}", name, data=b"\xff", encoding="", id=f"c{number}:0:0"))
        client.home.clock.turn(1)
    await client.members.enter(GAME, Member("c0", "ann", data=b"hi", encoding="utf-8", id="c0:1:0"))
    await client.members.leave(GAME, Member("c1", "bob", id="c1:1:0"))
    there = await client.get("/channels/game/presence")
    assert [(each["action"], each["clientId"], each["connectionId"]) for each in there] == [
        (1, "ann", "c0"),
        (1, "cyd", "c2"),
    ]
    assert [there[0]["data"], there[1]["data"]] == ["hi", "/w==" if client.media == JSON else b"\xff"]
    assert there[1].get("encoding") == ("base64" if client.media == JSON else None)
    assert [each["clientId"] for each in await client.get("/channels/game/presence?clientId=ann")] == ["ann"]
    assert [each["clientId"] for each in await client.get("/channels/game/presence?connectionId=c2")] == ["cyd"]
    page = await client.ask("GET", "/channels/game/presence?limit=1")
    assert page.value == there[:1]
    following = await client.ask("GET", "/channels/game" + page.links["next"].removeprefix("."))
    assert (following.value, "next" in following.links) == (there[1:], False)
    past = await client.get("/channels/game/presence/history?direction=forwards")
    story = [(2, "ann"), (2, "bob"), (2, "cyd"), (4, "ann"), (3, "bob")]
    assert [(each["action"], each["clientId"]) for each in past] == story
    page = await client.ask("GET", "/channels/game/presence/history?limit=3")
    assert page.value == past[:1:-1]
    assert await client.get("/channels/game/presence" + page.links["next"].removeprefix(".")) == past[1::-1]


async def test_what_a_channel_is_used_for(client: Rest) -> None:
    client.attachments.attach(GAME, "c1", ALL)
    client.attachments.attach(GAME, "c2", Mode.SUBSCRIBE)
    client.attachments.attach(Address(DEFAULT_APP, "galaxy"), "c2", Mode.SUBSCRIBE)
    client.attachments.attach(Address("other", "gather"), "c3", Mode.SUBSCRIBE)
    await client.members.enter(GAME, Member("c1", "ann"))
    metrics = {
        "connections": 2,
        "publishers": 1,
        "subscribers": 2,
        "presenceConnections": 1,
        "presenceMembers": 1,
        "presenceSubscribers": 1,
    }
    details = {
        "channelId": "game",
        "name": "game",
        "status": {"isActive": True, "occupancy": {"metrics": metrics}},
    }
    assert (await client.ask("GET", "/channels/game")).value == details
    assert [each["channelId"] for each in await client.get("/channels")] == ["galaxy", "game"]
    assert (await client.get("/channels"))[1] == details
    assert (await client.ask("GET", "/channels?by=id&prefix=ga")).value == ["galaxy", "game"]
    assert (await client.ask("GET", "/channels?by=id&prefix=gam")).value == ["game"]
    page = await client.ask("GET", "/channels?by=id&limit=1")
    assert page.value == ["galaxy"]
    assert (await client.ask("GET", page.links["next"].removeprefix("."))).value == ["game"]
    assert (await client.ask("GET", "/channels?by=size")).error == (400, 40000)


async def test_one_request_publishes_into_many_channels(client: Rest) -> None:
    key = await client.key_for({"a": ["publish"], "b": ["publish"]})
    spec = {"channels": ["a", "no", "b", ":x"], "messages": [{"data": "1"}, {"data": "2"}]}
    answer = await client.ask("POST", "/messages", spec, key=key)
    assert answer.status == 201
    found = results(answer)
    assert [each["channel"] for each in found] == ["a", "no", "b", ":x"]
    codes = [each["error"]["code"] if "error" in each else None for each in found]  # type: ignore[index]
    assert codes == [None, 40160, None, 40010]
    assert [len(published(each)) for each in found if "serials" in each] == [2, 2]
    assert data(await client.get("/channels/a/messages")) == ["2", "1"]
    assert await client.get("/channels/no/messages") == []
    several = await client.ask(
        "POST",
        "/messages",
        [{"channels": "a", "messages": {"data": "3"}}, {"channels": ["a"], "messages": {"data": "4"}}],
    )
    assert isinstance(several.value, list)
    assert [each["successCount"] for each in several.value] == [1, 1]
    assert data(await client.get("/channels/a/messages")) == ["4", "3", "2", "1"]


@pytest.mark.parametrize(
    "body", [{}, {"channels": []}, [], "text", {"channels": [5]}, {"channels": ["a"] * (MAX_CHANNELS + 1)}, [{}, 5]]
)
async def test_batches_that_cannot_be(client: Rest, body: object) -> None:
    answer = await client.ask("POST", "/messages", body)
    assert answer.error in ((400, 40000), (400, 40001))


async def test_one_request_tells_who_is_present_in_many_channels(client: Rest) -> None:
    await client.members.enter(Address(DEFAULT_APP, "a"), Member("c1", "ann", data=b"x", encoding="utf-8"))
    key = await client.key_for({"a": ["presence"], "b": ["subscribe"]})
    found = results(await client.ask("GET", "/presence?channels=a,b,no", key=key))
    assert [each["channel"] for each in found] == ["a", "b", "no"]
    (member,) = found[0]["presence"]  # type: ignore[misc]
    assert (member["clientId"], member["data"], member["action"]) == ("ann", "x", 1)
    assert found[1]["presence"] == []
    error = found[2]["error"]
    assert isinstance(error, dict)
    assert (error["code"], error["statusCode"]) == (40160, 401)
    assert (await client.ask("GET", "/presence")).error == (400, 40000)
    many = ",".join(["a"] * (MAX_CHANNELS + 1))
    assert (await client.ask("GET", f"/presence?channels={many}")).error == (400, 40000)


async def test_scripts_and_pages(client: Rest) -> None:
    await client.publish("game", {"data": "<b>"})
    script = await client.ask("GET", f"{MESSAGES}?format=jsonp&callback=told")
    assert script.headers["Content-Type"] == "application/javascript"
    assert isinstance(script.value, bytes)
    assert script.value.startswith(b"/**/told([{")
    assert b'"data":"<b>"' in script.value
    page = await client.ask("GET", f"{MESSAGES}?format=html")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert isinstance(page.value, bytes)
    assert b"&lt;b&gt;" in page.value


async def test_a_publisher_that_goes_away_is_published_once(client: Rest) -> None:
    """The answer is lost, the message is not, and what is sent again is known."""
    name, _, secret = client.key.partition(":")
    headers = {"Authorization": aiohttp.encode_basic_auth(name, secret), "Content-Type": JSON}
    reader, writer = await asyncio.open_connection(*client.url.removeprefix("http://").split(":"))
    body = b'{"id": "once", "data": "x"}'
    lines = [f"POST {MESSAGES} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}"]
    lines += [f"{key}: {value}" for key, value in headers.items()]
    heard: asyncio.Queue[object] = asyncio.Queue()
    client.home.foundations.channels.broker.subscribe(GAME, heard.put_nowait)
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    await writer.drain()
    async with asyncio.timeout(30):
        await heard.get()
    writer.close()
    await writer.wait_closed()
    del reader
    await client.publish("game", {"id": "once", "data": "x"})
    assert data(await client.get(MESSAGES)) == ["x"]
    assert heard.empty()
