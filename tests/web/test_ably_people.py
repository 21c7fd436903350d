"""People in channels: a chatter's own access token, what it lets them do there, and what ends it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from house import House
from realtime_wire import PATIENCE, Channels, Client, channelled, code
from test_ably_sse import Stream

from owncast_py.accounts.model import ADMIN_ID, Scope, User
from owncast_py.chat import content
from owncast_py.chat.content import Name
from owncast_py.realtime.messages import CHAT, DEFAULT_APP, Address, Draft
from web.api.ably.protocol import ProtocolAction

ACT = ProtocolAction


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Channels]:
    async with channelled(tmp_path) as opened:
        yield opened


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


async def chatter(server: Channels, name: str = "Ana") -> tuple[User, str]:
    return await server.home.foundations.accounts.register(name)


async def device_of(home: House, token: str) -> tuple[str, str]:
    identity = await home.foundations.accounts.identify(token)
    assert identity is not None
    return identity.user.id, identity.device.id


async def ask(
    server: Channels,
    session: aiohttp.ClientSession,
    method: str,
    path: str,
    token: str,
    body: object = None,
) -> tuple[int, object]:
    """Status and value of an answer; of a refusal its code."""
    headers = {"Authorization": f"Bearer {token}"}
    address = server.web.server.make_url(path)
    async with session.request(method, address, json=body, headers=headers) as response:
        found = await response.json()
        return response.status, found["error"]["code"] if response.status >= 400 else found


@asynccontextmanager
async def reading(
    server: Channels, session: aiohttp.ClientSession, token: str, channels: str = "chat", **query: str
) -> AsyncIterator[Stream]:
    address = server.web.server.make_url("/sse").with_query(channels=channels, accessToken=token, **query)
    async with session.get(address) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream"), await response.text()
        yield Stream(response)


def bare(token: str) -> str:
    return token


def in_base64(token: str) -> str:
    return base64.b64encode(token.encode()).decode()


# What it is good for.


@pytest.mark.parametrize("binary", [False, True])
async def test_a_chatter_speaks_and_listens_at_the_realtime_socket(server: Channels, binary: bool) -> None:
    user, token = await chatter(server)
    async with server.client(binary=binary, access_token=token) as client:
        assert (client.frames[0]["connectionDetails"])["clientId"] == user.id  # type: ignore[index]
        for channel in ("chat", "stream"):
            assert (await client.attach(channel))["action"] == ACT.ATTACHED
        assert (await client.publish("chat", {"name": "message", "data": "*hello*"}))["action"] == ACT.ACK
        assert len(await client.hears("chat", 1)) >= 1, "they hear themselves"
        for channel in ("stream", "game"):
            answer = await client.publish(channel, {"name": "message", "data": "x"})
            assert (answer["action"], code(answer)) == (ACT.NACK, 40160)
        assert code(await client.attach("game")) == 40160
        found = await client.present("chat", {"action": 2, "data": "here"})
        assert found["action"] == ACT.ACK
    (kept,) = [
        each
        for each in await server.home.foundations.channels.history(CHAT, limit=50)
        if each.client_id == user.id and each.text
    ]
    assert b"<em>hello</em>" in kept.data, "it is rendered as the chat renders it"


@pytest.mark.parametrize("written", [bare, in_base64])
async def test_a_chatter_asks_by_rest_of_chat_and_stream_and_of_nothing_else(
    server: Channels, session: aiohttp.ClientSession, written: Callable[[str], str]
) -> None:
    user, token = await chatter(server)
    sent = written(token)
    status, _ = await ask(server, session, "POST", "/channels/chat/messages", sent, {"data": "hello"})
    assert status == 201
    status, found = await ask(server, session, "GET", "/channels/chat/messages", sent)
    assert isinstance(found, list)
    assert (status, [each["clientId"] for each in found if each.get("name") == "message"]) == (200, [user.id])
    for path in ("/channels/stream/messages", "/channels/chat/presence"):
        assert (await ask(server, session, "GET", path, sent))[0] == 200, path
    for method, path, body in (
        ("POST", "/channels/stream/messages", {"data": "x"}),
        ("POST", "/channels/game/messages", {"data": "x"}),
        ("GET", "/channels/game/messages", None),
        ("GET", "/channels/game/presence", None),
        ("GET", "/channels", None),
        ("GET", "/stats", None),
    ):
        assert await ask(server, session, method, path, sent, body) == (401, 40160), path
    assert (await ask(server, session, "PUT", "/push/deviceRegistrations/x", sent, {"id": "x"}))[0] in (400, 401)


async def test_a_chatter_reads_events(server: Channels, session: aiohttp.ClientSession) -> None:
    _, token = await chatter(server)
    async with reading(server, session, token, "chat,stream") as stream:
        await stream.live()
        await ask(server, session, "POST", "/channels/chat/messages", token, {"data": "hello"})
        while (await stream.event())["event"] != "message":
            pass
    for channels in ("game", "chat,game"):
        address = server.web.server.make_url("/sse").with_query(channels=channels, accessToken=token)
        async with session.get(address) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (401, 40160)


async def test_nobody_speaks_as_somebody_else(server: Channels, session: aiohttp.ClientSession) -> None:
    _, token = await chatter(server)
    ben, _ = await chatter(server, "Ben")
    async with server.client(access_token=token, clientId=ben.id, greeted=False) as client:
        assert code(await client.next(ACT.ERROR)) == 40102
    async with server.client(access_token=token) as client:
        await client.attach("chat")
        answer = await client.publish("chat", {"name": "message", "data": "x", "clientId": ben.id})
        assert answer["action"] == ACT.NACK
    body = {"data": "x", "clientId": ben.id}
    assert (await ask(server, session, "POST", "/channels/chat/messages", token, body))[0] == 400
    history = await server.home.foundations.channels.history(CHAT, limit=50)
    assert [each for each in history if each.client_id == ben.id] == []


async def test_a_chatter_is_held_to_the_rules_of_chat(server: Channels, session: aiohttp.ClientSession) -> None:
    user, token = await chatter(server)
    await server.home.rule(blocked_words=("teapot",), rate_limit=False)
    path = "/channels/chat/messages"
    assert await ask(server, session, "POST", path, token, {"data": "my teapot"}) == (403, 40300)
    assert (await ask(server, session, "POST", path, token, {"data": "<b>hi</b><script>x()</script>"}))[0] == 201
    admin = await server.home.foundations.accounts.user(ADMIN_ID)
    assert admin is not None
    await server.home.chat.moderation.time_out(admin, user.id, 60)
    assert (await ask(server, session, "POST", path, token, {"data": "paused"})) == (429, 42910)
    server.home.clock.turn(61)
    assert (await ask(server, session, "POST", path, token, {"data": "again"}))[0] == 201
    said = [
        each for each in await server.home.foundations.channels.history(CHAT, limit=50) if each.client_id == user.id
    ]
    bodies = [str(content.load(each)["body"]) for each in said if each.name == Name.MESSAGE]
    assert bodies[0].startswith("<p>")
    assert "<script" not in bodies[0]
    assert "paused" not in {each.text for each in said}
    assert "again" in {each.text for each in said}


# Who is not let in.


@pytest.mark.parametrize("whose", ["bot", "admin", "nobody"])
async def test_a_token_of_no_chatter_is_refused(server: Channels, session: aiohttp.ClientSession, whose: str) -> None:
    accounts = server.home.foundations.accounts
    token = {
        "bot": (await accounts.create_bot("Beep", [Scope.SEND_MESSAGES, Scope.ADMIN]))[1],
        "admin": (await accounts.devices.sign_in(ADMIN_ID, "Laptop")).token,
        "nobody": "PRhAs0w5bWCx7Hf2bq-Jk0v6rQv9ZJt2o3dKz8n1y_c",
    }[whose]
    for sent, expected in ((token, 40143), (in_base64(token), 40145)):
        found = await ask(server, session, "GET", "/channels/chat/messages", sent)
        assert found == (401, expected)
    async with server.client(access_token=token, greeted=False) as client:
        assert str(code(await client.next(ACT.ERROR))).startswith("401")
        assert await client.ended() == 1008
    address = server.web.server.make_url("/sse").with_query(channels="chat", accessToken=token)
    async with session.get(address) as response:
        assert response.status == 401


async def test_whoever_was_removed_is_refused(server: Channels, session: aiohttp.ClientSession) -> None:
    user, token = await chatter(server)
    await server.home.foundations.accounts.set_enabled(user.id, False)
    assert await ask(server, session, "GET", "/channels/chat/messages", token) == (403, 40300)
    async with server.client(access_token=token, greeted=False) as client:
        assert code(await client.next(ACT.ERROR)) == 40300
    await server.home.foundations.accounts.set_enabled(user.id, True)
    assert (await ask(server, session, "GET", "/channels/chat/messages", token))[0] == 200


# What ends it.


async def sign_out(home: House, token: str) -> None:
    user_id, device_id = await device_of(home, token)
    await home.foundations.accounts.devices.sign_out(user_id, [device_id])


async def remove(home: House, token: str) -> None:
    user_id, _ = await device_of(home, token)
    admin = await home.foundations.accounts.user(ADMIN_ID)
    assert admin is not None
    await home.chat.moderation.set_enabled(admin, user_id, False)


ENDS: Mapping[str, tuple[Callable[[House, str], object], int]] = {
    "signed out": (sign_out, 40141),
    "removed": (remove, 40300),
}


@pytest.mark.parametrize("how", ENDS)
async def test_whoever_is_signed_out_or_removed_is_cut_off_at_once(
    server: Channels, session: aiohttp.ClientSession, how: str
) -> None:
    end, expected = ENDS[how]
    user, token = await chatter(server)
    _, others = await chatter(server, "Ben")
    second = (await server.home.foundations.accounts.devices.sign_in(user.id, "Phone")).token
    async with (
        server.client(access_token=token) as client,
        server.client(access_token=second) as phone,
        server.client(access_token=others) as other,
        reading(server, session, token) as stream,
    ):
        for each in (client, phone, other):
            await each.attach("chat")
        await stream.live()
        await end(server.home, token)  # type: ignore[misc]
        assert code(await client.next(ACT.DISCONNECTED)) == expected
        assert await client.ended() == 1008
        while (told := await stream.event())["event"] == "message":
            pass
        assert (told["event"], str(expected) in told["data"]) == ("error", True)
        assert await stream.ended()
        await stays(other)
        if how == "signed out":
            await stays(phone)
        else:
            assert code(await phone.next(ACT.DISCONNECTED)) == expected
    assert (await ask(server, session, "GET", "/channels/chat/messages", token))[0] in (401, 403)
    key = str(client.frames[0]["connectionKey"])
    async with server.client(access_token=token, resume=key, greeted=False) as again:
        assert code(await again.next(ACT.ERROR)) in (40143, 40300)


async def stays(client: Client) -> None:
    """Somebody whom it does not concern goes on."""
    assert (await client.publish("chat", {"name": "message", "data": "still here"}))["action"] == ACT.ACK


@pytest.mark.parametrize("how", ENDS)
async def test_whoever_ends_while_they_connect_is_cut_off(
    server: Channels, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    end, expected = ENDS[how]
    _, token = await chatter(server)
    open_socket = server.web.ably.realtime.connect

    async def slowly(*given: object, **named: object) -> object:
        await end(server.home, token)  # type: ignore[misc]
        return await open_socket(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(server.web.ably.realtime, "connect", slowly)
    async with server.client(access_token=token, greeted=False) as client:
        assert code(await client.next(ACT.DISCONNECTED)) == expected
        assert await client.ended() == 1008


async def test_whoever_may_chat_again_connects_again(server: Channels) -> None:
    user, token = await chatter(server)
    for enabled in (False, True):
        await server.home.foundations.accounts.set_enabled(user.id, enabled)
    async with server.client(access_token=token) as client:
        assert (await client.attach("chat"))["action"] == ACT.ATTACHED
        await server.home.foundations.channels.publish(Address(DEFAULT_APP, "stream"), Draft("", b"x", ""))
        await stays(client)
        assert server.web.ably._gate._people._told  # type: ignore[union-attr]
        await client.send(action=ACT.CLOSE)
        assert await client.ended() == 1000
    async with asyncio.timeout(PATIENCE):
        while server.web.ably._gate._people._told:  # type: ignore[union-attr]
            await asyncio.sleep(0)  # Nobody is watched who has left.
