"""Accounts: users are known by their tokens, changes reach everybody, and nothing is forgotten."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from house import Clock, House, house

from owncast_py.accounts.model import ADMIN_ID, COLORS, Kind, Scope, User
from owncast_py.accounts.service import Accounts
from owncast_py.chat import names
from owncast_py.errors import AccountError
from owncast_py.events import Events, TokenRevoked, UserChanged


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


async def test_there_is_one_admin(home: House, address: str, clock: Clock, tmp_path: Path) -> None:
    admin = await home.foundations.accounts.user(ADMIN_ID)
    assert admin is not None
    assert admin.kind is Kind.ADMIN
    assert admin.may_moderate
    async with house(tmp_path, address=address, clock=clock) as again:
        assert await again.foundations.accounts.user(ADMIN_ID) == admin


async def test_whoever_is_deleted_is_signed_out_everywhere(home: House) -> None:
    accounts = home.foundations.accounts
    user, token = await accounts.register("Ana")
    other = await accounts.devices.sign_in(user.id, "Phone")
    heard: list[TokenRevoked] = []
    home.foundations.events.subscribe(TokenRevoked, heard.append)
    await accounts.delete(user.id)
    assert {event.device_id for event in heard} >= {other.device.id}
    assert len(heard) == 2
    for each in (token, other.token):
        assert await accounts.identify(each) is None
    assert await accounts.devices.of(user.id) == await accounts.devices.of_all([user.id]) == []
    with pytest.raises(AccountError, match="who could be deleted"):
        await accounts.delete(ADMIN_ID)


async def test_a_login_is_one_persons_also_when_two_take_it_at_once(home: House, clock: Clock) -> None:
    accounts = home.foundations.accounts
    people = [await accounts.add_chatter(name) for name in ("Ana", "Ben", "Cleo")]
    results = await asyncio.gather(*(accounts.take_login(each.id, "tea") for each in people), return_exceptions=True)
    assert [isinstance(result, AccountError) for result in results] == [False, True, True]
    assert "Somebody else signs in as 'tea'" in str(results[1])
    results = await asyncio.gather(*(accounts.add_chatter("Dan", "pot") for _ in range(3)), return_exceptions=True)
    assert sum(isinstance(result, AccountError) for result in results) == 2
    fresh = Accounts(home.foundations.database, Events(), clock.now, names.key)
    for login, owner in (("tea", people[0].id), ("pot", next(each.id for each in results if isinstance(each, User)))):
        found = await fresh.with_login(login)
        assert found is not None
        assert found.id == owner
    assert [(await accounts.user(each.id)).login for each in people] == ["tea", "", ""]  # type: ignore[union-attr]
