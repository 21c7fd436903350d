"""Devices against a plain model: memory, the database and what was announced agree, whatever is done in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import pytest
from house import Clock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from owncast_py.accounts import devices as module
from owncast_py.accounts.devices import Devices
from owncast_py.accounts.service import Accounts
from owncast_py.chat import names
from owncast_py.events import Events, TokenRevoked
from owncast_py.storage.database import Database

T = TypeVar("T")

USERS = st.integers(0, 2)
IDS = st.sampled_from(["A", "B", "C", ""])
MOST = 3
"""Devices of one user."""


@dataclass
class Known:
    """A device, as the model knows it."""

    id: str
    token: str
    name: str
    made: datetime
    seen: datetime | None = None
    kept: datetime | None = None
    """Of `seen`, what a restart finds."""

    @property
    def used(self) -> datetime:
        return self.seen or self.made


@dataclass
class Bench:
    """One database for all examples; each has users of its own."""

    runner: asyncio.Runner
    clock: Clock
    database: Database

    def run(self, work: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await work

        return self.runner.run(awaited())

    def users(self) -> list[str]:
        accounts = Accounts(self.database, Events(), self.clock.now, names.key)
        return [self.run(accounts.add_chatter(name)).id for name in ("Ana", "Ben", "Cleo")]

    def devices(self, events: Events) -> Devices:
        """With hardly any memory."""
        return Devices(self.database, events, self.clock.now, remembered=2, listed_users=1)


@pytest.fixture
def bench(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(module, "MAX_DEVICES", MOST)
    with asyncio.Runner() as runner:
        database = Database(address)
        runner.run(database.start())
        yield Bench(runner, Clock(), database)
        runner.run(database.aclose())


class DeviceMachine(RuleBasedStateMachine):
    """One thing after another."""

    bench: Bench

    def __init__(self) -> None:
        super().__init__()
        self.users = self.bench.users()
        self.signed_in: dict[str, dict[str, Known]] = {user: {} for user in self.users}
        self.dead: list[str] = []
        self.announced: list[tuple[str, str]] = []
        self.restart()

    @rule()
    def restart(self) -> None:
        """Whatever was seen and not kept yet is lost, as by a crash."""
        self.heard: list[TokenRevoked] = []
        events = Events()
        events.subscribe(TokenRevoked, self.heard.append)
        self.devices = self.bench.devices(events)
        self.announced = []
        for known in self.each():
            known.seen = known.kept

    def each(self) -> list[Known]:
        return [known for devices in self.signed_in.values() for known in devices.values()]

    def end(self, user: str, device_id: str) -> None:
        self.dead.append(self.signed_in[user].pop(device_id).token)
        self.announced.append((user, device_id))

    @rule(who=USERS, name=st.sampled_from(["Firefox", "Phone"]), device_id=IDS)
    def sign_in(self, who: int, name: str, device_id: str) -> None:
        user = self.users[who]
        theirs = self.signed_in[user]
        self.bench.clock.turn(1)
        device, token = self.bench.run(self.devices.sign_in(user, name, device_id))
        others = sorted((known for known in theirs.values() if known.id != device_id), key=lambda known: known.used)
        for known in others[: max(0, len(others) + 1 - MOST)]:
            self.end(user, known.id)
        if device_id in theirs:
            name = theirs[device_id].name
            self.end(user, device_id)
        theirs[device.id] = Known(device.id, token, name, self.bench.clock.now())

    @rule(who=USERS, device_id=IDS, name=st.sampled_from(["Kitchen", ""]))
    def rename(self, who: int, device_id: str, name: str) -> None:
        theirs = self.signed_in[self.users[who]]
        assert self.bench.run(self.devices.rename(self.users[who], device_id, name)) is (device_id in theirs)
        if device_id in theirs:
            theirs[device_id].name = name

    @rule(who=USERS, device_ids=st.sets(IDS, max_size=3))
    def sign_out(self, who: int, device_ids: set[str]) -> None:
        theirs = self.signed_in[self.users[who]]
        gone = [device_id for device_id in theirs if device_id in device_ids]
        assert self.bench.run(self.devices.sign_out(self.users[who], device_ids)) == len(gone)
        for device_id in gone:
            self.end(self.users[who], device_id)

    @rule(who=USERS, keep=IDS)
    def sign_out_all(self, who: int, keep: str) -> None:
        gone = [device_id for device_id in self.signed_in[self.users[who]] if device_id != keep]
        assert self.bench.run(self.devices.sign_out_all(self.users[who], keep)) == len(gone)
        for device_id in gone:
            self.end(self.users[who], device_id)

    @precondition(lambda self: self.each())
    @rule(data=st.data())
    def see(self, data: st.DataObject) -> None:
        known = data.draw(st.sampled_from(self.each()))
        device = self.bench.run(self.devices.of_token(known.token))
        assert device is not None
        self.bench.clock.turn(1)
        self.devices.seen(device, "192.0.2.1")
        known.seen = self.bench.clock.now()

    @rule()
    def flush(self) -> None:
        self.bench.run(self.devices.flush_seen())
        for known in self.each():
            known.kept = known.seen

    @invariant()
    def tokens_are_of_the_devices_that_there_are(self) -> None:
        for user, theirs in self.signed_in.items():
            for known in theirs.values():
                device = self.bench.run(self.devices.of_token(known.token))
                assert device is not None
                assert (device.user_id, device.id, device.display_name) == (user, known.id, known.name)
        for token in self.dead[-4:]:
            assert self.bench.run(self.devices.of_token(token)) is None

    @invariant()
    def lists_are_what_there_is(self) -> None:
        for user, theirs in self.signed_in.items():
            listed = self.bench.run(self.devices.of(user))
            shown = [(each.id, each.display_name, each.created_at, each.last_seen_at) for each in listed]
            assert shown == [(known.id, known.name, known.made, known.seen) for known in theirs.values()]
            kept = self.bench.run(self.bench.devices(Events()).of(user))
            assert [(each.id, each.display_name, each.last_seen_at) for each in kept] == [
                (known.id, known.name, known.kept) for known in theirs.values()
            ]

    @invariant()
    def every_end_is_announced_once(self) -> None:
        assert [(event.user_id, event.device_id) for event in self.heard] == self.announced


def test_devices_are_what_a_plain_model_says(bench: Bench) -> None:
    machine = type("Machine", (DeviceMachine,), {"bench": bench})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("sign in"), USERS, IDS),
        st.tuples(st.just("sign out"), USERS, IDS),
        st.tuples(st.just("rename"), USERS, IDS),
        st.tuples(st.just("identify"), USERS, IDS),
        st.tuples(st.just("list"), USERS, IDS),
        st.tuples(st.just("see"), USERS, IDS),
    ),
    min_size=2,
    max_size=14,
)


def test_whatever_happens_at_once_memory_agrees_with_the_database(bench: Bench) -> None:
    @given(steps=STEPS)
    @settings(max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def at_once(steps: list[tuple[str, int, str]]) -> None:
        users = bench.users()
        bench.run(interleaved(bench, users, steps))

    at_once()


async def interleaved(bench: Bench, users: list[str], steps: list[tuple[str, int, str]]) -> None:
    devices = Devices(bench.database, Events(), bench.clock.now)
    tokens = {(user, name): (await devices.sign_in(user, name, name)).token for user in users for name in "AB"}
    given_out = list(tokens.values())
    devices = Devices(bench.database, Events(), bench.clock.now)  # What was in memory is not.

    async def do(what: str, user: str, device_id: str) -> None:
        match what:
            case "sign in":
                bench.clock.turn(1)
                given_out.append((await devices.sign_in(user, "new", device_id)).token)
            case "sign out":
                await devices.sign_out(user, [device_id])
            case "rename":
                await devices.rename(user, device_id, f"named {len(given_out)}")
            case "identify":
                await devices.of_token(tokens.get((user, device_id), ""))
            case "list":
                await devices.of(user)
            case "see":
                if (device := await devices.of_token(tokens.get((user, device_id), ""))) is not None:
                    devices.seen(device, "192.0.2.1")
                    await devices.flush_seen()

    await asyncio.gather(*(do(what, users[who], device_id) for what, who, device_id in steps))
    await devices.flush_seen()
    fresh = Devices(bench.database, Events(), bench.clock.now)
    for user in users:
        assert await devices.of(user) == await fresh.of(user)
        assert len(await devices.of(user)) <= MOST
    for token in given_out:
        assert await devices.of_token(token) == await fresh.of_token(token)
