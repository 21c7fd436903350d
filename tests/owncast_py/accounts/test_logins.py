"""Logins: who signs in as whom, what a wrong password costs, and how a password is set."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import argon2
import pytest
from house import Clock, House
from sqlalchemy import select

from owncast_py.accounts.logins import (
    ADDRESS_AT_ONCE,
    ADDRESS_PER_MINUTE,
    MAX_LOGIN,
    NAME_AT_ONCE,
    NAME_PER_MINUTE,
    REGISTRATIONS_AT_ONCE,
    LoginRefused,
    Logins,
    Reason,
)
from owncast_py.accounts.model import ADMIN_ID, User
from owncast_py.accounts.passwords import MAX_LENGTH, MIN_LENGTH, Passwords
from owncast_py.chat.errors import NameRefused
from owncast_py.credentials import Credentials, StreamKey
from owncast_py.errors import AccountsBusy
from owncast_py.events import PasswordChanged
from owncast_py.storage import tables

PASSWORD = "correct horse"
OWNERS = "the owner's password"
HERE = "192.0.2.1"


class Counting(argon2.PasswordHasher):
    """A cheap hasher that counts its comparisons."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.compared = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:
        self.compared += 1
        return super().verify(hash, password)


@pytest.fixture
def hasher() -> Counting:
    return Counting()


@pytest.fixture
async def logins(home: House, hasher: Counting) -> AsyncIterator[Logins]:
    found = home.foundations
    opened = Logins(
        *(found.database, found.accounts, found.events, home.clock.now, home.clock.monotonic), Passwords(hasher)
    )
    await opened.start()
    yield opened
    await opened.aclose()


@pytest.fixture
async def ana(home: House, logins: Logins) -> User:
    """With a password."""
    user = await home.foundations.accounts.add_chatter("Ana")
    return await logins.set_password(user, PASSWORD, "ana")


async def refused(logins: Logins, name: str, password: str, address: str | None = HERE) -> LoginRefused:
    with pytest.raises(LoginRefused) as caught:
        await logins.check(name, password, address)
    assert not password or password not in str(caught.value)
    return caught.value


# Who signs in.


async def test_somebody_signs_in_by_their_login_or_their_id(home: House, logins: Logins, ana: User) -> None:
    for name in ("ana", "ANA", "Ana", ana.id):
        assert (await logins.check(name, PASSWORD, HERE)).id == ana.id
    for name, password in (("ana", "Tr0ub4dor"), ("ana", ""), ("ana", PASSWORD + " "), ("nobody", PASSWORD), ("", "")):
        assert (await refused(logins, name, password)).reason is Reason.WRONG
    other, _ = await home.foundations.accounts.register("Ben")
    assert (await refused(logins, other.id, "")).reason is Reason.WRONG, "who has no password has not an empty one"


async def test_a_login_does_not_stand_in_the_way_of_somebody_elses_id(home: House, logins: Logins) -> None:
    accounts = home.foundations.accounts
    ana = await logins.set_password(await accounts.add_chatter("Ana"), PASSWORD)
    assert ana.login == ""
    eve = await accounts.add_chatter("Eve")
    if ana.id != ana.id.lower():  # Else the name is taken.
        await logins.set_password(eve, "another password", ana.id.lower())
    assert (await logins.check(ana.id, PASSWORD, HERE)).id == ana.id


async def test_a_password_is_good_after_a_restart_and_stands_nowhere(
    home: House, logins: Logins, ana: User, hasher: Counting
) -> None:
    found = home.foundations
    again = Logins(*(found.database, found.accounts, found.events, home.clock.now, home.clock.monotonic))
    again._passwords = Passwords(hasher)
    await again.start()
    assert (await again.check("ana", PASSWORD, HERE)).id == ana.id
    await again.aclose()
    async with found.database.reading() as connection:
        rows = [repr(row) for table in tables.metadata.sorted_tables for row in await connection.execute(select(table))]
    assert any("$argon2id$" in row for row in rows)
    assert not any(PASSWORD in row for row in rows)


async def test_the_owner_signs_in_as_admin(home: House, logins: Logins, tmp_path: Path, hasher: Counting) -> None:
    assert (await refused(logins, ADMIN_ID, OWNERS)).reason is Reason.WRONG, "nobody has handed the password in"
    logins.admin = Credentials(tmp_path / "c.json", [StreamKey("k", "")], hasher.hash(OWNERS))
    assert (await logins.check(ADMIN_ID, OWNERS, HERE)).id == ADMIN_ID
    assert (await refused(logins, ADMIN_ID, PASSWORD)).reason is Reason.WRONG


# What a wrong password costs.


