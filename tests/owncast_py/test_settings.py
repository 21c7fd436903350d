"""Settings: seeded once, changed while running, kept, announced, and read without waiting."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from house import Clock, House, house

from owncast_py.errors import SettingError
from owncast_py.events import Events, SettingChanged
from owncast_py.setting_groups import ChatSettings, InstanceSettings
from owncast_py.settings import Settings
from owncast_py.storage import settings as repository
from owncast_py.storage.database import Database


async def test_a_change_is_in_force_announced_and_there_after_a_restart(
    home: House, address: str, clock: Clock, tmp_path: Path
) -> None:
    heard: list[SettingChanged] = []
    home.foundations.events.subscribe(SettingChanged, heard.append)
    await home.settings.change(ChatSettings, slow_mode_seconds=30, blocked_words=("spam",))
    assert home.settings.get(ChatSettings).slow_mode_seconds == 30
    (event,) = heard
    assert isinstance(event.before, ChatSettings)
    assert isinstance(event.after, ChatSettings)
    assert (event.group, event.before.slow_mode_seconds, event.after.slow_mode_seconds) == ("chat", 0, 30)
    await home.settings.change(ChatSettings, slow_mode_seconds=30)
    assert len(heard) == 1, "no event where nothing changed"
    async with house(tmp_path, address=address, clock=clock) as again:
        assert again.settings.get(ChatSettings).blocked_words == ("spam",)
        assert again.settings.get(InstanceSettings).name == "Tea"


async def test_seeds_count_at_the_first_start_only(address: str, clock: Clock) -> None:
    database = Database(address)
    await database.start()
    first = Settings(database, Events(), clock.now)
    await first.start({InstanceSettings: {"name": "One"}, ChatSettings: {"slow_mode_seconds": 5}})
    await first.change(InstanceSettings, title="Show")
    second = Settings(database, Events(), clock.now)
    await second.start({InstanceSettings: {"name": "Two"}})
    assert (second.get(InstanceSettings).name, second.get(InstanceSettings).title) == ("One", "Show")
    assert second.get(ChatSettings).slow_mode_seconds == 5
    await database.aclose()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"slow_mode_seconds": -1}, "chat.slow_mode_seconds cannot be -1: input should be greater than or equal to 0"),
        ({"slow_mode_seconds": "x"}, "chat.slow_mode_seconds cannot be 'x'"),
        ({"blocked_words": ("",)}, "chat.blocked_words.0 cannot be ''"),
        ({"welcome_message": "x" * 3000}, "chat.welcome_message cannot be 'xxx"),
        ({"no_such": 1}, "There is no setting chat.no_such."),
    ],
)
async def test_a_bad_value_is_refused_and_changes_nothing(
    home: House, fields: dict[str, object], sentence: str
) -> None:
    before = home.settings.get(ChatSettings)
    with pytest.raises(SettingError) as caught:
        await home.settings.change(ChatSettings, **fields)
    assert str(caught.value).startswith(sentence)
    assert len(str(caught.value)) < 250
    assert home.settings.get(ChatSettings) is before


async def test_changes_at_the_same_time_do_not_undo_each_other(home: House) -> None:
    await asyncio.gather(
        home.settings.change(ChatSettings, slow_mode_seconds=7), home.settings.change(ChatSettings, block_links=True)
    )
    chat = home.settings.get(ChatSettings)
    assert (chat.slow_mode_seconds, chat.block_links) == (7, True)


async def test_a_document_that_does_not_fit_any_more_keeps_what_fits(home: House, clock: Clock) -> None:
    document = '{"slow_mode_seconds": 9, "rate_limit_messages": -4, "gone_in_this_version": 1}'
    database = home.foundations.database
    await database.write(lambda connection: repository.keep(connection, "chat", document, clock.now()))
    again = Settings(database, Events(), clock.now)
    await again.start({})
    chat = again.get(ChatSettings)
    assert (chat.slow_mode_seconds, chat.rate_limit_messages) == (9, 3)
