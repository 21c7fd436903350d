"""Accounts: tokens are known by their hash, changes reach everybody, and nothing is forgotten."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from house import Clock, House, house
from sqlalchemy import select

from owncast_py.accounts.model import ADMIN_ID, COLORS, Kind, Scope
from owncast_py.accounts.service import Accounts
from owncast_py.chat import names
from owncast_py.errors import AccountError
from owncast_py.events import Events, TokenRevoked, UserChanged
from owncast_py.storage import tables


async def test_a_chatter_is_known_by_their_token_also_after_a_restart(
    home: House, address: str, clock: Clock, tmp_path: Path
) -> None:
    accounts = home.foundations.accounts
    user, token = await accounts.register("Ana", "Firefox")
    identity = await accounts.identify(token)
    assert identity is not None
    assert identity.user == user
    assert (user.kind, user.display_name, user.scopes, user.may_moderate) == (Kind.CHATTER, "Ana", frozenset(), False)
    assert 0 <= user.color < 8
    assert identity.device.display_name == "Firefox"
    await accounts.rename(user.id, "Anna")
    async with house(tmp_path, address=address, clock=clock) as again:
        found = await again.foundations.accounts.identify(token)
        assert found is not None
        assert (found.user.display_name, found.user.previous_names) == ("Anna", ("Ana",))


async def test_no_token_is_in_the_database(home: House) -> None:
    _, token = await home.foundations.accounts.register("Ana")
    async with home.foundations.database.reading() as connection:
        for table in tables.metadata.sorted_tables:
            for row in await connection.execute(select(table)):
                assert token not in repr(row)


@pytest.mark.parametrize("token", ["", "x", "x" * 10_000, "\ud800", "' OR 1=1 --", "admin"])
async def test_a_forged_token_is_nobodys(home: House, token: str) -> None:
    await home.foundations.accounts.register("Ana")
    assert await home.foundations.accounts.identify(token) is None


async def test_changes_are_seen_at_once_and_announced(home: House, clock: Clock) -> None:
    accounts = home.foundations.accounts
    user, token = await accounts.register("Ana")
    heard: list[UserChanged] = []
    home.foundations.events.subscribe(UserChanged, heard.append)
    await accounts.set_moderator(user.id, True)
    color = (user.color + 1) % COLORS
    await accounts.recolor(user.id, color)
    await accounts.set_enabled(user.id, False)
    await accounts.set_enabled(user.id, False)
    await accounts.time_out(user.id, clock.now() + timedelta(minutes=1))
    identity = await accounts.identify(token)
    assert identity is not None
    assert (identity.user.moderator, identity.user.color, identity.user.disabled_at) == (True, color, clock.now())
    assert identity.user.has(Scope.MODERATOR)
    assert len(heard) == 4
    assert [each.id for each in await accounts.moderators()] == [user.id]
    assert [each.id for each in await accounts.disabled()] == [user.id]
    with pytest.raises(AccountError, match="no colour 8"):
        await accounts.recolor(user.id, 8)
    with pytest.raises(AccountError, match="no user with the id 'nobody'"):
        await accounts.rename("nobody", "X")


async def test_names_that_read_alike_are_found(home: House) -> None:
    accounts = home.foundations.accounts
    user, _ = await accounts.register("Anna")
    assert [each.id for each in await accounts.named_alike("аnnа")] == [user.id]  # Cyrillic а
    await accounts.rename(user.id, "Ben")
    assert await accounts.named_alike("Anna") == []


async def test_names_change_often_and_the_latest_are_remembered(home: House) -> None:
    accounts = home.foundations.accounts
    user, _ = await accounts.register("N0")
    for number in range(1, 40):
        user = await accounts.rename(user.id, f"N{number % 30}")
    assert len(user.previous_names) == 20
    assert len(set(user.previous_names)) == 20
    assert user.previous_names[-1] == "N8"


async def test_a_bot_has_the_scopes_it_was_given_until_it_is_revoked(home: House, clock: Clock) -> None:
    accounts = home.foundations.accounts
    user, token = await accounts.create_bot("Beep", ["CAN_SEND_MESSAGES"])
    clock.turn(1)
    _, other = await accounts.create_bot("Boop", ["HAS_ADMIN_ACCESS"])
    assert (user.is_bot, user.has(Scope.SEND_MESSAGES), user.has(Scope.ADMIN)) == (True, True, False)
    assert [identity.user.display_name for identity in await accounts.bots()] == ["Beep", "Boop"]
    heard: list[TokenRevoked] = []
    home.foundations.events.subscribe(TokenRevoked, heard.append)
    assert await accounts.revoke_bot(token)
    assert not await accounts.revoke_bot(token)
    assert await accounts.identify(token) is None
    (left,) = await accounts.bots()
    assert await accounts.revoke_bot(left.device.id)
    assert await accounts.identify(other) is None
    assert [event.user_id for event in heard] == [user.id, left.user.id]
    _, chatter = await accounts.register("Ana")
    assert not await accounts.revoke_bot(chatter), "a chatter's token is none of a bot"


@pytest.mark.parametrize(
    ("name", "scopes"),
    [("", ["CAN_SEND_MESSAGES"]), ("x" * 101, ["CAN_SEND_MESSAGES"]), ("x", []), ("x", ["MODERATOR"]), ("x", ["root"])],
)
async def test_a_bot_without_name_or_with_strange_scopes_is_refused(home: House, name: str, scopes: list[str]) -> None:
    with pytest.raises(AccountError):
        await home.foundations.accounts.create_bot(name, scopes)
    assert await home.foundations.accounts.bots() == []


async def test_more_identities_than_fit_in_memory_are_still_known(home: House, clock: Clock) -> None:
    small = Accounts(home.foundations.database, Events(), clock.now, names.key, remembered=3)
    made = [await small.register(f"Name {number}") for number in range(8)]
    assert len(small._users) == len(small._devices) == 3
    for user, token in made:
        identity = await small.identify(token)
        assert identity is not None
        assert identity.user.id == user.id
    assert len(small._users) == len(small._devices) == 3


async def test_a_change_during_a_look_up_is_not_undone_in_memory(home: House, clock: Clock) -> None:
    user, token = await home.foundations.accounts.register("Ana")
    fresh = Accounts(home.foundations.database, Events(), clock.now, names.key)
    await asyncio.gather(fresh.identify(token), fresh.set_enabled(user.id, False), fresh.identify(token))
    found = await fresh.identify(token)
    assert found is not None
    assert found.user.disabled_at is not None


async def test_when_a_device_was_seen_is_kept(home: House, clock: Clock) -> None:
    accounts = home.foundations.accounts
    _, token = await accounts.create_bot("Beep", ["CAN_SEND_MESSAGES"])
    identity = await accounts.identify(token)
    assert identity is not None
    clock.turn(60)
    accounts.devices.seen(identity.device, "192.0.2.7")
    await accounts.devices.flush_seen()
    (bot,) = await accounts.bots()
    assert (bot.device.last_seen_at, bot.device.last_seen_ip) == (clock.now(), "192.0.2.7")


async def test_there_is_one_admin(home: House, address: str, clock: Clock, tmp_path: Path) -> None:
    admin = await home.foundations.accounts.user(ADMIN_ID)
    assert admin is not None
    assert admin.kind is Kind.ADMIN
    assert admin.may_moderate
    async with house(tmp_path, address=address, clock=clock) as again:
        assert await again.foundations.accounts.user(ADMIN_ID) == admin