async def test_an_unknown_name_costs_as_much_as_a_wrong_password(
    home: House, logins: Logins, ana: User, hasher: Counting
) -> None:
    nameless = await home.foundations.accounts.add_chatter("Ben")
    bot, _ = await home.foundations.accounts.create_bot("Beep", ["CAN_SEND_MESSAGES"])
    answers = []
    for name in ("ana", "nobody", nameless.id, bot.id, ADMIN_ID, "x" * (MAX_LOGIN + 1), "", "\0"):
        before = hasher.compared
        found = await refused(logins, name, "Tr0ub4dor", None)
        answers.append((found.reason, str(found), found.retry_after, hasher.compared - before))
    assert answers == [(Reason.WRONG, "The user name or the password is wrong.", 0.0, 1)] * 8


async def test_a_password_of_any_length_is_hashed_shortened(
    logins: Logins, ana: User, monkeypatch: pytest.MonkeyPatch, hasher: Counting
) -> None:
    lengths: list[int] = []

    def noted(_hash: str, password: bytes) -> bool:
        lengths.append(len(password))
        return False

    monkeypatch.setattr(hasher, "verify", noted)
    await refused(logins, "ana", "x" * 1_000_000)
    assert lengths == [MAX_LENGTH + 1]


@pytest.mark.parametrize("name", ["ana", "nobody"])
async def test_attempts_are_limited_by_name_wherever_they_come_from(
    logins: Logins, ana: User, clock: Clock, hasher: Counting, name: str
) -> None:
    for number in range(NAME_AT_ONCE):
        assert (await refused(logins, name, "Tr0ub4dor", f"192.0.2.{number}")).reason is Reason.WRONG
    before = hasher.compared
    for each in (name, name.upper()):
        found = await refused(logins, each, PASSWORD, "198.51.100.1")
        assert (found.reason, found.retry_after) == (Reason.TOO_MANY, pytest.approx(60 / NAME_PER_MINUTE))
        assert "try again in 10 s" in str(found)
    assert hasher.compared == before, "it is not even looked at"
    assert (await refused(logins, "somebody else", "Tr0ub4dor", "198.51.100.1")).reason is Reason.WRONG
    clock.turn(60 / NAME_PER_MINUTE)
    assert (await refused(logins, name, "Tr0ub4dor", "198.51.100.1")).reason is Reason.WRONG
    assert (await refused(logins, name, "Tr0ub4dor", "198.51.100.1")).reason is Reason.TOO_MANY


async def test_a_persons_names_share_one_limit(logins: Logins, ana: User) -> None:
    for number in range(NAME_AT_ONCE):
        assert (await refused(logins, ("ana", "ANA", ana.id)[number % 3], "Tr0ub4dor", None)).reason is Reason.WRONG
    for name in ("ana", ana.id):
        assert (await refused(logins, name, PASSWORD, None)).reason is Reason.TOO_MANY


async def test_attempts_are_limited_by_address_whatever_the_name(logins: Logins, ana: User, clock: Clock) -> None:
    for number in range(ADDRESS_AT_ONCE):
        assert (await refused(logins, f"name{number}", "Tr0ub4dor")).reason is Reason.WRONG
    found = await refused(logins, "ana", PASSWORD)
    assert (found.reason, found.retry_after) == (Reason.TOO_MANY, pytest.approx(60 / ADDRESS_PER_MINUTE))
    assert (await logins.check("ana", PASSWORD, "192.0.2.2")).id == ana.id
    assert (await logins.check("ana", PASSWORD, None)).id == ana.id, "where addresses tell nobody apart"
    clock.turn(60 / ADDRESS_PER_MINUTE)
    assert (await logins.check("ana", PASSWORD, HERE)).id == ana.id


async def test_of_many_wrong_passwords_at_once_only_as_many_are_tried_as_one_after_another(
    logins: Logins, ana: User, hasher: Counting
) -> None:
    before = hasher.compared
    found = await asyncio.gather(*(refused(logins, "ana", "Tr0ub4dor") for _ in range(100)))
    reasons = [each.reason for each in found]
    assert reasons.count(Reason.WRONG) == hasher.compared - before
    assert reasons.count(Reason.WRONG) + reasons.count(Reason.TOO_MANY) == 100
    # Those that are compared at the same moment do not know of each other.
    assert NAME_AT_ONCE <= hasher.compared - before < NAME_AT_ONCE + (os.cpu_count() or 1)


async def test_right_passwords_at_once_do_not_stand_in_each_others_way(logins: Logins, ana: User) -> None:
    found = await asyncio.gather(*(logins.check("ana", PASSWORD, HERE) for _ in range(5 * NAME_AT_ONCE)))
    assert {each.id for each in found} == {ana.id}


