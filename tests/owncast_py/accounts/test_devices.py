"""Devices: tokens by which they are known, what becomes of them, and when they were seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from house import Clock, House, house
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.accounts import devices as module
from owncast_py.accounts.devices import FLUSH_SECONDS, MAX_DEVICE_ID, MAX_NAME_LENGTH, Devices
from owncast_py.accounts.model import ADMIN_ID, ADMIN_LIFETIME
from owncast_py.errors import AccountError, StorageError
from owncast_py.events import Events, TokenRevoked
from owncast_py.storage import tables


async def chatter(home: House, name: str = "Ana") -> str:
    """Somebody who is signed in nowhere."""
    return (await home.foundations.accounts.add_chatter(name)).id


def anew(home: House, **options: object) -> Devices:
    """The same devices, with nothing of them in memory."""
    return Devices(home.foundations.database, Events(), home.clock.now, **options)  # type: ignore[arg-type]


def ended(home: House) -> list[TokenRevoked]:
    """What is announced from now on."""
    heard: list[TokenRevoked] = []
    home.foundations.events.subscribe(TokenRevoked, heard.append)
    return heard


# Tokens.


async def test_a_token_is_neither_in_the_database_nor_in_memory(home: House) -> None:
    accounts = home.foundations.accounts
    user, token = await accounts.register("Ana")
    assert await accounts.identify(token) is not None
    assert (await accounts.devices.of(user.id))[0].display_name == ""
    rows = []
    async with home.foundations.database.reading() as connection:
        for table in tables.metadata.sorted_tables:
            rows += [repr(row) for row in await connection.execute(select(table))]
    assert any(user.id in row for row in rows)
    for place in (*rows, repr(vars(accounts.devices)), repr(vars(accounts))):
        assert token not in place
        assert token[:20] not in place


@pytest.mark.parametrize("token", ["", "x", "x" * 10_000, "\ud800", "' OR 1=1 --", "admin"])
async def test_a_forged_token_is_nobodys(home: House, token: str) -> None:
    await home.foundations.accounts.register("Ana")
    assert await home.foundations.accounts.identify(token) is None


async def test_tokens_and_ids_cannot_be_guessed(home: House) -> None:
    user_id = await chatter(home)
    made = [await home.foundations.accounts.devices.sign_in(user_id, "") for _ in range(50)]
    assert len({each.token for each in made}) == len({each.device.id for each in made}) == 50
    assert all(len(each.token) >= 43 and len(each.device.id) >= 16 for each in made)


# Signing in.


async def test_a_device_that_signs_in_anew_gets_another_token_and_keeps_its_name(home: House, clock: Clock) -> None:
    devices = home.foundations.accounts.devices
    user_id = await chatter(home)
    heard = ended(home)
    first = await devices.sign_in(user_id, "Laptop", "ABCD")
    clock.turn(60)
    again = await devices.sign_in(user_id, "Something else", "ABCD")
    assert (again.device.id, again.device.display_name, again.device.created_at) == ("ABCD", "Laptop", clock.now())
    assert await devices.of_token(first.token) is None
    assert await devices.of_token(again.token) == again.device
    assert await devices.of(user_id) == await anew(home).of(user_id) == [again.device]
    assert heard == [TokenRevoked(user_id, "ABCD")]


async def test_an_id_tells_apart_only_the_devices_of_one_user(home: House) -> None:
    devices = home.foundations.accounts.devices
    ana, ben = await chatter(home, "Ana"), await chatter(home, "Ben")
    hers, his = await devices.sign_in(ana, "Hers", "PHONE"), await devices.sign_in(ben, "His", "PHONE")
    assert await devices.rename(ana, "PHONE", "Mine")
    assert await devices.sign_out(ana, ["PHONE"]) == 1
    for known in (devices, anew(home)):
        assert await known.of_token(hers.token) is None
        assert await known.of_token(his.token) == his.device
        assert await known.of(ben) == await known.with_id("PHONE") == [his.device]


@pytest.mark.parametrize("device_id", ["x" * (MAX_DEVICE_ID + 1), "a\0b", "a\nb", "a\ud800"])
async def test_an_id_that_would_not_be_kept_as_it_is_is_refused(home: House, device_id: str) -> None:
    devices, user_id = home.foundations.accounts.devices, await chatter(home)
    with pytest.raises(AccountError, match="at most 64 characters, all of them printable"):
        await devices.sign_in(user_id, "", device_id)
    assert await devices.of(user_id) == []


async def test_nobody_who_is_not_there_signs_in(home: House) -> None:
    with pytest.raises(AccountError, match="no user with the id 'nobody'"):
        await home.foundations.accounts.devices.sign_in("nobody", "")
    assert await home.foundations.accounts.devices.of("nobody") == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [("x" * 500, "x" * MAX_NAME_LENGTH), ("a\0b\udcffc", "ab?c"), ("👨‍👩‍👧 Zuhause", "👨‍👩‍👧 Zuhause")],
)
async def test_what_a_browser_calls_itself_is_kept_as_it_can_be_shown(home: House, given: str, kept: str) -> None:
    devices, user_id = home.foundations.accounts.devices, await chatter(home)
    token = (await devices.sign_in(user_id, given)).token
    for known in (devices, anew(home)):
        found = await known.of_token(token)
        assert found is not None
        assert found.display_name == kept
        assert [each.display_name for each in await known.of(user_id)] == [kept]


async def test_the_device_that_was_unused_longest_makes_room(
    home: House, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_DEVICES", 3)
    devices, user_id = home.foundations.accounts.devices, await chatter(home)
    made = []
    for number in range(3):
        clock.turn(1)
        made.append(await devices.sign_in(user_id, "", f"D{number}"))
    clock.turn(1)
    devices.seen(made[0].device, "192.0.2.1")  # So the second is the one that has waited longest.
    heard = ended(home)
    await devices.sign_in(user_id, "", "D2")
    assert heard == [TokenRevoked(user_id, "D2")], "one that is signed in anew needs no room"
    await devices.sign_in(user_id, "", "D3")
    for known in (devices, anew(home)):
        assert {each.id for each in await known.of(user_id)} == {"D0", "D2", "D3"}
        assert await known.of_token(made[1].token) is None
    assert heard[1:] == [TokenRevoked(user_id, "D1")]


async def test_many_who_sign_in_at_once_do_not_exceed_the_limit(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DEVICES", 4)
    devices, user_id = home.foundations.accounts.devices, await chatter(home)
    made = await asyncio.gather(*(devices.sign_in(user_id, "") for _ in range(12)))
    assert len(await devices.of(user_id)) == len(await anew(home).of(user_id)) == 4
    alive = [each for each in made if await devices.of_token(each.token) is not None]
    assert {each.device.id for each in alive} == {each.id for each in await devices.of(user_id)}


async def test_of_two_who_sign_in_at_one_device_at_once_the_later_stays(home: House) -> None:
    devices, user_id = home.foundations.accounts.devices, await chatter(home)
    heard = ended(home)
    made = await asyncio.gather(*(devices.sign_in(user_id, "", "ONE") for _ in range(3)))
    alive = [each.token for each in made if await devices.of_token(each.token) is not None]
    assert len(alive) == 1
    assert heard == [TokenRevoked(user_id, "ONE")] * 2, "so whatever the others have open is closed"


# Names, and signing out.


async def test_a_device_is_called_something_else_also_after_a_restart(home: House) -> None:
    devices, user_id = home.foundations.accounts.devices, await chatter(home)
    token = (await devices.sign_in(user_id, "Firefox", "D")).token
    assert await devices.rename(user_id, "D", "x" * MAX_NAME_LENGTH)
    assert not await devices.rename(user_id, "E", "x")
    assert not await devices.rename("nobody", "D", "x")
    with pytest.raises(AccountError, match="at most 100 characters; this one has 101"):
        await devices.rename(user_id, "D", "x" * (MAX_NAME_LENGTH + 1))
    for known in (devices, anew(home)):
        found = await known.of_token(token)
        assert found is not None
        assert found.display_name == "x" * MAX_NAME_LENGTH


async def test_a_device_is_signed_out_before_that_is_announced(home: House) -> None:
    devices, user_id = home.foundations.accounts.devices, await chatter(home)
    made = [await devices.sign_in(user_id, "", f"D{number}") for number in range(3)]
    found: list[asyncio.Task[object]] = []
    heard: list[str] = []

    def look(event: TokenRevoked) -> None:
        heard.append(event.device_id)
        token = made[int(event.device_id[1])].token
        found.extend(asyncio.ensure_future(known.of_token(token)) for known in (devices, anew(home)))

    home.foundations.events.subscribe(TokenRevoked, look)
    assert await devices.sign_out(user_id, ["D0", "D0", "D9"]) == 1
    assert await devices.sign_out(user_id, ["D0"]) == 0
    assert await devices.sign_out_all(user_id, keep="D1") == 1
    assert heard == ["D0", "D2"]
    assert await asyncio.gather(*found) == [None] * 4
    assert await devices.of_token(made[1].token) == made[1].device
    assert await devices.sign_out_all(user_id) == 1
    assert await devices.of(user_id) == await anew(home).of(user_id) == []


async def test_a_sign_out_that_could_not_be_kept_has_not_happened(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    devices, user_id = home.foundations.accounts.devices, await chatter(home)
    made = await devices.sign_in(user_id, "")
    heard = ended(home)

    async def full(*_: object) -> None:
        raise StorageError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(home.foundations.database, "write", full)
        with pytest.raises(StorageError):
            await devices.sign_out(user_id, [made.device.id])
    assert await devices.of_token(made.token) == await anew(home).of_token(made.token) == made.device
    assert heard == []


# The admin's.


async def test_a_device_of_the_admin_ends_after_thirty_days(home: House, clock: Clock) -> None:
    devices = home.foundations.accounts.devices
    user_id = await chatter(home)
    theirs = await devices.sign_in(user_id, "")
    old = await devices.sign_in(ADMIN_ID, "Laptop")
    heard = ended(home)
    clock.turn((ADMIN_LIFETIME - timedelta(seconds=1)).total_seconds())
    new = await devices.sign_in(ADMIN_ID, "Phone")
    assert await devices.of_token(old.token) == old.device
    assert [each.display_name for each in await devices.of(ADMIN_ID)] == ["Laptop", "Phone"]
    clock.turn(1)
    assert [each.display_name for each in await devices.of(ADMIN_ID)] == ["Phone"]
    assert not await devices.rename(ADMIN_ID, old.device.id, "x")
    for known in (devices, anew(home)):
        assert await known.of_token(old.token) is None
    assert heard == [TokenRevoked(ADMIN_ID, old.device.id)]
    assert [each.id for each in await devices.of_all([ADMIN_ID])] == [new.device.id], "it is not kept either"
    assert await devices.of_token(theirs.token) == theirs.device, "a chatter stays for as long as they like"


# When they were seen.


class Bell:
    """A sleep that ends when the test says so."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._asleep = asyncio.Event()
        self._wake = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._asleep.set()
        await self._wake.wait()
        self._wake.clear()

    async def until_asleep(self) -> None:
        async with asyncio.timeout(20):
            await self._asleep.wait()
        self._asleep.clear()

    async def ring(self) -> None:
        """Wakes whoever sleeps, and waits until they sleep again."""
        self._wake.set()
        await self.until_asleep()


