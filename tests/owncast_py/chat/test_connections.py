"""Who is connected, and what the others hear of coming and going."""

from __future__ import annotations

import pytest
from house import Clock, House, Line

from owncast_py.accounts.model import Identity
from owncast_py.chat import connections as connections_module
from owncast_py.chat import content
from owncast_py.chat.connections import LINES_PER_SECOND, PART_DELAY, Connection
from owncast_py.realtime.messages import CHAT, Delivery, Message


@pytest.fixture(autouse=True)
def ticks_are_the_tests_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a slow machine the service's own would come between two lines of a test."""
    monkeypatch.setattr(connections_module, "TICK_SECONDS", 3600.0)


async def newcomer(home: House, name: str) -> Identity:
    _, token = await home.foundations.accounts.register(name)
    identity = await home.foundations.accounts.identify(token)
    assert identity is not None
    return identity


async def connect(home: House, identity: Identity, number: int = 1) -> Connection:
    connection = Connection(
        id=f"{identity.user.id}-{number}",
        user_id=identity.user.id,
        device_id=identity.device.id,
        address="192.0.2.1",
        user_agent="test",
        connected_at=home.clock.now(),
        line=Line(),
    )
    await home.chat.connections.join(connection, identity)
    return connection


def listen(home: House) -> list[Delivery]:
    heard: list[Delivery] = []
    home.foundations.channels.broker.subscribe(CHAT, heard.extend)
    return heard


def told(heard: list[Delivery]) -> list[tuple[str, object]]:
    found = []
    for message in heard:
        if isinstance(message, Message):
            document = content.load(message)
            users = document.get("users", [document["user"]] if "user" in document else [])
            assert isinstance(users, list)
            found.append((message.name, ", ".join(user["displayName"] for user in users) or document["body"]))
    return found


async def test_a_user_joins_once_and_parts_ten_seconds_after_the_last_window(home: House, clock: Clock) -> None:
    heard = listen(home)
    ana = await newcomer(home, "Ana")
    first, second = await connect(home, ana, 1), await connect(home, ana, 2)
    assert first.line.told[0][0] == "connected"  # type: ignore[attr-defined]
    assert told(heard) == [("joined", "Ana")]
    assert len(home.chat.connections.of(ana.user.id)) == 2
    await home.chat.connections.part(first)
    await home.chat.connections.part(second)
    await home.chat.connections.part(second)
    await home.chat.connections.tick()
    assert told(heard) == [("joined", "Ana")]
    clock.turn(PART_DELAY)
    await home.chat.connections.tick()
    await home.chat.connections.tick()
    assert told(heard) == [("joined", "Ana"), ("parted", "Ana")]
    assert len(home.chat.connections) == 0
    assert await home.foundations.channels.history(CHAT, limit=9) == [], "none of it is kept"


async def test_a_reload_is_neither(home: House, clock: Clock) -> None:
    heard = listen(home)
    ana = await newcomer(home, "Ana")
    await home.chat.connections.part(await connect(home, ana, 1))
    clock.turn(PART_DELAY - 1)
    await home.chat.connections.tick()
    await connect(home, ana, 2)
    clock.turn(PART_DELAY)
    await home.chat.connections.tick()
    assert told(heard) == [("joined", "Ana")]


async def test_many_at_once_are_told_together(home: House, clock: Clock) -> None:
    heard = listen(home)
    people = [await newcomer(home, f"P{number}") for number in range(LINES_PER_SECOND + 14)]
    connections = [await connect(home, person) for person in people]
    await home.chat.connections.tick()
    assert told(heard) == [
        *(("joined", f"P{number}") for number in range(LINES_PER_SECOND)),
        ("joined", f"P{LINES_PER_SECOND}, P{LINES_PER_SECOND + 1} and 12 others joined."),
        ("joined", ", ".join(f"P{number}" for number in range(LINES_PER_SECOND, LINES_PER_SECOND + 14))),
    ]
    heard.clear()
    for connection in connections[:7]:
        await home.chat.connections.part(connection)
    clock.turn(PART_DELAY)
    await home.chat.connections.tick()
    assert told(heard)[LINES_PER_SECOND:] == [("parted", "P5 and P6 left."), ("parted", "P5, P6")]


async def test_joins_can_be_kept_quiet_and_those_of_the_disabled_are(home: House) -> None:
    heard = listen(home)
    await home.rule(join_messages=False)
    await connect(home, await newcomer(home, "Ana"))
    await home.rule(join_messages=True)
    ben = await newcomer(home, "Ben")
    disabled = await home.foundations.accounts.set_enabled(ben.user.id, False)
    await connect(home, Identity(disabled, ben.device))
    assert told(heard) == []


async def test_everybody_connected_is_present_in_the_channel(home: House) -> None:
    ana = await newcomer(home, "Ana")
    connection = await connect(home, ana)
    broker = home.foundations.channels.broker
    assert [(each.client_id, each.device_id) for each in await broker.members(CHAT)] == [(ana.user.id, ana.device.id)]
    await home.chat.connections.part(connection)
    assert list(await broker.members(CHAT)) == []