async def test_right_passwords_cost_nothing(logins: Logins, ana: User) -> None:
    for _ in range(NAME_AT_ONCE - 1):
        assert (await refused(logins, "ana", "Tr0ub4dor")).reason is Reason.WRONG
    for _ in range(3 * ADDRESS_AT_ONCE):
        assert (await logins.check("ana", PASSWORD, HERE)).id == ana.id
    assert (await refused(logins, "ana", "Tr0ub4dor")).reason is Reason.WRONG
    assert (await refused(logins, "ana", PASSWORD)).reason is Reason.TOO_MANY


async def test_too_many_at_once_are_told_to_come_again(
    home: House, logins: Logins, ana: User, hasher: Counting
) -> None:
    found = home.foundations
    narrow = Logins(
        *(found.database, found.accounts, found.events, home.clock.now, home.clock.monotonic),
        Passwords(hasher, max_waiting=1),
    )
    await narrow.start()
    leave = threading.Event()
    held = asyncio.create_task(narrow._passwords.run(lambda: leave.wait(20)))
    await asyncio.sleep(0)
    for name in ("ana", "nobody"):
        with pytest.raises(AccountsBusy, match="Too many passwords wait"):
            await narrow.check(name, PASSWORD, None)
    leave.set()
    assert await held
    assert (await narrow.check("ana", PASSWORD, None)).id == ana.id
    await narrow.aclose()


# Setting a password.


async def test_the_first_password_makes_a_name_theirs(home: House, logins: Logins) -> None:
    user, _ = await home.foundations.accounts.register("Ana")
    other, _ = await home.foundations.accounts.register("Ben")
    assert not user.authenticated
    assert not await logins.has_password(user)
    assert (await home.chat.people.rename(other, "Anna")).display_name == "Anna"
    after = await logins.set_password(user, PASSWORD, "Ana.1")
    assert (after.id, after.login, after.display_name, after.authenticated) == (user.id, "ana.1", "Ana", True)
    assert await logins.has_password(after)
    with pytest.raises(NameRefused, match="belongs to somebody else"):
        await home.chat.people.rename(other, "Аnа")  # Cyrillic А and а


async def test_another_password_takes_the_place_of_the_one_before_and_is_told(
    home: House, logins: Logins, ana: User
) -> None:
    heard: list[PasswordChanged] = []
    home.foundations.events.subscribe(PasswordChanged, heard.append)
    await logins.set_password(ana, "battery staple")
    assert heard == [PasswordChanged(ana.id)]
    assert (await refused(logins, "ana", PASSWORD)).reason is Reason.WRONG
    assert (await logins.check("ana", "battery staple", HERE)).login == "ana"
    await logins.set_password(ana, "battery staple", "ANNA")
    assert (await logins.check("anna", "battery staple", HERE)).id == ana.id
    assert (await refused(logins, "ana", "battery staple")).reason is Reason.WRONG


@pytest.mark.parametrize("password", ["", "x" * (MIN_LENGTH - 1), "x" * (MAX_LENGTH + 1)])
async def test_a_password_that_is_too_short_or_too_long_is_refused(logins: Logins, ana: User, password: str) -> None:
    with pytest.raises(LoginRefused, match=f"{MIN_LENGTH} to {MAX_LENGTH} characters, not {len(password)}") as caught:
        await logins.set_password(ana, password, "other")
    assert caught.value.reason is Reason.BAD_PASSWORD
    assert (await logins.check("ana", PASSWORD, HERE)).login == "ana", "nothing has changed"


@pytest.mark.parametrize("login", ["a b", "é", "a@b", "a:b", "x" * (MAX_LOGIN + 1), "a\n", "\ud800", "İ"])
async def test_a_name_that_nobody_could_sign_in_with_is_refused(logins: Logins, ana: User, login: str) -> None:
    for refusing in (logins.set_password(ana, PASSWORD, login), logins.register(login, PASSWORD, "Ben", HERE)):
        with pytest.raises(LoginRefused, match="One cannot sign in as") as caught:
            await refusing
        assert caught.value.reason is Reason.BAD_NAME
    assert (await logins.check("ana", PASSWORD, HERE)).id == ana.id


async def test_a_name_that_somebody_has_is_refused_also_if_it_is_their_id(
    home: House, logins: Logins, ana: User
) -> None:
    ben = await home.foundations.accounts.add_chatter("Ben")
    for login in ("ana", "ANA", ADMIN_ID, "Admin"):
        for refusing in (logins.set_password(ben, PASSWORD, login), logins.register(login, PASSWORD, "Ben", HERE)):
            with pytest.raises(LoginRefused, match=f"Somebody else signs in as '{login.lower()}'") as caught:
                await refusing
            assert caught.value.reason is Reason.TAKEN
    assert not await logins.has_password(ben)