async def test_when_devices_were_seen_is_kept_by_itself_every_half_minute(
    home: House, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id, bell = await chatter(home), Bell()
    devices = anew(home, sleep=bell.sleep)
    await devices.start()
    device = (await devices.sign_in(user_id, "Firefox")).device
    await bell.until_asleep()
    clock.turn(7)
    devices.seen(device, "192.0.2.7")
    (shown,) = await devices.of(user_id)
    assert (shown.last_seen_at, shown.last_seen_ip) == (clock.now(), "192.0.2.7"), "it is told at once"
    assert (await anew(home).of(user_id))[0].last_seen_at is None, "and kept later"

    async def full(*_: object) -> None:
        raise StorageError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(home.foundations.database, "write", full)
        await bell.ring()
    assert (await anew(home).of(user_id))[0].last_seen_at is None
    assert await devices.of(user_id) == [shown]
    await bell.ring()
    assert await anew(home).of(user_id) == await devices.of(user_id) == [shown]
    assert bell.slept == [FLUSH_SECONDS] * 3
    assert FLUSH_SECONDS <= 60
    clock.turn(7)
    devices.seen(device, "192.0.2.8")
    await devices.aclose()
    (last,) = await anew(home).of(user_id)
    assert (last.last_seen_at, last.last_seen_ip) == (clock.now(), "192.0.2.8")


async def test_when_a_device_was_seen_is_known_after_a_restart(address: str, clock: Clock, tmp_path: Path) -> None:
    async with house(tmp_path, address=address, clock=clock) as home:
        accounts = home.foundations.accounts
        user, token = await accounts.register("Ana")
        identity = await accounts.identify(token)
        assert identity is not None
        clock.turn(60)
        accounts.devices.seen(identity.device, "2001:db8::7")
    async with house(tmp_path, address=address, clock=clock) as home:
        (device,) = await home.foundations.accounts.devices.of(user.id)
        assert (device.last_seen_at, device.last_seen_ip) == (clock.now(), "2001:db8::7")


async def test_what_is_seen_while_it_is_being_kept_is_kept_the_next_time(
    home: House, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices, user_id = home.foundations.accounts.devices, await chatter(home)
    device = (await devices.sign_in(user_id, "")).device
    devices.seen(device, "192.0.2.1")
    write = home.foundations.database.write

    async def meanwhile(work: Callable[[AsyncConnection], object]) -> object:
        clock.turn(1)
        devices.seen(device, "192.0.2.2")
        return await write(work)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(home.foundations.database, "write", meanwhile)
        await devices.flush_seen()
    assert (await anew(home).of(user_id))[0].last_seen_ip == "192.0.2.1"
    await devices.flush_seen()
    (found,) = await anew(home).of(user_id)
    assert (found.last_seen_at, found.last_seen_ip) == (clock.now(), "192.0.2.2")


async def test_a_device_that_was_seen_and_signed_out_does_not_come_back(home: House) -> None:
    devices, user_id = home.foundations.accounts.devices, await chatter(home)
    made = await devices.sign_in(user_id, "", "D")
    devices.seen(made.device, "192.0.2.1")
    await devices.sign_out(user_id, ["D"])
    devices.seen(made.device, "192.0.2.1")  # A request of it was under way.
    await devices.flush_seen()
    assert await devices.of(user_id) == await anew(home).of(user_id) == []
    again = await devices.sign_in(user_id, "", "D")
    assert again.device.last_seen_at is None
    assert (await devices.of(user_id)) == [again.device]


# Memory.


async def test_more_devices_than_fit_in_memory_are_still_known(home: House, clock: Clock) -> None:
    small = anew(home, remembered=3, listed_users=2)
    made = []
    for number in range(8):
        clock.turn(1)
        made.append(await small.sign_in(await chatter(home, f"Name {number}"), "", "D"))
    for _ in range(2):
        for each in made:
            assert await small.of_token(each.token) == each.device
            assert await small.of(each.device.user_id) == [each.device]
            assert len(small._by_token) == len(small._hashes) == 3
            assert len(small._lists) == 2
    assert await small.sign_out(made[0].device.user_id, ["D"]) == 1, "one that is not in memory"
    assert await small.of_token(made[0].token) is None
