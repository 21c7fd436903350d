"""Banned addresses and networks."""

from __future__ import annotations

from pathlib import Path

import pytest
from house import Clock, House, house

from owncast_py.chat import bans as module
from owncast_py.chat.errors import ChatRefused


async def test_addresses_and_networks_are_banned_until_they_are_not(
    home: House, address: str, clock: Clock, tmp_path: Path
) -> None:
    bans = home.chat.bans
    for network in ("203.0.113.7", "198.51.100.0/24", "2001:db8::/48", "2001:db8:1::5"):
        await bans.add(network, "spam")
    for banned in ("203.0.113.7", "198.51.100.255", "2001:db8::1", "2001:db8:1::5", "::ffff:203.0.113.7"):
        assert bans.banned(banned), banned
    for free in ("203.0.113.8", "198.51.101.1", "2001:db8:1::6", "", "nonsense", "fe80::1%eth0"):
        assert not bans.banned(free), free
    await bans.remove("198.51.100.0/24")
    assert not bans.banned("198.51.100.255")
    async with house(tmp_path, address=address, clock=clock) as again:
        assert again.chat.bans.banned("203.0.113.7")
        assert not again.chat.bans.banned("198.51.100.1")
        assert [ban.note for ban in again.chat.bans.listing()] == ["spam"] * 3


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "1.2.3.4/33", "0.0.0.0/0", "::/0", "10.0.0.0/7", "a" * 1000])
async def test_what_is_no_network_or_too_large_a_one_is_refused(home: House, text: str) -> None:
    with pytest.raises(ChatRefused) as caught:
        await home.chat.bans.add(text)
    assert len(str(caught.value)) < 200
    assert home.chat.bans.listing() == []


async def test_a_ban_twice_is_one_and_one_that_is_none_cannot_be_lifted(home: House) -> None:
    await home.chat.bans.add("203.0.113.7", "one")
    await home.chat.bans.add("203.0.113.7/32", "two")
    assert [ban.note for ban in home.chat.bans.listing()] == ["two"]
    await home.chat.bans.remove("203.0.113.7")
    assert not home.chat.bans.banned("203.0.113.7")
    with pytest.raises(ChatRefused, match="is not banned"):
        await home.chat.bans.remove("203.0.113.7")


async def test_there_are_so_many_bans_and_no_more(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BANS", 2)
    await home.chat.bans.add("203.0.113.1")
    await home.chat.bans.add("203.0.113.2")
    with pytest.raises(ChatRefused, match="2 bans already"):
        await home.chat.bans.add("203.0.113.3")