async def test_a_login_is_one_persons_also_when_two_take_it_at_once(home: House, logins: Logins) -> None:
    accounts = home.foundations.accounts
    people = [await accounts.add_chatter(name) for name in ("Ana", "Ben", "Cleo")]
    taking = [logins.set_password(each, f"{PASSWORD} {each.id}", "tea") for each in people]
    taking += [logins.register("tea", f"{PASSWORD} {number}", "Dan", None) for number in range(2)]
    results = await asyncio.gather(*taking, return_exceptions=True)
    (winner,) = [result for result in results if isinstance(result, User)]
    refusals = [result for result in results if isinstance(result, LoginRefused)]
    assert [refusal.reason for refusal in refusals] == [Reason.TAKEN] * 4
    found = await logins.find("tea")
    assert found is not None
    assert found.id == winner.id
    for each in people:
        assert await logins.has_password(each) is (each.id == winner.id), "a loser's password is not set either"


async def test_a_bot_has_no_password_and_gets_none(home: House, logins: Logins) -> None:
    bot, _ = await home.foundations.accounts.create_bot("Beep", ["CAN_SEND_MESSAGES"])
    with pytest.raises(LoginRefused, match="A bot has an access token and no password") as caught:
        await logins.set_password(bot, PASSWORD, "beep")
    assert caught.value.reason is Reason.NOT_HERE
    assert not await logins.has_password(bot)


async def test_the_owners_password_is_set_where_the_owners_is_kept(
    home: House, logins: Logins, tmp_path: Path, hasher: Counting
) -> None:
    admin = await home.foundations.accounts.user(ADMIN_ID)
    assert admin is not None
    assert await logins.has_password(admin)
    credentials = Credentials(tmp_path / "c.json", [StreamKey("k", "")], hasher.hash(OWNERS))
    logins.admin = credentials
    heard: list[PasswordChanged] = []
    home.foundations.events.subscribe(PasswordChanged, heard.append)
    for password, login, reason in (("short", "", Reason.BAD_PASSWORD), (PASSWORD, "boss", Reason.NOT_HERE)):
        with pytest.raises(LoginRefused) as caught:
            await logins.set_password(admin, password, login)
        assert caught.value.reason is reason
    assert heard == []
    await logins.set_password(admin, PASSWORD)
    assert heard == [PasswordChanged(ADMIN_ID)]
    assert credentials.verify_admin_password(PASSWORD)
    assert (await logins.check(ADMIN_ID, PASSWORD, HERE)).id == ADMIN_ID
    assert (await refused(logins, ADMIN_ID, OWNERS)).reason is Reason.WRONG


async def test_a_configured_password_of_the_owner_is_not_changed_here(
    home: House, logins: Logins, tmp_path: Path, hasher: Counting
) -> None:
    admin = await home.foundations.accounts.user(ADMIN_ID)
    assert admin is not None
    logins.admin = Credentials(
        tmp_path / "c.json", [StreamKey("k", "")], hasher.hash(OWNERS), password_is_configured=True
    )
    with pytest.raises(LoginRefused, match="comes from this server's configuration"):
        await logins.set_password(admin, PASSWORD)
    assert (await logins.check(ADMIN_ID, OWNERS, HERE)).id == ADMIN_ID


# Registering.


async def test_an_account_can_be_made_with_its_password(logins: Logins, home: House) -> None:
    user = await logins.register("Tea.Pot", PASSWORD, "Tea", HERE)
    assert (user.login, user.display_name, user.authenticated) == ("tea.pot", "Tea", True)
    assert (await logins.check("tea.pot", PASSWORD, HERE)).id == user.id
    assert await home.foundations.accounts.devices.of(user.id) == []
    plain = await logins.register("", "", "Cup", HERE)
    assert (plain.login, plain.authenticated, await logins.has_password(plain)) == ("", False, False)


async def test_new_accounts_from_one_address_are_limited(logins: Logins, clock: Clock) -> None:
    for _ in range(REGISTRATIONS_AT_ONCE):
        await logins.register("", "", "Tea", HERE)
    with pytest.raises(LoginRefused, match="Too many accounts came from your address") as caught:
        await logins.register("tea", PASSWORD, "Tea", HERE)
    assert (caught.value.reason, caught.value.retry_after) == (Reason.TOO_MANY, pytest.approx(12))
    assert await logins.find("tea") is None
    await logins.register("", "", "Tea", "192.0.2.2")
    clock.turn(12)
    await logins.register("tea", PASSWORD, "Tea", HERE)
