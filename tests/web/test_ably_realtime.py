"""The realtime socket of channels: attaching, publishing, presence, coming back, and whoever misbehaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from realtime_wire import PATIENCE, Channels, Client, Frame, channelled, code, details

from owncast_py.realtime.messages import CHAT, Address
from owncast_py.realtime.tokens import TokenRequest
from web.api.ably.connection import MAX_ATTACHMENTS
from web.api.ably.protocol import Flag, ProtocolAction
from web.api.ably.realtime import RESUMABLE, STATE_SECONDS

BOTH = pytest.mark.parametrize("binary", [False, True], ids=["json", "msgpack"])
GAME = "game"


@pytest.fixture
async def channels(tmp_path: Path) -> AsyncIterator[Channels]:
    async with channelled(tmp_path) as channels:
        yield channels


async def token(channels: Channels, **request: object) -> str:
    """A token by the key."""
    keyring = channels.home.services.foundations.keyring
    grant = await keyring.verify_key(channels.key)
    name = channels.key.partition(":")[0]
    issued = await keyring.request_token(TokenRequest(name, **request), grant)  # type: ignore[arg-type]
    return issued.token


def messages(frame: Frame) -> list[Frame]:
    found = frame["messages"]
    assert isinstance(found, list)
    return found


# Connecting.


@BOTH
async def test_a_client_is_greeted_with_what_it_needs_to_know(channels: Channels, binary: bool) -> None:
    async with channels.client(binary=binary, clientId="ana", greeted=False) as client:
        greeting = await client.next(ProtocolAction.CONNECTED)
        assert str(details(greeting)["connectionKey"]).startswith(f"{greeting['connectionId']}!")
        assert details(greeting)["clientId"] == "ana"
        assert (details(greeting)["maxMessageSize"], details(greeting)["connectionStateTtl"]) == (65_536, 120_000)
        await client.send(action=ProtocolAction.HEARTBEAT, id="now")
        assert await client.next(ProtocolAction.HEARTBEAT) == {"action": 0, "id": "now"}
        await client.send(action=ProtocolAction.CLOSE)
        await client.next(ProtocolAction.CLOSED)
        assert await client.ended() == 1000


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"key": "owncast.nobody:secret"}, 40101),
        ({"key": "nowhere.nobody:secret"}, 40400),
        ({"access_token": "made.up"}, 40145),
        ({"key": ""}, 40101),
    ],
)
async def test_bad_credentials_are_refused_by_a_message(
    channels: Channels, query: dict[str, str], expected: int
) -> None:
    given = dict(query)
    async with channels.client(key=given.pop("key", None), greeted=False, **given) as client:
        refused = await client.next(ProtocolAction.ERROR)
        assert code(refused) == expected
        assert "channel" not in refused
        assert await client.ended() == 1008


async def test_a_token_is_for_its_client_alone(channels: Channels) -> None:
    given = await token(channels, client_id="ana")
    async with channels.client(access_token=given, clientId="ben", greeted=False) as client:
        assert code(await client.next(ProtocolAction.ERROR)) == 40102
    async with channels.client(access_token=given, greeted=False) as client:
        assert details(await client.next(ProtocolAction.CONNECTED))["clientId"] == "ana"


async def test_the_page_is_still_served_at_the_same_address(channels: Channels) -> None:
    async with channels.client() as client:
        assert (await client.attach(GAME))["action"] == ProtocolAction.ATTACHED


# Attaching and publishing.


@BOTH
async def test_what_is_published_is_acknowledged_and_heard(channels: Channels, binary: bool) -> None:
    async with channels.client(binary=binary, clientId="ana") as ana, channels.client(clientId="ben") as ben:
        attached = await ben.attach(GAME)
        flags = Flag(attached["flags"])  # type: ignore[arg-type]
        assert flags == Flag.PRESENCE | Flag.PUBLISH | Flag.SUBSCRIBE | Flag.PRESENCE_SUBSCRIBE
        ack = await ana.publish(GAME, {"name": "move", "data": "e4"}, {"name": "move", "data": "e5"})
        serials = ack["res"][0]["serials"]  # type: ignore[index]
        assert (ack["count"], len(serials)) == (1, 2)
        heard = await ben.next(ProtocolAction.MESSAGE)
        assert heard["channelSerial"] == serials[1]
        assert [(each["data"], each["clientId"], each["serial"]) for each in messages(heard)] == [
            ("e4", "ana", serials[0]),
            ("e5", "ana", serials[1]),
        ]
        assert [each["id"].partition(":")[2] for each in messages(heard)] == ["0:0", "0:1"]  # type: ignore[attr-defined]


async def test_a_client_that_wants_no_echo_does_not_hear_itself(channels: Channels) -> None:
    async with channels.client(echo="false") as quiet, channels.client() as other:
        await quiet.attach(GAME)
        await other.attach(GAME)
        await quiet.publish(GAME, {"data": "mine"})
        await other.publish(GAME, {"data": "yours"})
        assert await quiet.hears(GAME, 1) == ["yours"]


async def test_modes_are_what_the_capability_allows_of_what_is_wanted(channels: Channels) -> None:
    given = await token(channels, capability='{"game":["subscribe"],"own:*":["*"]}', client_id="ana")
    async with channels.client(access_token=given) as client:
        attached = await client.attach(GAME)
        assert Flag(attached["flags"]) == Flag.SUBSCRIBE | Flag.PRESENCE_SUBSCRIBE  # type: ignore[arg-type]
        assert code(await client.publish(GAME, {"data": "x"})) == 40160
        assert code(await client.present(GAME, {"action": 2})) == 40160
        refused = await client.attach("elsewhere")
        assert (refused["action"], code(refused)) == (ProtocolAction.ERROR, 40160)
        # Also without being attached.
        assert code(await client.publish("elsewhere", {"data": "x"})) == 40160
        assert (await client.publish("own:elsewhere", {"data": "x"}))["action"] == ProtocolAction.ACK
        assert (await client.attach("own:room"))["action"] == ProtocolAction.ATTACHED
        wanted = await client.attach("own:other", params={"modes": "publish"}, flags=int(Flag.SUBSCRIBE))
        assert Flag(wanted["flags"]) == Flag.PUBLISH  # type: ignore[arg-type]
        assert code(await client.present("own:other", {"action": 2})) == 91001


async def test_a_rewind_plays_what_was_and_only_once(channels: Channels) -> None:
    async with channels.client() as client:
        for number in range(5):
            await client.publish(GAME, {"data": str(number)})
        attached = await client.attach("[?rewind=2]game")
        assert Flag.HAS_BACKLOG in Flag(attached["flags"])  # type: ignore[arg-type]
        await client.publish(GAME, {"data": "5"})
        assert await client.hears("[?rewind=2]game", 3) == ["3", "4", "5"]
        place = [frame for frame in client.frames if frame["action"] == ProtocolAction.MESSAGE][-1]["channelSerial"]
        again = await client.attach("[?rewind=2]game", channelSerial=place)
        assert Flag.RESUMED in Flag(again["flags"])  # type: ignore[arg-type]
        await client.publish(GAME, {"data": "6"})
        assert await client.hears("[?rewind=2]game", 4) == ["3", "4", "5", "6"]


async def test_occupancy_is_told_to_whoever_asks(channels: Channels) -> None:
    async with channels.client() as one:
        await one.attach(GAME, params={"occupancy": "metrics"})
        await channels.beat()
        first = messages(await one.next(ProtocolAction.MESSAGE))[0]
        assert (first["name"], first["data"]["metrics"]["connections"]) == ("[meta]occupancy", 1)  # type: ignore[index]
        async with channels.client(clientId="ben") as two:
            await two.attach(GAME)
            await two.present(GAME, {"action": 2})
            await channels.beat()
            told = messages(await one.next(ProtocolAction.MESSAGE))[0]["data"]["metrics"]  # type: ignore[index]
            assert (told["connections"], told["presenceMembers"], told["publishers"]) == (2, 1, 2)


# Presence.


@BOTH
async def test_members_are_synced_and_their_changes_told(channels: Channels, binary: bool) -> None:
    async with channels.client(clientId="ana") as ana, channels.client(binary=binary, clientId="ben") as ben:
        await ana.attach(GAME)
        assert (await ana.present(GAME, {"action": 2, "data": "here"}))["action"] == ProtocolAction.ACK
        attached = await ben.attach(GAME)
        assert Flag.HAS_PRESENCE in Flag(attached["flags"])  # type: ignore[arg-type]
        sync = await ben.next(ProtocolAction.SYNC)
        assert str(sync["channelSerial"]).endswith(":")
        assert [(each["clientId"], each["data"], each["action"]) for each in sync["presence"]] == [("ana", "here", 1)]  # type: ignore[attr-defined]
        await ana.present(GAME, {"action": 4, "data": "there"})
        await ana.present(GAME, {"action": 3, "data": "bye"})
        changes = [await ben.next(ProtocolAction.PRESENCE) for _ in range(2)]
        assert [(each["presence"][0]["action"], each["presence"][0]["data"]) for each in changes] == [  # type: ignore[index]
            (4, "there"),
            (3, "bye"),
        ]


async def test_one_connection_presents_several_and_all_leave_with_it(channels: Channels) -> None:
    async with channels.client(clientId="eye") as eye:
        await eye.attach(GAME)
        async with channels.client() as many:
            await many.attach(GAME)
            await many.present(GAME, *({"action": 2, "clientId": f"c{number}"} for number in range(3)))
            assert code(await many.present(GAME, {"action": 2})) == 91000
            await many.send(action=ProtocolAction.CLOSE)
            await many.next(ProtocolAction.CLOSED)
        seen: list[tuple[object, object]] = []
        while len(seen) < 6:
            change = (await eye.next(ProtocolAction.PRESENCE))["presence"][0]  # type: ignore[index]
            seen.append((change["action"], change["clientId"]))
        assert seen == [(action, f"c{number}") for action in (2, 3) for number in range(3)]


async def test_a_large_presence_set_comes_in_pages(channels: Channels) -> None:
    async with channels.client() as many, channels.client(clientId="eye") as eye:
        await many.attach(GAME)
        await many.present(GAME, *({"action": 2, "clientId": f"c{number:03}"} for number in range(150)))
        await many.present(GAME, *({"action": 2, "clientId": f"c{number:03}"} for number in range(150, 250)))
        await eye.attach(GAME)
        found: list[object] = []
        while True:
            sync = await eye.next(ProtocolAction.SYNC)
            found += [each["clientId"] for each in sync["presence"]]  # type: ignore[attr-defined]
            if str(sync["channelSerial"]).endswith(":"):
                break
        assert sorted(map(str, found)) == [f"c{number:03}" for number in range(250)]


async def test_detaching_leaves(channels: Channels) -> None:
    async with channels.client(clientId="ana") as ana, channels.client() as eye:
        await eye.attach(GAME)
        await ana.attach(GAME)
        await ana.present(GAME, {"action": 2})
        await ana.send(action=ProtocolAction.DETACH, channel=GAME)
        await ana.next(ProtocolAction.DETACHED)
        assert code(await ana.present(GAME, {"action": 2})) == 90001
        changes = [(await eye.next(ProtocolAction.PRESENCE))["presence"][0]["action"] for _ in range(2)]  # type: ignore[index]
        assert changes == [2, 3]


# Coming back.


@BOTH
async def test_who_comes_back_gets_what_they_missed_once_and_in_order(channels: Channels, binary: bool) -> None:
    async with channels.client() as other:
        async with channels.client(binary=binary, clientId="ana", greeted=False) as first:
            greeting = await first.next(ProtocolAction.CONNECTED)
            await first.attach(GAME)
            await first.present(GAME, {"action": 2})
            await other.publish(GAME, {"data": "0"})
            place = (await first.next(ProtocolAction.MESSAGE))["channelSerial"]
            first.socket.transport.abort()
        for number in range(1, 8):
            await other.publish(GAME, {"data": str(number)})
        key = str(details(greeting)["connectionKey"])
        async with channels.client(binary=binary, clientId="ana", resume=key, greeted=False) as second:
            again = await second.next(ProtocolAction.CONNECTED)
            assert (again["connectionId"], again.get("error")) == (greeting["connectionId"], None)
            attached = await second.attach(GAME, channelSerial=place)
            assert Flag.RESUMED in Flag(attached["flags"])  # type: ignore[arg-type]
            await other.publish(GAME, {"data": "8"})
            assert await second.hears(GAME, 8) == [str(number) for number in range(1, 9)]
            # It was a member all the time.
            members = await channels.home.services.foundations.members.of(Address("owncast", GAME))
            assert [member.client_id for member in members] == ["ana"]


async def test_what_is_sent_again_is_acknowledged_again_and_published_once(channels: Channels) -> None:
    async with channels.client(greeted=False) as client:
        greeting = await client.next(ProtocolAction.CONNECTED)
        first = await client.publish(GAME, {"data": "x"}, serial=0)
        client.socket.transport.abort()
    key = str(details(greeting)["connectionKey"])
    async with channels.client(resume=key) as client:
        await client.attach(GAME)
        assert (await client.publish(GAME, {"data": "x"}, serial=0))["res"] == first["res"]
        await client.publish(GAME, {"data": "y"}, serial=1)
        assert await client.hears(GAME, 1) == ["y"]


async def test_who_comes_back_too_late_is_told(channels: Channels) -> None:
    async with channels.client(clientId="eye") as eye:
        place = (await eye.attach(GAME))["channelSerial"]
        async with channels.client(clientId="ana", greeted=False) as first:
            greeting = await first.next(ProtocolAction.CONNECTED)
            await first.attach(GAME)
            await first.present(GAME, {"action": 2})
            first.socket.transport.abort()
        async with asyncio.timeout(PATIENCE):
            while channels.home.services.foundations.occupancy.of(Address("owncast", GAME)).connections > 1:
                await asyncio.sleep(0)
        await channels.beat(STATE_SECONDS - 1)
        await channels.beat(1)
        actions = [(await eye.next(ProtocolAction.PRESENCE))["presence"][0]["action"] for _ in range(2)]  # type: ignore[index]
        assert actions == [2, 3]
        key = str(details(greeting)["connectionKey"])
        async with channels.client(clientId="ana", resume=key, greeted=False) as second:
            again = await second.next(ProtocolAction.CONNECTED)
            assert (code(again), again["connectionId"] != greeting["connectionId"]) == (80018, True)
            channels.home.clock.turn(RESUMABLE.total_seconds())
            attached = await second.attach(GAME, channelSerial=place)
            assert Flag.RESUMED not in Flag(attached["flags"])  # type: ignore[arg-type]


async def test_a_channel_that_was_quiet_for_long_is_resumed(channels: Channels) -> None:
    async with channels.client(greeted=False) as first:
        greeting = await first.next(ProtocolAction.CONNECTED)
        place = (await first.attach(GAME))["channelSerial"]
        channels.home.clock.turn(2 * RESUMABLE.total_seconds())
        first.socket.transport.abort()
    async with channels.client(resume=str(details(greeting)["connectionKey"])) as second:
        attached = await second.attach(GAME, channelSerial=place)
        assert Flag.RESUMED in Flag(attached["flags"])  # type: ignore[arg-type]
        await second.publish(GAME, {"data": "x"})
        assert await second.hears(GAME, 1) == ["x"]


async def test_a_connection_is_resumed_only_by_whom_it_belongs_to(channels: Channels) -> None:
    async with channels.client(clientId="ana", greeted=False) as first:
        greeting = await first.next(ProtocolAction.CONNECTED)
        key = str(details(greeting)["connectionKey"])
        for query in ({"resume": key, "clientId": "ben"}, {"resume": key + "x", "clientId": "ana"}, {"resume": "!"}):
            async with channels.client(greeted=False, **query) as other:
                again = await other.next(ProtocolAction.CONNECTED)
                assert (code(again), again["connectionId"] != greeting["connectionId"]) == (80018, True)
        # Another socket of the same client takes the place of the first.
        async with channels.client(clientId="ana", resume=key, greeted=False) as second:
            assert (await second.next(ProtocolAction.CONNECTED))["connectionId"] == greeting["connectionId"]
            assert await first.ended() == 1008


# Credentials that end.


async def test_a_token_that_ends_soon_is_asked_for_and_renewed(channels: Channels) -> None:
    given = await token(channels, ttl=60_000, client_id="ana", capability='{"*":["*"]}')
    async with channels.client(access_token=given) as client:
        await client.attach(GAME)
        await client.attach("other")
        await channels.beat(35)
        await client.next(ProtocolAction.AUTH)
        renewed = await token(channels, client_id="ana", capability='{"game":["subscribe"]}')
        await client.send(action=ProtocolAction.AUTH, auth={"accessToken": renewed})
        await client.next(ProtocolAction.CONNECTED)
        refused = await client.next(ProtocolAction.ERROR)
        assert (refused["channel"], code(refused)) == ("other", 40160)
        # The new token is asked for in its own time, and the old one's end is none of this connection.
        await channels.beat(3_580)
        await client.next(ProtocolAction.AUTH)
        other = await token(channels, client_id="ben")
        await client.send(action=ProtocolAction.AUTH, auth={"accessToken": other})
        refused = await client.next(ProtocolAction.ERROR)
        assert (refused.get("channel"), code(refused)) == (None, 40102)


async def test_expired_and_revoked_credentials_end_at_once(channels: Channels) -> None:
    given = await token(channels, ttl=60_000)
    async with channels.client(access_token=given) as client:
        await channels.beat(61)
        assert code(await client.next(ProtocolAction.DISCONNECTED)) == 40142
        await client.ended()
    async with channels.client() as client:
        await channels.home.services.foundations.keyring.revoke_key(channels.key.partition(":")[0])
        assert code(await client.next(ProtocolAction.DISCONNECTED)) == 40131
        await client.ended()


# The chat.


async def test_the_chat_is_a_channel_with_its_own_rules(channels: Channels) -> None:
    async with channels.client(clientId="ana") as ana, channels.client() as nobody:
        await ana.attach("chat")
        ack = await ana.publish("chat", {"data": "<b>hello</b> *there*"})
        assert ack["action"] == ProtocolAction.ACK
        await ana.hears("chat", 1)
        [frame] = [each for each in ana.frames if each["action"] == ProtocolAction.MESSAGE]
        heard = messages(frame)[0]
        assert (heard["name"], heard["encoding"]) == ("message", "json")
        assert json.loads(str(heard["data"]))["body"] == "<p>&lt;b&gt;hello&lt;/b&gt; <em>there</em></p>"
        (kept,) = await channels.home.services.foundations.channels.recent(CHAT, 5)
        assert kept.serial == heard["serial"]
        assert code(await nobody.publish("chat", {"data": "who am I"})) == 40161
        assert code(await ana.publish("chat", {"name": "system", "data": "I am the server"})) == 40003
        assert code(await ana.publish("stream", {"data": "on air"})) == 40160
        await channels.home.rule(slow_mode_seconds=60)
        await ana.publish("chat", {"data": "once"})
        assert code(await ana.publish("chat", {"data": "twice"})) == 42910


# Whoever misbehaves.


@pytest.mark.parametrize(
    "frame",
    ["no json", "[1]", '{"action":99}', '{"action":15}', '{"action":10,"channel":7}', '{"action":4}', "{" * 1000],
)
async def test_nonsense_ends_the_socket_or_is_refused(channels: Channels, frame: str) -> None:
    async with channels.client() as client, channels.client() as other:
        await client.socket.send(frame)
        answer = await client.until(
            lambda found: found["action"] in (ProtocolAction.ERROR, ProtocolAction.NACK) or "error" in found
        )
        assert 40000 <= code(answer) < 92000
        assert (await other.attach(GAME))["action"] == ProtocolAction.ATTACHED


async def test_malformed_messagepack_ends_the_socket(channels: Channels) -> None:
    async with channels.client(binary=True) as client:
        await client.socket.send(b"\xc1\x00")
        assert code(await client.next(ProtocolAction.ERROR)) == 40000
        assert await client.ended() == 1008


async def test_too_much_is_refused(channels: Channels) -> None:
    async with channels.client() as client:
        assert code(await client.publish(GAME, {"data": "x" * 70_000})) == 40009
        for number in range(MAX_ATTACHMENTS):
            await client.send(action=ProtocolAction.ATTACH, channel=f"c{number}")
        await client.until(lambda frame: frame.get("channel") == f"c{MAX_ATTACHMENTS - 1}")
        assert code(await client.attach("one more")) == 40114
    async with channels.client() as client:
        await client.socket.send("x" * 300_000)
        assert await client.ended() == 1009


async def test_a_name_that_cannot_be_is_refused_for_the_channel_alone(channels: Channels) -> None:
    async with channels.client() as client:
        for name in ("", ":x", "[what]x", "x" * 201):
            refused = await client.attach(name)
            assert (refused["channel"], code(refused)) == (name, 40010)
        assert (await client.attach("ü/%2F 🎲"))["action"] == ProtocolAction.ATTACHED


async def listening(channels: Channels, clients: list[Client]) -> None:
    for client in clients:
        await client.attach(GAME)


async def test_everybody_hears_the_same_in_the_same_order(channels: Channels) -> None:
    async with channels.client() as one, channels.client(binary=True) as two, channels.client() as sender:
        await listening(channels, [one, two])
        await asyncio.gather(*(_publish(sender, number) for number in range(30)))
        for client in (one, two):
            assert await client.hears(GAME, 30) == [str(number) for number in range(30)]


async def _publish(sender: Client, number: int) -> None:
    await sender.send(action=ProtocolAction.MESSAGE, channel=GAME, msgSerial=number, messages=[{"data": str(number)}])
